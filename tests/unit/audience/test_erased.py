from __future__ import annotations

import pytest

from target_sendgrid.audience.erased import ErasedPeople

ADA = {"email": "ada@x.com", "external_id": "1"}


def test_nobody_is_held_at_first() -> None:
    erased = ErasedPeople()
    assert erased.is_empty
    assert not erased.holds(ADA)


@pytest.mark.parametrize(
    ("values", "is_held"),
    [
        (ADA, True),
        ({"email": "Ada@X.com"}, True),
        ({"external_id": "1"}, True),
        ({"external_id": "1", "email": "new@x.com"}, True),
        ({"email": "ada@x.com", "anonymous_id": "7"}, True),
        ({"email": "ada@x.com", "external_id": "2"}, False),
        ({"email": "ada@x.com", "external_id": "2", "anonymous_id": "7"}, False),
        ({"external_id": "2"}, False),
        ({"email": "bob@x.com"}, False),
        ({"anonymous_id": "1"}, False),
        ({}, False),
    ],
)
def test_a_person_is_known_by_any_identifier_that_no_other_one_contradicts(
    values: dict[str, str], *, is_held: bool
) -> None:
    erased = ErasedPeople()
    erased.add({**ADA, "first_name": "Ada"})
    assert not erased.is_empty
    assert erased.holds(values) is is_held


def test_an_address_alone_is_enough_where_the_erased_row_has_no_other_identifier() -> None:
    erased = ErasedPeople()
    erased.add({"email": "ada@x.com"})
    assert erased.holds({"email": "ada@x.com", "external_id": "2"})
