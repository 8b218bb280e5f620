"""Mutants as the tool made them: what each changes, and whether a test noticed it."""

from __future__ import annotations

import ast
import difflib
import json
import re
from typing import TYPE_CHECKING, NamedTuple

from tools.mutants.scope import SAME_TRUTH

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SURVIVED = frozenset({0, 33})
"""Exit codes of mutants that no test noticed, or that none reaches."""
_KILLED = frozenset({1, 2, 3, -9, -11, -24, 24, 36, 152})
"""Exit codes of mutants that a test noticed, that broke the test run itself, or that took too long."""
_MUTANT = re.compile(r"(?P<function>.+)__mutmut_(?P<number>\d+|orig)\Z")


class Change(NamedTuple):
    """What a mutant changes. It stays the same while the function's lines do, whatever number the mutant gets.

    Attributes:
        module: Path of the module in the package.
        function: Name of the function, with its class.
        removed: The lines as they are, without indentation.
        added: The lines as the mutant has them.
    """

    module: str
    function: str
    removed: tuple[str, ...]
    added: tuple[str, ...]

    @property
    def is_refused_by_types(self) -> bool:
        """Whether a value has become one that means the same in a condition, which the type checker refuses."""
        (before,), (after,) = (self.removed or ("",))[-1:], (self.added or ("",))[-1:]
        return any(other.join(before.rsplit(value, 1)) == after for value, other in SAME_TRUTH if value in before)

    def __str__(self) -> str:
        """The change as an entry of the list of equivalent mutants has it."""
        lines = (*(f"- {line}" for line in self.removed), *(f"+ {line}" for line in self.added))
        return "\n".join((f"{self.module} {self.function}", *lines))


class Mutant(NamedTuple):
    """A mutant, and what became of it."""

    name: str
    change: Change
    is_killed: bool


def read_mutants(folder: Path, module: str, package: str) -> Iterator[Mutant]:
    """Yield the mutants of one module.

    Args:
        folder: Where mutmut has run.
        module: Path of the module in the package.
        package: Name of the package.

    Raises:
        LookupError: A mutant was not tried, its tests could not be started, or its name is not that of a mutant.
    """
    path = folder / "mutants" / package / module
    results = json.loads(path.with_name(f"{path.name}.meta").read_text(encoding="utf-8"))["exit_code_by_key"]
    functions = _functions(path.read_text(encoding="utf-8"))
    for name, exit_code in results.items():
        if exit_code not in _SURVIVED | _KILLED:
            raise LookupError(f"{name} was not tried, or its tests could not be started ({exit_code})")
        mangled = name.rsplit(".", 1)[1]
        match = _MUTANT.match(mangled)
        if match is None:
            raise LookupError(f"{name} is no name of a mutant")
        before, after = functions[f"{match['function']}__mutmut_orig"], functions[mangled]
        removed, added = _difference(before, after)
        change = Change(module, _plain(match["function"]), removed, added)
        yield Mutant(name, change, exit_code in _KILLED)


def _functions(source: str) -> dict[str, list[str]]:
    """Return the lines of every function in a mutated module, without indentation, by its name."""
    lines = [line.strip() for line in source.splitlines()]
    return {
        node.name: lines[node.lineno : node.end_lineno]
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef) and _MUTANT.match(node.name)
    }


def _difference(before: list[str], after: list[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    lines = list(difflib.unified_diff(before, after, n=0, lineterm=""))[2:]
    return (
        tuple(_code(line) for line in lines if line.startswith("-")),
        tuple(_code(line) for line in lines if line.startswith("+")),
    )


def _code(line: str) -> str:
    return line[1:].partition("  # ")[0]


def _plain(mangled: str) -> str:
    """Return the name of a function, with its class, from the name that mutmut gives it."""
    return mangled.removeprefix("x_").removeprefix("xǁ").replace("ǁ", ".")
