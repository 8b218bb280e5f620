from __future__ import annotations

from typing import Any

import pytest

from target_sendgrid.mapping.field_types import TypeChoice, type_for
from target_sendgrid.sendgrid.fields import FieldType

DATE, TEXT = {"type": "string", "format": "date-time"}, {"type": "string"}
DECIMAL = {"type": ["null", "string"], "format": "singer.decimal"}


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "integer"},
        {"type": "number"},
        {"type": ["null", "integer", "number"]},
        {"type": ["number", "null"], "multipleOf": 0.01},
        {"type": "integer", "format": "unix-time"},
        {"type": "number", "format": "decimal"},
        DECIMAL,
        {"type": "string", "format": "x-singer.decimal"},
        {"type": ["number", "string"], "format": "singer.decimal"},
        {"type": ["number", "string", "null"]},
        {"type": ["string", "integer", "number"]},
        {"anyOf": [{"type": "integer"}, {"type": "number"}, {"type": "null"}]},
        {"anyOf": [DECIMAL, {"type": "integer"}]},
        {"anyOf": [DECIMAL, {"type": "number"}, TEXT]},
        {"anyOf": [{"type": "number"}, {}]},
        {"type": "string", "anyOf": [{"format": "singer.decimal"}, {"type": "null"}]},
    ],
)
def test_numbers_make_a_number_field(schema: dict[str, Any]) -> None:
    assert type_for(schema) == TypeChoice(FieldType.NUMBER)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "format": "date"},
        {"type": ["string", "null"], "format": "date-time"},
        {"anyOf": [DATE, {"type": "null"}]},
        {"anyOf": [DATE, {}]},
        {"oneOf": [DATE, {"type": "string", "format": "date"}]},
        {"allOf": [{}, DATE]},
        {"format": "date", "allOf": [{"type": "string"}]},
        {"anyOf": [{"anyOf": [DATE, {"type": "null"}]}, {"type": "null"}]},
    ],
)
def test_dates_make_a_date_field(schema: dict[str, Any]) -> None:
    assert type_for(schema) == TypeChoice(FieldType.DATE)


@pytest.mark.parametrize(
    ("schema", "alternatives"),
    [
        ({"type": ["string", "integer"]}, [FieldType.NUMBER]),
        ({"type": ["string", "integer", "null"]}, [FieldType.NUMBER]),
        ({"anyOf": [DECIMAL, TEXT]}, [FieldType.NUMBER]),
        ({"anyOf": [DATE, TEXT]}, [FieldType.DATE]),
        ({"anyOf": [DATE, {"type": ["string", "null"]}]}, [FieldType.DATE]),
        ({"type": "string", "anyOf": [{"format": "date"}, {}]}, [FieldType.DATE]),
        ({}, [FieldType.NUMBER, FieldType.DATE]),
        (None, [FieldType.NUMBER, FieldType.DATE]),
        ({"type": "null"}, [FieldType.NUMBER, FieldType.DATE]),
    ],
)
def test_a_schema_that_allows_numbers_or_dates_beside_plain_text_makes_a_text_field_and_the_other_is_named(
    schema: dict[str, Any] | None, alternatives: list[FieldType]
) -> None:
    assert type_for(schema) == TypeChoice(FieldType.TEXT, tuple(alternatives))


@pytest.mark.parametrize(
    "schema",
    [
        TEXT,
        {"type": "boolean"},
        {"type": ["boolean", "number"]},
        {"type": ["array", "boolean", "integer", "number", "object", "string"]},
        {"type": ["number", "object"]},
        {"type": ["number", "string"], "format": "date-time"},
        {"type": ["number", "string"], "format": "phone"},
        {"type": "string", "format": "email"},
        {"type": "string", "format": "time"},
        {"type": "string", "format": ["date"]},
        {"anyOf": [DATE, {"type": "string", "format": "email"}]},
        {"anyOf": [DATE, {"type": "number"}]},
        {"anyOf": [DATE, DECIMAL]},
        {"type": "array", "items": {"type": "number"}},
        {"type": "object"},
    ],
)
def test_everything_else_makes_a_text_field(schema: dict[str, Any]) -> None:
    assert type_for(schema) == TypeChoice(FieldType.TEXT)
