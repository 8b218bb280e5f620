"""What the target knows about stream maps and flattening is what the SDK does."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from singer_sdk.mapper import PluginMapper

from target_sendgrid.singer.mapper import Mapper

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "id": {"type": "integer"},
        "email": {"type": "string"},
        "first": {"type": "string"},
        "home": {
            "type": ["null", "object"],
            "properties": {"city": {"type": "string"}, "zip__code": {"type": "string"}},
        },
        "work": {"anyOf": [{"type": "object", "properties": {"city": {"type": "string"}}}, {"type": "null"}]},
    },
}


def sdk_mapper(**config: Any) -> PluginMapper:
    return PluginMapper(config, logging.getLogger("mapper"))


def source_paths(stream_map: dict[str, Any], *names: str, **config: Any) -> set[tuple[str | int, ...]]:
    mapper = Mapper(sdk_mapper(stream_maps={"people": stream_map}, **config))
    return mapper.source_paths("people", SCHEMA, [(name,) for name in names])


_NAMES = st.sampled_from(["people", "peo*", "*", "companies", "comp?nies"])
_ENTRIES = st.sampled_from(
    [None, "__NULL__", {}, {"x": "email"}, {"__alias__": "'x'"}, {"__source__": "people"}, {"__source__": "c*"}]
)
_STREAM_MAPS = st.dictionaries(_NAMES, _ENTRIES, max_size=4)


@given(_STREAM_MAPS, st.sampled_from([{}, {"__else__": None}]), st.sampled_from(["people", "companies"]))
def test_the_streams_that_are_removed_are_those_that_the_sdk_removes(
    stream_maps: dict[str, Any], default: dict[str, Any], stream: str
) -> None:
    sdk = sdk_mapper(stream_maps=stream_maps | default)
    mapper = Mapper(sdk)
    made = mapper.output_maps(stream, SCHEMA, ["id"])
    if mapper.removes(stream):
        assert all(output_map.is_removal for output_map in made)
    if len(made) == 1:
        assert mapper.removes(stream) == made[0].is_removal
    if mapper.keeps_name(stream):
        assert {output_map.stream_map.stream_alias for output_map in made} == {stream}


@pytest.mark.parametrize(
    ("config", "is_same"),
    [
        ({}, True),
        ({"stream_maps": {"people": {}}}, False),
        ({"stream_maps": {"people": None}}, False),
        ({"flattening_enabled": True, "flattening_max_depth": 1}, False),
        ({"flattening_enabled": True, "flattening_max_depth": 0}, True),
        ({"flattening_enabled": False, "flattening_max_depth": 1}, True),
    ],
)
def test_only_a_stream_without_map_and_flattening_is_left_as_it_is(config: dict[str, Any], *, is_same: bool) -> None:
    (output_map,) = Mapper(sdk_mapper(**config)).output_maps("people", SCHEMA, ["id"])
    assert output_map.is_identity is is_same


def test_each_output_stream_goes_with_its_own_entry() -> None:
    stream_maps = {
        "p*": {"x": "'first'"},
        "copy": {"__source__": "people", "y": "'y'", "__else__": None},
        "people": {"x": "'last'"},
        "others": {"z": "'z'"},
    }
    own, copy = Mapper(sdk_mapper(stream_maps=stream_maps)).output_maps("people", SCHEMA, [])
    assert (own.stream_map.transform({}), own.says_of("x"), own.says_of("y")) == ({"x": "last"}, True, False)
    assert (copy.stream_map.stream_alias, copy.says_of("x"), copy.says_of("y")) == ("copy", False, True)
    assert "additionalProperties" not in own.schema(SCHEMA)
    assert copy.schema(SCHEMA)["additionalProperties"] is False


FLATTENING: dict[str, Any] = {"flattening_enabled": True, "flattening_max_depth": 2}
SHORTENED = FLATTENING | {"flattening_max_key_length": 5}


@pytest.mark.parametrize(
    ("paths", "found"),
    [
        (source_paths({}, "email"), {("email",)}),
        (source_paths({"mail": "email.lower()"}, "mail"), {("email",), ("mail",)}),
        (source_paths({"mail": "record['email']"}), {("record",), ("email",)}),
        (source_paths({"mail": "_.get('email', first)"}), {("_",), ("email",), ("first",)}),
        (source_paths({"mail": "'x'", "__filter__": "first != ''"}), {("x",), ("first",), ("",)}),
        (source_paths({"email": None}, "first"), {("first",)}),
        (source_paths({"mail": "((("}, "first"), {("first",)}),
        (source_paths({"mail": "config['email']"}, "none"), {("config",), ("email",), ("none",)}),
        (source_paths({}, "home__city", **FLATTENING), {("home", "city")}),
        (source_paths({}, "home__zip__code", **FLATTENING), {("home", "zip__code")}),
        (source_paths({}, "work__city", **FLATTENING), {("work", "city")}),
        (source_paths({}, "home", "home__none", **FLATTENING), {("home",), ("home__none",)}),
        (source_paths({}, "home.city", **FLATTENING, flattening_separator="."), {("home", "city")}),
        (source_paths({}, "home__city", **SHORTENED), {("home__city",)}),
        (source_paths({}, "hom__cit", "ema", **SHORTENED), {("home", "city"), ("email",)}),
        (source_paths({}, "hom__z_", **SHORTENED), {("home", "zip__code")}),
        (source_paths({}, "home__city"), {("home__city",)}),
    ],
)
def test_the_properties_that_results_are_made_of_are_found(paths: object, found: object) -> None:
    assert paths == found


_SCHEMAS: st.SearchStrategy[Any] = st.sampled_from(
    [{}, True, None, 7, {"type": "string"}, {"type": 7}, {"enum": ["a"]}, {"anyOf": [{}]}, {"anyOf": [True, None]},
     {"title": "t", "anyOf": [{"type": "array"}]}, {"properties": {"a": {}}}, {"type": ["object"], "properties": []},
     {"type": "object", "properties": {"a": {"oneOf": [{"properties": {"b": {}}}]}}}, {"$ref": "#"}]
)  # fmt: skip


@given(st.dictionaries(st.sampled_from(["a", "b", "c", "email"]), _SCHEMAS), st.sampled_from([{}, FLATTENING]))
def test_no_schema_of_a_property_is_too_odd_for_the_sdk(properties: dict[str, Any], flattening: dict[str, Any]) -> None:
    for maps in ({}, {"people": {"email": "email", "__else__": None}}, {"people": {"x": "a"}}):
        mapper = Mapper(sdk_mapper(stream_maps=maps, **flattening))
        (output_map,) = mapper.output_maps("people", {"properties": properties}, [])
        for name in output_map.stream_map.transformed_schema["properties"] if flattening and not maps else ():
            ((first, *_),) = mapper.source_paths("people", {"properties": properties}, [(name,)])
            assert first in properties
        output_map.stream_map.transform({"email": "x", "a": {"b": [1]}, "c": {"a": {"b": 1}}, "b": None})
