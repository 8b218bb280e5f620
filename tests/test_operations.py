"""The operations against the sandbox: which requests they send, and when contacts are confirmed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from target_sendgrid.delivery.batching import Batcher
from target_sendgrid.delivery.job import Job
from target_sendgrid.delivery.operations.remove_from_list import ABSENT_SECONDS, REMOVE_FROM_LIST, RemoveFromList
from target_sendgrid.delivery.operations.upsert import is_missing_identifiers
from target_sendgrid.delivery.pending import Change, Purpose
from target_sendgrid.errors import BadRequestError, NotFoundError
from target_sendgrid.origin import Origin
from target_sendgrid.sendgrid.client import Client
from target_sendgrid.sendgrid.contact import encode, identity
from target_sendgrid.sendgrid.lists import ListTracker
from target_sendgrid.sendgrid.transport import Transport
from tests.support import SandboxClock

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

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
        self.operation = RemoveFromList(self.client, self.clock, tracker)

    def seed(self, *contacts: dict[str, Any]) -> None:
        self.sandbox.seed(contacts=[{**contact, "lists": ["Everybody"]} for contact in contacts])

    def job_of(self, *contacts: dict[str, Any]) -> Job:
        batcher, purpose = Batcher(lambda: 0.0), Purpose(REMOVE_FROM_LIST, (self.list_id,))
        for contact in contacts:
            batcher.add(Change(purpose, identity(contact) or "", encode(contact), Origin("people", 1)))
        return Job.of(batcher.seal(purpose))

    def members(self) -> list[str]:
        return sorted(contact["email"] for contact in self.sandbox.contacts("Everybody"))

    def finish(self) -> None:
        self.sandbox.settle()


@pytest.fixture
def removals(server: SandboxServer) -> Iterator[Removals]:
    server.reset()
    made = Removals(server)
    yield made
    made.client.transport.close()


class TestRemoveFromList:
    def test_people_are_removed_from_the_list_and_stay_in_the_account(self, removals: Removals) -> None:
        removals.seed({"email": "a@x.com"}, {"email": "b@x.com"})
        job = removals.job_of({"email": "a@x.com"})
        submission = removals.operation.submit(job)
        removals.finish()
        assert submission is not None
        assert submission.list_ids == (removals.list_id,)
        assert removals.members() == ["b@x.com"]
        assert len(removals.sandbox.contacts()) == 2
        assert removals.operation.confirm(job) == {"a@x.com"}

    def test_a_person_who_is_still_on_the_list_is_not_confirmed(self, removals: Removals) -> None:
        removals.seed({"email": "a@x.com"})
        assert removals.operation.confirm(removals.job_of({"email": "a@x.com"})) == set()

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
                (vanished,) = (one["id"] for one in removals.sandbox.contacts(detail=True) if one["email"] == "b@x.com")
                removals.client.transport.request(
                    "DELETE", f"/v3/marketing/contacts?ids={vanished}", what="to delete contacts", read=bytes
                )
                removals.finish()
            return remove(list_id, contact_ids)

        monkeypatch.setattr(removals.client, "remove_from_list", vanish_first)
        assert removals.operation.submit(removals.job_of({"email": "a@x.com"}, {"email": "b@x.com"})) is not None
        removals.finish()
        assert (calls, removals.members()) == ([2, 1], [])

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
        assert removals.operation.confirm(job) == set()
        assert removals.operation.confirm(job) == {"a@x.com"}

    def test_a_person_is_absent_only_after_a_minute_of_look_ups(self, removals: Removals) -> None:
        job = removals.job_of({"email": "late@x.com"})
        started_at = removals.clock.slept_seconds
        assert removals.operation.submit(job) is None
        assert removals.clock.slept_seconds - started_at >= ABSENT_SECONDS

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
            if removals.clock.slept_seconds >= ABSENT_SECONDS / 2 and not removals.sandbox.contacts():
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
