"""The interface between the job runner and the kinds of writes: what each kind has to implement."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from target_sendgrid.delivery.job import Job
    from target_sendgrid.delivery.pending import OperationKind
    from target_sendgrid.errors import BadRequestError
    from target_sendgrid.sendgrid.client import JobStatus


class Submission(NamedTuple):
    """A request that SendGrid has accepted."""

    job_id: str | None
    """SendGrid's id of the job that does it; ``None`` where the answer says itself whose changes are carried out."""
    list_ids: tuple[str, ...]
    """Ids of the lists that it was sent for, as they are now."""
    byte_count: int
    contact_count: int
    carried_out: Collection[str] = ()
    """Without a job: the identities of those whose changes are carried out. The others are sent again."""


class Operation(Protocol):
    """One kind of write. Polling, deadlines, retries, splitting and spooling are the job runner's part."""

    @property
    def kind(self) -> OperationKind:
        """How the batcher groups, limits and counts the changes of this operation."""

    @property
    def is_proven_by_completion(self) -> bool:
        """Whether a change is carried out when its job has completed without an error of its own.

        If not, people are looked up before their changes are confirmed.
        """

    @property
    def unconfirmed(self) -> str:
        """End of a sentence about a contact whose change a look-up did not find carried out."""

    @property
    def max_bytes(self) -> int | None:
        """Most bytes of a request for now; ``None`` where SendGrid has refused none for its size."""

    def submit(self, job: Job) -> Submission | None:
        """Send a job's changes. Changes that SendGrid need not be asked for are settled here.

        Returns:
            What SendGrid has accepted; ``None`` when nothing was left to send.

        Raises:
            TransientError: There was no usable answer, and the same request may succeed later. An answer without a job
                that settles nobody is not usable.
            TooLargeError: SendGrid takes smaller requests.
            BadRequestError: SendGrid refuses some of the changes.
            ConfigError: A list or a custom field is gone.
            SendGridError: The request failed for good.
        """

    def refused(self, job: Job, error: BadRequestError) -> dict[str, str]:
        """Return SendGrid's reason for each change that a refused request names, by identity."""

    def row_errors(self, job: Job, status: JobStatus) -> dict[str, str]:
        """Return SendGrid's reason for each change that failed in a finished job, by identity.

        Raises:
            ContactLimitError: The account has reached the contact limit of its plan.
        """

    def amend(self, job: Job, reasons: Mapping[str, str], *, are_at_fault: bool) -> list[str]:
        """Complete or correct failed changes, where SendGrid's reason shows how.

        Args:
            job: The job.
            reasons: What `refused` or `row_errors` returned.
            are_at_fault: Whether these people are known to be at fault. As long as they are not, a change may only be
                completed with what SendGrid itself has of the person.

        Returns:
            The identities of those that were changed and can be sent again.
        """

    def confirm(self, job: Job, identities: Collection[str]) -> set[str]:
        """Look up people of a job; return the identities of those whose change SendGrid has carried out."""
