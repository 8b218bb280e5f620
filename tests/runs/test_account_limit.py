"""The account's limit: who is sent when the account has no room for everybody (`account_contact_limit`)."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import pytest
import requests

from target_sendgrid.delivery import dry_run
from tests.harness.endpoints import POLL, PUT, SEARCH
from tests.harness.messages import LAST_STATE, PEOPLE, record, schema, state
from tests.harness.removals import counts_of, deleted, members, on_list

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.harness.account import Account
    from tests.harness.runs import Finished


def people(names: str, **values: Any) -> list[dict[str, Any]]:
    """Return a record for each person, named by a letter."""
    return [record(email=f"{name}@x.com", first_name="New", **values) for name in names]


def known(account: Account, names: str) -> None:
    """Put people into the account."""
    account.sandbox.seed(contacts=[{"email": f"{name}@x.com"} for name in names])


def load(account: Account, *messages: Any, limit: int, mode: str = "truncate", **config: Any) -> Finished:
    """Run with a limit."""
    return account.run(
        PEOPLE, *messages, LAST_STATE, account_contact_limit=limit, on_account_limit=mode, **config
    )  # fmt: skip


def killed_after(rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield rows, and stop the run at once after the requests that they lead to."""
    yield from [PEOPLE, *rows, state(1)]
    signal.raise_signal(signal.SIGTERM)
    signal.raise_signal(signal.SIGTERM)
    yield LAST_STATE


def in_account(account: Account) -> str:
    """Return the letters of all people in the account."""
    return "".join(email[0] for email in account.emails())


def test_known_people_go_and_new_ones_as_long_as_there_is_room(account: Account) -> None:
    known(account, "kl")
    run = load(account, *people("akbcld"), limit=4)
    assert run.exit_code == 0, run.log
    assert (in_account(account), on_list(account)) == ("abkl", "abkl")
    assert counts_of(run) == {"received": 6, "upserted": 4, "over_account_limit": 2}
    assert run.states == ['{"n": 9}']
    assert "4 upserted, 2 over the account's limit." in run.log
    assert (
        "The account has no room for more contacts: new people are left out, as the one at stream 'people'" in run.log
    )
    assert "Room" not in run.log


def test_the_numbers_are_said_before_anything_is_sent_and_are_in_the_report(account: Account) -> None:
    known(account, "kl")
    run = load(account, *people("ak"), limit=4)
    room = "SendGrid stores 2 contacts and bills 2 this month: with 4 as `account_contact_limit`, the account has room"
    assert run.log.index(room) < run.log.index("Sent 2 contacts")
    assert run.report["contacts_before"] == {"stored": 2, "billable": 2}
    assert run.report["contacts_after"] == {"stored": 3, "billable": 3}
    assert "The account had 2 contacts (2 billed) before the run, and 3 contacts (3 billed) after it." in run.log


def test_without_the_setting_nothing_is_counted_or_looked_up(account: Account) -> None:
    run = account.load("a@x.com")
    assert "contacts_before" not in run.report
    assert (account.count("GET", "contacts/count"), account.count("POST", "/search/")) == (0, 0)


def test_nobody_is_looked_up_when_the_cap_is_not_above_the_room(account: Account) -> None:
    known(account, "k")
    assert load(account, *people("abc"), limit=4, profile_cap=3).exit_code == 0
    assert account.count("POST", "/search/") == 0


def test_a_cap_above_the_room_does_not_help(account: Account) -> None:
    known(account, "k")
    run = load(account, *people("abck"), limit=3, profile_cap=4)
    assert (in_account(account), counts_of(run)["over_account_limit"]) == ("abk", 1)


def test_without_a_cap_everybody_is_looked_up(account: Account) -> None:
    assert load(account, *people("abc"), limit=100, profile_cap=0).exit_code == 0
    assert (in_account(account), account.count("POST", "/search/")) == ("abc", 1)


