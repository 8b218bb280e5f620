"""People who have unsubscribed at the source are suppressed, before anything else is done for them."""

from __future__ import annotations

import itertools
import tempfile
from contextlib import nullcontext
from typing import IO, TYPE_CHECKING, Any
from unittest import mock

import pytest

from target_sendgrid.audience import intents, suppression_guard
from target_sendgrid.delivery import unsubscribed
from target_sendgrid.mapping import fast_path
from tests.harness.messages import record, schema, state
from tests.harness.removals import counts_of, deleted, members, on_list

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.harness.account import Account

SUPPRESS = "/v3/asm/suppressions/global"
STATUS = schema(email="string", first_name={"type": ["string", "null"]}, status={}, on={"type": ["boolean", "null"]})
CONSENT: dict[str, Any] = {"subscription_property": "status", "unsubscribed_values": ["unsubscribed"]}
OUT = {"status": "unsubscribed"}


def person(name: str, **values: Any) -> dict[str, Any]:
    return record(email=f"{name}@x.com", **{"status": "subscribed", **values})


def crowd(count: int) -> list[dict[str, Any]]:
    return [person(f"member{number}") for number in range(count)]


def order_of(account: Account) -> list[str]:
    """Return what was asked for that changes something, in order, equal neighbours once."""
    names = {"POST /v3/asm": "suppress", "PUT /v3/marketing/contacts": "upsert", "DELETE /v3/marketing/lists": "remove"}
    asked = (f"{request['method']} {request['path']}" for request in account.sandbox.requests())
    steps = (step for request in asked for start, step in names.items() if request.startswith(start))
    return [step for step, _ in itertools.groupby(steps)]


@pytest.mark.parametrize("is_fast", [True, False])
def test_who_has_unsubscribed_is_suppressed_and_then_sent_like_others(account: Account, *, is_fast: bool) -> None:
    patched = nullcontext() if is_fast else mock.patch.object(fast_path, "fast_path_for", return_value=None)
    rows = [person("ada", **OUT), person("bob"), person("cy", status=" UNSUBSCRIBED "), person("dee", status=None)]
    with patched:
        run = account.run(STATUS, *rows, record(email="eve@x.com"), state(1), **CONSENT)
    assert run.exit_code == 0, run.log
    assert account.sandbox.suppressed() == {"ada@x.com", "cy@x.com"}
    assert on_list(account) == "abcde"
    assert counts_of(run) == {"received": 5, "upserted": 5, "unsubscribed": 2, "unsubscribed_records": 2}
    assert "5 upserted, 2 people unsubscribed" in run.log
    assert run.states == ['{"n": 1}']


def test_suppressions_are_answered_before_the_person_is_sent(account: Account) -> None:
    run = account.run(STATUS, person("ada", **OUT), state(1), **CONSENT)
    assert run.exit_code == 0
    assert order_of(account) == ["suppress", "upsert"]


def test_what_waits_to_be_sent_waits_for_the_suppression_too(account: Account) -> None:
    rows = [person("ada"), person("ada", **OUT), person("ada", first_name="Ada")]
    run = account.run(STATUS, *rows, state(1), **CONSENT)
    assert counts_of(run) == {
        "received": 3, "upserted": 1, "duplicates": 2, "unsubscribed": 1, "unsubscribed_records": 1,
    }  # fmt: skip
    assert order_of(account) == ["suppress", "upsert"]
    assert [one["first_name"] for one in account.sandbox.contacts()] == ["Ada"]


def test_a_later_row_does_not_take_it_back(account: Account) -> None:
    run = account.run(STATUS, person("ada", **OUT), person("ada"), state(1), **CONSENT)
    assert run.exit_code == 0
    assert account.sandbox.suppressed() == {"ada@x.com"}
    assert on_list(account) == "a"


