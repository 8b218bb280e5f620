"""Intents: what rows ask to take away waits here for a checkpoint, so that a person's last word counts.

They wait in memory: as their number and their bytes are limited, a file would save little.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from target_sendgrid.origin import Origin

MAX_WAITING = 10_000
"""Most removals that wait for a checkpoint."""

MAX_WAITING_BYTES = 8_000_000
"""Most bytes of their contacts and of the messages that they came in, where these are kept."""

MOST_KEPT = 3
"""How many times as much may stay when the others are taken out."""


class Act(Enum):
    """What a record asks for; the values are those of the setting `on_delete`."""

    REMOVE_FROM_LIST = "remove_from_list"
    DELETE_CONTACT = "delete_contact"
    ERASE = "erase"


class Removal(msgspec.Struct, frozen=True):
    """What one record asks for: to take a person off lists, or out of the account."""

    identity: str
    keys: tuple[str, ...]
    """The identifiers of the person, each with its kind."""
    contact: bytes
    """The encoded identifiers."""
    list_ids: tuple[str, ...]
    """The lists; none where it is about the account."""
    origin: Origin
    act: Act = Act.REMOVE_FROM_LIST

    @property
    def byte_count(self) -> int:
        """Bytes that it holds."""
        return len(self.contact) + len(self.origin.message or b"")

    def without(self, list_ids: Collection[str]) -> Removal | None:
        """Return what is left to do once a later record has put the person on some lists; ``None`` for nothing.

        People who are to be erased are erased, whatever rows come later.
        """
        if self.act is Act.ERASE or not list_ids:
            return self
        left = tuple(list_id for list_id in self.list_ids if list_id not in list_ids)
        return msgspec.structs.replace(self, list_ids=left) if left else None

    def __repr__(self) -> str:
        """Name the record, without any of its values: error reports show objects by this."""
        return f"Removal({self.origin})"


class Intents:
    """Removals that wait for a checkpoint, in the order of their records.

    Two records are of the same person here if they share an identifier.
    """

    def __init__(self) -> None:
        self.waiting: dict[int, Removal] = {}
        """The removals, by a number that grows."""
        self._numbers: dict[str, set[int]] = {}
        """Numbers of removals by each of their keys."""
        self._next_number = 0
        self._byte_count = 0
        self._kept_count = self._kept_byte_count = 0
        """How much stayed when the others were taken out."""
        self._taken_from: int | None = None
        """Line of the first of those that were taken out and are not done yet."""
        self.boundary_line = 0
        """Line of the last removal that was the first to wait.

        A state before this line may be written earlier than a state after it.
        """

    @property
    def first_line(self) -> int | None:
        """Line of the first record that waits or is not done, or ``None``."""
        first = next((removal.origin.line for removal in self.waiting.values()), None)
        return first if self._taken_from is None else self._taken_from

    @property
    def is_full(self) -> bool:
        """Whether no more can wait, besides what stayed when the others were taken out."""
        return (
            len(self.waiting) >= MAX_WAITING + self._kept_count
            or self._byte_count >= MAX_WAITING_BYTES + self._kept_byte_count
        )

    @property
    def keeps_too_much(self) -> bool:
        """Whether memory should not hold what stayed when the others were taken out."""
        return self._kept_count >= MOST_KEPT * MAX_WAITING or self._kept_byte_count >= MOST_KEPT * MAX_WAITING_BYTES

    def add(self, removal: Removal) -> None:
        """Let a removal wait."""
        if not self.waiting:
            self.boundary_line = removal.origin.line
        self.waiting[self._next_number] = removal
        self._byte_count += removal.byte_count
        for key in removal.keys:
            self._numbers.setdefault(key, set()).add(self._next_number)
        self._next_number += 1

    def cancel(self, keys: Collection[str], list_ids: Collection[str]) -> Iterator[Origin]:
        """Cancel the removals of a person from some lists and from the account: a later record puts the person there.

        Args:
            keys: The person's identifiers (`identity_keys`).
            list_ids: The lists.

        Yields:
            Origins of the records of which nothing is left to do.
        """
        for number in self._of(keys):
            removal = self.waiting[number]
            left = removal.without(list_ids)
            if left is None:
                self._remove(number)
                yield removal.origin
            else:
                self.waiting[number] = left

    def drop(self, keys: Collection[str]) -> Iterator[Origin]:
        """Drop the removals of a person, but for an erasure.

        Yields:
            Origins of their records.
        """
        for number in self._of(keys):
            removal = self.waiting[number]
            if removal.act is not Act.ERASE:
                self._remove(number)
                yield removal.origin

    def take_all(self, stays: Callable[[bytes], bool] = lambda _: False) -> list[Removal]:
        """Take out the removals, in the order of their records. Call `done` when they are done.

        Args:
            stays: Returns whether the removals of a person go on waiting, given the encoded identifiers.
        """
        self._taken_from = self.first_line
        numbers = [number for number, removal in self.waiting.items() if not stays(removal.contact)]
        taken = [self._remove(number) for number in numbers]
        self._kept_count, self._kept_byte_count = len(self.waiting), self._byte_count
        return taken

    def done(self) -> None:
        """Note that what was taken out is done, so that a state may cover it."""
        self._taken_from = None

    def _of(self, keys: Collection[str]) -> list[int]:
        """Return the numbers of the removals of a person."""
        return sorted({number for key in keys for number in self._numbers.get(key, ())})

    def _remove(self, number: int) -> Removal:
        removal = self.waiting.pop(number)
        self._byte_count -= removal.byte_count
        for key in removal.keys:
            numbers = self._numbers[key]
            numbers.discard(number)
            if not numbers:
                del self._numbers[key]
        return removal
