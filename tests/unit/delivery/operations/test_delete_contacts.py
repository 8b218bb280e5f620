"""Deleting contacts in the sandbox: whose contacts are deleted, when that counts as done, and what is erased ahead."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from target_sendgrid.audience.account_guard import AccountGuard
from target_sendgrid.audience.removal_limit import RemovalLimit
from target_sendgrid.delivery import lookups
from target_sendgrid.delivery.operations.delete_contacts import DELETE_CONTACT, DELETE_TO_ERASE, DeleteContacts
from target_sendgrid.errors import (
    BadRequestError,
    JobFailedError,
    NotFoundError,
    SendGridError,
    TooLargeError,
    TransientError,
)
from target_sendgrid.sendgrid.client import MAX_IDS_PER_REMOVAL, Client, JobStatus
from target_sendgrid.sendgrid.transport import Transport
from tests.harness.clocks import SandboxClock
from tests.harness.operations import carry_out, changes_of, job_with

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from target_sendgrid.delivery.job import Job
    from target_sendgrid.delivery.pending import Change, OperationKind
    from target_sendgrid.sandbox.server import SandboxServer
    from tests.harness.operations import Outcome

NOT_FOUND = {"errors": [{"field": None, "message": "not found"}]}


class Deletions:
    """Deletions from the sandbox's account. Which addresses are to be erased is recorded, and none is."""

    def __init__(self, sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sandbox = sandbox
        self.clock = SandboxClock(sandbox)
        self.client = Client(Transport(sandbox.url, sandbox.api_key, clock=self.clock, timeout_seconds=5))
        self.limits: dict[str, int | None] = {}
        self.checks: list[SendGridError | None] = []
        """What the permit does at each request, in turn: raise an error or nothing. Afterwards it allows all."""
        self.erased: list[Sequence[str]] = []
        """The addresses of each request to erase."""
        self.bad: set[str] = set()
        """Addresses that SendGrid refuses to erase."""
        self.erase_failures: list[Exception] = []
        """What the next requests to erase raise, in turn."""
        monkeypatch.setattr(self.client, "erase", self.erase)
        guard = AccountGuard(RemovalLimit(self.limits.get), lambda: self.client.contact_count().contact_count)
        self.operations = {
            kind: DeleteContacts(self.client, self.clock, guard, self.check_allowed, kind=kind)
            for kind in (DELETE_CONTACT, DELETE_TO_ERASE)
        }

    def check_allowed(self) -> None:
        if self.checks and (error := self.checks.pop(0)) is not None:
            raise error

    def erase(self, emails: Sequence[str]) -> None:
        self.erased.append(emails)
        if self.erase_failures:
            raise self.erase_failures.pop(0)
        messages = [f"Email_address {email} is not valid" for email in emails if email in self.bad]
        if messages:
            message = "SendGrid refused it."
            raise BadRequestError(message, [("email_addresses", text) for text in messages])

    def seed(self, *contacts: dict[str, Any]) -> None:
        self.sandbox.seed(contacts=list(contacts))

    def carry_out(
        self, *people: dict[str, Any], kind: OperationKind = DELETE_CONTACT, stream: str = "people"
    ) -> Outcome:
        return self.carry_out_changes(changes_of(kind, people, stream=stream))

    def carry_out_changes(self, changes: Sequence[Change]) -> Outcome:
        return carry_out(self.operations[changes[0].purpose.kind], self.client, self.clock, changes)

    def submit(self, *people: dict[str, Any], kind: OperationKind = DELETE_CONTACT) -> Job:
        """Return a job of some people after its request, before SendGrid has done anything."""
        job = job_with(*changes_of(kind, people))
        assert self.operations[kind].submit(job) is not None
        return job

    def left(self) -> list[str]:
        """Return who is in the account, each by the first identifier."""
        return sorted(one.get("email") or one["external_id"] for one in self.sandbox.contacts(detail=True))

    def deletions(self) -> list[int]:
        """Return the status of each request to delete contacts."""
        return [one["status"] for one in self.sandbox.requests() if one["method"] == "DELETE"]


@pytest.fixture
def deletions(sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deletions]:
    made = Deletions(sandbox, monkeypatch)
    yield made
    made.client.transport.close()


def person(number: int) -> dict[str, Any]:
    return {"email": f"p{number}@example.com"}


class TestWhoIsDeleted:
    def test_people_are_deleted_and_the_others_stay(self, deletions: Deletions) -> None:
        deletions.seed({"email": "a@x.com"}, {"email": "b@x.com"})
        outcome = deletions.carry_out({"email": "a@x.com"})
        assert (deletions.left(), deletions.deletions()) == (["b@x.com"], [202])
        assert (outcome.settled, outcome.not_found, outcome.rejected) == ([], [], {})

    def test_all_contacts_of_a_person_are_deleted(self, deletions: Deletions) -> None:
        deletions.seed(
            {"email": "a@x.com"}, {"email": "new@x.com", "external_id": "7"}, {"phone_number_id": "+15550100"}
        )
        deletions.carry_out({"email": "a@x.com", "external_id": "7", "phone_number_id": "+15550100"})
        assert (deletions.sandbox.contacts(), deletions.deletions()) == ([], [202])

    def test_a_contact_of_two_people_is_deleted_once(self, deletions: Deletions) -> None:
        deletions.seed({"email": "a@x.com", "external_id": "7"}, {"email": "b@x.com"})
        job = deletions.submit({"email": "a@x.com"}, {"email": "c@x.com", "external_id": "7"}, {"email": "b@x.com"})
        deletions.sandbox.settle()
        assert (deletions.left(), deletions.sandbox.jobs()[0]["results"]["requested_count"]) == ([], 2)
        assert deletions.operations[DELETE_CONTACT].confirm(job, job.changes()) == set(job.changes())

    def test_two_people_who_share_an_identifier_are_both_deleted(self, deletions: Deletions) -> None:
        deletions.seed({"email": "a@x.com"}, {"external_id": "7"})
        outcome = deletions.carry_out(
            {"email": "a@x.com", "external_id": "7"}, {"email": "b@x.com", "external_id": "7"}
        )
        assert (deletions.left(), outcome.not_found) == ([], [])

    @pytest.mark.parametrize("kind", ["external_id", "anonymous_id"])
    def test_a_contact_that_is_somebody_else_stays(self, deletions: Deletions, kind: str) -> None:
        deletions.seed({"email": "a@x.com", kind: "8"})
        outcome = deletions.carry_out({"email": "a@x.com", kind: "7"})
        assert (deletions.left(), outcome.not_found, deletions.deletions()) == (["a@x.com"], ["a@x.com"], [])

    def test_a_contact_with_the_address_as_an_alternate_one_stays(self, deletions: Deletions) -> None:
        deletions.seed({"email": "a@x.com", "alternate_emails": ["b@x.com"]})
        assert deletions.carry_out({"email": "b@x.com"}).not_found == ["b@x.com"]
        assert deletions.left() == ["a@x.com"]

    def test_who_is_nowhere_in_the_account_is_left_out_after_a_minute(self, deletions: Deletions) -> None:
        outcome = deletions.carry_out({"email": "nobody@x.com"})
        assert (outcome.not_found, deletions.deletions()) == (["nobody@x.com"], [])
        assert deletions.clock.slept_seconds == pytest.approx(lookups.ABSENT_SECONDS)

    def test_a_person_who_becomes_visible_meanwhile_is_deleted(
        self, deletions: Deletions, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sleep = deletions.clock.sleep

        def arrive(seconds: float) -> None:
            sleep(seconds)
            if seconds == lookups.ABSENT_SECONDS:
                deletions.seed({"email": "late@x.com"})

        monkeypatch.setattr(deletions.clock, "sleep", arrive)
        assert deletions.carry_out({"email": "late@x.com"}).not_found == []
        assert (deletions.left(), deletions.deletions()) == ([], [202])

    def test_many_people_take_several_requests(self, deletions: Deletions) -> None:
        people = [person(number) for number in range(MAX_IDS_PER_REMOVAL + 1)]
        deletions.limits["people"] = len(people)
        deletions.seed(*people, {"email": "b@x.com"})
        deletions.carry_out(*people)
        assert (deletions.left(), deletions.deletions()) == (["b@x.com"], [202, 202])


class TestConfirmation:
    def test_a_job_without_effect_is_repeated(self, deletions: Deletions) -> None:
        deletions.seed({"email": "a@x.com"}, {"email": "b@x.com"})
        deletions.sandbox.add_fault("job_result", method="DELETE", ends="completed")
        outcome = deletions.carry_out({"email": "a@x.com"}, {"email": "b@x.com"}, kind=DELETE_TO_ERASE)
        assert (deletions.left(), deletions.deletions()) == ([], [202, 202])
        assert sorted(outcome.settled) == ["a@x.com", "b@x.com"]

    def test_jobs_that_never_have_an_effect_end_the_run(self, deletions: Deletions) -> None:
        deletions.seed({"email": "a@x.com"})
        deletions.sandbox.add_fault("job_result", method="DELETE", ends="completed", times=None)
        with pytest.raises(
            JobFailedError, match=r"Deletion job .* completed without effect on 1 contact, though it was"
        ):
            deletions.carry_out({"email": "a@x.com"})
        assert deletions.left() == ["a@x.com"]

    def test_one_wrong_answer_of_a_search_confirms_nobody_whose_contact_is_there_by_its_id(
        self, deletions: Deletions
    ) -> None:
        deletions.seed({"email": "a@x.com"})
        deletions.sandbox.add_fault("job_result", method="DELETE", ends="completed")
        job = deletions.submit({"email": "a@x.com"})
        deletions.sandbox.settle()
        path = "/v3/marketing/contacts/search/emails"
        deletions.sandbox.add_fault("status", path=path, status=404, body=NOT_FOUND)
        assert deletions.operations[DELETE_CONTACT].confirm(job, job.changes()) == set()
        assert deletions.sandbox.requests()[-1]["status"] == 404

    @pytest.mark.parametrize(
        "fault",
        [
            {"kind": "job_failed"},
            {"kind": "job_failed", "applied": True},
            {"kind": "job_stuck"},
            {"kind": "job_stuck", "applied": True},
            {"kind": "job_lost"},
            {"kind": "job_lost", "applied": True},
            {"kind": "job_late", "late_seconds": 100.0},
            {"kind": "no_job_id"},
            {"kind": "cut_after"},
            {"kind": "status", "status": 500},
            {"kind": "status", "status": 400, "body": NOT_FOUND},
            {"kind": "rate_limited"},
        ],
        ids=str,
    )
    def test_everybody_is_deleted_whatever_happens_to_the_first_request(
        self, deletions: Deletions, fault: dict[str, Any]
    ) -> None:
        deletions.seed(*map(person, range(3)))
        deletions.sandbox.add_fault(**fault, method="DELETE")
        outcome = deletions.carry_out(*map(person, range(3)), kind=DELETE_TO_ERASE)
        assert (sorted(outcome.settled), outcome.rejected) == ([person(number)["email"] for number in range(3)], {})
        assert deletions.left() == []

    def test_a_person_with_another_contact_by_then_is_deleted_again(self, deletions: Deletions) -> None:
        deletions.seed({"email": "a@x.com"})
        job = deletions.submit({"email": "a@x.com", "external_id": "7"})
        deletions.seed({"email": "late@x.com", "external_id": "7"})
        operation = deletions.operations[DELETE_CONTACT]
        deletions.sandbox.settle()
        assert operation.confirm(job, job.changes()) == set()
        assert operation.submit(job) is not None
        deletions.sandbox.settle()
        assert operation.confirm(job, job.changes()) == {"a@x.com"}
        assert deletions.left() == []

    def test_who_is_gone_when_a_job_is_sent_again_is_settled_without_a_request(self, deletions: Deletions) -> None:
        deletions.seed({"email": "a@x.com"})
        job = deletions.submit({"email": "a@x.com"}, kind=DELETE_TO_ERASE)
        deletions.sandbox.settle()
        assert deletions.operations[DELETE_TO_ERASE].submit(job) is None
        assert ([change.identity for change in job.progress.settled], job.progress.not_found) == (["a@x.com"], [])

    @pytest.mark.parametrize(("unknown", "expected"), [("404", [2, 1]), ("ignore", [2])])
    def test_a_contact_that_vanishes_after_the_look_up_does_not_keep_the_others(
        self, deletions: Deletions, monkeypatch: pytest.MonkeyPatch, unknown: str, expected: list[int]
    ) -> None:
        deletions.sandbox.set_options(unknown_contact_in_deletion=unknown)
        deletions.seed({"email": "a@x.com"}, {"email": "b@x.com"})
        found = {one["email"]: one["id"] for one in deletions.sandbox.contacts(detail=True)}
        delete, calls = deletions.client.delete_contacts, []

        def vanish_first(contact_ids: Sequence[str]) -> str:
            calls.append(len(contact_ids))
            if len(calls) == 1:
                delete([found["b@x.com"]])
                deletions.sandbox.settle()
            return delete(contact_ids)

        monkeypatch.setattr(deletions.client, "delete_contacts", vanish_first)
        outcome = deletions.carry_out({"email": "a@x.com"}, {"email": "b@x.com"}, kind=DELETE_TO_ERASE)
        assert (calls, deletions.left(), sorted(outcome.settled)) == (expected, [], ["a@x.com", "b@x.com"])

    def test_a_deletion_that_is_refused_again_and_again_is_sent_in_parts_by_the_runner(
        self, deletions: Deletions
    ) -> None:
        deletions.seed({"email": "a@x.com"})
        deletions.sandbox.add_fault("status", method="DELETE", status=404, body=NOT_FOUND, times=None)
        with pytest.raises(BadRequestError, match="does not delete contacts that it shows"):
            deletions.operations[DELETE_CONTACT].submit(job_with(*changes_of(DELETE_CONTACT, [{"email": "a@x.com"}])))
        assert deletions.deletions() == [404] * 3

    def test_a_contact_that_sendgrid_never_deletes_ends_the_run_after_the_others_are_deleted(
        self, deletions: Deletions, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """No state passes it: no deletion can be repeated as a probe, so nothing shows that the contact is at fault."""
        deletions.seed(*(person(number) for number in range(4)))
        found = {one["email"]: one["id"] for one in deletions.sandbox.contacts(detail=True)}
        bad, delete = found["p2@example.com"], deletions.client.delete_contacts

        def refuse(contact_ids: Sequence[str]) -> str:
            if bad in contact_ids:
                raise NotFoundError(bad)
            return delete(contact_ids)

        monkeypatch.setattr(deletions.client, "delete_contacts", refuse)
        with pytest.raises(SendGridError, match="Nobody was rejected"):
            deletions.carry_out(*(person(number) for number in range(4)))
        assert deletions.left() == ["p2@example.com"]

    def test_ids_that_are_too_long_are_to_be_split(self, deletions: Deletions, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(contact_ids: Sequence[str]) -> str:
            raise TooLargeError(str(len(contact_ids)))

        deletions.seed({"email": "a@x.com"})
        monkeypatch.setattr(deletions.client, "delete_contacts", refuse)
        with pytest.raises(TooLargeError):
            deletions.submit({"email": "a@x.com"})

    def test_nothing_is_sent_once_the_run_is_stopped(self, deletions: Deletions) -> None:
        deletions.seed({"email": "a@x.com", "external_id": "7"})
        for checks in ([SendGridError("stopped")], [None, SendGridError("stopped")]):
            deletions.checks = list(checks)
            with pytest.raises(SendGridError, match="stopped"):
                deletions.carry_out({"external_id": "7"}, kind=DELETE_TO_ERASE)
        assert (deletions.deletions(), deletions.erased) == ([], [["a@x.com"]])

    def test_the_errors_file_of_a_job_names_people(self, deletions: Deletions, monkeypatch: pytest.MonkeyPatch) -> None:
        operation = deletions.operations[DELETE_CONTACT]
        job = job_with(*changes_of(DELETE_CONTACT, [{"email": "a@x.com"}, {"email": "b@x.com"}]))
        monkeypatch.setattr(deletions.client, "download", lambda _: b"b@x.com,bad\n")
        status = JobStatus("errored", 0, 1, "link", says_contact_limit=False)
        assert operation.row_errors(job, status) == {"b@x.com": "bad"}
        assert (
            operation.amend(job, {"b@x.com": "bad"}, are_at_fault=True),
            operation.refused(job, BadRequestError("", [])),
        ) == ([], {})


class TestGuard:
    def test_too_many_are_withheld_and_nobody_is_deleted(self, deletions: Deletions) -> None:
        people = [person(number) for number in range(100)]
        deletions.seed(*people)
        outcome = deletions.carry_out(*people[:11], person(1_000))
        assert (outcome.withheld, outcome.not_found) == ([one["email"] for one in people[:11]], ["p1000@example.com"])
        assert (deletions.deletions(), len(deletions.left())) == ([], 100)

    def test_people_who_are_not_in_the_account_do_not_count_for_deletions(self, deletions: Deletions) -> None:
        people = [person(number) for number in range(10)]
        deletions.seed(*people)
        outcome = deletions.carry_out(*people, *(person(number) for number in range(50, 60)))
        assert (len(outcome.not_found), outcome.withheld, deletions.left()) == (10, [], [])

    def test_for_erasure_everybody_with_an_address_counts(self, deletions: Deletions) -> None:
        people = [person(number) for number in range(10)]
        deletions.seed(*people)
        outcome = deletions.carry_out(*people, person(99), {"external_id": "7"}, kind=DELETE_TO_ERASE)
        assert outcome.withheld == [one["email"] for one in [*people, person(99)]]
        assert outcome.not_found == ["external_id 7"]
        assert deletions.erased == []

    def test_a_stream_with_a_ceiling_is_decided_alone(self, deletions: Deletions) -> None:
        people = [person(number) for number in range(40)]
        deletions.seed(*people)
        deletions.limits.update(large=20, small=4)
        changes = [
            *changes_of(DELETE_CONTACT, people[:20], stream="large"),
            *changes_of(DELETE_CONTACT, people[20:25], stream="small"),
            *changes_of(DELETE_CONTACT, people[25:30], stream="other"),
        ]
        outcome = deletions.carry_out_changes(changes)
        assert outcome.withheld == [one["email"] for one in people[20:25]]
        assert len(deletions.left()) == 15

    def test_people_are_counted_once_however_often_they_are_sent(self, deletions: Deletions) -> None:
        people = [person(number) for number in range(10)]
        deletions.seed(*people)
        deletions.sandbox.add_fault("status", method="DELETE", status=500, times=3)
        deletions.sandbox.add_fault("job_failed", method="DELETE", times=2)
        assert deletions.carry_out(*people).withheld == []
        assert deletions.left() == []


class TestErasure:
    def test_changes_hold_all_addresses_of_their_people_after_the_deletion(self, deletions: Deletions) -> None:
        deletions.seed({"email": "a@x.com"}, {"email": "new@x.com", "external_id": "7"}, {"email": "c@x.com"})
        deletions.seed({"external_id": "9"})
        outcome = deletions.carry_out(
            {"email": "a@x.com", "external_id": "7"}, {"email": "c@x.com"}, {"external_id": "9"}, kind=DELETE_TO_ERASE
        )
        assert {identity: contact["addresses"] for identity, contact in outcome.contacts.items()} == {
            "a@x.com": ["a@x.com", "new@x.com"], "c@x.com": ["c@x.com"], "external_id 9": [],
        }  # fmt: skip
        assert deletions.left() == []

    def test_addresses_that_only_contacts_know_are_erased_before_the_deletion_too(self, deletions: Deletions) -> None:
        deletions.seed({"email": "a@x.com", "external_id": "7"}, {"email": "b@x.com"})
        deletions.checks = [None, SendGridError("killed")]
        with pytest.raises(SendGridError, match="killed"):
            deletions.carry_out({"external_id": "7"}, {"email": "b@x.com"}, kind=DELETE_TO_ERASE)
        assert (deletions.erased, deletions.deletions()) == ([["a@x.com"]], [])

    def test_nothing_is_erased_ahead_where_the_rows_have_the_addresses(self, deletions: Deletions) -> None:
        deletions.seed({"email": "a@x.com"}, {"external_id": "7"})
        deletions.carry_out({"email": "A@x.com"}, {"external_id": "7"}, kind=DELETE_TO_ERASE)
        assert (deletions.erased, deletions.left()) == ([], [])

    def test_plain_deletions_erase_nothing(self, deletions: Deletions) -> None:
        deletions.seed({"email": "a@x.com", "external_id": "7"})
        deletions.carry_out({"external_id": "7"})
        assert (deletions.erased, deletions.left()) == ([], [])

    def test_a_bad_address_is_left_out_of_what_is_erased_ahead(self, deletions: Deletions) -> None:
        deletions.seed({"email": "a@x.com", "external_id": "7"}, {"email": "b@x.com", "external_id": "8"})
        deletions.bad = {"a@x.com"}
        outcome = deletions.carry_out({"external_id": "7"}, {"external_id": "8"}, kind=DELETE_TO_ERASE)
        assert (deletions.erased, deletions.left()) == ([["a@x.com", "b@x.com"], ["b@x.com"]], [])
        assert outcome.contacts["external_id 7"]["addresses"] == ["a@x.com"]

    def test_without_a_good_address_nothing_is_erased_ahead(self, deletions: Deletions) -> None:
        deletions.seed({"email": "a@x.com", "external_id": "7"})
        deletions.bad = {"a@x.com"}
        deletions.carry_out({"external_id": "7"}, kind=DELETE_TO_ERASE)
        assert (deletions.erased, deletions.left()) == ([["a@x.com"]], [])

    def test_nobody_is_deleted_while_erasing_ahead_has_no_answer(self, deletions: Deletions) -> None:
        deletions.seed({"email": "a@x.com", "external_id": "7"})
        deletions.erase_failures = [TransientError("it was cut off")] * 3
        deletions.carry_out({"external_id": "7"}, kind=DELETE_TO_ERASE)
        assert (len(deletions.erased), deletions.deletions(), deletions.left()) == (4, [202], [])

    def test_a_refusal_that_names_no_address_deletes_nobody(self, deletions: Deletions) -> None:
        deletions.seed({"email": "a@x.com", "external_id": "7"})
        deletions.erase_failures = [BadRequestError("It is refused.", [("", "bad")])] * 100
        with pytest.raises(SendGridError, match="Nobody was rejected"):
            deletions.carry_out({"external_id": "7"}, kind=DELETE_TO_ERASE)
        assert (deletions.deletions(), deletions.left()) == ([], ["a@x.com"])

    def test_addresses_that_are_too_long_for_one_request_are_erased_ahead_in_halves(self, deletions: Deletions) -> None:
        deletions.seed(*({"email": f"p{number}@x.com", "external_id": str(number)} for number in range(3)))
        deletions.erase_failures = [TooLargeError("It is too large.")]
        deletions.carry_out(*({"external_id": str(number)} for number in range(3)), kind=DELETE_TO_ERASE)
        assert (sorted(map(len, deletions.erased)), deletions.left()) == ([1, 2, 3], [])

    def test_an_address_that_is_too_long_alone_is_not_split(self, deletions: Deletions) -> None:
        deletions.seed({"email": "a@x.com", "external_id": "7"})
        deletions.erase_failures = [TooLargeError("It is too large.")]
        with pytest.raises(TooLargeError):
            deletions.submit({"external_id": "7"}, kind=DELETE_TO_ERASE)
