from __future__ import annotations

import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from target_sendgrid.audience.hash_set import HashSet


@given(st.lists(st.text(max_size=3)), st.lists(st.text(max_size=3)))
def test_it_holds_what_was_added_and_nothing_else(added: list[str], others: list[str]) -> None:
    texts = HashSet()
    for number, text in enumerate(added):
        texts.add(text)
        assert text in texts
        assert len(texts) == len(set(added[: number + 1]))
    for text in others:
        assert (text in texts) == (text in added)


def test_many_texts_are_found() -> None:
    texts = HashSet()
    for number in range(50_000):
        texts.add(f"person{number % 40_000}@example.com")
    assert len(texts) == 40_000
    assert all(f"person{number}@example.com" in texts for number in range(40_000))
    assert not any(f"person{number}@example.org" in texts for number in range(40_000))


def test_texts_are_found_while_others_are_added() -> None:
    texts = HashSet()
    for number in range(120_000):
        texts.add(f"person{number}@example.com")
        assert number % 7 or f"person{number // 2}@example.com" in texts
    assert all(f"person{number}@example.com" in texts for number in range(0, 120_000, 11))


def test_a_text_takes_about_nine_bytes_also_if_it_comes_often() -> None:
    tracemalloc.start()
    try:
        texts = HashSet()
        for number in range(300_000):
            texts.add(f"person{number % 100_000}@example.com")
        size, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size / 100_000 < 11
    assert peak / 100_000 < 13
