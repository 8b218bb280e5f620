"""Field mapping: resolved once against schema and account, then record by record from properties to contacts."""

from __future__ import annotations

import functools
import logging
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from target_sendgrid.errors import ConfigError, Reason, RecordRejectedError, suggest
from target_sendgrid.mapping import conversions
from target_sendgrid.mapping.schemas import property_paths, resolve_path, schema_at, type_for
from target_sendgrid.sendgrid import fields
from target_sendgrid.sendgrid.fields import FieldType

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from target_sendgrid.mapping.schemas import Path
    from target_sendgrid.sendgrid.contact import Contact
    from target_sendgrid.sendgrid.fields import CustomField, FieldCatalogue

log = logging.getLogger("target-sendgrid.mapping")

_MISSING: Any = ()
"""What stands for a property that a record lacks: false like all that is empty, and no JSON value."""

_CREATES_NOTHING = "Create it in SendGrid, or set `create_custom_fields` to true."


class MappedField(NamedTuple):
    """One contact field and how a record fills it."""

    key: str
    """Field name in the contact, or custom-field id."""
    path: Path
    convert: Callable[[Any, str], Any]
    """Takes a value and the label, for what it has to say."""
    empty: Any
    """What clears the field, or `_MISSING` where SendGrid has no way to."""
    label: str
    is_custom: bool = False
    plain_length: int = 0
    """Texts of 1 to so many characters are taken as they are; 0 where every value must be converted."""


class _Group(NamedTuple):
    """Mapped fields whose properties stand in one object of a record, flat, so that a loop looks up little."""

    parents: Path
    """Where the object stands."""
    fields: list[MappedField]
    texts: list[tuple[str, int, str, MappedField]]
    custom_texts: list[tuple[str, int, str, MappedField]]
    converted: list[tuple[str, Callable[[Any, str], Any], MappedField]]


class FieldMapping:
    """Turns records of one stream into contacts.

    Args:
        mapped: The resolved fields.
        clears_nulls: Whether a null empties a field.
    """

    def __init__(self, mapped: Sequence[MappedField], *, clears_nulls: bool) -> None:
        self.fields = mapped
        self.clears_nulls = clears_nulls
        self._warned: set[str] = set()
        by_parents: dict[Path, list[MappedField]] = {(): []}
        for field in mapped:
            by_parents.setdefault(field.path[:-1], []).append(field)
        self._groups = [_group(parents, inside) for parents, inside in by_parents.items()]
        self._identifier_keys = [field.key for field in mapped if field.key in fields.IDENTIFIERS]

    @property
    def field_labels(self) -> list[str]:
        """Names of the mapped contact fields and the properties that fill them, for the log."""
        return [field.label for field in self.fields]

    def contact(self, record: Mapping[str, Any]) -> Contact:
        """Return the contact of a record.

        Zero, false, an empty text and null stay four things: a null is left out, or clears the field if that was
        asked for; an empty text clears a text field; zero and false are values.

        Raises:
            RecordRejectedError: A value can't be converted, or nothing identifies the contact.
        """
        contact: Contact = {}
        custom_fields: dict[str, Any] = {}
        for group in self._groups:
            source = _reach(record, group.parents) if group.parents else record
            if type(source) is dict:
                self._take(source.get, group, contact, custom_fields)
                continue
            for field in group.fields:
                value = _reach(source, field.path[-1:])
                if value is not _MISSING:
                    self._set(custom_fields if field.is_custom else contact, field, value)
        is_identified = False
        for key in self._identifier_keys:
            if contact.get(key):
                is_identified = True
            else:
                contact.pop(key, None)
        if not is_identified:
            names = " or ".join(field.label for field in self.fields if field.key in fields.IDENTIFIERS)
            raise RecordRejectedError(Reason.NO_IDENTIFIER, f"Nothing identifies the contact: {names} is empty.")
        if custom_fields:
            contact["custom_fields"] = custom_fields
        return contact

    def _take(
        self, get: Callable[[str, Any], Any], group: _Group, contact: Contact, custom_fields: dict[str, Any]
    ) -> None:
        """Fill the fields that stand in one object of a record. These loops are most of what a record costs here."""
        for texts, values in ((group.texts, contact), (group.custom_texts, custom_fields)):
            for name, longest, key, field in texts:
                value = get(name, _MISSING)
                if type(value) is str and 0 < len(value) <= longest:
                    values[key] = value
                elif value is not _MISSING:
                    self._set(values, field, value)
        for name, convert, field in group.converted:
            value = get(name, _MISSING)
            if value:  # neither missing nor any of the four kinds of empty
                (custom_fields if field.is_custom else contact)[field.key] = convert(value, field.label)
            elif value is not _MISSING:
                self._set(custom_fields if field.is_custom else contact, field, value)

    def _set(self, values: dict[str, Any], field: MappedField, value: Any) -> None:  # noqa: ANN401 - any JSON value
        """Convert a value and put it where it belongs."""
        if value is None or value == "":
            if value is None and not self.clears_nulls:
                return
            if field.empty is _MISSING:
                self._warn_not_clearable(field)
                return
            values[field.key] = field.empty
        else:
            values[field.key] = field.convert(value, field.label)

    def _warn_not_clearable(self, field: MappedField) -> None:
        if field.label not in self._warned:
            self._warned.add(field.label)
            log.warning(
                "%s is empty in some records. SendGrid has no way to clear a number, a date or an identifier: the field"
                " keeps its value there.",
                field.label,
            )


