"""The job runner: sends batches, polls their jobs under a deadline, and finds out which contacts failed.

SendGrid refuses a whole request for one contact, and loses contacts after it has accepted them. The runner splits a
batch until every contact of it is either confirmed by a finished job or rejected with a reason.
"""

from __future__ import annotations

import logging
from collections import deque
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from target_sendgrid.delivery import lookups
from target_sendgrid.delivery.job import Job, Rejection
from target_sendgrid.delivery.poll_schedule import PollSchedule
from target_sendgrid.delivery.spool import Spool
from target_sendgrid.errors import (
    BadRequestError,
    ContactLimitError,
    JobFailedError,
    NotFoundError,
    Reason,
    TooLargeError,
)
from target_sendgrid.wording import counted, words_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from target_sendgrid.clock import Clock
    from target_sendgrid.delivery.batching import Batch
    from target_sendgrid.delivery.job import RejectedContact
    from target_sendgrid.delivery.operation import Operation
    from target_sendgrid.sendgrid.client import Client, JobStatus
    from target_sendgrid.sendgrid.lists import ListTracker

log = logging.getLogger("target-sendgrid.delivery")

MAX_WAITING_BYTES = 4_000_000
"""Most request bytes whose contacts stay in memory while SendGrid works on them; more are moved to disk."""
LOST_JOB_SECONDS = 60.0
"""How long SendGrid may not know a job that it has just accepted."""
MAX_SENDS = 4
"""How often the same contacts are sent before a job that fails without a reason is split."""


class BatchResult(msgspec.Struct, frozen=True):
    """A batch is settled: every contact is confirmed or rejected."""

    batch: Batch
    rejected: Sequence[RejectedContact]
    job_count: int
    lowered_max_bytes: int | None
    """Most bytes of a request, once SendGrid has refused one for its size."""


class Spooled(msgspec.Struct, frozen=True):
    """The contacts of a batch are on disk while SendGrid works on them."""

    batch: Batch


JobEvent: TypeAlias = "BatchResult | Spooled"


