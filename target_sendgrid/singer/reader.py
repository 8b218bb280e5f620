"""Singer lines → messages → records. Takes the whole line loop from the SDK, by public names only.

The SDK's own loop costs several times as much per record, and its error messages quote lines. Here a line is decoded
once, and an error names the line's number and what was expected. Records go to their sinks; those that are read as
their stream's type go to the run at once, and need of their sink that it is open and knows the type.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections import Counter
from decimal import Decimal
from typing import IO, TYPE_CHECKING, Any, Literal, NamedTuple, NoReturn, Protocol, Union

import msgspec
from singer_sdk.exceptions import MappingError
from singer_sdk.io_base import GenericSingerReader
from singer_sdk.mapper import SameRecordTransform

from target_sendgrid.errors import ConfigError, InputError, Reason, RecordRejectedError
from target_sendgrid.origin import Origin
from target_sendgrid.report.report import Bucket
from target_sendgrid.singer.batch_files import batch_file_chunks
from target_sendgrid.singer.lines import MAX_LINE_BYTES, chunks, split_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from singer_sdk.mapper import StreamMap

    from target_sendgrid.mapping.fast_path import FastPath
    from target_sendgrid.report.report import StreamReport
    from target_sendgrid.run import Run, Stream
    from target_sendgrid.singer.sink import SendGridSink

_KNOWN_TYPES = "RECORD, SCHEMA, STATE, BATCH or ACTIVATE_VERSION"

_DECODE_ERRORS = (msgspec.DecodeError, UnicodeError, RecursionError, ArithmeticError)

_MAX_FAST_STREAMS = 100
"""So many streams at most are read the quick way: each new one makes what reads them anew."""

_RECORD_START = re.compile(rb'\s*{\s*"type"\s*:\s*"RECORD"\s*,\s*"stream"\s*:\s*("(?:[^"\\]|\\.){0,1000}")')
"""How a RECORD message begins, as taps write it: enough to tell one that is too long or too deep to be read."""


class _NoMessage(msgspec.Struct, tag_field="stream", tag="\0"):
    """No message at all: control characters stand in no stream's name."""


class _StateMessage(msgspec.Struct):
    """A STATE message whose value stays as the tap wrote it."""

    value: msgspec.Raw


class _Route(NamedTuple):
    """Where records of a stream go, for as long as its SCHEMA holds: one for each stream that its map makes of it."""

    alias: str
    transform: Callable[[dict[str, Any]], dict[str, Any] | None] | None
    """``None`` where records pass as they are."""
    sink: SendGridSink
    counts: StreamReport


class _Typed(NamedTuple):
    """Where records of a stream go that are read as its type."""

    stream: Stream
    mapping: FastPath


class Destination(Protocol):
    """What the reader feeds: the target."""

    @property
    def run(self) -> Run:
        """The run that records belong to."""

    def stream_maps(self, stream: str) -> Sequence[StreamMap] | None:
        """Return the stream maps of a stream; ``None`` before its SCHEMA."""

    def sink(self, stream: str) -> SendGridSink:
        """Return the sink of a stream."""

    def on_idle(self) -> None:
        """Do what there is to do besides reading. May raise to end the run."""


