"""Kill runs at random moments and resume from the last state: ``uv run python -m tools.kills [KILLS] [SEED]``.

Each round starts the target on the messages after the last state, and kills it (``kill -9``): while it starts, after a
line of its log or a state, while it waits for its last import jobs, or while it suppresses people, takes them off a
list, deletes or erases them. This is repeated until a run ends by itself. In every other round the list is mirrored,
and each run gets all messages again. In two of four rounds there is a snapshot, and at the end one more run, which gets
all messages and is not killed. Some jobs fail, so that not every accepted contact is stored. At the end no contact may
be missing or have an older value, the list must hold exactly those who belong on it, all people who have unsubscribed
must be suppressed and nobody else, and those who are to be erased must be gone, with the addresses that only SendGrid
knows.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
from collections import Counter
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
_LEFT = tuple(f"left{number}@example.com" for number in range(12))
"""Members of a mirrored list who are not in the source: few enough for its guard."""

_FORGOTTEN = tuple(f"forgotten{number}@example.com" for number in range(15))
"""People whom a third stream asks to erase. Only their contacts connect the ids in its rows with these addresses."""
_LAST_STEPS = {
    "The input has ended": ("in the last wait", 0.6),
    "as suppression": ("in suppressions", 0.3),
    "Reading the members": ("in the export", 3.0),
    "as list-removal job": ("in removals", 0.6),
    "as deletion job": ("in deletions", 0.6),
    "as erasure": ("in erasures", 0.3),
}
"""Words that begin the last steps of a run, with what these are called and most seconds from there to a kill."""


class Moment(NamedTuple):
    """When a run is killed."""

    words: str | None
    """Words of the lines to wait for; an empty text is in any line. `None`: wait for no line, count from the start."""
    line: int
    """Number of lines with these words to wait for."""
    seconds: float
    """Seconds from the last awaited line, or from the start, until the kill."""


def random_moment(rng: random.Random) -> Moment:
    """Return a moment at the start of a run, in its middle, or in one of its last steps."""
    kind = rng.choice(["start", "middle", "middle", *_LAST_STEPS])
    if kind == "start":
        return Moment(None, 0, rng.uniform(0.0, 1.5))
    if kind == "middle":
        return Moment("", rng.randrange(1, 60), rng.uniform(0.0, 0.1))
    return Moment(kind, 1, rng.uniform(0.0, _LAST_STEPS[kind][1]))


def messages(rng: random.Random, *, is_mirrored: bool = False, forgets: bool = False) -> list[dict[str, Any]]:
    """Return all messages of a tap.

    There are two streams, people who occur twice, bad records, rows that are deleted at the source, and people who have
    unsubscribed. A third stream may ask to erase people, some of them with an older address.

    Args:
        rng: What is random.
        is_mirrored: Whether states hold no replication position, so that all records come again in each run. Otherwise
            they count the records.
        forgets: Whether there is the third stream.
    """
    found: list[dict[str, Any]] = []
    seen: list[str] = []
    for number in range(PEOPLE):
        if seen and rng.random() < 0.1:
            deleted = {"mail": rng.choice(seen), "given": None, "status": rng.choice(["in", "out"])}
            found.append(record(rng.choice(_STREAMS), **deleted, _sdc_deleted_at="2026-01-01"))
        mail = "nobody" if rng.random() < 0.02 else f"p{rng.randrange(number + 1) if rng.random() < 0.1 else number}"
        values = {"mail": f"{mail}@example.com" if mail != "nobody" else mail, "given": f"No. {number}"}
        values["status"] = "out" if rng.random() < 0.1 else "in"
        found.append(record(rng.choice(_STREAMS), **values))
        if mail != "nobody":
            seen.append(values["mail"])
        if (number + 1) % STATE_EVERY == 0:
            found.append({"type": "STATE", "value": {} if is_mirrored else {"after": number + 1}})
        if forgets and number % 16 == 0:
            key = number // 16
            old = {"mail": f"old{key}@example.com" if key % 3 == 0 else None, "status": "out" if key % 4 == 0 else "in"}
            found.append(record("forgotten", key=f"key{key}", **old, _sdc_deleted_at="2026-01-01"))
    return found


def run_until_killed(
    sandbox: SandboxServer, folder: Path, lines: Sequence[dict[str, Any]], moment: Moment | None, **own: Any
) -> tuple[list[int], int]:
    """Run the target with some settings and kill it at a moment, if it has not ended before.

    Returns:
        The states that it wrote, and its exit code.
    """
    config = {
        "api_url": sandbox.url, "api_key": sandbox.api_key, "list_name": "Everybody", "batch_size_rows": 15,
        "field_mapping": {"email": "mail", "first_name": "given"}, "max_rejected_percent": 100,
        "rejected_records_path": str(folder / "rejected.jsonl"), **own,
        "subscription_property": "status", "unsubscribed_values": ["out"],
        "streams": {"forgotten": {
            "list_name": "Former", "sync_mode": "upsert", "on_delete": "erase",
            "field_mapping": {"external_id": "key", "email": "mail"},
        }},
    }  # fmt: skip
    path = folder / "config.json"
    path.write_text(json.dumps(config), encoding="utf-8")
    source = folder / "lines.singer"
    schemas = [schema(stream, mail="string", given="string", status="string") for stream in _STREAMS]
    schemas.append(schema("forgotten", key="string", mail="string", status="string"))
    source.write_bytes(singer(*schemas, *lines))
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


def wrong_after_kills(  # noqa: PLR0913 - what a set of kills is made of
    sandbox: SandboxServer,
    folder: Path,
    rng: random.Random,
    kills: int,
    *,
    failing_jobs: float,
    is_mirrored: bool = False,
    forgets: bool = False,
    has_snapshot: bool = False,
) -> tuple[list[Moment], set[str]]:
    """Kill the target up to `kills` times while it sends one set of messages, then let it end.

    Args:
        sandbox: The account that it writes to. It is emptied first.
        folder: Folder for its files.
        rng: What is random.
        kills: Most kills.
        failing_jobs: Share of import jobs that fail. The target waits half a minute and longer before it tries again.
        is_mirrored: Whether the list is mirrored.
        forgets: Whether people are erased. Runs that find some of them gone wait a minute before they believe it.
        has_snapshot: Whether runs have a snapshot.

    Returns:
        The moments at which it was killed, and the addresses that are not among the rejected records, and either not in
        the account with their last value, or wrongly on the list or not on it, suppressed or not, erased or not.
    """
    sandbox.reset()
    sandbox.set_options(**dataclasses.asdict(SLOW_JOBS))
    if is_mirrored:
        sandbox.seed(contacts=[{"email": email, "lists": ["Everybody"]} for email in _LEFT])
    keyed = [{"email": email, "external_id": f"key{number}"} for number, email in enumerate(_FORGOTTEN)]
    sandbox.seed(contacts=keyed)
    sandbox.add_fault("job_failed", probability=failing_jobs, seed=rng.randrange(1000))
    (folder / "rejected.jsonl").unlink(missing_ok=True)
    own: dict[str, Any] = {"sync_mode": "mirror" if is_mirrored else "upsert"}
    if has_snapshot:
        own["snapshot_path"] = str(folder / "snapshot.db")
    whole = messages(rng, is_mirrored=is_mirrored, forgets=forgets)
    done = 0
    killed: list[Moment] = []
    exit_code = -1
    while exit_code:
        start = next((n for n, message in enumerate(whole, 1) if message.get("value") == {"after": done}), 0)
        moment = random_moment(rng) if len(killed) < kills else None
        states, exit_code = run_until_killed(sandbox, folder, whole[start:], moment, **own)
        if exit_code not in {0, -9}:
            sys.exit(f"The target ended with {exit_code}.")
        if exit_code and moment:
            killed.append(moment)
        done = states[-1] if states else done
    if has_snapshot:
        run_until_killed(sandbox, folder, whole, None, **own)
    sandbox.settle()
    records = [message for message in whole if message["type"] == "RECORD"]
    people = [message["record"] for message in records if message["stream"] != "forgotten"]
    forgotten = [message["record"] for message in records if message["stream"] == "forgotten"]
    wanted = {person["mail"]: person["given"] for person in people if person["given"]}
    last = {person["mail"]: person["given"] for person in people}
    # To a mirror, everybody who has a row that is not deleted is in the source.
    on_list = set(wanted) if is_mirrored else {mail for mail, given in last.items() if given}
    found = {str(contact["email"]): contact.get("first_name") for contact in sandbox.contacts()}
    found_on_list = {str(contact["email"]) for contact in sandbox.contacts("Everybody")}
    path = folder / "rejected.jsonl"
    rejected = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    kept = {json.loads(line)["message"]["record"]["mail"] for line in rejected if line.endswith("}")}
    wrong = {mail for mail, given in wanted.items() if found.get(mail) != given} | (on_list ^ found_on_list)
    wrong.update(mail for mail in _LEFT if is_mirrored and mail not in found)
    unsubscribed = {person["mail"] for person in people if person["status"] == "out" and person["mail"] != "nobody"}
    for person in forgotten:
        if person["status"] == "out":
            unsubscribed.add(person["mail"] or _FORGOTTEN[int(person["key"].removeprefix("key"))])
    to_erase = {*_FORGOTTEN, *(person["mail"] for person in forgotten if person["mail"])} if forgets else set()
    wrong = (wrong - kept) | (to_erase & found.keys())
    return killed, wrong | (unsubscribed ^ sandbox.suppressed()) | (to_erase ^ sandbox.erased())


def main() -> None:
    """Print how many kills there were, and the addresses that are missing, old, or wrong about the list or consent."""
    kills, seed = (int(argument) for argument in (*sys.argv[1:], *("200", "1")[len(sys.argv) - 1 :]))
    rng = random.Random(seed)  # noqa: S311 - no secret is made of it
    kill_moments: list[Moment] = []
    all_wrong: set[str] = set()
    rounds = itertools.cycle(itertools.product((False, True), repeat=2))
    with SandboxServer(options=SLOW_JOBS) as sandbox, tempfile.TemporaryDirectory() as name:
        while len(kill_moments) < kills:
            has_snapshot, is_mirrored = next(rounds)
            killed, wrong = wrong_after_kills(
                sandbox,
                Path(name),
                rng,
                min(5, kills - len(kill_moments)),
                failing_jobs=0.1,
                is_mirrored=is_mirrored,
                forgets=True,
                has_snapshot=has_snapshot,
            )
            kill_moments += killed
            all_wrong |= wrong
    kinds: dict[str | None, str] = {None: "at the start", "": "in the middle"}
    kinds |= {words: name for words, (name, _) in _LAST_STEPS.items()}
    count = Counter(kinds[moment.words] for moment in kill_moments)
    told = ", ".join(f"{count[when]} {when}" for when in kinds.values())
    sys.stdout.write(
        f"{len(kill_moments)} kills ({told}), seed {seed}: {len(all_wrong)} people wrong {sorted(all_wrong)}\n"
    )
    sys.exit(bool(all_wrong))


if __name__ == "__main__":
    main()
