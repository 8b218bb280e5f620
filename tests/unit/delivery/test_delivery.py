"""Delivery against a sandbox, on a clock that the tests move: what is sent and settled, which states are written."""

from __future__ import annotations

import tempfile
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pytest

from target_sendgrid.audience.intents import Intents
from target_sendgrid.audience.removal_limit import RemovalLimit
from target_sendgrid.clock import SystemClock
from target_sendgrid.delivery import batching, delivery, job, spool, state
from target_sendgrid.delivery.batching import Batcher
from target_sendgrid.delivery.delivery import Delivery
from target_sendgrid.delivery.job_runner import JobRunner
from target_sendgrid.delivery.operations.remove_from_list import REMOVE_FROM_LIST, RemoveFromList
from target_sendgrid.delivery.operations.upsert import Upsert, upsert_kind
from target_sendgrid.delivery.over_limit import OverLimit
from target_sendgrid.delivery.pending import Change, Purpose
from target_sendgrid.delivery.poll_schedule import SHORTEST_POLL_SECONDS
from target_sendgrid.delivery.state import StateGate
from target_sendgrid.delivery.worker import WorkerThread
from target_sendgrid.errors import JobFailedError, NotFoundError, Reason
from target_sendgrid.origin import Origin
from target_sendgrid.report.rejection_limit import RejectionLimit
from target_sendgrid.report.rejections import Rejections
from target_sendgrid.report.report import Bucket, Report
from target_sendgrid.sandbox.options import Options
from target_sendgrid.sandbox.server import SandboxServer
from target_sendgrid.sendgrid.client import MAX_IDS_PER_REMOVAL, Client, JobStatus
from target_sendgrid.sendgrid.contact import encode
from target_sendgrid.sendgrid.lists import ListTracker
from target_sendgrid.sendgrid.transport import Transport
from tests.harness.clocks import SandboxClock
from tests.harness.runs import QUICK, StepwiseWorker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from target_sendgrid.delivery.job import Job
    from target_sendgrid.delivery.operation import Operation
    from target_sendgrid.delivery.pending import Batch


