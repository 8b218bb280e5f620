"""People whom the snapshot knows: who need not be sent is left out, and who is settled is known to the next run."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from target_sendgrid.audience.presence import all_keys
from target_sendgrid.audience.snapshot import keys_of
from target_sendgrid.delivery.operations.delete_contacts import DELETE_CONTACT, DELETE_TO_ERASE
from target_sendgrid.delivery.operations.erase import addresses_of
from target_sendgrid.delivery.operations.remove_from_list import REMOVE_FROM_LIST
from target_sendgrid.delivery.pending import identities_of, unpack
from target_sendgrid.report.report import Bucket
from target_sendgrid.sendgrid import contact as contacts

if TYPE_CHECKING:
    from collections.abc import Collection

    from target_sendgrid.audience.cap import ProfileCap
    from target_sendgrid.audience.snapshot import SentPeople, Snapshot
    from target_sendgrid.delivery.events import BatchResult
    from target_sendgrid.delivery.pending import Batch, Change, Purpose
    from target_sendgrid.report.report import Report

UNCHANGED = Bucket.UNCHANGED
"""The member as a module global: nearly every record looks it up, and an attribute of the class takes longer."""


class KnownPeople:
    """Leaves people out whom the snapshot knows, and keeps it up to date with the batches of a run.

    Members whom a mirror takes off leave it apart: their changes do not show who they are (`Mirrors`).

    Args:
        snapshot: The snapshot.
        report: Counts who is left out.
        cap: Counts people. Those who are unchanged count, those who were erased do not.
    """

    def __init__(self, snapshot: Snapshot, report: Report, cap: ProfileCap) -> None:
        self._snapshot = snapshot
        self._report = report
        self._cap = cap
        self._sent: dict[Batch, SentPeople] = {}
        """The people of each batch of contacts that is in flight."""
        self._is_unchanged = snapshot.is_unchanged
        self.note_removal = snapshot.note_removal
        self.finish = snapshot.finish

    def leaves_out(self, change: Change, *, is_new: bool) -> bool:
        """Return whether a change need not be sent, or must not be, and count its record then.

        Args:
            change: What one record asks for.
            is_new: Whether it is of the person's first record of the run, whom the cap has just admitted.
        """
        if self._is_unchanged(change.identity, change.contact, change.purpose.list_ids, is_new=is_new):
            bucket = UNCHANGED
        elif self._snapshot.is_erased(change.contact):
            bucket = Bucket.ERASED_BEFORE
            if is_new:
                self._cap.withdraw(change.identity)
        else:
            return False
        self._report.stream(change.origin.stream).buckets[bucket] += 1
        return True

    def note_sending(self, batch: Batch) -> None:
        """Let the people of a batch leave the snapshot, before it is sent."""
        purpose, packed = batch.purpose, batch.packed
        if packed is not None and purpose.kind.bucket is Bucket.UPSERTED:
            self._sent[batch] = self._snapshot.send(identities_of(packed), packed.contacts, purpose.list_ids)
        elif packed is not None and purpose.kind in {REMOVE_FROM_LIST, DELETE_CONTACT, DELETE_TO_ERASE}:
            changes = unpack(packed, purpose).values()
            keys = {key for change in changes for key in itertools.chain(*keys_of(change.identity, change.contact))}
            self._leave(purpose, keys)

    def note_settled(self, result: BatchResult) -> None:
        """Take those people of a batch into the snapshot whose contacts are confirmed; remember who is erased."""
        sent = self._sent.pop(result.batch, None)
        if sent is not None:
            rejected = (change for change, _ in result.rejected)
            lost = itertools.chain(rejected, result.not_found, result.over_limit)
            self._snapshot.settle(sent, [(change.identity, change.contact) for change in lost], result.holders)
            return
        purpose = result.batch.purpose
        if result.holders:
            self._leave(purpose, {key for holder in result.holders for key in all_keys(contacts.decode(holder))})
        if purpose.kind is DELETE_TO_ERASE:
            erased = [contacts.decode(change.contact) for change in (*result.settled, *result.not_found)]
            by_address = [{**contact, "email": address} for contact in erased for address in addresses_of(contact)]
            holders = map(contacts.decode, result.holders)
            by_identifier = [{kind: value} for holder in holders for kind, value in holder.items() if kind != "email"]
            self._snapshot.erase([*erased, *by_address, *by_identifier])

    def _leave(self, purpose: Purpose, keys: Collection[str]) -> None:
        """Let people leave the snapshot who are taken off lists or out of the account, by their keys."""
        list_ids = purpose.list_ids if purpose.kind is REMOVE_FROM_LIST else None
        self._snapshot.note_removal(keys)
        self._snapshot.leave(set(map(self._snapshot.person, keys)), list_ids)
