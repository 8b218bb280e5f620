"""Random JSON schemas, usual and odd ones, and records that nearly match them."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_NAMES = ["a", "b", "type", "$ref", "__proto__", "é.1", ""]
_TEXTS = ["", "a", "é", "b\n", "٣", "\x1c", "a b", "😀", "aaaa", "2024-02-29T12:00:00Z", "1", "[0]"]
_NUMBERS = [
    *[0, 1, -1, 2, 3, 10, 2**53 + 1, 2**63, 2**64, 10**30, 10**400],
    *map(Decimal, ["0.0", "1.0", "0.1", "0.3", "19.99", "1.5", "-0.0", "1e2", "1E+30", "1e400", "1e-300"]),
    *map(Decimal, ["9007199254740992.0", "0.1000000000000000055", "2.00000000000000000001"]),
]
_PATTERNS = ["^a", "^\\d$", "^\\D$", "\\W", "^.$", "a$", "^\\S*$", "^(?!a)", "[^a]", "^[a-z ]*$", "\\b"]
_TYPES = ["string", "integer", "number", "boolean", "null", "array", "object"]
_DIALECTS = [
    "http://json-schema.org/draft-04/schema#",
    "http://json-schema.org/draft-07/schema#",
    "https://json-schema.org/draft/2019-09/schema",
    "https://json-schema.org/draft/2020-12/schema",
]
_DEPTH = 3


class Case:
    """A schema and its records.

    Args:
        seed: Seed of the random numbers.
        is_plain: Whether the schema has only keywords that the fast validator may decide about.
    """

    def __init__(self, seed: int, *, is_plain: bool) -> None:
        self._random = random.Random(seed)  # noqa: S311 - test data, no secrets
        self._is_plain = is_plain
        self.schema = self._record_schema()
        self.records = [self._record() for _ in range(20)]

    def _record_schema(self) -> dict[str, Any]:
        schema = {"type": "object", "properties": {name: self._schema(_DEPTH) for name in self._names()}}
        if self._random.random() < 0.5:
            schema |= self._schema(1)
        if self._random.random() < 0.3:
            schema["$schema"] = self._random.choice(_DIALECTS)
        return schema | {"$defs": {"a": self._schema(1), "b": self._schema(1)}}

    def _schema(self, depth: int) -> dict[str, Any]:
        if depth == 0 or self._random.random() < 0.1:
            return {"type": self._types()}
        keywords = self._keywords(depth)
        count = self._random.choice([1, 1, 2, 2, 3, 5])
        schema = {name: keywords[name]() for name in self._random.sample(sorted(keywords), count)}
        if depth < _DEPTH and self._random.random() < 0.05:
            schema["$schema"] = self._random.choice(_DIALECTS)
        return schema

    def _keywords(self, depth: int) -> dict[str, Callable[[], Any]]:
        rng = self._random

        def inner() -> Any:
            return self._schema(depth - 1) if rng.random() < 0.9 else rng.random() < 0.7

        def some_inner() -> list[Any]:
            return [inner() for _ in range(rng.randint(1, 3))]

        def by_name() -> dict[str, Any]:
            return {name: inner() for name in self._names()}

        keywords: dict[str, Callable[[], Any]] = {
            "type": self._types,
            "enum": lambda: [self._value(2) for _ in range(4)],
            "const": lambda: self._value(2),
            **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), self._number),
            "multipleOf": lambda: Decimal(rng.choice(["0.01", "0.1", "0.5", "1e-9"])),
            **dict.fromkeys(("minLength", "maxLength", "minItems", "maxItems", "minProperties"), self._small),
            **dict.fromkeys(("maxProperties", "minContains"), self._small),
            **dict.fromkeys(("items", "contains", "additionalProperties", "propertyNames"), inner),
            **dict.fromkeys(("then", "else", "unevaluatedItems", "unevaluatedProperties"), inner),
            **dict.fromkeys(("additionalItems", "contentSchema"), inner),
            **dict.fromkeys(("prefixItems", "allOf", "anyOf"), some_inner),
            **dict.fromkeys(("properties", "dependentSchemas", "dependencies", "definitions"), by_name),
            "uniqueItems": lambda: rng.random() < 0.8,
            "required": self._names,
            "dependentRequired": lambda: {name: self._names() for name in self._names()},
            "$ref": lambda: rng.choice(["#/$defs/a", "#/$defs/b"]) if depth == _DEPTH else "#/$defs/none/never",
            "format": lambda: rng.choice(["date-time", "ipv4", "email", "regex", "singer.decimal"]),
            "contentEncoding": lambda: "base64",
            "nullable": lambda: True,
            "default": lambda: self._value(1),
        }
        if depth < _DEPTH:
            del keywords["$ref"]  # definitions that refer to each other would never end
        if not self._is_plain:
            keywords["multipleOf"] = lambda: rng.choice([1, 2, 10**30, Decimal("1.0"), Decimal("1e400")])
            keywords["maxContains"] = self._small
            keywords["oneOf"] = some_inner
            keywords["pattern"] = lambda: rng.choice(_PATTERNS)
            keywords["patternProperties"] = lambda: {rng.choice(_PATTERNS): inner()}
            keywords |= dict.fromkeys(("not", "if"), inner)
        return keywords

    def _types(self) -> Any:
        if self._random.random() < 0.4:
            return self._random.choice(_TYPES)
        return self._random.sample(_TYPES, self._random.randint(1, 3))

    def _names(self) -> list[str]:
        return self._random.sample(_NAMES, self._random.randint(1, 3))

    def _small(self) -> int:
        return self._random.randint(0, 3)

    def _number(self) -> Any:
        return self._random.choice(_NUMBERS)

    def _record(self) -> dict[str, Any]:
        names = list(self.schema["properties"]) if self._random.random() < 0.8 else self._names()
        return {name: self._value(3) for name in names if self._random.random() < 0.9}

    def _value(self, depth: int) -> Any:
        rng = self._random
        kind = rng.random()
        if depth and kind < 0.15:
            return [self._value(depth - 1) for _ in range(rng.randint(0, 3))]
        if depth and kind < 0.35:
            return {name: self._value(depth - 1) for name in self._names()}
        return rng.choice([None, True, False, self._number(), self._number(), *rng.choices(_TEXTS, k=3)])
