from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_sendgrid.wording import as_json, shown, suggest


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
