"""Scopes of the key and unsubscribe groups are checked before the first write, where settings need them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from target_sendgrid.settings.account_needs import needed_scopes
from target_sendgrid.settings.settings import Settings
from tests.harness.messages import record, schema

if TYPE_CHECKING:
    from tests.harness.account import Account

SUBSCRIPTION: dict[str, Any] = {"subscription_property": "wants_mail", "unsubscribed_values": [False]}
SCOPES = "/v3/scopes"
EVERY: dict[str, Any] = {
    "skip_suppressed": True,
    "streams": {
        "people": {**SUBSCRIPTION, "suppression_group_id": 1},
        "guests": {"on_delete": "erase"},
        "others": SUBSCRIPTION,
    },
}


def errors(account: Account, **config: Any) -> list[str]:
    """Return the errors of a check."""
    return [sentence for level, sentence in account.check(**config).findings if level == "error"]


def test_all_missing_scopes_are_named_at_once_and_nothing_is_sent(account: Account) -> None:
    run = account.load("a@x.com", api_key=account.sandbox.add_key(("marketing.read",)), **EVERY)
    assert (run.exit_code, run.states, account.puts()) == (1, [], [])
    assert run.report["error_codes"] == ["key-forbidden"]
    account.check_only_reads()
    assert account.count("GET", "asm") == account.count("GET", "suppression") == 0
    lines = [line for line in run.log.splitlines() if "lacks the scope" in line]
    assert [line.partition("`")[2].partition("`")[0] for line in lines] == [
        "suppression.unsubscribes.read",
        "asm.groups.read",
        "asm.groups.suppressions.create",
        "asm.groups.suppressions.read",
        "recipients.erasejob.create",
        "asm.suppressions.global.create",
    ]
    assert "`streams.people.subscription_property` with `streams.people.suppression_group_id`" in lines[2]
    assert "which `streams.guests.on_delete` set to `erase` needs." in lines[4]
    assert "which `streams.others.subscription_property` needs." in lines[5]


@pytest.mark.parametrize("dry_run", [False, True])
def test_a_dry_run_needs_the_same_scopes(account: Account, dry_run: bool) -> None:  # noqa: FBT001 - a case
    key = account.sandbox.add_key(("marketing.read",))
    run = account.load("a@x.com", api_key=key, on_delete="erase", dry_run=dry_run)
    assert run.exit_code == 1
    assert (
        "which `on_delete` set to `erase` needs. Give it to the key in SendGrid under Settings > API Keys." in run.log
    )


@pytest.mark.parametrize("config", [SUBSCRIPTION, {"skip_suppressed": True}, {"on_delete": "erase"}, EVERY])
def test_a_key_with_the_scopes_that_the_settings_need_is_enough(account: Account, config: dict[str, Any]) -> None:
    account.sandbox.add_group("News")
    needed = needed_scopes(Settings.from_config(account.settings(**config)))
    assert errors(account, api_key=account.sandbox.add_key(("marketing.read", *needed)), **config) == []
    for scope in needed:
        key = account.sandbox.add_key(("marketing.read", *(other for other in needed if other != scope)))
        (error,) = errors(account, api_key=key, **config)
        assert error.startswith(f"The API key lacks the scope `{scope}`, which ")


def test_the_guard_of_unsubscribes_from_a_group_can_read_who_is_unsubscribed(account: Account) -> None:
    config: dict[str, Any] = {**SUBSCRIPTION, "suppression_group_id": account.sandbox.add_group("News")}
    key = account.sandbox.add_key(("marketing.read", *needed_scopes(Settings.from_config(account.settings(**config)))))
    people = [record(email=f"p{number}@x.com", wants_mail=False) for number in range(11)]
    run = account.run(schema(email="string", wants_mail="boolean"), *people, api_key=key, **config)
    assert run.report["error_codes"] == ["too-many-suppressions"]


def test_a_key_with_marketing_alone_is_enough_for_other_settings(account: Account) -> None:
    key = account.sandbox.add_key(("marketing.read",))
    run = account.load("a@x.com", api_key=key, on_delete="delete_contact")
    assert run.exit_code == 0, run.log
    assert account.count("GET", "asm") == account.count("GET", "suppression") == 0


def test_scopes_that_cannot_be_listed_are_a_warning(account: Account) -> None:
    account.sandbox.add_fault("status", path=SCOPES, status=403, body={}, times=None)
    checked = account.check(skip_suppressed=True, on_delete="erase")
    (warning,) = (sentence for level, sentence in checked.findings if level == "warning")
    assert warning.startswith(
        "Whether the API key has these scopes, which settings need, can't be checked: `suppression.unsubscribes.read`,"
        " `recipients.erasejob.create`."
    )
    assert checked.exit_code == 0
    assert not any(level == "warning" for level, _ in account.check().findings)


def test_groups_are_looked_for_also_with_a_key_that_may_not_list_its_scopes(account: Account) -> None:
    account.sandbox.add_fault("status", path=SCOPES, status=403, body={}, times=None)
    (error,) = errors(account, suppression_group_id=9, **SUBSCRIPTION)
    assert error.startswith("The account has no unsubscribe group with the id 9, as in `suppression_group_id`:")


def test_a_group_that_is_there_is_a_finding(account: Account) -> None:
    group_id = account.sandbox.add_group("News\u200b")
    checked = account.check(suppression_group_id=group_id, **SUBSCRIPTION)
    assert ("ok", f"The unsubscribe group {group_id} 'News\\u200b' is there.") in checked.findings


def test_unknown_groups_are_named_with_their_settings_and_nothing_is_sent(account: Account) -> None:
    first, second = account.sandbox.add_group("News"), account.sandbox.add_group("Offers")
    streams = {"people": {"suppression_group_id": 77}, "guests": {**SUBSCRIPTION, "suppression_group_id": 78}}
    run = account.load("a@x.com", suppression_group_id=second, streams=streams, skip_suppressed=True)
    assert (run.exit_code, account.puts(), run.report["error_codes"]) == (1, [], ["wrong-group"])
    account.check_only_reads()
    for group_id, name in ((77, "people"), (78, "guests")):
        assert (
            f"The account has no unsubscribe group with the id {group_id}, as in `streams.{name}.suppression_group_id`:"
            " SendGrid would unsubscribe people from everything. Take one of these:"
            f" {first} 'News', {second} 'Offers'. [wrong-group]"
        ) in run.log


def test_an_account_without_groups_gets_another_next_step(account: Account) -> None:
    (error,) = errors(account, suppression_group_id=7, **SUBSCRIPTION)
    assert error.endswith("Create one in SendGrid under Suppressions > Unsubscribe Groups.")


def test_a_group_that_no_setting_uses_is_not_looked_for(account: Account) -> None:
    streams = {"people": {"enabled": False, "suppression_group_id": 7, **SUBSCRIPTION}}
    assert errors(account, streams=streams) == []
    assert account.count("GET", "asm") == 0
