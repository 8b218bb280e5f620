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
_UNKNOWN_FIELDS = re.compile(r"invalid custom field ids supplied - ([\w,-]+)")
_UNKNOWN_LIST = "invalid list id"
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


def unknown_fields(details: Sequence[tuple[str, str]]) -> list[str]:
    """Return the ids of custom fields that SendGrid says it does not know (yet)."""
    return [
        field_id
        for _, message in details
        for found in _UNKNOWN_FIELDS.findall(message)
        for field_id in found.split(",")
    ]


def is_about_lists(details: Sequence[tuple[str, str]]) -> bool:
    """Return whether SendGrid does not know a list: no contact is at fault."""
    return any(path.startswith("list_ids") or _UNKNOWN_LIST in message for path, message in details)


def words(details: Sequence[tuple[str, str]]) -> str:
    """Return all that SendGrid said. It may quote personal data."""
    return "; ".join(f"{path}: {message}" if path else message for path, message in details)[:_MAX_WORDS]