def test_a_group_is_suppressed_in_the_group_alone(account: Account) -> None:
    group = account.sandbox.add_group("News")
    run = account.run(STATUS, person("ada", **OUT), person("bob"), state(1), suppression_group_id=group, **CONSENT)
    assert run.exit_code == 0, run.log
    assert account.sandbox.suppressed(group) == {"ada@x.com"}
    assert account.sandbox.suppressed() == set()


def test_streams_unsubscribe_from_groups_of_their_own(account: Account) -> None:
    group = account.sandbox.add_group("News")
    streams = {"people": {**CONSENT, "suppression_group_id": group}, "guests": {**CONSENT}}
    opened = [STATUS, schema("guests", email="string", status="string")]
    rows = [
        person("ada", **OUT),
        record("guests", email="ada@x.com", **OUT),
        record("guests", email="bob@x.com", **OUT),
    ]
    run = account.run(
        *opened, *rows, state(1), streams={name: {"list_name": "All", **own} for name, own in streams.items()}
    )
    assert run.exit_code == 0, run.log
    assert account.sandbox.suppressed(group) == {"ada@x.com"}
    assert account.sandbox.suppressed() == {"ada@x.com", "bob@x.com"}


def test_a_group_that_is_deleted_during_the_run_ends_it(account: Account) -> None:
    group = account.sandbox.add_group("News")

    def tap() -> Iterator[dict[str, Any]]:
        yield STATUS
        yield person("ada", **OUT)
        account.sandbox.delete_group(group)
        yield state(1)

    run = account.feed(tap(), suppression_group_id=group, **CONSENT)
    assert (run.exit_code, run.states) == (1, [])
    assert run.report["error_codes"] == ["wrong-group"]
    assert account.sandbox.suppressed() == set()
    assert account.emails() == []


# Rows that are not sent


@pytest.mark.parametrize(
    ("row", "own"),
    [
        (person("ada", first_name="x" * 51, **OUT), {}),
        (person("ada", first_name=7, **OUT), {}),
        (person("ada", on="maybe", **OUT), {"membership_property": "on"}),
        (person("ada", **OUT), {"list_name": None, "list_property": "on", "lists": {"true": "Members"}}),
        (person("ada", on=False, **OUT), {"membership_property": "on"}),
        (person("ada", **OUT), {"sync_mode": "remove"}),
        (person("ada", **OUT), {"sync_mode": "update"}),
        (deleted(email="ada@x.com", **OUT), {}),
        (deleted(email="ada@x.com", **OUT), {"on_delete": "ignore"}),
        (deleted(email="ada@x.com", **OUT), {"on_delete": "delete_contact"}),
        (deleted(email="ada@x.com", **OUT), {"on_delete": "erase"}),
    ],
)
def test_rows_that_are_not_sent_unsubscribe_as_well(account: Account, row: dict[str, Any], own: dict[str, Any]) -> None:
    row["record"].setdefault("on", True)
    others = [person(f"member{number}", on=True) for number in range(3)]
    run = account.run(STATUS, row, *others, state(1), **{**CONSENT, **own})
    assert account.sandbox.suppressed() == {"ada@x.com"}, run.log
    assert run.states == ['{"n": 1}']
    assert run.report["streams"]["people"]["unsubscribed"] == 1


def test_a_person_over_the_cap_is_unsubscribed_and_not_sent(account: Account) -> None:
    rows = [*crowd(2), person("ada", **OUT)]
    run = account.run(STATUS, *rows, state(1), profile_cap=2, on_profile_cap="truncate", **CONSENT)
    assert account.sandbox.suppressed() == {"ada@x.com"}
    assert counts_of(run)["over_cap"] == 1
    assert "ada@x.com" not in account.emails()


def test_a_record_without_a_usable_address_unsubscribes_nobody(account: Account) -> None:
    rows = [person("ada x", **OUT), record(email=None, **OUT), *crowd(3)]
    run = account.run(STATUS, *rows, state(1), **CONSENT)
    assert account.sandbox.suppressed() == set()
    assert run.report["streams"]["people"]["rejected"] == {"invalid_email": 1, "no_identifier": 1}


