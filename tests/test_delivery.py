"""Delivery with a SendGrid and a clock that the tests drive: what is open, in flight, settled; which states leave."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING, Any

import pytest

from target_sendgrid.delivery import batching
from target_sendgrid.delivery import delivery as deliveries
from target_sendgrid.delivery import job_runner as jobs
from target_sendgrid.delivery.batching import Batcher
from target_sendgrid.delivery.delivery import Delivery
from target_sendgrid.delivery.job_runner import JobRunner
from target_sendgrid.delivery.operations.remove_from_list import REMOVE_FROM_LIST, RemoveFromList
from target_sendgrid.delivery.operations.upsert import Upsert, upsert_kind
from target_sendgrid.delivery.pending import Change, Purpose
from target_sendgrid.delivery.poll_schedule import FIRST_POLL_SECONDS
from target_sendgrid.delivery.state import StateGate
from target_sendgrid.delivery.worker import WorkerThread
from target_sendgrid.errors import JobFailedError
from target_sendgrid.origin import Origin
from target_sendgrid.report.rejections import Rejections
from target_sendgrid.report.report import Bucket, Report
from target_sendgrid.sandbox.options import Options
from target_sendgrid.sandbox.server import SandboxServer
from target_sendgrid.sendgrid.client import Client
from target_sendgrid.sendgrid.contact import encode
from target_sendgrid.sendgrid.lists import ListTracker
from target_sendgrid.sendgrid.transport import Transport
from tests.support import QUICK, SandboxClock, StepwiseWorker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from target_sendgrid.delivery.batching import Batch
    from target_sendgrid.delivery.operation import Operation
    from target_sendgrid.sendgrid.client import JobStatus


class Counter:
    """Where people hand contacts and states in."""

    def __init__(self, sandbox: SandboxServer, *, max_rows: int = 30_000) -> None:
        self.sandbox = sandbox
        self.clock = SandboxClock(sandbox)
        self.client = Client(Transport(sandbox.url, sandbox.api_key, clock=self.clock, timeout_seconds=5))
        self.list_id = self.client.create_list("Everybody").id
        self.other_list_id = self.client.create_list("Others").id
        self.states: list[str] = []
        self.report = Report()
        self._line = 0
        self.batcher = Batcher(self.clock.monotonic)
        self.kind = upsert_kind(max_rows, 3_500_000)
        self.delivery = Delivery(
            batcher=self.batcher,
            worker=StepwiseWorker(self._runner(), self.clock),
            gate=StateGate(lambda state: self.states.append(state.decode())),
            report=self.report,
            rejections=Rejections(None, 100),
            clock=self.clock,
            check_stop=lambda: None,
        )

    def add(self, email: str, *, to_other_list: bool = False, **fields: Any) -> None:
        self._line += 1
        list_id = self.other_list_id if to_other_list else self.list_id
        self.report.stream("people").received += 1
        purpose = Purpose(self.kind, (list_id,))
        self._take(Change(purpose, email, encode({"email": email, **fields}), Origin("people", self._line)))

    def remove(self, email: str) -> None:
        self._line += 1
        self.report.stream("people").received += 1
        purpose = Purpose(REMOVE_FROM_LIST, (self.list_id,))
        self._take(Change(purpose, email, encode({"email": email}), Origin("people", self._line)))

    def _take(self, change: Change) -> None:
        if self.batcher.add(change):
            self.delivery.send_full()

    def state(self, value: str) -> None:
        self._line += 1
        self.delivery.receive_state(self._line, value.encode())

    def puts(self) -> list[int]:
        return [job["results"]["requested_count"] for job in reversed(self.sandbox.jobs())]

    def _runner(self) -> JobRunner:
        tracker = ListTracker(self.client, lambda _: None, can_create=False)
        upsert = Upsert(self.kind, self.client, self.clock, list_tracker=tracker, field_name=str)
        operations: list[Operation] = [upsert, RemoveFromList(self.client, tracker)]
        return JobRunner(operations, self.client, self.clock, list_tracker=tracker, job_timeout_seconds=3600)


@pytest.fixture(scope="module")
def server() -> Iterator[SandboxServer]:
    with SandboxServer(options=Options(rate_limit_enabled=False), manual_clock=True) as sandbox:
        yield sandbox


@pytest.fixture
def make_counter(server: SandboxServer) -> Iterator[Callable[..., Counter]]:
    counters: list[Counter] = []

    def make(**options: int) -> Counter:
        server.reset()
        counters.append(Counter(server, **options))
        return counters[-1]

    yield make
    for counter in counters:
        counter.client.transport.close()


def test_a_state_waits_for_a_pending_import_job(make_counter: Callable[..., Counter]) -> None:
    counter = make_counter(max_rows=1)
    counter.add("a@example.com")
    counter.state("1")
    assert counter.states == []
    counter.delivery.finish()
    assert counter.states == ["1"]
    assert counter.report.stream("people").buckets[Bucket.UPSERTED] == 1


def test_a_state_leaves_at_once_when_nothing_is_unsettled(make_counter: Callable[..., Counter]) -> None:
    counter = make_counter()
    counter.state("1")
    counter.state("2")
    assert counter.states == ["1", "2"]


def test_an_open_batch_is_sent_after_five_minutes(make_counter: Callable[..., Counter]) -> None:
    counter = make_counter()
    counter.add("a@example.com")
    counter.state("1")
    counter.clock.sleep(deliveries.LONGEST_OPEN_SECONDS + 1)
    counter.delivery.settle_ready()
    counter.delivery.wait_for_sent()
    assert counter.states == ["1"]


def test_states_of_settled_batches_leave_while_later_ones_wait(make_counter: Callable[..., Counter]) -> None:
    counter = make_counter(max_rows=2)
    for name in "abc":
        counter.add(f"{name}@example.com")
        counter.state(name)
    counter.delivery.wait_for_sent()
    assert counter.states == ["b"]
    counter.delivery.finish()
    assert counter.states == ["b", "c"]


def test_waiting_states_do_not_pile_up(make_counter: Callable[..., Counter]) -> None:
    counter = make_counter(max_rows=30_000)
    for number in range(200):
        counter.add(f"p{number}@example.com")
        counter.state(str(number))
    gate = counter.delivery._gate  # noqa: SLF001 - what it holds is the point
    assert len(gate._waiting) == 1  # noqa: SLF001 - as above
    counter.delivery.finish()
    assert counter.states == ["199"]


def test_a_person_whose_earlier_version_is_in_flight_waits_for_it(make_counter: Callable[..., Counter]) -> None:
    counter = make_counter(max_rows=2)
    counter.add("a@example.com", first_name="Old", city="London")
    counter.add("b@example.com")
    counter.add("a@example.com", first_name="New")
    counter.add("c@example.com")
    counter.add("d@example.com")
    counter.delivery.finish()
    contacts = {contact["email"]: contact for contact in counter.sandbox.contacts()}
    assert contacts["a@example.com"]["first_name"] == "New"
    assert contacts["a@example.com"]["city"] == "London"
    assert sorted(counter.puts()) == [1, 2, 2]


def test_a_person_of_two_lists_is_sent_once_with_both(make_counter: Callable[..., Counter]) -> None:
    counter = make_counter()
    counter.add("a@example.com")
    counter.add("a@example.com", to_other_list=True, first_name="Ada")
    counter.delivery.finish()
    assert counter.puts() == [1]
    assert [contact["lists"] for contact in counter.sandbox.contacts()] == [["Everybody", "Others"]]


def test_a_person_who_is_added_and_removed_is_off_the_list_in_the_end(make_counter: Callable[..., Counter]) -> None:
    counter = make_counter()
    counter.add("a@example.com", first_name="Ada")
    counter.add("b@example.com")
    counter.remove("a@example.com")
    counter.state("1")
    counter.delivery.settle_ready()
    assert counter.states == []
    counter.delivery.finish()
    contacts = {contact["email"]: contact["lists"] for contact in counter.sandbox.contacts()}
    assert contacts == {"a@example.com": [], "b@example.com": ["Everybody"]}
    buckets = counter.report.stream("people").buckets
    assert (buckets[Bucket.UPSERTED], buckets[Bucket.REMOVED], counter.states) == (2, 1, ["1"])
    assert counter.report.stream("people").unsettled == 0


def test_a_person_who_is_removed_and_added_is_on_the_list_in_the_end(make_counter: Callable[..., Counter]) -> None:
    counter = make_counter()
    counter.add("a@example.com", city="London")
    counter.remove("a@example.com")
    counter.add("a@example.com", city="Paris")
    counter.delivery.finish()
    (contact,) = counter.sandbox.contacts()
    assert (contact["lists"], contact["city"]) == (["Everybody"], "Paris")


def test_a_removal_without_effect_is_asked_for_again(
    make_counter: Callable[..., Counter], monkeypatch: pytest.MonkeyPatch
) -> None:
    """SendGrid has accepted removals, and finished their jobs, without any effect."""
    counter = make_counter()
    counter.add("a@example.com")
    counter.delivery.finish()
    remove, calls = counter.client.remove_from_list, []

    def without_effect(list_id: str, contact_ids: Sequence[str]) -> str:
        calls.append(len(contact_ids))
        return remove(counter.other_list_id if len(calls) == 1 else list_id, contact_ids)

    monkeypatch.setattr(counter.client, "remove_from_list", without_effect)
    counter.remove("a@example.com")
    counter.state("1")
    counter.delivery.finish()
    assert (calls, counter.sandbox.contacts("Everybody"), counter.states) == ([1, 1], [], ["1"])


def test_too_many_held_changes_send_what_they_wait_for(
    make_counter: Callable[..., Counter], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batching, "MAX_HELD_BYTES", 10)
    counter = make_counter()
    counter.add("a@example.com")
    counter.remove("a@example.com")
    assert not counter.batcher.holds_too_much
    counter.delivery.finish()
    assert counter.sandbox.contacts("Everybody") == []


def fill(counter: Counter, batches: int) -> None:
    for number in range(batches):
        counter.add(f"p{number}@example.com", postal_code="x" * 1_000)


def test_contacts_of_accepted_batches_leave_the_memory(
    make_counter: Callable[..., Counter], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "MAX_WAITING_BYTES", 2_500)
    monkeypatch.setattr(deliveries, "MAX_BYTES_IN_MEMORY", 5_000)
    counter = make_counter(max_rows=1)
    fill(counter, 20)
    in_flight = counter.batcher.in_flight
    assert len(in_flight) > 15
    assert sum(not batch.is_spooled for batch in in_flight) <= 5
    counter.delivery.finish()
    assert len(counter.sandbox.contacts()) == 20
    assert counter.report.stream("people").buckets[Bucket.UPSERTED] == 20


def test_jobs_that_end_at_once_are_looked_at_soon_however_long_looking_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliveries, "MAX_BYTES_IN_MEMORY", 2_500)  # two requests
    count, seconds = 20, 0.4
    with SandboxServer(options=QUICK, manual_clock=True) as sandbox:
        counter = Counter(sandbox, max_rows=1)
        look = counter.client.job_status

        def look_slowly(job_id: str) -> JobStatus:
            counter.clock.sleep(seconds)
            return look(job_id)

        monkeypatch.setattr(counter.client, "job_status", look_slowly)
        fill(counter, count)
        counter.delivery.finish()
        counter.client.transport.close()
    waited = counter.clock.slept_seconds - count * seconds
    assert waited < count * FIRST_POLL_SECONDS / 3


def test_spooled_contacts_come_back_when_their_job_fails(
    make_counter: Callable[..., Counter], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "MAX_WAITING_BYTES", 0)
    counter = make_counter(max_rows=2)
    counter.sandbox.add_fault("job_failed")
    for number in range(4):
        counter.add(f"p{number}@example.com")
    counter.delivery.finish()
    assert sorted(contact["email"] for contact in counter.sandbox.contacts()) == [
        f"p{number}@example.com" for number in range(4)
    ]


def test_without_room_for_temporary_files_fewer_batches_are_under_way(
    make_counter: Callable[..., Counter], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "MAX_WAITING_BYTES", 0)
    monkeypatch.setattr(deliveries, "MAX_BYTES_IN_MEMORY", 5_000)
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
    counter = make_counter(max_rows=1)
    fill(counter, 20)
    assert len(counter.batcher.in_flight) <= 5
    counter.delivery.finish()
    assert len(counter.sandbox.contacts()) == 20


def test_a_failure_of_the_job_runner_ends_every_later_wait() -> None:
    class Failing(JobRunner):
        def __init__(self) -> None: ...

        def accept(self, batch: Batch) -> None:
            del batch
            raise JobFailedError("It failed.")

    batcher, purpose = Batcher(lambda: 0.0), Purpose(upsert_kind(1, 3_500_000), ("list",))
    batcher.add(Change(purpose, "a@example.com", encode({"email": "a@example.com"}), Origin("people", 1)))
    thread = WorkerThread(Failing())
    thread.send(batcher.seal(purpose))
    for _ in range(2):
        with pytest.raises(JobFailedError):
            thread.next_event(10)
