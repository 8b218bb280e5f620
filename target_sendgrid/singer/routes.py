"""Routes: which sinks the records of each stream go to. They change with the stream's SCHEMA messages."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
from singer_sdk.exceptions import MappingError
from singer_sdk.mapper import SameRecordTransform

from target_sendgrid.errors import ConfigError, Reason, RecordRejectedError
from target_sendgrid.report.report import Bucket
from target_sendgrid.singer.decoding import DECODE_ERRORS
from target_sendgrid.singer.fast_decoder import FastDecoder
from target_sendgrid.singer.stream_maps import map_failure, map_problem

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from singer_sdk.mapper import StreamMap

    from target_sendgrid.mapping.fast_path import FastPath
    from target_sendgrid.origin import Origin
    from target_sendgrid.run import Run, Stream
    from target_sendgrid.singer.sink import SendGridSink


class SdkStreams(Protocol):
    """The streams as the SDK knows them; the target provides them."""

    def stream_maps(self, stream: str) -> Sequence[StreamMap] | None:
        """Return the stream maps of a stream; ``None`` before its SCHEMA message."""

    def sink(self, stream: str) -> SendGridSink:
        """Return the sink of an output stream."""


class StreamRoute(msgspec.Struct, frozen=True, eq=False):
    """How the records of one stream reach one output stream. It is valid until the stream's SCHEMA changes."""

    alias: str
    """Name of the output stream."""
    transform: Callable[[dict[str, Any]], dict[str, Any] | None] | None
    """The stream map; ``None`` where it leaves records as they are."""
    run: Run
    sink: SendGridSink
    stream: Stream
    """The output stream."""
    fast: FastPath | None
    """Set where the route is the only one of its stream, has no transform, and the schema allows a fast path."""

    def accept(self, record: dict[str, Any], origin: Origin) -> None:
        """Send a record through the stream map to the sink."""
        self.stream.counts.received += 1
        if self.transform is None:
            self.sink.take(self.stream, record, origin)
            return
        if self.alias != origin.stream:
            origin = msgspec.structs.replace(origin, stream=self.alias)
        try:
            transformed = self.transform(dict(record))
        except Exception as error:  # noqa: BLE001 - an expression can raise anything, and its text may quote a value
            self.run.reject(origin, RecordRejectedError(Reason.STREAM_MAP_FAILED, map_failure(error)))
            return
        if transformed is None:
            self.stream.counts.buckets[Bucket.IGNORED] += 1
            return
        self.sink.take(self.stream, transformed, origin)

    def accept_line(self, line: bytes, origin: Origin) -> bool:
        """Send a record that is alone in a line along the fast path.

        Returns:
            Whether that was possible. If not, the record still has to be decoded and accepted.
        """
        fast = self.fast
        if fast is None:
            return False
        try:
            record = fast.decode(line)
            if not line.isascii():
                line.decode()  # values that are not decoded are not checked for valid UTF-8
        except DECODE_ERRORS:
            return False
        made = fast.contact(record)
        if made is None:
            return False
        self.stream.counts.received += 1
        self.run.take(self.stream, *made, origin)
        return True


class RouteTable:
    """The routes of all streams.

    Args:
        run: The run that takes the records.
        sdk: The SDK's streams.
        register: The SDK's handler of SCHEMA messages, which makes stream maps and sinks.
    """

    def __init__(self, run: Run, sdk: SdkStreams, register: Callable[[dict[str, Any]], None]) -> None:
        self._run = run
        self._sdk = sdk
        self._register = register
        self._routes: dict[str, list[StreamRoute]] = {}
        self._schema_digests: dict[str, bytes] = {}
        """Digest of the last SCHEMA message of each stream."""
        self._open: dict[str, tuple[SendGridSink, Stream]] = {}
        """The present sink of each output stream, with the stream that was opened for it."""
        self.fast_decoder = FastDecoder()
        """Decodes the records of the streams that have a fast path."""

    def of(self, stream: str) -> Sequence[StreamRoute] | None:
        """Return the routes of a stream; ``None`` before its SCHEMA message."""
        return self._routes.get(stream)

    def register_schema(self, message: dict[str, Any], line: bytes) -> None:
        """Make the routes of a stream, unless the SCHEMA message only repeats the last one.

        Args:
            message: A SCHEMA message of the right form.
            line: The line that holds it.

        Raises:
            ConfigError: The stream map, the field mapping or the list of the stream is wrong.
            InputError: The schema is not a valid JSON schema.
            RecursionError: The schema is nested too deeply.
        """
        stream: str = message["stream"]
        line = line.strip()
        digest = hashlib.sha256(line).digest()
        if self._schema_digests.get(stream) == digest:
            return  # some taps repeat the SCHEMA message before every part of their records
        self._schema_digests[stream] = digest
        self.count_metrics()  # of sinks that may be replaced now
        before = self._sdk.stream_maps(stream)
        try:
            self._register(message)
        except (MappingError, ValueError) as error:
            raise ConfigError(map_problem(stream, error)) from None
        stream_maps = self._sdk.stream_maps(stream)
        for stream_map in stream_maps or ():
            self._run.keep_schema(stream_map.stream_alias, line)
        if stream_maps is not before or stream not in self._routes:
            self._set_routes(stream, stream_maps or ())

    def count_metrics(self) -> None:
        """Report the counts of received records to the SDK's metrics."""
        for routes in self._routes.values():
            for route in routes:
                route.sink.count_metrics(route.stream.counts.received)

    def _set_routes(self, name: str, stream_maps: Sequence[StreamMap]) -> None:
        # Sinks are looked up now, since a later SCHEMA message of another stream can replace the sink of an alias.
        self.fast_decoder.remove(name)
        can_be_fast = len(stream_maps) == 1
        self._routes[name] = routes = [self._route(stream_map, can_be_fast=can_be_fast) for stream_map in stream_maps]
        for route in routes:
            if route.fast is not None:
                self.fast_decoder.add(name, route.stream, route.fast)

    def _route(self, stream_map: StreamMap, *, can_be_fast: bool) -> StreamRoute:
        alias = stream_map.stream_alias
        sink = self._sdk.sink(alias)
        stream = self._opened(alias, sink)
        is_identity = type(stream_map) is SameRecordTransform and not stream_map.flattening_enabled
        return StreamRoute(
            alias=alias,
            transform=None if is_identity else stream_map.transform,
            run=self._run,
            sink=sink,
            stream=stream,
            fast=sink.make_fast_path(stream) if is_identity and can_be_fast else None,
        )

    def _opened(self, alias: str, sink: SendGridSink) -> Stream:
        """Return the opened stream of a sink.

        It is opened only once all sinks of a SCHEMA message are made: an invalid schema must not create a list.
        """
        known = self._open.get(alias)
        if known is not None and known[0] is sink:
            return known[1]
        stream = sink.open_stream()
        sink.count_metrics(stream.counts.received)
        self._open[alias] = (sink, stream)
        return stream
