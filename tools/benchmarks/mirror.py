"""Print what it costs to mirror a list: requests, time and peak memory of the target.

Run it with ``uv run python -m tools.benchmarks.mirror [PEOPLE] [PERCENT]``. A first run puts PEOPLE on a list. The run
that is measured mirrors the same segment after PERCENT of its people have left and as many others have joined.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from tests.harness.messages import record, schema, singer
from tools.benchmarks.runs import print_row, run_target, sandbox_process

STATE = {"type": "STATE", "value": {"bookmarks": {"people": {}}}}
KINDS = {
    ("PUT", "/contacts"): "upserts",
    ("GET", "/imports/"): "polls of jobs",
    ("POST", "/exports"): "exports",
    ("GET", "/exports/"): "polls, files",
    ("DELETE", "/lists/"): "removals",
    ("POST", "/contacts/batch"): "look-ups",
}
"""What requests are for, by their method and words in their path."""


def write_people(path: Path, numbers: range) -> None:
    """Write the messages of a tap that reads a whole segment."""
    with path.open("wb") as file:
        file.write(singer(schema(email="string", first_name="string", last_name="string", city="string")))
        for number in numbers:
            names = {"first_name": f"First{number % 1000}", "last_name": f"Last{number % 7919}", "city": "Berlin"}
            file.write(singer(record(email=f"person.{number}@example.com", **names)))
        file.write(singer(STATE))


def purpose(entry: dict[str, Any]) -> str:
    """Return what a request of the sandbox's log is for."""
    method, path = str(entry["method"]), str(entry["path"])
    return next((name for (kind, words), name in KINDS.items() if kind == method and words in path), "others")


def main() -> None:
    """Print one line for each figure."""
    count, percent = (int(argument) for argument in (*sys.argv[1:], *("100000", "1")[len(sys.argv) - 1 :]))
    left = count * percent // 100
    with tempfile.TemporaryDirectory() as name, sandbox_process("--quick", "--no-rate-limit-enabled") as into:
        folder = Path(name)
        lines = folder / "lines.singer"
        list_id = into.new_list()
        config = {"list_id": list_id, "profile_cap": 0}
        write_people(lines, range(count))
        first = run_target("target_sendgrid", into, config, lines, folder)
        into.check_arrivals(list_id, count, "The first run")
        write_people(lines, range(left, count + left))
        report = folder / "report.json"
        last = max(entry["at"] for entry in into.requests())
        cost = run_target(
            "target_sendgrid", into, config | {"sync_mode": "mirror", "report_path": str(report)}, lines, folder
        )
        into.check_arrivals(list_id, count, "The mirror")
        log = [entry for entry in into.requests() if entry["at"] > last]
        ended = json.loads(report.read_bytes())
    print_row("people", f"{count:,}")
    print_row("taken off", f"{sum(ended['removed_members'].values()):,}")
    print_row("requests", f"{ended['requests']:,}")
    for what, number in Counter(map(purpose, log)).most_common():
        print_row(what, f"{number:,}")
    for what, run in {"upsert": first, "mirror": cost}.items():
        print_row(what, f"{run.wall_seconds:.1f} s", f"CPU {run.cpu_seconds:.1f} s", f"{run.peak_megabytes:.0f} MB")


if __name__ == "__main__":
    main()
