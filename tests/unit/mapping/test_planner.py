from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from target_sendgrid.errors import ConfigError
from target_sendgrid.mapping.planner import some_names
from target_sendgrid.sendgrid import fields
from target_sendgrid.sendgrid.fields import CustomField, FieldType
from target_sendgrid.settings.settings import Source
from tests.harness.mappings import compiled, planned, schema_of

if TYPE_CHECKING:
    from target_sendgrid.mapping.plan import NewField

CLOSED = {"properties": {}, "additionalProperties": False}


def problems_of(*arguments: Any, **options: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        compiled(*arguments, **options)
    return list(caught.value.problems)


class FieldMaker:
    """Creates custom fields and records which."""

    def __init__(self) -> None:
        self.created: dict[str, FieldType] = {}

    def __call__(self, new: NewField) -> CustomField:
        self.created[new.name] = new.field_type
        return CustomField(f"e{len(self.created)}_{new.field_type.value[0]}", new.name, new.field_type)


class TestDefaultMapping:
    def test_properties_named_like_contact_fields_are_taken(self) -> None:
        mapping = compiled(None, schema_of("email", "first_name", "plan", "VISITS", "shoe_size"))
        record = {"email": "a@x.com", "first_name": "Ada", "plan": "pro", "VISITS": 3, "shoe_size": 38}
        expected = {"email": "a@x.com", "first_name": "Ada", "custom_fields": {"e1_T": "pro", "e2_N": 3}}
        assert mapping.contact(record) == expected

    @pytest.mark.parametrize("name", sorted(fields.READ_ONLY_FIELDS))
    def test_a_property_named_like_a_read_only_field_is_not_mapped(self, name: str) -> None:
        mapping = compiled(None, schema_of("email", name))
        assert mapping.contact({"email": "a@x.com", name: "1"}) == {"email": "a@x.com"}

    def test_a_custom_field_of_the_name_id_is_filled(self) -> None:
        own = CustomField("e9_T", "id", FieldType.TEXT)
        mapping = compiled(None, schema_of("email", "id"), custom_fields=(own,))
        assert mapping.contact({"email": "a@x.com", "id": 7})["custom_fields"] == {"e9_T": "7"}

    def test_labels_name_fields_and_properties(self) -> None:
        labels = [field.label for field in compiled({"email": "mail", "Plan": "plan"}).fields]
        assert labels == ["property 'mail' (for email)", "property 'plan' (for Plan)"]

    def test_an_exact_name_wins_over_names_in_other_capitals(self) -> None:
        mapping = compiled(None, schema_of("email", "PLAN", "Plan", "plan"))
        assert mapping.contact({"email": "a@x.com", "Plan": "pro", "plan": "x", "PLAN": "y"}) == {
            "email": "a@x.com",
            "custom_fields": {"e1_T": "pro"},
        }

    def test_a_field_that_several_properties_may_fill_is_left_out_and_warned_of(self) -> None:
        plan = planned(None, schema_of("email", "PLAN", "plan"))
        assert plan.paths == [("email",)]
        assert plan.warnings == (
            (
                "Stream 'people': 'PLAN' and 'plan' may fill 'Plan', so none does. Choose one:"
                ' `field_mapping: {"email": "email", "Plan": "PLAN"}`.'
            ),
        )

    def test_properties_behind_references_and_alternatives_are_taken(self) -> None:
        schema = {
            "definitions": {"place": {"type": "object"}, "text": {"type": "string"}},
            "properties": {"email": {"$ref": "#/definitions/text"}, "city": {"$ref": "#/definitions/place"}},
            "anyOf": [{"properties": {"first_name": {"$ref": "#/definitions/text"}}}],
        }
        assert planned(None, schema).paths == [("email",), ("first_name",)]

    def test_objects_and_arrays_are_left_out(self) -> None:
        nested = {"city": {"type": "object"}, "country": {"type": ["array", "null"]}, "plan": {"properties": {"a": {}}}}
        properties = {"email": {}, "first_name": {"type": ["object", "string"]}, **nested}
        assert planned(None, {"properties": properties}).paths == [("email",), ("first_name",)]

    @pytest.mark.parametrize(
        ("schema", "is_mapped"),
        [
            ({"type": "array", "items": {"type": "string"}}, True),
            ({"type": ["array", "null"]}, True),
            ({"type": "object"}, False),
            ({"type": "array", "items": {"type": "object"}}, False),
        ],
    )
    def test_alternate_emails_may_be_an_array_of_texts(self, schema: dict[str, Any], *, is_mapped: bool) -> None:
        plan = planned(None, {"properties": {"email": {}, "alternate_emails": schema}})
        assert (("alternate_emails",) in plan.paths) is is_mapped


class TestNames:
    """Which field a left side means."""

    @pytest.mark.parametrize(("name", "key"), [("tier", "e2_T"), ("Tier", "e1_T"), ("TIER", "e1_T"), ("e2_T", "e2_T")])
    def test_an_exact_name_or_id_wins_over_a_name_in_other_capitals(self, name: str, key: str) -> None:
        custom_fields = (CustomField("e1_T", "Tier", FieldType.TEXT), CustomField("e2_T", "tier", FieldType.TEXT))
        mapping = compiled({"email": "mail", name: "level"}, custom_fields=custom_fields)
        assert mapping.contact({"mail": "a@x.com", "level": "gold"})["custom_fields"] == {key: "gold"}

    @pytest.mark.parametrize(("name", "is_custom"), [("City", True), ("city", False), ("CITY", False), ("e1_T", True)])
    def test_a_custom_field_named_like_a_reserved_one_needs_its_exact_name(self, name: str, *, is_custom: bool) -> None:
        own = CustomField("e1_T", "City", FieldType.TEXT)
        contact = compiled({"email": "mail", name: "town"}, custom_fields=(own,)).contact(
            {"mail": "a@x", "town": "Rome"}
        )
        assert contact == {"email": "a@x"} | ({"custom_fields": {"e1_T": "Rome"}} if is_custom else {"city": "Rome"})

    def test_fields_that_differ_in_capitals_may_both_be_filled(self) -> None:
        own = CustomField("e1_T", "City", FieldType.TEXT)
        assert len(planned({"email": "m", "City": "a", "city": "b"}, custom_fields=(own,)).fields) == 3


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
                ' `field_mapping: {"email": "mail"}`, or map one of phone_number_id, external_id, anonymous_id. To'
                ' leave the stream out, write `streams: {"people": {"enabled": false}}`. The name `*` there means every'
                " stream without an entry of its own; `{}` is an entry, too. `--suggest-mapping` prints a mapping for"
                " all streams of a tap."
            ),
        ]

    def test_a_property_name_unlike_any_other_lists_the_known_ones(self) -> None:
        schema = schema_of("mail", "town") | {"additionalProperties": False}
        (problem,) = problems_of({"email": "mail", "first_name": "qqq"}, schema)
        assert problem.endswith("to fill 'first_name'. It has: mail, town.")

    def test_a_long_list_of_properties_is_cut(self) -> None:
        schema = schema_of(*(f"property_{number:02}" for number in range(12)))
        (problem,) = problems_of({"email": "qqq"}, schema | {"additionalProperties": False})
        assert problem.endswith("property_08, property_09 and 2 more.")

    def test_the_problem_says_that_a_schema_has_no_properties(self) -> None:
        (problem,) = problems_of({"email": "mail"}, CLOSED)
        assert problem.endswith("Its schema has no properties.")

    def test_a_near_custom_field_is_suggested(self) -> None:
        (problem,) = problems_of({"email": "mail", "plam": "mail"})
        assert problem == "Stream 'people': SendGrid has no contact field 'plam'. Did you mean 'Plan'?"

    def test_a_field_name_unlike_any_other_suggests_to_create_the_field(self) -> None:
        (problem,) = problems_of({"email": "mail", "qqq": "mail"})
        assert problem.endswith("Create it in SendGrid, or set `create_custom_fields` to true.")

    @pytest.mark.parametrize("name", ["deals", "score", "stats", "link", "size", "cc_emails"])
    def test_no_field_is_offered_for_a_name_that_has_nothing_to_do_with_it(self, name: str) -> None:
        (problem,) = problems_of({"email": "mail", name: "mail"})
        assert "Did you mean" not in problem
        (warning,) = planned({"email": "mail", name: "mail"}, can_create_fields=True).new_field_warnings
        assert "Did you mean" not in warning

    @pytest.mark.parametrize(
        ("name", "field"),
        [
            ("mobile_phone", "phone_number"),
            ("MailingCity", "city"),
            ("region", "state_province_region"),
            ("cty", "city"),
        ],
    )
    def test_a_name_that_is_likely_to_mean_a_field_is_answered_with_it(self, name: str, field: str) -> None:
        (problem,) = problems_of({"email": "mail", name: "mail"})
        assert problem.endswith(f"Did you mean '{field}'?")

    @pytest.mark.parametrize(
        ("field", "source", "names", "right"),
        [
            ("email", "email", ("can_email", "email_type", "EmailAddress"), "EmailAddress"),
            ("postal_code", "zip", ("VIP", "Zip Code"), "Zip Code"),
            ("state_province_region", "state", ("status", "city", "region"), "region"),
            ("address_line_1", "address", ("email_address", "address2", "address1"), "address1"),
            ("phone_number", "home_phon", ("mobile_phone", "home_phone"), "home_phone"),
            ("phone_number", "phone", ("home_phone", "mobile_phone"), "mobile_phone"),
            ("email", "email", ("cc_emails", "email_type"), None),
            ("state_province_region", "state", ("status",), None),
            ("address_line_1", "address", ("ip_address",), None),
        ],
    )
    def test_the_right_property_is_offered_for_a_missing_one_or_none(
        self, field: str, source: str, names: tuple[str, ...], right: str | None
    ) -> None:
        schema = schema_of("key", *names) | {"additionalProperties": False}
        (problem,) = problems_of({"external_id": "key", field: source}, schema)
        assert problem.endswith(f"Did you mean '{right}'?" if right else f"It has: key, {', '.join(names)}.")

    def test_the_right_property_is_offered_for_one_that_only_records_may_have(self) -> None:
        schema = schema_of("EmailAddress", "tier")
        plan = planned({"email": "mail", "Plan": "level", "city": "town"}, schema)
        assert plan.warnings == (
            "Stream 'people': the schema does not list property 'mail' (for email). Did you mean 'EmailAddress'?",
        )
        assert planned({"email": "mail"}, {}).warnings == ()

    def test_an_array_is_not_offered_but_what_is_in_it(self) -> None:
        schema = {"properties": {"emails": {"type": "array", "items": {"type": "string"}}}}
        problems = problems_of({"email": "email"}, schema | {"additionalProperties": False})
        assert problems == ["Stream 'people' has no property 'email' to fill 'email'. Did you mean 'emails.0'?"]

    @pytest.mark.parametrize("name", ["created_at", "Contact_ID", "segment_ids"])
    def test_a_field_that_sendgrid_sets_itself_can_not_be_mapped(self, name: str) -> None:
        (problem,) = problems_of({"email": "mail", name: "mail"}, create_field=FieldMaker())
        assert problem == f"Stream 'people': '{name}' is set by SendGrid itself and can't be mapped."

    @pytest.mark.parametrize(
        "pair", [("Plan", "plan"), ("plan", "e1_T"), ("first_name", "FIRST_NAME"), ("new_one", "NEW_ONE")]
    )
    def test_two_names_of_one_field_are_a_problem(self, pair: tuple[str, str]) -> None:
        mapping = {"email": "mail", pair[0]: "a", pair[1]: "b"}
        (problem,) = problems_of(mapping, create_field=FieldMaker())
        names = f"'{pair[0]}' and '{pair[1]}'"
        assert problem == f"Stream 'people' fills one contact field twice: {names}. Leave one of them out."

    def test_one_property_may_fill_two_fields(self) -> None:
        contact = compiled({"email": "mail", "external_id": "mail"}).contact({"mail": "a@x.com"})
        assert contact == {"email": "a@x.com", "external_id": "a@x.com"}

    @pytest.mark.parametrize("field_mapping", [{}, {"first_name": "Email"}])
    def test_a_mapping_without_an_identifier_suggests_the_nearest_property(self, field_mapping: dict[str, str]) -> None:
        (problem,) = problems_of(field_mapping, schema_of("name", "Email"))
        assert '`field_mapping: {"email": "Email"}`' in problem

    @pytest.mark.parametrize(
        ("names", "likely"),
        [
            (["MailingStreet", "HasOptedOutOfEmail", "Email"], "Email"),
            (["mailing_city", "EMAIL_ADDRESS"], "EMAIL_ADDRESS"),
            (["mailbox", "e-mail"], "e-mail"),
            (["mailing_city"], "the property that holds the address"),
            (["can_email", "emailOptedOut", "EmailFormat"], "the property that holds the address"),
            (["PersonalEmail", "WorkEmail"], "WorkEmail"),
        ],
    )
    def test_the_property_with_the_address_is_told_from_postal_mail(self, names: list[str], likely: str) -> None:
        (problem,) = problems_of(None, schema_of(*names))
        assert f'`field_mapping: {{"email": "{likely}"}}`' in problem

    def test_the_address_inside_an_array_is_suggested(self) -> None:
        inner = {"type": "object", "properties": {"kind": {"type": "string"}, "email": {"type": "string"}}}
        (problem,) = problems_of(None, {"properties": {"emails": {"type": "array", "items": inner}}})
        assert '`field_mapping: {"email": "emails.0.email"}`' in problem

    def test_the_default_mapping_without_an_email_says_so(self) -> None:
        (problem,) = problems_of(None, schema_of("e_mail", "external_id"))
        assert 'no property is named \'email\'. Write `field_mapping: {"email": "e_mail"}`' in problem

    def test_a_byte_order_mark_is_shown_where_nobody_sees_it(self) -> None:
        schema = schema_of("id", "\ufeffemail")
        (problem,) = problems_of({"email": "email"}, schema)
        assert problem == (
            "Stream 'people' has no property 'email' to fill 'email'. Did you mean '\\ufeffemail'? `\\ufeff` is a"
            " character that nobody sees (byte order mark): write it like that, in double quotes."
        )
        (problem,) = problems_of(None, schema)
        assert '`field_mapping: {"email": "\\ufeffemail"}`' in problem

    def test_invisible_characters_are_shown_in_every_problem(self) -> None:
        schema = schema_of("na\u200bme", "mail")
        schema["properties"]["li\u00adst"] = {"type": "array"}
        mapping = {"first\u200bname": "na\u00a0me", "2\u200b": "mail", "e\u200b": "li\u00adst", "email": "li\u00adst"}
        for create_field in (None, FieldMaker()):
            problems = problems_of(mapping, schema, create_field=create_field)
            assert len(problems) > 3
            assert all(problem.isprintable() for problem in problems)

    def test_labels_and_warnings_show_invisible_characters(self) -> None:
        plan = planned({"email": "ma\u200bil"}, schema_of("ma\u200bil"))
        assert plan.fields[0].label == "property 'ma\\u200bil' (for email)"

    def test_a_reversed_mapping_is_recognised(self) -> None:
        schema = schema_of("mail", "name")
        (problem,) = problems_of({"mail": "email", "name": "first_name", "plan": "mail"}, schema)
        assert problem == (
            "Stream 'people': `field_mapping` looks reversed. Write the contact field first:"
            ' `{"email": "mail", "first_name": "name"}`.'
        )

    def test_a_reversed_mapping_is_shown_with_all_its_fields_the_right_way_round(self) -> None:
        schema = schema_of("Email", "FirstName", "Tier__c", "city")
        (problem,) = problems_of(
            {"Email": "email", "FirstName": "first_name", "Tier__c": "tier", "city": "city"}, schema
        )
        assert problem.endswith('`{"email": "Email", "first_name": "FirstName", "tier": "Tier__c"}`.')

    def test_a_mapping_between_equal_names_is_not_reversed(self) -> None:
        assert planned({"email": "email", "city": "country", "country": "city"}).paths

    @pytest.mark.parametrize("identifier", ["phone_number_id", "external_id", "anonymous_id", "EMAIL"])
    def test_any_identifier_is_enough(self, identifier: str) -> None:
        (field,) = compiled({identifier: "key"}).fields
        assert field.label == f"property 'key' (for {identifier})"


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
        problems_of({"email": "mail", "vip": "flag", "city": "flga"}, schema_of("mail", "flag"), create_field=maker)
        assert maker.created == {}

    def test_a_plan_says_what_it_needs_and_what_it_would_create(self) -> None:
        plan = planned({"email": "mail", "vip": "flag", "Plan": "plan"}, can_create_fields=True)
        assert plan.paths == [("mail",), ("flag",), ("plan",)]
        assert [(new.name, new.field_type) for new in plan.fields_to_create] == [("vip", FieldType.TEXT)]

    @pytest.mark.parametrize(
        ("schema", "why"),
        [
            ({"type": "number"}, "by the schema of property 'p'"),
            (
                {"type": ["integer", "string"]},
                (
                    "since the schema of property 'p' allows other values than a number. If it should be of type"
                    ' Number, delete the field in SendGrid and map `{"property": "p", "type": "Number"}`'
                ),
            ),
            (
                {},
                (
                    "since the schema of property 'p' allows other values than a number or a date. If it should be of"
                    ' type Number or Date, delete the field in SendGrid and map `{"property": "p", "type": "Number"}`'
                ),
            ),
            (
                None,
                (
                    "since the schema does not list property 'p'. If it should be of type Number or Date, delete the"
                    ' field in SendGrid and map `{"property": "p", "type": "Number"}`'
                ),
            ),
        ],
    )
    def test_a_plan_says_why_a_field_gets_its_type(self, schema: dict[str, Any] | None, why: str) -> None:
        properties: dict[str, Any] = {"mail": {}} | ({} if schema is None else {"p": schema})
        plan = planned({"email": "mail", "new": "p"}, {"properties": properties}, can_create_fields=True)
        assert [new.why for new in plan.fields_to_create] == [why]

    @pytest.mark.parametrize("name", ["2fast", "shoe size", "größe", "x" * 101, ""])
    def test_a_name_that_sendgrid_does_not_take_is_a_problem(self, name: str) -> None:
        (problem,) = problems_of({"email": "mail", name: "mail"}, create_field=FieldMaker())
        assert "can't be created as a custom field" in problem

    @pytest.mark.parametrize(
        ("name", "is_near"),
        [("first_nmaes", True), ("adres_line_1", True), ("work_phone_number", False), ("display_name", False)],
    )
    def test_a_warning_offers_the_reserved_field_that_may_be_misspelt(self, name: str, *, is_near: bool) -> None:
        (warning,) = planned({"email": "mail", name: "given"}, can_create_fields=True).new_field_warnings
        assert ("Did you mean" in warning) is is_near


