"""The account's limit: who takes room."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_sendgrid.audience.account_limit import AccountLimit
from target_sendgrid.sendgrid.client import ContactCount


def limit_of(limit: int, stored: int = 0, billable: int = 0, *, max_people: int | None = None) -> AccountLimit:
    return AccountLimit(limit, ContactCount(stored, billable), max_people=max_people)


@pytest.mark.parametrize(
    ("stored", "billable", "room"), [(0, 0, 10), (4, 7, 3), (7, 4, 3), (10, 2, 0), (11, 2, 0), (2, 12, 0)]
)
def test_the_larger_number_of_stored_and_billed_contacts_counts(stored: int, billable: int, room: int) -> None:
    assert limit_of(10, stored, billable).room == room


@pytest.mark.parametrize(("max_people", "expected"), [(None, False), (2, True), (3, True), (4, False)])
def test_a_run_of_few_people_can_not_exceed_the_limit(max_people: int | None, *, expected: bool) -> None:
    assert limit_of(10, 7, max_people=max_people).is_out_of_reach is expected


def test_the_sentence_has_all_numbers() -> None:
    assert limit_of(1_000, 1, 999).sentence == (
        "SendGrid stores 1 contact and bills 999 this month: with 1,000 as `account_contact_limit`, the account has"
        " room for 1 new contact."
    )
    assert limit_of(2, 2, 2).sentence.endswith("the account has no room for new contacts.")


def test_new_people_take_room_in_order_and_once() -> None:
    limit = limit_of(3, 1)
    assert limit.admit_new(["a", "b", "a"]) == []
    assert limit.room == 0
    assert limit.admit_new(["c", "b", "d"]) == ["c", "d"]
    assert [name for name in "abcd" if limit.was_admitted(name)] == ["a", "b"]


def test_known_people_take_no_room_and_are_admitted_when_there_is_none() -> None:
    limit = limit_of(1, 1)
    limit.admit_known(["k"])
    assert limit.was_admitted("k")
    assert limit.admit_new(["k", "a"]) == ["a"]


@pytest.mark.parametrize(
    ("stored", "billable", "room"), [(0, 0, 5), (4, 4, 5), (5, 5, 5), (6, 5, 4), (5, 7, 3), (10, 10, 0), (12, 12, 0)]
)
def test_a_later_count_lowers_the_room_and_never_raises_it(stored: int, billable: int, room: int) -> None:
    limit = limit_of(10, 3)
    limit.admit_new(["a", "b"])
    limit.note_count(ContactCount(stored, billable))
    assert limit.room == room


@given(st.integers(1, 20), st.integers(0, 20), st.lists(st.lists(st.sampled_from("abcdefghijklmnop"))))
def test_never_more_are_admitted_than_there_is_room_for(limit: int, stored: int, batches: list[list[str]]) -> None:
    account = limit_of(limit, stored)
    room, beyond = account.room, [one for batch in batches for one in account.admit_new(batch)]
    people = {name for batch in batches for name in batch}
    admitted = {name for name in people if account.was_admitted(name)}
    assert len(admitted) == min(room, len(people))
    assert admitted.isdisjoint(beyond)
    assert admitted.union(beyond) == people
