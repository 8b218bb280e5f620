"""The profile cap: the most distinct people that one run may send, all streams together.

People are remembered by a 64-bit hash, so no address stays in memory. Among ten million people, the probability that
any two have the same hash and are taken for one is 3 in a million. The first hashes are in a set, which is fast and
takes about 60 bytes a person. Further hashes are in buckets: 16 bits of a hash choose the bucket, and the other 48 are
stored in it. Measured at ten million people, this takes about 9 bytes a person, and a set of addresses 107.
"""

from __future__ import annotations

from enum import Enum

MAX_IN_SET = 100_000
"""Most hashes in the set. Further ones are in buckets."""

_BUCKET_BITS = 16
"""Lowest bits of a hash, which choose its bucket."""

_TAG_BYTES = 6
"""Bytes of the rest of a hash, which is stored in the bucket."""

_HASH_MASK = (1 << 64) - 1


class Admission(Enum):
    """The cap's decision about a record."""

    NEW = "the first record of a person"
    KNOWN = "a record of a person who was admitted before"
    OVER_CAP = "a record of a person over the cap"


NEW, KNOWN, OVER_CAP = Admission
"""The members as module globals: every record looks one up, and an attribute of the class takes longer."""


class ProfileCap:
    """Counts distinct people and admits as many as the limit allows.

    Args:
        limit: Most distinct people of the run; ``None`` for no limit.
    """

    def __init__(self, limit: int | None) -> None:
        self.limit = limit
        self._first: set[int] = set()
        self._most_in_set = MAX_IN_SET if limit is None else min(limit, MAX_IN_SET)
        self._buckets: list[bytes] = []
        self._count_in_buckets = 0

    @property
    def distinct_profiles(self) -> int:
        """Number of distinct people admitted so far."""
        return len(self._first) + self._count_in_buckets

    def admit(self, identity: str) -> Admission:
        """Admit a person if the limit allows it, and return the decision.

        Args:
            identity: The person (`contact.identity`).
        """
        hashed, first = hash(identity), self._first
        count = len(first)
        if count < self._most_in_set:
            first.add(hashed)  # adding and comparing the size is faster than a look-up first
            return KNOWN if len(first) == count else NEW
        if hashed in first:
            return KNOWN
        if self._most_in_set == self.limit:
            return OVER_CAP
        return self._admit_to_bucket(hashed & _HASH_MASK)

    def withdraw(self, identity: str) -> None:
        """Take back the admission as `NEW` of the person who was admitted last, because the contact will not be sent.

        Args:
            identity: The person. Nobody else may have been asked about since.
        """
        hashed = hash(identity)
        if hashed in self._first:
            self._first.remove(hashed)
            return
        number = hashed & ((1 << _BUCKET_BITS) - 1)
        self._buckets[number] = self._buckets[number][:-_TAG_BYTES]
        self._count_in_buckets -= 1

    def _admit_to_bucket(self, hashed: int) -> Admission:
        if not self._buckets:
            self._buckets = [b""] * (1 << _BUCKET_BITS)
        tag = (hashed >> _BUCKET_BITS).to_bytes(_TAG_BYTES, "little")
        number = hashed & ((1 << _BUCKET_BITS) - 1)
        bucket = self._buckets[number]
        found = bucket.find(tag)
        while found % _TAG_BYTES and found >= 0:  # a match across the border of two tags is none
            found = bucket.find(tag, found + 1)
        if found >= 0:
            return KNOWN
        if self.limit is not None and self.distinct_profiles >= self.limit:
            return OVER_CAP
        self._buckets[number] = bucket + tag
        self._count_in_buckets += 1
        return NEW
