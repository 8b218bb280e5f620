"""The ceiling of removals: how many people the rows of each stream may take off lists in one run."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class RemovalLimit:
    """Counts people who are taken off lists, by stream.

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

    def admits(self, stream: str) -> bool:
        """Return whether a record of a stream may take one more person off a list, and count the person if so."""
        limit = self.limit(stream)
        if limit is not None and self._counts[stream] >= limit:
            return False
        self._counts[stream] += 1
        return True
