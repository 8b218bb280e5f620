"""The quick way from a line to a contact: msgspec reads, checks and writes; Python only moves values in between.

It takes good records of plain streams, and gives exactly what the ordinary way (`mapping`) would. Whatever it does not
take, because a value is bad or merely unusual, goes the ordinary way, which has the last word and words the errors.
"""

from __future__ import annotations

import functools
import sys
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from target_sendgrid import contact as contacts
from target_sendgrid.errors import RecordRejectedError
from target_sendgrid.fields import IDENTIFIERS, to_email
from target_sendgrid.record_types import NoTypeError, RecordType

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from target_sendgrid.mapping import FieldMapping, MappedField
    from target_sendgrid.schemas import Path

_PLAIN = frozenset({"string", "null"})
_EXACT_AS_TEXT = frozenset({"string", "integer", "boolean", "null"})
"""JSON types whose text does not depend on how a number was written."""


class _Inner(NamedTuple):
    """Values that stand in an object inside of records."""

    parent: Callable[[Any], Any]
    values: Callable[[Any], tuple[Any, ...]]
    none: tuple[None, ...]


class _Part:
    """A contact's own fields, or its custom fields: reads them from a record, in the order of a struct's fields.

    Args:
        name: Name of the struct, for debugging.
        mapped: The fields, with the attributes of the record that fill them.
        first: Names of fields that are filled otherwise, and come first.
        kinds: JSON types of each property.
    """

    def __init__(
        self,
        name: str,
        mapped: Sequence[tuple[MappedField, str]],
        kinds: Mapping[Path, frozenset[str]],
        first: Sequence[str] = (),
    ) -> None:
        by_parent: dict[str, list[tuple[MappedField, str]]] = {"": []}
        for field, attribute in mapped:
            parent, _, own = attribute.rpartition(".")
            by_parent.setdefault(parent, []).append((field, own))
        self._own = _getter([own for _, own in by_parent.pop("")])
        self._inner = [
            _Inner(attrgetter(parent), _getter([own for _, own in fields]), (None,) * len(fields))
            for parent, fields in by_parent.items()
        ]
        ordered = sorted(mapped, key=lambda pair: ["", *by_parent].index(pair[1].rpartition(".")[0]))
        self._converted = [
            (place, field.convert, field.label)
            for place, (field, _) in enumerate(ordered)
            if not (field.plain_length and kinds[field.path] <= _PLAIN)
        ]
        self._none = (None,) * len(ordered)
        keys = [*first, *(field.key for field, _ in ordered)]
        self.struct = msgspec.defstruct(
            name,
            [(f"f{number}", Any, None) for number in range(len(keys))],
            rename={f"f{number}": key for number, key in enumerate(keys)},
            omit_defaults=True,
            gc=False,
        )

    def values(self, record: Any) -> Sequence[Any] | None:  # noqa: ANN401 - a struct made for the stream
        """Return the values; ``None`` when there are none.

        Raises:
            RecordRejectedError: A value can't be converted.
            ValueError: A value is empty in a way that the ordinary way must look at.
        """
        values = self._own(record)
        for parent, inner, none in self._inner:
            holder = parent(record)
            values += none if holder is None else inner(holder)
        if values == self._none:
            return None
        if not self._converted:
            return values
        converted = list(values)
        for place, convert, label in self._converted:
            value = converted[place]
            if value is not None:
                if value == "":
                    raise ValueError
                converted[place] = convert(value, label)
        return converted


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
        self._email = attrgetter(attributes[email.path])
        self._email_label = email.label
        others = [(field, attributes[field.path]) for field in fields if field is not email]
        self._fields = _Part(
            "Contact", [pair for pair in others if not pair[0].is_custom], kinds, ("email", "custom_fields")
        )
        self._custom_fields = _Part("CustomFields", [pair for pair in others if pair[0].is_custom], kinds)

    @functools.cached_property
    def decode(self) -> Callable[[bytes], Any]:
        """What reads a record that stands alone in a line, as in batch files."""
        return msgspec.json.Decoder(self.record_type).decode

    def contact(self, record: Any) -> tuple[str, bytes] | None:  # noqa: ANN401 - a struct of `record_type`
        """Return a record's identity and encoded contact, or ``None`` where it must go the ordinary way."""
        try:
            email = to_email(self._email(record), self._email_label)
            fields = self._fields.values(record)
            custom_fields = self._custom_fields.values(record)
        except (RecordRejectedError, ValueError, AttributeError):
            return None
        if not email:
            return None
        custom = None if custom_fields is None else self._custom_fields.struct(*custom_fields)
        contact = self._fields.struct(email, custom, *(fields or ()))
        return email, contacts.encode(contact)


def typed_mapping(
    schema: Mapping[str, Any], key_properties: Collection[str], mapping: FieldMapping
) -> TypedMapping | None:
    """Return the quick way for a stream, or ``None`` where it has to go the ordinary one."""
    try:
        return TypedMapping(schema, key_properties, mapping)
    except NoTypeError:
        return None


def _getter(attributes: Sequence[str]) -> Callable[[Any], tuple[Any, ...]]:
    """Return what reads so many attributes at once, as a tuple whatever their number."""
    if len(attributes) > 1:
        return attrgetter(*attributes)
    if not attributes:
        return lambda _: ()
    single = attrgetter(*attributes)
    return lambda holder: (single(holder),)
