"""Isolation: who is rejected, split or suspended, and which trials decide about the account."""

from __future__ import annotations

import msgspec
import pytest

from target_sendgrid.audience.identities import IdentitySet
from target_sendgrid.delivery.isolation import (
    MAX_FAILURES_IN_ROW,
    MAX_SUSPENDED,
    NEXT_BATCH_SECONDS,
    TRIAL_CONTACTS,
    WAIT_SECONDS,
    Failure,
    Isolation,
    Settled,
)
from target_sendgrid.delivery.job import Job, Level, Rejection
from target_sendgrid.delivery.operations.delete_contacts import DELETE_CONTACT
from target_sendgrid.delivery.operations.remove_from_list import REMOVE_FROM_LIST
from target_sendgrid.delivery.pending import Batch, Purpose, Service
from target_sendgrid.delivery.send_queue import SendQueue
from target_sendgrid.errors import JobFailedError, Reason
from target_sendgrid.sendgrid.contact import encode
from tests.harness.clocks import ManualClock
from tests.harness.jobs import PURPOSE, job_of, names_of

ADA = encode({"email": "ada@example.com"})
REJECTION = Rejection(Reason.NOT_STORED, "It fails.")
OTHERS = Purpose(REMOVE_FROM_LIST, ("L",))


def batch_of(identity: str, purpose: Purpose = PURPOSE) -> Batch:
    return Batch(purpose, None, 1, 0, {}, IdentitySet([identity]))


class IsolationHarness:
    """The module with a queue and a clock, and an account whose requests and jobs succeed or fail."""

    def __init__(self) -> None:
        self.clock = ManualClock(100.0)
        self.queue = SendQueue(self.clock)
        self.isolation = Isolation(self.queue, self.clock)

    def fails(self, job: Job, level: Level = Level.REQUEST, message: str = "It failed.") -> None:
        """Fail a job, some time after everything before."""
        self.clock.sleep(1.0)
        if job in self.queue:
            self.queue._jobs.remove(job)  # noqa: SLF001 - it was taken out to be sent
        self.isolation.failed(job, Failure(level, REJECTION, JobFailedError(message)))

    def succeeds(self, level: Level = Level.REQUEST) -> None:
        """Let something else succeed."""
        self.clock.sleep(1.0)
        self.isolation.succeeded(level, self.clock.seconds)

    def suspend(self, *names: str, level: Level = Level.REQUEST) -> Job:
        """Return a new job that has failed twice while nothing else succeeded."""
        job = job_of(*names)
        for _ in range(2):
            self.fails(job, level)
        return job

    def sent(self) -> list[Job]:
        """Take out the jobs that are to be sent, in order."""
        self.clock.sleep(WAIT_SECONDS)
        jobs = list(self.queue)
        self.queue.clear()
        return jobs

    def seconds_until_trial(
        self, *under_way: Job, are_likely_to_end: bool = False, may_get_batches: bool = False
    ) -> float | None:
        return self.isolation.seconds_until_trial(
            under_way, are_likely_to_end=are_likely_to_end, may_get_batches=may_get_batches
        )


@pytest.fixture
def harness() -> IsolationHarness:
    return IsolationHarness()


