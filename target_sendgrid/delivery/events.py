"""What the job runner tells the delivery: events about the batches that it was given."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_sendgrid.delivery.batching import Batch
    from target_sendgrid.delivery.job import RejectedContact


class BatchResult(msgspec.Struct, frozen=True):
    """A batch is settled: every contact is confirmed or rejected."""

    batch: Batch
    rejected: Sequence[RejectedContact]
    job_count: int
    max_bytes: int | None = None
    """Most bytes of a request for now; ``None`` where SendGrid has refused none for its size."""
    people_free_at: float | None = None
    """When no untracked job can bring old values of its people back any more, in seconds of the monotonic clock.

    ``None`` where SendGrid can have no such job.
    """


class Spooled(msgspec.Struct, frozen=True):
    """The contacts of a batch are on disk while SendGrid works on them."""

    batch: Batch


JobEvent: TypeAlias = "BatchResult | Spooled"
