"""Open batches: changes that wait to be sent, merged by person and bounded by SendGrid's limits for one request.

For each person at most one change is open and at most one is in flight. A later change waits until the one in flight is
settled, since SendGrid promises no order between jobs, and until an open change of another operation has been sent. So
changes of one person take effect in the order of their records, whichever streams, lists and operations they are for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from target_sendgrid.audience.identities import IdentitySet
from target_sendgrid.delivery.pending import Batch, Change, Purpose, pack, stream_counts
from target_sendgrid.errors import Reason, RecordRejectedError
from target_sendgrid.sendgrid import contact as contacts

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from target_sendgrid.delivery.pending import OperationKind

MAX_HELD_BYTES = 3_500_000
"""Most bytes of held changes before reading waits: they stay in memory until the changes before them are settled."""


MAX_OPEN_BYTES = 10_500_000
"""Most bytes of open batches. Where people go to many lists, none of the batches may get full."""


class _Group(msgspec.Struct, eq=False):
    """Open changes with one purpose."""

    purpose: Purpose
    opened_at: float
    first_line: int
    """No record of the group comes from a lower line. It may be too low after a change has left, never too high."""
    byte_count: int
    """Size of the group's request, exact once it holds a change."""
    max_contacts: int
    max_bytes: int
    changes: dict[str, Change] = {}

    @property
    def is_full(self) -> bool:
        """Whether the group has reached a limit."""
        return len(self.changes) >= self.max_contacts or self.byte_count >= self.max_bytes


class _Held(NamedTuple):
    """A change that waits for an earlier change of the same person."""

    change: Change
    since: float


