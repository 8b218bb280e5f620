"""A schema cut to some properties. ``VALIDATION_SEEDS=20000 pytest FILE`` tries more schemas."""

from __future__ import annotations

import copy
import random
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from referencing.exceptions import Unresolvable

from target_sendgrid.mapping.schemas import property_paths, resolve_path, schema_at
from target_sendgrid.singer.drafts import translate
from target_sendgrid.singer.projection import project
from target_sendgrid.singer.schema_problems import schema_problem
from tests.harness.json_schemas import NAMES, json_schemas
from tests.harness.random_schemas import Case
from tests.harness.seeds import seeds

if TYPE_CHECKING:
    from target_sendgrid.mapping.schemas import Path

SEEDS = seeds("VALIDATION_SEEDS", 60)

TEXT = {"type": ["string", "null"], "maxLength": 3}
BROKEN = {"type": 7, "pattern": "(", "$ref": "elsewhere"}
ADDRESS = {"type": "object", "properties": {"city": TEXT, "planet": BROKEN}, "required": ["city", "planet"]}
CITY = {"type": "object", "properties": {"city": TEXT}, "required": ["city"]}


@pytest.mark.parametrize(
    ("schema", "paths", "expected"),
    [
        pytest.param(
            {"type": "object", "properties": {"a": TEXT, "b": BROKEN}, "required": ["b", "a"]},
            [("a",)],
            {"type": "object", "properties": {"a": TEXT}, "required": ["a"]},
            id="the record",
        ),
        pytest.param(
            {"properties": {"home": ADDRESS, "b": TEXT}},
            [("home", "city"), ("b",)],
            {"properties": {"home": CITY, "b": TEXT}},
            id="an inner object",
        ),
        pytest.param(
            {"properties": {"home": ADDRESS}},
            [("home", "city"), ("home",)],
            {"properties": {"home": ADDRESS}},
            id="a whole object, and a part of it",
        ),
        pytest.param(
            {"properties": {"home": ADDRESS}},
            [("home",), ("home", "city")],
            {"properties": {"home": ADDRESS}},
            id="a part of an object, and the whole",
        ),
        pytest.param(
            {"properties": {"homes": {"type": "array", "items": ADDRESS, "maxItems": 1, "uniqueItems": True}}},
            [("homes", 1, "city")],
            {"properties": {"homes": {"type": "array", "prefixItems": [True, CITY]}}},
            id="an item of an array",
        ),
        pytest.param(
            {"properties": {"homes": {"prefixItems": [BROKEN, TEXT], "items": ADDRESS}}},
            [("homes", 1), ("homes", 3, "city"), ("homes", 100, "city")],
            {"properties": {"homes": {"prefixItems": [True, TEXT, True, CITY]}}},
            id="items with schemas of their own",
        ),
        pytest.param(
            {"properties": {"home": {"anyOf": [ADDRESS, {"type": "null"}], "description": "x"}}},
            [("home", "city")],
            {"properties": {"home": {"anyOf": [CITY, {"type": "null"}]}}},
            id="an object or null",
        ),
        pytest.param(
            {"properties": {"home": {"oneOf": [ADDRESS, ADDRESS, True], "anyOf": [ADDRESS], "allOf": [ADDRESS]}}},
            [("home", "city")],
            {"properties": {"home": {"anyOf": [CITY], "allOf": [CITY, {"anyOf": [CITY, CITY, True]}]}}},
            id="combined objects",
        ),
        pytest.param(
            {
                "properties": {"a": TEXT, "b": BROKEN},
                "additionalProperties": False,
                "patternProperties": {"^c": False},
                "propertyNames": {"enum": ["a"]},
                "minProperties": 2,
                "maxProperties": 2,
                "unevaluatedProperties": False,
                "enum": [1],
                "const": 1,
                "allOf": [{"required": ["b"]}],
                "anyOf": [BROKEN],
                "oneOf": [BROKEN],
                "not": BROKEN,
                "if": True,
                "then": BROKEN,
                "else": BROKEN,
                "dependentRequired": {"a": ["b"]},
                "dependentSchemas": {"a": BROKEN},
                "dependencies": {"a": ["b"]},
                "$defs": {"a": BROKEN},
                "definitions": {"a": BROKEN},
                "title": "x",
            },
            [("a",)],
            {"properties": {"a": TEXT}},
            id="rules of the whole record",
        ),
        pytest.param(
            {"properties": {"a": {"anyOf": [TEXT, {"not": TEXT}], "if": {}, "const": {"$ref": "#/x"}}}},
            [("a",)],
            {"properties": {"a": {"anyOf": [TEXT, {"not": TEXT}], "if": {}, "const": {"$ref": "#/x"}}}},
            id="rules of a property",
        ),
        pytest.param(
            {"properties": {"a": ADDRESS, "c": True, "d": False, "e": {"type": "array"}}},
            [("a", "x"), ("b",), ("c", "x"), ("d", "x"), ("e", 0), ("f", "x")],
            {"properties": {"a": {"type": "object"}, "c": True, "d": False, "e": {"type": "array"}}},
            id="properties that are not listed",
        ),
        pytest.param({"required": ["a", "b"]}, [("a",)], {"properties": {}, "required": ["a"]}, id="no properties"),
        pytest.param({"type": "object"}, [], {"type": "object", "properties": {}}, id="nothing is needed"),
        pytest.param(
            {"properties": {"a": 7, "b": {"properties": [], "required": "a"}, "c": {"properties": 7}}},
            [("a", "x"), ("b", "x")],
            {"properties": {"a": 7, "b": {"properties": [], "required": "a"}}},
            id="invalid parts on the way",
        ),
        pytest.param(
            {"required": [7, [], "a", {}], "anyOf": 7, "allOf": {}, "properties": {"a": {"items": 7}}},
            [("a", 0)],
            {"required": ["a"], "properties": {"a": {"prefixItems": [7]}}},
            id="invalid rules on the way",
        ),
    ],
)
def test_only_what_is_needed_stays(schema: dict[str, Any], paths: list[Path], expected: dict[str, Any]) -> None:
    before = copy.deepcopy(schema)
    assert project(schema, paths) == expected
    assert schema == before


