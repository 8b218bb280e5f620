"""Intents: what rows ask to take away waits here for a checkpoint, so that a person's last word counts.

They wait in memory: as their number and their bytes are limited, a file would save little.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from target_sendgrid.origin import Origin

MAX_WAITING = 10_000
"""Most removals that wait for a checkpoint."""

MAX_WAITING_BYTES = 8_000_000
"""Most bytes of their contacts and of the messages that they came in, where these are kept."""

LONGEST_WAIT_SECONDS = 600.0
"""How long a STATE may wait for a removal before there is a checkpoint, so that a run of any length makes progress."""


class Removal(msgspec.Struct, frozen=True):
    """What one record asks for: to take a person off lists."""

    identity: str
    keys: tuple[str, ...]
    """The identifiers of the person, each with its kind."""
    contact: bytes
    """The encoded identifiers."""
    list_ids: tuple[str, ...]
    origin: Origin

    @property
    def byte_count(self) -> int:
        """Bytes that it holds."""
        return len(self.contact) + len(self.origin.message or b"")

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
        self._state_since: float | None = None
        """When the first STATE came that has to wait for a removal, in seconds of the monotonic clock."""
        self.boundary_line = 0
        """Line of the last removal that was the first to wait.

        A state before this line may be written earlier than a state after it.
        """

    @property
    def first_line(self) -> int | None:
        """Line of the first record that waits, or ``None``."""
        return next((removal.origin.line for removal in self.waiting.values()), None)

    @property
    def is_full(self) -> bool:
        """Whether no more can wait."""
        return len(self.waiting) >= MAX_WAITING or self._byte_count >= MAX_WAITING_BYTES

    def is_due(self, now: float) -> bool:
        """Return whether a STATE has waited for long.

        Args:
            now: Seconds of the monotonic clock.
        """
        return self._state_since is not None and now - self._state_since >= LONGEST_WAIT_SECONDS

    def add(self, removal: Removal) -> None:
        """Let a removal wait."""
        if not self.waiting:
            self.boundary_line = removal.origin.line
        self.waiting[self._next_number] = removal
        self._byte_count += removal.byte_count
        for key in removal.keys:
            self._numbers.setdefault(key, set()).add(self._next_number)
        self._next_number += 1

    def note_state(self, now: float) -> None:
        """Note that a STATE has come.

        Args:
            now: Seconds of the monotonic clock.
        """
        if self.waiting and self._state_since is None:
            self._state_since = now

    def postpone(self, now: float) -> None:
        """Let STATE messages that wait count as having come now.

        Args:
            now: Seconds of the monotonic clock.
        """
        self._state_since = now

    def cancel(self, keys: Collection[str], list_ids: Collection[str]) -> Iterator[Origin]:
        """Cancel the removals of a person from some lists, because a later record puts the person there.

        Args:
            keys: The person's identifiers (`identity_keys`).
            list_ids: The lists.

        Yields:
            Origins of the records of which nothing is left to do.
        """
        numbers = {number for key in keys for number in self._numbers.get(key, ())}
        for number in sorted(numbers):
            removal = self.waiting[number]
            left = tuple(list_id for list_id in removal.list_ids if list_id not in list_ids)
            if left == removal.list_ids:
                continue
            if left:
                self.waiting[number] = msgspec.structs.replace(removal, list_ids=left)
                continue
            self._remove(number)
            yield removal.origin

    def take_all(self) -> list[Removal]:
        """Take out all removals, in the order of their records."""
        taken = list(self.waiting.values())
        self.waiting.clear()
        self._numbers.clear()
        self._byte_count, self._state_since = 0, None
        return taken

    def _remove(self, number: int) -> None:
        removal = self.waiting.pop(number)
        self._byte_count -= removal.byte_count
        for key in removal.keys:
            numbers = self._numbers[key]
            numbers.discard(number)
            if not numbers:
                del self._numbers[key]
        if not self.waiting:
            self._state_since = None
