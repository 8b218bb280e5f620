"""Print what it costs that people have unsubscribed: requests, time and peak memory of the target.

Run it with ``uv run python -m tools.benchmarks.unsubscribes [PEOPLE] [UNSUBSCRIBED]``. The first UNSUBSCRIBED of PEOPLE
have unsubscribed: they wait in temporary files until twice as many people have come. Another run sends the same people
without any unsubscribe.
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.harness.messages import record, schema, singer
from tools.benchmarks.mirror import purpose
from tools.benchmarks.runs import print_row, run_target, sandbox_process


def write_people(path: Path, count: int, unsubscribed: int) -> None:
    """Write the messages of a tap."""
    with path.open("wb") as file:
        file.write(singer(schema(email="string", first_name="string", last_name="string", status="string")))
        for number in range(count):
            names = {"first_name": f"First{number % 1000}", "last_name": f"Last{number % 7919}"}
            status = "unsubscribed" if number < unsubscribed else "subscribed"
            file.write(singer(record(email=f"person.{number}@example.com", status=status, **names)))
        file.write(singer({"type": "STATE", "value": {}}))


def main() -> None:
    """Print one line for each figure."""
    count, unsubscribed = (int(argument) for argument in (*sys.argv[1:], *("200000", "60000")[len(sys.argv) - 1 :]))
    print_row("people", f"{count:,}")
    for number in (0, unsubscribed):
        with tempfile.TemporaryDirectory() as name, sandbox_process("--quick", "--no-rate-limit-enabled") as into:
            folder = Path(name)
            lines, list_id = folder / "lines.singer", into.new_list()
            write_people(lines, count, number)
            config = {"list_id": list_id, "profile_cap": 0, "subscription_property": "status"}
            config |= {"unsubscribed_values": ["unsubscribed"]}
            cost = run_target("target_sendgrid", into, config, lines, folder)
            into.check_arrivals(list_id, count, "The run")
            kinds = Counter("suppressions" if "/asm/" in entry["path"] else purpose(entry) for entry in into.requests())
        print_row("unsubscribed", f"{number:,}")
        print_row("", f"{cost.wall_seconds:.1f} s", f"CPU {cost.cpu_seconds:.1f} s", f"{cost.peak_megabytes:.0f} MB")
        for what, requests in kinds.most_common():
            print_row(what, f"{requests:,}")


if __name__ == "__main__":
    main()
