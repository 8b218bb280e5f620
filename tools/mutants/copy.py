"""The copy of the repository that is mutated: the checked-out one is never touched."""

from __future__ import annotations

import ast
import shutil
import subprocess
from typing import TYPE_CHECKING

from tools.mutants.scope import TEXT_FUNCTIONS, TEXT_NAMES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PACKAGE = "target_sendgrid"
_PRAGMA = "  # pragma: no mutate"


def make_copy(root: Path, folder: Path) -> None:
    """Copy the files that Git knows of, as they are now, into an empty folder."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "-co", "--exclude-standard"], cwd=root, capture_output=True, check=True
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        source, target = root / name, folder / name
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)


def prepare(path: Path) -> None:
    """Mark what is left out in a module of the copy, and make its properties such that mutmut mutates them."""
    source = path.read_text(encoding="utf-8")
    lines = source.splitlines()
    tree = ast.parse(source)
    for number in _left_out(tree):
        lines[number - 1] += _PRAGMA
    for end, indent, name in sorted(_properties(tree, lines), reverse=True):
        lines.insert(end, f"{indent}{name} = property({name})")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _left_out(tree: ast.AST) -> set[int]:
    """Return the numbers of the lines that hold only words: of the log, of sentences for users, of `__repr__`."""
    found: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt) and (_is_log_call(node) or _sets_text(node) or _is_repr(node)):
            found.update(_lines(node))
        elif isinstance(node, ast.FunctionDef) and node.name.endswith(TEXT_FUNCTIONS):
            for inner in ast.walk(node):
                if isinstance(inner, ast.Return):
                    found.update(_lines(inner))
        elif isinstance(node, ast.Call) and _name_of(node.func).endswith("Error"):
            for argument in node.args:
                if isinstance(argument, (ast.JoinedStr, ast.Constant)) or _name_of(argument) in TEXT_NAMES:
                    found.update(_lines(argument))
    return found


def _lines(node: ast.stmt | ast.expr) -> range:
    return range(node.lineno, (node.end_lineno or node.lineno) + 1)


def _sets_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign) and any(_name_of(target) in TEXT_NAMES for target in node.targets)


def _is_repr(node: ast.stmt) -> bool:
    return isinstance(node, ast.FunctionDef) and node.name == "__repr__"


def _is_log_call(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Call)
        and isinstance(node.value.func, ast.Attribute)
        and _name_of(node.value.func.value) == "log"
    )


def _name_of(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else ""


def _properties(tree: ast.AST, lines: list[str]) -> Iterator[tuple[int, str, str]]:
    """Blank the decorators of properties, which mutmut passes over; yield where to make the functions properties."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and [_name_of(one) for one in node.decorator_list] == ["property"]:
            lines[node.decorator_list[0].lineno - 1] = ""
            yield node.end_lineno or node.lineno, " " * node.col_offset, node.name
