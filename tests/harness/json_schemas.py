"""Strategies of Hypothesis for JSON schemas: any JSON in place of any keyword, and schemas that are mostly valid."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

NAMES = ["a", "b", "0", "type", "items", "exclusiveMaximum", "$ref", "required", "a.b", "a/b~c%d", "\ufeffa", ""]
"""Names of properties, some of which look like keywords."""

_KEYWORDS = [
    *["type", "enum", "const", "default", "examples", "title", "format", "description", "$comment", "deprecated"],
    *["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength", "pattern"],
    *["items", "prefixItems", "additionalItems", "contains", "minContains", "maxContains", "uniqueItems", "minItems"],
    *["maxItems", "unevaluatedItems", "properties", "patternProperties", "additionalProperties", "propertyNames"],
    *["required", "minProperties", "maxProperties", "unevaluatedProperties", "dependencies", "dependentRequired"],
    *["dependentSchemas", "allOf", "anyOf", "oneOf", "not", "if", "then", "else", "$ref", "$dynamicRef", "definitions"],
    *["$defs", "$anchor", "$dynamicAnchor", "$id", "id", "$schema", "$vocabulary", "nullable", "$recursiveRef"],
]

_TEXTS = [
    *["string", "null", "array", "object", "integer", "number", "boolean", "any", "datetime", "date-time", "text"],
    *["#", "#/$defs/a", "#/definitions/a", "#/properties/a", "#/properties/a/items", "#a", "b#", "#/none"],
    *["", "^a", "(", "a", "a{9999999999}"],
    *["http://json-schema.org/draft-04/schema#", "https://json-schema.org/draft/2020-12/schema"],
]

_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from(_TEXTS),
    st.sampled_from(
        [0, 1, -1, 2, 2**64, 10**400, Decimal("0.0"), Decimal("2.0"), Decimal("1e400"), Decimal("-1e-400")]
    ),
)


def json_schemas() -> st.SearchStrategy[dict[str, Any]]:
    """Return a strategy for objects that look like schemas, with any JSON in place of each keyword."""
    anything = st.recursive(
        _SCALARS,
        lambda inner: st.one_of(
            st.lists(inner, max_size=3),
            st.dictionaries(st.sampled_from(_KEYWORDS), inner, max_size=4),
            st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
        ),
        max_leaves=15,
    )
    return st.dictionaries(st.sampled_from(_KEYWORDS), anything, max_size=6)