class JobRunner:
    """Gets batches settled, one step at a time, and keeps events about them.

    Args:
        operations: The kinds of writes that batches may ask for.
        client: SendGrid.
        clock: Where time comes from.
        list_tracker: The lists' ids as they are now.
        job_timeout_seconds: Longest wait for one job.
    """

    def __init__(
        self,
        operations: Iterable[Operation],
        client: Client,
        clock: Clock,
        *,
        list_tracker: ListTracker,
        job_timeout_seconds: float,
    ) -> None:
        self._operations = {operation.kind: operation for operation in operations}
        self._client = client
        self._clock = clock
        self._list_tracker = list_tracker
        self._job_timeout_seconds = job_timeout_seconds
        self._to_send: deque[Job] = deque()
        self._poll_schedule = PollSchedule(clock)
        self._events: list[JobEvent] = []
        self._spool: Spool | None = None
        self._can_spool = True

    def accept(self, batch: Batch) -> None:
        """Take a batch to settle."""
        self._to_send.append(Job.of(batch))

    def step(self) -> float | None:
        """Submit one job or poll one. Where its outcome is unclear, its people are looked up, for up to two minutes.

        Returns:
            Seconds until there is more to do; ``None`` when nothing is under way.

        Raises:
            SendGridError: Contacts can't be delivered.
            ConfigError: A list or a custom field is gone.
        """
        if self._to_send:
            self._submit(self._to_send.popleft())
        elif (due := self._poll_schedule.due()) is not None:
            self._poll(due)
        return 0.0 if self._to_send else self._poll_schedule.wait_seconds()

    def take_events(self) -> list[JobEvent]:
        """Return what has happened since the last call."""
        events, self._events = self._events, []
        return events

    # Sending

    def _submit(self, job: Job) -> None:
        operation = self._operation(job)
        try:
            submission = operation.submit(job)
        except TooLargeError:
            self._split(job, Rejection(Reason.REFUSED_BY_SENDGRID, "SendGrid takes no contact of that size."))
            return
        except BadRequestError as error:
            self._reject_refused(job, error)
            return
        if submission is None:
            self._report_if_settled(job)
            return
        job.pack()
        job.progress.job_count += 1
        job.send_count += 1
        job.job_id, job.list_ids, job.byte_count = submission
        self._poll_schedule.start(job)
        sent, size = counted(job.count, "contact"), counted(job.byte_count, "byte")
        log.info("Sent %s in %s as %s %s.", sent, size, operation.kind.job_name, job.job_id)
        self._spool_older_jobs()

    def _spool_older_jobs(self) -> None:
        """Move the contacts of older jobs to disk while memory holds too many.

        Nothing is moved while jobs end before their first poll: encryption takes time, and its library 7 MB of memory.
        """
        if not self._poll_schedule.has_seen_pending:
            return
        in_memory = [job for job in self._poll_schedule if not job.is_spooled]
        excess = sum(job.byte_count for job in in_memory) - MAX_WAITING_BYTES
        for job in in_memory:
            if excess <= 0 or not self._can_spool:
                return
            try:
                self._spool = self._spool or Spool()
                job.spool(self._spool)
            except OSError as error:
                self._can_spool = False
                log.warning(
                    "Temporary files can't be written (%s): fewer contacts can be under way at a time. Set `TMPDIR` to"
                    " a folder with more room.",
                    words_of(error),
                )
                return
            excess -= job.byte_count
            self._events.append(Spooled(job.progress.batch))

    def _reject_refused(self, job: Job, error: BadRequestError) -> None:
        """Reject the contacts that a refused request names; send the others again."""
        operation = self._operation(job)
        refused = operation.refused(job, error)
        if not refused:
            sentence = "SendGrid refused the contact without naming a field."
            self._split(job, Rejection(Reason.REFUSED_BY_SENDGRID, sentence, error.sendgrid_message()))
            return
        amended = operation.amend(job, refused)
        for identity, reason in refused.items():
            if identity not in amended:
                job.reject(identity, Rejection(Reason.REFUSED_BY_SENDGRID, "SendGrid refused the contact.", reason))
        self._resubmit(job)

    def _split(self, job: Job, rejection: Rejection) -> None:
        """Send each half of a job by itself; reject a single contact."""
        identities = list(job.changes())
        if len(identities) == 1:
            job.reject(identities[0], rejection)
            self._report_if_settled(job)
            return
        middle = len(identities) // 2
        for half in (identities[middle:], identities[:middle]):
            self._resubmit(job.part(half))

    def _resubmit(self, job: Job) -> None:
        """Send the remaining contacts of a job again, ahead of all other jobs. If none remain, the job is over."""
        if job.count:
            self._to_send.appendleft(job)
        else:
            self._report_if_settled(job)

    # Polling

    def _poll(self, job: Job) -> None:
        age = self._poll_schedule.age(job)
        try:
            status = self._client.job_status(job.job_id)
        except NotFoundError:
            if age < LOST_JOB_SECONDS:
                self._poll_later(job)
                return
            self._poll_schedule.forget(job)
            self._retry_job(job, "is unknown to SendGrid")
            return
        if not status.is_pending:
            self._poll_schedule.end(job, age)
            self._handle_final_status(job, status)
        elif age < self._job_timeout_seconds:
            self._poll_later(job)
        else:
            self._poll_schedule.forget(job)
            self._handle_overdue(job)

    def _poll_later(self, job: Job) -> None:
        self._poll_schedule.poll_later(job)
        self._spool_older_jobs()

    def _handle_final_status(self, job: Job, status: JobStatus) -> None:
        has_row_errors = bool(status.errored_count or status.errors_url)
        if status.status == "completed" and not has_row_errors:
            self._handle_completed(job, status)
        elif status.says_contact_limit:
            raise ContactLimitError
        elif has_row_errors or status.status == "errored":
            self._handle_row_errors(job, status)
        else:
            self._retry_job(job, "failed without a reason")

    def _handle_completed(self, job: Job, status: JobStatus) -> None:
        """Confirm a completed job: at once, or by looking its people up where completion proves nothing."""
        operation, count = self._operation(job), job.count
        if not operation.is_proven_by_completion:
            lookups.wait_until_confirmed(operation, job, self._clock)
        if job.count and not operation.is_proven_by_completion:
            problem = f"completed without effect on {counted(job.count, 'contact')}"
            if job.send_count >= MAX_SENDS:
                message = f"{_name(job)} {problem}, though it was sent {job.send_count} times. Run again later."
                raise JobFailedError(message)
            self._retry_job(job, problem)
            return
        log.info(
            "%s completed: %s confirmed, %s of them created or changed.",
            _name(job),
            counted(count, "contact"),
            f"{status.changed_count:,}",
        )
        self._finish_job(job)

    def _handle_row_errors(self, job: Job, status: JobStatus) -> None:
        """Reject the contacts that the errors file names; look the others up unless their success is proven.

        It is proven where completion is a proof, and the file names as many contacts as SendGrid counts errors.
        """
        operation = self._operation(job)
        log.warning("%s ended '%s': finding out which contacts failed.", _name(job), status.status)
        failed = operation.row_errors(job, status)
        amended = operation.amend(job, failed)
        for identity, reason in failed.items():
            if identity not in amended:
                sentence = f"SendGrid's {operation.kind.job_name} reported an error."
                job.reject(identity, Rejection(Reason.FAILED_IN_JOB, sentence, reason))
        if amended:
            self._resubmit(job.part(amended))
        is_proven = operation.is_proven_by_completion and len(failed) == status.errored_count
        if not is_proven and self._has_current_lists(job):
            log.warning(
                "%s: its errors file names %s, and SendGrid counts %s errors. Looking up the other contacts.",
                _name(job),
                counted(len(failed), "contact"),
                "an unknown number of" if status.errored_count is None else status.errored_count,
            )
            lookups.wait_until_confirmed(operation, job, self._clock)
            sentence = f"The {operation.kind.job_name} ended with errors, and {operation.unconfirmed}."
            for identity in list(job.changes()):
                job.reject(identity, Rejection(Reason.NOT_STORED, sentence))
        self._finish_job(job)

    def _handle_overdue(self, job: Job) -> None:
        """Settle the contacts of an overdue job whose changes a look-up finds; send the others again, once."""
        count = job.count
        job.settle(self._operation(job).confirm(job))
        overdue = f"{_name(job)} is still pending after {self._job_timeout_seconds:.0f} s"
        log.warning(
            "%s: a look-up confirms %s of its %s.", overdue, f"{count - job.count:,}", counted(count, "contact")
        )
        if job.count and job.is_overdue:
            message = (
                f"{overdue}, and {job.count:,} of its contacts are not in SendGrid, though they were sent twice. Run"
                " again later, or raise `job_timeout_seconds`."
            )
            raise JobFailedError(message)
        job.is_overdue = True
        self._resubmit(job)

    def _retry_job(self, job: Job, problem: str) -> None:
        """Send the contacts of a failed job again: some jobs fail without a reason and succeed the next time."""
        if job.send_count < MAX_SENDS:
            log.warning("%s %s: sending its contacts again.", _name(job), problem)
            self._resubmit(job)
            return
        job_name = job.purpose.kind.job_name
        sentence = f"SendGrid's {job_name} failed {job.send_count} times without a reason."
        self._split(job, Rejection(Reason.FAILED_IN_JOB, sentence))

    # Settling

    def _finish_job(self, job: Job) -> None:
        """Confirm what is left of a job, or send it again if one of its lists was recreated meanwhile."""
        if not self._has_current_lists(job):
            self._resubmit(job)
            return
        job.settle_all()
        self._report_if_settled(job)

    def _has_current_lists(self, job: Job) -> bool:
        return job.list_ids == self._list_tracker.current(job.purpose.list_ids)

    def _report_if_settled(self, job: Job) -> None:
        """Report a batch when the last of its contacts is settled."""
        progress = job.progress
        if not progress.open_count:
            max_bytes = self._operation(job).lowered_max_bytes
            self._events.append(BatchResult(progress.batch, progress.rejected, progress.job_count, max_bytes))

    def _operation(self, job: Job) -> Operation:
        return self._operations[job.purpose.kind]


def _name(job: Job) -> str:
    """Return the beginning of a log line about a job, such as "Import job 7f3a"."""
    return f"{job.purpose.kind.job_name.capitalize()} {job.job_id}"
