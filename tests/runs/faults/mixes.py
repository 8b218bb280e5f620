"""Random runs: the messages of the tap, the faults that strike, and what must be true at the end of any run."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.harness.messages import record, schema, state
from tests.runs.faults import mixed_faults

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from tests.harness.runs import Finished
    from tests.runs.faults.mixed_faults import Order

STREAMS = {"people": "Everybody", "buyers": "Buyers", "fans": "Fans"}
CONFIG: dict[str, Any] = {
    "streams": {stream: {"list_name": name} for stream, name in STREAMS.items()},
    "field_mapping": {name: name for name in ("email", "first_name", "city", "score")},
    "create_custom_fields": True,
    "max_rejected_percent": 100,
}
_FIELDS = ("first_name", "city", "score")


@dataclass
class Mix:
    """The messages, faults and options of one random run.

    Args:
        seed: Seed of its random numbers.
    """

    seed: int
    messages: list[dict[str, Any]] = field(init=False)
    """What the tap writes; the first message is line 1."""
    outages: list[Order] = field(init=False)
    """Faults that strike all requests for a while. They come first, since nothing succeeds during an outage."""
    poison: list[Order] = field(init=False)
    """Faults that strike each request with certain people. They are in force in the next run as well."""
    faults: list[Order] = field(init=False)
    """Faults that strike at random."""
    at_fault: set[str] = field(init=False)
    """The people who may be rejected, by email: SendGrid refuses them whenever they are sent."""
    options: dict[str, Any] = field(init=False)
    """Options of the sandbox."""
    quota: dict[str, Any] = field(init=False)
    """Options of the sandbox in the first run alone: the plan's contact limit."""
    batch_size_rows: int = field(init=False)
    deleted_list: str | None = field(init=False)
    """Name of the list that another user deletes during the run; `None` if no list is deleted."""
    deleted_after_line: int = field(init=False)
    """Line of the last message that the target reads before the list is deleted."""

    def __post_init__(self) -> None:
        self._rng = random.Random(self.seed)  # noqa: S311 - no secret is made of it
        rng = self._rng
        is_large, names_good = rng.random() < 0.4, rng.random() < 0.1
        is_large |= names_good
        self.batch_size_rows = rng.randint(13, 20) if is_large else rng.randint(1, 6)
        streams = ["people"] if is_large else list(STREAMS)
        people, records = (45, 60) if is_large else (20, 40)
        has_bad_emails = not names_good and rng.random() < 0.7
        self.messages = [*self._schemas(), *self._records(streams, people, records, has_bad_emails=has_bad_emails)]
        emails = sorted({message["record"]["email"] for message in self.messages if message["type"] == "RECORD"})
        self.at_fault = {email for email in emails if email.endswith("@nowhere")}
        self.options = {
            "job_counts_after_seconds": 0.0,
            "job_final_after_seconds": rng.choice([0.0, 3.0, 60.0]),
            "field_ready_after_seconds": rng.choice([0.0, 8.0]),
            "refusal_names": rng.choice(["index", "email", "nobody"]),
        }
        self.quota = {"contact_quota": None}
        self.outages, self.poison, self.faults = [], [], []
        if names_good:
            self.faults = [rng.choice(mixed_faults.NAMING)]
        else:
            self.outages = [self._outage()] if rng.random() < 0.5 else []
            self.faults = [self._fault() for _ in range(rng.randint(1 - len(self.outages), 4))]
            if not self.outages and rng.random() < 0.1:
                self.faults.append({"skip": rng.randint(0, 15), **rng.choice(mixed_faults.LOSING_ONE)})
            self.poison = [self._poison(emails) for _ in range(rng.choice([0, 0, 1, 1, 3]))]
            if rng.random() < 0.1:
                place = rng.choice(["errors_file", "refusal", "job_property"])
                self.quota = {"contact_quota": rng.randint(0, people), "contact_limit_in": place}
        self.deleted_list = rng.choice(list(STREAMS.values())) if not is_large and rng.random() < 0.1 else None
        self.deleted_after_line = rng.randint(len(STREAMS) + 1, len(self.messages))

    def does_step(self) -> bool:
        """Return whether the job runner does its next step."""
        return self._rng.random() >= 0.5

    def _outage(self) -> Order:
        """Return a fault that strikes all requests for a while, so that any contact seems to be at fault."""
        rng = self._rng
        if rng.random() < 0.3:
            return {"skip": rng.randint(0, 30), "times": None, **rng.choice(mixed_faults.LASTING)}
        how_long: Order = rng.choice([{"times": rng.randint(1, 30)}, {"for_seconds": rng.choice([5, 60, 600, 7200])}])
        return {"skip": rng.randint(0, 15), **how_long, **rng.choice(mixed_faults.UNCLEAR)}

    def _fault(self) -> Order:
        """Return a fault that strikes at random and does not speak against any contact."""
        rng = self._rng
        kinds = mixed_faults.GHOSTS if rng.random() < 0.3 else mixed_faults.PASSING
        chance = {"probability": rng.choice([0.03, 0.1, 0.1, 0.3, 0.6]), "seed": self.seed, "times": 40}
        return {**chance, **rng.choice(kinds)}

    def _poison(self, emails: Sequence[str]) -> Order:
        person = self._rng.choice(emails)
        self.at_fault.add(person)
        order = {"times": None, **self._rng.choice(mixed_faults.POISON), "contacts": [person]}
        return order | {"emails": [person]} if "emails" in order else order

    def _schemas(self) -> Iterator[dict[str, Any]]:
        for stream in STREAMS:
            yield schema(stream, email="string", first_name="string", city="string", score="number")

    def _records(
        self, streams: Sequence[str], people: int, records: int, *, has_bad_emails: bool
    ) -> Iterator[dict[str, Any]]:
        rng = self._rng
        for number in range(records):
            person = f"p{rng.randint(1, people)}"
            at = "nowhere" if has_bad_emails and rng.random() < 0.05 else "example.com"
            values: dict[str, Any] = {"email": f"{person}@{at}"}
            if rng.random() < 0.7:
                values["first_name"] = f"Name {number}"
            if rng.random() < 0.5:
                values["city"] = rng.choice([f"City {number}", ""])
            if rng.random() < 0.3:
                values["score"] = number
            yield record(rng.choice(streams), **values)
            if rng.random() < 0.3:
                yield state(number)
        yield state(records)


