"""Print what the same profiles cost as RECORD lines, and as BATCH messages that list JSONL or Parquet files.

Run it with ``uv run python -m tools.benchmarks.batch_files [PROFILES]``; 1,000,000 by default. A file holds as many
profiles as the SDK writes to one. Figures are for whole runs, the start included. Compare ratios: machines differ.
"""

from __future__ import annotations

import datetime as dt
import gzip
import json
import multiprocessing
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tools.benchmarks.runs import print_row, run_target, sandbox_process
from tools.benchmarks.shapes import ORDINARY, STATE_EVERY, STREAM

if TYPE_CHECKING:
    from collections.abc import Callable

DEFAULT_COUNT = 1_000_000
RECORDS = "RECORD lines"

People = list[dict[str, Any]]


def write_jsonl(path: Path, people: People) -> None:
    """Write a JSONL file as the SDK does by default, with gzip."""
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(person) + "\n" for person in people)


def write_parquet(path: Path, people: People) -> None:
    """Write a Parquet file as the SDK does; dates and times are Python objects, as in taps that read databases."""
    import pyarrow as pa  # type: ignore[import-untyped]  # noqa: PLC0415 - no types; it takes much memory
    import pyarrow.parquet as pq  # type: ignore[import-untyped]  # noqa: PLC0415 - as above

    moments = [name for name, declared in ORDINARY.properties.items() if declared.get("format") == "date-time"]
    for person in people:
        person.update({name: dt.datetime.fromisoformat(person[name].replace("Z", "+00:00")) for name in moments})
    pq.write_table(pa.Table.from_pylist(people), path)


FORMATS: dict[str, tuple[dict[str, str], Callable[[Path, People], None]]] = {
    "JSONL, gzip": ({"format": "jsonl", "compression": "gzip"}, write_jsonl),
    "Parquet": ({"format": "parquet"}, write_parquet),
}


def write(input_format: str, folder: Path, count: int) -> None:
    """Write the standard input of a run, and the files that it lists."""
    lines = folder / "input.singer"
    if input_format == RECORDS:
        ORDINARY.write(lines, count)
        return
    ORDINARY.write(lines, 0)
    encoding, write_file = FORMATS[input_format]
    with lines.open("a", encoding="utf-8") as file:
        for start in range(0, count, STATE_EVERY):
            people = [ORDINARY.person(number) for number in range(start, min(start + STATE_EVERY, count))]
            path = folder / f"{start}.batch"
            write_file(path, people)
            batch = {"type": "BATCH", "stream": STREAM, "encoding": encoding, "manifest": [path.as_uri()]}
            state = {"type": "STATE", "value": {"bookmarks": {STREAM: {"id": start + len(people) - 1}}}}
            file.write(f"{json.dumps(batch)}\n{json.dumps(state)}\n")


def main() -> None:
    """Print one line for each format."""
    count = int(sys.argv[1].replace(",", "")) if len(sys.argv) > 1 else DEFAULT_COUNT
    print_row("profiles in", "wall s", "CPU s", "µs a record", "records/CPU s", "peak MB", "ratio")
    records_seconds: float | None = None
    for input_format in (RECORDS, *FORMATS):
        with tempfile.TemporaryDirectory() as name, sandbox_process() as into:
            # In a process of its own: the peak memory of a child process is at least that of its parent.
            writer = multiprocessing.get_context("spawn").Process(target=write, args=(input_format, Path(name), count))
            writer.start()
            writer.join()
            if writer.exitcode:
                sys.exit(f"The files of {input_format} can't be written.")
            config = {"field_mapping": ORDINARY.field_mapping, "profile_cap": None, "list_id": into.prepare(ORDINARY)}
            figures = run_target("target_sendgrid", into, config, Path(name, "input.singer"), Path(name))
        seconds = figures.cpu_seconds
        records_seconds = records_seconds or seconds
        print_row(
            input_format,
            f"{figures.wall_seconds:.1f}",
            f"{seconds:.1f}",
            f"{seconds / count * 1e6:.1f}",
            f"{count / seconds:,.0f}",
            f"{figures.peak_megabytes:.0f}",
            f"x {seconds / records_seconds:.2f}",
        )


if __name__ == "__main__":
    main()
