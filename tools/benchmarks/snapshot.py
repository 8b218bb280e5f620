"""Print what a run costs with a snapshot: time, CPU time, peak memory, requests and the size of the file.

Run it with ``uv run python -m tools.benchmarks.snapshot [PEOPLE] [PERCENT] [ROUNDS]``. The runs are: ``plain``, without
a snapshot; ``reading``, which reads and maps all records and sends one person, since all others are over its cap;
``first``, which makes the snapshot; and ``changed``, after PERCENT of the people have changed. They take turns in each
round, and the lowest figures count, because other work of the machine only adds time. Compare ratios: machines differ.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.harness.messages import record, schema, singer
from tools.benchmarks.runs import print_row, run_target, sandbox_process

if TYPE_CHECKING:
    from tools.benchmarks.runs import Figures, SandboxProcess

STATE = {"type": "STATE", "value": {"bookmarks": {"people": {}}}}


class Cost(NamedTuple):
    """What a run cost."""

    figures: Figures
    report: dict[str, Any]
    file_megabytes: float


def write_people(path: Path, count: int, changed: int) -> None:
    """Write the messages of a tap that reads a whole segment, of which some people have changed."""
    step = count // changed if changed else 0
    with path.open("wb") as file:
        file.write(singer(schema(email="string", first_name="string", last_name="string", city="string")))
        for number in range(count):
            names = {"first_name": f"First{number % 1000}", "last_name": f"Last{number % 7919}"}
            city = "Potsdam" if step and number % step == 0 else "Berlin"
            file.write(singer(record(email=f"person.{number}@example.com", **names, city=city)))
        file.write(singer(STATE))


def cost_of(into: SandboxProcess, lines: Path, folder: Path, **config: Any) -> Cost:
    """Run the target once."""
    report = folder / "report.json"
    settings = {"profile_cap": 0, "report_path": str(report), **config}
    figures = run_target("target_sendgrid", into, settings, lines, folder)
    file = Path(config.get("snapshot_path", folder / "none"))
    return Cost(figures, json.loads(report.read_bytes()), file.stat().st_size / 1e6 if file.exists() else 0)


def best_of(costs: list[Cost]) -> Cost:
    """Return the run that took the least CPU time."""
    return min(costs, key=lambda cost: cost.figures.cpu_seconds)


def main() -> None:
    """Print one line for each kind of run."""
    arguments = (*sys.argv[1:], *("1000000", "1", "3")[len(sys.argv) - 1 :])
    count, percent, rounds = (int(argument) for argument in arguments)
    found: dict[str, list[Cost]] = {"plain": [], "reading": [], "first": [], "changed": []}
    with tempfile.TemporaryDirectory() as name, sandbox_process("--quick", "--no-rate-limit-enabled") as into:
        folder = Path(name)
        whole, later = folder / "whole.singer", folder / "later.singer"
        write_people(whole, count, 0)
        write_people(later, count, count * percent // 100)
        for number in range(rounds):
            snapshot = {"list_id": into.new_list(), "snapshot_path": str(folder / f"snapshot{number}.db")}
            capped = {"profile_cap": 1, "on_profile_cap": "truncate"}
            found["plain"].append(cost_of(into, whole, folder, list_id=into.new_list()))
            found["reading"].append(cost_of(into, whole, folder, list_id=into.new_list(), **capped))
            found["first"].append(cost_of(into, whole, folder, **snapshot))
            found["changed"].append(cost_of(into, later, folder, **snapshot))
    best = {kind: best_of(costs) for kind, costs in found.items()}
    print_row(
        "run", "upserted", "unchanged", "seconds", "CPU s", "/ plain", "/ reading", "peak MB", "requests", "file MB"
    )
    for kind, cost in best.items():
        counts, cpu = cost.report["streams"]["people"], cost.figures.cpu_seconds
        print_row(
            kind, f"{counts['upserted']:,}", f"{counts.get('unchanged', 0):,}", f"{cost.figures.wall_seconds:.1f}",
            f"{cpu:.1f}", *(f"{cpu / best[other].figures.cpu_seconds:.2f}" for other in ("plain", "reading")),
            f"{cost.figures.peak_megabytes:.0f}", f"{cost.report['requests']:,}", f"{cost.file_megabytes:.1f}",
        )  # fmt: skip


if __name__ == "__main__":
    main()
