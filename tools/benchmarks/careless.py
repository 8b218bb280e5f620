"""Print the CPU time of a careless script that sends the people of a CSV file, and of our target for the same people.

Run it with ``uv run python -m tools.benchmarks.careless [--records N] [--rounds N] [--code FOLDER]``. Figures are of
whole processes, with their start; of rounds in which all take turns, the lowest counts. ``--code`` is a folder with the
code of our target, for instance another checkout.
"""

from __future__ import annotations

import argparse
import csv
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tools.benchmarks.runs import HERE, print_row, run_python, run_target, sandbox_process
from tools.benchmarks.shapes import ORDINARY, SHAPES

if TYPE_CHECKING:
    from collections.abc import Callable

    from tools.benchmarks.runs import Figures

COMPARED = ("utc", "sdk", "array")


def write_csv(path: Path, count: int) -> None:
    """Write the ordinary people to a file."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(ORDINARY.properties))
        writer.writeheader()
        writer.writerows(ORDINARY.person(number) for number in range(count))


def main() -> None:
    """Print one line for the script, and one for each shape of the records that our target reads."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--code", type=Path, default=HERE, metavar="FOLDER")
    options = parser.parse_args()
    count, code = options.records, options.code.resolve()
    with tempfile.TemporaryDirectory() as name, sandbox_process() as into:
        folder = Path(name)
        people = folder / "people.csv"
        write_csv(people, count)
        for shape in COMPARED:
            SHAPES[shape].write(folder / shape, count)
            into.create_fields(SHAPES[shape])
        os.environ |= {"SENDGRID_API_KEY": into.api_key, "SENDGRID_URL": into.url}
        fields = [into.field_ids()[field] for field in ORDINARY.custom_fields]

        def script(list_id: str) -> Figures:
            return run_python(["-m", "tools.benchmarks.careless_script", str(people), list_id, *fields], people, folder)

        def ours(shape: str) -> Callable[[str], Figures]:
            return lambda list_id: run_target(
                "target_sendgrid", into, SHAPES[shape].settings(list_id), folder / shape, folder, code
            )

        runs: dict[str, Callable[[str], Figures]] = {"script": script, **{shape: ours(shape) for shape in COMPARED}}
        found: dict[str, list[float]] = {name: [] for name in runs}
        for _ in range(options.rounds):
            for who, run in runs.items():
                list_id = into.new_list()
                found[who].append(run(list_id).cpu_seconds)
                into.check_arrivals(list_id, count, who)
    print_row("who", "CPU s", "script/ours")
    for who, seconds in found.items():
        print_row(who, f"{min(seconds):.2f}", f"x {min(found['script']) / min(seconds):.2f}")


if __name__ == "__main__":
    main()