def test_a_person_without_an_address_in_the_row_is_suppressed_by_that_of_the_contact(account: Account) -> None:
    opened = schema(id="string", email={"type": ["string", "null"]}, status="string")
    mapping = {"external_id": "id", "email": "email"}
    members(account, "ada", external_id="1")
    rows = [
        record(id="1", email=None, **OUT),
        record(id="2", email=None, **OUT),
        record(id="3", email="cy@x.com", status=""),
    ]
    run = account.run(opened, *rows, state(1), field_mapping=mapping, **CONSENT)
    assert run.exit_code == 0, run.log
    assert account.sandbox.suppressed() == {"ada@x.com"}


@pytest.mark.parametrize("emails", [("ada@x.com", None), (None, "ada@x.com")])
@pytest.mark.parametrize("most", [3, 100])
def test_the_address_may_be_in_another_row_of_the_run(account: Account, emails: tuple[Any, Any], most: int) -> None:
    opened = schema(id="string", email={"type": ["string", "null"]}, status="string")
    known, out = (record(id="1", email=emails[0]), record(id="1", email=emails[1], **OUT))
    others = [record(id=str(number), email=f"member{number}@x.com") for number in range(5, 20)]
    gone = [record(id=str(number), email=f"gone{number}@x.com", **OUT) for number in range(2, 4)]
    with mock.patch.object(unsubscribed, "MAX_IN_MEMORY", most):
        run = account.run(
            opened,
            *others,
            known,
            out,
            *gone,
            state(1),
            field_mapping={"external_id": "id", "email": "email"},
            **CONSENT,
        )
    assert run.exit_code == 0, run.log
    assert account.sandbox.suppressed() == {"ada@x.com", "gone2@x.com", "gone3@x.com"}
    assert len(account.emails("Everybody")) == 18


def test_what_waits_to_be_sent_by_another_identifier_waits_for_the_suppression_too(account: Account) -> None:
    opened = schema(id="string", email={"type": ["string", "null"]}, status="string")
    rows = [record(id="1", email=None), record(id="1", email="ada@x.com", **OUT)]
    run = account.run(opened, *rows, state(1), field_mapping={"external_id": "id", "email": "email"}, **CONSENT)
    assert run.exit_code == 0, run.log
    assert order_of(account) == ["suppress", "upsert"]


def test_a_person_whom_sendgrid_does_not_suppress_is_rejected_and_nothing_is_done(account: Account) -> None:
    members(account, "bad", "bob")
    account.sandbox.add_fault("refusal", path=SUPPRESS, contacts=["bad@x.com"], times=None)
    rows = [person("bad", **OUT), person("cy", **OUT), deleted(email="bad@x.com"), *crowd(3)]
    run = account.run(STATUS, *rows, state(1), **CONSENT)
    assert run.exit_code == 0, run.log
    assert account.sandbox.suppressed() == {"cy@x.com"}
    assert account.reasons() == [(2, "refused_by_sendgrid"), (4, "refused_by_sendgrid")]
    assert "SendGrid refuses to unsubscribe the person of stream 'people', line 2" in run.log
    assert "bad@x.com" in account.emails("Everybody")


def test_nothing_is_sent_later_of_a_person_whom_sendgrid_does_not_suppress(account: Account) -> None:
    account.sandbox.add_fault("refusal", path=SUPPRESS, contacts=["bad@x.com"], times=None)
    rows = [*crowd(9), person("bad", **OUT), person("cy", **OUT), person("bad"), *crowd(9)]
    with mock.patch.object(unsubscribed, "MAX_IN_MEMORY", 2):
        run = account.run(STATUS, *rows, state(1), **CONSENT)
    assert run.exit_code == 0, run.log
    assert account.reasons() == [(11, "refused_by_sendgrid"), (13, "refused_by_sendgrid")]
    assert "bad@x.com" not in account.emails()


