"""What finished jobs and refusals say about their contacts: each row of the table that can be read off an answer."""

from __future__ import annotations

import pytest

from target_sendgrid.delivery.job_outcome import FEW_CONTACTS, JobOutcome, at_fault, read_outcome, without
from target_sendgrid.sendgrid.client import JobStatus


def status(
    name: str, *, requested: int | None = 20, errored: int | None = None, errors_url: str | None = None
) -> JobStatus:
    return JobStatus(
        status=name,
        requested_count=requested,
        changed_count=0,
        errored_count=errored,
        errors_url=errors_url,
        says_contact_limit=False,
    )


def people(count: int) -> dict[str, str]:
    return {f"p{number}": "bad luck" for number in range(count)}


class TestWithout:
    def test_a_job_has_no_errors_without_all_those_that_its_errors_file_names(self) -> None:
        told, named = without(status("errored", errored=2, errors_url="https://x"), people(2), ["p0", "p1"])
        assert named == {}
        assert read_outcome(told, named, frozenset(), 20) == JobOutcome({}, "")

    def test_it_has_the_errors_of_the_others(self) -> None:
        told, named = without(status("errored", errored=3), people(3), ["p0", "p2"])
        assert named == {"p1": "bad luck"}
        assert read_outcome(told, named, frozenset(), 20) == JobOutcome({"p1": "bad luck"}, "")

    @pytest.mark.parametrize("errored", [None, 1, 3])
    def test_errors_that_the_file_does_not_name_stay_unclear(self, errored: int | None) -> None:
        told, named = without(status("errored", errored=errored), people(2), ["p0", "p1"])
        assert (told.status, read_outcome(told, named, frozenset(), 20).problem) != ("completed", "")

    def test_a_job_that_failed_as_a_whole_has_failed_for_the_others(self) -> None:
        told, named = without(status("failed", errored=20), people(20), ["p0"])
        assert read_outcome(told, named, frozenset(), 20).problem == "failed"


class TestAtFault:
    @pytest.mark.parametrize(("named", "sent"), [(1, 1), (10, 10), (1, 11), (5, 11), (10, 20), (100, 30_000)])
    def test_contacts_that_are_named_among_others_or_in_a_small_request_are_at_fault(
        self, named: int, sent: int
    ) -> None:
        assert at_fault(people(named), frozenset(), sent) == people(named)

    @pytest.mark.parametrize(("named", "sent"), [(6, 11), (11, 11), (11, 20), (15_001, 30_000)])
    def test_nobody_is_at_fault_where_most_of_a_request_are_named(self, named: int, sent: int) -> None:
        assert sent > FEW_CONTACTS
        assert at_fault(people(named), frozenset(), sent) == {}

    def test_a_contact_that_is_named_again_is_at_fault_after_all(self) -> None:
        assert at_fault(people(15), frozenset({"p3", "other"}), 20) == {"p3": "bad luck"}


class TestJobs:
    @pytest.mark.parametrize("requested", [20, None])
    def test_a_completed_job_without_errors_confirms_everybody(self, requested: int | None) -> None:
        assert read_outcome(status("completed", requested=requested), {}, frozenset(), 20) == JobOutcome({}, "")

    @pytest.mark.parametrize("requested", [0, 1, 19, 21])
    @pytest.mark.parametrize("name", ["completed", "errored"])
    def test_a_job_for_another_number_of_contacts_says_nothing(self, name: str, requested: int) -> None:
        found = status(name, requested=requested, errored=2, errors_url="https://files.example/1")
        outcome = read_outcome(found, people(2), frozenset(), 20)
        assert (outcome.at_fault, outcome.is_other_job) == ({}, True)
        what = "1 contact" if requested == 1 else f"{requested} contacts"
        assert outcome.problem == f"was for {what}, not for the 20 that were sent"

    @pytest.mark.parametrize("name", ["completed", "errored"])
    def test_the_contacts_named_are_at_fault_and_the_others_confirmed_if_all_errors_are_named(self, name: str) -> None:
        found = status(name, errored=3, errors_url="https://files.example/1")
        assert read_outcome(found, people(3), frozenset(), 20) == JobOutcome(people(3), "")

    @pytest.mark.parametrize("name", ["completed", "errored"])
    @pytest.mark.parametrize(
        ("errored", "url", "named"),
        [(3, "u", 2), (2, "u", 3), (None, "u", 2), (3, None, 0), (0, "u", 2), (None, "u", 0)],
    )
    def test_where_errors_and_names_differ_in_number_nobody_else_is_confirmed(
        self, name: str, errored: int | None, url: str | None, named: int
    ) -> None:
        found = status(name, errored=errored, errors_url=url)
        for before, at_fault_then in ((frozenset(), {}), (frozenset(people(named)), people(named))):
            outcome = read_outcome(found, people(named), before, 20)
            assert outcome.at_fault == at_fault_then
            assert outcome.problem

    @pytest.mark.parametrize("errored", [0, None])
    def test_an_errored_job_without_errors_confirms_nobody(self, errored: int | None) -> None:
        assert read_outcome(status("errored", errored=errored), {}, frozenset(), 20).problem

    def test_a_file_that_names_most_contacts_is_the_jobs_fault_first(self) -> None:
        found = status("errored", errored=15, errors_url="u")
        first = read_outcome(found, people(15), frozenset(), 20)
        assert first.at_fault == {}
        assert first.problem
        assert read_outcome(found, people(15), frozenset(people(15)), 20) == JobOutcome(people(15), "")

    @pytest.mark.parametrize("named", [0, 1, 20])
    def test_a_failed_job_confirms_nobody_and_blames_only_who_is_named_again(self, named: int) -> None:
        found = status("failed", errored=named or None, errors_url="u")
        first = read_outcome(found, people(named), frozenset(), 20)
        assert first.at_fault == {}
        assert first.problem == "failed"
        again = read_outcome(found, people(named), frozenset(people(named)), 20)
        assert again.at_fault == people(named)
        assert again.problem == "failed"
