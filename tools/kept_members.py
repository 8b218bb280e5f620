"""What `docs/why-was-nobody-removed.md` says about each case in which a member stays on a list."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.runs.kept_members import KEPT_MEMBERS

if TYPE_CHECKING:
    from tests.runs.kept_members import Part


def table(part: Part) -> str:
    """Return the table of one part of the page."""
    rows = ["| What the log says | What it means | What to do |", "|---|---|---|"]
    rows += [f"| {_code(kept.says)} | {kept.means} | {kept.advice} |" for kept in KEPT_MEMBERS if kept.part == part]
    return "\n".join(rows)


def _code(words: str) -> str:
    if not words:
        return "nothing"
    return f"`` {words} ``" if "`" in words else f"`{words}`"
