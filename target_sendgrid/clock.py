"""The clock: the one place where the target reads the time and waits."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Where time comes from, so that tests need not wait for it."""

    def now(self) -> float:
        """Return seconds since the epoch, as the rate headers of older endpoints count them."""

    def monotonic(self) -> float:
        """Return seconds since some moment, never running backwards."""

    def sleep(self, seconds: float) -> None:
        """Wait."""


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
