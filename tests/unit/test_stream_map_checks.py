"""What can be wrong with the setting `stream_maps` is found before anything is read, and no expression is quoted."""

from __future__ import annotations

import copy
import logging
from typing import Any

import pytest
from singer_sdk.mapper import PluginMapper

from target_sendgrid.errors import ConfigError
from target_sendgrid.settings.schema import CONFIG_SCHEMA
from target_sendgrid.settings.settings import Settings
from target_sendgrid.settings.stream_map_checks import stream_map_problems
from tools.docs import all_settings

MARKER = "zaphod"
SCHEMA = {"type": "object", "properties": {"id": {"type": "integer"}, "email": {"type": "string"}}}


def problems_of(**stream_maps: Any) -> list[str]:
    return [*stream_map_problems(stream_maps)]


def register(stream_maps: Any) -> PluginMapper:
    """Let the SDK read stream maps and the schema of the stream 'people'."""
    mapper = PluginMapper({"stream_maps": copy.deepcopy(stream_maps)}, logging.getLogger("mapper"))
    mapper.register_raw_stream_schema("people", copy.deepcopy(SCHEMA), ["id"])
    return mapper


EXPRESSION = "is not an expression. Texts need quotes of their own, such as \"'text'\"."
NULL = "must be null, or left out."
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"__else__": "email"}, f"`stream_maps.__else__` {NULL}"),
    ({"__else__": {}}, f"`stream_maps.__else__` {NULL}"),
    ({"__esle__": None}, "`stream_maps.__esle__` is not known: of names with two underscores in front, "),
    ({"people": "email"}, "`stream_maps.people` must be a JSON object, or null to leave out the stream."),
    ({"people": 7}, "`stream_maps.people` must be a JSON object, or null to leave out the stream."),
    ({"people": ["email"]}, "`stream_maps.people` must be a JSON object, or null to leave out the stream."),
    ({"people": {"__else__": "email"}}, f"`stream_maps.people.__else__` {NULL}"),
    ({"people": {"__else__": []}}, f"`stream_maps.people.__else__` {NULL}"),
    (
        {"people": {"__key_properties__": 7}},
        "`stream_maps.people.__key_properties__` must be an array of names, or null.",
    ),
    ({"people": {"__key_properties__": "id"}}, "`stream_maps.people.__key_properties__` must be an array of names, or"),
    ({"people": {"__key_properties__": [["id"]]}}, "`stream_maps.people.__key_properties__` must be an array of names"),
    ({"people": {"__filter__": f"'{MARKER}"}}, f"`stream_maps.people.__filter__` {EXPRESSION}"),
    ({"people": {"__filter__": ""}}, f"`stream_maps.people.__filter__` {EXPRESSION}"),
    ({"people": {"__filter__": True}}, f"`stream_maps.people.__filter__` {EXPRESSION}"),
    ({"people": {"__alias__": f"{MARKER} x"}}, f"`stream_maps.people.__alias__` {EXPRESSION}"),
    ({"people": {"__alias__": 7}}, f"`stream_maps.people.__alias__` {EXPRESSION}"),
    ({"people": {"__source__": 7}}, "`stream_maps.people.__source__` must be the name of a stream."),
    ({"people": {"email": f"{MARKER}("}}, f"`stream_maps.people.email` {EXPRESSION}"),
    ({"people": {"email": ""}}, f"`stream_maps.people.email` {EXPRESSION}"),
    ({"people": {"email": " email"}}, f"`stream_maps.people.email` {EXPRESSION}"),
    ({"people": {"email": "email\x00"}}, f"`stream_maps.people.email` {EXPRESSION}"),
    ({"people": {"email": 7}}, f"`stream_maps.people.email` {EXPRESSION}"),
    ({"people": {"email": False}}, f"`stream_maps.people.email` {EXPRESSION}"),
    ({"people": {"email": ["email"]}}, f"`stream_maps.people.email` {EXPRESSION}"),
    ({"people": {"email": {"a": "email"}}}, f"`stream_maps.people.email` {EXPRESSION}"),
]


@pytest.mark.parametrize(("stream_maps", "problem"), WRONG)
def test_what_the_sdk_refuses_is_named_without_its_value(stream_maps: dict[str, Any], problem: str) -> None:
    with pytest.raises(Exception):  # noqa: B017, PT011 - the SDK raises errors of many classes
        register(stream_maps)
    (found,) = problems_of(**stream_maps)
    assert found.startswith(f"The setting {problem}")
    assert MARKER not in found


@pytest.mark.parametrize(("stream_maps", "problem"), WRONG)
def test_it_is_a_problem_of_the_config(stream_maps: dict[str, Any], problem: str) -> None:
    config = {"api_url": "sandbox", "list_name": "News", "stream_maps": stream_maps}
    with pytest.raises(ConfigError) as caught:
        Settings.from_config(config, CONFIG_SCHEMA | {"properties": all_settings()})
    (found,) = caught.value.problems
    assert found.startswith(f"The setting {problem}")


@pytest.mark.parametrize("expression", ["x = 1", "import os", "pass"])
def test_a_statement_is_no_expression_although_the_sdk_finds_out_only_with_a_record(expression: str) -> None:
    (found,) = problems_of(people={"email": expression})
    assert found == f"The setting `stream_maps.people.email` {EXPRESSION}"
    stream_map = register({"people": {"email": expression}}).stream_maps["people"][0]
    with pytest.raises(Exception, match="Unexpected mapping type"):
        stream_map.transform({"id": 1})


@pytest.mark.parametrize(
    "stream_maps",
    [
        {}, {"__else__": None}, {"__else__": "__NULL__"}, {"people": None}, {"people": "__NULL__"}, {"people": {}},
        {"people": {"email": "email.lower()", "note": None, "tag": "__NULL__", "text": "'a b'", "n": "1 + 2"}},
        {"people": {"__filter__": "id > 1"}}, {"people": {"__filter__": None}},
        {"people": {"__else__": None, "id": "id"}}, {"people": {"__else__": "__NULL__", "__key_properties__": None}},
        {"people": {"__key_properties__": ["email"]}}, {"people": {"__key_properties__": []}},
        {"people": {"__alias__": "customers"}}, {"people": {"__alias__": " customers"}},
        {"people": {"__alias__": "crm-people"}}, {"people": {"__alias__": "'crm ' + __stream_name__"}},
        {"customers": {"__source__": "people"}}, {"p*": {"email": "email"}}, {"others": {"__else__": None}},
    ],
)  # fmt: skip
def test_what_the_sdk_takes_is_no_problem(stream_maps: dict[str, Any]) -> None:
    assert problems_of(**stream_maps) == []
    register(stream_maps)


def test_all_problems_are_named_at_once_with_invisible_characters_shown() -> None:
    found = problems_of(**{"a\u200b": {"b\ufeff": "(", "c": 7, "__source__": None}, "__x__": None})
    assert [problem.split("`")[1] for problem in found] == [
        "stream_maps.a\\u200b.b\\ufeff",
        "stream_maps.a\\u200b.c",
        "stream_maps.a\\u200b.__source__",
        "stream_maps.__x__",
    ]