def test_deleted_contacts_count_as_long_as_they_are_billed(account: Account) -> None:
    known(account, "klm")
    found = account.sandbox.contacts(detail=True)
    ids = ",".join(contact["id"] for contact in found if contact["email"] != "k@x.com")
    key = {"Authorization": f"Bearer {account.sandbox.api_key}"}
    requests.delete(f"{account.sandbox.url}/v3/marketing/contacts", params={"ids": ids}, headers=key, timeout=5)
    account.sandbox.settle()
    run = load(account, *people("abk"), limit=4)
    assert run.report["contacts_before"] == {"stored": 1, "billable": 3}
    assert in_account(account) == "ak"


class TestFailing:
    def test_known_people_go_until_the_end_and_the_state_stays_before_the_first_who_did_not(
        self, account: Account
    ) -> None:
        known(account, "k")
        rows = [*people("ak"), state(1), *people("b"), state(2), *people("ck")]
        run = load(account, *rows, limit=2, mode="fail")
        assert (run.exit_code, run.states) == (1, ['{"n": 1}'])
        assert in_account(account) == "ak"
        assert run.report["error_codes"] == ["account-limit"]
        for words in (
            "2 new people were left out: the account may have 2 contacts (`account_contact_limit`)",
            "The first is at stream 'people', line 5, record 3.",
            "set `on_account_limit` to `truncate`",
        ):
            assert words in run.log
        assert counts_of(run) == {"received": 5, "upserted": 2, "duplicates": 1, "over_account_limit": 2}
        assert run.report["contacts_after"] == {"stored": 2, "billable": 2}

    def test_the_first_is_the_one_with_the_lowest_line_whichever_batch_ends_first(self, account: Account) -> None:
        known(account, "k")
        rows = [*people("a"), record("others", email="b@x.com"), record("others", email="c@x.com")]
        run = account.run(
            PEOPLE, schema("others", email="string"), *rows, LAST_STATE,
            account_contact_limit=1, streams={"others": {"list_name": "Others"}}, batch_size_rows=2,
            field_mapping={"email": "email"},
        )  # fmt: skip
        assert "left out, as the one at stream 'others', line 4, record 1." in run.log
        assert "The first is at stream 'people', line 3, record 1." in run.log
        assert in_account(account) == "k"

    def test_nobody_new_over_the_limit_is_no_failure(self, account: Account) -> None:
        known(account, "kl")
        run = load(account, *people("kl"), limit=2, mode="fail")
        assert (run.exit_code, run.states) == (0, ['{"n": 9}'])
        assert on_list(account) == "kl"

    def test_no_room_at_all_is_a_warning_before_the_first_request(self, account: Account) -> None:
        known(account, "kl")
        run = load(account, *people("ak"), limit=1, mode="fail")
        warning = "the account has no room for new contacts. People whom SendGrid has are sent, new ones are left out"
        assert run.log.index(warning) < run.log.index("Sent 1 contact")
        assert run.log.count("the account has no room for new contacts") == 1
        assert (run.exit_code, in_account(account)) == (1, "kl")
        assert "1 new person was left out" in run.log

    def test_a_run_from_the_last_state_goes_on_once_there_is_room(self, account: Account) -> None:
        rows = [*people("a"), state(1), *people("b"), state(2), *people("c"), state(3)]
        first = load(account, *rows, limit=1, mode="fail")
        assert (first.exit_code, first.states, in_account(account)) == (1, ['{"n": 1}'], "a")
        again = load(account, *rows[2:], limit=3, mode="fail")
        assert (again.exit_code, in_account(account)) == (0, "abc")

    def test_people_are_taken_off_all_the_same_when_their_rows_say_so(self, account: Account) -> None:
        members(account, "k", "l")
        run = load(account, *people("ak"), deleted(email="l@x.com"), limit=2, mode="fail")
        assert (run.exit_code, on_list(account), in_account(account)) == (1, "k", "kl")


