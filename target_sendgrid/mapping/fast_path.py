"""The quick way from a line to a contact: msgspec reads, checks and writes; Python only moves values in between.

It takes good records of plain streams, and gives exactly what the ordinary way (`mapping`) would. Whatever it does not
take, because a value is bad or merely unusual, goes the ordinary way, which has the last word and words the errors.
"""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING, Any

import msgspec

from target_sendgrid.errors import RecordRejectedError
from target_sendgrid.mapping.record_types import NoTypeError, RecordType
from target_sendgrid.sendgrid import contact as contacts
from target_sendgrid.sendgrid.fields import IDENTIFIERS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from target_sendgrid.mapping.field_mapping import FieldMapping, MappedField
    from target_sendgrid.mapping.schemas import Path

_PLAIN = frozenset({"string", "null"})
_EXACT_AS_TEXT = frozenset({"string", "integer", "boolean", "null"})
"""JSON types whose text does not depend on how a number was written."""

_BY_NAME = frozenset({"email", "custom_fields"})
"""Keys that are read back from a contact that was made: their attributes keep these names."""


class FastPath:
    """Turns records of one stream into encoded contacts, where the stream allows it.

    Args:
        schema: JSON schema of the stream.
        key_properties: Properties that every record must have.
        mapping: The stream's field mapping.

    Raises:
        NoTypeError: The schema or the mapping has something that only the ordinary way knows.
    """

    def __init__(self, schema: Mapping[str, Any], key_properties: Collection[str], mapping: FieldMapping) -> None:
        fields = mapping.fields
        lengths: dict[Path, tuple[int, int | None]] = {}
        for field in fields:
            if field.plain_length:
                least, most = lengths.get(field.path, (0, None))
                longest = min(field.plain_length, most or sys.maxsize)
                lengths[field.path] = (
                    max(least, int(field.key in IDENTIFIERS)),
                    None if longest == sys.maxsize else longest,
                )
        record_type = RecordType(schema, key_properties, lengths)
        attributes, kinds = record_type.attributes, record_type.kinds
        email = next((field for field in fields if field.key == "email"), None)
        for field in fields:
            is_exact = not field.plain_length or kinds.get(field.path, frozenset()) <= _EXACT_AS_TEXT
            if field.path not in attributes or not is_exact:
                raise NoTypeError(field.label)
        if email is None or mapping.clears_nulls:
            raise NoTypeError(email)
        self.record_type = record_type.struct
        self._make, self._no_custom_fields = _maker(
            [
                (field, attributes[field.path], not (field.plain_length and kinds[field.path] <= _PLAIN))
                for field in fields
            ]
        )

    @functools.cached_property
    def decode(self) -> Callable[[bytes], Any]:
        """What reads a record that stands alone in a line, as in batch files."""
        return msgspec.json.Decoder(self.record_type).decode

    def contact(self, record: Any) -> tuple[str, bytes] | None:  # noqa: ANN401 - a struct of `record_type`
        """Return a record's identity and encoded contact, or ``None`` where it must go the ordinary way.

        That is wherever a value can't be converted: an empty text is no number and no date, so it goes that way, too.
        """
        try:
            contact = self._make(record)
        except (RecordRejectedError, AttributeError):  # the latter where something else stands in an object's place
            return None
        if not contact.email:
            return None
        if contact.custom_fields == self._no_custom_fields:
            contact.custom_fields = None
        return contact.email, contacts.encode(contact)


def fast_path_for(schema: Mapping[str, Any], key_properties: Collection[str], mapping: FieldMapping) -> FastPath | None:
    """Return the quick way for a stream, or ``None`` where it has to go the ordinary one."""
    try:
        return FastPath(schema, key_properties, mapping)
    except NoTypeError:
        return None


def _maker(mapped: Sequence[tuple[MappedField, str, bool]]) -> tuple[Callable[[Any], Any], Any]:
    """Return what makes a contact of a record, and the custom fields of one that has none.

    It is one expression, made for the stream: loops over the fields take several times as long.

    Args:
        mapped: The fields, with the attributes of the record that fill them, and whether values must be converted.
    """
    names: dict[str, Any] = {}
    own: list[str] = []
    custom: list[str] = []
    for number, (field, attribute, is_converted) in enumerate(mapped):
        value = _path(attribute)
        if is_converted:
            names |= {f"convert{number}": field.convert, f"label{number}": field.label}
            value = f"None if (value := ({value})) is None else convert{number}(value, label{number})"
        (custom if field.is_custom else own).append(value)
    names["CustomFields"] = _struct("CustomFields", [field.key for field, *_ in mapped if field.is_custom])
    own_keys = [field.key for field, *_ in mapped if not field.is_custom]
    names["Contact"] = _struct("Contact", [*own_keys, "custom_fields"])
    expression = f"Contact({', '.join(own)}, CustomFields({', '.join(custom)}))"
    make = eval(f"lambda record: {expression}", names)  # noqa: S307 - nothing of a user's in it: names are numbered
    return make, names["CustomFields"]()


def _path(attribute: str) -> str:
    """Return the expression for a dotted attribute of a record; where an object on the way is null, so is the value."""
    *holders, _ = attribute.split(".")
    paths = (".".join(["record", *holders[:depth]]) for depth in range(1, len(holders) + 1))
    return "".join(f"None if {path} is None else " for path in paths) + f"record.{attribute}"


def _struct(name: str, keys: Sequence[str]) -> type[msgspec.Struct]:
    """Return what encodes values under some keys; those that are null are left out."""
    attributes = [key if key in _BY_NAME else f"f{number}" for number, key in enumerate(keys)]
    fields = [(attribute, Any, None) for attribute in attributes]
    rename = dict(zip(attributes, keys, strict=True))
    return msgspec.defstruct(name, fields, rename=rename, omit_defaults=True, gc=False)
