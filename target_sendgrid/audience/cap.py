"""The profile cap: how many distinct people one run may send, counted across all streams before they are sent.

People are remembered by a 64-bit hash, which keeps no address in memory and takes two people for one with a probability
of 3 in a million at ten million profiles. The first hashes stand in a set, which is quick and takes about 60 bytes a
person; the others in buckets: 16 bits choose one, 48 stand in it. That takes about 9 bytes a person where a set of
addresses takes 107 (measured at ten million).
"""

from __future__ import annotations

from enum import Enum

MAX_IN_SET = 100_000

_BUCKET_BITS = 16
_TAG_BYTES = 6
_HASH_MASK = (1 << 64) - 1


class Admission(Enum):
    """What the cap says about a record."""

    NEW = "the first of its person"
    KNOWN = "of a person who was admitted before"
    REFUSED = "of one person too many"


NEW, KNOWN, REFUSED = Admission
"""By these names they are found faster, which each record does."""


class ProfileCap:
    """Counts distinct identities and admits as many as the limit allows.

    Args:
        limit: Most distinct profiles of the run; ``None`` counts without a limit.
    """

    def __init__(self, limit: int | None) -> None:
        self.limit = limit
        self._first: set[int] = set()
        self._most_in_set = MAX_IN_SET if limit is None else min(limit, MAX_IN_SET)
        self._buckets: list[bytes] = []
        self._count_in_buckets = 0

    @property
    def distinct_profiles(self) -> int:
        """Number of distinct identities admitted so far."""
        return len(self._first) + self._count_in_buckets

    def admit(self, identity: str) -> Admission:
        """Admit a person if there is room, and tell which of the three it is."""
        hashed, first = hash(identity), self._first
        count = len(first)
        if count < self._most_in_set:
            first.add(hashed)  # and look what that changed: quicker than to look before
            return KNOWN if len(first) == count else NEW
        if hashed in first:
            return KNOWN
        if self._most_in_set == self.limit:
            return REFUSED
        return self._admit_to_bucket(hashed & _HASH_MASK)

    def _admit_to_bucket(self, hashed: int) -> Admission:
        if not self._buckets:
            self._buckets = [b""] * (1 << _BUCKET_BITS)
        tag = (hashed >> _BUCKET_BITS).to_bytes(_TAG_BYTES, "little")
        number = hashed & ((1 << _BUCKET_BITS) - 1)
        bucket = self._buckets[number]
        found = bucket.find(tag)
        while found % _TAG_BYTES and found >= 0:  # between two tags, which is no match
            found = bucket.find(tag, found + 1)
        if found >= 0:
            return KNOWN
        if self.limit is not None and self.distinct_profiles >= self.limit:
            return REFUSED
        self._buckets[number] = bucket + tag
        self._count_in_buckets += 1
        return NEW
