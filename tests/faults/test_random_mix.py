"""Runs under random mixes of faults. ``FAULT_SEEDS=500 pytest tests/faults/test_random_mix.py`` tries as many seeds."""

from __future__ import annotations

import itertools
import json
import os
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pytest

from tests.faults.mixes import CONFIG, STREAMS, Mix, covered_line, lost
from tests.support import QUICK, run_here, singer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from target_sendgrid.sandbox.server import SandboxServer
    from tests.faults.conftest import Account
    from tests.support import Finished

SEEDS = range(int(os.environ.get("FAULT_SEEDS", "8")))


@pytest.mark.parametrize("seed", SEEDS)
def test_no_mix_of_faults_loses_a_record_that_a_state_covers(account: Account, tmp_path: Path, seed: int) -> None:
    mix, desk = Mix(seed), Desk(account.sandbox, tmp_path)
    smooth, smooth_rejected = desk.run(mix, mix.messages)
    expected = desk.contacts()
    assert smooth.exit_code == 0
    assert lost(mix, smooth, smooth_rejected, expected) == []

    desk.start_anew(mix)
    run, rejected = desk.run(mix, struck(mix, account))
    told = json.dumps({"faults": desk.sandbox.faults(), "deleted": mix.deleted_list, "states": run.states}) + run.log
    desk.sandbox.clear_faults()

    assert lost(mix, run, rejected, desk.contacts()) == [], told
    assert run.exit_code == 0 or run.report["error"], told
    assert "Internal error" not in run.log, told
    assert "@" not in run.log, told
    assert len(rejected) == len(set(rejected)), told
    numbers = [json.loads(line)["n"] for line in run.states]
    assert all(earlier < later for earlier, later in itertools.pairwise(numbers)), told
    counts = run.report["streams"].values()
    assert sum(sum(stream["rejected"].values()) for stream in counts) == len(rejected), told
    if run.exit_code == 0:
        assert run.states[-1] == smooth.states[-1], told
        assert sum(stream["unsettled"] for stream in counts) == 0, told
    if mix.deleted_list is None and set(rejected) <= set(smooth_rejected):
        rest = mix.messages[max(covered_line(mix, run), len(STREAMS)) :]
        if run.exit_code:
            again, _ = desk.run(mix, [*mix.messages[: len(STREAMS)], *rest])
            assert again.exit_code == 0, again.log
        assert desk.contacts() == expected, told
    assert not desk.sandbox.violations()


class Desk:
    """Runs the target, each time with a file of its own for rejected records."""

    def __init__(self, sandbox: SandboxServer, folder: Path) -> None:
        self.sandbox = sandbox
        self._paths = (folder / f"rejected.{number}.jsonl" for number in itertools.count())

    def start_anew(self, mix: Mix) -> None:
        """Empty the account and order a mix's faults."""
        self.sandbox.reset()
        self.sandbox.set_options(**asdict(QUICK) | mix.options)
        for fault in mix.faults:
            self.sandbox.add_fault(**fault)

    def run(self, mix: Mix, messages: Iterable[dict[str, Any]]) -> tuple[Finished, list[int]]:
        """Run the target on messages; return how it ended, and the lines of the rejected records."""
        path = next(self._paths)
        own = {"batch_size_rows": mix.batch_size_rows, "rejected_records_path": str(path)}
        lines = (singer(message).decode() for message in messages)
        run = run_here(self.sandbox, CONFIG | own, lines, is_late=mix.is_late)
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        return run, [json.loads(line)["line"] for line in text.splitlines()]

    def contacts(self) -> list[dict[str, Any]]:
        """Return the account once every job that will ever end has ended."""
        self.sandbox.settle()
        return self.sandbox.contacts()


def struck(mix: Mix, account: Account) -> Iterator[dict[str, Any]]:
    """Yield a mix's messages, deleting a list on the way if the mix says so."""
    for line, message in enumerate(mix.messages, 1):
        if line == mix.deleted_after_line + 1 and mix.deleted_list:
            account.delete_list(mix.deleted_list)
        yield message
