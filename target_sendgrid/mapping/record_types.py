"""JSON schemas as types that msgspec decodes records into: decoding and validation in one step.

A type may accept less than its schema, never more: what it does not accept takes the slow path, which decides. A
property whose schema has rules that no type expresses is decoded as any JSON value and checked afterwards.
"""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, Union, get_args

import msgspec

from target_sendgrid.mapping.record_sources import UNCHANGED

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from decimal import Decimal

    from target_sendgrid.mapping.record_sources import RecordSources
    from target_sendgrid.mapping.schemas import Path

_BOUNDS = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"})

_RULES_OF_TYPES: Mapping[str, frozenset[str]] = {
    "string": frozenset({"minLength", "maxLength", "pattern"}),
    "integer": _BOUNDS | {"multipleOf"},
    "number": _BOUNDS | {"multipleOf"},
    "boolean": frozenset(),
    "null": frozenset(),
    "array": frozenset(
        {"items", "prefixItems", "minItems", "maxItems", "uniqueItems", "contains", "unevaluatedItems"}
    ),
    "object": frozenset(
        {
            "properties", "required", "additionalProperties", "patternProperties", "propertyNames", "minProperties",
            "maxProperties", "dependentRequired", "dependentSchemas", "unevaluatedProperties",
        }
    ),
}  # fmt: skip
"""Keywords that apply to the values of one JSON type only."""

_RULES_OF_ONE_TYPE = frozenset().union(*_RULES_OF_TYPES.values())

RULES = _RULES_OF_ONE_TYPE | {
    "type", "enum", "const", "allOf", "anyOf", "oneOf", "not", "if", "$ref", "$dynamicRef",
}  # fmt: skip
"""Keywords of draft 2020-12 that can reject a value, as far as they do so alone: ``then`` and ``else`` need ``if``, and
``minContains`` and ``maxContains`` need ``contains``. All others are annotations; formats are not validated.
"""

_TYPED_RULES: Mapping[str, frozenset[str]] = {
    "string": frozenset({"minLength", "maxLength"}),
    "integer": _BOUNDS,
    "number": frozenset(),
    "boolean": frozenset(),
    "null": frozenset(),
    "array": frozenset({"items"}),
    "object": frozenset({"properties", "required", "additionalProperties"}),
}
"""Keywords that msgspec's types can express."""

_NO_TEXT = Annotated[str, msgspec.Meta(min_length=1, max_length=0)]
"""A type that no value has."""

_MAX_PROPERTIES = 200
"""Most properties of an object: where they come in another order than here, msgspec searches all for each of them."""

_MIN_INT64, _MAX_INT64 = -(2**63), 2**63 - 1


class NoFastPathError(Exception):
    """There is no type for the schema."""


class _Option(NamedTuple):
    """The type for one of the JSON types that a schema allows."""

    type: Any
    keeps_digits: bool = True
    """Whether numbers in it are decoded with all their digits."""


class RecordProperty(NamedTuple):
    """A property of a record, as the record's type has it."""

    attribute: str
    """Attribute that holds the value, with dots into inner objects."""
    json_types: frozenset[str] | None
    """JSON types that the value may have. ``None``: it is any JSON value, as the slow path would decode it."""
    rules: object = None
    """Schema that the value must still be checked against; ``None`` if the type says all that the schema does."""