class TestFailures:
    def test_a_job_that_fails_is_sent_once_more_at_first(self, harness: IsolationHarness) -> None:
        job = job_of("a", "b")
        harness.fails(job)
        assert (list(harness.queue), harness.queue.wait_seconds(only_trials=False)) == ([job], WAIT_SECONDS)
        assert (job.failed_at, harness.isolation.has_suspended) == ({Level.REQUEST: 101.0}, False)

    def test_a_job_that_fails_again_while_nothing_succeeds_is_suspended(self, harness: IsolationHarness) -> None:
        job = harness.suspend("a", "b")
        assert (len(harness.queue), harness.isolation.has_suspended, harness.isolation.is_pausing) == (0, True, False)
        assert (job.not_before, job.count, job.failed_at) == (102.0 + WAIT_SECONDS, 2, {Level.REQUEST: 101.0})

    def test_what_is_suspended_is_sent_when_something_succeeds_that_began_after_it_failed(
        self, harness: IsolationHarness
    ) -> None:
        jobs = [harness.suspend(name, "x") for name in "abc"]
        harness.isolation.succeeded(Level.JOB, 200.0)
        harness.isolation.succeeded(Level.REQUEST, 101.0)
        assert (list(harness.queue), harness.isolation.has_suspended) == ([], True)
        harness.isolation.succeeded(Level.REQUEST, 103.5)
        assert list(harness.queue) == [jobs[1], jobs[0]]
        harness.isolation.succeeded(Level.REQUEST, 90.0)  # an older success takes nothing back
        assert harness.isolation.has_succeeded_since(103.0, Level.REQUEST)
        assert not harness.isolation.has_succeeded_since(103.5, Level.REQUEST)
        harness.isolation.succeeded(Level.REQUEST, 200.0)
        assert (list(harness.queue), harness.isolation.has_suspended) == ([jobs[2], jobs[1], jobs[0]], False)

    @pytest.mark.parametrize(
        ("level", "sizes", "seconds"),
        [
            (Level.ANSWER, [9, 8], 0.0),
            (Level.REQUEST, [9, 8], 0.0),
            (Level.JOB, [3, 3, 3, 3, 3, 2], WAIT_SECONDS),
        ],
    )
    def test_a_job_that_fails_while_others_succeed_is_split(
        self, harness: IsolationHarness, level: Level, sizes: list[int], seconds: float
    ) -> None:
        names = [f"p{number}" for number in range(17)]
        job = job_of(*names)
        harness.fails(job, level)
        harness.succeeds(level)
        harness.fails(job, level)
        parts = list(harness.queue)
        assert ([part.count for part in parts], job.count) == (sizes, 0)
        assert [name for part in parts for name in names_of(part)] == names
        assert harness.queue.wait_seconds(only_trials=False) == seconds
        assert not harness.isolation.has_suspended
        assert all(part.failed_at[level] == 101.0 for part in parts)

    def test_a_contact_is_rejected_when_it_fails_twice_more_each_time_after_others_succeeded(
        self, harness: IsolationHarness
    ) -> None:
        job = job_of("a")
        for count in (0, 0, 1):
            harness.fails(job)
            assert len(job.progress.rejected) == count
            harness.succeeds()
        ((change, rejection),) = job.progress.rejected
        assert (change.identity, rejection, job.count) == ("a@example.com", REJECTION, 0)
        assert not harness.isolation.has_suspended

    def test_waits_before_a_contact_is_sent_again_are_the_same(self, harness: IsolationHarness) -> None:
        job = job_of("a")
        for _ in range(2):
            harness.fails(job)
            assert harness.queue.wait_seconds(only_trials=False) == WAIT_SECONDS
            harness.succeeds()

    def test_two_contacts_that_fail_while_others_succeed_are_sent_apart(self, harness: IsolationHarness) -> None:
        job = job_of("a", "b")
        harness.fails(job)
        harness.succeeds()
        harness.fails(job)
        assert [names_of(part) for part in harness.queue] == [["a"], ["b"]]

    def test_a_contact_that_fails_again_without_others_that_succeed_is_not_rejected(
        self, harness: IsolationHarness
    ) -> None:
        job = job_of("a")
        harness.fails(job)
        harness.succeeds()
        for _ in range(3):
            harness.fails(job)
            assert (job.progress.rejected, job.repeated_failures) == ([], {Level.REQUEST: 1})
        harness.succeeds(Level.JOB)
        assert list(harness.queue) == []
        assert harness.isolation.has_suspended

    def test_the_levels_are_counted_apart(self, harness: IsolationHarness) -> None:
        job = job_of("a", "b")
        harness.fails(job, Level.REQUEST)
        harness.succeeds(Level.REQUEST)
        harness.fails(job, Level.JOB)
        assert (list(harness.queue), job.failed_at) == ([job], {Level.REQUEST: 101.0, Level.JOB: 103.0})

    def test_a_trial_that_fails_is_suspended_at_once(self, harness: IsolationHarness) -> None:
        job = job_of("a")
        job.is_trial = True
        harness.fails(job)
        assert (len(harness.queue), harness.isolation.has_suspended) == (0, True)

    def test_a_probe_that_fails_is_not_sent_again(self, harness: IsolationHarness) -> None:
        probe = Settled(PURPOSE, ADA).probe()
        harness.fails(probe)
        assert (len(harness.queue), harness.isolation.has_suspended, probe.failed_at) == (0, False, {})

    def test_ten_suspended_jobs_pause_everything_but_trials(self, harness: IsolationHarness) -> None:
        for number in range(MAX_SUSPENDED):
            assert not harness.isolation.is_pausing
            harness.suspend(f"p{number}", "x")
        assert harness.isolation.is_pausing
        harness.isolation.clear()
        assert (harness.isolation.has_suspended, harness.isolation.is_pausing) == (False, False)


