"""Requests that fail: which are sent again and when, which are split, and whom answers name."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest

from target_sendgrid.delivery.isolation import WAIT_SECONDS, Isolation
from target_sendgrid.delivery.job import Level
from target_sendgrid.delivery.request_failures import TRIES_WHILE_OTHERS_SUCCEED, RequestFailures
from target_sendgrid.delivery.send_queue import SendQueue
from target_sendgrid.errors import (
    BadRequestError,
    JobFailedError,
    Reason,
    SendGridError,
    TooLargeError,
    TransientError,
    UnreachableError,
)
from target_sendgrid.sendgrid.retry import LONGEST_WAIT_SECONDS, RATE_LIMIT_BUDGET_SECONDS, RetryPolicy
from tests.harness.clocks import ManualClock
from tests.harness.jobs import job_of, names_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_sendgrid.delivery.job import Job
    from target_sendgrid.delivery.operation import Operation

BUDGET_SECONDS = 100.0


class Naming:
    """An operation whose refused requests name contacts, some of which can be completed."""

    def __init__(self, *named: str, completes: tuple[str, ...] = ()) -> None:
        self._named = {f"{name}@example.com": f"{name} is bad" for name in named}
        self._completes = [f"{name}@example.com" for name in completes]
        self.needs_fault = True
        self.amended: list[Mapping[str, str]] = []

    def refused(self, job: Job, error: BadRequestError) -> dict[str, str]:
        assert str(error) == "It was refused."
        return {identity: reason for identity, reason in self._named.items() if identity in job.changes()}

    def amend(self, job: Job, reasons: Mapping[str, str], *, are_at_fault: bool) -> list[str]:
        assert reasons.keys() <= job.changes().keys()
        if self.needs_fault is not are_at_fault:
            return []
        self.amended.append(reasons)
        return [identity for identity in self._completes if identity in reasons]


class FailuresHarness:
    """The module with what it works on, and requests that are accepted or fail."""

    def __init__(self) -> None:
        self.clock = ManualClock(1_000.0)
        self.queue = SendQueue(self.clock)
        self.isolation = Isolation(self.queue, self.clock)
        policy = RetryPolicy(self.clock, jitter=lambda: 1.0)
        self.failures = RequestFailures(
            self.queue, self.isolation, self.clock, new_tries=lambda: policy.tries(BUDGET_SECONDS)
        )

    def no_answer(self, job: Job, error: TransientError | None = None) -> None:
        """Send a job that gets no usable answer, as soon as the queue allows it."""
        if job in self.queue:
            self.clock.sleep(max(job.not_before - self.clock.seconds, 0.0))
            self.queue._jobs.remove(job)  # noqa: SLF001 - it was taken out to be sent
        self.failures.no_answer(job, error or TransientError("it was cut off"))

    def never_answers(
        self, job: Job, error: TransientError | None = None, *, are_others_accepted: bool = False
    ) -> None:
        """Send a job again and again, with trials in between, for an hour or until an error ends the run."""
        while self.clock.seconds < 1_000 + 3_600:
            self.no_answer(job, error)
            if are_others_accepted:
                self.failures._tries = None  # noqa: SLF001 - without the success that is counted
            if self.isolation.has_suspended:
                self.isolation.make_trial()

    def accept(self, count: int = 1) -> None:
        """Let new jobs be accepted at their first try."""
        for _ in range(count):
            self.clock.sleep(0.001)
            self.failures.accepted(job_of("other"))

    def refuse(self, job: Job, *named: str, completes: tuple[str, ...] = (), needs_fault: bool = True) -> Naming:
        """Refuse a request, and name some of its contacts."""
        self.clock.sleep(1.0)
        if job in self.queue:
            self.queue._jobs.remove(job)  # noqa: SLF001 - it was taken out to be sent
        operation = Naming(*named, completes=completes)
        operation.needs_fault = needs_fault
        error = BadRequestError("It was refused.", [("contacts", "bad luck")])
        self.failures.refused(job, cast("Operation", operation), error)
        return operation


@pytest.fixture
def harness() -> FailuresHarness:
    return FailuresHarness()


def rejected_of(job: Job) -> list[tuple[str, Reason, str | None]]:
    return [
        (change.identity.removesuffix("@example.com"), rejection.reason, rejection.sendgrid_message)
        for change, rejection in job.progress.rejected
    ]


class TestNoAnswer:
    def test_a_request_is_sent_again_after_growing_waits_and_all_others_wait_meanwhile(
        self, harness: FailuresHarness
    ) -> None:
        job = job_of("a", "b")
        for seconds in (0.5, 1.0, 2.0, 4.0):
            harness.no_answer(job)
            assert list(harness.queue) == [job]
            assert job.not_before == harness.clock.seconds + seconds
            other = job_of("other")
            harness.queue.append(other)
            assert harness.queue.wait_seconds(only_trials=False) == seconds
            harness.queue._jobs.remove(other)  # noqa: SLF001 - no other may be accepted

    def test_a_lost_answer_may_have_started_a_job(self, harness: FailuresHarness) -> None:
        job = job_of("a")
        harness.no_answer(job, TransientError("it was refused", may_have_been_taken=False))
        assert job.progress.maybe_taken_at is None
        harness.no_answer(job)
        assert job.progress.maybe_taken_at == harness.clock.seconds == 1_000.5

    def test_requests_that_fail_for_too_long_are_suspended_and_a_trial_decides(self, harness: FailuresHarness) -> None:
        job = job_of("a", "b")
        while not harness.isolation.has_suspended:
            harness.no_answer(job)
            assert harness.clock.seconds <= 1_000 + BUDGET_SECONDS + 1
        assert harness.clock.seconds >= 1_000 + BUDGET_SECONDS - 1
        assert (job.failed_at, job.failed_tries) == ({Level.ANSWER: 1_000.0}, None)
        harness.isolation.make_trial()
        assert len(harness.queue) == 2

    def test_the_error_of_the_last_try_ends_the_run(self, harness: FailuresHarness) -> None:
        job, final_error = job_of("a"), UnreachableError("It is not there.")
        with pytest.raises(UnreachableError, match="It is not there"):
            harness.never_answers(job, TransientError("it was cut off", final_error=final_error))
        assert job.progress.rejected == []

    def test_without_such_an_error_the_words_of_the_failure_end_the_run(self, harness: FailuresHarness) -> None:
        job = job_of("a")
        with pytest.raises(JobFailedError, match="it was cut off"):
            harness.never_answers(job)

    @pytest.mark.parametrize(("names", "parts"), [("abcd", [["a", "b"], ["c", "d"]]), ("ab", [["a"], ["b"]])])
    def test_a_job_is_split_when_its_tries_fail_while_others_are_accepted(
        self, harness: FailuresHarness, names: str, parts: list[list[str]]
    ) -> None:
        job = job_of(*names)
        for _ in range(TRIES_WHILE_OTHERS_SUCCEED - 1):
            harness.no_answer(job)
            harness.accept()
        assert (list(harness.queue), job.count) == ([job], len(names))
        harness.no_answer(job)
        assert [names_of(part) for part in harness.queue] == parts
        assert not harness.isolation.has_suspended

    def test_a_job_is_not_split_while_others_are_not_accepted(self, harness: FailuresHarness) -> None:
        job = job_of("a", "b")
        harness.accept()
        for _ in range(TRIES_WHILE_OTHERS_SUCCEED + 1):
            harness.no_answer(job)
        assert (list(harness.queue), job.count) == ([job], 2)

    def test_a_single_contact_is_rejected_when_it_fails_for_long_again_and_again_while_others_are_accepted(
        self, harness: FailuresHarness
    ) -> None:
        job = job_of("a")
        tries = 0
        while not job.progress.rejected:
            harness.no_answer(job)
            harness.accept(4)
            tries += 1
            assert tries < 100
        assert rejected_of(job) == [("a", Reason.REFUSED_BY_SENDGRID, None)]
        assert job.progress.rejected[0].rejection.sentence == "SendGrid fails at each request with the contact."
        assert 1_000 + BUDGET_SECONDS <= harness.clock.seconds < 1_000 + 1.5 * BUDGET_SECONDS

    @pytest.mark.parametrize(("accepted", "ends_at_once"), [(8, True), (9, False)])
    def test_a_single_contact_is_at_fault_only_if_three_jobs_are_accepted_for_each_other_that_fails(
        self, harness: FailuresHarness, *, accepted: int, ends_at_once: bool
    ) -> None:
        harness.accept(5)
        harness.no_answer(job_of("earlier"))
        job, final_error = job_of("a"), UnreachableError("It is not there.")
        error = TransientError("it was cut off", final_error=final_error)
        started_at = harness.clock.seconds
        harness.no_answer(job, error)
        for number in range(3):
            harness.no_answer(job_of(f"p{number}"))
        harness.accept(accepted)
        with pytest.raises(UnreachableError, match="It is not there"):
            harness.never_answers(job, error, are_others_accepted=True)
        seconds = harness.clock.seconds - started_at
        assert (BUDGET_SECONDS - 1 <= seconds <= BUDGET_SECONDS + 1) == ends_at_once
        assert job.progress.rejected == []

    def test_two_contacts_do_not_end_the_run_while_others_fail_too(self, harness: FailuresHarness) -> None:
        job = job_of("a", "b")
        harness.no_answer(job)
        for number in range(3):
            harness.no_answer(job_of(f"p{number}"))
        while Level.ANSWER not in job.failed_at:
            harness.no_answer(job)
        assert harness.isolation.has_suspended

    def test_an_accepted_request_starts_a_new_budget(self, harness: FailuresHarness) -> None:
        job = job_of("a")
        for _ in range(3):
            harness.no_answer(job)
        harness.failures.accepted(job)
        assert job.failed_tries is None
        harness.no_answer(job)
        assert job.not_before == harness.clock.seconds + 0.5

    def test_rate_limits_do_not_count_as_failures(self, harness: FailuresHarness) -> None:
        job = job_of("a", "b")
        error = TransientError("it was rate-limited", wait_seconds=60.0, is_rate_limit=True, may_have_been_taken=False)
        for _ in range(10):
            harness.no_answer(job, error)
            assert list(harness.queue) == [job]
            assert job.not_before - harness.clock.seconds == pytest.approx(61.0)
            harness.queue.pause(0.0)
        assert job.failed_at == {}

    def test_rate_limits_that_never_end_end_the_run(self, harness: FailuresHarness) -> None:
        job = job_of("a", "b")
        error = TransientError("it was rate-limited", wait_seconds=60.0, is_rate_limit=True)
        with pytest.raises(JobFailedError, match="it was rate-limited"):
            harness.never_answers(job, error)
        assert harness.clock.seconds >= 1_000 + RATE_LIMIT_BUDGET_SECONDS

    def test_a_job_that_is_rate_limited_while_others_are_accepted_goes_on_waiting(
        self, harness: FailuresHarness
    ) -> None:
        job = job_of("a", "b")
        error = TransientError("it was rate-limited", wait_seconds=60.0, is_rate_limit=True)
        while harness.clock.seconds < 1_000 + RATE_LIMIT_BUDGET_SECONDS + 200:
            harness.no_answer(job, error)
            harness.accept()
        assert list(harness.queue) == [job]
        assert job.not_before - harness.clock.seconds == pytest.approx(LONGEST_WAIT_SECONDS, abs=1)

    def test_a_failure_with_a_budget_of_its_own_ends_the_run_when_that_is_used_up(
        self, harness: FailuresHarness
    ) -> None:
        job = job_of("a", "b")
        error = TransientError("a proxy refused it", budget_seconds=20.0)
        with pytest.raises(JobFailedError, match="a proxy refused it"):
            harness.never_answers(job, error)
        assert 1_019 <= harness.clock.seconds <= 1_021


class TestTooLarge:
    @pytest.mark.parametrize(("names", "parts"), [("abc", [["a", "b"], ["c"]]), ("ab", [["a"], ["b"]])])
    def test_each_half_of_a_job_that_is_too_large_is_sent_by_itself(
        self, harness: FailuresHarness, names: str, parts: list[list[str]]
    ) -> None:
        harness.failures.too_large(job_of(*names), TooLargeError("It is too large."))
        assert [names_of(part) for part in harness.queue] == parts
        assert harness.queue.wait_seconds(only_trials=False) == 0.0

    def test_a_single_contact_that_is_too_large_is_rejected_like_one_that_is_refused(
        self, harness: FailuresHarness
    ) -> None:
        job = job_of("a")
        for _ in range(3):
            assert job.progress.rejected == []
            harness.clock.sleep(1.0)
            harness.failures.too_large(job, TooLargeError("It is too large."))
            harness.clock.sleep(1.0)
            harness.isolation.succeeded(Level.REQUEST, harness.clock.seconds)
        assert rejected_of(job) == [("a", Reason.REFUSED_BY_SENDGRID, None)]
        assert job.progress.rejected[0].rejection.sentence == "SendGrid takes no contact of that size."

    def test_if_nothing_else_is_accepted_its_error_ends_the_run(self, harness: FailuresHarness) -> None:
        job = job_of("a")
        for _ in range(2):
            harness.failures.too_large(job, TooLargeError("It is too large."))
        with pytest.raises(TooLargeError, match="It is too large"):
            harness.isolation.make_trial()


class TestRefused:
    def test_those_who_are_named_are_rejected_and_the_others_sent_at_once(self, harness: FailuresHarness) -> None:
        job = job_of("a", "b", "c")
        harness.refuse(job, "b")
        assert rejected_of(job) == [("b", Reason.REFUSED_BY_SENDGRID, "b is bad")]
        assert job.progress.rejected[0].rejection.sentence == "SendGrid refused the contact."
        assert (list(harness.queue), names_of(job)) == ([job], ["a", "c"])
        assert harness.queue.wait_seconds(only_trials=False) == 0.0
        assert (job.failed_at, job.named) == ({}, frozenset())

    def test_when_all_are_named_nothing_is_left_to_send(self, harness: FailuresHarness) -> None:
        job = job_of("a", "b")
        harness.refuse(job, "a", "b")
        assert [name for name, *_ in rejected_of(job)] == ["a", "b"]
        assert (len(harness.queue), job.count) == (0, 0)

    def test_those_who_can_be_completed_are_sent_again(self, harness: FailuresHarness) -> None:
        job = job_of("a", "b", "c")
        operation = harness.refuse(job, "a", "b", completes=("b",))
        assert operation.amended == [{"a@example.com": "a is bad", "b@example.com": "b is bad"}]
        assert [name for name, *_ in rejected_of(job)] == ["a"]
        assert (list(harness.queue), names_of(job)) == ([job], ["b", "c"])

    def test_all_who_are_named_may_be_complete_now(self, harness: FailuresHarness) -> None:
        job = job_of(*(f"p{number}" for number in range(30)))
        names = tuple(names_of(job))
        operation = harness.refuse(job, *names, completes=names, needs_fault=False)
        assert (len(operation.amended), rejected_of(job), list(harness.queue)) == (1, [], [job])
        assert (job.count, job.failed_at, job.named) == (30, {}, frozenset())

    def test_who_is_complete_now_is_not_at_fault_beside_others(self, harness: FailuresHarness) -> None:
        job = job_of("a", "b", "c")
        harness.refuse(job, "a", "b", completes=("b",), needs_fault=False)
        assert ([name for name, *_ in rejected_of(job)], names_of(job)) == (["a"], ["b", "c"])

    def test_nobody_is_rejected_for_a_refusal_that_names_nobody(self, harness: FailuresHarness) -> None:
        job = job_of("a", "b")
        harness.refuse(job)
        assert (rejected_of(job), list(harness.queue)) == ([], [job])
        assert harness.queue.wait_seconds(only_trials=False) == WAIT_SECONDS

    def test_a_contact_that_is_refused_alone_again_and_again_is_rejected_with_sendgrids_words(
        self, harness: FailuresHarness
    ) -> None:
        job = job_of("a")
        for _ in range(3):
            assert rejected_of(job) == []
            harness.refuse(job)
            harness.accept()
        assert rejected_of(job) == [("a", Reason.REFUSED_BY_SENDGRID, "contacts: bad luck")]
        sentence = job.progress.rejected[0].rejection.sentence
        assert sentence == "SendGrid refused the contact without naming a field."

    def test_refusals_that_name_nobody_end_the_run_if_nothing_is_accepted(self, harness: FailuresHarness) -> None:
        job = job_of("a")
        for _ in range(2):
            harness.refuse(job)
        with pytest.raises(SendGridError, match="Nobody was rejected: the request or the account is at fault"):
            harness.isolation.make_trial()

    def test_most_of_a_large_request_are_at_fault_only_when_they_are_named_again(
        self, harness: FailuresHarness
    ) -> None:
        names = [f"p{number}" for number in range(12)]
        job = job_of(*names)
        harness.refuse(job, *names[:7])
        assert (rejected_of(job), job.named) == ([], frozenset(f"{name}@example.com" for name in names[:7]))
        harness.accept()
        harness.refuse(job, *names[4:11])
        assert [name for name, *_ in rejected_of(job)] == names[4:7]

    def test_who_was_named_by_answers_that_are_not_believed_is_remembered(self, harness: FailuresHarness) -> None:
        names = [f"p{number}" for number in range(24)]
        job = job_of(*names)
        harness.isolation.count_failure(Level.REQUEST, 11)
        for some in (names[:13], names[11:]):
            harness.refuse(job, *some)
        assert rejected_of(job) == []
        harness.accept()
        harness.refuse(job, *names)
        assert [name for name, *_ in rejected_of(job)] == names

    def test_requests_that_are_refused_for_everybody_in_a_row_are_believed_up_to_ten_contacts(
        self, harness: FailuresHarness
    ) -> None:
        jobs = [job_of(f"a{number}", f"b{number}") for number in range(6)]
        for number, job in enumerate(jobs):
            harness.refuse(job, f"a{number}", f"b{number}")
        assert [len(rejected_of(job)) for job in jobs] == [2, 2, 2, 2, 2, 0]
        assert list(harness.queue) == [jobs[5]]

    def test_a_request_in_which_some_are_named_counts_as_one_failure(self, harness: FailuresHarness) -> None:
        for number in range(10):
            harness.refuse(job_of(f"a{number}", f"b{number}", f"c{number}"), f"a{number}", f"b{number}")
        assert not harness.isolation.is_account_suspect(Level.REQUEST)
        harness.refuse(job_of("a", "b"), "a")
        assert harness.isolation.is_account_suspect(Level.REQUEST)
