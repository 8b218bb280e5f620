"""JSON schemas of older drafts in terms of draft 2020-12, by which the SDK validates, whatever a schema declares."""

from __future__ import annotations

import functools
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from target_sendgrid.mapping.schemas import properties_of
from target_sendgrid.singer.projection import NOTES, add_alternatives, with_parts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_LEFT_OUT = frozenset({"$id", "$schema", "$vocabulary"})
"""Keywords about whole documents."""

_SIZES = frozenset(
    {
        "maxContains", "maxItems", "maxLength", "maxProperties", "minContains", "minItems", "minLength",
        "minProperties",
    }
)  # fmt: skip
"""Keywords whose value is a whole number."""

_DATE_TYPES = {"date": "date", "date-time": "date-time", "datetime": "date-time"}
"""Words that some taps write for a type, and the format of the texts that they mean."""

_MAX_EXACT = 2**53


def translate(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schema in terms of draft 2020-12.

    Older drafts have booleans beside limits, lists of items, properties that say themselves that they are required,
    schemas among types, and the type `any`. Some taps write types twice, as null or in lists inside lists, the type
    `datetime`, rules that are null, and notes that are no text: what they mean is clear, too. All else stays as it is.

    `$schema` and `$id` are left out: no part is of another draft, and references start from the root. `dependencies`,
    which draft 2020-12 ignores, is translated only in parts that declare an older draft: the SDK ignores it elsewhere.

    Args:
        schema: The schema, which is not changed. It need not be valid.
    """
    return _translate(schema, ())


def _translate(schema: Mapping[str, Any], drafts: tuple[str, ...]) -> dict[str, Any]:
    inner = functools.partial(_translated, outer_drafts=drafts)
    result = with_parts({word: value for word, value in schema.items() if not _is_left_out(word, value)}, inner)
    _translate_limits(result)
    _translate_type(result, inner)
    _translate_items(result)
    dependencies = result.pop("dependencies", None)
    if isinstance(dependencies, dict) and _has_dependencies(drafts):
        _add_dependencies(result, dependencies)
    _translate_required(result, schema)
    return result


def _translated(schema: object, outer_drafts: tuple[str, ...]) -> object:
    """Translate a schema inside another one.

    Args:
        schema: The schema.
        outer_drafts: The drafts that the schemas around it declare, the outermost first. The last one that is known is
            also its own, unless it declares another.
    """
    if not isinstance(schema, dict):
        return schema
    declared = schema.get("$schema")
    return _translate(schema, (*outer_drafts, declared) if isinstance(declared, str) else outer_drafts)


def _has_dependencies(drafts: tuple[str, ...]) -> bool:
    """Return whether the draft of a schema has the keyword `dependencies`, which draft 2020-12 has not.

    Args:
        drafts: The drafts that the schema and those around it declare.
    """
    if not drafts:
        return False
    from jsonschema import Draft202012Validator, validators  # noqa: PLC0415 - takes a fifth of an empty run to load

    draft: Any = Draft202012Validator
    for declared in drafts:
        draft = validators.validator_for({"$schema": declared}, draft)
    return "dependencies" in draft.VALIDATORS


def _is_left_out(keyword: str, value: object) -> bool:
    says_nothing = value is None and keyword not in {"const", "default"}
    return says_nothing or keyword in _LEFT_OUT or not isinstance(value, NOTES.get(keyword, object))


def _translate_limits(schema: dict[str, Any]) -> None:
    for exclusive, limit in (("exclusiveMaximum", "maximum"), ("exclusiveMinimum", "minimum")):
        flag = schema.get(exclusive)
        if isinstance(flag, bool):
            del schema[exclusive]
            if flag and _is_number(schema.get(limit)):
                schema[exclusive] = schema.pop(limit)
    for size in _SIZES & schema.keys():
        value = schema[size]
        if isinstance(value, (float, Decimal)) and -_MAX_EXACT < value < _MAX_EXACT and int(value) == value:
            schema[size] = int(value)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float, Decimal)) and not isinstance(value, bool)


def _translate_type(schema: dict[str, Any], translated: Callable[[object], object]) -> None:
    written = schema.get("type")
    parts = ["null" if part is None else part for part in _flat(written)]
    if not parts or "type" not in schema or not all(isinstance(part, (str, dict)) for part in parts):
        return
    if "any" in parts:
        del schema["type"]
        return
    words = [part for part in parts if isinstance(part, str)]
    formats = {_DATE_TYPES[word] for word in words if word in _DATE_TYPES}
    if len(formats) == 1 and "string" not in words:
        schema.setdefault("format", formats.pop())
    types = list(dict.fromkeys("string" if word in _DATE_TYPES else word for word in words))
    inner = [translated(part) for part in parts if isinstance(part, dict)]
    if inner:
        del schema["type"]
        add_alternatives(schema, [*([{"type": types}] if types else []), *inner])
    else:
        schema["type"] = types if isinstance(written, list) else types[0]


def _flat(value: object) -> list[Any]:
    return [inner for part in value for inner in _flat(part)] if isinstance(value, list) else [value]


def _translate_items(schema: dict[str, Any]) -> None:
    others = schema.pop("additionalItems", None)
    if isinstance(schema.get("items"), list) and "prefixItems" not in schema:
        first = schema.pop("items")
        if first:
            schema["prefixItems"] = first
        if isinstance(others, (bool, dict)):
            schema["items"] = others


def _add_dependencies(schema: dict[str, Any], dependencies: Mapping[str, Any]) -> None:
    names: dict[str, Any] = {}
    schemas: dict[str, Any] = {}
    for name, dependency in dependencies.items():
        if isinstance(dependency, (bool, dict)):
            schemas[name] = dependency
        elif isinstance(dependency, (str, list)):
            listed = [dependency] if isinstance(dependency, str) else dependency
            names[name] = list(dict.fromkeys(other for other in listed if isinstance(other, str)))
    for keyword, found in (("dependentRequired", names), ("dependentSchemas", schemas)):
        known = schema.get(keyword, {})
        if found and isinstance(known, dict):
            schema[keyword] = found | known


def _translate_required(schema: dict[str, Any], before: Mapping[str, Any]) -> None:
    """Translate what is required.

    Args:
        schema: The schema, whose inner schemas are translated.
        before: The same schema as the tap wrote it.
    """
    required = schema.get("required", [])
    if isinstance(required, bool):
        del schema["required"]  # it is about the property that has this schema
        required = []
    if not isinstance(required, list):
        return
    properties = properties_of(before).items()
    names = [name for name, inner in properties if isinstance(inner, dict) and inner.get("required") is True]
    if names or required:
        listed = [*required, *names]
        is_valid = all(isinstance(name, str) for name in listed)
        schema["required"] = list(dict.fromkeys(listed)) if is_valid else listed
