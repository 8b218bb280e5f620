"""Open batches: contacts that wait to be sent, merged by person and bounded by SendGrid's limits for one request.

A person stands in at most one waiting contact, which carries every list that the person's records ask for, and in at
most one contact in flight. A contact whose earlier version is in flight is held until that is settled, since SendGrid
promises no order between import jobs. So later records always win, whichever streams and lists they came by.
"""

from __future__ import annotations

import functools
import time
from array import array
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from target_sendgrid.errors import Reason, RecordRejectedError
from target_sendgrid.sendgrid import contact as contacts
from target_sendgrid.sendgrid.contact import Entry

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from target_sendgrid.origin import Origin
    from target_sendgrid.sendgrid.contact import Packed

MAX_HELD_BYTES = 3_500_000
"""Above this, contacts that are held for others in flight take too much memory: better wait until those are settled."""


class StreamCount(NamedTuple):
    """How much of a stream is in some contacts."""

    contacts: int
    records: int


NOTHING = StreamCount(0, 0)


@dataclass(eq=False)
class Batch:
    """Contacts that go to SendGrid in one request (or several, where SendGrid refuses some of them)."""

    list_ids: tuple[str, ...]
    packed: Packed | None
    """The contacts, until whoever delivers the batch takes them over; then ``None``."""
    first_line: int
    """Lowest line of standard input that a record of the batch came from."""
    byte_count: int
    """Size of the request's body."""
    counts: Mapping[str, StreamCount]
    """By stream; a contact that several streams made counts for each."""
    people: array[int]
    """Hashes of the identities: who is in flight must be known, and takes 8 bytes a person so."""
    _is_sorted: bool = field(default=False, init=False)

    def may_hold(self, identity: str) -> bool:
        """Tell whether a person is in the batch; wrong once in many million millions, then somebody waits in vain."""
        if not self._is_sorted:  # which takes time that runs without repeated people need not spend
            self.people = array("q", sorted(self.people))
            self._is_sorted = True
        hashed = hash(identity)
        place = bisect_left(self.people, hashed)
        return place < len(self.people) and self.people[place] == hashed


@dataclass(eq=False)
class _Group:
    """Open contacts that share their lists."""

    list_ids: tuple[str, ...]
    opened_at: float
    first_line: int
    """No record of the group comes from a lower line. It may be too low after a contact left, never too high."""
    byte_count: int
    """Exact size of the group's body, once it holds a contact."""
    entries: dict[str, Entry] = field(default_factory=dict)


class _Waiting(NamedTuple):
    """A contact taken out of where it waited."""

    entry: Entry
    list_ids: tuple[str, ...]
    since: float


