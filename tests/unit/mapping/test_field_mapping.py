from __future__ import annotations

import contextlib
import logging
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_sendgrid.errors import Reason, RecordRejectedError
from target_sendgrid.sendgrid import fields
from tests.harness.mappings import compiled, schema_of

if TYPE_CHECKING:
    from target_sendgrid.sendgrid.contact import Contact

MARKER = "zaphod"

ANYTHING: list[Any] = [
    None,
    "",
    " ",
    0,
    False,
    True,
    MARKER,
    "7",
    Decimal("1.5"),
    [],
    {},
    ["a@x.com"],
    "2024-02-29",
    10**400,
]


def contact_with(field: str, value: object, *, clears_nulls: bool = False) -> Contact:
    """Return the contact of a record whose one property, besides the email, fills a field."""
    mapping = compiled({"email": "mail", field: "property"}, clears_nulls=clears_nulls)
    contact = mapping.contact({"mail": "a@x.com", "property": value})
    assert contact.pop("email") == "a@x.com"
    return contact


class TestLengths:
    @pytest.mark.parametrize("field", ["first_name", "city", "Plan"])
    def test_a_text_of_exactly_the_longest_length_is_taken_and_none_longer(self, field: str) -> None:
        mapped = compiled({"email": "mail", field: "property"}).fields[1]
        assert mapped.plain_length > 0
        longest = "x" * mapped.plain_length
        contact = contact_with(field, longest)
        assert longest in (*contact.values(), *contact.get("custom_fields", {}).values())
        with pytest.raises(RecordRejectedError) as caught:
            contact_with(field, f"{longest}x")
        assert caught.value.reason is Reason.TOO_LONG


class TestEmptyValues:
    @pytest.mark.parametrize(("value", "text"), [(0, "0"), (False, "false"), (Decimal("0.0"), "0")])
    def test_zero_and_false_are_values_of_a_text_field(self, value: object, text: str) -> None:
        assert contact_with("first_name", value) == {"first_name": text}
        assert contact_with("Plan", value) == {"custom_fields": {"e1_T": text}}

    def test_zero_is_a_value_of_a_number_field(self) -> None:
        assert contact_with("visits", 0) == {"custom_fields": {"e2_N": 0}}

    @pytest.mark.parametrize(
        ("field", "contact"), [("first_name", {"first_name": ""}), ("Plan", {"custom_fields": {"e1_T": ""}})]
    )
    @pytest.mark.parametrize("clears_nulls", [True, False])
    def test_an_empty_text_clears_a_text_field(self, field: str, contact: Contact, *, clears_nulls: bool) -> None:
        assert contact_with(field, "", clears_nulls=clears_nulls) == contact

    @pytest.mark.parametrize("field", ["first_name", "alternate_emails", "Plan", "visits", "born_on", "external_id"])
    def test_a_null_is_left_out(self, field: str) -> None:
        assert contact_with(field, None) == {}

    @pytest.mark.parametrize(
        ("field", "contact"),
        [
            ("first_name", {"first_name": ""}),
            ("Plan", {"custom_fields": {"e1_T": ""}}),
            ("alternate_emails", {"alternate_emails": []}),
            ("visits", {}),
            ("born_on", {}),
            ("external_id", {}),
        ],
    )
    def test_a_null_clears_the_fields_that_can_be_cleared_if_the_setting_says_so(
        self, field: str, contact: Contact
    ) -> None:
        assert contact_with(field, None, clears_nulls=True) == contact

    @pytest.mark.parametrize("field", ["visits", "born_on"])
    @pytest.mark.parametrize("value", ["", " ", "\t\n", "\xa0\u200b", "\ufeff"])
    @pytest.mark.parametrize("clears_nulls", [True, False])
    def test_a_text_of_blanks_leaves_a_number_or_date_as_it_is(
        self, field: str, value: str, *, clears_nulls: bool
    ) -> None:
        assert contact_with(field, value, clears_nulls=clears_nulls) == {}

    def test_a_text_of_blanks_is_a_value_of_a_text_field(self) -> None:
        assert contact_with("first_name", " ") == {"first_name": " "}

    @pytest.mark.parametrize("value", ["", " ", []])
    @pytest.mark.parametrize("clears_nulls", [True, False])
    def test_an_empty_text_or_array_clears_the_alternate_emails(self, value: object, *, clears_nulls: bool) -> None:
        assert contact_with("alternate_emails", value, clears_nulls=clears_nulls) == {"alternate_emails": []}

    @pytest.mark.parametrize("value", [[None], [""], [None, " "]])
    @pytest.mark.parametrize("clears_nulls", [True, False])
    def test_an_array_without_an_address_leaves_the_alternate_emails_as_they_are(
        self, value: object, *, clears_nulls: bool
    ) -> None:
        assert contact_with("alternate_emails", value, clears_nulls=clears_nulls) == {}

    @pytest.mark.parametrize("clears_nulls", [True, False])
    def test_an_absent_property_is_left_out(self, *, clears_nulls: bool) -> None:
        mapping = compiled({"email": "mail", "city": "town", "Plan": "plan"}, clears_nulls=clears_nulls)
        assert mapping.contact({"mail": "a@x.com"}) == {"email": "a@x.com"}

    def test_a_field_that_can_not_be_cleared_is_warned_of_once(self, caplog: pytest.LogCaptureFixture) -> None:
        mapping = compiled({"email": "mail", "visits": "count", "born_on": "born"}, clears_nulls=True)
        for _ in range(3):
            mapping.contact({"mail": f"{MARKER}@x.com", "count": None, "born": ""})
        warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
        assert ["(for visits)" in text for text in warnings] == [True, False]

    def test_an_omitted_null_is_no_reason_to_warn(self, caplog: pytest.LogCaptureFixture) -> None:
        contact_with("visits", None)
        assert caplog.records == []


