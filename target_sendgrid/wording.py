"""Parts of sentences for users: numbers with their nouns, near and odd names, and the system's words for an error."""

from __future__ import annotations

import json
import os
import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_BLANK_LETTERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Characters that count as printable, and that nobody sees."""


_SHORTEST_MISSPELT = 5
"""Shortest name, in characters, that counts as another one when a letter differs."""


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun, such as "1 contact" or "30,000 contacts"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {plural or f'{noun}s'}"


def shown(name: str) -> str:
    """Return a name for a sentence: characters that nobody sees, blanks apart, are escaped as in JSON."""
    return "".join(char if _is_visible(char) else json.dumps(char)[1:-1] for char in name)


def as_words(items: Iterable[str]) -> str:
    """Return several items as a part of a sentence, such as "a, b and c"."""
    *first, last = items
    return f"{', '.join(first)} and {last}" if first else last


def as_json(value: object) -> str:
    """Return a value as JSON for a sentence, with all letters as they are."""
    return shown(json.dumps(value, ensure_ascii=False))


def suggest(name: str, known: Iterable[str], *, nearness: float = 0.6) -> str:
    """Return a clause that offers the nearest known name, or nothing when none is near.

    The arguments are those of `nearest`.
    """
    near = nearest(name, known, nearness=nearness)
    return "" if near is None else f" Did you mean '{shown(near)}'?{_invisible_in(near)}"


def nearest(name: str, known: Iterable[str], *, nearness: float = 0.6) -> str | None:
    """Return the nearest known name, or ``None`` when none is near.

    Args:
        name: Name that is not known.
        known: The known names.
        nearness: How much of both names must be the same, as a share.
    """
    folded: dict[str, list[str]] = {}
    for candidate in known:
        folded.setdefault(_folded(candidate), []).append(candidate)
    if not folded:
        return None
    import difflib  # noqa: PLC0415 - needed only for a name that is misspelt

    same = difflib.get_close_matches(_folded(name), folded, n=1, cutoff=nearness)
    if not same:
        return None
    return max(folded[same[0]], key=lambda candidate: difflib.SequenceMatcher(None, name, candidate).ratio())


def misspelt_stream(name: str, setting: str, entry: str) -> str:
    """Return a sentence about a stream without settings whose name is nearly that of an entry in a setting."""
    own = as_json({name: {}})
    return (
        f"Stream '{shown(name)}' has no entry in `{setting}`, but nearly the name of the entry '{shown(entry)}', and no"
        f" stream '{shown(entry)}' has come. Correct the name in `{setting}`, or, if these are two streams, give this"
        f" one an entry of its own: `streams: {own}`."
    )


def unused_entry(name: str, setting: str, *, is_pattern: bool) -> str:
    """Return a sentence about an entry of a setting for which no stream came.

    Args:
        name: Name of the entry.
        setting: Name of the setting.
        is_pattern: Whether the name may be for several streams.
    """
    if is_pattern:
        return f"The pattern '{name}' in the setting `{setting}` matches no stream that came."
    return f"Stream '{name}' is in the setting `{setting}`, but never came."


def is_near_miss(name: str, other: str) -> bool:
    """Return whether one name of a stream is likely to be another one, misspelt.

    It is if they are equal without capitals, blanks, hyphens, dots and underscores, or if they have five letters or
    more and differ in one of them. Names that differ in a digit, or in the ``s`` of a plural, are names of two things.
    """
    if name == other:
        return False
    one, two = ("".join(_words_of(text)) for text in (name, other))
    if one == two:
        return True
    if min(len(one), len(two)) < _SHORTEST_MISSPELT or _singular(name) == _singular(other):
        return False
    return is_one_letter_away(one, two)


def is_one_letter_away(one: str, two: str) -> bool:
    """Return whether a letter, no digit, is inserted, deleted, replaced, or swapped with the next one."""
    start = _common_length(one, two)
    one, two = one[start:], two[start:]
    end = _common_length(one[::-1], two[::-1])
    one, two = one[: len(one) - end], two[: len(two) - end]
    is_swapped = len(one) == 2 and one == two[::-1]  # noqa: PLR2004 - two letters
    return (is_swapped or {len(one), len(two)} in ({0, 1}, {1})) and (one + two).isalpha()


def _common_length(one: str, two: str) -> int:
    pairs = zip(one, two, strict=False)
    return next((index for index, (a, b) in enumerate(pairs) if a != b), min(len(one), len(two)))


def _words_of(name: str) -> list[str]:
    return re.split(r"[-_. ]", name.casefold())


def _singular(name: str) -> str:
    """Return a name without the ``s`` at the end of its words, which signs or capitals tell apart."""
    words = re.split(r"[\W_]|(?<=[a-z])(?=[A-Z])", name)
    return "".join(word.casefold().removesuffix("s") for word in words)


def _is_visible(char: str) -> bool:
    return char.isprintable() and char not in _BLANK_LETTERS


def _folded(name: str) -> str:
    return "".join(filter(_is_visible, name)).lower()


def _invisible_in(name: str) -> str:
    """Return a sentence about the first invisible character of a name, or nothing when it has none."""
    char = next((char for char in name if not _is_visible(char)), None)
    if char is None:
        return ""
    called = "byte order mark" if char == "\ufeff" else unicodedata.name(char, "control character").lower()
    return f" `{shown(char)}` is a character that nobody sees ({called}): write it like that, in double quotes."


def words_of(error: Exception) -> str:
    """Return what is wrong with a path or a file: the system's own words where there are any, without a full stop."""
    return (isinstance(error, OSError) and error.strerror) or str(error).rstrip(".")


def words_of_cause(error: Exception) -> str:
    """Return the system's words for what is behind an error, such as "Connection refused", or the error's name.

    The text of a plain `OSError` may come from anywhere, so it counts only if it is the system's own for the error's
    number. Subclasses, such as those for name resolution and TLS, hold the system's words.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            is_known = type(cause) is not OSError or cause.strerror == os.strerror(cause.errno or 0)
            return cause.strerror if is_known else type(error).__name__
        cause = cause.__cause__ or cause.__context__
    return type(error).__name__
