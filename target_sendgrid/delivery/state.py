"""The state gate: a STATE message is written only when every record before it is settled."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class StateGate:
    """Holds each STATE message back until every record before it is settled.

    Args:
        write: Writes one state, given as the tap's own JSON.
    """

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self._write = write
        self._waiting: deque[tuple[int, bytes]] = deque()
        self._last_written: bytes | None = None
        self._closed_from: int | None = None

    def receive(self, line: int, state: bytes, *, boundary_line: int) -> None:
        """Take a STATE message from the tap.

        Args:
            line: Its line of standard input.
            state: Its value, as the tap's own JSON.
            boundary_line: Line of the record at which a batch was last opened or sealed. States with no such line
                between them would be written together, so only the last is kept, and few states take memory.
        """
        if self._closed_from is not None and line >= self._closed_from:
            return
        if self._waiting and self._waiting[-1][0] > boundary_line:
            self._waiting.pop()
        self._waiting.append((line, state))

    def close_from(self, line: int) -> None:
        """Never write a state of this line or a later one: a record there will not be sent."""
        self._closed_from = line if self._closed_from is None else min(self._closed_from, line)

    def advance(self, first_unsettled_line: int | None) -> None:
        """Write the newest state before which every record is settled.

        Args:
            first_unsettled_line: Lowest line of a record that is not settled; ``None`` when all are.
        """
        limits = [line for line in (first_unsettled_line, self._closed_from) if line is not None]
        newest: bytes | None = None
        while self._waiting and (not limits or self._waiting[0][0] < min(limits)):
            newest = self._waiting.popleft()[1]
        if newest is not None and newest != self._last_written:
            self._write(newest)
            self._last_written = newest
