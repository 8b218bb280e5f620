"""Delete contacts: take people out of the account, by the ids of all their contacts."""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING, Any

import msgspec

from target_sendgrid.delivery import lookups
from target_sendgrid.delivery.lookups import CONTACT_IDS
from target_sendgrid.delivery.operations.by_ids import (
    MAX_CONTACTS,
    MAX_TRIES,
    WAIT_SECONDS,
    OperationByIds,
    send_in_parts,
)
from target_sendgrid.delivery.operations.erase import ADDRESSES, addresses_of, erase_ahead
from target_sendgrid.delivery.pending import OperationKind, Service
from target_sendgrid.errors import BadRequestError, NotFoundError
from target_sendgrid.report.report import Bucket
from target_sendgrid.sendgrid.contact import decode, encode, is_same_email

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from target_sendgrid.audience.account_guard import AccountGuard
    from target_sendgrid.clock import Clock
    from target_sendgrid.delivery.job import Job
    from target_sendgrid.delivery.operation import Submission
    from target_sendgrid.delivery.pending import Change
    from target_sendgrid.sendgrid.client import Client

DELETE_CONTACT = OperationKind(
    job_name="deletion job",
    max_contacts=MAX_CONTACTS,
    max_bytes=sys.maxsize,  # the request holds ids only, whose number is limited
    overhead_bytes=lambda _: 0,
    unites_lists=False,
    bucket=Bucket.DELETED_CONTACT,
    service=Service.DELETION,
    finds_by_any_identifier=True,
    can_repeat=False,
)

DELETE_TO_ERASE = msgspec.structs.replace(DELETE_CONTACT, bucket=None, keeps_settled=True)
"""Deletions of people whose addresses are erased afterwards. Only then are their records counted."""


class DeleteContacts(OperationByIds):
    """Deletes contacts. Changes need identifiers alone.

    SendGrid does not say what it does about an id that it does not know, and has finished similar jobs without any
    effect. So a person counts as deleted only when look-ups find no contact: neither by an identifier, nor by the ids
    of the contacts that there were. Who still has one is deleted again. Therefore only the job of the last request is
    polled, where it takes several.

    Before anybody is deleted, the guard decides about all people of a job. Changes of `DELETE_TO_ERASE` then hold all
    addresses of their people (`ADDRESSES`), which nobody knows any more after the deletion.

    Args:
        client: SendGrid.
        clock: Where time comes from.
        guard: Decides whether so many people may be deleted.
        check_allowed: Called before each request; may raise to end the run.
        kind: `DELETE_CONTACT` or `DELETE_TO_ERASE`.
    """

    unconfirmed = "the contact is still in the account"

    def __init__(
        self,
        client: Client,
        clock: Clock,
        guard: AccountGuard,
        check_allowed: Callable[[], None] = lambda: None,
        *,
        kind: OperationKind,
    ) -> None:
        self.kind = kind
        super().__init__(client)
        self._clock = clock
        self._guard = guard
        self._check_allowed = check_allowed

    def submit(self, job: Job) -> Submission | None:
        """Ask for the deletion of all contacts of people, after looking them up.

        Raises:
            BadRequestError: SendGrid refuses the request again and again, because one of the contacts is unknown to it.
        """
        if job.was_looked_up:  # of several requests that were sent before, perhaps only one job was polled
            job.progress.maybe_taken_at = self._clock.monotonic()
        for number in range(MAX_TRIES):
            if number:
                self._clock.sleep(WAIT_SECONDS)
            found = self._find_again(job) if job.was_looked_up else self._find_first(job)
            if not found:
                return None
            changes = job.changes()
            for identity, contacts in found.items():
                self._note(changes[identity], contacts)
                lookups.note_holders(job, contacts.values())
            if self.kind.keeps_settled:
                self._erase_ahead(changes)
            contact_ids = list(dict.fromkeys(contact_id for contacts in found.values() for contact_id in contacts))
            try:
                return send_in_parts(contact_ids, [self._client.delete_contacts], (), self._check_allowed)
            except NotFoundError:  # one unknown id may fail the whole request
                continue
        message = "SendGrid does not delete contacts that it shows."
        raise BadRequestError(message, [])

    def confirm(self, job: Job, identities: Collection[str]) -> set[str]:
        """Return those of some people of whom no contact is found any more."""
        changes = job.changes()
        found = dict(lookups.find_all(self._client, {one: changes[one] for one in identities}))
        return {identity for identity in identities if identity not in found}

    def _find_first(self, job: Job) -> dict[str, dict[str, Any]]:
        """Return all contacts of those people of a job who are in the account and may be deleted; settle the others.

        For erasure, a person counts also who has an address but no contact.
        """
        changes, others = job.changes(), set[str]()
        find = functools.partial(lookups.find_all, self._client, others=others)
        found = lookups.find_twice(find, changes, self._clock)
        for identity in others:  # an address that has gone over to somebody else is not to be erased
            contact = decode(changes[identity].contact)
            changes[identity].contact = encode({kind: contact[kind] for kind in contact if kind != "email"})
        withheld = self._guard.withheld(people_to_delete(self.kind, changes, found))
        absent = [identity for identity in changes if identity not in found and identity not in withheld]
        job.withhold([identity for identity in changes if identity in withheld])
        job.leave_out(absent)
        job.was_looked_up = True
        return {identity: contacts for identity, contacts in found.items() if identity not in withheld}

    def _find_again(self, job: Job) -> dict[str, dict[str, Any]]:
        """Return all contacts of those people of a job who still have one; settle the others."""
        found = dict(lookups.find_all(self._client, job.changes()))
        job.settle([identity for identity in job.changes() if identity not in found])
        return found

    def _note(self, change: Change, contacts: Mapping[str, Mapping[str, Any]]) -> None:
        """Note in a change which contacts of its person are deleted, and for erasure their addresses."""
        noted = decode(change.contact)
        noted[CONTACT_IDS] = list(dict.fromkeys([*noted.get(CONTACT_IDS, ()), *contacts]))
        if self.kind.keeps_settled:
            emails = [str(contact["email"]) for contact in contacts.values() if contact.get("email")]
            noted[ADDRESSES] = addresses_of({**noted, ADDRESSES: [*noted.get(ADDRESSES, ()), *emails]})
        change.contact = encode(noted)

    def _erase_ahead(self, changes: Mapping[str, Change]) -> None:
        """Erase those addresses now that only the contacts know.

        If the run was killed after the deletion, the next run would not know them. They are erased again afterwards.
        """
        addresses: dict[str, None] = {}
        for change in changes.values():
            contact = decode(change.contact)
            addresses.update(
                (address, None) for address in addresses_of(contact) if not is_same_email(address, contact.get("email"))
            )
        if addresses:
            erase_ahead(self._client, list(addresses), self._check_allowed)


def people_to_delete(kind: OperationKind, changes: Mapping[str, Change], found: Collection[str]) -> dict[str, str]:
    """Return the streams of those people whom the guard has to decide about, by identity.

    For erasure, a person counts also who has an address but no contact.

    Args:
        kind: `DELETE_CONTACT` or `DELETE_TO_ERASE`.
        changes: The changes, by identity.
        found: The identities of people who have a contact.
    """
    return {
        identity: change.origin.stream
        for identity, change in changes.items()
        if identity in found or (kind is DELETE_TO_ERASE and "email" in decode(change.contact))
    }
