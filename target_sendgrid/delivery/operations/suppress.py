"""Suppress: SendGrid sends no more mail to people who have unsubscribed, or none of one group. Nothing lifts it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from target_sendgrid.delivery import lookups
from target_sendgrid.delivery.operation import Submission
from target_sendgrid.delivery.operations import row_errors
from target_sendgrid.delivery.operations.without_job import OperationWithoutJob, attempted
from target_sendgrid.delivery.pending import OperationKind, Service
from target_sendgrid.errors import Code, ConfigError, SendGridError, TransientError
from target_sendgrid.sendgrid.consent import MAX_EMAILS_PER_SUPPRESSION
from target_sendgrid.sendgrid.contact import decode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from target_sendgrid.clock import Clock
    from target_sendgrid.delivery.job import Job
    from target_sendgrid.delivery.pending import Change
    from target_sendgrid.errors import BadRequestError
    from target_sendgrid.sendgrid.client import Client


def suppress_kind(group_id: int | None) -> OperationKind:
    """Return what the batcher needs to know of suppressions.

    Args:
        group_id: The suppression group; ``None`` suppresses all mail.
    """
    return OperationKind(
        job_name="suppression" if group_id is None else f"suppression in group {group_id}",
        max_contacts=MAX_EMAILS_PER_SUPPRESSION,
        max_bytes=sys.maxsize,  # so few addresses are small
        overhead_bytes=lambda _: 0,
        unites_lists=False,
        bucket=None,
        keeps_settled=True,
        service=Service.SUPPRESSIONS,
    )


class Suppress(OperationWithoutJob):
    """Suppresses addresses. A change is carried out when SendGrid's answer names its address.

    People without an address in their change are looked up, since their contact may have one. Those who have none get
    no mail, and are left out.

    Args:
        kind: How the changes are grouped (`suppress_kind`).
        client: SendGrid.
        clock: Where time comes from.
        group_id: The suppression group; ``None`` suppresses all mail.
        check_allowed: Called before each request; may raise to end the run.
    """

    def __init__(
        self,
        kind: OperationKind,
        client: Client,
        clock: Clock,
        group_id: int | None,
        check_allowed: Callable[[], None] = lambda: None,
    ) -> None:
        self.kind = kind
        self._client = client
        self._clock = clock
        self._group_id = group_id
        self._check_allowed = check_allowed

    def submit(self, job: Job) -> Submission | None:
        """Suppress the addresses of a job.

        Raises:
            ConfigError: The group is not there. SendGrid would suppress all mail to these people.
            TransientError: SendGrid's answer names nobody.
        """
        addresses = self._addresses(job.changes())
        job.leave_out([identity for identity in job.changes() if identity not in addresses])
        if not addresses:
            return None
        self._check_group()
        self._check_allowed()
        emails = list(dict.fromkeys(addresses.values()))
        named = attempted(lambda: self._client.suppress(emails, self._group_id))
        carried_out = [identity for identity, email in addresses.items() if email.casefold() in named]
        if not carried_out:
            what = "SendGrid's answer names nobody of those who were to be suppressed"
            final_error = SendGridError(f"{what}, again and again.", "Run again later.")
            raise TransientError(what, may_have_been_taken=False, final_error=final_error)
        return Submission(None, (), sum(len(email.encode()) for email in emails), len(emails), carried_out)

    def refused(self, job: Job, error: BadRequestError) -> dict[str, str]:
        """Return the reasons for the addresses that the error names."""
        return row_errors.refused_addresses(error.details, job.changes())

    def _addresses(self, changes: Mapping[str, Change]) -> dict[str, str]:
        """Return the address of each person, by identity; of nobody who has none."""
        own = {identity: decode(change.contact).get("email") for identity, change in changes.items()}
        without = {identity: change for identity, change in changes.items() if not own[identity]}
        found = lookups.find_present(self._client, without, self._clock) if without else {}
        addresses = {identity: own[identity] or found.get(identity, {}).get("email") for identity in changes}
        return {identity: str(email) for identity, email in addresses.items() if email}

    def _check_group(self) -> None:
        """Check that the group is there, before each request: it may be deleted during a run."""
        group_id = self._group_id
        if group_id is not None and all(group.id != group_id for group in self._client.suppression_groups()):
            message = (
                f"SendGrid has no suppression group {group_id} (`suppression_group_id`), so nobody more is suppressed:"
                " for an unknown group, SendGrid would suppress all mail to people. Set the id of a group that is in"
                " SendGrid under Suppressions > Unsubscribe Groups."
            )
            raise ConfigError(message, code=Code.WRONG_GROUP)
