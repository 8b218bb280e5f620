"""Print how many instructions of the processor a record takes: a figure that other work of the machine does not change.

Run it with ``uv run python -m tools.benchmarks.instructions [--code FOLDER ...] [SHAPE ...]``. It needs Valgrind, whose
cachegrind runs the target with a few records and with more; the difference is divided by that of the numbers. Each
``--code`` is a folder with the code to measure, for instance another checkout; all of them run in this environment.
A shape takes about a minute.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tools.benchmarks.runs import HERE, environment_for, print_row, run_target, sandbox_process, write_config
from tools.benchmarks.shapes import SHAPES, Shape

FEW, MANY = 2_000, 7_000
VALGRIND = ("valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null")
SANDBOX = (
    "--job-counts-after-seconds=0", "--job-final-after-seconds=0", "--field-ready-after-seconds=0",
    "--no-rate-limit-enabled",
)  # fmt: skip
"""Options with which a run does not wait, since a thread that waits takes instructions too."""


def instructions(shape: Shape, count: int, folder: Path, code: Path) -> int:
    """Return the instructions of a run."""
    lines = folder / "lines.singer"
    kept = shape.write(lines, count)
    with sandbox_process(*SANDBOX) as into, lines.open("rb") as file:
        list_id = into.prepare(shape)
        config = write_config(into, shape.settings(list_id), folder)
        run = subprocess.run(
            [*VALGRIND, sys.executable, "-m", "target_sendgrid", "--config", str(config)],
            stdin=file,
            capture_output=True,
            text=True,
            env=environment_for(code) | {"PYTHONHASHSEED": "0"},
            cwd=folder,
            check=False,
        )
        counted = re.search(r"I\s+refs:\s+([\d,]+)", run.stderr)
        if run.returncode or counted is None:
            sys.exit(run.stderr)
        into.check_arrivals(list_id, kept, str(code))
    return int(counted[1].replace(",", ""))


def main() -> None:
    """Print one line for each shape, with a column for each folder."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--code", action="append", type=Path, metavar="FOLDER")
    parser.add_argument("shapes", nargs="*", metavar="SHAPE", help=", ".join(SHAPES))
    options = parser.parse_args()
    codes = [code.resolve() for code in options.code or (HERE,)]
    if unknown := set(options.shapes) - SHAPES.keys():
        parser.error(f"Unknown shape {', '.join(unknown)}. The shapes are: {', '.join(SHAPES)}.")
    if shutil.which("valgrind") is None:
        sys.exit("valgrind is needed: apt-get install valgrind")
    print_row("shape", *(code.name for code in codes))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for code in codes:  # writes the bytecode
            with sandbox_process(*SANDBOX) as into:
                SHAPES["sdk"].write(folder / "lines.singer", 1)
                config = SHAPES["sdk"].settings(into.prepare(SHAPES["sdk"]))
                run_target("target_sendgrid", into, config, folder / "lines.singer", folder, code)
        for shape_name in options.shapes or SHAPES:
            shape = SHAPES[shape_name]
            found = [
                (instructions(shape, MANY, folder, code) - instructions(shape, FEW, folder, code)) / (MANY - FEW)
                for code in codes
            ]
            print_row(shape_name, *(f"{figure:,.0f}" for figure in found))


if __name__ == "__main__":
    main()