def test_people_beyond_the_limit_are_unsubscribed_all_the_same(account: Account) -> None:
    known(account, "k")
    rows = [record(email="a@x.com", status="out"), record(email="k@x.com", status="out")]
    run = account.run(
        schema(email="string", status="string"), *rows, LAST_STATE,
        account_contact_limit=1, subscription_property="status", unsubscribed_values=["out"],
    )  # fmt: skip
    assert (run.exit_code, run.report["error_codes"]) == (1, ["account-limit"])
    assert account.sandbox.suppressed() == {"a@x.com", "k@x.com"}
    assert (on_list(account), in_account(account)) == ("k", "k")


class TestOrder:
    def test_room_is_taken_in_the_order_of_records(self, account: Account) -> None:
        # The second record of `a` brings the merged contact to the end of the batch.
        run = load(account, *people("abca"), limit=2)
        assert in_account(account) == "ab"
        assert counts_of(run) == {"received": 4, "upserted": 2, "duplicates": 1, "over_account_limit": 1}

    def test_records_merged_into_one_that_is_left_out_are_duplicates(self, account: Account) -> None:
        run = load(account, *people("abbb"), limit=1)
        assert counts_of(run) == {"received": 4, "upserted": 1, "duplicates": 2, "over_account_limit": 1}

    def test_a_person_takes_room_once_for_all_batches_and_lists(self, account: Account) -> None:
        rows = [*people("ab"), record("others", email="b@x.com"), *people("a"), record("others", email="c@x.com")]
        run = account.run(
            PEOPLE, schema("others", email="string"), *rows, LAST_STATE,
            account_contact_limit=3, streams={"others": {"list_name": "Others"}}, batch_size_rows=1,
            field_mapping={"email": "email"},
        )  # fmt: skip
        assert run.exit_code == 0, run.log
        assert (in_account(account), on_list(account), on_list(account, "Others")) == ("abc", "ab", "bc")

    def test_people_who_were_let_in_are_not_looked_up_again(self, account: Account) -> None:
        known(account, "k")
        run = load(account, *people("akakak"), limit=2, batch_size_rows=1)
        assert (run.exit_code, account.count("POST", "/search/")) == (0, 2)

    def test_several_batches_share_the_room(self, account: Account) -> None:
        run = load(account, *people("abcdef"), limit=4, batch_size_rows=3)
        assert (in_account(account), counts_of(run)["over_account_limit"]) == ("abcd", 2)

    def test_updates_create_nobody_and_need_no_room(self, account: Account) -> None:
        known(account, "k")
        run = load(account, *people("ak"), limit=1, mode="fail", sync_mode="update")
        assert run.exit_code == 0, run.log
        assert counts_of(run) == {"received": 2, "upserted": 1, "not_found": 1}


class TestDoubtfulAnswers:
    def test_people_who_were_created_a_moment_ago_are_known(self, account: Account) -> None:
        known(account, "kl")
        account.sandbox.add_fault("contacts_unseen", path="/v3/marketing/contacts/search/emails", seconds=30)
        run = load(account, *people("kl"), limit=2, mode="fail")
        assert run.exit_code == 0, run.log
        assert on_list(account) == "kl"

    def test_those_who_are_new_only_seemingly_take_no_room(self, account: Account) -> None:
        known(account, "klm")
        account.sandbox.add_fault("status", **SEARCH, status=404, body={"errors": [{"message": "not found"}]})
        run = load(account, *people("klmab"), limit=4)
        assert (in_account(account), counts_of(run)["over_account_limit"]) == ("aklm", 1)

    def test_the_second_look_up_comes_after_a_minute_and_only_if_somebody_would_be_left_out(
        self, account: Account
    ) -> None:
        load(account, *people("a"), limit=1)
        assert account.clock.slept_seconds < 60
        assert account.count("POST", "/search/") == 1
        load(account, *people("b"), limit=1)
        assert account.clock.slept_seconds >= 60
        assert account.count("POST", "/search/") == 3


