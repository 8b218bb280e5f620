"""Kill runs at random moments and go on from their last state: ``uv run python -m tests.faults.kills [KILLS] [SEED]``.

Each round starts the target on what the last state has not passed, kills it (``kill -9``) after a random number of log
lines, and goes on so until a run ends by itself. Then nobody may be missing.
"""

from __future__ import annotations

import dataclasses
import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from target_sendgrid.sandbox.server import SandboxServer
from tests.support import QUICK, record, schema, singer

if TYPE_CHECKING:
    from collections.abc import Sequence

PEOPLE = 240
STATE_EVERY = 10
SLOW_JOBS = dataclasses.replace(QUICK, job_counts_after_seconds=0.1, job_final_after_seconds=0.3)
_STREAMS = ("people", "customers")


def messages(rng: random.Random) -> list[dict[str, Any]]:
    """Return a tap's whole output: two streams, people who come twice, bad records, and states that count records."""
    found: list[dict[str, Any]] = []
    for number in range(PEOPLE):
        mail = "nobody" if rng.random() < 0.02 else f"p{rng.randrange(number + 1) if rng.random() < 0.1 else number}"
        found.append(record(rng.choice(_STREAMS), mail=f"{mail}@example.com" if mail != "nobody" else mail))
        if (number + 1) % STATE_EVERY == 0:
            found.append({"type": "STATE", "value": {"after": number + 1}})
    return found


def run_until_killed(
    sandbox: SandboxServer, folder: Path, lines: Sequence[dict[str, Any]], kill_after: int | None
) -> tuple[list[int], int]:
    """Run the target; kill it after so many log lines. Returns the states it wrote and its exit code."""
    config = {
        "api_url": sandbox.url, "api_key": sandbox.api_key, "list_name": "Everybody", "batch_size_rows": 15,
        "field_mapping": {"email": "mail"}, "rejected_records_path": str(folder / "rejected.jsonl"),
    }  # fmt: skip
    path = folder / "config.json"
    path.write_text(json.dumps(config), encoding="utf-8")
    source = folder / "lines.singer"
    source.write_bytes(singer(*(schema(stream, mail="string") for stream in _STREAMS), *lines))
    with source.open("rb") as file, subprocess.Popen(
        [sys.executable, "-m", "target_sendgrid", "--config", str(path)],
        stdin=file, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        for seen, _ in enumerate(process.stderr or (), 1):
            if seen == kill_after:
                process.kill()
        output = process.stdout.read() if process.stdout else b""
    return [json.loads(line)["after"] for line in output.splitlines() if line.endswith(b"}")], process.returncode


def missing_after_kills(sandbox: SandboxServer, folder: Path, rng: random.Random, kills: int) -> tuple[int, set[str]]:
    """Kill a load so many times at most, then let it end.

    Returns:
        How often it was really killed, and who is neither in the account nor among the rejected records.
    """
    sandbox.reset()
    sandbox.set_options(**dataclasses.asdict(SLOW_JOBS))
    (folder / "rejected.jsonl").unlink(missing_ok=True)
    whole = messages(rng)
    done = killed = 0
    exit_code = -1
    while exit_code:
        passed = next((n for n, message in enumerate(whole, 1) if message.get("value") == {"after": done}), 0)
        kill_after = rng.randrange(1, 60) if killed < kills else None
        states, exit_code = run_until_killed(sandbox, folder, whole[passed:], kill_after)
        killed += exit_code == -9
        if exit_code not in {0, -9}:
            sys.exit(f"The target ended with {exit_code}.")
        done = states[-1] if states else done
    sandbox.settle()
    wanted = {message["record"]["mail"] for message in whole if message["type"] == "RECORD"}
    rejected = (folder / "rejected.jsonl").read_text(encoding="utf-8") if (folder / "rejected.jsonl").exists() else ""
    kept = {json.loads(line)["message"]["record"]["mail"] for line in rejected.splitlines()}
    return killed, wanted - {str(contact["email"]) for contact in sandbox.contacts()} - kept


def main() -> None:
    """Print how many kills were survived, and everybody who was lost."""
    kills, seed = (int(argument) for argument in (*sys.argv[1:], *("200", "1")[len(sys.argv) - 1 :]))
    rng = random.Random(seed)  # noqa: S311 - no secret is made of it
    survived = 0
    lost: set[str] = set()
    with SandboxServer(options=SLOW_JOBS) as sandbox, tempfile.TemporaryDirectory() as name:
        while survived < kills:
            killed, missing = missing_after_kills(sandbox, Path(name), rng, min(5, kills - survived))
            survived += killed
            lost |= missing
    sys.stdout.write(f"{survived} kills, seed {seed}: {len(lost)} people missing {sorted(lost)}\n")
    sys.exit(bool(lost))


if __name__ == "__main__":
    main()
