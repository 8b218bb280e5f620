"""Runs under random mixes of faults. ``FAULT_SEEDS=500 pytest tests/faults/test_random_mix.py`` tries as many seeds."""

from __future__ import annotations

import itertools
import json
import os
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pytest

from tests.faults.mixes import CONFIG, Mix, lost
from tests.support import QUICK, run_here, singer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from target_sendgrid.sandbox.server import SandboxServer
    from tests.faults.conftest import Account
    from tests.support import Finished

SEEDS = range(int(os.environ.get("FAULT_SEEDS", "8")))


def run_mix(mix: Mix, account: Account, rejected_path: Path) -> tuple[Finished, list[int]]:
    """Run a mix; return how it ended, and the lines of the rejected records."""

    def tap() -> Iterator[str]:
        for line, message in enumerate(mix.messages, 1):
            if line == mix.deleted_after_line + 1 and mix.deleted_list:
                account.delete_list(mix.deleted_list)
            yield singer(message).decode()

    own = {"batch_size_rows": mix.batch_size_rows, "rejected_records_path": str(rejected_path)}
    run = run_here(account.sandbox, CONFIG | own, tap(), dawdles=mix.dawdles)
    text = rejected_path.read_text(encoding="utf-8") if rejected_path.exists() else ""
    return run, [json.loads(line)["line"] for line in text.splitlines()]


def start_anew(sandbox: SandboxServer, **options: Any) -> None:
    sandbox.reset()
    sandbox.set_options(**asdict(QUICK) | options)


@pytest.mark.parametrize("seed", SEEDS)
def test_no_mix_of_faults_loses_a_record_that_a_state_covers(account: Account, tmp_path: Path, seed: int) -> None:
    sandbox = account.sandbox
    mix = Mix(seed)
    faults, mix.faults = mix.faults, []
    deleted_list, mix.deleted_list = mix.deleted_list, None
    start_anew(sandbox)
    smooth, smooth_rejected = run_mix(mix, account, tmp_path / "smooth.jsonl")
    assert smooth.exit_code == 0
    assert lost(mix, smooth, smooth_rejected, sandbox.contacts()) == []
    expected = sandbox.contacts()

    mix = Mix(seed)
    start_anew(sandbox, **mix.options)
    for fault in faults:
        sandbox.add_fault(**fault)
    run, rejected = run_mix(mix, account, tmp_path / "rejected.jsonl")
    told = json.dumps({"faults": sandbox.faults(), "deleted": deleted_list, "states": run.states}) + run.log
    sandbox.clear_faults()
    sandbox.settle()

    assert lost(mix, run, rejected, sandbox.contacts()) == [], told
    assert run.exit_code == 0 or run.report["error"], told
    assert "Internal error" not in run.log, told
    assert "@" not in run.log, told
    assert len(rejected) == len(set(rejected)), told
    numbers = [json.loads(line)["n"] for line in run.states]
    assert all(earlier < later for earlier, later in itertools.pairwise(numbers)), told
    counts = run.report["streams"].values()
    assert sum(sum(stream["rejected"].values()) for stream in counts) == len(rejected), told
    assert not sandbox.violations()
    if run.exit_code == 0:
        assert run.states[-1] == smooth.states[-1], told
        assert sum(stream["unsettled"] for stream in counts) == 0, told
    if run.exit_code == 0 and set(rejected) == set(smooth_rejected) and deleted_list is None:
        assert sandbox.contacts() == expected, told