class TestSentAgain:
    @pytest.mark.parametrize(
        "fault",
        [
            {"kind": "status", "status": 500, **PUT, "times": 3},
            {"kind": "status", "status": 429, "body": {}, **PUT},
            {"kind": "status", "status": 413, **PUT, "times": 2},
            {"kind": "cut_after", **PUT},
            {"kind": "no_job_id", **PUT},
            {"kind": "job_failed"},
            {"kind": "job_failed", "applied": True},
            {"kind": "job_lost", "applied": True},
            {"kind": "job_stuck", "applied": True},
            {"kind": "status", "status": 400, "body": {}, **PUT, "times": 2},
            {"kind": "status", "status": 404, **POLL, "times": 2},
        ],
        ids=str,
    )
    def test_people_who_are_sent_again_take_no_room_again(self, account: Account, fault: dict[str, Any]) -> None:
        known(account, "k")
        account.sandbox.add_fault(**{"times": 1, **fault})
        run = load(account, *people("abcdk"), limit=4, job_timeout_seconds=300)
        assert run.exit_code == 0, run.log
        assert (in_account(account), counts_of(run)["over_account_limit"]) == ("abck", 1)

    def test_a_contact_that_is_rejected_keeps_its_room(self, account: Account) -> None:
        account.sandbox.add_fault("status", **PUT, contacts=["a@x.com"], status=400, body={}, times=None)
        run = load(account, *people("abc"), limit=2, batch_size_rows=1)
        assert in_account(account) == "b"
        assert (len(account.rejected()), counts_of(run)["over_account_limit"]) == (1, 1)

    def test_a_probe_is_not_looked_up(self, account: Account) -> None:
        known(account, "k")
        account.sandbox.add_fault("status", **PUT, contacts=["a@x.com"], status=400, body={}, times=None)
        run = load(account, *people("ka"), limit=4, batch_size_rows=1)
        assert "Sending 1 contact again that SendGrid has confirmed before" in run.log
        assert (in_account(account), account.count("POST", "/search/")) == ("k", 2)


class TestAfterAKill:
    def test_contacts_that_an_earlier_run_creates_after_the_count_take_room(self, account: Account) -> None:
        account.sandbox.set_options(job_counts_after_seconds=40.0, job_final_after_seconds=40.0)
        config: dict[str, Any] = {"account_contact_limit": 4, "on_account_limit": "truncate"}
        killed = account.feed(killed_after(people("abc")), steps_at_states=True, batch_size_rows=3, **config)
        assert (killed.exit_code, account.puts(), in_account(account)) == (143, [202], "")

        def later() -> Iterator[dict[str, Any]]:
            yield PEOPLE
            account.clock.sleep(60)  # the run has counted, and now the job ends
            yield from [*people("abcde"), LAST_STATE]

        run = account.feed(later(), **config)
        assert run.report["contacts_before"] == {"stored": 0, "billable": 0}
        assert (in_account(account), counts_of(run)["over_account_limit"]) == ("abcd", 1)

    def test_contacts_that_an_earlier_run_creates_between_the_look_ups_take_room(self, account: Account) -> None:
        account.sandbox.set_options(job_counts_after_seconds=40.0, job_final_after_seconds=40.0)
        config: dict[str, Any] = {"account_contact_limit": 4, "on_account_limit": "truncate"}
        account.feed(killed_after(people("abc")), steps_at_states=True, batch_size_rows=3, **config)
        run = account.run(PEOPLE, *people("deabc"), LAST_STATE, **config)
        assert run.exit_code == 0, run.log
        assert (in_account(account), counts_of(run)["over_account_limit"]) == ("abcd", 1)

    def test_contacts_that_were_counted_take_no_room(self, account: Account) -> None:
        load(account, *people("ab"), limit=4)
        run = load(account, *people("abcd"), limit=4, mode="fail")
        assert (run.exit_code, in_account(account)) == (0, "abcd")


