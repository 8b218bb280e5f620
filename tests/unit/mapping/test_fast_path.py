from __future__ import annotations

import json
import linecache
import re
import sys
import traceback
from typing import Any

import pytest
from msgspec import ValidationError
from msgspec.structs import replace

from target_sendgrid.errors import RecordRejectedError
from target_sendgrid.mapping.fast_path import FastPath, fast_path_for
from target_sendgrid.mapping.field_mapping import FieldMapping
from target_sendgrid.mapping.record_sources import RecordSources
from target_sendgrid.sendgrid.contact import encode, identity
from target_sendgrid.sendgrid.fields import CustomField, FieldType
from target_sendgrid.singer.record_check import RecordCheck
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


def fast_path(
    mapping: FieldMapping, schema: dict[str, Any] = SCHEMA, *, key_properties: tuple[str, ...] = ()
) -> FastPath:
    check = RecordCheck(schema, key_properties, lambda: None)
    return FastPath(schema, mapping, check.value_check, RecordSources({}, required=frozenset(key_properties)))


def made_of(fast: FastPath, record: object) -> tuple[str, bytes] | None:
    """Return what the fast path makes of a record; ``None`` if it is left to the slow path."""
    try:
        return fast.contact(fast.decode(json.dumps(record).encode()))
    except ValidationError:
        return None


def contact(**record: Any) -> dict[str, Any] | None:
    made = made_of(fast_path(compiled()), record)
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
        {"since": "", "spent": ""},
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
    record = {"mail": "ada@x.com", "others": emails}
    assert made_of(fast_path(mapping, schema), record) == ("ada@x.com", encode(mapping.contact(record)))


def test_fields_that_are_all_empty_are_left_out() -> None:
    assert contact(mail="ada@x.com") == {"email": "ada@x.com"}


