from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_sendgrid.mapping.field_types import type_for
from target_sendgrid.mapping.schemas import Path, resolve_path, schema_at

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
        "open": {"type": ["object", "null"]},
        "anything": {},
        "yes": True,
        "referenced": {"$ref": "#/definitions/address"},
        "emails": {"type": "array", "items": TEXT},
        "nullable_emails": {"anyOf": [{"type": "array", "items": ADDRESS}, {"type": "null"}]},
        "untyped_array": {"items": ADDRESS},
        "open_array": {"type": ["array", "null"]},
        "tuple": {"type": "array", "items": [TEXT, TEXT]},
        "numbered": {"type": "object", "properties": {"0": TEXT}},
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


@pytest.mark.parametrize("schema", [{}, {"properties": {}}, {"properties": None}])
def test_a_schema_without_properties_has_none(schema: dict[str, Any]) -> None:
    assert resolve_path("email", schema) is None


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
        (("tuple", 0), None),
        (("planet",), None),
        (("planet", "city"), None),
    ],
)
def test_the_schema_of_the_value_at_a_path_is_found(path: Path, schema: dict[str, Any] | None) -> None:
    assert schema_at(SCHEMA, path) == schema


PARTS: st.SearchStrategy[Any] = st.recursive(
    st.sampled_from([True, False, None, "string", ["string", "null"], "array", "object", 7, {}]),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["properties", "items", "anyOf", "oneOf", "type", "format", "a", "0"]), inner, max_size=4
        ),
    ),
    max_leaves=12,
)


@given(PARTS, st.sampled_from(["a", "a.a", "a.0", "a.a.0", "a.0.a"]))
def test_no_schema_of_any_shape_is_a_crash(part: object, source: str) -> None:
    schema = {"properties": {"a": part}}
    path = resolve_path(source, schema)
    type_for(schema_at(schema, path or ()))