class TestMirrors:
    def test_nobody_is_taken_off_when_somebody_was_left_out(self, account: Account) -> None:
        members(account, *"klmn")
        run = load(account, *people("aklm"), limit=4, sync_mode="mirror", max_removals=1)
        assert (run.exit_code, on_list(account)) == (1, "klmn")
        assert "the account has reached `account_contact_limit`, so some people of the source were left out" in run.log
        assert run.report["error_codes"] == ["mirror-withheld"]

    def test_a_run_that_fails_at_the_limit_takes_nobody_off(self, account: Account) -> None:
        members(account, *"klmn")
        run = load(account, *people("aklm"), limit=4, mode="fail", sync_mode="mirror", max_removals=1)
        assert (run.exit_code, on_list(account)) == (1, "klmn")
        assert run.report["error_codes"] == ["account-limit"]

    def test_a_mirror_acts_within_the_limit(self, account: Account) -> None:
        members(account, *"klmn")
        end = {"type": "STATE", "value": {}}
        config = {"account_contact_limit": 5, "sync_mode": "mirror", "max_removals": 1}
        run = account.run(PEOPLE, *people("aklm"), end, **config)
        assert (run.exit_code, on_list(account)) == (0, "aklm")


class TestDryRun:
    def test_those_over_the_limit_are_counted(self, account: Account) -> None:
        known(account, "kl")
        run = load(account, *people("akbcl"), limit=4, dry_run=True, batch_size_rows=2)
        assert run.exit_code == 0, run.log
        assert "4 would be upserted (2 created, 2 updated, 0 unchanged), 1 over the account's limit." in run.log
        assert "the account has room for 2 new contacts." in run.log
        assert (run.report["contacts_before"], run.report["contacts_after"]) == ({"stored": 2, "billable": 2}, None)
        account.check_only_reads()

    def test_a_run_that_would_fail_fails_dry(self, account: Account) -> None:
        run = load(account, *people("abc"), limit=2, mode="fail", dry_run=True)
        assert run.exit_code == 1
        assert "1 new person was left out" in run.log

    def test_nobody_is_sent_when_all_are_over_the_limit(self, account: Account) -> None:
        known(account, "k")
        run = load(account, *people("ab"), limit=1, dry_run=True)
        assert "0 would be upserted, 2 over the account's limit." in run.log

    def test_all_are_looked_up_of_a_batch_that_is_otherwise_sampled(
        self, account: Account, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(dry_run, "MAX_LOOKED_UP", 2)
        run = load(account, *people("abcdef"), limit=4, dry_run=True)
        assert "4 would be upserted (4 created, 0 updated, 0 unchanged), 2 over the account's limit." in run.log
        assert "a sample of" in load(account, *people("abcdef"), limit=10, profile_cap=10, dry_run=True).log


class TestPreflight:
    @pytest.mark.parametrize(
        ("limit", "level", "words"),
        [
            (3, "ok", "with 3 as `account_contact_limit`, the account has room for 1 new contact."),
            (2, "warning", "the account has no room for new contacts. People whom SendGrid has are sent, new ones"),
            (1, "warning", "the account has no room for new contacts."),
        ],
    )
    def test_the_check_says_how_much_room_there_is(self, account: Account, limit: int, level: str, words: str) -> None:
        known(account, "kl")
        checked = account.check(account_contact_limit=limit)
        assert [found for found, what in checked.findings if words in what] == [level]
        assert account.count("GET", "contacts/count") == 1

    def test_a_run_that_can_not_count_sends_nothing(self, account: Account) -> None:
        account.sandbox.add_fault("status", path="/v3/marketing/contacts/count", status=403, body={}, times=None)
        run = load(account, *people("a"), limit=3)
        assert (run.exit_code, account.puts()) == (1, [])
        assert run.report["error_codes"] == ["key-forbidden"]

    def test_a_run_that_can_not_count_at_its_end_says_so(self, account: Account) -> None:
        account.sandbox.add_fault(
            "status", path="/v3/marketing/contacts/count", skip=2, status=403, body={}, times=None
        )
        run = load(account, *people("a"), limit=3)
        assert (run.exit_code, run.report["contacts_after"]) == (0, None)
        assert "The contacts of the account could not be counted after the run." in run.log
        assert "The account had 0 contacts (0 billed) before the run." in run.log
