"""Erasing: which addresses are sent, and that a refused address costs only its own person."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from target_sendgrid.delivery.operations.erase import ERASE, Erase, addresses_of
from target_sendgrid.errors import BadRequestError, ContactLimitError, Reason, SendGridError, TransientError
from target_sendgrid.sendgrid.consent import MAX_EMAILS_PER_ERASURE
from target_sendgrid.sendgrid.retry import RetryPolicy
from tests.harness.clocks import ManualClock
from tests.harness.operations import carry_out, changes_of, job_with

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_sendgrid.sendgrid.client import Client
    from target_sendgrid.sendgrid.retry import Tries
    from tests.harness.operations import Outcome


class Erasures:
    """A stub of the client that refuses bad addresses as SendGrid does, and the operation."""

    def __init__(self, *bad: str) -> None:
        self.clock = ManualClock()
        self.bad = set(bad)
        self.requests: list[int] = []
        """Number of addresses of each request."""
        self.erased: list[str] = []
        self.failures: list[Exception] = []
        """What the next requests raise, in turn."""
        self.stopped: list[SendGridError] = []
        """What the permit raises, once."""
        self.operation = Erase(cast("Client", self), self.check_allowed)

    def check_allowed(self) -> None:
        if self.stopped:
            raise self.stopped.pop()

    def erase(self, emails: Sequence[str]) -> None:
        assert 1 <= len(emails) <= MAX_EMAILS_PER_ERASURE
        assert len(emails) == len(set(emails))
        self.requests.append(len(emails))
        if self.failures:
            raise self.failures.pop(0)
        messages = [f"Email_address {email} is not valid" for email in emails if email in self.bad]
        if messages:
            message = "SendGrid refused it."
            raise BadRequestError(message, [("email_addresses", text) for text in messages])
        self.erased += emails

    def new_tries(self) -> Tries:
        return RetryPolicy(self.clock, jitter=lambda: 1.0).tries(300.0)

    def carry_out(self, *people: dict[str, Any]) -> Outcome:
        return carry_out(self.operation, cast("Client", self), self.clock, changes_of(ERASE, people))


def person(email: str, *others: str) -> dict[str, Any]:
    return {"email": email, "addresses": [email, *others]}


def test_all_addresses_of_people_are_erased_each_once() -> None:
    erasures = Erasures()
    outcome = erasures.carry_out(
        person("a@x.com", "old@x.com"), {"email": "b@x.com"}, {"external_id": "7", "addresses": ["old@x.com"]}
    )
    assert (erasures.erased, outcome.rejected) == (["a@x.com", "old@x.com", "b@x.com"], {})


def test_people_without_an_address_need_no_request() -> None:
    erasures = Erasures()
    job = job_with(*changes_of(ERASE, [{"external_id": "7", "addresses": []}]))
    assert (erasures.operation.submit(job), job.count, job.progress.open_count) == (None, 0, 0)
    assert (erasures.requests, job.progress.rejected) == ([], [])


def test_a_refused_address_rejects_its_own_person_and_the_others_are_erased() -> None:
    erasures = Erasures("b@x.com")
    outcome = erasures.carry_out(*map(person, ["a@x.com", "b@x.com", "ab@x.com"]))
    assert (erasures.requests, erasures.erased) == ([3, 2], ["a@x.com", "ab@x.com"])
    assert outcome.rejected == {"b@x.com": Reason.REFUSED_BY_SENDGRID}
    assert outcome.messages == {"b@x.com": "Email_address b@x.com is not valid"}


def test_other_addresses_of_a_person_with_a_refused_one_are_erased_before_the_person_is_rejected() -> None:
    erasures = Erasures("b@x.com", "worse@x.com", "d@x.com")
    outcome = erasures.carry_out(person("a@x.com"), person("b@x.com", "old@x.com", "worse@x.com"), person("c@x.com"))
    assert (erasures.requests, erasures.erased) == ([5, 3], ["a@x.com", "old@x.com", "c@x.com"])
    assert outcome.rejected == {"b@x.com": Reason.REFUSED_BY_SENDGRID}
    assert outcome.messages["b@x.com"].count("is not valid") == 2


def test_a_person_whose_addresses_are_refused_one_after_the_other_is_rejected_for_all_of_them() -> None:
    erasures = Erasures("b@x.com")
    job = job_with(*changes_of(ERASE, [person("b@x.com", "c@x.com", "d@x.com")]))
    for email in ("b@x.com", "c@x.com"):
        assert erasures.operation.amend(job, {"b@x.com": f"Email_address {email} is not valid"}, are_at_fault=True) == [
            "b@x.com"
        ]
    assert erasures.operation.submit(job) is not None
    (rejected,) = job.progress.rejected
    told = "Email_address b@x.com is not valid; Email_address c@x.com is not valid"
    assert (rejected.rejection.sendgrid_message, erasures.erased) == (told, ["d@x.com"])


def test_a_refused_address_that_two_people_share_rejects_both() -> None:
    erasures = Erasures("shared@x.com")
    outcome = erasures.carry_out(person("shared@x.com"), person("b@x.com", "shared@x.com"), person("c@x.com"))
    assert set(outcome.rejected) == {"shared@x.com", "b@x.com"}
    assert erasures.erased == ["b@x.com", "c@x.com"]


def test_twelve_thousand_people_with_thirty_bad_addresses_take_six_requests() -> None:
    emails = [f"person-{number}@mail.example.com" for number in range(12_000)]
    bad = emails[7::400]
    erasures = Erasures(*bad)
    outcome = erasures.carry_out(*map(person, emails))
    assert set(outcome.rejected) == set(bad)
    assert len(bad) == 30
    assert sorted(erasures.erased) == sorted(set(emails) - set(bad))
    assert len(erasures.requests) == 6


def test_people_with_many_addresses_are_sent_in_halves() -> None:
    people = [person(f"a{number}@x.com", f"b{number}@x.com") for number in range(4_000)]
    erasures = Erasures()
    erasures.carry_out(*people)
    assert (erasures.requests, len(set(erasures.erased))) == ([4_000, 4_000], 8_000)


@pytest.mark.parametrize("has_probe", [True, False])
def test_a_refusal_that_names_everybody_rejects_nobody_at_first(*, has_probe: bool) -> None:
    """It says more about the request, or the account, than about them."""
    emails = [f"p{number}@x.com" for number in range(20)]
    erasures = Erasures()
    erasures.bad = set(emails)
    if has_probe:
        job = job_with(*changes_of(ERASE, map(person, emails)))
        error = BadRequestError("", [("", f"Email_address {email} is not valid") for email in emails])
        assert set(erasures.operation.refused(job, error)) == set(emails)
        good = [person(f"q{number}@x.com") for number in range(5_000)]
        outcome = erasures.carry_out(*good, *map(person, emails))
        assert set(outcome.rejected) == set(emails)
    else:
        with pytest.raises(SendGridError, match="Nobody was rejected"):
            erasures.carry_out(*map(person, emails))


def test_a_request_without_an_answer_is_sent_again() -> None:
    erasures = Erasures()
    erasures.failures = [TransientError("it was cut off")]
    outcome = erasures.carry_out(person("a@x.com"))
    assert (erasures.requests, erasures.erased, outcome.rejected) == ([1, 1], ["a@x.com"], {})


def test_words_about_the_contact_limit_are_those_of_an_address() -> None:
    erasures = Erasures()
    erasures.failures = [ContactLimitError()]
    erasures.carry_out(person("contact-limit@x.com"))
    assert erasures.erased == ["contact-limit@x.com"]


def test_nothing_is_sent_once_the_run_is_stopped() -> None:
    erasures = Erasures()
    erasures.stopped = [SendGridError("The run is stopped.")]
    with pytest.raises(SendGridError, match="stopped"):
        erasures.carry_out(person("a@x.com"))
    assert erasures.requests == []


def test_the_addresses_of_a_person_are_the_rows_own_and_those_that_were_found() -> None:
    contact = {"email": "a@x.com", "addresses": ["b@x.com", "a@x.com"]}
    assert (addresses_of(contact), addresses_of({"external_id": "7"})) == (["a@x.com", "b@x.com"], [])
