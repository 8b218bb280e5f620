"""Delivery: from full batches to settled records. Batches are open, in flight, or settled; states follow.

The courier works in a thread of its own, so that reading goes on while requests and jobs are under way. All that is
counted, rejected, released or written happens in the caller's thread, from the outcomes that the courier puts in a
queue: nothing here needs a lock.
"""

from __future__ import annotations

import logging
import queue
import threading
from typing import TYPE_CHECKING, Protocol

from target_sendgrid.delivery.batching import NOTHING, stream_counts
from target_sendgrid.delivery.job_runner import Spooled
from target_sendgrid.errors import LocalFileError
from target_sendgrid.report.report import Bucket

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from target_sendgrid.clock import Clock
    from target_sendgrid.delivery.batching import Batch, Batcher
    from target_sendgrid.delivery.job_runner import BatchResult, JobEvent, JobRunner
    from target_sendgrid.delivery.state import StateGate
    from target_sendgrid.errors import Reason
    from target_sendgrid.origin import Origin
    from target_sendgrid.report.rejections import Rejections
    from target_sendgrid.report.report import Report

    MakeRunner: TypeAlias = Callable[[Callable[[JobEvent], None]], JobRunner]

log = logging.getLogger("target-sendgrid.delivery")

MAX_BYTES_IN_MEMORY = 8_000_000
"""Size of the requests under way whose contacts are in memory: two of the usual size, one of which may wait there for
its job (see `jobs.MAX_WAITING_BYTES`), so that the next can be sent. `tests/benchmarks/pace.py` tells the memory."""

MAX_BYTES_IN_FLIGHT = 1_000_000_000
"""Size of all requests under way: more than SendGrid takes in the minute or so that it needs for a job."""

LONGEST_OPEN_SECONDS = 300.0
"""How long a batch may wait for more contacts. The SDK drains its sinks as often."""

_WAKE_SECONDS = 0.5
"""How often a waiting run looks whether it was asked to stop."""


class Worker(Protocol):
    """Takes batches and tells what happens to them."""

    def send(self, batch: Batch) -> None:
        """Hand a batch over."""

    def news(self, timeout_seconds: float | None) -> JobEvent | None:
        """Return what happened next; ``None`` when nothing did within the time."""


class MakeWorker(Protocol):
    """Makes a carrier, given how to make its courier."""

    def __call__(self, make_runner: MakeRunner, /) -> Worker:
        """Make it."""


class WorkerThread:
    """Runs a courier's steps in a thread of its own.

    Args:
        make_courier: Makes the courier, given what takes its news.
    """

    def __init__(self, make_runner: MakeRunner) -> None:
        self._inbox: queue.SimpleQueue[Batch] = queue.SimpleQueue()
        self._outbox: queue.SimpleQueue[JobEvent | BaseException] = queue.SimpleQueue()
        self._courier = make_runner(self._outbox.put)
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="courier", daemon=True)

    def send(self, batch: Batch) -> None:
        """Hand a batch to the courier."""
        if self._thread.ident is None:
            self._thread.start()
        self._inbox.put(batch)

    def news(self, timeout_seconds: float | None) -> JobEvent | None:
        """Return what happened next; ``None`` when nothing did within the time.

        Raises:
            TargetSendGridError: What stopped the courier.
        """
        if self._failure is not None:
            raise self._failure
        try:
            item = self._outbox.get(timeout=timeout_seconds) if timeout_seconds else self._outbox.get_nowait()
        except queue.Empty:
            return None
        if isinstance(item, BaseException):
            self._failure = item
            raise item
        return item

    def _run(self) -> None:
        wait: float | None = None
        try:
            while True:
                try:
                    batch = self._inbox.get(timeout=wait) if wait != 0 else self._inbox.get_nowait()
                except queue.Empty:
                    pass
                else:
                    self._courier.accept(batch)
                wait = self._courier.step()
        except BaseException as error:  # noqa: BLE001 - whatever ends the courier must end the run, in the caller's thread
            self._outbox.put(error)


