"""While only SendGrid works, a run says so every half minute."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING

import pytest

from tests.harness.endpoints import POLL, PUT

if TYPE_CHECKING:
    from tests.harness.account import Account


def waits(log: str) -> list[str]:
    return [line for line in log.splitlines() if line.startswith(("Waiting for ", "Waiting to "))]


def test_a_run_that_waits_for_import_jobs_says_how_many_and_how_long(account: Account) -> None:
    account.sandbox.set_options(job_counts_after_seconds=100, job_final_after_seconds=200)
    run = account.load("a@example.com", "b@example.com", "c@example.com", batch_size_rows=2)
    assert run.exit_code == 0
    pattern = r"Waiting for 2 import jobs, 3 contacts, the oldest for (\d+) s\. 0 of 3 records settled so far\."
    found = [re.fullmatch(pattern, line) for line in waits(run.log)]
    ages = [int(match[1]) for match in found if match]
    assert len(ages) == len(found) >= 4
    assert all(later - earlier >= 30 for earlier, later in itertools.pairwise(ages))
    assert max(later - earlier for earlier, later in itertools.pairwise([0, *ages, 200])) < 60


def test_a_quick_run_does_not_mention_it(account: Account) -> None:
    run = account.load("a@example.com", "b@example.com", batch_size_rows=1)
    assert waits(run.log) == []
    assert "settled so far" not in run.log


@pytest.mark.parametrize("where", [PUT, POLL, {"path": "/v3/scopes"}], ids=str)
def test_attempts_that_are_repeated_are_warnings(
    account: Account, caplog: pytest.LogCaptureFixture, where: dict[str, str]
) -> None:
    account.sandbox.add_fault("status", **where, status=503, body={}, times=2)
    assert account.load("a@example.com").exit_code == 0
    levels = [entry.levelname for entry in caplog.records if "trying again in" in entry.getMessage()]
    assert levels == ["WARNING"] * 2


def test_a_run_whose_requests_fail_says_what_waits_to_be_sent(account: Account) -> None:
    account.sandbox.add_fault("status", **PUT, status=503, body={}, times=12)
    run = account.load("a@example.com")
    assert "Waiting to send 1 contact. 0 of 1 record" in run.log


def test_a_look_up_of_many_contacts_says_how_many(account: Account) -> None:
    account.sandbox.add_fault("job_failed", applied=True)
    run = account.load(*(f"p{number}@example.com" for number in range(250)))
    assert run.exit_code == 0
    assert "Looking up 150 contacts." in run.log  # after a sample of a hundred
