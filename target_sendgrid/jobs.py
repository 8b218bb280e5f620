"""Import jobs: batches in, outcomes out. Submits, polls under a deadline, and pins SendGrid's errors on contacts.

SendGrid refuses a whole request for one contact it does not like, and loses contacts after it has accepted them. The
courier takes a batch apart until every contact of it is either confirmed by a finished job or rejected with a reason.
"""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

from target_sendgrid import batching, errors_file, refusals, verification
from target_sendgrid.errors import (
    BadRequestError,
    ConfigError,
    ContactLimitError,
    JobFailedError,
    NotFoundError,
    Reason,
    SendGridError,
    TooLargeError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from typing import Any

    from target_sendgrid.batching import Batch
    from target_sendgrid.contact import Entry
    from target_sendgrid.retry import Clock

log = logging.getLogger("target-sendgrid.jobs")

FIRST_POLL_SECONDS = 0.5
LONGEST_POLL_SECONDS = 30.0
LOST_JOB_SECONDS = 60.0
"""How long a job id may be unknown after it was given out."""
NEW_FIELD_SECONDS = 60.0
"""How long a request may be refused for a custom field that is known to exist."""
NEW_FIELD_WAIT_SECONDS = 5.0
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

    def upsert(self, body: bytes) -> str:
        """Send contacts and return a job id."""

    def job(self, job_id: str) -> JobState:
        """Return how a job stands."""

    def find_contacts(self, kind: str, identifiers: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Return contacts by identifier."""

    def download(self, url: str) -> bytes:
        """Return an errors file."""


class Rejected(NamedTuple):
    """Why one contact was rejected after it was sent."""

    reason: Reason
    sentence: str
    sendgrid_message: str | None


@dataclass
class Outcome:
    """A settled batch."""

    batch: Batch
    rejected: dict[str, Rejected]
    """By identity; everybody else is confirmed."""
    job_count: int
    refused_bytes: int | None
    """Body size that SendGrid refused during the batch, if any."""


@dataclass
class _Progress:
    """What is known of a batch on its way."""

    batch: Batch
    open_count: int
    rejected: dict[str, Rejected] = field(default_factory=dict)
    job_count: int = 0
    refused_bytes: int | None = None


@dataclass
class _Shipment:
    """Contacts of one batch that travel in one request."""

    progress: _Progress
    entries: dict[str, Entry]
    sends: int = 0
    job_id: str = ""
    submitted_at: float = 0.0
    poll_at: float = 0.0
    poll_interval: float = FIRST_POLL_SECONDS


class Courier:
    """Carries batches to SendGrid, one step at a time, and reports how each ended.

    Args:
        calls: SendGrid.
        clock: Where time comes from.
        field_name: Gives the name of a custom field by its id.
        job_timeout_seconds: Longest wait for one job.
        report: Takes each settled batch.
    """

    def __init__(
        self,
        calls: JobCalls,
        clock: Clock,
        *,
        field_name: Callable[[str], str],
        job_timeout_seconds: float,
        report: Callable[[Outcome], None],
    ) -> None:
        self._calls = calls
        self._clock = clock
        self._verifier = verification.Verifier(calls, clock, field_name)
        self._job_timeout_seconds = job_timeout_seconds
        self._report = report
        self._to_send: deque[_Shipment] = deque()
        self._polled: list[_Shipment] = []

    def accept(self, batch: Batch) -> None:
        """Take a batch to deliver."""
        progress = _Progress(batch, len(batch.entries))
        self._to_send.append(_Shipment(progress, dict(batch.entries)))

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
        else:
            due = min(self._polled, key=lambda shipment: shipment.poll_at, default=None)
            if due is not None and due.poll_at <= self._clock.monotonic():
                self._poll(due)
        if self._to_send:
            return 0.0
        next_poll = min((shipment.poll_at for shipment in self._polled), default=None)
        return None if next_poll is None else max(0.0, next_poll - self._clock.monotonic())

    # Sending

    def _submit(self, shipment: _Shipment) -> None:
        progress = shipment.progress
        body = batching.body(progress.batch.list_ids, shipment.entries.values())
        try:
            shipment.job_id = self._upsert(body)
        except TooLargeError:
            progress.refused_bytes = min(progress.refused_bytes or len(body), len(body))
            self._split(shipment, "SendGrid takes no contact of that size.", None)
            return
        except BadRequestError as error:
            self._pin_refusal(shipment, error)
            return
        except NotFoundError:
            message = (
                "A contact list was deleted while the run went on: SendGrid no longer knows"
                f" {' or '.join(progress.batch.list_ids)}. Run again: a list given by name is made anew."
            )
            raise ConfigError(message) from None
        now = self._clock.monotonic()
        progress.job_count += 1
        shipment.sends += 1
        shipment.submitted_at = now
        shipment.poll_interval = FIRST_POLL_SECONDS
        shipment.poll_at = now + FIRST_POLL_SECONDS
        self._polled.append(shipment)
        log.info(
            "Sent %s contacts in %s bytes as import job %s.",
            f"{len(shipment.entries):,}",
            f"{len(body):,}",
            shipment.job_id,
        )

    def _upsert(self, body: bytes) -> str:
        """Send a body, bearing with custom fields that SendGrid does not know yet."""
        deadline = self._clock.monotonic() + NEW_FIELD_SECONDS
        while True:
            try:
                return self._calls.upsert(body)
            except BadRequestError as error:
                if not refusals.is_about_unknown_fields(error.details):
                    raise
                if self._clock.monotonic() >= deadline:
                    message = (
                        "SendGrid does not accept a custom field of the mapping: it may have been deleted while the run"
                        " went on. Check the custom fields in SendGrid and run again."
                    )
                    raise ConfigError(message) from None
            self._clock.sleep(NEW_FIELD_WAIT_SECONDS)

    def _pin_refusal(self, shipment: _Shipment, error: BadRequestError) -> None:
        """Reject the contacts that a 400 names, by index or by quoted email, and send the others again."""
        refused = refusals.refused_contacts(error.details, list(shipment.entries))
        if not refused:
            self._split(shipment, "SendGrid refused the contact without naming a field.", refusals.words(error.details))
            return
        for identity, message in refused.items():
            self._reject(
                shipment, identity, Rejected(Reason.REFUSED_BY_SENDGRID, "SendGrid refused the contact.", message)
            )
        self._send_again(shipment)

    def _split(self, shipment: _Shipment, sentence: str, sendgrid_message: str | None) -> None:
        """Send both halves by themselves; a single contact is rejected."""
        identities = list(shipment.entries)
        if len(identities) == 1:
            self._reject(shipment, identities[0], Rejected(Reason.REFUSED_BY_SENDGRID, sentence, sendgrid_message))
            return
        middle = len(identities) // 2
        for half in (identities[middle:], identities[:middle]):
            entries = {identity: shipment.entries[identity] for identity in half}
            self._to_send.appendleft(_Shipment(shipment.progress, entries))

    def _send_again(self, shipment: _Shipment) -> None:
        if shipment.entries:
            self._to_send.appendleft(shipment)

    # Polling

    def _poll(self, shipment: _Shipment) -> None:
        waited = self._clock.monotonic() - shipment.submitted_at
        try:
            job = self._calls.job(shipment.job_id)
        except NotFoundError:
            if waited < LOST_JOB_SECONDS:
                self._poll_later(shipment)
                return
            self._polled.remove(shipment)
            self._retry_job(shipment, "is unknown to SendGrid")
            return
        if job.is_pending:
            if waited < self._job_timeout_seconds:
                self._poll_later(shipment)
                return
            self._polled.remove(shipment)
            self._give_up_waiting(shipment)
            return
        self._polled.remove(shipment)
        self._finish(shipment, job)

    def _poll_later(self, shipment: _Shipment) -> None:
        shipment.poll_interval = min(shipment.poll_interval * 2, LONGEST_POLL_SECONDS)
        shipment.poll_at = self._clock.monotonic() + shipment.poll_interval

    def _finish(self, shipment: _Shipment, job: JobState) -> None:
        has_row_errors = bool(job.errored_count or job.errors_url)
        if job.status == "completed" and not has_row_errors:
            log.info("Import job %s completed: %s contacts confirmed.", shipment.job_id, f"{len(shipment.entries):,}")
            self._settle(shipment, shipment.entries)
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

    def _retry_job(self, shipment: _Shipment, what: str) -> None:
        """Send the contacts of a job that came to nothing again: some jobs fail for no reason and succeed then."""
        if shipment.sends < MAX_SENDS:
            log.warning("Import job %s %s: sending its contacts again.", shipment.job_id, what)
            self._send_again(shipment)
            return
        if len(shipment.entries) == 1:
            identity = next(iter(shipment.entries))
            sentence = f"SendGrid's import job failed {shipment.sends} times without a reason."
            self._reject(shipment, identity, Rejected(Reason.FAILED_IN_JOB, sentence, None))
            return
        self._split(shipment, "", None)

    def _give_up_waiting(self, shipment: _Shipment) -> None:
        stored = self._verifier.stored(shipment.entries, shipment.progress.batch.list_ids)
        self._settle(shipment, stored)
        if shipment.entries:
            message = (
                f"Import job {shipment.job_id} is still pending after {self._job_timeout_seconds:.0f} s, and"
                f" {len(shipment.entries):,} of its contacts are not in SendGrid yet. Run again later, or raise"
                " `job_timeout_seconds`."
            )
            raise JobFailedError(message)

    # Settling

    def _pin_job_errors(self, shipment: _Shipment, job: JobState) -> None:
        """Reject the contacts that the errors file names; look the others up when the file does not account for all."""
        failed = self._errors_of(shipment, job)
        for identity, reason in failed.items():
            sentence = "SendGrid's import job reported an error."
            self._reject(shipment, identity, Rejected(Reason.FAILED_IN_JOB, sentence, reason))
        if job.errored_count is None or len(failed) != job.errored_count:
            log.warning(
                "The errors file of job %s names %d contacts, the job counts %s errors: looking the others up.",
                shipment.job_id, len(failed), job.errored_count,
            )  # fmt: skip
            stored = self._verifier.wait_until_stored(shipment.entries, shipment.progress.batch.list_ids)
            for identity in [identity for identity in shipment.entries if identity not in stored]:
                sentence = "The import job ended with errors, and SendGrid does not hold the contact as it was sent."
                self._reject(shipment, identity, Rejected(Reason.NOT_STORED, sentence, None))
        self._settle(shipment, shipment.entries)

    def _errors_of(self, shipment: _Shipment, job: JobState) -> dict[str, str]:
        if not job.errors_url:
            return {}
        try:
            content = self._calls.download(job.errors_url)
        except SendGridError as error:
            log.warning("The errors file of job %s can't be had: %s", shipment.job_id, error)
            return {}
        return errors_file.failed_contacts(content, shipment.entries)

    def _reject(self, shipment: _Shipment, identity: str, rejected: Rejected) -> None:
        shipment.progress.rejected[identity] = rejected
        self._settle(shipment, [identity])

    def _settle(self, shipment: _Shipment, identities: Collection[str]) -> None:
        """Count contacts as confirmed or rejected for good, and report the batch with the last of them."""
        progress = shipment.progress
        for identity in list(identities):
            del shipment.entries[identity]
            progress.open_count -= 1
        if not progress.open_count:
            self._report(Outcome(progress.batch, progress.rejected, progress.job_count, progress.refused_bytes))
