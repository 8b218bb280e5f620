"""Removals that rows ask for: at a checkpoint, people are taken off lists, contacts are deleted, and people are erased.

Each step begins when the one before is confirmed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from target_sendgrid.audience.intents import Act
from target_sendgrid.delivery.operations.delete_contacts import DELETE_CONTACT, DELETE_TO_ERASE
from target_sendgrid.delivery.operations.erase import ERASE
from target_sendgrid.delivery.operations.remove_from_list import REMOVE_FROM_LIST
from target_sendgrid.delivery.pending import Change, Purpose
from target_sendgrid.errors import (
    Code,
    SendGridError,
    TerminatedError,
    TooManyRemovalsError,
)
from target_sendgrid.report.report import Bucket
from target_sendgrid.sendgrid import contact as contacts
from target_sendgrid.wording import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from target_sendgrid.audience.account_guard import AccountGuard
    from target_sendgrid.audience.intents import Intents
    from target_sendgrid.audience.removal_limit import RemovalLimit
    from target_sendgrid.delivery.batching import Batcher
    from target_sendgrid.delivery.delivery import Delivery, Withheld
    from target_sendgrid.delivery.events import BatchResult
    from target_sendgrid.delivery.pending import OperationKind
    from target_sendgrid.report.report import Report

_ALLOW = (
    "Look whether so many are to leave, and allow it with a higher `max_removals` for one run. No state that covers"
    " these records was written, so the next run brings them again."
)


class Removals:
    """Does at checkpoints what rows ask to take away.

    Args:
        intents: What waits.
        batcher: Takes the changes at a checkpoint.
        delivery: Gets them settled.
        report: Counts outcomes.
        removal_limit: The ceiling of removals from lists.
        account_guard: The ceiling of deletions and erasures.
    """

    def __init__(
        self,
        intents: Intents,
        *,
        batcher: Batcher,
        delivery: Delivery,
        report: Report,
        removal_limit: RemovalLimit,
        account_guard: AccountGuard,
    ) -> None:
        self._intents = intents
        self._batcher = batcher
        self._delivery = delivery
        self._report = report
        self._removal_limit = removal_limit
        self._account_guard = account_guard

    def cancel(self, keys: Collection[str], list_ids: Collection[str]) -> None:
        """Cancel what waits for a person, given by `identity_keys`, whom a later record puts on lists."""
        for origin in self._intents.cancel(keys, list_ids):
            self._report.stream(origin.stream).buckets[Bucket.DUPLICATE] += 1

    def carry_out(self, stays: Callable[[bytes], bool]) -> None:
        """Do what waits. Everything else must be settled.

        Args:
            stays: Returns whether the person of an encoded contact is not to be taken away yet.
        """
        removals = self._intents.take_all(stays)
        for steps in (
            {Act.REMOVE_FROM_LIST: REMOVE_FROM_LIST},
            {Act.ERASE: DELETE_TO_ERASE},  # before others delete a contact that alone knows the person's address
            {Act.DELETE_CONTACT: DELETE_CONTACT},
        ):
            for removal in removals:
                kind = steps.get(removal.act)
                if kind is not None:
                    purpose = Purpose(kind, removal.list_ids if kind is REMOVE_FROM_LIST else ())
                    self._batcher.add(Change(purpose, removal.identity, removal.contact, removal.origin))
            self._delivery.finish()
        for result in self._delivery.take_results([DELETE_TO_ERASE]):
            self._erase(result)
            for change, rejection in result.rejected:
                for origin in change.origins:
                    self._delivery.reject(origin, rejection.reason, rejection.sentence, rejection.sendgrid_message)
        self._delivery.finish()
        self._intents.done()

    def _erase(self, result: BatchResult) -> None:
        """Erase people whose contacts are deleted, and those who had none, but may have got mail all the same."""
        to_erase = list(result.settled)
        for change in result.not_found:
            if "email" in contacts.decode(change.contact):
                to_erase.append(change)
            else:
                self._delivery.count_not_found(change)
        for change in to_erase:
            purpose = Purpose(ERASE, ())
            self._batcher.add(Change(purpose, change.identity, change.contact, change.origin, change.later))

    def check(self) -> None:
        """Check whether everything was done.

        Raises:
            TooManyRemovalsError: Some of it was not, since the ceiling of removals does not allow it.
        """
        withheld = self._delivery.withheld
        if withheld:
            sentences = (self._withheld_sentence(kind, stream, what) for (kind, stream), what in withheld.items())
            raise TooManyRemovalsError(" ".join(sentences), _ALLOW)

    def _withheld_sentence(self, kind: OperationKind, stream: str, withheld: Withheld) -> str:
        people = "1 person was" if withheld.count == 1 else f"{withheld.count:,} people were"
        if kind is REMOVE_FROM_LIST:
            done, why = "taken off a list", f"`max_removals` allows {self._removal_limit.limit(stream):,} in one run"
        else:
            done = "deleted" if kind is DELETE_CONTACT else "erased"
            why = self._account_guard.withheld_reason(stream)
        return f"Stream '{shown(stream)}': {people} not {done}, since {why}. The first is at {withheld.first}."


class RemovalPermit:
    """Whether people may be unsubscribed or taken away. The job runner asks from its own thread before each request.

    Args:
        check_stop: Raises if a signal has asked the run to stop.
    """

    def __init__(self, check_stop: Callable[[], None]) -> None:
        self._check_stop = check_stop
        self._is_withdrawn = False

    def withdraw(self) -> None:
        """Let nobody be unsubscribed or taken away any more: an error or a signal ends the run."""
        self._is_withdrawn = True

    def check(self) -> None:
        """Check that people may be unsubscribed or taken away.

        Raises:
            SendGridError: The run is about to end.
        """
        try:
            self._check_stop()
        except TerminatedError:
            self._is_withdrawn = True
        if self._is_withdrawn:
            message = "The run is stopped: nobody more is unsubscribed or taken away."
            raise SendGridError(message, "The next run does it.", code=Code.STOPPED)
