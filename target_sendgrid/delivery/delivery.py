"""Delivery: batches are sealed, sent and settled here, and states are written once everything before them is settled.

The job runner works in another thread, so that records are read while requests and jobs are under way. Everything that
is counted, rejected, released or written happens in the caller's thread, from the events in the worker's queue. So
nothing here needs a lock.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol

from target_sendgrid.delivery.events import Spooled
from target_sendgrid.delivery.pending import NOTHING, stream_counts
from target_sendgrid.errors import LocalFileError, Reason
from target_sendgrid.origin import Origin
from target_sendgrid.report.progress import Progress
from target_sendgrid.report.report import Bucket

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from target_sendgrid.clock import Clock
    from target_sendgrid.delivery.batching import Batcher
    from target_sendgrid.delivery.events import BatchResult, JobEvent
    from target_sendgrid.delivery.known_people import KnownPeople
    from target_sendgrid.delivery.over_limit import OverLimit
    from target_sendgrid.delivery.pending import Change, OperationKind, Purpose
    from target_sendgrid.delivery.state import StateGate
    from target_sendgrid.delivery.worker import Worker
    from target_sendgrid.report.rejections import Rejections
    from target_sendgrid.report.report import Report

log = logging.getLogger("target-sendgrid.delivery")

MAX_BYTES_IN_MEMORY = 8_000_000
"""Most request bytes under way whose contacts are in memory: two requests of the default size.

