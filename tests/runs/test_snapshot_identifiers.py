"""Records that show one person by different identifiers: with a snapshot, what was sent last is what SendGrid has."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from tests.harness.messages import LAST_STATE, record, schema
from tests.harness.removals import counts_of, deleted, on_list
from tests.runs.test_snapshot import KEYED_MAPPING, file_of

if TYPE_CHECKING:
    from tests.harness.account import Account
    from tests.harness.runs import Finished

TEXT = {"type": ["string", "null"]}
SCHEMA = schema(id=TEXT, email=TEXT, first_name=TEXT)
BOTH = record(id="1", email="a@x.com", first_name="Both")
BY_ID = record(id="1", first_name="By id")
BY_EMAIL = record(email="a@x.com", first_name="By email")
ALL = (BOTH, BY_ID, BY_EMAIL)


def send(account: Account, *messages: dict[str, Any], **config: Any) -> Finished:
    path = str(file_of(account))
    return account.run(SCHEMA, *messages, LAST_STATE, field_mapping=KEYED_MAPPING, snapshot_path=path, **config)


def named(message: dict[str, Any], first_name: str) -> dict[str, Any]:
    return {**message, "record": {**message["record"], "first_name": first_name}}


def check_sent(account: Account, message: dict[str, Any]) -> None:
    """Check that SendGrid has what a record says after a run with that record alone."""
    send(account, message)
    (contact,) = account.sandbox.contacts()
    assert contact["first_name"] == message["record"]["first_name"]


@pytest.mark.parametrize("size", [1, 100])
@pytest.mark.parametrize("order", [(BOTH, BY_ID), (BY_ID, BOTH), (BOTH, BY_EMAIL, BY_ID)])
def test_nobody_is_unchanged_whom_another_record_has_changed(
    account: Account, order: tuple[dict[str, Any], ...], size: int
) -> None:
    for last in ALL:
        send(account, *order, batch_size_rows=size)
        check_sent(account, last)


@pytest.mark.parametrize("last", ALL)
@pytest.mark.parametrize("first", ALL)
def test_nobody_is_unchanged_of_whom_another_record_came_before(
    account: Account, first: dict[str, Any], last: dict[str, Any]
) -> None:
    send(account, BOTH)
    send(account, last)
    both = send(account, named(first, "Changed"), last, batch_size_rows=1)
    assert "unchanged" not in counts_of(both)


@pytest.mark.parametrize("seed", range(4))
def test_random_runs_end_with_what_was_sent_last(account: Account, seed: int) -> None:
    numbers = random.Random(seed)  # noqa: S311 - test data, no secrets
    send(account, BOTH)
    for day in range(8):
        messages = [
            named(message, f"Day {day}") if numbers.random() < 0.3 else message
            for message in numbers.choices(ALL, k=numbers.randint(1, 3))
        ]
        send(account, *messages, batch_size_rows=numbers.choice([1, 100]))
        for message in numbers.sample(ALL, k=numbers.randint(0, 3)):
            check_sent(account, message)


# Identifiers that only SendGrid has


def test_what_is_sent_by_an_identifier_that_only_sendgrid_has_changes_the_person(account: Account) -> None:
    account.sandbox.seed(contacts=[{"email": "a@x.com", "external_id": "1"}])
    for message in (BY_ID, BY_EMAIL, BY_ID, BY_EMAIL):
        check_sent(account, message)
    for message in (BY_ID, BY_EMAIL):
        send(account, BY_ID, BY_EMAIL)
        check_sent(account, message)
    assert counts_of(send(account, BY_EMAIL)) == {"received": 1, "unchanged": 1}


@pytest.mark.parametrize("act", ["remove_from_list", "delete_contact"])
def test_who_leaves_by_an_identifier_that_only_sendgrid_has_is_put_on_again(account: Account, act: str) -> None:
    account.sandbox.seed(contacts=[{"email": "a@x.com", "external_id": "1"}])
    send(account, BY_EMAIL)
    send(account, deleted(id="1"), on_delete=act)
    assert on_list(account) == ""
    send(account, BY_EMAIL)
    assert on_list(account) == "a"


def test_who_leaves_so_and_comes_back_in_the_same_run_is_put_on_again(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("target_sendgrid.audience.intents.MAX_WAITING", 1)
    account.sandbox.seed(contacts=[{"email": "a@x.com", "external_id": "1"}])
    send(account, BY_EMAIL)
    send(account, deleted(id="1"), BY_EMAIL)
    assert on_list(account) == "a"


def test_people_who_share_an_alternate_address_are_unchanged_on_their_own(account: Account) -> None:
    shared = schema(email="string", first_name="string", others={"type": ["array", "null"]})
    mapping = {"email": "email", "first_name": "first_name", "alternate_emails": "others"}
    rows = [record(email=f"{name}@x.com", first_name="Old", others=["home@x.com"]) for name in "abc"]
    for first_name, counts in (("Old", {"upserted": 3}), ("New", {"upserted": 1, "unchanged": 2})):
        rows[0] = named(rows[0], first_name)
        messages = [shared, *rows, LAST_STATE]
        both = account.run(*messages, field_mapping=mapping, snapshot_path=str(file_of(account)))
        assert counts_of(both) == {"received": 3, **counts}


def test_an_erased_person_is_held_back_by_identifiers_that_only_sendgrid_had(account: Account) -> None:
    account.sandbox.seed(contacts=[{"email": f"member{number}@x.com"} for number in range(120)])
    account.sandbox.seed(contacts=[{"email": "a@x.com", "external_id": "1"}])
    send(account, deleted(email="a@x.com"), on_delete="erase")
    later = send(account, BY_ID, BY_EMAIL, record(id="1", email="new@x.com"), record(id="2", email="b@x.com"))
    assert counts_of(later) == {"received": 4, "erased_before": 3, "upserted": 1}
    allowed = send(account, BY_ID, allow_erased=True)
    assert counts_of(allowed) == {"received": 1, "upserted": 1}
