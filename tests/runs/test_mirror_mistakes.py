"""Mistakes that must not take somebody off a mirrored list: in settings, in records and in states."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import pytest

from tests.harness.messages import PEOPLE, record, schema
from tests.harness.removals import deleted, members, on_list

if TYPE_CHECKING:
    from tests.harness.account import Account

END: dict[str, Any] = {"type": "STATE", "value": {}}


def withheld(account: Account, *messages: Any, **config: Any) -> str:
    """Run with messages, and return why nobody was taken off; the list stays as it is."""
    before = on_list(account)
    run = account.run(*messages, **{"sync_mode": "mirror"} | config)
    assert run.exit_code == 1, run.log
    assert on_list(account) == before
    (line,) = (line for line in run.log.splitlines() if "mirror-withheld" in line)
    return line


@pytest.mark.parametrize("email", [True, [{"address": "bob@x.com"}], {"address": "bob@x.com"}, [["bob@x.com"]], [None]])
@pytest.mark.parametrize("own", [{}, {"validate_records": False}])
def test_nobody_leaves_if_the_identifier_of_a_rejected_record_shows_nobody(
    account: Account, email: Any, own: dict[str, Any]
) -> None:
    members(account, "ada", "bob")
    rows = [record(email="ada@x.com"), record(email=email)]
    line = withheld(account, PEOPLE, *rows, END, field_mapping={"email": "email"}, **own)
    assert "1 record that could not be read" in line


@pytest.mark.parametrize(
    ("streams", "never"),
    [
        ({"people": {"list_id": "ID"}, "more": {"list_name": "Everybody"}}, "more"),
        ({"people": {"list_name": "Everybody"}, "more": {"list_id": "ID"}}, "more"),
        ({"people": {}, "shop_*": {}}, "shop_*"),
        ({"people": {}, "more": {"list_property": "kind", "lists": {"a": "Everybody", "b": "Others"}}}, "more"),
    ],
)
def test_nobody_leaves_if_another_stream_of_the_list_never_came(
    account: Account, streams: dict[str, dict[str, Any]], never: str
) -> None:
    members(account, "ada", "bob")
    given = {"list_id": account.list_id("Everybody")}
    streams = {name: given if "list_id" in own else own for name, own in streams.items()}
    line = withheld(account, PEOPLE, record(email="ada@x.com"), END, streams=streams)
    assert f"stream '{never}' never came" in line


def test_nobody_leaves_if_a_stream_map_removes_another_stream_of_the_list(account: Account) -> None:
    members(account, "ada", "bob")
    rows = [record(email="ada@x.com"), record("more", email="bob@x.com")]
    own = {"streams": {"people": {}, "more": {}}, "stream_maps": {"more": None}}
    assert "stream 'more' never came" in withheld(account, PEOPLE, schema("more", email="string"), *rows, END, **own)


@pytest.mark.parametrize(
    "streams",
    [
        {"people": {}, "more": {"enabled": False}},
        {"people": {}, "more": {"list_name": "Others"}},
        {"people": {}, "*": {"enabled": False}},
        {"peo*": {}},
    ],
)
def test_streams_that_are_not_for_the_list_need_not_come(account: Account, streams: dict[str, Any]) -> None:
    members(account, "ada", "bob")
    run = account.run(PEOPLE, record(email="ada@x.com"), END, sync_mode="mirror", streams=streams)
    assert run.exit_code == 0, run.log
    assert on_list(account) == "a"


def test_who_is_deleted_and_added_again_in_other_capitals_stays(account: Account) -> None:
    account.sandbox.seed(contacts=[{"email": "éa@x.com", "lists": ["Everybody"]}])
    run = account.run(PEOPLE, deleted(email="Éa@x.com"), record(email="éa@x.com"), END)
    assert run.exit_code == 0, run.log
    assert on_list(account) == "é"


@pytest.mark.parametrize(
    "row", [{"email": ["ada@x.com"]}, {"email": "Ada ada@x.com"}, {"email": "ada@x.com", "first_name": "x" * 51}]
)
@pytest.mark.parametrize("mode", ["upsert", "update", "mirror"])
def test_who_is_deleted_and_shown_by_a_rejected_record_afterwards_stays(
    account: Account, row: dict[str, Any], mode: str
) -> None:
    members(account, "ada", "bob")
    rows = [deleted(email="ada@x.com"), record(email="bob@x.com"), record(**row)]
    run = account.run(PEOPLE, *rows, END, sync_mode=mode)
    assert run.exit_code == 0, run.log
    assert on_list(account) == "ab"


def test_a_signal_ends_the_wait_for_an_export(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    members(account, "ada", "bob")
    account.sandbox.set_options(export_ready_after_seconds=1000.0)
    sleep, signals = account.clock.sleep, iter([signal.SIGTERM])

    def sleep_and_stop(seconds: float) -> None:
        if account.count("POST", "/exports") and (number := next(signals, None)):
            signal.raise_signal(number)
        sleep(seconds)

    monkeypatch.setattr(account.clock, "sleep", sleep_and_stop)
    started_at = account.clock.monotonic()
    run = account.run(PEOPLE, record(email="ada@x.com"), END, sync_mode="mirror")
    assert run.exit_code == 143, run.log
    assert account.clock.monotonic() - started_at < 5
    assert on_list(account) == "ab"


POSITION = {"bookmarks": {"people": {"updated_at": "2026-01-01"}}}


@pytest.mark.parametrize(
    "last",
    [{"bookmarks": {"orders": {}}}, {"bookmarks": {"orders": {"updated_at": "2026-01-01"}}}, {}, {"bookmarks": None}],
)
def test_nobody_leaves_if_an_earlier_state_alone_holds_the_position_of_the_stream(account: Account, last: Any) -> None:
    members(account, "ada", "bob")
    messages = [record(email="ada@x.com"), state_of(POSITION), record("orders", email="c@x.com"), state_of(last)]
    streams = {"people": {}, "orders": {"list_name": "Others", "sync_mode": "upsert"}}
    line = withheld(account, PEOPLE, schema("orders", email="string"), *messages, streams=streams)
    assert "replication position in its state (`updated_at`)" in line


@pytest.mark.parametrize(
    ("after", "last"),
    [
        ({"currently_syncing": "people"}, {"currently_syncing": None}),
        (POSITION, {"bookmarks": {"people": {}}}),
        ({"bookmarks": {"people": {}}}, {"bookmarks": {}}),
        ({"bookmarks": {"db-people": {"last_pk_fetched": {"id": 3}}}}, {"bookmarks": {"db-people": {}}}),
    ],
)
def test_the_last_bookmark_of_the_stream_counts(account: Account, after: Any, last: Any) -> None:
    members(account, "ada", "bob")
    run = account.run(PEOPLE, record(email="ada@x.com"), state_of(after), state_of(last), sync_mode="mirror")
    assert run.exit_code == 0, run.log
    assert on_list(account) == "a"


@pytest.mark.parametrize(
    ("inside", "done"),
    [
        ({"max_pk_values": {"id": 9}, "last_pk_fetched": {"id": 1}}, {}),
        ({"last_replication_method": "FULL_TABLE", "version": 1, "xmin": "7"}, {"xmin": None}),
        ({"last_id_fetched": "7"}, {"last_id_fetched": None}),
    ],
)
def test_no_state_from_inside_a_whole_read_is_written(account: Account, inside: Any, done: Any) -> None:
    members(account, "ada", "bob", "cy")
    middle, end = ({"bookmarks": {"people": bookmark}} for bookmark in (inside, done))
    messages = [record(email="ada@x.com"), state_of(middle), record(email="bob@x.com")]
    broken = account.run(PEOPLE, *messages, "no message", sync_mode="mirror")
    assert (broken.exit_code, broken.states) == (1, [])
    assert on_list(account) == "abc"
    whole = account.run(PEOPLE, *messages, state_of(end), sync_mode="mirror")
    assert (whole.exit_code, len(whole.states)) == (0, 1), whole.log
    assert on_list(account) == "ab"
    assert len(account.run(PEOPLE, *messages, state_of(end)).states) == 1


def state_of(value: Any) -> dict[str, Any]:
    """Return a STATE message."""
    return {"type": "STATE", "value": value}
