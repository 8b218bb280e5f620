"""What a contact is: its identity, its payload, and how a later record changes an earlier one.

A contact travels as the JSON object that ``PUT /v3/marketing/contacts`` takes in its ``contacts`` array: fields by
name, custom fields by id under ``custom_fields``. It is encoded once, as soon as it is known.
"""

from __future__ import annotations

import itertools
from decimal import Decimal
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import msgspec

from target_sendgrid.origin import Origin
from target_sendgrid.sendgrid.fields import IDENTIFIERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

Contact: TypeAlias = dict[str, Any]

# Numbers stay as exact as they came: JSON has no binary floats.
encode: Callable[[Contact | msgspec.Struct], bytes] = msgspec.json.Encoder(decimal_format="number").encode
"""Returns a contact as compact JSON. A struct stands for the object that its fields make."""

_decoder = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)


class Entry(msgspec.Struct, array_like=True, gc=False):
    """One contact on its way, encoded, with the records that it was made of."""

    contact: bytes
    origin: Origin
    later: list[Origin] | None = None
    """Where the records came from that were merged into the first."""

    @property
    def origins(self) -> list[Origin]:
        """Where all records of the contact came from, in order."""
        return [self.origin, *(self.later or ())]

    def __repr__(self) -> str:
        """Name the records, without any of their values."""
        return f"Entry({self.origins})"


class Packed(NamedTuple):
    """Contacts packed close, as long as nobody asks for a single one: they take half the memory of entries."""

    contacts: list[bytes]
    identities: bytes
    """Who they are, in the same order."""
    origins: bytes
    """Where the first record of each came from, in the same order."""
    later: bytes
    """Where the others came from, by the place of the contact."""

    def __repr__(self) -> str:
        """Hold no values: what reports errors shows objects by this."""
        return f"Packed({len(self.contacts)} contacts)"


def identity(contact: Contact) -> str | None:
    """Return what tells this person from others: the email, else the next identifier that is set.

    An email stands as it is; other identifiers carry their kind, so that none can be taken for another.
    """
    email = contact.get("email")
    if email:
        return str(email)
    for kind in IDENTIFIERS[1:]:
        value = contact.get(kind)
        if value:
            return f"{kind} {value}"
    return None


def decode(encoded: bytes) -> Contact:
    """Return the contact that `encode` made."""
    return _decoder.decode(encoded)


def merge(earlier: bytes, later: bytes) -> bytes:
    """Return the earlier contact with the later one's fields laid over it, field by field.

    SendGrid keeps what an update leaves out, so this gives the same contact as sending both in order.
    """
    merged, changes = decode(earlier), decode(later)
    custom_fields = merged.get("custom_fields", {}) | changes.get("custom_fields", {})
    merged.update(changes)
    if custom_fields:
        merged["custom_fields"] = custom_fields
    return encode(merged)


def joined(contacts: Iterable[bytes], separator: bytes) -> Iterator[bytes]:
    """Yield contacts joined, in pieces: a copy of all would take as much memory again, one by one as much time."""
    rest = iter(contacts)
    while piece := separator.join(itertools.islice(rest, _CONTACTS_A_PIECE)):
        yield piece


def pack(entries: Mapping[str, Entry]) -> Packed:
    """Pack contacts, given by identity."""
    values = entries.values()
    return Packed(
        list(map(_contact_of, values)),
        _packer.encode(list(entries)),
        _packer.encode(list(map(_origin_of, values))),
        _packer.encode({place: later for place, later in enumerate(map(_later_of, values)) if later}),
    )


def unpack(packed: Packed) -> dict[str, Entry]:
    """Return the contacts that `pack` packed, by identity."""
    identities, origins = _identities_in.decode(packed.identities), _origins_in.decode(packed.origins)
    later = _later_in.decode(packed.later)
    return {
        identity: Entry(contact, origin, later.get(place))
        for place, (identity, contact, origin) in enumerate(zip(identities, packed.contacts, origins, strict=True))
    }


_CONTACTS_A_PIECE = 500

_contact_of, _origin_of, _later_of = attrgetter("contact"), attrgetter("origin"), attrgetter("later")
_packer = msgspec.msgpack.Encoder()
_identities_in = msgspec.msgpack.Decoder(list[str])
_origins_in = msgspec.msgpack.Decoder(list[Origin])
_later_in = msgspec.msgpack.Decoder(dict[int, list[Origin]])
