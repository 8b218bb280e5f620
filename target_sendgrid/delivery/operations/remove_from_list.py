"""Remove from list: take contacts off lists, by their ids. The contacts themselves stay in the account."""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING

import msgspec

from target_sendgrid.delivery import lookups
from target_sendgrid.delivery.operations.by_ids import (
    MAX_CONTACTS,
    MAX_TRIES,
    WAIT_SECONDS,
    OperationByIds,
    send_in_parts,
)
from target_sendgrid.delivery.pending import OperationKind
from target_sendgrid.errors import BadRequestError, NotFoundError
from target_sendgrid.report.report import Bucket
from target_sendgrid.sendgrid.answers import as_shape
from target_sendgrid.sendgrid.contact import CONTACT_ID, decode

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from target_sendgrid.audience.removal_limit import RemovalLimit
    from target_sendgrid.clock import Clock
    from target_sendgrid.delivery.job import Job
    from target_sendgrid.delivery.operation import Submission
    from target_sendgrid.delivery.pending import Change
    from target_sendgrid.sendgrid.client import Client
    from target_sendgrid.sendgrid.lists import ListTracker

REMOVE_FROM_LIST = OperationKind(
    job_name="list-removal job",
    max_contacts=MAX_CONTACTS,
    max_bytes=sys.maxsize,  # the request holds ids only, whose number is limited
    overhead_bytes=lambda _: 0,
    unites_lists=False,
    bucket=Bucket.REMOVED,
    finds_by_any_identifier=True,
)

REMOVE_ABSENT = msgspec.structs.replace(REMOVE_FROM_LIST, bucket=None)
"""Removals of members of a mirrored list who were not in the run: they are no records, so they count for none."""


class RemoveFromList(OperationByIds):
    """Takes contacts off lists. Nobody is created in order to be removed.

    Changes need identifiers alone, whose contacts are looked up, or SendGrid's own id of the contact (`CONTACT_ID`),
    with which nobody is looked up before the first request.

    SendGrid has accepted removals, and finished their jobs, without any effect (reported in 2020). So a person counts
    as removed only when a look-up finds the contact and the contact is on none of the lists. Who is still on one is
    removed again. Therefore only the job of the last request is polled, where it takes several.

    Args:
        client: SendGrid.
        clock: Where time comes from.
        list_tracker: The lists' ids as they are now.
        limit: The ceiling of removals that rows ask for.
        kind: How the changes are grouped and counted.
        check_allowed: Called before each request; may raise to end the run.
    """

    unconfirmed = "the contact is still on a list"

    def __init__(
        self,
        client: Client,
        clock: Clock,
        list_tracker: ListTracker,
        limit: RemovalLimit,
        check_allowed: Callable[[], None] = lambda: None,
        *,
        kind: OperationKind = REMOVE_FROM_LIST,
    ) -> None:
        self.kind = kind
        super().__init__(client)
        self._clock = clock
        self._list_tracker = list_tracker
        self._limit = limit
        self._check_allowed = check_allowed

    def submit(self, job: Job) -> Submission | None:
        """Ask for the removal of the contacts, after looking up the ids that are not known.

        One id that SendGrid does not know fails the whole request, or its removal can never be confirmed. So after the
        first request, all are looked up. People who are absent from the account are left out, and so are those
        who turn out to be somebody else, and those whom the ceiling does not allow.

        Raises:
            BadRequestError: SendGrid refuses the request again and again, because one of the contacts is unknown to it.
        """
        list_ids = self._list_tracker.current(job.purpose.list_ids)
        if job.was_looked_up:  # of several requests that were sent before, perhaps only one job was polled
            job.progress.maybe_taken_at = self._clock.monotonic()
        for number in range(MAX_TRIES):
            if number:
                self._clock.sleep(WAIT_SECONDS)
                job.settle(self.confirm(job, job.changes()))
            changes = job.changes()
            known = {} if number or job.send_count else _known_ids(changes)
            unknown = {identity: change for identity, change in changes.items() if identity not in known}
            found = lookups.find_present(self._client, unknown, self._clock)
            found = {
                identity: contact
                for identity, contact in found.items()
                if not lookups.is_somebody_else(decode(changes[identity].contact), contact)
            }
            job.leave_out(unknown.keys() - found.keys())
            if not job.was_looked_up:
                withheld = not_admitted(job.changes(), self._limit)
                job.withhold(withheld)
                found = {identity: contact for identity, contact in found.items() if identity not in withheld}
                known = {identity: contact_id for identity, contact_id in known.items() if identity not in withheld}
                job.was_looked_up = True
            lookups.note_holders(job, found.values())
            # Two identifiers may be of one contact.
            ids = [*known.values(), *(as_shape(contact.get(CONTACT_ID), str) for contact in found.values())]
            contact_ids = list(dict.fromkeys(ids))
            if not contact_ids:
                return None
            try:
                removals = [functools.partial(self._client.remove_from_list, list_id) for list_id in list_ids]
                return send_in_parts(contact_ids, removals, list_ids, self._check_allowed)
            except NotFoundError:  # one unknown id fails the whole request, and so does an unknown list
                present = [list_id for list_id in list_ids if self._client.find_list(list_id) is not None]
                list_ids = tuple(present) or list_ids
        message = f"SendGrid does not remove contacts from the list {self._list_tracker.label(job.purpose.list_ids)}."
        raise BadRequestError(message, [])

    def confirm(self, job: Job, identities: Collection[str]) -> set[str]:
        """Return those of some people whose contact is found and is on none of the lists."""
        changes = job.changes()
        list_ids = set(self._list_tracker.current(job.purpose.list_ids))
        return {
            identity
            for identity, contact in lookups.find_people(self._client, {one: changes[one] for one in identities})
            if list_ids.isdisjoint(contact.get("list_ids") or ())
        }


def _known_ids(changes: Mapping[str, Change]) -> dict[str, str]:
    """Return SendGrid's ids of those contacts whose changes have them, by identity."""
    contacts = {identity: decode(change.contact) for identity, change in changes.items()}
    return {identity: str(contact[CONTACT_ID]) for identity, contact in contacts.items() if CONTACT_ID in contact}


def not_admitted(changes: Mapping[str, Change], limit: RemovalLimit) -> set[str]:
    """Return the identities of those people in the account whom the ceiling does not allow to be taken off lists.

    Args:
        changes: Their changes by identity, in the order of their records. Those that are allowed are counted.
        limit: The ceiling.
    """
    return {identity for identity, change in changes.items() if not limit.admits(change.origin.stream)}
