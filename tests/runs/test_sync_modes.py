"""What all records of a stream do (the setting `sync_mode`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from target_sendgrid.errors import ConfigError
from tests.harness.messages import PEOPLE, record, schema, state
from tests.harness.removals import counts_of, members, on_list

if TYPE_CHECKING:
    from tests.harness.account import Account


@pytest.mark.parametrize("own", [{"sync_mode": "remove"}, {"streams": {"people": {"sync_mode": "remove"}}}])
def test_a_stream_of_leavers_takes_its_people_off_the_list(account: Account, own: dict[str, Any]) -> None:
    members(account, "a", "b", "c", first_name="Ann")
    rows = [
        record(email="a@x.com", first_name="New", score="no number"),
        record(email=" B@x.com"),
        record(email="b@x.com"),
        record(email="n@x.com"),
        record(email="no"),
        record(first_name="Ada"),
    ]
    mapping = {"email": "email", "first_name": "first_name", "rank": "score"}
    run = account.run(PEOPLE, *rows, state(1), field_mapping=mapping, **own)
    assert run.exit_code == 0, run.log
    assert on_list(account) == "c"
    assert account.emails() == ["a@x.com", "b@x.com", "c@x.com"]
    assert {contact["first_name"] for contact in account.sandbox.contacts()} == {"Ann"}
    assert counts_of(run) == {"received": 6, "removed": 2, "duplicates": 1, "not_found": 1}
    assert account.reasons() == [(6, "invalid_email"), (7, "no_identifier")]
    assert account.count("POST", "field_definitions") == 0
    assert "Stream 'people' takes people off list 'Everybody' (1 field)." in run.log


def test_the_log_says_of_how_many_a_removal_is_confirmed(account: Account) -> None:
    members(account, "a", "b")
    run = account.run(PEOPLE, record(email="a@x.com"), record(email="b@x.com"), state(1), sync_mode="remove")
    (line,) = (line for line in run.log.splitlines() if " completed: " in line)
    assert line.endswith(" completed: 2 contacts confirmed.")


def test_leavers_leave_the_lists_that_they_name(account: Account) -> None:
    lists = {"vip": "VIP", "new": "New"}
    people = [{"email": f"{one}@x.com", "lists": ["VIP", "New"]} for one in "abc"]
    account.sandbox.seed(lists=[*lists.values()], contacts=people)
    opened = schema(email="string", segment={"type": ["string", "array", "null"]})
    rows = [record(email="a@x.com", segment="vip"), record(email="b@x.com", segment=["vip", "new"])]
    run = account.run(
        opened, *rows, record(email="c@x.com"), state(1),
        list_name=None, list_property="segment", lists=lists, sync_mode="remove",
    )  # fmt: skip
    assert (on_list(account, "VIP"), on_list(account, "New")) == ("c", "ac")
    assert counts_of(run) == {"received": 3, "removed": 2, "ignored": 1}


def test_joiners_and_leavers_of_one_list_come_as_two_streams(account: Account) -> None:
    members(account, "a", "b")
    leavers = schema("leavers", email="string")
    rows = [record("leavers", email="a@x.com"), record(email="c@x.com"), record("leavers", email="b@x.com")]
    run = account.run(
        PEOPLE, leavers, *rows, record(email="b@x.com"), state(1), streams={"leavers": {"sync_mode": "remove"}}
    )
    assert on_list(account) == "bc"
    assert counts_of(run, "leavers") == {"received": 2, "removed": 1, "duplicates": 1}


def test_only_people_whom_sendgrid_has_are_updated_and_put_on_the_list(account: Account) -> None:
    account.sandbox.seed(contacts=[{"email": "a@x.com", "first_name": "Old"}, {"email": "b@x.com"}])
    rows = [record(email="a@x.com", first_name="Ann"), record(email="n@x.com"), record(email="N@x.com")]
    run = account.run(PEOPLE, *rows, record(email="b@x.com"), record(email="no"), state(1), sync_mode="update")
    assert run.exit_code == 0, run.log
    assert on_list(account) == "ab"
    assert account.emails() == ["a@x.com", "b@x.com"]
    assert account.sandbox.contacts()[0]["first_name"] == "Ann"
    assert counts_of(run) == {"received": 5, "upserted": 2, "not_found": 1, "duplicates": 1}
    assert account.reasons() == [(6, "invalid_email")]
    assert run.states == ['{"n": 1}']


def test_updates_look_up_a_hundred_people_at_a_time(account: Account) -> None:
    emails = [f"p{number}@x.com" for number in range(250)]
    account.sandbox.seed(contacts=[{"email": email} for email in emails])
    run = account.run(PEOPLE, *[record(email=email) for email in emails], state(1), sync_mode="update")
    assert (counts_of(run)["upserted"], account.count("POST", "/search/emails")) == (250, 3)


def test_nobody_is_created_when_all_are_unknown(account: Account) -> None:
    run = account.run(PEOPLE, record(email="a@x.com"), state(1), sync_mode="update")
    assert (run.exit_code, account.emails(), account.puts(), run.states) == (0, [], [], ['{"n": 1}'])


@pytest.mark.parametrize("kind", [{"status": 500}, {"status": 429}, {"status": 413}])
def test_updates_that_fail_for_a_while_create_nobody(account: Account, kind: dict[str, Any]) -> None:
    account.sandbox.seed(contacts=[{"email": f"{one}@x.com"} for one in "abc"])
    account.sandbox.add_fault("status", method="PUT", times=2, **kind)
    rows = [record(email=f"{one}@x.com") for one in "abcn"]
    run = account.run(PEOPLE, *rows, state(1), sync_mode="update")
    assert run.exit_code == 0, run.log
    assert (on_list(account), account.emails()) == ("abc", ["a@x.com", "b@x.com", "c@x.com"])
    assert counts_of(run) == {"received": 4, "upserted": 3, "not_found": 1}


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("upsert", "2 would be upserted (1 created, 1 updated, 0 unchanged)."),
        ("update", "1 would be upserted (0 created, 1 updated, 0 unchanged), 1 not found."),
        ("remove", "0 would be upserted, 1 would be removed, 1 not found."),
    ],
)
def test_a_dry_run_knows_each_mode(account: Account, mode: str, words: str) -> None:
    members(account, "a")
    rows = [record(email="a@x.com", first_name="Ann"), record(email="n@x.com")]
    run = account.run(PEOPLE, *rows, state(1), sync_mode=mode, dry_run=True)
    assert run.exit_code == 0, run.log
    assert words in run.log
    account.check_only_reads()


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("upsert", "would fill list 'Everybody': email <- email, first_name <- first_name."),
        ("update", "would update those people whom SendGrid has, and put them on list 'Everybody': email <- email, "),
        ("remove", "would take people off list 'Everybody': email <- email."),
        ("mirror", "would fill list 'Everybody', and take off it who is not in a whole run: email <- email, "),
    ],
)
def test_a_check_knows_each_mode(account: Account, mode: str, words: str) -> None:
    checked = account.check(PEOPLE, sync_mode=mode)
    assert any(words in what for _, what in checked.findings), checked.findings


def test_a_stream_of_leavers_needs_no_membership_property(account: Account) -> None:
    for config in (
        {"sync_mode": "remove", "membership_property": "active"},
        {"membership_property": "active", "streams": {"people": {"sync_mode": "remove"}}},
    ):
        with pytest.raises(ConfigError, match="all records take people off the list, so `membership_property` has no"):
            account.run(schema(email="string", active="boolean"), **config)
