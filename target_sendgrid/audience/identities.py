"""A compact set of people: 8 bytes each, for the people of a batch in flight."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class IdentitySet:
    """Remembers people by a 64-bit hash of their identity.

    A lookup may find somebody who is not in the set, about once in 10**15 lookups among 30,000 people.

    Args:
        identities: The people's identities (`contact.identity`).
    """

    def __init__(self, identities: Iterable[str]) -> None:
        self._hashes = array("q", map(hash, identities))
        self._is_sorted = False

    def __contains__(self, identity: str) -> bool:
        """Return whether the person is in the set."""
        if not self._is_sorted:  # sorted at the first lookup: runs without repeated people never look
            self._hashes = array("q", sorted(self._hashes))
            self._is_sorted = True
        hashed = hash(identity)
        place = bisect_left(self._hashes, hashed)
        return place < len(self._hashes) and self._hashes[place] == hashed
