"""The limit of rejections, against a model that looks at the outcome of each record."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from target_sendgrid.report.rejection_limit import LimitCounts, RejectionLimit

OUTCOMES = st.lists(st.sampled_from(["accepted", "accepted", "rejected", "nobody"]), max_size=60)


def counts_of(accepted: int, rejected: int, without_identifier: int = 0) -> LimitCounts:
    return LimitCounts(accepted + rejected + without_identifier, rejected, without_identifier)


def model(max_tenths: int, outcomes: list[str]) -> bool:
    """Return whether a limit, in tenths of a percent, is exceeded by records with these outcomes."""
    people = [outcome for outcome in outcomes if outcome != "nobody"]
    rejected = people.count("rejected")
    if max_tenths == 1000 or rejected == len(outcomes) == 0:
        return False
    if "accepted" not in outcomes:
        return True
    is_share_above = rejected * 1000 > max_tenths * len(people)
    return is_share_above and (rejected > 10 or max_tenths == 0)


@given(st.integers(0, 1000), OUTCOMES)
def test_the_limit_is_exceeded_exactly_as_the_rule_says(max_tenths: int, outcomes: list[str]) -> None:
    counts = [outcomes.count(outcome) for outcome in ("accepted", "rejected", "nobody")]
    assert RejectionLimit(max_tenths / 10).is_exceeded(counts_of(*counts)) is model(max_tenths, outcomes)


@pytest.mark.parametrize(
    ("max_percent", "accepted", "rejected", "without_identifier", "is_exceeded"),
    [
        (10, 0, 0, 0, False),
        (0, 0, 0, 0, False),
        (10, 2, 1, 0, False),
        (10, 1, 10, 0, False),
        (10, 1, 11, 0, True),
        (10, 99, 11, 0, False),
        (10, 98, 11, 0, True),
        (10, 1, 0, 500, False),
        (10, 99, 11, 500, False),
        (10, 98, 11, 500, True),
        (10, 1, 10, 500, False),
        (10, 0, 1, 0, True),
        (10, 0, 0, 1, True),
        (10, 0, 5, 5, True),
        (99.9, 0, 1, 0, True),
        (99.9, 1, 998, 0, False),
        (99.9, 1, 1000, 0, True),
        (0, 1_000_000, 1, 0, True),
        (0, 1_000_000, 0, 1, False),
        (0, 0, 0, 1, True),
        (100, 0, 500, 0, False),
        (100, 0, 0, 500, False),
        (100, 1, 500, 500, False),
    ],
)
def test_boundary_cases(
    max_percent: float, accepted: int, rejected: int, without_identifier: int, *, is_exceeded: bool
) -> None:
    assert RejectionLimit(max_percent).is_exceeded(counts_of(accepted, rejected, without_identifier)) is is_exceeded


@given(st.integers(1, 9_999), st.integers(1, 20))
@example(57, 1)
def test_a_share_that_equals_the_limit_is_within_it(hundredths: int, factor: int) -> None:
    """Also where a floating-point product would be slightly below or above the exact one."""
    rejected, accepted = hundredths * factor, (10_000 - hundredths) * factor
    limit = RejectionLimit(hundredths / 100)
    assert not limit.is_exceeded(counts_of(accepted, rejected))
    assert limit.is_exceeded(counts_of(accepted, rejected + 11))
