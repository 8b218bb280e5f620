"""Remove from list: take contacts off one list, by their ids. The contacts themselves stay in the account."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from target_sendgrid.delivery import lookups
from target_sendgrid.delivery.operation import Submission
from target_sendgrid.delivery.operations import row_errors
from target_sendgrid.delivery.pending import OperationKind
from target_sendgrid.errors import BadRequestError, NotFoundError
from target_sendgrid.report.report import Bucket
from target_sendgrid.sendgrid.answers import as_shape
from target_sendgrid.sendgrid.client import MAX_IDS_PER_REMOVAL
from target_sendgrid.sendgrid.contact import CONTACT_ID, decode

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from target_sendgrid.clock import Clock
    from target_sendgrid.delivery.job import Job
    from target_sendgrid.delivery.pending import Change
    from target_sendgrid.sendgrid.client import Client, JobStatus
    from target_sendgrid.sendgrid.lists import ListTracker

REMOVE_FROM_LIST = OperationKind(
    job_name="list-removal job",
    max_contacts=MAX_IDS_PER_REMOVAL,
    max_bytes=sys.maxsize,  # the request holds ids only, whose number is limited
    overhead_bytes=lambda _: 0,
    unites_lists=False,
    bucket=Bucket.REMOVED,
)

ABSENT_SECONDS = 60.0
"""How long look-ups must not find a person before the person counts as absent from the account.

A contact that was just upserted is visible after about half a minute, and one answer of a proxy proves nothing.
"""

_WAIT_SECONDS = 10.0
_MAX_TRIES = 3
"""How often one request is tried, when contacts vanish between the look-up and the request."""


class RemoveFromList:
    """Takes contacts off a list. Nobody is created in order to be removed.

    Changes need identifiers alone, whose contacts are looked up, or SendGrid's own id of the contact (`CONTACT_ID`),
    with which nobody is looked up before the first request.

    SendGrid has accepted removals, and finished their jobs, without any effect (reported in 2020). So a person counts
    as removed only when a look-up finds the contact and the contact is not on the list, or when the person is absent
    from the account for a minute. Who is still on the list is removed again.

    Args:
        client: SendGrid.
        clock: Where time comes from.
        list_tracker: The lists' ids as they are now.
    """

    kind = REMOVE_FROM_LIST
    is_proven_by_completion = False
    unconfirmed = "the contact is still on the list"
    max_bytes = None

    def __init__(self, client: Client, clock: Clock, list_tracker: ListTracker) -> None:
        self._client = client
        self._clock = clock
        self._list_tracker = list_tracker

    def submit(self, job: Job) -> Submission | None:
        """Ask for the removal of the contacts, after looking up the ids that are not known.

        One id that SendGrid does not know fails the whole request, so all are looked up then. People who are absent
        from the account are settled.

        Raises:
            BadRequestError: SendGrid refuses the request again and again, because one of the contacts is unknown to it.
        """
        (list_id,) = self._list_tracker.current(job.purpose.list_ids)
        for number in range(_MAX_TRIES):
            if number:
                self._clock.sleep(_WAIT_SECONDS)
                job.settle(self.confirm(job, job.changes()))
            contact_ids = self._contact_ids(job, must_look_up=number > 0)
            if not contact_ids:
                return None
            try:
                job_id = self._client.remove_from_list(list_id, contact_ids)
            except NotFoundError:  # one unknown id fails the whole request, and so does an unknown list
                continue
            return Submission(job_id, (list_id,), sum(map(len, contact_ids)), len(contact_ids))
        message = f"SendGrid does not remove contacts from the list {self._list_tracker.label(job.purpose.list_ids)}."
        raise BadRequestError(message, [])

    def refused(self, job: Job, error: BadRequestError) -> dict[str, str]:
        """Return nobody: the request names contacts by SendGrid's ids, and no refusal that quotes one is known."""
        del job, error
        return {}

    def row_errors(self, job: Job, status: JobStatus) -> dict[str, str]:
        """Return the reasons in the job's errors file, by identity."""
        return row_errors.failed_in_job(self._client, job, status)

    def amend(self, job: Job, reasons: Mapping[str, str]) -> list[str]:
        """Return nobody: a removal holds nothing that could be completed."""
        del job, reasons
        return []

    def confirm(self, job: Job, identities: Collection[str]) -> set[str]:
        """Return those of some people whose contact is found and is not on the list."""
        changes = job.changes()
        (list_id,) = self._list_tracker.current(job.purpose.list_ids)
        return {
            identity
            for identity, contact in lookups.find_people(self._client, {one: changes[one] for one in identities})
            if list_id not in (contact.get("list_ids") or ())
        }

    def _contact_ids(self, job: Job, *, must_look_up: bool) -> list[str]:
        """Return the ids of a job's contacts, after settling the people whom no look-up finds for a minute.

        Args:
            job: The job.
            must_look_up: Whether those are looked up, too, whose ids are known.
        """
        deadline = self._clock.monotonic() + ABSENT_SECONDS
        changes = job.changes()
        contact_ids = {} if must_look_up else _known_ids(changes)
        while True:
            missing = {identity: change for identity, change in changes.items() if identity not in contact_ids}
            for identity, contact in lookups.find_people(self._client, missing):
                contact_ids[identity] = as_shape(contact.get(CONTACT_ID), str)
            if len(contact_ids) == len(changes):
                break
            if self._clock.monotonic() >= deadline:
                job.settle(changes.keys() - contact_ids.keys())
                break
            self._clock.sleep(_WAIT_SECONDS)
        return list(dict.fromkeys(contact_ids.values()))  # two identifiers may be of one contact


def _known_ids(changes: Mapping[str, Change]) -> dict[str, str]:
    """Return SendGrid's ids of those contacts whose changes have them, by identity."""
    contacts = {identity: decode(change.contact) for identity, change in changes.items()}
    return {identity: str(contact[CONTACT_ID]) for identity, contact in contacts.items() if CONTACT_ID in contact}
