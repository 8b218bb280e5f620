"""Members of a list, as exports show them, for tests without SendGrid."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import msgspec

from target_sendgrid.audience.mirror import RemovalPlan

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from target_sendgrid.audience.guards import ListFacts
    from target_sendgrid.audience.presence import Presence
    from target_sendgrid.sendgrid.exports import ListExport


class FakeMember(msgspec.Struct, frozen=True):
    """A member with as many identifiers as a test needs."""

    contact_id: str
    email: str | None = None
    alternate_emails: Sequence[str] = ()
    phone_number_id: str | None = None
    external_id: str | None = None
    anonymous_id: str | None = None


class FakeExport:
    """An export of some members. As that of a list, it says how many there are only while it is read."""

    def __init__(self, members: Sequence[FakeMember], shortfall: str = "") -> None:
        self._members = members
        self.shortfall = shortfall
        self.contact_count: int | None = None

    @property
    def is_whole(self) -> bool:
        return not self.shortfall

    def members(self) -> Iterator[FakeMember]:
        self.contact_count = len(self._members)
        yield from self._members


def plan_from(facts: ListFacts, presence: Presence, export: FakeExport) -> RemovalPlan:
    """Return what a mirror would take off."""
    return RemovalPlan(facts, presence, cast("ListExport", export))
