from __future__ import annotations

from decimal import Decimal

import pytest

from target_sendgrid.audience.subscription import Subscription, unsubscribed_values


def subscription(*values: object) -> Subscription:
    return Subscription(unsubscribed_values(values))


@pytest.mark.parametrize("value", ["unsubscribed", " Unsubscribed\n", "UNSUBSCRIBED", "\u200bunsubscribed"])
def test_texts_are_compared_without_blanks_and_ascii_case(value: str) -> None:
    assert subscription(" UnSubscribed ").is_unsubscribed(value)


@pytest.mark.parametrize(
    ("value", "setting"),
    [
        (True, True),
        (False, False),
        (1, 1),
        (1, Decimal("1.0")),
        (Decimal("0.5"), 0.5),
        (0.5, Decimal("0.50")),
        ("1", "1"),
    ],
)
def test_equal_values_of_a_type_are_the_same(value: object, setting: object) -> None:
    assert subscription(setting).is_unsubscribed(value)


@pytest.mark.parametrize(
    ("value", "setting"),
    [
        (True, 1), (1, True), (False, 0), (0, False), ("1", 1), (1, "1"), ("true", True), (True, "true"), (True, False),
        ("\u0130", "i"), ("un subscribed", "unsubscribed"),
    ],
)  # fmt: skip
def test_values_of_other_types_or_other_values_are_not(value: object, setting: object) -> None:
    assert not subscription(setting).is_unsubscribed(value)


@pytest.mark.parametrize("value", [None, [], {}, ["unsubscribed"]])
def test_nulls_arrays_and_objects_say_nothing(value: object) -> None:
    assert not subscription("unsubscribed", 0).is_unsubscribed(value)
    assert not unsubscribed_values([value])
