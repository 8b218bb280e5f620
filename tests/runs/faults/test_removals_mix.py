"""Runs that add people to lists and take them off, under random faults and signals.

Each run is followed by others on a healthy account, from the last state written, until one ends well. Then everybody is
where the last row of the person says. ``FAULT_SEEDS=500`` tries 500 seeds.
"""

from __future__ import annotations

import json
import random
import signal
from typing import TYPE_CHECKING, Any

import pytest

from target_sendgrid.audience import intents
from target_sendgrid.delivery.operations import by_ids
from tests.harness.endpoints import POLL, PUT, SEARCH
from tests.harness.messages import record, schema, state
from tests.harness.seeds import seeds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.harness.account import Account

LISTS = {"people": "Everybody", "members": "Everybody", "leavers": "Everybody", "others": "Others"}
SCHEMAS = [
    schema("people", email="string", first_name="string"),
    schema("members", email="string", active="boolean"),
    schema("leavers", email="string"),
    schema("others", email="string"),
]
CONFIG: dict[str, Any] = {
    "streams": {
        "members": {"membership_property": "active"},
        "leavers": {"sync_mode": "remove"},
        "others": {"list_name": "Others"},
    },
    "field_mapping": {"email": "email"},
    "job_timeout_seconds": 300,
}
REMOVE = {"method": "DELETE", "path": "/v3/marketing/lists/*"}
JOB_FAULTS = ("job_failed", "job_stuck", "job_lost")
REQUEST_FAULTS: tuple[dict[str, Any], ...] = (
    {"kind": "status", "status": 500},
    {"kind": "status", "status": 404, "body": {"errors": [{"message": "not found"}]}},
    {"kind": "reset"},
    {"kind": "cut_after"},
    {"kind": "no_job_id"},
    {"kind": "rate_limited"},
)


def rows(rng: random.Random) -> Iterator[dict[str, Any]]:
    """Yield the messages after the schemas, with states in between."""
    for number in range(rng.randint(5, 40)):
        person, stream, joins = rng.choice("abcdefgh"), rng.choice(list(LISTS)), rng.random() < 0.5
        email = f"{person}@x.com"
        if stream == "members":
            yield record(stream, email=email, active=joins)
        elif stream == "leavers":
            yield record(stream, email=email)
        else:
            yield record(stream, email=email, _sdc_deleted_at=None if joins else "2026-01-01")
        if rng.random() < 0.3:
            yield state(number)
    yield state(1_000)


def wanted(messages: list[dict[str, Any]], before: dict[str, set[str]]) -> dict[str, set[str]]:
    """Return who is on each list once all messages are done, in order."""
    on = {name: set(people) for name, people in before.items()}
    for message in messages:
        if message["type"] != "RECORD":
            continue
        row, stream = message["record"], message["stream"]
        joins = row["active"] if stream == "members" else stream != "leavers" and not row["_sdc_deleted_at"]
        people = on[LISTS[stream]]
        people.add(row["email"]) if joins else people.discard(row["email"])
    return on


def order_faults(account: Account, rng: random.Random) -> list[dict[str, Any]]:
    """Order some faults, and return them."""
    orders = []
    for _ in range(rng.randint(0, 4)):
        if rng.random() < 0.5:
            order: dict[str, Any] = {
                "kind": rng.choice(JOB_FAULTS),
                "applied": rng.random() < 0.5,
                **rng.choice([PUT, REMOVE]),
            }
        else:
            order = dict(rng.choice(REQUEST_FAULTS))
            # A search that answers 404 again and again says that nobody is there.
            order |= rng.choice([PUT, REMOVE, POLL] if order.get("status") == 404 else [PUT, REMOVE, SEARCH, POLL])
        orders.append(order | {"skip": rng.randint(0, 3), "times": rng.choice([1, 1, 2, 50])})
    for order in orders:
        account.sandbox.add_fault(**order)
    return orders


@pytest.mark.parametrize("seed", seeds("FAULT_SEEDS", 20))
def test_everybody_is_where_the_last_row_says(account: Account, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(seed)  # noqa: S311 - no secret is made of it
    random.seed(seed)
    monkeypatch.setattr(intents, "MAX_WAITING", rng.choice([2, 5, 10_000]))
    monkeypatch.setattr(by_ids, "MAX_IDS_PER_REMOVAL", rng.choice([1, 2, 100]))
    before = {"Everybody": {f"{one}@x.com" for one in "abcd"}, "Others": {"a@x.com", "z@x.com"}}
    people = sorted(before["Everybody"] | before["Others"])
    account.sandbox.seed(
        lists=[*before],
        contacts=[{"email": one, "lists": [name for name in before if one in before[name]]} for one in people],
    )
    account.sandbox.set_options(
        job_counts_after_seconds=rng.choice([0.0, 20.0]), job_final_after_seconds=rng.choice([0.0, 40.0])
    )
    messages = list(rows(rng))
    orders = order_faults(account, rng)
    stops_at = rng.choice([None, None, rng.randint(0, len(messages))])
    size = rng.choice([1, 2, 30_000])

    def tap() -> Iterator[dict[str, Any]]:
        yield from SCHEMAS
        for number, message in enumerate(messages):
            if number == stops_at:
                signal.raise_signal(signal.SIGTERM)
            yield message
            if rng.random() < 0.1:
                account.clock.sleep(rng.choice([60.0, 700.0]))

    run = account.feed(tap(), steps_at_states=lambda: rng.random() < 0.5, batch_size_rows=size, **CONFIG)
    details = [json.dumps({"orders": orders, "stops at": stops_at, "rows": messages}), run.log]
    account.sandbox.clear_faults()
    while run.exit_code:
        if run.states:
            last = {"type": "STATE", "value": json.loads(run.states[-1])}
            messages = messages[messages.index(last) + 1 :]
        run = account.run(*SCHEMAS, *messages, **CONFIG)
        details.append(run.log)
        assert len(details) < 4, "\n".join(details)
    account.sandbox.settle()
    everything = wanted(json.loads(json.dumps(json.loads(details[0])["rows"])), before)
    assert {name: set(account.emails(name)) for name in before} == everything, "\n".join(details)