class TestNamesOfNewFields:
    @pytest.mark.parametrize(
        ("name", "meant"),
        [
            ("zip", "postal_code"), ("ZIP", "postal_code"), ("firstname", "first_name"), ("FirstName", "first_name"),
            ("e_mail", "email"), ("state", "state_province_region"), ("phone", "phone_number"),
            ("frist_name", "first_name"), ("last_nam", "last_name"), ("alternate_email", "alternate_emails"),
            ("external_idd", "external_id"), ("given_name", "first_name"), ("addressline1", "address_line_1"),
            ("whatsap", "whatsapp"),
        ],
    )  # fmt: skip
    def test_a_name_that_is_meant_for_a_reserved_field_creates_none(self, name: str, meant: str) -> None:
        mapping: dict[str, Any] = {"anonymous_id": "key", name: "p"}
        schema = {"properties": {"key": {}, "p": {"type": "integer"}}}
        (problem,) = problems_of(mapping, schema, create_field=FieldMaker())
        assert problem == (
            f"Stream 'people': SendGrid has no contact field '{name}'. Did you mean '{meant}'? To create a custom field"
            f' of that name, write `{{"{name}": {{"property": "p", "type": "Number"}}}}`.'
        )
        maker = FieldMaker()
        compiled(mapping | {name: Source("p", "Number")}, schema, create_field=maker)
        assert maker.created == {name: FieldType.NUMBER}
        (problem,) = problems_of(mapping, schema)
        assert problem == f"Stream 'people': SendGrid has no contact field '{name}'. Did you mean '{meant}'?"

    @pytest.mark.parametrize(
        "name", ["address_line_3", "first_name2", "mobile", "cty", "linea", "emial", "lat_names", "title"]
    )
    def test_any_other_name_is_created(self, name: str) -> None:
        plan = planned({"email": "mail", name: "mail"}, can_create_fields=True)
        assert [new.name for new in plan.fields_to_create] == [name]
        assert f"'{name}'" in plan.new_field_warnings[0]

    def test_a_name_one_letter_away_from_a_field_that_is_filled_is_created(self) -> None:
        plan = planned({"email": "mail", "last_names": "a", "last_name": "b"}, can_create_fields=True)
        assert [new.name for new in plan.fields_to_create] == ["last_names"]

    def test_a_field_of_the_account_is_filled_whatever_its_name(self) -> None:
        zip_code = CustomField("e9_T", "zip", FieldType.TEXT)
        assert planned({"email": "mail", "zip": "mail"}, custom_fields=(zip_code,)).new_field_warnings == ()

    def test_new_fields_are_named_in_a_warning_unless_the_mapping_gives_the_type(self) -> None:
        new: dict[str, str | Source] = {"ltv": "a", "vip": "b", "emial": "c", "x": Source("d", "Date"), "tier": "e"}
        assert planned({"email": "mail"} | new, can_create_fields=True).new_field_warnings == (
            "Stream 'people': SendGrid has no contact field 'emial', so it is created. Did you mean 'email'?",
            "Stream 'people': SendGrid has no contact fields 'ltv', 'vip' and 'tier', so they are created.",
        )
        (warning,) = planned({"email": "mail", "ltv": "a"}, can_create_fields=True).new_field_warnings
        assert warning == "Stream 'people': SendGrid has no contact field 'ltv', so it is created."


