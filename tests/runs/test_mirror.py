"""A mirrored list has exactly who was in the last whole run, and no mistake upstream can empty it."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING, Any

import pytest

from target_sendgrid.audience.list_lock import list_lock
from tests.harness.messages import PEOPLE, record, schema

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.harness.account import Account
    from tests.harness.runs import Finished

MIRROR: dict[str, Any] = {"sync_mode": "mirror"}
END: dict[str, Any] = {"type": "STATE", "value": {}}


def members(account: Account, *emails: str, **more: Any) -> None:
    account.sandbox.seed(contacts=[{"email": f"{one}@x.com", "lists": ["Everybody"], **more} for one in emails])


def crowd(account: Account, count: int) -> list[str]:
    """Put people on the list, and return their addresses."""
    emails = [f"p{number}@x.com" for number in range(count)]
    account.sandbox.seed(contacts=[{"email": email, "lists": ["Everybody"]} for email in emails])
    return emails


def on_list(account: Account, name: str = "Everybody") -> list[str]:
    return [email.partition("@")[0] for email in account.emails(name)]


def people(*names: str, stream: str = "people") -> list[dict[str, Any]]:
    return [record(stream, email=f"{name}@x.com") for name in names]


def withheld(run: Finished) -> str:
    """Return why nobody was taken off."""
    assert run.exit_code == 1, run.log
    (line,) = (line for line in run.log.splitlines() if "mirror-withheld" in line)
    return line


def test_who_is_not_in_the_run_leaves_the_list_and_stays_a_contact(account: Account) -> None:
    members(account, "ada", "bob", "cy")
    run = account.run(PEOPLE, *people("ada", "dee"), END, **MIRROR)
    assert run.exit_code == 0, run.log
    assert on_list(account) == ["ada", "dee"]
    assert len(account.emails()) == 4
    assert run.report["removed_members"] == {"Everybody": 2}
    assert "Took 2 of 4 members off the list 'Everybody', who were not in this run." in run.log
    assert run.states == ["{}"]
    again = account.run(PEOPLE, *people("ada", "dee"), END, **MIRROR)
    assert again.report["removed_members"] == {"Everybody": 0}
    assert account.count("DELETE", "/lists/") == 1


@pytest.mark.parametrize(
    ("rows", "left"),
    [
        ([record(email="ADA@x.com"), record(email=" bob@x.com ")], ["ada", "bob"]),
        ([record(email="ada@x.com"), record(email="bob@x.com", score="x")], ["ada", "bob"]),
        ([record(email="ada@x.com"), record(email="bob@x.com", first_name="x" * 51)], ["ada", "bob"]),
        ([record(email="ada@x.com"), record(email="bob@x.com", _sdc_deleted_at="2026-01-01")], ["ada"]),
        ([record(email="ada@x.com"), record(email=None)], ["ada"]),
    ],
)
def test_people_in_the_source_stay(account: Account, rows: list[dict[str, Any]], left: list[str]) -> None:
    members(account, "ada", "bob", "cy")
    run = account.run(PEOPLE, *rows, END, **MIRROR, max_rejected_percent=100)
    assert run.exit_code == 0, run.log
    assert on_list(account) == left


def test_members_whom_the_stream_can_not_speak_for_stay(account: Account) -> None:
    members(account, "ada", "bob")
    account.sandbox.seed(contacts=[{"external_id": "7", "lists": ["Everybody"]}])
    run = account.run(PEOPLE, *people("ada"), END, **MIRROR)
    assert run.exit_code == 0, run.log
    assert len(account.sandbox.contacts("Everybody")) == 2


def test_somebody_whose_other_identifier_is_in_the_run_stays(account: Account) -> None:
    account.sandbox.seed(contacts=[{"email": "old@x.com", "external_id": "7", "lists": ["Everybody"]}])
    keyed = schema(id="string", email="string")
    rows = [record(id="7", email="old@x.com"), record(id="8", email="new@x.com")]
    run = account.run(keyed, *rows, END, **MIRROR, field_mapping={"external_id": "id", "email": "email"})
    assert run.exit_code == 0, run.log
    assert on_list(account) == ["new", "old"]


def test_several_streams_of_a_list_are_one_source(account: Account) -> None:
    members(account, "ada", "bob", "cy")
    other = schema("more", email="string")
    run = account.run(PEOPLE, other, *people("ada"), *people("bob", stream="more"), END, **MIRROR)
    assert run.exit_code == 0, run.log
    assert on_list(account) == ["ada", "bob"]


@pytest.mark.parametrize("own", [{}, {"stream_maps": {"orders": None}}, {"streams": {"orders": {"enabled": False}}}])
def test_a_bookmark_of_another_stream_that_came_says_nothing(account: Account, own: dict[str, Any]) -> None:
    members(account, "ada", "bob")
    orders = [schema("orders", email="string"), *people("ada", stream="orders")]
    end = {"type": "STATE", "value": {"bookmarks": {"orders": {"replication_key_value": "1"}, "people": {}}}}
    run = account.run(
        *orders, PEOPLE, *people("ada"), end, **MIRROR | {"streams": {"orders": {"list_name": "O"}}} | own
    )
    assert "replication position" not in "".join(line for line in run.log.splitlines() if "Everybody" in line)
    assert on_list(account) == ["ada"]


def test_each_list_of_a_list_property_is_mirrored(account: Account) -> None:
    account.sandbox.seed(contacts=[{"email": f"{name}@x.com", "lists": ["VIP", "New"]} for name in ("ada", "bob")])
    rows = [record(email="ada@x.com", first_name="vip"), record(email="bob@x.com", first_name="new")]
    lists = {"list_name": None, "list_property": "first_name", "lists": {"vip": "VIP", "new": "New"}}
    run = account.run(PEOPLE, *rows, END, **MIRROR | lists, field_mapping={"email": "email"})
    assert run.exit_code == 0, run.log
    assert (on_list(account, "VIP"), on_list(account, "New")) == (["ada"], ["bob"])


# Guards


SDK = {"bookmarks": {"people": {"replication_key_value": "1"}}}
SINGER_PYTHON = {"bookmarks": {"people": {"updated_at": "1"}}}
TRUNCATED = {"profile_cap": 2, "on_profile_cap": "truncate"}
MAPPED = {"stream_maps": {"people": {"email": "email"}}}
TWO_STREAMS = {"streams": {"more": {"sync_mode": "mirror"}, "people": {}}}
NO_OBJECT = '{"type": "RECORD", "stream": "people", "record": []}'


@pytest.mark.parametrize(
    ("messages", "own", "reason"),
    [
        ([*people("ada")], {}, "has no STATE after its last record"),
        ([*people("ada"), END, *people("bob")], {}, "has no STATE after its last record"),
        ([END], {}, "has no record"),
        ([*people("ada"), {"type": "STATE", "value": SDK}], {}, "replication position"),
        ([*people("ada"), {"type": "STATE", "value": SINGER_PYTHON}], {}, "replication position"),
        ([*people("ada", "bob", "dee"), END], TRUNCATED, "`profile_cap`"),
        ([*people("ada"), record(score="x"), END], MAPPED, "1 record that could not be read"),
        ([*people("ada"), NO_OBJECT, END], {}, "1 record that could not be read"),
        ([*people("ada"), END], TWO_STREAMS, "stream 'more' never came"),
        ([*people("ada"), END], {"max_removals": 0}, "`max_removals` is 0"),
        ([*people("ada"), END], {"max_removals": 1}, "`max_removals` is 1"),
    ],
)  # fmt: skip
def test_a_guard_withholds_all_removals_and_what_was_sent_stays(
    account: Account, messages: list[Any], own: dict[str, Any], reason: str
) -> None:
    members(account, "bob", "cy")
    run = account.run(PEOPLE, *messages, **MIRROR | own, max_rejected_percent=100)
    line = withheld(run)
    assert line.startswith("Nobody is taken off the list 'Everybody'")
    assert reason in line
    assert {"bob", "cy"} <= set(on_list(account))
    assert account.count("DELETE", "/lists/") == 0
    if any(message in people("ada") for message in messages):
        assert "ada" in on_list(account)


def test_a_tenth_of_the_list_may_leave_and_no_more_without_permission(account: Account) -> None:
    emails = crowd(account, 200)
    rows = [record(email=email) for email in emails]
    line = withheld(account.run(PEOPLE, *rows[:179], END, **MIRROR))
    assert "21 of its 200 members were not in stream 'people'" in line
    assert '`streams: {"people": {"max_removals": 21}}`' in line
    assert len(on_list(account)) == 200
    run = account.run(PEOPLE, *rows[:179], END, **MIRROR, streams={"people": {"max_removals": 21}})
    assert run.exit_code == 0, run.log
    assert len(on_list(account)) == 179
    assert account.run(PEOPLE, *rows[:162], END, **MIRROR).exit_code == 0
    assert len(on_list(account)) == 162


def test_a_withheld_removal_does_not_hold_the_state(account: Account) -> None:
    crowd(account, 100)
    run = account.run(PEOPLE, *people("ada"), END, **MIRROR)
    assert "mirror-withheld" in withheld(run)
    assert run.states == ["{}"]


def test_an_export_that_lacks_members_takes_nobody_off(account: Account) -> None:
    members(account, "ada", "bob", "cy")
    account.sandbox.add_fault("export_file", mode="fewer_rows")
    line = withheld(account.run(PEOPLE, *people("ada"), END, **MIRROR))
    assert "its export holds" in line
    assert on_list(account) == ["ada", "bob", "cy"]


@pytest.mark.parametrize(
    "end", [lambda: signal.raise_signal(signal.SIGTERM), lambda: "no message"], ids=["signal", "bad input"]
)
def test_nobody_leaves_in_a_run_that_does_not_end_well(account: Account, end: Any) -> None:
    members(account, "bob")

    def tap() -> Iterator[Any]:
        yield PEOPLE
        yield from people("ada")
        yield END
        yield end() or people("cy")[0]
        yield END

    run = account.feed(tap(), **MIRROR)
    assert run.exit_code != 0
    assert "bob" in on_list(account)
    assert account.count("POST", "/exports") == 0


def test_a_signal_ends_the_wait_for_an_export(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    members(account, "bob")
    account.sandbox.add_fault("export_stuck", times=None)
    sleep, waits = account.clock.sleep, []

    def interrupt(seconds: float) -> None:
        sleep(seconds)
        if account.count("POST", "/exports"):
            waits.append(seconds)
            if len(waits) == 1:
                signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(account.clock, "sleep", interrupt)
    run = account.run(PEOPLE, *people("ada"), END, **MIRROR)
    assert run.exit_code == 128 + signal.SIGTERM, run.log
    assert (on_list(account), run.states, len(waits)) == (["ada", "bob"], ["{}"], 1)


def test_a_list_that_another_stream_fills_in_another_way_is_an_error(account: Account) -> None:
    members(account, "bob")
    own = {"streams": {"people": MIRROR, "more": {}}}
    run = account.run(PEOPLE, *people("ada"), schema("more", email="string"), END, **own)
    assert run.exit_code == 1
    assert "The list 'Everybody' is mirrored, and stream 'more' fills it in another way" in run.log
    assert "bob" in on_list(account)


def test_two_runs_do_not_mirror_a_list_at_the_same_time(account: Account) -> None:
    members(account, "bob")
    with list_lock(account.sandbox.url, account.list_id("Everybody"), "'Everybody'"):
        run = account.run(PEOPLE, *people("ada"), END, **MIRROR)
    assert run.exit_code == 1
    assert "Everybody" in run.log
    assert on_list(account) == ["bob"]


def test_a_dry_run_says_who_would_leave_and_takes_nobody_off(account: Account) -> None:
    members(account, "ada", "bob")
    run = account.run(PEOPLE, *people("ada"), END, **MIRROR, dry_run=True)
    assert run.exit_code == 0, run.log
    assert "A run would take 1 of 2 members off the list 'Everybody'." in run.log
    assert on_list(account) == ["ada", "bob"]
    assert account.count("DELETE", "/lists/") == 0


def test_no_value_is_logged(account: Account) -> None:
    members(account, "zaphod")
    run = account.run(PEOPLE, *people("ada"), END, **MIRROR)
    assert "zaphod" not in run.log
    assert "zaphod" not in json.dumps(run.report)
