"""The profile cap: how many distinct people one run may send, counted across all streams before they are sent.

People are remembered by a 64-bit hash, which keeps no address in memory and takes two people for one with a probability
of 3 in a million at ten million profiles. The first hashes stand in a set, which is quick and takes about 60 bytes a
person; the others in buckets: 16 bits choose one, 48 stand in it. That takes about 9 bytes a person where a set of
addresses takes 107 (measured at ten million).
"""

from __future__ import annotations

MAX_IN_SET = 100_000

_BUCKET_BITS = 16
_TAG_BYTES = 6
_HASH_MASK = (1 << 64) - 1


class ProfileCap:
    """Counts distinct identities and admits as many as the limit allows.

    Args:
        limit: Most distinct profiles of the run; ``None`` counts without a limit.
    """

    def __init__(self, limit: int | None) -> None:
        self.limit = limit
        self.distinct_profiles = 0
        """Number of distinct identities admitted so far."""
        self._first: set[int] = set()
        self._buckets: list[bytes] = []

    def admit(self, identity: str) -> bool:
        """Return whether this person may be sent: known already, or within the limit."""
        hashed = hash(identity)
        if hashed in self._first:
            return True
        has_room = self.limit is None or self.distinct_profiles < self.limit
        if self.distinct_profiles < MAX_IN_SET:
            if has_room:
                self._first.add(hashed)
                self.distinct_profiles += 1
            return has_room
        return self._admit_to_bucket(hashed & _HASH_MASK, has_room=has_room)

    def _admit_to_bucket(self, hashed: int, *, has_room: bool) -> bool:
        if not self._buckets:
            self._buckets = [b""] * (1 << _BUCKET_BITS)
        tag = (hashed >> _BUCKET_BITS).to_bytes(_TAG_BYTES, "little")
        number = hashed & ((1 << _BUCKET_BITS) - 1)
        bucket = self._buckets[number]
        found = bucket.find(tag)
        while found % _TAG_BYTES and found >= 0:  # between two tags, which is no match
            found = bucket.find(tag, found + 1)
        if found < 0 and has_room:
            self._buckets[number] = bucket + tag
            self.distinct_profiles += 1
        return found >= 0 or has_room
