"""Mutates the modules that carry the promises, and counts what the tests notice.

``uv run --group full python -m tools.mutants [MODULE ...]`` fails if the share of noticed mutants is below
`MIN_PERCENT`, or if an entry of the list of equivalent mutants matches none.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tools.mutants.copy import PACKAGE, make_copy, prepare
from tools.mutants.equivalents import read_equivalents
from tools.mutants.mutants import read_mutants
from tools.mutants.scope import MIN_PERCENT, MODULES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tools.mutants.mutants import Change, Mutant

ROOT = Path(__file__).parents[2]
EQUIVALENTS = Path(__file__).with_name("equivalent.txt")


def main() -> int:
    """Run the tool, and return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "modules", nargs="*", metavar="MODULE", help="such as delivery/state.py; all of them by default"
    )
    parser.add_argument("--processes", type=int, default=2, help="how many mutants are tried at a time")
    arguments = parser.parse_args()
    modules = arguments.modules or list(MODULES)
    equivalents = read_equivalents(EQUIVALENTS.read_text(encoding="utf-8"))
    seen: set[Change] = set()
    killed_count = counted = 0
    for module in modules:
        mutants = _mutants_of(module, arguments.processes)
        seen.update(mutant.change for mutant in mutants)
        killed = [mutant for mutant in mutants if mutant.is_killed]
        not_killed = [mutant for mutant in mutants if not mutant.is_killed]
        equivalent = [
            mutant for mutant in not_killed if mutant.change in equivalents or mutant.change.is_refused_by_types
        ]
        survived = [mutant for mutant in not_killed if mutant not in equivalent]
        for mutant in survived:
            _say(f"\n{mutant.change}")
        killed_count += len(killed)
        counted += len(killed) + len(survived)
        score = _percent(len(killed), len(killed) + len(survived))
        _say(f"\n{module}: {len(killed)} killed, {len(survived)} survived, {len(equivalent)} equivalent: {score:.1f} %")
    score = _percent(killed_count, counted)
    _say(f"\nAll: {killed_count} of {counted} killed: {score:.1f} %. At least {MIN_PERCENT:g} % are required.")
    stale = [change for change in equivalents if change.module in modules and change not in seen]
    for change in stale:
        _say(f"\nThis entry of {EQUIVALENTS.name} matches no mutant:\n{change}")
    return 1 if stale or score < MIN_PERCENT else 0


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _percent(part: int, whole: int) -> float:
    return 100 * part / whole if whole else 100.0


def _mutants_of(module: str, processes: int) -> list[Mutant]:
    """Mutate one module in a copy of the repository, and try all its mutants."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_copy(ROOT, folder)
        prepare(folder / PACKAGE / module)
        _configure(folder, module)
        log_path = folder / "mutmut.log"
        with log_path.open("wb") as log:
            command = [str(Path(sys.executable).parent / "mutmut"), "run", "--max-children", str(processes)]
            code = subprocess.run(command, cwd=folder, stdout=log, stderr=log, check=False).returncode
        if code:
            sys.exit(f"{module}: mutmut ended with {code}:\n{log_path.read_text(encoding='utf-8')[-3000:]}")
        return list(read_mutants(folder, module, PACKAGE))


def paths_of_tests(module: str, root: Path) -> list[str]:
    """Return the paths of the tests that have to notice mutants of a module: its own, if it has any, and the others."""
    own = f"tests/unit/{Path(module).parent}/test_{Path(module).name}"
    others = [f"tests/{name}" for name in MODULES[module]]
    return [own, *others] if (root / own).exists() else others


def _configure(folder: Path, module: str) -> None:
    own: dict[str, Sequence[str] | float | bool] = {
        "source_paths": [PACKAGE],
        "only_mutate": [f"{PACKAGE}/{module}"],
        "pytest_add_cli_args": [
            *("-p", "no:xdist"),
            *("-p", "no:cacheprovider"),
            *("-o", "addopts="),
            *("-o", "faulthandler_timeout=0"),
        ],
        "pytest_add_cli_args_test_selection": paths_of_tests(module, folder),
        "also_copy": ["README.md", "docs", "tools"],
        "timeout_constant": 2.0,
        "timeout_multiplier": 5.0,
        "process_isolation": "forkserver",  # in forks of one process, Hypothesis finds traces of earlier runs
        "use_git_change_detection": False,
    }
    with (folder / "pyproject.toml").open("a", encoding="utf-8") as file:
        file.write("\n[tool.mutmut]\n")
        file.writelines(
            f"{name} = {str(value).lower() if isinstance(value, bool) else repr(value)}\n"
            for name, value in own.items()
        )


if __name__ == "__main__":
    sys.exit(main())