class TestBelief:
    def test_an_answer_is_believed_until_too_many_have_failed_in_a_row(self, harness: IsolationHarness) -> None:
        assert harness.isolation.can_believe(Level.REQUEST, 1_000, 1_000)
        harness.isolation.count_failure(Level.REQUEST)
        assert harness.isolation.can_believe(Level.REQUEST, MAX_FAILURES_IN_ROW - 1, MAX_FAILURES_IN_ROW - 1)
        assert not harness.isolation.can_believe(Level.REQUEST, MAX_FAILURES_IN_ROW, MAX_FAILURES_IN_ROW)
        assert harness.isolation.can_believe(Level.REQUEST, MAX_FAILURES_IN_ROW, MAX_FAILURES_IN_ROW + 1)
        harness.isolation.count_failure(Level.REQUEST, MAX_FAILURES_IN_ROW - 1)
        assert harness.isolation.can_believe(Level.REQUEST, 1, 2)
        assert not harness.isolation.can_believe(Level.REQUEST, 1, 1)
        assert not harness.isolation.is_account_suspect(Level.REQUEST)
        harness.isolation.count_failure(Level.REQUEST)
        assert not harness.isolation.can_believe(Level.REQUEST, 1, 2)
        assert harness.isolation.is_account_suspect(Level.REQUEST)
        assert not harness.isolation.is_account_suspect(Level.JOB)
        harness.succeeds()
        assert not harness.isolation.is_account_suspect(Level.REQUEST)

    def test_while_the_account_is_suspect_no_success_counts(self, harness: IsolationHarness) -> None:
        job = job_of("a", "b")
        harness.fails(job)
        harness.succeeds()
        harness.isolation.count_failure(Level.REQUEST, MAX_FAILURES_IN_ROW)
        assert harness.isolation.have_others_succeeded(job, Level.REQUEST)
        harness.isolation.count_failure(Level.REQUEST)
        assert not harness.isolation.have_others_succeeded(job, Level.REQUEST)
        assert not harness.isolation.have_others_succeeded(job_of("c"), Level.REQUEST)

    def test_naming_most_of_many_counts_only_while_others_succeed(self, harness: IsolationHarness) -> None:
        job = job_of("a", "b")
        job.named = frozenset({"a@example.com"})
        assert harness.isolation.named_before(job, Level.REQUEST, 10) == job.named
        assert harness.isolation.named_before(job, Level.REQUEST, 11) == frozenset()
        harness.fails(job)
        harness.succeeds()
        assert harness.isolation.named_before(job, Level.REQUEST, 11) == job.named
        assert harness.isolation.named_before(job, Level.JOB, 11) == frozenset()


