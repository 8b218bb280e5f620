from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from target_sendgrid.singer.samples import MAX_RECORDS, Sample


def schema_of(*records: dict[str, Any]) -> dict[str, Any]:
    sample = Sample()
    for one in records:
        sample.add(one)
    return sample.schema


@pytest.mark.parametrize(
    ("value", "schema"),
    [
        ("a@example.com", {"type": ["string"]}),
        (True, {"type": ["boolean"]}),
        (7, {"type": ["integer"]}),
        (Decimal("7.5"), {"type": ["number"]}),
        (None, {"type": ["null"]}),
        ([], {"type": ["array"]}),
        (["x", 3], {"type": ["array"], "items": {"type": ["string"]}}),
        ({"b": 1}, {"type": ["object"], "properties": {"b": {"type": ["integer"]}}}),
    ],
)
def test_names_and_types_are_noted_and_no_values(value: object, schema: dict[str, Any]) -> None:
    assert schema_of({"a": value}) == {"type": ["object"], "properties": {"a": schema}}


def test_records_add_to_each_other() -> None:
    properties = schema_of({"a": None}, {"a": "x", "b": 1}, {"a": "y", "b": 2})["properties"]
    assert properties == {"a": {"type": ["null", "string"]}, "b": {"type": ["integer"]}}


def test_a_sample_is_bounded() -> None:
    sample = Sample()
    for number in range(MAX_RECORDS):
        assert not sample.is_full
        sample.add({f"{number}_{index}": index for index in range(100)} | {"a": {"b": {"c": {"d": {"e": {}}}}}})
    assert sample.is_full
    assert len(sample.schema["properties"]) == 500
    deep = schema_of({"a": {"b": {"c": {"d": {"e": {}}}}}})
    for name in "abcd":
        deep = deep["properties"][name]
    assert deep == {"type": ["object"]}
