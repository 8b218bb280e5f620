"""JSON schemas as types that msgspec decodes records into: decoding and validation in one step.

Only a schema whose rules such a type checks exactly as JSON Schema says is turned into one. The records of any other
schema take the slow path.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, Union

import msgspec

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from target_sendgrid.mapping.schemas import Path

_NOTES = frozenset({"title", "description", "default", "examples", "format", "$comment", "deprecated"})
"""Keywords that reject no record; formats are not validated."""

_RULES = frozenset(
    {
        "type", "minLength", "maxLength", "minimum", "maximum", "items", "properties", "required",
        "additionalProperties",
    }
)  # fmt: skip
"""Keywords that a type checks."""

_NO_TEXT = Annotated[str, msgspec.Meta(min_length=1, max_length=0)]
"""A type that no value has."""

_INT64 = range(-(2**63), 2**63)


class NoFastPathError(Exception):
    """There is no type for the schema."""


class TypedProperty(NamedTuple):
    """A property of a record, as the record's type has it."""

    attribute: str
    """Attribute that holds the value, with dots into inner objects."""
    json_types: frozenset[str]
    """JSON types that the value may have."""


class RecordType:
    """The type of a stream's records.

    Args:
        schema: The stream's schema. It must be a valid JSON schema.
        required: Properties that every record must have, besides those that the schema requires.
        lengths: Least and most characters of texts by path, in addition to the rules of the schema.
        nulls: Properties that the record must not have, or only as null.

    Raises:
        NoFastPathError: No type accepts exactly what this schema accepts.
    """

    def __init__(
        self,
        schema: Mapping[str, Any],
        required: Collection[str],
        lengths: Mapping[Path, tuple[int, int]],
        nulls: Collection[str] = (),
    ) -> None:
        self._lengths = dict(lengths)
        self._nulls = nulls
        self.properties: dict[Path, TypedProperty] = {}
        """All properties by path, without those inside arrays."""
        _check("object" in schema.get("type", ["object"]))
        self.struct = self._object(schema, (), "", frozenset(required))

    def _object(
        self, schema: Mapping[str, Any], path: Path, prefix: str | None, required: frozenset[str]
    ) -> type[msgspec.Struct]:
        """Return the type of an object.

        Args:
            schema: Schema of the object.
            path: Path of the object.
            prefix: Attribute that holds the object, with a dot at its end; empty for the record itself; ``None`` inside
                an array, where attributes do not reach.
            required: Properties that the object must have, besides those that the schema requires.
        """
        _check(schema.keys() <= _RULES | _NOTES)
        properties = schema.get("properties", {})
        required |= set(schema.get("required", ()))
        has_others = schema.get("additionalProperties", True)
        _check(required <= properties.keys() and (has_others is True or has_others is False))
        fields: list[Any] = []
        for number, (name, inner) in enumerate(properties.items()):
            attribute, inner_path = f"f{number}", (*path, name)
            options = self._options(inner, inner_path, None if prefix is None else f"{prefix}{attribute}.")
            if not path and name in self._nulls:
                options = {"null": None} if "null" in options else {"string": _NO_TEXT}
            if prefix is not None:
                self.properties[inner_path] = TypedProperty(prefix + attribute, frozenset(options))
            union: Any = Union[tuple(options.values())]  # noqa: UP007 - a union of types that are known at run time only
            fields.append((attribute, union) if name in required else (attribute, union, None))
        names = {f"f{number}": name for number, name in enumerate(properties)}
        if not path and has_others:
            for name in set(self._nulls) - properties.keys():
                attribute = f"f{len(names)}"
                names[attribute] = name
                fields.append((attribute, None, None))
        try:
            return msgspec.defstruct(
                "Record", fields, rename=names, kw_only=True, gc=False, forbid_unknown_fields=has_others is False
            )
        except ValueError:  # msgspec supports no property whose name must be escaped in JSON
            raise NoFastPathError from None

    def _options(self, schema: object, path: Path, prefix: str | None) -> dict[str, Any]:
        """Return the type for each JSON type that a schema allows."""
        _check(isinstance(schema, dict))
        found: dict[str, Any] = {}
        for json_type, option in self._alternatives(schema, path, prefix):
            _check(found.get(json_type, option) == option)
            found[json_type] = option
        _check(bool(found))
        return found

    def _alternatives(self, schema: Any, path: Path, prefix: str | None) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - JSON
        if "anyOf" in schema:
            _check(schema.keys() <= {"anyOf"} | _NOTES)
            for branch in schema["anyOf"]:
                _check(isinstance(branch, dict))
                yield from self._alternatives(branch, path, prefix)
            return
        _check(schema.keys() <= _RULES | _NOTES and "type" in schema)
        json_types = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
        for json_type in json_types:
            yield json_type, self._option(json_type, schema, path, prefix)

    def _option(self, json_type: str, schema: Mapping[str, Any], path: Path, prefix: str | None) -> Any:  # noqa: ANN401 - a type
        if json_type == "string":
            return self._text(schema, path)
        if json_type == "integer":
            return Annotated[int, msgspec.Meta(ge=_bound(schema, "minimum"), le=_bound(schema, "maximum"))]
        if json_type == "number":
            _check(schema.keys().isdisjoint({"minimum", "maximum"}))
            return Union[int, float]  # noqa: UP007 - all unions here are written alike
        if json_type == "array":
            inner = self._options(schema["items"], (*path, 0), None) if "items" in schema else {"any": Any}
            return list[Union[tuple(inner.values())]]  # type: ignore[misc]  # noqa: UP007 - known at run time only
        if json_type == "object" and "properties" in schema:
            return self._object(schema, path, prefix, frozenset())
        _check(json_type != "object" or schema.keys().isdisjoint({"required", "additionalProperties"}))
        return {"object": dict, "boolean": bool, "null": None}[json_type]

    def _text(self, schema: Mapping[str, Any], path: Path) -> Any:  # noqa: ANN401 - a type
        least, most = self._lengths.get(path, (0, sys.maxsize))
        least = max(least, _bound(schema, "minLength") or 0)
        limit = _bound(schema, "maxLength")
        most = most if limit is None else min(most, limit)
        return Annotated[str, msgspec.Meta(min_length=least or None, max_length=None if most == sys.maxsize else most)]


def _check(has_type: bool) -> None:  # noqa: FBT001 - the condition itself
    """Raise `NoFastPathError` unless a condition holds."""
    if not has_type:
        raise NoFastPathError


def _bound(schema: Mapping[str, Any], keyword: str) -> int | None:
    """Return the value of a keyword, ``None`` without the keyword.

    Raises:
        NoFastPathError: It is not a whole number of 64 bits.
    """
    number = schema.get(keyword)
    if keyword in schema and (type(number) is not int or number not in _INT64):
        raise NoFastPathError
    return number
