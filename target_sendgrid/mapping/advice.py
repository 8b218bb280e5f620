"""Advice in errors about a field mapping: the property that is right for a contact field."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from target_sendgrid.mapping.nested import is_nested
from target_sendgrid.mapping.property_names import CERTAIN, likely_field
from target_sendgrid.mapping.schemas import property_paths, schema_at
from target_sendgrid.mapping.suggestions import suggestions
from target_sendgrid.sendgrid import fields
from target_sendgrid.wording import as_json, nearest, suggest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_sendgrid.mapping.plan import PlannedField
    from target_sendgrid.sendgrid.fields import CustomField

_MISSPELT = 0.85
"""How much of the names of two properties must be the same for one to be taken for the other, misspelt."""

_SIMILAR = 0.7
"""How much must be the same where nothing else says which property is right."""


def right_name(field: str | CustomField | None, source: str, schema: Mapping[str, Any]) -> str:
    """Return a clause that offers the right property in place of one that is missing, or nothing if none is certain.

    Args:
        field: The contact field, if there is one already.
        source: The property that is missing.
        schema: JSON schema of the records.
    """
    reserved = field if isinstance(field, str) else None
    listed = [name for name in property_paths(schema) if reserved is None or _may_fill(reserved, name, schema)]
    right = nearest(source, listed, nearness=_MISSPELT)
    if right is None and reserved in CERTAIN:
        right = right_property(reserved, schema)
    elif right is None:
        right = nearest(source, listed, nearness=_SIMILAR)
    return suggest(right, [right]) if right else ""


def right_property(field: object, schema: Mapping[str, Any]) -> str | None:
    """Return the property that is right for a contact field; ``None`` if none is certain, or for a custom field."""
    likely = suggestions(schema).get(field) if isinstance(field, str) else None
    return likely.source if likely else None


def unlisted_warning(plan: PlannedField, schema: Mapping[str, Any]) -> str | None:
    """Return which listed property is right for a field whose property the schema does not list, or ``None``."""
    right = right_property(plan.target, schema)
    return right and f"the schema does not list {plan.label}.{suggest(right, [right])}"


def identifier_advice(stream: str, schema: Mapping[str, Any]) -> str:
    """Return what to do about a stream that maps no identifier, with the property that is the email if there is one."""
    source = right_property("email", schema) or "the property that holds the address"
    return (
        f"Write `field_mapping: {as_json({'email': source})}`, or map one of {', '.join(fields.IDENTIFIERS[1:])}. To"
        f" leave the stream out, write `streams: {as_json({stream: {'enabled': False}})}`. The name `*` there means"
        " every stream without an entry of its own; `{}` is an entry, too. `--suggest-mapping` prints a mapping for all"
        " streams of a tap."
    )


def _may_fill(field: str, name: str, schema: Mapping[str, Any]) -> bool:
    """Return whether a property is no object or array, and not named like another field than a reserved one."""
    means_other = likely_field(name.replace(".", " ")) not in {None, field}
    return not means_other and not is_nested(schema_at(schema, name.split(".")))
