"""What happens to a job whose request fails: it is sent again later, in parts, or without the contacts at fault."""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING

from target_sendgrid.delivery.isolation import Failure
from target_sendgrid.delivery.job import FailedTries, Level, Rejection
from target_sendgrid.delivery.job_outcome import at_fault
from target_sendgrid.errors import Code, JobFailedError, Reason, SendGridError
from target_sendgrid.sendgrid.retry import LONGEST_WAIT_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_sendgrid.clock import Clock
    from target_sendgrid.delivery.isolation import Isolation
    from target_sendgrid.delivery.job import Job
    from target_sendgrid.delivery.operation import Operation
    from target_sendgrid.delivery.pending import Service
    from target_sendgrid.delivery.send_queue import SendQueue
    from target_sendgrid.errors import BadRequestError, TooLargeError, TransientError
    from target_sendgrid.sendgrid.retry import Tries

log = logging.getLogger("target-sendgrid.delivery")

TRIES_WHILE_OTHERS_SUCCEED = 4
"""After so many failed tries the contacts of a request are split, if other requests were accepted meanwhile."""

ACCEPTED_FOR_EACH_FAILING = 3
"""A contact is at fault for missing answers only if so many jobs were accepted for each other that failed meanwhile."""

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
        self._accepted_count: Counter[Service] = Counter()
        """Number of jobs that were accepted at their first try."""
        self._failing_count: Counter[Service] = Counter()
        """Number of jobs of which a try had no usable answer."""

    def accepted(self, job: Job) -> None:
        """Record that a request was accepted, and send again what was suspended until then."""
        service = job.purpose.kind.service
        if job.failed_tries is None:
            self._accepted_count[service] += 1
        self._tries = job.failed_tries = None
        for level in (Level.ANSWER, Level.REQUEST):
            self._isolation.succeeded(level, self._clock.monotonic(), service)

    def no_answer(self, job: Job, error: TransientError) -> None:
        """Send a job again later whose request had no usable answer. Meanwhile other jobs are tried.

        Where others are accepted and this one fails again and again, something in it is likely to be at fault.

        Raises:
            SendGridError: Requests have failed for too long.
        """
        now, service = self._clock.monotonic(), job.purpose.kind.service
        if error.may_have_been_taken:
            job.progress.maybe_taken_at = now
        if job.failed_tries is None:
            self._failing_count[service] += 1
            counts = self._accepted_count[service], self._failing_count[service]
            job.failed_tries = FailedTries(self._new_tries(), now, *counts)
        self._tries = self._tries or self._new_tries()
        final_error = error.final_error or JobFailedError(f"{error}.", "Run again later.")
        wait_seconds, pause_seconds = job.failed_tries.tries.wait_after(error), self._tries.wait_after(error)
        is_over = wait_seconds is None or pause_seconds is None
        if error.is_rate_limit or error.budget_seconds is not None:
            if pause_seconds is None:  # not while others are accepted: that this one waits behind them is not its fault
                raise final_error
        elif is_over or self._is_likely_at_fault(job, job.failed_tries):
            if job.count == 1 and self._are_others_failing(job.failed_tries, service):
                raise final_error
            job.failed_at.setdefault(Level.ANSWER, job.failed_tries.since)
            job.failed_tries = None
            rejection = Rejection(Reason.REFUSED_BY_SENDGRID, "SendGrid fails at each request with the contact.")
            self._isolation.failed(job, Failure(Level.ANSWER, rejection, final_error))
            return
        wait_seconds, pause_seconds = wait_seconds or LONGEST_WAIT_SECONDS, pause_seconds or 0.0
        log.warning("%s: trying again in %.1f s.", error, wait_seconds)
        self._queue.pause(pause_seconds)
        job.not_before = now + wait_seconds
        self._queue.append(job)

    def _is_likely_at_fault(self, job: Job, failed_tries: FailedTries) -> bool:
        """Return whether something in a job is likely to be at fault, although its retry budget is not used up yet.

        For a single contact that is the case only when it has failed so before, with a budget of its own.
        """
        if failed_tries.tries.count < TRIES_WHILE_OTHERS_SUCCEED:
            return False
        has_failed = Level.ANSWER in job.failed_at
        service = job.purpose.kind.service
        have_others_succeeded = self._isolation.has_succeeded_since(failed_tries.since, Level.ANSWER, service)
        return has_failed or (job.count > 1 and have_others_succeeded)

    def _are_others_failing(self, failed_tries: FailedTries, service: Service) -> bool:
        """Return whether too many other requests to a service have failed as well since one began to fail."""
        accepted = self._accepted_count[service] - failed_tries.accepted_before
        failing = self._failing_count[service] - failed_tries.failing_before
        return failing * ACCEPTED_FOR_EACH_FAILING > accepted

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
        completed = operation.amend(job, named, are_at_fault=False)
        named = {identity: reason for identity, reason in named.items() if identity not in completed}
        if completed and not named:
            self._queue.put_first(job)
            return
        named_before = self._isolation.named_before(job, Level.REQUEST, job.count)
        service = job.purpose.kind.service
        can_believe = self._isolation.can_believe(Level.REQUEST, len(named), job.count, service)
        to_reject = at_fault(named, named_before, job.count) if can_believe else {}
        if not to_reject:
            job.named |= named.keys()
            sentence = "SendGrid refused the contact without naming a field."
            rejection = Rejection(Reason.REFUSED_BY_SENDGRID, sentence, error.sendgrid_message())
            next_step = "Look at the account in SendGrid, and run again."
            final_error = SendGridError(_REFUSED, next_step, code=Code.REQUEST_REFUSED)
            self._isolation.failed(job, Failure(Level.REQUEST, rejection, final_error))
            return
        self._isolation.count_failure(Level.REQUEST, len(named) if len(named) == job.count else 1, service)
        amended = operation.amend(job, to_reject, are_at_fault=True)
        job.reject_named(to_reject, Rejection(Reason.REFUSED_BY_SENDGRID, "SendGrid refused the contact."), amended)
        if job.count:
            self._queue.put_first(job)
