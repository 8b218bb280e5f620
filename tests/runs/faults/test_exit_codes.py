"""The README's table of exit codes: whole runs end as each of its rows says."""

from __future__ import annotations

import re
import signal
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from tests.harness.endpoints import PUT
from tests.harness.messages import PEOPLE, record, schema, singer, state
from tools.docs import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.harness.account import Account


@dataclass(frozen=True)
class Ending:
    """How a run ends that reads three records, each followed by a STATE."""

    row: str
    """First words of the row in the README."""
    exit_code: int
    states: list[int]
    """Which of the states 1, 2, 3 and 9 may be written. 9 is the last state."""
    config: dict[str, Any] = field(default_factory=dict)
    second: dict[str, Any] | str | None = None
    """A message, or a line, in place of the second record."""
    fault: dict[str, Any] = field(default_factory=dict)
    """A fault of the sandbox during the run."""
    deletes_list: bool = False
    """Whether another user deletes the list before the second record is read."""
    signal: signal.Signals | None = None
    """The signal that is sent before the second record is read."""


JOB_STUCK = {"kind": "job_stuck", "times": None, "skip": 1}
NO_ANSWER = {"kind": "html_error", "status": 503, "times": None}
LEAVES = record(email="ada@example.com", _sdc_deleted_at="2026-01-01")
UNSUBSCRIBED = record(email="b@example.com", first_name="out")
CONSENT = {"subscription_property": "first_name", "unsubscribed_values": ["out"], "max_suppressions": 0}

ENDINGS = {
    "all is well": Ending("everything settled", 0, [1, 2, 3, 9]),
    "few are rejected": Ending("everything settled", 0, [1, 2, 3, 9], {"max_rejected_percent": 10}, record(email="no")),
    "many are rejected": Ending("too many records", 1, [1], {"max_rejected_percent": 0}, record(email="no")),
    "SendGrid refuses many": Ending("too many records", 1, [1], {"max_rejected_percent": 0}, record(email="b@nowhere")),
    "the cap is reached": Ending("cap reached", 1, [1], {"profile_cap": 1}),
    "more leave than allowed": Ending("more people would leave", 1, [1], {"max_removals": 0}, LEAVES),
    "more are deleted than allowed": Ending(
        "more people would be deleted", 1, [1], {"max_removals": 0, "on_delete": "erase"}, LEAVES
    ),
    "more unsubscribe than allowed": Ending("more people would be unsubscribed", 1, [1], CONSENT, UNSUBSCRIBED),
    "the account is full": Ending("new people beyond", 1, [1], {"account_contact_limit": 1}),
    "a mirror is withheld": Ending("a mirrored list keeps members", 1, [1, 2, 3, 9], {"sync_mode": "mirror"}),
    "the key is wrong": Ending("a setting, the key", 1, [], {"api_key": "SG.no.key"}),
    "the list is wrong": Ending("a setting, the key", 1, [], {"create_list": False}),
    "the mapping is wrong": Ending("the list or the mapping", 1, [1], {}, schema("others", name="string")),
    "a line is not a Singer message": Ending("standard input breaks off", 1, [1], {}, "what is this"),
    "SendGrid stops answering": Ending("SendGrid out of reach", 1, [1], {}, None, {**NO_ANSWER, **PUT, "skip": 1}),
    "SendGrid never answers": Ending("SendGrid out of reach", 1, [], {}, None, NO_ANSWER),
    "a job never ends": Ending("SendGrid out of reach", 1, [1], {}, None, JOB_STUCK),
    "the list was deleted": Ending("a list was deleted", 1, [1], {"list_name": "Fixed"}, deletes_list=True),
    "SIGTERM": Ending("SIGTERM, SIGINT", 143, [1], signal=signal.SIGTERM),
    "SIGINT": Ending("SIGTERM, SIGINT", 130, [1], signal=signal.SIGINT),
}


@pytest.mark.parametrize("ending", ENDINGS.values(), ids=ENDINGS)
def test_a_run_ends_as_the_readme_says(account: Account, ending: Ending) -> None:
    if ending.fault:
        account.sandbox.add_fault(**ending.fault)
    account.sandbox.seed(lists=["Fixed"])

    def tap() -> Iterator[dict[str, Any] | str]:
        yield record(email="ada@example.com")
        yield state(1)
        if ending.deletes_list:
            account.delete_list("Fixed")
        if ending.signal:
            signal.raise_signal(ending.signal)
        yield ending.second or record(email="b@example.com")
        yield state(2)
        yield record(email="c@example.com")
        yield state(3)

    config = {"batch_size_rows": 1, "max_rejected_percent": 0, "create_list": not ending.deletes_list} | ending.config
    run = account.send(tap(), steps_at_states=True, **config)
    assert run.exit_code == ending.exit_code, run
    numbers = [int(number) for line in run.states for number in re.findall(r"\d+", line)]
    assert set(numbers) <= set(ending.states), "a state covers a record that is not settled"
    assert numbers[-1:] == ending.states[-1:], "the last state whose records are settled is not written"
    assert run.report["outcome"] == ("failed" if ending.exit_code else "succeeded")


def test_a_wrong_command_line_has_its_own_exit_code(account: Account) -> None:
    run = account.run_process(singer(PEOPLE), arguments=["--no-such-option"])
    assert run.exit_code == 2
    assert run.states == []


def test_the_readme_lists_exactly_these_endings() -> None:
    table = (
        (ROOT / "README.md")
        .read_text(encoding="utf-8")
        .partition("| What happened | Exit code")[2]
        .partition("\n\n")[0]
    )
    rows = re.findall(r"^\| (.*?) \| ([\d, ]+) \|", table, re.MULTILINE)
    documented = {(what, int(code)) for what, codes in rows for code in codes.split(", ")}
    proved = {(ending.row, ending.exit_code) for ending in ENDINGS.values()} | {("the command line", 2)}
    for row, code in proved:
        assert [what for what, documented_code in documented if what.startswith(row) and documented_code == code], row
    for what, code in documented:
        assert [row for row, proved_code in proved if what.startswith(row) and proved_code == code], what
