"""Failures of what takes people off lists."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import pytest

from tests.harness.messages import record
from tests.harness.removals import REMOVE, deleted, members, on_list
from tests.runs.faults import world_promises
from tests.runs.faults.promises import proves

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.harness.account import Account

DELETE = {"method": "DELETE", "path": "/v3/marketing/lists/*"}


@proves(world_promises.REMOVAL_FAILED)
@pytest.mark.parametrize("applied", [True, False])
@pytest.mark.parametrize("kind", ["job_failed", "job_lost", "job_stuck"])
def test_who_is_still_on_the_list_after_a_failed_job_is_taken_off_again(
    account: Account, kind: str, *, applied: bool
) -> None:
    members(account, "a", "b")
    account.sandbox.add_fault(kind, applied=applied, **DELETE)
    run = account.send([deleted(email="a@x.com")], job_timeout_seconds=300)
    assert world_promises.REMOVAL_FAILED.is_kept_by(run), run
    assert on_list(account) == "b"
    assert run.report["streams"]["people"]["removed"] == 1
    assert account.count("DELETE", REMOVE) == 2 - applied


@proves(world_promises.REMOVAL_WITHOUT_EFFECT)
def test_a_removal_without_effect_is_done_again(account: Account) -> None:
    members(account, "a", "b")
    account.sandbox.add_fault("job_result", applied=False, ends="completed", **DELETE)
    run = account.send([deleted(email="a@x.com")])
    assert world_promises.REMOVAL_WITHOUT_EFFECT.is_kept_by(run), run
    assert (on_list(account), account.count("DELETE", REMOVE)) == ("b", 2)


@proves(world_promises.REMOVED_IS_ABSENT)
def test_nobody_is_created_in_order_to_be_removed(account: Account) -> None:
    run = account.send([deleted(email="a@x.com")])
    assert world_promises.REMOVED_IS_ABSENT.is_kept_by(run), run
    assert account.emails() == []


@proves(world_promises.REMOVAL_STOPPED)
def test_nobody_is_taken_off_a_list_after_a_signal(account: Account) -> None:
    members(account, "a")

    def tap() -> Iterator[dict[str, Any]]:
        yield deleted(email="a@x.com")
        signal.raise_signal(signal.SIGTERM)

    run = account.send(tap())
    assert world_promises.REMOVAL_STOPPED.is_kept_by(run), run
    assert (on_list(account), account.count("DELETE", REMOVE)) == ("a", 0)


@proves(world_promises.REMOVAL_OVER_LIMIT)
def test_nobody_is_taken_off_a_list_while_too_many_records_are_rejected(account: Account) -> None:
    members(account, "a")
    run = account.send([deleted(email="a@x.com"), record(email="no")], max_rejected_percent=0)
    assert world_promises.REMOVAL_OVER_LIMIT.is_kept_by(run), run
    assert (on_list(account), account.count("DELETE", REMOVE)) == ("a", 0)


@proves(world_promises.REMOVAL_CEILING)
def test_no_more_people_are_taken_off_than_the_ceiling_allows(account: Account) -> None:
    members(account, "a", "b")
    run = account.send([deleted(email="a@x.com"), deleted(email="b@x.com")], max_removals=1)
    assert world_promises.REMOVAL_CEILING.is_kept_by(run), run
    assert on_list(account) == "b"
