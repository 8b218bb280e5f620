"""Print what one record costs, for each way through the target, and by number of records.

Run it with ``uv run python -m tests.benchmarks.per_record [RECORDS ...] [WAY ...]``. Beside ours stand a plain SDK
target that does the same work, and decoding alone. A figure is the CPU time of a whole process less that of a run
without records, each the least of a few rounds: what else the machine does only adds to it. Jobs end at once, so that
no contact has to wait for one outside the memory. Compare ratios: machines differ.

All of it takes the better part of an hour; name sizes and ways for less.
"""

from __future__ import annotations

import itertools
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from tests.benchmarks.runs import account, print_row, run_target
from tests.benchmarks.shapes import ORDINARY, STREAM, WIDE

if TYPE_CHECKING:
    from tests.benchmarks.runs import Figures
    from tests.benchmarks.shapes import Shape

DEFAULT_SIZES = (10_000, 100_000, 1_000_000)
DEFAULT_CAP = 100_000
ROUNDS = 5
DECODED_LINES = 10_000
MOST_PLAIN = 20_000
"""The plain target is given so many records at most: it takes long, and as long for each."""

OURS, PLAIN = "target_sendgrid", "tests.benchmarks.plain_sdk"


class Way(NamedTuple):
    """A way that records take through the target."""

    name: str
    shape: Shape
    config: dict[str, Any]


WAYS = (
    Way("ordinary", ORDINARY, {}),
    Way("wide", WIDE, {}),
    Way("stream map", ORDINARY, {"stream_maps": {STREAM: {"note": "country"}}}),
    Way("flattening", WIDE, {"flattening_enabled": True, "flattening_max_depth": 0}),
    Way("unchecked", ORDINARY, {"validate_records": False}),
)


class Round(NamedTuple):
    """A run without records, and one of so many."""

    empty: Figures
    whole: Figures
    requests: int


def decode_microseconds(path: Path) -> float:
    """Return what decoding a line alone takes of CPU time."""
    decode = msgspec.json.Decoder().decode
    with path.open("rb") as file:  # few lines: the peak memory of a child process counts from its parent's
        lines = list(itertools.islice(file, DECODED_LINES))
    started = time.process_time()
    for line in lines:
        decode(line)
    return (time.process_time() - started) / len(lines) * 1e6


def run_once(module: str, way: Way, count: int, folder: Path) -> Round:
    """Run one target without records and with so many."""
    config = {"field_mapping": way.shape.field_mapping, "profile_cap": max(count, DEFAULT_CAP)} | way.config
    with account() as into:
        config["list_id"] = into.prepare(way.shape)
        empty = run_target(module, into, config, folder / "0.singer", folder)
        before = len(into.requests())
        whole = run_target(module, into, config, folder / f"{count}.singer", folder)
        return Round(empty, whole, len(into.requests()) - before)


def microseconds(rounds: list[Round], count: int) -> float:
    """Return the CPU time of one record of so many."""
    whole = min(run.whole.cpu_seconds for run in rounds)
    empty = min(run.empty.cpu_seconds for run in rounds)
    return (whole - empty) / count * 1e6


def measure(way: Way, count: int, folder: Path) -> None:
    """Print one line, from rounds in which all that is compared takes turns."""
    few = min(count, MOST_PLAIN)
    for size in {count, few, 0}:
        way.shape.write(folder / f"{size}.singer", size)
    decodes, ours, plains = [], [], []
    for _ in range(ROUNDS):
        decodes.append(decode_microseconds(folder / f"{few}.singer"))
        ours.append(run_once(OURS, way, count, folder))
        plains.append(run_once(PLAIN, way, few, folder))
    decode, own, plain = min(decodes), microseconds(ours, count), microseconds(plains, few)
    print_row(
        way.name,
        f"{count:,}",
        f"{decode:.2f}",
        f"{own:.1f}",
        f"{plain:.1f}",
        f"x {plain / own:.1f}",
        f"x {own / decode:.1f}",
        f"{1e6 / own:,.0f}",
        f"{min(run.whole.wall_seconds for run in ours):.1f}",
        f"{max(run.whole.peak_megabytes for run in ours):.0f}",
        f"{ours[0].requests}",
    )


def main() -> None:
    """Print one line a way and size."""
    arguments = [argument.replace(",", "") for argument in sys.argv[1:]]
    sizes = [int(argument) for argument in arguments if argument.isdecimal()] or DEFAULT_SIZES
    names = [argument for argument in arguments if not argument.isdecimal()]
    if unknown := set(names) - {way.name for way in WAYS}:
        sys.exit(f"There is no way {', '.join(unknown)}: {', '.join(way.name for way in WAYS)} are.")
    print_row(
        "way", "records", "decode µs", "µs", "plain SDK µs", "plain/ours", "ours/decode", "rec./CPU s", "wall s",
        "peak MB", "requests",
    )  # fmt: skip
    for way in WAYS:
        for count in sizes:
            if not names or way.name in names:
                with tempfile.TemporaryDirectory() as name:
                    measure(way, count, Path(name))


if __name__ == "__main__":
    main()
