"""Print how fast the sandbox answers and applies large upserts: `python -m tools.benchmarks.sandbox_upsert [N]`."""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import requests

from target_sendgrid.sandbox.options import Options
from target_sendgrid.sandbox.server import SandboxServer, collect_garbage_rarely

BATCH = 30_000
_BYTES_PER_MEGABYTE = 1_000_000


def contact(number: int, city: str) -> dict[str, Any]:
    return {
        "email": f"person.{number}@example.com",
        "first_name": f"First{number % 1000}",
        "last_name": f"Last{number % 7919}",
        "city": city,
        "custom_fields": {"e1_T": "gold", "e2_N": number, "e3_D": "2026-01-02T03:04:05Z"},
    }


def measure(total: int, database: Path | None, city: str, server: SandboxServer) -> None:
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {server.api_key}"
    base = f"{server.url}/v3/marketing"
    lists = session.get(f"{base}/lists", timeout=60).json()["result"]
    where = "memory" if database is None else "file"
    for start in range(0, total, BATCH):
        contacts = [contact(number, city) for number in range(start, min(total, start + BATCH))]
        body = json.dumps({"list_ids": [lists[0]["id"]], "contacts": contacts}).encode()
        begun = time.perf_counter()
        job = session.put(f"{base}/contacts", data=body, timeout=60).json()["job_id"]
        answered = time.perf_counter()
        server.advance(60)
        applied = time.perf_counter()
        status = session.get(f"{base}/contacts/imports/{job}", timeout=60).json()
        polled = time.perf_counter()
        sys.stdout.write(
            f"{where}: {len(contacts)} contacts, {len(body) / _BYTES_PER_MEGABYTE:.1f} MB: answered in "
            f"{answered - begun:.3f} s, applied in {applied - answered:.3f} s, polled in {polled - applied:.4f} s: "
            f"{status['status']} {status['results']}\n"
        )
    session.close()


def main() -> None:
    total = int(sys.argv[1]) if len(sys.argv) > 1 else BATCH
    collect_garbage_rarely()
    options = Options(rate_limit_enabled=False, max_body_bytes=10_000_000)
    with tempfile.TemporaryDirectory() as folder:
        for database in (None, Path(folder) / "account.db"):
            with SandboxServer(options=options, manual_clock=True, database=database) as server:
                server.seed(lists=["Everybody"], fields={"plan": "Text", "score": "Number", "since": "Date"})
                for city in ("Berlin", "Berlin", "Paris"):
                    sys.stdout.write({"Berlin": "create or no change", "Paris": "change"}[city] + "\n")
                    measure(total, database, city, server)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sys.stdout.write(f"peak memory of this process: {peak:.0f} MB\n")


if __name__ == "__main__":
    main()
