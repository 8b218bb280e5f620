"""How many people the rows of each stream may take off lists."""

from __future__ import annotations

from target_sendgrid.audience.removal_limit import RemovalLimit


def test_each_stream_has_a_ceiling_of_its_own() -> None:
    limit = RemovalLimit({"a": 2, "b": 0, "c": None}.get)
    assert [limit.admits("a") for _ in range(3)] == [True, True, False]
    assert not limit.admits("b")
    assert all(limit.admits("c") for _ in range(100))
    assert [limit.limit(stream) for stream in "abc"] == [2, 0, None]


def test_several_people_fit_together_or_not() -> None:
    limit = RemovalLimit({"a": 5, "c": None}.get)
    limit.add("a", 3)
    assert [limit.has_room("a", count) for count in (2, 3)] == [True, False]
    assert limit.has_room("c", 1_000_000)
    assert (limit.count("a"), limit.count("c")) == (3, 0)
