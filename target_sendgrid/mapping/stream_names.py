"""What names of streams say about whose emails they have: of organisations, or of people who want none."""

from __future__ import annotations

import itertools

from target_sendgrid.mapping.property_names import words_in

_NO_PEOPLE = frozenset(
    {
        "branch", "brand", "business", "company", "department", "group", "inbox", "location", "mailbox", "office",
        "org", "organisation", "organization", "project", "sender", "shop", "site", "store", "team", "workspace",
    }
)  # fmt: skip
"""Words for what may have an email and is no person, in the singular."""

_UNWILLING = frozenset(
    {
        "blacklist", "blocklist", "bounce", "bounced", "complaint", "exclusion", "optout", "spam", "suppressed",
        "suppression", "unsubscribe", "unsubscribed", "unsubscriber",
    }
)  # fmt: skip
"""Words for people who must not be written to, or can't be, in the singular."""


def doubt_about(stream: str) -> str | None:
    """Return why the emails of a stream are not likely to be for a list, by its name, or ``None``."""
    words = [_singular(word) for word in words_in(stream)]
    if not _UNWILLING.isdisjoint(words) or ("opt", "out") in itertools.pairwise(words):
        return "by its name, these people are not to be written to"
    if words and words[-1] in _NO_PEOPLE:
        return "by its name, it is not about people"
    return None


def _singular(word: str) -> str:
    for plural, singular in (("ies", "y"), ("xes", "x"), ("ches", "ch"), ("sses", "ss"), ("s", "")):
        if word.endswith(plural) and not word.endswith("ss"):
            return word.removesuffix(plural) + singular
    return word
