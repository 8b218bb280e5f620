"""Delivery: from accepted contacts to settled records. Batches are open, in flight, or settled; states follow.

The courier works in a thread of its own, so that reading goes on while requests and jobs are under way. All that is
counted, rejected, released or written happens in the caller's thread, from the outcomes that the courier puts in a
queue: nothing here needs a lock.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections import Counter
from typing import TYPE_CHECKING, Protocol

from target_sendgrid.batching import outcomes_by_stream
from target_sendgrid.errors import LocalFileError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeAlias

    from target_sendgrid.batching import Batch, Batcher
    from target_sendgrid.contact import Contact, Entry, Origin
    from target_sendgrid.errors import Reason
    from target_sendgrid.gate import StateGate
    from target_sendgrid.jobs import Courier, Outcome
    from target_sendgrid.rejections import Rejections
    from target_sendgrid.report import Report
    from target_sendgrid.retry import Clock
    from target_sendgrid.shipments import Rejected

    MakeCourier: TypeAlias = Callable[[Callable[[Outcome], None]], Courier]

log = logging.getLogger("target-sendgrid.delivery")

MAX_BATCHES_IN_FLIGHT = 4
"""Batches that are sent and not settled; each holds its contacts in memory, at most `batch_size_bytes` of them."""

LONGEST_OPEN_SECONDS = 300.0
"""How long a batch may wait for more contacts. The SDK drains its sinks as often."""

_WAKE_SECONDS = 0.5
"""How often a waiting run looks whether it was asked to stop."""


class Carrier(Protocol):
    """Takes batches and gives back their outcomes."""

    def send(self, batch: Batch) -> None:
        """Hand a batch over."""

    def outcome(self, timeout_seconds: float | None) -> Outcome | None:
        """Return the next outcome; ``None`` when there is none within the time."""


class MakeCarrier(Protocol):
    """Makes a carrier, given how to make its courier."""

    def __call__(self, make_courier: MakeCourier, /) -> Carrier:
        """Make it."""


class CourierThread:
    """Runs a courier's steps in a thread of its own.

    Args:
        make_courier: Makes the courier, given what takes its outcomes.
    """

    def __init__(self, make_courier: MakeCourier) -> None:
        self._inbox: queue.SimpleQueue[Batch] = queue.SimpleQueue()
        self._outbox: queue.SimpleQueue[Outcome | BaseException] = queue.SimpleQueue()
        self._courier = make_courier(self._outbox.put)
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="courier", daemon=True)

    def send(self, batch: Batch) -> None:
        """Hand a batch to the courier."""
        if self._thread.ident is None:
            self._thread.start()
        self._inbox.put(batch)

    def outcome(self, timeout_seconds: float | None) -> Outcome | None:
        """Return the next outcome; ``None`` when there is none within the time.

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
    """Takes contacts, gets them settled, and lets states follow.

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
        courier: Carrier,
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

    def add(self, identity: str, contact: Contact, list_id: str, origin: Origin) -> None:
        """Take a contact to deliver, and send whatever is full."""
        self._batcher.add(identity, contact, list_id, origin)
        if self._batcher.may_be_full:
            while (list_ids := self._batcher.full()) is not None:
                self._seal_and_send(list_ids)

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
        while (outcome := self._courier.outcome(None)) is not None:
            self._settle(outcome)
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
                self._wait_for_outcome()  # people who are held for it can be sent then
        self.wait_for_sent()

    def wait_for_sent(self) -> None:
        """Wait until everything that was sent is settled; what is open stays open."""
        while self._in_flight:
            self._wait_for_outcome()
        self._advance()

    def _seal_and_send(self, list_ids: tuple[str, ...]) -> None:
        """Send as much of an open batch as one request holds, waiting first while too much is under way."""
        while len(self._in_flight) >= MAX_BATCHES_IN_FLIGHT:
            self._wait_for_outcome()
        batch = self._batcher.seal(list_ids)
        self._in_flight.append(batch)
        self._courier.send(batch)

    def _wait_for_outcome(self) -> None:
        while (outcome := self._courier.outcome(_WAKE_SECONDS)) is None:
            self._check_stop()
        self._settle(outcome)
        self._advance()

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

    def _settle(self, outcome: Outcome) -> None:
        self._in_flight = [batch for batch in self._in_flight if batch is not outcome.batch]
        self._batcher.release(outcome.batch)
        if outcome.max_bytes is not None:
            self._batcher.limit_bytes(outcome.max_bytes)
        self._report.job_count += outcome.job_count
        entries, rejected = outcome.batch.entries, outcome.rejected
        self._count([entries[identity] for identity in entries if identity not in rejected])
        try:
            for identity in rejected:
                self._reject(entries[identity], rejected[identity])
        except LocalFileError:
            self._gate.close_from(outcome.batch.first_line)  # no file holds what was rejected
            raise
        log.info("%s of %s records settled so far.", f"{self._report.settled:,}", f"{self._report.received:,}")

    def _count(self, confirmed: Sequence[Entry]) -> None:
        alone = Counter(entry.origins[0].stream for entry in confirmed if len(entry.origins) == 1)
        for stream, count in alone.items():
            self._report.stream(stream).upserted += count
        for entry in confirmed:
            if len(entry.origins) > 1:
                for stream, record_count in outcomes_by_stream(entry):
                    counts = self._report.stream(stream)
                    counts.upserted += 1
                    counts.duplicates += record_count - 1

    def _reject(self, entry: Entry, rejected: Rejected) -> None:
        for origin in entry.origins:
            self.reject(origin, rejected.reason, rejected.sentence, rejected.sendgrid_message)
