"""Reading for `--suggest-mapping`: the schemas of a tap's streams, from its messages or from its catalog."""

from __future__ import annotations

import sys
from typing import IO, TYPE_CHECKING, Any

import msgspec

from target_sendgrid.errors import InputError, LocalFileError
from target_sendgrid.mapping.field_types import kinds_of
from target_sendgrid.mapping.schemas import lists_a_part, property_paths, schema_at
from target_sendgrid.mapping.snippet import as_json_config, as_meltano_yml
from target_sendgrid.mapping.suggestions import suggestions
from target_sendgrid.singer.decoding import DECODE_ERRORS, decode_json, decode_leniently, decode_readable_parts
from target_sendgrid.singer.drafts import translate
from target_sendgrid.singer.lines import chunks, split_lines
from target_sendgrid.singer.samples import Sample
from target_sendgrid.wording import words_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from target_sendgrid.mapping.snippet import StreamSchema

_MAX_CATALOG_BYTES = 1 << 26
"""Most bytes of a catalog, which is read at once."""

_INPUT = "`--suggest-mapping` reads the Singer messages of a tap, or its catalog, on standard input"


class _Start(msgspec.Struct):
    """What is needed of each message; the rest is skipped without being decoded."""

    type: str
    stream: str | None = None


_decode_start = msgspec.json.Decoder(_Start).decode


class _TapStreams:
    """The streams of a tap, by their names."""

    def __init__(self) -> None:
        self._schemas: dict[str, dict[str, Any]] = {}
        self._samples: dict[str, Sample] = {}

    def __iter__(self) -> Iterator[StreamSchema]:
        """Yield the name of each stream, its schema, and what its records show; ``None`` if they show no more."""
        for name, schema in self._schemas.items():
            sample = self._samples.get(name)
            yield name, schema, sample.schema if sample and sample.schema else None

    def add_schema(self, name: object, schema: object, where: str) -> None:
        """Take a schema in place of the stream's last one.

        Raises:
            InputError: It is none, or nested too deeply.
        """
        if not isinstance(name, str) or not isinstance(schema, dict):
            message = f"{where} has no stream with a `schema`, which must be a JSON object. {_INPUT}."
            raise InputError(message)
        try:
            self._schemas[name] = schema = translate(schema)
            if name not in self._samples and _is_open(schema):
                self._samples[name] = Sample()
        except RecursionError:
            message = f"{where} has a schema that is nested too deeply. Flatten it in the tap."
            raise InputError(message) from None

    def wants_record(self, name: str | None) -> bool:
        """Return whether a record of the stream may show what its schema does not."""
        return name in self._samples and not self._samples[name].is_full

    def add_record(self, name: str, record: object) -> None:
        """Look at a record."""
        if isinstance(record, dict):
            self._samples[name].add(record)


def suggest_mapping(file: IO[Any] | None, *, output_format: str | None) -> int:
    """Write a mapping for the streams of a tap to standard output, and return the exit code.

    Args:
        file: Singer messages, or a catalog; standard input when ``None``.
        output_format: ``json``, or ``None`` for a part of ``meltano.yml``.

    Raises:
        InputError: The input has no schemas.
        LocalFileError: Standard output can't be written.
    """
    streams = list(read_streams(file or _standard_input()))
    if not streams:
        message = f"No stream has come. {_INPUT}: did the tap fail? See its log."
        raise InputError(message)
    text = as_json_config(streams) if output_format == "json" else as_meltano_yml(streams)
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:
        message = f"The mapping can't be written to standard output: {words_of(error)}."
        raise LocalFileError(message) from None
    return 0


