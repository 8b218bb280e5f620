"""Unchanged people are not sent again, and erased ones are held back, where a snapshot is set."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sqlite3
import stat
from typing import TYPE_CHECKING, Any

import pytest

from target_sendgrid.audience import snapshot, snapshot_file
from target_sendgrid.delivery.known_people import KnownPeople
from target_sendgrid.errors import Code, ConfigError, LocalFileError
from tests.harness.messages import LAST_STATE, PEOPLE, record, schema, state
from tests.harness.removals import counts_of, deleted, on_list

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.harness.account import Account, Message
    from tests.harness.runs import Finished

DAY_SECONDS = 86_400
KEYED = schema(id="string", email={"type": ["string", "null"]}, first_name={"type": ["string", "null"]})
KEYED_MAPPING = {"external_id": "id", "email": "email", "first_name": "first_name"}


def person(name: str, first_name: str = "Old", **values: Any) -> dict[str, Any]:
    return record(email=f"{name}@x.com", first_name=first_name, **values)


def people(names: str, first_name: str = "Old") -> list[dict[str, Any]]:
    return [person(name, first_name) for name in names]


def file_of(account: Account) -> Path:
    return account.folder / "snapshot.db"


def run(account: Account, *messages: Message, **config: Any) -> Finished:
    """Run with a snapshot."""
    return account.run(PEOPLE, *messages, LAST_STATE, **{"snapshot_path": str(file_of(account)), **config})


def other_name(account: Account) -> str:
    """Return another address of the sandbox, as if it was another region."""
    return account.sandbox.url.replace("127.0.0.1", "localhost")


def first_names(account: Account) -> dict[str, Any]:
    return {str(one["email"])[0]: one.get("first_name") for one in account.sandbox.contacts()}


# Who is sent, and who is not


def test_unchanged_people_are_not_sent_again(account: Account) -> None:
    assert counts_of(run(account, *people("abc"))) == {"received": 3, "upserted": 3}
    account.sandbox.clear_requests()
    second = run(account, *people("ab"), person("c", "New"), person("d"))
    assert counts_of(second) == {"received": 4, "upserted": 2, "unchanged": 2}
    assert second.report["snapshot_people"] == 4
    assert second.states == ['{"n": 9}']
    assert "2 unchanged and not sent" in second.log
    assert "The snapshot holds 4 people." in second.log
    assert first_names(account) == {"a": "Old", "b": "Old", "c": "New", "d": "Old"}
    third = run(account, *people("ab"), person("c", "New"), person("d"))
    assert counts_of(third) == {"received": 4, "unchanged": 4}
    assert len(account.puts()) == 1


def test_a_record_that_brings_back_what_the_snapshot_has_is_sent(account: Account) -> None:
    run(account, person("a"))
    for size in (1, 100):
        again = run(account, person("a", "New"), person("a"), batch_size_rows=size)
        assert "unchanged" not in counts_of(again)
        assert first_names(account) == {"a": "Old"}


def test_a_later_unchanged_record_of_an_unchanged_person_is_not_sent(account: Account) -> None:
    run(account, person("a"))
    assert counts_of(run(account, person("a"), person("a"))) == {"received": 2, "unchanged": 2}


def test_two_records_of_a_person_that_differ_are_sent_in_each_run(account: Account) -> None:
    for _ in range(3):
        assert counts_of(run(account, person("a"), person("a", "New")))["upserted"] == 1
        assert first_names(account) == {"a": "New"}


@pytest.mark.parametrize("size", [1, 100])
def test_people_on_several_lists_with_the_same_contact_are_unchanged_on_each(account: Account, size: int) -> None:
    streams = {"people": {"list_name": "A"}, "guests": {"list_name": "B"}}
    guests = [schema("guests", email="string", first_name="string")]
    guests += [record("guests", email=f"{name}@x.com", first_name="Old") for name in "bcd"]
    for counts, others in (({"upserted": 3}, {"upserted": 3}), ({"unchanged": 3}, {"unchanged": 3})):
        both = run(account, *people("abc"), *guests, streams=streams, batch_size_rows=size)
        if size == 1 or "unchanged" in counts:  # else they are merged, which is counted otherwise
            assert counts_of(both) == {"received": 3, **counts}
            assert counts_of(both, "guests") == {"received": 3, **others}
    assert (on_list(account, "A"), on_list(account, "B")) == ("abc", "bcd")


@pytest.mark.parametrize("size", [1, 100])
def test_who_is_sent_differently_to_several_lists_is_sent_again(account: Account, size: int) -> None:
    streams = {"people": {"list_name": "A"}, "guests": {"list_name": "B"}}
    guests = [schema("guests", email="string", first_name="string"), record("guests", email="a@x.com", first_name="B")]
    for first in (guests, [person("a", "A")]):
        second = guests if first is not guests else [person("a", "A")]
        for _ in range(2):
            run(account, *first, *second, streams=streams, batch_size_rows=size)
            assert first_names(account) == {"a": "B" if second is guests else "A"}


def test_a_new_list_gets_everybody(account: Account) -> None:
    run(account, *people("ab"))
    assert counts_of(run(account, *people("ab"), list_name="Other")) == {"received": 2, "upserted": 2}
    assert on_list(account, "Other") == "ab"
    account.delete_list("Everybody")
    assert counts_of(run(account, *people("ab"))) == {"received": 2, "upserted": 2}
    assert on_list(account) == "ab"


def test_records_that_choose_several_lists_are_unchanged_if_they_are_on_all(account: Account) -> None:
    schema_ = schema(email="string", first_name="string", tags={"type": ["array", "null"]})
    lists = {"list_property": "tags", "lists": {"x": "X", "y": "Y"}, "list_name": None}

    def tagged(*tags: str) -> dict[str, int]:
        run_ = account.run(
            schema_, person("a", tags=list(tags)), LAST_STATE, snapshot_path=str(file_of(account)), **lists
        )
        return counts_of(run_)

    assert tagged("x") == {"received": 1, "upserted": 1}
    assert tagged("x", "y") == {"received": 1, "upserted": 1}
    assert tagged("x", "y") == {"received": 1, "unchanged": 1}
    assert tagged("y") == {"received": 1, "unchanged": 1}
    assert on_list(account, "Y") == "a"
    rows = [person("a", tags=["x"]), person("b", tags=["y"]), person("a", tags=["x"])]
    again = account.run(schema_, *rows, LAST_STATE, snapshot_path=str(file_of(account)), **lists)
    assert counts_of(again) == {"received": 3, "unchanged": 2, "upserted": 1}


def test_another_mapping_sends_everybody(account: Account) -> None:
    run(account, *people("ab"))
    again = run(account, *people("ab"), field_mapping={"email": "email", "last_name": "first_name"})
    assert counts_of(again) == {"received": 2, "upserted": 2}


def test_people_who_are_not_found_or_over_a_limit_are_sent_again(account: Account) -> None:
    for _ in range(2):
        assert counts_of(run(account, *people("ab"), sync_mode="update")) == {"received": 2, "not_found": 2}
    account.sandbox.seed(contacts=[{"email": "k@x.com"}])
    limit = {"account_contact_limit": 2, "on_account_limit": "truncate"}
    assert counts_of(run(account, *people("kab"), **limit)) == {"received": 3, "upserted": 2, "over_account_limit": 1}
    again = run(account, *people("kab"), **limit)
    assert counts_of(again) == {"received": 3, "unchanged": 2, "over_account_limit": 1}
    assert counts_of(run(account, *people("kab"), sync_mode="update")) == {
        "received": 3,
        "unchanged": 2,
        "not_found": 1,
    }


def test_who_is_rejected_is_sent_again(account: Account) -> None:
    run(account, *people("ab"))
    account.sandbox.add_fault("job_errored_rows", emails=["b@x.com"], reason="bad luck")
    rejected = run(account, person("a", "New"), person("b", "New"))
    assert rejected.report["streams"]["people"]["rejected"] == {"failed_in_job": 1}
    back = run(account, person("a", "New"), person("b"))
    assert counts_of(back) == {"received": 2, "upserted": 1, "unchanged": 1}
    assert first_names(account) == {"a": "New", "b": "Old"}


def test_the_cap_counts_people_who_are_unchanged(account: Account) -> None:
    run(account, *people("abc"))
    capped = run(account, *people("abcd"), profile_cap=3, on_profile_cap="truncate")
    assert counts_of(capped) == {"received": 4, "unchanged": 3, "over_cap": 1}


def test_people_are_sent_again_after_some_days(account: Account) -> None:
    run(account, *people("a"))
    account.clock.sleep(3 * DAY_SECONDS)
    assert counts_of(run(account, *people("ab"))) == {"received": 2, "upserted": 1, "unchanged": 1}
    account.clock.sleep(4 * DAY_SECONDS)
    again = run(account, *people("ab"))
    assert counts_of(again) == {"received": 2, "upserted": 1, "unchanged": 1}
    account.clock.sleep(DAY_SECONDS)
    assert counts_of(run(account, *people("b"), snapshot_max_age_days=1)) == {"received": 1, "upserted": 1}


# Who leaves a list, the account, or everything


@pytest.mark.parametrize("way", ["deleted row", "sync_mode", "membership", "mirror"])
def test_who_was_taken_off_a_list_is_put_on_again(account: Account, way: str) -> None:
    schema_ = schema(email="string", first_name="string", is_member="boolean")
    run(account, *people("abcdef"))
    gone: list[Message] = [*people("bcdef")]
    config: dict[str, Any] = {}
    if way == "deleted row":
        gone.append(deleted(email="A@x.com"))
    elif way == "sync_mode":
        gone, config = [person("a")], {"sync_mode": "remove"}
    elif way == "membership":
        rows = [person(name, is_member=name != "a") for name in "abcdef"]
        gone, config = [schema_, *rows], {"membership_property": "is_member"}
    else:
        gone.append({"type": "STATE", "value": {}})
        config = {"sync_mode": "mirror"}
    account.run(PEOPLE, *gone, {"type": "STATE", "value": {}}, snapshot_path=str(file_of(account)), **config)
    assert on_list(account) == "bcdef"
    assert counts_of(run(account, *people("abcdef"))) == {"received": 6, "upserted": 1, "unchanged": 5}
    assert on_list(account) == "abcdef"


def test_who_leaves_and_comes_back_in_one_run_is_sent(account: Account) -> None:
    run(account, *people("ab"))
    both = run(account, deleted(email="a@x.com"), person("a"), person("b"))
    assert counts_of(both) == {"received": 3, "duplicates": 1, "upserted": 1, "unchanged": 1}
    assert on_list(account) == "ab"


def test_who_comes_back_after_a_checkpoint_is_sent(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("target_sendgrid.audience.intents.MAX_WAITING", 1)
    run(account, *people("ab"))
    both = run(account, deleted(email="a@x.com"), person("a"), person("b"))
    assert counts_of(both) == {"received": 3, "removed": 1, "upserted": 1, "unchanged": 1}
    assert on_list(account) == "ab"


@pytest.mark.parametrize("act", ["remove_from_list", "delete_contact"])
@pytest.mark.parametrize("later", ["in the same run", "in the next run"])
def test_who_leaves_by_another_identifier_is_put_on_again(
    account: Account, act: str, later: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("target_sendgrid.audience.intents.MAX_WAITING", 1)
    config: dict[str, Any] = {"snapshot_path": str(file_of(account)), "field_mapping": KEYED_MAPPING, "on_delete": act}
    config["max_removals"] = 5
    keyed = [person(name, id=f"id-{name}") for name in "ab"]
    account.run(KEYED, *keyed, LAST_STATE, **config)
    plain = [PEOPLE, *people("ab")]
    streams = {"people": {}, "plain": {"field_mapping": {"email": "email", "first_name": "first_name"}}}
    plain = [schema("plain", email="string", first_name="string")]
    plain += [record("plain", email=f"{name}@x.com", first_name="Old") for name in "ab"]
    account.run(*plain, LAST_STATE, streams=streams, **config)
    assert counts_of(account.run(*plain, LAST_STATE, streams=streams, **config), "plain")["unchanged"] == 2
    gone = [KEYED, deleted(id="id-a", email=None, first_name=None)]
    if later == "in the same run":
        account.run(*gone, *plain, LAST_STATE, streams=streams, **config)
    else:
        account.run(*gone, LAST_STATE, streams=streams, **config)
        assert on_list(account) == "b"
        account.run(*plain, LAST_STATE, streams=streams, **config)
    assert on_list(account) == "ab"


def test_who_leaves_by_another_identifier_in_the_first_run_is_put_on_again(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "MAX_SETTLED", 1)
    config = {"snapshot_path": str(file_of(account)), "field_mapping": KEYED_MAPPING, "batch_size_rows": 1}
    rows = [person("a", id="1"), person("b", id="2")]
    account.run(KEYED, *rows, deleted(id="1", email=None, first_name=None), LAST_STATE, **config)
    assert on_list(account) == "b"
    assert counts_of(account.run(KEYED, *rows, LAST_STATE, **config))["upserted"] == 1
    assert on_list(account) == "ab"


def test_members_of_a_mirrored_list_stay_who_are_unchanged(account: Account) -> None:
    whole = {"type": "STATE", "value": {}}
    config = {"snapshot_path": str(file_of(account)), "sync_mode": "mirror"}
    account.run(PEOPLE, *people("abc"), whole, **config)
    second = account.run(PEOPLE, *people("ab"), whole, **config)
    assert counts_of(second) == {"received": 2, "unchanged": 2}
    assert on_list(account) == "ab"


def test_erased_people_are_held_back_until_they_are_allowed(account: Account) -> None:
    account.sandbox.seed(contacts=[{"email": f"member{number}@x.com"} for number in range(120)])
    run(account, *people("ab"))
    gone = run(account, deleted(email="a@x.com"), person("b"), on_delete="erase")
    assert counts_of(gone) == {"received": 2, "erased": 1, "unchanged": 1}
    again = run(account, person("a"), person("b"), person("c"), profile_cap=2)
    assert counts_of(again) == {"received": 3, "erased_before": 1, "unchanged": 1, "upserted": 1}
    assert "1 record is of people who were erased" in again.log
    assert "a@x.com" not in account.emails()
    account.clock.sleep(80 * DAY_SECONDS)
    assert counts_of(run(account, person("A")))["erased_before"] == 1
    allowed = run(account, person("a"), allow_erased=True)
    assert counts_of(allowed) == {"received": 1, "upserted": 1}
    assert counts_of(run(account, person("a"))) == {"received": 1, "unchanged": 1}


def test_erased_people_are_forgotten_after_ninety_days(account: Account) -> None:
    run(account, deleted(email="a@x.com"), on_delete="erase")
    account.clock.sleep(91 * DAY_SECONDS)
    assert counts_of(run(account, person("a"))) == {"received": 1, "upserted": 1}


def test_all_addresses_of_erased_people_are_held_back(account: Account) -> None:
    account.sandbox.seed(contacts=[{"email": f"member{number}@x.com"} for number in range(120)])
    account.sandbox.seed(contacts=[{"email": "a@x.com", "external_id": "1"}])
    config = {"snapshot_path": str(file_of(account)), "field_mapping": KEYED_MAPPING, "on_delete": "erase"}
    account.run(KEYED, deleted(id="1", email=None, first_name=None), LAST_STATE, **config)
    assert account.sandbox.erased() == {"a@x.com"}
    later = account.run(KEYED, person("a", id="1"), person("b", id="1"), person("c", id="3"), LAST_STATE, **config)
    assert counts_of(later) == {"received": 3, "erased_before": 2, "upserted": 1}
    assert counts_of(run(account, person("a")))["erased_before"] == 1
    other = account.run(KEYED, person("a", id="2"), LAST_STATE, **config)  # the address is somebody else's now
    assert counts_of(other) == {"received": 1, "upserted": 1}


# People who have unsubscribed

SUBSCRIBED = schema(email="string", first_name="string", wants="boolean")
CONSENT: dict[str, Any] = {"subscription_property": "wants", "unsubscribed_values": [False]}


def subscribed(account: Account, wishes: dict[str, bool], **config: Any) -> Finished:
    rows = [person(name, wants=wants) for name, wants in wishes.items()]
    return account.run(SUBSCRIBED, *rows, LAST_STATE, snapshot_path=str(file_of(account)), **CONSENT, **config)


def test_unchanged_people_who_unsubscribe_are_suppressed(account: Account) -> None:
    subscribed(account, dict.fromkeys("abc", True))
    gone = subscribed(account, {"a": False, "b": True, "c": True})
    assert counts_of(gone) == {
        "received": 3, "unchanged": 3, "unsubscribed": 1, "unsubscribed_records": 1,
    }  # fmt: skip
    assert "a@x.com" in str(account.sandbox.suppressed())


def test_unchanged_people_do_not_weaken_the_guard_of_unsubscribes(account: Account) -> None:
    everybody = [f"p{number}" for number in range(12)]
    subscribed(account, dict.fromkeys(everybody, True))
    gone = subscribed(account, dict.fromkeys(everybody, False))
    assert gone.exit_code == 1
    assert gone.report["error_codes"] == ["too-many-suppressions"]
    assert not account.sandbox.suppressed()


def test_erased_people_who_unsubscribe_are_not_sent(account: Account) -> None:
    run(account, deleted(email="a@x.com"), on_delete="erase")
    gone = subscribed(account, {"a": False, "b": True})
    assert counts_of(gone)["erased_before"] == 1
    assert account.emails() == ["b@x.com"]


# Runs that fail


def stopped(account: Account, *rows: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield rows, and end the run at once after the requests that they lead to, before anything is settled."""
    yield from [PEOPLE, *rows, state(1)]
    account.sandbox.clear_faults()
    signal.raise_signal(signal.SIGTERM)
    signal.raise_signal(signal.SIGTERM)
    yield LAST_STATE


