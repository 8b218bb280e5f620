"""JSON schemas of taps, in parts: which keywords hold schemas, and a schema cut to what is needed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeAlias

from target_sendgrid.mapping.schemas import inner_schemas, objects_in, properties_of, referenced

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from target_sendgrid.mapping.schemas import Path

_Steps: TypeAlias = "dict[str | int, _Steps | None]"
"""Paths as a tree. ``None`` is the end of a path: what is there stays whole."""

REFERENCES = ("$ref", "$dynamicRef")
"""Keywords that refer to another part of the schema."""

NOTES: Mapping[str, type] = {
    **dict.fromkeys(("$comment", "contentEncoding", "contentMediaType", "description", "format", "title"), str),
    **dict.fromkeys(("deprecated", "readOnly", "writeOnly"), bool),
    "examples": list,
}
"""Keywords that only say something about values, with the type that they must have."""

_SCHEMA_KEYWORDS = frozenset(
    {
        "additionalItems", "additionalProperties", "contains", "contentSchema", "else", "if", "items", "not",
        "propertyNames", "then", "unevaluatedItems", "unevaluatedProperties",
    }
)  # fmt: skip
"""Keywords whose value is a schema. That of `items` was a list of schemas in older drafts."""

_LIST_KEYWORDS = frozenset({"allOf", "anyOf", "items", "oneOf", "prefixItems"})
"""Keywords whose value is a list of schemas."""

_MAP_KEYWORDS = frozenset(
    {"$defs", "definitions", "dependencies", "dependentSchemas", "patternProperties", "properties"}
)
"""Keywords whose value has a schema for each of some names. In `dependencies`, it may also be a list of names."""

_MAX_ITEMS = 100
"""How many items of an array may be mapped and validated. Later ones are mapped only."""


_MAX_FOLLOWED = 1_000
"""How many references on the way are followed: each may lead to two others, and these to four."""


def project(schema: Mapping[str, Any], paths: Iterable[Path]) -> dict[str, Any]:
    """Return a schema that says of some properties what the whole schema says, and nothing of all others.

    The schema of a property at the end of a path stays whole, with its references inside the result. Of the objects and
    arrays on the way, only the type, and of what they require the names on the paths, stay. Where the way leads through
    alternatives or other combined schemas, such as the ``anyOf`` of a nullable object, each is cut, and ``oneOf``
    becomes ``anyOf``, since two alternatives may be the same once they are cut. So no record is rejected that the whole
    schema accepts.

    Args:
        schema: A schema of draft 2020-12, which is not changed. It need not be valid.
        paths: Paths of the properties. Those that the schema does not list add nothing.
    """
    return _Projection(schema).of(_tree(paths))


def extract(schema: Mapping[str, Any], part: object) -> dict[str, Any]:
    """Return a part of a schema as a schema of its own, with the definitions that it refers to.

    Args:
        schema: The whole schema.
        part: A schema inside it, which may be a boolean.
    """
    return _Projection(schema).whole(part)


def parts_of(schema: Mapping[str, Any]) -> Iterator[tuple[Path, object]]:
    """Yield the schemas inside a schema, each with the steps that lead to it. Those inside them are not included."""
    for keyword, value in schema.items():
        if keyword in _LIST_KEYWORDS and isinstance(value, list):
            yield from (((keyword, number), part) for number, part in enumerate(value))
        elif keyword in _MAP_KEYWORDS and isinstance(value, dict):
            yield from (((keyword, name), part) for name, part in value.items())
        elif keyword in _SCHEMA_KEYWORDS:
            yield (keyword,), value


def with_parts(schema: Mapping[str, Any], change: Callable[[object], object]) -> dict[str, Any]:
    """Return a copy of a schema in which each of the schemas inside it is replaced.

    Args:
        schema: The schema.
        change: Returns the replacement of an inner schema, which may be any JSON where the schema is not valid.
    """
    result = dict(schema)
    for path, part in parts_of(schema):
        keyword = str(path[0])
        if len(path) == 1:
            result[keyword] = change(part)
            continue
        if result[keyword] is schema[keyword]:
            result[keyword] = schema[keyword].copy()
        result[keyword][path[1]] = change(part)
    return result


def add_alternatives(schema: dict[str, Any], alternatives: Sequence[object]) -> None:
    """Make a schema require that a value matches one of some schemas, besides what it requires already."""
    if "anyOf" in schema:
        add_all(schema, [{"anyOf": alternatives}])
    else:
        schema["anyOf"] = alternatives


def add_all(schema: dict[str, Any], others: Sequence[object]) -> None:
    """Make a schema require that a value matches all of some schemas, besides what it requires already."""
    known = schema.get("allOf")
    schema["allOf"] = [*(known if isinstance(known, list) else []), *others]


class _Projection:
    """Cuts one schema.

    Args:
        root: The whole schema.
    """

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self._definitions: dict[str, Any] = {}
        self._names: dict[str, str] = {}
        """Name of the definition for each reference."""
        self._followed = 0
        """Number of references on the way that were followed."""

    def of(self, steps: _Steps) -> dict[str, Any]:
        """Return the schema cut to some steps."""
        result: dict[str, Any] = {"properties": {}, **self._cut(self._root, steps, frozenset())}
        return result | {"$defs": self._definitions} if self._definitions else result

    def whole(self, part: object) -> dict[str, Any]:
        """Return a part of the schema, with the definitions that it refers to."""
        kept = self._kept(part)
        result = kept if isinstance(kept, dict) else {"allOf": [kept]}
        return result | {"$defs": self._definitions} if self._definitions else result

    def _part(self, schema: Any, steps: _Steps | None, references: frozenset[object] = frozenset()) -> Any:  # noqa: ANN401 - JSON
        if not isinstance(schema, dict):
            return schema
        return self._kept(schema) if steps is None else self._cut(schema, steps, references)

    def _cut(self, schema: Mapping[str, Any], steps: _Steps, references: frozenset[object]) -> dict[str, Any]:
        """Return the schema of an object or array on the way, cut to some steps.

        Args:
            schema: The schema.
            steps: The steps into it.
            references: References that led to it. They are not followed again.
        """
        result = {keyword: schema[keyword] for keyword in ("type",) if keyword in schema}
        result |= self._properties(schema, steps)
        items = self._items(schema, steps)
        if items:
            result["prefixItems"] = items
        found = {*properties_of(schema), *(number for number, item in enumerate(items) if item is not True)}
        others = {step: deeper for step, deeper in steps.items() if step not in found}
        for keyword in REFERENCES:
            if others and keyword in schema:
                self._follow(schema[keyword], keyword, result, others, references)
        for keyword in ("allOf", "anyOf", "oneOf"):
            parts = schema[keyword] if isinstance(schema.get(keyword), list) else []
            inner = self._leading(parts, others)
            if inner:
                cut = [self._part(part, inner, references) for part in parts]
                (add_all if keyword == "allOf" else add_alternatives)(result, cut)
        return result

    def _properties(self, schema: Mapping[str, Any], steps: _Steps) -> dict[str, Any]:
        """Return the keywords about the properties of an object that some steps lead to."""
        result: dict[str, Any] = {}
        properties = properties_of(schema)
        names = [name for name in properties if name in steps]
        if names:
            result["properties"] = {name: self._part(properties[name], steps[name]) for name in names}
        listed = schema.get("required")
        required = (
            [name for name in listed if isinstance(name, str) and name in steps] if isinstance(listed, list) else []
        )
        if required:
            result["required"] = required
        # What is not valid stays and is reported, since nothing is known of the properties then.
        for keyword, kind in (("properties", dict), ("required", list)):
            if not isinstance(schema.get(keyword, kind()), kind):
                result[keyword] = schema[keyword]
        return result

    def _items(self, schema: Mapping[str, Any], steps: _Steps) -> list[object]:
        """Return the schemas of the items of an array up to the last one that a step leads to."""
        found: dict[int, object] = {}
        own = {keyword: schema[keyword] for keyword in ("items", "prefixItems") if keyword in schema}
        for step, deeper in steps.items():
            if isinstance(step, int) and step < _MAX_ITEMS:
                for item in inner_schemas(self._root, own, step):
                    found[step] = self._part(item, deeper)
        return [found.get(number, True) for number in range(max(found, default=-1) + 1)]

    def _follow(
        self,
        reference: object,
        keyword: str,
        result: dict[str, Any],
        steps: _Steps,
        references: frozenset[object],
    ) -> None:
        """Add what a reference on the way leads to."""
        target = referenced(self._root, reference)
        if target is None:
            result[keyword] = reference  # to be reported: the steps are not found without it
        elif reference not in references and self._followed < _MAX_FOLLOWED:
            self._followed += 1
            inner = self._leading([target], steps)
            cut = self._part(target, inner, references | {reference})
            if inner and isinstance(cut, dict):
                if result:
                    add_all(result, [cut])
                else:
                    result |= cut

    def _leading(self, parts: Sequence[object], steps: _Steps) -> _Steps:
        """Return those steps that lead into any of some schemas."""
        schemas = [part for part in parts if isinstance(part, dict)]
        return {
            step: deeper
            for step, deeper in steps.items()
            if any(True for part in schemas for _ in inner_schemas(self._root, part, step))
        }

    def _kept(self, schema: Any) -> Any:  # noqa: ANN401 - JSON
        """Return a whole schema whose references do not leave the result."""
        if not isinstance(schema, dict):
            return schema
        left_out = {"$anchor", "$dynamicAnchor", "$defs", "definitions"}
        result = with_parts({word: value for word, value in schema.items() if word not in left_out}, self._kept)
        for keyword in REFERENCES:
            target = referenced(self._root, schema.get(keyword))
            if target is None:
                continue  # nothing to do, or a reference to nothing, which is reported
            if isinstance(target, dict) and not _refers(target) and result.keys() <= {keyword, *NOTES}:
                del result[keyword]
                return {**self._kept(target), **result}
            result[keyword] = f"#/$defs/{self._defined(schema[keyword], target)}"
        return result

    def _defined(self, reference: str, target: object) -> str:
        """Return the name of the definition for a reference, which is made when it is first asked for."""
        name = self._names.get(reference)
        if name is None:
            name = re.sub("[^A-Za-z0-9]+", "_", reference.rpartition("/")[2]).strip("_") or "root"
            while name in self._definitions:
                name += "_"
            self._names[reference] = name
            self._definitions[name] = True  # until it is made: it may refer to itself
            self._definitions[name] = self._kept(target)
        return name


def _tree(paths: Iterable[Path]) -> _Steps:
    """Return paths as a tree. What begins with another path is left out, since the end of that one stays whole."""
    root: _Steps = {}
    for path in paths:
        steps: _Steps | None = root
        for step in path[:-1]:
            steps = steps.setdefault(step, {}) if steps is not None else None
        if steps is not None and path:
            steps[path[-1]] = None
    return root


def _refers(schema: object) -> bool:
    return any(keyword in part for part in objects_in(schema) for keyword in REFERENCES)
