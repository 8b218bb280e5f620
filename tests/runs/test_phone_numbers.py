"""Whole runs with phone numbers as identifiers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.harness.messages import LAST_STATE, record, schema

if TYPE_CHECKING:
    from tests.harness.account import Account

PEOPLE = schema("people", email={"type": ["string", "null"]}, phone={"type": ["string", "integer", "null"]})
PHONE: dict[str, Any] = {"field_mapping": {"phone_number_id": "phone"}}
BOTH: dict[str, Any] = {"field_mapping": {"email": "email", "phone_number_id": "phone"}}

WHOLE: dict[str, Any] = {"type": "STATE", "value": {"bookmarks": {}}}
"""A state without a position: the tap has read everybody."""


def numbers(account: Account, name: str | None = None) -> list[str | None]:
    return [contact.get("phone_number_id") for contact in account.sandbox.contacts(name)]


def test_people_without_an_email_are_found_by_their_number_in_any_form(account: Account) -> None:
    records = [record(phone=phone) for phone in ("+44 20 7946 0018", "020 7946 0018", 2079460018, "+442079460018")]
    run = account.run(PEOPLE, *records, LAST_STATE, default_phone_region="gb", **PHONE)
    assert (run.exit_code, numbers(account, "Everybody")) == (0, ["+442079460018"])
    assert run.report["streams"]["people"]["duplicates"] == 3


def test_national_numbers_are_rejected_without_a_region(account: Account) -> None:
    records = [record(phone=phone) for phone in ("020 7946 0018", 442079460018, "+44 20 7946 0018")]
    run = account.run(PEOPLE, *records, LAST_STATE, **PHONE)
    assert (run.exit_code, numbers(account)) == (0, ["+442079460018"])
    assert account.reasons() == [(2, "invalid_phone"), (3, "invalid_phone")]
    assert "set `default_phone_region`" in run.log


def test_a_wrong_number_rejects_the_record_beside_a_good_email_too(account: Account) -> None:
    run = account.run(PEOPLE, record(email="a@example.com", phone="x"), LAST_STATE, **BOTH)
    assert (run.exit_code, account.reasons()) == (0, [(2, "invalid_phone")])


def test_an_empty_number_beside_an_email_is_left_out(account: Account) -> None:
    records = [record(email=f"{number}@example.com", phone=phone) for number, phone in enumerate(("", " ", None))]
    run = account.run(PEOPLE, *records, LAST_STATE, **BOTH)
    assert (run.exit_code, numbers(account)) == (0, [None, None, None])


def test_the_reserved_field_stays_as_it_is_written(account: Account) -> None:
    run = account.run(
        PEOPLE,
        record(email="a@example.com", phone="020 7946 0018"),
        LAST_STATE,
        field_mapping={"email": "email", "phone_number": "phone"},
    )
    assert (run.exit_code, account.sandbox.contacts()[0]["phone_number"]) == (0, "020 7946 0018")


@pytest.mark.parametrize("region", [None, "GB"])
def test_a_mirror_keeps_whose_number_is_in_the_source_in_any_form(account: Account, region: str | None) -> None:
    settings: dict[str, Any] = PHONE | {"sync_mode": "mirror"} | ({"default_phone_region": region} if region else {})
    people = ["+442079460018", "+442079460019", "+442079460020"]
    account.run(PEOPLE, *[record(phone=phone) for phone in people], WHOLE, **settings)
    again = [record(phone="+44 (0)20 7946 0018"), record(phone="020 7946 0019")]
    run = account.run(PEOPLE, *again, WHOLE, **settings)
    assert run.exit_code == 0, run.log
    assert numbers(account, "Everybody") == people[:2]


def test_a_deleted_row_takes_off_whose_number_it_has_in_another_form(account: Account) -> None:
    settings: dict[str, Any] = PHONE | {"default_phone_region": "GB"}
    account.run(PEOPLE, record(phone="+442079460018"), LAST_STATE, **settings)
    deleted = record(phone="020 7946 0018", _sdc_deleted_at="2024-02-29T00:00:00Z")
    run = account.run(PEOPLE, deleted, LAST_STATE, **settings)
    assert (run.exit_code, numbers(account, "Everybody")) == (0, [])