class TestConversion:
    def test_each_field_gets_its_own_conversion(self) -> None:
        mapping = compiled(
            {"email": "a", "alternate_emails": "b", "city": "c", "Plan": "d", "visits": "e", "born_on": "f"}
        )
        record = {"a": " A@x.com", "b": "B@x.com", "c": 7, "d": [1], "e": "12", "f": "2024-02-29"}
        assert mapping.contact(record) == {
            "email": "a@x.com",
            "alternate_emails": ["b@x.com"],
            "city": "7",
            "custom_fields": {"e1_T": "[1]", "e2_N": 12, "e3_D": "2024-02-29T00:00:00Z"},
        }

    @pytest.mark.parametrize("name", ["Plan", "plan", "PLAN", "e1_T"])
    def test_a_custom_field_is_sent_by_its_id_however_it_is_named(self, name: str) -> None:
        assert contact_with(name, "pro") == {"custom_fields": {"e1_T": "pro"}}

    @pytest.mark.parametrize("name", ["FIRST_NAME", "First_Name"])
    def test_a_reserved_field_is_known_in_any_case(self, name: str) -> None:
        assert contact_with(name, "Ada") == {"first_name": "Ada"}

    @pytest.mark.parametrize(
        ("field", "value", "reason"),
        [
            ("email", MARKER, Reason.INVALID_EMAIL),
            ("email", True, Reason.INVALID_EMAIL),
            ("alternate_emails", [f"{MARKER}{number}@x.com" for number in range(6)], Reason.TOO_MANY_ITEMS),
            ("first_name", MARKER * 9, Reason.TOO_LONG),
            ("external_id", MARKER * 50, Reason.TOO_LONG),
            ("Plan", MARKER * 200, Reason.TOO_LONG),
            ("visits", True, Reason.NOT_A_NUMBER),
            ("visits", MARKER, Reason.NOT_A_NUMBER),
            ("born_on", MARKER, Reason.NOT_A_DATE),
            ("born_on", "2024-02-30", Reason.NOT_A_DATE),
        ],
    )
    def test_a_value_that_can_not_be_converted_rejects_the_record(
        self, field: str, value: object, reason: Reason
    ) -> None:
        mapping = compiled({field: "property", "anonymous_id": "key"})
        with pytest.raises(RecordRejectedError) as caught:
            mapping.contact({"property": value, "key": "1"})
        assert caught.value.reason is reason

    @pytest.mark.parametrize("field", [*fields.MAX_LENGTHS, "Plan", "visits", "born_on"])
    @pytest.mark.parametrize("value", ANYTHING)
    @pytest.mark.parametrize("clears_nulls", [True, False])
    def test_any_value_gives_a_contact_or_a_rejection_that_does_not_quote_it(
        self, field: str, value: object, *, clears_nulls: bool
    ) -> None:
        mapping = compiled({field: "property"} | {"anonymous_id": "key"}, clears_nulls=clears_nulls)
        try:
            assert mapping.contact({"property": value, "key": "1"})
        except RecordRejectedError as error:
            assert ("property" in error.sentence, MARKER in error.sentence) == (True, False)  # noqa: PT017 - either

    @given(st.dictionaries(st.sampled_from(["mail", "given", "plan"]), st.sampled_from(ANYTHING)))
    def test_a_record_is_left_as_it_was(self, record: dict[str, Any]) -> None:
        before = dict(record)
        mapping = compiled({"email": "mail", "first_name": "given", "Plan": "plan", "external_id": "plan"})
        with contextlib.suppress(RecordRejectedError):
            mapping.contact(record)
        assert record == before