TREE = {"type": "object", "properties": {"name": TEXT, "b": BROKEN, "children": {"items": {"$ref": "#/$defs/tree"}}}}


@pytest.mark.parametrize(
    ("schema", "path", "expected"),
    [
        pytest.param({"$ref": "#/$defs/text"}, ("a",), {"properties": {"a": TEXT}}, id="a property"),
        pytest.param(
            {"$ref": "#/$defs/text", "title": "x"},
            ("a",),
            {"properties": {"a": {**TEXT, "title": "x"}}},
            id="with a title",
        ),
        pytest.param(
            {"anyOf": [{"$ref": "#text"}, {"$dynamicRef": "#text"}]},
            ("a",),
            {"properties": {"a": {"anyOf": [TEXT, TEXT]}}},
            id="an anchor",
        ),
        pytest.param(
            {"$ref": "#/$defs/text", "minLength": 1},
            ("a",),
            {"properties": {"a": {"$ref": "#/$defs/text", "minLength": 1}}, "$defs": {"text": TEXT}},
            id="beside a rule",
        ),
        pytest.param(
            {"items": {"$ref": "#/$defs/list"}},
            ("a",),
            {
                "properties": {"a": {"items": {"$ref": "#/$defs/list"}}},
                "$defs": {"list": {"items": {"$ref": "#/$defs/list"}}},
            },
            id="of itself",
        ),
        pytest.param(
            {"anyOf": [{"$ref": "#/$defs/no"}, {"$ref": "#/$defs/deep/no"}]},
            ("a",),
            {
                "properties": {"a": {"anyOf": [{"$ref": "#/$defs/no"}, {"$ref": "#/$defs/no_"}]}},
                "$defs": {"no": False, "no_": True},
            },
            id="of equal names",
        ),
        pytest.param({"$ref": "#/$defs/address"}, ("a", "city"), {"properties": {"a": CITY}}, id="on the way"),
        pytest.param(
            {"anyOf": [{"$ref": "#/$defs/address"}, {"type": "null"}]},
            ("a", "city"),
            {"properties": {"a": {"anyOf": [CITY, {"type": "null"}]}}},
            id="an object or null",
        ),
        pytest.param(
            {"$ref": "#/$defs/address", "type": "object"},
            ("a", "city"),
            {"properties": {"a": {"type": "object", "allOf": [CITY]}}},
            id="on the way, beside a type",
        ),
        pytest.param(
            {"$ref": "#/$defs/tree"},
            ("a", "children", 0, "children", 1, "name"),
            {
                "properties": {
                    "a": {
                        "type": "object",
                        "properties": {
                            "children": {
                                "prefixItems": [
                                    {
                                        "type": "object",
                                        "properties": {
                                            "children": {
                                                "prefixItems": [True, {"type": "object", "properties": {"name": TEXT}}]
                                            }
                                        },
                                    }
                                ]
                            }
                        },
                    }
                }
            },
            id="on the way, again and again",
        ),
        pytest.param({"$ref": "#/$defs/loop"}, ("a", "b"), {"properties": {"a": {}}}, id="on the way, to itself"),
        pytest.param(
            {"$ref": "#/$defs/twice"},
            ("a", "b"),
            {"properties": {"a": {"allOf": [{}, {"properties": {"b": TEXT}}]}}},
            id="on the way, to itself and further",
        ),
        pytest.param({"$ref": "#/nowhere"}, ("a", "b"), {"properties": {"a": {"$ref": "#/nowhere"}}}, id="to nothing"),
        pytest.param({"$ref": "b#/c"}, ("a",), {"properties": {"a": {"$ref": "b#/c"}}}, id="to elsewhere"),
        pytest.param({"$ref": 7}, ("a",), {"properties": {"a": {"$ref": 7}}}, id="that is a number"),
        pytest.param(
            {"$ref": "#/nowhere", "properties": {"b": TEXT}},
            ("a", "b"),
            {"properties": {"a": {"properties": {"b": TEXT}}}},
            id="to nothing, and not needed",
        ),
    ],
)
def test_references_stay_inside_the_result(schema: dict[str, Any], path: Path, expected: dict[str, Any]) -> None:
    definitions = {
        "text": {"$anchor": "text", **TEXT},
        "address": ADDRESS,
        "list": {"items": {"$ref": "#/$defs/list"}},
        "tree": TREE,
        "loop": {"allOf": [{"$ref": "#/$defs/loop"}]},
        "twice": {"allOf": [{"$ref": "#/$defs/twice"}, {"properties": {"b": TEXT}}]},
        "no": False,
        "deep": {"no": True},
    }
    assert project({"properties": {"a": schema, "b": BROKEN}, "$defs": definitions}, [path]) == expected


