"""What a stream's JSON schema says about the properties of its records, and of what stands inside them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from target_sendgrid.sendgrid.fields import FieldType

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

Path: TypeAlias = tuple[str | int, ...]
"""Steps to a property: names into objects, numbers into arrays."""


def resolve_path(source: str, schema: Mapping[str, Any]) -> Path | None:
    """Return the steps to a property: a name as it stands, else dots into objects and numbers into arrays."""
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
    """Yield the properties that a mapping may name, those of objects with dots, down to some depth."""
    for branch in _branches(schema):
        for name, inner in _properties(branch).items():
            yield name
            if depth > 1 and isinstance(inner, dict):
                yield from (f"{name}.{deeper}" for deeper in property_paths(inner, depth - 1))


def objects_in(schema: object) -> Iterator[Mapping[str, Any]]:
    """Yield a schema and every object inside it, wherever it stands."""
    if isinstance(schema, dict):
        yield schema
        schema = list(schema.values())
    if isinstance(schema, list):
        for inner in schema:
            yield from objects_in(inner)


def _is_array(schema: Mapping[str, Any]) -> bool:
    return any("array" in _types(branch) or "items" in branch for branch in _branches(schema))


def _may_have(schema: Mapping[str, Any], name: str) -> bool:
    """Return whether an object of this schema may have that property; a schema that lists none tells nothing."""
    branches = _branches(schema)
    listed = set().union(*(_properties(branch) for branch in branches))
    if listed:
        return name in listed
    kinds = set().union(*(_types(branch) for branch in branches))
    return "object" in kinds or not kinds


def schema_at(schema: Mapping[str, Any], path: Sequence[str | int]) -> Mapping[str, Any] | None:
    """Return the schema of what stands at a path, or ``None`` where the schema does not say."""
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
    """Return a schema with its alternatives, such as the ``anyOf`` that taps write for nullable objects."""
    alternatives = [schema.get(keyword) for keyword in ("anyOf", "oneOf")]
    return [schema, *(branch for some in alternatives for branch in _list(some) if isinstance(branch, dict))]


def _properties(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    properties = schema.get("properties")
    return properties if isinstance(properties, dict) else {}


def _types(schema: Mapping[str, Any]) -> set[str]:
    kinds = schema.get("type")
    return {kinds} if isinstance(kinds, str) else {kind for kind in _list(kinds) if isinstance(kind, str)}


def _list(value: object) -> list[Any]:
    """Return a list as it is, and nothing of what should be one: schemas may go unchecked by the SDK."""
    return value if isinstance(value, list) else []


def type_for(schema: Mapping[str, Any] | None) -> FieldType:
    """Return the custom-field type for values of a schema: dates and numbers as such, all else as text."""
    if schema is None:
        return FieldType.TEXT
    branches = _branches(schema)
    kinds = set().union(*(_types(branch) for branch in branches)) - {"null"}
    formats = {str(branch["format"]) for branch in branches if "format" in branch}
    if kinds and kinds <= {"integer", "number"}:
        return FieldType.NUMBER
    if kinds == {"string"} and formats and formats <= {"date", "date-time"}:
        return FieldType.DATE
    return FieldType.TEXT
