"""What waits for a checkpoint, and what cancels it."""

from __future__ import annotations

from unittest import mock

from hypothesis import given
from hypothesis import strategies as st

from target_sendgrid.audience import intents as module
from target_sendgrid.audience.intents import Act, Intents, Removal
from target_sendgrid.audience.presence import identity_keys
from target_sendgrid.origin import Origin


def removal(line: int, *keys: str, lists: str = "L", message: bytes | None = None) -> Removal:
    return Removal(keys[0], keys, b"{}", tuple(lists), Origin("people", line, message=message))


def lines_of(intents: Intents) -> list[int]:
    return [waiting.origin.line for waiting in intents.waiting.values()]


def test_a_later_record_cancels_what_shares_an_identifier_and_a_list() -> None:
    intents = Intents()
    intents.add(removal(1, "a", "1"))
    intents.add(removal(2, "b", lists="LM"))
    intents.add(removal(3, "c", "1", lists="M"))
    assert [origin.line for origin in intents.cancel(["z", "1"], ["L"])] == [1]
    assert lines_of(intents) == [2, 3]
    assert list(intents.cancel(["b"], ["L"])) == []
    assert intents.waiting[1].list_ids == ("M",)
    assert [origin.line for origin in intents.cancel(["b", "c"], ["M"])] == [2, 3]
    assert intents.first_line is None


def test_only_the_first_to_wait_is_a_boundary_of_states() -> None:
    intents = Intents()
    for line in (3, 4):
        intents.add(removal(line, "a"))
    assert intents.boundary_line == 3
    intents.take_all()
    intents.done()
    intents.add(removal(7, "a"))
    assert intents.boundary_line == 7


def test_what_was_taken_out_is_covered_by_no_state_until_it_is_done() -> None:
    intents = Intents()
    intents.add(removal(3, "a"))
    assert [one.origin.line for one in intents.take_all()] == [3]
    assert (intents.first_line, intents.waiting) == (3, {})
    intents.done()
    assert intents.first_line is None


def acting(act: Act) -> Removal:
    return Removal("a", ("a",), b"{}", (), Origin("people", 1), act)


def test_a_later_record_cancels_a_deletion_but_no_erasure() -> None:
    intents = Intents()
    intents.add(acting(Act.DELETE_CONTACT))
    intents.add(acting(Act.ERASE))
    assert list(intents.cancel(["a"], [])) == []
    assert len(list(intents.cancel(["a"], ["L"]))) == 1
    assert [one.act for one in intents.waiting.values()] == [Act.ERASE]


def test_all_but_erasures_of_a_person_are_dropped() -> None:
    intents = Intents()
    intents.add(removal(1, "a"))
    intents.add(removal(2, "b"))
    intents.add(acting(Act.ERASE))
    assert [origin.line for origin in intents.drop(["a"])] == [1]
    assert lines_of(intents) == [2, 1]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=30))
def test_what_was_cancelled_takes_no_room(steps: list[tuple[str, bool]]) -> None:
    intents = Intents()
    expected: list[tuple[int, str]] = []
    for line, (key, is_removal) in enumerate(steps):
        if is_removal:
            intents.add(removal(line, key, message=b"x" * 9))
            expected.append((line, key))
        else:
            list(intents.cancel([key], ["L"]))
            expected = [one for one in expected if one[1] != key]
    assert lines_of(intents) == [line for line, _ in expected]
    for spare, is_full in ((0, True), (1, False)):
        with mock.patch.object(module, "MAX_WAITING_BYTES", 11 * len(expected) + spare):
            assert intents.is_full is is_full
    assert [origin.line for origin in intents.cancel("abc", ["L"])] == [line for line, _ in expected]


def test_keys_tell_kinds_of_identifiers_apart() -> None:
    assert identity_keys({"email": "a@x.com", "external_id": "7", "city": "York"}) == ("email a@x.com", "external_id 7")
    assert identity_keys({"anonymous_id": "7"}) == ("anonymous_id 7",)


def test_no_value_shows_in_a_representation() -> None:
    assert repr(removal(3, "ada@x.com")) == "Removal(stream 'people', line 3)"
