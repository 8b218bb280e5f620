"""Batches of changes: their limits, the order of one person's changes, and what is merged or held back."""

from __future__ import annotations

import contextlib
import itertools
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_sendgrid.audience.identities import IdentitySet
from target_sendgrid.delivery import batching
from target_sendgrid.delivery.batching import Batcher
from target_sendgrid.delivery.operations.remove_from_list import REMOVE_FROM_LIST
from target_sendgrid.delivery.operations.upsert import upsert_kind
from target_sendgrid.delivery.pending import Batch, Change, Purpose, stream_counts, unpack
from target_sendgrid.errors import Reason, RecordRejectedError
from target_sendgrid.origin import Origin
from target_sendgrid.sendgrid.contact import Body, decode, encode

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from target_sendgrid.delivery.pending import OperationKind
    from target_sendgrid.sendgrid.contact import Contact

ENOUGH_BYTES = 1_000_000
TWO_CONTACTS = [encode({"email": f"{letter}@x.com"}) for letter in "ab"]


class Upserts(Batcher):
    """A batcher with one kind of upserts, whose batches are named by their lists."""

    def __init__(self, max_contacts: int, max_bytes: int, monotonic: Callable[[], float] = lambda: 0.0) -> None:
        super().__init__(monotonic)
        self.kind = upsert_kind(max_contacts, max_bytes)

    def full(self) -> tuple[str, ...] | None:
        purpose = self.next_full()
        return None if purpose is None else purpose.list_ids

    def open_list_ids(self) -> list[tuple[str, ...]]:
        return [purpose.list_ids for purpose in self.open_purposes()]


def upsert(kind: OperationKind, email: str, list_id: str = "L", *, line: int = 1, **fields: object) -> Change:
    contact = encode({"email": email, **fields})
    return Change(Purpose(kind, (list_id,)), email, contact, Origin("people", line))


def removal(email: str, list_id: str = "L", *, line: int = 1) -> Change:
    contact = encode({"email": email})
    return Change(Purpose(REMOVE_FROM_LIST, (list_id,)), email, contact, Origin("people", line))


def add(batcher: Upserts, email: str, list_id: str = "L", *, line: int = 1, **fields: object) -> bool:
    return batcher.add(upsert(batcher.kind, email, list_id, line=line, **fields))


def sealed(batcher: Upserts, *list_ids: str) -> Batch:
    return batcher.seal(Purpose(batcher.kind, list_ids))


def at(*moments: float) -> Callable[[], float]:
    """Return a clock that shows these moments one after the other."""
    return iter(moments).__next__


def changes_of(batch: Batch) -> dict[str, Change]:
    assert batch.packed is not None
    return unpack(batch.packed, batch.purpose)


def contacts_of(batch: Batch) -> dict[str, Contact]:
    return {identity: decode(change.contact) for identity, change in changes_of(batch).items()}


def lines_of(batch: Batch) -> dict[str, list[int]]:
    return {identity: [origin.line for origin in change.origins] for identity, change in changes_of(batch).items()}


def body_of(batch: Batch) -> bytes:
    assert batch.packed is not None
    body = Body(batch.purpose.list_ids, batch.packed.contacts)
    pieces = b"".join(body)
    assert len(pieces) == len(body)
    return pieces


class TestContacts:
    def test_a_batch_is_full_at_its_row_limit(self) -> None:
        batcher = Upserts(2, ENOUGH_BYTES)
        add(batcher, "a@x.com")
        assert batcher.full() is None
        add(batcher, "b@x.com")
        assert batcher.full() == ("L",)

    def test_the_same_person_twice_takes_one_row(self) -> None:
        batcher = Upserts(2, ENOUGH_BYTES)
        add(batcher, "a@x.com")
        add(batcher, "a@x.com")
        assert batcher.full() is None

    def test_a_sealed_batch_leaves_nothing_open(self) -> None:
        batcher = Upserts(1, ENOUGH_BYTES)
        add(batcher, "a@x.com")
        sealed(batcher, "L")
        assert (batcher.full(), batcher.open_list_ids(), batcher.first_line(), batcher.open_since()) == (
            None, [], None, None,
        )  # fmt: skip

    def test_adding_returns_whether_a_limit_is_reached(self) -> None:
        batcher = Upserts(3, ENOUGH_BYTES)
        assert [add(batcher, email) for email in ("a@x.com", "a@x.com", "b@x.com", "c@x.com")] == [
            False, False, False, True,
        ]  # fmt: skip