def read_streams(file: IO[Any]) -> Iterator[StreamSchema]:
    """Read a tap's messages or catalog to the end, and yield its streams.

    Raises:
        InputError: The input is neither.
    """
    streams = _TapStreams()
    lines = enumerate(split_lines(chunks(file, _do_nothing)), 1)
    for number, line in lines:
        if not line.strip():
            continue
        catalog = _catalog(number, line, lines)
        if catalog is not None:
            _read_catalog(catalog, streams)
            break
        _read_message(number, line, streams)
        for later_number, later in lines:
            _read_message(later_number, later, streams)
    yield from streams


def _standard_input() -> IO[bytes]:
    if sys.stdin is None or sys.stdin.isatty():
        message = f"Standard input is no pipe. {_INPUT}."
        raise InputError(message)
    return sys.stdin.buffer


def _do_nothing() -> None:
    """Do nothing between two chunks of the input: there is nothing to settle."""


def _read_message(number: int, line: bytes, streams: _TapStreams) -> None:
    try:
        start = _decode_start(line)
        message = None
        if start.type == "SCHEMA" or (start.type == "RECORD" and streams.wants_record(start.stream)):
            message = decode_json(line)
    except DECODE_ERRORS:
        message = _unreadable(number, line)
    if message is None:
        return
    if message.get("type") == "SCHEMA":
        streams.add_schema(message.get("stream"), message.get("schema"), f"Line {number} of standard input")
    elif message.get("type") == "RECORD" and streams.wants_record(message.get("stream")):
        streams.add_record(message["stream"], message.get("record"))


def _unreadable(number: int, line: bytes) -> Mapping[str, Any] | None:
    """Return what can be read of a message that is no strict JSON; ``None`` if nothing of it is needed."""
    if not line.strip():
        return None
    message = decode_leniently(line)
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        advice = "A tap that ends early leaves half a line; other programs write text."
        raise InputError(f"Line {number} of standard input is no Singer message. {advice}")
    found = decode_readable_parts(line)
    return found[0] if found is not None and isinstance(found[0], dict) else None


def _catalog(number: int, line: bytes, lines: Iterator[tuple[int, bytes]]) -> list[Any] | None:
    """Return the streams of a catalog; ``None`` if the line is a message.

    Args:
        number: Number of the line.
        line: The first line.
        lines: The other lines, which are read if the first one is the start of a catalog.
    """
    first = _object_in(line)
    if first is None and line.lstrip(b"\xef\xbb\xbf \t\r").startswith(b"{") and decode_leniently(line) is None:
        parts, size = [line], len(line)
        for _, part in lines:
            size += len(part) + 1
            if size > _MAX_CATALOG_BYTES:
                raise InputError(f"The catalog is larger than {_MAX_CATALOG_BYTES:,} bytes. Leave streams out.")
            parts.append(part)
        first = _object_in(b"\n".join(parts))
        if first is None:
            raise InputError(f"Standard input is neither Singer messages nor a catalog that is whole. {_INPUT}.")
    if first is None or isinstance(first.get("type"), str):
        return None
    found = first.get("streams")
    if not isinstance(found, list):
        raise InputError(f"Line {number} of standard input is no Singer message and no catalog. {_INPUT}.")
    return found


def _object_in(text: bytes) -> dict[str, Any] | None:
    try:
        value = decode_json(text.removeprefix(b"\xef\xbb\xbf"))
    except DECODE_ERRORS:
        return None
    return value if isinstance(value, dict) else None


def _read_catalog(entries: list[Any], streams: _TapStreams) -> None:
    for number, entry in enumerate(entries, 1):
        stream = entry if isinstance(entry, dict) else {}
        name = stream.get("stream") or stream.get("tap_stream_id")
        streams.add_schema(name, stream.get("schema"), f"Entry {number} of the catalog")


def _is_open(schema: Mapping[str, Any]) -> bool:
    """Return whether records may have properties that a schema does not list, and that matter."""
    if lists_a_part(schema) or "email" not in suggestions(schema):
        return True
    inner = (schema_at(schema, (name,)) or {} for name in property_paths(schema, depth=1))
    return any("object" in kinds_of(part) and lists_a_part(part) for part in inner)
