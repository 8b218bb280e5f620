"""Files of exports, read piece by piece: lines, compressed or not, and how many of them are distinct.

Nothing here grows with a file except for 8 bytes a member.
"""

from __future__ import annotations

import itertools
import zlib
from array import array
from typing import TYPE_CHECKING

from target_sendgrid.errors import TransientError
from target_sendgrid.sendgrid.answers import SHORT_RETRY_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PIECE_BYTES = 64 * 1024
"""Most bytes that are decompressed at a time: a small piece of a compressed file may hold gigabytes."""
MAX_LINE_BYTES = 16 * 1024 * 1024
"""Longest line that is read. A contact with all its fields at their limits has less than a quarter of it."""

_GZIP_MAGIC = b"\x1f\x8b"
_GZIP_WINDOW = 31
_PARTS = 256


class DistinctTexts:
    """Counts distinct texts by their hashes, 8 bytes each."""

    def __init__(self) -> None:
        self._parts = [array("q") for _ in range(_PARTS)]

    def add(self, text: str) -> None:
        """Count a text, if it is another than all before."""
        hashed = hash(text)
        self._parts[hashed % _PARTS].append(hashed)

    def count(self) -> int:
        """Return how many there are. One part at a time, so that no large set is made."""
        return sum(len(set(part)) for part in self._parts)


def unpacked(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the content of a file, which may be compressed or not: files that should be have been plain.

    Raises:
        TransientError: The compressed content is wrong, or ends too early.
    """
    chunks = iter(chunks)
    start = b""
    for chunk in chunks:
        start += chunk
        if len(start) >= len(_GZIP_MAGIC):
            break
    if not start.startswith(_GZIP_MAGIC):
        yield start
        yield from chunks
        return
    try:
        yield from _inflated(itertools.chain([start], chunks))
    except zlib.error:
        raise unreadable("its compression is broken") from None


def _inflated(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield what compressed content holds, in pieces of limited size. It may have several parts in a row."""
    unpacker = zlib.decompressobj(wbits=_GZIP_WINDOW)
    for chunk in chunks:
        packed = chunk
        while packed:
            if unpacker.eof:
                unpacker = zlib.decompressobj(wbits=_GZIP_WINDOW)
            yield unpacker.decompress(packed, PIECE_BYTES)
            packed = unpacker.unused_data if unpacker.eof else unpacker.unconsumed_tail
    if not unpacker.eof:
        raise unreadable("it ends too early")


def lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the lines of a file that are not empty.

    Raises:
        TransientError: A line is longer than any row.
    """
    rest = b""
    for piece in pieces:
        complete = (rest + piece).split(b"\n")
        rest = complete.pop()
        if len(rest) > MAX_LINE_BYTES:
            raise unreadable(f"a line is longer than {MAX_LINE_BYTES} bytes")
        yield from filter(None, complete)
    if rest:
        yield rest


def unreadable(what: str) -> TransientError:
    """Return the error about a file that is not what SendGrid documents: only briefly is it worth reading again."""
    return TransientError(what, budget_seconds=SHORT_RETRY_SECONDS)
