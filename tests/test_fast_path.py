from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from target_sendgrid.mapping.compiler import compile_mapping
from target_sendgrid.mapping.fast_path import FastPath, fast_path_for
from target_sendgrid.sendgrid.contact import encode, identity
from target_sendgrid.sendgrid.fields import CustomField, FieldCatalogue, FieldType

if TYPE_CHECKING:
    from target_sendgrid.mapping.field_mapping import FieldMapping

TEXT = {"type": ["string", "null"]}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "id": {"type": "integer"},
        "mail": TEXT,
        "given": TEXT,
        "spent": {"type": ["number", "string", "null"]},
        "since": TEXT | {"format": "date-time"},
        "home": {
            "type": ["object", "string", "boolean", "array", "null"],
            "properties": {"city": TEXT, "floor": {"type": "integer"}},
        },
    },
}
FIELDS = FieldCatalogue(
    [
        CustomField("e1_N", "spent", FieldType.NUMBER),
        CustomField("e2_D", "since", FieldType.DATE),
        CustomField("e3_T", "number", FieldType.TEXT),
    ]
)
MAPPING = {
    "email": "mail", "first_name": "given", "city": "home.city", "spent": "spent", "since": "since", "number": "id",
}  # fmt: skip


def compiled(*, clears_nulls: bool = False, mapping: dict[str, str] = MAPPING) -> FieldMapping:
    return compile_mapping("people", SCHEMA, mapping, FIELDS, clears_nulls=clears_nulls, create_field=None)


def contact(**record: Any) -> dict[str, Any] | None:
    quick = FastPath(SCHEMA, (), compiled())
    made = quick.contact(quick.decode(json.dumps(record).encode()))
    return None if made is None else json.loads(made[1])


GOOD = {"id": 7, "mail": "Ada@X.com ", "given": "Ada", "spent": 1.5, "since": "2024-01-31", "home": {"city": "York"}}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"home": None},
        {"home": {}},
        {"given": None, "spent": None, "since": None},
        {"given": "", "spent": 0, "home": {"city": ""}},
        {"spent": 12345678901234567890},
    ],
)
def test_a_contact_is_that_of_the_ordinary_way(changes: dict[str, Any]) -> None:
    record = GOOD | changes
    expected = compiled().contact(record)
    assert contact(**record) == json.loads(encode(expected))
    assert identity(expected) == "ada@x.com"


def test_fields_that_are_all_empty_are_left_out() -> None:
    assert contact(mail="ada@x.com") == {"email": "ada@x.com"}


@pytest.mark.parametrize(
    "changes",
    [
        {"mail": "nobody"},
        {"mail": ""},
        {"mail": None},
        {"since": "soon"},
        {"since": ""},
        {"spent": ""},
        {"home": ""},
        {"home": "York"},
        {"home": False},
        {"home": []},
        {"home": [1]},
    ],
)
def test_what_is_bad_or_unusual_is_left_to_the_ordinary_way(changes: dict[str, Any]) -> None:
    assert contact(**GOOD | changes) is None


def test_streams_that_clear_nulls_have_no_quick_way() -> None:
    assert fast_path_for(SCHEMA, (), compiled(clears_nulls=True)) is None


def test_texts_of_numbers_with_decimals_have_no_quick_way() -> None:
    assert fast_path_for(SCHEMA, (), compiled(mapping={"email": "mail", "number": "spent"})) is None


def test_key_properties_must_be_there() -> None:
    assert fast_path_for(SCHEMA, ("unknown",), compiled()) is None
    assert fast_path_for(SCHEMA, ("id",), compiled()) is not None