def test_who_was_sent_and_not_settled_is_sent_again(account: Account) -> None:
    run(account, *people("abc"))
    config: dict[str, Any] = {"snapshot_path": str(file_of(account)), "batch_size_rows": 1}
    killed = account.feed(stopped(account, person("a", "New"), person("b")), steps_at_states=True, **config)
    assert killed.exit_code
    assert first_names(account)["a"] == "New"
    assert counts_of(run(account, *people("abc"))) == {"received": 3, "upserted": 1, "unchanged": 2}
    assert first_names(account)["a"] == "Old"


def test_what_is_settled_in_a_failed_run_is_known_to_the_next(account: Account) -> None:
    def tap() -> Iterator[Any]:
        yield from [PEOPLE, *people("ab"), state(1), state(2), state(3)]
        account.sandbox.add_fault("status", status=403, times=None)
        yield from people("c")
        yield LAST_STATE

    failed = account.feed(tap(), snapshot_path=str(file_of(account)), batch_size_rows=2, steps_at_states=True)
    assert failed.exit_code == 1
    assert failed.report["snapshot_people"] == 2
    account.sandbox.clear_faults()
    assert counts_of(run(account, *people("abc"))) == {"received": 3, "unchanged": 2, "upserted": 1}


def test_few_people_wait_to_be_written(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot, "MAX_SETTLED", 2)
    run(account, *people("abcde"), person("a", "New"), person("a"), batch_size_rows=1)
    assert counts_of(run(account, *people("abcde"))) == {"received": 5, "unchanged": 5}


