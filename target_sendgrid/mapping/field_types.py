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
    alternatives: tuple[FieldType, ...] = ()
    """Other types that may be meant, since the schema does not exclude them."""


def type_for(schema: Mapping[str, object] | None) -> TypeChoice:
    """Return the type of the custom field for values of a schema.

    Number, if all listed types are numbers (texts with a decimal format are), or if `number` is listed beside plain
    text; Date, if all are texts with a date format; otherwise Text, also for whole numbers, decimals or dates beside
    plain text, since a field keeps its type, and one value that does not fit would reject a person.
    """
    kinds = kinds_of(schema or {}) - {"anything"}
    if kinds and (kinds <= _NUMBERS or ("number" in kinds and kinds <= _NUMBERS | {"text"})):
        return TypeChoice(FieldType.NUMBER)
    if kinds == {"date"}:
        return TypeChoice(FieldType.DATE)
    if not kinds:
        return TypeChoice(FieldType.TEXT, (FieldType.NUMBER, FieldType.DATE))
    if kinds != {"text"} and kinds <= _NUMBERS | {"text"}:
        return TypeChoice(FieldType.TEXT, (FieldType.NUMBER,))
    return TypeChoice(FieldType.TEXT, (FieldType.DATE,) if kinds == {"date", "text"} else ())


def kinds_of(schema: Mapping[str, object]) -> set[str]:
    """Return what the values of a schema may be, apart from null.

    Returns:
        JSON types; for strings "text", "date", "decimal" or their format; "anything" where no type is listed.
    """
    return set(_kinds(schema, (None, None)))


def _kinds(schema: Mapping[str, object], outer: tuple[object, object]) -> Iterator[str]:
    """Yield the kinds of a schema. A branch without a type or format of its own has that of the schema around it."""
    types, text_format = schema.get("type", outer[0]), schema.get("format", outer[1])
    branches = [*_listed(schema.get("anyOf")), *_listed(schema.get("oneOf"))]
    for branch in branches:
        yield from _kinds(branch if isinstance(branch, dict) else {}, (types, text_format))
    if branches:
        return
    if types is None:
        parts = [part for part in _listed(schema.get("allOf")) if isinstance(part, dict)]
        kinds = {kind for part in parts for kind in _kinds(part, (None, text_format))} - {"anything"}
        implied = "object" if "properties" in schema else "array" if "items" in schema else "anything"
        yield from kinds or {implied}
    for kind in [types] if isinstance(types, str) else _listed(types):
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
