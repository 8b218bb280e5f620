"""Questions to the JSON schema of a stream: which properties its records have, and of which type they are."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import unquote

from target_sendgrid.wording import suggest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

Path: TypeAlias = tuple[str | int, ...]
"""Steps to a property: names into objects, numbers into arrays."""

JSON_TYPES = ("array", "boolean", "integer", "null", "number", "object", "string")
"""The values of ``type``."""

_MISSPELT = 0.7
"""How much of the names of two properties must be the same for one to be taken for the other, misspelt.

It is 0.75 for `mail` and `mial`, but 0.67 for `code` and `score`.
"""

_MAX_INNER_PATHS = 5_000
"""How many properties of inner objects are named: a schema that refers to itself has no end of them."""

_NamedSchema: TypeAlias = "tuple[str, Any]"
"""Name of a property, or what the names of an object's properties begin with, and the schema of it."""

_COMBINING = ("allOf", "anyOf", "oneOf")
"""Keywords whose schemas are about the same value as the schema around them."""

_ITEMS = frozenset({"items", "prefixItems"})
"""Keywords about the items of an array."""


def resolve_path(source: str, schema: Mapping[str, Any]) -> Path | None:
    """Return the path of a property, or ``None`` if the schema has no such property.

    A property that the schema does not list may be in the records all the same, unless the schema says
    ``additionalProperties: false``, or lists a similar name: then the name is probably misspelt. Where the schema says
    that it lists only a part, a similar name proves nothing (`lists_a_part`).

    Args:
        source: Name of the property, or names with dots in between for inner objects and numbers for items of arrays. A
            listed property whose name has dots takes precedence.
        schema: JSON schema of the records.
    """
    if is_listed(schema, (source,)):
        return (source,)
    path: list[str | int] = []
    may_be_misspelt = False
    for step in source.split("."):
        inner = schema_at(schema, path)  # `None` in objects of which the schema says nothing
        if inner is not None and step.isdecimal() and _is_array(inner):
            path.append(int(step))
            continue
        if not is_listed(schema, [*path, step]):
            if not step or (inner is not None and not _may_have(inner, step)):
                return None
            may_be_misspelt = may_be_misspelt or (inner is not None and not lists_a_part(inner))
        path.append(step)
    return None if may_be_misspelt and _is_near(source, list(property_paths(schema))) else tuple(path)


def is_listed(schema: Mapping[str, Any], path: Sequence[str | int]) -> bool:
    """Return whether a schema lists the property at a path, or describes the items of the array there."""
    *outer, last = path
    inner = schema_at(schema, outer)
    return inner is not None and any(True for _ in inner_schemas(schema, inner, last))


def schema_at(schema: Mapping[str, Any], path: Sequence[str | int]) -> Mapping[str, Any] | None:
    """Return the schema of the value at a path, or ``None`` if the schema does not have one.

    References are replaced by what they refer to, except those inside inner properties and items.
    """
    current = schema
    for step in path:
        found = [inner for inner in inner_schemas(schema, current, step) if isinstance(inner, dict)]
        if not found:
            return None
        current = found[0] if len(found) == 1 else {"anyOf": found}
    return _without_references(schema, current, set())


def property_paths(schema: Mapping[str, Any], depth: int = 3) -> Iterator[str]:
    """Yield the names of all properties, then those of inner objects with dots, down to a depth and up to a number."""
    yield from (name for name, _ in _properties_in(schema, [("", schema)]))
    yield from itertools.islice(_inner_paths(schema, depth), _MAX_INNER_PATHS)


def inner_schemas(root: Mapping[str, Any], schema: Mapping[str, Any], step: str | int) -> Iterator[object]:
    """Yield the schemas that a schema and its branches have for a property or for an item of an array.

    Args:
        root: The whole schema, for references.
        schema: The schema, which is a part of it.
        step: Name of the property, or number of the item.
    """
    for branch in branches_of(_without_references(root, schema, set())):
        if isinstance(step, str):
            properties = properties_of(branch)
            if step in properties:
                yield properties[step]
            continue
        items = branch.get("items")
        first = items if isinstance(items, list) else _list(branch.get("prefixItems"))
        if step < len(first):
            yield first[step]
        elif "items" in branch and not isinstance(items, list):
            yield items


def referenced(root: Mapping[str, Any], reference: object) -> object:
    """Return the part of a schema that a reference refers to, or ``None`` if the schema has no such part.

    Args:
        root: The whole schema.
        reference: Value of ``$ref``, such as ``#/definitions/address``.
    """
    if not isinstance(reference, str) or not reference.startswith("#"):
        return None
    fragment = unquote(reference[1:])
    if fragment and not fragment.startswith("/"):
        anchors = ("$anchor", "$dynamicAnchor")
        return next((part for part in objects_in(root) for anchor in anchors if part.get(anchor) == fragment), None)
    found: object = root
    for escaped in fragment.split("/")[1:]:
        step = escaped.replace("~1", "/").replace("~0", "~")
        parts = found if isinstance(found, dict) else {str(number): part for number, part in enumerate(_list(found))}
        found = parts.get(step)
    return found


