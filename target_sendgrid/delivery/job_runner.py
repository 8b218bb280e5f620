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
from target_sendgrid.delivery.import_job import Refused, Rejected, Shipment
from target_sendgrid.delivery.operations import errors_file, refusals
from target_sendgrid.delivery.operations.upsert import Sender
from target_sendgrid.delivery.poll_schedule import Polling
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

    from target_sendgrid.delivery.batching import Batch, Body
    from target_sendgrid.delivery.operations.upsert import Destinations
    from target_sendgrid.sendgrid.retry import Clock

    News: TypeAlias = "Outcome | Parked"

log = logging.getLogger("target-sendgrid.jobs")

MAX_WAITING_BYTES = 4_000_000
"""Contacts that SendGrid has accepted stay in memory up to this size of their requests."""
LOST_JOB_SECONDS = 60.0
"""How long a job id may be unknown after it was given out."""
MAX_SENDS = 4
"""How often the same contacts are sent, before a job that fails without a word is taken apart."""

_CONTACT_LIMIT = "contact limit"


class JobState(Protocol):
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

    def job(self, job_id: str) -> JobState:
        """Return how a job stands."""

    def find_contacts(self, kind: str, identifiers: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Return contacts by identifier."""

    def download(self, url: str) -> bytes:
        """Return an errors file."""


@dataclass(frozen=True)
class Outcome:
    """A settled batch."""

    batch: Batch
    rejected: Sequence[Refused]
    """Everybody else is confirmed."""
    job_count: int
    max_bytes: int | None
    """Most bytes of a request, once SendGrid has refused one for its size."""


@dataclass(frozen=True)
class Parked:
    """SendGrid has accepted a batch, and its contacts are out of the memory until that has settled it."""

    batch: Batch


class Courier:
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
        destinations: Destinations,
        field_name: Callable[[str], str],
        job_timeout_seconds: float,
        report: Callable[[News], None],
    ) -> None:
        self._calls = calls
        self._clock = clock
        self._destinations = destinations
        self._sender = Sender(calls, clock, destinations, field_name)
        self._verifier = verification.Verifier(calls, clock, field_name)
        self._job_timeout_seconds = job_timeout_seconds
        self._report = report
        self._to_send: deque[Shipment] = deque()
        self._polling = Polling(clock)
        self._spool: Spool | None = None
        self._can_park = True

    def accept(self, batch: Batch) -> None:
        """Take a batch to deliver."""
        self._to_send.append(Shipment.of(batch))

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
        elif (due := self._polling.due()) is not None:
            self._poll(due)
        return 0.0 if self._to_send else self._polling.wait_seconds()

    # Sending

    def _submit(self, shipment: Shipment) -> None:
        try:
            sent = self._sender.send(shipment.progress.batch.list_ids, shipment.contacts)
        except TooLargeError:
            self._split(shipment, "SendGrid takes no contact of that size.", None)
            return
        except BadRequestError as error:
            self._pin_refusal(shipment, error)
            return
        shipment.pack()
        shipment.progress.job_count += 1
        shipment.sends += 1
        shipment.job_id, shipment.list_ids, shipment.byte_count = sent
        self._polling.start(shipment)
        log.info(
            "Sent %s contacts in %s bytes as import job %s.",
            f"{shipment.count:,}",
            f"{sent.byte_count:,}",
            shipment.job_id,
        )
        self._park()

    def _park(self) -> None:
        """Put the contacts of older jobs out of the memory, where it holds too many.

        Jobs that end before they are looked at need no other room: it costs time, and a library takes memory.
        """
        if not self._polling.has_seen_pending:
            return
        in_memory = [shipment for shipment in self._polling if not shipment.is_parked]
        excess = sum(shipment.byte_count for shipment in in_memory) - MAX_WAITING_BYTES
        for shipment in in_memory:
            if excess <= 0 or not self._can_park:
                return
            try:
                self._spool = self._spool or Spool()
                shipment.park(self._spool)
            except OSError as error:
                self._can_park = False
                log.warning(
                    "Temporary files can't be written (%s): fewer contacts can be under way at a time. Set `TMPDIR` to"
                    " a folder with more room.",
                    error.strerror,
                )
                return
            excess -= shipment.byte_count
            self._report(Parked(shipment.progress.batch))

    def _pin_refusal(self, shipment: Shipment, error: BadRequestError) -> None:
        """Reject the contacts that a 400 names, by index or by quoted email, and send the others again."""
        refused = refusals.refused_contacts(error.details, list(shipment.entries))
        if not refused:
            self._split(shipment, "SendGrid refused the contact without naming a field.", refusals.words(error.details))
            return
        completed = self._completed(shipment, refused)
        for identity, message in refused.items():
            if identity not in completed:
                rejected = Rejected(Reason.REFUSED_BY_SENDGRID, "SendGrid refused the contact.", message)
                shipment.reject(identity, rejected)
        self._send_again(shipment)

    def _split(self, shipment: Shipment, sentence: str, sendgrid_message: str | None) -> None:
        """Send both halves by themselves; a single contact is rejected."""
        identities = list(shipment.entries)
        if len(identities) == 1:
            shipment.reject(identities[0], Rejected(Reason.REFUSED_BY_SENDGRID, sentence, sendgrid_message))
            self._end(shipment)
            return
        middle = len(identities) // 2
        for half in (identities[middle:], identities[:middle]):
            self._send_again(shipment.part(half))

    def _send_again(self, shipment: Shipment) -> None:
        """Send what is left of a shipment, before all that waits."""
        if shipment.count:
            self._to_send.appendleft(shipment)
        else:
            self._end(shipment)

    # Polling

    def _poll(self, shipment: Shipment) -> None:
        age = self._polling.age(shipment)
        try:
            job = self._calls.job(shipment.job_id)
        except NotFoundError:
            if age < LOST_JOB_SECONDS:
                self._look_later(shipment)
                return
            self._polling.forget(shipment)
            self._retry_job(shipment, "is unknown to SendGrid")
            return
        if not job.is_pending:
            self._polling.end(shipment, age)
            self._finish(shipment, job)
        elif age < self._job_timeout_seconds:
            self._look_later(shipment)
        else:
            self._polling.forget(shipment)
            self._give_up_waiting(shipment)

    def _look_later(self, shipment: Shipment) -> None:
        self._polling.look_later(shipment)
        self._park()

    def _finish(self, shipment: Shipment, job: JobState) -> None:
        has_row_errors = bool(job.errored_count or job.errors_url)
        if job.status == "completed" and not has_row_errors:
            log.info(
                "Import job %s completed: %s contacts confirmed, %s of them created or changed.",
                shipment.job_id,
                f"{shipment.count:,}",
                f"{job.changed_count:,}",
            )
            self._confirm(shipment)
        elif _CONTACT_LIMIT in job.error_text:
            message = (
                f"Import job {shipment.job_id} failed: the account has reached the contact limit of its plan. Upgrade"
                " the plan or delete contacts, then run again."
            )
            raise ContactLimitError(message)
        elif has_row_errors or job.status == "errored":
            log.warning("Import job %s ended '%s': finding out which contacts failed.", shipment.job_id, job.status)
            self._pin_job_errors(shipment, job)
        else:
            self._retry_job(shipment, "failed without a reason")

    def _retry_job(self, shipment: Shipment, what: str) -> None:
        """Send the contacts of a job that came to nothing again: some jobs fail for no reason and succeed then."""
        if shipment.sends < MAX_SENDS:
            log.warning("Import job %s %s: sending its contacts again.", shipment.job_id, what)
            self._send_again(shipment)
            return
        if len(shipment.entries) == 1:
            identity = next(iter(shipment.entries))
            sentence = f"SendGrid's import job failed {shipment.sends} times without a reason."
            shipment.reject(identity, Rejected(Reason.FAILED_IN_JOB, sentence, None))
            self._end(shipment)
            return
        self._split(shipment, "", None)

    def _give_up_waiting(self, shipment: Shipment) -> None:
        """Take an overdue job's contacts for confirmed where SendGrid holds them; send the others again, once."""
        stored = self._verifier.stored(shipment.entries, self._today(shipment))
        log.warning(
            "Import job %s is still pending after %.0f s: SendGrid holds %s of its %s contacts as they were sent.",
            shipment.job_id, self._job_timeout_seconds, f"{len(stored):,}", f"{len(shipment.entries):,}",
        )  # fmt: skip
        shipment.settle(stored)
        if shipment.entries and shipment.is_overdue:
            message = (
                f"Import job {shipment.job_id} is still pending after {self._job_timeout_seconds:.0f} s, and"
                f" {len(shipment.entries):,} of its contacts are not in SendGrid, though they were sent twice. Run"
                " again later, or raise `job_timeout_seconds`."
            )
            raise JobFailedError(message)
        shipment.is_overdue = True
        self._send_again(shipment)

    # Settling

    def _pin_job_errors(self, shipment: Shipment, job: JobState) -> None:
        """Reject the contacts that the errors file names; look the others up when the file does not account for all."""
        failed = self._errors_of(shipment, job)
        completed = self._completed(shipment, failed)
        for identity, reason in failed.items():
            if identity not in completed:
                sentence = "SendGrid's import job reported an error."
                shipment.reject(identity, Rejected(Reason.FAILED_IN_JOB, sentence, reason))
        if completed:
            self._send_again(shipment.part(completed))
        is_accounted_for = job.errored_count is not None and len(failed) == job.errored_count
        if not is_accounted_for and shipment.list_ids == self._today(shipment):
            log.warning(
                "The errors file of job %s names %d contacts, the job counts %s errors: looking the others up.",
                shipment.job_id, len(failed), job.errored_count,
            )  # fmt: skip
            stored = self._verifier.wait_until_stored(shipment.entries, shipment.list_ids)
            for identity in [identity for identity in shipment.entries if identity not in stored]:
                sentence = "The import job ended with errors, and SendGrid does not hold the contact as it was sent."
                shipment.reject(identity, Rejected(Reason.NOT_STORED, sentence, None))
        self._confirm(shipment)

    def _errors_of(self, shipment: Shipment, job: JobState) -> dict[str, str]:
        if not job.errors_url:
            return {}
        try:
            content = self._calls.download(job.errors_url)
        except SendGridError as error:
            log.warning("The errors file of job %s can't be had: %s", shipment.job_id, error)
            return {}
        return errors_file.failed_contacts(content, shipment.entries)

    def _completed(self, shipment: Shipment, refused: Mapping[str, str]) -> list[str]:
        """Complete contacts that were refused for lack of identifiers; return those that can be sent again."""
        wanting = [identity for identity, words in refused.items() if completion.is_wanted(words)]
        completed = completion.complete({identity: shipment.entries[identity] for identity in wanting}, self._calls)
        if completed:
            log.info("%s contacts are sent again with all their identifiers.", f"{len(completed):,}")
        return completed

    def _confirm(self, shipment: Shipment) -> None:
        """Settle what is left of a shipment, unless a list of it was made anew meanwhile."""
        if shipment.list_ids == self._today(shipment):
            shipment.settle_all()
        self._send_again(shipment)

    def _today(self, shipment: Shipment) -> tuple[str, ...]:
        return self._destinations.today(shipment.progress.batch.list_ids)

    def _end(self, shipment: Shipment) -> None:
        """Report a batch when the last of its contacts is settled."""
        progress = shipment.progress
        if not progress.open_count:
            self._report(Outcome(progress.batch, progress.rejected, progress.job_count, self._sender.max_bytes))
