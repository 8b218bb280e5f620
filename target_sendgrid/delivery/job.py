"""Shipments: contacts of one batch that travel together, until each is confirmed or rejected."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from target_sendgrid.errors import LocalFileError
from target_sendgrid.sendgrid.contact import Packed, joined, pack, unpack

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from target_sendgrid.delivery.batching import Batch
    from target_sendgrid.delivery.spool import Spool, SpooledFile
    from target_sendgrid.errors import Reason
    from target_sendgrid.sendgrid.contact import Entry


class _OnDisk(NamedTuple):
    """Packed contacts outside the memory."""

    spool: Spool
    spooled_file: SpooledFile


class Rejection(NamedTuple):
    """Why one contact was rejected after it was sent."""

    reason: Reason
    sentence: str
    sendgrid_message: str | None


class RejectedContact(NamedTuple):
    """A contact that was rejected after it was sent, and why."""

    entry: Entry
    why: Rejection


@dataclass
class BatchProgress:
    """What is known of a batch on its way."""

    batch: Batch
    open_count: int
    rejected: list[RejectedContact] = field(default_factory=list)
    job_count: int = 0


class Job:
    """Contacts of one batch that travel in one request. They may wait for the end of their job outside the memory.

    Args:
        progress: What is known of their batch.
        contents: The contacts, packed or by identity.
    """

    def __init__(self, progress: BatchProgress, contents: Packed | dict[str, Entry]) -> None:
        self.progress = progress
        self._contents: Packed | dict[str, Entry] | _OnDisk = contents
        self.count = len(contents.contacts if isinstance(contents, Packed) else contents)
        """Number of contacts that are neither confirmed nor rejected."""
        self.byte_count = 0
        """Size of the request that it was last sent in."""
        self.list_ids: tuple[str, ...] = ()
        """Lists that it was last sent to."""
        self.sends = 0
        self.is_overdue = False
        """Whether a job of it did not end in time."""
        self.job_id = ""

    @classmethod
    def of(cls, batch: Batch) -> Job:
        """Take the contacts of a whole batch over."""
        packed, batch.packed = batch.packed, None
        if packed is None:
            message = "its contacts were taken over before"
            raise LookupError(message)
        return cls(BatchProgress(batch, len(packed.contacts)), packed)

    @property
    def entries(self) -> dict[str, Entry]:
        """The contacts, by identity.

        Raises:
            LocalFileError: The file that held them is broken.
        """
        contents = self._in_memory()
        if isinstance(contents, Packed):
            self._contents = contents = unpack(contents)
        return contents

    @property
    def contacts(self) -> Collection[bytes]:
        """The contacts, encoded.

        Raises:
            LocalFileError: The file that held them is broken.
        """
        contents = self._in_memory()
        return contents.contacts if isinstance(contents, Packed) else [entry.contact for entry in contents.values()]

    @property
    def is_spooled(self) -> bool:
        """Whether the contacts are outside the memory."""
        return isinstance(self._contents, _OnDisk)

    def pack(self) -> None:
        """Let the contacts take little memory."""
        if isinstance(self._contents, dict):
            self._contents = pack(self._contents)

    def spool(self, spool: Spool) -> None:
        """Put the contacts out of the memory until somebody asks for them.

        Raises:
            OSError: The disk does not take them.
        """
        self.pack()
        if isinstance(self._contents, Packed):
            self._contents = _OnDisk(spool, spool.keep(_parts(self._contents)))

    def _in_memory(self) -> Packed | dict[str, Entry]:
        if isinstance(self._contents, _OnDisk):
            try:
                self._contents = _packed(self._contents.spool.take(self._contents.spooled_file))
            except OSError:
                message = (
                    "Contacts that wait for their import job can't be read back from the temporary files. Check the"
                    " disk that `TMPDIR` names, and run again."
                )
                raise LocalFileError(message) from None
        return self._contents

    def part(self, identities: Iterable[str]) -> Job:
        """Take some contacts out, to travel by themselves."""
        part = Job(self.progress, {identity: self.entries.pop(identity) for identity in identities})
        self.count -= part.count
        return part

    def reject(self, identity: str, why: Rejection) -> None:
        """Count a contact as rejected."""
        self.progress.rejected.append(RejectedContact(self.entries[identity], why))
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
        if isinstance(self._contents, _OnDisk):
            self._contents.spooled_file.file.close()
        self._contents = {}


def _parts(packed: Packed) -> Iterator[bytes]:
    """Yield what `_packed` makes contacts of. JSON as it is written here has no line ends."""
    yield from joined(packed.contacts, b"\n")
    yield packed.identities
    yield packed.origins
    yield packed.later


def _packed(parts: Sequence[bytes]) -> Packed:
    *pieces, identities, origins, later = parts
    return Packed([contact for piece in pieces for contact in piece.split(b"\n")], identities, origins, later)
