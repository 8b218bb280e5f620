"""The job runner with an account that the tests steer: what is sent, polled, confirmed, rejected and reported."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, cast

import pytest

from target_sendgrid.audience.identities import IdentitySet
from target_sendgrid.delivery import spool
from target_sendgrid.delivery.events import BatchResult, Spooled
from target_sendgrid.delivery.job_runner import LOST_JOB_SECONDS, MAX_SENDS, JobRunner
from target_sendgrid.delivery.lookups import MAX_INVISIBLE_SECONDS
from target_sendgrid.delivery.operation import Submission
from target_sendgrid.delivery.operations.suppress import suppress_kind
from target_sendgrid.delivery.pending import Batch, Change, Purpose, pack, stream_counts
from target_sendgrid.delivery.poll_schedule import MAX_LIKELY_SECONDS, MIN_UNTRACKED_SECONDS
from target_sendgrid.errors import (
    BadRequestError,
    ConfigError,
    JobFailedError,
    NotFoundError,
    Reason,
    SendGridError,
    TooLargeError,
    TransientError,
    UnreachableError,
)
from target_sendgrid.origin import Origin
from target_sendgrid.sendgrid.client import JobStatus
from target_sendgrid.sendgrid.contact import encode
from target_sendgrid.sendgrid.retry import RetryPolicy
from tests.harness.clocks import ManualClock
from tests.harness.jobs import PURPOSE

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from target_sendgrid.delivery.events import JobEvent
    from target_sendgrid.delivery.job import Job
    from target_sendgrid.delivery.operation import Operation
    from target_sendgrid.delivery.pending import OperationKind
    from target_sendgrid.sendgrid.client import Client
    from target_sendgrid.sendgrid.lists import ListTracker
    from target_sendgrid.sendgrid.retry import Tries

JOB_SECONDS = 40.0
TIMEOUT_SECONDS = 3_600.0


def status(name: str = "completed", *, errored: int | None = None, requested: int | None = None) -> JobStatus:
    return JobStatus(name, 0, errored, "link" if errored else None, says_contact_limit=False, requested_count=requested)


def names(identities: Collection[str]) -> str:
    """Return people in short: ``ab`` for ``a@example.com`` and ``b@example.com``."""
    return "".join(sorted(identity.removesuffix("@example.com") for identity in identities))


def lost() -> TransientError:
    return TransientError("it was cut off", final_error=UnreachableError("It is not there."))


class SendGridStub:
    """SendGrid as the runner sees it: an operation, a client and a tracker of lists in one.

    Each request is accepted and its job completes after 40 seconds, unless the tests say otherwise.
    """

    unconfirmed = "it is not there"

    def __init__(self, kind: OperationKind = PURPOSE.kind, clock: ManualClock | None = None) -> None:
        self.kind = kind
        self.clock = clock or ManualClock(1_000.0)
        self.is_proven_by_completion = True
        self.max_bytes: int | None = None
        self.sent: list[str] = []
        """The people of each request, in order."""
        self.sent_at: list[float] = []
        self.looked_up: list[str] = []
        self.polls: list[str] = []
        self.refuses: list[Callable[[str], None]] = []
        """Called at each request with its people, in turn; may raise."""
        self.answers: dict[str, list[JobStatus | Exception]] = {}
        """What polls of jobs answer, by the people of the job. The last answer is repeated."""
        self.named: dict[str, str] = {}
        """The reasons in errors files, by person."""
        self.completes = ""
        self.stored = ""
        """The people whom look-ups find."""
        self.answers_at_once: str | None = None
        """The people whose changes answers say are carried out, without a job; ``None`` where there are jobs."""
        self.list_id = "L"
        self.job_ids = (f"job{number}" for number in itertools.count(1))
        self._jobs: dict[str, tuple[str, float]] = {}
        self._policy = RetryPolicy(self.clock, jitter=lambda: 1.0)

    # What an operation does

    def submit(self, job: Job) -> Submission | None:
        people = names(job.changes())
        self.sent.append(people)
        self.sent_at.append(self.clock.seconds)
        if self.refuses:
            self.refuses.pop(0)(people)
        if self.answers_at_once is not None:
            carried_out = [identity for identity in job.changes() if names([identity]) in self.answers_at_once]
            if not carried_out:
                what = "an answer names nobody"
                raise TransientError(what, may_have_been_taken=False)
            return Submission(None, (), 100, job.count, carried_out)
        job_id = next(self.job_ids)
        self._jobs[job_id] = people, self.clock.seconds
        return Submission(job_id, self.current(job.purpose.list_ids), 100, job.count)

    def refused(self, job: Job, error: BadRequestError) -> dict[str, str]:
        del error
        return self.row_errors(job, status())

    def row_errors(self, job: Job, _: JobStatus) -> dict[str, str]:
        return {identity: reason for identity, reason in self.named.items() if identity in job.changes()}

    def amend(self, job: Job, reasons: Mapping[str, str], *, are_at_fault: bool) -> list[str]:
        assert reasons.keys() <= job.changes().keys()
        if are_at_fault:
            return []
        return [identity for identity in reasons if names([identity]) in self.completes]

    def confirm(self, job: Job, identities: Collection[str]) -> set[str]:
        del job
        self.looked_up.append(names(identities))
        return {identity for identity in identities if names([identity]) in self.stored}

    # What a client does

    def new_tries(self) -> Tries:
        return self._policy.tries(300.0)

    def job_status(self, job_id: str) -> JobStatus:
        people, sent_at = self._jobs[job_id]
        self.polls.append(people)
        if answers := self.answers.get(people):
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
            if isinstance(answer, Exception):
                raise answer
            return answer
        return status("completed" if self.clock.seconds >= sent_at + JOB_SECONDS else "pending")

    # What a tracker does

    def current(self, list_ids: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(list_id.replace("L", self.list_id) for list_id in list_ids)


class Harness:
    """A runner, and the results that it has reported."""

    def __init__(self) -> None:
        self.account = SendGridStub()
        self.clock = self.account.clock
        self.suppressions = SendGridStub(suppress_kind(None), self.clock)
        """Another operation, whose requests are answered without a job."""
        self.suppressions.answers_at_once = "abcdefghijklmnopqrstuvwxyz"
        self.runner = JobRunner(
            [cast("Operation", self.account), cast("Operation", self.suppressions)],
            cast("Client", self.account),
            self.clock,
            list_tracker=cast("ListTracker", self.account),
            job_timeout_seconds=TIMEOUT_SECONDS,
        )
        self.runner.is_awaited = True
        self.events: list[JobEvent] = []

    def accept(self, people: str, kind: OperationKind = PURPOSE.kind) -> Batch:
        """Let the runner take a batch of these people, for upserts unless another kind is given."""
        purpose = Purpose(kind, PURPOSE.list_ids)
        emails = [f"{name}@example.com" for name in people]
        changes = {
            email: Change(purpose, email, encode({"email": email}), Origin("people", line))
            for line, email in enumerate(emails, 1)
        }
        batch = Batch(purpose, pack(changes), 1, 100, stream_counts(changes.values()), IdentitySet(changes))
        self.runner.accept(batch)
        return batch

    def step(self) -> float | None:
        try:
            return self.runner.step()
        finally:
            self.events += self.runner.take_events()

    def run(self, seconds: float = 20_000.0) -> None:
        """Let the runner work until nothing is under way, or for some seconds."""
        ends_at = self.clock.seconds + seconds
        for _ in range(10_000):
            wait = self.step()
            if wait is None or self.clock.seconds >= ends_at:
                return
            self.clock.sleep(min(wait, ends_at - self.clock.seconds))
        pytest.fail("it never ends")

    @property
    def results(self) -> list[BatchResult]:
        return [event for event in self.events if isinstance(event, BatchResult)]

    def rejected(self) -> list[tuple[str, Reason]]:
        """Return who was rejected, and why, in all reported batches."""
        return [
            (names([change.identity]), rejection.reason)
            for result in self.results
            for change, rejection in result.rejected
        ]


@pytest.fixture
def harness() -> Harness:
    return Harness()


def raising(error: Exception) -> Callable[[str], None]:
    def refuse(_: str) -> None:
        raise error

    return refuse


class TestSuccess:
    def test_a_batch_is_confirmed_when_its_job_has_completed(self, harness: Harness) -> None:
        batch = harness.accept("ab")
        assert harness.step() == 0.5
        harness.run()
        (result,) = harness.results
        assert result == BatchResult(batch, [], 1, None, None, [], [], [], [], [])
        assert 1_000 + JOB_SECONDS <= harness.clock.seconds < 1_000 + 1.2 * JOB_SECONDS
        assert (harness.account.sent, harness.account.looked_up) == (["ab"], [])
        assert harness.step() is None

    def test_batches_are_sent_one_after_the_other_and_polled_meanwhile(self, harness: Harness) -> None:
        batches = [harness.accept(people) for people in ("ab", "c", "de")]
        for _ in batches:
            harness.step()
        assert (harness.account.sent, harness.account.sent_at) == (["ab", "c", "de"], [1_000.0] * 3)
        harness.run()
        assert [result.batch for result in harness.results] == batches

    def test_the_limit_of_requests_is_reported_to_the_delivery(self, harness: Harness) -> None:
        harness.account.max_bytes = 5_000
        harness.accept("a")
        harness.run()
        assert harness.results[0].max_bytes == 5_000

    def test_contacts_of_pending_jobs_are_moved_to_disk(
        self, harness: Harness, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(spool, "MAX_WAITING_BYTES", 150)
        batches = [harness.accept(people) for people in ("a", "b", "c")]
        for _ in batches:
            harness.step()
        assert harness.events == []
        harness.run(10.0)
        assert [event.batch for event in harness.events if isinstance(event, Spooled)] == batches[:2]
        harness.run()
        assert len(harness.results) == 3

    def test_no_event_is_lost_that_is_taken_late(self, harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(spool, "MAX_WAITING_BYTES", 0)
        for people in ("a", "b", "c"):
            harness.accept(people)
        while (wait := harness.runner.step()) is not None:
            harness.clock.sleep(wait)
        events = harness.runner.take_events()
        assert sorted(type(event).__name__ for event in events) == ["BatchResult"] * 3 + ["Spooled"] * 3
        assert harness.runner.take_events() == []

    def test_contacts_are_sent_again_when_their_list_was_recreated_meanwhile(self, harness: Harness) -> None:
        harness.accept("ab")
        harness.step()
        harness.account.list_id = "M"
        harness.run()
        assert (harness.account.sent, harness.results[0].job_count) == (["ab", "ab"], 2)


class TestRequests:
    def test_a_request_without_an_answer_is_sent_again_and_its_people_stay_reserved(self, harness: Harness) -> None:
        harness.account.refuses = [raising(lost())]
        harness.accept("ab")
        harness.run()
        assert (harness.account.sent, harness.account.sent_at) == (["ab", "ab"], [1_000.0, 1_000.5])
        assert harness.results[0].people_free_at == 1_000.0 + MIN_UNTRACKED_SECONDS

    def test_an_id_of_an_earlier_job_is_no_answer(self, harness: Harness) -> None:
        harness.account.job_ids = (job_id for job_id in ("job1", "job1", "job2"))
        for people in ("a", "b"):
            harness.accept(people)
        harness.run()
        assert harness.account.sent == ["a", "b", "b"]
        assert [(result.job_count, result.people_free_at is None) for result in harness.results] == [
            (1, True), (1, False),
        ]  # fmt: skip

    def test_ids_of_earlier_jobs_again_and_again_end_the_run(self, harness: Harness) -> None:
        harness.account.job_ids = (job_id for job_id in itertools.repeat("job1"))
        harness.accept("a")
        harness.run()
        harness.accept("b")
        with pytest.raises(JobFailedError, match="with the id of an earlier job, again and again"):
            harness.run()

    def test_a_request_that_is_too_large_is_sent_in_halves(self, harness: Harness) -> None:
        harness.account.refuses = [raising(TooLargeError("It is too large."))]
        harness.accept("abc")
        harness.run()
        assert (harness.account.sent, harness.results[0].job_count) == (["abc", "ab", "c"], 2)

    def test_those_whom_a_refusal_names_are_rejected_and_the_others_sent(self, harness: Harness) -> None:
        harness.account.refuses = [raising(BadRequestError("It is refused.", []))]
        harness.account.named = {"b@example.com": "bad"}
        harness.accept("abc")
        harness.step()
        harness.account.named = {}
        harness.run()
        assert (harness.account.sent, harness.rejected()) == (["abc", "ac"], [("b", Reason.REFUSED_BY_SENDGRID)])

    def test_a_batch_all_of_whose_people_are_refused_is_reported_at_once(self, harness: Harness) -> None:
        harness.account.refuses = [raising(BadRequestError("It is refused.", []))]
        harness.account.named = {"a@example.com": "bad"}
        harness.accept("a")
        assert harness.step() is None
        assert (harness.rejected(), harness.results[0].job_count) == ([("a", Reason.REFUSED_BY_SENDGRID)], 0)

    def test_what_need_not_be_sent_is_reported_at_once(self, harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
        def settle(job: Job) -> None:
            job.settle_all()

        monkeypatch.setattr(harness.account, "submit", settle)
        harness.accept("a")
        assert harness.step() is None
        assert (harness.results[0].job_count, harness.rejected()) == (0, [])


class TestAnswersWithoutJobs:
    def test_an_answer_settles_at_once_and_nothing_is_polled(
        self, harness: Harness, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level("INFO")
        harness.account.answers_at_once = "ab"
        batch = harness.accept("ab")
        assert harness.step() is None
        assert harness.results == [BatchResult(batch, [], 0, None, None, [], [], [], [], [])]
        assert (harness.account.sent, harness.account.polls) == (["ab"], [])
        assert "Sent 2 contacts in 100 bytes as import job." in caplog.messages

    def test_those_whom_an_answer_leaves_out_are_sent_again(self, harness: Harness) -> None:
        harness.account.answers_at_once = "ac"
        harness.accept("abc")
        harness.step()
        harness.account.answers_at_once = "b"
        harness.run()
        assert (harness.account.sent, harness.rejected(), len(harness.results)) == (["abc", "b"], [], 1)

    def test_a_person_whom_each_answer_leaves_out_is_rejected_while_others_are_carried_out(
        self, harness: Harness
    ) -> None:
        harness.account.answers_at_once = "acd"
        harness.accept("abcd")
        harness.run()
        assert harness.rejected() == [("b", Reason.REFUSED_BY_SENDGRID)]
        assert set(harness.account.sent) == {"abcd", "b", "d"}  # d is the probe
        assert harness.clock.seconds < 1_000 + 2_000

    def test_answers_that_never_name_anybody_end_the_run_and_reject_nobody(self, harness: Harness) -> None:
        harness.account.answers_at_once = ""
        harness.accept("ab")
        with pytest.raises(JobFailedError, match="an answer names nobody"):
            harness.run()
        assert harness.rejected() == []


class TestServices:
    @pytest.mark.parametrize("failing", ["contacts", "suppressions"])
    @pytest.mark.parametrize("error", [BadRequestError("It is refused.", []), lost()], ids=["400", "no answer"])
    def test_that_one_service_works_does_not_make_people_at_fault_whom_another_refuses(
        self, harness: Harness, failing: str, error: Exception
    ) -> None:
        contacts, suppressions = harness.account, harness.suppressions
        bad, good = (contacts, suppressions) if failing == "contacts" else (suppressions, contacts)
        bad.refuses = [raising(error)] * 1_000
        harness.accept("ab", bad.kind)

        def send_others() -> None:
            for number in range(200):
                harness.accept("cdefghijklmnopqrstuv"[number % 20], good.kind)
                harness.run(20.0)

        with pytest.raises(SendGridError):
            send_others()
        assert harness.rejected() == []

    @pytest.mark.parametrize("error", [BadRequestError("It is refused.", []), lost()], ids=["400", "no answer"])
    def test_a_person_is_at_fault_whom_a_service_refuses_while_it_takes_others(
        self, harness: Harness, error: Exception
    ) -> None:
        def refuse(people: str) -> None:
            if "b" in people:
                raise error

        harness.suppressions.refuses = [refuse] * 1_000
        for people in ("abcd", "e", "f", "g", "h"):
            harness.accept(people, harness.suppressions.kind)
        harness.run()
        assert harness.rejected() == [("b", Reason.REFUSED_BY_SENDGRID)]


class TestErrorsFiles:
    def test_those_who_are_named_are_rejected_and_the_others_confirmed(self, harness: Harness) -> None:
        harness.account.named = {"b@example.com": "bad"}
        harness.account.answers["abc"] = [status("errored", errored=1)]
        harness.accept("abc")
        harness.run()
        assert (harness.account.sent, harness.rejected()) == (["abc"], [("b", Reason.FAILED_IN_JOB)])
        rejection = harness.results[0].rejected[0].rejection
        assert (rejection.sentence, rejection.sendgrid_message) == ("SendGrid's import job reported an error.", "bad")
        assert len(harness.results) == 1

    def test_those_who_can_be_completed_are_sent_again_alone(self, harness: Harness) -> None:
        harness.account.named = {"a@example.com": "bad", "b@example.com": "incomplete"}
        harness.account.completes = "b"
        harness.account.answers["abc"] = [status("errored", errored=2)]
        harness.accept("abc")
        while harness.account.sent != ["abc", "b"]:
            harness.clock.sleep(harness.step() or 0.0)
            harness.account.named.pop("b@example.com", None) if harness.account.polls else None
        harness.run()
        assert (harness.rejected(), harness.results[0].job_count) == ([("a", Reason.FAILED_IN_JOB)], 2)

    def test_errors_that_no_file_names_are_looked_up_and_the_others_sent_again(self, harness: Harness) -> None:
        harness.account.answers["abc"] = [status("errored", errored=1)]
        harness.account.stored = "ac"
        harness.accept("abc")
        harness.run()
        assert (harness.account.sent, harness.account.looked_up) == (["abc", "b"], ["abc"])
        assert harness.account.sent_at[1] - harness.account.sent_at[0] >= 30.0
        assert (harness.rejected(), harness.results[0].people_free_at) == ([], None)

    def test_where_all_are_found_nothing_is_sent_again(self, harness: Harness) -> None:
        harness.account.answers["ab"] = [status("failed")]
        harness.account.stored = "ab"
        harness.accept("ab")
        harness.run()
        assert (harness.account.sent, harness.results[0].job_count) == (["ab"], 1)

    def test_the_status_of_another_job_is_no_status_of_this_one(self, harness: Harness) -> None:
        harness.account.answers["ab"] = [status(requested=7), status(requested=2)]
        harness.accept("ab")
        harness.run()
        assert (harness.account.sent, harness.account.looked_up) == (["ab", "ab"], ["ab"])
        assert harness.results[0].people_free_at is not None

    def test_jobs_that_fail_for_everybody_in_a_row_are_not_believed(self, harness: Harness) -> None:
        people = ["abcd", "efgh", "ijkl"]
        for some in people:
            harness.account.named |= {f"{name}@example.com": "bad" for name in some}
            harness.account.answers[some] = [status("errored", errored=4)]
            harness.accept(some)
        harness.run(35.0)
        assert names([f"{name}@example.com" for name, _ in harness.rejected()]) == "abcdefgh"
        assert len(harness.results) == 2

    def test_of_many_contacts_most_are_at_fault_only_when_they_are_named_again(self, harness: Harness) -> None:
        people = "abcdefghijkl"
        harness.account.named = {f"{name}@example.com": "bad" for name in people[:7]}
        harness.account.answers[people] = [status("errored", errored=7)]
        harness.accept(people)
        harness.run(10.0)
        assert harness.rejected() == []
        harness.accept("x")
        harness.run()
        assert [name for name, _ in harness.rejected()] == list(people[:7])
        assert len(harness.results) == 2

    def test_who_was_named_by_one_job_stays_named(self, harness: Harness) -> None:
        people = "abcdefghijklmnopqrstuvwx"
        harness.account.answers[people] = [status("errored", errored=13)]
        harness.account.named = {f"{name}@example.com": "bad" for name in people[:13]}
        harness.accept(people)
        harness.run(10.0)
        harness.account.named = {f"{name}@example.com": "bad" for name in people[11:]}
        harness.run(40.0)
        assert harness.account.sent == [people, people]
        harness.accept("y")
        harness.account.named = {f"{name}@example.com": "bad" for name in people}
        harness.account.answers[people] = [status("errored", errored=24)]
        harness.run()
        assert len(harness.rejected()) == 24

    def test_a_contact_that_was_rejected_is_no_probe(self, harness: Harness) -> None:
        harness.account.named = {"b@example.com": "bad"}
        harness.account.answers["ab"] = [status("errored", errored=1)]
        harness.accept("ab")
        harness.run()
        harness.account.answers["z"] = [status("failed")]
        harness.accept("z")
        with pytest.raises(JobFailedError, match="failed, and so did others before it"):
            harness.run()
        assert harness.account.sent == ["ab", *["z"] * 4]

    def test_a_contact_that_was_found_is_a_probe(self, harness: Harness) -> None:
        harness.account.stored = "a"
        for people in ("ab", "b"):
            harness.account.answers[people] = [status("failed")]
        harness.accept("ab")
        harness.run(600.0)
        assert harness.account.sent[:5] == ["ab", "b", "b", "b", "a"]

    def test_people_are_looked_up_once_after_each_failure(self, harness: Harness) -> None:
        harness.account.answers["ab"] = [status("failed"), status()]
        harness.account.refuses = [lambda _: None, raising(lost())]
        harness.accept("ab")
        harness.run()
        assert (harness.account.sent, harness.account.looked_up) == (["ab"] * 3, ["ab"])

    def test_a_contact_that_its_job_fails_for_while_others_succeed_is_rejected(self, harness: Harness) -> None:
        harness.account.answers["b"] = [status("failed")]
        harness.accept("b")
        for number in range(60):
            harness.run(20.0)
            harness.accept("xyz"[number % 3])
            if harness.rejected():
                break
        assert harness.rejected() == [("b", Reason.NOT_STORED)]


class TestPolls:
    def test_a_job_that_is_unknown_for_a_while_is_polled_again(self, harness: Harness) -> None:
        harness.account.answers["ab"] = [NotFoundError("It is unknown."), NotFoundError("It is unknown."), status()]
        harness.accept("ab")
        harness.run()
        assert (harness.account.sent, harness.account.polls) == (["ab"], ["ab"] * 3)

    def test_a_job_that_stays_unknown_is_looked_up_and_sent_again(self, harness: Harness) -> None:
        harness.account.answers["ab"] = [NotFoundError("It is unknown.")]
        harness.account.stored = "a"
        harness.accept("ab")
        harness.run()
        assert (harness.account.sent, harness.account.looked_up) == (["ab", "b"], ["ab"])
        lost_at = harness.account.sent_at[1] - 30.0
        assert LOST_JOB_SECONDS <= lost_at - 1_000 < LOST_JOB_SECONDS + 60
        assert harness.results[0].people_free_at == lost_at + MIN_UNTRACKED_SECONDS

    def test_jobs_that_are_always_unknown_end_the_run(self, harness: Harness) -> None:
        harness.account.answers["ab"] = [NotFoundError("It is unknown.")]
        harness.accept("ab")
        with pytest.raises(JobFailedError, match="is unknown to SendGrid, and so were others before it"):
            harness.run()
        assert (harness.account.sent, harness.rejected()) == (["ab"] * 4, [])

    def test_the_time_as_unknown_counts_from_the_last_answer(self, harness: Harness) -> None:
        unknown = NotFoundError("It is unknown.")
        harness.account.answers["ab"] = [unknown, status("pending"), *[unknown] * 3, status()]
        harness.accept("ab")
        harness.run()
        assert harness.account.sent == ["ab"]

    def test_a_404_of_a_proxy_counts_as_unknown_too(self, harness: Harness) -> None:
        error = TransientError("it answered 404", final_error=NotFoundError("It still is.", is_from_sendgrid=False))
        harness.account.answers["ab"] = [error]
        harness.account.stored = "ab"
        harness.accept("ab")
        harness.run()
        assert (harness.account.sent, harness.account.looked_up) == (["ab"], ["ab"])

    def test_a_poll_without_an_answer_is_repeated_and_others_are_sent_meanwhile(self, harness: Harness) -> None:
        harness.account.answers["ab"] = [lost(), lost(), status()]
        harness.accept("ab")
        harness.run(1.0)
        harness.accept("c")
        assert harness.step() == 0.0 or harness.account.sent == ["ab", "c"]
        harness.run()
        assert len(harness.results) == 2

    def test_polls_that_fail_for_too_long_end_the_run_with_the_last_error(self, harness: Harness) -> None:
        harness.account.answers["ab"] = [lost()]
        harness.accept("ab")
        with pytest.raises(UnreachableError, match="It is not there"):
            harness.run()
        assert harness.clock.seconds >= 1_000 + 300
        assert harness.results == []

    def test_an_answer_starts_the_time_of_failed_polls_again(self, harness: Harness) -> None:
        harness.account.answers["ab"] = [lost(), lost(), lost(), status("pending"), lost(), status()]
        harness.accept("ab")
        harness.run()
        assert len(harness.results) == 1

    def test_an_overdue_job_is_looked_up_and_the_others_sent_again_once(self, harness: Harness) -> None:
        harness.account.answers["ab"] = [status("pending")]
        harness.account.stored = "a"
        harness.accept("ab")
        harness.run()
        assert (harness.account.sent, harness.account.looked_up) == (["ab", "b"], ["ab"])
        assert TIMEOUT_SECONDS <= harness.account.sent_at[1] - 1_000 < TIMEOUT_SECONDS + 60
        assert harness.results[0].people_free_at is not None

    def test_an_overdue_job_whose_people_are_found_is_settled(self, harness: Harness) -> None:
        harness.account.answers["ab"] = [status("pending")]
        harness.account.stored = "ab"
        harness.accept("ab")
        harness.run()
        assert (harness.account.sent, len(harness.results)) == (["ab"], 1)

    def test_jobs_that_never_end_end_the_run(self, harness: Harness) -> None:
        harness.account.answers["ab"] = [status("pending")]
        harness.accept("ab")
        with pytest.raises(JobFailedError, match="2 of its contacts are not in SendGrid, though they were sent twice"):
            harness.run()
        assert harness.account.sent == ["ab", "ab"]


class TestUnprovenOperations:
    def test_people_are_looked_up_after_a_completed_job(self, harness: Harness) -> None:
        harness.account.is_proven_by_completion = False
        harness.account.stored = "ab"
        harness.accept("ab")
        harness.run()
        assert (harness.account.sent, harness.account.looked_up) == (["ab"], ["ab"])

    def test_those_who_are_not_found_are_sent_again_up_to_a_number_of_times(self, harness: Harness) -> None:
        harness.account.is_proven_by_completion = False
        harness.account.stored = "a"
        harness.accept("ab")
        with pytest.raises(JobFailedError, match=f"without effect on 1 contact, though it was sent {MAX_SENDS} times"):
            harness.run()
        assert harness.account.sent == ["ab", *["b"] * (MAX_SENDS - 1)]
        assert harness.account.sent_at[1] - harness.account.sent_at[0] >= JOB_SECONDS + MAX_INVISIBLE_SECONDS


class TestAfterAnError:
    def test_jobs_under_way_are_settled_and_nothing_more_is_sent(self, harness: Harness) -> None:
        harness.account.refuses = [lambda _: None, raising(ConfigError("The list is gone."))]
        first, *_ = [harness.accept(people) for people in ("a", "b", "c")]
        with pytest.raises(ConfigError, match="The list is gone"):
            harness.run()
        harness.accept("d")
        assert (harness.account.sent, [result.batch for result in harness.results]) == (["a", "b"], [first])

    def test_the_error_is_raised_when_no_job_is_likely_to_end(self, harness: Harness) -> None:
        harness.account.answers["a"] = [status("pending")]
        harness.account.refuses = [lambda _: None, raising(SendGridError("It is over."))]
        for people in ("a", "b"):
            harness.accept(people)
        with pytest.raises(SendGridError, match="It is over"):
            harness.run()
        assert harness.clock.seconds == pytest.approx(1_000 + MAX_LIKELY_SECONDS, abs=0.1)

    def test_without_jobs_under_way_the_error_is_raised_at_once(self, harness: Harness) -> None:
        harness.account.refuses = [raising(SendGridError("It is over."))]
        harness.accept("a")
        with pytest.raises(SendGridError, match="It is over"):
            harness.step()

    def test_a_second_error_drops_only_the_job_that_it_is_about(self, harness: Harness) -> None:
        harness.account.answers["a"] = [SendGridError("It is no answer.")]
        harness.account.refuses = [lambda _: None, lambda _: None, raising(ConfigError("The list is gone."))]
        for people in ("a", "b", "c"):
            harness.accept(people)
        with pytest.raises(ConfigError, match="The list is gone"):
            harness.run()
        assert (len(harness.results), harness.account.polls.count("a")) == (1, 1)


class TestProbes:
    @pytest.fixture
    def probed(self, harness: Harness) -> Harness:
        """A runner that has just sent contact `a` again, as a probe, because the jobs of `z` fail."""
        harness.accept("a")
        harness.run()
        harness.account.answers["z"] = [status("failed")]
        harness.accept("z")
        self.run_until(harness, lambda: harness.account.sent.count("a") == 2)
        return harness

    @staticmethod
    def run_until(harness: Harness, is_over: Callable[[], bool]) -> None:
        for _ in range(1_000):
            if is_over():
                return
            harness.clock.sleep(harness.step() or 0.0)
        pytest.fail("it never happens")

    def test_a_newer_value_waits_for_the_probe_of_the_older_one(self, probed: Harness) -> None:
        probed_at = probed.account.sent_at[-1]
        batch = probed.accept("ab")
        probed.accept("c")
        self.run_until(probed, lambda: "ab" in probed.account.sent)
        sent_at = dict(zip(probed.account.sent, probed.account.sent_at, strict=True))
        assert sent_at["c"] < probed_at + 5
        assert JOB_SECONDS <= sent_at["ab"] - probed_at < MIN_UNTRACKED_SECONDS
        self.run_until(probed, lambda: batch in [result.batch for result in probed.results])
        assert probed.rejected() == []

    @pytest.mark.parametrize("comes_late", [False, True])
    def test_after_a_probe_whose_job_can_not_be_polled_a_newer_value_waits_as_for_any_untracked_job(
        self, probed: Harness, *, comes_late: bool
    ) -> None:
        probed.account.answers["a"] = [NotFoundError("It is unknown.")]
        if not comes_late:
            probed.accept("ab")
        self.run_until(probed, lambda: probed.account.sent.count("a") == 3)
        lost_at = probed.account.sent_at[-1] - 30.0
        probed.account.answers["a"] = [status()]
        if comes_late:
            probed.accept("ab")
        probed.accept("c")
        self.run_until(probed, lambda: "ab" in probed.account.sent)
        sent_at = dict(zip(probed.account.sent, probed.account.sent_at, strict=True))
        assert sent_at["ab"] == pytest.approx(lost_at + MIN_UNTRACKED_SECONDS)
        assert sent_at["c"] < lost_at + 60

    def test_a_probe_that_never_ends_is_not_looked_up_and_ends_the_run(self, probed: Harness) -> None:
        probed.account.answers["a"] = [status("pending")]
        looked_up = len(probed.account.looked_up)
        with pytest.raises(JobFailedError):
            probed.run()
        assert probed.account.looked_up[looked_up:] == []
        assert probed.account.sent.count("a") == 2


class TestTrials:
    def fail(self, harness: Harness, *batches: str) -> None:
        """Let the jobs of some batches fail until they are suspended."""
        for people in batches:
            harness.account.answers[people] = [status("failed")]
            harness.accept(people)
        harness.runner.is_awaited = False
        TestProbes.run_until(harness, lambda: all(harness.account.sent.count(people) == 4 for people in batches))
        harness.run(10.0)

    def test_while_ten_jobs_are_suspended_only_trials_are_sent(self, harness: Harness) -> None:
        self.fail(harness, *(f"{first}{second}" for first, second in zip("abcdefghijk", "lmnopqrstuv", strict=True)))
        sent = len(harness.account.sent)
        harness.accept("z")
        harness.run(3.0)
        assert harness.account.sent[sent:] == []
        harness.runner.is_awaited = True
        harness.run(3.0)
        assert [len(people) for people in harness.account.sent[sent:]] == [1, 1]
        assert "z" not in harness.account.sent
        harness.run(JOB_SECONDS + 20.0)
        assert "z" in harness.account.sent

    def test_a_run_that_has_settled_nobody_waits_for_other_contacts_before_a_trial(self, harness: Harness) -> None:
        self.fail(harness, "ab")
        sent = len(harness.account.sent)
        for _ in range(100):
            assert harness.step() == 1.0
            harness.clock.sleep(1.0)
        assert len(harness.account.sent) == sent
        harness.runner.is_awaited = True
        harness.run(5.0)
        assert sorted(harness.account.sent[sent:]) == ["a", "b"]

    def test_a_trial_waits_for_the_end_of_jobs_under_way(self, harness: Harness) -> None:
        self.fail(harness, "ab")
        sent = len(harness.account.sent)
        harness.account.answers["cd"] = [status("pending")]
        harness.accept("cd")
        harness.runner.is_awaited = True
        harness.run(MAX_LIKELY_SECONDS - 20.0)
        assert harness.account.sent[sent:] == ["cd"]
        harness.run(40.0)
        assert sorted(harness.account.sent[sent:]) == ["a", "b", "cd"]

    def test_a_single_contact_that_is_too_large_ends_the_run_with_that_error_if_nobody_is_accepted(
        self, harness: Harness
    ) -> None:
        harness.account.refuses = [raising(TooLargeError("It is too large."))] * 9
        harness.accept("a")
        with pytest.raises(TooLargeError, match="It is too large"):
            harness.run()
        assert harness.account.sent == ["a", "a"]