class TestIdentifiers:
    def test_other_identifiers_are_sent_only_when_mapped(self) -> None:
        mapping = compiled(None, schema_of("email", "external_id", "anonymous_id", "phone_number_id"))
        record = {"email": "a@x.com", "external_id": "1", "anonymous_id": "2", "phone_number_id": "3"}
        assert mapping.contact(record) == {"email": "a@x.com"}

    @pytest.mark.parametrize("value", [None, "", "  "])
    @pytest.mark.parametrize("clears_nulls", [True, False])
    def test_an_empty_email_leaves_the_other_identifier(self, value: object, *, clears_nulls: bool) -> None:
        mapping = compiled({"email": "mail", "external_id": "key"}, clears_nulls=clears_nulls)
        assert mapping.contact({"mail": value, "key": 0}) == {"external_id": "0"}

    @given(st.fixed_dictionaries({}, optional=dict.fromkeys(["mail", "key", "given"], st.sampled_from(ANYTHING))))
    def test_identifiers_alone_are_those_of_the_contact(self, record: dict[str, Any]) -> None:
        mapping = compiled({"email": "mail", "external_id": "key", "first_name": "given"})
        try:
            contact = mapping.contact(record)
        except RecordRejectedError:
            return
        contact.pop("first_name", None)
        assert mapping.identifiers(record) == contact

    @pytest.mark.parametrize("clears_nulls", [True, False])
    def test_a_bad_identifier_is_left_out_if_there_is_another_one(self, *, clears_nulls: bool) -> None:
        mapping = compiled({"email": "mail", "external_id": "key", "city": "town"}, clears_nulls=clears_nulls)
        assert mapping.identifiers({"mail": "no address", "key": 7, "town": ["x"]}) == {"external_id": "7"}
        for record, reason in (({"mail": "no"}, Reason.INVALID_EMAIL), ({"key": None}, Reason.NO_IDENTIFIER)):
            with pytest.raises(RecordRejectedError) as caught:
                mapping.identifiers(record)
            assert caught.value.reason is reason

    @pytest.mark.parametrize("value", [None, "", "\t"])
    @pytest.mark.parametrize("clears_nulls", [True, False])
    def test_a_record_that_nothing_identifies_is_rejected(self, value: object, *, clears_nulls: bool) -> None:
        mapping = compiled({"email": "mail", "external_id": "key", "city": "town"}, clears_nulls=clears_nulls)
        with pytest.raises(RecordRejectedError) as caught:
            mapping.contact({"mail": value, "town": MARKER})
        expected = "Nothing identifies the contact: property 'mail' (for email) or property 'key' (for external_id)"
        assert (caught.value.reason, caught.value.sentence) == (Reason.NO_IDENTIFIER, f"{expected} is empty.")


