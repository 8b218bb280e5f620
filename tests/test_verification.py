from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_sendgrid.delivery.verification import SEARCH_SIZE, VISIBLE_SECONDS, Verifier, is_stored
from target_sendgrid.origin import Origin
from target_sendgrid.sendgrid.contact import Entry, encode, identity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_sendgrid.sendgrid.contact import Contact

NAMES = {"e1_T": "Plan", "e2_N": "visits", "e3_D": "born_on"}


class HandClock:
    """A clock that moves when somebody sleeps."""

    def __init__(self) -> None:
        self.time = 1_000.0
        self.sleeps: list[float] = []

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.time += seconds


class Account:
    """Finds contacts, each from a time on."""

    def __init__(self, clock: HandClock) -> None:
        self.clock = clock
        self.contacts: dict[str, tuple[float, dict[str, Any]]] = {}
        self.searches: list[tuple[str, list[str]]] = []

    def hold(self, identifier: str, visible_after: float = 0.0, **fields: object) -> None:
        contact = {"list_ids": ["L"], "email": identifier, **fields}
        self.contacts[identifier] = (self.clock.time + visible_after, contact)

    def find_contacts(self, kind: str, identifiers: Sequence[str]) -> dict[str, dict[str, Any]]:
        self.searches.append((kind, list(identifiers)))
        found = {identifier: self.contacts[identifier] for identifier in identifiers if identifier in self.contacts}
        return {identifier: contact for identifier, (since, contact) in found.items() if self.clock.time >= since}


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def account(clock: HandClock) -> Account:
    return Account(clock)


@pytest.fixture
def verifier(account: Account, clock: HandClock) -> Verifier:
    return Verifier(account, clock, NAMES.__getitem__)


def entries_of(*contacts: Contact) -> dict[str, Entry]:
    return {identity(contact) or "": Entry(encode(contact), Origin("people", 1)) for contact in contacts}


def is_there(sent: Contact, found: dict[str, Any], *list_ids: str) -> bool:
    return is_stored(sent, found, list_ids, NAMES.__getitem__)


class TestValues:
    @pytest.mark.parametrize(
        ("sent", "found"),
        [
            ({"email": "a@x.com"}, {"email": "a@x.com", "first_name": "Ada"}),
            ({"city": "London"}, {"city": "London"}),
            ({"city": ""}, {"city": ""}),
            ({"city": ""}, {"city": None}),
            ({"city": ""}, {}),
            ({"alternate_emails": []}, {"alternate_emails": None}),
            ({"alternate_emails": ["a@x.com"]}, {"alternate_emails": ["B@x.com", "A@x.com"]}),
            ({"custom_fields": {"e1_T": "pro"}}, {"custom_fields": {"Plan": "pro"}}),
            ({"custom_fields": {"e1_T": "pro"}}, {"custom_fields": {"PLAN": "pro"}}),
            ({"custom_fields": {"e1_T": ""}}, {"custom_fields": None}),
            ({"custom_fields": {"e2_N": 3}}, {"custom_fields": {"visits": 3.0}}),
            ({"custom_fields": {"e2_N": 0}}, {"custom_fields": {"visits": 0}}),
            ({"custom_fields": {"e2_N": Decimal("0.1")}}, {"custom_fields": {"visits": 0.1}}),
            ({"custom_fields": {"e2_N": 10**20 + 1}}, {"custom_fields": {"visits": 1e20}}),
            ({"custom_fields": {"e3_D": "2024-02-29T12:00:00.123Z"}},
             {"custom_fields": {"born_on": "2024-02-29T12:00:00Z"}}),
            ({"custom_fields": {"e3_D": "2024-02-29T12:00:00Z"}},
             {"custom_fields": {"born_on": "2024-02-29T13:00:00+01:00"}}),
            ({"custom_fields": {"e3_D": "2024-02-29T00:00:00Z"}}, {"custom_fields": {"born_on": "2024-02-29"}}),
        ],
    )  # fmt: skip
    def test_a_contact_is_stored_when_every_sent_value_is_held(self, sent: Contact, found: dict[str, Any]) -> None:
        assert is_there(sent, found)

    @pytest.mark.parametrize(
        ("sent", "found"),
        [
            ({"email": "a@x.com"}, {}),
            ({"city": "London"}, {"city": "Paris"}),
            ({"city": "London"}, {"city": "london"}),
            ({"city": "London"}, {}),
            ({"city": ""}, {"city": "London"}),
            ({"alternate_emails": []}, {"alternate_emails": ["a@x.com"]}),
            ({"alternate_emails": ["a@x.com", "b@x.com"]}, {"alternate_emails": ["a@x.com"]}),
            ({"alternate_emails": ["a@x.com"]}, {"alternate_emails": None}),
            ({"custom_fields": {"e1_T": "pro"}}, {}),
            ({"custom_fields": {"e1_T": ""}}, {"custom_fields": {"Plan": "pro"}}),
            ({"custom_fields": {"e2_N": 0}}, {"custom_fields": {}}),
            ({"custom_fields": {"e2_N": 0}}, {"custom_fields": {"visits": ""}}),
            ({"custom_fields": {"e2_N": 3}}, {"custom_fields": {"visits": "many"}}),
            ({"custom_fields": {"e2_N": 1}}, {"custom_fields": {"visits": True}}),
            ({"custom_fields": {"e3_D": "2024-02-29T12:00:00Z"}},
             {"custom_fields": {"born_on": "2024-02-29T12:00:01Z"}}),
            ({"custom_fields": {"e1_T": "9999-12-31T24:00:00Z"}}, {"custom_fields": {"Plan": "other"}}),
            ({"custom_fields": {"e1_T": "2024-01-01"}}, {"custom_fields": {"Plan": "9999-12-31T24:00"}}),
            ({"custom_fields": {"e1_T": "0001-01-01T00:00:00+14:00"}}, {"custom_fields": {"Plan": "0001-01-01"}}),
        ],
    )  # fmt: skip
    def test_a_contact_is_not_stored_when_a_sent_value_is_not_held(self, sent: Contact, found: dict[str, Any]) -> None:
        assert not is_there(sent, found)

    @pytest.mark.parametrize(
        ("held", "expected"), [(["L", "M", "N"], True), (["L"], False), ([], False), (None, False)]
    )
    def test_a_contact_must_be_on_every_list(self, held: list[str] | None, *, expected: bool) -> None:
        assert is_there({"email": "a@x.com"}, {"email": "a@x.com", "list_ids": held}, "L", "M") is expected

    @given(st.text(), st.text() | st.none() | st.integers() | st.floats() | st.booleans() | st.lists(st.text()))
    def test_no_value_of_the_account_is_a_crash(self, sent: str, found: object) -> None:
        is_there(
            {"city": sent, "custom_fields": {"e1_T": sent, "e2_N": 1}},
            {"city": found, "custom_fields": {"Plan": found, "visits": found}},
        )


