"""Parts of sentences for users: numbers with their nouns, near names, and the system's words for an error."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, such as "1 contact" or "30,000 contacts"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def suggest(name: str, known: Iterable[str]) -> str:
    """Return a clause that offers the nearest known name, or nothing when none is near."""
    folded = {candidate.lower(): candidate for candidate in known}
    if not folded:
        return ""
    import difflib  # noqa: PLC0415 - needed only for a name that is misspelt

    near = difflib.get_close_matches(name.lower(), folded, n=1)
    return f" Did you mean '{folded[near[0]]}'?" if near else ""


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
