from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from target_sendgrid.errors import Code, ConfigError
from target_sendgrid.sendgrid.fields import IDENTIFIERS, READ_ONLY_FIELDS, CustomField, FieldType
from target_sendgrid.settings.settings import Source
from tests.harness.mappings import planned, schema_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_sendgrid.mapping.plan import MappingPlan

TEXT = {"type": ["string", "null"]}


def all_of(
    properties: dict[str, Any], field_mapping: Mapping[str, str | Source] | None = None, **own: Any
) -> MappingPlan:
    rules: dict[str, Any] = {"can_create_fields": True, "custom_fields": (), "maps_all": True} | own
    return planned(field_mapping, {"type": "object", "properties": {"email": TEXT} | properties}, **rules)


def fills(plan: MappingPlan) -> dict[str, str]:
    return {field.field: field.source for field in plan.fields}


def types(plan: MappingPlan) -> dict[str, str]:
    return {new.name: new.field_type.value for new in plan.fields_to_create}


def problems_of(*arguments: Any, **options: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        all_of(*arguments, **options)
    return list(caught.value.problems)


class TestWhatIsMapped:
    def test_all_single_values_that_are_not_mapped_fill_fields_of_their_names(self) -> None:
        plan = all_of({"town": TEXT, "plan": TEXT, "id": {"type": "integer"}}, {"email": "email", "city": "town"})
        assert fills(plan) == {"email": "email", "city": "town", "plan": "plan", "id": "id"}
        assert types(plan) == {"plan": "Text", "id": "Number"}

    def test_types_are_those_of_the_schema_and_text_where_it_leaves_them_open(self) -> None:
        number = {"type": ["number", "null"]}
        plan = all_of(
            {
                "a": TEXT, "b": number, "c": TEXT | {"format": "date-time"}, "d": {"type": "boolean"}, "e": {},
                "f": {"type": ["boolean", "integer", "string"]}, "g": {"anyOf": [TEXT | {"format": "date"}, TEXT]},
            }
        )  # fmt: skip
        assert "".join(kind[0] for kind in types(plan).values()) == "TNDTTTT"

    def test_fields_that_exist_keep_their_type(self) -> None:
        fields = (CustomField("e1_T", "Visits", FieldType.TEXT), CustomField("e2_N", "score", FieldType.NUMBER))
        plan = all_of({"visits": {"type": "integer"}, "score": TEXT}, custom_fields=fields)
        assert [field.target for field in plan.fields if not isinstance(field.target, str)] == list(fields)

    def test_arrays_and_objects_are_left_out_and_what_may_be_one(self) -> None:
        plan = all_of(
            {
                "a": {"type": ["array", "null"]}, "b": {"properties": {"x": TEXT}}, "c": {"items": TEXT},
                "d": {"type": ["object", "string"]}, "e": {"anyOf": [{"type": "array"}, {}]}, "f": {"enum": ["x"]},
            }
        )  # fmt: skip
        assert fills(plan) == {"email": "email", "f": "f"}
        assert plan.unused == ("a", "b", "c", "d", "e")

    def test_what_taps_add_and_what_settings_use_is_left_out(self) -> None:
        plan = all_of({"_sdc_batched_at": TEXT, "segment": TEXT, "optin": TEXT, "plan": TEXT}, used=["segment", "x.y"])
        assert fills(plan) == {"email": "email", "optin": "optin", "plan": "plan"}

    def test_a_property_that_the_mapping_uses_is_not_mapped_again(self) -> None:
        plan = all_of({"a.b": TEXT, "ltv": TEXT}, {"email": "email", "x": "a.b", "value": Source("ltv", "Number")})
        assert fills(plan) == {"email": "email", "x": "a.b", "value": "ltv"}

    @pytest.mark.parametrize("name", ["City", "city", "CITY"])
    def test_a_property_named_like_a_reserved_field_fills_it(self, name: str) -> None:
        (_, city) = all_of({name: TEXT}).fields
        assert (city.target, city.source) == ("city", name)

    @pytest.mark.parametrize("field_mapping", [{"email": "mail"}, {"email": "mail", "PLAN": "tier", "city": "town"}])
    def test_a_field_that_the_mapping_fills_is_left_to_it(self, field_mapping: dict[str, str | Source]) -> None:
        names = {"mail": TEXT, "tier": TEXT, "town": TEXT, "plan": TEXT, "City": TEXT}
        plan = all_of(names, field_mapping)
        assert [field.source for field in plan.fields if field.field.lower() == "email"] == ["mail"]
        assert len({field.field.lower() for field in plan.fields}) == len(plan.fields)

    def test_objects_and_arrays_that_a_default_mapping_takes_are_taken(self) -> None:
        plan = all_of({"alternate_emails": {"type": "array", "items": TEXT}, "plan": TEXT})
        assert fills(plan) == {"alternate_emails": "alternate_emails", "email": "email", "plan": "plan"}

    def test_where_only_identifiers_matter_nothing_is_added(self) -> None:
        assert fills(all_of({"plan": TEXT, "Plan": TEXT}, {"email": "email"}, only_identifies=True)) == {
            "email": "email"
        }


class TestNames:
    @pytest.mark.parametrize(
        "name",
        ["a b", "1st", "größe", "a-b", "a.b", "x" * 101, *sorted(READ_ONLY_FIELDS), "Created_At", *IDENTIFIERS[1:]],
    )
    def test_a_name_that_sendgrid_does_not_take_is_left_out(self, name: str) -> None:
        plan = all_of({name: TEXT, "plan": TEXT})
        assert fills(plan) == {"email": "email", "plan": "plan"}
        assert plan.unused == (name,)

    def test_one_warning_names_all_that_are_left_out(self) -> None:
        plan = all_of({"a b": TEXT, "created_at": TEXT, "zero\u200bwidth": TEXT})
        (warning,) = plan.warnings
        assert warning == (
            "Stream 'people': `custom_fields: all` leaves out 'a b', 'created_at' and 'zero\\u200bwidth': SendGrid"
            " takes no custom field of such a name. To send one of them, map it in `field_mapping`: to an identifier,"
            " or to a field of another name."
        )
        assert all_of({"plan": TEXT}).warnings == ()

    def test_an_existing_field_may_have_any_name(self) -> None:
        fields = (CustomField("w1_T", "First Order", FieldType.TEXT), CustomField("w2_T", "created_at", FieldType.TEXT))
        plan = all_of({"First Order": TEXT, "created_at": TEXT}, custom_fields=fields)
        assert (plan.fields_to_create, plan.warnings, len(plan.fields)) == ([], (), 3)

    @pytest.mark.parametrize("names", [("plan", "Plan", "PLAN"), ("city", "City")])
    def test_names_that_differ_in_capitals_only_are_an_error(self, names: tuple[str, ...]) -> None:
        (problem,) = problems_of(dict.fromkeys(names, TEXT))
        listed = ", ".join(f"'{name}'" for name in names[:-1])
        assert problem.startswith(f"Stream 'people': the properties {listed} and '{names[-1]}' would fill one contact")

    def test_they_are_none_if_one_is_mapped_or_fields_of_both_names_exist(self) -> None:
        assert fills(all_of({"plan": TEXT, "Plan": TEXT}, {"email": "email", "Plan": "Plan"}))["Plan"] == "Plan"
        fields = (CustomField("e1_T", "plan", FieldType.TEXT), CustomField("e2_T", "Plan", FieldType.TEXT))
        assert len(all_of({"plan": TEXT, "Plan": TEXT}, custom_fields=fields).fields) == 3

    def test_another_word_for_a_reserved_field_makes_a_field_and_a_warning(self) -> None:
        plan = all_of({"zip": TEXT, "tier": TEXT})
        assert types(plan) == {"zip": "Text", "tier": "Text"}
        assert plan.new_field_warnings == (
            "Stream 'people': SendGrid has no contact field 'zip', so it is created. Did you mean 'postal_code'?",
            "Stream 'people': SendGrid has no contact field 'tier', so it is created.",
        )

    def test_there_is_no_such_warning_where_the_mapping_fills_that_field(self) -> None:
        plan = all_of({"zip": TEXT, "postcode": TEXT}, {"email": "email", "postal_code": "postcode"})
        assert not any("mean" in warning for warning in plan.new_field_warnings)


class TestCreation:
    def test_missing_fields_are_an_error_if_they_may_not_be_created(self) -> None:
        (problem,) = problems_of({"plan": TEXT, "tier": TEXT}, can_create_fields=False)
        assert problem == (
            "Stream 'people': SendGrid has no custom field for 2 properties that `custom_fields: all` maps: plan, tier."
            " Set `create_custom_fields` to true to have them created, after a look with `--check`: SendGrid can't"
            " rename a field, and its type is for good."
        )

    def test_fields_that_exist_need_not_be_created(self) -> None:
        fields = (CustomField("e1_T", "plan", FieldType.TEXT),)
        assert len(all_of({"plan": TEXT}, custom_fields=fields, can_create_fields=False).fields) == 2

    @pytest.mark.parametrize(("existing", "is_enough"), [(490, True), (491, False)])
    @pytest.mark.parametrize("maps_all", [True, False])
    def test_more_fields_than_an_account_may_have_are_an_error(
        self, existing: int, *, is_enough: bool, maps_all: bool
    ) -> None:
        fields = [CustomField(f"e{number}_T", f"f{number}", FieldType.TEXT) for number in range(existing)]
        names = {f"new{number}": TEXT for number in range(10)}
        mapping = None if maps_all else {"email": "email", **{name: name for name in names}}
        if is_enough:
            assert len(all_of(names, mapping, custom_fields=fields, maps_all=maps_all).fields_to_create) == 10
            return
        with pytest.raises(ConfigError, match="needs 10 new custom fields: the account would have 501") as caught:
            all_of(names, mapping, custom_fields=fields, maps_all=maps_all)
        assert caught.value.codes == [Code.FIELD_REFUSED]


def test_an_identifier_is_needed_all_the_same() -> None:
    with pytest.raises(ConfigError, match="no field that identifies a contact"):
        planned({}, schema_of("plan"), can_create_fields=True, maps_all=True)