class TestSearch:
    def test_contacts_are_found_by_their_first_identifier(self, verifier: Verifier, account: Account) -> None:
        people = [{"email": "a@x.com", "external_id": "1"}, {"external_id": "2"}, {"anonymous_id": "3"}]
        verifier.stored(entries_of(*people), [])
        assert account.searches == [("email", ["a@x.com"]), ("external_id", ["2"]), ("anonymous_id", ["3"])]

    @pytest.mark.parametrize(("count", "sizes"), [(100, [100]), (101, [100, 1]), (250, [100, 100, 50])])
    def test_a_search_asks_for_a_hundred_at_most(
        self, verifier: Verifier, account: Account, count: int, sizes: list[int]
    ) -> None:
        people = [{"email": f"{number}@x.com"} for number in range(count)]
        verifier.stored(entries_of(*people), ["L"])
        assert [len(identifiers) for _, identifiers in account.searches] == sizes
        assert SEARCH_SIZE == 100

    def test_those_who_are_stored_are_told_from_the_others(self, verifier: Verifier, account: Account) -> None:
        account.hold("a@x.com", city="London")
        account.hold("b@x.com", city="Paris")
        people = [{"email": f"{letter}@x.com", "city": "London"} for letter in "abc"]
        assert verifier.stored(entries_of(*people), ["L"]) == {"a@x.com"}

    def test_an_answer_in_other_capitals_is_understood(self, verifier: Verifier, account: Account) -> None:
        def find(kind: str, identifiers: Sequence[str]) -> dict[str, dict[str, Any]]:
            del kind
            return {identifier.upper(): {"email": identifier} for identifier in identifiers}

        account.find_contacts = find  # type: ignore[method-assign]  # an account of another kind
        assert verifier.stored(entries_of({"email": "a@x.com"}), []) == {"a@x.com"}

    def test_nobody_to_look_up_is_no_search(self, verifier: Verifier, account: Account) -> None:
        assert (verifier.stored({}, ["L"]), account.searches) == (set(), [])


class TestWaiting:
    def test_contacts_that_are_there_are_not_waited_for(
        self, verifier: Verifier, account: Account, clock: HandClock
    ) -> None:
        account.hold("a@x.com")
        assert verifier.wait_until_stored(entries_of({"email": "a@x.com"}), ["L"]) == {"a@x.com"}
        assert clock.sleeps == []

    def test_a_contact_that_shows_later_is_stored(self, verifier: Verifier, account: Account) -> None:
        account.hold("a@x.com", visible_after=90.0)
        assert verifier.wait_until_stored(entries_of({"email": "a@x.com"}), ["L"]) == {"a@x.com"}

    def test_only_those_who_are_missing_are_looked_up_again(self, verifier: Verifier, account: Account) -> None:
        account.hold("a@x.com")
        account.hold("b@x.com", visible_after=1.0)
        verifier.wait_until_stored(entries_of({"email": "a@x.com"}, {"email": "b@x.com"}), ["L"])
        asked = [identifiers for _, identifiers in account.searches]
        assert asked == [["a@x.com", "b@x.com"], ["b@x.com"], ["b@x.com"]]

    def test_the_wait_for_a_contact_that_never_shows_ends(
        self, verifier: Verifier, account: Account, clock: HandClock
    ) -> None:
        account.hold("a@x.com")
        started_at = clock.time
        people = entries_of({"email": "a@x.com"}, {"email": "b@x.com"})
        assert verifier.wait_until_stored(people, ["L"]) == {"a@x.com"}
        assert VISIBLE_SECONDS <= clock.time - started_at <= VISIBLE_SECONDS + 30.0

    def test_waits_grow(self, verifier: Verifier, clock: HandClock) -> None:
        verifier.wait_until_stored(entries_of({"email": "a@x.com"}), ["L"])
        assert clock.sleeps[:4] == [0.5, 1.0, 2.0, 4.0]
        assert max(clock.sleeps) == 30.0
