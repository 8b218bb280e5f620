"""Whole runs with `custom_fields: all`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.harness.messages import LAST_STATE, record, schema

if TYPE_CHECKING:
    from tests.harness.account import Account

ALL = {"custom_fields": "all", "create_custom_fields": True}
TEXT = {"type": ["string", "null"]}


def fields_of(account: Account) -> dict[str, str]:
    return {str(row["name"]): str(row["field_type"]) for row in account.sandbox.store.rows("SELECT * FROM fields")}


def test_new_attributes_appear_as_fields_of_the_right_type(account: Account) -> None:
    properties: dict[str, Any] = {
        "id": {"type": "integer"}, "mail": TEXT, "City": TEXT, "vip": {"type": ["boolean", "null"]},
        "ltv": {"type": ["number", "null"]}, "seen": TEXT | {"format": "date-time"}, "tags": {"type": "array"},
        "home": {"type": "object"}, "created_at": TEXT, "_sdc_batched_at": TEXT,
    }  # fmt: skip
    first: dict[str, Any] = {
        "id": 7,
        "mail": "ada@example.com",
        "City": "York",
        "vip": False,
        "ltv": 1.5,
        "seen": "2024-02-29",
    }
    rest: dict[str, Any] = {"tags": ["a"], "home": {"a": 1}, "created_at": "x", "_sdc_batched_at": "y"}
    later = schema("people", **properties, plan=TEXT)
    run = account.run(
        schema("people", **properties),
        record(**first, **rest),
        later,
        record(id=8, mail="bob@example.com", plan="pro"),
        LAST_STATE,
        field_mapping={"email": "mail"},
        **ALL,
    )
    assert run.exit_code == 0, run.log
    assert fields_of(account) == {"id": "Number", "vip": "Text", "ltv": "Number", "seen": "Date", "plan": "Text"}
    ada, bob = account.sandbox.contacts("Everybody")
    assert (ada["email"], ada["city"]) == ("ada@example.com", "York")
    assert ada["custom_fields"] == {"id": 7, "vip": "false", "ltv": 1.5, "seen": "2024-02-29T00:00:00Z"}
    assert bob["custom_fields"] == {"id": 8, "plan": "pro"}
    assert run.log.count("`custom_fields: all` leaves out 'created_at': ") == 2  # once for each schema


def test_a_hundred_new_fields_are_awaited(account: Account) -> None:
    account.sandbox.set_options(field_ready_after_seconds=40.0)
    names: dict[str, Any] = {f"attribute_{number}": number for number in range(120)}
    properties: dict[str, Any] = {name: {"type": "integer"} for name in names}
    run = account.run(
        schema("people", email=TEXT, **properties), record(email="a@example.com", **names), LAST_STATE, **ALL
    )
    assert (run.exit_code, account.rejected()) == (0, []), run.log
    (contact,) = account.sandbox.contacts("Everybody")
    assert contact["custom_fields"] == names
    assert account.puts()[-1] == 202
    assert set(account.puts()[:-1]) == {400}


def test_nothing_is_created_if_the_account_may_not_have_all_fields(account: Account) -> None:
    names = [f"attribute_{number}" for number in range(501)]
    run = account.run(schema("people", email=TEXT, **dict.fromkeys(names, TEXT)), LAST_STATE, **ALL)
    assert run.exit_code == 1
    assert "needs 501 new custom fields: the account would have 501, and it may have 500." in run.log
    assert "[field-refused]" in run.log
    assert (fields_of(account), account.sandbox.contacts()) == ({}, [])


def test_streams_may_differ(account: Account) -> None:
    run = account.run(
        schema("people", email=TEXT, plan=TEXT),
        schema("guests", email=TEXT, room=TEXT),
        record(email="a@example.com", plan="pro"),
        record("guests", email="b@example.com", room="7"),
        LAST_STATE,
        create_custom_fields=True,
        streams={"guests": {"custom_fields": "all"}},
    )
    assert (run.exit_code, fields_of(account)) == (0, {"room": "Text"})


def test_properties_that_settings_use_are_no_attributes(account: Account) -> None:
    run = account.run(
        schema("people", email=TEXT, segment=TEXT, member={"type": "boolean"}, optin={"type": "boolean"}, plan=TEXT),
        record(email="a@example.com", segment="vip", member=True, optin=True, plan="pro"),
        LAST_STATE,
        list_name=None,
        list_property="segment",
        lists={"vip": "VIP"},
        membership_property="member",
        subscription_property="optin",
        unsubscribed_values=[False],
        **ALL,
    )
    assert (run.exit_code, fields_of(account)) == (0, {"plan": "Text"}), run.log


def test_stream_maps_and_flattening_come_first(account: Account) -> None:
    home = {"type": "object", "properties": {"city": TEXT}}
    run = account.run(
        schema("people", email=TEXT, notes=TEXT, home=home),
        record(email="a@example.com", notes="x", home={"city": "York"}),
        LAST_STATE,
        stream_maps={"people": {"notes": None, "tier": "'gold'"}},
        flattening_enabled=True,
        flattening_max_depth=1,
        **ALL,
    )
    assert run.exit_code == 0, run.log
    (contact,) = account.sandbox.contacts()
    assert contact["custom_fields"] == {"tier": "gold", "home__city": "York"}


def test_rows_that_only_take_people_off_need_no_fields(account: Account) -> None:
    run = account.run(
        schema("people", email=TEXT, plan=TEXT, Plan=TEXT), LAST_STATE, custom_fields="all", sync_mode="remove"
    )
    assert run.exit_code == 0, run.log


def test_a_type_that_does_not_fit_ends_the_run_before_the_first_record(account: Account) -> None:
    account.sandbox.seed(fields={"ltv": "Number"})
    moment = TEXT | {"format": "date-time"}
    run = account.run(
        schema("people", email=TEXT, ltv=moment), record(email="a@example.com", ltv="2024-02-29"), LAST_STATE
    )
    assert run.exit_code == 1
    assert "Stream 'people': property 'ltv' is a date, and the custom field 'ltv' is of type Number" in run.log
    assert "[wrong-mapping]" in run.log
    assert account.puts() == []


@pytest.mark.parametrize("expression", ["1 if vip else 0", "int(vip)", "visits"])
def test_a_property_that_a_stream_map_makes_may_have_another_type_than_the_one_it_replaces(
    account: Account, expression: str
) -> None:
    account.sandbox.seed(fields={"vip": "Number"})
    run = account.run(
        schema("people", email=TEXT, vip={"type": "boolean"}, visits={"type": "integer"}),
        record(email="a@example.com", vip=True, visits=1),
        LAST_STATE,
        stream_maps={"people": {"vip": expression}},
    )
    assert (run.exit_code, account.rejected()) == (0, []), run.log
    assert account.sandbox.contacts()[0]["custom_fields"] == {"vip": 1}


def test_flattened_parts_of_such_a_property_may_too(account: Account) -> None:
    account.sandbox.seed(fields={"home__vip": "Number"})
    home = {"type": "object", "properties": {"vip": {"type": "boolean"}}}
    run = account.run(
        schema("people", email=TEXT, home=home),
        record(email="a@example.com", home={"vip": True}),
        LAST_STATE,
        stream_maps={"people": {"home": "dict(vip=7)"}},
        flattening_enabled=True,
        flattening_max_depth=1,
    )
    assert "is of type Number" not in run.log


class TestCheck:
    def test_it_names_the_fields_that_a_run_would_create(self, account: Account) -> None:
        checked = account.check(
            schema("people", email=TEXT, plan=TEXT, zip=TEXT, born={"format": "date"} | TEXT), **ALL
        )
        findings = [what for _, what in checked.findings]
        assert checked.exit_code == 0
        for name, kind in (("plan", "Text"), ("zip", "Text"), ("born", "Date")):
            start = f"The custom field '{name}' is missing: a run would create it, of type {kind}"
            assert any(what.startswith(start) for what in findings)
        assert any("'zip' is missing" in what and "Did you mean 'postal_code'?" in what for what in findings)

    def test_it_says_what_is_needed_to_create_them(self, account: Account) -> None:
        checked = account.check(schema("people", email=TEXT, plan=TEXT), custom_fields="all")
        (error,) = [what for level, what in checked.findings if level == "error"]
        assert "Set `create_custom_fields` to true" in error