class TestUnusedProperties:
    def test_properties_that_fill_no_field_are_known(self) -> None:
        schema = schema_of("mail", "home", "b", "a", "_sdc_batched_at")
        schema["properties"]["home"] = {"properties": {"city": {}, "street": {}}}
        assert planned({"email": "mail", "city": "home.city"}, schema).unused == ("b", "a")
        assert planned({"email": "mail"}, schema).unused == ("home", "b", "a")

    def test_a_few_of_many_names_are_shown(self) -> None:
        assert some_names(["a", "b\u200b"]) == "a, b\\u200b"
        assert some_names([f"p{number}" for number in range(12)]) == "p0, p1, p2, p3, p4, p5, p6, p7, p8, p9 and 2 more"


class TestGivenTypes:
    def test_a_field_is_created_with_the_type_that_the_mapping_says(self) -> None:
        maker = FieldMaker()
        types: dict[str, Any] = {"zip": Source("code", "Text"), "ltv": Source("spent", "Number"), "x": Source("y")}
        schema = schema_of("mail", "spent", "y")
        schema["properties"]["code"] = {"type": "integer"}
        compiled({"email": "mail"} | types, schema, create_field=maker)
        assert maker.created == {"zip": FieldType.TEXT, "ltv": FieldType.NUMBER, "x": FieldType.TEXT}

    def test_a_plan_says_that_the_mapping_gives_the_type(self) -> None:
        plan = planned({"email": "mail", "ltv": Source("spent", "Number")}, can_create_fields=True)
        assert [new.why for new in plan.fields_to_create] == ["as `field_mapping` says"]

    @pytest.mark.parametrize("name", ["visits", "VISITS", "e2_N"])
    def test_a_field_that_has_the_type_is_filled(self, name: str) -> None:
        assert planned({"email": "mail", name: Source("count", "Number")}).fields_to_create == []

    @pytest.mark.parametrize("name", ["visits", "VISITS", "e2_N"])
    def test_another_type_than_that_of_the_field_is_a_problem(self, name: str) -> None:
        (problem,) = problems_of({"email": "mail", name: Source("count", "Text")})
        assert problem == (
            "Stream 'people': the custom field 'visits' is of type Number, not Text, and SendGrid can't change it."
            " Leave `type` out, or map the property to another field."
        )

    @pytest.mark.parametrize("name", ["first_name", "First_Name", "email", "external_id"])
    def test_a_reserved_field_takes_no_type(self, name: str) -> None:
        (problem,) = problems_of({"anonymous_id": "key", name: Source("p", "Text")})
        assert problem == (
            f"Stream 'people': '{name}' is a field of SendGrid's own, which has its type already. Leave `type` out."
        )


