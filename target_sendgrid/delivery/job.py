"""Jobs: changes of one batch that SendGrid works on together, until each is confirmed or rejected."""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from target_sendgrid.delivery.events import BatchResult
from target_sendgrid.delivery.pending import PackedChanges, pack, unpack
from target_sendgrid.errors import LocalFileError
from target_sendgrid.sendgrid.contact import joined

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from target_sendgrid.delivery.pending import Batch, Change, Purpose
    from target_sendgrid.delivery.spool import Spool, SpooledFile
    from target_sendgrid.errors import Reason
    from target_sendgrid.sendgrid.retry import Tries


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


class Level(Enum):
    """What can succeed or fail.

    Attributes:
        ANSWER: A request gets a usable answer. Only one that is accepted counts as a success.
        REQUEST: SendGrid accepts a request. It fails if SendGrid refuses its content.
        JOB: An import job completes.
    """

    ANSWER = auto()
    REQUEST = auto()
    JOB = auto()


class FailedTries(msgspec.Struct):
    """Tries of one request that have failed in a row, because there was no usable answer.

    Attributes:
        tries: The tries.
        since: When the first failed, in seconds of the monotonic clock.
        accepted_before: How many jobs had been accepted at their first try by then.
        failing_before: How many jobs, this one included, had failed at least once by then.
    """

    tries: Tries
    since: float
    accepted_before: int
    failing_before: int


class Request(NamedTuple):
    """What is known of a job's last request.

    Attributes:
        job_id: SendGrid's id of the import job.
        list_ids: Ids of the lists that it was for, as they were then.
        byte_count: Size of the body.
        contact_count: Number of contacts.
        sent_at: When it was accepted, in seconds of the monotonic clock.
        last_contact: One of its contacts, encoded.
    """

    job_id: str = ""
    list_ids: tuple[str, ...] = ()
    byte_count: int = 0
    contact_count: int = 0
    sent_at: float = 0.0
    last_contact: bytes = b""


