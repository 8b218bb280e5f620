"""The sandbox's clock: it runs with the machine's, runs ahead of it, or moves only on request."""

from __future__ import annotations

import time
from datetime import datetime, timezone

_LATEST = datetime(9999, 12, 31, tzinfo=timezone.utc).timestamp()
"""The last moment that the clock is moved to and that is written: Python has no later years."""


class SandboxClock:
    """The clock of jobs, rate-limit windows and expiry dates, in seconds since the epoch.

    Args:
        manual: Whether time moves only by `advance`.
        start: First reading; the machine's time when left out.
    """

    def __init__(self, *, manual: bool = False, start: float | None = None) -> None:
        self._manual = manual
        self._offset_seconds = 0.0 if start is None else start - time.time()
        self._stopped_at = time.time() if start is None else start

    @property
    def is_manual(self) -> bool:
        """Whether time only moves by `advance`."""
        return self._manual

    def now(self) -> float:
        """Return the time, in seconds since the epoch."""
        return self._stopped_at if self._manual else time.time() + self._offset_seconds

    def advance(self, seconds: float) -> None:
        """Move time forward, to the end of the year 9999 at most.

        Raises:
            ValueError: Time would run backwards.
        """
        if seconds < 0:
            message = f"The sandbox's clock only moves forward, not by {seconds} seconds."
            raise ValueError(message)
        seconds = max(0.0, min(seconds, _LATEST - self.now()))
        self._offset_seconds += seconds
        self._stopped_at += seconds

    def set_manual(self, *, manual: bool) -> None:
        """Stop the clock at its present reading, or let it run on from there."""
        reading = self.now()
        self._manual = manual
        self._stopped_at = reading
        self._offset_seconds = reading - time.time()


def iso_seconds(moment: float) -> str:
    """Write a moment the way SendGrid does, e.g. `2026-07-15T16:19:27Z`."""
    return datetime.fromtimestamp(int(min(moment, _LATEST)), tz=timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
