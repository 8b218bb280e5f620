"""Runs under random mixes of faults. ``FAULT_SEEDS=500 pytest tests/runs/faults/test_random_mix.py`` tries 500 seeds.

Each run is followed by one on a healthy account, from the last state that the first has written.
"""

from __future__ import annotations

import itertools
import json
import os
import random
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pytest

from tests.harness.messages import singer
from tests.harness.runs import QUICK, run_here
from tests.runs.faults.mixes import CONFIG, STREAMS, Mix, covered_line, differences, lost

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from target_sendgrid.sandbox.server import SandboxServer
    from tests.harness.runs import Finished
    from tests.runs.faults.conftest import Account

SEEDS = range(int(os.environ.get("FAULT_SEEDS", "8")))


@pytest.mark.parametrize("seed", SEEDS)
def test_no_mix_of_faults_loses_or_blames_anybody(account: Account, tmp_path: Path, seed: int) -> None:
    mix, harness = Mix(seed), MixHarness(account.sandbox, tmp_path)
    harness.start(mix)
    run, rejected = harness.run(mix, messages_of(mix, account))
    order = {
        "exit": run.exit_code,
        "faults": harness.sandbox.faults(),
        "deleted": mix.deleted_list,
        "quota": mix.quota,
        **mix.options,
    }
    details = json.dumps({**order, "rows": mix.batch_size_rows, "states": run.states}) + run.log
    problems = [*lost(mix, run, rejected, harness.contacts()), *blamed(mix, rejected), *inconsistent(run, rejected)]
    if run.exit_code == 0 and (not run.states or run.states[-1] != json.dumps(mix.messages[-1]["value"])):
        problems.append("no last state: exit code 0")

    harness.heal(mix)
    start = max(covered_line(mix, run), len(STREAMS))
    rest = mix.messages[start:]
    if run.exit_code:
        again, rejected_again = harness.run(mix, [*mix.messages[: len(STREAMS)], *rest])
        is_anybody_good = any(message["record"]["email"] not in mix.at_fault for message in rest if "record" in message)
        if again.exit_code and is_anybody_good:
            problems.append(f"failed: the next run, on a healthy account: {again.log}")
        shift = start - len(STREAMS)
        problems += [*blamed(mix, [line + shift for line in rejected_again]), *inconsistent(again, rejected_again)]
    problems += differences(mix, harness.contacts())

    kinds = sorted({problem.partition(":")[0] for problem in problems})
    assert not problems, "\n".join([", ".join(kinds), *problems, details])
    assert not harness.sandbox.violations()


def blamed(mix: Mix, rejected: Iterable[int]) -> list[str]:
    """Return which rejected records are of people who are not at fault."""
    return [
        f"blamed: line {line}" for line in rejected if mix.messages[line - 1]["record"]["email"] not in mix.at_fault
    ]


def inconsistent(run: Finished, rejected: list[int]) -> list[str]:
    """Return what a run has written or reported that does not fit together."""
    numbers = [json.loads(line)["n"] for line in run.states]
    counts = run.report["streams"].values()
    checks = {
        "an error without a sentence": run.exit_code != 0 and not run.report["error"],
        "an internal error": "Internal error" in run.log,
        "an address in the log": "@" in run.log,
        "a record that is rejected twice": len(rejected) != len(set(rejected)),
        "states out of order": any(earlier >= later for earlier, later in itertools.pairwise(numbers)),
        "another count of rejected records": sum(sum(one["rejected"].values()) for one in counts) != len(rejected),
        "unsettled records, exit code 0": run.exit_code == 0 and sum(one["unsettled"] for one in counts) != 0,
    }
    return [f"inconsistent: {name}" for name, is_so in checks.items() if is_so]


class MixHarness:
    """Runs the target, each time with a new file for rejected records."""

    def __init__(self, sandbox: SandboxServer, folder: Path) -> None:
        self.sandbox = sandbox
        self._paths = (folder / f"rejected.{number}.jsonl" for number in itertools.count())

    def start(self, mix: Mix) -> None:
        """Empty the account, set the options of a mix, and order its faults."""
        random.seed(mix.seed)  # the lengths of waits are random
        self.sandbox.reset()
        self.sandbox.set_options(**asdict(QUICK) | mix.options | mix.quota)
        for fault in (*mix.outages, *mix.poison, *mix.faults):
            self.sandbox.add_fault(**fault)

    def heal(self, mix: Mix) -> None:
        """Lift all faults and limits. People whom SendGrid refuses are still refused."""
        self.sandbox.clear_faults()
        self.sandbox.set_options(contact_quota=None)
        for fault in mix.poison:
            self.sandbox.add_fault(**fault)

    def run(self, mix: Mix, messages: Iterable[dict[str, Any]]) -> tuple[Finished, list[int]]:
        """Run the target on messages.

        Returns:
            How the run ended, and the lines of the rejected records.
        """
        random.seed(mix.seed)  # of the jitter, so that a run can be repeated
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