class Batcher:
    """Gathers contacts into batches. Knows which people are in flight until they are released.

    Args:
        max_rows: Most contacts of one request.
        max_bytes: Most bytes of one request's body, envelope included.
        monotonic: Gives the time on a steady clock, in seconds.
    """

    def __init__(self, max_rows: int, max_bytes: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._max_rows = max_rows
        self._max_bytes = max_bytes
        self._monotonic = monotonic
        self._groups: dict[tuple[str, ...], _Group] = {}
        self._group_of: dict[str, _Group] | None = None
        """By identity, from when several groups are open until none is: for one alone, it would only take time."""
        self._in_flight: list[Batch] = []
        self._held: dict[str, _Waiting] = {}
        self._held_first_line: int | None = None
        self._held_bytes = 0
        self._last_line = 0
        self.may_be_full = False
        """Whether it is worth looking for a full batch, or for too much that is held."""
        self.boundary_line = 0
        """Line of the record at which a batch was last opened or sealed: states part there."""

    def limit_bytes(self, max_bytes: int) -> None:
        """Let no batch be larger from now on."""
        if max_bytes < self._max_bytes:
            self._max_bytes = max_bytes
            self.may_be_full = True

    def add(self, identity: str, contact: bytes, list_id: str, origin: Origin, *, is_new: bool = False) -> None:
        """Put a contact into its open batch, merged with what waits there for the same person.

        Args:
            identity: Who it is (`contact.identity`).
            contact: The contact, encoded.
            list_id: List that the record asks for.
            origin: Where the record came from.
            is_new: Whether this person is known never to have come before.

        Raises:
            RecordRejectedError: The contact alone is larger than a request may be.
        """
        self._last_line = origin.line
        if not is_new and self._merge(identity, contact, list_id, origin):
            return
        is_free = is_new or self._is_free(identity)
        group = self._groups.get((list_id,))
        byte_count = 0 if group is None else group.byte_count + len(contact) + 1
        if group is None or byte_count >= self._max_bytes or not is_free:
            self._check_size(contact, (list_id,))
            self._put(identity, Entry(contact, origin), (list_id,), None, is_free=is_free)
            return
        group.entries[identity] = Entry(contact, origin)
        group.byte_count = byte_count
        if self._group_of is not None:
            self._group_of[identity] = group
        if len(group.entries) >= self._max_rows:
            self.may_be_full = True

    def full(self) -> tuple[str, ...] | None:
        """Return the lists of an open batch that has reached a limit, or ``None``."""
        for list_ids, group in self._groups.items():
            if len(group.entries) >= self._max_rows or group.byte_count >= self._max_bytes:
                return list_ids
        self.may_be_full = self.holds_too_much
        return None

    @property
    def holds_too_much(self) -> bool:
        """Whether contacts that are held for others in flight take too much memory."""
        return self._held_bytes > MAX_HELD_BYTES

    def open_since(self) -> float | None:
        """Return when the oldest open batch was opened, or ``None``."""
        return min((group.opened_at for group in self._groups.values()), default=None)

    def open_list_ids(self) -> list[tuple[str, ...]]:
        """Return the lists of each open batch."""
        return list(self._groups)

    def first_line(self) -> int | None:
        """Return a line that no waiting record comes before, or ``None`` when nothing waits."""
        lines = [group.first_line for group in self._groups.values()]
        if self._held_first_line is not None:
            lines.append(self._held_first_line)
        return min(lines, default=None)

    def seal(self, list_ids: tuple[str, ...]) -> Batch:
        """Take as many contacts out of an open batch as one request may hold, and count them as in flight."""
        group = self._groups.pop(list_ids)
        taken, byte_count = group.entries, group.byte_count
        rest: dict[str, Entry] = {}
        # The first ones leave, and at least one: the byte limit may have sunk since it was added.
        while len(taken) > self._max_rows or (byte_count > self._max_bytes and len(taken) > 1):
            identity, entry = taken.popitem()
            rest[identity] = entry
            byte_count -= len(entry.contact) + 1
        if not self._groups and not rest:
            self._group_of = None
        if self._group_of is not None:
            for identity in taken:
                del self._group_of[identity]
        if rest:
            rest = dict(reversed(rest.items()))
            size = group.byte_count - byte_count + _envelope_bytes(list_ids) - 1
            left = self._groups[list_ids] = _Group(list_ids, self._monotonic(), _first_line(rest), size, rest)
            if self._group_of is not None:
                self._group_of.update(dict.fromkeys(rest, left))
        self.boundary_line = self._last_line
        packed, counts = contacts.pack(taken), stream_counts(taken.values())
        batch = Batch(list_ids, packed, group.first_line, byte_count, counts, array("q", map(hash, taken)))
        self._in_flight.append(batch)
        return batch

    def release(self, batch: Batch) -> None:
        """Let the people of a settled batch be sent again; those who are held for it wait in open batches now."""
        self._in_flight.remove(batch)
        for identity in [identity for identity in self._held if batch.may_hold(identity)]:
            waiting = self._held.pop(identity)
            self._held_bytes -= len(waiting.entry.contact)
            self._put(identity, *waiting, is_free=self._is_free(identity))
        self._held_first_line = min((held.entry.origin.line for held in self._held.values()), default=None)

    def _is_free(self, identity: str) -> bool:
        return not any(batch.may_hold(identity) for batch in self._in_flight)

    def _group_with(self, identity: str) -> _Group | None:
        if self._group_of is not None:
            return self._group_of.get(identity)
        return next((group for group in self._groups.values() if identity in group.entries), None)

    def _merge(self, identity: str, contact: bytes, list_id: str, origin: Origin) -> bool:
        """Lay a contact over what waits for the same person, if anything does, and put the whole where it belongs now.

        Returns:
            Whether something waited.
        """
        group = self._group_with(identity)
        if group is not None:
            waiting = _Waiting(group.entries[identity], group.list_ids, group.opened_at)
        elif identity in self._held:
            waiting = self._held[identity]
        else:
            return False
        entry, list_ids, since = waiting
        if list_id not in list_ids:
            list_ids = tuple(sorted((*list_ids, list_id)))
        merged = contacts.merge(entry.contact, contact)
        self._check_size(merged, list_ids)
        self._remove(identity, group)
        # One list for all records of a person: copying it each time would take the square of their number.
        later = entry.later or []
        later.append(origin)
        self._put(identity, Entry(merged, entry.origin, later), list_ids, since, is_free=self._is_free(identity))
        return True

    def _put(
        self, identity: str, entry: Entry, list_ids: tuple[str, ...], since: float | None, *, is_free: bool
    ) -> None:
        """Let a contact wait where it belongs, since some moment or from now on."""
        if not is_free:
            self._held[identity] = _Waiting(entry, list_ids, self._monotonic() if since is None else since)
            self._held_bytes += len(entry.contact)
            first_line = entry.origin.line
            if self._held_first_line is None or first_line < self._held_first_line:
                self._held_first_line = first_line
            self.may_be_full = self.may_be_full or self.holds_too_much
            return
        group = self._groups.get(list_ids)
        if group is None:
            group = self._open(list_ids, entry, since)
        elif since is not None:  # what was never anywhere before is younger than all that is open
            group.opened_at = min(group.opened_at, since)
            group.first_line = min(group.first_line, entry.origin.line)
        group.entries[identity] = entry
        group.byte_count += len(entry.contact) + 1
        if self._group_of is not None:
            self._group_of[identity] = group
        if len(group.entries) >= self._max_rows or group.byte_count >= self._max_bytes:
            self.may_be_full = True

    def _open(self, list_ids: tuple[str, ...], entry: Entry, since: float | None) -> _Group:
        self.boundary_line = self._last_line
        opened_at = self._monotonic() if since is None else since
        if self._groups and self._group_of is None:
            self._group_of = {known: other for other in self._groups.values() for known in other.entries}
        group = _Group(list_ids, opened_at, entry.origin.line, _envelope_bytes(list_ids) - 1)
        self._groups[list_ids] = group
        return group

    def _remove(self, identity: str, group: _Group | None) -> None:
        """Take a contact out of its group, or out of what is held."""
        if group is None:
            self._held_bytes -= len(self._held.pop(identity).entry.contact)
            return
        if self._group_of is not None:
            del self._group_of[identity]
        entry = group.entries.pop(identity)
        group.byte_count -= len(entry.contact) + 1
        if not group.entries:
            del self._groups[group.list_ids]
        if not self._groups:
            self._group_of = None

    def _check_size(self, encoded: bytes, list_ids: tuple[str, ...]) -> None:
        size = _envelope_bytes(list_ids) + len(encoded)
        if size > self._max_bytes:
            sentence = f"The contact takes {size} bytes; a request takes at most {self._max_bytes}."
            raise RecordRejectedError(Reason.TOO_LARGE, sentence)


_END = b"]}"


class Body:
    """The body of one request. It goes out in pieces: a copy of the whole would take as much memory again.

    Args:
        list_ids: Where the contacts go.
        encoded: The contacts.
    """

    def __init__(self, list_ids: Iterable[str], encoded: Collection[bytes]) -> None:
        self._start = b'{"list_ids":' + msgspec.json.encode(list(list_ids)) + b',"contacts":['
        self._contacts = encoded
        self._size = len(self._start) + sum(map(len, encoded)) + max(0, len(encoded) - 1) + len(_END)

    def __len__(self) -> int:
        """Number of bytes."""
        return self._size

    def __iter__(self) -> Iterator[bytes]:
        """Yield the pieces."""
        yield self._start
        for number, piece in enumerate(contacts.joined(self._contacts, b",")):
            yield b"," + piece if number else piece
        yield _END


def stream_counts(entries: Collection[Entry]) -> dict[str, StreamCount]:
    """Return how many contacts each stream had a part in, and how many of its records they hold."""
    streams = set(map(_stream_of, entries))
    if len(streams) == 1 and not any(map(_later_of, entries)):  # as most often; counting takes longer
        return dict.fromkeys(streams, StreamCount(len(entries), len(entries)))
    records = Counter(map(_stream_of, entries))
    contact_counts = Counter(records)
    for entry in entries:
        if entry.later:
            records.update(origin.stream for origin in entry.later)
            contact_counts.update({origin.stream for origin in entry.later} - {entry.origin.stream})
    return {stream: StreamCount(contact_counts[stream], count) for stream, count in records.items()}


_stream_of, _later_of = attrgetter("origin.stream"), attrgetter("later")


def _first_line(entries: dict[str, Entry]) -> int:
    return min(entry.origin.line for entry in entries.values())


@functools.cache
def _envelope_bytes(list_ids: tuple[str, ...]) -> int:
    return len(Body(list_ids, ()))
