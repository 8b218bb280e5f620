"""Jobs that fail or can't be polled: when their contacts are looked up and sent again, and when the run ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest

from target_sendgrid.delivery.isolation import Isolation
from target_sendgrid.delivery.job import Level
from target_sendgrid.delivery.job_failures import JobFailures
from target_sendgrid.delivery.send_queue import SendQueue
from target_sendgrid.errors import JobFailedError, Reason
from tests.harness.clocks import ManualClock
from tests.harness.jobs import PURPOSE, job_of, names_of

if TYPE_CHECKING:
    from target_sendgrid.delivery.operation import Operation


class Upserts:
    """What the module reads of an operation."""

    kind = PURPOSE.kind
    unconfirmed = "it is not there"


OPERATION = cast("Operation", Upserts())


class Harness:
    """The module with what it works on."""

    def __init__(self) -> None:
        self.clock = ManualClock(100.0)
        self.queue = SendQueue(self.clock)
        self.isolation = Isolation(self.queue, self.clock)
        self.failures = JobFailures(self.queue, self.isolation, self.clock)


def test_the_contacts_of_a_failed_job_are_sent_again_three_times_after_growing_waits() -> None:
    harness, job = Harness(), job_of("a", "b")
    for number, seconds in enumerate((30.0, 60.0, 120.0), 1):
        harness.failures.failed(job, OPERATION, "failed")
        assert (job.must_look_up, job.used_waits) == (True, number)
        assert harness.queue.wait_seconds(only_trials=False) == seconds
        harness.clock.sleep(seconds)
        assert harness.queue.take_due(only_trials=False) is job
    assert not harness.isolation.has_suspended
    harness.failures.failed(job, OPERATION, "failed")
    assert (len(harness.queue), harness.isolation.has_suspended) == (0, True)


def test_a_failed_job_is_a_failure_of_jobs() -> None:
    harness, job = Harness(), job_of("a", "b")
    harness.failures.failed(job, OPERATION, "failed")
    assert job.failed_at == {Level.JOB: 100.0}
    assert not harness.isolation.can_believe(Level.JOB, 10, 10)
    assert harness.isolation.can_believe(Level.REQUEST, 10, 10)


def test_a_failed_job_of_which_nothing_is_left_is_over() -> None:
    harness, job = Harness(), job_of("a")
    job.settle_all()
    harness.failures.failed(job, OPERATION, "failed")
    assert (len(harness.queue), job.must_look_up) == (0, False)


def test_a_trial_that_fails_is_not_sent_again() -> None:
    harness, job = Harness(), job_of("a")
    job.is_trial = True
    harness.failures.failed(job, OPERATION, "failed")
    assert (len(harness.queue), harness.isolation.has_suspended, job.must_look_up) == (0, True, True)


def test_a_contact_that_fails_alone_while_others_succeed_is_rejected_as_not_stored() -> None:
    harness, job = Harness(), job_of("a")
    job.used_waits = 3
    job.failed_at[Level.JOB] = 90.0
    for _ in range(2):
        assert not job.progress.rejected
        harness.clock.sleep(10.0)
        harness.isolation.succeeded(Level.JOB, harness.clock.seconds)
        harness.clock.sleep(10.0)
        harness.failures.failed(job, OPERATION, "failed")
    ((change, rejection),) = job.progress.rejected
    assert (change.identity, rejection.reason, job.count) == ("a@example.com", Reason.NOT_STORED, 0)
    assert rejection.sentence == "SendGrid's import job fails with the contact, and it is not there."


def test_an_account_whose_jobs_always_fail_ends_the_run() -> None:
    harness, job = Harness(), job_of("a")
    job.used_waits = 3
    job.failed_at[Level.JOB] = 90.0
    harness.failures.failed(job, OPERATION, "failed")
    with pytest.raises(JobFailedError, match="failed, and so did others before it") as caught:
        harness.isolation.make_trial()
    assert "Nobody was rejected for it" in str(caught.value)


def test_the_contacts_of_a_job_that_cannot_be_polled_are_sent_again_three_times() -> None:
    harness, job = Harness(), job_of("a", "b")
    for number, seconds in enumerate((30.0, 60.0, 120.0), 1):
        harness.failures.lost(job, "is unknown")
        assert (job.must_look_up, job.lost_jobs) == (True, number)
        assert job.progress.maybe_taken_at == harness.clock.seconds
        assert harness.queue.wait_seconds(only_trials=False) == seconds
        harness.clock.sleep(seconds)
        assert harness.queue.take_due(only_trials=False) is job
    with pytest.raises(JobFailedError, match="is unknown, and so were others before it") as caught:
        harness.failures.lost(job, "is unknown")
    assert "Nobody was rejected for it" in str(caught.value)
    assert (len(harness.queue), names_of(job), job.failed_at) == (0, ["a", "b"], {})
