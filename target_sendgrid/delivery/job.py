"""Jobs: changes of one batch that SendGrid works on together, until each is confirmed or rejected."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from target_sendgrid.delivery.pending import PackedChanges, pack, unpack
from target_sendgrid.errors import LocalFileError
from target_sendgrid.sendgrid.contact import joined

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from target_sendgrid.delivery.batching import Batch
    from target_sendgrid.delivery.pending import Change, Purpose
    from target_sendgrid.delivery.spool import Spool, SpooledFile
    from target_sendgrid.errors import Reason


class _OnDisk(NamedTuple):
    """Packed changes in a temporary file."""

    spool: Spool
    spooled_file: SpooledFile


class Rejection(NamedTuple):
    """Why a contact was rejected after it was sent."""

    reason: Reason
    sentence: str
    sendgrid_message: str | None = None
    """SendGrid's own words, which may quote personal data."""


class RejectedContact(NamedTuple):
    """A change that was rejected after it was sent, and why."""

    change: Change
    rejection: Rejection


class BatchProgress(msgspec.Struct):
    """What has become of a batch so far. All jobs made of the batch share it."""

    batch: Batch
    open_count: int
    """Number of changes that are neither confirmed nor rejected."""
    rejected: list[RejectedContact] = []
    job_count: int = 0


class Job:
    """Changes that are sent in one request. While SendGrid works on them, they may be kept on disk.

    Args:
        progress: The progress of their batch.
        changes: The changes, packed or by identity.
    """

    def __init__(self, progress: BatchProgress, changes: PackedChanges | dict[str, Change]) -> None:
        self.progress = progress
        self._content: PackedChanges | dict[str, Change] | _OnDisk = changes
        self.count = len(changes.contacts if isinstance(changes, PackedChanges) else changes)
        """Number of changes that are neither confirmed nor rejected."""
        self.byte_count = 0
        """Size of the last request, in bytes."""
        self.list_ids: tuple[str, ...] = ()
        """Ids of the lists that the last request was for."""
        self.send_count = 0
        self.is_overdue = False
        """Whether a job of these changes did not end in time."""
        self.job_id = ""

    @classmethod
    def of(cls, batch: Batch) -> Job:
        """Take over the changes of a whole batch.

        Raises:
            LookupError: They were taken over before.
        """
        packed, batch.packed = batch.packed, None
        if packed is None:
            message = "the changes of the batch were taken over before"
            raise LookupError(message)
        return cls(BatchProgress(batch, len(packed.contacts)), packed)

    @property
    def purpose(self) -> Purpose:
        """The operation and the lists, with their ids as the streams found them."""
        return self.progress.batch.purpose

    @property
    def is_spooled(self) -> bool:
        """Whether the changes are on disk."""
        return isinstance(self._content, _OnDisk)

    def changes(self) -> dict[str, Change]:
        """Return the changes by identity, reading them back from disk if they are there.

        Raises:
            LocalFileError: The file is damaged.
        """
        content = self._load()
        if isinstance(content, PackedChanges):
            self._content = content = unpack(content, self.purpose)
        return content

    def contacts(self) -> Collection[bytes]:
        """Return the encoded contacts in order, reading them back from disk if they are there.

        Raises:
            LocalFileError: The file is damaged.
        """
        content = self._load()
        return (
            content.contacts if isinstance(content, PackedChanges) else [change.contact for change in content.values()]
        )

    def pack(self) -> None:
        """Bring the changes into their compact form."""
        if isinstance(self._content, dict):
            self._content = pack(self._content)

    def spool(self, spool: Spool) -> None:
        """Move the changes to disk until they are needed.

        Raises:
            OSError: The disk does not take them.
        """
        self.pack()
        if isinstance(self._content, PackedChanges):
            self._content = _OnDisk(spool, spool.keep(_file_parts(self._content)))

    def part(self, identities: Iterable[str]) -> Job:
        """Take some changes out, into a job of their own."""
        changes = self.changes()
        part = Job(self.progress, {identity: changes.pop(identity) for identity in identities})
        self.count -= part.count
        return part

    def reject(self, identity: str, rejection: Rejection) -> None:
        """Settle a change as rejected."""
        self.progress.rejected.append(RejectedContact(self.changes()[identity], rejection))
        self.settle([identity])

    def settle(self, identities: Iterable[str]) -> None:
        """Settle changes as confirmed, or as rejected by `reject`."""
        changes = self.changes()
        for identity in list(identities):
            del changes[identity]
            self.count -= 1
            self.progress.open_count -= 1

    def settle_all(self) -> None:
        """Settle all remaining changes as confirmed."""
        self.progress.open_count -= self.count
        self.count = 0
        if isinstance(self._content, _OnDisk):
            self._content.spooled_file.file.close()
        self._content = {}

    def _load(self) -> PackedChanges | dict[str, Change]:
        if isinstance(self._content, _OnDisk):
            try:
                self._content = _from_file_parts(self._content.spool.take(self._content.spooled_file))
            except OSError:
                message = (
                    "Contacts that wait for their import job can't be read back from the temporary files. Check the"
                    " disk that `TMPDIR` names, and run again."
                )
                raise LocalFileError(message) from None
        return self._content


def _file_parts(packed: PackedChanges) -> Iterator[bytes]:
    """Yield the parts that `_from_file_parts` takes. Encoded contacts contain no line ends."""
    yield from joined(packed.contacts, b"\n")
    yield packed.identities
    yield packed.origins
    yield packed.later


def _from_file_parts(parts: Sequence[bytes]) -> PackedChanges:
    *pieces, identities, origins, later = parts
    return PackedChanges([contact for piece in pieces for contact in piece.split(b"\n")], identities, origins, later)
