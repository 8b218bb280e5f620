"""Update: update contacts that are in the account, and add them to lists. Nobody is created."""

from __future__ import annotations

from typing import TYPE_CHECKING

from target_sendgrid.delivery import lookups
from target_sendgrid.delivery.operations.upsert import Upsert

if TYPE_CHECKING:
    from target_sendgrid.delivery.job import Job
    from target_sendgrid.delivery.operation import Submission


class Update(Upsert):
    """Sends those contacts that are in the account. Its kind must say that it creates no contacts."""

    def submit(self, job: Job) -> Submission | None:
        """Look people up, 100 in a request, before they are first sent; settle those who are not in the account."""
        if not job.was_looked_up:
            found = lookups.find_present(self._client, job.changes(), self._clock)
            job.leave_out(job.changes().keys() - found.keys())
            job.was_looked_up = True
        return super().submit(job) if job.count else None
