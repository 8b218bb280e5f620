"""Isolation: who is at fault where SendGrid refuses contacts, or loses them, and does not say which of them.

A job that fails is split only while others succeed, and a single contact is rejected only when it fails twice more,
each time after another job has succeeded. A job that fails while no other succeeds is *suspended*: it waits for a
success. When nothing else is left to send, or ten jobs are suspended, a *trial* decides. It sends once more, unchanged,
a contact that this run has settled before (the *probe*); a run that has settled nobody sends up to ten contacts alone.
If one of these succeeds, the account works, and the suspended jobs are sent again. If none does, the account is at
fault: the run stops and nobody is rejected for it.

Answers, requests and jobs are counted apart, each of them by service: that SendGrid accepts requests does not mean that
its jobs succeed, nor that it can suppress people.
"""

from __future__ import annotations

import itertools
import logging
import random
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from target_sendgrid.audience.identities import IdentitySet
from target_sendgrid.delivery.job import Job, Level
from target_sendgrid.delivery.job_outcome import FEW_CONTACTS
from target_sendgrid.delivery.pending import Batch, Change, Service, pack
from target_sendgrid.origin import Origin
from target_sendgrid.sendgrid import contact as contacts
from target_sendgrid.sendgrid.fields import IDENTIFIERS
from target_sendgrid.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from target_sendgrid.clock import Clock
    from target_sendgrid.delivery.job import Rejection
    from target_sendgrid.delivery.pending import OperationKind, Purpose
    from target_sendgrid.delivery.send_queue import SendQueue
    from target_sendgrid.errors import SendGridError

log = logging.getLogger("target-sendgrid.delivery")

MAX_SUSPENDED = 10
"""While so many jobs are suspended, nothing but trials is sent: the account may be at fault."""
MAX_FAILURES_IN_ROW = 10
"""After so many failures without a success between them, an earlier success no longer shows that the account works."""
MIN_REPEATED_FAILURES = 2
"""A single contact is rejected when it has failed again so often, each time after another job has succeeded.

Whatever makes everybody fail for a while would have to come back twice, each time for this contact only.
"""
TRIAL_CONTACTS = 10
"""Most contacts that a trial sends alone."""
NEXT_BATCH_SECONDS = 1.0
"""How often a run that has settled nobody looks whether other contacts have come, before it makes a trial."""
WAIT_SECONDS = 5.0
"""Shortest wait before contacts that failed are sent again."""
PARTS = {Level.ANSWER: 2, Level.REQUEST: 2, Level.JOB: 8}
"""Into how many parts a job is split. Import jobs take a minute, so more of them are sent at a time."""


class Failure(NamedTuple):
    """How contacts failed together, or one alone, without SendGrid saying for which of them."""

    level: Level
    rejection: Rejection
    """Why the contact is rejected, if it is found to be at fault."""
    error: SendGridError
    """What ends the run if the account is at fault."""


class Settled(NamedTuple):
    """An encoded contact that the run has settled."""

    purpose: Purpose
    contact: bytes

    @property
    def identity(self) -> str:
        """Who the person is."""
        return contacts.identity(contacts.decode(self.contact)) or ""

    @property
    def is_certain(self) -> bool:
        """Whether it can be sent again, and is of the person that its records were about.

        So it has a single identifier: with another one, its records may have had only that.
        """
        fields = contacts.decode(self.contact)
        return self.purpose.kind.can_repeat and sum(1 for kind in IDENTIFIERS if fields.get(kind)) == 1

    def probe(self) -> Job:
        """Return a job that sends the contact once more."""
        change = Change(self.purpose, self.identity, self.contact, Origin("", 0))
        packed, people = pack({change.identity: change}), IdentitySet([change.identity])
        job = Job.of(Batch(self.purpose, packed, 0, len(self.contact), {}, people))
        job.is_trial = job.progress.is_probe = job.progress.is_reported = True
        return job


class Health(msgspec.Struct):
    """What is known of the account at one level."""

    succeeded_at: float = float("-inf")
    """The last time at which something succeeded; for jobs, the last time at which one was sent that succeeded."""
    failures_in_row: int = 0
    had_trial: bool = False
    """Whether a trial was made since something last succeeded."""


