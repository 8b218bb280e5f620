"""The clock: the one place where the target reads the time and waits."""

from __future__ import annotations

import select
import time
from queue import Empty
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from queue import SimpleQueue

Item = TypeVar("Item")


class Clock(Protocol):
    """Where time comes from, so that tests need not wait for it."""

    def now(self) -> float:
        """Return seconds since the epoch, as the rate headers of older endpoints count them."""

    def monotonic(self) -> float:
        """Return seconds since some moment, never running backwards."""

    def sleep(self, seconds: float) -> None:
        """Wait."""

    def wait_for(self, source: SimpleQueue[Item], seconds: float | None) -> Item | None:
        """Return the next item of a queue, or ``None`` when none has come after some seconds (``None``: no limit)."""

    def wait_for_input(self, descriptor: int, seconds: float) -> bool:
        """Return whether a pipe can be read, or has ended, within some seconds."""


class SystemClock:
    """The machine's own clock."""

    def now(self) -> float:
        """Return seconds since the epoch."""
        return time.time()

    def monotonic(self) -> float:
        """Return seconds since some moment."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)

    def wait_for(self, source: SimpleQueue[Item], seconds: float | None) -> Item | None:
        """Return the next item of a queue; ``None`` when none has come after some seconds."""
        try:
            return source.get(timeout=seconds) if seconds != 0 else source.get_nowait()
        except Empty:
            return None

    def wait_for_input(self, descriptor: int, seconds: float) -> bool:
        """Return whether a pipe can be read, or has ended, within some seconds."""
        return bool(select.select([descriptor], [], [], seconds)[0])
