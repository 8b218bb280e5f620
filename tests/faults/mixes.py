"""Random runs: the messages of the tap, the faults that strike, and what must be true at the end of any run."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.faults.conftest import POLL, PUT, SEARCH
from tests.support import record, schema, state

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from tests.support import Finished

STREAMS = {"people": "Everybody", "buyers": "Buyers", "fans": "Fans"}
CONFIG: dict[str, Any] = {
    "streams": {stream: {"list_name": name} for stream, name in STREAMS.items()},
    "field_mapping": {name: name for name in ("email", "first_name", "city", "score")},
    "create_custom_fields": True,
    "max_rejected_percent": 100,
}
_RECORDS = 40
_MEANINGLESS_ERROR = {"errors": [{"field": "", "message": "invalid input"}]}
_FAULTS: list[dict[str, Any]] = [
    *[{"kind": "status", "status": status} for status in (408, 500, 503)],
    *[{"kind": "html_error", "status": status} for status in (502, 504)],
    {"kind": "reset"},
    {"kind": "cut_after"},
    {"kind": "truncate"},
    {"kind": "rate_limited", "seconds": 20},
    {"kind": "rate_limited", "seconds": 20, "reset": "epoch"},
    {"kind": "rate_limited", "with_headers": False},
    {"kind": "status", "status": 200, "body": "<html>Welcome</html>"},
    {**PUT, "kind": "status", "status": 400, "body": _MEANINGLESS_ERROR},
    {**PUT, "kind": "html_error", "status": 413},
    {**PUT, "kind": "html_error", "status": 404},
    {**POLL, "kind": "status", "status": 404},
    {**SEARCH, "kind": "status", "status": 400},
    {**SEARCH, "kind": "status", "status": 404},
    {"kind": "no_job_id"},
    {"kind": "job_failed"},
    *[{"kind": kind, "applied": applied} for kind in ("job_stuck", "job_lost") for applied in (False, True)],
    *[
        {"kind": "job_errored_rows", "first": 1, "mode": mode}
        for mode in ("", "missing", "gone", "garbage", "expired", "unknown_rows", "gzip")
    ],
]
_LAST_FAULTS: list[dict[str, Any]] = [
    {"kind": "status", "status": 401, "body": {}},
    {"kind": "status", "status": 403, "body": {}},
    {"kind": "html_error", **PUT, "status": 503, "times": None},
    {"kind": "job_stuck", "times": None},
    {"kind": "job_failed", "times": None},
]
"""Faults that end almost every run."""


@dataclass
class Mix:
    """The messages, faults and options of one random run.

    Args:
        seed: Seed of its random numbers.
    """

    seed: int
    messages: list[dict[str, Any]] = field(init=False)
    """What the tap writes; the first message is line 1."""
    faults: list[dict[str, Any]] = field(init=False)
    options: dict[str, Any] = field(init=False)
    """Options of the sandbox."""
    batch_size_rows: int = field(init=False)
    deleted_list: str | None = field(init=False)
    """Name of the list that another user deletes during the run; `None` if no list is deleted."""
    deleted_after_line: int = field(init=False)
    """Line of the last message that the target reads before the list is deleted."""

    def __post_init__(self) -> None:
        self._rng = random.Random(self.seed)  # noqa: S311 - no secret is made of it
        rng = self._rng
        self.messages = [*self._schemas(), *self._records()]
        self.batch_size_rows = rng.randint(1, 6)
        self.options = {
            "job_final_after_seconds": rng.choice([0.0, 3.0, 60.0]),
            "field_ready_after_seconds": rng.choice([0.0, 8.0]),
            "refusal_names": rng.choice(["index", "email", "nobody"]),
        }
        self.faults = [self._fault() for _ in range(rng.randint(1, 6))]
        if rng.random() < 0.15:
            self.faults.append({"skip": rng.randint(0, 60), **rng.choice(_LAST_FAULTS)})
        self.deleted_list = rng.choice(list(STREAMS.values())) if rng.random() < 0.2 else None
        self.deleted_after_line = rng.randint(len(STREAMS) + 1, len(self.messages))

    def is_late(self) -> bool:
        """Return whether the job runner skips its next step."""
        return self._rng.random() < 0.5

    def _fault(self) -> dict[str, Any]:
        probability = self._rng.choice([0.03, 0.1, 0.1, 0.3, 0.6])
        return {"probability": probability, "seed": self.seed, "times": 40, **self._rng.choice(_FAULTS)}

    def _schemas(self) -> Iterator[dict[str, Any]]:
        for stream in STREAMS:
            yield schema(stream, email="string", first_name="string", city="string", score="number")

    def _records(self) -> Iterator[dict[str, Any]]:
        rng = self._rng
        for number in range(_RECORDS):
            person = f"p{rng.randint(1, _RECORDS // 2)}"
            at = "nowhere" if rng.random() < 0.05 else "example.com"
            values: dict[str, Any] = {"email": f"{person}@{at}"}
            if rng.random() < 0.7:
                values["first_name"] = f"Name {number}"
            if rng.random() < 0.5:
                values["city"] = rng.choice([f"City {number}", ""])
            if rng.random() < 0.3:
                values["score"] = number
            yield record(rng.choice(list(STREAMS)), **values)
            if rng.random() < 0.3:
                yield state(number)
        yield state(_RECORDS)


def lost(mix: Mix, run: Finished, rejected: Collection[int], account: list[dict[str, Any]]) -> list[str]:
    """Return which fields and lists of records that the last state covers are missing in the account, by line.

    Rejected records are left out. A field may also have the value of a later record of the same person, if that record
    may have been sent.
    """
    covered = covered_line(mix, run)
    stored = {str(contact["email"]): contact for contact in account}
    found: list[str] = []
    versions: dict[str, list[tuple[int, str, dict[str, Any]]]] = defaultdict(list)
    for line, message in enumerate(mix.messages, 1):
        if message["type"] == "RECORD":
            versions[message["record"]["email"]].append((line, message["stream"], message["record"]))
    for email, records in versions.items():
        contact = stored.get(email, {"lists": []})
        settled = [entry for entry in records if entry[0] < covered and entry[0] not in rejected]
        for line, stream, values in settled:
            later = [other for other in records if other[0] > line]
            for name, value in values.items():
                allowed = [value, *(other[2][name] for other in later if name in other[2])]
                if _value(contact, name) not in allowed:
                    found.append(f"line {line}: {name}")
                # The value of a later record that is settled replaces this one.
                if any(name in other[2] for other in later if other in settled):
                    continue
                unsettled = [other for other in later if other not in settled]
                if _value(contact, name) not in [value, *(other[2][name] for other in unsettled if name in other[2])]:
                    found.append(f"line {line}: {name} is not the last value")
            was_deleted = mix.deleted_list == STREAMS[stream] and line <= mix.deleted_after_line
            if STREAMS[stream] not in contact["lists"] and not was_deleted:
                found.append(f"line {line}: list")
    return found


def covered_line(mix: Mix, run: Finished) -> int:
    """Return the line of the last state that a run wrote; 0 when it wrote none."""
    if not run.states:
        return 0
    written = json.loads(run.states[-1])
    return next(line for line, message in enumerate(mix.messages, 1) if message.get("value") == written)


def _value(contact: dict[str, Any], name: str) -> object:
    """Return the value of a field in the account, which leaves out empty fields."""
    return (contact.get("custom_fields") or {}).get(name) if name == "score" else contact.get(name, "")
