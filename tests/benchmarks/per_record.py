"""Print what one record costs, beside a plain SDK target that does the same work, and beside decoding alone.

Run it with ``uv run python -m tests.benchmarks.per_record [RECORDS]``. A figure is the CPU time of a whole process less
that of a run without records; every ratio is of neighbouring runs. Compare ratios: machines differ.
"""

from __future__ import annotations

import itertools
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from tests.benchmarks.runs import account, print_row, run_target
from tests.benchmarks.shapes import ORDINARY, STREAM, WIDE

if TYPE_CHECKING:
    from tests.benchmarks.shapes import Shape

DEFAULT_COUNT = 100_000
ROUNDS = 3
DECODED_LINES = 10_000
PLAIN_SHARE = 5
"""The plain target is given one record in so many: it takes long."""

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


class Cost(NamedTuple):
    """What a way costs."""

    microseconds: float
    megabytes: float
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


def cost(module: str, way: Way, count: int, folder: Path) -> Cost:
    """Measure one target on so many records."""
    lines, nothing = folder / f"{count}.singer", folder / "0.singer"
    config = {"field_mapping": way.shape.field_mapping, "profile_cap": 10_000_000} | way.config
    with account() as into:
        config["list_id"] = into.prepare(way.shape)
        empty = run_target(module, into, config, nothing, folder)
        before = len(into.requests())
        whole = run_target(module, into, config, lines, folder)
        requests = len(into.requests()) - before
    return Cost((whole.cpu_seconds - empty.cpu_seconds) / count * 1e6, whole.peak_megabytes, requests)


def measure(way: Way, count: int, folder: Path) -> None:
    """Print the medians of a way."""
    few = count // PLAIN_SHARE
    for size in (count, few, 0):
        way.shape.write(folder / f"{size}.singer", size)
    rows = []
    for _ in range(ROUNDS):
        decode = decode_microseconds(folder / f"{few}.singer")
        ours = cost(OURS, way, count, folder)
        plain = cost(PLAIN, way, few, folder)
        rows.append(
            (
                decode,
                ours.microseconds,
                plain.microseconds,
                plain.microseconds / ours.microseconds,
                ours.microseconds / decode,
                1e6 / ours.microseconds,
                ours.megabytes,
                ours.requests,
            )
        )
    middle = [statistics.median(column) for column in zip(*rows, strict=True)]
    formats = ("{:.2f}", "{:.1f}", "{:.1f}", "x {:.1f}", "x {:.1f}", "{:,.0f}", "{:.0f}", "{:.0f}")
    print_row(way.name, *(form.format(value) for form, value in zip(formats, middle, strict=True)))


def main() -> None:
    """Print one line a way; names after the number choose some."""
    count = int(sys.argv[1].replace(",", "")) if len(sys.argv) > 1 else DEFAULT_COUNT
    print_row(
        "way", "decode µs", "µs", "plain SDK µs", "plain/ours", "ours/decode", "rec./CPU s", "peak MB", "requests"
    )
    for way in WAYS:
        if way.name in (sys.argv[2:] or way.name):
            with tempfile.TemporaryDirectory() as name:
                measure(way, count, Path(name))


if __name__ == "__main__":
    main()
