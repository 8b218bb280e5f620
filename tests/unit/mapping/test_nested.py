from __future__ import annotations

from typing import Any

import pytest

from target_sendgrid.mapping.nested import is_nested, path_inside, words_for

TEXT = {"type": ["string", "null"]}
DATE = {"type": "string", "format": "date"}
WORDS = ("mail", "value")


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "array"}, "an array"),
        ({"type": ["object", "null"]}, "an object"),
        ({"type": ["object", "array"]}, "an array or an object"),
        ({"properties": {}}, "an object"),
        ({"items": TEXT}, "an array"),
        ({"anyOf": [{"type": "array"}, {"type": "null"}]}, "an array"),
        ({"type": ["array", "null"], "anyOf": [{"minItems": 1}, {}]}, "an array"),
    ],
)
def test_objects_and_arrays_are_nested(schema: dict[str, Any], words: str) -> None:
    assert is_nested(schema)
    assert words_for(schema) == words


@pytest.mark.parametrize(
    "schema",
    [
        None, {}, TEXT, {"type": "null"}, {"type": ["array", "string"]}, {"anyOf": [{"type": "array"}, {}]},
        {"anyOf": [{"type": "array"}, True]}, {"oneOf": [{"type": "object"}, TEXT]},
    ],
)  # fmt: skip
def test_what_may_be_a_single_value_is_not_nested(schema: dict[str, Any] | None) -> None:
    assert not is_nested(schema)


@pytest.mark.parametrize(
    ("schema", "path"),
    [
        (TEXT, "p"),
        ({"type": "array"}, "p.0"),
        ({"type": "array", "items": TEXT}, "p.0"),
        ({"type": "array", "items": {"properties": {"kind": TEXT, "value": TEXT}}}, "p.0.value"),
        ({"properties": {"kind": TEXT, "Work_Email": TEXT}}, "p.Work_Email"),
        ({"properties": {"value": TEXT, "mail": TEXT}}, "p.mail"),
        ({"properties": {"no_mail": {"type": "boolean"}, "mailed": DATE, "value": TEXT}}, "p.value"),
        ({"properties": {"id": {"type": "integer"}, "kind": TEXT}}, "p.kind"),
        ({"properties": {"mails": {"type": "array", "items": {"properties": {"mail": TEXT}}}}}, "p.mails.0.mail"),
        ({"anyOf": [{"type": "null"}, {"type": "array", "items": TEXT}]}, "p.0"),
        ({"type": "object"}, None),
        ({"properties": {"id": {"type": "integer"}}}, None),
        ({"type": "array", "items": {"type": "array", "items": {"type": "array", "items": {"items": TEXT}}}}, None),
    ],
)
def test_the_likely_path_of_the_value_is_found(schema: dict[str, Any], path: str | None) -> None:
    assert path_inside("p", {"properties": {"p": schema}}, ("p",), WORDS) == path


def test_references_are_followed() -> None:
    mail = {"properties": {"kind": TEXT, "value": {"$ref": "#/definitions/text"}}}
    emails = {"type": "array", "items": {"$ref": "#/definitions/mail"}}
    schema = {"definitions": {"text": TEXT, "mail": mail}, "properties": {"emails": emails}}
    assert path_inside("emails", schema, ("emails",), WORDS) == "emails.0.value"
