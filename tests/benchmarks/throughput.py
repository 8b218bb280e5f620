"""Print what whole runs cost: records a second, CPU seconds and peak memory of the target, by number of profiles.

Run it with ``uv run python -m tests.benchmarks.throughput [PROFILES ...]``; 100,000 and 1,000,000 by default. The
target is started as users start it; the sandbox runs in a process of its own. Compare ratios: machines differ.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.benchmarks.runs import account, print_row, run_target
from tests.benchmarks.shapes import ORDINARY

DEFAULT_SIZES = (100_000, 1_000_000)
DEFAULT_CAP = 100_000


def main() -> None:
    """Print one line a size."""
    sizes = [int(argument.replace(",", "")) for argument in sys.argv[1:]] or DEFAULT_SIZES
    print_row("profiles", "wall s", "CPU s", "records/s", "records/CPU s", "peak MB", "states", "memory")
    smallest: float | None = None
    for count in sizes:
        config: dict[str, Any] = {
            "field_mapping": ORDINARY.field_mapping,
            "profile_cap": None if count > DEFAULT_CAP else DEFAULT_CAP,
        }
        with tempfile.TemporaryDirectory() as name, account() as into:
            profiles = Path(name, "profiles.singer")
            ORDINARY.write(profiles, count)
            config["list_id"] = into.prepare(ORDINARY)
            figures = run_target("target_sendgrid", into, config, profiles, Path(name))
        smallest = smallest or figures.peak_megabytes
        print_row(
            f"{count:,}",
            f"{figures.wall_seconds:.1f}",
            f"{figures.cpu_seconds:.1f}",
            f"{count / figures.wall_seconds:,.0f}",
            f"{count / figures.cpu_seconds:,.0f}",
            f"{figures.peak_megabytes:.1f}",
            f"{figures.states}",
            f"x {figures.peak_megabytes / smallest:.2f}",
        )


if __name__ == "__main__":
    main()
