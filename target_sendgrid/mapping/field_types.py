"""The type of a custom field that is to be created, by the schema of the property that fills it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from target_sendgrid.sendgrid.fields import FieldType

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_DATE_FORMATS = frozenset({"date", "date-time"})
_DECIMAL_FORMATS = frozenset({"singer.decimal", "x-singer.decimal", "decimal"})
"""Formats of texts that are decimal numbers, as taps write money."""

_NUMBERS = frozenset({"number", "integer", "decimal"})


class TypeChoice(NamedTuple):
    """The type of a field that is to be created."""

    field_type: FieldType
    alternative: FieldType | None = None
    """Another type that may be meant, since the schema does not exclude it."""


def type_for(schema: Mapping[str, object] | None) -> TypeChoice:
    """Return the type of the custom field for values of a schema.

    Number, if all listed types are numbers (texts with a decimal format are), or if `number` is listed beside plain
    text; Date, if all are texts with a date format; otherwise Text, also for whole numbers, decimals or dates beside
    plain text, since a field keeps its type, and one value that does not fit would reject a person.
    """
    kinds = set(_kinds(schema or {}))
    if kinds and (kinds <= _NUMBERS or ("number" in kinds and kinds <= _NUMBERS | {"text"})):
        return TypeChoice(FieldType.NUMBER)
    if kinds == {"date"}:
        return TypeChoice(FieldType.DATE)
    if kinds != {"text"} and kinds <= _NUMBERS | {"text"}:
        return TypeChoice(FieldType.TEXT, FieldType.NUMBER)
    return TypeChoice(FieldType.TEXT, FieldType.DATE if kinds == {"date", "text"} else None)


def _kinds(schema: Mapping[str, object], outer: tuple[object, object] = (None, None)) -> Iterator[str]:
    """Yield what each listed type of a schema is here: a JSON type, or "text", "date" or "decimal" for strings.

    Args:
        schema: The schema.
        outer: Type and format of the schema around a branch, which a branch without its own has.
    """
    kinds, text_format = schema.get("type", outer[0]), schema.get("format", outer[1])
    branches = [
        branch for keyword in ("anyOf", "oneOf") for branch in _listed(schema.get(keyword)) if isinstance(branch, dict)
    ]
    for branch in branches:
        yield from _kinds(branch, (kinds, text_format))
    if branches:
        return
    for kind in [kinds] if isinstance(kinds, str) else _listed(kinds):
        if kind == "string":
            yield _kind_of_text(text_format)
        elif isinstance(kind, str) and kind != "null":
            yield kind


def _kind_of_text(text_format: object) -> str:
    if text_format is None:
        return "text"
    name = str(text_format)
    return "date" if name in _DATE_FORMATS else "decimal" if name in _DECIMAL_FORMATS else f"text: {name}"


def _listed(value: object) -> list[object]:
    """Return a list unchanged, and an empty list for anything else, since schemas are not always validated."""
    return value if isinstance(value, list) else []
