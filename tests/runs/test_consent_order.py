"""Nothing is done for people who wait to be suppressed, whatever else is done at a checkpoint meanwhile."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest

from target_sendgrid.audience import intents, suppression_guard
from target_sendgrid.delivery import removals, unsubscribed
from tests.harness.messages import record, schema, state
from tests.harness.removals import counts_of, deleted, members, on_list

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.harness.account import Account

STATUS = schema(email="string", first_name={"type": ["string", "null"]}, status={})
KEYED = schema(id="string", email={"type": ["string", "null"]}, status="string", first_name="string")
MAPPING = {"external_id": "id", "email": "email", "first_name": "first_name"}
CONSENT: dict[str, Any] = {"subscription_property": "status", "unsubscribed_values": ["unsubscribed"]}
OUT = {"status": "unsubscribed"}


def person(name: str, **values: Any) -> dict[str, Any]:
    return record(email=f"{name}@x.com", **{"status": "subscribed", **values})


def numbered(word: str, count: int) -> list[str]:
    return [f"{word}{number}" for number in range(count)]


@pytest.mark.parametrize("act", ["remove_from_list", "delete_contact", "erase"])
def test_nobody_is_taken_away_at_a_checkpoint_who_waits_to_be_suppressed(account: Account, act: str) -> None:
    gone = numbered("gone", 12)
    members(account, *gone, "bob")
    rows = [deleted(email="bob@x.com"), *(deleted(email=f"{name}@x.com", **OUT) for name in gone)]
    with mock.patch.object(intents, "MAX_WAITING", 13):
        run = account.run(STATUS, *rows, state(1), on_delete=act, max_removals=100, **CONSENT)
    assert (run.exit_code, run.states) == (1, [])
    assert account.sandbox.suppressed() == set()
    assert "12 of the 13 people of the run would be unsubscribed" in run.log
    if act != "erase":
        assert on_list(account) == "g" * 12


def test_removals_do_not_wait_for_suppressions_without_end(account: Account) -> None:
    gone = numbered("gone", 14)
    members(account, *gone)
    rows = [*(deleted(email=f"{name}@x.com", **OUT) for name in gone), *(person(name) for name in numbered("new", 20))]
    with mock.patch.object(suppression_guard, "FEW", 0), mock.patch.object(intents, "MAX_WAITING", 4):
        run = account.run(STATUS, *rows, state(1), on_delete="remove_from_list", **CONSENT)
    assert (run.exit_code, run.states) == (1, [])
    assert run.report["error_codes"] == ["too-many-suppressions"]
    assert "12 records took nobody off a list: too many people had to wait" in run.log
    assert len(account.sandbox.suppressed()) == 14
    assert on_list(account) == "g" * 12 + "n" * 20


def test_what_waits_for_a_suppression_does_not_come_back_after_an_erasure(account: Account) -> None:
    gone = [deleted(email=f"{name}@x.com") for name in ("ada", "eve", "fay")]
    rows = [person("ada", **OUT), *gone, person("bob"), person("cy")]
    with mock.patch.object(intents, "MAX_WAITING", 3):
        run = account.run(STATUS, *rows, state(1), on_delete="erase", max_removals=100, **CONSENT)
    assert run.exit_code == 0, run.log
    assert account.sandbox.suppressed() == {"ada@x.com"}
    assert account.sandbox.erased() == {"ada@x.com", "eve@x.com", "fay@x.com"}
    assert account.emails() == ["bob@x.com", "cy@x.com"]


def test_removals_are_done_once_the_suppression_is(account: Account) -> None:
    members(account, "ada", "bob", "cy")
    gone = [deleted(email="ada@x.com", **OUT), *(deleted(email=f"{name}@x.com") for name in ("bob", "fay"))]
    rows = [*gone, person("cy"), person("dee"), person("eve")]
    with mock.patch.object(intents, "MAX_WAITING", 3):
        run = account.run(STATUS, *rows, state(1), on_delete="remove_from_list", **CONSENT)
    assert run.exit_code == 0, run.log
    assert counts_of(run)["removed"] == 2
    assert on_list(account) == "cde"
    assert run.states == ['{"n": 1}']


def test_what_waits_for_another_operation_is_withdrawn_for_good(account: Account) -> None:
    streams = {"people": {"list_name": "A"}, "guests": {"list_name": "B", "sync_mode": "update"}}
    members(account, "ada")
    guests = schema("guests", email="string", status="string")
    rows = [person("ada"), record("guests", email="ada@x.com", status=""), person("ada", **OUT)]
    run = account.run(STATUS, guests, *rows, state(1), streams=streams, **CONSENT)
    assert run.exit_code == 0, run.log
    assert account.emails("A") == account.emails("B") == ["ada@x.com"]
    assert run.states == ['{"n": 1}']


def test_a_signal_while_people_are_suppressed_ends_the_run_as_a_signal(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = removals.RemovalPermit.check
    calls: list[None] = []

    def check_and_stop(permit: removals.RemovalPermit) -> None:
        calls.append(None)
        if len(calls) == 1:
            signal.raise_signal(signal.SIGTERM)
        check(permit)

    monkeypatch.setattr(removals.RemovalPermit, "check", check_and_stop)
    monkeypatch.setattr(unsubscribed, "MAX_IN_MEMORY", 1)
    run = account.run(STATUS, person("bob"), state(1), person("ada", **OUT), state(2), **CONSENT)
    assert run.exit_code == 128 + signal.SIGTERM, run.log
    assert account.sandbox.suppressed() == set()


def test_people_in_two_streams_are_one_for_the_guard(account: Account) -> None:
    streams = {"people": {"list_name": "A"}, "exits": {"list_name": "A", "sync_mode": "remove", **CONSENT}}
    names = numbered("gone", 20)
    exits = schema("exits", email="string", status="string")
    rows = [*(person(name) for name in names), *(record("exits", email=f"{name}@x.com", **OUT) for name in names)]
    run = account.run(STATUS, exits, *rows, state(1), streams=streams, batch_size_rows=5)
    assert run.exit_code == 1
    assert "20 of the 20 people of the run would be unsubscribed" in run.log
    assert account.sandbox.suppressed() == set()


@pytest.mark.parametrize("in_memory", [3, 5, 100])
def test_several_rows_of_people_who_are_not_sent_count_once_for_the_guard(account: Account, in_memory: int) -> None:
    names = numbered("gone", 12)
    rows = [record(email=f"{name}@x.com", **OUT) for name in [*names, *names]]
    few = mock.patch.object(suppression_guard, "FEW", 0)
    with few, mock.patch.object(unsubscribed, "MAX_IN_MEMORY", in_memory):
        run = account.run(STATUS, *rows, state(1), sync_mode="remove", **CONSENT)
    assert run.exit_code == 1
    assert account.sandbox.suppressed() == set()


def test_people_in_files_count_for_the_guard_after_a_time_with_too_many_rejected(account: Account) -> None:
    bad = [record(email=f"no address {number}", status="") for number in range(12)]
    names = numbered("gone", 25)

    def tap() -> Iterator[dict[str, Any]]:
        yield STATUS
        yield from bad
        yield from (person(name, **OUT) for name in names)
        yield from (person(name) for name in numbered("member", 16))
        yield state(1)

    with mock.patch.object(unsubscribed, "MAX_IN_MEMORY", 20):
        run = account.feed(tap(), max_rejected_percent=30, **CONSENT)
    assert run.exit_code == 1
    assert account.sandbox.suppressed() == set()
    assert "25 of the 41 people" in run.log


def test_two_rows_of_a_person_that_are_too_large_together_cost_the_second(account: Account) -> None:
    texts: dict[str, Any] = {f"text{number}": {"type": ["string", "null"]} for number in range(12)}
    opened = schema(email="string", status="string", **texts)
    halves = [{name: name[-1] * 950 for name in names} for names in (list(texts)[:6], list(texts)[6:])]
    rows = [person("ada", **half, **OUT) for half in halves]
    settings = {"batch_size_bytes": 10_000, "field_mapping": {name: name for name in ("email", *texts)}}
    run = account.run(opened, *rows, person("bob", **OUT), state(1), create_custom_fields=True, **settings, **CONSENT)
    assert run.exit_code == 0, run.log
    assert account.reasons() == [(3, "too_large")], run.log
    assert account.emails() == ["ada@x.com", "bob@x.com"]


def test_a_row_with_one_more_identifier_waits_for_the_suppression_too(account: Account) -> None:
    members(account, *numbered("old", 12))
    for number in range(12):
        account.sandbox.seed(contacts=[{"email": f"old{number}@x.com", "external_id": str(number)}])
    rows = [record(id=str(number), email=None, first_name="", **OUT) for number in range(12)]
    later = [record(id=str(n), email=f"old{n}@x.com", first_name="New", status="") for n in range(12)]
    run = account.run(KEYED, *rows, *later, state(1), field_mapping=MAPPING, max_suppressions=5, **CONSENT)
    assert run.exit_code == 1
    assert {one.get("first_name", "") for one in account.sandbox.contacts()} == {""}


def test_a_dry_run_counts_people_once_whatever_checkpoints_there_are(account: Account) -> None:
    rows = [*(person(name) for name in numbered("member", 6)), *[person("ada", **OUT)] * 4]
    with mock.patch.object(unsubscribed, "MAX_IN_MEMORY", 1):
        run = account.run(STATUS, *rows, state(1), dry_run=True, **CONSENT)
    assert run.exit_code == 0, run.log
    assert run.report["streams"]["people"]["unsubscribed"] == 1


def test_a_record_of_which_a_part_cannot_be_read_unsubscribes(account: Account) -> None:
    line = (
        b'{"type":"RECORD","stream":"people","record":{"email":"ada@x.com","status":"unsubscribed","first_name":NaN}}\n'
    )
    others = [person(name) for name in numbered("member", 3)]
    account.run(STATUS, line, *others, state(1), **CONSENT)
    assert account.reasons() == [(2, "unreadable")]
    assert account.sandbox.suppressed() == {"ada@x.com"}


def test_an_address_that_only_a_later_row_shows_is_suppressed_before_that_row_is_sent(account: Account) -> None:
    rows = [record(id="7", email=None, first_name="", **OUT)]
    later = record(id="7", email="ada@x.com", first_name="Ada", status="")
    run = account.run(KEYED, *rows, later, state(1), field_mapping=MAPPING, **CONSENT)
    assert run.exit_code == 0, run.log
    assert account.sandbox.suppressed() == {"ada@x.com"}
    asked = [request["path"] for request in account.sandbox.requests() if request["method"] in {"PUT", "POST"}]
    assert asked.index("/v3/asm/suppressions/global") < asked.index("/v3/marketing/contacts")


def test_people_without_an_address_are_not_counted_as_unsubscribed(account: Account) -> None:
    rows = [record(id="7", email=None, first_name="", **OUT), record(id="8", email="bob@x.com", first_name="", **OUT)]
    run = account.run(KEYED, *rows, state(1), field_mapping=MAPPING, **CONSENT)
    assert run.exit_code == 0, run.log
    assert run.report["streams"]["people"]["unsubscribed"] == 1
    assert run.report["streams"]["people"]["upserted"] == 2


def test_who_has_the_address_of_an_erased_person_stays_on_a_mirrored_list(account: Account) -> None:
    members(account, "ada", external_id="2")
    members(account, "bob", external_id="3")
    rows = [
        deleted(id="1", email="ada@x.com", status=""),
        record(id="2", email="ada@x.com", first_name="Ada", status=""),
        record(id="3", email="bob@x.com", first_name="Bob", status=""),
    ]
    end = {"type": "STATE", "value": {}}
    run = account.run(KEYED, *rows, end, field_mapping=MAPPING, sync_mode="mirror", on_delete="erase")
    assert run.exit_code == 0, run.log
    assert on_list(account) == "ab"


def test_the_message_says_how_many_were_unsubscribed_before_so_many_had_come(account: Account) -> None:
    rows = [*(person(name) for name in numbered("member", 30)), *(person(name, **OUT) for name in numbered("gone", 60))]
    with mock.patch.object(unsubscribed, "MAX_IN_MEMORY", 8):
        run = account.run(STATUS, *rows, state(1), **CONSENT)
    assert run.exit_code == 1
    assert len(account.sandbox.suppressed()) == 8
    assert "8 of its people were unsubscribed before so many had come." in run.log
    assert "Nobody else of them was unsubscribed, sent or taken off a list." in run.log


@pytest.mark.parametrize("act", ["remove_from_list", "delete_contact", "erase"])
def test_nobody_comes_back_as_a_probe_who_was_taken_away_by_another_identifier(account: Account, act: str) -> None:
    members(account, "ada", external_id="7")
    fault: dict[str, Any] = {"method": "PUT", "contacts": ["bad@x.com"], "body": {"errors": [{"message": "no"}]}}
    account.sandbox.add_fault("status", path="/v3/marketing/contacts", status=400, times=None, **fault)
    empty = {"first_name": "", "status": ""}
    rows = [
        record(id=None, email="ada@x.com", **empty),
        deleted(id="7", email=None, **empty),
        record(id="9", email="bad@x.com", **empty),
    ]
    with mock.patch.object(intents, "MAX_WAITING", 1):
        account.run(KEYED, *rows, state(1), on_delete=act, field_mapping=MAPPING)
    assert account.emails("Everybody") == []