class TestBytes:
    @pytest.mark.parametrize("slack", [0, 1])
    def test_a_batch_is_full_once_its_body_has_as_many_bytes_as_allowed(self, slack: int) -> None:
        batcher = Upserts(30_000, len(Body(("L",), TWO_CONTACTS)) + slack)
        add(batcher, "a@x.com")
        assert add(batcher, "b@x.com") == (slack == 0)
        assert (batcher.full() is not None) == (slack == 0)

    def test_a_body_may_have_exactly_as_many_bytes_as_allowed(self) -> None:
        batcher = Upserts(30_000, len(Body(("L",), TWO_CONTACTS)))
        add(batcher, "a@x.com")
        add(batcher, "b@x.com")
        assert list(changes_of(sealed(batcher, "L"))) == ["a@x.com", "b@x.com"]

    def test_a_body_never_has_one_byte_more(self) -> None:
        batcher = Upserts(30_000, len(Body(("L",), TWO_CONTACTS)) - 1)
        add(batcher, "a@x.com")
        add(batcher, "b@x.com")
        assert [list(changes_of(sealed(batcher, "L"))) for _ in range(2)] == [["a@x.com"], ["b@x.com"]]

    def test_a_contact_that_is_too_large_on_its_own_is_rejected(self) -> None:
        batcher = Upserts(30_000, 100)
        with pytest.raises(RecordRejectedError) as caught:
            add(batcher, "a@x.com", city="zaphod" * 20)
        assert (caught.value.reason, "zaphod" in caught.value.sentence) == (Reason.TOO_LARGE, False)

    def test_a_contact_that_is_one_byte_too_large_is_rejected(self) -> None:
        batcher = Upserts(30_000, len(Body(("L",), TWO_CONTACTS[:1])) - 1)
        with pytest.raises(RecordRejectedError):
            add(batcher, "a@x.com")

    def test_a_contact_that_is_exactly_as_large_as_allowed_is_taken(self) -> None:
        size = len(Body(("L",), TWO_CONTACTS[:1]))
        batcher = Upserts(30_000, size)
        add(batcher, "a@x.com")
        assert list(changes_of(sealed(batcher, "L"))) == ["a@x.com"]

    def test_a_merge_that_would_be_too_large_rejects_the_later_record_and_keeps_the_earlier(self) -> None:
        batcher = Upserts(30_000, 120)
        add(batcher, "a@x.com", line=1, city="x" * 30)
        with pytest.raises(RecordRejectedError):
            add(batcher, "a@x.com", line=2, country="x" * 30)
        batch = sealed(batcher, "L")
        assert (lines_of(batch), "country" in contacts_of(batch)["a@x.com"]) == ({"a@x.com": [1]}, False)

    def test_a_contact_that_was_taken_before_the_limit_was_lowered_is_sent_alone(self) -> None:
        batcher = Upserts(30_000, ENOUGH_BYTES)
        add(batcher, "a@x.com", city="x" * 50)
        add(batcher, "b@x.com", city="x" * 50)
        batcher.set_max_bytes(batcher.kind, 50)
        assert [list(changes_of(sealed(batcher, "L"))) for _ in range(2)] == [["a@x.com"], ["b@x.com"]]

    def test_a_later_version_is_merged_with_a_contact_that_did_not_fit_while_another_batch_is_open(self) -> None:
        batcher = Upserts(30_000, ENOUGH_BYTES)
        add(batcher, "c@x.com", "K", line=1)
        add(batcher, "a@x.com", line=2, city="x" * 50)
        add(batcher, "b@x.com", line=3, city="x" * 50)
        batcher.set_max_bytes(batcher.kind, 120)
        assert list(changes_of(sealed(batcher, "L"))) == ["a@x.com"]
        add(batcher, "b@x.com", line=4, city="y")
        assert lines_of(sealed(batcher, "L")) == {"b@x.com": [3, 4]}

    def test_a_batch_knows_the_size_of_its_request(self) -> None:
        batcher = Upserts(30_000, ENOUGH_BYTES)
        for email in ("a@x.com", "b@x.com", "c@x.com"):
            add(batcher, email)
        add(batcher, "b@x.com", city="London")  # merged, so it leaves the batch and comes back
        add(batcher, "c@x.com", "M")
        for list_ids in (("L",), ("L", "M")):
            batch = sealed(batcher, *list_ids)
            assert batch.byte_count == len(body_of(batch))

    def test_the_rest_of_a_batch_knows_the_size_of_its_request_and_its_first_line(self) -> None:
        batcher = Upserts(2, ENOUGH_BYTES)
        for number, line in enumerate((1, 2, 3, 5, 4), 1):
            add(batcher, f"p{number}@x.com", line=line, city="x" * number)
        first = sealed(batcher, "L")
        assert (lines_of(first), first.byte_count) == ({"p1@x.com": [1], "p2@x.com": [2]}, len(body_of(first)))
        assert batcher.first_line() == 3
        add(batcher, "p4@x.com", line=6, country="UK")
        second = sealed(batcher, "L")
        assert (second.first_line, second.byte_count) == (3, len(body_of(second)))
        assert list(lines_of(second)) == ["p3@x.com", "p5@x.com"]
        assert sealed(batcher, "L").first_line <= 5

    @pytest.mark.parametrize("slack", [0, 1])
    def test_a_batch_whose_rest_has_reached_the_limit_is_full(self, slack: int) -> None:
        batcher = Upserts(30_000, ENOUGH_BYTES)
        for email in ("c@x.com", "a@x.com", "b@x.com"):
            add(batcher, email)
        size = len(Body(("L",), TWO_CONTACTS))
        batcher.set_max_bytes(batcher.kind, size - 1)
        assert list(lines_of(sealed(batcher, "L"))) == ["c@x.com"]
        batcher.set_max_bytes(batcher.kind, size + slack)
        assert (batcher.full() is not None) == (slack == 0)

    def test_a_lowered_limit_also_holds_for_batches_that_are_opened_later(self) -> None:
        batcher = Upserts(30_000, ENOUGH_BYTES)
        batcher.set_max_bytes(batcher.kind, len(Body(("L",), TWO_CONTACTS)))
        assert [add(batcher, email) for email in ("a@x.com", "b@x.com")] == [False, True]


