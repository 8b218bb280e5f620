"""What happens to the contacts of a job that fails, or that can't be polled: they are looked up and sent again."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from target_sendgrid.delivery.isolation import Failure
from target_sendgrid.delivery.job import Level, Rejection
from target_sendgrid.errors import JobFailedError, Reason

if TYPE_CHECKING:
    from target_sendgrid.clock import Clock
    from target_sendgrid.delivery.isolation import Isolation
    from target_sendgrid.delivery.job import Job
    from target_sendgrid.delivery.operation import Operation
    from target_sendgrid.delivery.send_queue import SendQueue

log = logging.getLogger("target-sendgrid.delivery")

WAITS_AFTER_FAILED_JOBS = (30.0, 60.0, 120.0)
"""Seconds before the contacts of a failed job are sent again, the first, second and third time."""

_NEXT_STEP = "Nobody was rejected for it. Look at the account in SendGrid, and run again."


class JobFailures:
    """Decides what to do about jobs that fail.

    Args:
        queue: Where jobs wait to be sent.
        isolation: Finds out who is at fault.
        clock: Where time comes from.
    """

    def __init__(self, queue: SendQueue, isolation: Isolation, clock: Clock) -> None:
        self._queue = queue
        self._isolation = isolation
        self._clock = clock

    def failed(self, job: Job, operation: Operation, problem: str) -> None:
        """Send the contacts of a failed job again that a look-up does not find: some succeed the next time."""
        if not job.count:
            return
        job.must_look_up = True
        if job.used_waits < len(WAITS_AFTER_FAILED_JOBS) and not job.is_trial:
            self._isolation.record_failure(job, Level.JOB)
            self._send_again_later(job, problem, WAITS_AFTER_FAILED_JOBS[job.used_waits])
            job.used_waits += 1
            return
        log.warning("%s %s.", job.name, problem)
        sentence = f"SendGrid's {operation.kind.job_name} fails with the contact, and {operation.unconfirmed}."
        error = JobFailedError(f"{job.name} {problem}, and so did others before it.", _NEXT_STEP)
        self._isolation.failed(job, Failure(Level.JOB, Rejection(Reason.NOT_STORED, sentence), error))

    def lost(self, job: Job, problem: str) -> None:
        """Send the contacts of a request whose job can't be polled again, if a look-up does not find them.

        Raises:
            JobFailedError: They were sent often enough. That says nothing about them.
        """
        if job.lost_jobs >= len(WAITS_AFTER_FAILED_JOBS):
            message = f"{job.name} {problem}, and so were others before it."
            raise JobFailedError(message, _NEXT_STEP)
        job.must_look_up = True
        job.progress.maybe_taken_at = self._clock.monotonic()
        self._send_again_later(job, problem, WAITS_AFTER_FAILED_JOBS[job.lost_jobs])
        job.lost_jobs += 1

    def _send_again_later(self, job: Job, problem: str, wait_seconds: float) -> None:
        log.warning(
            "%s %s: its contacts are looked up, and those not found are sent again in %.0f s.",
            job.name,
            problem,
            wait_seconds,
        )
        self._queue.put_first(job, wait_seconds)
