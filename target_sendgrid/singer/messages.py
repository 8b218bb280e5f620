"""Processing of Singer messages: reads lines from a tap and does what each message asks for."""

from __future__ import annotations

import logging
from collections import Counter
from typing import IO, TYPE_CHECKING, Any, NoReturn

import msgspec

from target_sendgrid.errors import InputError
from target_sendgrid.origin import Origin
from target_sendgrid.singer.batch_files import batch_file_chunks
from target_sendgrid.singer.decoding import (
    DECODE_ERRORS,
    decode_json,
    decode_leniently,
    decode_python_state,
    decode_readable_parts,
    decode_state,
    encode_json,
    is_too_long,
)
from target_sendgrid.singer.lines import MAX_LINE_BYTES, chunks, split_lines

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_sendgrid.run import Run
    from target_sendgrid.singer.routes import RouteTable
    from target_sendgrid.singer.source_stream import SourceStream

log = logging.getLogger("target-sendgrid.singer")

_KNOWN_TYPES = "RECORD, SCHEMA, STATE, BATCH or ACTIVATE_VERSION"


class MessageProcessor:
    """Processes the messages of one tap.

    Args:
        run: The run that takes records and states.
        table: The streams of the tap.
    """

    def __init__(self, run: Run, table: RouteTable) -> None:
        self._run = run
        self._table = table
        self._stats: Counter[str] = Counter()

    def process(self, file: IO[Any]) -> Counter[str]:
        """Process all lines of a file or pipe.

        Most lines are good RECORD messages of streams with a fast path. The loop handles these itself, with as few
        function calls as possible, and leaves all other lines to other methods.

        Returns:
            The number of messages of each type.

        Raises:
            TargetSendGridError: The run cannot go on.
            TerminatedError: A signal asked the run to stop.
        """
        take, keeps_messages = self._run.take, self._run.keeps_messages
        decoder = self._table.fast_decoder
        routes = decoder.routes
        record_count = 0
        for number, line in enumerate(split_lines(chunks(file, self._on_idle)), 1):
            try:
                message = decoder.decode(line)
                if not line.isascii():
                    line.decode()  # values that are not decoded are not checked for valid UTF-8
            except DECODE_ERRORS:
                self._process_line(number, line)
                continue
            route = routes.get(type(message))
            if route is None:
                self._process_line(number, line)
                continue
            source, stream, fast, subscription = route
            if fast is None or stream is None:
                record = None if source.is_ignored else message.record
                self._accept(source, record, number, line)
                record_count += 1
                continue
            made = fast.contact(message.record)
            if made is None:
                self._process_line(number, line)
                continue
            identity, contact = made
            counts = stream.counts
            counts.received = received = counts.received + 1
            record_count += 1
            purpose = stream.purpose or stream.purpose_of(fast.list_value(message.record))
            if subscription is not None and subscription.is_unsubscribed(fast.subscription_value(message.record)):
                kept = line.strip() if keeps_messages else None
                origin = Origin(stream.name, number, 0, kept, received)
                self._run.take_unsubscribed(stream, purpose, identity, contact, origin)
            elif purpose is not None:
                kept = line.strip() if keeps_messages else None
                take(stream, purpose, identity, contact, Origin(stream.name, number, 0, kept, received))
        self._stats["RECORD"] += record_count
        self._table.warn_of_unused_entries()
        return self._stats

    def _on_idle(self) -> None:
        """Settle what is ready, also while the tap is silent, and stop if a signal asked for it."""
        self._table.count_metrics()
        self._table.review_fast_paths()
        self._run.on_idle()

    def _process_line(self, number: int, line: bytes) -> None:
        """Process a line of any content."""
        try:
            message = decode_json(line)
        except DECODE_ERRORS:
            if line.strip():
                self._process_unreadable(number, line)
            return
        if not isinstance(message, dict) or not isinstance(message.get("type"), str):
            _fail(number, "is not a Singer message", f"It must be a JSON object with a `type`: {_KNOWN_TYPES}.")
        message_type: str = message["type"]
        if message_type == "RECORD":
            self._process_record(message, number, line)
        elif message_type == "STATE":
            self._process_state(message, number, line)
        elif message_type == "SCHEMA":
            self._process_schema(message, number, line)
        elif message_type == "BATCH":
            self._process_batch(message, number)
        elif message_type != "ACTIVATE_VERSION":  # contacts have no table versions to activate
            _fail(number, "has a message type that is unknown", f"Singer knows {_KNOWN_TYPES}.")
        self._stats[message_type] += 1

    def _process_record(self, message: dict[str, Any], number: int, line: bytes) -> None:
        stream = self._stream_of(message, number)
        if stream.fast is not None:
            stream.fast.missed += 1
        self._accept(stream, message.get("record"), number, line)

    def _accept(self, stream: SourceStream, record: object, number: int, line: bytes) -> None:
        """Take the record of a RECORD message on the slow path."""
        kept = line.strip() if self._run.keeps_messages else None
        stream.accept(record, Origin(stream.name, number, 0, kept, stream.next_number))

    def _process_state(self, message: dict[str, Any], number: int, line: bytes) -> None:
        if "value" not in message:
            _fail(number, "is a STATE message without a `value`", "Singer asks for one.")
        self._run.receive_state(number, decode_state(line))

    def _process_schema(self, message: dict[str, Any], number: int, line: bytes) -> None:
        name, schema, keys = message.get("stream"), message.get("schema"), message.get("key_properties")
        if not isinstance(name, str):
            _fail(number, "is a SCHEMA message without a `stream`", "Singer asks for its name.")
        if self._table.ignored(name) is not None:
            return
        if not name.isprintable():
            _fail(number, "names its stream with control characters", "They could forge lines of the log.")
        if not isinstance(schema, dict):
            _fail(number, "is a SCHEMA message without a `schema`", "It must be a JSON object.")
        keys = [] if keys is None else keys
        if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
            _fail(number, "is a SCHEMA message with unusable `key_properties`", "They must be a list of names.")
        try:
            self._table.register_schema(name, schema, keys, line)
        except RecursionError:
            _fail(number, "is a SCHEMA message that is nested too deeply", "Flatten it in the tap.")

    def _process_batch(self, message: dict[str, Any], number: int) -> None:
        stream = self._stream_of(message, number)
        if stream.is_ignored:
            log.info("The files of the BATCH message at line %s are not read: nothing of the stream is sent.", number)
            return
        encoding, manifest = message.get("encoding"), message.get("manifest")
        if not isinstance(encoding, dict) or not isinstance(manifest, list):
            _fail(number, "is a BATCH message without `encoding` and `manifest`", "Singer asks for both.")
        start = b'{"type":"RECORD","stream":' + msgspec.json.encode(stream.name) + b',"record":'
        keeps_messages = self._run.keeps_messages
        content = batch_file_chunks(encoding, manifest, number, self._on_idle)
        for file_line, line in enumerate(split_lines(content), 1):
            kept = start + line.strip() + b"}" if keeps_messages else None
            origin = Origin(stream.name, number, file_line, kept, stream.next_number)
            if stream.accept_line(line, origin):
                continue
            try:
                record = decode_json(line)
            except DECODE_ERRORS:
                if line.strip():
                    unreadable = Origin(stream.name, number, file_line, None, stream.next_number)
                    stream.accept_unreadable(line, unreadable, is_message=False)
                continue
            stream.accept(record, origin)

    def _stream_of(self, message: Mapping[str, Any], number: int) -> SourceStream:
        """Return the stream of a message."""
        name = message.get("stream")
        if not isinstance(name, str):
            _fail(number, f"is a {message['type']} message without a `stream`", "Singer asks for its name.")
        stream = self._table.of(name)
        if stream is None:
            shown = f"stream '{name}'" if name.isprintable() else "a stream whose name has control characters"
            _fail(number, f"belongs to {shown}, which has no SCHEMA yet", "A SCHEMA must come first.")
        return stream

    def _is_ignored(self, message: Mapping[str, Any]) -> bool:
        """Return whether nothing is sent of the stream of a message."""
        name = message.get("stream")
        return isinstance(name, str) and self._table.ignored(name) is not None

    def _process_unreadable(self, number: int, line: bytes) -> None:
        """Process a line that is too long or no strict JSON: reject a record, take a state. Others end the run.

        What can't be read in a SCHEMA is left out, so it says nothing there. Of a stream of which nothing is sent,
        nothing needs to be readable.
        """
        message = decode_leniently(line)
        message_type = message.get("type") if isinstance(message, dict) else None
        if message_type == "RECORD":
            stream = self._stream_of(message, number)
            origin = Origin(stream.name, number, 0, None, stream.next_number)
            stream.accept_unreadable(line, origin, is_message=True)
        elif message_type == "STATE" and (value := decode_python_state(line)) is not None:
            self._run.receive_state(number, value)
            self._stats["STATE"] += 1
        elif message_type in {"SCHEMA", "BATCH"} and self._is_ignored(message):
            self._stats[message_type] += 1
        elif message_type == "SCHEMA" and (found := decode_readable_parts(line)) is not None:
            self._process_schema(found[0], number, encode_json(found[0]))
            self._stats["SCHEMA"] += 1
        elif is_too_long(line):
            advice = "Only a record of that length can be skipped, and this is another message."
            _fail(number, f"is longer than {MAX_LINE_BYTES:,} bytes", advice)
        else:
            advice = "A tap that ends early leaves half a line; other programs write text."
            _fail(number, "is not valid JSON", advice)


def _fail(number: int, what: str, advice: str) -> NoReturn:
    next_step = "The records before it are sent; fix the tap and run again."
    raise InputError(f"Line {number} of standard input {what}. {advice}", next_step)
