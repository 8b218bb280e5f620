"""The left side of a field mapping: which contact field a name means, and what has to be created for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from target_sendgrid.mapping.field_types import type_for
from target_sendgrid.mapping.plan import NewField
from target_sendgrid.mapping.reserved_names import meant_field, near_field
from target_sendgrid.sendgrid import fields
from target_sendgrid.sendgrid.fields import CustomField, FieldType
from target_sendgrid.wording import as_json, shown, suggest

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from target_sendgrid.sendgrid.fields import FieldCatalogue
    from target_sendgrid.settings.settings import Source

_NEARNESS = 0.75
"""How much of the names of two custom fields must be the same for one to be taken for the other, misspelt."""

_CREATE_FIELD_ADVICE = "Create it in SendGrid, or set `create_custom_fields` to true."


def find_field(name: str, catalogue: FieldCatalogue) -> str | CustomField | None:
    """Return the contact field with that name or id: the name of a reserved field, or a custom field.

    An exact name wins over one in other capitals.
    """
    custom = catalogue.find(name)
    if custom is not None and (name in {custom.name, custom.id} or name.lower() not in fields.MAX_LENGTHS):
        return custom
    return name.lower() if name.lower() in fields.MAX_LENGTHS else None


def field_key(name: str, catalogue: FieldCatalogue) -> str:
    """Return what is the same for all names of one contact field, be it one that has to be created."""
    found = find_field(name, catalogue)
    return name.lower() if found is None else found if isinstance(found, str) else found.id


def unknown_field_problem(
    new: NewField, source: Source, catalogue: FieldCatalogue, mapped: Collection[object], *, can_create: bool
) -> str | None:
    """Return why a name that no contact field has can't be mapped, or ``None`` if a field can be created for it.

    Args:
        new: The field that would be created.
        source: The property, with the type if the mapping says it.
        catalogue: The custom fields of the account.
        mapped: The fields that the stream fills.
        can_create: Whether fields may be created.
    """
    from target_sendgrid.mapping.property_names import likely_field  # noqa: PLC0415 - only names of no field need it

    name = new.name
    if name.lower() in fields.READ_ONLY_FIELDS:
        return f"'{shown(name)}' is set by SendGrid itself and can't be mapped."
    meant = meant_field(name, mapped)
    near = suggest(name, catalogue.names(), nearness=_NEARNESS)
    reserved = meant or (None if near else likely_field(name) or near_field(name))
    if reserved:
        near = f" Did you mean '{reserved}'?"
    if not can_create:
        return f"SendGrid has no contact field '{shown(name)}'.{near or ' ' + _CREATE_FIELD_ADVICE}"
    if not fields.CUSTOM_FIELD_NAME.match(name):
        return (
            f"'{shown(name)}' can't be created as a custom field: a name has 1 to 100 letters, digits and underscores"
            f" and does not start with a digit.{near}"
        )
    if meant is None or source.type is not None:
        return None
    example = as_json({name: {"property": source.property, "type": new.field_type.value}})
    advice = f"To create a custom field of that name, write `{example}`."
    return f"SendGrid has no contact field '{shown(name)}'.{near} {advice}"


def type_problem(name: str, source: Source, found: str | CustomField) -> str | None:
    """Return why a field that exists can't have the type that the mapping says, or ``None``."""
    if source.type is None:
        return None
    if isinstance(found, str):
        return f"'{shown(name)}' is a field of SendGrid's own, which has its type already. Leave `type` out."
    if found.field_type.value == source.type:
        return None
    return (
        f"the custom field '{shown(found.name)}' is of type {found.field_type.value}, not {source.type}, and SendGrid"
        " can't change it. Leave `type` out, or map the property to another field."
    )


def new_field(
    name: str, source: Source, schema: Mapping[str, Any] | None, mapped: Collection[object], *, is_property: bool
) -> NewField:
    """Return the custom field that has to be created for a property.

    Args:
        name: Name of the field.
        source: The property, with the type if the mapping says it.
        schema: Schema of the property; ``None`` if there is none.
        mapped: The fields that the stream fills.
        is_property: Whether the name is only that of the property (`map_all`), so that it may be another word for a
            field of SendGrid's own.
    """
    if source.type is not None:
        return NewField(name, FieldType(source.type), "as `field_mapping` says")
    new = _typed_field(name, source, schema)
    near = near_field(name)
    if near is None and is_property and (meant := meant_field(name, mapped)) not in mapped:
        near = meant
    return msgspec.structs.replace(new, near=near)


def _typed_field(name: str, source: Source, schema: Mapping[str, Any] | None) -> NewField:
    """Return a custom field of the type that the schema of its property asks for."""
    field_type, alternatives = type_for(schema)
    shown_property = f"property '{shown(source.property)}'"
    if not alternatives:
        return NewField(name, field_type, f"by the schema of {shown_property}")
    if schema is None:
        why = f"since the schema does not list {shown_property}"
    else:
        values = " or a ".join(other.value.lower() for other in alternatives)
        why = f"since the schema of {shown_property} allows other values than a {values}"
    types = " or ".join(other.value for other in alternatives)
    example = as_json({"property": source.property, "type": alternatives[0].value})
    why += f". If it should be of type {types}, delete the field in SendGrid and map `{example}`"
    return NewField(name, field_type, why)