class TestMerging:
    def test_the_later_record_wins_field_by_field(self) -> None:
        batcher = Upserts(30_000, ENOUGH_BYTES)
        add(batcher, "a@x.com", first_name="Ada", city="London", custom_fields={"e1_T": "x", "e2_T": "y"})
        add(batcher, "a@x.com", city="Paris", custom_fields={"e1_T": "z"})
        assert contacts_of(sealed(batcher, "L"))["a@x.com"] == {
            "email": "a@x.com", "first_name": "Ada", "city": "Paris", "custom_fields": {"e1_T": "z", "e2_T": "y"},
        }  # fmt: skip

    def test_a_merged_contact_keeps_the_origins_of_all_its_records(self) -> None:
        batcher = Upserts(30_000, ENOUGH_BYTES)
        for line in (3, 5, 9):
            add(batcher, "a@x.com", line=line)
        assert lines_of(sealed(batcher, "L")) == {"a@x.com": [3, 5, 9]}

    def test_each_further_record_of_a_person_costs_the_same(self, monkeypatch: pytest.MonkeyPatch) -> None:
        copied: list[int] = []
        last: list[Origin] | None = None

        def change(*arguments: Any) -> Change:
            nonlocal last
            later = arguments[-1]
            copied.append(0 if later is last else len(later))
            last = later
            return Change(*arguments)

        monkeypatch.setattr(batching, "Change", change)
        batcher, times = Upserts(10, 10_000), 50_000
        for line in range(times):
            add(batcher, "ada@example.com", line=line)
        assert len(changes_of(sealed(batcher, "L"))["ada@example.com"].origins) == times
        assert sum(copied) < 10

    def test_a_person_on_two_lists_is_sent_once_with_both(self) -> None:
        batcher = Upserts(30_000, ENOUGH_BYTES)
        add(batcher, "a@x.com", "M", city="London")
        add(batcher, "a@x.com", "L", country="UK")
        assert batcher.open_list_ids() == [("L", "M")]
        expected = {"email": "a@x.com", "city": "London", "country": "UK"}
        assert contacts_of(sealed(batcher, "L", "M"))["a@x.com"] == expected

    def test_people_on_the_same_lists_are_in_one_batch_whatever_the_order(self) -> None:
        batcher = Upserts(30_000, ENOUGH_BYTES)
        for email, list_id in [("a@x.com", "L"), ("a@x.com", "M"), ("b@x.com", "M"), ("b@x.com", "L")]:
            add(batcher, email, list_id)
        assert list(changes_of(sealed(batcher, "L", "M"))) == ["a@x.com", "b@x.com"]

    def test_a_person_who_is_on_both_lists_already_stays_on_both(self) -> None:
        batcher = Upserts(30_000, ENOUGH_BYTES)
        for list_id in ("L", "M", "L", "M"):
            add(batcher, "a@x.com", list_id)
        assert batcher.open_list_ids() == [("L", "M")]

    def test_a_person_who_joins_another_list_keeps_the_first_line(self) -> None:
        batcher = Upserts(30_000, ENOUGH_BYTES)
        add(batcher, "b@x.com", "L", line=1)
        add(batcher, "a@x.com", "L", line=2)
        add(batcher, "a@x.com", "M", line=7)
        assert sealed(batcher, "L", "M").first_line == 2


