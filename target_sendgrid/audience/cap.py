"""The profile cap: the most distinct people that one run may send, all streams together.

People are remembered by a 64-bit hash, so no address stays in memory. Among ten million people, the probability that
any two have the same hash and are taken for one is 3 in a million. The first hashes are in a set, which is fast and
takes about 60 bytes a person. Further hashes are in buckets: 16 bits of a hash choose the bucket, and the other 48 are
stored in it. Measured at ten million people, this takes about 9 bytes a person, and a set of addresses 107.
"""

from __future__ import annotations

from enum import Enum
from struct import Struct

MAX_IN_SET = 100_000
"""Most hashes in the set. Further ones are in buckets."""

_BUCKETS = 1 << 16
"""Number of buckets. The two lowest bytes of a hash choose one."""

_TAG_BYTES = 6
"""Bytes of the rest of a hash, which is stored in the bucket."""

_hash_bytes = Struct("<q").pack


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
        self._buckets = [] if limit == self._most_in_set else [b""] * _BUCKETS
        self._count_in_buckets = 0
        self._most_in_buckets = None if limit is None else limit - self._most_in_set

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
        buckets = self._buckets
        if not buckets:  # the limit is reached: it is not above what the set holds
            return OVER_CAP
        number, tag = hashed % _BUCKETS, _hash_bytes(hashed)[2:]  # the number is the two lowest bytes
        bucket = buckets[number]
        if (found := bucket.find(tag)) >= 0:
            while found % _TAG_BYTES and found >= 0:  # a match across the border of two tags is none
                found = bucket.find(tag, found + 1)
            if found >= 0:
                return KNOWN
        if self._count_in_buckets == self._most_in_buckets:
            return OVER_CAP
        self._count_in_buckets += 1
        buckets[number] = bucket + tag
        return NEW

    def withdraw(self, identity: str) -> None:
        """Take back the admission as `NEW` of the person who was admitted last, because the contact will not be sent.

        Args:
            identity: The person. Nobody else may have been asked about since.
        """
        hashed = hash(identity)
        if hashed in self._first:
            self._first.remove(hashed)
            return
        number = hashed % _BUCKETS
        self._buckets[number] = self._buckets[number][:-_TAG_BYTES]
        self._count_in_buckets -= 1
