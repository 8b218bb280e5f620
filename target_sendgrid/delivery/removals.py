"""Removals that rows ask for: they wait for a checkpoint, and are done there, once all upserts are settled.

Nothing is taken off a list in a run that a signal or an error ends, nor while too many records are rejected. No state
covers what was not done.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from target_sendgrid.delivery.operations.remove_from_list import REMOVE_FROM_LIST
from target_sendgrid.delivery.pending import Change, Purpose
from target_sendgrid.errors import (
    Code,
    SendGridError,
    TerminatedError,
    TooManyRejectedError,
    TooManyRemovalsError,
)
from target_sendgrid.report.report import Bucket
from target_sendgrid.wording import counted, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from target_sendgrid.audience.intents import Intents, Removal
    from target_sendgrid.audience.removal_limit import RemovalLimit
    from target_sendgrid.clock import Clock
    from target_sendgrid.delivery.batching import Batcher
    from target_sendgrid.delivery.delivery import Delivery
    from target_sendgrid.origin import Origin
    from target_sendgrid.report.rejection_limit import RejectionLimit
    from target_sendgrid.report.report import Report

_ALLOW = (
    "Look whether so many are to leave, and allow it with a higher `max_removals` for one run. No state that covers"
    " these records was written, so the next run brings them again."
)

log = logging.getLogger("target-sendgrid.delivery")


class Removals:
    """Does at checkpoints what rows ask to take away.

    Args:
        intents: What waits.
        batcher: Takes the changes at a checkpoint.
        delivery: Gets them settled.
        report: Counts outcomes.
        limit: How many records may be rejected.
        removal_limit: The ceiling of removals.
        clock: Where time comes from.
        check_stop: Raises if a signal has asked the run to stop.
    """

    def __init__(  # noqa: PLR0913 - the steps that it connects
        self,
        intents: Intents,
        *,
        batcher: Batcher,
        delivery: Delivery,
        report: Report,
        limit: RejectionLimit,
        removal_limit: RemovalLimit,
        clock: Clock,
        check_stop: Callable[[], None],
    ) -> None:
        self._intents = intents
        self._batcher = batcher
        self._delivery = delivery
        self._report = report
        self._limit = limit
        self._removal_limit = removal_limit
        self._clock = clock
        self._check_stop = check_stop
        self._dropped_count = 0
        """Number of records that are not done because too many others were rejected."""

    def add(self, removal: Removal) -> None:
        """Take what a record asks for. Where no more can wait, there is a checkpoint."""
        self._intents.add(removal)
        if self._intents.is_full:
            self._hold_checkpoint()
            self._drop()

    def cancel(self, keys: Collection[str], list_ids: Collection[str]) -> None:
        """Cancel what waits for a person, given by `identity_keys`, whom a later record puts on lists."""
        for origin in self._intents.cancel(keys, list_ids):
            self._report.stream(origin.stream).buckets[Bucket.DUPLICATE] += 1

    def do_due(self) -> None:
        """Have a checkpoint if a STATE has waited for long."""
        if self._intents.is_due(self._clock.monotonic()):
            self._hold_checkpoint()
            if self._intents.waiting:
                self._intents.postpone(self._clock.monotonic())

    def finish(self) -> None:
        """Have the last checkpoint, at the end of the input."""
        self._hold_checkpoint()
        count = len(self._intents.waiting)
        if count:
            log.warning("%s that would take people off lists: nothing of it was done.", counted(count, "record"))

    def check(self) -> None:
        """Check whether everything was done.

        Raises:
            TooManyRejectedError: Some of it was not, since too many of the records before it were rejected.
            TooManyRemovalsError: Some of it was not, since the ceiling of removals does not allow it.
        """
        if self._dropped_count:
            message = (
                f"{counted(self._dropped_count, 'record')} took nobody off a list: too many of the records before were"
                f" rejected (`max_rejected_percent` is {self._limit.max_percent:g})."
            )
            raise TooManyRejectedError(message, "Look at the rejected records, and run again from the last state.")
        withheld = self._delivery.withheld
        if withheld:
            raise TooManyRemovalsError(" ".join(self._withheld_sentence(*one) for one in withheld.items()), _ALLOW)

    def _withheld_sentence(self, stream: str, origins: Sequence[Origin]) -> str:
        not_done = "person was" if len(origins) == 1 else "people were"
        first = min(origins, key=lambda origin: (origin.line, origin.file_line))
        return (
            f"Stream '{shown(stream)}': {len(origins):,} {not_done} not taken off a list, since `max_removals` allows"
            f" {self._removal_limit.limit(stream):,} in one run. The first is at {first}."
        )

    def _hold_checkpoint(self) -> None:
        """Do all that waits, unless too many records are rejected, once the changes before it are settled."""
        if not self._intents.waiting:
            return
        self._delivery.finish()
        if self._limit.is_exceeded(self._report.limit_counts()):
            return
        for removal in self._intents.take_all():
            purpose = Purpose(REMOVE_FROM_LIST, removal.list_ids)
            self._batcher.add(Change(purpose, removal.identity, removal.contact, removal.origin))
        try:
            self._delivery.finish()
        except SendGridError:
            self._check_stop()  # the job runner may have been the first to notice a signal
            raise

    def _drop(self) -> None:
        """Drop what waits, since there is no room for it, and write no state that covers it."""
        first_line = self._intents.first_line
        if first_line is None:
            return
        self._delivery.hold_state_from(first_line)
        dropped = counted(len(self._intents.waiting), "record")
        log.warning("%s took nobody off a list: too many of the records before were rejected.", dropped)
        self._dropped_count += len(self._intents.take_all())


class RemovalPermit:
    """Whether people may be taken off lists. The job runner asks from its own thread before each request.

    Args:
        check_stop: Raises if a signal has asked the run to stop.
    """

    def __init__(self, check_stop: Callable[[], None]) -> None:
        self._check_stop = check_stop
        self._is_withdrawn = False

    def withdraw(self) -> None:
        """Let nobody be taken off a list any more: an error or a signal ends the run."""
        self._is_withdrawn = True

    def check(self) -> None:
        """Check that people may be taken off lists.

        Raises:
            SendGridError: The run is about to end.
        """
        try:
            self._check_stop()
        except TerminatedError:
            self._is_withdrawn = True
        if self._is_withdrawn:
            message = "The run is stopped: nobody more is taken off a list."
            raise SendGridError(message, "The next run does it.", code=Code.STOPPED)
