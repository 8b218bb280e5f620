"""Schemas of older drafts. ``VALIDATION_SEEDS=20000 pytest FILE`` tries more schemas."""

from __future__ import annotations

import copy
from collections import Counter
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft3Validator, Draft4Validator, Draft202012Validator
from referencing.exceptions import Unresolvable
from singer_sdk.exceptions import InvalidJSONSchema
from singer_sdk.sinks.core import JSONSchemaValidator

from target_sendgrid.singer.drafts import translate
from tests.harness.json_schemas import NAMES, json_schemas
from tests.harness.random_schemas import Case
from tests.harness.seeds import seeds

TEXT = {"type": "string"}


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"maximum": 5, "exclusiveMaximum": True}, {"exclusiveMaximum": 5}),
        ({"minimum": Decimal("0.5"), "exclusiveMinimum": True}, {"exclusiveMinimum": Decimal("0.5")}),
        ({"maximum": 5, "exclusiveMaximum": False}, {"maximum": 5}),
        ({"exclusiveMaximum": True}, {}),
        ({"maximum": "5", "exclusiveMaximum": True}, {"maximum": "5"}),
        ({"maximum": True, "exclusiveMaximum": True}, {"maximum": True}),
        ({"maximum": 5, "exclusiveMaximum": 4}, {"maximum": 5, "exclusiveMaximum": 4}),
        ({"maxLength": Decimal("255.0"), "minLength": 1.0}, {"maxLength": 255, "minLength": 1}),
        ({"maxLength": Decimal("2.5"), "minLength": Decimal("1e400")},) * 2,
        ({"type": [["object", "null"], "null"]}, {"type": ["object", "null"]}),
        ({"type": [[["array"]], [], "null"]}, {"type": ["array", "null"]}),
        ({"type": ["string", "string"]}, {"type": ["string"]}),
        ({"type": [None, "string"]}, {"type": ["null", "string"]}),
        ({"type": "any", "title": "x"}, {"title": "x"}),
        ({"type": ["null", "any"]}, {}),
        ({"type": ["null", "datetime"]}, {"type": ["null", "string"], "format": "date-time"}),
        ({"type": "date"}, {"type": "string", "format": "date"}),
        ({"type": ["date", "datetime"]}, {"type": ["string"]}),
        ({"type": ["string", "date-time"]}, {"type": ["string"]}),
        ({"type": "date-time", "format": "time"}, {"type": "string", "format": "time"}),
        ({"type": {"type": "string"}}, {"anyOf": [TEXT]}),
        (
            {"type": ["null", {"type": "array", "items": [TEXT]}]},
            {"anyOf": [{"type": ["null"]}, {"type": "array", "prefixItems": [TEXT]}]},
        ),
        (
            {"type": [TEXT], "anyOf": [{}], "allOf": [{}]},
            {"anyOf": [{}], "allOf": [{}, {"anyOf": [TEXT]}]},
        ),
        ({"type": 7},) * 2,
        ({"type": []},) * 2,
        ({"type": ["string", 7]},) * 2,
        ({"type": "text"},) * 2,
        ({"items": [TEXT, {}]}, {"prefixItems": [TEXT, {}]}),
        ({"items": [TEXT], "additionalItems": False}, {"prefixItems": [TEXT], "items": False}),
        ({"items": [], "additionalItems": TEXT}, {"items": TEXT}),
        ({"items": TEXT, "additionalItems": False}, {"items": TEXT}),
        ({"items": [TEXT], "additionalItems": 7}, {"prefixItems": [TEXT]}),
        ({"additionalItems": False}, {}),
        ({"dependencies": {"a": ["b"]}}, {}),
        ({"dependencies": 7, "$schema": "http://json-schema.org/draft-04/schema#"}, {}),
        (
            {"properties": {"a": {"required": True}, "b": {"required": False}, "c": True}},
            {"properties": {"a": {}, "b": {}, "c": True}, "required": ["a"]},
        ),
        (
            {"properties": {"a": {"required": True}, "b": {"required": True}}, "required": ["b"]},
            {"properties": {"a": {}, "b": {}}, "required": ["b", "a"]},
        ),
        ({"properties": {"a": {"required": True}}, "required": True}, {"properties": {"a": {}}, "required": ["a"]}),
        ({"items": {"required": True}}, {"items": {}}),
        ({"required": ["a", "a"]}, {"required": ["a"]}),
        ({"required": "a"},) * 2,
        ({"required": [7, 7]},) * 2,
        ({"$schema": "http://json-schema.org/draft-04/schema#", "$id": "#/properties/a", "$vocabulary": {}}, {}),
        ({"description": None, "title": 7, "format": [], "examples": "x", "deprecated": "no", "$comment": {}}, {}),
        ({"description": "x", "format": "date", "examples": [None], "deprecated": True},) * 2,
        ({"maxLength": None, "pattern": None, "properties": None, "enum": None}, {}),
        ({"const": None, "default": None, "enum": [None]},) * 2,
        ({"id": 7, "inclusion": "automatic", "selected": True},) * 2,
    ],
    ids=str,
)
def test_what_a_schema_means_is_said_in_the_words_of_the_newest_draft(
    schema: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert translate(schema) == expected


@pytest.mark.parametrize("draft", ["draft-03", "draft-04", "draft-06", "draft-07"])
@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"dependencies": {"a": ["b", "b"]}}, {"dependentRequired": {"a": ["b"]}}),
        ({"dependencies": {"a": "b"}}, {"dependentRequired": {"a": ["b"]}}),
        (
            {"dependencies": {"a": {"items": [TEXT]}, "b": ["c"], "d": 7}},
            {"dependentRequired": {"b": ["c"]}, "dependentSchemas": {"a": {"prefixItems": [TEXT]}}},
        ),
        ({"not": {"dependencies": {"a": True}}}, {"not": {"dependentSchemas": {"a": True}}}),
        ({"not": {"dependencies": {"a": []}, "$schema": 7}}, {"not": {"dependentRequired": {"a": []}}}),
        ({"not": {"dependencies": {"a": []}, "$schema": "https://json-schema.org/draft/2020-12/schema"}}, {"not": {}}),
        ({"dependencies": {"a": ["b"]}, "dependentRequired": {"a": []}}, {"dependentRequired": {"a": []}}),
        ({"dependencies": {"a": ["b"]}, "dependentRequired": 7}, {"dependentRequired": 7}),
        ({"dependencies": 7}, {}),
    ],
    ids=str,
)
def test_dependencies_count_in_parts_of_an_older_draft(draft: str, schema: dict[str, Any], expected: Any) -> None:
    part = {**schema, "$schema": f"http://json-schema.org/{draft}/schema#"}
    assert translate({"properties": {"a": part}}) == {"properties": {"a": expected}}


