"""Planning of a stream's field mapping: the settings, checked against the schema and the account's fields."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from target_sendgrid.errors import ConfigError
from target_sendgrid.mapping.field_types import type_for
from target_sendgrid.mapping.plan import MappingPlan, NewField, PlannedField
from target_sendgrid.mapping.schemas import property_paths, resolve_path, schema_at
from target_sendgrid.sendgrid import fields
from target_sendgrid.wording import suggest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_sendgrid.sendgrid.fields import CustomField, FieldCatalogue

_CREATE_FIELD_ADVICE = "Create it in SendGrid, or set `create_custom_fields` to true."


def plan_mapping(
    stream: str,
    schema: Mapping[str, Any],
    field_mapping: Mapping[str, str] | None,
    catalogue: FieldCatalogue,
    *,
    can_create_fields: bool,
) -> MappingPlan:
    """Check a stream's field mapping against its schema and the account. Nothing is created.

    Args:
        stream: Name of the stream, for error messages.
        schema: JSON schema of its records.
        field_mapping: ``{contact field: record property}``; ``None`` maps properties named like contact fields.
        catalogue: The custom fields of the account.
        can_create_fields: Whether custom fields that do not exist may be created.

    Raises:
        ConfigError: The mapping is wrong. The error lists all problems.
    """
    properties = schema.get("properties") or {}
    problems: list[str] = []
    if field_mapping is None:
        field_mapping = _default_mapping(properties, catalogue)
        why = "no property is named 'email'"
    else:
        why = "`field_mapping` fills none"
    planned, warnings = [], []
    for field, source in field_mapping.items():
        path = resolve_path(source, schema)
        if path is None:
            known = suggest(source, property_paths(schema)) or _some_names(properties)
            problems.append(f"Stream '{stream}' has no property '{source}' to fill '{field}'.{known}")
            path = ()
        problem = _field_problem(field, catalogue, can_create=can_create_fields)
        if problem:
            problems.append(f"Stream '{stream}': {problem}")
        target: CustomField | NewField | None = None
        if field.lower() not in fields.MAX_LENGTHS:
            target = catalogue.find(field) or _new_field(field, source, schema_at(schema, path))
        near = suggest(field, fields.MAX_LENGTHS) if isinstance(target, NewField) else ""
        if near:
            warnings.append(f"Stream '{stream}': SendGrid has no contact field '{field}', so it is created.{near}")
        planned.append(PlannedField(field, source, path, target))
    problems += _repeated(stream, field_mapping, catalogue)
    if not any(field.lower() in fields.IDENTIFIERS for field in field_mapping):
        problems.append(_no_identifier(stream, properties, why))
    if problems:
        raise ConfigError(problems)
    return MappingPlan(tuple(planned), tuple(warnings))


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


def _new_field(name: str, source: str, schema: Mapping[str, Any] | None) -> NewField:
    """Return the custom field that has to be created for a property, by the property's schema."""
    field_type, alternative = type_for(schema)
    why = f"by the schema of property '{source}'"
    if alternative is not None:
        example = json.dumps({"property": source, "type": alternative.value})
        why = (
            f"since the schema of property '{source}' allows other values than a {alternative.value.lower()}. If it"
            f" should be of type {alternative.value}, delete the field in SendGrid and map `{example}`"
        )
    return NewField(name, field_type, why)


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
