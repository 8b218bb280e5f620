"""Import jobs: batches in, outcomes out. Submits, polls under a deadline, and pins SendGrid's errors on contacts.

SendGrid refuses a whole request for one contact it does not like, and loses contacts after it has accepted them. The
courier takes a batch apart until every contact of it is either confirmed by a finished job or rejected with a reason.
"""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from target_sendgrid.delivery import completion, verification
from target_sendgrid.delivery.job import Job, RejectedContact, Rejection
from target_sendgrid.delivery.operations import errors_file, refusals
from target_sendgrid.delivery.operations.upsert import Sender
from target_sendgrid.delivery.poll_schedule import PollSchedule
from target_sendgrid.delivery.spool import Spool
from target_sendgrid.errors import (
    BadRequestError,
    ContactLimitError,
    JobFailedError,
    NotFoundError,
    Reason,
    SendGridError,
    TooLargeError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, TypeAlias

    from target_sendgrid.clock import Clock
    from target_sendgrid.delivery.batching import Batch, Body
    from target_sendgrid.delivery.operations.upsert import ListTracker

    JobEvent: TypeAlias = "BatchResult | Spooled"

log = logging.getLogger("target-sendgrid.delivery")

MAX_WAITING_BYTES = 4_000_000
"""Contacts that SendGrid has accepted stay in memory up to this size of their requests."""
LOST_JOB_SECONDS = 60.0
"""How long a job id may be unknown after it was given out."""
MAX_SENDS = 4
"""How often the same contacts are sent, before a job that fails without a word is taken apart."""

_CONTACT_LIMIT = "contact limit"


class JobStatus(Protocol):
    """An import job as it stands."""

    @property
    def status(self) -> str:
        """The status, in SendGrid's words."""

    @property
    def is_pending(self) -> bool:
        """Whether the job has yet to reach a final status."""

    @property
    def changed_count(self) -> int:
        """Number of contacts that were created or changed, as far as known."""

    @property
    def errored_count(self) -> int | None:
        """Number of contacts that failed, once known."""

    @property
    def errors_url(self) -> str | None:
        """Link to the errors file, where there is one."""

    @property
    def error_text(self) -> str:
        """Whatever SendGrid says about the job."""


class JobCalls(Protocol):
    """What the courier needs of SendGrid."""

    def upsert(self, body: Body) -> str:
        """Send contacts and return a job id."""

    def job_status(self, job_id: str) -> JobStatus:
        """Return the status of a job."""

    def find_contacts(self, kind: str, identifiers: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Return contacts by identifier."""

    def download(self, url: str) -> bytes:
        """Return an errors file."""


@dataclass(frozen=True)
class BatchResult:
    """A settled batch."""

    batch: Batch
    rejected: Sequence[RejectedContact]
    """Everybody else is confirmed."""
    job_count: int
    max_bytes: int | None
    """Most bytes of a request, once SendGrid has refused one for its size."""


@dataclass(frozen=True)
class Spooled:
    """SendGrid has accepted a batch, and its contacts are out of the memory until that has settled it."""

    batch: Batch


class JobRunner:
    """Carries batches to SendGrid, one step at a time, and reports how each ended.

    Args:
        calls: SendGrid.
        clock: Where time comes from.
        destinations: Where contacts go.
        field_name: Gives the name of a custom field by its id.
        job_timeout_seconds: Longest wait for one job.
        report: Takes what happens to each batch.
    """

    def __init__(
        self,
        calls: JobCalls,
        clock: Clock,
        *,
        list_tracker: ListTracker,
        field_name: Callable[[str], str],
        job_timeout_seconds: float,
        report: Callable[[JobEvent], None],
    ) -> None:
        self._calls = calls
        self._clock = clock
        self._list_tracker = list_tracker
        self._sender = Sender(calls, clock, list_tracker, field_name)
        self._verifier = verification.Verifier(calls, clock, field_name)
        self._job_timeout_seconds = job_timeout_seconds
        self._report = report
        self._to_send: deque[Job] = deque()
        self._poll_schedule = PollSchedule(clock)
        self._spool: Spool | None = None
        self._can_spool = True

    def accept(self, batch: Batch) -> None:
        """Take a batch to deliver."""
        self._to_send.append(Job.of(batch))

    def step(self) -> float | None:
        """Do one piece of work.

        Returns:
            Seconds until there is more to do; ``None`` when there is nothing under way.

        Raises:
            SendGridError: Contacts can't be delivered.
            ConfigError: A list or a custom field is gone.
        """
        if self._to_send:
            self._submit(self._to_send.popleft())
        elif (due := self._poll_schedule.due()) is not None:
            self._poll(due)
        return 0.0 if self._to_send else self._poll_schedule.wait_seconds()

    # Sending

    def _submit(self, job: Job) -> None:
        try:
            sent = self._sender.send(job.progress.batch.list_ids, job.contacts)
        except TooLargeError:
            self._split(job, "SendGrid takes no contact of that size.", None)
            return
        except BadRequestError as error:
            self._pin_refusal(job, error)
            return
        job.pack()
        job.progress.job_count += 1
        job.sends += 1
        job.job_id, job.list_ids, job.byte_count = sent
        self._poll_schedule.start(job)
        log.info(
            "Sent %s contacts in %s bytes as import job %s.",
            f"{job.count:,}",
            f"{sent.byte_count:,}",
            job.job_id,
        )
        self._spool_older()

    def _spool_older(self) -> None:
        """Put the contacts of older jobs out of the memory, where it holds too many.

        Jobs that end before they are looked at need no other room: it costs time, and a library takes memory.
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
                    error.strerror,
                )
                return
            excess -= job.byte_count
            self._report(Spooled(job.progress.batch))

    def _pin_refusal(self, job: Job, error: BadRequestError) -> None:
        """Reject the contacts that a 400 names, by index or by quoted email, and send the others again."""
        refused = refusals.refused_contacts(error.details, list(job.entries))
        if not refused:
            self._split(job, "SendGrid refused the contact without naming a field.", refusals.words(error.details))
            return
        completed = self._completed(job, refused)
        for identity, message in refused.items():
            if identity not in completed:
                rejected = Rejection(Reason.REFUSED_BY_SENDGRID, "SendGrid refused the contact.", message)
                job.reject(identity, rejected)
        self._send_again(job)

    def _split(self, job: Job, sentence: str, sendgrid_message: str | None) -> None:
        """Send both halves by themselves; a single contact is rejected."""
        identities = list(job.entries)
        if len(identities) == 1:
            job.reject(identities[0], Rejection(Reason.REFUSED_BY_SENDGRID, sentence, sendgrid_message))
            self._end(job)
            return
        middle = len(identities) // 2
        for half in (identities[middle:], identities[:middle]):
            self._send_again(job.part(half))

    def _send_again(self, job: Job) -> None:
        """Send what is left of a shipment, before all that waits."""
        if job.count:
            self._to_send.appendleft(job)
        else:
            self._end(job)

    # Polling

    def _poll(self, job: Job) -> None:
        age = self._poll_schedule.age(job)
        try:
            status = self._calls.job_status(job.job_id)
        except NotFoundError:
            if age < LOST_JOB_SECONDS:
                self._poll_later(job)
                return
            self._poll_schedule.forget(job)
            self._retry_job(job, "is unknown to SendGrid")
            return
        if not status.is_pending:
            self._poll_schedule.end(job, age)
            self._finish(job, status)
        elif age < self._job_timeout_seconds:
            self._poll_later(job)
        else:
            self._poll_schedule.forget(job)
            self._give_up_waiting(job)

    def _poll_later(self, job: Job) -> None:
        self._poll_schedule.poll_later(job)
        self._spool_older()

    def _finish(self, job: Job, status: JobStatus) -> None:
        has_row_errors = bool(status.errored_count or status.errors_url)
        if status.status == "completed" and not has_row_errors:
            log.info(
                "Import job %s completed: %s contacts confirmed, %s of them created or changed.",
                job.job_id,
                f"{job.count:,}",
                f"{status.changed_count:,}",
            )
            self._confirm(job)
        elif _CONTACT_LIMIT in status.error_text:
            message = (
                f"Import job {job.job_id} failed: the account has reached the contact limit of its plan. Upgrade"
                " the plan or delete contacts, then run again."
            )
            raise ContactLimitError(message)
        elif has_row_errors or status.status == "errored":
            log.warning("Import job %s ended '%s': finding out which contacts failed.", job.job_id, status.status)
            self._pin_job_errors(job, status)
        else:
            self._retry_job(job, "failed without a reason")

    def _retry_job(self, job: Job, what: str) -> None:
        """Send the contacts of a job that came to nothing again: some jobs fail for no reason and succeed then."""
        if job.sends < MAX_SENDS:
            log.warning("Import job %s %s: sending its contacts again.", job.job_id, what)
            self._send_again(job)
            return
        if len(job.entries) == 1:
            identity = next(iter(job.entries))
            sentence = f"SendGrid's import job failed {job.sends} times without a reason."
            job.reject(identity, Rejection(Reason.FAILED_IN_JOB, sentence, None))
            self._end(job)
            return
        self._split(job, "", None)

    def _give_up_waiting(self, job: Job) -> None:
        """Take an overdue job's contacts for confirmed where SendGrid holds them; send the others again, once."""
        stored = self._verifier.stored(job.entries, self._current(job))
        log.warning(
            "Import job %s is still pending after %.0f s: SendGrid holds %s of its %s contacts as they were sent.",
            job.job_id, self._job_timeout_seconds, f"{len(stored):,}", f"{len(job.entries):,}",
        )  # fmt: skip
        job.settle(stored)
        if job.entries and job.is_overdue:
            message = (
                f"Import job {job.job_id} is still pending after {self._job_timeout_seconds:.0f} s, and"
                f" {len(job.entries):,} of its contacts are not in SendGrid, though they were sent twice. Run"
                " again later, or raise `job_timeout_seconds`."
            )
            raise JobFailedError(message)
        job.is_overdue = True
        self._send_again(job)

    # Settling

    def _pin_job_errors(self, job: Job, status: JobStatus) -> None:
        """Reject the contacts that the errors file names; look the others up when the file does not account for all."""
        failed = self._errors_of(job, status)
        completed = self._completed(job, failed)
        for identity, reason in failed.items():
            if identity not in completed:
                sentence = "SendGrid's import job reported an error."
                job.reject(identity, Rejection(Reason.FAILED_IN_JOB, sentence, reason))
        if completed:
            self._send_again(job.part(completed))
        is_accounted_for = status.errored_count is not None and len(failed) == status.errored_count
        if not is_accounted_for and job.list_ids == self._current(job):
            log.warning(
                "The errors file of job %s names %d contacts, the job counts %s errors: looking the others up.",
                job.job_id, len(failed), status.errored_count,
            )  # fmt: skip
            stored = self._verifier.wait_until_stored(job.entries, job.list_ids)
            for identity in [identity for identity in job.entries if identity not in stored]:
                sentence = "The import job ended with errors, and SendGrid does not hold the contact as it was sent."
                job.reject(identity, Rejection(Reason.NOT_STORED, sentence, None))
        self._confirm(job)

    def _errors_of(self, job: Job, status: JobStatus) -> dict[str, str]:
        if not status.errors_url:
            return {}
        try:
            content = self._calls.download(status.errors_url)
        except SendGridError as error:
            log.warning("The errors file of job %s can't be had: %s", job.job_id, error)
            return {}
        return errors_file.failed_contacts(content, job.entries)

    def _completed(self, job: Job, refused: Mapping[str, str]) -> list[str]:
        """Complete contacts that were refused for lack of identifiers; return those that can be sent again."""
        wanting = [identity for identity, words in refused.items() if completion.is_wanted(words)]
        completed = completion.complete({identity: job.entries[identity] for identity in wanting}, self._calls)
        if completed:
            log.info("%s contacts are sent again with all their identifiers.", f"{len(completed):,}")
        return completed

    def _confirm(self, job: Job) -> None:
        """Settle what is left of a shipment, unless a list of it was made anew meanwhile."""
        if job.list_ids == self._current(job):
            job.settle_all()
        self._send_again(job)

    def _current(self, job: Job) -> tuple[str, ...]:
        return self._list_tracker.current(job.progress.batch.list_ids)

    def _end(self, job: Job) -> None:
        """Report a batch when the last of its contacts is settled."""
        progress = job.progress
        if not progress.open_count:
            self._report(BatchResult(progress.batch, progress.rejected, progress.job_count, self._sender.max_bytes))
