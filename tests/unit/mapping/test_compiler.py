from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from target_sendgrid.errors import ConfigError
from target_sendgrid.sendgrid import fields
from target_sendgrid.sendgrid.fields import CustomField, FieldType
from tests.harness.mappings import compiled, planned, schema_of

if TYPE_CHECKING:
    from target_sendgrid.mapping.plan import NewField


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

    def test_a_property_name_unlike_any_other_lists_the_known_ones(self) -> None:
        (problem,) = problems_of({"email": "qqq"}, schema_of("mail", "town"))
        assert problem.endswith("to fill 'email'. It has: mail, town.")

    def test_a_long_list_of_properties_is_cut(self) -> None:
        schema = schema_of(*(f"property_{number:02}" for number in range(12)))
        (problem,) = problems_of({"email": "qqq"}, schema)
        assert problem.endswith("property_08, property_09 and 2 more.")

    def test_the_problem_says_that_a_schema_has_no_properties(self) -> None:
        (problem,) = problems_of({"email": "mail"}, {"properties": {}})
        assert problem.endswith("Its schema has no properties.")

    def test_a_near_custom_field_is_suggested(self) -> None:
        (problem,) = problems_of({"email": "mail", "plam": "mail"})
        assert problem == "Stream 'people': SendGrid has no contact field 'plam'. Did you mean 'Plan'?"

    def test_a_field_name_unlike_any_other_suggests_to_create_the_field(self) -> None:
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
                ("since the schema of property 'p' allows other values than a number. If it should be of type Number,"
                ' delete the field in SendGrid and map `{"property": "p", "type": "Number"}`'),
            ),
        ],
    )
    def test_a_plan_says_why_a_field_gets_its_type(self, schema: dict[str, Any], why: str) -> None:
        properties = {"mail": {}, "p": schema}
        plan = planned({"email": "mail", "new": "p"}, {"properties": properties}, can_create_fields=True)
        assert [new.why for new in plan.fields_to_create] == [why]

    @pytest.mark.parametrize("name", ["2fast", "shoe size", "größe", "x" * 101, ""])
    def test_a_name_that_sendgrid_does_not_take_is_a_problem(self, name: str) -> None:
        (problem,) = problems_of({"email": "mail", name: "mail"}, create_field=FieldMaker())
        assert "can't be created as a custom field" in problem
