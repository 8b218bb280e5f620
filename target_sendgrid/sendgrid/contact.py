"""A contact on the wire: its identity, its encoded form, how two versions merge, and the body that carries many.

A contact is the JSON object that ``PUT /v3/marketing/contacts`` takes in its ``contacts`` array: fields by name, custom
fields by id under ``custom_fields``. It is encoded once, as soon as it is known.
"""

from __future__ import annotations

import itertools
import string
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from target_sendgrid.sendgrid.fields import IDENTIFIERS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

Contact: TypeAlias = dict[str, Any]

CONTACT_ID = "id"
"""SendGrid's own id of a contact, in contacts that are read. What an upsert sends never has it."""

# Numbers keep all their digits: JSON has no binary floats.
encode: Callable[[Contact | msgspec.Struct], bytes] = msgspec.json.Encoder(decimal_format="number").encode
"""Encodes a contact as compact JSON. A struct is encoded as the object that its fields make."""

_decoder = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)

_AROUND_TEXTS = (
    "\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000\xad\u061c\u180e\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e"
    "\u2060\u2061\u2062\u2063\u2064\u2066\u2067\u2068\u2069\ufeff"
)
"""Characters that are trimmed from both ends of a text: blanks of any kind, and characters that nobody sees."""

_ASCII_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)

_CONTACTS_PER_PIECE = 500
_BODY_END = b"]}"


def identity(contact: Contact) -> str | None:
    """Return what distinguishes this person from others: the email, else the next identifier that is set.

    An email is the identity unchanged. Other identifiers get their kind as a prefix, so that the same value of two
    kinds is two people.
    """
    return next(identities(contact), None)


def identities(contact: Contact) -> Iterator[str]:
    """Yield what `identity` would return if the person had only the first, second or a later identifier."""
    for kind in IDENTIFIERS:
        if value := contact.get(kind):
            yield str(value) if kind == "email" else f"{kind} {value}"


def trimmed(text: str) -> str:
    """Return a text without blanks and invisible characters around it."""
    return text.strip() if text.isascii() else text.strip(_AROUND_TEXTS)


def normalised_email(text: str) -> str:
    """Return an email address without blanks and invisible characters around it, its ASCII letters in lower case.

    Other letters stay as they are: the lower case of some, such as the Kelvin sign, is an ASCII letter, so that two
    people would become one.
    """
    return ascii_lower(trimmed(text))


def ascii_lower(text: str) -> str:
    """Return a text with its ASCII letters in lower case."""
    return text.lower() if text.isascii() else text.translate(_ASCII_LOWER)


def is_same_email(sent: object, found: object) -> bool:
    """Return whether two addresses differ only in upper and lower case: which letters SendGrid changes is not known."""
    return str(sent).lower() == str(found).lower()


def decode(encoded: bytes) -> Contact:
    """Return the contact that `encode` encoded."""
    return _decoder.decode(encoded)


def merge(earlier: bytes, later: bytes) -> bytes:
    """Return the earlier contact updated field by field with the later one.

    SendGrid keeps the fields that an update leaves out, so the result equals sending both in order.
    """
    merged, changes = decode(earlier), decode(later)
    custom_fields = merged.get("custom_fields", {}) | changes.get("custom_fields", {})
    merged.update(changes)
    if custom_fields:
        merged["custom_fields"] = custom_fields
    return encode(merged)


def joined(contacts: Iterable[bytes], separator: bytes) -> Iterator[bytes]:
    """Yield encoded contacts joined by a separator, 500 at a time.

    One joined copy of all would take as much memory again; yielding them one by one would take as much time again.
    """
    rest = iter(contacts)
    while piece := separator.join(itertools.islice(rest, _CONTACTS_PER_PIECE)):
        yield piece


class Body:
    """The body of one upsert request, sent in pieces so that no copy of the whole is made.

    Args:
        list_ids: Ids of the lists that the contacts are added to.
        encoded: The encoded contacts.
    """

    def __init__(self, list_ids: Iterable[str], encoded: Collection[bytes]) -> None:
        self._start = b'{"list_ids":' + msgspec.json.encode(list(list_ids)) + b',"contacts":['
        self._contacts = encoded
        self._size = len(self._start) + sum(map(len, encoded)) + max(0, len(encoded) - 1) + len(_BODY_END)

    def __len__(self) -> int:
        """Number of bytes."""
        return self._size

    def __iter__(self) -> Iterator[bytes]:
        """Yield the pieces."""
        yield self._start
        for number, piece in enumerate(joined(self._contacts, b",")):
            yield b"," + piece if number else piece
        yield _BODY_END