def test_a_full_disk_ends_the_run_before_anything_is_sent(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    run(account, *people("ab"))
    account.sandbox.clear_requests()

    monkeypatch.setattr(snapshot_file, "_FORGET_OTHERS", "DELETE FROM nothing WHERE person = ? AND value != ?")
    failed = run(account, person("a", "New"))
    assert (failed.exit_code, failed.report["error_codes"]) == (1, ["local-file"])
    assert failed.states == []
    assert account.puts() == []


def test_no_state_covers_what_the_snapshot_could_not_note(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        message = "The snapshot can't be written."
        raise LocalFileError(message)

    monkeypatch.setattr(KnownPeople, "note_settled", fail)
    failed = run(account, *people("a"))
    assert (failed.exit_code, failed.states) == (1, [])
    assert account.emails() == ["a@x.com"]


def test_a_disk_that_is_full_at_the_end_costs_that_people_are_sent_again(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot_file, "_KEEP", "INSERT INTO nothing VALUES (?, ?, ?, ?, ?)")
    first = run(account, *people("ab"))
    assert (first.exit_code, first.states) == (0, ['{"n": 9}'])
    assert "People who are settled will be sent once more. `snapshot_path`: " in first.log
    assert "can't be written: " in first.log
    assert counts_of(run(account, *people("ab"))) == {"received": 2, "upserted": 2}


def test_a_closed_file_can_not_be_read(tmp_path: Path) -> None:
    days = {"today": 1, "max_age_days": 7}
    file = snapshot_file.SnapshotFile(str(tmp_path / "a.db"), "account", "key", reads_only=False, **days)
    file.close()
    with pytest.raises(LocalFileError, match="can't be read"):
        file.people_count()


# The file


def test_the_file_is_closed_to_others_and_holds_nothing_personal(account: Account) -> None:
    values = ["ada.lovelace@x.com", "Ada-Augusta", "key-4711", "other-address@x.com"]
    rows = [record(id=values[2], email=values[0], first_name=values[1], others=[values[3]])]
    schema_ = schema(id="string", email="string", first_name="string", others={"type": ["array", "null"]})
    mapping = {**KEYED_MAPPING, "alternate_emails": "others"}
    config = {"snapshot_path": str(file_of(account)), "field_mapping": mapping, "on_delete": "erase"}
    account.run(schema_, *rows, LAST_STATE, **config)
    erased = {**rows[0]["record"], "email": "gone@x.com", "id": "gone-1", "_sdc_deleted_at": "2026-01-01"}
    account.run(schema_, record(**erased), LAST_STATE, **config)
    content = file_of(account).read_bytes()
    assert len(content) > 4096
    for value in (*values, "gone@x.com", "gone-1", account.sandbox.api_key):
        for text in (value, value.lower(), value.partition("@")[0], value.encode().hex()):
            assert text.encode() not in content
    assert stat.S_IMODE(file_of(account).stat().st_mode) == 0o600
    assert [path.name for path in account.folder.iterdir() if path.name.startswith("snapshot")] == ["snapshot.db"]


def test_an_existing_file_is_closed_to_others(account: Account) -> None:
    run(account, person("a"))
    file_of(account).chmod(0o644)
    run(account, person("a"))
    assert stat.S_IMODE(file_of(account).stat().st_mode) == 0o600


def test_the_file_can_be_deleted_between_runs(account: Account) -> None:
    run(account, *people("ab"))
    file_of(account).unlink()
    assert counts_of(run(account, *people("ab"))) == {"received": 2, "upserted": 2}


def test_another_key_sends_everybody_once_more(account: Account) -> None:
    run(account, *people("ab"))
    run(account, deleted(email="c@x.com"), on_delete="erase")
    key = account.sandbox.api_key
    account.sandbox.api_key = account.sandbox.add_key()
    try:
        again = run(account, *people("ab"))
        assert counts_of(again) == {"received": 2, "upserted": 2}
        assert "was made with another API key" in again.log
        assert "and who was erased is forgotten" in again.log
        assert counts_of(run(account, *people("ab"))) == {"received": 2, "unchanged": 2}
    finally:
        account.sandbox.api_key = key


def test_a_wrong_key_forgets_nobody(account: Account) -> None:
    run(account, *people("ab"))
    wrong = run(account, *people("ab"), api_key="SG.wrong")
    assert wrong.report["error_codes"] == ["key-refused"]
    assert counts_of(run(account, *people("ab"))) == {"received": 2, "unchanged": 2}


def test_the_file_of_another_account_is_refused(account: Account) -> None:
    run(account, *people("ab"))
    other = run(account, *people("ab"), api_url=other_name(account))
    assert other.report["error_codes"] == [Code.SNAPSHOT.value]
    assert "is of another account, region, subuser or sandbox. Give each account a file of its own" in other.log
    assert counts_of(run(account, *people("ab"))) == {"received": 2, "unchanged": 2}


@pytest.mark.parametrize("damage", ["middle", "cut", "tables", "row", "version"])
def test_a_damaged_file_is_replaced_and_everybody_is_sent(account: Account, damage: str) -> None:
    names = [f"p{number}" for number in range(400)]
    run(account, *[person(name) for name in names])
    file = file_of(account)
    if damage == "middle":
        content = bytearray(file.read_bytes())
        content[4096:] = os.urandom(len(content) - 4096)
        file.write_bytes(content)
    elif damage == "cut":
        os.truncate(file, 4096)
    else:
        sql = {"tables": "DROP TABLE people", "row": "DELETE FROM made_for", "version": "PRAGMA user_version = 99"}
        with sqlite3.connect(file) as database:
            database.execute(sql[damage])
        database.close()
    again = run(account, *[person(name) for name in names])
    if damage == "tables":
        assert again.report["error_codes"] == ["local-file"]
        return
    assert again.exit_code == 0, again.log
    assert counts_of(again) == {"received": 400, "upserted": 400}
    assert "everybody is sent once more, and nobody knows any more who was erased." in again.log
    assert counts_of(run(account, *[person(name) for name in names])) == {"received": 400, "unchanged": 400}


@pytest.mark.parametrize("content", [b"somebody's notes", b"SQLite format 3\0" + bytes(200)])
def test_a_file_that_is_no_snapshot_is_left_alone(account: Account, content: bytes) -> None:
    file_of(account).write_bytes(content)
    file_of(account).chmod(0o640)
    refused = run(account, person("a"))
    assert stat.S_IMODE(file_of(account).stat().st_mode) == 0o640
    assert refused.report["error_codes"] == [Code.SNAPSHOT.value]
    assert file_of(account).read_bytes() == content
    assert "is no snapshot, or its beginning is damaged. Check the path." in refused.log


def test_an_empty_file_is_used(account: Account) -> None:
    file_of(account).touch()
    assert run(account, person("a")).exit_code == 0
    assert counts_of(run(account, person("a"))) == {"received": 1, "unchanged": 1}


@pytest.mark.parametrize("path", ["missing/snapshot.db", ".", "link", "null\0byte", "pipe", "no-journal.db"])
def test_a_path_that_can_not_be_used_is_an_error(account: Account, path: str) -> None:
    (account.folder / "link").symlink_to(account.folder / "else")
    os.mkfifo(account.folder / "pipe")
    (account.folder / "no-journal.db-journal").mkdir()
    refused = run(account, person("a"), snapshot_path=f"{account.folder}/{path}")
    assert refused.report["error_codes"] == ["local-file"]
    assert "`snapshot_path`: " in refused.log
    assert account.emails() == []


def test_a_second_run_with_the_same_file_stops(account: Account) -> None:
    def tap() -> Iterator[Any]:
        yield from [PEOPLE, *people("a")]
        for config in ({}, {"dry_run": True}):
            second = run(account, *people("b"), **config)
            assert second.report["error_codes"] == [Code.SNAPSHOT.value]
            assert "another run uses" in second.log
        yield LAST_STATE

    assert account.feed(tap(), snapshot_path=str(file_of(account))).exit_code == 0
    assert counts_of(run(account, *people("ab"))) == {"received": 2, "unchanged": 1, "upserted": 1}


def test_of_two_runs_that_make_the_file_at_once_one_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def opened() -> snapshot_file.SnapshotFile:
        path = str(tmp_path / "a.db")
        return snapshot_file.SnapshotFile(path, "account", "key", today=1, max_age_days=7, reads_only=False)

    first = opened()
    monkeypatch.setattr(snapshot_file, "_check", lambda *_, **__: False)  # there was none yet
    with pytest.raises(ConfigError, match="another run uses"):
        opened()
    first.keep([(1, "L", 2, 3)], [])
    first.close()
    with pytest.raises(LocalFileError, match="table made_for already exists"):
        opened()


# Without writing


def test_a_dry_run_says_that_a_run_was_killed_while_it_wrote(account: Account) -> None:
    names = [f"p{number}" for number in range(400)]
    run(account, *[person(name) for name in names])
    files = [file_of(account), account.folder / "snapshot.db-journal"]
    with contextlib.closing(sqlite3.connect(files[0], isolation_level=None)) as database:
        database.execute("PRAGMA cache_size = 1")  # so that a part is written before the end
        database.execute("BEGIN")
        database.execute("DELETE FROM people")
        contents = [file.read_bytes() for file in files]
    for file, content in zip(files, contents, strict=True):
        file.write_bytes(content)
    dry = run(account, *people("ab"), dry_run=True)
    assert counts_of(dry) == {"received": 2, "upserted": 2}
    assert "a run was killed while it wrote" in dry.log
    assert counts_of(run(account, *[person(name) for name in names])) == {"received": 400, "unchanged": 400}


def test_a_dry_run_says_who_would_be_sent_and_changes_nothing(account: Account) -> None:
    run(account, *people("ab"))
    run(account, deleted(email="c@x.com"), on_delete="erase")
    before = file_of(account).read_bytes()
    dry = run(account, person("a"), person("b", "New"), person("c"), deleted(email="a@x.com"), dry_run=True)
    assert counts_of(dry) == {"received": 4, "unchanged": 1, "upserted": 1, "erased_before": 1, "removed": 1}
    assert file_of(account).read_bytes() == before
    file_of(account).unlink()
    assert counts_of(run(account, *people("ab"), dry_run=True)) == {"received": 2, "upserted": 2}
    assert not file_of(account).exists()


def test_the_check_says_how_many_people_the_file_holds(account: Account) -> None:
    path = str(file_of(account))
    told = str(account.check(PEOPLE, snapshot_path=path).findings)
    assert "There is no snapshot at" in told
    run(account, *people("ab"))
    run(account, deleted(email="c@x.com"), on_delete="erase")
    account.sandbox.clear_requests()
    told = str(account.check(PEOPLE, snapshot_path=path).findings)
    assert "holds 2 people" in told
    assert "and remembers who was erased" in told
    checked = account.check(PEOPLE, snapshot_path=path, api_url=other_name(account))
    assert checked.exit_code == 1
    assert "is of another account" in str(checked.findings)
    os.truncate(file_of(account), 4096)
    checked = account.check(PEOPLE, snapshot_path=path)
    assert (checked.exit_code, "is damaged" in str(checked.findings)) == (0, True)


def test_the_embedded_sandbox_keeps_its_snapshot_with_its_account(tmp_path: Path, account: Account) -> None:
    snapshot_path, database = str(file_of(account)), f"sandbox:{tmp_path / 'account.db'}"
    for counts in ({"received": 2, "upserted": 2}, {"received": 2, "unchanged": 2}):
        assert counts_of(run(account, *people("ab"), api_url=database, snapshot_path=snapshot_path)) == counts
    for _ in range(2):
        alone = run(account, *people("ab"), api_url="sandbox", snapshot_path=str(tmp_path / "none.db"))
        assert counts_of(alone) == {"received": 2, "upserted": 2}
        assert "`snapshot_path` has no effect" in alone.log
    assert not (tmp_path / "none.db").exists()
    assert re.search(r"snapshot.*another account", run(account, *people("ab")).log)