class TestTrials:
    def test_nothing_is_tried_while_nothing_is_suspended(self, harness: IsolationHarness) -> None:
        assert harness.seconds_until_trial() is None

    def test_a_trial_waits_while_something_else_may_succeed(self, harness: IsolationHarness) -> None:
        harness.suspend("a", "x")
        assert harness.seconds_until_trial() == 0.0
        assert harness.seconds_until_trial(job_of("b"), are_likely_to_end=True) is None
        deletion = job_of("c", purpose=Purpose(DELETE_CONTACT, ()))
        assert harness.seconds_until_trial(deletion, are_likely_to_end=True) == 0.0
        assert harness.seconds_until_trial(may_get_batches=True) == NEXT_BATCH_SECONDS
        harness.queue.append(job_of("b"))
        assert harness.seconds_until_trial() is None

    def test_while_sending_pauses_a_trial_does_not_wait_for_the_queue(self, harness: IsolationHarness) -> None:
        for number in range(MAX_SUSPENDED):
            harness.suspend(f"p{number}", "x")
        harness.queue.append(job_of("b"))
        assert harness.seconds_until_trial() == 0.0

    def test_a_trial_waits_for_another_one_that_is_under_way_or_waits_to_be_sent(
        self, harness: IsolationHarness
    ) -> None:
        for number in range(MAX_SUSPENDED):
            harness.suspend(f"p{number}", "x")
        trial = job_of("b")
        trial.is_trial = True
        assert harness.seconds_until_trial(job_of("c"), trial) is None
        harness.queue.append(trial)
        assert harness.seconds_until_trial() is None

    def test_missing_answers_do_not_wait_for_other_contacts(self, harness: IsolationHarness) -> None:
        harness.suspend("a", "x", level=Level.ANSWER)
        assert harness.seconds_until_trial(may_get_batches=True) == 0.0

    def test_a_probe_is_sent_at_once(self, harness: IsolationHarness) -> None:
        harness.isolation.keep_completed(PURPOSE, ADA)
        harness.suspend("a", "x")
        assert harness.seconds_until_trial(are_likely_to_end=True, may_get_batches=True) == 0.0
        harness.isolation.make_trial()
        (probe,) = harness.queue
        assert (probe.is_trial, probe.progress.is_probe, probe.progress.is_reported) == (True, True, True)
        assert (list(probe.contacts()), names_of(probe), probe.purpose) == ([ADA], ["ada"], PURPOSE)
        batch = probe.progress.batch
        assert (batch.byte_count, batch.counts, "ada@example.com" in batch.people) == (len(ADA), {}, True)

    def test_a_second_trial_without_a_success_ends_the_run(self, harness: IsolationHarness) -> None:
        harness.isolation.keep_completed(PURPOSE, ADA)
        harness.suspend("a", "x")
        harness.isolation.make_trial()
        harness.queue.clear()
        assert harness.seconds_until_trial(are_likely_to_end=True) == 0.0
        with pytest.raises(JobFailedError, match="It failed"):
            harness.isolation.make_trial()

    def test_after_a_success_another_trial_may_be_made(self, harness: IsolationHarness) -> None:
        harness.isolation.keep_completed(PURPOSE, ADA)
        for name in "ab":
            harness.suspend(name, "x")
            harness.isolation.make_trial()
            harness.succeeds()
            harness.sent()
        assert not harness.isolation.has_suspended

    def test_a_trial_that_failed_does_not_wait_for_jobs_under_way(self, harness: IsolationHarness) -> None:
        harness.suspend("a", "x")
        harness.isolation.make_trial()
        for trial in harness.sent():
            harness.fails(trial)
        assert harness.seconds_until_trial(are_likely_to_end=True) == 0.0

    def test_contacts_of_the_largest_job_are_tried_alone(self, harness: IsolationHarness) -> None:
        small, large = harness.suspend("a", "b"), harness.suspend(*(f"p{number}" for number in range(30)))
        harness.isolation.make_trial()
        trials = harness.sent()
        assert [(trial.count, trial.is_trial, trial.failed_at) for trial in trials] == [(1, True, {})] * TRIAL_CONTACTS
        assert (small.count, large.count) == (2, 20)
        tried = {name for trial in trials for name in names_of(trial)}
        assert tried.isdisjoint(names_of(large))
        assert harness.isolation.has_suspended

    def test_the_same_contacts_are_tried_whenever_the_run_is_repeated(self) -> None:
        tried = []
        for _ in range(2):
            harness = IsolationHarness()
            harness.suspend(*(f"p{number}" for number in range(30)))
            harness.isolation.make_trial()
            tried.append([names_of(trial) for trial in harness.sent()])
        assert tried[0] == tried[1] == [[name] for (name,) in tried[0]]

    def test_a_job_that_is_tried_whole_is_suspended_no_more(self, harness: IsolationHarness) -> None:
        job = harness.suspend("a", "b")
        harness.isolation.make_trial()
        assert sorted(name for trial in harness.sent() for name in names_of(trial)) == ["a", "b"]
        assert (job.count, harness.isolation.has_suspended) == (0, False)

    def test_a_larger_job_that_waits_to_be_sent_is_tried(self, harness: IsolationHarness) -> None:
        for number in range(MAX_SUSPENDED):
            harness.suspend(f"p{number}", "x")
        waiting = job_of("a", "b", "c")
        harness.queue.append(waiting)
        harness.isolation.make_trial()
        assert sorted(name for trial in harness.sent() for name in names_of(trial)) == ["a", "b", "c"]
        assert waiting.count == 0

    def test_a_contact_that_has_failed_alone_decides_without_a_trial(self, harness: IsolationHarness) -> None:
        harness.suspend("a")
        with pytest.raises(JobFailedError, match="It failed"):
            harness.isolation.make_trial()
        assert list(harness.queue) == []


