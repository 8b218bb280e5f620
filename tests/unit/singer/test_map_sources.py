"""Mapped properties have sources only where the SDK's stream map gives the same values."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from singer_sdk.mapper import PluginMapper

from target_sendgrid.mapping.record_sources import RecordSources
from target_sendgrid.singer.map_sources import sources_of_flattened, sources_of_renamed
from target_sendgrid.singer.mapper import Mapper, OutputMap

_TEXT = {"type": ["string", "null"]}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "id": {"type": "integer"},
        "email": _TEXT,
        "a": {
            "type": "object",
            "properties": {"b": _TEXT, "c__d": _TEXT, "e": {"type": "object", "properties": {"f": _TEXT}}},
        },
        "plain__name": _TEXT,
        "whole": {"type": "object"},
        "whole__name": _TEXT,
    },
}
NAMES = ["id", "email", "a__b", "a__c__d", "a__e__f", "plain__name", "whole__name"]
MARK = "_sdc_deleted_at"


def flattening(depth: int) -> tuple[Mapper, OutputMap]:
    config: dict[str, Any] = {"flattening_enabled": True, "flattening_max_depth": depth}
    sdk = PluginMapper(config, logging.getLogger("mapper"))
    mapper = Mapper(sdk)
    return mapper, mapper.output_maps("people", SCHEMA, ["id"])[0]


def flat_sources(depth: int, *names: str) -> RecordSources | None:
    mapper, output_map = flattening(depth)
    return output_map.sources(mapper.flattened(SCHEMA), [(name,) for name in names], MARK)


_VALUES: st.SearchStrategy[Any] = st.sampled_from(["x", None, 1])


def objects(**optional: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=optional)


_C = _VALUES | objects(d=_VALUES)
_E = _VALUES | objects(f=_VALUES)
_NAMED = _VALUES | objects(name=_VALUES)
_A = objects(b=_VALUES, c__d=_VALUES, c=_C, e=_E, e__f=_VALUES)
_RECORDS = st.builds(
    lambda usual, rare: usual | rare,
    objects(email=_VALUES, a=_A, plain__name=_VALUES, whole=_NAMED),
    st.just({})
    | objects(
        a=_VALUES, a__b=_VALUES, a__c=_C, a__c__d=_VALUES, a__e=_E, a__e__f=_VALUES, plain=_NAMED, whole__name=_VALUES
    ),
)
"""Records with some of the properties of `SCHEMA`, and sometimes with others that flattening gives the same names."""


def found_at(record: Any, path: tuple[str | int, ...]) -> Any:
    for step in path:
        if not isinstance(record, dict):
            return "no object"
        record = record.get(step, "absent")
    return record


@given(_RECORDS, st.integers(1, 3))
def test_a_flattened_property_has_the_value_at_its_source_unless_something_is_there_that_must_be_absent(
    record: dict[str, Any], depth: int
) -> None:
    _, output_map = flattening(depth)
    flattened = output_map.stream_map.transform(dict(record)) or {}
    for name in NAMES:
        sources = flat_sources(depth, name)
        if sources is None or any(found_at(record, path) not in ("absent", "no object") for path in sources.absent):
            continue
        found = found_at(record, sources.paths[name,])
        if not isinstance(found, dict):
            assert flattened.get(name, "absent") in (found, "absent"), (name, sources)
            assert name in flattened or found in ("absent", "no object"), (name, sources)


def test_most_flattened_properties_have_a_source() -> None:
    assert [flat_sources(2, name) is not None for name in NAMES] == [True] * len(NAMES)
    assert flat_sources(2, "unlisted") is None
    assert flat_sources(2, "a__b") == RecordSources(
        {("a__b",): ("a", "b")}, absent=frozenset({("a__b",)}), is_flat=True
    )
    sources = flat_sources(2, "a__c__d")
    assert sources is not None
    assert sources.absent == {("a__c__d",), ("a__c",), ("a", "c")}


def test_an_object_that_flattening_leaves_whole_need_not_be_absent() -> None:
    sources = flat_sources(1, "whole__name", "plain__name")
    assert sources is not None
    assert sources.absent == {("plain",)}


@pytest.mark.parametrize(
    ("flattened", "paths"),
    [
        ({"e": ("email",)}, [("e",)]),
        ({"_sdc_deleted_at": ("_sdc", "deleted_at"), "a": ("a",)}, [("a", "b")]),
        ({"__".join("abcdefg"): ("a", "b__c__d__e__f__g")}, [("__".join("abcdefg"),)]),
    ],
)
def test_names_that_flattening_shortens_or_could_make_in_many_ways_have_no_source(
    flattened: dict[str | int, tuple[str, ...]], paths: list[tuple[str, ...]]
) -> None:
    assert sources_of_flattened(flattened, "__", paths, MARK) is None


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"mail": "email"}, ({("mail",): ("email",)}, {"email"})),
        ({"mail": "email", "note": "id"}, ({("mail",): ("email",)}, {"email", "id"})),
        ({"mail": "email", "__else__": None}, ({("mail",): ("email",)}, {"email"})),
        ({"__alias__": "x"}, ({}, set())),
        ({"other": None}, ({}, set())),
        ({"mail": None}, None),
        ({"mail": "__NULL__"}, None),
        ({"__else__": None}, None),
        ({"__filter__": "id > 1"}, None),
        ({"__source__": "other"}, None),
        ({"note": "record"}, None),
        ({"note": "self"}, None),
        ({"note": "_"}, None),
        ({"note": "'text'"}, None),
        ({"note": "id + 1"}, None),
        ({"note": "str(id)"}, None),
        ({"note": "id; id"}, None),
        ({"note": "None"}, None),
        ({"note": "("}, None),
    ],
)
def test_only_renaming_keeping_and_removing_has_sources(entry: dict[str, Any], expected: Any) -> None:
    found = sources_of_renamed(entry, (), [("mail",)])
    assert found == (None if expected is None else RecordSources(expected[0], frozenset(expected[1])))
