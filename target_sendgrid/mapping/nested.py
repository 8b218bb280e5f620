"""Properties that can only be objects or arrays, where a contact field takes a single value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from target_sendgrid.mapping.field_types import kinds_of
from target_sendgrid.mapping.schemas import property_paths, schema_at
from target_sendgrid.sendgrid import fields
from target_sendgrid.sendgrid.fields import FieldType
from target_sendgrid.wording import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from target_sendgrid.mapping.plan import NewField, PlannedField
    from target_sendgrid.mapping.schemas import Path
    from target_sendgrid.sendgrid.fields import CustomField

_MAX_DEPTH = 4

_NO_TEXTS = frozenset({"boolean", "date"})

_WORDS = {"array": "an array", "object": "an object"}


def is_nested(schema: Mapping[str, Any] | None) -> bool:
    """Return whether values of a schema can only be objects or arrays."""
    kinds = kinds_of(schema or {})
    return bool(kinds) and kinds <= _WORDS.keys()


def may_hold_addresses(schema: Mapping[str, Any], path: Path) -> bool:
    """Return whether a nested property may be an array of texts, which `alternate_emails` takes.

    Args:
        schema: Schema of the records.
        path: Steps to the property.
    """
    return "array" in kinds_of(schema_at(schema, path) or {}) and not is_nested(schema_at(schema, (*path, 0)))


def nested_problem(
    name: str, source: str, schema: Mapping[str, Any], path: Path | None, target: str | CustomField | NewField
) -> str | None:
    """Return why a property can't fill a field by its schema, or ``None``.

    Text fields take objects and arrays as JSON. Identifiers, numbers and dates are single values.

    Args:
        name: Name of the field, as the mapping has it.
        source: The property, as the mapping has it.
        schema: Schema of the records.
        path: Steps to the property; ``None`` if the schema has no such property.
        target: The field.
    """
    inner = None if path is None else schema_at(schema, path)
    if path is None or inner is None or not is_nested(inner):
        return None
    if target == "alternate_emails":
        if may_hold_addresses(schema, path):
            return None
    elif isinstance(target, str):
        if target not in fields.IDENTIFIERS:
            return None
    elif target.field_type is FieldType.TEXT:
        return None
    wanted = "takes addresses" if target == "alternate_emails" else "takes a single value"
    return _sentence(name, source, schema, path, target, wanted)


def nested_warning(plan: PlannedField, schema: Mapping[str, Any]) -> str | None:
    """Return why a property is not likely to be meant for the reserved field that takes it, or ``None``."""
    is_text = isinstance(plan.target, str) and plan.target != "alternate_emails"
    if not is_text or not is_nested(schema_at(schema, plan.path)):
        return None
    return _sentence(plan.field, plan.source, schema, plan.path, plan.target, "is sent its JSON")


def _sentence(
    name: str, source: str, schema: Mapping[str, Any], path: Path, target: str | CustomField | NewField, wanted: str
) -> str:
    from target_sendgrid.mapping.advice import right_property  # noqa: PLC0415 - only errors and warnings need it

    words = ("mail", "address", "value") if "email" in str(target) else (*name.lower().split("_"), "value")
    right = right_property(target, schema) or path_inside(source, schema, path, words)
    advice = f"Map '{shown(right)}' instead." if right else "Map a property inside it instead."
    kinds = words_for(schema_at(schema, path) or {})
    return f"property '{shown(source)}' is {kinds}, and '{shown(name)}' {wanted}. {advice}"


def path_inside(source: str, schema: Mapping[str, Any], path: Path, words: Sequence[str]) -> str | None:
    """Return the likely path of the single value inside a nested property, or ``None`` if none is likely.

    Args:
        source: The property.
        schema: Schema of the records.
        path: Steps to the property.
        words: Parts of the names of inner properties that are likely to be meant, the likeliest first.
    """
    for _ in range(_MAX_DEPTH):
        inner = schema_at(schema, path)
        if inner is None or not is_nested(inner):
            return source
        step: str | int | None = 0 if "array" in kinds_of(inner) else _likely_name(schema, path, words)
        if step is None:
            return None
        source, path = f"{source}.{step}", (*path, step)
    return None


def _likely_name(schema: Mapping[str, Any], path: Path, words: Iterable[str]) -> str | None:
    names = property_paths(schema_at(schema, path) or {}, depth=1)
    kinds = {name: kinds_of(schema_at(schema, (*path, name)) or {}) for name in names}
    likely = [name for word in words for name in kinds if word in name.lower() and not kinds[name] <= _NO_TEXTS]
    texts = [name for name in kinds if "text" in kinds[name]]
    return next(iter(likely or (texts if len(texts) == 1 else [])), None)


def words_for(schema: Mapping[str, Any]) -> str:
    """Return what the values of a nested schema are, in words."""
    return " or ".join(_WORDS[kind] for kind in sorted(kinds_of(schema)))
