from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from target_sendgrid.delivery.completion import complete, is_wanted
from target_sendgrid.origin import Origin
from target_sendgrid.sendgrid.contact import Entry, decode, encode, identity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_sendgrid.sendgrid.contact import Contact


class Account:
    """Contacts by the identifiers that a search finds them by, and how many each search asked for."""

    def __init__(self, **found: dict[str, Any]) -> None:
        self._found = {name.replace("_", "@"): contact for name, contact in found.items()}
        self.asked: list[int] = []

    def find_contacts(self, kind: str, identifiers: Sequence[str]) -> dict[str, dict[str, Any]]:
        del kind
        self.asked.append(len(identifiers))
        return {identifier: self._found[identifier] for identifier in identifiers if identifier in self._found}


def entries_of(*contacts: Contact) -> dict[str, Entry]:
    return {identity(contact) or "": Entry(encode(contact), Origin("people", 1)) for contact in contacts}


def test_what_sendgrid_holds_is_added_and_everything_else_kept() -> None:
    entries = entries_of({"email": "a@x", "city": "London"}, {"email": "b@x"})
    account = Account(
        a_x={"email": "a@x", "external_id": "7", "anonymous_id": "", "city": "Paris"}, b_x={"email": "b@x"}
    )
    assert complete(entries, account) == ["a@x"]
    assert decode(entries["a@x"].contact) == {"email": "a@x", "city": "London", "external_id": "7"}
    assert decode(entries["b@x"].contact) == {"email": "b@x"}


def test_a_contact_that_lacks_nothing_stays_as_it_is() -> None:
    account = Account(a_x={"email": "a@x", "external_id": "8"})
    assert complete(entries_of({"email": "a@x", "external_id": "7"}), account) == []


def test_somebody_whose_alternate_address_it_is_gives_no_identifier() -> None:
    account = Account(a_x={"email": "other@x", "alternate_emails": ["a@x"], "external_id": "7"})
    assert complete(entries_of({"email": "a@x"}), account) == []


def test_people_without_an_email_are_found_by_what_they_have() -> None:
    entries = entries_of({"external_id": "7"})
    account = Account(**{"7": {"external_id": "7", "email": "a@x"}})
    assert complete(entries, account) == ["external_id 7"]
    assert decode(entries["external_id 7"].contact) == {"external_id": "7", "email": "a@x"}


def test_nobody_is_no_search_and_a_search_asks_for_a_hundred_at_most() -> None:
    account = Account()
    assert complete({}, account) == []
    complete(entries_of(*[{"email": f"{number}@x"} for number in range(101)]), account)
    assert account.asked == [100, 1]


@pytest.mark.parametrize(
    ("words", "expected"), [("Provide ALL Identifiers", True), ("email 'x' is not valid", False), ("", False)]
)
def test_only_words_about_identifiers_ask_for_completion(words: str, *, expected: bool) -> None:
    assert is_wanted(words) is expected