@pytest.mark.parametrize("most", [1, 100])
def test_rows_that_together_are_too_large_cost_one_row(account: Account, most: int) -> None:
    fields = [f"f{number}" for number in range(16)]
    account.sandbox.seed(fields=dict.fromkeys(fields, "Text"))
    mapping = {"email": "email", **{name: name for name in fields}}
    opened = schema(email="string", status="string", **dict.fromkeys(fields, "string"))
    first, second = (dict.fromkeys(half, "x" * 1000) for half in (fields[:8], fields[8:]))
    rows = [record(email="ada@x.com", **first, **OUT), record(email="ada@x.com", **second), *crowd(3)]
    with mock.patch.object(unsubscribed, "MAX_IN_MEMORY", most):
        run = account.run(opened, *rows, state(1), field_mapping=mapping, batch_size_bytes=10_000, **CONSENT)
    assert (run.exit_code, run.states) == (0, ['{"n": 1}']), run.log
    assert account.reasons() == [(3, "too_large")]
    assert account.sandbox.suppressed() == {"ada@x.com"}
    assert len(account.emails()) == 4


def test_nothing_is_sent_of_those_whose_suppression_fails(account: Account) -> None:
    account.sandbox.add_fault("status", path=SUPPRESS, status=503, times=None)
    run = account.run(STATUS, person("bob"), state(1), person("ada", **OUT), state(2), **CONSENT)
    assert (run.exit_code, run.states) == (1, ['{"n": 1}'])
    assert account.emails() == ["bob@x.com"]
    assert account.sandbox.suppressed() == set()


# The guard


def unsubscribers(count: int) -> list[dict[str, Any]]:
    return [person(f"gone{number}", **OUT) for number in range(count)]


@pytest.mark.parametrize(
    ("gone", "others", "is_allowed"), [(10, 0, True), (11, 11, True), (11, 10, False), (475, 25, False)]
)
def test_a_flag_that_is_read_the_wrong_way_round_suppresses_nobody(
    account: Account, gone: int, others: int, *, is_allowed: bool
) -> None:
    rows = [*crowd(others), state(1), *unsubscribers(gone), state(2)]
    run = account.run(STATUS, *rows, **CONSENT)
    assert len(account.sandbox.suppressed()) == (gone if is_allowed else 0)
    assert len(account.emails()) == (gone if is_allowed else 0) + others
    assert (run.exit_code, run.states[-1:]) == (
        (0, ['{"n": 2}']) if is_allowed else (1, ['{"n": 1}'] if others else [])
    )
    if not is_allowed:
        assert run.report["error_codes"] == ["too-many-suppressions"]
        total = (
            f"{gone} of the {gone + others} people of the run would be unsubscribed, more than 10 and more than half"
        )
        assert total in run.log
        assert f'`streams: {{"people": {{"max_suppressions": {gone}}}}}`' in run.log
        assert run.report["streams"]["people"]["unsettled"] == gone


@pytest.mark.parametrize("own", [{"sync_mode": "remove"}, {"membership_property": "on"}, {"skip_suppressed": True}])
@pytest.mark.parametrize(("others", "is_allowed"), [(11, True), (10, False)])
def test_people_who_are_not_sent_are_people_of_the_run(
    account: Account, own: dict[str, Any], others: int, *, is_allowed: bool
) -> None:
    account.sandbox.suppress(*(f"member{number}@x.com" for number in range(others)))
    rows = [person(f"member{number}", on=False) for number in range(others)]
    rows += [person(f"gone{number}", on=False, **OUT) for number in range(11)]
    run = account.run(STATUS, *rows, state(1), **own, **CONSENT)
    assert run.exit_code == (0 if is_allowed else 1), run.log
    assert len(account.sandbox.suppressed()) == others + (11 if is_allowed else 0)


def test_people_of_two_streams_count_once(account: Account) -> None:
    streams = {"people": {**CONSENT, "sync_mode": "remove"}, "guests": {}}
    guests = [record("guests", email=f"gone{number}@x.com") for number in range(11)]
    rows = [schema("guests", email="string"), STATUS, *guests, *unsubscribers(11)]
    lists = {name: {"list_name": name, **own} for name, own in streams.items()}
    run = account.run(*rows, state(1), streams=lists, batch_size_rows=1)
    assert run.exit_code == 1
    assert account.sandbox.suppressed() == set()


