"""Which scopes and unsubscribe groups settings need, and by which settings they are named."""

from __future__ import annotations

from typing import Any

import pytest

from target_sendgrid.settings.account_needs import groups_in_use, may_list_groups, missing_scopes, needed_scopes
from target_sendgrid.settings.settings import Settings

SUBSCRIPTION = {"subscription_property": "wants_mail", "unsubscribed_values": [False]}
IN_GROUP = {**SUBSCRIPTION, "suppression_group_id": 7}


def settings(**config: Any) -> Settings:
    return Settings.from_config({"api_url": "sandbox", "list_name": "Everybody", **config})


def test_most_runs_need_no_other_scope() -> None:
    for config in ({}, {"on_delete": "delete_contact"}, {"sync_mode": "mirror"}, {"skip_suppressed": False}):
        assert needed_scopes(settings(**config)) == {}


@pytest.mark.parametrize(
    ("config", "needed"),
    [
        (
            SUBSCRIPTION,
            {
                "asm.suppressions.global.create": ["`subscription_property`"],
                "suppression.unsubscribes.read": ["`subscription_property`"],
            },
        ),
        (
            IN_GROUP,
            {
                "asm.groups.read": ["`subscription_property` with `suppression_group_id`"],
                "asm.groups.suppressions.create": ["`subscription_property` with `suppression_group_id`"],
                "asm.groups.suppressions.read": ["`subscription_property` with `suppression_group_id`"],
                "suppression.unsubscribes.read": ["`subscription_property` with `suppression_group_id`"],
            },
        ),
        ({"skip_suppressed": True}, {"suppression.unsubscribes.read": ["`skip_suppressed`"]}),
        (
            {"skip_suppressed": True, "streams": {"people": {"suppression_group_id": 7}, "*": {"enabled": False}}},
            {
                "suppression.unsubscribes.read": ["`skip_suppressed` with `streams.people.suppression_group_id`"],
                "asm.groups.read": ["`skip_suppressed` with `streams.people.suppression_group_id`"],
                "asm.groups.suppressions.read": ["`skip_suppressed` with `streams.people.suppression_group_id`"],
            },
        ),
        ({"on_delete": "erase"}, {"recipients.erasejob.create": ["`on_delete` set to `erase`"]}),
        (
            {"streams": {"people": {"on_delete": "erase"}, "guests": {"on_delete": "erase"}}},
            {
                "recipients.erasejob.create": [
                    "`streams.people.on_delete` set to `erase`",
                    "`streams.guests.on_delete` set to `erase`",
                ]
            },
        ),
        (
            {**SUBSCRIPTION, "streams": {"people": {"suppression_group_id": 7}, "*": {"enabled": False}}},
            {
                "asm.groups.read": ["`subscription_property` with `streams.people.suppression_group_id`"],
                "asm.groups.suppressions.create": [
                    "`subscription_property` with `streams.people.suppression_group_id`"
                ],
                "asm.groups.suppressions.read": ["`subscription_property` with `streams.people.suppression_group_id`"],
                "suppression.unsubscribes.read": ["`subscription_property` with `streams.people.suppression_group_id`"],
            },
        ),
    ],
)
def test_scopes_are_named_by_the_settings_that_need_them(config: dict[str, Any], needed: dict[str, Any]) -> None:
    assert needed_scopes(settings(**config)) == needed


def test_an_inherited_setting_is_named_once_and_a_stream_that_is_left_out_needs_nothing() -> None:
    streams = {"people": {}, "guests": {"enabled": False, "on_delete": "erase"}}
    needed = needed_scopes(settings(**SUBSCRIPTION, streams=streams))
    assert set(needed) == {"asm.suppressions.global.create", "suppression.unsubscribes.read"}
    assert set(map(tuple, needed.values())) == {("`subscription_property`",)}


def test_the_names_of_streams_are_escaped() -> None:
    needed = needed_scopes(settings(streams={"a.\u200bb.": {"on_delete": "erase"}}))
    assert needed == {"recipients.erasejob.create": ["`streams.a.\\u200bb..on_delete` set to `erase`"]}


def test_each_missing_scope_is_a_problem() -> None:
    needed = needed_scopes(settings(skip_suppressed=True, on_delete="erase", **SUBSCRIPTION))
    assert missing_scopes(needed, set(needed)) == []
    unsubscribes, erasure = missing_scopes(needed, {"asm.suppressions.global.create"})
    assert unsubscribes == (
        "The API key lacks the scope `suppression.unsubscribes.read`, which `subscription_property` and"
        " `skip_suppressed` need. Give it to the key in SendGrid under Settings > API Keys."
    )
    assert erasure == (
        "The API key lacks the scope `recipients.erasejob.create`, which `on_delete` set to `erase` needs. Give it to"
        " the key in SendGrid under Settings > API Keys. For an account made before 2023-07-25, SendGrid's support has"
        " to enable it first."
    )


def test_groups_can_be_listed_unless_the_key_is_known_to_lack_the_scope() -> None:
    assert [may_list_groups(scopes) for scopes in (None, {"asm.groups.read"}, {"marketing.read"})] == [
        True,
        True,
        False,
    ]


def test_groups_are_in_use_where_people_are_unsubscribed_or_skipped() -> None:
    streams = {"people": {"suppression_group_id": 7}, "guests": {"suppression_group_id": 8, **SUBSCRIPTION}}
    assert groups_in_use(settings(streams=streams, skip_suppressed=True)) == {
        7: ["`streams.people.suppression_group_id`"],
        8: ["`streams.guests.suppression_group_id`"],
    }
    shared = {"people": {}, "guests": {"suppression_group_id": 7}, "others": {"enabled": False, **IN_GROUP}}
    assert groups_in_use(settings(**IN_GROUP, streams=shared)) == {
        7: ["`suppression_group_id`", "`streams.guests.suppression_group_id`"]
    }
    assert groups_in_use(settings()) == {}
