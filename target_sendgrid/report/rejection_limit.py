"""The limit of rejections: how many rejected records a STATE may cover, and a run may have."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

_FEW = 10
"""Up to so many rejected records never exceed the limit, if a record was accepted and the limit is not 0."""


class LimitCounts(NamedTuple):
    """What became of some records, as the limit sees it. Records that a rule of the user ignores do not count."""

    records: int
    """Number of all records."""
    rejected: int
    """Number of those that are rejected, except for records without an identifier."""
    without_identifier: int
    """Number of those that are rejected because they have no identifier: nobody can correct them."""

    @property
    def accepted(self) -> int:
        """Number of records that are not rejected."""
        return self.records - self.rejected - self.without_identifier


class RejectionLimit:
    """Decides whether too many records are rejected.

    Args:
        max_percent: The setting `max_rejected_percent`.
    """

    def __init__(self, max_percent: float) -> None:
        self.max_percent = max_percent
        self._max_share = Decimal(str(max_percent)).scaleb(-2).as_integer_ratio()

    def is_exceeded(self, counts: LimitCounts) -> bool:
        """Return whether too many of some records are rejected.

        That is the case if the share of rejected records is above the limit and more than a few are rejected. It is
        also the case if all records are rejected; only there do records without an identifier count. A limit of 0
        allows no rejected record that has an identifier, not even a few, and one of 100 allows everything.
        """
        numerator, denominator = self._max_share
        if numerator == denominator:
            return False
        accepted = counts.accepted
        if not accepted:
            return counts.records > 0
        if counts.rejected <= _FEW and numerator:
            return False
        return counts.rejected * denominator > (counts.rejected + accepted) * numerator
