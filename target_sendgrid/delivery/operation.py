"""The interface between the job runner and the kinds of writes: what each kind has to implement."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_sendgrid.delivery.job import Job
    from target_sendgrid.delivery.pending import OperationKind
    from target_sendgrid.sendgrid.client import JobStatus


class Submission(NamedTuple):
    """A request that SendGrid has accepted."""

    job_id: str
    list_ids: tuple[str, ...]
    """Ids of the lists that it was sent for, as they are now."""
    byte_count: int


class Operation(Protocol):
    """One kind of write. The job runner adds polling, deadlines, retries, splitting and spooling."""

    @property
    def kind(self) -> OperationKind:
        """The data that the batcher works by."""

    @property
    def job_name(self) -> str:
        """What a log line calls a job of this operation."""

    @property
    def is_proven_by_completion(self) -> bool:
        """Whether a completed job without row errors is proof enough; if not, its changes are looked up."""

    @property
    def max_bytes(self) -> int | None:
        """Most bytes of a request, once SendGrid has refused one for its size."""

    def submit(self, job: Job) -> Submission | None:
        """Send a job's changes. Changes that SendGrid need not be asked for are settled here.

        Returns:
            What SendGrid has accepted; ``None`` when nothing was left to send.

        Raises:
            TooLargeError: SendGrid takes smaller requests.
            BadRequestError: SendGrid refuses some of the changes.
            ConfigError: A list or a custom field is gone.
            SendGridError: The request failed for good.
        """

    def row_errors(self, job: Job, status: JobStatus) -> dict[str, str]:
        """Return SendGrid's reason for each person whose change failed in a finished job, by identity."""

    def amend(self, job: Job, row_errors: Mapping[str, str]) -> list[str]:
        """Complete refused changes, where SendGrid's reason shows what they lack.

        Returns:
            The identities of those that were changed and can be sent again.
        """

    def confirm(self, job: Job) -> set[str]:
        """Look up the people of a job; return the identities whose change SendGrid has carried out."""
