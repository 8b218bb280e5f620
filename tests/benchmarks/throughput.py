"""Print what whole runs cost: records a second, CPU seconds and peak memory of the target, by number of profiles.

Run it with ``uv run python -m tests.benchmarks.throughput [PROFILES ...]``; 100,000 and 1,000,000 by default. The
target is started as users start it; the sandbox runs in a process of its own, without SendGrid's rate limit and with
jobs that end at once, so the figures are the target's. Compare ratios, not seconds: machines differ.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

DEFAULT_SIZES = (100_000, 1_000_000)
STATE_EVERY = 10_000
STREAM = "profiles"
FIELD_MAPPING = {
    "email": "email_address",
    "first_name": "given_name",
    "last_name": "family_name",
    "city": "city",
    "country": "country",
    "postal_code": "postcode",
    "loyalty_tier": "loyalty_tier",
    "lifetime_value": "lifetime_value",
    "last_purchase_at": "last_purchase_at",
}
_TEXT = {"type": ["string", "null"]}
SCHEMA = {
    "type": "SCHEMA",
    "stream": STREAM,
    "key_properties": ["id"],
    "schema": {
        "type": "object",
        "properties": {
            "id": {"type": "integer"},
            "email_address": _TEXT,
            "given_name": _TEXT,
            "family_name": _TEXT,
            "city": _TEXT,
            "country": _TEXT,
            "postcode": _TEXT,
            "loyalty_tier": _TEXT,
            "lifetime_value": {"type": ["number", "null"]},
            "last_purchase_at": _TEXT | {"format": "date-time"},
            "updated_at": _TEXT | {"format": "date-time"},
        },
    },
}


class Figures(NamedTuple):
    """What one run cost."""

    profiles: int
    wall_seconds: float
    cpu_seconds: float
    peak_megabytes: float
    states: int


def write_profiles(path: Path, count: int) -> None:
    """Write Singer lines of that many made-up people, all different, a third with capitals in their address."""
    with path.open("w", encoding="utf-8") as file:
        file.write(json.dumps(SCHEMA) + "\n")
        for number in range(count):
            name = f"Person.{number}" if number % 3 == 0 else f"person.{number}"
            record = {
                "id": number,
                "email_address": f"{name}@mail{number % 97}.example.com",
                "given_name": f"Ada {number % 1000}",
                "family_name": "Lovelace",
                "city": "London",
                "country": "United Kingdom",
                "postcode": f"N{number % 20} 9GU",
                "loyalty_tier": ("gold", "silver", None)[number % 3],
                "lifetime_value": number / 8,
                "last_purchase_at": f"2026-03-{number % 28 + 1:02d}T12:00:00+00:00",
                "updated_at": "2026-04-01T00:00:00Z",
            }
            file.write(json.dumps({"type": "RECORD", "stream": STREAM, "record": record}) + "\n")
            if (number + 1) % STATE_EVERY == 0:
                file.write(json.dumps({"type": "STATE", "value": {"bookmarks": {STREAM: {"id": number}}}}) + "\n")


def measure(profiles: Path, count: int, folder: Path) -> Figures:
    """Run the target over a file into a fresh sandbox."""
    command = [sys.executable, "-m", "target_sendgrid.sandbox", "serve", "--port", "0", "--quick", "--ready-json"]
    command += ["--until-stdin-closes", "--no-rate-limit-enabled", "--database", str(folder / f"account-{count}.db")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as sandbox:
        ready = json.loads(sandbox.stdout.readline()) if sandbox.stdout else {}
        config = {
            "api_url": ready["url"],
            "api_key": ready["api_key"],
            "list_name": "Benchmark",
            "field_mapping": FIELD_MAPPING,
            "create_custom_fields": True,
            "profile_cap": None if count > 100_000 else 100_000,
        }
        config_path = folder / "config.json"
        config_path.write_text(json.dumps(config), encoding="utf-8")
        started = time.perf_counter()
        with profiles.open("rb") as lines, (folder / "target.log").open("wb") as log:
            target = subprocess.Popen(
                [sys.executable, "-m", "target_sendgrid", "--config", str(config_path)],
                stdin=lines,
                stdout=subprocess.PIPE,
                stderr=log,
            )
            states = target.stdout.read().splitlines() if target.stdout else []
            _, status, usage = os.wait4(target.pid, 0)
        wall_seconds = time.perf_counter() - started
        if status:
            sys.exit((folder / "target.log").read_text(encoding="utf-8"))
        target.returncode = 0
        if target.stdout:
            target.stdout.close()
    return Figures(count, wall_seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, len(states))


def main() -> None:
    """Print one line a size."""
    sizes = [int(argument.replace(",", "")) for argument in sys.argv[1:]] or DEFAULT_SIZES
    columns = ("profiles", "wall s", "CPU s", "records/s", "records/CPU s", "peak MB", "states", "memory")
    _print(f"{name:>13}" for name in columns)
    smallest: float | None = None
    for count in sizes:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            profiles = folder / "profiles.singer"
            write_profiles(profiles, count)
            figures = measure(profiles, count, folder)
        smallest = smallest or figures.peak_megabytes
        cells = (
            f"{figures.profiles:,}",
            f"{figures.wall_seconds:.1f}",
            f"{figures.cpu_seconds:.1f}",
            f"{count / figures.wall_seconds:,.0f}",
            f"{count / figures.cpu_seconds:,.0f}",
            f"{figures.peak_megabytes:.1f}",
            f"{figures.states}",
            f"x {figures.peak_megabytes / smallest:.2f}",
        )
        _print(f"{cell:>13}" for cell in cells)


def _print(cells: Iterable[str]) -> None:
    sys.stdout.write("".join(cells) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
