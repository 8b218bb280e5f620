"""People who are suppressed in SendGrid are not sent, if the settings say so (`skip_suppressed`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.harness.messages import LAST_STATE, PEOPLE, record, schema, state
from tests.harness.removals import counts_of, deleted, members, on_list

if TYPE_CHECKING:
    from tests.harness.account import Account

SKIP: dict[str, Any] = {"skip_suppressed": True}
OPENED = schema(email="string", external_id="string", active={"type": ["boolean", "null"]})
END: dict[str, Any] = {"type": "STATE", "value": {}}
UNSUBSCRIBES = "/v3/suppression/unsubscribes"


def suppress(account: Account, *names: str, group_id: int | None = None) -> None:
    account.sandbox.suppress(*(f"{name}@x.com" for name in names), group_id=group_id)


def people(names: str, stream: str = "people") -> list[dict[str, Any]]:
    return [record(stream, email=f"{name}@x.com") for name in names]


def test_who_is_suppressed_is_not_sent_and_counted(account: Account) -> None:
    suppress(account, "b", "C", "z")
    run = account.send([*people("abc"), record(email=" B@X.com "), record(email="d@x.com", first_name=7)], **SKIP)
    assert (run.exit_code, run.states) == (0, ['{"n": 9}']), run.log
    assert account.emails() == ["a@x.com"]
    assert counts_of(run) == {"received": 5, "upserted": 1, "skipped_suppressed": 3}
    assert account.reasons() == [(6, "schema_violation")]
    assert "5 received, 1 upserted, 1 rejected (schema_violation 1), 3 suppressed and not sent." in run.log
    assert "Read 3 unsubscribes in 2 requests." in run.log


def test_suppressions_are_read_before_the_first_record_by_pages(account: Account) -> None:
    account.sandbox.suppress(*(f"p{number}@x.com" for number in range(1001)))
    run = account.load("p0@x.com", "p500@x.com", "p1000@x.com", "p1001@x.com", **SKIP)
    assert account.emails() == ["p1001@x.com"]
    assert "Read 1,001 unsubscribes in 4 requests." in run.log
    paths = [entry["path"] for entry in account.sandbox.requests()]
    assert paths.count(UNSUBSCRIBES) == 4
    assert paths.index("/v3/marketing/contacts") > len(paths) - 1 - paths[::-1].index(UNSUBSCRIBES)
    assert run.report["requests"] == len(paths)


def test_without_the_setting_nothing_is_read_and_everybody_is_sent(account: Account) -> None:
    suppress(account, "a")
    run = account.load("a@x.com")
    assert (run.exit_code, account.emails()) == (0, ["a@x.com"])
    assert account.count("GET", "suppression") == account.count("GET", "asm") == 0
    assert "skipped_suppressed" not in run.report["streams"]["people"]


def test_a_group_counts_for_the_streams_that_have_it(account: Account) -> None:
    news, offers = account.sandbox.add_group("News"), account.sandbox.add_group("Offers")
    suppress(account, "a", group_id=news)
    suppress(account, "b", group_id=offers)
    suppress(account, "c")
    lists = {"list_name": "News", "suppression_group_id": news}, {"list_name": "Offers", "suppression_group_id": offers}
    run = account.run(
        schema("news", email="string"),
        *people("abcd", "news"),
        schema("offers", email="string"),
        *people("abcd", "offers"),
        schema("others", email="string"),
        *people("abcd", "others"),
        LAST_STATE,
        **SKIP,
        streams={"news": lists[0], "offers": lists[1]},
    )
    assert run.exit_code == 0, run.log
    assert [on_list(account, name) for name in ("News", "Offers", "Everybody")] == ["bd", "ad", "abd"]
    assert "Read 3 unsubscribes in 4 requests." in run.log


def test_skipped_people_take_no_room_under_the_cap(account: Account) -> None:
    suppress(account, *"abc")
    run = account.send(people("abcd"), profile_cap=1, **SKIP)
    assert (run.exit_code, account.emails()) == (0, ["d@x.com"]), run.log
    assert run.report["distinct_profiles"] == 1


def test_a_mirror_keeps_them_as_members(account: Account) -> None:
    members(account, *"abc")
    suppress(account, "a", "d")
    run = account.run(PEOPLE, *people("abd"), END, sync_mode="mirror", **SKIP)
    assert (run.exit_code, on_list(account)) == (0, "ab"), run.log
    assert counts_of(run) == {"received": 3, "upserted": 1, "skipped_suppressed": 2}
    assert run.report["removed_members"] == {"Everybody": 1}


def test_a_later_record_of_theirs_cancels_that_they_are_taken_off(account: Account) -> None:
    members(account, *"ab")
    suppress(account, *"ab")
    rows = [record(email=f"{name}@x.com", active=False) for name in "ab"]
    rows.append(record(email="a@x.com", active=True))
    run = account.run(OPENED, *rows, state(1), membership_property="active", **SKIP)
    assert (run.exit_code, on_list(account)) == (0, "a"), run.log
    counts = counts_of(run)
    assert (counts["skipped_suppressed"], counts["removed"], counts["received"]) == (1, 1, 3)


def test_rows_take_them_off_all_the_same(account: Account) -> None:
    members(account, *"ab")
    suppress(account, *"ab")
    run = account.send([deleted(email="a@x.com")], **SKIP)
    assert (run.exit_code, on_list(account)) == (0, "b"), run.log
    run = account.send(people("b"), sync_mode="remove", **SKIP)
    assert (run.exit_code, on_list(account)) == (0, ""), run.log


def test_people_without_an_address_are_sent(account: Account) -> None:
    suppress(account, "a")
    rows = [record(external_id="a@x.com"), record(external_id="7", email="a@x.com")]
    mapping = {"email": "email", "external_id": "external_id"}
    run = account.run(OPENED, *rows, LAST_STATE, field_mapping=mapping, **SKIP)
    assert (run.exit_code, len(account.sandbox.contacts())) == (0, 1), run.log


def test_an_update_leaves_them_as_they_are(account: Account) -> None:
    members(account, *"ab")
    suppress(account, "a")
    rows = [record(email=f"{name}@x.com", first_name="Zoë") for name in "ab"]
    run = account.send(rows, sync_mode="update", **SKIP)
    names = {one["email"]: one.get("first_name") for one in account.sandbox.contacts(detail=True)}
    assert names == {"a@x.com": None, "b@x.com": "Zoë"}, run.log
    assert counts_of(run) == {"received": 2, "upserted": 1, "skipped_suppressed": 1}


def test_a_dry_run_counts_them(account: Account) -> None:
    suppress(account, "a")
    run = account.send(people("ab"), dry_run=True, **SKIP)
    assert run.exit_code == 0, run.log
    assert counts_of(run) == {"received": 2, "upserted": 1, "skipped_suppressed": 1}
    account.check_only_reads()


@pytest.mark.parametrize("path", [UNSUBSCRIBES, "/v3/asm/groups/1/suppressions"])
def test_if_they_cannot_be_read_nothing_is_sent(account: Account, path: str) -> None:
    group_id = account.sandbox.add_group("News")
    account.sandbox.add_fault("status", path=path, status=403, body={}, times=None)
    run = account.load("a@x.com", suppression_group_id=group_id, **SKIP)
    assert (run.exit_code, run.states, account.puts()) == (1, [], [])
    assert "SendGrid forbids this API key to read suppressions (403)." in run.log


def test_records_on_the_slow_path_are_skipped_too(account: Account) -> None:
    suppress(account, "a")
    run = account.send(people("ab"), stream_maps={"people": {"email": "email.lower()"}}, **SKIP)
    assert (run.exit_code, account.emails()) == (0, ["b@x.com"]), run.log
