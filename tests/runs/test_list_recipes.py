"""The README's recipes for lists that people leave, for people who get no mail, and for the tap of a mirror."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

from target_sendgrid.audience import guards
from target_sendgrid.audience.bookmarks import replication_position
from tests.harness.messages import record, schema
from tests.harness.readme import blocks
from tests.harness.removals import counts_of, deleted, on_list
from tools.docs import ROOT

if TYPE_CHECKING:
    from tests.harness.account import Account

MIRROR = "### The whole segment, each time"
OPENED = schema(id="string", email="string")
END: dict[str, Any] = {"type": "STATE", "value": {}}


@pytest.fixture
def customers(account: Account) -> Account:
    people = [("a@x.com", "1"), ("b@x.com", "2")]
    contacts = [{"email": email, "external_id": key, "lists": ["Customers"]} for email, key in people]
    account.sandbox.seed(contacts=contacts)
    return account


def recipe(heading: str) -> Any:
    return yaml.safe_load(blocks(heading, "yaml")[0])


def test_the_recipe_for_a_whole_segment(customers: Account) -> None:
    run = customers.run(OPENED, record(email="b@x.com"), record(email="c@x.com"), END, **recipe(MIRROR))
    assert run.exit_code == 0, run.log
    assert on_list(customers, "Customers") == "bc"
    assert len(customers.emails()) == 3


def test_the_lines_for_the_tap_of_a_mirror_are_what_its_error_and_the_page_ask_for() -> None:
    _, lines = blocks(MIRROR, "yaml")
    assert yaml.safe_load(lines) == {"metadata": {"customers": {"replication-method": "FULL_TABLE"}}}
    facts = guards.StreamFacts(name="customers", record_count=1, position="`lsn`")
    problem = guards.objection(guards.ListFacts(label="'Customers'", streams=[facts]))
    assert problem is not None
    assert "set `replication-method: FULL_TABLE` in `metadata`, and run with `--full-refresh`" in problem.next_step
    assert lines in (ROOT / "docs" / "why-was-nobody-removed.md").read_text(encoding="utf-8")


def test_a_tap_of_the_sdk_that_reads_whole_streams_leaves_no_position() -> None:
    assert replication_position(b'{"bookmarks": {"customers": {}}}', "customers") is None
    bookmark = b'{"bookmarks": {"customers": {"replication_key": "id", "replication_key_value": 7}}}'
    assert replication_position(bookmark, "customers") is not None


def test_the_recipe_for_changes_with_deleted_rows(customers: Account) -> None:
    config = recipe("### Changes, with deleted rows")
    run = customers.run(OPENED, deleted(id="1"), record(id="3", email="c@x.com"), END, **config)
    assert run.exit_code == 0, run.log
    assert on_list(customers, "Customers") == "bc"


def test_the_recipe_for_people_whom_sendgrid_has(customers: Account) -> None:
    customers.sandbox.seed(contacts=[{"email": "c@x.com"}])
    rows = [record(email="c@x.com"), record(email="d@x.com")]
    run = customers.run(OPENED, *rows, END, **recipe("### Details of people whom SendGrid has"))
    assert run.exit_code == 0, run.log
    assert on_list(customers, "Customers") == "abc"
    assert customers.emails() == ["a@x.com", "b@x.com", "c@x.com"]
    assert counts_of(run) == {"received": 2, "upserted": 1, "not_found": 1}


def test_the_recipe_for_people_who_have_unsubscribed(customers: Account) -> None:
    opened = schema(email="string", status="string")
    rows = [record(email=f"{name}@x.com", status=status) for name, status in (("a", "Cleaned"), ("b", "active"))]
    run = customers.run(opened, *rows, END, **recipe("## Who gets no mail"))
    assert run.exit_code == 0, run.log
    assert customers.sandbox.suppressed() == {"a@x.com"}
    assert on_list(customers, "Customers") == "ab"


def test_the_recipe_for_people_to_be_forgotten(customers: Account) -> None:
    run = customers.run(OPENED, deleted(id="1"), END, **recipe("### Forget people"))
    assert run.exit_code == 0, run.log
    assert (customers.emails(), customers.sandbox.erased()) == (["b@x.com"], {"a@x.com"})
