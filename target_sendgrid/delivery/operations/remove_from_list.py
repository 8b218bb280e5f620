"""Remove from list: take contacts off one list, by their ids. The contacts themselves stay in the account.

No setting reaches this operation yet.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from target_sendgrid.delivery import lookups
from target_sendgrid.delivery.operation import Submission
from target_sendgrid.delivery.operations import row_errors
from target_sendgrid.delivery.pending import OperationKind
from target_sendgrid.errors import NotFoundError, SendGridError
from target_sendgrid.report.report import Bucket
from target_sendgrid.sendgrid.client import MAX_IDS_PER_REMOVAL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_sendgrid.delivery.job import Job
    from target_sendgrid.errors import BadRequestError
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

_MAX_TRIES = 3
"""How often people are looked up for one request, when contacts vanish between the look-up and the request."""


class RemoveFromList:
    """Takes contacts off a list. Their changes hold identifiers alone, and nobody is created in order to be removed.

    SendGrid has accepted removals, and finished their jobs, without any effect (reported in 2020). So people are looked
    up after the job, and those who are still on the list are removed again.

    Args:
        client: SendGrid.
        list_tracker: The lists' ids as they are now.
    """

    kind = REMOVE_FROM_LIST
    is_proven_by_completion = False
    unconfirmed = "the contact is still on the list"
    lowered_max_bytes = None

    def __init__(self, client: Client, list_tracker: ListTracker) -> None:
        self._client = client
        self._list_tracker = list_tracker

    def submit(self, job: Job) -> Submission | None:
        """Look up the contacts' ids and ask for their removal. People who are not in the account are settled."""
        (list_id,) = self._list_tracker.current(job.purpose.list_ids)
        for _ in range(_MAX_TRIES):
            people = lookups.find_people(self._client, job.changes())
            job.settle(job.changes().keys() - people.keys())
            contact_ids = list(dict.fromkeys(str(contact["id"]) for contact in people.values()))
            if not contact_ids:
                return None
            try:
                job_id = self._client.remove_from_list(list_id, contact_ids)
            except NotFoundError:  # one unknown id fails the whole request, and so does an unknown list
                if self._client.find_list(list_id) is None:
                    job.settle_all()
                    return None
                continue
            return Submission(job_id, (list_id,), sum(map(len, contact_ids)))
        message = (
            f"SendGrid does not remove contacts from the list {self._list_tracker.label(job.purpose.list_ids)}, though"
            " it shows both the list and the contacts. Run again later."
        )
        raise SendGridError(message)

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

    def confirm(self, job: Job) -> set[str]:
        """Return who is not on the list any more."""
        (list_id,) = self._list_tracker.current(job.purpose.list_ids)
        people = lookups.find_people(self._client, job.changes())
        return {
            identity
            for identity in job.changes()
            if identity not in people or list_id not in (people[identity].get("list_ids") or ())
        }
