"""Shipments: contacts of one batch that travel together, until each is confirmed or rejected."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from target_sendgrid.contact import Entry
from target_sendgrid.errors import LocalFileError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from target_sendgrid.batching import Batch
    from target_sendgrid.errors import Reason
    from target_sendgrid.spool import Spool, Spooled

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(dict[str, Entry])


class Rejected(NamedTuple):
    """Why one contact was rejected after it was sent."""

    reason: Reason
    sentence: str
    sendgrid_message: str | None


class Refused(NamedTuple):
    """A contact that was rejected after it was sent, and why."""

    entry: Entry
    why: Rejected


@dataclass
class Progress:
    """What is known of a batch on its way."""

    batch: Batch
    open_count: int
    rejected: list[Refused] = field(default_factory=list)
    job_count: int = 0


class Shipment:
    """Contacts of one batch that travel in one request. They may wait for the end of their job outside the memory.

    Args:
        progress: What is known of their batch.
        entries: The contacts, by identity.
    """

    def __init__(self, progress: Progress, entries: dict[str, Entry]) -> None:
        self.progress = progress
        self._entries = entries
        self._parked: tuple[Spool, Spooled] | None = None
        self.count = len(entries)
        """Number of contacts that are neither confirmed nor rejected."""
        self.byte_count = 0
        """Size of the request that it was last sent in."""
        self.list_ids: tuple[str, ...] = ()
        """Lists that it was last sent to."""
        self.sends = 0
        self.is_overdue = False
        """Whether a job of it did not end in time."""
        self.job_id = ""
        self.submitted_at = 0.0
        self.poll_at = 0.0
        self.poll_interval = 0.0

    @classmethod
    def of(cls, batch: Batch) -> Shipment:
        """Take the contacts of a whole batch over."""
        entries, batch.entries = batch.entries, {}
        return cls(Progress(batch, len(entries)), entries)

    @property
    def entries(self) -> dict[str, Entry]:
        """The contacts, by identity.

        Raises:
            LocalFileError: The file that held them is broken.
        """
        if self._parked is not None:
            spool, spooled = self._parked
            self._parked = None
            try:
                self._entries = _decoder.decode(spool.take(spooled))
            except OSError:
                message = (
                    "Contacts that wait for their import job can't be read back from the temporary files. Check the"
                    " disk that `TMPDIR` names, and run again."
                )
                raise LocalFileError(message) from None
        return self._entries

    @property
    def is_parked(self) -> bool:
        """Whether the contacts are outside the memory."""
        return self._parked is not None

    def park(self, spool: Spool) -> None:
        """Put the contacts out of the memory until somebody asks for them.

        Raises:
            OSError: The disk does not take them.
        """
        self._parked = spool, spool.keep(_encoder.encode(self._entries))
        self._entries = {}

    def part(self, identities: Iterable[str]) -> Shipment:
        """Take some contacts out, to travel by themselves."""
        part = Shipment(self.progress, {identity: self.entries.pop(identity) for identity in identities})
        self.count -= part.count
        return part

    def reject(self, identity: str, why: Rejected) -> None:
        """Count a contact as rejected."""
        self.progress.rejected.append(Refused(self.entries[identity], why))
        self.settle([identity])

    def settle(self, identities: Iterable[str]) -> None:
        """Count contacts as confirmed or rejected for good."""
        for identity in list(identities):
            del self.entries[identity]
            self.count -= 1
            self.progress.open_count -= 1

    def settle_all(self) -> None:
        """Count all that is left as confirmed."""
        self.progress.open_count -= self.count
        self.count = 0
        self._entries = {}
        if self._parked is not None:
            self._parked[1].file.close()
            self._parked = None