class Isolation:
    """Decides about jobs that fail, and makes trials.

    Args:
        queue: Where jobs wait to be sent.
        clock: Where time comes from.
    """

    def __init__(self, queue: SendQueue, clock: Clock) -> None:
        self._queue = queue
        self._clock = clock
        self._health: dict[tuple[Service, Level], Health] = defaultdict(Health)
        self._suspended: list[tuple[Job, Failure]] = []
        self._completed: dict[OperationKind, list[Settled]] = {}
        """A contact that a completed job has settled, by the kind of its operation."""
        self._found: dict[OperationKind, list[Settled]] = {}
        """Contacts of failed jobs that a look-up has found. They show less, since they may have been there before."""

    # What is known of the account

    def succeeded(self, level: Level, moment: float, service: Service = Service.CONTACTS) -> None:
        """Record a success, and send those suspended jobs again that had failed before it.

        Args:
            level: What succeeded.
            moment: When a request was accepted, or when a job was sent that has now succeeded.
            service: Where it succeeded.
        """
        health = self._health[service, level]
        health.succeeded_at = max(health.succeeded_at, moment)
        health.failures_in_row, health.had_trial = 0, False
        for entry in list(self._suspended):
            job, failure = entry
            is_same = failure.level is level and job.purpose.kind.service is service
            if is_same and self.have_others_succeeded(job, level):
                self._suspended.remove(entry)
                self._queue.put_first(job)

    def count_failure(self, level: Level, contact_count: int = 1, service: Service = Service.CONTACTS) -> None:
        """Count a failure of one request or job, or of contacts of which each was named."""
        self._health[service, level].failures_in_row += contact_count

    def can_believe(self, level: Level, named_count: int, sent_count: int, service: Service = Service.CONTACTS) -> bool:
        """Return whether an answer that names contacts says something about them.

        Requests and jobs in a row that fail for everybody in them may be the account's fault, however small they are.
        """
        are_all_named = named_count >= sent_count
        before = self._health[service, level].failures_in_row
        return not before or before + (named_count if are_all_named else 0) <= MAX_FAILURES_IN_ROW

    def record_failure(self, job: Job, level: Level) -> None:
        """Record a failure of a job, and whether a single contact has failed again after others had succeeded."""
        now = self._clock.monotonic()
        if job.count == 1 and self.have_others_succeeded(job, level):
            job.repeated_failures[level] = job.repeated_failures.get(level, 0) + 1
            job.failed_at[level] = now
        job.failed_at.setdefault(level, now)
        self.count_failure(level, service=job.purpose.kind.service)

    def is_account_suspect(self, level: Level, service: Service = Service.CONTACTS) -> bool:
        """Return whether so many have failed in a row that the account may be at fault, whomever answers name."""
        return self._health[service, level].failures_in_row > MAX_FAILURES_IN_ROW

    def has_succeeded_since(self, moment: float, level: Level, service: Service = Service.CONTACTS) -> bool:
        """Return whether something has succeeded after a moment."""
        return self._health[service, level].succeeded_at > moment

    def have_others_succeeded(self, job: Job, level: Level) -> bool:
        """Return whether others have succeeded since a job failed, so that the account is known to work."""
        failed_at, service = job.failed_at.get(level), job.purpose.kind.service
        has_succeeded = failed_at is not None and self.has_succeeded_since(failed_at, level, service)
        return has_succeeded and not self.is_account_suspect(level, service)

    def named_before(self, job: Job, level: Level, count: int) -> frozenset[str]:
        """Return whom SendGrid named before among a job's contacts; nobody where the account may be at fault for it.

        Args:
            job: The job.
            level: Whether a request or an import job has named them.
            count: Number of contacts that were sent. Naming most of many says something about them only while others
                succeed.
        """
        return job.named if count <= FEW_CONTACTS or self.have_others_succeeded(job, level) else frozenset()

    # Contacts that fail

    def failed(self, job: Job, failure: Failure) -> None:
        """Decide about a job that has failed.

        It is sent once more at first. After that it is split, or its only contact rejected, if others have succeeded;
        otherwise it is suspended.
        """
        if job.progress.is_probe:
            return  # the account is at fault: the next call of `make_trial` ends the run
        level = failure.level
        is_first = level not in job.failed_at and not job.is_trial
        have_others_succeeded = self.have_others_succeeded(job, level)
        self.record_failure(job, level)
        if is_first:
            self._queue.put_first(job, WAIT_SECONDS)
        elif not have_others_succeeded:
            self._suspend(job, failure)
        elif job.count > 1:
            self.split(job, level)
        elif job.repeated_failures[level] < MIN_REPEATED_FAILURES:
            self._queue.put_first(job, WAIT_SECONDS)
        else:
            job.reject(next(iter(job.changes())), failure.rejection)

    def split(self, job: Job, level: Level) -> None:
        """Send the parts of a job that has failed at some level each by itself."""
        identities = list(job.changes())
        size = -(-len(identities) // PARTS[level])
        for start in reversed(range(0, len(identities), size)):
            part = job.part(identities[start : start + size])
            self._queue.put_first(part, WAIT_SECONDS if level is Level.JOB else 0.0)

    def _suspend(self, job: Job, failure: Failure) -> None:
        """Keep a job back until something else has succeeded."""
        job.pack()
        job.not_before = self._clock.monotonic() + WAIT_SECONDS
        self._suspended.append((job, failure))

    # Trials

    @property
    def has_suspended(self) -> bool:
        """Whether jobs are suspended."""
        return bool(self._suspended)

    @property
    def is_pausing(self) -> bool:
        """Whether so many jobs are suspended that nothing but trials may be sent."""
        return len(self._suspended) >= MAX_SUSPENDED

    def keep_completed(self, purpose: Purpose, contact: bytes) -> None:
        """Remember an encoded contact that a completed job has just settled, for a probe."""
        if (settled := Settled(purpose, contact)).is_certain:
            self._completed[purpose.kind] = [settled]

    def keep_found(self, purpose: Purpose, found: Iterable[bytes]) -> None:
        """Remember encoded contacts of a failed job that a look-up has just found, for probes."""
        certain = (settled for contact in found if (settled := Settled(purpose, contact)).is_certain)
        self._found[purpose.kind] = list(itertools.islice(certain, TRIAL_CONTACTS))

    def forget_changed(self, batch: Batch) -> None:
        """Forget contacts of people who get newer values or are taken away: a probe would bring the old ones back."""
        for settled in (self._completed, self._found):
            for kind, entries in settled.items():
                settled[kind] = [entry for entry in entries if not batch.may_concern(entry.identity, kind)]

    def seconds_until_trial(
        self, under_way: Sequence[Job], *, are_likely_to_end: bool, may_get_batches: bool
    ) -> float | None:
        """Return the seconds until a trial has to decide about the suspended jobs; ``None`` while something else may.

        Args:
            under_way: The jobs whose end is waited for. One of them may succeed, or give a contact for a probe.
            are_likely_to_end: Whether one of them is young enough for that.
            may_get_batches: Whether other contacts may come, which show whether the account works.
        """
        if not self._suspended or (len(self._queue) and not self.is_pausing):
            return None
        if any(job.is_trial for job in (*self._queue, *under_way)):
            return None
        job, failure = self._suspended[0]
        if self._probes(job):
            return 0.0
        service = job.purpose.kind.service
        is_end_awaited = are_likely_to_end and any(other.purpose.kind.service is service for other in under_way)
        if is_end_awaited and not self._health[service, failure.level].had_trial:
            return None
        return NEXT_BATCH_SECONDS if may_get_batches and failure.level is not Level.ANSWER else 0.0

    def make_trial(self) -> None:
        """Send contacts whose success would show that the account works.

        Raises:
            SendGridError: A trial has failed before, or there is nothing to make one with.
        """
        job, failure = self._suspended[0]
        service = job.purpose.kind.service
        health = self._health[service, failure.level]
        if health.had_trial:
            raise failure.error
        health.had_trial = True
        if probes := self._probes(job):
            count = counted(len(probes), "contact")
            log.info("Sending %s again that SendGrid has confirmed before, to find out what is at fault.", count)
            for settled in probes:
                self._queue.put_first(settled.probe())
            return
        waiting = [*(suspended for suspended, _ in self._suspended), *self._queue]
        largest = max((one for one in waiting if one.purpose.kind.service is service), key=lambda one: one.count)
        if largest.count == 1 and largest.failed_at:
            raise failure.error
        # At random, because contacts may be bad in some regular order; the same ones whenever the run is repeated.
        chooser = random.Random(0)  # noqa: S311 - no secret is made of it
        chosen = chooser.sample(list(largest.changes()), min(TRIAL_CONTACTS, largest.count))
        log.info("Sending %s alone, to find out what is at fault.", counted(len(chosen), "contact"))
        for identity in reversed(chosen):
            part = largest.part([identity])
            part.is_trial = True
            self._queue.put_first(part)
        largest.pack()
        self._suspended = [entry for entry in self._suspended if entry[0].count]
        self._queue.drop_empty()

    def _probes(self, job: Job) -> list[Settled]:
        kind = job.purpose.kind
        return self._completed.get(kind) or self._found.get(kind) or []

    def clear(self) -> None:
        """Forget the suspended jobs, because nothing more is sent."""
        self._suspended.clear()
