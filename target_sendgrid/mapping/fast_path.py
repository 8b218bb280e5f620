"""The fast path from a line to a contact: msgspec reads, validates and encodes, and one generated function converts.

It takes good records of plain streams and gives exactly what the slow path (`FieldMapping`) would give. All other
records, bad or just unusual ones, are left to the slow path, which decides about them and words the errors.
"""

from __future__ import annotations

import functools
import hashlib
import linecache
from typing import TYPE_CHECKING, Any

import msgspec

from target_sendgrid.errors import RecordRejectedError
from target_sendgrid.mapping.record_types import NoFastPathError, RecordType
from target_sendgrid.sendgrid import contact as contacts
from target_sendgrid.sendgrid.fields import IDENTIFIERS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from target_sendgrid.mapping.field_mapping import FieldMapping, MappedField
    from target_sendgrid.mapping.schemas import Path

_TEXT_ONLY = frozenset({"string", "null"})
_EXACT_AS_TEXT = frozenset({"string", "integer", "boolean", "null"})
"""JSON types whose text does not depend on how a number was written."""

_READ_BACK = frozenset({"email", "custom_fields"})
"""Keys that are read from a finished contact. Their attributes have the same names; others are numbered."""


class FastPath:
    """Makes encoded contacts of the records of one stream.

    Args:
        schema: JSON schema of the stream.
        key_properties: Properties that every record must have.
        mapping: The stream's field mapping.
        nulls: Properties that the record must not have, or only as null.

    Raises:
        NoFastPathError: The schema or the mapping has something that only the slow path supports.
    """

    def __init__(
        self,
        schema: Mapping[str, Any],
        key_properties: Collection[str],
        mapping: FieldMapping,
        *,
        nulls: Collection[str] = (),
    ) -> None:
        if mapping.clears_nulls or all(field.key != "email" for field in mapping.fields):
            raise NoFastPathError
        record_type = RecordType(schema, key_properties, _text_lengths(mapping.fields), nulls)
        sources = []
        for field in mapping.fields:
            found = record_type.properties.get(field.path)
            if found is None or (field.plain_length and not found.json_types <= _EXACT_AS_TEXT):
                raise NoFastPathError
            is_converted = not (field.plain_length and found.json_types <= _TEXT_ONLY)
            sources.append((field, found.attribute, is_converted))
        self.record_type = record_type.struct
        self._make_contact, self._no_custom_fields = _contact_maker(sources)

    @functools.cached_property
    def decode(self) -> Callable[[bytes], Any]:
        """Decodes a record that is alone in a line, as in batch files."""
        return msgspec.json.Decoder(self.record_type).decode

    def contact(self, record: Any) -> tuple[str, bytes] | None:  # noqa: ANN401 - a struct of `record_type`
        """Return the identity and the encoded contact of a record, or ``None`` if it has to take the slow path.

        The slow path is needed if a value cannot be converted, or if an empty text is mapped to a number or a date.
        """
        try:
            contact = self._make_contact(record)
        except (RecordRejectedError, AttributeError):  # the latter where a nested value is not an object
            return None
        if not contact.email:
            return None
        if contact.custom_fields == self._no_custom_fields:
            contact.custom_fields = None
        return contact.email, contacts.encode(contact)


def fast_path_for(
    schema: Mapping[str, Any], key_properties: Collection[str], mapping: FieldMapping, *, nulls: Collection[str] = ()
) -> FastPath | None:
    """Return the fast path of a stream, or ``None`` if all its records have to take the slow path.

    The arguments are those of `FastPath`.
    """
    try:
        return FastPath(schema, key_properties, mapping, nulls=nulls)
    except NoFastPathError:
        return None


def _text_lengths(fields: Sequence[MappedField]) -> dict[Path, tuple[int, int]]:
    """Return the least and most characters of the texts that need no conversion, by path of the property."""
    lengths: dict[Path, tuple[int, int]] = {}
    for field in fields:
        if field.plain_length:
            least, most = lengths.get(field.path, (0, field.plain_length))
            least = 1 if field.key in IDENTIFIERS else least
            lengths[field.path] = (least, min(most, field.plain_length))
    return lengths


def _contact_maker(sources: Sequence[tuple[MappedField, str, bool]]) -> tuple[Callable[[Any], Any], Any]:
    """Generate the function that makes a contact of a record. A loop over the fields would take several times as long.

    Args:
        sources: Each field, the attribute of the record that fills it, and whether its values are converted.

    Returns:
        The function, and the custom fields of a contact that has none.
    """
    own = [field.key for field, *_ in sources if not field.is_custom]
    custom = [field.key for field, *_ in sources if field.is_custom]
    names: dict[str, Any] = {
        "Contact": _struct("Contact", [*own, "custom_fields"]),
        "CustomFields": _struct("CustomFields", custom),
    }
    own_lines: list[str] = []
    custom_lines: list[str] = []
    for number, (field, attribute, is_converted) in enumerate(sources):
        if is_converted:
            names |= {f"convert{number}": field.convert, f"label{number}": field.label}
        line = _value_expression(number, attribute, is_converted=is_converted)
        (custom_lines if field.is_custom else own_lines).append(line)
    lines = [
        "def make_contact(record):",
        "    return Contact(",
        *(f"        {line}," for line in own_lines),
        "        CustomFields(",
        *(f"            {line}," for line in custom_lines),
        "        ),",
        "    )",
    ]
    make_contact = _compiled("make_contact", "".join(f"{line}\n" for line in lines), names)
    return make_contact, names["CustomFields"]()


def _value_expression(number: int, attribute: str, *, is_converted: bool) -> str:
    """Return the expression for the value of a field: null where the property, or an object around it, is null.

    Args:
        number: Number of the field.
        attribute: Attribute of the record, with dots into inner objects.
        is_converted: Whether values are converted.
    """
    *outer, _ = attribute.split(".")
    conditions = [f"{'.'.join(['record', *outer[:depth]])} is None" for depth in range(1, len(outer) + 1)]
    result = f"record.{attribute}"
    if is_converted:
        conditions.append(f"(value := {result}) is None")
        result = f"convert{number}(value, label{number})"
    return f"None if {' or '.join(conditions)} else {result}" if conditions else result


def _compiled(name: str, source: str, names: dict[str, Any]) -> Callable[[Any], Any]:
    """Return the function that some source defines, with its lines known to tracebacks.

    Args:
        name: Name of the function.
        source: The source. All its names are numbered or constant: nothing in it comes from a user.
        names: The globals of the function.
    """
    # Equal sources share a file name, so that schemas that change again and again do not fill the memory.
    file_name = f"<generated {name} {hashlib.sha256(source.encode()).hexdigest()[:16]}>"
    linecache.cache[file_name] = (len(source), None, source.splitlines(keepends=True), file_name)
    exec(compile(source, file_name, "exec"), names)  # noqa: S102 - see `source`
    function: Callable[[Any], Any] = names[name]
    return function


def _struct(name: str, keys: Sequence[str]) -> type[msgspec.Struct]:
    """Return a type that is encoded as an object with some keys, without those whose values are null."""
    attributes = [key if key in _READ_BACK else f"f{number}" for number, key in enumerate(keys)]
    fields = [(attribute, Any, None) for attribute in attributes]
    rename = dict(zip(attributes, keys, strict=True))
    return msgspec.defstruct(name, fields, rename=rename, omit_defaults=True, gc=False)