class RecordType:
    """The type of a stream's records.

    Attributes of optional properties that a record does not have are ``None``, or ``UNSET`` if `tells_absent` is set or
    the property may have any value.

    Args:
        schema: The stream's schema. It must be a valid JSON schema.
        sources: What else is expected of the records.
        paths: Properties of the records that are mapped. Those that the schema does not list may have any value.
        lengths: Least and most characters of texts by path, in addition to the rules of the schema, for properties that
            are mapped to text. Numbers in these properties keep all their digits.
        tells_absent: Whether absent properties must be told apart from nulls.

    Raises:
        NoFastPathError: The schema has rules about the record as a whole that no type expresses.
    """

    def __init__(
        self,
        schema: Mapping[str, Any],
        sources: RecordSources = UNCHANGED,
        *,
        paths: Collection[Path] = (),
        lengths: Mapping[Path, tuple[int, int]],
        tells_absent: bool = False,
    ) -> None:
        self._sources = sources
        self._paths = paths
        self._lengths = lengths
        self._tells_absent = tells_absent
        self.properties: dict[Path, RecordProperty] = {}
        """All properties by path, without those inside arrays and those inside properties of any value."""
        _check("object" in schema.get("type", ["object"]) and _are_typed(schema, "object"))
        self.struct = self._object(schema, (), "", sources.required)

    def locate(self, path: Path) -> tuple[RecordProperty, Path]:
        """Return the property at a path, or the one around it that may have any value, and the steps inside that.

        Raises:
            NoFastPathError: There is none.
        """
        for length in range(len(path), 0, -1):
            found = self.properties.get(path[:length])
            if found is not None:
                _check(length == len(path) or found.json_types is None)
                return found, path[length:]
        raise NoFastPathError

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
        properties: Mapping[str, Any] = schema.get("properties", {})
        is_closed = schema.get("additionalProperties", True) is False
        _check(is_closed or _accepts_all(schema.get("additionalProperties", True)))
        required |= set(schema.get("required", ()))
        mapped = {str(inner[len(path)]) for inner in self._inner_paths(path)} if prefix is not None else set()
        unlisted = sorted((required | mapped) - properties.keys())
        _check(not (is_closed and unlisted))
        names = {f"f{number}": name for number, name in enumerate([*properties, *unlisted])}
        _check(len(names) <= _MAX_PROPERTIES)
        fields: list[Any] = []
        for attribute, name in names.items():
            inner_path = (*path, name)
            outer = None if prefix is None else prefix + attribute
            kind = self._type(properties.get(name, True), inner_path, outer)
            if not path and name in self._sources.nulls:
                kind = _only_null(kind)
            fields.append((attribute, kind) if name in required else (attribute, *self._optional(kind)))
        # A property that must be absent has a type without values, so that no record that has it can be decoded.
        others: dict[str, Any] = {str(inner[-1]): _NO_TEXT for inner in self._sources.absent if inner[:-1] == path}
        _check(others.keys().isdisjoint(names.values()))
        others |= {name: None for name in self._sources.nulls if not path and name not in names.values()}
        for name, kind in others.items() if not is_closed else ():
            attribute = f"f{len(names)}"
            names[attribute] = name
            fields.append((attribute, kind, None))
        try:
            return msgspec.defstruct(
                "Record", fields, rename=names, kw_only=True, gc=False, forbid_unknown_fields=is_closed
            )
        except ValueError:  # msgspec supports no property whose name must be escaped in JSON
            raise NoFastPathError from None

    def _type(self, schema: object, path: Path, attribute: str | None) -> Any:  # noqa: ANN401 - a type
        """Return the type of a property, which is ``Any`` if no type expresses its schema.

        Args:
            schema: Schema of the property.
            path: Its path.
            attribute: Attribute that holds it; ``None`` inside an array.
        """
        count = len(self.properties)
        try:
            options = self._options(schema, path, attribute and f"{attribute}.")
        except NoFastPathError:
            for inner in list(self.properties)[count:]:
                del self.properties[inner]
            has_rules = not _accepts_all(schema)
            if has_rules and attribute is None:
                raise  # nothing would check the items of an array one by one
            if attribute is not None:
                self.properties[path] = RecordProperty(attribute, None, schema if has_rules else None)
            return Any
        if attribute is not None:
            self.properties[path] = RecordProperty(attribute, frozenset(options))
        return _union(options)

    def _optional(self, kind: Any) -> tuple[Any, Any]:  # noqa: ANN401 - a type
        """Return the type of an optional property of some type, and its default."""
        if kind is Any or msgspec.UnsetType in get_args(kind):
            return kind, msgspec.UNSET
        if self._tells_absent:
            return Union[kind, msgspec.UnsetType], msgspec.UNSET  # noqa: UP007 - all unions here are written alike
        return kind, None

    def _inner_paths(self, path: Path) -> list[Path]:
        """Return the mapped paths that lead into a property."""
        return [inner for inner in self._paths if len(inner) > len(path) and inner[: len(path)] == path]

    def _options(self, schema: object, path: Path, prefix: str | None) -> dict[str, _Option]:
        """Return the type for each JSON type that a schema allows.

        Raises:
            NoFastPathError: No types express the schema.
        """
        _check(isinstance(schema, dict))
        found: dict[str, _Option] = {}
        for json_type, option in self._alternatives(schema, path, prefix):
            _check(found.get(json_type, option) == option)
            found[json_type] = option
        if self._sources.is_flat and path in self._paths:
            found = {json_type: option for json_type, option in found.items() if json_type not in {"array", "object"}}
        _check(bool(found))
        inner_paths = self._inner_paths(path) if prefix is not None else []
        _check(
            not inner_paths or ("object" in found and all(isinstance(inner[len(path)], str) for inner in inner_paths))
        )
        _check(path not in self._lengths or all(option.keeps_digits for option in found.values()))
        return found

    def _alternatives(self, schema: Any, path: Path, prefix: str | None) -> Iterator[tuple[str, _Option]]:  # noqa: ANN401 - JSON
        rules = schema.keys() & RULES
        if rules in ({"anyOf"}, {"oneOf"}):
            found: set[str] = set()
            for branch in schema[rules.pop()]:
                _check(isinstance(branch, dict))
                options = list(self._alternatives(branch, path, prefix))
                kinds = _with_wider(json_type for json_type, _ in options)
                _check("anyOf" in schema or found.isdisjoint(kinds))  # else a value could match two branches
                found |= kinds
                yield from options
            return
        _check("type" in schema)
        json_types = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
        for json_type in json_types:
            _check(_are_typed(schema, json_type))
            yield json_type, self._option(json_type, schema, path, prefix)

    def _option(self, json_type: str, schema: Mapping[str, Any], path: Path, prefix: str | None) -> _Option:
        if json_type == "string":
            return _Option(self._text(schema, path))
        if json_type == "array":
            return self._array(schema, path)
        if json_type == "object":
            is_mapped_inside = prefix is not None and self._inner_paths(path)
            if not is_mapped_inside and schema.keys().isdisjoint(_TYPED_RULES["object"]):
                return _Option(dict)
            return _Option(self._object(schema, path, prefix, frozenset()), keeps_digits=False)
        if json_type == "number":
            return _Option(Union[int, float], keeps_digits=False)  # noqa: UP007 - all unions here are written alike
        return _Option({"integer": _integer(schema), "boolean": bool, "null": None}[json_type])

    def _array(self, schema: Mapping[str, Any], path: Path) -> _Option:
        if _accepts_all(schema.get("items", True)):
            return _Option(list)
        options = self._options(schema["items"], (*path, 0), None)
        keeps_digits = all(option.keeps_digits for option in options.values())
        return _Option(list[_union(options)], keeps_digits)  # type: ignore[misc]  # known at run time only

    def _text(self, schema: Mapping[str, Any], path: Path) -> Any:  # noqa: ANN401 - a type
        least, most = self._lengths.get(path, (0, sys.maxsize))
        least = max(least, min(schema.get("minLength", 0), sys.maxsize))
        most = min(most, schema.get("maxLength", sys.maxsize))
        return Annotated[str, msgspec.Meta(min_length=least or None, max_length=None if most == sys.maxsize else most)]


