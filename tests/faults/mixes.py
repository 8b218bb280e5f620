"""Random runs for one seed: what a tap says, which faults strike, and what must hold in the end, whatever happened."""

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
_NO_SENSE = {"errors": [{"field": "", "message": "invalid input"}]}
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
    {**PUT, "kind": "status", "status": 400, "body": _NO_SENSE},
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
"""Faults that no run survives, or hardly."""


@dataclass
class Mix:
    """A random run.

    Args:
        seed: Where all its chances start.
    """

    seed: int
    messages: list[dict[str, Any]] = field(init=False)
    """What the tap says; the first stands in line 1."""
    faults: list[dict[str, Any]] = field(init=False)
    options: dict[str, Any] = field(init=False)
    """Switches of the sandbox."""
    batch_size_rows: int = field(init=False)
    deleted_list: str | None = field(init=False)
    """List that somebody deletes during the run."""
    deleted_after_line: int = field(init=False)

    def __post_init__(self) -> None:
        self._chances = random.Random(self.seed)  # noqa: S311 - chances, no secrets
        chances = self._chances
        self.messages = [*self._schemas(), *self._records()]
        self.batch_size_rows = chances.randint(1, 6)
        self.options = {
            "job_final_after_seconds": chances.choice([0.0, 3.0, 60.0]),
            "field_ready_after_seconds": chances.choice([0.0, 8.0]),
            "refusal_names": chances.choice(["index", "email", "nobody"]),
        }
        self.faults = [self._fault() for _ in range(chances.randint(1, 6))]
        if chances.random() < 0.15:
            self.faults.append({"skip": chances.randint(0, 60), **chances.choice(_LAST_FAULTS)})
        self.deleted_list = chances.choice(list(STREAMS.values())) if chances.random() < 0.2 else None
        self.deleted_after_line = chances.randint(len(STREAMS) + 1, len(self.messages))

    def is_late(self) -> bool:
        """Tell whether the courier leaves its next step undone."""
        return self._chances.random() < 0.5

    def _fault(self) -> dict[str, Any]:
        probability = self._chances.choice([0.03, 0.1, 0.1, 0.3, 0.6])
        return {"probability": probability, "seed": self.seed, "times": 40, **self._chances.choice(_FAULTS)}

    def _schemas(self) -> Iterator[dict[str, Any]]:
        for stream in STREAMS:
            yield schema(stream, email="string", first_name="string", city="string", score="number")

    def _records(self) -> Iterator[dict[str, Any]]:
        chances = self._chances
        for number in range(_RECORDS):
            person = f"p{chances.randint(1, _RECORDS // 2)}"
            at = "nowhere" if chances.random() < 0.05 else "example.com"
            values: dict[str, Any] = {"email": f"{person}@{at}"}
            if chances.random() < 0.7:
                values["first_name"] = f"Name {number}"
            if chances.random() < 0.5:
                values["city"] = chances.choice([f"City {number}", ""])
            if chances.random() < 0.3:
                values["score"] = number
            yield record(chances.choice(list(STREAMS)), **values)
            if chances.random() < 0.3:
                yield state(number)
        yield state(_RECORDS)


def lost(mix: Mix, run: Finished, rejected: Collection[int], account: list[dict[str, Any]]) -> list[str]:
    """Return every record that the last state of a run covers, and that is neither rejected nor in the account.

    Where a later record of the same person may have been sent too, its values will do.
    """
    covered = covered_line(mix, run)
    held = {str(contact["email"]): contact for contact in account}
    found: list[str] = []
    versions: dict[str, list[tuple[int, str, dict[str, Any]]]] = defaultdict(list)
    for line, message in enumerate(mix.messages, 1):
        if message["type"] == "RECORD":
            versions[message["record"]["email"]].append((line, message["stream"], message["record"]))
    for email, records in versions.items():
        contact = held.get(email, {"lists": []})
        settled = [entry for entry in records if entry[0] < covered and entry[0] not in rejected]
        for line, stream, values in settled:
            later = [other for other in records if other[0] > line]
            for name, value in values.items():
                allowed = [value, *(other[2][name] for other in later if name in other[2])]
                if _value(contact, name) not in allowed:
                    found.append(f"line {line}: {name}")
                # A settled later record has the last word.
                if any(name in other[2] for other in later if other in settled):
                    continue
                unsure = [other for other in later if other not in settled]
                if _value(contact, name) not in [value, *(other[2][name] for other in unsure if name in other[2])]:
                    found.append(f"line {line}: {name} is not the last")
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
    """Return what an account holds; it leaves out what is empty."""
    return (contact.get("custom_fields") or {}).get(name) if name == "score" else contact.get(name, "")
