"""Routes: which output streams the records of each of the tap's streams go to. They change with SCHEMA messages."""

from __future__ import annotations

import hashlib
import logging
from typing import TYPE_CHECKING, Any, Protocol

from target_sendgrid.errors import Code, ConfigError, InputError
from target_sendgrid.singer.drafts import translate
from target_sendgrid.singer.fast_decoder import FastDecoder
from target_sendgrid.singer.mapper import Mapper, is_pattern
from target_sendgrid.singer.projection import project
from target_sendgrid.singer.schema_problems import invalid_schema, schema_problem
from target_sendgrid.singer.source_stream import DELETED_AT, SourceStream, StreamRoute
from target_sendgrid.wording import misspelt_stream, unused_entry

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from singer_sdk.mapper import PluginMapper, StreamMap

    from target_sendgrid.mapping.fast_path import FastPath
    from target_sendgrid.mapping.record_sources import RecordSources
    from target_sendgrid.mapping.schemas import Path
    from target_sendgrid.output_streams import StreamPlan
    from target_sendgrid.report.report import StreamReport
    from target_sendgrid.run import Run
    from target_sendgrid.singer.mapper import OutputMap
    from target_sendgrid.singer.record_check import RecordCheck
    from target_sendgrid.singer.sink import SendGridSink

log = logging.getLogger("target-sendgrid.singer")


class SdkStreams(Protocol):
    """The streams as the SDK knows them; the target provides them."""

    mapper: PluginMapper
    """Applies the stream maps."""

    def sink_for(self, stream_map: StreamMap) -> SendGridSink:
        """Return the sink for what comes out of a stream map."""


