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
    mix, harness = Mix(seed), MixHarness(account.sandbox, tmp_path)
    undisturbed, undisturbed_rejected = harness.run(mix, mix.messages)
    expected = harness.contacts()
    assert undisturbed.exit_code == 0
    assert lost(mix, undisturbed, undisturbed_rejected, expected) == []

    harness.start(mix)
    run, rejected = harness.run(mix, messages_of(mix, account))
    details = (
        json.dumps({"faults": harness.sandbox.faults(), "deleted": mix.deleted_list, "states": run.states}) + run.log
    )
    harness.sandbox.clear_faults()

    assert lost(mix, run, rejected, harness.contacts()) == [], details
    assert run.exit_code == 0 or run.report["error"], details
    assert "Internal error" not in run.log, details
    assert "@" not in run.log, details
    assert len(rejected) == len(set(rejected)), details
    numbers = [json.loads(line)["n"] for line in run.states]
    assert all(earlier < later for earlier, later in itertools.pairwise(numbers)), details
    counts = run.report["streams"].values()
    assert sum(sum(stream["rejected"].values()) for stream in counts) == len(rejected), details
    if run.exit_code == 0:
        assert run.states[-1] == undisturbed.states[-1], details
        assert sum(stream["unsettled"] for stream in counts) == 0, details
    if mix.deleted_list is None and set(rejected) <= set(undisturbed_rejected):
        rest = mix.messages[max(covered_line(mix, run), len(STREAMS)) :]
        if run.exit_code:
            again, _ = harness.run(mix, [*mix.messages[: len(STREAMS)], *rest])
            assert again.exit_code == 0, again.log
        assert harness.contacts() == expected, details
    assert not harness.sandbox.violations()


class MixHarness:
    """Runs the target, each time with a new file for rejected records."""

    def __init__(self, sandbox: SandboxServer, folder: Path) -> None:
        self.sandbox = sandbox
        self._paths = (folder / f"rejected.{number}.jsonl" for number in itertools.count())

    def start(self, mix: Mix) -> None:
        """Empty the account, set the options of a mix, and order its faults."""
        self.sandbox.reset()
        self.sandbox.set_options(**asdict(QUICK) | mix.options)
        for fault in mix.faults:
            self.sandbox.add_fault(**fault)

    def run(self, mix: Mix, messages: Iterable[dict[str, Any]]) -> tuple[Finished, list[int]]:
        """Run the target on messages.

        Returns:
            How the run ended, and the lines of the rejected records.
        """
        path = next(self._paths)
        own = {"batch_size_rows": mix.batch_size_rows, "rejected_records_path": str(path)}
        lines = (singer(message).decode() for message in messages)
        run = run_here(self.sandbox, CONFIG | own, lines, is_late=mix.is_late)
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        return run, [json.loads(line)["line"] for line in text.splitlines()]

    def contacts(self) -> list[dict[str, Any]]:
        """Return the contacts of the account after every job has ended that will end."""
        self.sandbox.settle()
        return self.sandbox.contacts()


def messages_of(mix: Mix, account: Account) -> Iterator[dict[str, Any]]:
    """Yield the messages of a mix, and delete its list in between if it has one to delete."""
    for line, message in enumerate(mix.messages, 1):
        if line == mix.deleted_after_line + 1 and mix.deleted_list:
            account.delete_list(mix.deleted_list)
        yield message