class TestInFlight:
    def test_a_person_in_flight_is_held_back(self) -> None:
        batcher = Upserts(30_000, ENOUGH_BYTES)
        add(batcher, "a@x.com", line=1)
        sealed(batcher, "L")
        add(batcher, "a@x.com", line=2)
        add(batcher, "b@x.com", line=3)
        assert lines_of(sealed(batcher, "L")) == {"b@x.com": [3]}

    def test_people_who_are_held_back_do_not_make_a_batch_full(self) -> None:
        batcher = Upserts(1, ENOUGH_BYTES)
        add(batcher, "a@x.com")
        sealed(batcher, "L")
        add(batcher, "a@x.com")
        assert (batcher.full(), batcher.open_list_ids()) == (None, [])

    def test_a_person_is_held_back_across_lists(self) -> None:
        batcher = Upserts(30_000, ENOUGH_BYTES)
        add(batcher, "a@x.com", "L")
        sealed(batcher, "L")
        add(batcher, "a@x.com", "M")
        assert batcher.open_list_ids() == []

    def test_a_released_person_can_be_sent_again(self) -> None:
        batcher = Upserts(30_000, ENOUGH_BYTES)
        add(batcher, "a@x.com", line=1)
        batch = sealed(batcher, "L")
        add(batcher, "a@x.com", line=2)
        batcher.release(batch)
        assert lines_of(sealed(batcher, "L")) == {"a@x.com": [2]}

    def test_a_person_of_a_settled_batch_waits_while_an_untracked_job_may_be_under_way(self) -> None:
        now = 0.0
        batcher = Upserts(30_000, ENOUGH_BYTES, lambda: now)
        add(batcher, "a@x.com", line=1)
        batch = sealed(batcher, "L")
        add(batcher, "a@x.com", line=2)
        batcher.release(batch, free_at=60.0)
        add(batcher, "a@x.com", line=3)
        assert (batcher.in_flight, batcher.open_list_ids(), batcher.first_line()) == ([], [], 2)
        now = 59.0
        batcher.release_due()
        assert (batcher.open_list_ids(), batcher.seconds_until_release()) == ([], 1.0)
        now = 60.0
        batcher.release_due()
        assert lines_of(sealed(batcher, "L")) == {"a@x.com": [2, 3]}
        assert batcher.seconds_until_release() is None

    def test_people_are_free_at_once_when_their_time_has_come_before_the_batch_is_settled(self) -> None:
        batcher = Upserts(30_000, ENOUGH_BYTES, lambda: 60.0)
        add(batcher, "a@x.com")
        batch = sealed(batcher, "L")
        add(batcher, "a@x.com", line=2)
        batcher.release(batch, free_at=60.0)
        assert lines_of(sealed(batcher, "L")) == {"a@x.com": [2]}

    def test_a_later_version_is_not_merged_with_the_one_in_flight(self) -> None:
        batcher = Upserts(30_000, ENOUGH_BYTES)
        add(batcher, "a@x.com", city="London")
        batch = sealed(batcher, "L")
        add(batcher, "a@x.com", country="UK")
        assert contacts_of(batch) == {"a@x.com": {"email": "a@x.com", "city": "London"}}

    def test_later_versions_of_a_held_back_person_are_merged_with_each_other(self) -> None:
        batcher = Upserts(30_000, ENOUGH_BYTES)
        add(batcher, "a@x.com")
        batch = sealed(batcher, "L")
        add(batcher, "a@x.com", city="London")
        add(batcher, "a@x.com", city="Paris")
        batcher.release(batch)
        assert contacts_of(sealed(batcher, "L"))["a@x.com"]["city"] == "Paris"

    def test_people_who_are_held_back_keep_their_line_after_the_others_were_sealed(self) -> None:
        batcher = Upserts(30_000, ENOUGH_BYTES)
        add(batcher, "a@x.com", line=1)
        sealed(batcher, "L")
        add(batcher, "b@x.com", line=2)
        add(batcher, "a@x.com", line=3)
        sealed(batcher, "L")
        assert batcher.first_line() == 3

    def test_a_contact_that_is_held_back_is_merged_without_being_sent(self) -> None:
        batcher = Upserts(30_000, ENOUGH_BYTES)
        add(batcher, "a@x.com", line=1)
        sealed(batcher, "L")
        add(batcher, "a@x.com", line=2)
        add(batcher, "a@x.com", line=3)
        assert batcher.open_list_ids() == []

    def test_only_people_of_the_settled_batch_wait_for_an_untracked_job(self) -> None:
        now = 0.0
        batcher = Upserts(30_000, ENOUGH_BYTES, lambda: now)
        add(batcher, "a@x.com", line=1)
        batcher.release(sealed(batcher, "L"), free_at=60.0)
        add(batcher, "b@x.com", line=2)
        assert batcher.open_list_ids() == [("L",)]
        add(batcher, "a@x.com", line=3)
        assert lines_of(sealed(batcher, "L")) == {"b@x.com": [2]}
        now = 61.5
        assert batcher.seconds_until_release() == 0.0

    def test_what_was_held_is_not_sent_while_another_operation_waits_for_the_same_person(self) -> None:
        now = 10.0
        batcher = Upserts(30_000, ENOUGH_BYTES, lambda: now)
        add(batcher, "a@x.com", line=1)
        first = sealed(batcher, "L")
        batcher.add(removal("a@x.com", line=2))
        add(batcher, "a@x.com", line=3)
        batcher.release(first)
        assert batcher.open_purposes() == [Purpose(REMOVE_FROM_LIST, ("L",))]
        add(batcher, "b@x.com", line=4)
        batcher.release(sealed(batcher, "L"))  # which is no reason to send what waits for the removal
        assert batcher.open_purposes() == [Purpose(REMOVE_FROM_LIST, ("L",))]
        assert batcher.first_line() == 2

    def test_a_person_with_the_hash_of_a_released_one_still_waits_for_an_earlier_change(self) -> None:
        batcher = Upserts(30_000, ENOUGH_BYTES)
        add(batcher, "a@x.com", line=1)
        first = sealed(batcher, "L")
        for line in (2, 3):
            add(batcher, f"b{line}@x.com", line=line)
            add(batcher, "a@x.com", line=line) if line == 2 else batcher.add(removal("a@x.com", line=line))
            batch = sealed(batcher, "L")
            batch.people = IdentitySet(["a@x.com"])
            batcher.release(batch)
            assert batcher.open_purposes() == []  # the first change is in flight
        batcher.release(first)
        assert batcher.open_list_ids() == [("L",)]
        batcher.add(upsert(batcher.kind, "c@x.com", "M", line=4))
        batch = sealed(batcher, "M")
        batch.people = IdentitySet(["a@x.com"])
        batcher.release(batch)
        assert batcher.open_purposes() == [Purpose(batcher.kind, ("L",))]  # the removal waits for this one

    def test_a_contact_that_was_held_has_waited_since_its_record_came(self) -> None:
        now = 10.0
        batcher = Upserts(30_000, ENOUGH_BYTES, lambda: now)
        add(batcher, "a@x.com", line=1)
        batch = sealed(batcher, "L")
        now = 20.0
        add(batcher, "a@x.com", line=2)
        now = 30.0
        add(batcher, "a@x.com", line=3)
        now = 40.0
        batcher.release(batch)
        assert batcher.open_since() == 20.0


