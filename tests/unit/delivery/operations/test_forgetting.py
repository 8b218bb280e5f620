"""Suppressing, deleting and erasing against the sandbox, one after the other as a run does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from target_sendgrid.audience.account_guard import AccountGuard
from target_sendgrid.audience.removal_limit import RemovalLimit
from target_sendgrid.delivery.operations.delete_contacts import DELETE_TO_ERASE, DeleteContacts
from target_sendgrid.delivery.operations.erase import ERASE, Erase, addresses_of
from target_sendgrid.delivery.operations.suppress import Suppress, suppress_kind
from target_sendgrid.errors import Code, ConfigError, Reason, SendGridError
from target_sendgrid.sendgrid.client import Client
from target_sendgrid.sendgrid.transport import Transport
from tests.harness.clocks import SandboxClock
from tests.harness.operations import carry_out, changes_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from target_sendgrid.sandbox.server import SandboxServer
    from tests.harness.operations import Outcome

STOPPED = "The run is killed here."


class Consent:
    """The operations against the sandbox's account, and a permit that can end a run before any of its requests."""

    def __init__(self, sandbox: SandboxServer) -> None:
        self.sandbox = sandbox
        self.clock = SandboxClock(sandbox)
        self.client = Client(Transport(sandbox.url, sandbox.api_key, clock=self.clock, timeout_seconds=5))
        self.requests_left = 1_000
        """Number of requests that write before the run is killed."""

    def check_allowed(self) -> None:
        if not self.requests_left:
            raise SendGridError(STOPPED)
        self.requests_left -= 1

    def suppress(self, *emails: str, group_id: int | None = None) -> Outcome:
        kind = suppress_kind(group_id)
        operation = Suppress(kind, self.client, self.clock, group_id, self.check_allowed)
        return carry_out(operation, self.client, self.clock, changes_of(kind, ({"email": one} for one in emails)))

    def forget(self, *people: dict[str, Any], limit: int | None = None) -> Outcome:
        """Delete and erase people; return what became of their erasures."""
        guard = AccountGuard(RemovalLimit(lambda _: limit), lambda: self.client.contact_count().contact_count)
        delete = DeleteContacts(self.client, self.clock, guard, self.check_allowed, kind=DELETE_TO_ERASE)
        deleted = carry_out(delete, self.client, self.clock, changes_of(DELETE_TO_ERASE, people))
        assert not deleted.withheld
        absent = [{"email": one, "addresses": []} for one in deleted.not_found if "@" in one]
        known = [
            {**({"email": contact["email"]} if "email" in contact else {}), "addresses": contact["addresses"]}
            for contact in deleted.contacts.values()
        ]
        assert all(set(addresses_of(contact)) <= set(contact["addresses"]) for contact in known)
        changes = changes_of(ERASE, [*known, *absent])
        return carry_out(Erase(self.client, self.check_allowed), self.client, self.clock, changes)

    def count(self, path: str) -> int:
        """Return the number of POSTs whose path ends so."""
        requests = self.sandbox.requests()
        return sum(1 for one in requests if one["method"] == "POST" and one["path"].endswith(path))


@pytest.fixture
def consent(sandbox: SandboxServer) -> Iterator[Consent]:
    made = Consent(sandbox)
    yield made
    made.client.transport.close()


class TestSuppress:
    def test_three_thousand_people_take_three_requests(self, consent: Consent) -> None:
        emails = [f"p{number}@example.com" for number in range(3_000)]
        outcome = consent.suppress(*emails)
        assert (outcome.settled, consent.sandbox.suppressed()) == (emails, set(emails))
        assert len(consent.sandbox.requests()) == 3

    def test_people_are_suppressed_in_the_group_alone(self, consent: Consent) -> None:
        group_id = consent.sandbox.add_group("News")
        assert consent.suppress("a@example.com", group_id=group_id).settled == ["a@example.com"]
        assert (consent.sandbox.suppressed(group_id), consent.sandbox.suppressed()) == ({"a@example.com"}, set())

    def test_an_unknown_group_suppresses_nobody(self, consent: Consent) -> None:
        consent.sandbox.add_group("News")
        with pytest.raises(ConfigError, match="no suppression group 999"):
            consent.suppress("a@example.com", group_id=999)
        assert (consent.sandbox.suppressed(), consent.sandbox.violations()) == (set(), [])

    @pytest.mark.parametrize("answer", ["silent", "global"])
    def test_a_group_that_is_deleted_between_the_look_up_and_the_request_ends_the_run(
        self, consent: Consent, monkeypatch: pytest.MonkeyPatch, answer: str
    ) -> None:
        group_id = consent.sandbox.add_group("News")
        consent.sandbox.set_options(unknown_group_answer=answer)
        monkeypatch.setattr(consent, "check_allowed", lambda: consent.sandbox.delete_group(group_id))
        with pytest.raises(SendGridError) as caught:
            consent.suppress(*(f"p{number}@example.com" for number in range(1_001)), group_id=group_id)
        assert caught.value.codes == [Code.WRONG_GROUP]
        assert consent.count("/suppressions") == 1

    @pytest.mark.parametrize("answer", ["400", "left_out"])
    def test_an_address_that_sendgrid_does_not_take_is_rejected_alone(self, consent: Consent, answer: str) -> None:
        consent.sandbox.set_options(invalid_email_in_suppression=answer)
        outcome = consent.suppress("a@example.com", "b@@example.com", "c@example.com")
        assert (outcome.settled, outcome.rejected) == (
            ["a@example.com", "c@example.com"], {"b@@example.com": Reason.REFUSED_BY_SENDGRID},
        )  # fmt: skip
        assert consent.sandbox.suppressed() == {"a@example.com", "c@example.com"}

    def test_people_whom_an_answer_leaves_out_are_suppressed_by_another_request(self, consent: Consent) -> None:
        consent.sandbox.add_fault("suppressions_left_out", first=2)
        outcome = consent.suppress("a@example.com", "b@example.com", "c@example.com")
        assert (sorted(outcome.settled), outcome.rejected) == (["a@example.com", "b@example.com", "c@example.com"], {})
        assert len(consent.sandbox.requests()) == 2


