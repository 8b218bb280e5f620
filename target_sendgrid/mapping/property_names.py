"""What names of properties mean: the words that taps have for contact fields, and for whose or which they are.

A name is taken apart into words, wherever it is written with capitals, signs or digits, or in one piece. The last of
them say which field is meant (`PHRASES`), and all before them must be known to change nothing about that, or little
(`RANKS`): `billing_contact_email` is an email, `email_opt_out` and `owner_email` are not one of the person.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CERTAIN: Mapping[str, tuple[str, ...]] = {
    "email": ("email", "email address", "e mail", "e mail address", "mail", "mail address", "email addr"),
    "first_name": ("first name", "given name", "forename", "fname", "f name"),
    "last_name": ("last name", "family name", "surname", "lname", "l name"),
    "address_line_1": ("address line 1", "address 1", "street address", "street", "address"),
    "address_line_2": ("address line 2", "address 2"),
    "city": ("city", "town"),
    "state_province_region": ("state province region", "state", "province", "state province"),
    "postal_code": ("postal code", "zip code", "zip", "postcode", "post code"),
    "country": ("country",),
    "phone_number": ("phone number", "phone", "telephone", "telephone number", "phone no"),
}
"""Words for a reserved field that mean nothing else, the likeliest first."""

LIKELY: Mapping[str, tuple[str, ...]] = {
    "email": (
        "email email", "email value", "emails", "emails email", "emails value", "emails address",
        "emails email address", "email addresses", "email addresses value", "email addresses email",
        "email addresses address", "email addresses email address", "email addr address", "email 1", "email address 1",
    ),
    "first_name": ("name first", "name given", "name first name", "name given name", "first"),
    "last_name": ("name last", "name family", "name last name", "name family name", "last"),
    "address_line_1": (
        "line 1", "street 1", "addr 1", "address line", "address line one", "address one", "street line 1",
        "addr line 1", "address lines", "lines",
    ),
    "address_line_2": (
        "line 2", "street 2", "addr 2", "address line two", "address two", "street line 2", "addr line 2",
        "street address 2",
    ),
    "city": ("city name", "locality"),
    "state_province_region": (
        "state prov", "prov state", "state or province", "stateorprovince", "state region", "region", "region name",
        "state name", "province name", "prov", "admin area level 1", "administrative area level 1",
        "administrative district level 1", "country sub division code", "country subdivision code", "state code",
        "province code", "region code",
    ),
    "postal_code": ("postal", "zip postal", "postal zip", "zip postal code"),
    "country": ("country name", "country region", "country code"),
    "phone_number": (
        "phone 1", "telephone 1", "phone free form number", "phones", "phones phone", "phones number", "phones value",
        "phones phone number", "phone numbers", "phone numbers number", "phone numbers value", "phone numbers phone",
        "phone numbers phone number", "mobile phone", "mobile", "mobile number", "mobile phone number", "phone mobile",
        "mobile phones", "mobile free form number", "cell phone", "cellphone", "cell phone number", "cellphone number",
        "cell",
    ),
}  # fmt: skip
"""More words for a reserved field, the likeliest first. Some may be meant for a custom field, such as `mobile`."""

_PAIRED = {"first": "last", "last": "first"}
"""Words that name a person only beside each other."""

_OF_PEOPLE = (
    "customer", "customers", "cust", "client", "contact", "contacts", "contact person", "contact persons", "person",
    "user", "usr", "member", "subscriber", "lead", "prospect", "candidate", "visitor", "recipient", "guest", "patient",
    "student", "donor", "constituent", "employee", "buyer",
)  # fmt: skip
"""Words for the person that a record is about."""

_NEUTRAL = (
    "property", "properties", "attribute", "attributes", "mp", "reserved", "c", "document",
    "record", "data", "detail", "details", "info", "information", "profile", "profiles", "traits", "context traits",
    "fields", "custom fields", "metadata", "metadata agent",
)  # fmt: skip
"""Words that only say where the tap has the property from."""

_OF_ADDRESSES = ("address", "addresses", "addr", "address 1")

PLACES = frozenset({"location", "locations", "recent location"})
"""Words for where somebody is. Only an address is looked for there: the phone of a place is not that of a person."""

MAIN = frozenset({"primary", "main", "default"})
"""Words that make a property no less likely than one without them."""

SECONDARY = 5
"""Rank from which on a word says that there is something likelier, perhaps deeper inside the record."""

RANKS: Mapping[str, int] = {
    **dict.fromkeys((*_OF_PEOPLE, *_NEUTRAL, *_OF_ADDRESSES, *PLACES, *MAIN), 0),
    **dict.fromkeys(("mailing", "postal"), 1),
    **dict.fromkeys(("billing", "bill"), 2),
    **dict.fromkeys(("work", "business", "bus", "office"), 3),
    **dict.fromkeys(("home", "personal", "private"), 4),
    **dict.fromkeys(("shipping", "ship", "delivery"), SECONDARY),
    **dict.fromkeys(("other", "alternate", "alt", "secondary"), SECONDARY + 1),
}
"""Words before those for a field, such as `billing` in `billing_city`, and which of them are likelier: the lowest."""

PEOPLE = frozenset(_OF_PEOPLE)

PEOPLE_LISTS = frozenset({"customers", "contacts", "contact persons"})
"""Words for several people, of whom only the first is found."""

STATUSES = frozenset({"active", "inactive", "enabled", "disabled", "open", "closed", "pending", "approved", "deleted"})
"""Values that show that a property `state` is a status."""

PHRASES: Mapping[str, tuple[str, int]] = {
    phrase: (field, rank) for field in CERTAIN for rank, phrase in enumerate([*CERTAIN[field], *LIKELY.get(field, ())])
}
"""Words → the field that they mean, and how likely other words are better: the lowest rank is the likeliest."""

_MAX_PHRASE = max(len(phrase.split()) for phrase in PHRASES)

_PARTS = re.compile(r"[A-Z]+(?![^\W\d_A-Z])|[A-Z]?[^\W\d_A-Z]+|\d+")
"""Matches the parts of a name that signs, digits or capitals separate."""

_VOCABULARY = frozenset(word for phrase in (*PHRASES, *RANKS) for word in phrase.split())

_MAX_NAME = 60
"""Most characters of a name that is taken apart: longer ones are no names for a field."""


class Meaning(NamedTuple):
    """What a name means."""

    field: str
    qualifiers: tuple[str, ...]
    """What is said before the words for the field."""
    phrase: str
    """The words for the field."""

    @property
    def rank(self) -> int:
        """How likely other words for the field are better."""
        return PHRASES[self.phrase][1]

    @property
    def needs(self) -> str | None:
        """A word that must be there beside this one; ``None`` if it means the field alone."""
        return _PAIRED.get(self.phrase)


def words_in(name: str) -> tuple[str, ...]:
    """Return the words of a name, in lower case, with those that are written in one piece taken apart."""
    if len(name) > _MAX_NAME:
        return (name,)
    parts = [part.lower() for part in _PARTS.findall(name)]
    return tuple(word for part in parts for word in (_pieces(part) or (part,)))


def meaning(words: Sequence[str]) -> Meaning | None:
    """Return what words mean, or ``None`` where they mean no contact field, or not certainly that of the person.

    Args:
        words: The words of a property, those of the objects around it first.
    """
    for start in range(max(0, len(words) - _MAX_PHRASE), len(words)):
        phrase = " ".join(words[start:])
        if phrase in PHRASES:
            before = qualifiers(words[:start])
            if before is not None:
                return Meaning(PHRASES[phrase][0], before, phrase)
    return None


def qualifiers(words: Sequence[str]) -> tuple[str, ...] | None:
    """Return the words before those for a field, of which two may be one; ``None`` if they have another meaning."""
    found: list[str] = []
    position = 0
    while position < len(words):
        size = next((size for size in (2, 1) if " ".join(words[position : position + size]) in RANKS), None)
        if size is None:
            return None
        found.append(" ".join(words[position : position + size]))
        position += size
    return tuple(found)


def is_known(words: Sequence[str]) -> bool:
    """Return whether all words occur in names of contact fields, so that one may be inside an object of that name."""
    return _VOCABULARY.issuperset(words)


def certain_field(name: str) -> str | None:
    """Return the contact field that a name means without doubt, or ``None``."""
    phrase = " ".join(words_in(name))
    field = PHRASES.get(phrase, ("", 0))[0]
    return field if field and phrase in CERTAIN[field] else None


def likely_field(name: str) -> str | None:
    """Return the contact field that a name is likely to mean, or ``None``."""
    found = meaning(words_in(name))
    return None if found is None or found.needs else found.field


@functools.lru_cache(maxsize=4096)
def _pieces(part: str) -> tuple[str, ...] | None:
    """Return the fewest known words that a part of a name consists of, or ``None`` if it consists of other ones."""
    if part in _VOCABULARY:
        return (part,)
    found = [(part[:end], rest) for end in range(2, len(part) - 1) if (rest := _rest_after(part, end))]
    return min(((first, *rest) for first, rest in found), key=len, default=None)


def _rest_after(part: str, end: int) -> tuple[str, ...] | None:
    return _pieces(part[end:]) if part[:end] in _VOCABULARY else None
