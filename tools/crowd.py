"""Run several targets at the same time: ``uv run python -m tools.crowd [TARGETS] [BATCHES] [LIMIT] [WINDOW]``.

All write to one account and share its rate limit: LIMIT requests in each window of WINDOW seconds. They are separate
processes, which learn of each other's requests only from the headers of SendGrid's answers.
"""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from target_sendgrid.sandbox.server import SandboxServer
from tests.harness.messages import record, schema, singer, state
from tests.harness.runs import QUICK

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PEOPLE_PER_BATCH = 5


class Crowd(NamedTuple):
    """How several targets that ran at the same time ended."""

    exit_codes: list[int]
    people: list[int]
    """Number of each target's people that are in the account."""
    states: list[list[str]]
    """The states that each target wrote."""
    puts: int
    refused: int
    """Number of PUTs that were answered with 429."""
    requests: int
    seconds: float
    """Time from the first PUT to the last."""
    windows: int
    """Number of rate-limit windows from the first PUT to the last."""
    logs: list[str]


def load(targets: int, batches: int, *, limit: int, window_seconds: int) -> Crowd:
    """Run targets at the same time, each on some batches, and wait for all to end.

    Args:
        targets: Number of targets.
        batches: Number of batches that each target sends.
        limit: Number of requests that the account allows in one window.
        window_seconds: Length of a window.
    """
    options = dataclasses.replace(
        QUICK, rate_limit_enabled=True, rate_limit_contacts=limit, rate_limit_window_seconds=window_seconds
    )
    with SandboxServer(options=options) as sandbox, tempfile.TemporaryDirectory() as name:
        config = {
            "api_url": sandbox.url, "api_key": sandbox.api_key, "list_name": "Everybody",
            "batch_size_rows": PEOPLE_PER_BATCH,
        }  # fmt: skip
        path = Path(name) / "config.json"
        path.write_text(json.dumps(config), encoding="utf-8")
        ended = list(_run_all(path, [_people(number, batches) for number in range(targets)]))
        found = [str(contact["email"]) for contact in sandbox.contacts("Everybody")]
        requests = sandbox.requests()
    puts = [entry for entry in requests if entry["method"] == "PUT"]
    return Crowd(
        [process.returncode for process in ended],
        [sum(email.startswith(f"t{number}.") for email in found) for number in range(targets)],
        [process.stdout.decode().splitlines() for process in ended],
        len(puts),
        sum(entry["status"] == 429 for entry in puts),
        len(requests),
        puts[-1]["at"] - puts[0]["at"],
        int(puts[-1]["at"] // window_seconds - puts[0]["at"] // window_seconds) + 1,
        [process.stderr.decode() for process in ended],
    )


def _people(target: int, batches: int) -> bytes:
    people = [record(email=f"t{target}.p{number}@example.com") for number in range(batches * PEOPLE_PER_BATCH)]
    return singer(schema(email="string"), *people, state(9))


def _run_all(config: Path, inputs: Iterable[bytes]) -> Iterator[subprocess.CompletedProcess[bytes]]:
    started = []
    for number, lines in enumerate(inputs):
        source = config.with_name(f"{number}.singer")
        source.write_bytes(lines)
        with source.open("rb") as file:
            started.append(
                subprocess.Popen(
                    [sys.executable, "-m", "target_sendgrid", "--config", str(config)],
                    stdin=file, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                )
            )  # fmt: skip
    for process in started:
        output, log = process.communicate(timeout=900)
        yield subprocess.CompletedProcess(process.args, process.returncode, output, log)


def main() -> None:
    """Print how each target ended, the share of refused requests, and how many windows were needed."""
    given = [int(argument) for argument in sys.argv[1:]]
    targets, batches, limit, window_seconds = given + [4, 30, 20, 5][len(given) :]
    crowd = load(targets, batches, limit=limit, window_seconds=window_seconds)
    for number, (exit_code, people) in enumerate(zip(crowd.exit_codes, crowd.people, strict=True), 1):
        sys.stdout.write(f"Target {number}: exit {exit_code}, {people} of {batches * PEOPLE_PER_BATCH} people.\n")
    fewest = -(-targets * batches // limit)
    sys.stdout.write(
        f"{targets} targets, {limit} PUTs in {window_seconds} s: {crowd.puts} PUTs, {crowd.refused} of them refused"
        f" ({crowd.refused / crowd.puts:.0%}; {crowd.refused / crowd.windows / targets:.2f} a target and window),"
        f" {crowd.requests} requests in all; {crowd.seconds:.0f} s in {crowd.windows} windows, {fewest} at best.\n"
    )
    sys.exit(any(crowd.exit_codes) or set(crowd.people) != {batches * PEOPLE_PER_BATCH})


if __name__ == "__main__":
    main()