class TestProbes:
    def probes(self, harness: IsolationHarness) -> list[bytes]:
        """Return what a trial sends again."""
        harness.suspend("zoe", "x")
        harness.isolation.make_trial()
        probes = [job for job in harness.sent() if job.progress.is_probe]
        assert {job.purpose for job in probes} <= {PURPOSE}
        return [bytes(contact) for job in probes for contact in job.contacts()]

    def test_the_last_completed_contact_is_a_probe(self, harness: IsolationHarness) -> None:
        grace = encode({"external_id": "7"})
        for contact in (ADA, grace):
            harness.isolation.keep_completed(PURPOSE, contact)
        assert self.probes(harness) == [grace]

    def test_a_contact_with_two_identifiers_is_no_probe(self, harness: IsolationHarness) -> None:
        harness.isolation.keep_completed(PURPOSE, ADA)
        harness.isolation.keep_completed(PURPOSE, encode({"email": "b@example.com", "external_id": "7"}))
        harness.isolation.keep_completed(PURPOSE, encode({"first_name": "Ada"}))
        assert self.probes(harness) == [ADA]

    def test_a_trial_is_made_with_contacts_of_the_same_service(self, harness: IsolationHarness) -> None:
        job = job_of("a", "b", purpose=Purpose(DELETE_CONTACT, ()))
        for _ in range(2):
            harness.fails(job)
        others = job_of(*"cdefg")
        harness.queue.append(others)
        harness.isolation.make_trial()
        trials = [one for one in harness.queue if one.is_trial]
        assert sorted(name for trial in trials for name in names_of(trial)) == ["a", "b"]
        assert others.count == 5

    def test_what_is_suspended_waits_for_a_success_of_its_own_service(self, harness: IsolationHarness) -> None:
        harness.suspend("a", "b")
        harness.clock.sleep(1.0)
        harness.isolation.succeeded(Level.REQUEST, harness.clock.seconds, Service.SUPPRESSIONS)
        assert (len(harness.queue), harness.isolation.has_suspended) == (0, True)
        harness.succeeds()
        assert (len(harness.queue), harness.isolation.has_suspended) == (1, False)

    def test_a_change_that_cannot_be_asked_for_twice_is_no_probe(self) -> None:
        once = Purpose(msgspec.structs.replace(PURPOSE.kind, can_repeat=False), ("L",))
        assert [Settled(purpose, ADA).is_certain for purpose in (PURPOSE, once)] == [True, False]

    def test_contacts_that_were_found_are_probes_where_none_was_completed(self, harness: IsolationHarness) -> None:
        found = [encode({"email": f"p{number}@example.com"}) for number in range(20)]
        both = encode({"email": "b@example.com", "external_id": "7"})
        harness.isolation.keep_found(PURPOSE, [both, *found])
        assert sorted(self.probes(harness)) == sorted(found[:TRIAL_CONTACTS])

    def test_a_completed_contact_is_preferred_to_those_that_were_found(self, harness: IsolationHarness) -> None:
        harness.isolation.keep_found(PURPOSE, [encode({"email": "b@example.com"})])
        harness.isolation.keep_completed(PURPOSE, ADA)
        assert self.probes(harness) == [ADA]

    def test_a_contact_of_another_operation_is_no_probe(self, harness: IsolationHarness) -> None:
        harness.isolation.keep_completed(OTHERS, ADA)
        harness.isolation.keep_found(OTHERS, [ADA])
        assert self.probes(harness) == []

    def test_a_contact_that_gets_newer_values_is_a_probe_no_more(self, harness: IsolationHarness) -> None:
        grace = encode({"email": "grace@example.com"})
        harness.isolation.keep_completed(PURPOSE, ADA)
        harness.isolation.keep_found(PURPOSE, [ADA, grace])
        harness.isolation.forget_changed(batch_of("other@example.com"))
        harness.isolation.forget_changed(batch_of("ada@example.com"))
        assert self.probes(harness) == [grace]

    def test_nobody_is_a_probe_once_people_are_taken_away_who_may_have_another_identity(
        self, harness: IsolationHarness
    ) -> None:
        harness.isolation.keep_completed(PURPOSE, ADA)
        harness.isolation.keep_completed(OTHERS, ADA)
        harness.isolation.forget_changed(batch_of("external_id 7", purpose=OTHERS))
        assert self.probes(harness) == []
        assert batch_of("external_id 7", purpose=OTHERS).may_concern("ada@example.com", PURPOSE.kind)
        assert not batch_of("external_id 7", purpose=OTHERS).may_concern("ada@example.com", OTHERS.kind)
