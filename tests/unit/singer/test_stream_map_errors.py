"""The SDK's errors about stream maps as sentences, which name properties and quote no expression and no value."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from singer_sdk.mapper import PluginMapper

from target_sendgrid.singer.stream_map_errors import map_failure, map_problem

MARKER = "zaphod"
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "id": {"type": "integer"},
        "email": {"type": "string"},
        "home": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}
RECORD = {"id": 1, "email": MARKER, "home": {"city": MARKER}}


def registered(stream_map: Any, schema: dict[str, Any] = SCHEMA, **config: Any) -> PluginMapper:
    mapper = PluginMapper({"stream_maps": {"people": stream_map}} | config, logging.getLogger("mapper"))
    mapper.register_raw_stream_schema("people", schema, ["id"])
    return mapper


def problem_with(stream_map: Any, schema: dict[str, Any] = SCHEMA, **config: Any) -> str:
    with pytest.raises(Exception) as caught:  # noqa: PT011 - the SDK raises errors of many classes
        registered(stream_map, schema, **config)
    return map_problem("people", caught.value)


def failure_of(expressions: dict[str, Any], **record: Any) -> str:
    with pytest.raises(Exception) as caught:  # noqa: PT011 - an expression can raise anything
        registered(expressions).stream_maps["people"][0].transform(RECORD | record)
    return map_failure(caught.value)


class TestSchema:
    @pytest.mark.parametrize(
        "stream_map",
        [
            {"email": "email", "__else__": None},
            {"id": None},
            {"id": "__NULL__"},
            {"email": f"'{MARKER}'", "id": None},
            {"email": "email", "__else__": None, "__key_properties__": ["id"]},
        ],
    )
    def test_a_key_property_that_is_gone_is_named_with_what_to_do(self, stream_map: dict[str, Any]) -> None:
        assert problem_with(stream_map) == (
            "The stream map of stream 'people' leaves out its key property 'id'. Add `\"id\": \"id\"` to it, or set its"
            " `__key_properties__` to other properties, or to null for none."
        )

    def test_a_key_property_that_no_stream_map_names_is_gone(self) -> None:
        problem = problem_with({"__key_properties__": ["email", "mail\u200b"]})
        assert "leaves out its key property 'mail\\u200b'. Add" in problem

    def test_a_key_property_is_named_that_flattening_would_split(self) -> None:
        flattening: dict[str, Any] = {"flattening_enabled": True, "flattening_max_depth": 1}
        assert "key property 'home.city'" in problem_with({"__key_properties__": ["home.city"]}, **flattening)

    def test_names_that_flattening_makes_the_same_are_a_problem(self) -> None:
        schema = {"type": "object", "properties": SCHEMA["properties"] | {"home__city": {"type": "string"}}}
        flattening: dict[str, Any] = {"flattening_enabled": True, "flattening_max_depth": 1}
        assert problem_with(None, schema, **flattening) == (
            "Flattening gives properties of stream 'people' the same name. Set `flattening_separator` to other"
            " characters, or remove one of them with the tap's catalog."
        )

    @pytest.mark.parametrize("error", [ValueError(MARKER), KeyError(MARKER), TypeError(MARKER)])
    def test_any_other_error_is_named_by_its_class(self, error: Exception) -> None:
        assert map_problem("pe\u200bople", error) == (
            f"The stream map of stream 'pe\\u200bople' can't be used ({type(error).__name__}). Check the setting"
            " `stream_maps`."
        )

    def test_the_property_of_a_broken_expression_is_named(self) -> None:
        problem = problem_with({"home": "home", "email": f"'{MARKER}"})
        assert problem == (
            "The stream map of stream 'people' can't be used for property 'email' (MapExpressionError). Check the"
            " setting `stream_maps`."
        )


class TestRecord:
    @pytest.mark.parametrize(
        ("expression", "why"),
        [
            ("email + 1", "TypeError"),
            ("email.nothing()", "MapExpressionError"),
            ("home['zaphod']", "KeyError"),
            ("int(email)", "ValueError"),
            ("1 / 0", "ZeroDivisionError"),
            (f"'{MARKER}' in 7", "TypeError"),
        ],
    )
    def test_the_property_is_named(self, expression: str, why: str) -> None:
        failure = failure_of({"id": "id", "email": expression})
        assert failure == f"The stream map's expression for property 'email' failed on the record ({why})."

    def test_a_name_that_the_record_lacks_is_named(self) -> None:
        assert failure_of({"mail\ufeff": "emial.lower()"}) == (
            "The stream map's expression for property 'mail\\ufeff' names 'emial', which the record lacks."
        )

    def test_the_filter_is_named(self) -> None:
        assert failure_of({"__filter__": "email > 1"}) == (
            "The stream map's expression for `__filter__` failed on the record (TypeError)."
        )

    def test_an_error_without_an_expression_is_named_by_its_class(self) -> None:
        assert map_failure(ValueError(MARKER)) == "A stream map or flattening failed on the record (ValueError)."
