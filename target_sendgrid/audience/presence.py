"""Who was in the run, for one list: the identifiers of all records of its streams, as compact hashes.

A record counts whatever became of it: somebody whose record is rejected, refused or over a limit is still in the
source. Texts that are taken for the same can only keep somebody on the list.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol

from target_sendgrid.audience.hash_set import HashSet
from target_sendgrid.sendgrid.contact import trimmed
from target_sendgrid.sendgrid.fields import IDENTIFIERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

IDENTITY_FIELDS = frozenset({*IDENTIFIERS, "alternate_emails"})
"""Contact fields that show who somebody is."""

_FIELDS = {"email": "email", "alternate_emails": "email"} | {kind: kind for kind in IDENTIFIERS}
"""Contact fields that show who somebody is, and the identifier that each of them is a value of."""

_ADDRESS = re.compile(r"""[^\s<>()"',;:]+@[^\s<>()"',;:]+""")
"""Matches addresses inside a text that is not an address itself, such as one with a name before it."""

_CALLING_CODE_LENGTHS = (1, 2, 3)
"""Numbers of digits of the calling codes of countries, which a number in a rejected record may lack."""

_NO_DIGIT = re.compile(r"\D+")


class ListMember(Protocol):
    """A contact of a list, as an export shows it."""

    @property
    def contact_id(self) -> str:
        """SendGrid's id of the contact."""
        ...

    @property
    def email(self) -> str | None:
        """The primary address."""
        ...

    @property
    def alternate_emails(self) -> Sequence[str] | None:
        """Further addresses."""
        ...

    @property
    def phone_number_id(self) -> str | None:
        """A phone number as an identifier."""
        ...

    @property
    def external_id(self) -> str | None:
        """The id of another system."""
        ...

    @property
    def anonymous_id(self) -> str | None:
        """An id of somebody without a name."""
        ...


class Presence:
    """Collects who was in the run, from all streams of one list."""

    def __init__(self) -> None:
        self._kinds: set[str] = set()
        self._keys = HashSet()

    def add_fields(self, fields: Iterable[str]) -> None:
        """Note which contact fields a stream maps.

        Args:
            fields: Names of contact fields. Those that are no identifiers are ignored: alternate addresses show who
                somebody is, but a stream that maps them alone does not identify people by address.
        """
        self._kinds.update(kind for kind in fields if kind in IDENTIFIERS)

    def add(self, values: Mapping[str, object]) -> None:
        """Note who a record is about. Rows that are deleted at the source are not to be noted.

        Args:
            values: Value of each contact field: as the contact holds it or, if the record is rejected, as the record
                has it. Fields that show nobody's identity are ignored, and so are values other than texts, whole
                numbers and arrays of them.
        """
        for key in all_keys(values):
            self._keys.add(key)

    def __contains__(self, member: ListMember) -> bool:
        """Return whether a record has shown any identifier of a member of the list."""
        return any(key in self._keys for key in member_keys(member))

    def maps_identifier_of(self, member: ListMember) -> bool:
        """Return whether the member has an identifier that some stream maps.

        Nobody can tell from a stream that maps addresses alone whether somebody without an address is in the source.
        """
        return any(getattr(member, kind) for kind in self._kinds)


def identity_keys(values: Mapping[str, object]) -> tuple[str, ...]:
    """Return texts by which the person of a record is known: two records are of one person if they share one.

    Args:
        values: Value of each contact field, as of `Presence.add`. Alternate addresses are not considered.
    """
    return tuple(key for kind in IDENTIFIERS for key in _shown_keys(kind, values.get(kind)))


def all_keys(values: Mapping[str, object]) -> Iterator[str]:
    """Yield the texts of `identity_keys`, and those of alternate addresses."""
    for field, kind in _FIELDS.items():
        yield from _shown_keys(kind, values.get(field))


def member_keys(member: ListMember) -> Iterator[str]:
    """Yield the texts by which a member of a list is looked up."""
    for kind, value in _identifiers(member):
        yield from _member_keys(kind, value)


def _shown_keys(kind: str, value: object) -> Iterator[str]:
    for text in shown_texts(value):
        yield from _keys(kind, text)


def shown_texts(value: object) -> list[str]:
    """Return the texts in the value of a contact field by which somebody may be known.

    Args:
        value: Any value of a record. Objects, booleans and texts of blanks show nobody.
    """
    items = value if isinstance(value, list) else [value]
    texts = [str(item) for item in items if isinstance(item, (str, int)) and not isinstance(item, bool)]
    return [text for text in texts if trimmed(text)]


def _identifiers(member: ListMember) -> Iterator[tuple[str, str]]:
    for kind in IDENTIFIERS:
        if value := getattr(member, kind):
            yield kind, value
    for address in member.alternate_emails or ():
        yield "email", address


def _member_keys(kind: str, value: str) -> Iterator[str]:
    """Yield the texts by which the identifier of a member is looked up: a phone number also without its country."""
    for key in _keys(kind, value):
        yield key
        if kind == "phone_number_id":
            digits = key.removeprefix(f"{kind} ")
            yield from (f"{kind} {digits[length:]}" for length in _CALLING_CODE_LENGTHS)


def _keys(kind: str, text: str) -> Iterator[str]:
    """Yield the texts that are remembered or looked up for the value of an identifier."""
    value = trimmed(text)
    if kind == "email":
        # Which letters SendGrid takes for the same is not known, so all are that differ only in their case.
        value = value.casefold()
        for address in _ADDRESS.findall(value):
            if address != value:
                yield f"email {address}"
    elif kind == "phone_number_id":
        value = _NO_DIGIT.sub("", value).lstrip("0") or value
    if value:
        yield f"{kind} {value}"