class RecordReader(GenericSingerReader[bytes]):
    """Reads Singer messages and hands their content over."""

    def __init__(self) -> None:
        super().__init__()
        self.destination: Destination
        self._decode = msgspec.json.Decoder(float_hook=Decimal).decode
        self._state_decoder = msgspec.json.Decoder(_StateMessage)
        self._routes: dict[str, list[_Route]] = {}
        self._messages = _Messages()
        self._schema_digests: dict[str, bytes] = {}
        """Of the last SCHEMA of each stream."""

    @property
    def default_input(self) -> IO[bytes]:
        """Standard input, as bytes.

        Raises:
            InputError: It is closed.
        """
        if sys.stdin is None:
            message = "Standard input is closed. Pipe a tap into the target."
            raise InputError(message)
        return sys.stdin.buffer

    def deserialize_json(self, line: bytes | str) -> Any:  # noqa: ANN401 - any JSON value
        """Decode one line. Fractions stay exact.

        Raises:
            InputError: The line is not JSON. The message does not quote it.
        """
        try:
            return self._decode(line)
        except _DECODE_ERRORS:
            message = "is not valid JSON"
            raise InputError(message) from None

    def process_lines(
        self,
        file_input: IO[Any] | None,
        callbacks: dict[str, Callable[[dict[str, Any]], None]],
    ) -> Counter[str]:
        """Read all lines.

        Args:
            file_input: Lines as bytes or text; standard input when ``None``.
            callbacks: The SDK's handlers by message type; RECORD, STATE and BATCH are handled here.

        Returns:
            How many messages of each type were read.

        Raises:
            TargetSendGridError: Reading had to end.
        """
        stats: Counter[str] = Counter()
        run = self.destination.run
        run.start()
        take, keeps_messages = run.take, run.keeps_messages
        messages, routes = self._messages, self._messages.routes
        record_count = 0
        for number, line in enumerate(self._lines_of(file_input or self.default_input), 1):
            try:
                message = messages.decode(line)
                if not line.isascii():
                    line.decode()  # what no type asks for is not looked at
            except _DECODE_ERRORS:
                self._read_other(number, line, callbacks, stats)
                continue
            typed = routes.get(type(message))
            if typed is None:
                self._read_other(number, line, callbacks, stats)
                continue
            stream, mapping = typed
            made = mapping.contact(message.record)
            if made is None:
                self._read_other(number, line, callbacks, stats)
                continue
            identity, contact = made
            stream.counts.received += 1
            take(stream, identity, contact, Origin(stream.name, number, 0, line.strip() if keeps_messages else None))
            record_count += 1
        stats["RECORD"] += record_count
        return stats

    def _on_idle(self) -> None:
        self._count_metrics()
        self.destination.on_idle()

    def _count_metrics(self) -> None:
        for routes in self._routes.values():
            for route in routes:
                route.sink.count_metrics()

    def _read_other(
        self, number: int, line: bytes, callbacks: dict[str, Callable[[dict[str, Any]], None]], stats: Counter[str]
    ) -> None:
        """Read a line that is no whole RECORD message."""
        try:
            message = self._decode(line)
        except _DECODE_ERRORS:
            if line.strip():
                self._reject_unreadable(number, line)
            return
        if not isinstance(message, dict) or not isinstance(message.get("type"), str):
            self._fail(number, "is no Singer message", f"It must be a JSON object with a `type`: {_KNOWN_TYPES}.")
        kind: str = message["type"]
        self._handle(kind, message, number, line, callbacks)
        stats[kind] += 1

    def _lines_of(self, file: IO[Any]) -> Iterator[bytes]:
        return split_lines(chunks(file, self._on_idle))

    def _handle(
        self,
        kind: str,
        message: dict[str, Any],
        number: int,
        line: bytes,
        callbacks: dict[str, Callable[[dict[str, Any]], None]],
    ) -> None:
        if kind == "RECORD":  # of an odd form
            stream = self._stream_of(message, number)
            kept = line.strip() if self.destination.run.keeps_messages else None
            self._deliver(self._routes[stream], message.get("record"), Origin(stream, number, 0, kept))
        elif kind == "STATE":
            self._read_state(message, number, line)
        elif kind == "SCHEMA":
            self._read_schema(message, number, line, callbacks[kind])
        elif kind == "BATCH":
            self._read_batch(message, number)
        elif kind != "ACTIVATE_VERSION":  # versions of tables mean nothing to contacts
            self._fail(number, "has a message type that is unknown", f"Singer knows {_KNOWN_TYPES}.")

    def _fail(self, number: int, what: str, advice: str) -> NoReturn:
        message = (
            f"Line {number} of standard input {what}. {advice} The records before it are sent; mend the tap and run"
            " again."
        )
        raise InputError(message)

    def _reject_unreadable(self, number: int, line: bytes) -> None:
        """Reject a record that is too long, or JSON to lenient readers only; any other line ends the run."""
        if len(line) > MAX_LINE_BYTES:
            start = _RECORD_START.match(line)
            message = {"type": "RECORD", "stream": _lenient(start[1])} if start else None
            what, advice = f"is longer than {MAX_LINE_BYTES:,} bytes", "Only a record of that size can be passed over."
        else:
            message = _lenient(line)
            what, advice = "is not valid JSON", "A tap that ends early leaves half a line; other programs write text."
        if not isinstance(message, dict) or message.get("type") != "RECORD":
            self._fail(number, what, advice)
        self._reject_line(line, Origin(self._stream_of(message, number), number))

    def _reject_line(self, line: bytes, origin: Origin) -> None:
        """Reject the record of a line that can't be read; the line is kept, unless it is too long."""
        run = self.destination.run
        run.report.stream(origin.stream).received += 1
        if len(line) > MAX_LINE_BYTES:
            error = RecordRejectedError(Reason.TOO_LARGE, f"The record's line is longer than {MAX_LINE_BYTES:,} bytes.")
        else:
            sentence = "The record is no JSON: broken characters, NaN, a number out of range, or nested too deeply."
            error = RecordRejectedError(Reason.UNREADABLE, sentence)
            if run.keeps_messages:
                origin = msgspec.structs.replace(origin, message=line)
        run.reject(origin, error)

    def _read_state(self, message: dict[str, Any], number: int, line: bytes) -> None:
        if "value" not in message:
            self._fail(number, "is a STATE message without a `value`", "Singer asks for one.")
        state = self._state_decoder.decode(line).value
        self.destination.run.receive_state(number, bytes(state))

    def _read_schema(
        self, message: dict[str, Any], number: int, line: bytes, register: Callable[[dict[str, Any]], None]
    ) -> None:
        self._check_schema(message, number)
        stream: str = message["stream"]
        digest = hashlib.sha256(line.strip()).digest()
        if self._schema_digests.get(stream) == digest:
            return  # taps that read in parts repeat it before each
        self._schema_digests[stream] = digest
        self._count_metrics()
        maps = self.destination.stream_maps(stream)
        try:
            register(message)
        except RecursionError:
            self._fail(number, "is a SCHEMA message that is nested too deeply", "Flatten it in the tap.")
        except MappingError as error:
            why = f"({type(error).__name__}). Check the setting `stream_maps`."
            sentence = f"The stream map of stream '{stream}' can't be used {why}"
            raise ConfigError(sentence) from None
        renewed = self.destination.stream_maps(stream)
        for stream_map in renewed or ():
            self.destination.run.keep_schema(stream_map.stream_alias, line.strip())
            self.destination.sink(stream_map.stream_alias).open()
        if renewed is not maps or stream not in self._routes:
            self._make_routes(stream, renewed or ())

    def _check_schema(self, message: dict[str, Any], number: int) -> None:
        schema = message.get("schema")
        keys = message.get("key_properties")
        if not isinstance(message.get("stream"), str):
            self._fail(number, "is a SCHEMA message without a `stream`", "Singer asks for its name.")
        if not str(message["stream"]).isprintable():
            self._fail(number, "names its stream with control characters", "They could forge lines of the log.")
        if not isinstance(schema, dict) or not isinstance(schema.get("properties"), dict):
            self._fail(number, "is a SCHEMA message without `properties`", "Its `schema` must be that of an object.")
        if keys is not None and not (isinstance(keys, list) and all(isinstance(key, str) for key in keys)):
            self._fail(number, "is a SCHEMA message with unusable `key_properties`", "They must be a list of names.")

    def _read_batch(self, message: dict[str, Any], number: int) -> None:
        stream = self._stream_of(message, number)
        routes = self._routes[stream]
        encoding, manifest = message.get("encoding"), message.get("manifest")
        if not isinstance(encoding, dict) or not isinstance(manifest, list):
            self._fail(number, "is a BATCH message without `encoding` and `manifest`", "Singer asks for both.")
        content = batch_file_chunks(encoding, manifest, number, self._on_idle)
        typed = _typed_route(routes)
        start = b'{"type":"RECORD","stream":' + msgspec.json.encode(stream) + b',"record":'
        keeps_messages = self.destination.run.keeps_messages
        for file_line, line in enumerate(split_lines(content), 1):
            kept = start + line.strip() + b"}" if keeps_messages else None
            origin = Origin(stream, number, file_line, kept)
            if typed is not None and self._take_typed(typed, line, origin):
                continue
            try:
                record = self.deserialize_json(line)
            except InputError:
                if line.strip():
                    self._reject_line(line, Origin(stream, number, file_line))
                continue
            self._deliver(routes, record, origin)

    def _take_typed(self, typed: _Typed, line: bytes, origin: Origin) -> bool:
        """Take a record that stands alone in a line the quick way; return whether that was possible."""
        try:
            record = typed.mapping.decode(line)
            if not line.isascii():
                line.decode()  # what no type asks for is not looked at
        except _DECODE_ERRORS:
            return False
        made = typed.mapping.contact(record)
        if made is not None:
            typed.stream.counts.received += 1
            self.destination.run.take(typed.stream, *made, origin)
        return made is not None

    def _stream_of(self, message: Mapping[str, Any], number: int) -> str:
        stream = message.get("stream")
        if not isinstance(stream, str):
            self._fail(number, f"is a {message['type']} message without a `stream`", "Singer asks for its name.")
        return self._known(stream, number)

    def _known(self, stream: str, number: int) -> str:
        """Return a stream's name, if its SCHEMA has come."""
        if self.destination.stream_maps(stream) is None:
            name = f"stream '{stream}'" if stream.isprintable() else "a stream of an odd name"
            self._fail(number, f"belongs to {name}, which has no SCHEMA yet", "A SCHEMA must come first.")
        return stream

    def _make_routes(self, stream: str, maps: Iterable[StreamMap]) -> None:
        """Make a stream's routes, at its SCHEMA: a later one of another stream may take the sinks' names over."""
        self._messages.forget(stream)
        self._routes[stream] = routes = []
        for stream_map in maps:
            alias = stream_map.stream_alias
            transform = None if _is_identity(stream_map) else stream_map.transform
            sink, counts = self.destination.sink(alias), self.destination.run.report.stream(alias)
            routes.append(_Route(alias, transform, sink, counts))
        typed = _typed_route(routes)
        if typed is not None:
            self._messages.learn(stream, typed)

    def _deliver(self, routes: list[_Route], record: object, origin: Origin) -> None:
        """Send a record through its stream maps to its sinks."""
        run = self.destination.run
        if not isinstance(record, dict):
            run.report.stream(origin.stream).received += 1
            error = RecordRejectedError(Reason.NOT_AN_OBJECT, "The record is not a JSON object.")
            run.reject(origin, error)
            return
        for alias, transform, sink, counts in routes:
            counts.received += 1
            if transform is None:
                sink.take(record, origin)
                continue
            own_origin = origin if alias == origin.stream else msgspec.structs.replace(origin, stream=alias)
            try:
                transformed = transform(dict(record))
            except Exception:  # noqa: BLE001 - an expression can raise anything, and its text may quote a value
                error = RecordRejectedError(Reason.STREAM_MAP_FAILED, "A stream map expression failed on the record.")
                run.reject(own_origin, error)
                continue
            if transformed is None:
                counts.buckets[Bucket.IGNORED] += 1
                continue
            sink.take(transformed, own_origin)


