"""What happens to a job whose request fails: it is sent again later, in parts, or without the contacts at fault."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from target_sendgrid.delivery.isolation import Failure
from target_sendgrid.delivery.job import Level, Rejection, Silence
from target_sendgrid.delivery.job_outcome import at_fault
from target_sendgrid.errors import JobFailedError, Reason, SendGridError

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_sendgrid.clock import Clock
    from target_sendgrid.delivery.isolation import Isolation
    from target_sendgrid.delivery.job import Job
    from target_sendgrid.delivery.operation import Operation
    from target_sendgrid.delivery.send_queue import SendQueue
    from target_sendgrid.errors import BadRequestError, TooLargeError, TransientError
    from target_sendgrid.sendgrid.retry import Tries

log = logging.getLogger("target-sendgrid.delivery")

TRIES_ALONE = 4
"""After so many failed tries the contacts of a request count as failed, if others were accepted meanwhile."""

CLEAN_FOR_EACH_FAILING = 3
"""A contact is not at fault for missing answers unless so many other jobs were accepted for each that failed too."""

_REFUSED = (
    "SendGrid refuses contacts (400) and does not say which, also when they are sent alone."
    " Nobody was rejected: the request or the account is at fault."
)


class RequestFailures:
    """Decides what to do about requests that fail.

    Args:
        queue: Where jobs wait to be sent.
        isolation: Finds out who is at fault.
        clock: Where time comes from.
        new_tries: Returns the tries of a request.
    """

    def __init__(self, queue: SendQueue, isolation: Isolation, clock: Clock, *, new_tries: Callable[[], Tries]) -> None:
        self._queue = queue
        self._isolation = isolation
        self._clock = clock
        self._new_tries = new_tries
        self._tries: Tries | None = None
        """The tries that have failed since a request was last accepted, whichever jobs they were for."""
        self._clean_count = 0
        """Number of jobs that were accepted at their first try."""
        self._failing_count = 0
        """Number of jobs of which a try had no usable answer."""

    def accepted(self, job: Job) -> None:
        """Record that a request was accepted, and send again what was parked until then."""
        if job.silence is None:
            self._clean_count += 1
        self._tries = job.silence = None
        for level in (Level.ANSWER, Level.REQUEST):
            self._isolation.succeeded(level, self._clock.monotonic())

    def no_answer(self, job: Job, error: TransientError) -> None:
        """Send a job again later whose request had no usable answer. Meanwhile other jobs are tried.

        Where others are accepted and this one fails again and again, something in it is at fault.

        Raises:
            SendGridError: Requests have failed for too long.
        """
        now = self._clock.monotonic()
        if error.may_have_been_taken:
            job.progress.maybe_taken_at = now
        if job.silence is None:
            self._failing_count += 1
            job.silence = Silence(self._new_tries(), now, self._clean_count, self._failing_count)
        self._tries = self._tries or self._new_tries()
        lasting = error.lasting or JobFailedError(f"{error}.", "Run again later.")
        wait_seconds, pause_seconds = job.silence.tries.wait_after(error), self._tries.wait_after(error)
        is_over = wait_seconds is None or pause_seconds is None
        if error.is_rate_limit or error.budget_seconds is not None:
            if is_over:
                raise lasting
        elif is_over or self._is_conspicuous(job, job.silence):
            if job.count == 1 and self._has_bad_weather(job.silence):
                raise lasting
            job.failed_at.setdefault(Level.ANSWER, job.silence.since)
            job.silence = None
            rejection = Rejection(Reason.REFUSED_BY_SENDGRID, "SendGrid fails at each request with the contact.")
            self._isolation.failed(job, Failure(Level.ANSWER, rejection, lasting))
            return
        log.info("%s: trying again in %.1f s.", error, wait_seconds)
        self._queue.pause(pause_seconds or 0.0)
        job.not_before = now + (wait_seconds or 0.0)
        self._queue.append(job)

    def _is_conspicuous(self, job: Job, silence: Silence) -> bool:
        """Return whether a job has failed so often that it is not by chance, with its retry budget still left.

        A single contact counts as such only when it has used up a budget before.
        """
        if silence.tries.count < TRIES_ALONE:
            return False
        has_failed = Level.ANSWER in job.failed_at
        return has_failed or (job.count > 1 and self._isolation.has_succeeded_since(silence.since, Level.ANSWER))

    def _has_bad_weather(self, silence: Silence) -> bool:
        """Return whether too many other requests have failed as well since one began to fail."""
        clean, failing = self._clean_count - silence.clean_before, self._failing_count - silence.failing_before
        return failing * CLEAN_FOR_EACH_FAILING > clean

    def too_large(self, job: Job, error: TooLargeError) -> None:
        """Send each half of a job by itself whose request is too large; a single contact may be at fault."""
        if job.count > 1:
            self._isolation.split(job, Level.REQUEST)
            return
        rejection = Rejection(Reason.REFUSED_BY_SENDGRID, "SendGrid takes no contact of that size.")
        self._isolation.failed(job, Failure(Level.REQUEST, rejection, error))

    def refused(self, job: Job, operation: Operation, error: BadRequestError) -> None:
        """Reject the contacts that a refused request names, and send the others again."""
        named = operation.refused(job, error)
        named_before = self._isolation.credible(job, Level.REQUEST, job.count)
        guilty = {} if self._isolation.is_doubtful(Level.REQUEST) else at_fault(named, named_before, job.count)
        if not guilty:
            job.named |= named.keys()
            sentence = "SendGrid refused the contact without naming a field."
            rejection = Rejection(Reason.REFUSED_BY_SENDGRID, sentence, error.sendgrid_message())
            lasting = SendGridError(_REFUSED, "Look at the account in SendGrid, and run again.")
            self._isolation.failed(job, Failure(Level.REQUEST, rejection, lasting))
            return
        self._isolation.count_failure(Level.REQUEST)
        amended = operation.amend(job, guilty)
        for identity, words in guilty.items():
            if identity not in amended:
                rejection = Rejection(Reason.REFUSED_BY_SENDGRID, "SendGrid refused the contact.", words)
                job.reject(identity, rejection)
        if job.count:
            self._queue.put_first(job)
