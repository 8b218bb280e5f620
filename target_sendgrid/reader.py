"""Singer lines → messages → records. Takes the whole line loop from the SDK, by public names only.

The SDK's own loop costs several times as much per record, and its error messages quote lines. Here a line is decoded
once, records go straight to their sinks, and an error names the line's number and what was expected.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from decimal import Decimal
from typing import IO, TYPE_CHECKING, Any, NoReturn, Protocol

import msgspec
from singer_sdk.exceptions import MapExpressionError
from singer_sdk.io_base import GenericSingerReader

from target_sendgrid.batch_files import batch_file_lines
from target_sendgrid.contact import Origin
from target_sendgrid.errors import InputError, Reason, RecordRejectedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from singer_sdk.mapper import StreamMap

    from target_sendgrid.run import Run
    from target_sendgrid.sinks import SendGridSink

TICK_LINES = 1000
"""How many lines are read between two looks at what is settled."""

_KNOWN_TYPES = "RECORD, SCHEMA, STATE, BATCH or ACTIVATE_VERSION"


class _StateMessage(msgspec.Struct):
    """A STATE message whose value stays as the tap wrote it."""

    value: msgspec.Raw


class Destination(Protocol):
    """What the reader feeds: the target."""

    @property
    def run(self) -> Run:
        """The run that records belong to."""

    def stream_maps(self, stream: str) -> Sequence[StreamMap] | None:
        """Return the stream maps of a stream; ``None`` before its SCHEMA."""

    def sink(self, stream: str) -> SendGridSink:
        """Return the sink of a stream."""

    def reading(self, lines: Iterable[bytes | str]) -> Iterable[bytes | str]:
        """Yield lines, letting a signal end the run between two of them."""


class RecordReader(GenericSingerReader[bytes]):
    """Reads Singer messages and hands their content over."""

    def __init__(self) -> None:
        super().__init__()
        self.destination: Destination
        self._decoder = msgspec.json.Decoder(float_hook=Decimal)
        self._state_decoder = msgspec.json.Decoder(_StateMessage)

    @property
    def default_input(self) -> IO[bytes]:
        """Standard input, as bytes."""
        return sys.stdin.buffer

    def deserialize_json(self, line: bytes | str) -> Any:  # noqa: ANN401 - any JSON value
        """Decode one line. Fractions stay exact.

        Raises:
            InputError: The line is not JSON. The message does not quote it.
        """
        try:
            return self._decoder.decode(line)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
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
        self.destination.run.start()
        for number, line in enumerate(self.destination.reading(file_input or self.default_input), 1):
            if not line.strip():
                continue
            try:
                message = self.deserialize_json(line)
            except InputError:
                self._reject_unreadable(number, line)
                continue
            if not isinstance(message, dict) or not isinstance(message.get("type"), str):
                self._fail(number, "is no Singer message", f"It must be a JSON object with a `type`: {_KNOWN_TYPES}.")
            kind: str = message["type"]
            self._handle(kind, message, number, line, callbacks)
            stats[kind] += 1
            if number % TICK_LINES == 0:
                self.destination.run.tick()
        return stats

    def _handle(
        self,
        kind: str,
        message: dict[str, Any],
        number: int,
        line: bytes | str,
        callbacks: dict[str, Callable[[dict[str, Any]], None]],
    ) -> None:
        if kind == "RECORD":
            self._read_record(message, number, line)
        elif kind == "STATE":
            self._read_state(message, number, line)
        elif kind == "SCHEMA":
            self._check_schema(message, number)
            callbacks[kind](message)
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

    def _reject_unreadable(self, number: int, line: bytes | str) -> None:
        """Reject a record that is JSON to lenient readers only, such as the SDK's own; any other line ends the run."""
        try:
            # Numbers stay text: Python refuses to read thousands of digits, and nothing is computed here.
            message = json.loads(line, parse_int=str, parse_float=str, parse_constant=str)
        except (ValueError, RecursionError):
            message = None
        if not isinstance(message, dict) or message.get("type") != "RECORD":
            self._fail(number, "is not valid JSON", "A tap that ends early leaves half a line.")
        stream = self._stream_of(message, number)
        self.destination.run.report.stream(stream).received += 1
        sentence = "The record holds half a character, NaN, or a number that no JSON can carry on."
        self.destination.run.reject(Origin(stream, number), RecordRejectedError(Reason.UNREADABLE, sentence))

    def _read_state(self, message: dict[str, Any], number: int, line: bytes | str) -> None:
        if "value" not in message:
            self._fail(number, "is a STATE message without a `value`", "Singer asks for one.")
        state = self._state_decoder.decode(line).value
        self.destination.run.receive_state(number, bytes(state))

    def _check_schema(self, message: dict[str, Any], number: int) -> None:
        schema = message.get("schema")
        keys = message.get("key_properties")
        if not isinstance(message.get("stream"), str):
            self._fail(number, "is a SCHEMA message without a `stream`", "Singer asks for its name.")
        if not isinstance(schema, dict) or not isinstance(schema.get("properties"), dict):
            self._fail(number, "is a SCHEMA message without `properties`", "Its `schema` must be that of an object.")
        if keys is not None and not (isinstance(keys, list) and all(isinstance(key, str) for key in keys)):
            self._fail(number, "is a SCHEMA message with unusable `key_properties`", "They must be a list of names.")

    def _read_record(self, message: dict[str, Any], number: int, line: bytes | str) -> None:
        stream = self._stream_of(message, number)
        kept = None
        if self.destination.run.keeps_messages:
            kept = (line.encode() if isinstance(line, str) else line).strip()
        self._deliver(stream, message.get("record"), Origin(stream, number, message=kept))

    def _read_batch(self, message: dict[str, Any], number: int) -> None:
        stream = self._stream_of(message, number)
        encoding, manifest = message.get("encoding"), message.get("manifest")
        if not isinstance(encoding, dict) or not isinstance(manifest, list):
            self._fail(number, "is a BATCH message without `encoding` and `manifest`", "Singer asks for both.")
        lines = batch_file_lines(message["encoding"], message["manifest"], number)
        for file_line, line in enumerate(self.destination.reading(lines), 1):
            if not line.strip():
                continue
            try:
                record = self.deserialize_json(line)
            except InputError:
                record = None
            kept = None
            if self.destination.run.keeps_messages and record is not None:
                name = msgspec.json.encode(stream)
                text = line.encode() if isinstance(line, str) else line
                kept = b'{"type":"RECORD","stream":' + name + b',"record":' + text.strip() + b"}"
            self._deliver(stream, record, Origin(stream, number, file_line, kept))
            if file_line % TICK_LINES == 0:
                self.destination.run.tick()

    def _stream_of(self, message: dict[str, Any], number: int) -> str:
        stream = message.get("stream")
        if not isinstance(stream, str):
            self._fail(number, f"is a {message['type']} message without a `stream`", "Singer asks for its name.")
        if self.destination.stream_maps(stream) is None:
            self._fail(number, f"belongs to stream '{stream}', which has no SCHEMA yet", "A SCHEMA must come first.")
        return stream

    def _deliver(self, stream: str, record: object, origin: Origin) -> None:
        """Send a record through its stream maps to its sinks."""
        run = self.destination.run
        maps = self.destination.stream_maps(stream) or ()
        if not isinstance(record, dict):
            run.report.stream(stream).received += 1
            error = RecordRejectedError(Reason.NOT_AN_OBJECT, "The record is not a JSON object.")
            run.reject(origin, error)
            return
        for stream_map in maps:
            alias = stream_map.stream_alias
            own_origin = origin if alias == stream else msgspec.structs.replace(origin, stream=alias)
            counts = run.report.stream(alias)
            counts.received += 1
            try:
                transformed = stream_map.transform(dict(record))
            except MapExpressionError:
                error = RecordRejectedError(Reason.STREAM_MAP_FAILED, "A stream map expression failed on the record.")
                run.reject(own_origin, error)
                continue
            if transformed is None:
                counts.ignored += 1
                continue
            self.destination.sink(alias).process_record(transformed, {"origin": own_origin})
