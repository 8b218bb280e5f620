"""Lines of standard input and of files, as they come: an idle pipe wakes its reader, an endless line stays small."""

from __future__ import annotations

import os
import select
from io import UnsupportedOperation
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

CHUNK_BYTES = 1 << 16
"""As much as a pipe holds; between two chunks the reader looks at what else there is to do."""

MAX_LINE_BYTES = 1 << 25
"""Longer lines are cut off there, so that one line can't fill the memory."""

IDLE_SECONDS = 0.5


def chunks(file: IO[Any], on_idle: Callable[[], None]) -> Iterator[bytes]:
    """Yield the content of a file or pipe as it comes.

    Args:
        file: Anything readable; one without a file descriptor is read in a blocking way.
        on_idle: Called before each chunk, and every half second while there is none. May raise to end the reading.
    """
    try:
        descriptor = file.fileno()
    except (UnsupportedOperation, AttributeError):
        while chunk := _next(file, on_idle):
            yield chunk.encode() if isinstance(chunk, str) else chunk
        return
    while True:
        on_idle()
        if not select.select([descriptor], [], [], IDLE_SECONDS)[0]:
            continue
        chunk = os.read(descriptor, CHUNK_BYTES)
        if not chunk:
            on_idle()  # the signal that ended the tap may be meant for its reader, too
            return
        yield chunk


def split_lines(content: Iterable[bytes]) -> Iterator[bytes]:
    """Yield lines without their line ends. What is over `MAX_LINE_BYTES` in a line is left out, but for one byte."""
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


def _next(file: IO[Any], on_idle: Callable[[], None]) -> Any:  # noqa: ANN401 - bytes or text, as the file gives
    on_idle()
    return file.read(CHUNK_BYTES)
