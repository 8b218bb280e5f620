"""The profile cap: how many distinct people one run may send, counted across all streams before they are sent.

People are remembered by a 64-bit hash: 16 bits choose a bucket, 48 stand in it. That takes about 9 bytes a person where
a set of addresses takes 107 (measured at ten million), keeps no address in memory, and takes two people for one with a
probability of 3 in a million at ten million profiles.
"""

from __future__ import annotations

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
        self._buckets = [b""] * (1 << _BUCKET_BITS)

    def admit(self, identity: str) -> bool:
        """Return whether this person may be sent: known already, or within the limit."""
        hashed = hash(identity) & _HASH_MASK
        tag = (hashed >> _BUCKET_BITS).to_bytes(_TAG_BYTES, "little")
        number = hashed & ((1 << _BUCKET_BITS) - 1)
        bucket = self._buckets[number]
        found = bucket.find(tag)
        while found % _TAG_BYTES and found >= 0:  # between two tags, which is no match
            found = bucket.find(tag, found + 1)
        if found >= 0:
            return True
        if self.limit is not None and self.distinct_profiles >= self.limit:
            return False
        self._buckets[number] = bucket + tag
        self.distinct_profiles += 1
        return True
