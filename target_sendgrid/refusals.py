"""Refusals: which contacts a 400 of SendGrid is about.

SendGrid names them by index, under two spellings seen in 2021 and 2024, or quotes their email, or names nobody.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_INDEX = re.compile(r"contacts\[(\d{1,9})\]")
_QUOTED_EMAIL = re.compile(r"email '(.+?)' is not valid", re.DOTALL)
_UNKNOWN_FIELDS = "invalid custom field ids supplied"
_MAX_WORDS = 500


def refused_contacts(details: Sequence[tuple[str, str]], identities: Sequence[str]) -> dict[str, str]:
    """Return SendGrid's words for each contact that a refusal names.

    Args:
        details: ``(field, message)`` pairs of the refusal.
        identities: Who was sent, in the order of the request.
    """
    known = set(identities)
    refused: dict[str, str] = {}
    for path, message in details:
        index = _INDEX.search(path)
        if index and int(index[1]) < len(identities):
            refused[identities[int(index[1])]] = message
        else:
            refused.update(
                {email.lower(): message for email in _QUOTED_EMAIL.findall(message) if email.lower() in known}
            )
    return refused


def is_about_unknown_fields(details: Sequence[tuple[str, str]]) -> bool:
    """Return whether SendGrid does not know a custom field, or does not know it yet."""
    return any(_UNKNOWN_FIELDS in message for _, message in details)


def words(details: Sequence[tuple[str, str]]) -> str:
    """Return all that SendGrid said. It may quote personal data."""
    return "; ".join(f"{path}: {message}" if path else message for path, message in details)[:_MAX_WORDS]
