"""Print the CPU time for one record, for several kinds of records and settings and several numbers of records.

Run it with ``uv run python -m tools.benchmarks.per_record [RECORDS ...] [CASE ...]``. Our target is compared with a
plain SDK target that does the same work, and with decoding alone. A figure is the CPU time of a whole process minus
that of a run without records. Of several rounds the lowest counts, because other work of the machine only adds time.
Jobs end at once, so that no contacts are moved to disk. Compare ratios: machines differ.

All cases take most of an hour; name sizes and cases to run fewer.
"""

from __future__ import annotations

import itertools
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from tools.benchmarks.runs import print_row, run_target, sandbox_process
from tools.benchmarks.shapes import ORDINARY, STREAM, WIDE

if TYPE_CHECKING:
    from tools.benchmarks.runs import Figures
    from tools.benchmarks.shapes import Shape

DEFAULT_SIZES = (10_000, 100_000, 1_000_000)
DEFAULT_CAP = 100_000
ROUNDS = 5
DECODED_LINES = 10_000
MAX_PLAIN_RECORDS = 20_000
"""Most records that the plain target gets: it is slow, and its time for one record does not depend on the number."""

OURS, PLAIN = "target_sendgrid", "tools.benchmarks.plain_sdk"


class Case(NamedTuple):
    """A kind of records, with settings."""

    name: str
    shape: Shape
    config: dict[str, Any]


CASES = (
    Case("ordinary", ORDINARY, {}),
    Case("wide", WIDE, {}),
    Case("stream map", ORDINARY, {"stream_maps": {STREAM: {"note": "country"}}}),
    Case("flattening", WIDE, {"flattening_enabled": True, "flattening_max_depth": 0}),
    Case("unchecked", ORDINARY, {"validate_records": False}),
)


class Round(NamedTuple):
    """The figures of a run without records and of a run with records."""

    empty: Figures
    whole: Figures
    requests: int
    """Number of requests in the run with records."""


def decode_microseconds(path: Path) -> float:
    """Return the CPU time of decoding one line."""
    decode = msgspec.json.Decoder().decode
    with path.open("rb") as file:  # few lines: the peak memory of a child process is at least that of its parent
        lines = list(itertools.islice(file, DECODED_LINES))
    started = time.process_time()
    for line in lines:
        decode(line)
    return (time.process_time() - started) / len(lines) * 1e6


def run_once(module: str, case: Case, count: int, folder: Path) -> Round:
    """Run one target without records, and once more with `count` records."""
    config = {"field_mapping": case.shape.field_mapping, "profile_cap": max(count, DEFAULT_CAP)} | case.config
    with sandbox_process() as into:
        config["list_id"] = into.prepare(case.shape)
        empty = run_target(module, into, config, folder / "0.singer", folder)
        before = len(into.requests())
        whole = run_target(module, into, config, folder / f"{count}.singer", folder)
        return Round(empty, whole, len(into.requests()) - before)


def microseconds(rounds: list[Round], count: int) -> float:
    """Return the CPU time for one record."""
    whole = min(run.whole.cpu_seconds for run in rounds)
    empty = min(run.empty.cpu_seconds for run in rounds)
    return (whole - empty) / count * 1e6


def measure(case: Case, count: int, folder: Path) -> None:
    """Print one line, from rounds in which decoding, our target and the plain one take turns."""
    few = min(count, MAX_PLAIN_RECORDS)
    for size in {count, few, 0}:
        case.shape.write(folder / f"{size}.singer", size)
    decodes, ours, plains = [], [], []
    for _ in range(ROUNDS):
        decodes.append(decode_microseconds(folder / f"{few}.singer"))
        ours.append(run_once(OURS, case, count, folder))
        plains.append(run_once(PLAIN, case, few, folder))
    decode, own, plain = min(decodes), microseconds(ours, count), microseconds(plains, few)
    print_row(
        case.name,
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
    """Print one line for each case and size."""
    arguments = [argument.replace(",", "") for argument in sys.argv[1:]]
    sizes = [int(argument) for argument in arguments if argument.isdecimal()] or DEFAULT_SIZES
    names = [argument for argument in arguments if not argument.isdecimal()]
    if unknown := set(names) - {case.name for case in CASES}:
        sys.exit(f"Unknown case {', '.join(unknown)}. The cases are: {', '.join(case.name for case in CASES)}.")
    print_row(
        "case", "records", "decode µs", "µs", "plain SDK µs", "plain/ours", "ours/decode", "rec./CPU s", "wall s",
        "peak MB", "requests",
    )  # fmt: skip
    for case in CASES:
        for count in sizes:
            if not names or case.name in names:
                with tempfile.TemporaryDirectory() as name:
                    measure(case, count, Path(name))


if __name__ == "__main__":
    main()
