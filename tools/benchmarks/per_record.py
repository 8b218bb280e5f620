"""Print the CPU time for one record, for records of the shapes that taps write.

Run it with ``uv run python -m tools.benchmarks.per_record [--records N] [--rounds N] [--code FOLDER] [SHAPE ...]``. Our
target is compared with a plain SDK target that does the same work, with an SDK target that does none, and with decoding
alone. A figure is the CPU time of a whole process minus that of a run with few records. In each round all take turns;
of all rounds the lowest figures count, because other work of the machine only adds time. The benchmark ends with an
error if a target has not brought everybody into the list. Jobs end at once, so that no contacts are moved to disk.
Compare ratios: machines differ. ``--code`` is a folder with the code of our target, for instance another checkout.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from tools.benchmarks.runs import HERE, print_row, run_target, sandbox_process
from tools.benchmarks.shapes import SHAPES

if TYPE_CHECKING:
    from tools.benchmarks.runs import Figures, SandboxProcess
    from tools.benchmarks.shapes import Shape

DEFAULT_RECORDS = 50_000
DEFAULT_CAP = 100_000
DEFAULT_ROUNDS = 5
FEW = 1_000
"""Records of the runs whose time is subtracted: enough for everything that happens once."""
MAX_SDK_RECORDS = 10_000
"""Most records more that SDK targets get: they are slow, and their time for a record does not depend on the number."""

OURS, PLAIN, NULL = "target_sendgrid", "tools.benchmarks.plain_sdk", "tools.benchmarks.null_sdk"


class Input(NamedTuple):
    """A file of Singer lines."""

    lines: Path
    records: int
    kept: int
    """How many of the records the settings keep."""


class Best:
    """The lowest figures of a target."""

    def __init__(self, few: Input, many: Input) -> None:
        self.few = few
        self.many = many
        self.runs: list[tuple[Figures, Figures]] = []

    def microseconds(self) -> float:
        """Return the CPU time for one record."""
        few = min(few.cpu_seconds for few, _ in self.runs)
        many = min(many.cpu_seconds for _, many in self.runs)
        return (many - few) / (self.many.records - self.few.records) * 1e6


def decode_microseconds(path: Path) -> float:
    """Return the CPU time of decoding one line."""
    decode = msgspec.json.Decoder().decode
    with path.open("rb") as file:
        lines = list(itertools.islice(file, 10_000))
    started = time.process_time()
    for line in lines:
        decode(line)
    return (time.process_time() - started) / len(lines) * 1e6


def run_once(module: str, shape: Shape, source: Input, into: SandboxProcess, folder: Path, code: Path) -> Figures:
    """Run a target, and check that everybody is in the list."""
    list_id = into.new_list()
    config = shape.settings(list_id) | {"profile_cap": max(source.records, DEFAULT_CAP)}
    figures = run_target(module, into, config, source.lines, folder, code)
    if module != NULL:
        into.check_arrivals(list_id, source.kept, module)
    return figures


def measure(name: str, records: int, rounds: int, folder: Path, code: Path) -> None:
    """Print one line."""
    shape = SHAPES[name]

    def written(count: int) -> Input:
        path = folder / f"{count}.singer"
        return Input(path, count, shape.write(path, count))

    few, many, sdk_many = written(FEW), written(FEW + records), written(FEW + min(records, MAX_SDK_RECORDS))
    targets = {OURS: Best(few, many), PLAIN: Best(few, sdk_many), NULL: Best(few, sdk_many)}
    decodes = []
    with sandbox_process() as into:
        into.prepare(shape)
        for _ in range(rounds):
            decodes.append(decode_microseconds(sdk_many.lines))
            for module, best in targets.items():
                whose = code if module == OURS else HERE
                first, second = (run_once(module, shape, one, into, folder, whose) for one in (best.few, best.many))
                best.runs.append((first, second))
    decode, (own, plain, null) = min(decodes), (best.microseconds() for best in targets.values())
    print_row(
        name, f"{own:.1f}", f"{plain:.1f}", f"{null:.1f}", f"{decode:.2f}",
        f"x {plain / own:.1f}", f"x {null / own:.1f}", f"x {own / decode:.1f}",
        f"{max(many.peak_megabytes for _, many in targets[OURS].runs):.0f}",
    )  # fmt: skip


def main() -> None:
    """Print one line for each shape."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--records", type=int, default=DEFAULT_RECORDS)
    parser.add_argument("--rounds", type=int, default=DEFAULT_ROUNDS)
    parser.add_argument("--code", type=Path, default=HERE, metavar="FOLDER")
    parser.add_argument("shapes", nargs="*", metavar="SHAPE", help=", ".join(SHAPES))
    options = parser.parse_args()
    if unknown := set(options.shapes) - SHAPES.keys():
        parser.error(f"Unknown shape {', '.join(unknown)}. The shapes are: {', '.join(SHAPES)}.")
    print_row(
        "shape", "µs", "plain SDK µs", "null SDK µs", "decode µs", "plain/ours", "null/ours", "ours/decode", "peak MB"
    )
    for name in options.shapes or SHAPES:
        with tempfile.TemporaryDirectory() as folder:
            measure(name, options.records, options.rounds, Path(folder), options.code.resolve())


if __name__ == "__main__":
    main()
