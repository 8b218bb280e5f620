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
