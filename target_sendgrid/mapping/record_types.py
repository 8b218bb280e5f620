"""JSON schemas as types that msgspec decodes records into: reading and checking in one step.

Only what such a type takes or refuses exactly as JSON Schema does is turned into one. A schema with any other rule has
no type, and its records are read and checked the ordinary way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Union

import msgspec

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from target_sendgrid.mapping.schemas import Path

_NOTES = frozenset({"title", "description", "default", "examples", "format", "$comment", "deprecated"})
"""Keywords that refuse no record; formats are not checked."""

_RULES = frozenset(
    {
        "type", "minLength", "maxLength", "minimum", "maximum", "items", "properties", "required",
        "additionalProperties",
    }
)  # fmt: skip

_INT64 = range(-(2**63), 2**63)


class NoTypeError(Exception):
    """The schema has no type."""


class RecordType:
    """The type for a stream's records.

    Args:
        schema: The stream's schema, which is a valid one.
        required: Properties that every record must have, besides those that the schema asks for.
        lengths: Least and most characters of texts, by where they stand, on top of what the schema says.

    Raises:
        NoTypeError: No type takes what this schema takes.
    """

    def __init__(
        self, schema: Mapping[str, Any], required: Collection[str], lengths: Mapping[Path, tuple[int, int | None]]
    ) -> None:
        self._lengths = dict(lengths)
        self.attributes: dict[Path, str] = {}
        """By where a property stands in a record: the attribute that holds it, with dots into inner objects."""
        self.kinds: dict[Path, frozenset[str]] = {}
        """By where a property stands: the JSON types that it may have."""
        _check(schema, "object" in schema.get("type", ["object"]))
        self.struct = self._object(schema, (), "", frozenset(required))

    def _object(
        self, schema: Mapping[str, Any], path: Path, prefix: str | None, required: frozenset[str]
    ) -> type[msgspec.Struct]:
        _check(schema, schema.keys() <= _RULES | _NOTES)
        properties = schema["properties"]
        required |= set(schema.get("required", ()))
        closed = schema.get("additionalProperties", True)
        _check(schema, required <= properties.keys() and (closed is True or closed is False))
        fields: list[Any] = []
        for number, (name, inner) in enumerate(properties.items()):
            attribute, place = f"f{number}", (*path, name)
            options = self._options(inner, place, None if prefix is None else f"{prefix}{attribute}.")
            if prefix is not None:  # which stands for the inside of arrays, that no attribute reaches
                self.attributes[place] = prefix + attribute
                self.kinds[place] = frozenset(options)
            kind: Any = Union[tuple(options.values())]  # noqa: UP007 - of what is known only now
            fields.append((attribute, kind) if name in required else (attribute, kind, None))
        names = {f"f{number}": name for number, name in enumerate(properties)}
        try:
            return msgspec.defstruct(
                "Record", fields, rename=names, kw_only=True, gc=False, forbid_unknown_fields=closed is False
            )
        except ValueError:  # a property whose name must be escaped in JSON
            raise NoTypeError(names) from None

    def _options(self, schema: object, path: Path, prefix: str | None) -> dict[str, Any]:
        """Return the type for each JSON type that a schema allows."""
        _check(schema, isinstance(schema, dict))
        found: dict[str, Any] = {}
        for kind, option in self._alternatives(schema, path, prefix):
            _check(schema, found.get(kind, option) == option)
            found[kind] = option
        _check(schema, bool(found))
        return found

    def _alternatives(self, schema: Any, path: Path, prefix: str | None) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - JSON
        if "anyOf" in schema:
            _check(schema, schema.keys() <= {"anyOf"} | _NOTES)
            for branch in schema["anyOf"]:
                _check(branch, isinstance(branch, dict))
                yield from self._alternatives(branch, path, prefix)
            return
        _check(schema, schema.keys() <= _RULES | _NOTES and "type" in schema)
        kinds = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
        for kind in kinds:
            yield kind, self._option(kind, schema, path, prefix)

    def _option(self, kind: str, schema: Mapping[str, Any], path: Path, prefix: str | None) -> Any:  # noqa: ANN401 - a type
        if kind == "string":
            least, most = self._lengths.get(path, (0, None))
            least = max(least, _whole(schema.get("minLength", 0)))
            mosts = [_whole(limit) for limit in (most, schema.get("maxLength")) if limit is not None]
            return Annotated[str, msgspec.Meta(min_length=least or None, max_length=min(mosts, default=None))]
        if kind == "integer":
            return Annotated[int, msgspec.Meta(ge=_bound(schema, "minimum"), le=_bound(schema, "maximum"))]
        if kind == "number":
            _check(schema, schema.keys().isdisjoint({"minimum", "maximum"}))
            return Union[int, float]  # noqa: UP007 - one way to write unions
        if kind == "array":
            inner = self._options(schema["items"], (*path, 0), None) if "items" in schema else {"any": Any}
            return list[Union[tuple(inner.values())]]  # type: ignore[misc]  # noqa: UP007 - of what is known only now
        if kind == "object" and "properties" in schema:
            return self._object(schema, path, prefix, frozenset())
        _check(schema, kind != "object" or schema.keys().isdisjoint({"required", "additionalProperties"}))
        return {"object": dict, "boolean": bool, "null": None}[kind]


def _check(schema: object, is_typed: bool) -> None:  # noqa: FBT001 - what is checked
    if not is_typed:
        raise NoTypeError(schema)


def _bound(schema: Mapping[str, Any], name: str) -> int | None:
    return _whole(schema[name]) if name in schema else None


def _whole(number: object) -> int:
    """Return a limit, if it is a whole number of 64 bits as it stands."""
    if type(number) is not int or number not in _INT64:
        raise NoTypeError(number)
    return number