def compile_mapping(
    stream: str,
    schema: Mapping[str, Any],
    field_mapping: Mapping[str, str] | None,
    catalogue: FieldCatalogue,
    *,
    clears_nulls: bool,
    create_field: Callable[[str, FieldType], CustomField] | None,
) -> FieldMapping:
    """Resolve a stream's field mapping.

    Args:
        stream: Name of the stream, for messages.
        schema: JSON schema of its records.
        field_mapping: ``{contact field: record property}``; ``None`` takes properties named like contact fields.
        catalogue: The custom fields of the account.
        clears_nulls: Whether a null empties a field.
        create_field: Creates a custom field that does not exist; ``None`` where that is not wanted.

    Raises:
        ConfigError: With everything that is wrong with the mapping. No field was created then.
    """
    properties = schema.get("properties") or {}
    problems: list[str] = []
    if field_mapping is None:
        field_mapping = _default_mapping(properties, catalogue)
        why = "no property is named 'email'"
    else:
        why = "`field_mapping` fills none"
    paths = {field: resolve_path(source, schema) for field, source in field_mapping.items()}
    for field, source in field_mapping.items():
        if paths[field] is None:
            known = suggest(source, property_paths(schema)) or _some_names(properties)
            problems.append(f"Stream '{stream}' has no property '{source}' to fill '{field}'.{known}")
        problem = _field_problem(field, catalogue, can_create=create_field is not None)
        if problem:
            problems.append(f"Stream '{stream}': {problem}")
    problems += _repeated(stream, field_mapping, catalogue)
    if not any(field.lower() in fields.IDENTIFIERS for field in field_mapping):
        problems.append(_no_identifier(stream, properties, why))
    if problems:
        raise ConfigError(problems)
    mapped = []
    for field, path in paths.items():
        if create_field is not None and not _is_known(field, catalogue):
            near = suggest(field, fields.MAX_LENGTHS)
            if near:
                log.warning("Stream '%s': SendGrid has no contact field '%s', so it is created.%s", stream, field, near)
            catalogue.add(create_field(field, type_for(schema_at(schema, path or ()))))
        mapped.append(_mapped_field(field, field_mapping[field], path or (), catalogue))
    return FieldMapping(mapped, clears_nulls=clears_nulls)


def _default_mapping(properties: Mapping[str, Any], catalogue: FieldCatalogue) -> dict[str, str]:
    """Map properties named like contact fields. Only the email identifies: others, once sent, bind for ever."""
    mapping = {}
    for name in properties:
        is_identifier = name in fields.IDENTIFIERS and name != "email"
        if name in fields.RESERVED_FIELDS or (not is_identifier and catalogue.find(name)):
            mapping[name] = name
    return mapping


def _no_identifier(stream: str, properties: Mapping[str, Any], why: str) -> str:
    near = next((name for name in properties if "mail" in name.lower()), None)
    example = near or "the property that holds the address"
    return (
        f"Stream '{stream}' has no field that identifies a contact: {why}. Write"
        f' `field_mapping: {{"email": "{example}"}}`, or map {", ".join(fields.IDENTIFIERS[1:])}.'
    )


