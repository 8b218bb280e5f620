"""The guard of the account: who may be deleted or erased in one run, all of those asked for at a time or nobody."""

from __future__ import annotations

import itertools

import pytest

from target_sendgrid.audience.account_guard import AccountGuard
from target_sendgrid.audience.removal_limit import RemovalLimit

COUNTER = itertools.count()


class Guard:
    """A guard with ceilings by stream and an account of a size."""

    def __init__(self, size: int = 1_000, **limits: int | None) -> None:
        self.limit = RemovalLimit(limits.get)
        self.size = size
        self.asked = 0
        self.guard = AccountGuard(self.limit, self.account_size)

    def account_size(self) -> int:
        self.asked += 1
        return self.size

    def withheld(self, **counts: int) -> dict[str, int]:
        """Ask for so many new people of each stream; return how many of each were withheld."""
        streams = {f"p{next(COUNTER)}": stream for stream, count in counts.items() for _ in range(count)}
        withheld = self.guard.withheld(streams)
        return {name: sum(streams[one] == name for one in withheld) for name in counts}


@pytest.mark.parametrize(
    ("size", "count", "withheld"),
    [(0, 10, 0), (0, 11, 11), (50, 10, 0), (109, 11, 11), (110, 11, 0), (1_000, 100, 0), (1_009, 101, 101)],
)
def test_more_than_ten_and_more_than_a_tenth_of_the_account_are_withheld(size: int, count: int, withheld: int) -> None:
    assert Guard(size).withheld(people=count) == {"people": withheld}


def test_streams_without_a_ceiling_count_together_over_the_whole_run() -> None:
    guard = Guard()
    assert guard.withheld(a=30, b=30) == {"a": 0, "b": 0}
    assert guard.withheld(a=40) == {"a": 0}
    assert guard.withheld(b=1) == {"b": 1}


def test_a_stream_with_a_ceiling_has_only_that_one() -> None:
    guard = Guard(20, a=500, b=3)
    assert guard.withheld(a=500, b=4, c=10) == {"a": 0, "b": 4, "c": 0}
    assert guard.withheld(a=1, c=1) == {"a": 1, "c": 1}


def test_a_ceiling_counts_removals_from_lists_too() -> None:
    guard = Guard(a=3)
    assert [guard.limit.admits("a") for _ in range(2)] == [True] * 2
    assert guard.withheld(a=2) == {"a": 2}
    assert guard.limit.admits("a")
    assert not guard.limit.admits("a")


def test_deletions_leave_no_room_for_removals_from_lists() -> None:
    guard = Guard(a=3)
    assert guard.withheld(a=3) == {"a": 0}
    assert not guard.limit.admits("a")


def test_after_some_were_withheld_nobody_more_is_deleted() -> None:
    guard = Guard(a=5)
    assert guard.withheld(a=6, b=101) == {"a": 6, "b": 101}
    assert guard.withheld(a=1, b=1, c=1) == {"a": 1, "b": 1, "c": 1}


def test_the_size_of_the_account_is_asked_once_before_the_first_deletion() -> None:
    guard = Guard(a=5)
    assert guard.withheld() == {}
    guard.withheld(a=5)
    assert guard.asked == 0
    guard.withheld(b=1)
    guard.size = 0  # the people are gone
    assert guard.withheld(b=99) == {"b": 0}
    assert guard.asked == 1


def test_the_reason_names_the_number_the_account_and_the_setting() -> None:
    guard = Guard(1_200, a=20, z=0)
    guard.withheld(a=15, z=1, b=100)
    guard.limit.admits("a")
    guard.withheld(a=1_500, b=1_000)
    guard.withheld(b=1_000)
    assert guard.guard.withheld_reason("a") == "that would be 1,516 in this run, and `max_removals` allows 20"
    assert guard.guard.withheld_reason("z") == "`max_removals` is 0, which forbids it"
    assert guard.guard.withheld_reason("b") == (
        "that would be 2,100 in this run, of an account with 1,200 contacts, and more than 10 and more than 10 % of the"
        " account are deleted or erased only if `max_removals` allows it"
    )
