"""Dry run: batches are settled by looking their people up, and nothing is sent."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from target_sendgrid.delivery import lookups
from target_sendgrid.delivery.events import BatchResult, UnderWay
from target_sendgrid.delivery.operations.delete_contacts import DELETE_CONTACT, DELETE_TO_ERASE, people_to_delete
from target_sendgrid.delivery.operations.erase import ERASE
from target_sendgrid.delivery.operations.limited_upsert import in_order
from target_sendgrid.delivery.operations.remove_from_list import REMOVE_FROM_LIST, not_admitted
from target_sendgrid.delivery.pending import unpack
from target_sendgrid.report.dry_run import Effect, masked
from target_sendgrid.sendgrid import contact as contacts
from target_sendgrid.sendgrid.searches import MAX_IDENTIFIERS_PER_SEARCH
from target_sendgrid.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from target_sendgrid.audience.account_guard import AccountGuard
    from target_sendgrid.audience.account_limit import AccountLimit
    from target_sendgrid.audience.removal_limit import RemovalLimit
    from target_sendgrid.delivery.events import JobEvent
    from target_sendgrid.delivery.pending import Batch, Change
    from target_sendgrid.report.dry_run import DryRunReport
    from target_sendgrid.sendgrid.client import Client

log = logging.getLogger("target-sendgrid.delivery")

MAX_LOOKED_UP = 2000
"""Most people of a batch who are looked up. Of a larger batch a sample is taken, evenly spread over it."""


class DryRunner:
    """Takes the place of the job runner: says what a batch would do, and settles it.

    Args:
        client: SendGrid.
        report: Takes what is found.
        field_name: Returns the name of a custom field, given its id.
        removal_limit: The ceiling of removals from lists.
        account_guard: The ceiling of deletions and erasures.
        account_limit: The limit of the account's contacts; ``None`` for no limit.
    """

    def __init__(
        self,
        client: Client,
        report: DryRunReport,
        field_name: Callable[[str], str],
        removal_limit: RemovalLimit,
        account_guard: AccountGuard,
        account_limit: AccountLimit | None,
    ) -> None:
        self._client = client
        self._report = report
        self._field_name = field_name
        self._removal_limit = removal_limit
        self._account_guard = account_guard
        self._account_limit = account_limit
        if account_limit is not None:
            log.info("%s", account_limit.sentence)
        self._batches: list[Batch] = []
        self._events: list[JobEvent] = []
        self.is_awaited = False
        self.under_way = UnderWay()

    def accept(self, batch: Batch) -> None:
        """Take a batch to settle."""
        self._batches.append(batch)

    def step(self) -> float | None:
        """Settle one batch.

        Returns:
            Seconds until there is more to do; ``None`` when no batch is left.

        Raises:
            SendGridError: The look-up failed.
        """
        if self._batches:
            self._events.append(self._result(self._batches.pop(0)))
        return 0.0 if self._batches else None

    def take_events(self) -> list[JobEvent]:
        """Return what has happened since the last call."""
        events, self._events = self._events, []
        return events

    def _result(self, batch: Batch) -> BatchResult:
        """Return what a batch would do."""
        if batch.packed is None:
            return BatchResult(batch, (), job_count=0)
        kind = batch.purpose.kind
        changes, batch.packed = unpack(batch.packed, batch.purpose), None
        if kind is ERASE:
            return BatchResult(batch, (), job_count=0, settled=list(changes.values()))
        limit = self._account_limit if kind.creates_contacts else None
        if limit is not None and not limit.is_out_of_reach:
            return self._limited_result(batch, changes, limit)
        sample = self._sample(changes) if kind.creates_contacts else changes
        found = dict(lookups.find_people(self._client, sample))
        absent = {} if kind.creates_contacts else {one: changes[one] for one in changes if one not in found}
        present = {identity: change for identity, change in changes.items() if identity not in absent}
        withheld: Collection[str] = ()
        if kind is REMOVE_FROM_LIST:
            withheld = not_admitted(present, self._removal_limit)
        elif kind in {DELETE_CONTACT, DELETE_TO_ERASE}:
            withheld = self._account_guard.withheld(people_to_delete(kind, changes, present))
        else:
            self._note_upserts(batch, present, sample if kind.creates_contacts else present, found)
        return BatchResult(
            batch,
            (),
            job_count=0,
            not_found=[change for identity, change in absent.items() if identity not in withheld],
            withheld=[changes[identity] for identity in withheld],
            settled=[change for identity, change in present.items() if identity not in withheld],
        )

    def _limited_result(self, batch: Batch, changes: Mapping[str, Change], limit: AccountLimit) -> BatchResult:
        """Return what upserts would do under the account's limit. Unlike in a run, one look-up decides who is new."""
        found = dict(lookups.find_people(self._client, changes))
        new = [change for identity, change in changes.items() if identity not in found]
        beyond = dict.fromkeys(limit.admit_new(in_order(new)))
        admitted = {identity: change for identity, change in changes.items() if identity not in beyond}
        self._note_upserts(batch, admitted, admitted, found)
        return BatchResult(batch, (), job_count=0, over_limit=[changes[identity] for identity in beyond])

    def _note_upserts(
        self,
        batch: Batch,
        changes: Mapping[str, Change],
        sample: Mapping[str, Change],
        found: Mapping[str, contacts.Contact],
    ) -> None:
        """Note what upserts would do.

        Args:
            batch: The batch that they are in.
            changes: The upserts, by identity.
            sample: Those of them that were looked up.
            found: The contacts that there are.
        """
        if not changes:
            return
        self._report.request_count += 1
        self._report.byte_count += batch.byte_count
        self._report.contact_count += len(changes)
        for identity, change in sample.items():
            effect = self._effect(change, found.get(identity))
            for stream in {origin.stream for origin in change.origins}:
                self._report.stream(stream).add(effect, weight=len(changes) / len(sample))
        for change in changes.values():
            preview = self._report.stream(change.origin.stream)
            if not preview.is_full:
                preview.contacts.append(masked(contacts.decode(change.contact), self._field_name))

    @staticmethod
    def _sample(changes: dict[str, Change]) -> dict[str, Change]:
        step = -(-len(changes) // MAX_LOOKED_UP)
        sample = dict(list(changes.items())[::step])
        if len(sample) < len(changes):
            size = f"{len(sample):,} of {len(changes):,} contacts"
            searches = -(-len(sample) // MAX_IDENTIFIERS_PER_SEARCH)
            sentence = "Dry run: a sample of %s is looked up, in %s; SendGrid takes about 200 of them a minute."
            log.info(sentence, size, counted(searches, "request"))
        return sample

    def _effect(self, change: Change, found: contacts.Contact | None) -> Effect:
        if found is None:
            return Effect.CREATED
        sent = contacts.decode(change.contact)
        is_stored = lookups.is_stored(sent, found, change.purpose.list_ids, self._field_name)
        return Effect.UNCHANGED if is_stored else Effect.UPDATED
