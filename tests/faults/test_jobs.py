"""Faults of import jobs and of the look-ups after them, in whole runs over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.faults import promises
from tests.faults.conftest import POLL, SEARCH
from tests.faults.promises import proves
from tests.support import record

if TYPE_CHECKING:
    from tests.faults.conftest import Account

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
    assert account.rejected() == {}
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
    assert list(account.rejected()) == [3]
    reason, words = account.rejected()[3]
    assert reason == "failed_in_job"
    assert words is not None
    assert "bad luck" in words
    assert account.emails("Everybody") == ["ada@example.com"]
    assert account.count("POST", "/search/") == 0


@proves(promises.ERRORS_FILE_USELESS)
@pytest.mark.parametrize("mode", ["missing", "gone", "expired", "garbage", "unknown_rows"])
def test_without_a_usable_errors_file_all_contacts_are_looked_up(account: Account, mode: str) -> None:
    account.sandbox.add_fault("job_errored_rows", emails=["grace@example.com"], mode=mode)
    run = account.load(*TWO)
    assert promises.ERRORS_FILE_USELESS.is_kept_by(run), run
    assert account.rejected() == {3: ("not_stored", None)}
    assert account.emails("Everybody") == ["ada@example.com"]
    assert 120 <= run.report["seconds"] <= 150


@pytest.mark.parametrize(("mode", "reason"), [("", "failed_in_job"), ("missing", "not_stored")])
def test_a_batch_whose_contacts_all_fail_is_settled_once(account: Account, mode: str, reason: str) -> None:
    account.sandbox.add_fault("job_errored_rows", emails=list(TWO), reason="bad luck", mode=mode)
    run = account.load(*TWO, "last@example.com", batch_size_rows=2)
    stream = run.report["streams"]["people"]
    assert stream["rejected"] == {reason: 2}
    assert (stream["received"], stream["upserted"], stream["duplicates"], stream["unsettled"]) == (3, 1, 0, 0)
    assert sorted(account.rejected()) == [2, 3]
    assert run.report["import_jobs"] == 2


@proves(promises.JOB_FAILED)
def test_the_contacts_of_a_job_that_fails_without_a_reason_are_sent_again(account: Account) -> None:
    account.sandbox.add_fault("job_failed", times=3)
    run = account.load(*TWO)
    assert promises.JOB_FAILED.is_kept_by(run), run
    assert account.emails("Everybody") == [*TWO]
    assert account.puts() == [202] * 4
    assert run.report["import_jobs"] == 4


@proves(promises.JOB_ALWAYS_FAILS)
def test_a_job_that_always_fails_is_split_until_the_failing_contact_is_alone(account: Account) -> None:
    account.sandbox.add_fault("job_failed", times=None)
    run = account.load(*TWO)
    assert promises.JOB_ALWAYS_FAILS.is_kept_by(run), run
    assert account.rejected() == dict.fromkeys((2, 3), ("failed_in_job", None))
    assert account.puts() == [202] * (4 + 2 * 4)


@proves(promises.ACCOUNT_FULL)
def test_a_full_account_ends_the_run(account: Account) -> None:
    account.sandbox.set_options(contact_quota=1, contact_limit_in="job_property")
    run = account.load(*TWO)
    assert promises.ACCOUNT_FULL.is_kept_by(run), run
    assert account.puts() == [202]
    assert account.rejected() == {}


@proves(promises.JOB_UNKNOWN)
def test_the_contacts_of_a_lost_job_are_sent_again_after_a_minute(account: Account) -> None:
    account.sandbox.add_fault("job_lost")
    run = account.load(*TWO)
    assert promises.JOB_UNKNOWN.is_kept_by(run), run
    assert account.emails("Everybody") == [*TWO]
    assert account.puts() == [202, 202]
    assert 60 <= run.report["seconds"] <= 100


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
    assert account.rejected() == {}
    assert len(account.puts()) == 2


@proves(promises.IDENTIFIER_LEFT_OUT)
def test_a_record_whose_identifier_differs_from_the_stored_one_is_rejected(account: Account) -> None:
    account.sandbox.seed(contacts=[{"email": "ada@example.com", "external_id": "7"}])
    run = account.run(
        [record(email="ada@example.com", first_name="8")],
        field_mapping={"email": "email", "external_id": "first_name"},
    )
    assert run.exit_code == 0
    assert account.rejected() == {
        2: ("failed_in_job", "an identifier differs from the one that the contact already has")
    }
    assert account.puts() == [202]


@proves(promises.NONE_FOUND)
def test_a_look_up_that_finds_no_contact_means_that_none_is_stored(account: Account) -> None:
    account.sandbox.add_fault("job_errored_rows", first=2, mode="missing")
    run = account.load(*TWO)
    assert promises.NONE_FOUND.is_kept_by(run), run
    assert account.rejected() == dict.fromkeys((2, 3), ("not_stored", None))


@proves(promises.ADDRESS_REFUSED)
def test_a_refused_look_up_is_split_until_the_refused_address_is_alone(account: Account) -> None:
    refusals: dict[str, Any] = {"status": 400, "body": {"errors": [{"field": "emails", "message": "invalid"}]}}
    account.sandbox.add_fault("status", **SEARCH, **refusals, times=3)  # all four, the first two, the first
    account.sandbox.add_fault("job_errored_rows", first=1, mode="missing")
    run = account.load("bad@example.com", *TWO, "joan@example.com")
    assert promises.ADDRESS_REFUSED.is_kept_by(run), run
    assert account.rejected() == {2: ("not_stored", None)}
    assert account.emails("Everybody") == [*TWO, "joan@example.com"]