def objects_in(schema: object) -> Iterator[Mapping[str, Any]]:
    """Yield a schema and every object inside it, at any depth."""
    if isinstance(schema, dict):
        yield schema
        schema = list(schema.values())
    if isinstance(schema, list):
        for inner in schema:
            yield from objects_in(inner)


def branches_of(schema: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return a schema and those combined in it, such as those in the ``anyOf`` that taps write for nullable objects."""
    inner = [branch for keyword in _COMBINING for branch in _list(schema.get(keyword)) if isinstance(branch, dict)]
    return [schema, *(part for branch in inner for part in branches_of(branch))]


def properties_of(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the schemas of the properties that a schema lists itself."""
    return _dict(schema.get("properties"))


def types_of(schema: Mapping[str, Any]) -> set[str]:
    """Return the JSON types that a schema names itself."""
    kinds = schema.get("type")
    return {kinds} if isinstance(kinds, str) else {kind for kind in _list(kinds) if isinstance(kind, str)}


def _inner_paths(schema: Mapping[str, Any], depth: int) -> Iterator[str]:
    """Yield the names of properties of inner objects, with dots, down to a depth."""
    outer: Iterable[_NamedSchema] = _properties_in(schema, [("", schema)])
    for _ in range(depth - 1):
        objects = [(f"{name}.", inner) for name, inner in outer if isinstance(inner, dict)]
        yield from (name for name, _ in _properties_in(schema, objects))
        outer = _properties_in(schema, objects)


def _properties_in(root: Mapping[str, Any], objects: Iterable[_NamedSchema]) -> Iterator[_NamedSchema]:
    """Yield the properties of some objects, each with its whole name.

    Args:
        root: The whole schema, for references.
        objects: What the names of its properties begin with, and the schema of each object.
    """
    for prefix, schema in objects:
        for branch in branches_of(_without_references(root, schema, set())):
            yield from ((prefix + name, inner) for name, inner in properties_of(branch).items())


def _is_near(source: str, listed: Sequence[str]) -> bool:
    """Return whether a name is probably a misspelt name of a property, or lacks the objects that the property is in."""
    if suggest(source, listed, nearness=_MISSPELT):
        return True
    last_name = source.rsplit(".", maxsplit=1)[-1]
    return bool(suggest(source, [path for path in listed if path.split(".")[-1] == last_name]))


def _is_array(schema: Mapping[str, Any]) -> bool:
    return any("array" in types_of(branch) or not _ITEMS.isdisjoint(branch) for branch in branches_of(schema))


def _may_have(schema: object, name: str) -> bool:
    """Return whether a value of this schema may have a property that the schema does not list."""
    if not isinstance(schema, dict):
        return schema is not False
    kinds = types_of(schema)
    is_closed = schema.get("additionalProperties") is False and name not in properties_of(schema)
    if (kinds and "object" not in kinds) or (is_closed and not _dict(schema.get("patternProperties"))):
        return False
    alternatives = [_list(schema.get(keyword)) for keyword in ("anyOf", "oneOf")]
    return all(_may_have(part, name) for part in _list(schema.get("allOf"))) and all(
        any(_may_have(part, name) for part in parts) for parts in alternatives if parts
    )


def lists_a_part(schema: Mapping[str, Any]) -> bool:
    """Return whether a schema says that objects have more properties than it lists.

    Taps that guess schemas from records say so with an empty alternative, of the object or of some property.
    """
    branches = branches_of(schema)
    listed = [inner for branch in branches for inner in properties_of(branch).values()]
    return (
        not listed
        or any(branch.get("additionalProperties", False) is not False for branch in branches)
        or any(_dict(branch.get("patternProperties")) for branch in branches)
        or any(_has_empty_alternative(inner) for inner in [schema, *listed])
    )


def _has_empty_alternative(schema: object) -> bool:
    branches = branches_of(schema) if isinstance(schema, dict) else []
    return any(
        part in ({}, True) for branch in branches for word in ("anyOf", "oneOf") for part in _list(branch.get(word))
    )


def _without_references(root: Mapping[str, Any], schema: Mapping[str, Any], seen: set[str]) -> Mapping[str, Any]:
    """Return a schema with its own references, and those of its branches, replaced by what they refer to.

    Args:
        root: The whole schema.
        schema: The schema, which is a part of it.
        seen: References that were replaced before. They are left out, or a reference to itself would never end.
    """
    reference = schema.get("$ref")
    combined = {keyword: schema[keyword] for keyword in _COMBINING if isinstance(schema.get(keyword), list)}
    if reference is None and not combined:
        return schema
    result = {keyword: value for keyword, value in schema.items() if keyword != "$ref"}
    for keyword, parts in combined.items():
        result[keyword] = [_without_references(root, part, seen) if isinstance(part, dict) else part for part in parts]
    target = None if not isinstance(reference, str) or reference in seen else referenced(root, reference)
    if isinstance(target, dict):
        seen.add(str(reference))
        target = _without_references(root, target, seen)
        if not result:
            return target
        result["allOf"] = [*_list(result.get("allOf")), target]
    return result


def _dict(value: object) -> Mapping[str, Any]:
    """Return an object unchanged, and an empty one for anything else, since schemas are not always valid."""
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    """Return a list unchanged, and an empty list for anything else, since schemas are not always valid."""
    return value if isinstance(value, list) else []
