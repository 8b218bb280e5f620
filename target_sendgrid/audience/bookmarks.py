"""Bookmarks in a STATE: whether one holds a replication position, so that the tap may have read only changes.

Taps write what they like into a STATE. Only what is known to mean a whole read counts as one.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

_POSITIONS = frozenset({"progress_markers", "max_pk_values", "last_pk_fetched"})
"""Keys whose values are objects, and that are named in place of the keys inside."""

_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}\Z")
"""Matches keys that a sentence may name. Others may hold a value of a record, such as the key of a partition."""

_NO_WORD = re.compile(r"[\W_]")


_RESUMABLE = re.compile(
    rb'"(?:last_pk_fetched|max_pk_values|last_id_fetched|max_id_value|xmin)"\s*:(?!\s*(?:null\b|\{\s*\}|\[\s*\]))'
)
"""Matches positions inside a whole read, at which some taps go on after an interruption."""


def is_inside_whole_read(state: bytes) -> bool:
    """Return whether a tap that starts from a STATE may read the rest of a stream alone, as if it were the whole."""
    return _RESUMABLE.search(state) is not None


def replication_position(
    state: bytes, stream: str, other_streams: Collection[str] = (), earlier: bytes = b"{}"
) -> str | None:
    """Return what in a STATE says, or may say, that a stream was read from a position on.

    The key is the tap's: the streams are named as in its messages, before stream maps. Some taps put the names of the
    database and the schema before it. If there is no bookmark of the stream, those of streams that never came may be
    its own, since a mapper between tap and target renames streams but no bookmarks.

    Args:
        state: Value of the STATE message.
        stream: Name of the stream in the tap's messages.
        other_streams: Names of the other streams that have come.
        earlier: Value of the first STATE message after the last record of the stream. Its bookmark holds if the later
            one has none, since some taps write only what has changed.

    Returns:
        The words for a sentence, which hold a key and no value; ``None`` if the stream was read as a whole.
    """
    try:
        # Numbers stay text: Python refuses to read thousands of digits.
        value, before = (
            json.loads(one, parse_int=str, parse_float=str, parse_constant=str) for one in (state, earlier)
        )
        found = _position_in_state(value, stream, other_streams)
        if found is not None or not isinstance(before, dict) or _own_bookmarks(value, stream):
            return found
        return _first_position(_own_bookmarks(before, stream))
    except (ValueError, RecursionError):
        return "something that can't be read"


def _position_in_state(value: Any, stream: str, other_streams: Collection[str]) -> str | None:  # noqa: ANN401 - JSON
    if _is_empty(value):
        return None
    if not isinstance(value, dict):
        return "something other than an object"
    for key, inner in value.items():
        if key == "currently_syncing" and isinstance(inner, str) and _is_of_others(inner, stream, other_streams):
            continue
        if not _is_empty(inner) and (key != "bookmarks" or not isinstance(inner, dict)):
            return _named(key)
    return _first_position(_bookmarks_of(value.get("bookmarks") or {}, stream, other_streams))


def _own_bookmarks(state: dict[str, Any] | None, stream: str) -> list[Any]:
    """Return the bookmarks with the name of a stream, or that name with others before it."""
    bookmarks = (state or {}).get("bookmarks")
    if not isinstance(bookmarks, dict):
        return []
    qualified = [inner for name, inner in bookmarks.items() if _is_qualified(name, stream)]
    return [*_under_name(bookmarks, stream)] or qualified


def _bookmarks_of(bookmarks: dict[str, Any], stream: str, other_streams: Collection[str]) -> list[Any]:
    """Return the bookmarks that are, or may be, those of a stream."""
    if own := [*_under_name(bookmarks, stream)]:
        return own
    names = [name for name in bookmarks if not _is_of_others(name, stream, other_streams)]
    qualified = [name for name in names if _is_qualified(name, stream)]
    return [bookmarks[name] for name in qualified or names]


def _under_name(value: Any, name: str) -> Iterator[Any]:  # noqa: ANN401 - JSON
    """Yield what has a name as its key, at any depth: some taps divide bookmarks by something else first."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == name:
                yield inner
            else:
                yield from _under_name(inner, name)


def _is_of_others(name: str, stream: str, other_streams: Collection[str]) -> bool:
    """Return whether the name of a bookmark is plainly that of another stream that has come."""
    if name in other_streams:
        return True
    return not _is_qualified(name, stream) and any(_is_qualified(name, other) for other in other_streams)


def _is_qualified(name: str, stream: str) -> bool:
    """Return whether a name is that of a stream with other names before it, such as a schema's."""
    name, stream = name.casefold(), stream.casefold()
    return name == stream or (name.endswith(stream) and bool(_NO_WORD.match(name[-len(stream) - 1])))


def _position_in(bookmark: Any) -> str | None:  # noqa: ANN401 - JSON
    """Return the key of a replication position in a bookmark, or ``None`` if there is none."""
    if _is_empty(bookmark):
        return None
    if not isinstance(bookmark, dict):
        return "a bookmark that is not an object"
    is_whole = bookmark.get("last_replication_method") == "FULL_TABLE" or (
        bookmark.get("initial_full_table_complete") is True
    )
    for key, inner in bookmark.items():
        if _is_empty(inner) or _means_whole(key, inner, is_whole=is_whole):
            continue
        if key == "partitions" and isinstance(inner, list):
            # The context says which partition it is, not how far it was read.
            parts: list[Any] = [_without_context(part) for part in inner]
        elif isinstance(inner, dict) and key not in _POSITIONS:
            parts = [inner]
        else:
            return _named(key)
        if position := _first_position(parts):
            return position
    return None


def _first_position(bookmarks: Iterable[Any]) -> str | None:
    return next((position for bookmark in bookmarks if (position := _position_in(bookmark))), None)


def _means_whole(key: str, value: object, *, is_whole: bool) -> bool:
    """Return whether an entry of a bookmark says nothing of a position.

    A `version` is the number of a whole read only if another entry says that there was one: it may also be the name of
    a replication key.
    """
    if key == "last_replication_method":
        return value == "FULL_TABLE"
    return is_whole and (key == "version" or (key == "initial_full_table_complete" and value is True))


def _without_context(partition: Any) -> Any:  # noqa: ANN401 - JSON
    if not isinstance(partition, dict):
        return partition
    return {key: inner for key, inner in partition.items() if key != "context"}


def _is_empty(value: object) -> bool:
    return value is None or value in ({}, [])


def _named(key: str) -> str:
    return f"`{key}`" if _PLAIN_NAME.match(key) else "a key of the tap's own"
