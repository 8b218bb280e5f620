"""Kill runs at random moments and go on from their last state: ``uv run python -m tests.faults.kills [KILLS] [SEED]``.

Each round starts the target on what the last state has not passed and kills it (``kill -9``): while it starts, between
two lines of its log or its states, or while it waits for its last import jobs. It goes on so until a run ends by
itself. Some jobs fail, so that accepted is not stored. In the end nobody may be missing, nor hold an older value.
"""

from __future__ import annotations

import dataclasses
import json
import random
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from target_sendgrid.sandbox.server import SandboxServer
from tests.support import QUICK, record, schema, singer

if TYPE_CHECKING:
    from collections.abc import Sequence

PEOPLE = 240
STATE_EVERY = 10
SLOW_JOBS = dataclasses.replace(QUICK, job_counts_after_seconds=0.1, job_final_after_seconds=0.3)
_STREAMS = ("people", "customers")


class Moment(NamedTuple):
    """When a run is killed: so long after a line that it writes; `None` stands for its start."""

    words: str | None
    line: int
    seconds: float


def a_moment(rng: random.Random) -> Moment:
    """Return a moment of the start, of the middle, or of the last wait."""
    kind = rng.choice(["start", "middle", "middle", "last wait"])
    if kind == "start":
        return Moment(None, 0, rng.uniform(0.0, 1.5))
    if kind == "middle":
        return Moment("", rng.randrange(1, 60), rng.uniform(0.0, 0.1))
    return Moment("completed processing", 1, rng.uniform(0.0, 0.6))


def messages(rng: random.Random) -> list[dict[str, Any]]:
    """Return a tap's whole output: two streams, people who come twice, bad records, and states that count records."""
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
    """Run the target and kill it at a moment, if it runs for so long. Returns the states it wrote and its exit code."""
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
    with source.open("rb") as file, subprocess.Popen(
        [sys.executable, "-m", "target_sendgrid", "--config", str(path)],
        stdin=file, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
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
    sandbox: SandboxServer, folder: Path, rng: random.Random, kills: int
) -> tuple[list[Moment], set[str]]:
    """Kill a load so many times at most, then let it end.

    Returns:
        When it was really killed, and who is neither in the account with the last value nor among the rejected records.
    """
    sandbox.reset()
    sandbox.set_options(**dataclasses.asdict(SLOW_JOBS))
    sandbox.add_fault("job_failed", probability=0.1, seed=rng.randrange(1000))
    (folder / "rejected.jsonl").unlink(missing_ok=True)
    whole = messages(rng)
    done = 0
    killed: list[Moment] = []
    exit_code = -1
    while exit_code:
        passed = next((n for n, message in enumerate(whole, 1) if message.get("value") == {"after": done}), 0)
        moment = a_moment(rng) if len(killed) < kills else None
        states, exit_code = run_until_killed(sandbox, folder, whole[passed:], moment)
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
    """Print how many kills were survived, and everybody who was lost."""
    kills, seed = (int(argument) for argument in (*sys.argv[1:], *("200", "1")[len(sys.argv) - 1 :]))
    rng = random.Random(seed)  # noqa: S311 - no secret is made of it
    survived: list[Moment] = []
    lost: set[str] = set()
    with SandboxServer(options=SLOW_JOBS) as sandbox, tempfile.TemporaryDirectory() as name:
        while len(survived) < kills:
            killed, missing = missing_after_kills(sandbox, Path(name), rng, min(5, kills - len(survived)))
            survived += killed
            lost |= missing
    count = {
        "at the start": sum(moment.words is None for moment in survived),
        "in the middle": sum(moment.words == "" for moment in survived),
        "in the last wait": sum(bool(moment.words) for moment in survived),
    }
    kinds = ", ".join(f"{number} {when}" for when, number in count.items())
    sys.stdout.write(f"{len(survived)} kills ({kinds}), seed {seed}: {len(lost)} people missing {sorted(lost)}\n")
    sys.exit(bool(lost))


if __name__ == "__main__":
    main()
