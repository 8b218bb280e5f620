"""A contact on the wire: its identity, encoding and merging, and the changes that hold it."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from target_sendgrid.delivery.operations.upsert import upsert_kind
from target_sendgrid.delivery.pending import Change, Purpose, pack
from target_sendgrid.origin import Origin
from target_sendgrid.sendgrid.contact import Body, decode, encode, identity, merge

if TYPE_CHECKING:
    from target_sendgrid.sendgrid.contact import Contact

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
NUMBER = st.one_of(
    st.integers(-(10**40), 10**40), st.decimals(allow_nan=False, allow_infinity=False).filter(lambda n: n.is_finite())
)
TWO_CONTACTS = [encode({"email": f"{letter}@x.com"}) for letter in "ab"]
CONTACTS = st.fixed_dictionaries(
    {"email": st.just("ada@example.com")},
    optional={
        "first_name": TEXT,
        "city": TEXT,
        "alternate_emails": st.lists(TEXT, max_size=3),
        "custom_fields": st.dictionaries(st.sampled_from(["e1_T", "e2_N", "e3_D"]), TEXT | NUMBER, min_size=1),
    },
)


def account_after(*updates: Contact) -> Contact:
    """Return the contact that SendGrid holds after updates in this order: fields that an update leaves out stay."""
    held: dict[str, Any] = {}
    custom_fields: dict[str, Any] = {}
    for update in updates:
        held |= {name: value for name, value in update.items() if name != "custom_fields"}
        custom_fields |= update.get("custom_fields", {})
    return held | ({"custom_fields": custom_fields} if custom_fields else {})


class TestIdentity:
    def test_an_email_is_the_identity_unchanged(self) -> None:
        assert identity({"email": "ada@example.com", "external_id": "7"}) == "ada@example.com"

    @pytest.mark.parametrize("kind", ["phone_number_id", "external_id", "anonymous_id"])
    def test_another_identifier_gets_its_kind_as_a_prefix(self, kind: str) -> None:
        assert identity({kind: "7", "first_name": "Ada"}) == f"{kind} 7"

    def test_the_same_value_of_two_kinds_is_two_people(self) -> None:
        assert identity({"external_id": "7"}) != identity({"anonymous_id": "7"})

    def test_without_an_email_the_next_identifier_is_used(self) -> None:
        assert identity({"email": "", "external_id": "7"}) == "external_id 7"

    def test_a_contact_with_only_a_name_has_no_identity(self) -> None:
        assert identity({"first_name": "Ada", "custom_fields": {"e1_T": "x"}}) is None


class TestEncoding:
    def test_a_contact_is_compact_json(self) -> None:
        contact = {"email": "a@x.com", "custom_fields": {"e1_N": Decimal("15.50"), "e2_N": 10**20, "e3_T": "ä"}}
        expected = '{"email":"a@x.com","custom_fields":{"e1_N":15.50,"e2_N":100000000000000000000,"e3_T":"ä"}}'
        assert encode(contact).decode() == expected

    @given(CONTACTS)
    def test_a_contact_survives_the_round_trip(self, contact: Contact) -> None:
        assert decode(encode(contact)) == contact

    @given(st.decimals(allow_nan=False, allow_infinity=False))
    def test_a_decimal_keeps_every_digit(self, number: Decimal) -> None:
        assert Decimal(decode(encode({"n": number}))["n"]) == number


class TestMerge:
    def test_the_later_value_wins(self) -> None:
        earlier = encode({"email": "a@x.com", "city": "London"})
        assert decode(merge(earlier, encode({"email": "a@x.com", "city": "Paris"})))["city"] == "Paris"

    def test_a_field_that_the_later_contact_leaves_out_stays(self) -> None:
        earlier = encode({"email": "a@x.com", "city": "London"})
        assert decode(merge(earlier, encode({"email": "a@x.com"})))["city"] == "London"

    @pytest.mark.parametrize("value", ["", 0, []])
    def test_a_later_empty_value_wins(self, value: object) -> None:
        earlier = encode({"email": "a@x.com", "city": "London"})
        assert decode(merge(earlier, encode({"email": "a@x.com", "city": value})))["city"] == value

    def test_custom_fields_are_merged_one_by_one(self) -> None:
        earlier = encode({"email": "a@x.com", "custom_fields": {"e1_T": "old", "e2_T": "kept"}})
        later = {"email": "a@x.com", "custom_fields": {"e1_T": "new", "e3_T": "added"}}
        assert decode(merge(earlier, encode(later)))["custom_fields"] == {
            "e1_T": "new",
            "e2_T": "kept",
            "e3_T": "added",
        }

    def test_alternate_emails_are_one_field_and_replaced_as_a_whole(self) -> None:
        earlier = encode({"email": "a@x.com", "alternate_emails": ["b@x.com"]})
        later = {"email": "a@x.com", "alternate_emails": ["c@x.com"]}
        assert decode(merge(earlier, encode(later)))["alternate_emails"] == ["c@x.com"]

    def test_merging_contacts_without_custom_fields_adds_none(self) -> None:
        assert "custom_fields" not in decode(merge(encode({"email": "a@x.com"}), encode({"email": "a@x.com"})))

    @given(st.lists(CONTACTS, min_size=1, max_size=5))
    def test_merging_gives_the_same_contact_as_sending_the_updates_in_order(self, updates: list[Contact]) -> None:
        merged = encode(updates[0])
        for update in updates[1:]:
            merged = merge(merged, encode(update))
        assert decode(merged) == account_after(*updates)


class TestBody:
    def test_a_body_is_what_sendgrid_documents(self) -> None:
        expected = {"list_ids": ["L", "M"], "contacts": [{"email": "a@x.com"}, {"email": "b@x.com"}]}
        assert json.loads(b"".join(Body(("L", "M"), TWO_CONTACTS))) == expected

    @pytest.mark.parametrize("count", [0, 1, 499, 500, 501, 1_000, 1_234])
    def test_the_pieces_of_a_body_are_together_as_long_as_its_length_says(self, count: int) -> None:
        contacts = [encode({"email": f"{number}@x.com"}) for number in range(count)]
        body = Body(("L",), contacts)
        for _ in range(2):  # twice, because a request may be sent again
            pieces = list(body)
            assert json.loads(b"".join(pieces)) == {"list_ids": ["L"], "contacts": list(map(json.loads, contacts))}
            assert sum(map(len, pieces)) == len(body)

    def test_a_request_has_its_length_in_a_header(self) -> None:
        body = Body(("L",), TWO_CONTACTS * 1_000)
        headers = requests.Request("PUT", "https://example.com", data=body).prepare().headers
        assert headers["Content-Length"] == str(len(body))
        assert "Transfer-Encoding" not in headers

    def test_an_odd_list_id_is_escaped(self) -> None:
        assert json.loads(b"".join(Body(('"]',), ())))["list_ids"] == ['"]']


class TestOrigin:
    def test_a_record_is_named_by_stream_and_line(self) -> None:
        assert str(Origin("people", 7)) == "stream 'people', line 7"

    def test_a_record_of_a_batch_file_is_named_by_both_lines(self) -> None:
        assert str(Origin("people", 7, 3)) == "stream 'people', line 7, line 3 of the batch files"
        assert str(Origin("people", 7, record_number=5)) == "stream 'people', line 7, record 5"

    def test_a_record_is_never_named_by_its_values(self) -> None:
        assert "zaphod" not in str(Origin("people", 7, message=b'{"record":{"email":"zaphod@example.com"}}'))


PURPOSE = Purpose(upsert_kind(30_000, 3_500_000), ("L",))


def test_a_change_holds_the_encoded_contact_with_its_origins() -> None:
    change = Change(PURPOSE, "a@x.com", encode({"email": "a@x.com"}), Origin("people", 1), [Origin("people", 2)])
    assert (change.contact, [origin.line for origin in change.origins]) == (b'{"email":"a@x.com"}', [1, 2])


def test_no_repr_shows_values() -> None:
    origin = Origin("people", 7, 0, b'{"record": "canary"}')
    change = Change(PURPOSE, "canary@example.com", encode({"email": "canary@example.com"}), origin)
    assert repr([origin, change]) == "[Origin(stream 'people', line 7), Change([Origin(stream 'people', line 7)])]"
    assert repr(pack({"canary@example.com": change})) == "PackedChanges(1)"
