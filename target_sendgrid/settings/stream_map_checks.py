"""What can be wrong with the setting `stream_maps`: one sentence for each problem, none quoting an expression.

The SDK finds most of it only with the stream's SCHEMA, some of it with each record, and its errors quote expressions,
whose constants may be secrets.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from target_sendgrid.wording import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

_REMOVED = (None, "__NULL__")


def stream_map_problems(stream_maps: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with the setting `stream_maps`, apart from the schemas of streams."""
    for stream, entry in stream_maps.items():
        setting = f"The setting `stream_maps.{shown(stream)}`"
        if stream == "__else__":
            if entry not in _REMOVED:
                yield f"{setting} must be null, or left out."
        elif stream.startswith("__"):
            yield f"{setting} is not known: of names with two underscores in front, only `__else__` can be there."
        elif isinstance(entry, Mapping):
            yield from _entry_problems(stream, entry)
        elif entry not in _REMOVED:
            yield f"{setting} must be a JSON object, or null to leave out the stream."


def _entry_problems(stream: str, entry: Mapping[str, Any]) -> Iterator[str]:
    for name, value in entry.items():
        problem = _problem_of(name, value)
        if problem:
            yield f"The setting `stream_maps.{shown(stream)}.{shown(name)}` {problem}"


def _problem_of(name: str, value: object) -> str:
    """Return what is wrong with one item of a stream's map, or nothing."""
    if name == "__else__":
        return "" if value in _REMOVED else "must be null, or left out."
    if name == "__source__":
        return "" if isinstance(value, str) else "must be the name of a stream."
    if name == "__key_properties__":
        is_list = isinstance(value, list) and all(isinstance(key, str) for key in value)
        return "" if value is None or is_list else "must be an array of names, or null."
    if name == "__alias__":
        is_right = isinstance(value, str) and _is_expression(value.strip())
    elif name == "__filter__":
        is_right = value is None or _is_expression(value)
    else:
        is_right = value in _REMOVED or _is_expression(value)
    return "" if is_right else "is not an expression. Texts need quotes of their own, such as \"'text'\"."


def _is_expression(value: object) -> bool:
    """Return whether the SDK can evaluate a value: it parses it as a program, of which it takes the first statement."""
    if not isinstance(value, str):
        return False
    try:
        statements = ast.parse(value).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return bool(statements) and isinstance(statements[0], ast.Expr)