DRAFT_4 = {"maximum": 1, "exclusiveMaximum": True}


@pytest.mark.parametrize(
    "around",
    [
        lambda inner: {"properties": {"a": {"properties": {"b": inner}}}},
        lambda inner: {"items": {"additionalProperties": inner}},
        lambda inner: {"anyOf": [{"oneOf": [{"allOf": [{"not": inner}]}]}]},
        lambda inner: {"definitions": {"a": {"$defs": {"b": inner}}}},
        lambda inner: {"patternProperties": {"a": {"propertyNames": inner}}},
        lambda inner: {"if": inner, "then": inner, "else": inner, "contains": inner},
        lambda inner: {"prefixItems": [{"unevaluatedItems": inner}], "unevaluatedProperties": inner},
        lambda inner: {"dependentSchemas": {"a": {"contentSchema": inner}}},
    ],
)
def test_schemas_inside_others_are_translated(around: Any) -> None:
    assert translate(around(DRAFT_4)) == around({"exclusiveMaximum": 1})


@pytest.mark.parametrize("name", [*NAMES, "exclusiveMinimum", "dependencies", "$id", "$schema", "format", "maxLength"])
def test_properties_named_like_keywords_stay(name: str) -> None:
    schema = {"properties": {name: TEXT, "enum": DRAFT_4}, "required": [name]}
    assert translate(schema) == {"properties": {name: TEXT, "enum": {"exclusiveMaximum": 1}}, "required": [name]}


@pytest.mark.parametrize("keyword", ["enum", "examples"])
@pytest.mark.parametrize("value", [[DRAFT_4], [{"type": "any", "$id": 1}], [None], [{"properties": None}]])
def test_values_stay(keyword: str, value: Any) -> None:
    assert translate({keyword: value}) == {keyword: value}
    assert translate({"const": value, "default": value}) == {"const": value, "default": value}


def test_a_schema_that_is_nested_too_deeply_is_a_recursion_error() -> None:
    schema: dict[str, Any] = {}
    for _ in range(100_000):
        schema = {"items": schema}
    with pytest.raises(RecursionError):
        translate(schema)
    types: list[Any] = ["string"]
    for _ in range(100_000):
        types = [types]
    with pytest.raises(RecursionError):
        translate({"type": types})


@given(json_schemas())
def test_any_json_is_translated_once_and_not_changed(schema: dict[str, Any]) -> None:
    before = copy.deepcopy(schema)
    translated = translate(schema)
    assert schema == before
    assert translate(translated) == translated


VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-3, 3), st.sampled_from(["", "a", "abc"])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(["a", "b", "items"]), inner, max_size=3)
    ),
    max_leaves=6,
)
TYPES = st.sampled_from(["string", "integer", "number", "boolean", "null", "array", "object"])
NUMBERS = st.integers(-2, 2)
LIMITS = {"maximum": NUMBERS, "exclusiveMaximum": st.booleans(), "minimum": NUMBERS, "exclusiveMinimum": st.booleans()}
SOME_NAMES = st.sampled_from(["a", "b", "items"])


def keywords_of_older_drafts(inner: st.SearchStrategy[Any]) -> dict[str, st.SearchStrategy[Any]]:
    return {
        **LIMITS,
        "enum": st.lists(VALUES, min_size=1, max_size=3),
        "items": st.one_of(inner, st.lists(inner, min_size=1, max_size=2)),
        "additionalItems": st.one_of(inner, st.booleans()),
        "maxItems": st.integers(0, 2),
        "maxLength": st.integers(0, 2),
        "properties": st.dictionaries(SOME_NAMES, inner, max_size=2),
        "additionalProperties": st.one_of(inner, st.booleans()),
        "patternProperties": st.dictionaries(st.sampled_from(["^a", "b"]), inner, max_size=1),
    }


def draft_4_schemas() -> st.SearchStrategy[Any]:
    def schemas(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        keywords = {
            **keywords_of_older_drafts(inner),
            "type": st.one_of(TYPES, st.lists(TYPES, min_size=1, unique=True)),
            "anyOf": st.lists(inner, min_size=1, max_size=2),
            "oneOf": st.lists(inner, min_size=1, max_size=2),
            "not": inner,
            "required": st.lists(SOME_NAMES, min_size=1, unique=True),
            "dependencies": st.dictionaries(
                SOME_NAMES, st.one_of(inner, st.lists(SOME_NAMES, unique=True)), max_size=2
            ),
        }
        return st.fixed_dictionaries({}, optional=keywords)

    return st.recursive(st.just({}), schemas, max_leaves=6)


def draft_3_schemas() -> st.SearchStrategy[Any]:
    def schemas(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        types = st.one_of(TYPES, st.just("any"))
        keywords = {
            **keywords_of_older_drafts(inner),
            "type": st.one_of(types, st.lists(st.one_of(types, inner), min_size=1, max_size=3)),
            "required": st.booleans(),
            "dependencies": st.dictionaries(
                SOME_NAMES, st.one_of(inner, SOME_NAMES, st.lists(SOME_NAMES, unique=True)), max_size=2
            ),
        }
        return st.fixed_dictionaries({}, optional=keywords)

    return st.recursive(st.just({}), schemas, max_leaves=6)


def validator_of(schema: dict[str, Any], draft: str) -> Draft202012Validator:
    part = translate({"items": {"$schema": f"http://json-schema.org/{draft}/schema#", **schema}})["items"]
    Draft202012Validator.check_schema(part)
    return Draft202012Validator(part)


@given(draft_4_schemas(), st.lists(VALUES, min_size=5, max_size=5))
def test_a_schema_of_draft_4_accepts_the_same_values_once_translated(schema: dict[str, Any], values: list[Any]) -> None:
    before, after = Draft4Validator(schema), validator_of(schema, "draft-04")
    assert [after.is_valid(value) for value in values] == [before.is_valid(value) for value in values]


@given(draft_3_schemas(), st.lists(VALUES, min_size=5, max_size=5))
def test_a_schema_of_draft_3_accepts_the_same_values_once_translated(schema: dict[str, Any], values: list[Any]) -> None:
    before, after = Draft3Validator(schema), validator_of(schema, "draft-03")
    assert [after.is_valid(value) for value in values] == [before.is_valid(value) for value in values]


def verdict(validator: Any, record: dict[str, Any]) -> bool | None:
    """Return whether a validator accepts a record; ``None`` where it gives up."""
    try:
        return bool(validator.is_valid(record))
    except (ArithmeticError, TypeError, Unresolvable):
        return None


def test_a_record_that_the_sdk_rejects_is_rejected_by_the_translated_schema() -> None:
    counts: Counter[bool | None] = Counter()
    for seed in seeds("VALIDATION_SEEDS", 60):
        case = Case(seed, is_plain=bool(seed % 2))
        try:
            before = JSONSchemaValidator(case.schema).validator
        except InvalidJSONSchema:
            continue
        after = Draft202012Validator(translate(case.schema), format_checker=before.format_checker)
        for record in case.records:
            strict = verdict(before, record)
            assert strict is not False or not verdict(after, record), (seed, case.schema, record)
            counts[strict] += 1
    assert min(counts[True], counts[False]) > 200