class TestSeveralOperations:
    def test_changes_of_two_operations_are_in_two_batches(self) -> None:
        batcher = Upserts(30_000, ENOUGH_BYTES)
        add(batcher, "a@x.com")
        batcher.add(removal("b@x.com"))
        assert batcher.open_purposes() == [Purpose(batcher.kind, ("L",)), Purpose(REMOVE_FROM_LIST, ("L",))]

    def test_a_person_is_removed_only_once_the_upsert_is_settled(self) -> None:
        batcher = Upserts(30_000, ENOUGH_BYTES)
        add(batcher, "a@x.com", line=1)
        batcher.add(removal("a@x.com", line=2))
        assert batcher.open_list_ids() == [("L",)]
        batch = sealed(batcher, "L")
        assert batcher.open_purposes() == []
        assert batcher.first_line() == 2
        batcher.release(batch)
        assert batcher.open_purposes() == [Purpose(REMOVE_FROM_LIST, ("L",))]

    def test_a_later_upsert_is_queued_behind_the_removal_instead_of_joining_the_earlier_one(self) -> None:
        batcher = Upserts(30_000, ENOUGH_BYTES)
        add(batcher, "a@x.com", line=1, city="London")
        batcher.add(removal("a@x.com", line=2))
        add(batcher, "a@x.com", line=3, city="Paris")
        add(batcher, "a@x.com", line=4, country="France")
        sent = []
        while batcher.open_purposes():
            batch = batcher.seal(batcher.open_purposes()[0])
            city = contacts_of(batch)["a@x.com"].get("city")
            sent.append((batch.purpose.kind.job_name, city, *lines_of(batch).values()))
            batcher.release(batch)
        assert sent == [("import job", "London", [1]), ("list-removal job", None, [2]), ("import job", "Paris", [3, 4])]
        assert not batcher.holds_too_much

    def test_removals_from_two_lists_are_two_changes(self) -> None:
        batcher = Upserts(30_000, ENOUGH_BYTES)
        batcher.add(removal("a@x.com", "L", line=1))
        batcher.add(removal("a@x.com", "M", line=2))
        assert batcher.open_purposes() == [Purpose(REMOVE_FROM_LIST, ("L",))]

    def test_the_same_removal_twice_is_one_change(self) -> None:
        batcher = Upserts(30_000, ENOUGH_BYTES)
        batcher.add(removal("a@x.com", line=1))
        batcher.add(removal("a@x.com", line=2))
        assert lines_of(batcher.seal(Purpose(REMOVE_FROM_LIST, ("L",)))) == {"a@x.com": [1, 2]}

    def test_a_lowered_limit_can_be_raised_again_up_to_the_operations_own(self) -> None:
        batcher = Upserts(30_000, 100)
        add(batcher, "a@x.com")
        batcher.set_max_bytes(batcher.kind, 10)
        assert batcher.full() == ("L",)
        for limit in (90, 1_000, None):
            batcher.set_max_bytes(batcher.kind, limit)
            assert batcher.full() is None
        add(batcher, "b@x.com", first_name="x" * 20)
        assert batcher.full() == ("L",)

    def test_a_lowered_limit_applies_to_its_own_operation_only(self) -> None:
        batcher = Upserts(30_000, ENOUGH_BYTES)
        batcher.add(removal("a@x.com"))
        batcher.set_max_bytes(batcher.kind, 1)
        assert batcher.full() is None


