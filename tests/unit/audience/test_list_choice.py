from __future__ import annotations

from collections import Counter
from decimal import Decimal

import pytest

from target_sendgrid.audience.list_choice import ListChoice
from target_sendgrid.sendgrid.client import ContactList

VIP, NEW = ContactList("b", "VIP"), ContactList("a", "New")


@pytest.mark.parametrize(
    ("value", "ids"),
    [
        ("vip", ("b",)),
        ("new", ("a",)),
        (["vip", "new"], ("a", "b")),
        (["vip", "vip", "gold", None], ("b",)),
        (7, ("b",)),
        (True, ("a",)),
        ("VIP", ()),
        (" vip", ()),
        ("", ()),
        (None, ()),
        ([], ()),
        ([["vip"]], ()),
        ({"vip": 1}, ()),
        (7.0, ()),
        (Decimal("7.0"), ()),
    ],
)
def test_a_value_chooses_the_lists_that_the_settings_have_for_it(value: object, ids: tuple[str, ...]) -> None:
    counts: Counter[str] = Counter()
    choice = ListChoice({"vip": VIP, "new": NEW, "7": VIP, "true": NEW}, counts)
    assert choice.list_ids(value) == ids
    assert counts == Counter({"VIP" if list_id == "b" else "New": 1 for list_id in ids})
