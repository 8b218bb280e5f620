"""When import jobs are polled, on a clock that moves only when a test moves it."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest

from target_sendgrid.delivery.job import BatchProgress, Job
from target_sendgrid.delivery.poll_schedule import (
    LONGEST_POLL_SECONDS,
    MAX_LIKELY_SECONDS,
    MIN_UNTRACKED_SECONDS,
    SELDOM_POLL_SECONDS,
    SHORTEST_POLL_SECONDS,
    PollSchedule,
)
from target_sendgrid.sendgrid.retry import SHORTEST_WAIT_SECONDS
from tests.harness.clocks import ManualClock

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_sendgrid.delivery.pending import Batch


def polls_and_delays(
    submissions: Sequence[tuple[float, float]], *, poll_seconds: float = 0.0
) -> tuple[int, list[float]]:
    """Poll jobs until the end of each was found.

    Args:
        submissions: When each job is submitted, and how many seconds it takes.
        poll_seconds: How long one poll takes.

    Returns:
        The number of polls, and for each job the seconds from its end until a poll found it.
    """
    clock, waiting = ManualClock(0.0), list(submissions)
    schedule = PollSchedule(clock)
    ends: dict[Job, float] = {}
    polls, delays = 0, []
    while waiting or ends:
        if waiting and waiting[0][0] <= clock.seconds:
            job = Job(BatchProgress(cast("Batch", None), 0), {})  # the batch is never used
            schedule.start(job)
            ends[job] = clock.seconds + waiting.pop(0)[1]
        elif (due := schedule.due()) is not None:
            polls += 1
            age = schedule.age(due)
            clock.sleep(poll_seconds)
            if clock.seconds < ends[due]:
                schedule.poll_later(due)
            else:
                schedule.end(due, age)
                delays.append(clock.seconds - ends.pop(due))
        else:
            moments = [clock.seconds + wait] if (wait := schedule.wait_seconds()) is not None else []
            clock.seconds = min([*moments, *(moment for moment, _ in waiting[:1])])
    return polls, delays


@pytest.mark.parametrize("job_seconds", [5.0, 60.0, 600.0])
def test_the_ends_of_jobs_of_equal_duration_are_found_soon_with_few_polls(job_seconds: float) -> None:
    jobs = [(number * 0.15, job_seconds) for number in range(200)]
    polls, delays = polls_and_delays(jobs)
    assert max(delays) <= 0.15 * job_seconds + SHORTEST_POLL_SECONDS
    assert delays[-1] <= 0.05 * job_seconds + SHORTEST_POLL_SECONDS
    assert polls < 8 * len(jobs) + 100


def test_few_polls_are_made_before_the_first_job_ends() -> None:
    polls, delays = polls_and_delays([(number * 0.3, 55.0) for number in range(200)])
    assert polls < 4 * 200 + 100
    assert max(delays) <= 10


@pytest.mark.parametrize("job_seconds", [31.0, 61.0, 121.0, 125.0, 241.0, 482.0])
def test_the_ends_of_jobs_that_were_polled_just_before_are_found_soon(job_seconds: float) -> None:
    polls, delays = polls_and_delays([(float(number), job_seconds) for number in range(10)])
    assert max(delays) <= 0.15 * job_seconds + SHORTEST_POLL_SECONDS
    assert polls < 150


def test_jobs_that_end_at_once_are_polled_soon_however_long_a_poll_takes() -> None:
    rounds, poll_seconds = 20, 0.4
    jobs = [(4.0 * number, 0.01) for number in range(rounds) for _ in range(2)]
    _, delays = polls_and_delays(jobs, poll_seconds=poll_seconds)
    assert max(delays) < SHORTEST_POLL_SECONDS + 2 * poll_seconds + 0.1


@pytest.mark.parametrize("seconds", [20.0, 70.0, 500.0])
def test_a_job_that_takes_very_long_does_not_delay_the_polls_of_the_others(seconds: float) -> None:
    _, delays = polls_and_delays([(0.0, 2_000.0), *((number, seconds) for number in range(1, 50))])
    assert max(delays) <= max(LONGEST_POLL_SECONDS, min(seconds, SELDOM_POLL_SECONDS))


def test_the_job_that_becomes_the_oldest_is_polled_soon() -> None:
    clock = ManualClock(0.0)
    schedule = PollSchedule(clock)
    first, second = (Job(BatchProgress(cast("Batch", None), 0), {}) for _ in range(2))
    for job in (first, second):
        schedule.start(job)
    while clock.seconds < 1_000:
        clock.seconds += schedule.wait_seconds() or 0.0
        due = schedule.due()
        assert due is not None
        schedule.poll_later(due)
    schedule.forget(first)
    assert (schedule.wait_seconds() or 0.0) <= LONGEST_POLL_SECONDS


def test_no_job_counts_as_seen_pending_before_a_poll_found_one_pending() -> None:
    clock = ManualClock(0.0)
    schedule = PollSchedule(clock)
    quick, slow = (Job(BatchProgress(cast("Batch", None), 0), {}) for _ in range(2))
    schedule.start(quick)
    schedule.end(quick, 0.5)
    assert not schedule.has_seen_pending
    schedule.start(slow)
    schedule.poll_later(slow)
    assert schedule.has_seen_pending


def test_jobs_that_become_slower_are_not_polled_too_often() -> None:
    fast, slow = [(number * 0.3, 10.0) for number in range(50)], [(20 + number * 0.3, 100.0) for number in range(50)]
    polls, delays = polls_and_delays([*fast, *slow])
    assert polls < 100 * 8
    assert max(delays) <= LONGEST_POLL_SECONDS


def test_when_jobs_become_faster_their_ends_are_found_sooner() -> None:
    slow, fast = [(0.0, 60.0)], [(70.0 * number, 1.0) for number in range(1, 10)]
    _, delays = polls_and_delays([*slow, *fast])
    assert delays[1] > 10
    assert max(delays[-2:]) < 2


def new_job() -> Job:
    return Job(BatchProgress(cast("Batch", None), 0), {})


class TestLikelyEnds:
    def test_a_job_is_likely_to_end_within_ten_minutes(self) -> None:
        clock = ManualClock(50.0)
        schedule = PollSchedule(clock)
        assert schedule.likely_seconds_left() == 0.0
        schedule.start(new_job())
        assert schedule.likely_seconds_left() == MAX_LIKELY_SECONDS
        clock.sleep(100)
        schedule.start(younger := new_job())
        clock.sleep(MAX_LIKELY_SECONDS - 1)
        assert schedule.likely_seconds_left() == 1.0
        schedule.forget(younger)
        assert schedule.likely_seconds_left() == 0.0

    @pytest.mark.parametrize(("left", "expected"), [(2.0, 2.0), (1.1, 1.1), (0.9, 0.0), (0.5, 0.0), (-1.0, 0.0)])
    def test_less_than_the_shortest_wait_counts_as_nothing(self, left: float, expected: float) -> None:
        clock = ManualClock(0.0)
        schedule = PollSchedule(clock)
        schedule.start(new_job())
        clock.seconds = MAX_LIKELY_SECONDS - left * SHORTEST_WAIT_SECONDS
        assert schedule.likely_seconds_left() == pytest.approx(expected * SHORTEST_WAIT_SECONDS)

    @pytest.mark.parametrize(
        ("taken", "expected"),
        [
            ((), MIN_UNTRACKED_SECONDS),
            ((59.0,), MIN_UNTRACKED_SECONDS),
            ((61.0,), 122.0),
            ((100.0, 70.0), 200.0),
            ((301.0,), MAX_LIKELY_SECONDS),
        ],
    )
    def test_an_untracked_job_may_be_under_way_twice_as_long_as_the_longest_job_took(
        self, taken: Sequence[float], expected: float
    ) -> None:
        clock = ManualClock(7.0)
        schedule = PollSchedule(clock)
        for seconds in taken:
            schedule.start(job := new_job())
            clock.sleep(seconds)
            schedule.end(job, schedule.age(job))
        assert schedule.untracked_job_seconds() == expected


class TestPause:
    def test_nothing_is_polled_during_a_pause(self) -> None:
        clock = ManualClock(100.0)
        schedule = PollSchedule(clock)
        schedule.start(job := new_job())
        schedule.pause(40.0)
        assert (schedule.wait_seconds(), schedule.due()) == (40.0, None)
        clock.sleep(40.0)
        assert schedule.due() is job


def test_the_jobs_under_way_are_listed_oldest_first() -> None:
    schedule = PollSchedule(ManualClock(0.0))
    assert list(schedule) == []
    jobs = [new_job() for _ in range(3)]
    for job in jobs:
        schedule.start(job)
    assert list(schedule) == jobs
    schedule.forget(jobs[0])
    schedule.drop(jobs[2])
    schedule.drop(jobs[2])
    assert list(schedule) == [jobs[1]]
    schedule.forget(jobs[1])
    assert (list(schedule), schedule.wait_seconds(), schedule.due()) == ([], None, None)


def test_the_job_that_becomes_the_oldest_is_not_polled_at_once() -> None:
    clock = ManualClock(1_000.0)
    schedule = PollSchedule(clock)
    first, second = new_job(), new_job()
    for job in (first, second):
        schedule.start(job)
        schedule.poll_later(job)
    schedule.forget(first)
    assert (schedule.wait_seconds() or 0.0) > LONGEST_POLL_SECONDS / 2
    assert schedule.has_seen_pending is True


def test_the_oldest_job_is_polled_by_its_age_and_not_by_the_time_of_the_clock() -> None:
    clock = ManualClock(10_000.0)
    schedule = PollSchedule(clock)
    assert schedule.has_seen_pending is False
    schedule.start(job := new_job())
    clock.sleep(20.0)
    schedule.poll_later(job)
    assert schedule.wait_seconds() == pytest.approx(3.0)
