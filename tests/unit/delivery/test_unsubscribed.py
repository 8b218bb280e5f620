"""People who wait to be suppressed: who waits, in which order, and what moves to temporary files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_sendgrid.delivery import unsubscribed
from target_sendgrid.delivery.operations.upsert import upsert_kind
from target_sendgrid.delivery.pending import Change, Purpose
from target_sendgrid.delivery.spool import Spool, SpooledFile
from target_sendgrid.delivery.unsubscribed import UnsubscribedPeople
from target_sendgrid.errors import LocalFileError
from target_sendgrid.origin import Origin
from target_sendgrid.sendgrid import contact as contacts

if TYPE_CHECKING:
    from target_sendgrid.delivery.unsubscribed import UnsubscribedPerson

KIND = upsert_kind(10, 1_000)


def change(name: str, line: int, list_id: str = "L", message: bytes | None = None) -> Change:
    origin = Origin("people", line, message=message)
    return Change(Purpose(KIND, (list_id,)), name, contacts.encode({"email": name}), origin)


def add(people: UnsubscribedPeople, name: str, line: int, group: int | None = None, *changes: Change) -> None:
    people.add({"email": name}, group, Origin("people", line), changes)


def taken(people: UnsubscribedPeople) -> list[UnsubscribedPerson]:
    return [person for part in people.take_all() for person in part]


def lines_of(person: UnsubscribedPerson) -> list[int]:
    return [one.origin.line for one in person.changes]


def test_changes_of_a_person_wait_with_the_person() -> None:
    people = UnsubscribedPeople()
    assert (people.is_empty, people.first_line) == (True, None)
    add(people, "a", 3, None, change("a", 1))
    assert (people.waits("a"), people.waits("b")) == (True, False)
    people.hold(change("a", 4))
    (person,) = taken(people)
    assert (lines_of(person), person.first_line, person.email) == ([1, 4], 1, "a")
    assert (people.is_empty, people.first_line) == (True, 1)
    people.done()
    assert people.first_line is None


def test_a_person_is_known_by_any_identifier() -> None:
    people = UnsubscribedPeople()
    people.add({"email": "a", "external_id": "1", "first_name": "Ada"}, None, Origin("people", 1), [])
    assert people.waits("external_id 1")
    people.hold(change("external_id 1", 2))
    (person,) = taken(people)
    assert (person.identities, lines_of(person)) == (["a", "external_id 1"], [2])
    assert contacts.decode(person.contact) == {"email": "a", "external_id": "1"}


def test_somebody_without_an_address_has_none() -> None:
    people = UnsubscribedPeople()
    people.add({"external_id": "1"}, None, Origin("people", 1), [])
    (person,) = taken(people)
    assert (person.identity, person.email) == ("external_id 1", "")


def test_a_person_counts_once_for_each_group() -> None:
    people = UnsubscribedPeople()
    for line, group in enumerate((None, None, 7, 7), 1):
        add(people, "a", line, group)
    assert people.counts == {"people": 2}
    (person,) = taken(people)
    assert [(group, origin.line) for group, origin in person.groups] == [(None, 1), (7, 3)]


def test_people_who_are_suppressed_already_can_be_left_out_of_the_count() -> None:
    people = UnsubscribedPeople()
    add(people, "a", 1)
    add(people, "b", 2, 7)
    assert not people.counts_new
    people.count_new(lambda email, group: (email, group) in {("a", None), ("b", None), ("c", 7)})
    assert (people.counts, people.counts_new) == ({"people": 1}, True)
    add(people, "c", 3, 7)
    add(people, "d", 4, 7)
    assert people.counts == {"people": 2}


def test_who_is_suppressed_in_the_run_need_not_wait() -> None:
    people = UnsubscribedPeople()
    people.note_suppressed("a", 7)
    assert people.is_suppressed({"email": "a"}, 7)
    assert not people.is_suppressed({"email": "a"}, None)
    assert not people.is_suppressed({"email": "b"}, 7)


def test_people_in_files_come_back_as_they_were_and_in_order() -> None:
    people = UnsubscribedPeople()
    later = change("a", 2, "M")
    later.later = [Origin("people", 3, message=b"{}")]
    add(people, "a", 1, 7, change("a", 1), later)
    add(people, "b", 4)
    people.spool()
    people.spool()  # nobody is left in memory
    assert people.waits("a")
    assert not people.waits("c")
    assert not people.is_empty
    add(people, "a", 5, 7)  # known
    add(people, "a", 6)  # another group
    people.hold(change("b", 7))
    add(people, "c", 8)
    parts = list(people.take_all())
    assert [[person.identity for person in part] for part in parts] == [["a", "b"], ["a", "b", "c"]]
    first, again = parts[0][0], parts[1][0]
    assert first.changes == [change("a", 1), later]
    assert [origin.line for one in first.changes for origin in one.origins] == [1, 2, 3]
    assert (first.groups, first.first_line, first.email) == ([(7, Origin("people", 1))], 1, "a")
    assert [(group, origin.line) for group, origin in again.groups] == [(None, 6)]
    assert (parts[1][1].groups, lines_of(parts[1][1])) == ([], [7])
    assert people.counts == {"people": 4}
    people.done()
    assert not people.waits("a")


def test_memory_is_full_by_people_or_by_bytes() -> None:
    people = UnsubscribedPeople()
    is_full = []
    with mock.patch.object(unsubscribed, "MAX_IN_MEMORY", 2):
        for name in "ab":
            add(people, name, 1)
            is_full.append(people.is_full)
        people.spool()
        add(people, "c", 3)
        is_full.append(people.is_full)
    taken(people)
    people.done()
    with mock.patch.object(unsubscribed, "MAX_BYTES_IN_MEMORY", 100):
        add(people, "d", 4)
        is_full.append(people.is_full)
        people.hold(change("d", 5, message=b"x" * 100))
        is_full.append(people.is_full)
        taken(people)
        people.done()
        add(people, "e", 6)
        is_full.append(people.is_full)
    assert is_full == [False, True, False, False, True, False]


def test_the_boundary_is_the_line_of_the_first_who_waits() -> None:
    people = UnsubscribedPeople()
    add(people, "a", 3)
    add(people, "b", 5, None, change("b", 2))
    add(people, "c", 9)
    assert (people.boundary_line, people.first_line) == (3, 2)
    taken(people)
    people.done()
    add(people, "a", 9)
    assert (people.boundary_line, people.first_line) == (9, 9)


@pytest.mark.parametrize("method", ["keep", "take"])
def test_files_that_fail_end_the_run_with_a_sentence(method: str) -> None:
    people = UnsubscribedPeople()
    add(people, "a", 1)
    people.spool()
    if method == "keep":
        taken(people)
    add(people, "b", 2)

    def fail(_: Spool, content: Any) -> None:
        if isinstance(content, SpooledFile):
            content.file.close()
        raise OSError(28, "No space left on device")

    with (
        mock.patch.object(Spool, method, fail),
        pytest.raises(LocalFileError, match="TMPDIR"),
    ):
        people.spool() if method == "keep" else taken(people)


def test_no_value_is_shown() -> None:
    people = UnsubscribedPeople()
    add(people, "ada@example.com", 1)
    assert "ada" not in repr(taken(people))


Step = tuple[str, str, int]


@given(st.lists(st.tuples(st.sampled_from(["add", "hold", "spool"]), st.sampled_from("abc"), st.integers(0, 1))))
def test_everything_that_waits_comes_back_once_and_in_order(steps: list[Step]) -> None:
    people = UnsubscribedPeople()
    expected: dict[str, list[int]] = {}
    groups: set[tuple[str, int]] = set()
    for line, (step, name, group) in enumerate(steps, 1):
        if step == "add":
            add(people, name, line, group or None, change(name, line))
            expected.setdefault(name, []).append(line)
            groups.add((name, group))
        elif step == "hold" and people.waits(name):
            people.hold(change(name, line))
            expected[name].append(line)
        elif step == "spool":
            people.spool()
    found: dict[str, list[int]] = {}
    asked: list[Any] = []
    for person in taken(people):
        found.setdefault(person.identity, []).extend(lines_of(person))
        asked += [(person.identity, group or 0) for group, _ in person.groups]
    assert found == expected
    assert sorted(asked) == sorted(groups)
    assert sum(people.counts.values()) == len(groups)
