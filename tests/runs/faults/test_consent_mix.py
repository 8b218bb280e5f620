"""Runs whose rows unsubscribe, delete and erase people, under random faults, ceilings and signals.

Each run is followed by others on a healthy account, from the last state written, until one ends well. Then those who
have unsubscribed are suppressed and nobody else, those who must be forgotten are, and all others are where the last row
of the person says. ``FAULT_SEEDS=500`` tries 500 seeds.
"""

from __future__ import annotations

import json
import random
import signal
from typing import TYPE_CHECKING, Any

import pytest

from target_sendgrid.audience import intents
from target_sendgrid.delivery import unsubscribed
from tests.harness.endpoints import POLL, PUT, SEARCH
from tests.harness.messages import record, schema, state
from tests.harness.seeds import seeds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.harness.account import Account

LISTS = {"people": "Everybody", "members": "Everybody", "leavers": "Everybody", "others": "Others"}
SCHEMAS = [
    schema(name, id="string", email="string", first_name="string", active="boolean", status="string") for name in LISTS
]
GLOBAL, GROUP, ERASE = "/v3/asm/suppressions/global", "/v3/asm/groups/*", "/v3/recipients/erasejob"
ENDPOINTS: list[dict[str, Any]] = [
    PUT,
    POLL,
    SEARCH,
    {"method": "POST", "path": "/v3/marketing/contacts/search/identifiers/*"},
    {"method": "DELETE", "path": "/v3/marketing/lists/*"},
    {"method": "DELETE", "path": "/v3/marketing/contacts"},
    {"method": "POST", "path": GLOBAL},
    {"method": "POST", "path": GROUP},
    {"method": "POST", "path": ERASE},
    {"method": "GET", "path": "/v3/asm/*"},
    {"method": "GET", "path": "/v3/suppression/*"},
    {"method": "GET", "path": "/v3/marketing/contacts/count"},
]
JOB_FAULTS = ("job_failed", "job_stuck", "job_lost", "job_late")
REQUEST_FAULTS: tuple[dict[str, Any], ...] = (
    {"kind": "status", "status": 500},
    {"kind": "status", "status": 403},
    {"kind": "status", "status": 404, "body": {"errors": [{"message": "not found"}]}},
    {"kind": "status", "status": 400, "body": {"errors": [{"message": "bad request"}]}},
    {"kind": "status", "status": 413},
    {"kind": "status_after", "status": 500},
    {"kind": "html_error"},
    {"kind": "truncate"},
    {"kind": "reset"},
    {"kind": "cut_after"},
    {"kind": "no_job_id"},
    {"kind": "rate_limited"},
    {"kind": "suppressions_left_out", "first": 1},
)
PEOPLE = "abcdefgh"
TOO_LONG = "x" * 51


def email_of(person: str) -> str:
    return f"{person}@x.com"


def rows(rng: random.Random, *, is_keyed: bool) -> Iterator[dict[str, Any]]:
    """Yield the messages after the schemas, with states in between."""
    for number in range(rng.randint(5, 40)):
        person, stream = rng.choice(PEOPLE), rng.choice(list(LISTS))
        values = {
            "id": person.upper() if is_keyed else None,
            "email": None if is_keyed and rng.random() < 0.2 else email_of(person),
            "first_name": TOO_LONG if rng.random() < 0.05 else f"No. {number}",
            "active": rng.random() < 0.6,
            "status": "out" if rng.random() < 0.15 else rng.choice(["in", None]),
        }
        is_deleted = rng.random() < 0.25
        yield record(stream, **values, _sdc_deleted_at="2026-01-01" if is_deleted else None)
        if rng.random() < 0.3:
            yield state(number)
    yield state(1_000)


