"""The ceiling of removals: how many people the rows of each stream may take off lists or delete in one run."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class RemovalLimit:
    """Counts people who are taken off lists or deleted, by stream.

    Args:
        limit_of: Returns the setting `max_removals` of a stream; ``None`` for no ceiling.
    """

    def __init__(self, limit_of: Callable[[str], int | None]) -> None:
        self._limit_of = limit_of
        self._limits: dict[str, int | None] = {}
        self._counts: Counter[str] = Counter()

    def limit(self, stream: str) -> int | None:
        """Return the ceiling of a stream."""
        if stream not in self._limits:
            self._limits[stream] = self._limit_of(stream)
        return self._limits[stream]

    def count(self, stream: str) -> int:
        """Return how many people were counted for a stream so far."""
        return self._counts[stream]

    def has_room(self, stream: str, count: int) -> bool:
        """Return whether the ceiling of a stream allows so many more people."""
        limit = self.limit(stream)
        return limit is None or self._counts[stream] + count <= limit

    def add(self, stream: str, count: int) -> None:
        """Count people for a stream."""
        self._counts[stream] += count

    def admits(self, stream: str) -> bool:
        """Return whether a record of a stream may take one more person off a list, and count the person if so."""
        if not self.has_room(stream, 1):
            return False
        self.add(stream, 1)
        return True
