from __future__ import annotations

import importlib
from decimal import Decimal
from typing import Any
from urllib.parse import urljoin

import jsonschema_rs
import pytest
from hypothesis import given
from jsonschema import Draft202012Validator, SchemaError

from target_sendgrid.singer.drafts import translate
from target_sendgrid.singer.projection import project
from target_sendgrid.singer.schema_problems import invalid_schema, schema_problem
from tests.harness.json_schemas import json_schemas

TYPES = "it must be one of array, boolean, integer, null, number, object, string, or a list of them"
NO_PATTERN = "it must be a regular expression"
NO_TARGET = "the SCHEMA does not contain what it refers to"
NO_NUMBER = "it must be a number"
NO_OBJECT = "it must be an object"


@pytest.mark.parametrize(
    ("schema", "keyword", "rule"),
    [
        ({"maximum": "x"}, "maximum", NO_NUMBER),
        ({"maximum": True}, "maximum", NO_NUMBER),
        ({"type": 7}, "type", TYPES),
        ({"type": "text"}, "type", TYPES),
        ({"type": []}, "type", TYPES),
        ({"type": ["string", 7]}, "type", TYPES),
        ({"pattern": "("}, "pattern", NO_PATTERN),
        ({"pattern": "a{99999999999}"}, "pattern", NO_PATTERN),
        ({"pattern": 7}, "pattern", "it must be a text"),
        ({"patternProperties": {"[": {}}}, "patternProperties", NO_PATTERN),
        ({"$ref": 7}, "$ref", "it must be a text"),
        ({"$ref": "other.json"}, "$ref", "it refers to another document"),
        ({"$ref": "#/$defs/a"}, "$ref", NO_TARGET),
        ({"$ref": "#/properties/ltv/const", "const": 7}, "$ref", NO_TARGET),
        ({"$dynamicRef": "#a"}, "$dynamicRef", NO_TARGET),
        ({"required": "a"}, "required", "it must be a list"),
        ({"required": [7]}, "required", "it must be a text"),
        ({"multipleOf": 0}, "multipleOf", "it must be more than 0"),
        ({"minLength": -1}, "minLength", "it must not be less than 0"),
        ({"maxLength": Decimal("1e400")}, "maxLength", "it must be a whole number"),
        ({"uniqueItems": 1}, "uniqueItems", "it must be true or false"),
        ({"anyOf": []}, "anyOf", "it must not be empty"),
        ({"anyOf": [{}, 7]}, "anyOf", NO_OBJECT),
        ({"anyOf": [{"items": {"maximum": "x"}}]}, "maximum", NO_NUMBER),
        ({"items": 7}, "items", NO_OBJECT),
        ({"dependentRequired": {"a": ["b", "b"]}}, "dependentRequired", "it must not have anything twice"),
        ({"$vocabulary": {"a": 1}}, "$vocabulary", "it must be true or false"),
        ({"$recursiveAnchor": "1 2"}, "$recursiveAnchor", "draft 2020-12 does not allow its value"),
        ({"properties": 7}, "properties", NO_OBJECT),
    ],
    ids=str,
)
def test_the_property_and_the_rule_are_named(schema: dict[str, Any], keyword: str, rule: str) -> None:
    whole = {"properties": {"ok": {}, "ltv": schema}}
    problem = f"property 'ltv' has a wrong `{keyword}` ({rule})"
    assert schema_problem(whole) == problem
    assert schema_problem(project(whole, [("ltv",)])) == problem
    assert schema_problem(project(whole, [("ok",)])) is None


@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        ({"a": 7}, "property 'ltv.a' has a wrong schema (it must be an object)"),
        ({"a": None}, "property 'ltv.a' has a wrong schema (it must be an object)"),
        ({"a": {"maximum": []}}, "property 'ltv.a' has a wrong `maximum` (it must be a number)"),
        ({"\u200b": {"maximum": []}}, "property 'ltv.\\u200b' has a wrong `maximum` (it must be a number)"),
        ({"properties": {"type": 7}}, f"property 'ltv.properties' has a wrong `type` ({TYPES})"),
    ],
    ids=str,
)
def test_properties_of_inner_objects_are_named(schema: dict[str, Any], problem: str) -> None:
    assert schema_problem({"properties": {"ltv": {"properties": schema}}}) == problem


