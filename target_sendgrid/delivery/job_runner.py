"""The job runner: sends batches, polls their jobs under a deadline, and finds out which contacts failed.

SendGrid refuses a whole request for one contact, and loses contacts after it has accepted them. The runner sends a
batch, whole or in parts, until every contact of it is either confirmed by a finished job or rejected with a reason.
Where SendGrid does not say who is at fault, `isolation` finds out.

A request or poll that fails is tried again in a later step, so that other jobs are sent and polled in between.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from target_sendgrid.delivery import lookups
from target_sendgrid.delivery.events import Spooled, UnderWay
from target_sendgrid.delivery.isolation import Isolation
from target_sendgrid.delivery.job import Job, Level, Rejection, Request
from target_sendgrid.delivery.job_failures import JobFailures
from target_sendgrid.delivery.job_outcome import JobOutcome, read_outcome, without
from target_sendgrid.delivery.poll_schedule import PollSchedule
from target_sendgrid.delivery.probe_order import ProbeOrder
from target_sendgrid.delivery.request_failures import RequestFailures
from target_sendgrid.delivery.send_queue import SendQueue
from target_sendgrid.delivery.spool import Spooler
from target_sendgrid.errors import (
    BadRequestError,
    ConfigError,
    JobFailedError,
    LocalFileError,
    NotFoundError,
    Reason,
    SendGridError,
    TooLargeError,
    TransientError,
)
from target_sendgrid.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from target_sendgrid.clock import Clock
    from target_sendgrid.delivery.events import JobEvent
    from target_sendgrid.delivery.operation import Operation
    from target_sendgrid.delivery.pending import Batch
    from target_sendgrid.sendgrid.client import Client, JobStatus
    from target_sendgrid.sendgrid.lists import ListTracker
    from target_sendgrid.sendgrid.retry import Tries

log = logging.getLogger("target-sendgrid.delivery")

LOST_JOB_SECONDS = 60.0
"""How long SendGrid may not know a job before its contacts are sent again."""
MAX_SENDS = 4
"""How often the same contacts are sent in jobs that complete without effect, before the run stops."""


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
        self._queue = SendQueue(clock)
        self._poll_schedule = PollSchedule(clock)
        self._isolation = Isolation(self._queue, clock)
        self._request_failures = RequestFailures(self._queue, self._isolation, clock, new_tries=client.new_tries)
        self._job_failures = JobFailures(self._queue, self._isolation, clock)
        self._spooler = Spooler()
        self._probe_order = ProbeOrder(self._queue, self._poll_schedule)
        self._poll_tries: Tries | None = None
        """The polls that have failed since one was last answered, whichever jobs they were for."""
        self._job_ids: set[str] = set()
        self._error: SendGridError | ConfigError | None = None
        """Why nothing more can be sent."""
        self._events: list[JobEvent] = []
        self.under_way = UnderWay()
        """What was under way when the last step ended. Another thread may read it, since it is replaced as a whole."""
        self.is_awaited = False
        """Whether the caller waits for an event, so that no other batch comes before one."""

    def accept(self, batch: Batch) -> None:
        """Take a batch to settle."""
        if self._error is not None:
            return
        self._isolation.forget_changed(batch)
        self._probe_order.put(Job.of(batch), batch)

    def step(self) -> float | None:
        """Submit one job or poll one. Where an outcome is unclear, look its people up, which may take two minutes.

        When nothing more can be sent, jobs under way are still polled for as long as they are likely to take.

        Returns:
            Seconds until there is more to do; ``None`` when nothing is under way.

        Raises:
            SendGridError: Contacts can't be delivered.
            ConfigError: A list or a custom field is gone.
        """
        try:
            self._advance()
        except (SendGridError, ConfigError) as error:
            self._stop_sending(error)
        self.under_way = self._poll_schedule.under_way(sum(job.count for job in self._queue))
        if self._error is not None and self._poll_schedule.likely_seconds_left() <= 0:
            raise self._error
        return self._wait_seconds()

    def take_events(self) -> list[JobEvent]:
        """Return what has happened since the last call."""
        events, self._events = self._events, []
        return events

    def _advance(self) -> None:
        if self._error is not None:
            self._queue.clear()
            self._isolation.clear()
            self._probe_order.clear()
        self._probe_order.release()
        if (job := self._queue.take_due(only_trials=self._isolation.is_pausing)) is not None:
            self._submit(job)
        elif (job := self._poll_schedule.due()) is not None:
            if self._error is None:
                self._poll(job)
            else:
                self._poll_after_error(job)
        elif self._seconds_until_trial() == 0.0:
            self._isolation.make_trial()
        if job is not None:
            self._report_if_settled(job)
            self._probe_order.note_lost(job)

    def _wait_seconds(self) -> float | None:
        waits = [
            self._queue.wait_seconds(only_trials=self._isolation.is_pausing),
            self._poll_schedule.wait_seconds(),
            self._seconds_until_trial(),
        ]
        if (self._error is not None or self._isolation.has_suspended) and self._poll_schedule.likely_seconds_left() > 0:
            waits.append(self._poll_schedule.likely_seconds_left())
        return min((wait for wait in waits if wait is not None), default=None)

    def _seconds_until_trial(self) -> float | None:
        if not self._isolation.has_suspended:  # the usual case, without looking at the jobs under way
            return None
        return self._isolation.seconds_until_trial(
            list(self._poll_schedule),
            are_likely_to_end=self._poll_schedule.likely_seconds_left() > 0,
            may_get_batches=not self.is_awaited,
        )

    def _stop_sending(self, error: SendGridError | ConfigError) -> None:
        """Send nothing more, and keep the error until the jobs under way have had time to end."""
        self._error = error
        seconds = self._poll_schedule.likely_seconds_left()
        if seconds > 0:
            log.warning("Nothing more can be sent: polling the jobs under way for up to %.0f s.", seconds)

    # Sending

    def _submit(self, job: Job) -> None:
        operation = self._operations[job.purpose.kind]
        if job.must_look_up:
            self._settle_found(job)
            if not job.count:
                return
        try:
            submission = operation.submit(job)
            if submission is not None and submission.job_id in self._job_ids:
                what = "SendGrid answered a new request with the id of an earlier job"
                final_error = JobFailedError(f"{what}, again and again.", "Run again later.")
                raise TransientError(what, final_error=final_error)  # noqa: TRY301 - handled as an answer without an id
        except TransientError as error:
            self._request_failures.no_answer(job, error)
            return
        except TooLargeError as error:
            self._request_failures.too_large(job, error)
            return
        except BadRequestError as error:
            self._request_failures.refused(job, operation, error)
            return
        if submission is None:
            return
        job_id, list_ids, byte_count, contact_count, _ = submission
        size = counted(byte_count, "byte")
        if job_id is None:
            log.info("Sent %s in %s as %s.", counted(contact_count, "contact"), size, operation.kind.job_name)
            self._settle_carried_out(job, list(submission.carried_out))
            return
        job.pack()
        job.progress.job_count += 1
        job.send_count += 1
        job.last_request = Request(
            job_id, list_ids, byte_count, contact_count, self._clock.monotonic(), job.contacts()[-1]
        )
        self._job_ids.add(job_id)
        self._poll_schedule.start(job)
        log.info("Sent %s in %s as %s %s.", counted(job.count, "contact"), size, operation.kind.job_name, job_id)
        self._request_failures.accepted(job)
        self._spool_older_jobs()

    def _settle_carried_out(self, job: Job, carried_out: list[str]) -> None:
        """Settle changes that an answer says are carried out, and send those again that it leaves out."""
        if carried_out and not job.progress.is_probe:
            self._isolation.keep_completed(job.purpose, job.changes()[carried_out[-1]].contact)
        job.settle(carried_out)
        self._request_failures.accepted(job)
        if job.count:
            self._queue.put_first(job)

    def _settle_found(self, job: Job) -> None:
        """Settle the people of a job whom a look-up finds as they were sent."""
        job.must_look_up = False
        found = lookups.confirmed(self._operations[job.purpose.kind], job)
        if found:
            log.info("A look-up confirms %s of %s.", f"{len(found):,}", counted(job.count, "contact"))
            changes = job.changes().items()
            self._isolation.keep_found(
                job.purpose, (change.contact for identity, change in changes if identity in found)
            )
            job.settle(found)

    def _spool_older_jobs(self) -> None:
        # Before a job was seen pending, encryption would take time, and its library 7 MB of memory, for nothing.
        if self._poll_schedule.has_seen_pending:
            moved = self._spooler.spool([*self._poll_schedule, *self._queue])
            self._events += [Spooled(job.progress.batch) for job in moved]

    # Polling

    def _poll(self, job: Job) -> None:
        age, now = self._poll_schedule.age(job), self._clock.monotonic()
        try:
            status = self._client.job_status(job.last_request.job_id)
        except (NotFoundError, TransientError) as error:
            if isinstance(error, TransientError) and not isinstance(error.final_error, NotFoundError):
                self._poll_again(error)
                return
            self._poll_tries = None
            job.unknown_since = now if job.unknown_since is None else job.unknown_since
            if now - job.unknown_since < LOST_JOB_SECONDS:
                self._poll_later(job)
                return
            self._poll_schedule.forget(job)
            self._job_failures.lost(job, "is unknown to SendGrid")
            return
        self._poll_tries = job.unknown_since = None
        if not status.is_pending:
            self._poll_schedule.end(job, age)
            self._handle_final_status(job, status)
        elif age < self._job_timeout_seconds:
            self._poll_later(job)
        else:
            self._poll_schedule.forget(job)
            self._handle_overdue(job)

    def _poll_after_error(self, job: Job) -> None:
        """Poll a job when nothing more can be sent. A second error is about this job only; the first ends the run."""
        try:
            self._poll(job)
        except (SendGridError, ConfigError, LocalFileError) as error:
            log.warning("%s: %s", job.name, error)
            self._poll_schedule.drop(job)

    def _poll_again(self, error: TransientError) -> None:
        """Poll again later, because a poll had no usable answer. Meanwhile other jobs are sent.

        Raises:
            SendGridError: Polls have failed for too long.
        """
        self._poll_tries = self._poll_tries or self._client.new_tries()
        wait_seconds = self._poll_tries.wait_after(error)
        if wait_seconds is None:
            raise error.final_error or JobFailedError(f"{error}.", "Run again later.")
        log.warning("%s: trying again in %.1f s.", error, wait_seconds)
        self._poll_schedule.pause(wait_seconds)

    def _poll_later(self, job: Job) -> None:
        self._poll_schedule.poll_later(job)
        self._spool_older_jobs()

    def _handle_final_status(self, job: Job, status: JobStatus) -> None:
        """Confirm or reject the contacts of a finished job; send those again of whom nothing is known."""
        operation = self._operations[job.purpose.kind]
        named = operation.row_errors(job, status)
        completed = operation.amend(job, named, are_at_fault=False) if named else []
        if completed:
            self._queue.put_first(job.part(completed))
            status, named = without(status, named, completed)
            if not job.count:
                return
        outcome = self._outcome(job, status, named)
        job.named |= named.keys()
        rejection = Rejection(Reason.FAILED_IN_JOB, f"SendGrid's {operation.kind.job_name} reported an error.")
        job.reject_named(outcome.at_fault, rejection, ())
        if outcome.problem:
            if outcome.is_other_job:
                self._job_failures.lost(job, outcome.problem)
            else:
                self._job_failures.failed(job, operation, outcome.problem)
            return
        if job.count:
            self._isolation.succeeded(Level.JOB, job.last_request.sent_at, operation.kind.service)
        told = f"{counted(job.count, 'contact')} confirmed"  # a look-up that confirms contacts settles them
        if not operation.is_proven_by_completion and not self._is_confirmed(job):
            return
        if not named and not job.progress.is_probe:
            self._isolation.keep_completed(job.purpose, job.last_request.last_contact)
        if operation.is_proven_by_completion:
            told += f", {status.changed_count:,} of them created or changed"
        log.info("%s %s: %s.", job.name, status.status, told)
        self._finish_job(job)

    def _outcome(self, job: Job, status: JobStatus, named: Mapping[str, str]) -> JobOutcome:
        """Return what a finished job says, given the reasons in its errors file by identity."""
        count, service = job.last_request.contact_count, job.purpose.kind.service
        outcome = read_outcome(status, named, self._isolation.named_before(job, Level.JOB, count), count)
        if len(outcome.at_fault) == count:
            if not self._isolation.can_believe(Level.JOB, count, count, service):
                return JobOutcome({}, f"ended '{status.status}' with errors for everybody, like jobs before it")
            self._isolation.count_failure(Level.JOB, count, service)
        return outcome

    def _is_confirmed(self, job: Job) -> bool:
        """Look the contacts of a completed job up, and send those not found again; return whether all are found."""
        lookups.wait_until_confirmed(self._operations[job.purpose.kind], job, self._clock)
        if not job.count:
            return True
        problem = f"completed without effect on {counted(job.count, 'contact')}"
        if job.send_count >= MAX_SENDS:
            message = f"{job.name} {problem}, though it was sent {job.send_count} times. Run again later."
            raise JobFailedError(message)
        log.warning("%s %s: sending its contacts again.", job.name, problem)
        self._queue.put_first(job)
        return False

    def _handle_overdue(self, job: Job) -> None:
        """Settle the contacts of an overdue job whose changes a look-up finds; send the others again, once."""
        job.progress.maybe_taken_at = self._clock.monotonic()
        if job.progress.is_probe:
            return
        count = job.count
        job.settle(lookups.confirmed(self._operations[job.purpose.kind], job))
        overdue = f"{job.name} is still pending after {self._job_timeout_seconds:.0f} s"
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
        if job.count:
            self._queue.put_first(job)

    def _finish_job(self, job: Job) -> None:
        """Confirm what is left of a job, or send it again if one of its lists was recreated meanwhile."""
        if job.last_request.list_ids == self._list_tracker.current(job.purpose.list_ids):
            job.settle_all()
        elif job.count:
            self._queue.put_first(job)

    def _report_if_settled(self, job: Job) -> None:
        """Report a batch when the last of its contacts is settled."""
        progress = job.progress
        if progress.open_count or progress.is_reported:
            return
        progress.is_reported = True
        free_at = None
        if progress.maybe_taken_at is not None:
            free_at = progress.maybe_taken_at + self._poll_schedule.untracked_job_seconds()
        max_bytes = self._operations[job.purpose.kind].max_bytes
        self._events.append(progress.result(max_bytes, free_at))
