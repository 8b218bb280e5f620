from __future__ import annotations

import json
import linecache
import re
import traceback
from typing import Any

import pytest
from msgspec import ValidationError
from msgspec.structs import replace

from target_sendgrid.mapping.fast_path import FastPath, fast_path_for
from target_sendgrid.mapping.field_mapping import FieldMapping
from target_sendgrid.sendgrid.contact import encode, identity
from target_sendgrid.sendgrid.fields import CustomField, FieldType
from tests.harness import mappings

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
FIELDS = (
    CustomField("e1_N", "spent", FieldType.NUMBER),
    CustomField("e2_D", "since", FieldType.DATE),
    CustomField("e3_T", "number", FieldType.TEXT),
)
MAPPING = {
    "email": "mail", "first_name": "given", "city": "home.city", "spent": "spent", "since": "since", "number": "id",
}  # fmt: skip


def compiled(*, clears_nulls: bool = False, mapping: dict[str, str] = MAPPING) -> FieldMapping:
    return mappings.compiled(mapping, SCHEMA, clears_nulls=clears_nulls, custom_fields=FIELDS)


def contact(**record: Any) -> dict[str, Any] | None:
    fast = FastPath(SCHEMA, (), compiled())
    made = fast.contact(fast.decode(json.dumps(record).encode()))
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
def test_a_contact_is_the_same_as_on_the_slow_path(changes: dict[str, Any]) -> None:
    record = GOOD | changes
    expected = compiled().contact(record)
    assert contact(**record) == json.loads(encode(expected))
    assert identity(expected) == "ada@x.com"


@pytest.mark.parametrize("emails", [None, [], [None], [""], ["a@x.com", None]])
def test_alternate_emails_are_the_same_as_on_the_slow_path(emails: object) -> None:
    items = {"type": ["array", "null"], "items": TEXT}
    schema = {"type": "object", "properties": {"mail": TEXT, "others": items}}
    mapping = mappings.compiled({"email": "mail", "alternate_emails": "others"}, schema)
    fast, record = FastPath(schema, (), mapping), {"mail": "ada@x.com", "others": emails}
    assert fast.contact(fast.decode(json.dumps(record).encode())) == ("ada@x.com", encode(mapping.contact(record)))


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
        {"spent": " "},
        {"since": "\u200b"},
        {"home": ""},
        {"home": "York"},
        {"home": False},
        {"home": []},
        {"home": [1]},
    ],
)
def test_a_bad_or_unusual_record_is_left_to_the_slow_path(changes: dict[str, Any]) -> None:
    assert contact(**GOOD | changes) is None


@pytest.mark.parametrize("field", ["external_id", "anonymous_id", "phone_number_id"])
def test_a_record_with_an_empty_identifier_is_left_to_the_slow_path(field: str) -> None:
    fast = FastPath(SCHEMA, (), compiled(mapping={"email": "mail", field: "given"}))
    with pytest.raises(ValidationError):
        fast.decode(b'{"mail": "ada@x.com", "given": ""}')
    made = fast.contact(fast.decode(b'{"mail": "ada@x.com", "given": "7"}'))
    assert made == ("ada@x.com", encode({"email": "ada@x.com", field: "7"}))


@pytest.mark.parametrize(("home", "expected"), [(None, None), ({}, None), ({"floor": 3}, "3")])
def test_a_converted_value_within_an_object_may_be_absent(home: object, expected: str | None) -> None:
    fast = FastPath(SCHEMA, (), compiled(mapping={"email": "mail", "number": "home.floor"}))
    made = fast.contact(fast.decode(json.dumps({"mail": "ada@x.com", "home": home}).encode()))
    custom_fields = {} if expected is None else {"custom_fields": {"e3_T": expected}}
    assert made == ("ada@x.com", encode({"email": "ada@x.com", **custom_fields}))


@pytest.mark.parametrize("fields", [("first_name", "address_line_1"), ("address_line_1", "first_name")])
def test_a_property_of_two_fields_is_as_short_as_the_shorter_one_takes(fields: tuple[str, str]) -> None:
    fast = FastPath(SCHEMA, (), compiled(mapping={"email": "mail"} | dict.fromkeys(fields, "given")))
    assert fast.contact(fast.decode(json.dumps({"mail": "ada@x.com", "given": "x" * 50}).encode())) is not None
    with pytest.raises(ValidationError):
        fast.decode(json.dumps({"mail": "ada@x.com", "given": "x" * 51}).encode())


def test_a_stream_without_emails_has_no_fast_path() -> None:
    assert fast_path_for(SCHEMA, (), compiled(mapping={"external_id": "given", "first_name": "given"})) is None


def test_a_stream_that_clears_nulls_has_no_fast_path() -> None:
    assert fast_path_for(SCHEMA, (), compiled(clears_nulls=True)) is None


def test_a_text_field_of_fractional_numbers_has_no_fast_path() -> None:
    assert fast_path_for(SCHEMA, (), compiled(mapping={"email": "mail", "number": "spent"})) is None


def test_a_key_property_must_be_in_the_schema() -> None:
    assert fast_path_for(SCHEMA, ("unknown",), compiled()) is None
    assert fast_path_for(SCHEMA, ("id",), compiled()) is not None


def generated_sources() -> list[str]:
    """Return the sources of all generated functions, as tracebacks show them."""
    return ["".join(linecache.getlines(name)) for name in linecache.cache if name.startswith("<generated ")]


def test_a_traceback_shows_the_line_of_the_generated_function() -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    broken = [replace(field, convert=fail) if field.key == "e1_N" else field for field in compiled().fields]
    fast = FastPath(SCHEMA, (), FieldMapping(broken, clears_nulls=False))
    with pytest.raises(ZeroDivisionError) as caught:
        fast.contact(fast.decode(json.dumps(GOOD).encode()))
    frames = {frame.name: frame.line for frame in traceback.extract_tb(caught.value.__traceback__)}
    assert frames["make_contact"] == "None if (value := record.f3) is None else convert3(value, label3),"


def test_generated_source_has_no_names_of_users() -> None:
    FastPath(SCHEMA, (), compiled())
    names = [*SCHEMA["properties"], *MAPPING, *MAPPING.values(), "e1_N", "e2_D", "e3_T"]
    words = set(re.findall(r"\w+", "".join(generated_sources())))
    assert words.isdisjoint(names)
    assert "make_contact" in words


def test_the_same_schema_again_adds_no_source() -> None:
    counts = set()
    for _ in range(3):
        FastPath(SCHEMA, (), compiled())
        counts.add(len(generated_sources()))
    assert len(counts) == 1