def lost(mix: Mix, run: Finished, rejected: Collection[int], account: list[dict[str, Any]]) -> list[str]:
    """Return which fields and lists of records that the last state covers are missing in the account, by line.

    Rejected records are left out. A field may also have the value of a later record of the same person, if that record
    may have been sent.
    """
    covered = covered_line(mix, run)
    stored = {str(contact["email"]): contact for contact in account}
    found: list[str] = []
    for email, records in _versions(mix).items():
        contact = stored.get(email)
        settled = [entry for entry in records if entry[0] < covered and entry[0] not in rejected]
        if contact is None:
            found += [f"missing: line {line}" for line, _, _ in settled]
            continue
        for line, stream, values in settled:
            later = [other for other in records if other[0] > line]
            for name, value in values.items():
                # The value of a later record that is settled replaces this one.
                if any(name in other[2] for other in later if other in settled):
                    continue
                unsettled = [other for other in later if other not in settled]
                if _value(contact, name) not in [value, *(other[2][name] for other in unsettled if name in other[2])]:
                    found.append(f"stale: {name} of line {line}")
            was_deleted = mix.deleted_list == STREAMS[stream] and line <= mix.deleted_after_line
            if STREAMS[stream] not in contact["lists"] and not was_deleted:
                found.append(f"missing: list of line {line}")
    return found


def differences(mix: Mix, account: list[dict[str, Any]]) -> list[str]:
    """Return how the account differs from one that holds everybody with the last values, but for those at fault."""
    stored = {str(contact["email"]): contact for contact in account}
    found: list[str] = []
    for email, records in _versions(mix).items():
        if email in mix.at_fault:
            continue
        contact = stored.get(email)
        if contact is None:
            found.append(f"missing: line {records[-1][0]}")
            continue
        expected = {name: values[name] for _, _, values in records for name in _FIELDS if name in values}
        found += [
            f"stale: {name} of the person of line {records[-1][0]}"
            for name in _FIELDS
            if _value(contact, name) != expected.get(name, None if name == "score" else "")
        ]
        lists = {STREAMS[stream] for _, stream, _ in records} - {mix.deleted_list}
        found += [f"missing: list {name} of line {records[-1][0]}" for name in lists - set(contact["lists"])]
    return found


def covered_line(mix: Mix, run: Finished) -> int:
    """Return the line of the last state that a run wrote; 0 when it wrote none."""
    if not run.states:
        return 0
    written = json.loads(run.states[-1])
    return next(line for line, message in enumerate(mix.messages, 1) if message.get("value") == written)


def _versions(mix: Mix) -> dict[str, list[tuple[int, str, dict[str, Any]]]]:
    """Return line, stream and values of each record, by email."""
    versions: dict[str, list[tuple[int, str, dict[str, Any]]]] = defaultdict(list)
    for line, message in enumerate(mix.messages, 1):
        if message["type"] == "RECORD":
            versions[message["record"]["email"]].append((line, message["stream"], message["record"]))
    return versions


def _value(contact: dict[str, Any], name: str) -> object:
    """Return the value of a field in the account, which leaves out empty fields."""
    return (contact.get("custom_fields") or {}).get(name) if name == "score" else contact.get(name, "")
