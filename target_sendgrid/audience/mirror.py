"""The plan of a mirror: which members of a list were not in the run, found in one pass over an export of the list."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from target_sendgrid.audience.guards import allowed_removals, objection, size_objection, withheld
from target_sendgrid.audience.hash_set import HashSet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from target_sendgrid.audience.guards import ListFacts
    from target_sendgrid.audience.presence import ListMember, Presence
    from target_sendgrid.errors import Problem
    from target_sendgrid.sendgrid.exports import ListExport


class RemovalPlan:
    """Which members of a list are to be taken off: all who were not in the run, or nobody.

    Args:
        facts: What is known about the list.
        presence: Who was in the run.
        export: The members of the list. They are read only if the run allows removals at all.
        note_leaving: Called with members who are to be taken off; also with some of those who then are not, after all.
    """

    def __init__(
        self,
        facts: ListFacts,
        presence: Presence,
        export: ListExport,
        note_leaving: Callable[[ListMember], None] = lambda _: None,
    ) -> None:
        self._note_leaving = note_leaving
        self.list_size = 0
        """Number of members of the list; 0 until they are read."""
        self.unidentified_count = 0
        """Number of members who stay because they have no identifier that a stream maps."""
        self._absent = HashSet()
        self._ids = io.BytesIO()
        """Ids of absent members, one in each line. There are none once more are absent than may be taken off."""
        self._id_count = 0
        self.withheld: Problem | None = objection(facts) or self._read(facts, presence, export)
        """Why nobody may be taken off; ``None`` if all who are absent may."""
        self.absent_count = len(self._absent)
        """Number of members who were not in the run."""
        if self.withheld:
            self._ids = io.BytesIO()

    @property
    def removal_count(self) -> int:
        """Number of members to take off."""
        return 0 if self.withheld else self.absent_count

    def contact_ids(self) -> Iterator[str]:
        """Yield the ids of the contacts to take off, each once."""
        seen: set[bytes] | None = set() if self._id_count > self.absent_count else None
        self._ids.seek(0)
        for line in self._ids:
            if seen is not None:
                if line in seen:
                    continue
                seen.add(line)
            yield line.rstrip(b"\n").decode()

    def _read(self, facts: ListFacts, presence: Presence, export: ListExport) -> Problem | None:
        """Read the members, note who is absent, and return why they may not be taken off."""
        keeps_ids = True
        for member in export.members():
            if member in presence:
                continue
            if not presence.maps_identifier_of(member):
                self.unidentified_count += 1
                continue
            self._absent.add(member.contact_id)
            if not keeps_ids:
                continue
            self._note_leaving(member)
            self._ids.write(member.contact_id.encode() + b"\n")
            self._id_count += 1
            # Rows that repeat a contact are rare, so they are counted exactly only when it matters.
            most = allowed_removals(facts, export.contact_count or 0)
            if self._id_count > most and len(self._absent) > most:
                keeps_ids, self._ids = False, io.BytesIO()
        self.list_size = export.contact_count or 0
        if not export.is_whole:
            next_step = "Run again. If the same happens again, SendGrid's exports of the list are not complete."
            return withheld(facts, f"its export {export.shortfall}", next_step)
        return size_objection(facts, len(self._absent), self.list_size)