class TestTimesAndLines:
    def test_the_first_line_is_the_lowest_of_all_open_batches(self) -> None:
        batcher = Upserts(30_000, ENOUGH_BYTES)
        for line, list_id in [(4, "L"), (3, "M"), (5, "L")]:
            add(batcher, f"{line}@x.com", list_id, line=line)
        assert batcher.first_line() == 3

    def test_a_person_who_joins_a_younger_batch_brings_the_first_line_along(self) -> None:
        batcher = Upserts(30_000, ENOUGH_BYTES)
        add(batcher, "a@x.com", "L", line=1)
        add(batcher, "b@x.com", "K", line=4)
        add(batcher, "b@x.com", "L", line=5)
        add(batcher, "a@x.com", "K", line=6)
        assert (batcher.open_list_ids(), batcher.first_line()) == ([("K", "L")], 1)

    def test_a_batch_is_open_since_its_first_contact(self) -> None:
        batcher = Upserts(30_000, ENOUGH_BYTES, at(10.0))
        add(batcher, "a@x.com")
        add(batcher, "b@x.com")
        assert batcher.open_since() == 10.0

    def test_further_records_of_one_person_do_not_make_the_batch_younger(self) -> None:
        batcher = Upserts(30_000, ENOUGH_BYTES, at(10.0))
        for _ in range(3):
            add(batcher, "a@x.com")
        assert batcher.open_since() == 10.0

    def test_a_person_who_joins_another_list_keeps_the_time_of_the_first_record(self) -> None:
        batcher = Upserts(30_000, ENOUGH_BYTES, at(10.0))
        add(batcher, "a@x.com", "L")
        add(batcher, "a@x.com", "M")
        assert batcher.open_since() == 10.0

    def test_an_open_batch_becomes_as_old_as_the_oldest_person_who_joins_it(self) -> None:
        batcher = Upserts(30_000, ENOUGH_BYTES, at(10.0, 20.0))
        for email, list_id in [("a@x.com", "L"), ("b@x.com", "M"), ("a@x.com", "M"), ("b@x.com", "L")]:
            add(batcher, email, list_id)
        assert batcher.open_list_ids() == [("L", "M")]
        assert batcher.open_since() == 10.0

    def test_the_boundary_line_moves_when_a_batch_is_opened(self) -> None:
        batcher = Upserts(30_000, ENOUGH_BYTES)
        assert batcher.boundary_line == 0
        for line, list_id in [(3, "L"), (4, "L"), (6, "M"), (7, "M"), (8, "L")]:
            add(batcher, f"{line}@x.com", list_id, line=line)
        assert batcher.boundary_line == 6

    def test_the_boundary_line_moves_when_a_batch_is_sealed(self) -> None:
        batcher = Upserts(30_000, ENOUGH_BYTES)
        for line in (3, 4, 9):
            add(batcher, f"{line}@x.com", line=line)
        sealed(batcher, "L")
        assert batcher.boundary_line == 9

    def test_a_batch_is_reopened_for_changes_that_did_not_fit(self) -> None:
        batcher = Upserts(1, ENOUGH_BYTES, at(10.0, 30.0))
        add(batcher, "a@x.com")
        add(batcher, "b@x.com")
        sealed(batcher, "L")
        assert batcher.open_since() == 30.0


class TestHeld:
    def test_the_bytes_of_held_changes_are_limited(self) -> None:
        batcher = Upserts(30_000, 6_000_000)
        add(batcher, "a@x.com")
        batch = sealed(batcher, "L")
        assert not batcher.holds_too_much
        assert add(batcher, "a@x.com", line=2, custom_fields={"e1_T": "x" * batching.MAX_HELD_BYTES})
        assert (batcher.full(), batcher.holds_too_much) == (None, True)
        batcher.release(batch)
        assert not batcher.holds_too_much

    def test_the_bytes_of_held_changes_are_counted_exactly(self, monkeypatch: pytest.MonkeyPatch) -> None:
        batcher = Upserts(30_000, ENOUGH_BYTES)
        for email in ("a@x.com", "b@x.com"):
            add(batcher, email)
        batch = sealed(batcher, "L")
        for email in ("a@x.com", "b@x.com", "a@x.com"):
            add(batcher, email, city="London")
        add(batcher, "b@x.com", city="York", country="UK")
        held = len(encode({"email": "a@x.com", "city": "London"}))
        held += len(encode({"email": "b@x.com", "city": "York", "country": "UK"}))
        excess = []
        for limit in (held, held - 1):
            monkeypatch.setattr(batching, "MAX_HELD_BYTES", limit)
            excess.append(batcher.holds_too_much)
        batcher.release(batch)
        monkeypatch.setattr(batching, "MAX_HELD_BYTES", 0)
        excess.append(batcher.holds_too_much)
        assert excess == [False, True, False]

    def test_a_person_added_as_new_is_found_and_merged_when_a_second_record_comes(self) -> None:
        batcher = Upserts(30_000, ENOUGH_BYTES)
        for line, is_new in [(1, True), (2, False)]:
            batcher.add(upsert(batcher.kind, "a@x.com", line=line, n=line), is_new=is_new)
        assert contacts_of(sealed(batcher, "L")) == {"a@x.com": {"email": "a@x.com", "n": 2}}

    def test_a_batch_knows_its_people(self) -> None:
        batcher = Upserts(30_000, ENOUGH_BYTES)
        for number in range(100):
            add(batcher, f"p{number}@x.com")
        batch = sealed(batcher, "L")
        assert all(f"p{number}@x.com" in batch.people for number in range(100))
        assert not any(f"q{number}@x.com" in batch.people for number in range(100))


