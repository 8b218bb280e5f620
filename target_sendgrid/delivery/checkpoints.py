"""Checkpoints: what has to wait is done there, in an order that keeps the promises.

People who have unsubscribed are suppressed, then all upserts are settled, then people are taken off lists, then
contacts are deleted, then people are erased; each step begins when the one before is confirmed. Nothing of it is done
in a run that a signal or an error ends, nor while too many records are rejected. No state covers what was not done.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

from target_sendgrid.errors import SendGridError, TooManyRejectedError, TooManySuppressionsError
from target_sendgrid.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from target_sendgrid.audience.intents import Intents
    from target_sendgrid.clock import Clock
    from target_sendgrid.delivery.delivery import Delivery
    from target_sendgrid.delivery.removals import Removals
    from target_sendgrid.delivery.suppressions import Suppressions
    from target_sendgrid.delivery.unsubscribed import UnsubscribedPeople
    from target_sendgrid.report.rejection_limit import RejectionLimit
    from target_sendgrid.report.report import Report

LONGEST_WAIT_SECONDS = 600.0
"""How long a STATE may wait for a checkpoint, so that a run of any length makes progress."""

log = logging.getLogger("target-sendgrid.delivery")


class Checkpoints:
    """Decides when there is a checkpoint, and holds it.

    Args:
        people: Those who wait to be suppressed.
        intents: What waits to be taken away.
        suppressions: Does the first step.
        removals: Does the later ones.
        delivery: Gets changes settled.
        report: Counts outcomes.
        limit: How many records may be rejected.
        clock: Where time comes from.
        check_stop: Raises if a signal has asked the run to stop.
    """

    def __init__(  # noqa: PLR0913 - the steps that it connects
        self,
        people: UnsubscribedPeople,
        intents: Intents,
        *,
        suppressions: Suppressions,
        removals: Removals,
        delivery: Delivery,
        report: Report,
        limit: RejectionLimit,
        clock: Clock,
        check_stop: Callable[[], None],
    ) -> None:
        self._people = people
        self._intents = intents
        self._suppressions = suppressions
        self._removals = removals
        self._delivery = delivery
        self._report = report
        self._limit = limit
        self._clock = clock
        self._check_stop = check_stop
        self._state_since: float | None = None
        """When the first STATE came that has to wait, in seconds of the monotonic clock."""
        self._dropped_count = 0
        """Number of records that are not done because too many others were rejected."""
        self._waiting_count = 0
        """Number of records that are not done because too many people waited to be suppressed."""

    @property
    def _is_empty(self) -> bool:
        return self._people.is_empty and not self._intents.waiting

    def note_state(self) -> None:
        """Note that a STATE has come."""
        if self._is_empty:
            self._state_since = None
        elif self._state_since is None:
            self._state_since = self._clock.monotonic()

    def hold_if_full(self) -> None:
        """Have a checkpoint if no more can wait."""
        if self._people.is_full:
            with self._signal_first():
                self._suppress(is_end=False)
            if self._people.is_full:  # too many records are rejected
                self._people.spool()
        if self._intents.is_full:
            self._hold()
            if self._is_over_limit:
                self._dropped_count += self._drop("too many of the records before were rejected")
            elif self._intents.keeps_too_much:
                self._waiting_count += self._drop("their people wait to be unsubscribed")

    def hold_if_due(self) -> None:
        """Have a checkpoint if a STATE has waited for long."""
        if self._is_empty or self._state_since is None:
            self._state_since = None
        elif self._clock.monotonic() - self._state_since >= LONGEST_WAIT_SECONDS:
            self._hold()
            self._state_since = self._clock.monotonic()

    def finish(self) -> None:
        """Have the last checkpoint, at the end of the input."""
        self._hold(is_end=True)
        count = len(self._intents.waiting)
        if count:
            log.warning("%s that would take people off lists: nothing of it was done.", counted(count, "record"))
        if not self._people.is_empty:
            log.warning("People who have unsubscribed were not suppressed, and nothing was sent of them.")

    def check(self) -> None:
        """Check whether everything was done.

        Raises:
            TooManyRejectedError: Some of it was not, since too many of the records before it were rejected.
            TooManySuppressionsError: Some of it was not, since so many people may not be suppressed.
            TooManyRemovalsError: Some of it was not, since so many people may not be taken away.
        """
        if self._dropped_count:
            message = (
                f"{counted(self._dropped_count, 'record')} took nobody off a list: too many of the records before were"
                f" rejected (`max_rejected_percent` is {self._limit.max_percent:g})."
            )
            raise TooManyRejectedError(message, "Look at the rejected records, and run again from the last state.")
        self._suppressions.check()
        if self._waiting_count:
            message = (
                f"{counted(self._waiting_count, 'record')} took nobody off a list: too many people had to wait until it"
                " was known whether so many may be unsubscribed."
            )
            next_step = "If they have, allow it with `max_suppressions`, and run again from the last state."
            raise TooManySuppressionsError(message, next_step)
        self._removals.check()

    def _hold(self, *, is_end: bool = False) -> None:
        """Do all that waits, unless too many records are rejected."""
        if self._is_empty:
            return
        with self._signal_first():
            if is_end:
                self._delivery.finish()  # whether too many records are rejected is known for sure then
            self._suppress(is_end=is_end)
            if is_end or self._intents.waiting:
                self._delivery.finish()
            if self._intents.waiting and not self._is_over_limit:
                self._removals.carry_out(stays=self._people.shows_waiting)
            self._delivery.settle_ready()  # which writes the states that waited for it

    @contextmanager
    def _signal_first(self) -> Iterator[None]:
        """Raise what a signal raises in place of an error: the job runner may have been the first to notice it."""
        try:
            yield
        except SendGridError:
            self._check_stop()
            raise

    def _suppress(self, *, is_end: bool) -> None:
        if not self._is_over_limit:
            self._suppressions.carry_out(is_end=is_end)

    @property
    def _is_over_limit(self) -> bool:
        return self._limit.is_exceeded(self._report.limit_counts())

    def _drop(self, reason: str) -> int:
        """Drop the removals that wait, since there is no room for them, and write no state that covers them.

        Args:
            reason: Why they were not done, for the log.

        Returns:
            Their number.
        """
        if (first_line := self._intents.first_line) is None:
            return 0
        self._delivery.hold_state_from(first_line)
        count = len(self._intents.take_all())
        log.warning("%s took nobody off a list: %s.", counted(count, "record"), reason)
        self._intents.done()
        return count