One of them may wait for its job in memory (see `spool.MAX_WAITING_BYTES`) while the next is sent.
`tools/benchmarks/pace.py` measures the memory.
"""

MAX_BYTES_IN_FLIGHT = 1_000_000_000
"""Most request bytes under way: more than SendGrid takes in the minute or so that it needs for a job."""

LONGEST_OPEN_SECONDS = 300.0
"""How long a batch may wait for more contacts. The SDK drains its sinks as often."""

_CHECK_STOP_SECONDS = 0.5
"""How often a waiting run checks whether it was asked to stop."""


class WaitsForCheckpoint(Protocol):
    """Records that wait for a checkpoint."""

    @property
    def first_line(self) -> int | None:
        """Line of the first record that waits or is not done, or ``None``."""

    @property
    def boundary_line(self) -> int:
        """Line of the last record that was the first to wait: states before and after it are written apart."""


class Withheld:
    """People for whom something was not done, since a ceiling does not allow it."""

    def __init__(self) -> None:
        self.count = 0
        self.first = Origin("", 0)
        """Where the first of them is."""

    def add(self, origin: Origin) -> None:
        """Add a person."""
        if not self.count or origin.place < self.first.place:
            self.first = origin
        self.count += 1


class Delivery:
    """Sends what the batcher has gathered, gets it settled, and writes the states that follow.

    The run adds changes to the batcher itself, for speed, and calls `send_full` when a limit may be reached.

    Args:
        batcher: Open batches, and those in flight.
        waiting: What waits for a checkpoint: no state covers it.
        worker: Runs the jobs of sealed batches.
        gate: Holds states back.
        over_limit: Notes who was left out, since the account has no room.
        known: Notes who is sent and who is settled; ``None`` without a snapshot, and in a dry run.
        report: Counts outcomes.
        rejections: Takes rejected records.
        clock: Where time comes from.
        check_stop: Called while waiting; may raise to end the wait.
    """

    def __init__(  # noqa: PLR0913 - the steps that it connects
        self,
        *,
        batcher: Batcher,
        waiting: Sequence[WaitsForCheckpoint],
        worker: Worker,
        gate: StateGate,
        over_limit: OverLimit,
        known: KnownPeople | None = None,
        report: Report,
        rejections: Rejections,
        clock: Clock,
        check_stop: Callable[[], None],
    ) -> None:
        self._batcher = batcher
        self._waiting = waiting
        self._worker = worker
        self._gate = gate
        self._over_limit = over_limit
        self._known = known
        self._report = report
        self._rejections = rejections
        self._clock = clock
        self._check_stop = check_stop
        self._progress = Progress(report, clock)
        self._results: dict[OperationKind, list[BatchResult]] = {}
        """Results of operations whose changes are not counted here, by operation (see `take_results`)."""
        self.withheld: dict[tuple[OperationKind, str], Withheld] = {}
        """What was not done, since a ceiling does not allow it, by operation and stream."""

    def send_full(self) -> None:
        """Send all full batches, and wait while too many changes are held for others."""
        while True:
            if (purpose := self._batcher.next_full()) is not None:
                self._seal_and_send(purpose)
            elif not self._batcher.holds_too_much:
                return
            elif self._batcher.in_flight:
                self._wait_for_event()
            elif self._batcher.open_purposes():
                self._send_open()  # which the held changes wait for
            else:
                self._wait_for_release()

    def reject(self, origin: Origin, reason: Reason, sentence: str, sendgrid_message: str | None = None) -> None:
        """Log a rejected record, keep it where the user asked for that, and count it."""
        now = self._clock.now()
        self._rejections.add(origin, reason, sentence, sendgrid_message, report=self._report, now=now)
        self._report.stream(origin.stream).rejected[reason] += 1
        self._gate.count_rejected(origin.line, reason)

    def leave_out_deleted(self, origin: Origin) -> None:
        """Log and count a row that the source has deleted and that shows no identifier, and keep it as rejected ones.

        Nobody can correct such rows, so they do not count for the limit of rejections.
        """
        sentence = "The row was deleted at the source, and it has none of the mapped identifiers."
        reason, now = Reason.DELETED_WITHOUT_IDENTIFIER, self._clock.now()
        self._rejections.add(origin, reason, sentence, report=self._report, now=now)
        self._report.stream(origin.stream).buckets[Bucket.DELETED_WITHOUT_IDENTIFIER] += 1

    def count_not_found(self, change: Change) -> None:
        """Count the records of a change for somebody who is not in the account."""
        for number, origin in enumerate(change.origins):
            self._report.stream(origin.stream).buckets[Bucket.DUPLICATE if number else Bucket.NOT_FOUND] += 1

    def receive_state(self, line: int, state: bytes) -> None:
        """Take a STATE message, and write it as soon as every record before it is settled."""
        boundary_line = max(self._batcher.boundary_line, *(one.boundary_line for one in self._waiting))
        record_count = self._report.not_ignored_count
        self._gate.receive(line, state, boundary_line=boundary_line, record_count=record_count)
        self.settle_ready()

    def hold_state_from(self, line: int) -> None:
        """Never write a state of this line or a later one: a record there will not be sent."""
        self._gate.close_from(line)

    def settle_ready(self) -> None:
        """Settle what is ready, and send batches that are full or have been open for long.

        It waits only where one more request would exceed the limits of what may be under way.
        """
        while (event := self._worker.next_event(0)) is not None:
            self._handle(event)
        self._progress.note_reading()
        self._write_state()
        self._batcher.release_due()
        while (purpose := self._batcher.next_full() or self._batcher.largest_of_too_many()) is not None:
            self._seal_and_send(purpose)
        open_since = self._batcher.open_since()
        if open_since is not None and self._clock.monotonic() - open_since > LONGEST_OPEN_SECONDS:
            self._send_open()

    def finish(self) -> None:
        """Send everything that waits, and wait until it is settled."""
        while self._batcher.first_line() is not None:
            self._send_open()
            self._wait_for_some()
        self.wait_for_sent()

    def finish_kinds(self, kinds: Collection[OperationKind]) -> None:
        """Send what waits of some operations, and wait until it is settled, whatever else is under way."""
        while self._batcher.is_unsettled(kinds):
            purposes = self._batcher.open_purposes()
            wanted = [purpose for purpose in purposes if purpose.kind in kinds]
            if wanted or not self._batcher.in_flight:  # held changes may wait for those of other operations
                for purpose in wanted or purposes:
                    self._seal_and_send(purpose)
            self._wait_for_some()

    def take_results(self, kinds: Collection[OperationKind]) -> list[BatchResult]:
        """Return and forget the results of settled batches of operations that have no bucket of the report."""
        return [result for kind in kinds for result in self._results.pop(kind, [])]

    def wait_for_sent(self) -> None:
        """Wait until everything that was sent is settled; open batches stay open."""
        while self._batcher.in_flight:
            self._wait_for_event()
        self._write_state()

    def _wait_for_some(self) -> None:
        """Wait until something is settled, or until held changes may be sent."""
        if self._batcher.in_flight:
            self._wait_for_event()
        else:
            self._wait_for_release()

    def _send_open(self) -> None:
        for purpose in self._batcher.open_purposes():
            self._seal_and_send(purpose)

    def _seal_and_send(self, purpose: Purpose) -> None:
        """Send as much of an open batch as one request holds, after waiting while too much is under way."""
        while self._batcher.in_flight and self._is_much_under_way():
            self._wait_for_event()
        batch = self._batcher.seal(purpose)
        if self._known is not None:
            try:
                self._known.note_sending(batch)
            except LocalFileError:
                self._gate.close_from(batch.first_line)
                self._batcher.release(batch)  # nobody waits for what is not sent
                raise
        self._worker.send(batch)

    def _is_much_under_way(self) -> bool:
        """Return whether one more request of the size of the last would exceed a limit."""
        batches = self._batcher.in_flight
        following = batches[-1].byte_count
        in_memory = sum(batch.byte_count for batch in batches if not batch.is_spooled)
        in_flight = sum(batch.byte_count for batch in batches)
        return in_memory + following > MAX_BYTES_IN_MEMORY or in_flight + following > MAX_BYTES_IN_FLIGHT

    def _wait_for_event(self) -> None:
        while (event := self._worker.next_event(_CHECK_STOP_SECONDS)) is None:
            self._check_stop()
            self._note_waiting()
        self._handle(event)
        self._write_state()

    def _note_waiting(self) -> None:
        self._progress.note_waiting(self._worker.under_way().sentence(self._clock.monotonic()))

    def _wait_for_release(self) -> None:
        """Wait until some people may be sent again of whom an untracked job may hold older values."""
        seconds = self._batcher.seconds_until_release()
        if seconds is not None:
            log.info("Waiting %.0f s: SendGrid may still work on older values of people who have newer ones.", seconds)
            ends_at = self._clock.monotonic() + seconds
            while (left := ends_at - self._clock.monotonic()) > 0:
                self._check_stop()
                self._note_waiting()
                self._clock.sleep(min(left, _CHECK_STOP_SECONDS))
        self._batcher.release_due()

    def _handle(self, event: JobEvent) -> None:
        if isinstance(event, Spooled):
            event.batch.is_spooled = True
        else:
            self._settle(event)

    def _write_state(self) -> None:
        """Write the newest state that every record before is settled for, once rejected records are safe on disk."""
        lines = [batch.first_line for batch in self._batcher.in_flight]
        waiting = (self._batcher.first_line(), *(one.first_line for one in self._waiting))
        lines += [line for line in waiting if line is not None]
        try:
            self._rejections.flush()
            self._gate.advance(min(lines, default=None))
        except LocalFileError:
            # After a failed write, the next one may succeed although data is lost: no further state is written.
            self._gate.close_from(0)
            raise

    def _settle(self, result: BatchResult) -> None:
        batch = result.batch
        self._note_withheld(batch.purpose.kind, result.withheld)
        self._over_limit.note(result.over_limit)
        self._batcher.release(batch, free_at=result.people_free_at)
        self._batcher.set_max_bytes(batch.purpose.kind, result.max_bytes)
        try:
            if self._known is not None:
                self._known.note_settled(result)
            if batch.purpose.kind.bucket is None:
                self._results.setdefault(batch.purpose.kind, []).append(result)
                return
            self._count(result, batch.purpose.kind.bucket)
            for change, rejection in result.rejected:
                for origin in change.origins:
                    self.reject(origin, rejection.reason, rejection.sentence, rejection.sendgrid_message)
        except LocalFileError:
            # A rejected record is not in its file, or the snapshot may still know what is no longer true.
            self._gate.close_from(batch.first_line)
            raise
        self._progress.note_reading()

    def _note_withheld(self, kind: OperationKind, withheld: Sequence[Change]) -> None:
        """Note what is not done, and write no state that covers it."""
        for change in withheld:
            self._gate.close_from(change.origin.line)
            self.withheld.setdefault((kind, change.origin.stream), Withheld()).add(change.origin)

    def _count(self, result: BatchResult, bucket: Bucket) -> None:
        if bucket is Bucket.UPSERTED:
            self._report.job_count += result.job_count
        rejected = stream_counts([change for change, _ in result.rejected])
        not_found, withheld = stream_counts(result.not_found), stream_counts(result.withheld)
        over_limit = stream_counts(result.over_limit)
        for stream, sent in result.batch.counts.items():
            lost, absent = rejected.get(stream, NOTHING), not_found.get(stream, NOTHING)
            undone, left_out = withheld.get(stream, NOTHING), over_limit.get(stream, NOTHING)
            people = sent.contacts - lost.contacts - undone.contacts
            buckets = self._report.stream(stream).buckets
            buckets[bucket] += people - absent.contacts - left_out.contacts
            buckets[Bucket.NOT_FOUND] += absent.contacts
            buckets[Bucket.OVER_ACCOUNT_LIMIT] += left_out.contacts
            buckets[Bucket.DUPLICATE] += sent.records - lost.records - undone.records - people
