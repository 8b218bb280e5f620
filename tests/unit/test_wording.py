from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_sendgrid.wording import as_json, is_near_miss, is_one_letter_away, shown, suggest


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("email", "email"),
        ("Straße 東京 ❤️", "Straße 東京 ❤️"),
        ("two words", "two words"),
        ("\ufeffemail", "\\ufeffemail"),
        ("zip\xa0code", "zip\\u00a0code"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("soft\xadhyphen", "soft\\u00adhyphen"),
        ("two\nlines\t", "two\\nlines\\t"),
        ("\x00\x1b[31m\x7f", "\\u0000\\u001b[31m\\u007f"),
        ("\u202eright to left", "\\u202eright to left"),
        ("hangul\u3164filler", "hangul\\u3164filler"),
        ("half \ud83d", "half \\ud83d"),
    ],
)
def test_invisible_characters_are_shown_escaped(name: str, text: str) -> None:
    assert shown(name) == text


def test_json_in_a_sentence_shows_letters_and_escapes_what_nobody_sees() -> None:
    mapping = {"email": "\ufeffe-mail", "größe": 'a "b" \xa0\n'}
    assert as_json(mapping) == '{"email": "\\ufeffe-mail", "größe": "a \\"b\\" \\u00a0\\n"}'
    assert json.loads(as_json(mapping)) == mapping


class TestNearMisses:
    @pytest.mark.parametrize(
        ("one", "two"),
        [
            ("customers", "Customers"), ("news_letter", "newsletter"), ("public-people", "public.people"),
            ("customers", "custmers"), ("customers", "custommers"), ("customers", "cuztomers"), ("vip", "VIP"),
            ("customers", "cusotmers"), ("people", "poeple"), ("leads", "lead_s"), ("Große", "grosse"),
            ("orders_1_1", "orders_11"),
        ],
    )  # fmt: skip
    def test_a_name_with_one_slip_is_near(self, one: str, two: str) -> None:
        assert is_near_miss(one, two)
        assert is_near_miss(two, one)

    @pytest.mark.parametrize(
        ("one", "two"),
        [
            ("people", "people"), ("customer", "customers"), ("user_accounts", "users_accounts"),
            ("orders1", "orders2"), ("orders", "orders2"), ("orders12", "orders21"), ("orders-2a", "orders-a2"),
            ("user", "usre"), ("lead", "leads"), ("cats", "cars"), ("people", "pepol"), ("customers", "contacts"),
            ("orders/a", "ordersa"), ("news", "newsx"), ("Customer", "CUSTOMERS"), ("", "a"),
            ("UserAccounts", "UsersAccounts"), ("crm:user:a", "crm:users:a"), ("crm/user/a", "crm/users/a"),
        ],
    )  # fmt: skip
    def test_names_of_two_things_are_not(self, one: str, two: str) -> None:
        assert not is_near_miss(one, two)
        assert not is_near_miss(two, one)

    @given(st.text(max_size=8), st.text(max_size=8), st.characters(categories=["L"]), st.characters(categories=["L"]))
    def test_any_letter_counts_at_any_place(self, start: str, end: str, one: str, two: str) -> None:
        assert is_one_letter_away(start + end, start + one + end)
        assert is_one_letter_away(start + one + end, start + two + end) == (one != two)
        assert is_one_letter_away(start + one + two + end, start + two + one + end) == (one != two)


class TestSuggestions:
    @pytest.mark.parametrize(
        ("name", "clause"),
        [
            ("frist_name", " Did you mean 'first_name'?"),
            ("EMAIL", " Did you mean 'Email'?"),
            ("qqq", ""),
            ("", ""),
        ],
    )
    def test_the_nearest_name_is_offered_if_any_is_near(self, name: str, clause: str) -> None:
        assert suggest(name, ["first_name", "last_name", "Email"]) == clause
        assert suggest(name, []) == ""

    @given(st.text(max_size=10), st.lists(st.text(max_size=10), max_size=5))
    def test_only_known_names_are_offered_and_all_that_is_said_can_be_seen(self, name: str, known: list[str]) -> None:
        clause = suggest(name, known)
        assert not clause or clause.startswith(tuple(f" Did you mean '{shown(candidate)}'?" for candidate in known))
        assert shown(clause) == clause

    def test_a_name_that_differs_in_invisible_characters_is_offered_as_it_has_to_be_written(self) -> None:
        assert suggest("e", ["town", "\ufeffe"]) == (
            " Did you mean '\\ufeffe'? `\\ufeff` is a character that nobody sees (byte order mark): write it like that,"
            " in double quotes."
        )

    def test_an_invisible_character_is_named(self) -> None:
        assert "`\\u00a0` is a character that nobody sees (no-break space)" in suggest("e mail", ["e\xa0mail"])

    def test_an_exact_name_is_nearer_than_one_in_other_capitals(self) -> None:
        assert suggest("Tire", ["TIER", "Tier", "tier"]) == " Did you mean 'Tier'?"