class RouteTable:
    """The streams of the tap.

    Args:
        run: The run that takes the records.
        sdk: The SDK's streams.
    """

    def __init__(self, run: Run, sdk: SdkStreams) -> None:
        self._run = run
        self._sdk = sdk
        self._mapper = Mapper(sdk.mapper)
        self._streams: dict[str, SourceStream] = {}
        self._schema_digests: dict[str, bytes] = {}
        """Digest of the last SCHEMA message of each stream."""
        self._schemas: dict[str, tuple[dict[str, Any], list[str]]] = {}
        """The last schema and the key properties of each stream."""
        self.fast_decoder = FastDecoder()
        """Decodes the records of the streams."""

    def of(self, name: str) -> SourceStream | None:
        """Return a stream; ``None`` before its SCHEMA message, which one that is ignored does not need."""
        return self._streams.get(name) or self.ignored(name)

    def ignored(self, name: str) -> SourceStream | None:
        """Return a stream of which nothing is sent, whatever its schema is; ``None`` for all others."""
        known = self._streams.get(name)
        if known is not None:
            return known if known.is_ignored else None
        is_removed = self._mapper.removes(name)
        if not is_removed and (self._run.streams.is_enabled(name) or not self._mapper.keeps_name(name)):
            return None
        if name.isprintable():
            why = "is removed by `stream_maps`" if is_removed else "is not enabled"
            log.info("Stream '%s' %s: its records are counted and not sent.", name, why)
        stream = SourceStream(self._run, name, ignored=[self._run.report.stream(name)])
        self._streams[name] = stream
        self._run.mirrors.note_tap_stream(name)
        if name.isprintable():
            self.fast_decoder.add(stream)
        return stream

    def register_schema(self, name: str, schema: dict[str, Any], key_properties: list[str], line: bytes) -> None:
        """Make the routes of a stream, unless its SCHEMA message only repeats the last one.

        Args:
            name: Name of the stream.
            schema: The tap's schema: a JSON object, which may be an invalid schema.
            key_properties: Properties that every record must have.
            line: The line of the message.

        Raises:
            ConfigError: The name, the stream map, the field mapping or the list of the stream is wrong.
            InputError: The schema is invalid where it matters.
            RecursionError: The schema is nested too deeply.
        """
        line = line.strip()
        digest = hashlib.sha256(line).digest()
        if self._schema_digests.get(name) == digest:
            return  # some taps repeat the SCHEMA message before every part of their records
        self._check_name(name)
        self._run.mirrors.note_tap_stream(name)
        schema = translate(schema)
        self.count_metrics()  # of sinks that may be replaced now
        if self._schemas.get(name) != (schema, key_properties):
            self.fast_decoder.remove(name)
            self._streams[name] = self._open(name, schema, key_properties)
            self.fast_decoder.add(self._streams[name])
            self._schemas[name] = (schema, key_properties)
        self._schema_digests[name] = digest
        for route in self._streams[name].routes:
            self._run.keep_schema(route.stream.name, line)

    def plan(self, name: str, schema: dict[str, Any], key_properties: list[str]) -> list[tuple[OutputMap, StreamPlan]]:
        """Check all that `register_schema` checks, and return the plans of the output streams, each with its map.

        Nothing is created.

        Args:
            name: Name of the stream.
            schema: The tap's schema, as of `register_schema`.
            key_properties: Properties that every record must have.

        Raises:
            ConfigError: The stream map, the field mapping or the list of the stream is wrong.
            InputError: The schema is invalid where it matters.
            RecursionError: The schema is nested too deeply.
        """
        schema = translate(schema)
        _, planned = self._planned(name, schema, self._mapper.output_maps(name, schema, key_properties))
        if planned:
            self._check(name, schema, key_properties, self._needed(name, schema, key_properties, planned))
        return planned

    def count_metrics(self) -> None:
        """Report the counts of received records to the SDK's metrics."""
        for stream in self._streams.values():
            for route in stream.routes:
                route.sink.count_metrics(route.stream.counts.received)

    def review_fast_paths(self) -> None:
        """Let streams leave the fast path for a while if most of their records miss it."""
        for stream in self._streams.values():
            if stream.fast is not None and stream.fast.review(stream.next_number - 1):
                self.fast_decoder.add(stream)

    def warn_of_unused_entries(self) -> None:
        """Name the entries of `stream_maps` for which no stream came, once the input has ended."""
        for name in self._mapper.unused_entries(self._streams):
            log.warning("%s", unused_entry(name, "stream_maps", is_pattern=is_pattern(name)))

    def _check_name(self, name: str) -> None:
        """Check that the name of a stream is not misspelt in `stream_maps`, so that it would be sent unchanged.

        Raises:
            ConfigError: It is likely to be.
        """
        misspelt = self._mapper.misspelt_entry(name, self._streams)
        if misspelt is not None and not self._run.streams.has_entry(name):
            raise ConfigError(misspelt_stream(name, "stream_maps", misspelt))

    def _open(self, name: str, schema: dict[str, Any], key_properties: list[str]) -> SourceStream:
        """Open the output streams of a stream.

        All that can be wrong with the schema and the settings is checked before a list or a field is created.
        """
        output_maps = self._mapper.output_maps(name, schema, key_properties)
        ignored, planned = self._planned(name, schema, output_maps)
        if not planned:
            return SourceStream(self._run, name, ignored=ignored)
        needed = self._needed(name, schema, key_properties, planned)
        check = self._check(name, schema, key_properties, needed)
        routes = [
            StreamRoute(
                stream=self._run.streams.open(plan, key_properties),
                sink=self._sdk.sink_for(output_map.stream_map),
                transform=None if output_map.is_identity else output_map.stream_map.transform,
                sets_mark=output_map.says_of(DELETED_AT),
            )
            for output_map, plan in planned
        ]
        for route in routes:
            self._run.mirrors.open(route.stream, name)
            route.sink.count_metrics(route.stream.counts.received)
        fast = None
        if len(output_maps) == 1 and not routes[0].stream.removes_all:
            output_map, plan = planned[0]
            sources = output_map.sources(self._mapper.flattened(schema), plan.paths, DELETED_AT)
            fast = None if sources is None else _fast_path(routes[0], check, key_properties, sources)
        return SourceStream(self._run, name, routes=routes, ignored=ignored, check=check, needed=needed, fast=fast)

    def _planned(
        self, name: str, schema: dict[str, Any], output_maps: Sequence[OutputMap]
    ) -> tuple[list[StreamReport], list[tuple[OutputMap, StreamPlan]]]:
        """Return the counts of the output streams of which nothing is sent, and the plans of all others."""
        ignored, planned = [], []
        for output_map in output_maps:
            alias = output_map.stream_map.stream_alias
            if output_map.is_removal or not self._run.streams.is_enabled(alias):
                log.info("Stream '%s': nothing of it is sent to stream '%s'.", name, alias)
                ignored.append(self._run.report.stream(alias))
            else:
                plan = self._run.streams.plan(alias, output_map.schema(schema), output_map.guessed)
                planned.append((output_map, plan))
        return ignored, planned

    def _needed(
        self,
        name: str,
        schema: Mapping[str, Any],
        key_properties: Sequence[str],
        planned: Sequence[tuple[OutputMap, StreamPlan]],
    ) -> set[Path] | None:
        """Return the properties that are validated; ``None`` if all are."""
        if self._run.validates_all:
            return None
        needed: set[Path] = {(DELETED_AT,), *((key,) for key in key_properties)}
        for output_map, plan in planned:
            paths = plan.paths
            needed |= set(paths) if output_map.is_identity else self._mapper.source_paths(name, schema, paths)
        return needed

    def _check(
        self, name: str, schema: dict[str, Any], key_properties: Sequence[str], needed: set[Path] | None
    ) -> RecordCheck:
        from target_sendgrid.singer.record_check import RecordCheck  # noqa: PLC0415 - only records need a validator

        schema = schema if needed is None else project(schema, needed)
        problem = schema_problem(schema)
        if problem is None:
            return RecordCheck(schema, key_properties, self._run.on_idle, validates=self._run.validates)
        if self._run.validates:
            raise InputError(invalid_schema(name, problem), code=Code.WRONG_SCHEMA)
        return RecordCheck({}, key_properties, self._run.on_idle, validates=False)


def _fast_path(
    route: StreamRoute, check: RecordCheck, key_properties: Sequence[str], sources: RecordSources
) -> FastPath | None:
    """Return the fast path of a stream with one route, or ``None`` if all its records have to take the slow path.

    Rows that are deleted at the source have to take it: they are not validated.
    """
    from target_sendgrid.mapping.fast_path import RulePaths, fast_path_for  # noqa: PLC0415 - only records need it

    required = sources.required | set(key_properties)
    sources = sources._replace(required=required, nulls=frozenset({DELETED_AT}))
    stream = route.stream
    rules = RulePaths(stream.list_path, stream.membership_path, stream.subscription_path)
    if check.validates:
        return fast_path_for(check.schema, stream.mapping, check.value_check, sources, rules)
    return fast_path_for(check.schema, stream.mapping, None, sources, rules) or fast_path_for(
        {}, stream.mapping, None, sources, rules
    )
