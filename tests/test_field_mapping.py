from __future__ import annotations

import contextlib
import logging
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_sendgrid.errors import ConfigError, Reason, RecordRejectedError
from target_sendgrid.mapping.field_mapping import compile_mapping
from target_sendgrid.sendgrid import fields
from target_sendgrid.sendgrid.fields import CustomField, FieldCatalogue, FieldType

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from target_sendgrid.mapping.field_mapping import FieldMapping
    from target_sendgrid.sendgrid.contact import Contact

MARKER = "zaphod"

CUSTOM_FIELDS = (
    CustomField("e1_T", "Plan", FieldType.TEXT),
    CustomField("e2_N", "visits", FieldType.NUMBER),
    CustomField("e3_D", "born_on", FieldType.DATE),
)

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


def schema_of(*names: str) -> dict[str, Any]:
    return {"type": "object", "properties": {name: {} for name in names}}


def compiled(
    field_mapping: Mapping[str, str] | None,
    schema: Mapping[str, Any] | None = None,
    *,
    clears_nulls: bool = False,
    custom_fields: tuple[CustomField, ...] = CUSTOM_FIELDS,
    create_field: Callable[[str, FieldType], CustomField] | None = None,
) -> FieldMapping:
    return compile_mapping(
        "people",
        schema if schema is not None else schema_of(*(field_mapping or {}).values()),
        field_mapping,
        FieldCatalogue(custom_fields),
        clears_nulls=clears_nulls,
        create_field=create_field,
    )


