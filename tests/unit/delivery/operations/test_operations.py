"""The operations against the sandbox: which requests they send, and when contacts are confirmed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from target_sendgrid.audience.identities import IdentitySet
from target_sendgrid.audience.removal_limit import RemovalLimit
from target_sendgrid.clock import SystemClock
from target_sendgrid.delivery import lookups
from target_sendgrid.delivery.batching import Batcher
from target_sendgrid.delivery.job import Job, Request
from target_sendgrid.delivery.operation import Submission
from target_sendgrid.delivery.operations import upsert as upsert_module
from target_sendgrid.delivery.operations.remove_from_list import REMOVE_FROM_LIST, RemoveFromList
from target_sendgrid.delivery.operations.upsert import Upsert, is_missing_identifiers, upsert_kind
from target_sendgrid.delivery.pending import Batch, Change, Purpose, pack
from target_sendgrid.errors import (
    BadRequestError,
    ConfigError,
    ContactLimitError,
    NotFoundError,
    SendGridError,
    TooLargeError,
    TransientError,
)
from target_sendgrid.origin import Origin
from target_sendgrid.sendgrid.answers import SHORT_RETRY_SECONDS
from target_sendgrid.sendgrid.client import MAX_IDS_PER_REMOVAL, Client, JobStatus
from target_sendgrid.sendgrid.contact import Body, decode, encode, identity
from target_sendgrid.sendgrid.lists import ListTracker
from target_sendgrid.sendgrid.transport import Transport
from tests.harness.clocks import ManualClock, SandboxClock

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from target_sendgrid.sandbox.server import SandboxServer


@pytest.mark.parametrize(
    ("reason", "expected"), [("Provide ALL Identifiers", True), ("email 'x' is not valid", False), ("", False)]
)
def test_only_reasons_about_identifiers_mean_that_identifiers_are_missing(reason: str, *, expected: bool) -> None:
    assert is_missing_identifiers(reason) is expected


class Removals:
    """Removals from one list of the sandbox's account."""

    def __init__(self, sandbox: SandboxServer) -> None:
        self.sandbox = sandbox
        self.clock = SandboxClock(sandbox)
        self.client = Client(Transport(sandbox.url, sandbox.api_key, clock=self.clock, timeout_seconds=5))
        sandbox.seed(lists=["Everybody"])
        self.list_id = next(found.id for found in self.client.lists())
        tracker = ListTracker(self.client, lambda _: None, can_create=False)
        self.operation = RemoveFromList(self.client, self.clock, tracker, RemovalLimit(lambda _: None))

    def seed(self, *contacts: dict[str, Any]) -> None:
        self.sandbox.seed(contacts=[{**contact, "lists": ["Everybody"]} for contact in contacts])

    def job_of(self, *contacts: dict[str, Any]) -> Job:
        batcher, purpose = Batcher(lambda: 0.0), Purpose(REMOVE_FROM_LIST, (self.list_id,))
        for contact in contacts:
            person = identity(contact) or f"id {contact['id']}"
            batcher.add(Change(purpose, person, encode(contact), Origin("people", 1)))
        return Job.of(batcher.seal(purpose))

    def job_of_ids(self, *names: str) -> Job:
        """Return a job whose changes hold the ids of contacts instead of their identifiers."""
        found = self.sandbox.contacts(detail=True)
        ids = {one.get("email") or one["external_id"]: one["id"] for one in found}
        return self.job_of(*({"id": ids[name]} for name in names))

    def delete(self, email: str) -> None:
        """Delete a contact of the account, as another user of it might."""
        (gone,) = (one["id"] for one in self.sandbox.contacts(detail=True) if one.get("email") == email)
        self.client.transport.request(
            "DELETE", f"/v3/marketing/contacts?ids={gone}", what="to delete contacts", read=bytes
        )
        self.finish()

    def members(self) -> list[str]:
        return sorted(contact["email"] for contact in self.sandbox.contacts("Everybody"))

    def finish(self) -> None:
        self.sandbox.settle()


@pytest.fixture
def removals(sandbox: SandboxServer) -> Iterator[Removals]:
    made = Removals(sandbox)
    yield made
    made.client.transport.close()