def order_faults(account: Account, rng: random.Random) -> list[dict[str, Any]]:
    """Order some faults, and return them."""
    orders = []
    for _ in range(rng.randint(0, 4)):
        endpoint = rng.choice(ENDPOINTS)
        if endpoint["method"] in {"PUT", "DELETE"} and rng.random() < 0.5:
            order: dict[str, Any] = {"kind": rng.choice(JOB_FAULTS), "applied": rng.random() < 0.5}
            if order["kind"] == "job_late":
                order["late_seconds"] = 100.0
        else:
            order = dict(rng.choice(REQUEST_FAULTS))
        if order.get("status") in {400, 404} and "search" in endpoint["path"]:
            continue  # again and again, they say that nobody is there
        orders.append(order | endpoint | {"skip": rng.randint(0, 3), "times": rng.choice([1, 1, 2, 50])})
    for order in orders:
        account.sandbox.add_fault(**order)
    return orders


def settings_of(rng: random.Random, group_id: int, *, is_keyed: bool) -> dict[str, Any]:
    """Return what stays the same in all runs."""
    acts = ["ignore", "remove_from_list", "delete_contact", "erase", "erase"]
    streams: dict[str, dict[str, Any]] = {
        name: {"list_name": list_name, "on_delete": rng.choice(acts)} for name, list_name in LISTS.items()
    }
    streams["members"]["membership_property"] = "active"
    streams["leavers"]["sync_mode"] = "remove"
    for own in streams.values():
        if rng.random() < 0.8:
            own |= {"subscription_property": "status", "unsubscribed_values": ["out"]}
            if rng.random() < 0.5:
                own["suppression_group_id"] = group_id
    mapping = {"email": "email", "first_name": "first_name"} | ({"external_id": "id"} if is_keyed else {})
    return {"streams": streams, "field_mapping": mapping, "job_timeout_seconds": 300}


def ceilings(rng: random.Random) -> dict[str, Any]:
    """Return settings of the first run that keep some of it from being done."""
    chosen: dict[str, Any] = {"batch_size_rows": rng.choice([1, 2, 30_000])}
    if rng.random() < 0.2:
        chosen |= {"max_suppressions": rng.choice([0, 1, 3])}
    if rng.random() < 0.2:
        chosen |= {"max_removals": rng.choice([0, 1, 3])}
    if rng.random() < 0.1:
        chosen |= {"profile_cap": rng.choice([1, 3])}
    if rng.random() < 0.1:
        chosen |= {"skip_suppressed": True}
    return chosen


class Expected:
    """What the account is like once all rows are done.

    Args:
        messages: The tap's messages after the schemas.
        config: The settings.
        before: Who is on each list at the start.
    """

    def __init__(self, messages: list[dict[str, Any]], config: dict[str, Any], before: dict[str, set[str]]) -> None:
        self.suppressed: dict[int | None, set[str]] = {}
        self.erased: set[str] = set()
        self.unknown: set[str] = set()
        """People of whom some row shows no address, while no contact may be there that shows it."""
        self._known = set.union(*before.values())
        self._is_out_by_id: set[str] = set()
        self.on = {name: set(people) for name, people in before.items()}
        self.uncertain: set[str] = set()
        """People of whom rows are rejected, or who come again after they were to be deleted.

        Where one run ends and the next begins decides about them.
        """
        self.gone: set[str] = set()
        for message in messages:
            if message["type"] == "RECORD":
                self._take(message["stream"], message["record"], config["streams"][message["stream"]])

    def _take(self, stream: str, row: dict[str, Any], own: dict[str, Any]) -> None:
        person = email_of(row["id"].lower()) if row["id"] else row["email"]
        people = self.on[LISTS[stream]]
        self._note_consent(person, row, own)
        if row["_sdc_deleted_at"]:
            act = own["on_delete"]
            if act in {"delete_contact", "erase"}:
                for others in self.on.values():
                    others.discard(person)
                self.gone.add(person)
                self._known.discard(person)
            elif act == "remove_from_list":
                people.discard(person)
        elif stream == "leavers" or (stream == "members" and not row["active"]):
            people.discard(person)
        else:
            people.add(person)
            if person in self.gone or row["first_name"] == TOO_LONG:
                self.uncertain.add(person)

    def _note_consent(self, person: str, row: dict[str, Any], own: dict[str, Any]) -> None:
        has_deleted = bool(row["_sdc_deleted_at"]) and own["on_delete"] in {"delete_contact", "erase"}
        is_out = row["status"] == "out"
        if row["email"] is None and is_out:
            self._is_out_by_id.add(person)
        # An erasure is carried out also where a suppression is withheld: the next run finds no contact.
        if (row["email"] is None and person not in self._known) or (has_deleted and person in self._is_out_by_id):
            self.unknown.add(person)
        if is_out and "subscription_property" in own:
            self.suppressed.setdefault(own.get("suppression_group_id"), set()).add(person)
        if has_deleted and own["on_delete"] == "erase":
            self.erased.add(person)


