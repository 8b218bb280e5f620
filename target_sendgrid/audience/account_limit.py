"""The account's limit: the most contacts that an account may have, with those that a run creates.

SendGrid bills deleted contacts until the month ends, and does not document whether a plan's limit is about the contacts
that it stores or about those that it bills. So the larger number counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from target_sendgrid.audience.hash_set import HashSet
from target_sendgrid.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from target_sendgrid.sendgrid.client import ContactCount

RECENT_SECONDS = 3600.0
"""How long before the count a contact that it lacks may have been asked for: so long an import job may take."""


class AccountLimit:
    """Decides who may be created, and knows the room that is left. A run uses it from one thread.

    A person takes room once, with the first record. A contact that SendGrid rejects later keeps the room that it took.

    Args:
        limit: Most contacts of the account.
        count: How many contacts it had before the run.
        counted_at: When they were counted, in seconds since the epoch on SendGrid's clock.
        max_people: Most people that the run may send; ``None`` for any number.
    """

    def __init__(self, limit: int, count: ContactCount, counted_at: float, *, max_people: int | None) -> None:
        self.limit = limit
        self.count = count
        self.room = max(0, limit - max(count.contact_count, count.billable_count))
        """For how many more new contacts there is room."""
        self.is_out_of_reach = max_people is not None and max_people <= self.room
        """Whether a run can't exceed the limit, even if all its people are new."""
        self._counted_at = counted_at
        self._admitted = HashSet()

    @property
    def sentence(self) -> str:
        """What the account had room for before the run, while nobody was decided about."""
        room = f"room for {counted(self.room, 'new contact')}" if self.room else "no room for new contacts"
        return (
            f"SendGrid stores {counted(self.count.contact_count, 'contact')} and bills {self.count.billable_count:,}"
            f" this month: with {self.limit:,} as `account_contact_limit`, the account has {room}."
        )

    def was_admitted(self, identity: str) -> bool:
        """Return whether a person was decided about before, and may be sent."""
        return identity in self._admitted

    def admit_known(self, identity: str, created_at: float | None, updated_at: float | None) -> None:
        """Admit a person whom the account has.

        Contacts that were created after the count take room like new ones: a job of an earlier run, which was killed,
        may have ended in between. The date of creation may be that of the request, so the other date has to tell.

        Args:
            identity: The person.
            created_at: When SendGrid says that the contact was created, in seconds since the epoch.
            updated_at: When it was last updated.
        """
        if identity in self._admitted:
            return
        self._admitted.add(identity)
        is_recent = created_at is not None and created_at > self._counted_at - RECENT_SECONDS
        if is_recent and updated_at is not None and updated_at >= int(self._counted_at):  # SendGrid shows whole seconds
            self.room = max(0, self.room - 1)

    def admit_new(self, identities: Iterable[str]) -> list[str]:
        """Admit people whom the account does not have, as far as there is room.

        Args:
            identities: The people, in the order in which they take room.

        Returns:
            Those for whom there is no room.
        """
        beyond = []
        for identity in identities:
            if identity in self._admitted:
                continue
            if not self.room:
                beyond.append(identity)
                continue
            self._admitted.add(identity)
            self.room -= 1
        return beyond
