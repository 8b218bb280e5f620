"""Runs with a limit of the account under random faults and stops: the account never has more contacts than the limit.

Each run is followed by others from the last state written, the last on a healthy account. ``FAULT_SEEDS=500`` tries 500
seeds.
"""

from __future__ import annotations

import json
import random
import signal
from typing import TYPE_CHECKING, Any

import pytest

from tests.harness.messages import record, schema, state
from tests.harness.seeds import seeds
from tests.runs.faults.mixed_faults import GHOSTS, LASTING, LOSING_ONE, NAMING, PASSING, UNCLEAR

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.harness.account import Account
    from tests.harness.runs import Finished

SCHEMAS = [schema("people", email="string"), schema("others", email="string")]
KINDS = (PASSING, PASSING, GHOSTS, UNCLEAR, LOSING_ONE, NAMING, LASTING)


def rows(rng: random.Random) -> Iterator[dict[str, Any]]:
    """Yield the messages after the schemas, with states in between."""
    for number in range(rng.randint(5, 30)):
        yield record(rng.choice(["people", "people", "others"]), email=f"{rng.choice('abcdefghijkl')}@x.com")
        if rng.random() < 0.3:
            yield state(number)
    yield state(1_000)


def order_faults(account: Account, rng: random.Random) -> list[dict[str, Any]]:
    """Order some faults, and return them."""
    orders = [dict(rng.choice(rng.choice(KINDS))) for _ in range(rng.randint(0, 4))]
    for order in orders:
        times = rng.choice([1, 1, 2, 50])
        account.sandbox.add_fault(**{"times": times, "skip": rng.randint(4, 12), **order})
    return orders


@pytest.mark.parametrize("seed", seeds("FAULT_SEEDS", 20))
def test_the_account_never_has_more_contacts_than_the_limit(account: Account, seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311 - no secret is made of it
    random.seed(seed)
    known = rng.sample("abcdefghijkl", rng.randint(0, 5))
    account.sandbox.seed(contacts=[{"email": f"{one}@x.com"} for one in known])
    account.sandbox.set_options(
        job_counts_after_seconds=rng.choice([0.0, 20.0]), job_final_after_seconds=rng.choice([0.0, 40.0])
    )
    limit, size = max(1, len(known) + rng.randint(0, 5)), rng.choice([1, 2, 3, 30_000])
    config: dict[str, Any] = {
        "account_contact_limit": limit,
        "on_account_limit": "truncate",
        "streams": {"others": {"list_name": "Others"}},
        "field_mapping": {"email": "email"},
        "job_timeout_seconds": 300,
        "batch_size_rows": size,
    }
    messages = list(rows(rng))
    people = {message["record"]["email"] for message in messages if "record" in message} | {f"{k}@x.com" for k in known}
    details = [f"limit {limit}, known {known}, rows {size}, {json.dumps(messages)}"]

    def tap(messages: list[dict[str, Any]], stops_at: int | None) -> Iterator[dict[str, Any]]:
        yield from SCHEMAS
        if rng.random() < 0.5:
            account.clock.sleep(30.0)
        for number, message in enumerate(messages):
            if number == stops_at:
                for _ in range(rng.choice([1, 2, 2])):  # the second signal stops a run at once
                    signal.raise_signal(signal.SIGTERM)
            yield message
            if rng.random() < 0.1:
                account.clock.sleep(rng.choice([60.0, 400.0]))

    def load(stops_at: int | None) -> Finished:
        run = account.feed(tap(messages, stops_at), steps_at_states=lambda: rng.random() < 0.7, **config)
        details.append(f"exit {run.exit_code}, states {run.states}\n{run.log}")
        if run.states:
            messages[:] = messages[messages.index({"type": "STATE", "value": json.loads(run.states[-1])}) + 1 :]
        return run

    first_messages = list(messages)
    for _ in range(rng.randint(1, 3)):
        details.append(f"faults {order_faults(account, rng)}")
        load(rng.choice([None, rng.randint(0, len(messages))]))
        account.sandbox.clear_faults()
    account.sandbox.settle()
    messages = first_messages  # as a tap without a state
    last = load(None)
    account.sandbox.settle()
    assert last.exit_code == 0, "\n".join(details)
    contacts = account.emails()
    assert len(contacts) == min(limit, len(people)), "\n".join([*details, str(contacts)])
