"""What those operations have in common whose requests SendGrid answers without a job: suppressing and erasing."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from target_sendgrid.errors import BadRequestError, ContactLimitError, TransientError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from target_sendgrid.delivery.job import Job
    from target_sendgrid.sendgrid.client import JobStatus

Answer = TypeVar("Answer")


class OperationWithoutJob:
    """The members of `Operation` that are about jobs and look-ups. There is nothing to look up."""

    is_proven_by_completion = True
    unconfirmed = "SendGrid does not say that it is done"
    max_bytes: int | None = None

    def row_errors(self, job: Job, status: JobStatus) -> dict[str, str]:
        """Return nobody: there is no errors file."""
        del job, status
        return {}

    def amend(self, job: Job, reasons: Mapping[str, str], *, are_at_fault: bool) -> list[str]:
        """Return nobody: an address cannot be completed."""
        del job, reasons, are_at_fault
        return []

    def confirm(self, job: Job, identities: Collection[str]) -> set[str]:
        """Return nobody: only answers to requests show what is carried out."""
        del job, identities
        return set()


def attempted(send: Callable[[], Answer]) -> Answer:
    """Send a request about addresses, and return its answer.

    Raises:
        TransientError: There was no usable answer. Newer values of the people need not wait: when SendGrid does what
            was asked, it changes no contact.
        BadRequestError: SendGrid refuses the request. Words about a contact limit come from an address that it quotes,
            since these requests create no contact.
    """
    try:
        return send()
    except ContactLimitError:
        message = "SendGrid refused addresses, with words about a contact limit."
        raise BadRequestError(message, []) from None
    except TransientError as error:
        error.may_have_been_taken = False
        raise
