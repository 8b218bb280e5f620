"""The SDK's mapper, which applies the settings `stream_maps` and `flattening_enabled`, and what it makes of a stream.

The target must know which streams the mapper removes, before it looks at a schema, and which properties of the tap the
results are made of, because only those are validated.
"""

from __future__ import annotations

import ast
from fnmatch import fnmatch
from typing import TYPE_CHECKING, Any, NamedTuple

from singer_sdk.mapper import (
    MAPPER_ALIAS_OPTION,
    MAPPER_ELSE_OPTION,
    MAPPER_SOURCE_OPTION,
    NULL_STRING,
    RemoveRecordTransform,
    SameRecordTransform,
)

from target_sendgrid.errors import Code, ConfigError
from target_sendgrid.mapping.record_sources import UNCHANGED, RecordSources
from target_sendgrid.mapping.schemas import JSON_TYPES, branches_of, properties_of, types_of
from target_sendgrid.singer.map_sources import sources_of_flattened, sources_of_renamed
from target_sendgrid.singer.stream_map_errors import map_problem
from target_sendgrid.wording import is_near_miss, shown

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from singer_sdk.mapper import PluginMapper, StreamMap

    from target_sendgrid.mapping.schemas import Path

_PATH = "path"
"""Keyword of `_with_paths`."""