class TestNestedProperties:
    TEXT: ClassVar[dict[str, Any]] = {"type": "string"}
    ARRAY: ClassVar[dict[str, Any]] = {"type": ["array", "null"], "items": TEXT}

    @pytest.mark.parametrize(
        ("field", "schema", "words", "path"),
        [
            ("email", ARRAY, "an array", "p.0"),
            ("email", {"properties": {"label": TEXT, "address": TEXT}}, "an object", "p.address"),
            ("EMAIL", {"type": "array", "items": {"properties": {"value": TEXT}}}, "an array", "p.0.value"),
            ("phone_number_id", {"properties": {"kind": TEXT, "number": TEXT}}, "an object", "p.number"),
            ("external_id", {"properties": {"kind": TEXT, "id": TEXT}}, "an object", "p.id"),
            ("visits", ARRAY, "an array", "p.0"),
            ("born_on", {"properties": {"value": TEXT}}, "an object", "p.value"),
        ],
    )
    def test_a_single_value_can_not_come_from_an_object_or_array(
        self, field: str, schema: dict[str, Any], words: str, path: str
    ) -> None:
        (problem,) = problems_of({"anonymous_id": "key", field: "p"}, {"properties": {"key": {}, "p": schema}})
        assert problem == (
            f"Stream 'people': property 'p' is {words}, and '{field}' takes a single value. Map '{path}' instead."
        )

    def test_the_right_property_is_offered_for_one_that_is_not_a_single_value(self) -> None:
        inner = {"properties": {"notes": self.TEXT, "first": self.TEXT, "last": self.TEXT}}
        schema = {"properties": {"tags": self.ARRAY, "Mail": self.TEXT, "name": inner}}
        problems = problems_of({"email": "tags"}, schema)
        assert problems[0].endswith("and 'email' takes a single value. Map 'Mail' instead.")
        (warning,) = planned({"email": "Mail", "last_name": "name"}, schema).warnings
        assert warning.endswith("and 'last_name' is sent its JSON. Map 'name.last' instead.")

    def test_a_problem_without_a_likely_path_says_what_to_look_for(self) -> None:
        (problem,) = problems_of({"email": "p"}, {"properties": {"p": {"type": "object"}}})
        assert problem.endswith("takes a single value. Map a property inside it instead.")

    def test_a_new_number_field_can_not_be_filled_by_an_array(self) -> None:
        schema = {"properties": {"mail": {}, "p": self.ARRAY}}
        (problem,) = problems_of({"email": "mail", "n": Source("p", "Number")}, schema, create_field=FieldMaker())
        assert "and 'n' takes a single value" in problem

    @pytest.mark.parametrize("schema", [{"type": "object"}, {"type": "array", "items": {"type": "object"}}])
    def test_alternate_emails_can_not_be_objects(self, schema: dict[str, Any]) -> None:
        mapping = {"email": "mail", "alternate_emails": "p"}
        (problem,) = problems_of(mapping, {"properties": {"mail": {}, "p": schema}})
        assert "and 'alternate_emails' takes addresses" in problem

    @pytest.mark.parametrize(
        ("field", "schema"),
        [
            ("email", {"type": ["array", "string"]}),
            ("email", {"anyOf": [ARRAY, {}]}),
            ("first_name", ARRAY),
            ("Plan", {"type": "object"}),
            ("alternate_emails", ARRAY),
            ("alternate_emails", {"type": "array"}),
        ],
    )
    def test_what_may_fit_is_no_problem(self, field: str, schema: dict[str, Any]) -> None:
        plan = planned({"external_id": "key", field: "p"}, {"properties": {"key": {}, "p": schema}})
        assert plan.paths == [("key",), ("p",)]

    @pytest.mark.parametrize(
        ("field", "schema", "words", "advice"),
        [
            ("first_name", ARRAY, "an array", "Map 'p.0' instead."),
            ("first_name", {"properties": {"last": TEXT, "first": TEXT}}, "an object", "Map 'p.first' instead."),
            ("city", {"type": "object"}, "an object", "Map a property inside it instead."),
        ],
    )
    def test_json_in_a_reserved_field_is_warned_of(
        self, field: str, schema: dict[str, Any], words: str, advice: str
    ) -> None:
        plan = planned({"external_id": "key", field: "p"}, {"properties": {"key": {}, "p": schema}})
        assert plan.warnings == (f"Stream 'people': property 'p' is {words}, and '{field}' is sent its JSON. {advice}",)

    def test_json_in_a_text_field_of_the_account_is_as_asked_for(self) -> None:
        schema = {"properties": {"key": {}, "p": self.ARRAY, "q": self.ARRAY}}
        assert planned({"external_id": "key", "Plan": "p", "alternate_emails": "q"}, schema).warnings == ()

    def test_the_default_mapping_names_the_path_of_an_email_in_an_object(self) -> None:
        schema = {"properties": {"email": {"properties": {"address": self.TEXT}}}}
        assert problems_of(None, schema)[0].endswith("Map 'email.address' instead.")
