"""A record type and its checks never accept what the slow path rejects, and nearly always what it accepts.

``EXAMPLES=10000 RECORD_TYPE_SEEDS=20000 pytest FILE`` tries more schemas.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from target_sendgrid.errors import RecordRejectedError
from target_sendgrid.mapping.record_types import RULES, NoFastPathError, RecordType
from target_sendgrid.singer.decoding import decode_json
from target_sendgrid.singer.record_check import RecordCheck
from target_sendgrid.singer.validation import RecordValidator
from tests.harness.random_schemas import Case
from tests.harness.seeds import seeds

if TYPE_CHECKING:
    from collections.abc import Callable


EXAMPLES = int(os.environ.get("EXAMPLES", "120"))
SEEDS = seeds("RECORD_TYPE_SEEDS", 2_000)


def _object(members: list[tuple[str, str]]) -> str:
    return "{" + ", ".join(f"{json.dumps(name)}: {value}" for name, value in members) + "}"


_NAMES = st.sampled_from(["a", "b", "type", "é.1", "", "c d"])
_SMALL = st.integers(0, 3)
_WHOLE = st.sampled_from([0, 1, -1, 3, 2**31 - 1, -(2**63), 2**63 - 1])
_NOTES = st.sampled_from(
    [{}, {}, {"format": "date-time"}, {"title": "t", "description": "d", "default": 5}, {"inclusion": "available"}]
)
_KINDS = st.sampled_from(["string", "integer", "number", "boolean", "null", "array", "object"])


def _rules(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    kinds = _KINDS | st.lists(_KINDS, min_size=1, max_size=3, unique=True)
    optional = {
        "minLength": _SMALL, "maxLength": _SMALL, "minimum": _WHOLE, "maximum": _WHOLE, "items": inner,
        "exclusiveMinimum": _WHOLE, "exclusiveMaximum": st.sampled_from([0, 2**63, Decimal("0.5")]),
        "multipleOf": st.just(Decimal("0.5")),
        "properties": st.dictionaries(_NAMES, inner, max_size=3), "required": st.lists(_NAMES, max_size=2, unique=True),
        "additionalProperties": st.booleans() | inner, "enum": st.just(["a", 1]), "pattern": st.just("^a"),
        "prefixItems": st.lists(inner, min_size=1, max_size=1), "oneOf": st.lists(inner, min_size=1, max_size=2),
    }  # fmt: skip
    plain = st.fixed_dictionaries({"type": kinds}, optional=optional)
    few = plain.map(lambda schema: {name: schema[name] for name in [*schema][:3]})
    branches = st.lists(inner, min_size=1, max_size=3)
    choice = st.fixed_dictionaries({"anyOf": branches}) | st.fixed_dictionaries({"oneOf": branches})
    nullable = inner.map(lambda schema: {"anyOf": [{"type": "object", "properties": {"a": schema}}, {"type": "null"}]})
    other = st.sampled_from([{}, {"const": "a"}, {"$ref": "#/properties/a"}, {"not": {"type": "string"}}])
    return st.tuples(st.one_of(plain, few, few, choice, nullable, other), _NOTES).map(lambda parts: parts[0] | parts[1])


_SCHEMAS = st.recursive(st.fixed_dictionaries({"type": _KINDS}), _rules, max_leaves=8)
_ROOTS = st.dictionaries(_NAMES, _SCHEMAS, max_size=4).map(lambda names: {"type": "object", "properties": names})
_LEAVES = st.sampled_from(
    ["null", "true", '""', '"a"', '"aaaa"', '"\u00e9\u00e9"', '"1"', "0", "-1", "7", "1.0", "1.5", "1e3", "-0.0",
     "2147483648", "9223372036854775807", "9223372036854775808", "1" + "0" * 30]
)  # fmt: skip
_VALUES: st.SearchStrategy[str] = st.recursive(
    _LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=2).map(lambda items: f"[{', '.join(items)}]"),
        st.lists(st.tuples(_NAMES, inner), max_size=3).map(_object),
    ),
    max_leaves=5,
)


class Kind:
    """A record type, with the checks of what it does not express."""

    def __init__(self, schema: dict[str, Any], lengths: dict[str, tuple[int, int]]) -> None:
        check = RecordCheck(schema, (), lambda: None)
        self.type = RecordType(schema, lengths={(name,): length for name, length in lengths.items()})
        found = [(path, at) for path, at in self.type.properties.items() if at.rules is not None]
        self.checked = {path: (at.attribute.split("."), check.value_check(at.rules)) for path, at in found}
        self._decoder = msgspec.json.Decoder(self.type.struct, float_hook=Decimal)

    def accepts(self, line: str) -> bool:
        try:
            record = self._decoder.decode(line)
        except msgspec.ValidationError:
            return False
        return all(self._passes(record, *checked) for checked in self.checked.values())

    def _passes(self, value: Any, attributes: list[str], check: Callable[[Any], bool]) -> bool:
        for attribute in attributes:
            if value is None or value is msgspec.UNSET:
                return True
            if not hasattr(value, attribute):
                return False
            value = getattr(value, attribute)
        return value is msgspec.UNSET or check(value)


def kind_of(schema: dict[str, Any], **lengths: tuple[int, int]) -> Kind | None:
    try:
        return Kind(schema, lengths)
    except NoFastPathError:
        return None


def typed(property_schema: Any) -> bool:
    """Return whether a type alone expresses the schema of a property."""
    kind = kind_of({"type": "object", "properties": {"x": property_schema}})
    return kind is not None and kind.type.properties["x",].json_types is not None


def accepts(kind: Kind | None, line: str) -> bool:
    return kind is not None and kind.accepts(line)


def validates(validator: RecordValidator, line: str) -> bool:
    """Return whether the slow path accepts a record, or cannot divide a number in it by a ``multipleOf``."""
    try:
        validator.validate(decode_json(line))
    except RecordRejectedError as error:
        return "can't be validated" in error.sentence
    return True


def test_all_keywords_of_the_validator_are_known() -> None:
    assert Draft202012Validator.VALIDATORS.keys() - {"format"} == RULES


@settings(max_examples=EXAMPLES)
@given(_ROOTS, st.lists(st.lists(st.tuples(_NAMES, _VALUES), max_size=4).map(_object), min_size=1, max_size=5))
def test_a_record_that_a_type_accepts_is_valid(schema: dict[str, Any], lines: list[str]) -> None:
    kind = kind_of(schema)
    accepted = [line for line in lines if accepts(kind, line)]
    validator = RecordValidator(schema)
    assert all(validates(validator, line) for line in accepted)


def test_a_record_that_a_type_accepts_is_valid_under_random_schemas() -> None:
    counts: Counter[bool] = Counter()
    for seed in SEEDS:
        case = Case(seed, is_plain=True)
        schema = {name: value for name, value in case.schema.items() if name != "$defs"}
        kind = kind_of(schema)
        counts[kind is not None] += 1
        if kind is None:  # nearly always
            continue
        validator = RecordValidator(schema)
        for record in case.records:
            try:
                line = msgspec.json.encode(record, enc_hook=str).decode()
            except (ValueError, TypeError):
                continue
            if accepts(kind, line):
                assert validates(validator, line), (seed, schema, line)
    assert min(counts[True], counts[False]) > 10, counts


@pytest.mark.parametrize(
    "property_schema",
    [
        {"type": ["null", "string"]},
        {"type": "string", "format": "date-time"},
        {"type": ["null", "integer"], "minimum": -2147483648, "maximum": 2147483647},
        {"type": ["number", "null"]},
        {"type": ["array", "null"], "items": {"type": "object", "properties": {"sku": {"type": "string"}}}},
        {"anyOf": [{"type": "string", "format": "date-time"}, {"type": ["string", "null"]}]},
        {"anyOf": [{"type": "object", "properties": {"city": {"type": "string"}}}, {"type": "null"}]},
        {"type": ["string", "integer", "boolean", "null"]},
        {"type": "object"},
        {"oneOf": [{"type": ["string", "integer"]}, {"type": "null"}, {"type": "object", "properties": {"a": {}}}]},
        {"type": ["null", "integer"], "minimum": -(10**30), "exclusiveMaximum": Decimal("1E+30")},
        {"type": "string", "inclusion": "available", "minimum": 5, "x-note": {"enum": [1]}},
    ],
)
def test_a_usual_schema_has_a_type(property_schema: dict[str, Any]) -> None:
    assert typed(property_schema)


@pytest.mark.parametrize(
    "property_schema",
    [
        {"type": "string", "enum": ["a"]},
        {"type": "string", "pattern": "^a"},
        {"type": "number", "multipleOf": 0.01},
        {"type": "number", "minimum": 0},
        {"type": "integer", "minimum": 2**64},
        {"anyOf": [{"type": "string", "maxLength": 1}, {"type": "string", "minLength": 5}]},
        {"type": "object", "additionalProperties": {"type": "string"}},
        {"oneOf": [{"type": "string"}, {"type": "string", "maxLength": 5}]},
        {"oneOf": [{"type": "integer"}, {"type": "number"}]},
        {"oneOf": [{"type": "null"}, {}]},
        {"not": {}},
        {"$ref": "#/x"},
        {},
        True,
    ],
)
def test_a_schema_with_other_rules_has_no_type(property_schema: Any) -> None:
    assert not typed(property_schema)


@pytest.mark.parametrize(
    ("property_schema", "good", "bad"),
    [
        ({"type": "string", "minLength": 2}, '"ab"', '"a"'),
        ({"type": "string", "maxLength": 2}, '"ab"', '"abc"'),
        ({"type": "integer", "minimum": 2}, "2", "1"),
        ({"type": "integer", "maximum": 2}, "2", "3"),
        ({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}, '{"a": ""}', "{}"),
        ({"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False}, "{}", '{"b": 1}'),
        ({"type": "array", "items": {"type": "string"}}, '["a"]', "[1]"),
    ],
)
def test_each_rule_of_a_schema_is_one_of_its_type(property_schema: dict[str, Any], good: str, bad: str) -> None:
    kind = kind_of({"type": "object", "properties": {"x": property_schema}})
    assert [accepts(kind, f'{{"x": {value}}}') for value in (good, bad)] == [True, False]


def test_an_object_of_very_many_properties_has_no_type() -> None:
    many = {f"p{number}": {"type": "string"} for number in range(201)}
    few = dict(list(many.items())[:200])
    assert [kind_of({"properties": names}) is not None for names in (few, many)] == [True, False]
    assert typed({"type": "object", "properties": few})
    assert not typed({"type": "object", "properties": many})


def test_lengths_are_counted_in_characters() -> None:
    kind = kind_of({"type": "object", "properties": {"x": {"type": "string", "maxLength": 9}}}, x=(1, 3))
    assert [accepts(kind, json.dumps({"x": text})) for text in ("", "é", "ééé", "éééé")] == [False, True, True, False]


@pytest.mark.parametrize("has_others", [True, False])
def test_an_unknown_property_is_accepted_unless_the_schema_is_closed(*, has_others: bool) -> None:
    schema: dict[str, Any] = {"properties": {"x": {"type": "integer"}}, "additionalProperties": has_others}
    outer = {"properties": {"inner": {"type": "object", **schema}}}
    assert accepts(kind_of(schema), '{"x": 1}')
    assert accepts(kind_of(schema), '{"x": 1, "y": 1}') is has_others
    assert accepts(kind_of(outer), '{"inner": {"x": 1, "y": 1}}') is has_others
