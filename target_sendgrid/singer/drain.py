"""Draining of standard input after an error: what the tap still writes is read and dropped.

Otherwise the pipe would break while the tap writes, and Meltano would print more than a hundred lines of tracebacks
around the one sentence that says what is wrong.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from typing import TYPE_CHECKING

from target_sendgrid.singer.lines import CHUNK_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_sendgrid.clock import Clock

LONGEST_SILENCE_SECONDS = 15.0
"""How long the tap is waited for after the last line that came."""

LONGEST_SECONDS = 60.0
"""How long standard input is read at all."""

_OTHER_INPUT = ("--about", "--check", "--input")
"""Options of the command line with which the target does not read a tap's messages from standard input."""


def drain(descriptor: int, clock: Clock) -> None:
    """Read and drop what comes, until the input ends, is silent for long, or `LONGEST_SECONDS` are over.

    Args:
        descriptor: File descriptor of the input.
        clock: Where time comes from.

    Raises:
        TerminatedError: A signal came meanwhile, and its handler raised this.
    """
    ends_at = clock.monotonic() + LONGEST_SECONDS
    with contextlib.suppress(OSError):  # an input that can't be read has nobody to wait for
        while (left := ends_at - clock.monotonic()) > 0:
            if not clock.wait_for_input(descriptor, min(left, LONGEST_SILENCE_SECONDS)):
                return
            if not os.read(descriptor, CHUNK_BYTES):
                return


def input_to_drain(arguments: Sequence[str]) -> int | None:
    """Return the file descriptor of standard input if a tap writes to it; ``None`` for a terminal, a file or none.

    Args:
        arguments: The command line, without the name of the program.
    """
    if sys.stdin is None or any(argument.partition("=")[0] in _OTHER_INPUT for argument in arguments):
        return None
    try:
        descriptor = sys.stdin.fileno()
        mode = os.fstat(descriptor).st_mode
    except (OSError, ValueError):  # it was closed meanwhile, or is no real file
        return None
    return descriptor if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) else None
