from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_sendgrid.audience import cap as cap_module
from target_sendgrid.audience.cap import KNOWN, NEW, OVER_CAP, ProfileCap

if TYPE_CHECKING:
    from collections.abc import Iterator

LIMIT = 100_000


def admitted(cap: ProfileCap, count: int) -> int:
    """Return how many of a number of different people are admitted."""
    return sum(cap.admit(f"person{number}@example.com") is not OVER_CAP for number in range(count))


@pytest.fixture(params=[cap_module.MAX_IN_SET, 10, 0], autouse=True)
def most_in_set(request: pytest.FixtureRequest) -> Iterator[int]:
    """Keep no, few or all people in the set."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cap_module, "MAX_IN_SET", request.param)
        yield request.param


@pytest.mark.parametrize(("count", "expected"), [(99_999, 99_999), (100_000, 100_000), (100_001, 100_000)])
def test_as_many_people_are_admitted_as_the_limit_allows(count: int, expected: int) -> None:
    assert admitted(ProfileCap(LIMIT), count) == expected


@pytest.mark.parametrize("count", [99_999, 100_000])
def test_duplicates_take_no_room(count: int) -> None:
    cap = ProfileCap(LIMIT)
    assert [admitted(cap, count), admitted(cap, count), cap.distinct_profiles] == [count, count, count]


def test_the_last_free_place_is_given_once() -> None:
    cap = ProfileCap(LIMIT)
    admitted(cap, 99_999)
    assert [cap.admit("ada@x.com"), cap.admit("bob@x.com"), cap.admit("ada@x.com")] == [NEW, OVER_CAP, KNOWN]


def test_known_people_are_admitted_when_the_cap_is_reached() -> None:
    cap = ProfileCap(1)
    assert [cap.admit("a"), cap.admit("b"), cap.admit("a")] == [NEW, OVER_CAP, KNOWN]


def test_people_over_the_cap_are_not_counted() -> None:
    cap = ProfileCap(1)
    for identity in ("a", "b", "c"):
        cap.admit(identity)
    assert cap.distinct_profiles == 1


def test_people_over_the_cap_stay_out_when_they_come_again() -> None:
    cap = ProfileCap(1)
    assert [cap.admit("a"), cap.admit("b"), cap.admit("b")] == [NEW, OVER_CAP, OVER_CAP]


def test_a_person_whose_admission_is_withdrawn_leaves_the_place_to_others() -> None:
    cap = ProfileCap(2)
    cap.admit("a")
    assert cap.admit("b") is NEW
    cap.withdraw("b")
    assert cap.distinct_profiles == 1
    assert [cap.admit("c"), cap.admit("b"), cap.admit("a"), cap.distinct_profiles] == [NEW, OVER_CAP, KNOWN, 2]


@given(st.lists(st.tuples(st.sampled_from("abcdefghijklmnopqrst"), st.booleans())), st.integers(1, 15))
def test_people_whose_admission_is_withdrawn_are_unknown_again(steps: list[tuple[str, bool]], limit: int) -> None:
    cap = ProfileCap(limit)
    known: set[str] = set()
    for identity, is_withdrawn in steps:
        expected = KNOWN if identity in known else NEW if len(known) < limit else OVER_CAP
        assert cap.admit(identity) is expected
        if expected is NEW:
            known.add(identity)
            if is_withdrawn:
                cap.withdraw(identity)
                known.remove(identity)
        assert cap.distinct_profiles == len(known)


def test_without_a_limit_everybody_is_admitted_and_counted() -> None:
    cap = ProfileCap(None)
    assert (admitted(cap, 200), admitted(cap, 200), cap.distinct_profiles) == (200, 200, 200)


@given(st.lists(st.text("abcdefgh", min_size=1, max_size=1)), st.integers(1, 5))
def test_the_first_people_up_to_the_limit_are_admitted_and_nobody_else(identities: list[str], limit: int) -> None:
    cap = ProfileCap(limit)
    first = list(dict.fromkeys(identities))[:limit]
    admissions = [cap.admit(identity) for identity in identities]
    assert [admission is not OVER_CAP for admission in admissions] == [identity in first for identity in identities]
    assert [identity for identity, admission in zip(identities, admissions, strict=True) if admission is NEW] == first


class Hashed(str):  # noqa: SLOT000 - has its hash as an attribute
    """An identity with a chosen hash."""

    def __new__(cls, number: int) -> Hashed:  # noqa: PYI034 - Self is younger than Python 3.10
        made = super().__new__(cls, number)
        made.number = number
        return made

    number: int

    def __hash__(self) -> int:
        return self.number

    __eq__ = str.__eq__


@given(st.lists(st.lists(st.sampled_from([0, 1]), min_size=5, max_size=5), max_size=30))
def test_hashes_that_overlap_in_memory_are_different_people(tags: list[list[int]]) -> None:
    hashes = [int.from_bytes(bytes(tag), "little") << 16 for tag in tags]
    cap = ProfileCap(None)
    for number in hashes:
        cap.admit(Hashed(number))
    assert cap.distinct_profiles == len(set(hashes))


class Person(str):
    """A person whose hash the tests choose."""

    __slots__ = ("hashed",)

    hashed: int

    def __hash__(self) -> int:
        return self.hashed

    @staticmethod
    def of(tag: bytes, bucket: int = 7) -> Person:
        """Return somebody of a bucket, with the bytes that are stored there."""
        person = Person(tag.hex())
        person.hashed = int.from_bytes(tag, "little") << 16 | bucket
        return person


@pytest.mark.parametrize(
    ("stored", "looked_up"),
    [
        (["010203040506", "070809101112"], "020304050607"),
        (["010203040506", "070809101112"], "060708091011"),
        (["000101010101", "010101010102"], "010101010101"),
    ],
)
def test_a_hash_that_lies_across_two_others_is_another_one(stored: list[str], looked_up: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cap_module, "MAX_IN_SET", 0)
        cap = ProfileCap(10)
        for tag in stored:
            assert cap.admit(Person.of(bytes.fromhex(tag))) is NEW
        person = Person.of(bytes.fromhex(looked_up))
        assert [cap.admit(person), cap.admit(person)] == [NEW, KNOWN]
        # The same bytes across two others behind it do not hide it.
        for tag in (f"00{looked_up[:10]}", f"{looked_up[10:]}0000000000"):
            cap.admit(Person.of(bytes.fromhex(tag)))
        assert cap.admit(person) is KNOWN
        assert cap.admit(Person.of(bytes.fromhex(looked_up), bucket=8)) is NEW
