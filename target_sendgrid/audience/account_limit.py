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


class AccountLimit:
    """Decides who may be created, and knows the room that is left. Use it from one thread.

    A person takes room once, with the first record. A contact that SendGrid rejects later keeps the room that it took.

    Args:
        limit: Most contacts of the account.
        count: How many contacts it had before the run.
        max_people: Most people that the run may send; ``None`` for any number.
    """

    def __init__(self, limit: int, count: ContactCount, *, max_people: int | None) -> None:
        self.limit = limit
        self.count = count
        self.room = self._room_beside(count)
        """For how many more new contacts there is room."""
        self.is_out_of_reach = max_people is not None and max_people <= self.room
        """Whether a run can't exceed the limit, even if all its people are new."""
        self.sentence = self._sentence()
        """What there was room for before the run."""
        self._admitted = HashSet()

    def was_admitted(self, identity: str) -> bool:
        """Return whether a person was admitted before."""
        return identity in self._admitted

    def admit_known(self, identities: Iterable[str]) -> None:
        """Admit people whom the account has. They take no room."""
        for identity in identities:
            self._admitted.add(identity)

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

    def note_count(self, count: ContactCount) -> None:
        """Lower the room if the account has more contacts than the run knows of.

        Others may have created them, or jobs of an earlier run that was killed. Contacts of this run may be among the
        counted ones or not yet: more room than before is never concluded from a count.
        """
        self.room = min(self.room, self._room_beside(count))

    def _room_beside(self, count: ContactCount) -> int:
        return max(0, self.limit - max(count.contact_count, count.billable_count))

    def _sentence(self) -> str:
        room = f"room for {counted(self.room, 'new contact')}" if self.room else "no room for new contacts"
        return (
            f"SendGrid stores {counted(self.count.contact_count, 'contact')} and bills {self.count.billable_count:,}"
            f" this month: with {self.limit:,} as `account_contact_limit`, the account has {room}."
        )