def _some_names(properties: Mapping[str, Any]) -> str:
    shown = 10
    names = ", ".join(list(properties)[:shown])
    more = f" and {len(properties) - shown} more" if len(properties) > shown else ""
    return f" It has: {names}{more}." if names else " Its schema has no properties."


def _is_known(field: str, catalogue: FieldCatalogue) -> bool:
    return field.lower() in fields.MAX_LENGTHS or catalogue.find(field) is not None


def _field_problem(field: str, catalogue: FieldCatalogue, *, can_create: bool) -> str | None:
    """Return what is wrong with the left side of a mapping, or ``None``."""
    if _is_known(field, catalogue):
        return None
    if field.lower() in fields.READ_ONLY_FIELDS:
        return f"'{field}' is set by SendGrid itself and can't be mapped."
    near = suggest(field, [*fields.MAX_LENGTHS, *catalogue.names()])
    if not can_create:
        return f"SendGrid has no contact field '{field}'.{near or ' ' + _CREATES_NOTHING}"
    if not fields.CUSTOM_FIELD_NAME.match(field):
        return (
            f"'{field}' can't be created as a custom field: a name has 1 to 100 letters, digits and underscores and"
            " does not start with a digit."
        )
    return None


def _repeated(stream: str, field_mapping: Mapping[str, str], catalogue: FieldCatalogue) -> list[str]:
    """Return a problem for each contact field that two names of the mapping stand for."""
    names: dict[str, list[str]] = {}
    for field in field_mapping:
        custom = None if field.lower() in fields.MAX_LENGTHS else catalogue.find(field)
        names.setdefault(custom.id if custom else field.lower(), []).append(field)
    return [
        f"Stream '{stream}' fills one contact field twice: {' and '.join(repr(name) for name in same)}."
        for same in names.values()
        if len(same) > 1
    ]


def _mapped_field(field: str, source: str, path: Path, catalogue: FieldCatalogue) -> MappedField:
    label = f"property '{source}' (for {field})"
    name = field.lower()
    if name in fields.MAX_LENGTHS:
        if name == "email":
            return MappedField(name, path, conversions.to_email, "", label)
        if name == "alternate_emails":
            return MappedField(name, path, conversions.to_emails, [], label)
        longest = fields.MAX_LENGTHS[name]
        convert = functools.partial(conversions.to_text, max_length=longest)
        return MappedField(name, path, convert, "", label, plain_length=longest or sys.maxsize)
    custom = catalogue.find(field)
    if custom is None:
        raise LookupError(field)  # resolved before, or created
    by_type: dict[FieldType, tuple[Callable[..., Any], Any]] = {
        FieldType.TEXT: (functools.partial(conversions.to_text, max_length=fields.MAX_CUSTOM_TEXT), ""),
        FieldType.NUMBER: (conversions.to_number, _MISSING),
        FieldType.DATE: (conversions.to_date, _MISSING),
    }
    converter, empty = by_type[custom.field_type]
    plain_length = fields.MAX_CUSTOM_TEXT if custom.field_type is FieldType.TEXT else 0
    return MappedField(custom.id, path, converter, empty, label, is_custom=True, plain_length=plain_length)


def _group(parents: Path, mapped: list[MappedField]) -> _Group:
    texts: list[list[tuple[str, int, str, MappedField]]] = [[], []]
    converted = []
    for field in mapped:
        name = str(field.path[-1])
        if field.plain_length:
            texts[field.is_custom].append((name, field.plain_length, field.key, field))
        else:
            converted.append((name, field.convert, field))
    return _Group(parents, mapped, texts[False], texts[True], converted)


def _reach(record: Any, path: Path) -> Any:  # noqa: ANN401 - any JSON value
    """Return what stands at a path of a record, or `_MISSING`; a null on the way is a null."""
    value = record
    for step in path:
        if type(value) is dict:
            value = value.get(str(step), _MISSING)
        elif type(value) is list and str(step).isdecimal():  # a schema that tells nothing leaves numbers as names
            value = value[int(step)] if int(step) < len(value) else _MISSING
        else:
            return None if value is None else _MISSING
    return value
