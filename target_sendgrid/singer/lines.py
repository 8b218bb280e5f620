"""Splitting of standard input and of files into lines, without waiting for a silent pipe and with bounded memory."""

from __future__ import annotations

import os
import select
from io import UnsupportedOperation
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

CHUNK_BYTES = 1 << 16
"""Bytes read at a time: as many as a pipe holds. `on_idle` is called between two chunks."""

MAX_LINE_BYTES = 1 << 25
"""Most bytes of a line. The rest of a longer line is dropped, so that it cannot fill the memory."""

IDLE_SECONDS = 0.5
"""Time after which `on_idle` is called again while a pipe is silent."""


def chunks(file: IO[Any], on_idle: Callable[[], None]) -> Iterator[bytes]:
    """Yield the content of a file or pipe as soon as it can be read.

    Args:
        file: Anything readable. Reading blocks if it has no file descriptor.
        on_idle: Called before each chunk, and every half second while a pipe is silent. May raise to end the reading.
    """
    try:
        descriptor = file.fileno()
    except (UnsupportedOperation, AttributeError):
        while chunk := _next_chunk(file, on_idle):
            yield chunk.encode() if isinstance(chunk, str) else chunk
        return
    while True:
        on_idle()
        if not select.select([descriptor], [], [], IDLE_SECONDS)[0]:
            continue
        chunk = os.read(descriptor, CHUNK_BYTES)
        if not chunk:
            on_idle()  # a signal that ended the tap may have been sent to the target, too
            return
        yield chunk


def split_lines(content: Iterable[bytes]) -> Iterator[bytes]:
    """Yield lines without their line ends. A line over `MAX_LINE_BYTES` is cut one byte after the limit."""
    parts: list[bytes] = []
    size = 0
    for chunk in content:
        first, *others = chunk.split(b"\n")
        if size <= MAX_LINE_BYTES:
            parts.append(first[: MAX_LINE_BYTES + 1 - size])
            size += len(parts[-1])
        if not others:
            continue
        yield b"".join(parts) if len(parts) > 1 else parts[0]
        last = others.pop()
        yield from others
        parts, size = [last], len(last)
    if size:
        yield b"".join(parts)


def _next_chunk(file: IO[Any], on_idle: Callable[[], None]) -> Any:  # noqa: ANN401 - bytes or text, as the file gives
    on_idle()
    return file.read(CHUNK_BYTES)