class TestRemoveFromList:
    def test_people_are_removed_from_the_list_and_stay_in_the_account(self, removals: Removals) -> None:
        removals.seed({"email": "a@x.com"}, {"email": "b@x.com"})
        job = removals.job_of({"email": "a@x.com"})
        submission = removals.operation.submit(job)
        removals.finish()
        (sent,) = removals.sandbox.jobs()
        (removed,) = (one["id"] for one in removals.sandbox.contacts(detail=True) if one["email"] == "a@x.com")
        assert submission == Submission(sent["id"], (removals.list_id,), len(removed), 1)
        assert removals.members() == ["b@x.com"]
        assert len(removals.sandbox.contacts()) == 2
        assert removals.operation.confirm(job, job.changes()) == {"a@x.com"}

    def test_the_errors_file_of_the_job_names_people(self, removals: Removals, monkeypatch: pytest.MonkeyPatch) -> None:
        job = removals.job_of({"email": "a@x.com"}, {"email": "b@x.com"})
        links: list[str] = []

        def download(url: str) -> bytes:
            links.append(url)
            return b"b@x.com,bad\n"

        monkeypatch.setattr(removals.client, "download", download)
        status = JobStatus("errored", 0, 1, "link", says_contact_limit=False)
        assert removals.operation.row_errors(job, status) == {"b@x.com": "bad"}
        assert links == ["link"]

    def test_a_person_who_is_still_on_the_list_is_not_confirmed(self, removals: Removals) -> None:
        removals.seed({"email": "a@x.com"})
        assert removals.operation.confirm(removals.job_of({"email": "a@x.com"}), ["a@x.com"]) == set()

    def test_a_removal_does_not_create_a_contact(self, removals: Removals) -> None:
        job = removals.job_of({"email": "nobody@x.com"})
        assert removals.operation.submit(job) is None
        assert (job.count, removals.sandbox.contacts(), removals.sandbox.jobs()) == (0, [], [])

    def test_people_are_found_by_other_identifiers_too(self, removals: Removals) -> None:
        removals.seed({"email": "a@x.com", "external_id": "7"})
        assert removals.operation.submit(removals.job_of({"external_id": "7"})) is not None
        removals.finish()
        assert removals.members() == []

    def test_a_person_found_by_an_alternate_address_stays_on_the_list(self, removals: Removals) -> None:
        removals.seed({"email": "a@x.com", "alternate_emails": ["b@x.com"]})
        assert removals.operation.submit(removals.job_of({"email": "b@x.com"})) is None
        assert removals.members() == ["a@x.com"]

    def test_a_contact_that_vanishes_after_the_look_up_does_not_keep_the_others_on_the_list(
        self, removals: Removals, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        removals.seed({"email": "a@x.com"}, {"email": "b@x.com"})
        remove, calls = removals.client.remove_from_list, []

        def vanish_first(list_id: str, contact_ids: Sequence[str]) -> str:
            calls.append(len(contact_ids))
            if len(calls) == 1:
                removals.delete("b@x.com")
            return remove(list_id, contact_ids)

        monkeypatch.setattr(removals.client, "remove_from_list", vanish_first)
        assert removals.operation.submit(removals.job_of({"email": "a@x.com"}, {"email": "b@x.com"})) is not None
        removals.finish()
        assert (calls, removals.members()) == ([2, 1], [])

    def test_with_known_ids_nobody_is_looked_up_before_the_request(self, removals: Removals) -> None:
        removals.seed({"email": "a@x.com"}, {"email": "b@x.com"}, {"external_id": "7"})
        job = removals.job_of_ids("a@x.com", "7")
        removals.sandbox.clear_requests()
        submission = removals.operation.submit(job)
        removals.finish()
        assert [one["method"] for one in removals.sandbox.requests()] == ["DELETE"]
        assert submission is not None
        assert submission.contact_count == 2
        assert removals.members() == ["b@x.com"]
        assert removals.operation.confirm(job, job.changes()) == set(job.changes())
        assert [one["path"] for one in removals.sandbox.requests()][1:] == ["/v3/marketing/contacts/batch"]

    def test_a_known_id_is_not_confirmed_while_its_contact_is_on_the_list(self, removals: Removals) -> None:
        removals.seed({"email": "a@x.com"}, {"email": "b@x.com"})
        job = removals.job_of_ids("a@x.com", "b@x.com")
        removals.sandbox.add_fault("job_result", ends="completed", applied=True, identifiers=["b@x.com"])
        assert removals.operation.submit(job) is not None
        removals.finish()
        removed, _ = job.changes()
        assert removals.operation.confirm(job, job.changes()) == {removed}
        assert removals.members() == ["b@x.com"]

    def test_ids_and_identifiers_may_be_in_one_request(self, removals: Removals) -> None:
        removals.seed({"email": "a@x.com"}, {"email": "b@x.com"})
        (by_id,) = removals.job_of_ids("a@x.com").changes().values()
        job = removals.job_of({"email": "b@x.com"}, {"email": "a@x.com", **decode(by_id.contact)})
        removals.sandbox.clear_requests()
        assert removals.operation.submit(job) is not None
        removals.finish()
        assert [one["method"] for one in removals.sandbox.requests()] == ["POST", "DELETE"]
        assert removals.members() == []

    def test_a_known_id_that_has_vanished_does_not_keep_the_others_on_the_list(self, removals: Removals) -> None:
        removals.seed({"email": "a@x.com"}, {"email": "b@x.com"})
        job = removals.job_of_ids("a@x.com", "b@x.com")
        removals.delete("b@x.com")
        submission = removals.operation.submit(job)
        removals.finish()
        assert submission is not None
        assert (submission.contact_count, job.count, removals.members()) == (1, 1, [])

    def test_most_ids_fit_one_request_and_longer_ones_are_to_be_split(self, removals: Removals) -> None:
        names = [f"p{number}@x.com" for number in range(MAX_IDS_PER_REMOVAL)]
        removals.seed(*({"email": name} for name in names))
        job = removals.job_of_ids(*names)
        removals.sandbox.clear_requests()
        assert removals.operation.submit(job) is not None
        removals.finish()
        assert (len(removals.sandbox.requests()), removals.members()) == (1, [])
        with pytest.raises(TooLargeError):
            removals.operation.submit(removals.job_of({"email": "a@x.com", "id": "x" * 5_000}, {"id": "y" * 5_000}))

    @pytest.mark.parametrize(
        "fault",
        [
            {"kind": "status", "status": 404, "body": {"errors": [{"field": None, "message": "not found"}]}},
            {"kind": "status", "status": 400, "body": {"errors": [{"field": "", "message": "invalid input"}]}},
        ],
        ids=["404", "400"],
    )
    def test_one_wrong_answer_of_a_search_settles_nobody(self, removals: Removals, fault: dict[str, Any]) -> None:
        removals.seed({"email": "a@x.com"})
        job = removals.job_of({"email": "a@x.com"})
        path = "/v3/marketing/contacts/search/emails"
        removals.sandbox.add_fault(path=path, **fault)
        assert removals.operation.submit(job) is not None
        removals.finish()
        removals.sandbox.add_fault(path=path, **fault)
        assert removals.operation.confirm(job, job.changes()) == set()
        assert removals.operation.confirm(job, job.changes()) == {"a@x.com"}

    def test_a_person_is_absent_only_after_a_minute_of_look_ups(self, removals: Removals) -> None:
        job = removals.job_of({"email": "late@x.com"})
        started_at = removals.clock.slept_seconds
        assert removals.operation.submit(job) is None
        assert removals.clock.slept_seconds - started_at == pytest.approx(lookups.ABSENT_SECONDS)

    def test_a_wrong_answer_of_the_last_search_does_not_make_a_person_absent(
        self, removals: Removals, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The search is repeated because of another person, who is absent."""
        removals.seed({"email": "a@x.com"})
        job = removals.job_of({"email": "a@x.com"}, {"email": "nobody@x.com"})
        sleep = removals.clock.sleep

        def fail_after(seconds: float) -> None:
            sleep(seconds)
            removals.sandbox.clear_faults()
            removals.sandbox.add_fault("status", status=404, body={}, path="/v3/marketing/contacts/search/emails")

        monkeypatch.setattr(removals.clock, "sleep", fail_after)
        assert removals.operation.submit(job) is not None
        removals.sandbox.clear_faults()
        removals.finish()
        assert (job.count, removals.members()) == (1, [])

    def test_a_person_who_becomes_visible_meanwhile_is_removed(
        self, removals: Removals, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sleep = removals.clock.sleep

        def arrive(seconds: float) -> None:
            sleep(seconds)
            if removals.clock.slept_seconds >= lookups.ABSENT_SECONDS / 2 and not removals.sandbox.contacts():
                removals.seed({"email": "late@x.com"})

        monkeypatch.setattr(removals.clock, "sleep", arrive)
        assert removals.operation.submit(removals.job_of({"email": "late@x.com"})) is not None
        removals.finish()
        assert removals.members() == []

    def test_a_removal_from_a_deleted_list_is_settled_without_a_job(self, removals: Removals) -> None:
        removals.seed({"email": "a@x.com"})
        path = f"/v3/marketing/lists/{removals.list_id}"
        removals.client.transport.request("DELETE", path, what="to delete lists", read=bytes)
        job = removals.job_of({"email": "a@x.com"})
        assert (removals.operation.submit(job), job.count) == (None, 0)

    def test_a_removal_that_is_refused_again_and_again_is_sent_in_parts_by_the_runner(
        self, removals: Removals, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(list_id: str, contact_ids: Sequence[str]) -> str:
            raise NotFoundError(f"{list_id} {len(contact_ids)}")

        removals.seed({"email": "a@x.com"})
        monkeypatch.setattr(removals.client, "remove_from_list", refuse)
        with pytest.raises(BadRequestError, match="does not remove contacts from the list"):
            removals.operation.submit(removals.job_of({"email": "a@x.com"}))


class Sizes:
    """A stub of the client that refuses requests above a size."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.accepted: list[int] = []

    def upsert(self, body: Body) -> str:
        if len(body) > self.max_bytes:
            message = "too large"
            raise TooLargeError(message)
        self.accepted.append(len(body))
        return f"job-{len(self.accepted)}"


class TestByteLimit:
    @staticmethod
    def upsert(client: Sizes) -> Upsert:
        tracker = ListTracker(cast("Client", client), lambda _: None, can_create=False)
        kind = upsert_kind(30_000, 100_000)
        return Upsert(kind, cast("Client", client), SystemClock(), list_tracker=tracker, field_name=str)

    @staticmethod
    def job_of(operation: Upsert, count: int, size: int) -> Job:
        purpose = Purpose(operation.kind, ("L",))
        changes = {
            f"{number}": Change(purpose, f"{number}", encode({"email": "x" * size}), Origin("people", number))
            for number in range(count)
        }
        batch = Batch(purpose, pack(changes), 1, 0, {}, IdentitySet(changes))
        return Job.of(batch)

    def test_a_refused_size_halves_the_limit_and_larger_requests_are_not_sent(self) -> None:
        client = Sizes(30_000)
        operation = self.upsert(client)
        for size in (80_000, 39_000):
            with pytest.raises(TooLargeError):
                operation.submit(self.job_of(operation, 2, size // 2))
        assert operation.max_bytes == pytest.approx(19_500, rel=0.01)
        client.max_bytes = 100_000
        with pytest.raises(TooLargeError):
            operation.submit(self.job_of(operation, 2, 15_000))
        assert client.accepted == []

    @staticmethod
    def size_of(job: Job) -> int:
        return len(Body(("L",), job.contacts()))

    def test_a_request_of_exactly_the_limit_is_sent(self) -> None:
        client = Sizes(1_000_000)
        operation = self.upsert(client)
        job = self.job_of(operation, 2, 10_000)
        operation.max_bytes = self.size_of(job)
        operation.submit(job)
        operation.max_bytes -= 1
        with pytest.raises(TooLargeError):
            operation.submit(job)
        assert len(client.accepted) == 1

    @pytest.mark.parametrize(("excess", "error"), [(0, TransientError), (1, TooLargeError)])
    def test_a_request_of_exactly_the_lowest_limit_is_not_at_fault(
        self, monkeypatch: pytest.MonkeyPatch, excess: int, error: type[Exception]
    ) -> None:
        operation = self.upsert(Sizes(100))
        job = self.job_of(operation, 2, 4_000)
        monkeypatch.setattr(upsert_module, "LOWEST_BYTE_LIMIT", self.size_of(job) - excess)
        with pytest.raises(error):
            operation.submit(job)

    @pytest.mark.parametrize(("room", "raised"), [(0, False), (-1, True)])
    def test_only_requests_of_more_than_half_the_limit_raise_it(self, *, room: int, raised: bool) -> None:
        operation = self.upsert(Sizes(1_000_000))
        job = self.job_of(operation, 2, 10_000)
        limit = operation.max_bytes = 2 * (self.size_of(job) + room) + 1
        for _ in range(8):
            operation.submit(job)
        assert operation.max_bytes == (2 * limit if raised else limit)

    def test_each_doubling_takes_as_many_requests_and_ends_at_the_operations_own_limit(self) -> None:
        operation = self.upsert(Sizes(1_000_000))
        operation.max_bytes = 25_000
        limits = []
        for size in (10_000, 20_000):
            for _ in range(8):
                operation.submit(self.job_of(operation, 2, size))
                limits.append(operation.max_bytes)
        assert limits == [*[25_000] * 7, *[50_000] * 8, None]

    @pytest.mark.parametrize("size", [40_000, 40_001])
    def test_half_of_an_odd_size_is_a_whole_number(self, size: int) -> None:
        operation = self.upsert(Sizes(30_000))
        job = self.job_of(operation, 1, size)
        with pytest.raises(TooLargeError):
            operation.submit(job)
        assert (type(operation.max_bytes), operation.max_bytes) == (int, self.size_of(job) // 2)

    def test_a_single_contact_is_always_tried(self) -> None:
        client = Sizes(30_000)
        operation = self.upsert(client)
        with pytest.raises(TooLargeError):
            operation.submit(self.job_of(operation, 2, 20_000))
        assert operation.submit(self.job_of(operation, 1, 25_000)) is not None

    def test_the_limit_is_doubled_after_eight_requests_near_it_and_later_each_time_that_it_fails(self) -> None:
        client = Sizes(30_000)
        operation = self.upsert(client)
        with pytest.raises(TooLargeError):
            operation.submit(self.job_of(operation, 2, 20_000))
        for needed, size in ((8, 18_400), (16, 18_300), (32, 18_200)):
            limit = operation.max_bytes
            for _ in range(needed - 1):
                operation.submit(self.job_of(operation, 2, 9_000))
            assert operation.max_bytes == limit
            operation.submit(self.job_of(operation, 2, 9_000))
            assert operation.max_bytes == 2 * (limit or 0)
            with pytest.raises(TooLargeError):
                operation.submit(self.job_of(operation, 2, size))

    def test_small_requests_do_not_raise_the_limit_and_a_raised_one_ends_at_the_operations_own(self) -> None:
        client = Sizes(80_000)
        operation = self.upsert(client)
        with pytest.raises(TooLargeError):
            operation.submit(self.job_of(operation, 2, 45_000))
        client.max_bytes = 100_000
        for _ in range(50):
            operation.submit(self.job_of(operation, 2, 5_000))
        assert operation.max_bytes is not None
        for size in (22_000, 30_000):
            for _ in range(8):
                operation.submit(self.job_of(operation, 2, size))
        assert operation.max_bytes is None

    def test_a_small_request_that_is_refused_for_its_size_may_succeed_later(self) -> None:
        operation = self.upsert(Sizes(100))
        with pytest.raises(TransientError) as caught:
            operation.submit(self.job_of(operation, 2, 4_000))
        assert caught.value.budget_seconds == SHORT_RETRY_SECONDS
        assert operation.max_bytes is None


class Refusing:
    """A stub of the client that refuses requests with the same error, some times."""

    def __init__(self, error: SendGridError, times: int = 1_000) -> None:
        self.error, self.times = error, times
        self.sent: list[bytes] = []

    def upsert(self, body: Body) -> str:
        self.sent.append(b"".join(body))
        if len(self.sent) > self.times:
            return "job"
        raise self.error


class Deleted:
    """A stub of the tracker of a list that is deleted again whenever it was created."""

    def __init__(self) -> None:
        self.number = 0

    def current(self, list_ids: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(f"{list_id}{self.number}" for list_id in list_ids)

    def recreate(self, list_ids: tuple[str, ...]) -> bool:
        del list_ids
        self.number += 1
        assert self.number < 100, "it is created without end"
        return True

    def label(self, list_ids: tuple[str, ...]) -> str:
        return f"'{list_ids[0]}'"


class TestUnknownNames:
    @staticmethod
    def upsert(client: Refusing, clock: ManualClock, tracker: Deleted) -> Upsert:
        names = {"e1_T": "plan"}
        return Upsert(
            upsert_kind(30_000, 100_000),
            cast("Client", client),
            clock,
            list_tracker=cast("ListTracker", tracker),
            field_name=lambda field_id: names.get(field_id, field_id),
        )

    def test_a_list_that_is_always_deleted_again_ends_the_run_after_a_minute(self) -> None:
        client, clock = Refusing(NotFoundError("It is gone.")), ManualClock()
        operation = self.upsert(client, clock, Deleted())
        with pytest.raises(ConfigError, match="does not accept contacts for the list 'L'"):
            operation.submit(TestByteLimit.job_of(operation, 1, 10))
        assert clock.sleeps == [5.0] * 12  # a minute
        assert len(client.sent) == 14
        assert [body.split(b'"')[3] for body in client.sent[:3]] == [b"L0", b"L1", b"L2"]

    @pytest.mark.parametrize(
        ("ids", "named"),
        [("e1_T", "'plan'"), ("zaphod", "that was sent"), ("zaphod,e1_T", "'plan'"), ("e1_T,e1_T", "'plan', 'plan'")],
    )
    def test_an_unknown_field_is_named_as_the_account_names_it_and_not_by_sendgrids_words(
        self, ids: str, named: str
    ) -> None:
        words = f"invalid custom field ids supplied - {ids}"
        client = Refusing(BadRequestError("SendGrid refused it.", [("custom_fields", words)]))
        operation = self.upsert(client, ManualClock(), Deleted())
        with pytest.raises(ConfigError) as caught:
            operation.submit(TestByteLimit.job_of(operation, 1, 10))
        assert f"does not accept the custom field {named}:" in str(caught.value)
        assert "zaphod" not in str(caught.value)

    def test_contacts_are_looked_up_on_the_list_that_replaces_a_deleted_one(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tracker, looked_up = Deleted(), []

        def stored(
            _: Client, changes: Mapping[str, Change], list_ids: Collection[str], field_name: Callable[[str], str]
        ) -> set[str]:
            looked_up.append((*list_ids, field_name("e1_T")))
            return set(changes)

        monkeypatch.setattr(lookups, "stored", stored)
        operation = self.upsert(Refusing(NotFoundError("It is gone.")), ManualClock(), tracker)
        job = TestByteLimit.job_of(operation, 2, 10)
        job.last_request = Request("job", ("L0",), 10, 2, 0.0, b"{}")
        tracker.recreate(("L",))
        assert operation.confirm(job, ["0"]) == {"0"}
        assert looked_up == [("L1", "plan")]

    def test_a_recreated_list_is_tried_at_once(self) -> None:
        client, clock = Refusing(NotFoundError("It is gone."), 1), ManualClock()
        operation = self.upsert(client, clock, Deleted())
        submission = operation.submit(TestByteLimit.job_of(operation, 1, 10))
        assert submission is not None
        assert (submission.list_ids, submission.contact_count, clock.sleeps) == (("L1",), 1, [])
        assert submission.byte_count == len(client.sent[1])

    @pytest.mark.parametrize(("email", "error"), [("x" * 10, ContactLimitError), ("contact limit", BadRequestError)])
    def test_words_about_the_contact_limit_count_unless_a_contact_has_them(
        self, email: str, error: type[SendGridError]
    ) -> None:
        operation = self.upsert(Refusing(ContactLimitError()), ManualClock(), Deleted())
        job = TestByteLimit.job_of(operation, 2, 10)
        job.changes()["1"].contact = encode({"email": email})
        with pytest.raises(error):
            operation.submit(job)
