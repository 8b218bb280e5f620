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
KINDS = ("PUT /contacts", "GET /imports", "POST /exports", "GET /exports", "DELETE /lists", "POST /search")


def write_people(path: Path, numbers: range) -> None:
    """Write the messages of a tap that reads a whole segment."""
    with path.open("wb") as file:
        file.write(singer(schema(email="string", first_name="string", last_name="string", city="string")))
        for number in numbers:
            names = {"first_name": f"First{number % 1000}", "last_name": f"Last{number % 7919}", "city": "Berlin"}
            file.write(singer(record(email=f"person.{number}@example.com", **names)))
        file.write(singer(STATE))


def kind_of(entry: dict[str, Any]) -> str:
    """Return what a request of the sandbox's log is for."""
    path = str(entry["path"])
    words = next((words for kind in KINDS for words in [kind.split()[1]] if f"{words}/" in f"{path}/"), "others")
    for kind in KINDS:
        method, words = kind.split()
        if entry["method"] == method and f"{words}/" in f"{path}/":
            return kind
    return "others"


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
        seen = {entry["id"] for entry in into.requests()}
        cost = run_target(
            "target_sendgrid", into, config | {"sync_mode": "mirror", "report_path": str(report)}, lines, folder
        )
        into.check_arrivals(list_id, count, "The mirror")
        log = [entry for entry in into.requests() if entry["id"] not in seen]
        ended = json.loads(report.read_bytes())
    print_row("people", f"{count:,}")
    for what, number in {"took off": sum(ended["removed_members"].values()), "requests": ended["request_count"]}.items():
        print_row(what, f"{number:,}")
    for kind, number in Counter(map(kind_of, log)).most_common():
        print_row(kind, f"{number:,}")
    for what, figures in {"upsert": first, "mirror": cost}.items():
        print_row(what, f"{figures.wall_seconds:.1f} s", f"CPU {figures.cpu_seconds:.1f} s", f"{figures.peak_megabytes:.0f} MB")


if __name__ == "__main__":
    main()