ADDS = st.tuples(
    st.just("add"),
    st.sampled_from([f"{letter}@x.com" for letter in "abcdef"]),
    st.sampled_from(["L", "M", "N"]),
    st.dictionaries(st.sampled_from(["city", "country", "postal_code"]), st.text("xß", max_size=60)),
)
REMOVALS = st.tuples(
    st.just("remove"), st.sampled_from([f"{letter}@x.com" for letter in "abcdef"]), st.sampled_from(["L", "M", "N"])
)
STEPS = st.lists(st.one_of(ADDS, ADDS, ADDS, REMOVALS, st.just(("seal",)), st.just(("release",))), max_size=60)


class Applied:
    """The contacts and lists that SendGrid holds after changes in the order in which they are applied."""

    def __init__(self) -> None:
        self.contacts: dict[str, dict[str, Any]] = {}
        self.lists: dict[str, set[str]] = {}

    def apply(self, purpose: Purpose, identity: str, contact: Contact) -> None:
        if purpose.kind is REMOVE_FROM_LIST:
            self.lists.get(identity, set()).difference_update(purpose.list_ids)
        else:
            self.contacts.setdefault(identity, {}).update(contact)
            self.lists.setdefault(identity, set()).update(purpose.list_ids)


class BatcherHarness:
    """A batcher to which changes are added and whose batches are sealed and released, with checks at each step."""

    def __init__(self, max_rows: int, max_bytes: int, random: Random) -> None:
        self.batcher = Upserts(max_rows, max_bytes)
        self.max_bytes, self.random = max_bytes, random
        self.wanted, self.sent = Applied(), Applied()
        self.taken: set[int] = set()
        self.settled: list[int] = []
        self.in_flight: list[Batch] = []

    def add(self, line: int, email: str, list_id: str, fields: dict[str, Any]) -> None:
        self._take(upsert(self.batcher.kind, email, list_id, line=line, **fields))

    def remove(self, line: int, email: str, list_id: str) -> None:
        self._take(removal(email, list_id, line=line))

    def _take(self, change: Change) -> None:
        try:
            self.batcher.add(change)
        except RecordRejectedError:
            return
        self.taken.add(change.origin.line)
        self.wanted.apply(change.purpose, change.identity, decode(change.contact))

    def seal(self) -> bool:
        purposes = self.batcher.open_purposes()
        if not purposes:
            return False
        batch = self.batcher.seal(self.random.choice(purposes))
        assert len(changes_of(batch)) <= batch.purpose.kind.max_contacts
        if batch.purpose.kind is self.batcher.kind:
            assert len(body_of(batch)) == batch.byte_count <= self.max_bytes
        assert batch.counts == stream_counts(changes_of(batch).values())
        assert batch.first_line <= min(itertools.chain(*lines_of(batch).values()))
        assert not {identity for other in self.in_flight for identity in changes_of(other)} & changes_of(batch).keys()
        self.in_flight.append(batch)
        return True

    def release(self) -> None:
        if self.in_flight:
            batch = self.in_flight.pop(self.random.randrange(len(self.in_flight)))
            self.batcher.release(batch)
            for identity, contact in contacts_of(batch).items():
                self.sent.apply(batch.purpose, identity, contact)
            self.settled.extend(itertools.chain(*lines_of(batch).values()))

    def check_first_line(self) -> None:
        in_flight_lines = {line for batch in self.in_flight for line in itertools.chain(*lines_of(batch).values())}
        first_open = self.batcher.first_line()
        waiting = self.taken - in_flight_lines - set(self.settled)
        assert (first_open is None) == (not waiting)
        assert all(first_open is not None and first_open <= line for line in waiting)

    def finish(self) -> None:
        while self.batcher.open_purposes() or self.in_flight:
            if not self.seal():
                self.release()


@given(STEPS, st.integers(1, 4), st.integers(150, 400), st.randoms(use_true_random=False))
def test_all_changes_are_sent_once_in_order_and_within_the_limits(
    steps: list[tuple[Any, ...]], max_rows: int, max_bytes: int, random: Random
) -> None:
    harness = BatcherHarness(max_rows, max_bytes, random)
    for line, step in enumerate(steps, 1):
        if step[0] == "add":
            harness.add(line, *step[1:])
        elif step[0] == "remove":
            harness.remove(line, *step[1:])
        elif step[0] == "seal":
            harness.seal()
        else:
            harness.release()
        harness.check_first_line()
    harness.finish()
    assert sorted(harness.settled) == sorted(harness.taken)
    assert harness.sent.contacts == harness.wanted.contacts
    assert harness.sent.lists == harness.wanted.lists


