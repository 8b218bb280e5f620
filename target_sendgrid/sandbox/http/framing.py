"""Reading the body of a request, by its length or in chunks, up to a limit and before anybody is asked for a key."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from email.message import Message
    from io import BufferedIOBase

LARGEST_BODY_BYTES = 64 * 1024 * 1024

_LENGTH = re.compile(r"[0-9]+")
_CHUNK_START = re.compile(rb"([0-9A-Fa-f]+)[ \t]*(?:;[^\r\n]*)?\r?\n")
_LONGEST_LINE_BYTES = 4_096
_MOST_TRAILERS = 100


class FramingError(Exception):
    """A request has a body that cannot be read, or is too large.

    Args:
        status: Status of the answer, after which the connection must end.
        message: What is wrong, in one sentence.
    """

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def read_body(headers: Message, version: str, stream: BufferedIOBase) -> bytes:
    """Read the body of a request.

    Args:
        headers: The headers of the request.
        version: Its version of HTTP, such as `HTTP/1.1`.
        stream: What follows the headers.

    Raises:
        FramingError: The body is too large, or its length can't be known.
        ConnectionAbortedError: The body breaks off.
    """
    if headers.defects:
        raise _bad("a header line has no name")
    lengths, codings = headers.get_all("Content-Length", []), headers.get_all("Transfer-Encoding", [])
    if codings:
        if lengths or version != "HTTP/1.1" or [coding.strip(" \t").lower() for coding in codings] != ["chunked"]:
            raise _bad("the only Transfer-Encoding is chunked, in HTTP/1.1, without Content-Length")
        return _read_chunks(stream)
    distinct = {length.strip(" \t") for length in lengths} or {"0"}
    length = distinct.pop()
    if distinct or not _LENGTH.fullmatch(length):
        raise _bad("Content-Length must be one number")
    return _read_exactly(stream, _checked_size(length, 10))


def _read_chunks(stream: BufferedIOBase) -> bytes:
    body = bytearray()
    while True:
        start = _CHUNK_START.fullmatch(_read_line(stream))
        if start is None:
            raise _bad("a chunk must start with its size in hexadecimal digits")
        size = _checked_size(start[1].decode(), 16)
        if size == 0:
            break
        if len(body) + size > LARGEST_BODY_BYTES:
            raise _too_large()
        body += _read_exactly(stream, size)
        if _read_line(stream).strip(b"\r\n"):
            raise _bad("a chunk is longer than its size")
    for _ in range(_MOST_TRAILERS + 1):
        if not _read_line(stream).strip(b"\r\n"):
            return bytes(body)
    raise _bad("too many lines follow the last chunk")


def _checked_size(digits: str, base: int) -> int:
    """Return a size. Python refuses to read numbers of thousands of digits, so long ones are not given to it."""
    significant = digits.lstrip("0")
    size = int(significant or "0", base) if len(significant) <= len(str(LARGEST_BODY_BYTES)) else None
    if size is None or size > LARGEST_BODY_BYTES:
        raise _too_large()
    return size


def _read_exactly(stream: BufferedIOBase, size: int) -> bytes:
    found = stream.read(size)
    if len(found) < size:
        raise ConnectionAbortedError
    return found


def _read_line(stream: BufferedIOBase) -> bytes:
    line = stream.readline(_LONGEST_LINE_BYTES + 1)
    if len(line) > _LONGEST_LINE_BYTES:
        raise _bad("a line between chunks is too long")
    if not line.endswith(b"\n"):
        raise ConnectionAbortedError
    return line


def _bad(message: str) -> FramingError:
    return FramingError(HTTPStatus.BAD_REQUEST, message)


def _too_large() -> FramingError:
    return FramingError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a body has at most {LARGEST_BODY_BYTES} bytes")