KEPT_PERSON = {"properties": {"a": TEXT, "friends": {"items": {"$ref": "#/$defs/root"}}}}


def test_a_record_that_refers_to_its_schema_is_cut() -> None:
    person = {"properties": {"a": TEXT, "b": BROKEN, "friends": {"items": {"$ref": "#"}}}}
    schema = {"$ref": "#/definitions/person", "definitions": {"person": person}}
    assert project(schema, [("a",)]) == {"properties": {"a": TEXT}}
    assert project(person, [("friends", 0, "a")]) == {
        "properties": {"friends": {"prefixItems": [{"properties": {"a": TEXT}}]}}
    }
    valid = {"properties": {"a": TEXT, "friends": {"items": {"$ref": "#"}}}}
    whole = project(valid, [("friends",)])
    assert whole == {"properties": {"friends": {"items": {"$ref": "#/$defs/root"}}}, "$defs": {"root": KEPT_PERSON}}


def verdict(schema: Any, value: Any) -> bool | None:
    """Return whether a schema accepts a value; ``None`` where the validator gives up."""
    try:
        return Draft202012Validator(schema).is_valid(value)
    except (ArithmeticError, TypeError, Unresolvable, RecursionError):
        return None


@pytest.mark.parametrize("is_plain", [False, True])
def test_the_cut_schema_accepts_what_the_whole_accepts_and_rejects_what_a_property_rejects(*, is_plain: bool) -> None:
    counts: Counter[str] = Counter()
    for seed in SEEDS:
        case = Case(seed, is_plain=is_plain)
        schema = translate(case.schema)
        chance = random.Random(seed)  # noqa: S311 - test data, no secrets
        known = [*property_paths(schema), *(f"{name}.0" for name in property_paths(schema)), *NAMES]
        paths = [resolve_path(name, schema) for name in chance.sample(known, min(3, len(known)))]
        cut = project(schema, [path for path in paths if path])
        assert schema_problem(cut) is None or schema_problem(schema) is not None
        for record in case.records:
            strict = verdict(schema, record)
            lenient = verdict(cut, record)
            assert not (strict and lenient is False), (seed, paths, schema, cut, record)
            counts[f"{strict} {lenient}"] += 1
            for path in paths:
                if path and len(path) == 1 and path[0] in schema["properties"] and path[0] in record:
                    inner = {"$defs": schema.get("$defs"), "definitions": schema.get("definitions", {})}
                    own = verdict({"properties": {path[0]: schema["properties"][path[0]]}, **inner}, record)
                    if own is False:
                        assert not lenient, (seed, path, schema, cut, record)
                        counts["a property is wrong"] += 1
    assert counts["True True"] > len(SEEDS)
    assert counts["False True"] > len(SEEDS)
    assert counts["a property is wrong"] > len(SEEDS)


STEPS = st.lists(st.one_of(st.sampled_from(NAMES), st.integers(0, 3)), min_size=1, max_size=3).map(tuple)


@given(json_schemas(), st.lists(STEPS, max_size=3))
def test_no_schema_of_any_shape_is_a_crash(schema: dict[str, Any], paths: list[Path]) -> None:
    before = copy.deepcopy(schema)
    for wanted in (schema, translate(schema)):
        cut = project(wanted, paths)
        assert project(cut, paths) is not None
        assert set(cut) <= {
            "type",
            "properties",
            "required",
            "prefixItems",
            "$ref",
            "$dynamicRef",
            "anyOf",
            "allOf",
            "$defs",
        }
        for path in paths:
            schema_at(cut, path)
    assert schema == before


def test_references_that_double_at_every_step_are_followed_up_to_a_limit() -> None:
    definitions: dict[str, Any] = {f"d{n}": {"anyOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(40)}
    definitions["d40"] = {"properties": {"a": TEXT}}
    cut = project({"$ref": "#/$defs/d0", "$defs": definitions}, [("a",)])
    assert Draft202012Validator(cut).is_valid({"a": "x"})


def test_a_schema_that_is_nested_too_deeply_is_a_recursion_error() -> None:
    schema: dict[str, Any] = {}
    for _ in range(100_000):
        schema = {"items": schema}
    with pytest.raises(RecursionError):
        project({"properties": {"a": schema}}, [("a",)])
    assert project({"properties": {"a": schema, "b": {}}}, [("b",)]) == {"properties": {"b": {}}}
