"""Delivery with a worker that the tests steer: what may be under way, when it waits, and when states are written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from target_sendgrid.audience.intents import Intents
from target_sendgrid.delivery import delivery as delivery_module
from target_sendgrid.delivery.batching import Batcher
from target_sendgrid.delivery.delivery import LONGEST_OPEN_SECONDS, Delivery
from target_sendgrid.delivery.events import BatchResult, Spooled, UnderWay
from target_sendgrid.delivery.job import RejectedContact, Rejection
from target_sendgrid.delivery.operations.upsert import upsert_kind
from target_sendgrid.delivery.over_limit import OverLimit
from target_sendgrid.delivery.pending import Change, Purpose, unpack
from target_sendgrid.delivery.state import StateGate
from target_sendgrid.errors import LocalFileError, Reason, TerminatedError
from target_sendgrid.origin import Origin
from target_sendgrid.report.rejection_limit import RejectionLimit
from target_sendgrid.report.rejections import Rejections
from target_sendgrid.report.report import Bucket, Report
from target_sendgrid.sendgrid.contact import encode
from tests.harness.clocks import ManualClock

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_sendgrid.delivery.events import JobEvent
    from target_sendgrid.delivery.pending import Batch

SIZE = 1_000
"""Bytes of a request with one contact, as `Harness.add` makes them."""


class Steered:
    """A worker whose batches are settled when a test says so, or whenever the delivery waits."""

    def __init__(self) -> None:
        self.sent: list[Batch] = []
        self.changes: dict[int, dict[str, Change]] = {}
        self.events: list[JobEvent] = []
        self.settles_when_waited_for = False
        self.waits = 0

    def send(self, batch: Batch) -> None:
        assert batch.packed is not None
        self.changes[id(batch)] = unpack(batch.packed, batch.purpose)
        self.sent.append(batch)

    def next_event(self, timeout_seconds: float) -> JobEvent | None:
        if timeout_seconds and not self.events:
            self.waits += 1
            assert self.waits < 1_000, "it waits without end"
            if self.settles_when_waited_for:
                self.settle(self.sent.pop(0))
        return self.events.pop(0) if self.events else None

    def under_way(self) -> UnderWay:
        return UnderWay(len(self.sent), "import job", len(self.sent), 100.0)

    def settle(self, batch: Batch, *rejected: str, **result: Any) -> None:
        """Let the next event be the end of a batch, with some of its people rejected."""
        rejection = Rejection(Reason.REFUSED_BY_SENDGRID, "It was refused.", "no")
        contacts = [RejectedContact(self.changes[id(batch)][identity], rejection) for identity in rejected]
        self.events.append(BatchResult(batch, contacts, result.pop("job_count", 1), **result))


class Kept(Rejections):
    """Rejections that note what happens, and whose disk may fail."""

    def __init__(self, notes: list[str]) -> None:
        super().__init__(None, 100)
        self.notes = notes
        self.fails_at = ""
        self.words: list[tuple[str, str | None]] = []

    def _note(self, what: str) -> None:
        self.notes.append(what)
        if self.fails_at == what:
            raise LocalFileError("The disk is full.")

    def add(
        self,
        origin: Origin,
        reason: Reason,
        sentence: str,
        sendgrid_message: str | None = None,
        *,
        report: Report,
        now: float,
    ) -> None:
        del report, now
        self.words.append((sentence, sendgrid_message))
        self._note(f"rejected {origin.line} {reason.value}")

    def flush(self) -> None:
        self._note("flushed")


class Harness:
    """A delivery whose worker, clock and disk the tests steer."""

    def __init__(self, max_rows: int = 1, max_percent: float = 100) -> None:
        self.clock, self.worker, self.report = ManualClock(100.0), Steered(), Report()
        self.notes: list[str] = []
        """What was rejected, flushed and written, in order."""
        self.rejections = Kept(self.notes)
        self.kind = upsert_kind(max_rows, 1_000_000)
        self.purpose = Purpose(self.kind, ("L",))
        self.batcher = Batcher(self.clock.monotonic)
        self.checks = 0
        self.on_check: Callable[[], None] = lambda: None
        gate = StateGate(lambda state: self.notes.append(f"state {state.decode()}"), RejectionLimit(max_percent))
        self.delivery = Delivery(
            batcher=self.batcher,
            waiting=[Intents()],
            worker=self.worker,
            gate=gate,
            over_limit=OverLimit(1, gate, is_failure=True),
            report=self.report,
            rejections=self.rejections,
            clock=self.clock,
            check_stop=self._check_stop,
        )

    def _check_stop(self) -> None:
        self.checks += 1
        assert self.checks < 1_000
        self.on_check()

    def terminate(self) -> None:
        raise TerminatedError(15)

    @property
    def states(self) -> list[str]:
        return [note.removeprefix("state ") for note in self.notes if note.startswith("state ")]

    def add(self, line: int, name: str = "", *, stream: str = "people") -> None:
        """Add a contact that fills a request of `SIZE` bytes."""
        email = f"{name or f'p{line}'}@example.com"
        room = SIZE - self.kind.overhead_bytes(("L",)) - len(encode({"email": email, "city": ""}))
        self.report.stream(stream).received += 1
        contact = encode({"email": email, "city": "x" * room})
        if self.batcher.add(Change(self.purpose, email, contact, Origin(stream, line))):
            self.delivery.send_full()


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """At most three requests in memory and five under way."""
    monkeypatch.setattr(delivery_module, "MAX_BYTES_IN_MEMORY", 3 * SIZE)
    monkeypatch.setattr(delivery_module, "MAX_BYTES_IN_FLIGHT", 5 * SIZE)


@pytest.mark.usefixtures("small")
class TestLimits:
    def test_as_many_bytes_are_in_memory_as_allowed_and_no_more(self) -> None:
        harness = Harness()
        harness.worker.settles_when_waited_for = True
        for line, waits in ((1, 0), (2, 0), (3, 0), (4, 1), (5, 2)):
            harness.add(line)
            assert harness.worker.waits == waits
        assert sum(batch.byte_count for batch in harness.batcher.in_flight) == 3 * SIZE

    def test_what_is_on_disk_counts_only_for_all_that_is_under_way(self) -> None:
        harness = Harness()
        for line in range(1, 6):
            harness.add(line)
            harness.worker.events.append(Spooled(harness.worker.sent[-1]))
            harness.delivery.settle_ready()
        assert harness.worker.waits == 0
        harness.worker.settles_when_waited_for = True
        harness.add(6)
        assert (harness.worker.waits, len(harness.batcher.in_flight)) == (1, 5)

    def test_a_request_larger_than_the_limit_is_sent_when_nothing_else_is_under_way(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(delivery_module, "MAX_BYTES_IN_MEMORY", SIZE - 1)
        harness = Harness()
        harness.worker.settles_when_waited_for = True
        for line in (1, 2):
            harness.add(line)
        assert (harness.worker.waits, len(harness.batcher.in_flight)) == (1, 1)

    def test_a_wait_for_the_worker_ends_when_the_run_is_to_stop(self) -> None:
        harness = Harness()
        for line in (1, 2, 3):
            harness.add(line)
        harness.on_check = harness.terminate
        with pytest.raises(TerminatedError):
            harness.add(4)
        assert len(harness.worker.sent) == 3


class TestReleases:
    def harness(self) -> Harness:
        """Return a delivery that holds a contact because an untracked job may have its older values for a minute."""
        harness = Harness()
        harness.add(1, "ada")
        harness.add(2, "ada")
        harness.delivery.receive_state(3, b"3")
        harness.worker.settle(harness.worker.sent.pop(), people_free_at=harness.clock.seconds + 60.0)
        return harness

    def test_a_held_contact_is_sent_once_no_older_values_can_come(self) -> None:
        harness = self.harness()
        harness.worker.settles_when_waited_for = True
        harness.delivery.finish()
        assert (harness.clock.seconds, sum(harness.clock.sleeps)) == (160.0, 60.0)
        assert max(harness.clock.sleeps) <= 0.5
        assert harness.checks == len(harness.clock.sleeps)
        assert harness.states == ["3"]

    def test_the_wait_for_it_ends_when_the_run_is_to_stop(self) -> None:
        harness = self.harness()
        harness.delivery.settle_ready()
        harness.on_check = harness.terminate
        with pytest.raises(TerminatedError):
            harness.delivery.finish()
        assert (harness.clock.sleeps, harness.states) == ([], [])

    def test_it_is_sent_between_two_chunks_when_its_time_has_come(self) -> None:
        harness = self.harness()
        for seconds, sent in ((0.0, 0), (59.0, 0), (1.0, 1)):
            harness.clock.sleep(seconds)
            harness.delivery.settle_ready()
            assert len(harness.worker.sent) == sent

    def test_too_much_that_is_held_makes_reading_wait(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("target_sendgrid.delivery.batching.MAX_HELD_BYTES", 10)
        harness = Harness()
        harness.add(1, "ada")
        harness.worker.settle(harness.worker.sent.pop(), people_free_at=harness.clock.seconds + 60.0)
        harness.worker.settles_when_waited_for = True
        harness.add(2, "ada")
        assert (harness.clock.seconds, [batch.first_line for batch in harness.worker.sent]) == (160.0, [2])


class TestStates:
    def test_rejected_records_are_on_disk_before_a_state_that_covers_them(self) -> None:
        harness = Harness()
        harness.delivery.reject(Origin("people", 1), Reason.INVALID_EMAIL, "It is bad.")
        harness.delivery.receive_state(2, b"2")
        assert harness.notes == ["rejected 1 invalid_email", "flushed", "state 2"]
        assert harness.report.stream("people").rejected == {Reason.INVALID_EMAIL: 1}
        assert harness.rejections.words == [("It is bad.", None)]
        harness.delivery.reject(Origin("people", 3), Reason.REFUSED_BY_SENDGRID, "It is bad.", "no")
        assert harness.rejections.words[1:] == [("It is bad.", "no")]

    def test_no_state_is_written_after_the_disk_has_failed_once(self) -> None:
        harness = Harness()
        harness.rejections.fails_at = "flushed"
        with pytest.raises(LocalFileError):
            harness.delivery.receive_state(2, b"2")
        harness.rejections.fails_at = ""
        harness.delivery.receive_state(3, b"3")
        harness.delivery.finish()
        assert harness.states == []

    def test_no_state_passes_a_contact_whose_rejection_is_not_on_disk(self) -> None:
        harness = Harness()
        for line in (1, 3, 5):
            harness.add(line)
            harness.delivery.receive_state(line + 1, str(line + 1).encode())
        first, second, third = harness.worker.sent
        harness.rejections.fails_at = "rejected 3 refused_by_sendgrid"
        harness.worker.settle(third)
        harness.worker.settle(second, "p3@example.com")
        with pytest.raises(LocalFileError):
            harness.delivery.settle_ready()
        harness.worker.settle(first)
        harness.delivery.wait_for_sent()
        assert harness.states == ["2"]

    def test_no_state_is_written_from_a_line_on_that_will_not_be_sent(self) -> None:
        harness = Harness()
        harness.delivery.hold_state_from(3)
        for line in (2, 3, 4):
            harness.delivery.receive_state(line, str(line).encode())
        assert harness.states == ["2"]

    def test_a_state_waits_for_open_batches_and_for_those_in_flight(self) -> None:
        harness = Harness(max_rows=2)
        for line in (1, 2, 4):
            harness.add(line)
            harness.delivery.receive_state(line + 1, str(line + 1).encode())
        assert harness.states == []
        harness.worker.settle(harness.worker.sent.pop())
        harness.delivery.settle_ready()
        assert harness.states == ["3"]
        harness.worker.settles_when_waited_for = True
        harness.delivery.finish()
        assert harness.states == ["3", "5"]

    def test_states_that_are_ready_are_written_while_reading_waits(self) -> None:
        harness = Harness()
        harness.add(1)
        harness.delivery.receive_state(2, b"2")
        harness.worker.settles_when_waited_for = True
        harness.delivery.wait_for_sent()
        assert harness.states == ["2"]


class TestLimitOfRejections:
    def test_a_rejected_record_counts_for_the_states_behind_it_only(self) -> None:
        harness = Harness(max_percent=0)
        harness.add(1)
        harness.delivery.receive_state(2, b"2")
        harness.add(3)
        harness.delivery.receive_state(4, b"4")
        first, second = harness.worker.sent
        harness.worker.settle(second, "p3@example.com")
        harness.delivery.settle_ready()
        harness.worker.settle(first)
        harness.delivery.settle_ready()
        assert harness.states == ["2"]

    def test_records_without_an_identifier_do_not_count_while_others_are_accepted(self) -> None:
        harness = Harness(max_percent=0)
        harness.add(1)
        harness.worker.settles_when_waited_for = True
        harness.delivery.finish()
        harness.report.stream("people").received += 1
        harness.delivery.reject(Origin("people", 2), Reason.NO_IDENTIFIER, "Nothing identifies it.")
        harness.delivery.receive_state(3, b"3")
        assert harness.states == ["3"]

    def test_a_state_is_held_back_when_all_records_before_it_are_rejected(self) -> None:
        harness = Harness(max_percent=50)
        harness.report.stream("people").received += 1
        harness.delivery.reject(Origin("people", 1), Reason.NO_IDENTIFIER, "Nothing identifies it.")
        harness.delivery.receive_state(2, b"2")
        assert harness.states == []


class TestSettling:
    def test_a_batch_that_has_been_open_for_long_is_sent(self) -> None:
        harness = Harness(max_rows=10)
        harness.add(1)
        harness.clock.sleep(LONGEST_OPEN_SECONDS)
        harness.delivery.settle_ready()
        assert harness.worker.sent == []
        harness.clock.sleep(1.0)
        harness.delivery.settle_ready()
        assert [batch.first_line for batch in harness.worker.sent] == [1]

    def test_a_batch_that_becomes_full_by_a_lower_limit_is_sent(self) -> None:
        harness = Harness(max_rows=2)
        for line in (1, 2, 3):
            harness.add(line)
        harness.worker.settle(harness.worker.sent.pop(), max_bytes=SIZE)
        harness.delivery.settle_ready()
        assert [batch.first_line for batch in harness.worker.sent] == [3]

    def test_every_event_that_is_ready_is_handled(self) -> None:
        harness = Harness()
        for line in (1, 2, 3):
            harness.add(line)
        for batch, job_count in zip(harness.worker.sent, (1, 2, 4), strict=True):
            harness.worker.settle(batch, job_count=job_count)
        harness.delivery.settle_ready()
        assert (harness.batcher.in_flight, harness.report.job_count, harness.report.settled) == ([], 7, 3)

    def test_confirmed_rejected_and_merged_records_are_counted_by_stream(self) -> None:
        harness = Harness(max_rows=10)
        for line, name, stream in (
            (1, "ada", "people"),
            (2, "ada", "people"),
            (3, "ada", "guests"),
            (4, "bob", "people"),
            (5, "bob", "people"),
            (6, "eve", "guests"),
        ):
            harness.add(line, name, stream=stream)
        harness.clock.sleep(LONGEST_OPEN_SECONDS + 1)
        harness.delivery.settle_ready()
        harness.worker.settle(harness.worker.sent.pop(), "bob@example.com")
        harness.delivery.settle_ready()
        people, guests = harness.report.stream("people"), harness.report.stream("guests")
        assert (people.buckets[Bucket.UPSERTED], people.buckets[Bucket.DUPLICATE]) == (1, 1)
        assert (guests.buckets[Bucket.UPSERTED], guests.buckets[Bucket.DUPLICATE]) == (2, 0)
        assert (people.rejected, guests.rejected) == ({Reason.REFUSED_BY_SENDGRID: 2}, {})
        assert (people.unsettled, guests.unsettled) == (0, 0)
        assert [note for note in harness.notes if note.startswith("rejected")] == [
            "rejected 4 refused_by_sendgrid", "rejected 5 refused_by_sendgrid",
        ]  # fmt: skip
        assert harness.rejections.words == [("It was refused.", "no")] * 2
        for line in (7, 8, 9):
            harness.add(line, "zoe")
        harness.worker.settles_when_waited_for = True
        harness.delivery.finish()
        assert (people.buckets[Bucket.UPSERTED], people.buckets[Bucket.DUPLICATE]) == (2, 3)