@pytest.mark.parametrize(
    "changes",
    [
        {"mail": "nobody"},
        {"mail": ""},
        {"mail": None},
        {"since": "soon"},
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


@pytest.mark.parametrize("field", ["external_id", "anonymous_id"])
def test_a_record_with_an_empty_identifier_is_left_to_the_slow_path(field: str) -> None:
    fast = fast_path(compiled(mapping={"email": "mail", field: "given"}))
    assert made_of(fast, {"mail": "ada@x.com", "given": ""}) is None
    expected = encode({"email": "ada@x.com", field: "7"})
    assert made_of(fast, {"mail": "ada@x.com", "given": "7"}) == ("ada@x.com", expected)


@pytest.mark.parametrize(("home", "expected"), [(None, None), ({}, None), ({"floor": 3}, "3")])
def test_a_converted_value_within_an_object_may_be_absent(home: object, expected: str | None) -> None:
    fast = fast_path(compiled(mapping={"email": "mail", "number": "home.floor"}))
    custom_fields = {} if expected is None else {"custom_fields": {"e3_T": expected}}
    made = made_of(fast, {"mail": "ada@x.com", "home": home})
    assert made == ("ada@x.com", encode({"email": "ada@x.com", **custom_fields}))


@pytest.mark.parametrize("fields", [("first_name", "address_line_1"), ("address_line_1", "first_name")])
def test_a_property_of_two_fields_is_as_short_as_the_shorter_one_takes(fields: tuple[str, str]) -> None:
    fast = fast_path(compiled(mapping={"email": "mail"} | dict.fromkeys(fields, "given")))
    assert made_of(fast, {"mail": "ada@x.com", "given": "x" * 50}) is not None
    assert made_of(fast, {"mail": "ada@x.com", "given": "x" * 51}) is None


def test_a_key_property_need_not_be_in_the_schema_but_in_the_record() -> None:
    fast = fast_path(compiled(), key_properties=("id", "unknown"))
    assert made_of(fast, GOOD) is None
    assert made_of(fast, GOOD | {"unknown": None}) is not None


@pytest.mark.parametrize("rule", [{"minProperties": 1}, {"if": {}}, {"additionalProperties": {"type": "string"}}])
def test_a_schema_with_rules_about_the_whole_record_has_no_fast_path(rule: dict[str, Any]) -> None:
    assert fast_path_for(SCHEMA | rule, compiled(), lambda _: bool) is None


@pytest.mark.parametrize("alternatives", ["anyOf", "oneOf"])
def test_a_rule_about_a_property_of_a_nullable_object_is_checked_whatever_says_that_it_is_nullable(
    alternatives: str,
) -> None:
    definitions = {"city": {"pattern": "^Y"}}
    home = {"type": "object", "properties": {"city": {"$ref": "#/$defs/city"}}}
    schema = {"$defs": definitions, "properties": {"mail": TEXT, "home": {alternatives: [home, {"type": "null"}]}}}
    fast = fast_path(mappings.compiled({"email": "mail", "city": "home.city"}, schema), schema)
    accepted = [made_of(fast, {"mail": "a@x.com", "home": {"city": city}}) is not None for city in ("York", "Leeds")]
    assert accepted == [True, False]


IDENTIFIED = {"email": "mail", "external_id": "key", "anonymous_id": "cookie", "first_name": "given"}


@pytest.mark.parametrize("mapping", [IDENTIFIED, {"external_id": "key", "first_name": "given"}])
@pytest.mark.parametrize(
    "properties", [{}, {name: {"type": ["string", "integer", "null"]} for name in IDENTIFIED.values()}]
)
@pytest.mark.parametrize(
    "record",
    [
        {"mail": "Ada@x.com", "key": "7", "cookie": "c"},
        {"mail": None, "key": "7"},
        {"key": 7, "cookie": "c"},
        {"mail": "", "key": "7"},
        {"mail": " ", "key": "", "cookie": "c"},
        {"cookie": "c"},
        {"given": "Ada"},
    ],
)
def test_an_identity_is_the_same_as_on_the_slow_path(
    mapping: dict[str, str], properties: dict[str, Any], record: dict[str, Any]
) -> None:
    schema = {"type": "object", "properties": properties}
    slow = mappings.compiled(mapping, schema)
    made = made_of(fast_path(mappings.compiled(mapping, schema), schema), record)
    try:
        expected = slow.contact(record)
    except RecordRejectedError:
        assert made is None
    else:
        assert made in {(identity(expected), encode(expected))} | ({None} if "" in record.values() else set())


def test_a_stream_that_mostly_misses_the_fast_path_pauses_it_longer_each_time() -> None:
    fast, received = fast_path(compiled()), 0
    for length in (10_000, 20_000, 40_000):
        fast.missed, received = 300, received + 500
        assert fast.review(received)
        assert not fast.review(received + length - 1)
        assert fast.is_paused
        received += length
        assert fast.review(received)


def test_a_stream_that_seldom_misses_the_fast_path_stays_on_it() -> None:
    fast = fast_path(compiled())
    for received in range(100, 10_000, 100):
        fast.missed += 50
        assert not fast.review(received)
    assert not fast.is_paused


def generated_sources() -> list[str]:
    """Return the sources of all generated functions, as tracebacks show them."""
    return ["".join(linecache.getlines(name)) for name in linecache.cache if name.startswith("<generated ")]


def test_a_traceback_shows_the_line_of_the_generated_function() -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    broken = [replace(field, convert=fail) if field.key == "e1_N" else field for field in compiled().fields]
    fast = fast_path(FieldMapping(broken, clears_nulls=False))
    with pytest.raises(ZeroDivisionError) as caught:
        fast.contact(fast.decode(json.dumps(GOOD).encode()))
    frames = {frame.name: frame.line for frame in traceback.extract_tb(caught.value.__traceback__)}
    assert str(frames["make_contact"]).endswith("else convert3(value, label3),")


def test_a_value_that_is_nested_too_deeply_to_be_converted_is_left_to_the_slow_path() -> None:
    schema = {"type": "object", "properties": {"mail": TEXT, "deep": {}}}
    mapping = mappings.compiled({"email": "mail", "number": "deep"}, schema, custom_fields=FIELDS)
    fast = fast_path(mapping, schema)
    for depth in range(1, sys.getrecursionlimit()):
        try:
            record = fast.decode(b'{"mail": "a@x.com", "deep": ' + b"[" * depth + b"]" * depth + b"}")
        except RecursionError:
            break
        made = fast.contact(record)
    assert made is None


def test_generated_source_has_no_names_of_users() -> None:
    fast_path(compiled())
    names = [*SCHEMA["properties"], *MAPPING, *MAPPING.values(), "e1_N", "e2_D", "e3_T"]
    words = set(re.findall(r"\w+", "".join(generated_sources())))
    assert words.isdisjoint(names)
    assert "make_contact" in words


def test_the_same_schema_again_adds_no_source() -> None:
    counts = set()
    for _ in range(3):
        fast_path(compiled())
        counts.add(len(generated_sources()))
    assert len(counts) == 1
