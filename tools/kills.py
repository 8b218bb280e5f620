"""Kill runs at random moments and resume from the last state: ``uv run python -m tools.kills [KILLS] [SEED]``.

Each round starts the target on the messages after the last state, and kills it (``kill -9``): while it starts, after a
line of its log or a state, or while it waits for its last import jobs. This is repeated until a run ends by itself.
Some jobs fail, so that not every accepted contact is stored. At the end no contact may be missing or have an older
value.
"""

from __future__ import annotations

import dataclasses
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from target_sendgrid.sandbox.server import SandboxServer
from tests.harness.messages import record, schema, singer
from tests.harness.runs import QUICK

if TYPE_CHECKING:
    from collections.abc import Sequence

PEOPLE = 240
STATE_EVERY = 10
SLOW_JOBS = dataclasses.replace(QUICK, job_counts_after_seconds=0.1, job_final_after_seconds=0.3)
_STREAMS = ("people", "customers")


class Moment(NamedTuple):
    """When a run is killed."""

    words: str | None
    """Words of the lines to wait for; an empty text is in any line. `None`: wait for no line, count from the start."""
    line: int
    """Number of lines with these words to wait for."""
    seconds: float
    """Seconds from the last awaited line, or from the start, until the kill."""


def random_moment(rng: random.Random) -> Moment:
    """Return a moment at the start of a run, in its middle, or in the wait for its last import jobs."""
    kind = rng.choice(["start", "middle", "middle", "last wait"])
    if kind == "start":
        return Moment(None, 0, rng.uniform(0.0, 1.5))
    if kind == "middle":
        return Moment("", rng.randrange(1, 60), rng.uniform(0.0, 0.1))
    return Moment("The input has ended", 1, rng.uniform(0.0, 0.6))


def messages(rng: random.Random) -> list[dict[str, Any]]:
    """Return all messages of a tap: two streams, people who occur twice, bad records, states that count the records."""
    found: list[dict[str, Any]] = []
    for number in range(PEOPLE):
        mail = "nobody" if rng.random() < 0.02 else f"p{rng.randrange(number + 1) if rng.random() < 0.1 else number}"
        values = {"mail": f"{mail}@example.com" if mail != "nobody" else mail, "given": f"No. {number}"}
        found.append(record(rng.choice(_STREAMS), **values))
        if (number + 1) % STATE_EVERY == 0:
            found.append({"type": "STATE", "value": {"after": number + 1}})
    return found


def run_until_killed(
    sandbox: SandboxServer, folder: Path, lines: Sequence[dict[str, Any]], moment: Moment | None
) -> tuple[list[int], int]:
    """Run the target and kill it at a moment, if it has not ended before.

    Returns:
        The states that it wrote, and its exit code.
    """
    config = {
        "api_url": sandbox.url, "api_key": sandbox.api_key, "list_name": "Everybody", "batch_size_rows": 15,
        "field_mapping": {"email": "mail", "first_name": "given"}, "max_rejected_percent": 100,
        "rejected_records_path": str(folder / "rejected.jsonl"),
    }  # fmt: skip
    path = folder / "config.json"
    path.write_text(json.dumps(config), encoding="utf-8")
    source = folder / "lines.singer"
    source.write_bytes(singer(*(schema(stream, mail="string", given="string") for stream in _STREAMS), *lines))
    states: list[int] = []
    # A process that is killed while it writes the coverage leaves a broken file.
    environment = {name: value for name, value in os.environ.items() if name != "COVERAGE_PROCESS_CONFIG"}
    with source.open("rb") as file, subprocess.Popen(
        [sys.executable, "-m", "target_sendgrid", "--config", str(path)],
        stdin=file, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment,
    ) as process:  # fmt: skip
        killer = threading.Timer(moment.seconds if moment else 0.0, process.kill)
        is_set = moment is None
        seen = 0
        if moment and moment.words is None:
            killer.start()
            is_set = True
        for line in process.stdout or ():
            if line.startswith(b'{"after"') and line.endswith(b"}\n"):
                states.append(json.loads(line)["after"])
            seen += not is_set and moment is not None and (moment.words or "").encode() in line
            if not is_set and moment is not None and seen == moment.line:
                killer.start()
                is_set = True
    killer.cancel()
    return states, process.returncode


def missing_after_kills(
    sandbox: SandboxServer, folder: Path, rng: random.Random, kills: int, *, failing_jobs: float
) -> tuple[list[Moment], set[str]]:
    """Kill the target up to `kills` times while it sends one set of messages, then let it end.

    Args:
        sandbox: The account that it writes to. It is emptied first.
        folder: Folder for its files.
        rng: What is random.
        kills: Most kills.
        failing_jobs: Share of import jobs that fail. The target waits half a minute and longer before it tries again.

    Returns:
        The moments at which it was killed, and the addresses that are neither in the account with their last value nor
        among the rejected records.
    """
    sandbox.reset()
    sandbox.set_options(**dataclasses.asdict(SLOW_JOBS))
    sandbox.add_fault("job_failed", probability=failing_jobs, seed=rng.randrange(1000))
    (folder / "rejected.jsonl").unlink(missing_ok=True)
    whole = messages(rng)
    done = 0
    killed: list[Moment] = []
    exit_code = -1
    while exit_code:
        start = next((n for n, message in enumerate(whole, 1) if message.get("value") == {"after": done}), 0)
        moment = random_moment(rng) if len(killed) < kills else None
        states, exit_code = run_until_killed(sandbox, folder, whole[start:], moment)
        if exit_code not in {0, -9}:
            sys.exit(f"The target ended with {exit_code}.")
        if exit_code and moment:
            killed.append(moment)
        done = states[-1] if states else done
    sandbox.settle()
    people = [message["record"] for message in whole if message["type"] == "RECORD"]
    wanted = {person["mail"]: person["given"] for person in people}
    found = {str(contact["email"]): contact.get("first_name") for contact in sandbox.contacts()}
    path = folder / "rejected.jsonl"
    rejected = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    kept = {json.loads(line)["message"]["record"]["mail"] for line in rejected if line.endswith("}")}
    return killed, {mail for mail, given in wanted.items() if mail not in kept and found.get(mail) != given}


def main() -> None:
    """Print how many kills there were, and the addresses that are missing."""
    kills, seed = (int(argument) for argument in (*sys.argv[1:], *("200", "1")[len(sys.argv) - 1 :]))
    rng = random.Random(seed)  # noqa: S311 - no secret is made of it
    kill_moments: list[Moment] = []
    lost: set[str] = set()
    with SandboxServer(options=SLOW_JOBS) as sandbox, tempfile.TemporaryDirectory() as name:
        while len(kill_moments) < kills:
            killed, missing = missing_after_kills(
                sandbox, Path(name), rng, min(5, kills - len(kill_moments)), failing_jobs=0.1
            )
            kill_moments += killed
            lost |= missing
    count = {
        "at the start": sum(moment.words is None for moment in kill_moments),
        "in the middle": sum(moment.words == "" for moment in kill_moments),
        "in the last wait": sum(bool(moment.words) for moment in kill_moments),
    }
    kinds = ", ".join(f"{number} {when}" for when, number in count.items())
    sys.stdout.write(f"{len(kill_moments)} kills ({kinds}), seed {seed}: {len(lost)} people missing {sorted(lost)}\n")
    sys.exit(bool(lost))


if __name__ == "__main__":
    main()
