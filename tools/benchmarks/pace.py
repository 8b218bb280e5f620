"""Print how long a run takes within SendGrid's rate limits, and the shortest time possible (the pace).

Run it with ``uv run python -m tools.benchmarks.pace [PROFILES]``; 1,000,000 by default.

The sandbox limits requests, and its import jobs take as long as those recorded of SendGrid. To measure the pace, the
same requests are made ready first, then sent as soon as the rate limit allows, until the last job has ended.
"""

from __future__ import annotations

import http.client
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from target_sendgrid.delivery.batching import Batcher
from target_sendgrid.delivery.operations.upsert import upsert_kind
from target_sendgrid.delivery.pending import Change, Purpose
from target_sendgrid.origin import Origin
from target_sendgrid.sendgrid.contact import Body
from tools.benchmarks.runs import print_row, run_target, sandbox_process
from tools.benchmarks.shapes import ORDINARY

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from target_sendgrid.delivery.pending import Batch
    from tools.benchmarks.runs import SandboxProcess

DEFAULT_COUNT = 1_000_000
MAX_ROWS, MAX_BYTES = 30_000, 3_500_000
POLL_SECONDS = 0.5


def bodies(profiles: Path, list_id: str, field_ids: Mapping[str, str]) -> Iterator[bytes]:
    """Yield the bodies of the requests that the target would send for the profiles."""
    batcher, purpose = Batcher(lambda: 0.0), Purpose(upsert_kind(MAX_ROWS, MAX_BYTES), (list_id,))
    with profiles.open("rb") as file:
        for number, line in enumerate(file):
            message = msgspec.json.decode(line)
            if message["type"] != "RECORD":
                continue
            values = {field: message["record"][source] for field, source in ORDINARY.field_mapping.items()}
            values["email"] = values["email"].lower()
            values["last_purchase_at"] = values["last_purchase_at"].replace("+00:00", "Z")
            custom_fields = {field_ids[name]: values.pop(name) for name in field_ids}
            contact = msgspec.json.encode(values | {"custom_fields": custom_fields})
            batcher.add(Change(purpose, values["email"], contact, Origin("", number)), is_new=True)
            while batcher.next_full() is not None:
                batch = batcher.seal(purpose)
                yield _body(batch)
                batcher.release(batch)
    for rest in batcher.open_purposes():
        yield _body(batcher.seal(rest))


def _body(batch: Batch) -> bytes:
    return b"".join(Body(batch.purpose.list_ids, batch.packed.contacts if batch.packed else ()))


def replay(into: SandboxProcess, requests: list[Path]) -> float:
    """Send ready-made requests, wait for their last job, and return the seconds that this took."""
    connection = http.client.HTTPConnection(urlsplit(into.url).netloc)
    headers = {"Authorization": f"Bearer {into.api_key}", "Content-Type": "application/json"}

    def answer(method: str, path: str, content: bytes | None = None) -> dict[str, Any]:
        while True:
            connection.request(method, path, content, headers)
            response = connection.getresponse()
            found: dict[str, Any] = json.loads(response.read())
            if response.status < http.client.BAD_REQUEST:
                return found
            if response.status != http.client.TOO_MANY_REQUESTS:
                sys.exit(f"The sandbox answered {response.status}.")
            time.sleep(float(response.headers["x-ratelimit-reset"]))

    started = time.perf_counter()
    jobs = [answer("PUT", "/v3/marketing/contacts", path.read_bytes())["job_id"] for path in requests]
    while answer("GET", f"/v3/marketing/contacts/imports/{jobs[-1]}")["status"] == "pending":
        time.sleep(POLL_SECONDS)
    return time.perf_counter() - started


def main() -> None:
    """Print the pace, and the time of the run."""
    count = int(sys.argv[1].replace(",", "")) if len(sys.argv) > 1 else DEFAULT_COUNT
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        profiles = folder / "profiles.singer"
        ORDINARY.write(profiles, count)
        with sandbox_process("--field-ready-after-seconds", "0") as into:
            requests = []
            list_id = into.prepare(ORDINARY)
            for number, content in enumerate(bodies(profiles, list_id, into.field_ids())):
                requests.append(folder / f"{number}.json")
                requests[-1].write_bytes(content)
            pace = replay(into, requests)
        with sandbox_process("--field-ready-after-seconds", "0") as into:
            config = {"list_id": into.prepare(ORDINARY), "field_mapping": ORDINARY.field_mapping, "profile_cap": None}
            run = run_target("target_sendgrid", into, config, profiles, folder)
            log = into.requests()
    refused = sum(entry["status"] == http.client.TOO_MANY_REQUESTS for entry in log)
    print_row("profiles", "ready", "pace s", "run s", "run/pace", "CPU s", "peak MB", "requests", "refused")
    print_row(
        f"{count:,}", f"{len(requests)}", f"{pace:.1f}", f"{run.wall_seconds:.1f}", f"x {run.wall_seconds / pace:.2f}",
        f"{run.cpu_seconds:.1f}", f"{run.peak_megabytes:.0f}", f"{len(log)}", f"{refused}",
    )  # fmt: skip


if __name__ == "__main__":
    main()