def _with_wider(json_types: Iterable[str]) -> set[str]:
    """Return some JSON types, with `number` in place of `integer`."""
    return {"number" if json_type == "integer" else json_type for json_type in json_types}


def _union(options: Mapping[str, _Option]) -> Any:  # noqa: ANN401 - a type
    return Union[tuple(option.type for option in options.values())]  # noqa: UP007 - types that are known at run time only


def _only_null(kind: Any) -> Any:  # noqa: ANN401 - a type
    """Return the type of those values of a type that are null."""
    if kind is Any:
        return Union[None, msgspec.UnsetType]  # noqa: UP007 - all unions here are written alike
    return type(None) if type(None) in (kind, *get_args(kind)) else _NO_TEXT


def _are_typed(schema: Mapping[str, Any], json_type: str) -> bool:
    """Return whether all rules of a schema about values of a JSON type can be expressed by msgspec's types."""
    rules = schema.keys() & RULES
    own = rules & _RULES_OF_TYPES[json_type]
    return own <= _TYPED_RULES[json_type] and rules - _RULES_OF_ONE_TYPE <= {"type"}


def _accepts_all(schema: object) -> bool:
    """Return whether a schema rejects nothing."""
    if not isinstance(schema, dict):
        return schema is True
    rules = schema.keys() & RULES
    return not rules or (rules == {"anyOf"} and any(map(_accepts_all, schema["anyOf"])))


def _integer(schema: Mapping[str, Any]) -> Any:  # noqa: ANN401 - a type
    """Return the type of whole numbers within the limits of a schema; those beyond 64 bits are not among them."""
    bounds = {word: _clamped(schema[word]) for word in _BOUNDS & schema.keys()}
    least = [math.ceil(bounds["minimum"])] if "minimum" in bounds else []
    least += [math.floor(bounds["exclusiveMinimum"]) + 1] if "exclusiveMinimum" in bounds else []
    most = [math.floor(bounds["maximum"])] if "maximum" in bounds else []
    most += [math.ceil(bounds["exclusiveMaximum"]) - 1] if "exclusiveMaximum" in bounds else []
    _check(max(least, default=0) <= _MAX_INT64 and min(most, default=0) >= _MIN_INT64)
    ge = max(*least, _MIN_INT64) if least else None
    le = min(*most, _MAX_INT64) if most else None
    return Annotated[int, msgspec.Meta(ge=ge, le=le)]


def _clamped(bound: float | Decimal) -> float | Decimal:
    """Return a bound, or a whole number just beyond 64 bits in its place: some have a million digits."""
    return max(_MIN_INT64 - 2, min(bound, _MAX_INT64 + 2))


def _check(has_type: bool) -> None:  # noqa: FBT001 - the condition itself
    """Raise `NoFastPathError` unless a condition holds."""
    if not has_type:
        raise NoFastPathError
