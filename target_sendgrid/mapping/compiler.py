"""Compilation of a stream's field mapping: the settings, checked against the schema and the account's fields."""

from __future__ import annotations

import functools
import logging
import sys
from typing import TYPE_CHECKING, Any

from target_sendgrid.errors import ConfigError
from target_sendgrid.mapping import conversions
from target_sendgrid.mapping.field_mapping import NOT_CLEARABLE, FieldMapping, MappedField
from target_sendgrid.mapping.schemas import property_paths, resolve_path, schema_at, type_for
from target_sendgrid.sendgrid import fields
from target_sendgrid.sendgrid.fields import FieldType
from target_sendgrid.wording import suggest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from target_sendgrid.mapping.schemas import Path
    from target_sendgrid.sendgrid.fields import CustomField, FieldCatalogue

log = logging.getLogger("target-sendgrid.mapping")

_CREATE_FIELD_ADVICE = "Create it in SendGrid, or set `create_custom_fields` to true."


def compile_mapping(
    stream: str,
    schema: Mapping[str, Any],
    field_mapping: Mapping[str, str] | None,
    catalogue: FieldCatalogue,
    *,
    clears_nulls: bool,
    create_field: Callable[[str, FieldType], CustomField] | None,
) -> FieldMapping:
    """Resolve a stream's field mapping against its schema and the account.

    Args:
        stream: Name of the stream, for error messages.
        schema: JSON schema of its records.
        field_mapping: ``{contact field: record property}``; ``None`` maps properties named like contact fields.
        catalogue: The custom fields of the account.
        clears_nulls: Whether a null clears a field.
        create_field: Creates a custom field that does not exist; ``None`` if none may be created.

    Raises:
        ConfigError: The mapping is wrong. The error lists all problems, and no field was created.
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
    """Map properties named like contact fields, but no identifier other than the email.

    Identifiers cannot be removed from a contact once they were sent.
    """
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
        return f"SendGrid has no contact field '{field}'.{near or ' ' + _CREATE_FIELD_ADVICE}"
    if not fields.CUSTOM_FIELD_NAME.match(field):
        return (
            f"'{field}' can't be created as a custom field: a name has 1 to 100 letters, digits and underscores and"
            " does not start with a digit."
        )
    return None


def _repeated(stream: str, field_mapping: Mapping[str, str], catalogue: FieldCatalogue) -> list[str]:
    """Return a problem for each contact field that two names of the mapping refer to."""
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
        raise LookupError(field)  # `compile_mapping` has found or created it
    by_type: dict[FieldType, tuple[Callable[..., Any], Any]] = {
        FieldType.TEXT: (functools.partial(conversions.to_text, max_length=fields.MAX_CUSTOM_TEXT), ""),
        FieldType.NUMBER: (conversions.to_number, NOT_CLEARABLE),
        FieldType.DATE: (conversions.to_date, NOT_CLEARABLE),
    }
    converter, empty = by_type[custom.field_type]
    plain_length = fields.MAX_CUSTOM_TEXT if custom.field_type is FieldType.TEXT else 0
    return MappedField(custom.id, path, converter, empty, label, is_custom=True, plain_length=plain_length)
