"""The field mapping of a stream where the settings have none: properties named like contact fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from target_sendgrid.mapping.contact_fields import find_field
from target_sendgrid.mapping.nested import is_nested, may_hold_addresses
from target_sendgrid.mapping.schemas import property_paths, schema_at
from target_sendgrid.sendgrid import fields
from target_sendgrid.sendgrid.fields import CustomField
from target_sendgrid.settings.settings import Source
from target_sendgrid.wording import as_json, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_sendgrid.sendgrid.fields import FieldCatalogue


def default_mapping(schema: Mapping[str, Any], catalogue: FieldCatalogue) -> tuple[dict[str, Source], list[str]]:
    """Map properties named like contact fields, but no identifier other than the email.

    Identifiers cannot be removed from a contact once they were sent. Objects and arrays are left out: they hold
    something else than one value for the field of that name.

    Returns:
        The mapping, and a warning for each contact field that several properties may fill.
    """
    candidates: dict[str | CustomField, list[str]] = {}
    for name in dict.fromkeys(property_paths(schema, depth=1)):
        field = find_field(name, catalogue)
        is_default = isinstance(field, CustomField) or name in fields.RESERVED_FIELDS
        if field is not None and is_default and _may_fill(field, schema, name):
            candidates.setdefault(field, []).append(name)
    mapping: dict[str, Source] = {}
    unclear: dict[str, list[str]] = {}
    for field, names in candidates.items():
        exact = [field] if isinstance(field, str) else [field.name, field.id]
        chosen = next((name for name in exact if name in names), names[0] if len(names) == 1 else None)
        if chosen is None:
            unclear[exact[0]] = names
        else:
            mapping[chosen] = Source(chosen)
    taken = {name: name for name in mapping}
    warnings = []
    for field_name, names in unclear.items():
        listed = " and ".join(f"'{shown(name)}'" for name in names)
        example = as_json(taken | {field_name: names[0]})
        warnings.append(
            f"{listed} may fill '{shown(field_name)}', so none does. Choose one: `field_mapping: {example}`."
        )
    return mapping, warnings


def _may_fill(field: str | CustomField, schema: Mapping[str, Any], name: str) -> bool:
    inner = schema_at(schema, (name,))
    if inner is None or not is_nested(inner):
        return True
    if field == "alternate_emails":
        return may_hold_addresses(schema, (name,))
    return field == "email"  # an error names the property inside it