class TestPaths:
    @pytest.mark.parametrize(
        ("source", "record", "expected"),
        [
            ("home.city", {"home": {"city": "London"}}, {"city": "London"}),
            ("home.city", {"home": {}}, {}),
            ("home.city", {"home": None}, {"city": ""}),
            ("home.city", {"home": "London"}, {}),
            ("home.city", {}, {}),
            ("towns.1", {"towns": ["London", "Paris"]}, {"city": "Paris"}),
            ("towns.1", {"towns": ["London"]}, {}),
            ("towns.1", {"towns": None}, {"city": ""}),
            ("towns.0.name", {"towns": [{"name": "London"}]}, {"city": "London"}),
            ("towns.0.name", {"towns": []}, {}),
            ("home.0.1", {"home": {"0": {"1": "London"}}}, {"city": "London"}),
            ("home.city.name.long", {"home": {"city": {"name": {"long": "London"}}}}, {"city": "London"}),
        ],
    )
    def test_a_path_reaches_into_objects_and_arrays(
        self, source: str, record: dict[str, Any], expected: dict[str, str]
    ) -> None:
        schema = schema_of("email", "home")
        schema["properties"]["towns"] = {"type": ["array", "null"]}
        mapping = compiled({"email": "email", "city": source}, schema, clears_nulls=True)
        contact = mapping.contact({"email": "a@x.com", **record})
        assert contact == {"email": "a@x.com", **expected}

    def test_a_number_reaches_into_an_array_that_is_not_in_the_schema(self) -> None:
        mapping = compiled({"email": "mails.0"}, schema_of("mails"))
        assert mapping.contact({"mails": ["a@x.com"]}) == {"email": "a@x.com"}

    def test_a_property_name_with_dots_is_not_split(self) -> None:
        mapping = compiled({"email": "contact.email"}, schema_of("contact.email", "contact"))
        record = {"contact.email": "a@x.com", "contact": {"email": "b@x.com"}}
        assert mapping.contact(record) == {"email": "a@x.com"}

    def test_a_nullable_object_is_reached_into(self) -> None:
        home = {"anyOf": [{"type": "object", "properties": {"mail": {"type": "string"}}}, {"type": "null"}]}
        mapping = compiled({"email": "home.mail"}, {"properties": {"home": home}})
        assert mapping.contact({"home": {"mail": "a@x.com"}}) == {"email": "a@x.com"}


class TestUnlistedProperties:
    """Properties that the schema does not list, and does not exclude."""

    SCHEMA: ClassVar[dict[str, Any]] = {
        "properties": {
            "mail": {},
            "home": {"type": ["object", "null"]},
            "list": {"type": "array"},
            "odd": {"anyOf": [{}]},
        }
    }
    MAPPING: ClassVar[dict[str, str]] = {"email": "mail", "city": "home.city", "Plan": "plan", "country": "list.1"}
    LABELS: ClassVar[list[str]] = [
        "property 'home.city' (for city)", "property 'plan' (for Plan)", "property 'list.1' (for country)",
    ]  # fmt: skip

    def test_they_are_taken_from_records_that_have_them(self) -> None:
        mapping = compiled(self.MAPPING, self.SCHEMA)
        record = {"mail": "a@x.com", "home": {"city": "Rome"}, "plan": "pro", "list": [1, "Italy"]}
        assert mapping.contact(record) == {
            "email": "a@x.com", "city": "Rome", "country": "Italy", "custom_fields": {"e1_T": "pro"},
        }  # fmt: skip

    def test_those_that_no_record_had_are_named(self) -> None:
        mapping = compiled(self.MAPPING, self.SCHEMA)
        mapping.contact({"mail": "a@x.com", "home": None, "list": ["Italy"]})
        mapping.contact({"mail": "b@x.com", "home": {}, "list": None})
        assert mapping.never_came() == self.LABELS

    def test_one_record_is_enough_also_if_the_value_is_null_or_the_record_is_rejected(self) -> None:
        mapping = compiled(self.MAPPING, self.SCHEMA)
        mapping.contact({"mail": "a@x.com", "plan": None})
        assert mapping.never_came() == [self.LABELS[0], self.LABELS[2]]
        with pytest.raises(RecordRejectedError):
            mapping.contact({"mail": "", "home": {"city": None}, "list": [1, None]})
        assert mapping.never_came() == []

    def test_without_records_nothing_is_named(self) -> None:
        assert compiled(self.MAPPING, self.SCHEMA).never_came() == []

    def test_listed_properties_are_never_named(self) -> None:
        mapping = compiled({"email": "mail", "city": "odd"}, self.SCHEMA)
        mapping.contact({"mail": "a@x.com"})
        assert mapping.never_came() == []

    def test_an_email_that_the_schema_does_not_list_is_checked_by_its_conversion(self) -> None:
        mapping = compiled({"email": "mail"}, {"type": "object"})
        assert mapping.contact({"mail": " A@x.com"}) == {"email": "a@x.com"}
        with pytest.raises(RecordRejectedError):
            mapping.contact({"mail": ["a@x.com"]})