def problems_of(*arguments: Any, **options: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        compiled(*arguments, **options)
    return caught.value.problems


def contact_with(field: str, value: object, *, clears_nulls: bool = False) -> Contact:
    """Return the contact of a record whose one property, besides the email, fills a field."""
    mapping = compiled({"email": "mail", field: "property"}, clears_nulls=clears_nulls)
    contact = mapping.contact({"mail": "a@x.com", "property": value})
    assert contact.pop("email") == "a@x.com"
    return contact


class FieldMaker:
    """Creates custom fields and remembers which."""

    def __init__(self) -> None:
        self.created: dict[str, FieldType] = {}

    def __call__(self, name: str, field_type: FieldType) -> CustomField:
        self.created[name] = field_type
        return CustomField(f"e{len(self.created)}_{field_type.value[0]}", name, field_type)


class TestEmptyValues:
    @pytest.mark.parametrize(("value", "text"), [(0, "0"), (False, "false"), (Decimal("0.0"), "0.0")])
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
    def test_a_null_clears_what_can_be_cleared_if_asked(self, field: str, contact: Contact) -> None:
        assert contact_with(field, None, clears_nulls=True) == contact

    @pytest.mark.parametrize("field", ["visits", "born_on"])
    def test_an_empty_text_leaves_a_number_or_date_as_it_is(self, field: str) -> None:
        assert contact_with(field, "") == {}

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

    def test_a_number_reaches_into_an_array_that_the_schema_does_not_tell_of(self) -> None:
        mapping = compiled({"email": "mails.0"}, schema_of("mails"))
        assert mapping.contact({"mails": ["a@x.com"]}) == {"email": "a@x.com"}

    def test_a_property_name_with_dots_is_taken_as_it_stands(self) -> None:
        mapping = compiled({"email": "contact.email"}, schema_of("contact.email", "contact"))
        record = {"contact.email": "a@x.com", "contact": {"email": "b@x.com"}}
        assert mapping.contact(record) == {"email": "a@x.com"}

    def test_a_nullable_object_is_reached_into(self) -> None:
        home = {"anyOf": [{"type": "object", "properties": {"mail": {"type": "string"}}}, {"type": "null"}]}
        mapping = compiled({"email": "home.mail"}, {"properties": {"home": home}})
        assert mapping.contact({"home": {"mail": "a@x.com"}}) == {"email": "a@x.com"}


class TestDefaultMapping:
    def test_properties_named_like_contact_fields_are_taken(self) -> None:
        mapping = compiled(None, schema_of("email", "first_name", "plan", "VISITS", "shoe_size"))
        record = {"email": "a@x.com", "first_name": "Ada", "plan": "pro", "VISITS": 3, "shoe_size": 38}
        expected = {"email": "a@x.com", "first_name": "Ada", "custom_fields": {"e1_T": "pro", "e2_N": 3}}
        assert mapping.contact(record) == expected

    @pytest.mark.parametrize("name", sorted(fields.READ_ONLY_FIELDS))
    def test_what_sendgrid_sets_itself_is_passed_over(self, name: str) -> None:
        mapping = compiled(None, schema_of("email", name))
        assert mapping.contact({"email": "a@x.com", name: "1"}) == {"email": "a@x.com"}

    def test_a_custom_field_of_the_name_id_is_filled(self) -> None:
        own = CustomField("e9_T", "id", FieldType.TEXT)
        mapping = compiled(None, schema_of("email", "id"), custom_fields=(own,))
        assert mapping.contact({"email": "a@x.com", "id": 7})["custom_fields"] == {"e9_T": "7"}

    def test_labels_name_fields_and_properties(self) -> None:
        labels = compiled({"email": "mail", "Plan": "plan"}).field_labels
        assert labels == ["property 'mail' (for email)", "property 'plan' (for Plan)"]


class TestProblems:
    def test_all_problems_are_named_at_once(self) -> None:
        schema = schema_of("mail", "plan")
        problems = problems_of({"frist_name": "mial", "created_at": "plan", "Plan": "paln"}, schema)
        assert problems == [
            "Stream 'people' has no property 'mial' to fill 'frist_name'. Did you mean 'mail'?",
            "Stream 'people': SendGrid has no contact field 'frist_name'. Did you mean 'first_name'?",
            "Stream 'people': 'created_at' is set by SendGrid itself and can't be mapped.",
            "Stream 'people' has no property 'paln' to fill 'Plan'. Did you mean 'plan'?",
            (
                "Stream 'people' has no field that identifies a contact: `field_mapping` fills none. Write"
                ' `field_mapping: {"email": "mail"}`, or map phone_number_id, external_id, anonymous_id.'
            ),
        ]

    def test_an_unknown_property_far_from_any_other_lists_what_there_is(self) -> None:
        (problem,) = problems_of({"email": "qqq"}, schema_of("mail", "town"))
        assert problem.endswith("to fill 'email'. It has: mail, town.")

    def test_a_long_list_of_properties_is_cut(self) -> None:
        schema = schema_of(*(f"property_{number:02}" for number in range(12)))
        (problem,) = problems_of({"email": "qqq"}, schema)
        assert problem.endswith("property_08, property_09 and 2 more.")

    def test_a_schema_without_properties_is_told(self) -> None:
        (problem,) = problems_of({"email": "mail"}, {"properties": {}})
        assert problem.endswith("Its schema has no properties.")

    def test_a_near_custom_field_is_suggested(self) -> None:
        (problem,) = problems_of({"email": "mail", "plam": "mail"})
        assert problem == "Stream 'people': SendGrid has no contact field 'plam'. Did you mean 'Plan'?"

    def test_an_unknown_field_that_is_near_none_leads_to_creating_it(self) -> None:
        (problem,) = problems_of({"email": "mail", "qqq": "mail"})
        assert problem.endswith("Create it in SendGrid, or set `create_custom_fields` to true.")

    @pytest.mark.parametrize("name", ["created_at", "Contact_ID", "segment_ids", "id"])
    def test_a_field_that_sendgrid_sets_itself_can_not_be_mapped(self, name: str) -> None:
        (problem,) = problems_of({"email": "mail", name: "mail"}, create_field=FieldMaker())
        assert problem == f"Stream 'people': '{name}' is set by SendGrid itself and can't be mapped."

    @pytest.mark.parametrize(
        "pair", [("Plan", "plan"), ("plan", "e1_T"), ("first_name", "FIRST_NAME"), ("new_one", "NEW_ONE")]
    )
    def test_two_names_of_one_field_are_a_problem(self, pair: tuple[str, str]) -> None:
        mapping = {"email": "mail", pair[0]: "a", pair[1]: "b"}
        (problem,) = problems_of(mapping, create_field=FieldMaker())
        assert problem == f"Stream 'people' fills one contact field twice: '{pair[0]}' and '{pair[1]}'."

    def test_one_property_may_fill_two_fields(self) -> None:
        contact = compiled({"email": "mail", "external_id": "mail"}).contact({"mail": "a@x.com"})
        assert contact == {"email": "a@x.com", "external_id": "a@x.com"}

    @pytest.mark.parametrize("field_mapping", [{}, {"first_name": "Email"}])
    def test_a_mapping_without_an_identifier_suggests_the_nearest_property(self, field_mapping: dict[str, str]) -> None:
        (problem,) = problems_of(field_mapping, schema_of("name", "Email"))
        assert '`field_mapping: {"email": "Email"}`' in problem

    def test_the_default_mapping_without_an_email_says_so(self) -> None:
        (problem,) = problems_of(None, schema_of("e_mail", "external_id"))
        assert 'no property is named \'email\'. Write `field_mapping: {"email": "e_mail"}`' in problem

    @pytest.mark.parametrize("identifier", ["phone_number_id", "external_id", "anonymous_id", "EMAIL"])
    def test_any_identifier_is_enough(self, identifier: str) -> None:
        assert compiled({identifier: "key"}).field_labels == [f"property 'key' (for {identifier})"]


class TestCreatedFields:
    def test_a_missing_field_is_created_with_the_type_of_its_property(self) -> None:
        schema = {
            "properties": {
                "mail": {"type": "string"},
                "a": {"type": "integer"},
                "b": {"properties": {"c": {"type": "string", "format": "date"}}},
                "d": {"type": "boolean"},
            }
        }
        maker = FieldMaker()
        compiled({"email": "mail", "age": "a", "since": "b.c", "vip": "d"}, schema, create_field=maker)
        assert maker.created == {"age": FieldType.NUMBER, "since": FieldType.DATE, "vip": FieldType.TEXT}

    def test_a_created_field_is_filled_by_its_new_id(self) -> None:
        mapping = compiled({"email": "mail", "vip": "flag"}, create_field=FieldMaker())
        assert mapping.contact({"mail": "a@x.com", "flag": True})["custom_fields"] == {"e1_T": "true"}

    def test_a_field_that_exists_is_not_created(self) -> None:
        maker = FieldMaker()
        compiled({"email": "mail", "PLAN": "mail", "e2_N": "mail", "City": "mail"}, create_field=maker)
        assert maker.created == {}

    def test_nothing_is_created_when_anything_is_wrong(self) -> None:
        maker = FieldMaker()
        problems_of({"email": "mail", "vip": "flag", "city": "twon"}, schema_of("mail", "flag"), create_field=maker)
        assert maker.created == {}

    def test_a_stream_after_another_finds_the_created_field(self) -> None:
        catalogue, maker = FieldCatalogue([]), FieldMaker()
        for name in ("one", "two"):
            compile_mapping(
                name, schema_of("mail"), {"email": "mail", "vip": "mail"}, catalogue,
                clears_nulls=False, create_field=maker,
            )  # fmt: skip
        assert len(catalogue.names()) == len(maker.created) == 1

    @pytest.mark.parametrize("name", ["2fast", "shoe size", "größe", "x" * 101, ""])
    def test_a_name_that_sendgrid_does_not_take_is_a_problem(self, name: str) -> None:
        (problem,) = problems_of({"email": "mail", name: "mail"}, create_field=FieldMaker())
        assert "can't be created as a custom field" in problem