class TestErase:
    def test_twelve_thousand_erasures_with_thirty_bad_addresses_take_six_requests(self, consent: Consent) -> None:
        emails = [f"person-{number}@mail.example.com" for number in range(12_000)]
        bad = {f"person-{number}@@mail.example.com" for number in range(7, 12_000, 400)}
        emails = [one.replace("@", "@@") if one.replace("@", "@@") in bad else one for one in emails]
        changes = changes_of(ERASE, ({"email": one, "addresses": [one]} for one in emails))
        outcome = carry_out(Erase(consent.client), consent.client, consent.clock, changes)
        assert (len(bad), outcome.rejected) == (30, dict.fromkeys(outcome.rejected, Reason.REFUSED_BY_SENDGRID))
        assert (set(outcome.rejected), consent.sandbox.erased()) == (bad, set(emails) - bad)
        assert consent.count("/erasejob") == 6

    def test_the_requests_stay_below_the_limit_of_bytes(self, consent: Consent) -> None:
        people: list[dict[str, Any]] = [
            {"external_id": str(number), "addresses": [f"{'x' * 60}{number}@{'y' * 60}.example.com"]}
            for number in range(5_000)
        ]
        changes = changes_of(ERASE, people)
        carry_out(Erase(consent.client), consent.client, consent.clock, changes)
        assert len(consent.sandbox.erased()) == 5_000
        assert {one["status"] for one in consent.sandbox.requests()} == {202}

    @pytest.mark.parametrize("fault", ["truncate", "cut_after"])
    def test_an_answer_that_cannot_be_read_is_no_answer(self, consent: Consent, fault: str) -> None:
        consent.sandbox.add_fault(fault, path="/v3/recipients/erasejob")
        consent.forget({"email": "a@example.com"})
        assert (consent.count("/erasejob"), consent.sandbox.erased()) == (2, {"a@example.com"})

    def test_a_key_without_the_scope_deletes_nobody_whose_address_only_the_contact_knows(
        self, consent: Consent
    ) -> None:
        consent.sandbox.seed(contacts=[{"email": "a@example.com", "external_id": "7"}])
        consent.sandbox.add_fault("status", path="/v3/recipients/erasejob", status=403, body={}, times=None)
        with pytest.raises(SendGridError, match=r"recipients\.erasejob\.create"):
            consent.forget({"external_id": "7"})
        assert len(consent.sandbox.contacts()) == 1


class TestForgetting:
    PEOPLE = (
        {"email": "a@example.com"},
        {"email": "b@example.com", "external_id": "2"},
        {"external_id": "3"},
        {"email": "nobody@example.com"},
        {"external_id": "none"},
    )
    CONTACTS = (
        {"email": "a@example.com"},
        {"email": "b@example.com"},
        {"email": "b-new@example.com", "external_id": "2"},
        {"email": "c@example.com", "external_id": "3"},
        {"email": "stays@example.com"},
    )
    ERASED = ("a", "b", "b-new", "c", "nobody")

    @pytest.mark.parametrize("requests", range(4))
    def test_a_run_that_is_killed_before_any_request_is_completed_by_the_next(
        self, consent: Consent, requests: int
    ) -> None:
        consent.sandbox.seed(contacts=list(self.CONTACTS))
        consent.requests_left = requests
        try:
            consent.forget(*self.PEOPLE)
        except SendGridError as error:
            assert str(error) == STOPPED  # noqa: PT017 - the last of them is not killed
        consent.requests_left = 1_000
        consent.sandbox.settle()
        outcome = consent.forget(*self.PEOPLE)
        assert not outcome.rejected
        assert consent.sandbox.erased() == {f"{name}@example.com" for name in self.ERASED}
        assert [one["email"] for one in consent.sandbox.contacts()] == ["stays@example.com"]

    def test_thousands_of_people_are_forgotten_with_their_contacts(self, consent: Consent) -> None:
        people = [{"email": f"p{number}@example.com"} for number in range(1_200)]
        consent.sandbox.seed(contacts=people)
        consent.forget(*people, limit=1_200)
        assert (consent.sandbox.contacts(), len(consent.sandbox.erased())) == ([], 1_200)
        assert sum(one["method"] == "DELETE" for one in consent.sandbox.requests()) == 6
        consent.sandbox.clear_requests()
        consent.forget(*people, limit=1_200)
        assert sum(one["method"] == "DELETE" for one in consent.sandbox.requests()) == 0