class _Messages:
    """Knows the streams whose records can be read the quick way, and decodes their RECORD messages."""

    def __init__(self) -> None:
        self._types: dict[str, type[msgspec.Struct]] = {}
        self.routes: dict[type, _Typed] = {}
        """By the type of a message."""
        self._rebuild_decoder()

    def learn(self, stream: str, route: _Typed) -> None:
        """Read a stream's records as its type from now on, unless too many are read so already."""
        if len(self._types) >= _MAX_FAST_STREAMS:
            return
        fields: list[Any] = [("type", Literal["RECORD"]), ("record", route.mapping.record_type)]
        message = msgspec.defstruct("Message", fields, tag_field="stream", tag=stream, gc=False)
        self._types[stream] = message
        self.routes[message] = route
        self._rebuild_decoder()

    def forget(self, stream: str) -> None:
        """Read a stream's records the ordinary way until it is learnt again."""
        known = self._types.pop(stream, None)
        if known is not None:
            del self.routes[known]  # what is still decoded so goes nowhere, until the next one is learnt

    def _rebuild_decoder(self) -> None:
        types = (*self._types.values(), _NoMessage)
        self.decode: Callable[[bytes], Any] = msgspec.json.Decoder(Union[types]).decode  # noqa: UP007 - known only now


def _typed_route(routes: Sequence[_Route]) -> _Typed | None:
    """Return where records of a stream go that are read as its type, or ``None`` where that can't be."""
    route = routes[0] if len(routes) == 1 and routes[0].transform is None else None
    mapping = route.sink.typed if route is not None else None
    return _Typed(route.sink.stream, mapping) if route is not None and mapping is not None else None


def _is_identity(stream_map: StreamMap) -> bool:
    return type(stream_map) is SameRecordTransform and not stream_map.flattening_enabled


def _lenient(line: bytes) -> Any:  # noqa: ANN401 - any JSON value
    """Decode what lenient readers, such as the SDK's own, take for JSON; ``None`` where it is none."""
    try:
        # Numbers stay text: Python refuses to read thousands of digits, and nothing is computed here.
        text = line.decode(errors="replace")
        return json.loads(text, parse_int=str, parse_float=str, parse_constant=str, strict=False)
    except RecursionError:
        start = _RECORD_START.match(line) if line.rstrip().endswith(b"}") else None
        return {"type": "RECORD", "stream": json.loads(start[1])} if start else None
    except ValueError:
        return None
