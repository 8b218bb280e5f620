"""Faults of import jobs and of the look-ups after them, in whole runs over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.harness.endpoints import POLL, SEARCH
from tests.harness.messages import record
from tests.runs.faults import promises
from tests.runs.faults.promises import proves

if TYPE_CHECKING:
    from tests.harness.account import Account

TWO = ("ada@example.com", "grace@example.com")
AS_LOADED = {"email": "ada@example.com", "first_name": "Zoë", "lists": ["Everybody"]}


@proves(promises.JOB_PENDING)
def test_a_pending_job_is_polled_repeatedly_but_not_often(account: Account) -> None:
    account.sandbox.set_options(job_counts_after_seconds=200.0, job_final_after_seconds=300.0)
    run = account.load("ada@example.com")
    assert promises.JOB_PENDING.is_kept_by(run), run
    assert account.count("GET", "/imports/") <= 40
    assert account.puts() == [202]


@proves(promises.JOB_OVERDUE)
def test_only_the_contacts_of_an_overdue_job_that_differ_are_sent_again(account: Account) -> None:
    account.sandbox.seed(contacts=[AS_LOADED, {"email": "grace@example.com", "first_name": "Old"}])
    account.sandbox.add_fault("job_stuck")
    run = account.load(*TWO)
    assert promises.JOB_OVERDUE.is_kept_by(run), run
    assert account.sandbox.contacts("Everybody") == [AS_LOADED, AS_LOADED | {"email": "grace@example.com"}]
    assert [job["results"]["requested_count"] for job in account.sandbox.jobs()] == [1, 2]
    assert 3600 <= run.report["seconds"] <= 3700


@proves(promises.JOB_OVERDUE)
def test_an_overdue_job_whose_contacts_are_stored_is_settled(account: Account) -> None:
    account.sandbox.add_fault("job_stuck", applied=True)
    run = account.load(*TWO)
    assert promises.JOB_OVERDUE.is_kept_by(run), run
    assert account.emails("Everybody") == [*TWO]
    assert account.puts() == [202]


@proves(promises.JOB_NEVER_ENDS)
def test_a_job_that_never_ends_fails_the_run_and_no_state_covers_its_records(account: Account) -> None:
    account.sandbox.add_fault("job_stuck", times=None)
    run = account.load(*TWO, job_timeout_seconds=60)
    assert promises.JOB_NEVER_ENDS.is_kept_by(run), run
    assert account.puts() == [202, 202]
    assert account.rejected() == []
    assert run.report["streams"]["people"]["unsettled"] == 2


@proves(promises.JOB_CHANGED_LESS)
def test_contacts_that_the_job_did_not_change_are_confirmed(account: Account) -> None:
    account.sandbox.seed(contacts=[AS_LOADED])
    run = account.load("ada@example.com")
    assert promises.JOB_CHANGED_LESS.is_kept_by(run), run
    assert run.report["streams"]["people"]["upserted"] == 1


@proves(promises.JOB_ERRORED)
@pytest.mark.parametrize("mode", ["", "gzip"])
@pytest.mark.parametrize("columns", [["email", "error"], ["row", "message", "IDENTIFIER"], ["reason", "email", "note"]])
def test_records_that_the_errors_file_names_are_rejected_with_its_reason(
    account: Account, columns: list[str], mode: str
) -> None:
    account.sandbox.set_options(errors_file_columns=columns)
    account.sandbox.add_fault("job_errored_rows", emails=["grace@example.com"], reason="bad luck", mode=mode)
    run = account.load(*TWO)
    assert promises.JOB_ERRORED.is_kept_by(run), run
    (entry,) = account.rejected()
    assert (entry["line"], entry["reason"]) == (3, "failed_in_job")
    assert "bad luck" in entry["sendgrid_message"]
    assert account.emails("Everybody") == ["ada@example.com"]
    assert account.count("POST", "/search/") == 0


@proves(promises.ERRORS_FILE_USELESS)
@pytest.mark.parametrize("mode", ["missing", "gone", "expired", "garbage", "unknown_rows"])
def test_without_a_usable_errors_file_those_who_are_not_there_are_sent_again(account: Account, mode: str) -> None:
    account.sandbox.add_fault("job_errored_rows", emails=["grace@example.com"], mode=mode)
    run = account.load(*TWO)
    assert promises.ERRORS_FILE_USELESS.is_kept_by(run), run
    assert account.rejected() == []
    assert account.emails("Everybody") == [*TWO]
    assert [job["results"]["requested_count"] for job in account.sandbox.jobs()] == [1, 2]
    assert 30 <= run.report["seconds"] <= 35


def test_a_contact_that_is_never_stored_is_rejected_after_four_jobs_and_a_probe(account: Account) -> None:
    account.sandbox.add_fault("job_errored_rows", emails=["grace@example.com"], mode="missing", times=None)
    run = account.load(*TWO)
    assert run.exit_code == 0, run.log
    (entry,) = account.rejected()
    assert (entry["line"], entry["reason"], entry["sendgrid_message"]) == (3, "not_stored", None)
    assert account.emails("Everybody") == ["ada@example.com"]
    # Both; the second three times after waits; the first as a probe, twice; the second after each and once more.
    assert [job["results"]["requested_count"] for job in account.sandbox.jobs()] == [1] * 8 + [2]
    assert 30 + 60 + 120 <= run.report["seconds"] <= 240


@pytest.mark.parametrize("mode", ["", "missing"])
def test_a_batch_whose_contacts_all_fail_once_is_settled_once(account: Account, mode: str) -> None:
    account.sandbox.add_fault("job_errored_rows", emails=list(TWO), reason="bad luck", mode=mode)
    run = account.load(*TWO, "last@example.com", batch_size_rows=2)
    stream = run.report["streams"]["people"]
    assert (stream["received"], stream["upserted"], stream["duplicates"], stream["unsettled"]) == (3, 3, 0, 0)
    assert account.rejected() == []
    assert run.report["import_jobs"] == 3


def test_contacts_of_a_small_failed_job_are_rejected_when_they_are_named_again(account: Account) -> None:
    account.sandbox.add_fault("job_errored_rows", emails=list(TWO), reason="bad luck", times=None)
    run = account.load(*TWO, "last@example.com", batch_size_rows=2)
    assert run.report["streams"]["people"]["rejected"] == {"failed_in_job": 2}
    assert account.reasons() == [(2, "failed_in_job"), (3, "failed_in_job")]
    assert [job["results"]["requested_count"] for job in account.sandbox.jobs()] == [2, 1, 2]


@proves(promises.EVERYBODY_ERRORED)
@pytest.mark.parametrize("times", [1, None])
def test_an_errors_file_that_names_most_contacts_is_believed_the_second_time(
    account: Account, times: int | None
) -> None:
    bad = [f"bad{number}@example.com" for number in range(12)]
    good = [f"p{number}@example.com" for number in range(8)]
    account.sandbox.add_fault("job_errored_rows", emails=bad, reason="bad luck", times=times)
    run = account.load(*bad, *good, "last@example.com", batch_size_rows=20)
    assert promises.EVERYBODY_ERRORED.is_kept_by(run), run
    assert len(account.rejected()) == (12 if times is None else 0)
    assert len(account.emails("Everybody")) == (9 if times is None else 21)


@proves(promises.JOB_FAILED)
@pytest.mark.parametrize("applied", [False, True])
def test_the_contacts_of_a_failed_job_are_sent_again_unless_they_are_there(account: Account, *, applied: bool) -> None:
    account.sandbox.add_fault("job_failed", times=3, applied=applied)
    run = account.load(*TWO)
    assert promises.JOB_FAILED.is_kept_by(run), run
    assert account.emails("Everybody") == [*TWO]
    assert account.puts() == [202] * (1 if applied else 4)
    assert run.report["seconds"] >= (30 if applied else 210)


@proves(promises.CONTACT_FAILS_JOBS)
@pytest.mark.parametrize("place", [0, 37, 99])
def test_the_contact_that_makes_its_jobs_fail_is_rejected_alone(account: Account, place: int) -> None:
    account.sandbox.add_fault("job_failed", contacts=[f"p{place}@example.com"], times=None)
    run = account.load(*(f"p{number}@example.com" for number in range(100)))
    assert promises.CONTACT_FAILS_JOBS.is_kept_by(run), run
    (entry,) = account.rejected()
    assert (entry["line"], entry["reason"], entry["sendgrid_message"]) == (place + 2, "not_stored", None)
    assert len(account.emails("Everybody")) == 99
    assert run.report["seconds"] <= 300
    assert len(account.puts()) <= 50


@proves(promises.ALL_JOBS_FAIL)
@pytest.mark.parametrize(("settled", "puts"), [(0, 4 + 10), (1, 4 + 1)])
def test_where_all_jobs_fail_the_run_stops_and_rejects_nobody(account: Account, settled: int, puts: int) -> None:
    account.sandbox.add_fault("job_failed", times=None, skip=settled)
    first = [f"first{number}@example.com" for number in range(100)][: 100 * settled]
    run = account.load(*first, *(f"p{number}@example.com" for number in range(100)), batch_size_rows=100)
    assert promises.ALL_JOBS_FAIL.is_kept_by(run), run
    assert account.rejected() == []
    assert len(account.puts()) == settled + puts


RESULTS: list[dict[str, Any]] = [
    {"ends": "errored", "counts": {"errored_count": 0}},
    {"ends": "errored", "counts": {"errored_count": None}},
    {"ends": "errored", "counts": {"errored_count": 2}},
    {"ends": "completed", "counts": {"errored_count": 1}},
    {"ends": "completed", "counts": {"requested_count": 1}},
    {"ends": "completed", "counts": {"requested_count": 3}},
    {"ends": "completed", "counts": {"requested_count": 0}},
    {"ends": "failed", "counts": {}},
]


@pytest.mark.parametrize("applied", [False, True])
@pytest.mark.parametrize("result", RESULTS, ids=str)
def test_nobody_is_confirmed_without_a_look_up_nor_rejected_after_a_job_that_says_nothing(
    account: Account, result: dict[str, Any], *, applied: bool
) -> None:
    account.sandbox.add_fault("job_result", **result, applied=applied)
    run = account.load(*TWO)
    assert run.exit_code == 0, run.log
    assert "its contacts are looked up" in run.log
    assert account.rejected() == []
    assert account.emails("Everybody") == [*TWO]
    assert account.puts() == [202] * (1 if applied else 2)


@proves(promises.OTHER_JOB)
def test_a_job_for_another_number_of_contacts_confirms_nobody_without_a_look_up(account: Account) -> None:
    account.sandbox.add_fault("job_result", ends="completed", counts={"requested_count": 7})
    run = account.load(*TWO)
    assert promises.OTHER_JOB.is_kept_by(run), run
    assert account.emails("Everybody") == [*TWO]


def test_a_job_that_does_not_say_how_many_contacts_it_was_for_is_believed(account: Account) -> None:
    account.sandbox.add_fault("job_result", ends="completed", counts={"requested_count": None}, applied=True)
    run = account.load(*TWO)
    assert run.exit_code == 0, run.log
    assert account.count("POST", "/search/") == 0


@pytest.mark.parametrize("applied", [False, True])
def test_a_job_id_that_was_given_before_is_none(account: Account, *, applied: bool) -> None:
    account.sandbox.add_fault("job_id_repeated", skip=1, applied=applied)
    run = account.load(*TWO, batch_size_rows=1)
    assert run.exit_code == 0, run.log
    assert account.emails("Everybody") == [*TWO]
    assert account.puts() == [202] * 3


@proves(promises.JOB_UNKNOWN)
@pytest.mark.parametrize("applied", [False, True])
def test_the_contacts_of_a_lost_job_are_sent_again_unless_they_are_there(account: Account, *, applied: bool) -> None:
    account.sandbox.add_fault("job_lost", applied=applied)
    run = account.load(*TWO)
    assert promises.JOB_UNKNOWN.is_kept_by(run), run
    assert account.emails("Everybody") == [*TWO]
    assert account.puts() == [202] * (1 if applied else 2)
    assert 90 <= run.report["seconds"] <= 130


def test_a_job_must_be_unknown_for_a_minute_without_a_break_to_be_lost(account: Account) -> None:
    account.sandbox.set_options(job_counts_after_seconds=200.0, job_final_after_seconds=300.0)
    account.sandbox.add_fault("status", **POLL, status=404, body={}, skip=8, times=1)
    account.sandbox.add_fault("status", **POLL, status=404, body={}, skip=12, times=1)
    run = account.load("ada@example.com")
    assert run.exit_code == 0, run.log
    assert account.puts() == [202]
    assert run.report["seconds"] >= 300


@proves(promises.JOB_PENDING)
def test_a_job_that_is_unknown_at_first_is_polled_again(account: Account) -> None:
    account.sandbox.add_fault("status", **POLL, status=404, times=4)
    run = account.load("ada@example.com")
    assert promises.JOB_PENDING.is_kept_by(run), run
    assert account.puts() == [202]


@proves(promises.IDENTIFIER_LEFT_OUT)
@pytest.mark.parametrize("refusal", ["row_error", "400"])
def test_a_contact_with_more_identifiers_in_sendgrid_is_sent_with_all_of_them(account: Account, refusal: str) -> None:
    account.sandbox.set_options(omitted_identifier=refusal)
    account.sandbox.seed(contacts=[{"email": "ada@example.com", "external_id": "7"}])
    run = account.load(*TWO)
    assert promises.IDENTIFIER_LEFT_OUT.is_kept_by(run), run
    contacts = [AS_LOADED | {"external_id": "7"}, AS_LOADED | {"email": "grace@example.com"}]
    assert account.sandbox.contacts("Everybody") == contacts
    assert account.rejected() == []
    assert len(account.puts()) == 2


@proves(promises.IDENTIFIER_LEFT_OUT)
def test_a_record_whose_identifier_differs_from_the_stored_one_is_rejected(account: Account) -> None:
    account.sandbox.seed(contacts=[{"email": "ada@example.com", "external_id": "7"}])
    run = account.send(
        [record(email="ada@example.com", first_name="8")],
        field_mapping={"email": "email", "external_id": "first_name"},
    )
    assert run.exit_code == 0
    (entry,) = account.rejected()
    assert (entry["line"], entry["reason"]) == (2, "failed_in_job")
    assert entry["sendgrid_message"] == "an identifier differs from the one that the contact already has"
    assert account.puts() == [202, 202]


@proves(promises.NONE_FOUND)
def test_a_look_up_that_finds_no_contact_means_that_none_is_stored(account: Account) -> None:
    account.sandbox.add_fault("job_errored_rows", first=2, mode="missing")
    run = account.load(*TWO)
    assert promises.NONE_FOUND.is_kept_by(run), run
    assert account.count("POST", "/search/") == 1
    assert account.puts() == [202, 202]


@proves(promises.ADDRESS_REFUSED)
def test_a_refused_look_up_is_split_until_the_refused_address_is_alone(account: Account) -> None:
    refusals: dict[str, Any] = {"status": 400, "body": {"errors": [{"field": "emails", "message": "invalid"}]}}
    account.sandbox.add_fault("status", **SEARCH, **refusals, times=3)  # all four, the first two, the first
    account.sandbox.add_fault("job_failed", applied=True)
    run = account.load("bad@example.com", *TWO, "joan@example.com")
    assert promises.ADDRESS_REFUSED.is_kept_by(run), run
    assert account.rejected() == []
    assert [job["results"]["requested_count"] for job in account.sandbox.jobs()] == [1, 4]
    assert account.emails("Everybody") == [
        "ada@example.com",
        "bad@example.com",
        "grace@example.com",
        "joan@example.com",
    ]
