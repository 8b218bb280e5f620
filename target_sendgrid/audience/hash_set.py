"""A compact set of texts for a whole run: about 9 bytes for each, and no text stays in memory."""

from __future__ import annotations

from array import array
from bisect import bisect_left

_PARTS = 256
"""Number of arrays. The lowest byte of a hash chooses one, so that only a small part is ever sorted at once."""

_SMALLEST_LIMIT = 64
"""An array with fewer hashes is not sorted before somebody looks into it."""


class HashSet:
    """Remembers texts by 64-bit hashes in arrays.

    A lookup may find a text that was never added: among ten million texts, about one lookup in 10**12. New hashes wait
    unsorted at the end of their array, which is sorted by a lookup that finds many of them there.
    """

    def __init__(self) -> None:
        self._parts = [array("q") for _ in range(_PARTS)]
        self._sorted_counts = [0] * _PARTS
        """Number of hashes at the start of each array that are sorted and distinct."""

    def add(self, text: str) -> None:
        """Add a text."""
        hashed = hash(text)
        number = hashed % _PARTS
        part = self._parts[number]
        part.append(hashed)
        if len(part) > self._sorted_counts[number] * 5 // 4 + _SMALLEST_LIMIT:  # else repeated texts would fill it
            self._tidy(number)

    def __contains__(self, text: str) -> bool:
        """Return whether the text was added."""
        hashed = hash(text)
        number = hashed % _PARTS
        part, count = self._parts[number], self._sorted_counts[number]
        if len(part) > count + _SMALLEST_LIMIT:
            part = self._tidy(number)
            count = len(part)
        place = bisect_left(part, hashed, 0, count)
        return (place < count and part[place] == hashed) or hashed in part[count:]

    def __len__(self) -> int:
        """Number of distinct texts."""
        return sum(len(self._tidy(number)) for number in range(_PARTS))

    def _tidy(self, number: int) -> array[int]:
        """Return an array after sorting it and dropping what it holds twice."""
        part = self._parts[number]
        if len(part) > self._sorted_counts[number]:
            part = self._parts[number] = array("q", sorted(set(part)))
            self._sorted_counts[number] = len(part)
        return part