class OutputMap(NamedTuple):
    """How an output stream is made of a stream of the tap."""

    stream_map: StreamMap
    entry: object
    """The entry of the setting `stream_maps` for it; ``None`` without one."""

    @property
    def is_identity(self) -> bool:
        """Whether it leaves records as they are."""
        return isinstance(self.stream_map, SameRecordTransform) and not self.stream_map.flattening_enabled

    @property
    def is_removal(self) -> bool:
        """Whether it removes all records."""
        return isinstance(self.stream_map, RemoveRecordTransform)

    def schema(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the schema of the output stream.

        Args:
            schema: The tap's schema.
        """
        if self.is_identity:
            return schema
        made: dict[str, Any] = self.stream_map.transformed_schema
        is_complete = isinstance(self.entry, dict) and self.entry.get(MAPPER_ELSE_OPTION, "") in (None, NULL_STRING)
        return made | {"additionalProperties": False} if is_complete else made

    @property
    def guessed(self) -> set[str]:
        """The properties that come of expressions: the SDK gives them the type of the property that they replace."""
        if not isinstance(self.entry, dict):
            return set()
        options = self.stream_map.flattening_options
        separator = "" if options is None else options.separator
        starts = tuple(f"{name}{separator}" for name, rule in self.entry.items() if isinstance(rule, str))
        made = properties_of(self.stream_map.transformed_schema)
        return {name for name in made if name in self.entry or (separator and name.startswith(starts))}

    def sources(self, flattened: Mapping[str | int, Path], paths: Collection[Path], mark: str) -> RecordSources | None:
        """Return what mapped properties are made of, or ``None`` if only the stream map itself can tell.

        Args:
            flattened: Paths of the tap's properties by the names that flattening gives them.
            paths: Mapped properties of the output stream.
            mark: Property whose meaning must not change.
        """
        if self.is_identity:
            return UNCHANGED
        options = self.stream_map.flattening_options
        if isinstance(self.stream_map, SameRecordTransform) and options is not None:
            return sources_of_flattened(flattened, options.separator, paths, mark)
        if not isinstance(self.entry, dict) or self.stream_map.flattening_enabled or self.says_of(mark):
            return None
        return sources_of_renamed(self.entry, self.stream_map.transformed_key_properties or [], paths)

    def says_of(self, name: str) -> bool:
        """Return whether the setting says what becomes of a property."""
        return isinstance(self.entry, dict) and name in self.entry


class Mapper:
    """Knows what comes out of the streams of the tap.

    Args:
        mapper: The SDK's mapper.
    """

    def __init__(self, mapper: PluginMapper) -> None:
        self._mapper = mapper
        self._entries: Mapping[str, Any] = mapper.stream_maps_dict

    def output_maps(self, stream: str, schema: dict[str, Any], key_properties: Sequence[str]) -> list[OutputMap]:
        """Return how each output stream is made of a stream of the tap.

        Args:
            stream: Name of the stream in the tap's messages.
            schema: The tap's schema of the stream.
            key_properties: The tap's key properties of the stream.

        Raises:
            ConfigError: A stream map is wrong.
            RecursionError: The schema is nested too deeply.
        """
        try:
            self._mapper.register_raw_stream_schema(stream, _schema_to_map(schema, key_properties), key_properties)
        except RecursionError:
            raise
        except Exception as error:  # noqa: BLE001 - an expression for a name can raise anything
            raise ConfigError(map_problem(stream, error), code=Code.WRONG_STREAM_MAP) from None
        stream_maps = self._mapper.stream_maps[stream]
        if not all(_is_name(stream_map.stream_alias) for stream_map in stream_maps):
            message = (
                f"The `__alias__` of stream '{shown(stream)}' can't be used. It must give a name without control"
                " characters. Check the setting `stream_maps`."
            )
            raise ConfigError(message, code=Code.WRONG_STREAM_MAP)
        entries = list(self._entries_of(stream))
        own = next((entry for source, entry in reversed(entries) if source is None), None)
        copies = [entry for source, entry in entries if source is not None]
        return [OutputMap(*both) for both in zip(stream_maps, (own, *copies), strict=True)]

    def removes(self, stream: str) -> bool:
        """Return whether no record of a stream comes out of the stream maps."""
        is_removed = self._mapper.default_mapper_type is RemoveRecordTransform
        for source, entry in self._entries_of(stream):
            if source is not None:
                return False
            is_removed = entry is None or entry == NULL_STRING
        return is_removed

    def misspelt_entry(self, stream: str, came: Collection[str]) -> str | None:
        """Return the name in the setting `stream_maps` that may be meant for a stream without an entry, or ``None``.

        Args:
            stream: Name of the stream in the tap's messages.
            came: Streams that have come so far: their entries are not misspelt.
        """
        if any(True for _ in self._entries_of(stream)):
            return None
        names = (name for name in self._named_streams() if name not in came and not is_pattern(name))
        return next((name for name in names if is_near_miss(name, stream)), None)

    def unused_entries(self, came: Collection[str]) -> list[str]:
        """Return the names and patterns in the setting `stream_maps` that are for none of the streams that came."""
        return [name for name in self._named_streams() if name not in came and not any(fnmatch(s, name) for s in came)]

    def keeps_name(self, stream: str) -> bool:
        """Return whether all that comes out of a stream has the stream's own name."""
        return all(
            source is None and not (isinstance(entry, dict) and MAPPER_ALIAS_OPTION in entry)
            for source, entry in self._entries_of(stream)
        )

    def source_paths(self, stream: str, schema: Mapping[str, Any], paths: Iterable[Path]) -> set[Path]:
        """Return the properties of the tap's records that results are made of.

        Args:
            stream: Name of the stream in the tap's messages.
            schema: The tap's schema of the stream.
            paths: Properties of the results, after stream maps and flattening.

        Returns:
            Those that keep their name, whether the schema lists them or not, those that flattening renames, and all
            names and texts in expressions. Not all of them need be properties.
        """
        found: set[Path] = {(name,) for _, entry in self._entries_of(stream) for name in _names_in(entry)}
        flattened = self.flattened(schema)
        return found.union((*flattened.get(path[0], path[:1]), *path[1:]) for path in paths)

    def flattened(self, schema: Mapping[str, Any]) -> dict[str | int, Path]:
        """Return the paths of the tap's properties by the names that flattening gives them.

        The SDK flattens a schema in which each property carries its path.
        """
        options = self._mapper.flattening_options
        if not options.enabled or options.max_level < 1:
            return {}
        marked = _with_paths(_schema_to_map(schema), (), options.max_level)
        flattened = SameRecordTransform("", marked, None, options).transformed_schema
        return {name: part[_PATH] for name, part in flattened["properties"].items()}

    def _named_streams(self) -> Iterator[str]:
        """Yield the names and patterns of the tap's streams that the entries are for."""
        for key, entry in self._entries.items():
            yield str(entry.get(MAPPER_SOURCE_OPTION, key)) if isinstance(entry, dict) else key

    def _entries_of(self, stream: str) -> Iterator[tuple[str | None, Any]]:
        """Yield the entries for a stream, each with the stream that its `__source__` names, in the SDK's order."""
        for key, entry in self._entries.items():
            source = entry.get(MAPPER_SOURCE_OPTION) if isinstance(entry, dict) else None
            pattern = key if source is None else source
            if stream == pattern or fnmatch(stream, str(pattern)):
                yield source, entry


def is_pattern(name: str) -> bool:
    """Return whether a name in the setting `stream_maps` may be for several streams."""
    return any(char in name for char in "*?[")


def _is_name(alias: object) -> bool:
    return isinstance(alias, str) and alias.isprintable()


def _schema_to_map(schema: Mapping[str, Any], key_properties: Iterable[str] = ()) -> dict[str, Any]:
    """Return a schema in the form that the SDK's stream maps and flattening expect.

    The SDK fails on a schema without ``properties`` or a key property in them, and flattens by the ``type`` and the
    ``properties`` of a property itself, which some taps write into branches of ``anyOf`` or leave out.

    Raises:
        RecursionError: The schema is nested too deeply.
    """
    listed: dict[str, Any] = {**properties_of(schema)}
    for key in key_properties:
        listed.setdefault(key, {})
    return {**schema, "properties": {name: _with_type(inner) for name, inner in listed.items()}}


def _with_type(schema: object) -> dict[str, Any]:
    if not isinstance(schema, dict):
        return {"type": list(JSON_TYPES)}
    branches = branches_of(schema)
    inner: dict[str, Any] = {}
    for branch in reversed(branches):
        inner |= properties_of(branch)
    json_types = types_of(schema) or set().union(*map(types_of, branches)) or JSON_TYPES
    if not inner:
        return {keyword: value for keyword, value in schema.items() if keyword != "properties"} | {
            "type": sorted(json_types)
        }
    return _schema_to_map({**schema, "type": sorted({"object", *json_types}), "properties": inner})


def _names_in(entry: object) -> Iterator[str]:
    """Yield all names and texts in the expressions of a stream map."""
    if not isinstance(entry, dict):
        return
    for expression in entry.values():
        if not isinstance(expression, str):
            continue
        try:
            tree = ast.parse(expression)
        except (SyntaxError, ValueError, RecursionError):  # the SDK refuses it with an error of its own
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Name):
                yield node.id
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


def _with_paths(schema: Mapping[str, Any], path: tuple[str, ...], depth: int) -> dict[str, Any]:
    """Return a schema that says of each property only its path, and of those that flattening opens their properties.

    Args:
        schema: What `_schema_to_map` has returned, or a part of it.
        path: Path of the schema.
        depth: How many more levels flattening opens.
    """
    if "properties" not in schema or depth < 0:
        return {"type": "string", _PATH: path}
    properties = {name: _with_paths(inner, (*path, name), depth - 1) for name, inner in schema["properties"].items()}
    return {"type": "object", "properties": properties}
