"""Questions to the JSON schema of a stream: which properties its records have, and of which type they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

Path: TypeAlias = tuple[str | int, ...]
"""Steps to a property: names into objects, numbers into arrays."""


def resolve_path(source: str, schema: Mapping[str, Any]) -> Path | None:
    """Return the path of a property, or ``None`` if the schema has no such property.

    Args:
        source: Name of the property, or names with dots in between for inner objects and numbers for items of arrays. A
            property whose name has dots takes precedence.
        schema: JSON schema of the records.
    """
    if source in _properties(schema):
        return (source,)
    path: list[str | int] = []
    for step in source.split("."):
        inner = schema_at(schema, path)
        if inner is not None:
            if step.isdecimal() and _is_array(inner):
                path.append(int(step))
                continue
            if not _may_have(inner, step):
                return None
        path.append(step)
    return tuple(path) if len(path) > 1 else None


def property_paths(schema: Mapping[str, Any], depth: int = 3) -> Iterator[str]:
    """Yield the names of all properties, those of inner objects with dots, down to a depth."""
    for branch in _branches(schema):
        for name, inner in _properties(branch).items():
            yield name
            if depth > 1 and isinstance(inner, dict):
                yield from (f"{name}.{deeper}" for deeper in property_paths(inner, depth - 1))


def objects_in(schema: object) -> Iterator[Mapping[str, Any]]:
    """Yield a schema and every object inside it, at any depth."""
    if isinstance(schema, dict):
        yield schema
        schema = list(schema.values())
    if isinstance(schema, list):
        for inner in schema:
            yield from objects_in(inner)


def _is_array(schema: Mapping[str, Any]) -> bool:
    return any("array" in _types(branch) or "items" in branch for branch in _branches(schema))


def _may_have(schema: Mapping[str, Any], name: str) -> bool:
    """Return whether an object of this schema may have that property. Without a list of properties, it may have any."""
    branches = _branches(schema)
    listed = set().union(*(_properties(branch) for branch in branches))
    if listed:
        return name in listed
    kinds = set().union(*(_types(branch) for branch in branches))
    return "object" in kinds or not kinds


def schema_at(schema: Mapping[str, Any], path: Sequence[str | int]) -> Mapping[str, Any] | None:
    """Return the schema of the value at a path, or ``None`` if the schema does not have one."""
    current = schema
    for step in path:
        inner = [
            branch.get("items") if isinstance(step, int) else _properties(branch).get(step)
            for branch in _branches(current)
        ]
        found = next((candidate for candidate in inner if isinstance(candidate, dict)), None)
        if found is None:
            return None
        current = found
    return current


def _branches(schema: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return a schema and its alternatives, such as those in the ``anyOf`` that taps write for nullable objects."""
    alternatives = [schema.get(keyword) for keyword in ("anyOf", "oneOf")]
    return [schema, *(branch for some in alternatives for branch in _list(some) if isinstance(branch, dict))]


def _properties(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    properties = schema.get("properties")
    return properties if isinstance(properties, dict) else {}


def _types(schema: Mapping[str, Any]) -> set[str]:
    kinds = schema.get("type")
    return {kinds} if isinstance(kinds, str) else {kind for kind in _list(kinds) if isinstance(kind, str)}


def _list(value: object) -> list[Any]:
    """Return a list unchanged, and an empty list for anything else, since schemas are not always validated."""
    return value if isinstance(value, list) else []
