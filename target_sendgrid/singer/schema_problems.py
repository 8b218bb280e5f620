"""What is wrong with a JSON schema, in words for users."""

from __future__ import annotations

import functools
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from target_sendgrid.mapping.schemas import JSON_TYPES, referenced
from target_sendgrid.singer.projection import NOTES, REFERENCES, parts_of
from target_sendgrid.wording import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from jsonschema.exceptions import ValidationError

    from target_sendgrid.mapping.schemas import Path

_TYPES = {
    "array": "a list",
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
    "object": "an object",
    "string": "a text",
}


def _is_instance(kind: type, value: object) -> bool:
    return isinstance(value, kind)


def _is_type(value: object) -> bool:
    return isinstance(value, str) and value in JSON_TYPES


def _is_schema(value: object) -> bool:
    return isinstance(value, (bool, dict))


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float, Decimal)) and not isinstance(value, bool)


def _is_size(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _are_different(values: object, is_one: Callable[[object], bool]) -> bool:
    return isinstance(values, list) and all(map(is_one, values)) and len(set(values)) == len(values)


def _are_schemas(values: object) -> bool:
    return isinstance(values, list) and bool(values) and all(map(_is_schema, values))


_PLAIN: Mapping[str, Callable[[Any], bool]] = {
    **{keyword: functools.partial(_is_instance, kind) for keyword, kind in NOTES.items()},
    **dict.fromkeys(("allOf", "anyOf", "oneOf", "prefixItems"), _are_schemas),
    **dict.fromkeys(("additionalProperties", "contains", "items", "not", "propertyNames"), _is_schema),
    **dict.fromkeys(("exclusiveMaximum", "exclusiveMinimum", "maximum", "minimum"), _is_number),
    **dict.fromkeys(("maxItems", "maxLength", "maxProperties", "minItems", "minLength", "minProperties"), _is_size),
    "enum": functools.partial(_is_instance, list),
    "multipleOf": lambda value: _is_number(value) and value > 0,
    "properties": lambda value: isinstance(value, dict) and all(map(_is_schema, value.values())),
    "required": lambda value: _are_different(value, lambda name: isinstance(name, str)),
    "type": lambda value: _is_type(value) or (bool(value) and _are_different(value, _is_type)),
    "uniqueItems": functools.partial(_is_instance, bool),
}
"""For keywords of draft 2020-12, whether a value is valid. The schemas inside a value are not looked at."""

_RARE = frozenset(
    {
        "$anchor", "$defs", "$dynamicAnchor", "$dynamicRef", "$id", "$recursiveAnchor", "$recursiveRef", "$ref",
        "$schema", "$vocabulary", "contentSchema", "definitions", "dependencies", "dependentRequired",
        "dependentSchemas", "else", "if", "maxContains", "minContains", "pattern", "patternProperties", "then",
        "unevaluatedItems", "unevaluatedProperties",
    }
)  # fmt: skip
"""All other keywords of draft 2020-12, except `const` and `default`, which take any value."""


def schema_problem(schema: Mapping[str, Any]) -> str | None:
    """Return what is wrong with a schema by draft 2020-12: the property and the rule, but no value. ``None`` if valid.

    A schema must contain what it refers to, and its patterns must be regular expressions of Python.
    """
    is_plain = True
    for path, part in _all_parts((), schema):
        is_plain = is_plain and _is_plain(part)
        for keyword in REFERENCES:
            reference = part.get(keyword)
            if isinstance(reference, str) and not reference.startswith("#"):
                return _problem(schema, (*path, keyword), "it refers to another document")
            if isinstance(reference, str) and not isinstance(referenced(schema, reference), (bool, dict)):
                return _problem(schema, (*path, keyword), "the SCHEMA does not contain what it refers to")
        for keyword, pattern in _patterns(part):
            if not _is_pattern(pattern):
                return _problem(schema, (*path, keyword), "it must be a regular expression")
    if is_plain:
        return None
    error = next(_meta_validator().iter_errors(schema), None)
    return None if error is None else _problem(schema, tuple(error.absolute_path), _rule(error))


def invalid_schema(stream: str, problem: str) -> str:
    """Return the sentence about an invalid schema.

    Args:
        stream: Name of the stream.
        problem: What `schema_problem` has found.
    """
    return (
        f"The SCHEMA of stream '{shown(stream)}' is not valid: {problem}. Fix the tap, or set `validate_records` to"
        " false to send its records unchecked."
    )


@functools.cache
def _meta_validator() -> Any:  # noqa: ANN401 - the library's validators have no common type
    from jsonschema import Draft202012Validator  # noqa: PLC0415 - takes a fifth of an empty run to load

    return Draft202012Validator(Draft202012Validator.META_SCHEMA, format_checker=Draft202012Validator.FORMAT_CHECKER)


def _is_plain(schema: Mapping[str, Any]) -> bool:
    """Return whether a schema is sure to be valid, but for those inside it. The real validator takes long to load."""
    return _RARE.isdisjoint(schema) and all(
        _PLAIN[keyword](value) for keyword, value in schema.items() if keyword in _PLAIN
    )


def _all_parts(path: Path, schema: object) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    if isinstance(schema, dict):
        yield path, schema
        for steps, part in parts_of(schema):
            yield from _all_parts((*path, *steps), part)


def _patterns(schema: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if isinstance(schema.get("pattern"), str):
        yield "pattern", schema["pattern"]
    if isinstance(schema.get("patternProperties"), dict):
        yield from (("patternProperties", pattern) for pattern in schema["patternProperties"])


def _is_pattern(text: str) -> bool:
    try:
        re.compile(text)
    except (re.error, OverflowError):
        return False
    return True


def _problem(schema: Mapping[str, Any], path: Path, rule: str) -> str:
    """Return the words for a problem.

    Args:
        schema: The whole schema.
        path: Steps to what is wrong: keywords, names and numbers.
        rule: What is right there.
    """
    names: list[str] = []
    subject, keyword = "its top level", ""
    part: object = schema
    while path and isinstance(part, dict):
        steps, part = next(
            ((steps, inner) for steps, inner in parts_of(part) if path[: len(steps)] == steps), (path, None)
        )
        keyword = str(steps[0])
        if steps is path:
            break
        if keyword == "properties":
            names.append(str(steps[1]))
            subject = f"property '{shown('.'.join(names))}'"
        elif keyword == "$defs":
            subject = f"definition '{shown(str(steps[1]))}'"
        path = path[len(steps) :]
    if keyword in {"properties", "$defs"} and not path:
        return f"{subject} has a wrong schema ({rule})"
    return f"{subject} has a wrong `{shown(keyword)}` ({rule})"


def _rule(error: ValidationError) -> str:
    """Return what is right where the schema is wrong."""
    expected: Any = error.validator_value
    if error.validator == "type":
        return f"it must be {_TYPES[expected[0] if isinstance(expected, list) else expected]}"
    rules = {
        "anyOf": f"it must be one of {', '.join(JSON_TYPES)}, or a list of them",
        "exclusiveMinimum": f"it must be more than {expected}",
        "format": "it must be a regular expression",
        "minItems": "it must not be empty",
        "minimum": f"it must not be less than {expected}",
        "uniqueItems": "it must not have anything twice",
    }
    return rules.get(str(error.validator), "draft 2020-12 does not allow its value")