@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        ({"required": 7}, "its top level has a wrong `required` (it must be a list)"),
        ({"properties": []}, "its top level has a wrong `properties` (it must be an object)"),
        ({"$defs": {"a\n": {"minimum": ""}}}, "definition 'a\\n' has a wrong `minimum` (it must be a number)"),
        ({"$defs": {"a": 7}}, "definition 'a' has a wrong schema (it must be an object)"),
        ({"$defs": 7}, "its top level has a wrong `$defs` (it must be an object)"),
        ({"additionalProperties": {"minimum": ""}}, "its top level has a wrong `minimum` (it must be a number)"),
    ],
    ids=str,
)
def test_problems_outside_of_properties_are_named(schema: dict[str, Any], problem: str) -> None:
    assert schema_problem(schema) == problem


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"properties": {"a": True, "b": False, "c": {"$ref": "#/properties/a"}}},
        {"properties": {"a": {"enum": [{"type": 7, "$ref": "x"}], "const": {"pattern": "("}, "default": {"$ref": 1}}}},
        {"properties": {"$ref": {"type": "string"}, "pattern": {"type": "string"}}},
        {"inclusion": 7, "selected": "x", "nullable": 1},
    ],
)
def test_a_valid_schema_has_no_problem(schema: dict[str, Any]) -> None:
    assert schema_problem(schema) is None


@pytest.mark.parametrize(
    "keyword", ["type", "maximum", "enum", "pattern", "$ref", "required", "properties", "anyOf", "items"]
)
def test_no_value_is_quoted(keyword: str) -> None:
    problem = schema_problem({"properties": {"a": {keyword: "(secret"}}})
    assert problem is not None
    assert "secret" not in problem


def test_the_sentence_says_what_can_be_done() -> None:
    assert invalid_schema("people\u200b", "property 'ltv' has a wrong `maximum` (it must be a number)") == (
        "The SCHEMA of stream 'people\\u200b' is not valid: property 'ltv' has a wrong `maximum` (it must be a number)."
        " Fix the tap, or set `validate_records` to false to send its records unchecked."
    )


def test_a_schema_that_is_nested_too_deeply_is_a_recursion_error() -> None:
    schema: dict[str, Any] = {}
    for _ in range(100_000):
        schema = {"items": schema}
    with pytest.raises(RecursionError):
        schema_problem(schema)


@given(json_schemas())
def test_a_schema_without_a_problem_can_be_used(schema: dict[str, Any]) -> None:
    for wanted in (schema, translate(schema), project(translate(schema), [("a",), ("b", "a"), ("items", 0)])):
        problem = schema_problem(wanted)
        try:
            Draft202012Validator.check_schema(wanted)
        except (SchemaError, OverflowError):
            assert problem is not None
        if problem is None and "$id" not in str(wanted):
            jsonschema_rs.Draft202012Validator(wanted, validate_formats=False).is_valid({"a": {}})


SPECIFICATIONS = importlib.import_module("jsonschema_specifications").REGISTRY
KEYWORDS = sorted(
    {
        keyword
        for resource in Draft202012Validator({}).META_SCHEMA["allOf"]
        for keyword in SPECIFICATIONS.contents(
            urljoin("https://json-schema.org/draft/2020-12/schema", resource["$ref"])
        )["properties"]
    }
    | Draft202012Validator.META_SCHEMA["properties"].keys()
)
VALUES: list[Any] = [
    None, True, -1, 0, 2, 1.0, Decimal(1), "string", "#", "", [], ["string"], ["string", "string"], ["x"], [7], [{}],
    {}, {"a": True}, {"a": {}}, {"a": "string"}, {"a": ["b", "b"]}, {"a": 7},
]  # fmt: skip


@pytest.mark.parametrize("keyword", [*KEYWORDS, "x-any"])
def test_a_schema_has_a_problem_where_the_meta_schema_says_so(keyword: str) -> None:
    checker = Draft202012Validator.FORMAT_CHECKER
    validator = Draft202012Validator(Draft202012Validator.META_SCHEMA, format_checker=checker)
    for value in VALUES:
        schema = {"properties": {"a": {keyword: value}}}
        is_valid = validator.is_valid(schema)
        problem = schema_problem(schema)
        assert (problem is None) == is_valid or "$" in keyword, value
