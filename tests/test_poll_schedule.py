"""When jobs are looked at, by a clock that stands still until somebody waits."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest

from target_sendgrid.delivery.job import BatchProgress, Job
from target_sendgrid.delivery.poll_schedule import (
    FIRST_POLL_SECONDS,
    LONGEST_POLL_SECONDS,
    SELDOM_POLL_SECONDS,
    PollSchedule,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_sendgrid.delivery.batching import Batch


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> float:
        return self.seconds

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


def looks_and_delays(
    submissions: Sequence[tuple[float, float]], *, look_seconds: float = 0.0
) -> tuple[int, list[float]]:
    """Look at jobs until the last has ended.

    Args:
        submissions: When each job is submitted, and how many seconds it takes.
        look_seconds: How long a look takes.

    Returns:
        How many looks that took, and how long after its end each job's end was seen.
    """
    clock, waiting = Clock(), list(submissions)
    polling = PollSchedule(clock)
    ends: dict[Job, float] = {}
    looks, delays = 0, []
    while waiting or ends:
        if waiting and waiting[0][0] <= clock.seconds:
            job = Job(BatchProgress(cast("Batch", None), 0), {})  # nobody asks for the batch
            polling.start(job)
            ends[job] = clock.seconds + waiting.pop(0)[1]
        elif (due := polling.due()) is not None:
            looks += 1
            age = polling.age(due)
            clock.sleep(look_seconds)
            if clock.seconds < ends[due]:
                polling.poll_later(due)
            else:
                polling.end(due, age)
                delays.append(clock.seconds - ends.pop(due))
        else:
            moments = [clock.seconds + wait] if (wait := polling.wait_seconds()) is not None else []
            clock.seconds = min([*moments, *(moment for moment, _ in waiting[:1])])
    return looks, delays


@pytest.mark.parametrize("job_seconds", [5.0, 60.0, 600.0])
def test_jobs_that_take_the_same_are_seen_soon_after_their_end_with_few_looks(job_seconds: float) -> None:
    jobs = [(number * 0.15, job_seconds) for number in range(200)]
    looks, delays = looks_and_delays(jobs)
    assert max(delays) <= 0.15 * job_seconds + FIRST_POLL_SECONDS
    assert delays[-1] <= 0.05 * job_seconds + FIRST_POLL_SECONDS
    assert looks < 8 * len(jobs) + 100


def test_few_looks_are_made_while_nobody_knows_how_long_jobs_take() -> None:
    looks, delays = looks_and_delays([(number * 0.3, 55.0) for number in range(200)])
    assert looks < 4 * 200 + 100
    assert max(delays) <= 10


@pytest.mark.parametrize("job_seconds", [31.0, 61.0, 121.0, 125.0, 241.0, 482.0])
def test_jobs_that_were_looked_at_just_before_they_ended_are_seen_soon(job_seconds: float) -> None:
    looks, delays = looks_and_delays([(float(number), job_seconds) for number in range(10)])
    assert max(delays) <= 0.15 * job_seconds + FIRST_POLL_SECONDS
    assert looks < 150


def test_jobs_that_end_at_once_are_looked_at_soon_however_long_looking_takes() -> None:
    rounds, look_seconds = 20, 0.4
    jobs = [(4.0 * number, 0.01) for number in range(rounds) for _ in range(2)]
    _, delays = looks_and_delays(jobs, look_seconds=look_seconds)
    assert max(delays) < FIRST_POLL_SECONDS + 2 * look_seconds + 0.1


@pytest.mark.parametrize("seconds", [20.0, 70.0, 500.0])
def test_one_job_that_never_seems_to_end_does_not_hide_the_others(seconds: float) -> None:
    _, delays = looks_and_delays([(0.0, 2_000.0), *((number, seconds) for number in range(1, 50))])
    assert max(delays) <= max(LONGEST_POLL_SECONDS, min(seconds, SELDOM_POLL_SECONDS))


def test_who_becomes_the_eldest_is_looked_at_soon() -> None:
    clock = Clock()
    polling = PollSchedule(clock)
    first, second = (Job(BatchProgress(cast("Batch", None), 0), {}) for _ in range(2))
    for job in (first, second):
        polling.start(job)
    while clock.seconds < 1_000:
        clock.seconds += polling.wait_seconds() or 0.0
        due = polling.due()
        assert due is not None
        polling.poll_later(due)
    polling.forget(first)
    assert (polling.wait_seconds() or 0.0) <= LONGEST_POLL_SECONDS


def test_a_job_is_seen_pending_or_not() -> None:
    clock = Clock()
    polling = PollSchedule(clock)
    quick, slow = (Job(BatchProgress(cast("Batch", None), 0), {}) for _ in range(2))
    polling.start(quick)
    polling.end(quick, 0.5)
    assert not polling.has_seen_pending
    polling.start(slow)
    polling.poll_later(slow)
    assert polling.has_seen_pending


def test_jobs_that_become_slower_are_not_stormed() -> None:
    fast, slow = [(number * 0.3, 10.0) for number in range(50)], [(20 + number * 0.3, 100.0) for number in range(50)]
    looks, delays = looks_and_delays([*fast, *slow])
    assert looks < 100 * 8
    assert max(delays) <= LONGEST_POLL_SECONDS


def test_jobs_that_become_faster_are_seen_sooner_one_after_the_other() -> None:
    slow, fast = [(0.0, 60.0)], [(70.0 * number, 1.0) for number in range(1, 10)]
    _, delays = looks_and_delays([*slow, *fast])
    assert delays[1] > 10
    assert max(delays[-2:]) < 2
