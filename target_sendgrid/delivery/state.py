"""The state gate: a STATE message is written only when every record before it is settled, and few of them rejected."""

from __future__ import annotations

import sys
from bisect import bisect
from operator import attrgetter
from typing import TYPE_CHECKING

import msgspec

from target_sendgrid.errors import LocalFileError, Reason
from target_sendgrid.report.rejection_limit import LimitCounts
from target_sendgrid.wording import words_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_sendgrid.report.rejection_limit import RejectionLimit

MAX_WAITING_BYTES = 1_000_000
"""Memory for waiting states. When they take more, only the last of those that become ready together is kept.

If the limit of rejections then holds that one back, a state is written that is up to a batch earlier than necessary.
"""

_OVERHEAD_BYTES = 250
"""Memory that a waiting state takes beyond its own bytes."""


class _Rejected(msgspec.Struct):
    """Number of rejected records between two states."""

    with_identifier: int = 0
    without_identifier: int = 0

    def add(self, other: _Rejected) -> None:
        self.with_identifier += other.with_identifier
        self.without_identifier += other.without_identifier


class _Waiting(msgspec.Struct):
    """A state that waits until the records before it are settled."""

    line: int
    state: bytes
    record_count: int
    """Number of all records before it that may count for the limit."""
    rejected: _Rejected
    """Rejected records between the waiting state before this one and this one."""

    @property
    def byte_count(self) -> int:
        """Memory that it takes."""
        return len(self.state) + _OVERHEAD_BYTES


_line_of = attrgetter("line")


class StateGate:
    """Holds each STATE message back until every record before it is settled, and while too many of them are rejected.

    Args:
        write: Writes one state, given as the tap's own JSON.
        limit: How many rejected records a state may cover.
    """

    def __init__(self, write: Callable[[bytes], None], limit: RejectionLimit) -> None:
        self._write = write
        self._limit = limit
        self._waiting: list[_Waiting] = []
        self._waiting_bytes = 0
        self._rejected_before = _Rejected()
        """Rejected records before the last state that no longer waits."""
        self._rejected_since = _Rejected()
        """Rejected records after the last state that was received."""
        self._last_written: bytes | None = None
        self._closed_from: int | None = None
        self.held_from_line: int | None = None
        """Line of the first state that the limit holds back, unless a later one was written."""

    def receive(self, line: int, state: bytes, *, boundary_line: int, record_count: int) -> None:
        """Take a STATE message from the tap.

        Args:
            line: Its line of standard input.
            state: Its value, as the tap's own JSON.
            boundary_line: Line of the record at which a batch was last opened or sealed. States with no such line
                between them become ready together, so where many wait, only the last of them is kept.
            record_count: Number of records before it, except for those that are ignored by a rule.
        """
        if self._closed_from is not None and line >= self._closed_from:
            return
        rejected, self._rejected_since = self._rejected_since, _Rejected()
        if self._waiting_bytes > MAX_WAITING_BYTES and self._waiting and self._waiting[-1].line > boundary_line:
            replaced = self._waiting.pop()
            self._waiting_bytes -= replaced.byte_count
            rejected.add(replaced.rejected)
        self._waiting.append(_Waiting(line, state, record_count, rejected))
        self._waiting_bytes += self._waiting[-1].byte_count

    def count_rejected(self, line: int, reason: Reason) -> None:
        """Count a rejected record for the states of later lines. Call it before the record is taken for settled."""
        place = bisect(self._waiting, line, key=_line_of)
        rejected = self._waiting[place].rejected if place < len(self._waiting) else self._rejected_since
        if reason is Reason.NO_IDENTIFIER:
            rejected.without_identifier += 1
        else:
            rejected.with_identifier += 1

    def close_from(self, line: int) -> None:
        """Never write a state of this line or a later one: a record there will not be sent."""
        self._closed_from = line if self._closed_from is None else min(self._closed_from, line)

    def advance(self, first_unsettled_line: int | None) -> None:
        """Write the newest state before which every record is settled, if it is within the limit of rejections.

        If it is not, the newest one before it that is within the limit is written.

        Args:
            first_unsettled_line: Lowest line of a record that is not settled; ``None`` when all are.
        """
        limits = [line for line in (first_unsettled_line, self._closed_from) if line is not None]
        newest: bytes | None = None
        ready_count = 0
        for waiting in self._waiting:
            if limits and waiting.line >= min(limits):
                break
            ready_count += 1
            self._waiting_bytes -= waiting.byte_count
            self._rejected_before.add(waiting.rejected)
            before = self._rejected_before
            counts = LimitCounts(waiting.record_count, before.with_identifier, before.without_identifier)
            if not self._limit.is_exceeded(counts):
                newest, self.held_from_line = waiting.state, None
            elif self.held_from_line is None:
                self.held_from_line = waiting.line
        del self._waiting[:ready_count]
        if newest is not None and newest != self._last_written:
            self._write(newest)
            self._last_written = newest


def write_to_standard_output(state: bytes) -> None:
    """Write a state for the tap's next run.

    Raises:
        LocalFileError: Standard output is closed or can't be written.
    """
    if sys.stdout is None:
        message = "The state can't be written: standard output is closed. Run again from the last state."
        raise LocalFileError(message)
    try:
        sys.stdout.write(state.decode() + "\n")
        sys.stdout.flush()
    except OSError as error:
        message = f"The state can't be written to standard output: {words_of(error)}. Run again from the last state."
        raise LocalFileError(message) from None
