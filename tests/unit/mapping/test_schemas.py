from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_sendgrid.mapping.field_types import type_for
from target_sendgrid.mapping.schemas import Path, is_listed, property_paths, referenced, resolve_path, schema_at
from tests.harness.json_schemas import json_schemas

TEXT = {"type": ["string", "null"]}
ADDRESS = {"type": "object", "properties": {"city": TEXT, "lines": {"type": "array", "items": TEXT}}}
SCHEMA = {
    "type": "object",
    "properties": {
        "email": TEXT,
        "home.city": TEXT,
        "address": ADDRESS,
        "nullable": {"anyOf": [{"type": "null"}, ADDRESS]},
        "either": {"oneOf": [ADDRESS, {"type": "object", "properties": {"planet": TEXT}}]},
        "two_forms": {"oneOf": [{"properties": {"home": TEXT}}, {"properties": {"home": ADDRESS}}]},
        "open": {"type": ["object", "null"]},
        "anything": {},
        "yes": True,
        "referenced": {"$ref": "#/definitions/address"},
        "emails": {"type": "array", "items": TEXT},
        "nullable_emails": {"anyOf": [{"type": "array", "items": ADDRESS}, {"type": "null"}]},
        "untyped_array": {"items": ADDRESS},
        "open_array": {"type": ["array", "null"]},
        "tuple": {"type": "array", "items": [TEXT, TEXT]},
        "prefixed": {"prefixItems": [TEXT, ADDRESS]},
        "numbered": {"type": "object", "properties": {"0": TEXT}},
        "nullable_reference": {"anyOf": [{"type": "null"}, {"$ref": "#/definitions/address"}]},
        "noted_reference": {"$ref": "#/definitions/address", "description": "Where they live."},
        "tree": {"$ref": "#/definitions/tree"},
        "anchored": {"$ref": "#text"},
        "escaped": {"$ref": "#/properties/nullable%5F%65mails/anyOf/0/items"},
        "endless": {"anyOf": [{"$ref": "#/properties/endless"}]},
    },
    "definitions": {
        "address": ADDRESS,
        "tree": {"properties": {"name": TEXT, "children": {"type": "array", "items": {"$ref": "#/definitions/tree"}}}},
        "text": {"$anchor": "text", **TEXT},
    },
}


@pytest.mark.parametrize(
    ("source", "path"),
    [
        ("email", ("email",)),
        ("home.city", ("home.city",)),
        ("address", ("address",)),
        ("address.city", ("address", "city")),
        ("address.lines.1", ("address", "lines", 1)),
        ("nullable.city", ("nullable", "city")),
        ("nullable.lines.0", ("nullable", "lines", 0)),
        ("either.city", ("either", "city")),
        ("two_forms.home.city", ("two_forms", "home", "city")),
        ("prefixed.1.city", ("prefixed", 1, "city")),
        ("either.planet", ("either", "planet")),
        ("open.city", ("open", "city")),
        ("open.city.name", ("open", "city", "name")),
        ("anything.city", ("anything", "city")),
        ("yes.city", ("yes", "city")),
        ("referenced.city", ("referenced", "city")),
        ("emails.0", ("emails", 0)),
        ("nullable_emails.0.city", ("nullable_emails", 0, "city")),
        ("untyped_array.2.city", ("untyped_array", 2, "city")),
        ("open_array.0.city", ("open_array", 0, "city")),
        ("tuple.1", ("tuple", 1)),
        ("numbered.0", ("numbered", "0")),
    ],
)
def test_a_property_is_found(source: str, path: Path) -> None:
    assert resolve_path(source, SCHEMA) == path


@pytest.mark.parametrize(
    "source",
    [
        "",
        ".",
        "Email",
        "planet",
        "planet.city",
        "email.domain",
        "address.planet",
        "address.city.name",
        "nullable.planet",
        "either.star",
        "emails.first",
        "emails.-1",
        "emails.0.domain",
        "nullable_emails.0.planet",
        "nullable_emails.city",
        "numbered.1",
        "home.country",
    ],
)
def test_a_property_that_the_schema_does_not_have_is_not_found(source: str) -> None:
    assert resolve_path(source, SCHEMA) is None


def test_a_name_with_dots_takes_precedence_over_a_path() -> None:
    schema = {"properties": {"address.city": TEXT, "address": ADDRESS}}
    assert resolve_path("address.city", schema) == ("address.city",)


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "object"},
        {"properties": {}},
        {"properties": None},
        {"properties": {"emails": TEXT}, "additionalProperties": True},
        {"properties": {"emails": TEXT}, "additionalProperties": TEXT},
        {"properties": {"emails": TEXT}, "additionalProperties": False, "patternProperties": {"^e": TEXT}},
        {"anyOf": [{"properties": {"emails": TEXT}}, {}]},
        {"oneOf": [{"properties": {"emails": TEXT}, "additionalProperties": False}, True]},
        {"properties": {"emails": {"anyOf": [TEXT, {}]}}},
        {"properties": {"created": TEXT, "id": TEXT}},
        {"$ref": "#/definitions/person", "definitions": {"person": {"type": "object"}}},
        {"$ref": "#/definitions/lost"},
    ],
)
def test_a_property_that_an_open_schema_does_not_list_may_be_in_the_records(schema: dict[str, Any]) -> None:
    assert resolve_path("email", schema) == ("email",)
    assert resolve_path("person.email", schema) == ("person", "email")
    assert not is_listed(schema, ("email",))
    assert not is_listed(schema, ("person", "email"))


