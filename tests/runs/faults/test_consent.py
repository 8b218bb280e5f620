"""Failures of what suppresses, deletes and erases people."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import pytest

from tests.harness.messages import record, schema, state
from tests.harness.removals import deleted, members
from tests.runs.faults import world_promises
from tests.runs.faults.promises import proves

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.harness.account import Account
    from tests.harness.runs import Finished
    from tests.runs.faults.promises import Promise

SUPPRESS = {"method": "POST", "path": "/v3/asm/suppressions/global"}
ERASE = {"method": "POST", "path": "/v3/recipients/erasejob"}
DELETE = {"method": "DELETE", "path": "/v3/marketing/contacts"}
OPENED = schema(email="string", status="string")
OUT: dict[str, Any] = {"subscription_property": "status", "unsubscribed_values": ["out"]}
ADA, BOB, CY = (
    record(email=f"{name}@x.com", status=status) for name, status in (("a", "out"), ("b", "in"), ("c", "out"))
)


def sent(account: Account) -> set[str]:
    return {email[0] for email in account.emails()}


def consent(account: Account, *rows: dict[str, Any], **config: Any) -> Finished:
    return account.run(OPENED, *rows, state(9), **OUT, **config)


def check(promise: Promise, run: Finished) -> None:
    assert promise.is_kept_by(run), run


@proves(world_promises.SUPPRESSION_FAILED)
@pytest.mark.parametrize("kind", ["status", "reset", "cut_after"])
def test_nobody_is_sent_whose_suppression_is_not_answered(account: Account, kind: str) -> None:
    own: dict[str, Any] = {"status": 503} if kind == "status" else {}
    account.sandbox.add_fault(kind, times=None, **own, **SUPPRESS)
    check(world_promises.SUPPRESSION_FAILED, consent(account, ADA, BOB))
    assert sent(account) == {"b"}


@proves(world_promises.SUPPRESSION_LEFT_OUT)
def test_those_whom_the_answer_leaves_out_are_suppressed_again(account: Account) -> None:
    account.sandbox.add_fault("suppressions_left_out", contacts=["c@x.com"], times=1, **SUPPRESS)
    check(world_promises.SUPPRESSION_LEFT_OUT, consent(account, ADA, BOB, CY))
    assert account.sandbox.suppressed() == {"a@x.com", "c@x.com"}
    assert account.count("POST", SUPPRESS["path"]) == 2


@proves(world_promises.SUPPRESSION_REFUSED)
def test_a_refused_suppression_rejects_one_person(account: Account) -> None:
    account.sandbox.add_fault("refusal", contacts=["c@x.com"], times=None, **SUPPRESS)
    check(world_promises.SUPPRESSION_REFUSED, consent(account, ADA, BOB, CY))
    assert (account.sandbox.suppressed(), sent(account)) == ({"a@x.com"}, {"a", "b"})
    assert account.reasons() == [(4, "refused_by_sendgrid")]


@proves(world_promises.SUPPRESSED_GLOBALLY)
def test_an_answer_about_the_global_list_stops_the_run(account: Account) -> None:
    group = account.sandbox.add_group("News")
    body = {"recipient_emails": ["a@x.com"], "global": True}
    account.sandbox.add_fault("status", method="POST", path="/v3/asm/groups/*", status=201, body=body)
    check(world_promises.SUPPRESSED_GLOBALLY, consent(account, ADA, BOB, suppression_group_id=group))
    assert "a" not in sent(account)


@proves(world_promises.SUPPRESSION_STOPPED)
def test_nobody_is_suppressed_or_sent_after_a_signal(account: Account) -> None:
    def tap() -> Iterator[dict[str, Any]]:
        yield OPENED
        yield ADA
        signal.raise_signal(signal.SIGTERM)
        yield state(9)

    check(world_promises.SUPPRESSION_STOPPED, account.feed(tap(), **OUT))
    assert (account.sandbox.suppressed(), sent(account)) == (set(), set())


@proves(world_promises.SUPPRESSION_CEILING)
@pytest.mark.parametrize("most", [None, 1])
def test_so_many_suppressions_are_withheld(account: Account, most: int | None) -> None:
    rows = [record(email=f"{number}@x.com", status="out") for number in range(12)]
    own: dict[str, Any] = {} if most is None else {"max_suppressions": most}
    check(world_promises.SUPPRESSION_CEILING, consent(account, *rows, BOB, **own))
    assert (account.sandbox.suppressed(), sent(account)) == (set(), {"b"})


@proves(world_promises.DELETION_FAILED)
@pytest.mark.parametrize("applied", [True, False])
@pytest.mark.parametrize("kind", ["job_failed", "job_lost", "job_stuck"])
@pytest.mark.parametrize("act", ["delete_contact", "erase"])
def test_who_is_still_there_after_a_failed_job_is_deleted_again(
    account: Account, kind: str, act: str, *, applied: bool
) -> None:
    members(account, "a", "b")
    account.sandbox.add_fault(kind, applied=applied, **DELETE)
    run = account.send([deleted(email="a@x.com")], job_timeout_seconds=300, on_delete=act)
    check(world_promises.DELETION_FAILED, run)
    assert sent(account) == {"b"}
    assert account.sandbox.erased() == ({"a@x.com"} if act == "erase" else set())


@proves(world_promises.DELETION_WITHOUT_EFFECT)
def test_a_deletion_without_effect_is_done_again(account: Account) -> None:
    members(account, "a", "b")
    account.sandbox.add_fault("job_result", applied=False, ends="completed", **DELETE)
    check(world_promises.DELETION_WITHOUT_EFFECT, account.send([deleted(email="a@x.com")], on_delete="erase"))
    assert (sent(account), account.sandbox.erased()) == ({"b"}, {"a@x.com"})


@proves(world_promises.ERASURE_REFUSED)
def test_a_refused_address_is_rejected_alone(account: Account) -> None:
    members(account, "a", "b", "c")
    account.sandbox.add_fault("refusal", contacts=["a@x.com"], times=None, **ERASE)
    run = account.send([deleted(email="a@x.com"), deleted(email="b@x.com")], on_delete="erase")
    check(world_promises.ERASURE_REFUSED, run)
    assert (sent(account), account.sandbox.erased()) == ({"c"}, {"b@x.com"})
    assert account.rejected_lines() == [2]


@proves(world_promises.ERASURE_FAILED)
def test_no_state_covers_an_erasure_that_is_not_answered(account: Account) -> None:
    members(account, "a", "b")
    account.sandbox.add_fault("status", status=503, times=None, **ERASE)
    check(world_promises.ERASURE_FAILED, account.send([deleted(email="a@x.com")], on_delete="erase"))
    account.sandbox.clear_faults()
    assert account.send([deleted(email="a@x.com")], on_delete="erase").exit_code == 0
    assert (sent(account), account.sandbox.erased()) == ({"b"}, {"a@x.com"})


@proves(world_promises.ERASURE_CEILING)
@pytest.mark.parametrize("most", [None, 0])
def test_so_many_deletions_are_withheld(account: Account, most: int | None) -> None:
    names = [f"member{number}" for number in range(12)]
    members(account, *names)
    own: dict[str, Any] = {} if most is None else {"max_removals": most}
    rows = [deleted(email=f"{name}@x.com") for name in names]
    check(world_promises.ERASURE_CEILING, account.send(rows, on_delete="erase", **own))
    assert (len(account.emails()), account.sandbox.erased()) == (12, set())
