"""Each answer of `docs/why-was-nobody-removed.md` is true, and no reason of the guards is missing there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from target_sendgrid.audience import guards, intents
from target_sendgrid.audience.guards import ListFacts, StreamFacts
from target_sendgrid.audience.list_lock import list_lock
from tests.harness.messages import PEOPLE, record
from tests.runs.kept_members import BOB, END, KEPT_MEMBERS, KEYED, MAPPED, MIRROR, KeptMember
from tools.docs import ROOT

if TYPE_CHECKING:
    from tests.harness.account import Account

PAGE = (ROOT / "docs" / "why-was-nobody-removed.md").read_text(encoding="utf-8")
WORDS = [kept.says for kept in KEPT_MEMBERS if kept.part == "mirror"]


@pytest.mark.parametrize("kept", KEPT_MEMBERS, ids=lambda kept: f"{kept.part}: {kept.says or kept.means}")
def test_a_member_is_kept_for_the_reason_on_the_page(
    account: Account, kept: KeptMember, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kept.most_waiting is not None:
        monkeypatch.setattr(intents, "MAX_WAITING", kept.most_waiting)
    bob = dict(kept.bob) if kept.email is None else {"email": kept.email, **kept.bob}
    account.sandbox.seed(contacts=[{**bob, "lists": ["Everybody"]}])
    members = "SELECT contact FROM members JOIN lists ON number = list WHERE name = 'Everybody' AND contact = 1"
    assert account.sandbox.store.row(members) is not None
    kept.prepare(account)
    run = account.run(*kept.lines, **kept.config)
    assert run.exit_code == kept.exit_code, run.log
    assert kept.says in run.log
    account.sandbox.contacts()  # jobs that are due are done
    assert account.sandbox.store.row(members) is not None


def test_a_member_whom_no_record_shows_is_taken_off(account: Account) -> None:
    account.sandbox.seed(contacts=[{"email": BOB, "external_id": "7", "lists": ["Everybody"]}])
    run = account.run(KEYED, record(id="8", email="ada@example.com"), END, **MAPPED)
    assert (run.exit_code, account.emails("Everybody")) == (0, ["ada@example.com"])


def test_a_second_run_that_mirrors_the_list_is_named_on_the_page(account: Account) -> None:
    account.sandbox.seed(contacts=[{"email": BOB, "lists": ["Everybody"]}])
    with list_lock(account.sandbox.url, account.list_id("Everybody"), "'Everybody'"):
        run = account.run(PEOPLE, record(email="ada@example.com"), END, **MIRROR)
    words = "Another run on this machine mirrors the list"
    assert words in run.log
    assert words in PAGE
    assert account.emails("Everybody") == [BOB]


def test_each_reason_of_the_guards_is_on_the_page() -> None:
    """A run that is stopped, fails or has unsettled records ends with its own error before a guard is asked."""
    stream = StreamFacts(
        name="people",
        has_come=False,
        record_count=0,
        unknown_count=1,
        is_over_rejection_limit=True,
        has_final_state=False,
        position="`lsn`",
    )
    facts = ListFacts(label="'News'", streams=[stream], is_cap_reached=True, is_account_full=True)
    reasons = [reason for reason, _ in [*guards._run_reasons(facts), *guards._stream_reasons(stream)]]  # noqa: SLF001 - all of them at once
    for limit in (None, 0, 20):
        few = ListFacts(label="'News'", streams=[StreamFacts(name="people", record_count=1, max_removals=limit)])
        reasons.append(str(guards.size_objection(few, 21, 21)))
    assert [reason for reason in reasons if sum(words in reason for words in WORDS) != 1] == []
