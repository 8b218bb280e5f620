"""What removals from lists and deletions of contacts share: both ask for contacts by SendGrid's own ids of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from target_sendgrid.delivery.operation import Submission
from target_sendgrid.delivery.operations import row_errors
from target_sendgrid.sendgrid.client import MAX_IDS_PER_REMOVAL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from target_sendgrid.delivery.job import Job
    from target_sendgrid.errors import BadRequestError
    from target_sendgrid.sendgrid.client import Client, JobStatus

MAX_CONTACTS = 10_000
"""Most contacts of one job. It takes several requests, but waits only once for people who are not found."""

MAX_TRIES = 3
"""How often one request is tried, when contacts vanish between the look-up and the request."""
WAIT_SECONDS = 10.0
"""Wait between these tries."""


class OperationByIds:
    """An operation that people are looked up for, before and afterwards, and that names them by SendGrid's ids.

    Args:
        client: SendGrid.
    """

    is_proven_by_completion = False
    max_bytes: int | None = None

    def __init__(self, client: Client) -> None:
        self._client = client

    def refused(self, job: Job, error: BadRequestError) -> dict[str, str]:
        """Return nobody: the request names contacts by SendGrid's ids, and no refusal that quotes one is known."""
        del job, error
        return {}

    def row_errors(self, job: Job, status: JobStatus) -> dict[str, str]:
        """Return the reasons in the job's errors file, by identity."""
        return row_errors.failed_in_job(self._client, job, status)

    def amend(self, job: Job, reasons: Mapping[str, str], *, are_at_fault: bool) -> list[str]:
        """Return nobody: a request by ids holds nothing that could be completed."""
        del job, reasons, are_at_fault
        return []


def send_in_parts(
    contact_ids: Sequence[str],
    requests: Iterable[Callable[[Sequence[str]], str]],
    list_ids: tuple[str, ...],
    check_allowed: Callable[[], None],
) -> Submission:
    """Send as many requests as some contacts take; return what is known of the last one.

    Args:
        contact_ids: SendGrid's ids of the contacts, at least one.
        requests: Each sends a request with at most `MAX_IDS_PER_REMOVAL` ids, and returns the id of its job.
        list_ids: The lists that they are for.
        check_allowed: Called before each request; may raise to end the run.
    """
    parts = [
        contact_ids[start : start + MAX_IDS_PER_REMOVAL] for start in range(0, len(contact_ids), MAX_IDS_PER_REMOVAL)
    ]
    job_id, part = "", parts[-1]
    for send in requests:
        for part in parts:
            check_allowed()
            job_id = send(part)
    return Submission(job_id, list_ids, sum(map(len, part)), len(part))