@pytest.mark.parametrize(
    "schema",
    [
        {"additionalProperties": False},
        {"properties": {"id": TEXT}, "additionalProperties": False},
        {"properties": {"id": TEXT}, "additionalProperties": False, "patternProperties": {}},
        {"anyOf": [{"properties": {"id": TEXT}, "additionalProperties": False}, {"type": "null"}]},
        {"allOf": [{"properties": {"id": TEXT}, "additionalProperties": False}, {}]},
        {"$ref": "#/$defs/a", "$defs": {"a": {"properties": {"id": TEXT}, "additionalProperties": False}}},
        {"properties": {"emial": TEXT, "person.emial": TEXT}},
        {"properties": {"EMAIL": TEXT, "person": {"properties": {"EMAIL": TEXT}}}},
        {"properties": {"emails": TEXT, "person": {"properties": {"emails": TEXT}}}},
    ],
)
def test_a_closed_schema_or_a_similar_name_rules_a_property_out(schema: dict[str, Any]) -> None:
    assert resolve_path("email", schema) is None
    assert resolve_path("person.email", schema) is None


@pytest.mark.parametrize(("name", "listed", "path"), [("mial", "mail", None), ("code", "score", ("code",))])
def test_names_that_share_some_letters_are_not_similar(name: str, listed: str, path: Path | None) -> None:
    assert resolve_path(name, {"properties": {listed: TEXT}}) == path


@pytest.mark.parametrize("source", ["", ".", "a.", ".a", "a..b"])
def test_an_open_schema_has_no_property_without_a_name(source: str) -> None:
    assert resolve_path(source, {}) is None
    assert resolve_path(source, {"properties": {source: TEXT}}) == (source,)


@pytest.mark.parametrize("odd", [{"anyOf": [True, ADDRESS]}, {"anyOf": None}, {"type": None}, {"properties": None}])
def test_an_odd_schema_does_not_stop_the_search(odd: dict[str, Any]) -> None:
    assert resolve_path("odd.city", {"properties": {"odd": odd}}) == ("odd", "city")


@pytest.mark.parametrize(
    ("path", "schema"),
    [
        ((), SCHEMA),
        (("email",), TEXT),
        (("address", "city"), TEXT),
        (("nullable", "city"), TEXT),
        (("either", "planet"), TEXT),
        (("emails", 0), TEXT),
        (("nullable_emails", 3), ADDRESS),
        (("open", "city"), None),
        (("yes",), None),
        (("tuple", 1), TEXT),
        (("tuple", 2), None),
        (("prefixed", 0), TEXT),
        (("prefixed", 1), ADDRESS),
        (("two_forms", "home"), {"anyOf": [TEXT, ADDRESS]}),
        (("referenced",), ADDRESS),
        (("referenced", "city"), TEXT),
        (("nullable_reference", "city"), TEXT),
        (("noted_reference", "city"), TEXT),
        (("tree", "children", 3, "name"), TEXT),
        (("anchored",), {"$anchor": "text", **TEXT}),
        (("escaped",), ADDRESS),
        (("endless",), {"anyOf": [{"anyOf": [{}]}]}),
        (("planet",), None),
        (("planet", "city"), None),
    ],
)
def test_the_schema_of_the_value_at_a_path_is_found(path: Path, schema: dict[str, Any] | None) -> None:
    assert schema_at(SCHEMA, path) == schema


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (("email",), True),
        (("yes",), True),
        (("address", "city"), True),
        (("nullable_reference", "city"), True),
        (("emails", 4), True),
        (("tuple", 1), True),
        (("tuple", 2), False),
        (("open_array", 0), False),
        (("planet",), False),
        (("open", "city"), False),
        (("yes", "city"), False),
        (("email", "domain"), False),
    ],
)
def test_listed_properties_differ_from_those_that_only_the_records_may_have(path: Path, *, expected: bool) -> None:
    assert is_listed(SCHEMA, path) is expected


def test_the_names_of_inner_properties_are_found_behind_references() -> None:
    names = set(property_paths(SCHEMA))
    assert {"nullable_reference.city", "noted_reference.lines", "referenced", "tree.name"} <= names
    assert "tree.children.name" not in names


@pytest.mark.parametrize(
    "reference", [None, 7, "", "a", "b#/a", "#/none", "#/list/2", "#/list/-1", "#/list/a", "#/text/0", "#none", "#/x/y"]
)
def test_a_reference_to_nothing_finds_nothing(reference: object) -> None:
    assert referenced({"list": [{}, {}], "text": "a", "x": None}, reference) is None


@pytest.mark.parametrize(
    ("reference", "part"),
    [
        ("#", "root"),
        ("#/list/1", "second"),
        ("#/a~1b/c~0d", "named"),
        ("#/a~1b/%25~01", "coded"),
        ("#there", "anchored"),
        ("#/", "empty"),
    ],
)
def test_a_reference_finds_a_part(reference: str, part: str) -> None:
    schema = {
        "title": "root",
        "list": [{}, {"title": "second"}],
        "a/b": {"c~d": {"title": "named"}, "%~1": {"title": "coded"}},
        "inner": {"$anchor": "there", "title": "anchored"},
        "": {"title": "empty"},
    }
    found = referenced(schema, reference)
    assert isinstance(found, dict)
    assert found["title"] == part


def test_the_properties_of_a_schema_that_refers_to_itself_are_named_up_to_a_limit() -> None:
    names = [f"p{number}" for number in range(20_000)]
    found = list(property_paths({"properties": {name: {"$ref": "#"} for name in names}}))
    assert found[: len(names)] == names
    assert len(found) < 30_000


@given(json_schemas(), st.sampled_from(["a", "a.a", "a.0", "a.a.0", "a.0.a", "0", "", "b.a"]))
def test_no_schema_of_any_shape_is_a_crash(schema: dict[str, Any], source: str) -> None:
    path = resolve_path(source, schema)
    list(property_paths(schema))
    if path is not None:
        is_listed(schema, path)
        type_for(schema_at(schema, path))