class Delivery:
    """Sends what the batcher has gathered, gets it settled, and lets states follow.

    The run adds contacts to the batcher itself, and says when that may hold a full batch: it does so for each record.

    Args:
        batcher: Open batches.
        courier: Carries sealed batches.
        gate: Holds states back.
        report: Counts outcomes.
        rejections: Takes contacts that SendGrid refuses.
        clock: Where time comes from.
        check_stop: Called while waiting; may raise to end the wait.
    """

    def __init__(  # noqa: PLR0913 - the steps that it ties together
        self,
        *,
        batcher: Batcher,
        courier: Worker,
        gate: StateGate,
        report: Report,
        rejections: Rejections,
        clock: Clock,
        check_stop: Callable[[], None],
    ) -> None:
        self._batcher = batcher
        self._courier = courier
        self._gate = gate
        self._report = report
        self._rejections = rejections
        self._clock = clock
        self._check_stop = check_stop
        self._in_flight: list[Batch] = []
        self._spooled: set[Batch] = set()
        """Those in flight whose contacts are out of the memory."""

    def send_full(self) -> None:
        """Send whatever is full; call it whenever the batcher `may_be_full`."""
        while self._batcher.may_be_full:
            if (list_ids := self._batcher.full()) is not None:
                self._seal_and_send(list_ids)
            elif self._batcher.holds_too_much:
                self._wait_for_news()

    def reject(self, origin: Origin, reason: Reason, sentence: str, sendgrid_message: str | None = None) -> None:
        """Name a rejected record, keep it where the user asked for that, and count it."""
        self._rejections.add(origin, reason, sentence, sendgrid_message)
        self._report.stream(origin.stream).rejected[reason] += 1

    def receive_state(self, line: int, state: bytes) -> None:
        """Take a STATE message, and write it as soon as all before it is settled."""
        self._gate.receive(line, state, boundary_line=self._batcher.boundary_line)
        self.settle_ready()

    def hold_state_from(self, line: int) -> None:
        """Let no state of this line or a later one leave: a record there will not be sent."""
        self._gate.close_from(line)

    def settle_ready(self) -> None:
        """Settle what is ready without waiting, and send batches that have been open for long."""
        while (news := self._courier.news(None)) is not None:
            self._take(news)
        self._advance()
        open_since = self._batcher.open_since()
        if open_since is not None and self._clock.monotonic() - open_since > LONGEST_OPEN_SECONDS:
            for list_ids in self._batcher.open_list_ids():
                self._seal_and_send(list_ids)

    def finish(self) -> None:
        """Send all that waits, and wait until everything is settled."""
        while self._batcher.first_line() is not None:
            for list_ids in self._batcher.open_list_ids():
                self._seal_and_send(list_ids)
            if self._in_flight:
                self._wait_for_news()  # people who are held for it can be sent then
        self.wait_for_sent()

    def wait_for_sent(self) -> None:
        """Wait until everything that was sent is settled; what is open stays open."""
        while self._in_flight:
            self._wait_for_news()
        self._advance()

    def _seal_and_send(self, list_ids: tuple[str, ...]) -> None:
        """Send as much of an open batch as one request holds, waiting first while too much is under way."""
        while self._in_flight and self._is_much_under_way():
            self._wait_for_news()
        batch = self._batcher.seal(list_ids)
        self._in_flight.append(batch)
        self._courier.send(batch)

    def _is_much_under_way(self) -> bool:
        """Tell whether one more request of the size of the last would be too much."""
        following = self._in_flight[-1].byte_count
        in_memory = sum(batch.byte_count for batch in self._in_flight if batch not in self._spooled)
        in_flight = sum(batch.byte_count for batch in self._in_flight)
        return in_memory + following > MAX_BYTES_IN_MEMORY or in_flight + following > MAX_BYTES_IN_FLIGHT

    def _wait_for_news(self) -> None:
        while (news := self._courier.news(_WAKE_SECONDS)) is None:
            self._check_stop()
        self._take(news)
        self._advance()

    def _take(self, news: JobEvent) -> None:
        if isinstance(news, Spooled):
            self._spooled.add(news.batch)
        else:
            self._settle(news)

    def _advance(self) -> None:
        lines = [batch.first_line for batch in self._in_flight]
        first_open = self._batcher.first_line()
        if first_open is not None:
            lines.append(first_open)
        try:
            self._rejections.flush()
            self._gate.advance(min(lines, default=None))
        except LocalFileError:
            self._gate.close_from(0)  # the next attempt may seem to succeed
            raise

    def _settle(self, outcome: BatchResult) -> None:
        self._in_flight.remove(outcome.batch)
        self._spooled.discard(outcome.batch)
        self._batcher.release(outcome.batch)
        if outcome.max_bytes is not None:
            self._batcher.limit_bytes(outcome.max_bytes)
        self._report.job_count += outcome.job_count
        self._count(outcome)
        try:
            for entry, why in outcome.rejected:
                for origin in entry.origins:
                    self.reject(origin, why.reason, why.sentence, why.sendgrid_message)
        except LocalFileError:
            self._gate.close_from(outcome.batch.first_line)  # no file holds what was rejected
            raise
        log.info("%s of %s records settled so far.", f"{self._report.settled:,}", f"{self._report.received:,}")

    def _count(self, outcome: BatchResult) -> None:
        rejected = stream_counts([entry for entry, _ in outcome.rejected])
        for stream, sent in outcome.batch.counts.items():
            lost = rejected.get(stream, NOTHING)
            confirmed = sent.contacts - lost.contacts
            counts = self._report.stream(stream)
            counts.buckets[Bucket.UPSERTED] += confirmed
            counts.buckets[Bucket.DUPLICATE] += sent.records - lost.records - confirmed