@pytest.mark.parametrize(("most", "is_allowed"), [(0, False), (2, False), (3, True), (100, True)])
def test_a_ceiling_of_the_user_is_the_only_one(account: Account, most: int, *, is_allowed: bool) -> None:
    run = account.run(STATUS, *unsubscribers(3), *crowd(20), state(1), max_suppressions=most, **CONSENT)
    assert len(account.sandbox.suppressed()) == (3 if is_allowed else 0)
    assert run.exit_code == (0 if is_allowed else 1)
    assert is_allowed or ("which forbids it" in run.log if most == 0 else "`max_suppressions` is 2" in run.log)


@pytest.mark.parametrize("is_in_group", [False, True])
def test_people_who_are_suppressed_already_do_not_count(account: Account, *, is_in_group: bool) -> None:
    group = account.sandbox.add_group("News") if is_in_group else None
    account.sandbox.suppress(*(f"Gone{number}@x.com" for number in range(19)), group_id=group)
    own = {"suppression_group_id": group} if group else {}
    run = account.run(STATUS, *unsubscribers(20), state(1), max_suppressions=1, **own, **CONSENT)
    assert run.exit_code == 0, run.log
    assert len(account.sandbox.suppressed(group)) >= 20
    run = account.run(STATUS, *unsubscribers(22), state(1), max_suppressions=1, **own, **CONSENT)
    assert run.exit_code == 1


def test_who_is_suppressed_already_is_read_only_where_it_matters(account: Account) -> None:
    account.run(STATUS, *unsubscribers(9), *crowd(10), state(1), **CONSENT)
    assert account.count("GET", "/v3/suppression/unsubscribes") == 0
    account.run(STATUS, *unsubscribers(11), state(1), **CONSENT)
    assert account.count("GET", "/v3/suppression/unsubscribes") > 0


def test_nobody_of_those_who_are_withheld_is_taken_off_a_list(account: Account) -> None:
    members(account, *(f"gone{number}" for number in range(12)), "bob")
    rows = [
        deleted(email="bob@x.com"),
        *unsubscribers(12),
        state(1),
        *(deleted(email=f"gone{number}@x.com") for number in range(6)),
        state(2),
    ]
    run = account.run(STATUS, *rows, **CONSENT)
    assert run.exit_code == 1
    assert len(account.emails("Everybody")) == 12
    assert run.states == []
    assert counts_of(run)["removed"] == 1


def test_other_streams_are_not_withheld_with_one_that_has_a_ceiling(account: Account) -> None:
    streams = {"people": {"list_name": "A", "max_suppressions": 0}, "guests": {"list_name": "B"}}
    guests = schema("guests", email="string", status="string")
    rows = [record("guests", email="eve@x.com", **OUT), person("ada", **OUT)]
    run = account.run(STATUS, guests, *rows, state(1), streams=streams, **CONSENT)
    assert account.sandbox.suppressed() == {"eve@x.com"}
    assert (run.exit_code, run.states, account.emails()) == (1, [], ["eve@x.com"])


# Checkpoints


