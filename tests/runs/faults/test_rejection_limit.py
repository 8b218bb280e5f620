"""The limit of rejections in whole runs: no state passes people who never got in, and the next run brings them."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tests.harness.endpoints import PUT
from tests.harness.messages import record, state
from tests.harness.runs import settled_count
from tests.runs.faults import world_promises
from tests.runs.faults.promises import proves

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.harness.account import Account
    from tests.harness.runs import Finished

NOT_SENT, REFUSED = "nobody", "bad@nowhere"  # only SendGrid refuses the latter
HELD_LINE = 24
"""Line of the STATE after the bad records of `broken_tap`."""


def good(*numbers: int) -> list[dict[str, Any]]:
    return [record(email=f"p{number}@example.com") for number in numbers]


def bad(count: int, email: str = NOT_SENT) -> list[dict[str, Any]]:
    return [record(email=email.replace("@", f"{number}@")) for number in range(count)]


def broken_tap(email: str = NOT_SENT) -> list[dict[str, Any]]:
    """Return the messages of a tap whose records are good at first, and bad from line 13 on."""
    return [*good(*range(10)), state(1), *bad(11, email), state(2), *good(10), state(3)]


def unsettled(run: Finished) -> int:
    return sum(stream["received"] - settled_count(stream) for stream in run.report["streams"].values())


@proves(world_promises.TOO_MANY_REJECTED)
@pytest.mark.parametrize("batch_size_rows", [1, 4, 30_000])
@pytest.mark.parametrize("steps_at_states", [True, False])
@pytest.mark.parametrize("email", [NOT_SENT, REFUSED])
def test_the_run_after_a_broken_one_brings_everybody(
    account: Account, email: str, batch_size_rows: int, *, steps_at_states: bool
) -> None:
    config: dict[str, Any] = {"max_rejected_percent": 10, "batch_size_rows": batch_size_rows}
    run = account.send(broken_tap(email), steps_at_states=steps_at_states, **config)
    assert world_promises.TOO_MANY_REJECTED.is_kept_by(run), run
    assert run.states == ['{"n": 1}']
    assert f"No state from line {HELD_LINE} on was written, so the next run brings" in run.report["error"]
    assert run.report["state_held_from_line"] == HELD_LINE
    assert unsettled(run) == 0

    corrected = [*good(*range(11, 22)), state(2), *good(10), state(3)]
    again = account.send(corrected, **config)
    assert again.exit_code == 0
    assert again.states[-1] == '{"n": 9}'
    assert again.report["state_held_from_line"] is None
    assert len(account.emails()) == 22


@proves(world_promises.TOO_MANY_REJECTED)
def test_a_run_that_accepts_nobody_writes_no_state(account: Account) -> None:
    run = account.send([*bad(1), state(1), *bad(1), state(2)], max_rejected_percent=10)
    assert world_promises.TOO_MANY_REJECTED.is_kept_by(run), run
    assert run.states == []
    assert "Nobody was accepted" in run.report["error"]


def test_a_state_that_is_within_the_limit_again_is_written(account: Account) -> None:
    messages = [*broken_tap(), *good(*range(20, 120)), state(4)]
    run = account.send(messages, max_rejected_percent=10, batch_size_rows=1, steps_at_states=True)
    assert run.exit_code == 0
    assert '{"n": 1}' in run.states
    assert not {'{"n": 2}', '{"n": 3}'} & set(run.states)
    assert run.states[-1] == '{"n": 9}'
    assert (run.report["state_held_from_line"], "No state from line" in run.log) == (None, False)


@proves(world_promises.FEW_REJECTED)
@pytest.mark.parametrize(
    "messages",
    [[*good(1, 2), *bad(1)], [*bad(1, REFUSED), *good(1, 2)], [*bad(10), *good(1)], [*bad(11), *good(*range(99))], []],
    ids=["one of three", "refused", "ten", "ten percent", "nothing"],
)
def test_a_few_rejected_records_hold_no_state_back(account: Account, messages: list[dict[str, Any]]) -> None:
    run = account.send(messages, max_rejected_percent=10)
    assert world_promises.FEW_REJECTED.is_kept_by(run), run


@proves(world_promises.NO_IDENTIFIER)
@pytest.mark.parametrize("max_rejected_percent", [0, 10])
def test_people_without_an_address_hold_no_state_back(account: Account, max_rejected_percent: float) -> None:
    people = [record(email=None), record(first_name="Zoë"), record(email="")] * 20
    run = account.send([*people, *good(1)], max_rejected_percent=max_rejected_percent)
    assert world_promises.NO_IDENTIFIER.is_kept_by(run), run
    assert len(account.rejected()) == 60


def test_records_that_are_ignored_are_not_accepted(account: Account) -> None:
    streams = {"people": {"enabled": False}, "others": {}}
    messages = [*good(*range(50)), {"type": "SCHEMA", "stream": "others", "key_properties": [], "schema": {}}]
    messages[-1]["schema"] = {"type": "object", "properties": {"email": {"type": "string"}}}
    run = account.send([*messages, record("others", email="no"), state(1)], streams=streams, max_rejected_percent=10)
    assert (run.exit_code, run.states) == (1, [])
    assert "1 of 1 record was rejected" in run.log


def test_duplicates_and_people_over_the_cap_count_as_accepted(account: Account) -> None:
    messages = [*good(1), *good(1) * 50, *good(*range(2, 52)), *bad(11), state(1)]
    config: dict[str, Any] = {"profile_cap": 1, "on_profile_cap": "truncate", "max_rejected_percent": 10}
    run = account.send(messages, **config)
    assert (run.exit_code, run.states[-1:]) == (0, ['{"n": 9}'])


def _raise_signal() -> Iterator[dict[str, Any]]:
    signal.raise_signal(signal.SIGTERM)
    yield from good(100)


@pytest.mark.parametrize(
    ("ending", "exit_code", "words", "config"),
    [
        (lambda: iter(["what is this"]), 1, "is not valid JSON", {}),
        (lambda: iter(good(100, 101)), 1, "distinct profiles, the `profile_cap`", {"profile_cap": 11}),
        (_raise_signal, 143, "Stopped by signal 15", {}),
        (lambda: iter([*good(100), state(4)]), 1, "SendGrid could not be reached", {}),
    ],
    ids=["half a line", "the cap", "a signal", "SendGrid is away"],
)
def test_a_run_that_another_error_ends_writes_no_state_over_the_limit_either(
    account: Account, ending: Any, exit_code: int, words: str, config: dict[str, Any]
) -> None:
    if "SendGrid" in words:
        account.sandbox.add_fault("status", status=503, times=None, skip=11, **PUT)

    def tap() -> Iterator[dict[str, Any] | str]:
        yield from broken_tap()
        yield from ending()

    run = account.send(tap(), max_rejected_percent=10, batch_size_rows=1, steps_at_states=True, **config)
    assert run.exit_code == exit_code, run.log
    assert words in run.report["error"]
    assert run.states[-1] == '{"n": 1}'
    assert run.log.count("No state from line") == 1
    assert run.report["state_held_from_line"] == HELD_LINE


KINDS = ["good", "good", "good", NOT_SENT, REFUSED, "without", "again", "state", "state"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    parts=st.lists(st.tuples(st.sampled_from(KINDS), st.integers(1, 12)), max_size=12),
    max_rejected_percent=st.sampled_from([0, 10, 50, 100]),
    rows=st.integers(1, 8),
    steps_at_states=st.booleans(),
)
def test_the_last_state_within_the_limit_is_written(
    account: Account, parts: Sequence[tuple[str, int]], max_rejected_percent: int, rows: int, *, steps_at_states: bool
) -> None:
    """The model counts the outcome of each record before each STATE, and knows nothing of batches or jobs."""
    account.reset()
    kinds = [kind for kind, count in parts for _ in range(1 if kind == "state" else count)]
    # If SendGrid refuses many people and takes nobody, the account may be at fault: nobody more is rejected then.
    assume(kinds.count(REFUSED) <= 10 or "good" in kinds or "again" in kinds)
    messages = []
    for number, kind in enumerate(kinds):
        email = {"good": f"p{number}@example.com", "again": "again@example.com", "without": None}.get(kind, "")
        email = kind.replace("@", f"{number}@") if kind in {NOT_SENT, REFUSED} else email
        messages.append(state(1_000 + number) if kind == "state" else record(email=email))
    config = {"max_rejected_percent": max_rejected_percent, "batch_size_rows": rows}
    run = account.send(messages, steps_at_states=steps_at_states, **config)

    def is_within(count: int) -> bool:
        before = [kind for kind in kinds[:count] if kind != "state"]
        rejected = before.count(NOT_SENT) + before.count(REFUSED)
        accepted = before.count("good") + before.count("again")
        if max_rejected_percent == 100 or not before:
            return True
        share_is_within = rejected * 100 <= max_rejected_percent * (rejected + accepted)
        return accepted > 0 and (share_is_within or (rejected <= 10 and max_rejected_percent > 0))

    within = [number for number, kind in enumerate(kinds) if kind == "state" and is_within(number)]
    expected = {"n": 9} if is_within(len(kinds)) else {"n": 1_000 + within[-1]} if within else None
    assert (json.loads(run.states[-1]) if run.states else None) == expected, run.log
    assert all(json.loads(line)["n"] - 1_000 in [*within, 9 - 1_000] for line in run.states)
    assert run.exit_code == (0 if is_within(len(kinds)) else 1)
    assert (run.report["state_held_from_line"] is None) is is_within(len(kinds))
    assert unsettled(run) == 0
