from __future__ import annotations

from typing import Any

import pytest

from target_sendgrid.errors import ConfigError
from target_sendgrid.sendgrid.fields import CustomField, FieldType
from target_sendgrid.settings.settings import Source
from tests.harness.mappings import planned

FIELDS = (
    CustomField("e1_T", "T", FieldType.TEXT),
    CustomField("e2_N", "N", FieldType.NUMBER),
    CustomField("e3_D", "D", FieldType.DATE),
)
MOMENT = {"type": ["string", "null"], "format": "date-time"}


def plan_of(field: str, inner: Any, **rules: Any) -> object:
    schema = {"properties": {"email": {}, "x": inner}}
    return planned({"email": "email", field: "x"}, schema, custom_fields=FIELDS, **rules)


@pytest.mark.parametrize(
    ("field", "inner", "words"),
    [
        ("N", MOMENT, "a date"),
        ("N", {"anyOf": [MOMENT, {"type": "null"}]}, "a date"),
        ("N", {"type": "boolean"}, "a boolean"),
        ("N", {"type": ["boolean", "object", "null"]}, "a boolean or an object"),
        ("N", {"type": "string", "format": "uuid"}, "a text of the format uuid"),
        ("D", {"type": ["integer", "null"]}, "a whole number"),
        ("D", {"type": "number"}, "a number"),
        ("D", {"type": "string", "format": "singer.decimal"}, "a decimal number"),
        ("D", {"type": "boolean"}, "a boolean"),
        ("D", {"type": ["array", "integer"]}, "an array or a whole number"),
        ("D", {"type": "string", "format": "time"}, "a text of the format time"),
    ],
)
def test_a_type_that_no_value_can_come_of_is_an_error(field: str, inner: Any, words: str) -> None:
    kind, fix = {"N": ("Number", "make it a number"), "D": ("Date", "make it an ISO date")}[field]
    with pytest.raises(ConfigError) as caught:
        plan_of(field, inner)
    (problem,) = caught.value.problems
    assert problem == (
        f"Stream 'people': property 'x' is {words}, and the custom field '{field}' is of type {kind}, which takes none."
        f" Map the property to a field of another type, or {fix} with a stream map."
    )


@pytest.mark.parametrize("field", ["N", "D"])
@pytest.mark.parametrize("inner", [{"type": "object"}, {"type": "array"}, {"properties": {"a": {"type": "string"}}}])
def test_arrays_and_objects_are_errors_with_the_path_inside_them(field: str, inner: Any) -> None:
    with pytest.raises(ConfigError, match="takes a single value"):
        plan_of(field, inner)


@pytest.mark.parametrize(
    ("field", "inner"),
    [
        ("N", {"type": "string"}), ("N", {"type": ["integer", "boolean"]}), ("N", {}), ("N", {"type": "null"}),
        ("N", {"type": "string", "format": "singer.decimal"}), ("N", {"anyOf": [MOMENT, {"type": "string"}]}),
        ("N", {"type": "string", "format": "x-unknown"}), ("N", {"type": ["number", "string"], "format": "date-time"}),
        ("D", {"type": "string"}), ("D", MOMENT), ("D", {"type": ["integer", "string"]}), ("D", {}),
        ("D", {"type": "string", "format": "date"}), ("T", {"type": "boolean"}), ("T", MOMENT),
        ("T", {"type": "array"}),
        ("first_name", {"type": "boolean"}), ("external_id", MOMENT),
    ],
)  # fmt: skip
def test_what_the_schema_leaves_open_is_decided_by_the_records(field: str, inner: Any) -> None:
    assert plan_of(field, inner)


def test_a_type_that_the_mapping_gives_is_checked_as_well() -> None:
    schema = {"properties": {"email": {}, "x": MOMENT}}
    mapping: dict[str, str | Source] = {"email": "email", "ltv": Source("x", "Number")}
    with pytest.raises(ConfigError, match="the custom field 'ltv' would be of type Number, which takes none"):
        planned(mapping, schema, can_create_fields=True)


@pytest.mark.parametrize("rules", [{"only_identifies": True}, {"guessed": {"x"}}])
def test_it_is_no_error_where_the_type_is_a_guess_or_does_not_matter(rules: dict[str, Any]) -> None:
    assert plan_of("N", MOMENT, **rules)


def test_a_property_that_the_schema_does_not_list_may_have_any_type() -> None:
    plan = planned({"email": "email", "N": "y"}, {"properties": {"email": {}}}, custom_fields=FIELDS)
    assert not plan.fields[1].is_listed
