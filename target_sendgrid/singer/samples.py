"""What the first records of a stream show of its properties: names and types, never values."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

MAX_RECORDS = 100
"""Most records of a stream that are looked at."""

_MAX_DEPTH = 4
_MAX_NAMES = 500
"""Most names of an object: some hold data in the names of their properties."""

_TYPES: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (bool, "boolean"),
    (int, "integer"),
    ((float, Decimal), "number"),
    (str, "string"),
    (list, "array"),
    (dict, "object"),
)
"""Python's types and the JSON types that they are; a bool is an int, too, so it is first."""


class Sample:
    """A JSON schema of what the first records of a stream have."""

    def __init__(self) -> None:
        self.schema: dict[str, Any] = {}
        self._count = 0

    @property
    def is_full(self) -> bool:
        """Whether no more records are needed."""
        return self._count >= MAX_RECORDS

    def add(self, record: Mapping[str, Any]) -> None:
        """Note the names and types of a record."""
        self._count += 1
        _note(self.schema, record, _MAX_DEPTH)


def _note(schema: dict[str, Any], value: object, depth: int) -> None:
    kind = next((name for known, name in _TYPES if isinstance(value, known)), "null")
    types: list[str] = schema.setdefault("type", [])
    if kind not in types:
        types.append(kind)
    if depth and isinstance(value, Mapping):
        properties = schema.setdefault("properties", {})
        for name, inner in value.items():
            if name in properties or len(properties) < _MAX_NAMES:
                _note(properties.setdefault(name, {}), inner, depth - 1)
    elif depth and isinstance(value, list) and value:
        _note(schema.setdefault("items", {}), value[0], depth - 1)
