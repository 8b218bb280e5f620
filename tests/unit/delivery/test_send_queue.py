"""The send queue: the order of jobs, and the time from which each may be sent."""

from __future__ import annotations

import pytest

from target_sendgrid.delivery.send_queue import SendQueue
from tests.harness.clocks import ManualClock
from tests.harness.jobs import job_of


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(100.0)


@pytest.fixture
def queue(clock: ManualClock) -> SendQueue:
    return SendQueue(clock)


def test_jobs_are_taken_in_order_and_those_put_first_before_the_others(queue: SendQueue) -> None:
    first, second, third, fourth = (job_of(name) for name in "abcd")
    queue.append(second)
    queue.extend([third, fourth])
    queue.put_first(first)
    assert (list(queue), len(queue)) == ([first, second, third, fourth], 4)
    assert [queue.take_due(only_trials=False) for _ in range(5)] == [first, second, third, fourth, None]
    assert len(queue) == 0


def test_a_job_is_passed_over_until_its_time_has_come(queue: SendQueue, clock: ManualClock) -> None:
    late, now = job_of("a"), job_of("b")
    queue.append(now)
    queue.put_first(late, 5.0)
    assert late.not_before == 105.0
    assert queue.wait_seconds(only_trials=False) == 0.0
    assert queue.take_due(only_trials=False) is now
    assert (queue.take_due(only_trials=False), queue.wait_seconds(only_trials=False)) == (None, 5.0)
    clock.sleep(5.0)
    assert queue.wait_seconds(only_trials=False) == 0.0
    assert queue.take_due(only_trials=False) is late


def test_a_job_that_is_put_first_keeps_a_later_time_of_its_own(queue: SendQueue) -> None:
    job = job_of("a")
    job.not_before = 130.0
    queue.put_first(job, 5.0)
    assert (job.not_before, queue.wait_seconds(only_trials=False)) == (130.0, 30.0)


def test_the_shortest_wait_of_all_jobs_counts(queue: SendQueue) -> None:
    for seconds in (9.0, 3.0, 7.0):
        queue.put_first(job_of("a"), seconds)
    assert queue.wait_seconds(only_trials=False) == 3.0


def test_nothing_is_taken_during_a_pause(queue: SendQueue, clock: ManualClock) -> None:
    assert queue.wait_seconds(only_trials=False) is None
    queue.pause(20.0)
    assert queue.wait_seconds(only_trials=False) is None
    job = job_of("a")
    queue.put_first(job)
    assert (queue.take_due(only_trials=False), queue.wait_seconds(only_trials=False)) == (None, 20.0)
    clock.sleep(20.0)
    assert queue.wait_seconds(only_trials=False) == 0.0
    assert queue.take_due(only_trials=False) is job


def test_only_trials_are_taken_while_a_trial_decides(queue: SendQueue) -> None:
    other, trial = job_of("a"), job_of("b")
    queue.append(other)
    assert (queue.take_due(only_trials=True), queue.wait_seconds(only_trials=True)) == (None, None)
    trial.is_trial = True
    queue.append(trial)
    trial.not_before = 104.0
    assert (queue.take_due(only_trials=True), queue.wait_seconds(only_trials=True)) == (None, 4.0)
    trial.not_before = 0.0
    assert queue.take_due(only_trials=True) is trial
    assert list(queue) == [other]


def test_jobs_without_contacts_are_dropped(queue: SendQueue) -> None:
    empty, full = job_of("a"), job_of("b")
    queue.extend([empty, full])
    empty.settle_all()
    queue.drop_empty()
    assert list(queue) == [full]


def test_a_cleared_queue_has_no_jobs(queue: SendQueue) -> None:
    queue.append(job_of("a"))
    queue.clear()
    assert (len(queue), queue.take_due(only_trials=False)) == (0, None)
