from __future__ import annotations

import pytest

from target_sendgrid.audience.suppression_guard import SuppressionGuard


def guard(**limits: int) -> SuppressionGuard:
    return SuppressionGuard(limits.get)


@pytest.mark.parametrize(
    ("waiting", "people", "is_over"),
    [
        (10, 10, False),
        (11, 11, True),
        (11, 21, True),
        (11, 22, False),
        (0, 0, False),
        (51, 100, True),
        (50, 100, False),
    ],
)
def test_more_than_ten_and_more_than_half_are_too_many(waiting: int, people: int, *, is_over: bool) -> None:
    assert guard().streams_over({"a": waiting}, people) == ({"a"} if is_over else set())


@pytest.mark.parametrize(("waiting", "is_over"), [(0, False), (10, False), (11, True)])
def test_before_the_end_more_than_ten_are_too_many(waiting: int, *, is_over: bool) -> None:
    assert guard().streams_over({"a": waiting}, 1_000, is_end=False) == ({"a"} if is_over else set())
    assert guard(a=11).streams_over({"a": waiting}, 1_000, is_end=False) == set()


def test_streams_without_a_ceiling_share_one() -> None:
    assert guard().streams_over({"a": 6, "b": 5, "c": 0}, 11) == {"a", "b"}
    assert guard(b=5).streams_over({"a": 6, "b": 5}, 11) == set()
    assert guard(b=4).streams_over({"a": 6, "b": 5}, 11) == {"b"}


def test_people_who_were_suppressed_before_in_the_run_count() -> None:
    counted = guard(b=3)
    counted.done.update(a=6, b=2)
    assert counted.streams_over({"a": 4, "b": 1}, 10) == set()
    assert counted.streams_over({"a": 5, "b": 2}, 11) == {"a", "b"}
    assert counted.streams_over({"a": 0, "b": 0}, 0) == set()


def test_a_ceiling_of_zero_forbids_it() -> None:
    assert guard(a=0).streams_over({"a": 1}, 1_000) == {"a"}


def test_the_sentence_names_numbers_and_the_setting() -> None:
    counted = guard(b=0, c=1_000)
    counted.done.update(a=10, c=900)
    waiting = {"a": 465, "b": 1, "c": 200, "d": 25}
    assert counted.sentence("a", waiting, 500) == (
        "Stream 'a': 500 of the 500 people of the run would be unsubscribed, more than 10 and more than half."
        ' 10 of its people were unsubscribed before so many had come. If they have, allow it: `streams: {"a":'
        ' {"max_suppressions": 475}}`.'
    )
    assert "`max_suppressions` is 1, which" not in guard(b=1).sentence("b", {"b": 2}, 9)
    assert "1 of its people would be unsubscribed, and `max_suppressions` is 0" in counted.sentence("b", waiting, 500)
    assert "1,100 of its people would be unsubscribed, and `max_suppressions` is 1,000" in counted.sentence(
        "c", waiting, 500
    )
