"""The profile cap: how many distinct people one run may send, counted across all streams before they are sent."""

from __future__ import annotations


class ProfileCap:
    """Counts distinct identities and admits as many as the limit allows.

    Args:
        limit: Most distinct profiles of the run; ``None`` counts without a limit.
    """

    def __init__(self, limit: int | None) -> None:
        self.limit = limit
        self._seen: set[str] = set()

    @property
    def distinct_profiles(self) -> int:
        """Number of distinct identities admitted so far."""
        return len(self._seen)

    def admit(self, identity: str) -> bool:
        """Return whether this person may be sent: known already, or within the limit."""
        if identity in self._seen:
            return True
        if self.limit is not None and len(self._seen) >= self.limit:
            return False
        self._seen.add(identity)
        return True
