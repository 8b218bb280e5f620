from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_sendgrid.delivery.operations.refusals import is_about_lists, refused_contacts, unknown_fields, words

ADA, BOB, EVE = "ada@example.com", "bob@example.com", "external_id 7"
PEOPLE = [ADA, BOB, EVE]


class TestRefusedContacts:
    @pytest.mark.parametrize(
        "path", ["contacts[1].email", "contacts[1].identifier", "contacts[1]", "body.contacts[1].x"]
    )
    def test_an_index_names_a_contact_under_any_spelling(self, path: str) -> None:
        assert refused_contacts([(path, "it is not valid")], PEOPLE) == {BOB: "it is not valid"}

    def test_each_element_names_a_contact_of_its_own(self) -> None:
        details = [("contacts[0].email", "one"), ("contacts[2].external_id", "two")]
        assert refused_contacts(details, PEOPLE) == {ADA: "one", EVE: "two"}

    def test_the_index_goes_before_the_quoted_email(self) -> None:
        details = [("contacts[2].identifier", f"email '{ADA}' is not valid")]
        assert list(refused_contacts(details, PEOPLE)) == [EVE]

    @pytest.mark.parametrize("path", ["", "contacts", "contacts[3].email", "contacts[-1].email", "contacts[x].email"])
    def test_without_a_usable_index_the_quoted_email_names_the_contact(self, path: str) -> None:
        message = "email 'BOB@example.com' is not valid"
        assert refused_contacts([(path, message)], PEOPLE) == {BOB: message}

    def test_an_index_of_thousands_of_digits_is_no_index(self) -> None:
        assert refused_contacts([(f"contacts[{'9' * 5000}].email", "no")], PEOPLE) == {}

    def test_one_message_may_quote_several_emails(self) -> None:
        message = f"email '{ADA}' is not valid, email '{BOB}' is not valid"
        assert set(refused_contacts([("", message)], PEOPLE)) == {ADA, BOB}

    @pytest.mark.parametrize("email", ["o'brien@example.com", "a'b'c@example.com"])
    def test_an_email_may_hold_a_quote(self, email: str) -> None:
        assert list(refused_contacts([("", f"email '{email}' is not valid")], [email])) == [email]

    def test_an_email_that_was_not_sent_names_nobody(self) -> None:
        assert refused_contacts([("", "email 'zaphod@example.com' is not valid")], PEOPLE) == {}

    @pytest.mark.parametrize("details", [[], [("", "invalid JSON")], [("", "invalid input")], [("list_ids[0]", "no")]])
    def test_a_refusal_without_a_name_names_nobody(self, details: list[tuple[str, str]]) -> None:
        assert refused_contacts(details, PEOPLE) == {}

    @given(st.lists(st.tuples(st.text(max_size=30), st.text(max_size=30))))
    def test_whatever_sendgrid_says_nobody_is_refused_who_was_not_sent(self, details: list[tuple[str, str]]) -> None:
        assert set(refused_contacts(details, PEOPLE)) <= set(PEOPLE)


class TestUnknownFields:
    def test_unknown_custom_fields_are_told(self) -> None:
        details = [("", "other"), ("", "invalid custom field ids supplied - e1_T,e2_N")]
        assert unknown_fields(details) == ["e1_T", "e2_N"]

    @pytest.mark.parametrize("details", [[], [("", 'custom field "e1_N" cannot be null')], [("", "invalid JSON")]])
    def test_other_refusals_are_not_about_unknown_fields(self, details: list[tuple[str, str]]) -> None:
        assert unknown_fields(details) == []


class TestLists:
    @pytest.mark.parametrize("details", [[("list_ids", "no")], [("list_ids[1]", "")], [("", "invalid list id: 7")]])
    def test_a_refusal_about_a_list_is_no_contacts_fault(self, details: list[tuple[str, str]]) -> None:
        assert is_about_lists(details)

    @pytest.mark.parametrize("details", [[], [("contacts[0].email", "no")], [("", "invalid input")]])
    def test_other_refusals_are_not_about_lists(self, details: list[tuple[str, str]]) -> None:
        assert not is_about_lists(details)


class TestWords:
    def test_all_that_was_said_is_joined(self) -> None:
        assert words([("contacts[0].email", "no"), ("", "invalid input")]) == "contacts[0].email: no; invalid input"

    def test_words_are_cut(self) -> None:
        assert len(words([("", "x" * 10_000)])) == 500