class BatchProgress(msgspec.Struct):
    """What has become of a batch so far. All jobs made of the batch share it."""

    batch: Batch
    open_count: int
    """Number of changes that are not settled."""
    rejected: list[RejectedContact] = []
    not_found: list[Change] = []
    """Changes for people who are not in the account, and whom their operation does not create."""
    withheld: list[Change] = []
    """Changes that the ceiling of removals does not allow."""
    settled: list[Change] = []
    """Changes that were carried out, where their kind keeps them."""
    over_limit: list[Change] = []
    """Changes for new people for whom the account has no room."""
    holders: list[bytes] = []
    """The identifiers of people whose contacts were found to have more than their changes, encoded."""
    job_count: int = 0
    is_reported: bool = False
    """Whether its outcome was reported, or need not be."""
    is_probe: bool = False
    """Whether the batch was made for a trial (`isolation`). The delivery does not know of it."""
    maybe_taken_at: float | None = None
    """When SendGrid may last have begun an *untracked* job, which nobody can poll: the answer to a request was lost, or
    polls found no such job, or no end of it. ``None`` when there is none."""

    def result(self, max_bytes: int | None, people_free_at: float | None) -> BatchResult:
        """Return the outcome of the batch, once it is settled. The arguments are members of `BatchResult`."""
        return BatchResult(
            self.batch,
            self.rejected,
            self.job_count,
            max_bytes,
            people_free_at,
            self.not_found,
            self.withheld,
            self.settled,
            self.over_limit,
            self.holders,
        )


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
        self.last_request = Request()
        self.not_before = 0.0
        """When the changes may be sent at the earliest, in seconds of the monotonic clock."""
        self.send_count = 0
        self.is_overdue = False
        """Whether a job of these changes did not end in time."""
        self.must_look_up = False
        """Whether some of the people may have the changes already, so that they are looked up before they are sent."""
        self.was_looked_up = False
        """Whether people who are not in the account have been left out, before the changes were first sent."""
        self.is_trial = False
        """Whether the changes are sent to find out whether the account works (`isolation`)."""
        self.failed_at: dict[Level, float] = {}
        """When the changes first failed at each level without SendGrid saying which of them are at fault.

        For a single contact, when it last failed after others had succeeded (see `repeated_failures`).
        """
        self.repeated_failures: dict[Level, int] = {}
        """How often a single contact has failed again at each level, each time after others had succeeded."""
        self.failed_tries: FailedTries | None = None
        """The tries that have failed in a row, because there was no usable answer; ``None`` when the last did not."""
        self.unknown_since: float | None = None
        """Since when SendGrid has not known the job of the last request."""
        self.lost_jobs = 0
        """How many jobs of the changes could not be polled."""
        self.used_waits = 0
        """How many of the waits after failed jobs the changes have had."""
        self.named: frozenset[str] = frozenset()
        """Whom SendGrid has named when it named nearly everybody, or when the whole job failed."""

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
    def name(self) -> str:
        """Beginning of a log line about the job of the last request, such as "Import job 7f3a"."""
        return f"{self.purpose.kind.job_name.capitalize()} {self.last_request.job_id}"

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

    def contacts(self) -> Sequence[bytes]:
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
        part.was_looked_up = self.was_looked_up
        part.must_look_up, part.used_waits, part.named = self.must_look_up, self.used_waits, self.named
        if part.count > 1:  # a contact that is alone now has not failed alone
            part.failed_at = dict(self.failed_at)
        return part

    def reject(self, identity: str, rejection: Rejection) -> None:
        """Settle a change as rejected."""
        self.progress.rejected.append(RejectedContact(self.changes()[identity], rejection))
        self._take_out([identity])

    def leave_out(self, identities: Iterable[str]) -> None:
        """Settle changes for people who are not in the account."""
        absent = list(identities)
        changes = self.changes()
        self.progress.not_found += [changes[identity] for identity in absent]
        self._take_out(absent)

    def withhold(self, identities: Iterable[str]) -> None:
        """Settle changes that are not done, since the ceiling of removals does not allow them."""
        withheld = list(identities)
        changes = self.changes()
        self.progress.withheld += [changes[identity] for identity in withheld]
        self._take_out(withheld)

    def leave_out_over_limit(self, identities: Collection[str]) -> None:
        """Settle changes for new people for whom the account has no room."""
        changes = self.changes()
        self.progress.over_limit += [changes[identity] for identity in identities]
        self._take_out(identities)

    def reject_named(self, reasons: Mapping[str, str], rejection: Rejection, amended: Collection[str]) -> None:
        """Settle the changes that SendGrid has named as rejected, but for those that were amended.

        Args:
            reasons: SendGrid's reasons, by identity.
            rejection: The rejection, without SendGrid's words.
            amended: The identities of changes that can be sent again.
        """
        for identity, reason in reasons.items():
            if identity not in amended:
                self.reject(identity, rejection._replace(sendgrid_message=reason))

    def settle(self, identities: Iterable[str]) -> None:
        """Settle changes as confirmed."""
        confirmed = list(identities)
        if self.purpose.kind.keeps_settled:
            changes = self.changes()
            self.progress.settled += [changes[identity] for identity in confirmed]
        self._take_out(confirmed)

    def settle_all(self) -> None:
        """Settle all remaining changes as confirmed."""
        if self.purpose.kind.keeps_settled:
            self.progress.settled += self.changes().values()
        self.progress.open_count -= self.count
        self.count = 0
        if isinstance(self._content, _OnDisk):
            self._content.spooled_file.file.close()
        self._content = {}

    def _take_out(self, identities: Iterable[str]) -> None:
        """Take changes out that are settled, one way or another."""
        changes = self.changes()
        for identity in list(identities):
            del changes[identity]
            self.count -= 1
            self.progress.open_count -= 1

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
