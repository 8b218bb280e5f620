"""JSON decoding of lines, and what can still be found out about a line that cannot be decoded."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec

from target_sendgrid.singer.lines import MAX_LINE_BYTES

if TYPE_CHECKING:
    from target_sendgrid.mapping.schemas import Path

DECODE_ERRORS = (msgspec.DecodeError, UnicodeError, RecursionError, ArithmeticError)
"""Errors that decoding a line can raise. Some of their messages quote the line, so they are never shown."""

decode_json = msgspec.json.Decoder(float_hook=Decimal).decode
"""Decodes a line of strict JSON. Numbers with a fraction or an exponent become `Decimal` and so stay exact."""

encode_json = msgspec.json.Encoder(decimal_format="number").encode
"""Encodes what `decode_json` has decoded."""

_RECORD_START = re.compile(rb'\s*{\s*"type"\s*:\s*"RECORD"\s*,\s*"stream"\s*:\s*("(?:[^"\\]|\\.){0,1000}")')
"""Matches the start of a RECORD message as taps write it, so that the message is recognized without its end."""


class _StateMessage(msgspec.Struct):
    """A STATE message whose value stays as the tap wrote it."""

    value: msgspec.Raw


_python_json = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str)
"""Decodes what Python's own JSON decoder takes. Numbers stay text: Python refuses to read thousands of digits."""

_UNREADABLE: Any = object()
"""Value of a number or a text that is no strict JSON. JSON has no such value."""

_SEPARATOR = re.compile(r"[ \t\r\n:,}]*")
"""Matches what is between keys and values of an object that is known to be JSON, and its end."""

_state_decoder = msgspec.json.Decoder(_StateMessage)


def decode_state(line: bytes) -> bytes:
    """Return the value of a STATE message as the tap wrote it.

    Raises:
        msgspec.DecodeError: The line is not a STATE message.
    """
    return bytes(_state_decoder.decode(line).value)


def decode_python_state(line: bytes) -> bytes | None:
    """Return the value of a STATE message that is JSON for Python only, as the tap wrote it.

    Python's own encoder, which most taps use, writes NaN, infinities, half surrogate pairs and integers of any size.

    Returns:
        The value, or ``None`` if the line is not such a message.
    """
    try:
        text = line.decode()
        message = _python_json.decode(text)
        if not isinstance(message, dict) or message.get("type") != "STATE":
            return None
        value, position = None, text.index("{") + 1
        while (position := _end_of_separator(text, position)) < len(text):
            key, position = _python_json.raw_decode(text, position)
            start = _end_of_separator(text, position)
            _, position = _python_json.raw_decode(text, start)
            if key == "value":
                value = text[start:position].encode()
    except (ValueError, RecursionError):
        return None
    return value


def is_too_long(line: bytes) -> bool:
    """Return whether a line is longer than the target reads."""
    return len(line) > MAX_LINE_BYTES


def is_complete(line: bytes) -> bool:
    """Return whether a last line that has no line end is blank or a whole JSON value, strict or not.

    A line that is too long or nested too deeply to be read counts as whole if it ends like an object.
    """
    if is_too_long(line):
        return line.rstrip().endswith(b"}")
    try:
        _parse_leniently(line.decode("utf-8-sig", errors="replace"))
    except RecursionError:
        return line.rstrip().endswith(b"}")
    except ValueError:
        return not line.strip()
    return True


def decode_leniently(line: bytes) -> Any:  # noqa: ANN401 - any JSON value
    """Decode a line that is too long, nested too deeply or JSON for lenient decoders only, such as the SDK's own.

    Returns:
        The value, with all numbers as text; only type and stream of a RECORD message that is too long or too deep;
        ``None`` for any other line.
    """
    if is_too_long(line):
        return _start_of_record(line)
    try:
        return _parse_leniently(line.decode(errors="replace"))
    except RecursionError:
        return _start_of_record(line) if line.rstrip().endswith(b"}") else None
    except ValueError:
        return None


def decode_readable_parts(line: bytes) -> tuple[Any, list[Path]] | None:
    """Decode a line of which some values are no strict JSON: NaN, numbers out of range, or broken characters.

    Python's own encoder, which most taps use, writes all of them.

    Returns:
        The value without what can't be read, and the paths of what is left out: inner properties, or whole arrays if it
        is in an array. ``None`` if the line is not JSON in any other way.
    """
    try:
        value = json.loads(
            line.decode(errors="surrogateescape"),
            parse_int=_exact_number,
            parse_float=_exact_number,
            parse_constant=lambda _: _UNREADABLE,
        )
        unreadable: list[Path] = []
        return _readable(value, (), unreadable), unreadable
    except (ValueError, RecursionError):
        return None


def _exact_number(text: str) -> Any:  # noqa: ANN401 - an integer, a decimal or `_UNREADABLE`
    try:
        return decode_json(text)
    except DECODE_ERRORS:
        return _UNREADABLE


def _readable(value: Any, path: Path, unreadable: list[Path]) -> Any:  # noqa: ANN401 - any JSON value
    """Return the readable parts of a value, or `_UNREADABLE`; add the paths of what was left out to `unreadable`."""
    if value is _UNREADABLE or (isinstance(value, str) and not _is_encodable(value)):
        unreadable.append(path)
        return _UNREADABLE
    if isinstance(value, list):
        found: list[Path] = []
        if all(_readable(item, path, found) is not _UNREADABLE for item in value) and not found:
            return value
        unreadable.append(path)
        return _UNREADABLE
    if isinstance(value, dict):
        parts = {name: _readable(inner, (*path, name), unreadable) for name, inner in value.items()}
        unreadable += [(*path, name) for name in parts if not _is_encodable(name)]
        return {name: inner for name, inner in parts.items() if inner is not _UNREADABLE and _is_encodable(name)}
    return value


def _is_encodable(text: str) -> bool:
    """Return whether a text has no half of a surrogate pair, which is no character."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _end_of_separator(text: str, position: int) -> int:
    match = _SEPARATOR.match(text, position)
    return match.end() if match else position


def _parse_leniently(text: str) -> Any:  # noqa: ANN401 - any JSON value
    # Numbers stay text: Python refuses to read thousands of digits, and nothing is computed with them.
    return json.loads(text, parse_int=str, parse_float=str, parse_constant=str, strict=False)


def _start_of_record(line: bytes) -> dict[str, Any] | None:
    start = _RECORD_START.match(line)
    return {"type": "RECORD", "stream": decode_leniently(start[1])} if start else None
