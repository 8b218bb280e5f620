from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from target_sendgrid.audience.presence import Presence
from tests.harness.members import FakeMember


def presence_of(*records: dict[str, Any], fields: tuple[str, ...] = ("email",)) -> Presence:
    presence = Presence()
    presence.add_fields(fields)
    for record in records:
        presence.add(record)
    return presence


ADA = FakeMember("1", email="ada@example.com", external_id="Ada-1", phone_number_id="+14155550100", anonymous_id="an-1")


@pytest.mark.parametrize(
    "record",
    [
        {"email": "ada@example.com"},
        {"email": "ADA@Example.COM"},
        {"email": "  ada@example.com\u200b\n"},
        {"email": "ada@example.com", "external_id": "another"},
        {"email": "new@example.com", "external_id": "Ada-1"},
        {"external_id": " Ada-1 "},
        {"anonymous_id": "an-1"},
        {"phone_number_id": "+14155550100"},
        {"phone_number_id": "+1 (415) 555-0100"},
        {"phone_number_id": "0014155550100"},
        {"phone_number_id": 14155550100},
        {"phone_number_id": "(415) 555-0100"},
        {"phone_number_id": 4155550100},
    ],
)
def test_a_member_is_present_by_any_identifier(record: dict[str, Any]) -> None:
    assert ADA in presence_of(record)


@pytest.mark.parametrize(
    "record",
    [
        {"email": "grace@example.com"},
        {"external_id": "ada-1"},
        {"anonymous_id": "Ada-1"},
        {"external_id": "ada@example.com"},
        {"phone_number_id": "+14155550101"},
        {"phone_number_id": "555-0100"},
        {"first_name": "ada@example.com"},
        {"email": None, "external_id": ""},
        {"email": {"of": "ada@example.com"}, "external_id": Decimal("1.5")},
        {},
    ],
)
def test_a_member_is_absent_if_no_record_shows_an_identifier(record: dict[str, Any]) -> None:
    assert ADA not in presence_of(record)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Ada <Ada@example.com>", True),
        ("mailto:ada@example.com", True),
        ("grace@example.com; ada@example.com", True),
        ("ada@@example.com", False),
        ("ada", False),
    ],
)
def test_an_address_that_a_rule_rejects_still_shows_who_it_is(text: str, *, found: bool) -> None:
    assert (ADA in presence_of({"email": text})) is found


@pytest.mark.parametrize("letters", ["İPEK", "straße", "ΣΑΣ", "\u212aim"])
def test_letters_that_differ_only_in_their_case_are_the_same(letters: str) -> None:
    member = FakeMember("1", email=f"{letters.lower()}@example.com")
    assert member in presence_of({"email": f"{letters}@example.com"})
    assert FakeMember("1", email=f"{letters.upper()}@example.com") in presence_of({"email": f"{letters}@example.com"})


def test_a_member_is_present_by_an_alternate_address_of_its_own_or_of_a_record() -> None:
    member = FakeMember("1", email="ada@example.com", alternate_emails=["Lovelace@example.com"])
    assert member in presence_of({"email": "lovelace@example.com"})
    assert ADA in presence_of(
        {"email": "lovelace@example.com", "alternate_emails": ["x@example.com", "ADA@example.com"]}
    )
    assert ADA in presence_of({"alternate_emails": "x@example.com,ada@example.com"})


def test_streams_of_one_list_are_added_up() -> None:
    presence = Presence()
    presence.add_fields(["email", "first_name"])
    presence.add({"email": "ada@example.com"})
    presence.add_fields(["external_id"])
    presence.add({"external_id": "g-1"})
    grace = FakeMember("2", email="grace@example.com", external_id="g-1")
    assert ADA in presence
    assert grace in presence
    assert FakeMember("3", email="kay@example.com") not in presence


@pytest.mark.parametrize(
    ("fields", "member", "expected"),
    [
        (["email"], FakeMember("1", email="ada@example.com"), True),
        (["email"], FakeMember("1", external_id="a"), False),
        (["email"], FakeMember("1", external_id="a", alternate_emails=["ada@example.com"]), False),
        (["email", "external_id"], FakeMember("1", external_id="a"), True),
        (["external_id"], FakeMember("1", email="ada@example.com"), False),
        (["external_id", "alternate_emails"], FakeMember("1", email="ada@example.com"), False),
        (["phone_number_id"], FakeMember("1", phone_number_id="+1"), True),
        (["first_name"], FakeMember("1", email="ada@example.com"), False),
        ([], FakeMember("1", email="ada@example.com"), False),
        (["email"], FakeMember("1", email=""), False),
    ],
)
def test_it_knows_the_members_with_an_identifier_that_a_stream_maps(
    fields: list[str], member: FakeMember, *, expected: bool
) -> None:
    presence = Presence()
    presence.add_fields(fields)
    assert presence.maps_identifier_of(member) is expected


def test_texts_with_the_same_hash_keep_somebody_on_the_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("target_sendgrid.audience.hash_set.hash", lambda _: 1, raising=False)
    assert ADA in presence_of({"email": "grace@example.com"})
