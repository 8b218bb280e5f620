"""Runs under random mixes of faults. ``FAULT_SEEDS=500 pytest tests/runs/faults/test_random_mix.py`` tries 500 seeds.

Each run is followed by one on a healthy account, from the last state that the first has written.
"""

from __future__ import annotations

import itertools
import json
import random
from typing import TYPE_CHECKING, Any

import pytest

from tests.harness.seeds import seeds
from tests.runs.faults.mixes import CONFIG, STREAMS, Mix, covered_line, differences, lost

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.harness.account import Account
    from tests.harness.runs import Finished

SEEDS = seeds("FAULT_SEEDS", 8)


@pytest.mark.parametrize("seed", SEEDS)
def test_no_mix_of_faults_loses_or_blames_anybody(account: Account, seed: int) -> None:
    mix = Mix(seed)
    order_faults(account, mix)
    run, rejected = run_mix(account, mix, messages_of(mix, account))
    order = {
        "exit": run.exit_code,
        "faults": account.sandbox.faults(),
        "deleted": mix.deleted_list,
        "quota": mix.quota,
        **mix.options,
    }
    details = json.dumps({**order, "rows": mix.batch_size_rows, "states": run.states}) + run.log
    problems = [
        *lost(mix, run, rejected, settled_contacts(account)),
        *blamed(mix, rejected),
        *inconsistent(run, rejected),
    ]
    if run.exit_code == 0 and (not run.states or run.states[-1] != json.dumps(mix.messages[-1]["value"])):
        problems.append("no last state: exit code 0")

    heal(account, mix)
    start = max(covered_line(mix, run), len(STREAMS))
    rest = mix.messages[start:]
    if run.exit_code:
        again, rejected_again = run_mix(account, mix, [*mix.messages[: len(STREAMS)], *rest])
        is_anybody_good = any(message["record"]["email"] not in mix.at_fault for message in rest if "record" in message)
        if again.exit_code and is_anybody_good:
            problems.append(f"failed: the next run, on a healthy account: {again.log}")
        shift = start - len(STREAMS)
        problems += [*blamed(mix, [line + shift for line in rejected_again]), *inconsistent(again, rejected_again)]
    problems += differences(mix, settled_contacts(account))

    kinds = sorted({problem.partition(":")[0] for problem in problems})
    assert not problems, "\n".join([", ".join(kinds), *problems, details])


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
        "a record that is rejected twice": len(rejected) != len(set(rejected)),
        "states out of order": any(earlier >= later for earlier, later in itertools.pairwise(numbers)),
        "another count of rejected records": sum(sum(one["rejected"].values()) for one in counts) != len(rejected),
    }
    return [f"inconsistent: {name}" for name, is_so in checks.items() if is_so]


def order_faults(account: Account, mix: Mix) -> None:
    """Set the options of a mix, and order its faults."""
    random.seed(mix.seed)  # the lengths of waits are random
    account.sandbox.set_options(**mix.options | mix.quota)
    for fault in (*mix.outages, *mix.poison, *mix.faults):
        account.sandbox.add_fault(**fault)


def heal(account: Account, mix: Mix) -> None:
    """Lift all faults and limits. People whom SendGrid refuses are still refused."""
    account.sandbox.clear_faults()
    account.sandbox.set_options(contact_quota=None)
    for fault in mix.poison:
        account.sandbox.add_fault(**fault)


def run_mix(account: Account, mix: Mix, messages: Iterable[dict[str, Any]]) -> tuple[Finished, list[int]]:
    """Run the target on messages.

    Returns:
        How the run ended, and the lines of the rejected records.
    """
    random.seed(mix.seed)  # of the jitter, so that a run can be repeated
    account.rejected_path.unlink(missing_ok=True)
    config = CONFIG | {"batch_size_rows": mix.batch_size_rows}
    run = account.feed(messages, steps_at_states=mix.does_step, **config)
    return run, account.rejected_lines()


def settled_contacts(account: Account) -> list[dict[str, Any]]:
    """Return the contacts of the account after every job has ended that will end."""
    account.sandbox.settle()
    return account.sandbox.contacts()


def messages_of(mix: Mix, account: Account) -> Iterator[dict[str, Any]]:
    """Yield the messages of a mix, and delete its list in between if it has one to delete."""
    for line, message in enumerate(mix.messages, 1):
        if line == mix.deleted_after_line + 1 and mix.deleted_list:
            account.delete_list(mix.deleted_list)
        yield message