@given(st.lists(ADDS, max_size=40), st.integers(1, 4), st.integers(150, 400))
def test_a_batch_is_full_when_its_rows_or_its_exact_bytes_reach_a_limit(
    adds: list[tuple[Any, ...]], max_rows: int, max_bytes: int
) -> None:
    batcher, measured = Upserts(max_rows, max_bytes), Upserts(1_000, ENOUGH_BYTES)
    for line, (_, email, _, fields) in enumerate(adds, 1):
        with contextlib.suppress(RecordRejectedError):
            add(batcher, email, line=line, **fields)
            add(measured, email, line=line, **fields)
    batch = sealed(measured, "L") if measured.open_list_ids() else None
    is_full = batch is not None and (len(changes_of(batch)) >= max_rows or len(body_of(batch)) >= max_bytes)
    assert (batcher.full() is not None) == is_full


def test_people_are_found_in_one_group_and_in_several_and_after_groups_were_sealed() -> None:
    batcher = Upserts(30_000, ENOUGH_BYTES)
    for line, lists in enumerate(["L", "LM", "L", "LM"]):
        for list_id in lists:
            add(batcher, f"{list_id}{line}@x.com", list_id, line=2 * line)
            add(batcher, f"{list_id}{line}@x.com", list_id, line=2 * line + 1)
        assert [batcher.open_list_ids()] == [[(list_id,) for list_id in lists]]
        for list_id in lists:
            batch = sealed(batcher, list_id)
            assert lines_of(batch) == {f"{list_id}{line}@x.com": [2 * line, 2 * line + 1]}
            batcher.release(batch)


class TestWithdrawing:
    def test_what_is_open_for_a_person_is_taken_out(self) -> None:
        batcher = Upserts(9, ENOUGH_BYTES)
        add(batcher, "a", line=1)
        add(batcher, "b", line=2)
        add(batcher, "a", line=3, first_name="Ada")
        (change,) = batcher.withdraw("a")
        assert ([origin.line for origin in change.origins], decode(change.contact)["first_name"]) == ([1, 3], "Ada")
        assert list(changes_of(sealed(batcher, "L"))) == ["b"]
        assert batcher.withdraw("a") == []

    def test_what_is_held_behind_an_open_change_is_taken_out_after_it(self) -> None:
        batcher = Upserts(9, ENOUGH_BYTES)
        add(batcher, "a", line=1)
        batcher.add(removal("a", line=2))
        add(batcher, "b", line=3)
        assert [change.origin.line for change in batcher.withdraw("a")] == [1, 2]
        sealed(batcher, "L")
        assert batcher.first_line() is None  # else the end of a run would wait for it without end

    def test_what_is_in_flight_stays_there(self) -> None:
        batcher = Upserts(9, ENOUGH_BYTES)
        add(batcher, "a", line=1)
        batch = sealed(batcher, "L")
        add(batcher, "a", line=2)
        add(batcher, "a", "M", line=3)
        assert [origin.line for change in batcher.withdraw("a") for origin in change.origins] == [2, 3]
        batcher.release(batch)
        assert batcher.first_line() is None


class TestEarlierRecords:
    def test_a_change_of_an_earlier_record_brings_the_first_line_along(self) -> None:
        batcher = Upserts(9, ENOUGH_BYTES)
        add(batcher, "a", line=5)
        batcher.add_earlier(upsert(batcher.kind, "b", line=2))
        assert batcher.first_line() == 2
        assert sealed(batcher, "L").first_line == 2

    def test_it_waits_for_what_is_in_flight(self) -> None:
        batcher = Upserts(9, ENOUGH_BYTES)
        add(batcher, "a", line=1)
        batch = sealed(batcher, "L")
        batcher.add_earlier(upsert(batcher.kind, "a", line=1, first_name="Ada"))
        assert (batcher.open_list_ids(), batcher.first_line()) == ([], 1)
        batcher.release(batch)
        assert batcher.open_list_ids() == [("L",)]

    def test_several_of_a_person_are_merged_in_their_order(self) -> None:
        batcher = Upserts(9, ENOUGH_BYTES)
        add(batcher, "b", line=9)
        for line, name in ((2, "Ada"), (4, "Eve")):
            batcher.add_earlier(upsert(batcher.kind, "a", line=line, first_name=name))
        changes = changes_of(sealed(batcher, "L"))
        assert decode(changes["a"].contact)["first_name"] == "Eve"
        assert [origin.line for origin in changes["a"].origins] == [2, 4]


def test_changes_of_an_operation_are_unsettled_while_open_held_or_in_flight() -> None:
    batcher = Upserts(9, ENOUGH_BYTES)
    kinds = [REMOVE_FROM_LIST]
    add(batcher, "a")
    assert not batcher.is_unsettled(kinds)
    assert batcher.is_unsettled([batcher.kind])
    batcher.add(removal("a"))  # held behind the upsert
    assert batcher.is_unsettled(kinds)
    batch = sealed(batcher, "L")
    assert batcher.is_unsettled(kinds)
    batcher.release(batch)  # open
    assert batcher.is_unsettled(kinds)
    batch = batcher.seal(Purpose(REMOVE_FROM_LIST, ("L",)))
    assert batcher.is_unsettled(kinds)
    batcher.release(batch)
    assert not batcher.is_unsettled([*kinds, batcher.kind])
