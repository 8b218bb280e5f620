"""Suppressing: who is suppressed, what an answer must say, and that an unknown group suppresses nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest

from target_sendgrid.delivery.operations.suppress import Suppress, suppress_kind
from target_sendgrid.delivery.operations.without_job import attempted
from target_sendgrid.errors import (
    BadRequestError,
    Code,
    ConfigError,
    ContactLimitError,
    Reason,
    SendGridError,
    TransientError,
    UnreachableError,
)
from target_sendgrid.sendgrid.client import JobStatus
from target_sendgrid.sendgrid.consent import SuppressionGroup
from target_sendgrid.sendgrid.retry import RetryPolicy
from tests.harness.clocks import ManualClock
from tests.harness.operations import carry_out, changes_of, job_with

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from target_sendgrid.sendgrid.client import Client
    from target_sendgrid.sendgrid.retry import Tries
    from tests.harness.operations import Outcome

GROUP = 7


class Suppressions:
    """A stub of the client, whose answers the tests steer, and the operation."""

    def __init__(self, group_id: int | None = None) -> None:
        self.clock = ManualClock()
        self.groups = [GROUP]
        self.requests: list[tuple[int, int | None]] = []
        """Number of addresses and group of each request."""
        self.suppressed: set[str] = set()
        self.left_out: set[str] = set()
        """Who is in no answer."""
        self.failures: list[Exception] = []
        """What the next requests raise, in turn."""
        self.refuse: Callable[[Sequence[str]], None] = lambda _: None
        self.kind = suppress_kind(group_id)
        self.stopped: list[SendGridError] = []
        """What the permit raises, once."""
        self.operation = Suppress(self.kind, cast("Client", self), self.clock, group_id, self.check_allowed)

    def check_allowed(self) -> None:
        if self.stopped:
            raise self.stopped.pop()

    def suppress(self, emails: Sequence[str], group_id: int | None) -> set[str]:
        self.requests.append((len(emails), group_id))
        if self.failures:
            raise self.failures.pop(0)
        self.refuse(emails)
        self.suppressed.update(emails)
        return {email.casefold() for email in emails if email not in self.left_out}

    def suppression_groups(self) -> list[SuppressionGroup]:
        return [SuppressionGroup(group, "News") for group in self.groups]

    def new_tries(self) -> Tries:
        return RetryPolicy(self.clock, jitter=lambda: 1.0).tries(300.0)

    def carry_out(self, *emails: str) -> Outcome:
        changes = changes_of(self.kind, ({"email": email} for email in emails))
        return carry_out(self.operation, cast("Client", self), self.clock, changes)


def people(count: int) -> list[str]:
    return [f"p{number}@example.com" for number in range(count)]


def refusal(*messages: str) -> BadRequestError:
    return BadRequestError("SendGrid refused it.", [("", message) for message in messages])


def test_three_thousand_people_take_three_requests_and_are_all_kept_as_settled() -> None:
    suppressions, emails = Suppressions(), people(3_000)
    outcome = suppressions.carry_out(*emails)
    assert (outcome.settled, outcome.rejected, suppressions.suppressed) == (emails, {}, set(emails))
    assert suppressions.requests == [(1_000, None)] * 3
    assert suppressions.clock.sleeps == [0.0] * len(suppressions.clock.sleeps)


def test_an_address_is_confirmed_in_any_case_of_letters() -> None:
    suppressions = Suppressions()
    assert suppressions.carry_out("JÖRG@example.com").settled == ["JÖRG@example.com"]


def test_people_are_suppressed_in_a_group_of_the_account() -> None:
    suppressions = Suppressions(GROUP)
    assert suppressions.carry_out("a@example.com").settled == ["a@example.com"]
    assert suppressions.requests == [(1, GROUP)]


@pytest.mark.parametrize("groups", [[], [1, 77]])
def test_an_unknown_group_suppresses_nobody_and_ends_the_run(groups: list[int]) -> None:
    suppressions = Suppressions(GROUP)
    suppressions.groups = groups
    with pytest.raises(ConfigError, match=r"no suppression group 7 \(`suppression_group_id`\)") as caught:
        suppressions.carry_out("a@example.com")
    assert (caught.value.codes, suppressions.requests) == ([Code.WRONG_GROUP], [])


def test_the_group_is_looked_for_again_before_each_request() -> None:
    suppressions = Suppressions(GROUP)
    suppressions.refuse = lambda _: suppressions.groups.clear()
    with pytest.raises(ConfigError):
        suppressions.carry_out(*people(1_001))
    assert suppressions.requests == [(1_000, GROUP)]


def test_nothing_is_sent_once_the_run_is_stopped() -> None:
    suppressions = Suppressions()
    suppressions.stopped = [SendGridError("The run is stopped.")]
    with pytest.raises(SendGridError, match="stopped"):
        suppressions.carry_out("a@example.com")
    assert suppressions.requests == []


def test_a_request_without_an_answer_is_sent_again() -> None:
    suppressions = Suppressions()
    suppressions.failures = [TransientError("it was cut off", final_error=UnreachableError("It is not there."))]
    assert suppressions.carry_out("a@example.com").settled == ["a@example.com"]
    assert suppressions.requests == [(1, None)] * 2


def test_newer_values_need_not_wait_for_a_lost_answer() -> None:
    def lose() -> None:
        what = "it was cut off"
        raise TransientError(what)

    with pytest.raises(TransientError) as caught:
        attempted(lose)
    assert not caught.value.may_have_been_taken


def test_who_is_in_no_answer_is_rejected_alone_after_several_requests() -> None:
    suppressions = Suppressions()
    suppressions.left_out = {"p3@example.com"}
    outcome = suppressions.carry_out(*people(1_000))
    assert (len(outcome.settled), outcome.rejected) == (999, {"p3@example.com": Reason.REFUSED_BY_SENDGRID})


def test_answers_that_name_nobody_end_the_run_and_reject_nobody() -> None:
    suppressions = Suppressions()
    suppressions.left_out = set(people(5))
    with pytest.raises(SendGridError, match="names nobody of those who were to be suppressed, again and again"):
        suppressions.carry_out(*people(5))


@pytest.mark.parametrize("words", ["email 'p1@example.com' is not valid", "Bad address: p1@example.com."])
def test_an_address_that_a_refusal_names_is_rejected_alone(words: str) -> None:
    suppressions = Suppressions()

    def refuse(emails: Sequence[str]) -> None:
        if "p1@example.com" in emails:
            raise refusal(words)

    suppressions.refuse = refuse
    outcome = suppressions.carry_out(*people(20))
    assert (len(outcome.settled), outcome.rejected) == (19, {"p1@example.com": Reason.REFUSED_BY_SENDGRID})
    assert suppressions.requests == [(20, None), (19, None)]
    assert outcome.messages == {"p1@example.com": words}


def test_words_about_the_contact_limit_are_those_of_an_address() -> None:
    suppressions = Suppressions()

    def refuse(emails: Sequence[str]) -> None:
        if "contact-limit@example.com" in emails:
            raise ContactLimitError

    suppressions.refuse = refuse
    outcome = suppressions.carry_out("contact-limit@example.com", *people(20))
    assert (len(outcome.settled), outcome.rejected) == (20, {"contact-limit@example.com": Reason.REFUSED_BY_SENDGRID})


def test_an_answer_about_another_list_than_the_group_ends_the_run_at_once() -> None:
    suppressions = Suppressions(GROUP)
    suppressions.failures = [SendGridError("All mail is suppressed.", code=Code.WRONG_GROUP)] * 2
    with pytest.raises(SendGridError, match="All mail is suppressed"):
        suppressions.carry_out("a@example.com")
    assert suppressions.requests == [(1, GROUP)]


def test_nothing_is_looked_up_or_completed() -> None:
    operation = Suppressions().operation
    job = job_with(*changes_of(operation.kind, [{"email": "a@example.com"}]))
    status = JobStatus("errored", 0, 1, "link", says_contact_limit=False)
    assert (operation.row_errors(job, status), operation.amend(job, {"a@example.com": "bad"}, are_at_fault=True)) == (
        {},
        [],
    )
    assert operation.confirm(job, job.changes()) == set()
