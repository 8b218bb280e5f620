"""The list of equivalent mutants: those that no test can notice, each with the reason.

An entry names a module and a function, gives the reason, and shows the changed lines as a diff does. Several changes
of one function may share a reason. A blank line ends an entry.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools.mutants.mutants import Change

if TYPE_CHECKING:
    from collections.abc import Iterator


def read_equivalents(text: str) -> dict[Change, str]:
    """Return the reason for each change in the list.

    Raises:
        ValueError: An entry is incomplete.
    """
    return {change: reason for entry in text.split("\n\n") if entry.strip() for change, reason in _changes(entry)}


def _changes(entry: str) -> Iterator[tuple[Change, str]]:
    lines = [line for line in entry.strip().splitlines() if not line.startswith("#")]
    if not lines:
        return
    module, _, function = lines[0].partition(" ")
    reason = " ".join(line for line in lines[1:] if line[0] not in "-+")
    if not function or not reason:
        raise ValueError(f"an entry about {module} lacks its function or its reason")
    removed: list[str] = []
    added: list[str] = []
    for line in (*lines[1:], "-"):
        if line[0] == "-" and (added or len(line) == 1) and (removed or added):
            yield Change(module, function, tuple(removed), tuple(added)), reason
            removed, added = [], []
        if line[0] in "-+":
            (removed if line[0] == "-" else added).append(line[2:])
