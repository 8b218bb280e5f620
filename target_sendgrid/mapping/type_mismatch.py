"""Properties of which no value can become that of a number or a date, by their schema."""

from __future__ import annotations

from typing import TYPE_CHECKING

from target_sendgrid.mapping.field_types import kinds_of
from target_sendgrid.mapping.plan import NewField
from target_sendgrid.sendgrid.fields import CustomField, FieldType
from target_sendgrid.wording import shown

if TYPE_CHECKING:
    from collections.abc import Mapping

_NESTED = frozenset({"array", "object"})

_OTHER_TEXTS = frozenset({"text: email", "text: idn-email", "text: time", "text: uuid"})
"""Formats of texts that are neither a number nor a date, whatever the text is."""

_IMPOSSIBLE = {
    FieldType.NUMBER: _NESTED | _OTHER_TEXTS | {"boolean", "date"},
    FieldType.DATE: _NESTED | _OTHER_TEXTS | {"boolean", "integer", "number", "decimal"},
}
"""What no value of a property may be that fills a field of the type, as `kinds_of` names it."""

_WORDS = {
    "array": "an array",
    "boolean": "a boolean",
    "date": "a date",
    "decimal": "a decimal number",
    "integer": "a whole number",
    "number": "a number",
    "object": "an object",
}


def mismatch_problem(
    source: str, schema: Mapping[str, object] | None, target: str | CustomField | NewField
) -> str | None:
    """Return why no value of a property can fill a field, or ``None`` if its schema leaves that open.

    Args:
        source: The property, as the mapping has it.
        schema: Schema of the property; ``None`` if there is none.
        target: The field.
    """
    if isinstance(target, str) or target.field_type not in _IMPOSSIBLE:
        return None
    kinds = kinds_of(schema or {})
    if not kinds or not kinds <= _IMPOSSIBLE[target.field_type]:
        return None
    name, field_type = shown(target.name), target.field_type.value
    words = " or ".join(_WORDS.get(kind) or kind.replace("text: ", "a text of the format ") for kind in sorted(kinds))
    would_be = "would be" if isinstance(target, NewField) else "is"
    return (
        f"property '{shown(source)}' is {words}, and the custom field '{name}' {would_be} of type {field_type}, which"
        f" takes none. Map the property to a field of another type, or {_conversion(field_type)} with a stream map."
    )


def _conversion(field_type: str) -> str:
    return "make it a number" if field_type == FieldType.NUMBER.value else "make it an ISO date"
