"""Print the time and peak memory of runs without records, of our target and of a plain SDK target.

Run it with ``uv run python -m tools.benchmarks.startup [ROUNDS]``. Figures are medians; each ratio is the median of the
ratios of neighbouring runs. Compare CPU times: other work of the machine affects them least. An empty run of ours
makes three requests, one of the plain target makes none: ``checking`` is a plain target that makes the same three. Peak
memory is printed for targets only: Python alone takes less than this program, and the peak of a child process is at
least that of its parent.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tools.benchmarks.runs import print_row, run_python, run_target, sandbox_process
from tools.benchmarks.shapes import ORDINARY

if TYPE_CHECKING:
    from collections.abc import Callable

    from tools.benchmarks.runs import Figures

DEFAULT_ROUNDS = 15

OURS, PLAIN, CHECKING = "target_sendgrid", "tools.benchmarks.plain_sdk", "tools.benchmarks.checking_sdk"


def print_comparison(name: str, rounds: list[tuple[Figures, Figures]], *, has_memory: bool = True) -> None:
    """Print the medians of runs of our target and of another, which took turns."""
    ours, other = zip(*rounds, strict=True)
    print_row(
        name,
        *(f"{statistics.median(run.wall_seconds for run in runs) * 1000:.0f}" for runs in (ours, other)),
        f"x {statistics.median(one.wall_seconds / another.wall_seconds for one, another in rounds):.2f}",
        *(f"{statistics.median(run.cpu_seconds for run in runs) * 1000:.0f}" for runs in (ours, other)),
        f"x {statistics.median(one.cpu_seconds / another.cpu_seconds for one, another in rounds):.2f}",
        *(f"{statistics.median(run.peak_megabytes for run in runs):.1f}" for runs in (ours, other) if has_memory),
    )


def main() -> None:
    """Print one line for each command."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT_ROUNDS
    with tempfile.TemporaryDirectory() as name, sandbox_process() as into:
        folder = Path(name)
        nothing = folder / "nothing.singer"
        nothing.touch()
        config = {
            "field_mapping": ORDINARY.field_mapping,
            "profile_cap": 1000,
            "list_id": into.prepare(ORDINARY),
        }

        def command(*arguments: str) -> Callable[[str], Figures]:
            return lambda module: run_python(["-m", module, *arguments], nothing, folder)

        def empty_run(module: str) -> Figures:
            return run_target(module, into, config, nothing, folder)

        def python() -> Figures:
            return run_python(["-c", "pass"], nothing, folder)

        version = command("--version")
        rows = (
            ("--version", version, PLAIN),
            ("--about", command("--about", "--format", "json"), PLAIN),
            ("empty run", empty_run, PLAIN),
            ("checking", empty_run, CHECKING),
        )
        for module in (OURS, PLAIN, CHECKING):
            version(module)  # writes the bytecode
        print_row("run", "wall ms", "plain", "ratio", "CPU ms", "plain", "ratio", "peak MB", "plain")
        alone = [(python(), python()) for _ in range(rounds)]
        print_comparison("python -c pass", alone, has_memory=False)
        for row, run, other in rows:
            print_comparison(row, [(run(OURS), run(other)) for _ in range(rounds)])


if __name__ == "__main__":
    main()
