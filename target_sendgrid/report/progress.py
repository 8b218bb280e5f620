"""Progress: at most one log line every half minute about how far a long run is, and what it waits for."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from target_sendgrid.clock import Clock
    from target_sendgrid.report.report import Report

log = logging.getLogger("target-sendgrid.progress")

INTERVAL_SECONDS = 30.0
"""Seconds from one line to the next."""


class Progress:
    """Logs how many records are settled so far.

    Args:
        report: The counts of the run.
        clock: Where time comes from.
    """

    def __init__(self, report: Report, clock: Clock) -> None:
        self._report = report
        self._clock = clock
        self._last_line_at = clock.monotonic()
        self._last_counts = (0, 0)

    def note_reading(self) -> None:
        """Log the counts when a line is due and they have changed; call it often while records are read."""
        if self._is_due() and self._counts() != self._last_counts:
            self._log("")

    def note_waiting(self, what: str) -> None:
        """Log the counts when a line is due, even if they have not changed; call it often while waiting.

        Args:
            what: What the run waits for, as a sentence.
        """
        if self._is_due():
            self._log(f"{what} ")

    def _is_due(self) -> bool:
        return self._clock.monotonic() - self._last_line_at >= INTERVAL_SECONDS

    def _counts(self) -> tuple[int, int]:
        return self._report.settled, self._report.received

    def _log(self, what: str) -> None:
        settled, received = self._last_counts = self._counts()
        self._last_line_at = self._clock.monotonic()
        numbers = {"settled": settled, "received": received}
        log.info("%s%s of %s records settled so far.", what, f"{settled:,}", f"{received:,}", extra=numbers)
