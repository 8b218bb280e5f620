"""Shipments: contacts of one batch that travel together, until each is confirmed or rejected."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from target_sendgrid.batching import Batch
    from target_sendgrid.contact import Entry
    from target_sendgrid.errors import Reason


class Rejected(NamedTuple):
    """Why one contact was rejected after it was sent."""

    reason: Reason
    sentence: str
    sendgrid_message: str | None


@dataclass
class Progress:
    """What is known of a batch on its way."""

    batch: Batch
    open_count: int
    rejected: dict[str, Rejected] = field(default_factory=dict)
    job_count: int = 0


@dataclass
class Shipment:
    """Contacts of one batch that travel in one request."""

    progress: Progress
    entries: dict[str, Entry]
    list_ids: tuple[str, ...] = ()
    """Lists that it was last sent to."""
    sends: int = 0
    is_overdue: bool = False
    """Whether a job of it did not end in time."""
    job_id: str = ""
    submitted_at: float = 0.0
    poll_at: float = 0.0
    poll_interval: float = 0.0

    @classmethod
    def of(cls, batch: Batch) -> Shipment:
        """Return a whole batch as one shipment."""
        return cls(Progress(batch, len(batch.entries)), dict(batch.entries))

    def part(self, identities: Iterable[str]) -> Shipment:
        """Take some contacts out, to travel by themselves."""
        return Shipment(self.progress, {identity: self.entries.pop(identity) for identity in identities})

    def reject(self, identity: str, rejected: Rejected) -> None:
        """Count a contact as rejected."""
        self.progress.rejected[identity] = rejected
        self.settle([identity])

    def settle(self, identities: Iterable[str]) -> None:
        """Count contacts as confirmed or rejected for good."""
        for identity in list(identities):
            del self.entries[identity]
            self.progress.open_count -= 1