class DeliveryHarness:
    """A delivery with a sandbox, and methods that add changes and states as the lines of a tap would."""

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
        gate = StateGate(lambda state: self.states.append(state.decode()), RejectionLimit(100))
        self.delivery = Delivery(
            batcher=self.batcher,
            waiting=[Intents()],
            worker=StepwiseWorker(self._runner(), self.clock),
            gate=gate,
            over_limit=OverLimit(1, gate, is_failure=True),
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

    def remove_by_id(self, contact_id: str) -> None:
        self._line += 1
        self.report.stream("people").received += 1
        purpose = Purpose(REMOVE_FROM_LIST, (self.list_id,))
        self._take(Change(purpose, contact_id, encode({"id": contact_id}), Origin("people", self._line)))

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
        remove = RemoveFromList(self.client, self.clock, tracker, RemovalLimit(lambda _: None))
        operations: list[Operation] = [upsert, remove]
        return JobRunner(operations, self.client, self.clock, list_tracker=tracker, job_timeout_seconds=3600)


@pytest.fixture
def make_harness(sandbox: SandboxServer) -> Iterator[Callable[..., DeliveryHarness]]:
    harnesses: list[DeliveryHarness] = []

    def make(**options: int) -> DeliveryHarness:
        sandbox.reset()
        sandbox.set_options(**asdict(Options(rate_limit_enabled=False)))
        harnesses.append(DeliveryHarness(sandbox, **options))
        return harnesses[-1]

    yield make
    for harness in harnesses:
        harness.client.transport.close()


def test_a_state_waits_for_a_pending_import_job(make_harness: Callable[..., DeliveryHarness]) -> None:
    harness = make_harness(max_rows=1)
    harness.add("a@example.com")
    harness.state("1")
    assert harness.states == []
    harness.delivery.finish()
    assert harness.states == ["1"]
    assert harness.report.stream("people").buckets[Bucket.UPSERTED] == 1


def test_a_state_is_written_at_once_when_nothing_is_unsettled(make_harness: Callable[..., DeliveryHarness]) -> None:
    harness = make_harness()
    harness.state("1")
    harness.state("2")
    assert harness.states == ["1", "2"]


def test_an_open_batch_is_sent_after_five_minutes(make_harness: Callable[..., DeliveryHarness]) -> None:
    harness = make_harness()
    harness.add("a@example.com")
    harness.state("1")
    harness.clock.sleep(delivery.LONGEST_OPEN_SECONDS + 1)
    harness.delivery.settle_ready()
    harness.delivery.wait_for_sent()
    assert harness.states == ["1"]


def test_states_of_settled_batches_are_written_while_later_ones_wait(
    make_harness: Callable[..., DeliveryHarness],
) -> None:
    harness = make_harness(max_rows=2)
    for name in "abc":
        harness.add(f"{name}@example.com")
        harness.state(name)
    harness.delivery.wait_for_sent()
    assert harness.states == ["b"]
    harness.delivery.finish()
    assert harness.states == ["b", "c"]


def test_of_many_waiting_states_those_that_would_be_written_together_are_not_kept(
    make_harness: Callable[..., DeliveryHarness], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state, "MAX_WAITING_BYTES", 0)
    harness = make_harness(max_rows=30_000)
    for number in range(200):
        harness.add(f"p{number}@example.com")
        harness.state(str(number))
    gate = harness.delivery._gate  # noqa: SLF001 - the test is about what the gate holds
    assert len(gate._waiting) == 1  # noqa: SLF001 - as above
    harness.delivery.finish()
    assert harness.states == ["199"]


def test_a_contact_waits_while_its_earlier_version_is_in_flight(make_harness: Callable[..., DeliveryHarness]) -> None:
    harness = make_harness(max_rows=2)
    harness.add("a@example.com", first_name="Old", city="London")
    harness.add("b@example.com")
    harness.add("a@example.com", first_name="New")
    harness.add("c@example.com")
    harness.add("d@example.com")
    harness.delivery.finish()
    contacts = {contact["email"]: contact for contact in harness.sandbox.contacts()}
    assert contacts["a@example.com"]["first_name"] == "New"
    assert contacts["a@example.com"]["city"] == "London"
    assert sorted(harness.puts()) == [1, 2, 2]


def test_a_person_on_two_lists_is_sent_once_with_both(make_harness: Callable[..., DeliveryHarness]) -> None:
    harness = make_harness()
    harness.add("a@example.com")
    harness.add("a@example.com", to_other_list=True, first_name="Ada")
    harness.delivery.finish()
    assert harness.puts() == [1]
    assert [contact["lists"] for contact in harness.sandbox.contacts()] == [["Everybody", "Others"]]


def test_a_person_who_is_added_and_removed_is_off_the_list_in_the_end(
    make_harness: Callable[..., DeliveryHarness],
) -> None:
    harness = make_harness()
    harness.add("a@example.com", first_name="Ada")
    harness.add("b@example.com")
    harness.remove("a@example.com")
    harness.state("1")
    harness.delivery.settle_ready()
    assert harness.states == []
    harness.delivery.finish()
    contacts = {contact["email"]: contact["lists"] for contact in harness.sandbox.contacts()}
    assert contacts == {"a@example.com": [], "b@example.com": ["Everybody"]}
    buckets = harness.report.stream("people").buckets
    assert (buckets[Bucket.UPSERTED], buckets[Bucket.REMOVED], harness.states) == (2, 1, ["1"])
    assert harness.report.stream("people").unsettled == 0


def test_a_person_who_is_removed_and_added_is_on_the_list_in_the_end(
    make_harness: Callable[..., DeliveryHarness],
) -> None:
    harness = make_harness()
    harness.add("a@example.com", city="London")
    harness.remove("a@example.com")
    harness.add("a@example.com", city="Paris")
    harness.delivery.finish()
    (contact,) = harness.sandbox.contacts()
    assert (contact["lists"], contact["city"]) == (["Everybody"], "Paris")


def test_a_removal_without_effect_is_sent_again(
    make_harness: Callable[..., DeliveryHarness], monkeypatch: pytest.MonkeyPatch
) -> None:
    """SendGrid has accepted removals, and finished their jobs, without any effect."""
    harness = make_harness()
    harness.add("a@example.com")
    harness.delivery.finish()
    remove, calls = harness.client.remove_from_list, []

    def without_effect(list_id: str, contact_ids: Sequence[str]) -> str:
        calls.append(len(contact_ids))
        return remove(harness.other_list_id if len(calls) == 1 else list_id, contact_ids)

    monkeypatch.setattr(harness.client, "remove_from_list", without_effect)
    harness.remove("a@example.com")
    harness.state("1")
    harness.delivery.finish()
    assert (calls, harness.sandbox.contacts("Everybody"), harness.states) == ([1, 1], [], ["1"])


def test_a_removal_is_not_confirmed_by_what_an_errors_file_leaves_out(
    make_harness: Callable[..., DeliveryHarness], monkeypatch: pytest.MonkeyPatch
) -> None:
    harness = make_harness()
    for name in "ab":
        harness.add(f"{name}@example.com")
    harness.delivery.finish()

    def one_error(_: RemoveFromList, job: Job, status: JobStatus) -> dict[str, str]:
        """Name one person, and remove nobody from the list that the job is for."""
        del status
        return {"a@example.com": "no"} if "a@example.com" in job.changes() else {}

    def errored(_: str) -> JobStatus:
        return JobStatus("errored", 0, 1, None, says_contact_limit=False)

    remove = harness.client.remove_from_list
    monkeypatch.setattr(harness.client, "remove_from_list", lambda _, ids: remove(harness.other_list_id, ids))
    monkeypatch.setattr(harness.client, "job_status", errored)
    monkeypatch.setattr(RemoveFromList, "row_errors", one_error)
    for name in "ab":
        harness.remove(f"{name}@example.com")
    with pytest.raises(JobFailedError):
        harness.delivery.finish()
    assert harness.report.stream("people").buckets[Bucket.REMOVED] == 0


UNKNOWN_ID = "00000000-0000-4000-8000-000000000000"
REMOVAL = {"method": "DELETE", "path": "/v3/marketing/lists/*/contacts"}
BROKEN_REMOVALS: dict[str, dict[str, Any]] = {
    "failed": {"kind": "job_failed"},
    "without effect": {"kind": "job_result", "ends": "completed"},
    "without effect on one": {
        "kind": "job_result",
        "ends": "completed",
        "applied": True,
        "first": 1,
        "mode": "missing",
        "counts": {"errored_count": None},
    },
    "errored without a file": {"kind": "job_result", "applied": True, "first": 1, "mode": "missing"},
    "lost": {"kind": "job_lost"},
    "late": {"kind": "job_late", "late_seconds": 300},
    "not answered": {"kind": "cut_after"},
    "answered without a job": {"kind": "no_job_id"},
    "too long for a proxy": {"kind": "html_error", "status": 414},
}


@pytest.mark.parametrize("name", BROKEN_REMOVALS)
def test_people_who_are_still_on_the_list_are_removed_again(
    make_harness: Callable[..., DeliveryHarness], name: str
) -> None:
    harness = make_harness()
    for number in range(20):
        harness.add(f"p{number}@example.com")
    harness.delivery.finish()
    harness.sandbox.add_fault(**REMOVAL, **BROKEN_REMOVALS[name])
    for contact in harness.sandbox.contacts(detail=True)[3:]:
        harness.remove_by_id(contact["id"])
    harness.state("1")
    harness.delivery.finish()
    assert len(harness.sandbox.contacts("Everybody")) == 3
    assert (harness.report.stream("people").buckets[Bucket.REMOVED], harness.states) == (17, ["1"])
    assert harness.sandbox.faults()[0]["struck"] == 1


@pytest.mark.parametrize("answer", ["404", "ignore"])
def test_a_contact_that_has_vanished_does_not_keep_the_others_on_the_list(
    make_harness: Callable[..., DeliveryHarness], answer: str
) -> None:
    harness = make_harness()
    harness.sandbox.set_options(unknown_contact_in_removal=answer)
    for number in range(3):
        harness.add(f"p{number}@example.com")
    harness.delivery.finish()
    for contact in harness.sandbox.contacts(detail=True):
        harness.remove_by_id(contact["id"])
    harness.remove_by_id(UNKNOWN_ID)
    harness.state("1")
    harness.delivery.finish()
    assert harness.sandbox.contacts("Everybody") == []
    assert (harness.report.stream("people").unsettled, harness.states) == (0, ["1"])


def test_as_few_requests_are_sent_as_their_urls_allow(make_harness: Callable[..., DeliveryHarness]) -> None:
    harness = make_harness()
    for number in range(2 * MAX_IDS_PER_REMOVAL + 1):
        harness.add(f"p{number}@example.com")
    harness.delivery.finish()
    harness.sandbox.clear_requests()
    for contact in harness.sandbox.contacts(detail=True):
        harness.remove_by_id(contact["id"])
    harness.delivery.finish()
    assert harness.sandbox.contacts("Everybody") == []
    paths = [(one["method"], one["path"].rpartition("/")[2]) for one in harness.sandbox.requests()]
    assert paths.count(("DELETE", "contacts")) == 3
    assert paths.count(("POST", "batch")) <= 3 * 3
    assert not [path for path in paths if path[1] == "emails"]


def test_removals_without_effect_end_the_run_within_half_an_hour(
    make_harness: Callable[..., DeliveryHarness], monkeypatch: pytest.MonkeyPatch
) -> None:
    harness = make_harness()
    for number in range(20):
        harness.add(f"p{number}@example.com")
    harness.delivery.finish()
    remove = harness.client.remove_from_list
    monkeypatch.setattr(harness.client, "remove_from_list", lambda _, ids: remove(harness.other_list_id, ids))
    for number in range(20):
        harness.remove(f"p{number}@example.com")
    harness.state("1")
    started_at = harness.clock.slept_seconds
    with pytest.raises(JobFailedError, match="completed without effect on 20 contacts, though it was sent 4 times"):
        harness.delivery.finish()
    assert harness.clock.slept_seconds - started_at < 1_800
    assert harness.states == []


def test_one_contact_that_sendgrid_does_not_know_does_not_keep_the_others_on_the_list(
    make_harness: Callable[..., DeliveryHarness], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A search may show a contact that is deleted already, and then every request that names it is refused."""
    harness = make_harness()
    for number in range(5):
        harness.add(f"p{number}@example.com")
    harness.delivery.finish()
    (ghost,) = (one["id"] for one in harness.sandbox.contacts(detail=True) if one["email"] == "p3@example.com")
    remove = harness.client.remove_from_list

    def refuse_the_ghost(list_id: str, contact_ids: Sequence[str]) -> str:
        if ghost in contact_ids:
            raise NotFoundError("SendGrid does not know it (404).")
        return remove(list_id, contact_ids)

    monkeypatch.setattr(harness.client, "remove_from_list", refuse_the_ghost)
    for number in range(5):
        harness.remove(f"p{number}@example.com")
    harness.delivery.finish()
    counts = harness.report.stream("people")
    assert (counts.buckets[Bucket.REMOVED], counts.rejected) == (4, {Reason.REFUSED_BY_SENDGRID: 1})
    assert [contact["email"] for contact in harness.sandbox.contacts("Everybody")] == ["p3@example.com"]


def test_when_too_many_changes_are_held_the_changes_before_them_are_sent(
    make_harness: Callable[..., DeliveryHarness], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batching, "MAX_HELD_BYTES", 10)
    harness = make_harness()
    harness.add("a@example.com")
    harness.remove("a@example.com")
    assert not harness.batcher.holds_too_much
    harness.delivery.finish()
    assert harness.sandbox.contacts("Everybody") == []


def fill(harness: DeliveryHarness, batches: int) -> None:
    for number in range(batches):
        harness.add(f"p{number}@example.com", postal_code="x" * 1_000)


def test_contacts_of_accepted_batches_are_moved_to_disk(
    make_harness: Callable[..., DeliveryHarness], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool, "MAX_WAITING_BYTES", 2_500)
    monkeypatch.setattr(delivery, "MAX_BYTES_IN_MEMORY", 5_000)
    harness = make_harness(max_rows=1)
    fill(harness, 20)
    in_flight = harness.batcher.in_flight
    assert len(in_flight) > 15
    assert sum(not batch.is_spooled for batch in in_flight) <= 5
    harness.delivery.finish()
    assert len(harness.sandbox.contacts()) == 20
    assert harness.report.stream("people").buckets[Bucket.UPSERTED] == 20


def test_jobs_that_end_at_once_are_polled_soon_however_long_a_poll_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "MAX_BYTES_IN_MEMORY", 2_500)  # two requests
    count, seconds = 20, 0.4
    with SandboxServer(options=QUICK, manual_clock=True) as sandbox:
        harness = DeliveryHarness(sandbox, max_rows=1)
        job_status = harness.client.job_status

        def slow_job_status(job_id: str) -> JobStatus:
            harness.clock.sleep(seconds)
            return job_status(job_id)

        monkeypatch.setattr(harness.client, "job_status", slow_job_status)
        fill(harness, count)
        harness.delivery.finish()
        harness.client.transport.close()
    waited = harness.clock.slept_seconds - count * seconds
    assert waited < count * SHORTEST_POLL_SECONDS / 3


def test_spooled_contacts_are_sent_again_when_their_job_fails(
    make_harness: Callable[..., DeliveryHarness], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool, "MAX_WAITING_BYTES", 0)
    harness = make_harness(max_rows=2)
    harness.sandbox.add_fault("job_failed")
    for number in range(4):
        harness.add(f"p{number}@example.com")
    harness.delivery.finish()
    assert sorted(contact["email"] for contact in harness.sandbox.contacts()) == [
        f"p{number}@example.com" for number in range(4)
    ]


def test_contacts_of_healthy_jobs_are_never_unpacked_nor_read_back(
    make_harness: Callable[..., DeliveryHarness], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool, "MAX_WAITING_BYTES", 2_500)
    monkeypatch.setattr(job.Job, "changes", lambda _: pytest.fail("the contacts were unpacked"))
    monkeypatch.setattr(spool.Spool, "take", lambda *_: pytest.fail("the contacts were read back"))
    harness = make_harness(max_rows=1)
    fill(harness, 20)
    harness.delivery.finish()
    assert len(harness.sandbox.contacts()) == 20


def test_without_room_for_temporary_files_fewer_batches_are_under_way(
    make_harness: Callable[..., DeliveryHarness], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool, "MAX_WAITING_BYTES", 0)
    monkeypatch.setattr(delivery, "MAX_BYTES_IN_MEMORY", 5_000)
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
    harness = make_harness(max_rows=1)
    fill(harness, 20)
    assert len(harness.batcher.in_flight) <= 5
    harness.delivery.finish()
    assert len(harness.sandbox.contacts()) == 20


def test_a_failure_of_the_job_runner_ends_every_later_wait() -> None:
    class Failing(JobRunner):
        def __init__(self) -> None: ...

        def accept(self, batch: Batch) -> None:
            del batch
            raise JobFailedError("It failed.")

    batcher, purpose = Batcher(lambda: 0.0), Purpose(upsert_kind(1, 3_500_000), ("list",))
    batcher.add(Change(purpose, "a@example.com", encode({"email": "a@example.com"}), Origin("people", 1)))
    thread = WorkerThread(Failing(), SystemClock())
    thread.send(batcher.seal(purpose))
    for _ in range(2):
        with pytest.raises(JobFailedError):
            thread.next_event(10)
