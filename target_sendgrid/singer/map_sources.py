"""What the properties of an output stream are made of, as far as that is known without running its stream map.

That is so for stream maps that only rename, keep and remove properties, and for flattening. The fast path reads the
tap's own properties then, and leaves every record for which this could differ to the slow path.
"""

from __future__ import annotations

import ast
import itertools
from typing import TYPE_CHECKING, Any

from singer_sdk.mapper import (
    MAPPER_ALIAS_OPTION,
    MAPPER_ELSE_OPTION,
    MAPPER_KEY_PROPERTIES_OPTION,
    NULL_STRING,
)

from target_sendgrid.mapping.record_sources import RecordSources

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from target_sendgrid.mapping.schemas import Path

_OWN_NAMES = frozenset({"_", "record", "config", "fake", "self", "__stream_name__", "__original_stream_name__"})
"""Names that mean something else in expressions than the property of that name."""

_MAX_PARTS = 6
"""Most parts of a name that flattening may have made: each more doubles the ways to make it."""


def sources_of_renamed(
    entry: Mapping[str, Any], key_properties: Collection[str], paths: Iterable[Path]
) -> RecordSources | None:
    """Return what properties are made of by a stream map that only renames, keeps and removes; ``None`` for others.

    Args:
        entry: The entry of the setting `stream_maps`.
        key_properties: Key properties of the output stream, which `__else__` does not remove.
        paths: Mapped properties of the output stream.
    """
    renamed: dict[str | int, str] = {}
    removed: set[str | int] = set()
    for name, rule in entry.items():
        if name in {MAPPER_ALIAS_OPTION, MAPPER_ELSE_OPTION, MAPPER_KEY_PROPERTIES_OPTION}:
            continue
        source = _only_name(rule)
        if rule is None or rule == NULL_STRING:
            removed.add(name)
        elif source is None or name.startswith("__"):  # an expression, or another option such as `__filter__`
            return None
        else:
            renamed[name] = source
    found: dict[Path, Path] = {}
    for path in paths:
        is_kept = path[0] not in removed and (MAPPER_ELSE_OPTION not in entry or path[0] in key_properties)
        if path[0] in renamed:
            found[path] = (renamed[path[0]], *path[1:])
        elif not is_kept:
            return None
    return RecordSources(found, required=frozenset(renamed.values()))


def sources_of_flattened(
    flattened: Mapping[str | int, Path], separator: str, paths: Iterable[Path], unchanged: str
) -> RecordSources | None:
    """Return what flattened properties are made of; ``None`` where flattening does more than to join names.

    Args:
        flattened: Paths of the tap's properties by the names that flattening gives them.
        separator: What flattening puts between two names.
        paths: Mapped properties, after flattening.
        unchanged: A property that nothing else may be flattened to.
    """
    found: dict[Path, Path] = {}
    absent: set[Path] = set()
    for path in (*paths, (unchanged,)):
        name = str(path[0])
        source = (name,) if name == unchanged else flattened.get(name)
        parts = name.split(separator)
        if source is None or len(path) > 1 or separator.join(map(str, source)) != name or len(parts) > _MAX_PARTS:
            return None
        found[path] = source
        absent |= {
            _fork(source, other)
            for other in _joined(parts, separator)
            if other != source and not _stays_whole(_fork(source, other), other, flattened, separator)
        }
    del found[unchanged,]  # no field is made of it, but nothing may be in its place
    return RecordSources(found, absent=frozenset(absent), is_flat=True)


def _only_name(expression: object) -> str | None:
    """Return the property that an expression consists of, or ``None`` for any other expression."""
    if not isinstance(expression, str):
        return None
    try:
        body = ast.parse(expression).body
    except (SyntaxError, ValueError, RecursionError):  # the SDK refuses it with an error of its own
        return None
    node = body[0].value if len(body) == 1 and isinstance(body[0], ast.Expr) else None
    return node.id if isinstance(node, ast.Name) and node.id not in _OWN_NAMES else None


def _joined(parts: list[str], separator: str) -> Iterator[tuple[str, ...]]:
    """Yield all paths that flattening gives the same name."""
    for ends in itertools.product([False, True], repeat=len(parts) - 1):
        path = [parts[0]]
        for part, is_next in zip(parts[1:], ends, strict=True):
            if is_next:
                path.append(part)
            else:
                path[-1] += separator + part
        yield tuple(path)


def _fork(source: Path, other: Path) -> Path:
    """Return the start of another path up to the first step that differs."""
    same = next(number for number, (one, two) in enumerate(zip(source, other, strict=False)) if one != two)
    return other[: same + 1]


def _stays_whole(start: Path, other: Path, flattened: Mapping[str | int, Path], separator: str) -> bool:
    """Return whether flattening opens no object at the start of a path, since the schema lists it as a whole."""
    return len(start) < len(other) and separator.join(map(str, start)) in flattened
