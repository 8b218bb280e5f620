"""Where the fast path finds mapped properties in the tap's records, and what else it expects of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_sendgrid.mapping.schemas import Path


class RecordSources(NamedTuple):
    """The sources of mapped properties. Records that do not fit take the slow path."""

    paths: Mapping[Path, Path]
    """Path in the tap's records of each mapped property to which stream maps or flattening give another one."""
    required: frozenset[str] = frozenset()
    """Properties that a record must have."""
    nulls: frozenset[str] = frozenset()
    """Properties that a record must not have, or only as null."""
    absent: frozenset[Path] = frozenset()
    """Properties that a record must not have."""
    is_flat: bool = False
    """Whether records are flattened: mapped values must be no arrays and objects, and properties of null objects count
    as absent.
    """


UNCHANGED = RecordSources({})
"""The sources where records are as the tap wrote them."""