@pytest.mark.parametrize("seed", seeds("FAULT_SEEDS", 20))
def test_consent_is_as_the_rows_say(account: Account, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(seed)  # noqa: S311 - no secret is made of it
    random.seed(seed)
    monkeypatch.setattr(intents, "MAX_WAITING", rng.choice([2, 5, 10_000]))
    monkeypatch.setattr(unsubscribed, "MAX_IN_MEMORY", rng.choice([1, 2, 10_000]))
    is_keyed = rng.random() < 0.5
    group_id = account.sandbox.add_group("News")
    before = {"Everybody": {email_of(one) for one in "abcd"}, "Others": {email_of(one) for one in "az"}}
    people = sorted(before["Everybody"] | before["Others"])
    keys = {email: {"external_id": email[0].upper()} if is_keyed else {} for email in people}
    account.sandbox.seed(
        lists=[*before],
        contacts=[
            {"email": one, **keys[one], "lists": [name for name in before if one in before[name]]} for one in people
        ],
    )
    account.sandbox.set_options(
        job_counts_after_seconds=rng.choice([0.0, 20.0]),
        job_final_after_seconds=rng.choice([0.0, 40.0]),
        unknown_contact_in_deletion=rng.choice(["404", "ignore"]),
    )
    messages = list(rows(rng, is_keyed=is_keyed))
    config = settings_of(rng, group_id, is_keyed=is_keyed)
    first = ceilings(rng)
    expected = Expected(messages, config, before)
    orders = order_faults(account, rng)
    stops_at = rng.choice([None, None, rng.randint(0, len(messages))])

    def tap() -> Iterator[dict[str, Any]]:
        yield from SCHEMAS
        for number, message in enumerate(messages):
            if number == stops_at:
                signal.raise_signal(signal.SIGTERM)
            yield message
            if rng.random() < 0.1:
                account.clock.sleep(rng.choice([60.0, 700.0]))

    run = account.feed(tap(), steps_at_states=lambda: rng.random() < 0.5, **{**config, **first})
    details = [
        json.dumps({"orders": orders, "first": first, "stops at": stops_at, "config": config, "rows": messages}),
        run.log,
    ]
    suppressed = {group: account.sandbox.suppressed(group) for group in (None, group_id)}
    assert all(suppressed[group] <= expected.suppressed.get(group, set()) for group in suppressed), "\n".join(details)
    account.sandbox.clear_faults()
    monkeypatch.setattr(intents, "MAX_WAITING", 10_000)  # else removals may be dropped again in each run
    while run.exit_code:
        if run.states:
            last = {"type": "STATE", "value": json.loads(run.states[-1])}
            messages = messages[messages.index(last) + 1 :]
        run = account.run(*SCHEMAS, *messages, **config)
        details.append(run.log)
        assert len(details) < 5, "\n".join(details)
    account.sandbox.settle()
    log = "\n".join(details)
    assert account.sandbox.erased() - expected.unknown == expected.erased - expected.unknown, log
    for group in (None, group_id):
        wanted = expected.suppressed.get(group, set())
        assert account.sandbox.suppressed(group) <= wanted, log
        assert wanted - expected.unknown <= account.sandbox.suppressed(group), log
    contacts = {
        str(one.get("email") or email_of(one["external_id"].lower())): one for one in account.sandbox.contacts()
    }
    certain = {*map(email_of, PEOPLE), email_of("z")} - expected.uncertain
    if "skip_suppressed" in first:
        certain -= set.union(set(), *expected.suppressed.values())
    for name, on_list in expected.on.items():
        found = {email for email, one in contacts.items() if name in one["lists"]}
        assert found & certain == on_list & certain, log
    assert not contacts.keys() & expected.gone & certain, log
