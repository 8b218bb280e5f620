"""The quick way from a line to a contact: msgspec reads, checks and writes; Python only moves values in between.

It takes good records of plain streams, and gives exactly what the ordinary way (`mapping`) would. Whatever it does not
take, because a value is bad or merely unusual, goes the ordinary way, which has the last word and words the errors.
"""

from __future__ import annotations

import functools
import sys
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import msgspec

from target_sendgrid import contact as contacts
from target_sendgrid.errors import RecordRejectedError
from target_sendgrid.fields import IDENTIFIERS
from target_sendgrid.record_types import NoTypeError, RecordType

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from target_sendgrid.mapping import FieldMapping
    from target_sendgrid.schemas import Path

_PLAIN = frozenset({"string", "null"})
_EXACT_AS_TEXT = frozenset({"string", "integer", "boolean", "null"})
"""JSON types whose text does not depend on how a number was written."""


class TypedMapping:
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
        own = [field for field in fields if not field.is_custom and field is not email]
        custom = [field for field in fields if field.is_custom]
        ordered = [email, *own, *custom]
        self._own_count = len(ordered) - len(custom)
        self._attributes = [attributes[field.path] for field in ordered]
        self._read = _getter(self._attributes)
        self._converted = [
            (place, field.convert, field.label)
            for place, field in enumerate(ordered)
            if not (field.plain_length and kinds[field.path] <= _PLAIN)
        ]
        self._no_custom_fields = [None] * len(custom)
        self._contact = _struct("Contact", [*(field.key for field in ordered if not field.is_custom), "custom_fields"])
        self._custom_fields = _struct("CustomFields", [field.key for field in custom])

    @functools.cached_property
    def decode(self) -> Callable[[bytes], Any]:
        """What reads a record that stands alone in a line, as in batch files."""
        return msgspec.json.Decoder(self.record_type).decode

    def contact(self, record: Any) -> tuple[str, bytes] | None:  # noqa: ANN401 - a struct of `record_type`
        """Return a record's identity and encoded contact, or ``None`` where it must go the ordinary way."""
        try:
            values = list(self._read(record))
        except AttributeError:  # an object within the record is null, and what it would hold with it
            values = [_dig(record, attribute) for attribute in self._attributes]
        try:
            for place, convert, label in self._converted:
                value = values[place]
                if value is not None:
                    if value == "":
                        return None
                    values[place] = convert(value, label)
        except RecordRejectedError:
            return None
        email = values[0]
        if not email:
            return None
        custom_fields = values[self._own_count :]
        del values[self._own_count :]
        if custom_fields != self._no_custom_fields:
            values.append(self._custom_fields(*custom_fields))
        return email, contacts.encode(self._contact(*values))


def typed_mapping(
    schema: Mapping[str, Any], key_properties: Collection[str], mapping: FieldMapping
) -> TypedMapping | None:
    """Return the quick way for a stream, or ``None`` where it has to go the ordinary one."""
    try:
        return TypedMapping(schema, key_properties, mapping)
    except NoTypeError:
        return None


def _struct(name: str, keys: Sequence[str]) -> type[msgspec.Struct]:
    """Return what encodes so many values, in the order of the keys; those that are null are left out."""
    names = [f"f{number}" for number in range(len(keys))]
    fields = [(name, Any, None) for name in names]
    rename = dict(zip(names, keys, strict=True))
    return msgspec.defstruct(name, fields, rename=rename, omit_defaults=True, gc=False)


def _getter(attributes: Sequence[str]) -> Callable[[Any], tuple[Any, ...]]:
    """Return what reads so many attributes at once, as a tuple whatever their number."""
    if len(attributes) > 1:
        return attrgetter(*attributes)
    single = attrgetter(*attributes)
    return lambda record: (single(record),)


def _dig(record: Any, attribute: str) -> Any:  # noqa: ANN401 - a struct made for the stream
    """Return what a dotted attribute leads to, or ``None`` where something on the way is null."""
    for name in attribute.split("."):
        record = getattr(record, name, None)
    return record
