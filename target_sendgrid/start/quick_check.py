"""A quick look at whether a value fits a JSON schema, for the settings: loading a real validator takes far longer.

It only accepts. Whether anything else fits has to be asked of a real validator.
"""

from __future__ import annotations

import operator
from types import NoneType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_CLASSES: Mapping[str, tuple[type, ...]] = {
    "array": (),
    "boolean": (bool,),
    "integer": (int,),
    "null": (NoneType,),
    "number": (int, float),
    "object": (dict,),
    "string": (str,),
}
"""The classes of Python's values of each type. Nothing is sure to be a good array, since nothing looks into one."""

_BOUNDS: Mapping[str, Callable[[float, float], bool]] = {
    "exclusiveMinimum": operator.gt,
    "maximum": operator.le,
    "minimum": operator.ge,
}

_NOTES = frozenset({"$schema", "default", "description", "examples", "secret", "title", "writeOnly"})
"""Keywords that only say something about values."""

_KNOWN = frozenset({"additionalProperties", "enum", "properties", "required", "type", *_BOUNDS, *_NOTES})
"""Keywords that are understood. Nothing is sure to fit a schema with another."""


def surely_fits(value: Any, schema: Any) -> bool:  # noqa: ANN401 - JSON
    """Return whether a value is sure to fit a schema.

    Args:
        value: The value, as JSON is decoded.
        schema: A valid schema of draft 2020-12.
    """
    if isinstance(schema, bool):
        return schema
    if not _has_type(value, schema) or not schema.keys() <= _KNOWN:
        return False
    if "enum" in schema and not (isinstance(value, (str, NoneType)) and value in schema["enum"]):
        return False
    if isinstance(value, dict):
        properties, others = schema.get("properties", {}), schema.get("additionalProperties", True)
        has_required = all(name in value for name in schema.get("required", ()))
        return has_required and all(surely_fits(part, properties.get(name, others)) for name, part in value.items())
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return not is_number or all(
        keyword not in schema or keeps(value, schema[keyword]) for keyword, keeps in _BOUNDS.items()
    )


def _has_type(value: object, schema: Mapping[str, Any]) -> bool:
    names = schema.get("type", [])
    return any(type(value) in _CLASSES[name] for name in ([names] if isinstance(names, str) else names))
