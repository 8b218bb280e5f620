"""What the job runner tells the delivery: events about the batches that it was given."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import msgspec

from target_sendgrid.wording import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_sendgrid.delivery.job import RejectedContact
    from target_sendgrid.delivery.pending import Batch, Change


class BatchResult(msgspec.Struct, frozen=True):
    """A batch is settled: every contact is confirmed, rejected, not in the account, withheld, or over the limit."""

    batch: Batch
    rejected: Sequence[RejectedContact]
    job_count: int
    max_bytes: int | None = None
    """Most bytes of a request for now; ``None`` where SendGrid has refused none for its size."""
    people_free_at: float | None = None
    """When no untracked job can bring old values of its people back any more, in seconds of the monotonic clock.

    ``None`` where SendGrid can have no such job.
    """
    not_found: Sequence[Change] = ()
    """Changes for people who are not in the account, and whom their operation does not create."""
    withheld: Sequence[Change] = ()
    """Changes that the ceiling of removals does not allow. They are not done."""
    settled: Sequence[Change] = ()
    """Changes that were carried out, where their kind keeps them (`OperationKind.keeps_settled`)."""
    over_limit: Sequence[Change] = ()
    """Changes for new people for whom the account has no room. They are not done."""
    holders: Sequence[bytes] = ()
    """The identifiers of people whose contacts were found to have more than their changes, encoded."""


class Spooled(msgspec.Struct, frozen=True):
    """The contacts of a batch are on disk while SendGrid works on them."""

    batch: Batch


JobEvent: TypeAlias = "BatchResult | Spooled"


class UnderWay(NamedTuple):
    """What SendGrid worked on, and what waited to be sent, when the job runner's last step ended."""

    job_count: int = 0
    job_name: str = ""
    """What the jobs are called."""
    contact_count: int = 0
    """Number of contacts of these jobs that are not settled."""
    oldest_since: float = 0.0
    """When the oldest of these jobs was submitted, in seconds of the monotonic clock."""
    queued_count: int = 0
    """Number of contacts that wait to be sent."""

    def sentence(self, now: float) -> str:
        """Return what a run waits for.

        Args:
            now: Seconds of the monotonic clock.
        """
        if self.job_count:
            jobs, contacts = counted(self.job_count, self.job_name), counted(self.contact_count, "contact")
            return f"Waiting for {jobs}, {contacts}, the oldest for {now - self.oldest_since:.0f} s."
        if self.queued_count:
            return f"Waiting to send {counted(self.queued_count, 'contact')}."
        return "Waiting for SendGrid."