class Batcher:
    """Gathers changes into batches, and knows who is in flight until their batch is released.

    Args:
        monotonic: Returns the time of a steady clock, in seconds.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._groups: dict[Purpose, _Group] = {}
        self._group_of: dict[str, _Group] | None = None
        """Open groups by identity, kept while several are open: with a single group it would only cost time."""
        self._held: dict[str, list[_Held]] = {}
        """Changes held for earlier ones, in order, by identity."""
        self._held_first_line: int | None = None
        self._held_bytes = 0
        self._in_flight: list[Batch] = []
        self._released_later: list[tuple[float, IdentitySet]] = []
        """People of settled batches with the time from which they may be sent again.

        Until then an untracked job (`BatchProgress`) may bring their old values back.
        """
        self._byte_limits: dict[OperationKind, int] = {}
        """Limits in place of the operation's own, because SendGrid has refused larger requests."""
        self._last_line = 0
        self.boundary_line = 0
        """Line of the record at which a batch was last opened or sealed.

        A state before this line may be written earlier than a state after it.
        """

    @property
    def in_flight(self) -> Sequence[Batch]:
        """Sealed batches that are not released yet, oldest first."""
        return self._in_flight

    @property
    def holds_too_much(self) -> bool:
        """Whether the changes held for others take too much memory."""
        return self._held_bytes > MAX_HELD_BYTES

    def set_max_bytes(self, kind: OperationKind, max_bytes: int | None) -> None:
        """Change the limit of an operation's requests from now on; ``None`` brings back the operation's own."""
        limit = kind.max_bytes if max_bytes is None else min(max_bytes, kind.max_bytes)
        if limit == self._max_bytes(kind):
            return
        self._byte_limits[kind] = limit
        for group in self._groups.values():
            if group.purpose.kind is kind:
                group.max_bytes = limit

    def add(self, change: Change, *, is_new: bool = False) -> bool:
        """Put a change into the open batch for its purpose, merged with what waits there for the same person.

        Args:
            change: The change.
            is_new: Whether this is known to be the person's first record of the run.

        Returns:
            Whether a limit may be reached: then ask `next_full` and `holds_too_much`.

        Raises:
            RecordRejectedError: The contact alone is larger than a request may be.
        """
        origin, identity, purpose = change.origin, change.identity, change.purpose
        self._last_line = origin.line
        if not is_new and (is_limit_reached := self._merge(change)) is not None:
            return is_limit_reached
        is_free = is_new or self._is_free(identity)
        group = self._groups.get(purpose)
        if group is not None and is_free:
            byte_count = group.byte_count + len(change.contact) + 1
            if byte_count < group.max_bytes:
                group.changes[identity] = change
                group.byte_count = byte_count
                if self._group_of is not None:
                    self._group_of[identity] = group
                return len(group.changes) >= group.max_contacts
        self.check_size(change)
        return self._put(change, None).is_full if is_free else self._hold(change)

    def add_earlier(self, change: Change) -> None:
        """Put in a change whose records came before others that were put in already.

        Nothing that came later may wait for its person (see `withdraw`). Ask `next_full` and `holds_too_much` then.
        """
        if self._merge(change) is None:
            if self._is_free(change.identity):
                self._put(change, self._monotonic())
            else:
                self._hold(change)

    def withdraw(self, identity: str) -> list[Change]:
        """Take out what waits to be sent for a person, in the order of the records. What is in flight stays there."""
        group = self._group_with(identity)
        withdrawn = [] if group is None else [group.changes[identity]]
        if group is not None:
            self._remove(identity, group)
        if identity in self._held:
            while identity in self._held:
                withdrawn.append(self._take_held(identity).change)
            self._find_held_first_line()
        return withdrawn

    def is_unsettled(self, kinds: Collection[OperationKind]) -> bool:
        """Return whether there are changes of some operations that are not settled."""
        held = (held.change.purpose for queue in self._held.values() for held in queue)
        in_flight = (batch.purpose for batch in self._in_flight)
        return any(purpose.kind in kinds for purpose in (*self._groups, *in_flight, *held))

    def check_size(self, change: Change) -> None:
        """Check that a request can hold a contact.

        Raises:
            RecordRejectedError: The contact alone is larger than a request may be.
        """
        size = _overhead_bytes(change.purpose) + len(change.contact)
        max_bytes = change.purpose.kind.max_bytes  # SendGrid may take a larger request than those refused for a while
        if size > max_bytes:
            sentence = f"The contact takes {size} bytes; a request takes at most {max_bytes}."
            raise RecordRejectedError(Reason.TOO_LARGE, sentence)

    def next_full(self) -> Purpose | None:
        """Return the purpose of an open batch that has reached a limit, or ``None``."""
        return next((purpose for purpose, group in self._groups.items() if group.is_full), None)

    def largest_of_too_many(self) -> Purpose | None:
        """Return the purpose of the largest open batch if all of them together take too much memory, or ``None``."""
        groups = self._groups.values()
        if sum(group.byte_count for group in groups) <= MAX_OPEN_BYTES:
            return None
        return max(groups, key=lambda group: group.byte_count).purpose

    def open_since(self) -> float | None:
        """Return when the oldest open batch was opened, or ``None``."""
        return min((group.opened_at for group in self._groups.values()), default=None)

    def open_purposes(self) -> list[Purpose]:
        """Return the purpose of each open batch."""
        return list(self._groups)

    def first_line(self) -> int | None:
        """Return a line that no open or held record comes before, or ``None`` when there is none."""
        lines = [group.first_line for group in self._groups.values()]
        if self._held_first_line is not None:
            lines.append(self._held_first_line)
        return min(lines, default=None)

    def seal(self, purpose: Purpose) -> Batch:
        """Take as many changes out of an open batch as one request may hold, and count them as in flight."""
        group = self._groups.pop(purpose)
        taken, byte_count = group.changes, group.byte_count
        rest: dict[str, Change] = {}
        # The first changes are sent, at least one: the byte limit may have been lowered after they were added.
        while len(taken) > group.max_contacts or (byte_count > group.max_bytes and len(taken) > 1):
            identity, change = taken.popitem()
            rest[identity] = change
            byte_count -= len(change.contact) + 1
        if not self._groups and not rest:
            self._group_of = None
        if self._group_of is not None:
            for identity in taken:
                del self._group_of[identity]
        self.boundary_line = self._last_line
        if rest:
            self._reopen(group, dict(reversed(rest.items())), group.byte_count - byte_count)
        counts, people = stream_counts(taken.values()), IdentitySet(taken)
        batch = Batch(purpose, pack(taken), group.first_line, byte_count, counts, people)
        self._in_flight.append(batch)
        return batch

    def release(self, batch: Batch, *, free_at: float | None = None) -> None:
        """Let the people of a settled batch be sent again; changes that were held for it wait in open batches now.

        Args:
            batch: The batch.
            free_at: When its people may be sent again; ``None`` for at once.
        """
        self._in_flight.remove(batch)
        if free_at is not None and free_at > self._monotonic():
            self._released_later.append((free_at, batch.people))
        else:
            self._open_held(batch.people)

    def seconds_until_release(self) -> float | None:
        """Return the seconds until `release_due` releases somebody; ``None`` when nobody waits for that."""
        moments = [free_at for free_at, _ in self._released_later]
        return max(0.0, min(moments) - self._monotonic()) if moments else None

    def release_due(self) -> None:
        """Let those people be sent again whose time has come."""
        now = self._monotonic()
        for entry in [entry for entry in self._released_later if entry[0] <= now]:
            self._released_later.remove(entry)
            self._open_held(entry[1])

    def _open_held(self, people: IdentitySet) -> None:
        """Put the changes that were held for some people into open batches."""
        for identity in [identity for identity in self._held if identity in people]:
            if self._is_free(identity) and self._group_with(identity) is None:
                self._put(*self._take_held(identity))
        self._find_held_first_line()

    def _find_held_first_line(self) -> None:
        changes = [held.change for queue in self._held.values() for held in queue]
        self._held_first_line = min((change.origin.line for change in changes), default=None)

    def _is_free(self, identity: str) -> bool:
        """Return whether no change of the person is in flight, nor in an untracked job."""
        if self._released_later and any(identity in people for _, people in self._released_later):
            return False
        return not any(identity in batch.people for batch in self._in_flight)

    def _group_with(self, identity: str) -> _Group | None:
        if self._group_of is not None:
            return self._group_of.get(identity)
        return next((group for group in self._groups.values() if identity in group.changes), None)

    def _merge(self, change: Change) -> bool | None:
        """Merge a change with the last one that waits for the same person, or queue it behind that one.

        Returns:
            Whether a limit may be reached; ``None`` if no change of that person was waiting.
        """
        identity = change.identity
        queue = self._held.get(identity)
        group = None if queue else self._group_with(identity)
        if queue:
            waiting, since = queue[-1]
        elif group is not None:
            waiting, since = group.changes[identity], group.opened_at
        else:
            return None
        purpose = _united(waiting.purpose, change.purpose)
        if purpose is None:
            self.check_size(change)
            return self._hold(change)
        # One list of origins for all records of a person: copying it each time would take quadratic time.
        later = waiting.later or []
        merged = Change(purpose, identity, contacts.merge(waiting.contact, change.contact), waiting.origin, later)
        self.check_size(merged)
        later.append(change.origin)
        if group is not None:
            self._remove(identity, group)
            return self._put(merged, since).is_full
        if queue:
            queue[-1] = _Held(merged, since)
            self._held_bytes += len(merged.contact) - len(waiting.contact)
        return self.holds_too_much

    def _hold(self, change: Change) -> bool:
        """Queue a change behind the earlier ones of its person; return whether too much is held."""
        self._held.setdefault(change.identity, []).append(_Held(change, self._monotonic()))
        self._held_bytes += len(change.contact)
        first_line = change.origin.line
        if self._held_first_line is None or first_line < self._held_first_line:
            self._held_first_line = first_line
        return self.holds_too_much

    def _take_held(self, identity: str) -> _Held:
        """Take the first change out of a person's queue."""
        queue = self._held[identity]
        held = queue.pop(0)
        if not queue:
            del self._held[identity]
        self._held_bytes -= len(held.change.contact)
        return held

    def _put(self, change: Change, since: float | None) -> _Group:
        """Add a change to the open group for its purpose. It has waited since some time, or comes now (``None``)."""
        group = self._groups.get(change.purpose)
        if group is None:
            group = self._open(change, since)
        elif since is not None:  # a change that comes now is younger than every open one
            group.opened_at = min(group.opened_at, since)
            group.first_line = min(group.first_line, change.origin.line)
        group.changes[change.identity] = change
        group.byte_count += len(change.contact) + 1
        if self._group_of is not None:
            self._group_of[change.identity] = group
        return group

    def _open(self, change: Change, since: float | None) -> _Group:
        """Open a group for a change."""
        self.boundary_line = self._last_line
        if self._groups and self._group_of is None:
            self._group_of = {known: other for other in self._groups.values() for known in other.changes}
        opened_at = self._monotonic() if since is None else since
        return self._add_group(change.purpose, opened_at, change.origin.line, _overhead_bytes(change.purpose) - 1)

    def _reopen(self, group: _Group, changes: dict[str, Change], byte_count: int) -> None:
        """Open a group again for the changes that did not fit into its request."""
        first_line = min(change.origin.line for change in changes.values())
        byte_count += _overhead_bytes(group.purpose) - 1
        left = self._add_group(group.purpose, self._monotonic(), first_line, byte_count)
        left.changes = changes
        if self._group_of is not None:
            self._group_of.update(dict.fromkeys(changes, left))

    def _add_group(self, purpose: Purpose, opened_at: float, first_line: int, byte_count: int) -> _Group:
        kind = purpose.kind
        group = _Group(purpose, opened_at, first_line, byte_count, kind.max_contacts, self._max_bytes(kind))
        self._groups[purpose] = group
        return group

    def _remove(self, identity: str, group: _Group) -> None:
        """Take a change out of its group."""
        if self._group_of is not None:
            del self._group_of[identity]
        change = group.changes.pop(identity)
        group.byte_count -= len(change.contact) + 1
        if not group.changes:
            del self._groups[group.purpose]
        if not self._groups:
            self._group_of = None

    def _max_bytes(self, kind: OperationKind) -> int:
        return self._byte_limits.get(kind, kind.max_bytes)


def _united(earlier: Purpose, later: Purpose) -> Purpose | None:
    """Return the purpose that one change can serve both for, or ``None``."""
    if earlier == later:
        return earlier
    if earlier.kind is not later.kind or not earlier.kind.unites_lists:
        return None
    return Purpose(earlier.kind, tuple(sorted({*earlier.list_ids, *later.list_ids})))


def _overhead_bytes(purpose: Purpose) -> int:
    return purpose.kind.overhead_bytes(purpose.list_ids)