@pytest.fixture(params=[1, 2, 3, 100])
def _few_in_memory(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let few people wait in memory, and nobody be suppressed before the end."""
    few = mock.patch.object(suppression_guard, "FEW", 0)
    with few, mock.patch.object(unsubscribed, "MAX_IN_MEMORY", request.param):
        yield


@pytest.mark.usefixtures("_few_in_memory")
def test_people_wait_in_files_until_so_many_may_be_suppressed(account: Account) -> None:
    rows = [*unsubscribers(15), person("gone3", first_name="Cy"), person("gone4", **OUT), *crowd(20)]
    run = account.run(STATUS, *rows, state(1), **CONSENT)
    assert run.exit_code == 0, run.log
    assert len(account.sandbox.suppressed()) == 15
    assert len(account.emails("Everybody")) == 35
    assert counts_of(run) == {
        "received": 37, "upserted": 35, "duplicates": 2, "unsubscribed": 15, "unsubscribed_records": 16,
    }  # fmt: skip
    assert [one["first_name"] for one in account.sandbox.contacts() if one["email"] == "gone3@x.com"] == ["Cy"]
    assert run.states == ['{"n": 1}']


def test_people_who_wait_in_files_because_many_records_are_rejected_count_as_well(account: Account) -> None:
    bad = [person("ada", first_name=7) for _ in range(20)]
    with mock.patch.object(unsubscribed, "MAX_IN_MEMORY", 12):
        run = account.run(STATUS, *bad, *unsubscribers(230), state(1), max_rejected_percent=10, **CONSENT)
    assert (run.exit_code, run.states) == (1, [])
    assert account.sandbox.suppressed() == set()
    assert "230 of the 230 people of the run would be unsubscribed" in run.log


@pytest.mark.parametrize("others", [5, 20])
def test_no_temporary_file_stays_open_after_an_error(account: Account, others: int) -> None:
    account.sandbox.add_fault("status", path=SUPPRESS, status=503, times=None)
    files: list[IO[bytes]] = []
    open_file = tempfile.TemporaryFile

    def note(**options: Any) -> IO[bytes]:
        files.append(open_file(**options))
        return files[-1]

    few = mock.patch.object(suppression_guard, "FEW", 0)
    with few, mock.patch.object(unsubscribed, "MAX_IN_MEMORY", 4), mock.patch.object(tempfile, "TemporaryFile", note):
        account.run(STATUS, *unsubscribers(15), *crowd(others), state(1), **CONSENT)
    assert len(files) == 3
    assert all(file.closed for file in files)


@pytest.mark.usefixtures("_few_in_memory")
@pytest.mark.parametrize("act", ["remove_from_list", "delete_contact", "erase"])
def test_what_takes_people_away_waits_with_what_is_to_be_sent_of_them_before(account: Account, act: str) -> None:
    members(account, *(f"member{number}" for number in range(20)))
    names = [(f"gone{number}", *(f"member{number * 3 + one}" for one in range(3))) for number in range(3)]
    gone = [deleted(email=f"{name}@x.com") for some in names for name in some]
    with mock.patch.object(intents, "MAX_WAITING", 7):
        run = account.run(
            STATUS, *unsubscribers(9), *gone, *crowd(20)[9:], state(1), on_delete=act, max_removals=20, **CONSENT
        )
    assert run.exit_code == 0, run.log
    assert len(account.sandbox.suppressed()) == 9
    assert len(account.emails("Everybody")) == 17
    assert len(account.emails()) == (29 if act == "remove_from_list" else 17)
    assert run.states == ['{"n": 1}']


@pytest.mark.usefixtures("_few_in_memory")
@pytest.mark.parametrize("act", ["remove_from_list", "delete_contact", "erase"])
def test_nobody_who_is_withheld_at_the_end_is_taken_off_at_an_earlier_checkpoint(account: Account, act: str) -> None:
    members(account, *(f"gone{number}" for number in range(3)), *(f"member{number}" for number in range(25)))
    gone = [deleted(email=f"{name}{number}@x.com") for number in range(3) for name in ("gone", "member")]
    with mock.patch.object(intents, "MAX_WAITING", 2):
        run = account.run(STATUS, *unsubscribers(12), *gone, state(1), on_delete=act, **CONSENT)
    assert (run.exit_code, run.states) == (1, [])
    assert account.sandbox.suppressed() == set()
    assert len(account.emails("Everybody")) == (22 if act == "erase" else 25)


@pytest.mark.usefixtures("_few_in_memory")
def test_nobody_who_waits_in_a_file_is_sent_if_it_is_not_allowed(account: Account) -> None:
    rows = [*unsubscribers(15), person("gone3", first_name="Cy"), *crowd(5)]
    run = account.run(STATUS, *rows, state(1), **CONSENT)
    assert (run.exit_code, run.states) == (1, [])
    assert account.sandbox.suppressed() == set()
    assert len(account.emails()) == 5
    assert run.report["streams"]["people"]["unsettled"] == 16


def test_states_pass_people_who_are_suppressed_before_the_end(account: Account) -> None:
    with mock.patch.object(unsubscribed, "MAX_IN_MEMORY", 2):
        rows: Sequence[dict[str, Any]] = [
            *crowd(3), *unsubscribers(2), state(1), *[person(f"later{number}") for number in range(3)], state(2),
        ]  # fmt: skip
        run = account.run(STATUS, *rows, batch_size_rows=1, **CONSENT)
    assert run.exit_code == 0
    assert order_of(account) == ["upsert", "suppress", "upsert"]
    assert run.states[-1] == '{"n": 2}'


# The log


def test_a_property_that_nobody_has_unsubscribed_by_is_named(account: Account) -> None:
    run = account.run(STATUS, *crowd(3), state(1), **CONSENT)
    assert "Stream 'people': no record has one of the `unsubscribed_values` in property 'status'." in run.log
    run = account.run(STATUS, person("ada", **OUT), state(1), **CONSENT)
    assert "no record has one of" not in run.log


def test_a_property_that_the_schema_does_not_have_ends_the_run(account: Account) -> None:
    run = account.run(STATUS, *crowd(1), subscription_property="statu", unsubscribed_values=["x"])
    assert run.exit_code == 1
    assert "no property is named 'statu', as `subscription_property` says. Did you mean 'status'?" in run.log


def test_a_dry_run_says_how_many_would_be_unsubscribed(account: Account) -> None:
    run = account.run(STATUS, *unsubscribers(2), *crowd(3), state(1), dry_run=True, **CONSENT)
    assert run.exit_code == 0, run.log
    assert "2 people would be unsubscribed" in run.log
    assert account.sandbox.suppressed() == set()
    run = account.run(STATUS, *unsubscribers(12), *crowd(3), state(1), dry_run=True, **CONSENT)
    assert run.exit_code == 1
    assert "12 of the 15 people of the run would be unsubscribed" in run.log


def test_nobody_is_suppressed_after_a_signal_or_bad_input(account: Account) -> None:
    run = account.run(STATUS, person("ada", **OUT), state(1), {"type": "NONSENSE"}, **CONSENT)
    assert (run.exit_code, run.states) == (1, [])
    assert account.sandbox.suppressed() == set()


def test_nobody_is_suppressed_while_too_many_records_are_rejected(account: Account) -> None:
    bad = [record(email=f"no address {number}", status="") for number in range(20)]
    run = account.run(STATUS, person("ada", **OUT), *bad, state(1), max_rejected_percent=10, **CONSENT)
    assert (run.exit_code, run.states) == (1, [])
    assert account.sandbox.suppressed() == set()
    assert account.emails() == []
    assert "People who have unsubscribed were not suppressed, and nothing was sent of them." in run.log


def test_skipped_people_are_suppressed_and_not_sent(account: Account) -> None:
    rows = [person("ada", **OUT), person("bob"), person("ada")]
    run = account.run(STATUS, *rows, state(1), skip_suppressed=True, **CONSENT)
    assert account.sandbox.suppressed() == {"ada@x.com"}
    assert account.emails() == ["bob@x.com"]
    assert counts_of(run)["skipped_suppressed"] == 2


def test_three_thousand_unsubscribes_take_three_requests(account: Account) -> None:
    rows = [*unsubscribers(3000), *crowd(3000)]
    run = account.run(STATUS, *rows, state(1), **CONSENT)
    assert run.exit_code == 0
    assert len(account.sandbox.suppressed()) == 3000
    assert account.count("POST", SUPPRESS) == 3
    assert account.count("GET", "/v3/suppression") == 0
