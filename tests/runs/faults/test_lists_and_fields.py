"""Lists and custom fields that other users delete or create during a run, and look-ups."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.harness.endpoints import PUT, SEARCH
from tests.harness.messages import record, schema, state
from tests.runs.faults import promises
from tests.runs.faults.promises import proves

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.harness.account import Account

ADA, GRACE, JOAN = (record(email=f"{name}@example.com") for name in ("ada", "grace", "joan"))
SCORED = {"email": "email", "score": "score"}
NOT_FOUND = {"errors": [{"field": "list_ids", "message": "not found"}]}


@proves(promises.FALSELY_NEW)
def test_one_false_answer_of_a_search_leaves_nobody_out(account: Account) -> None:
    names = ["ada@example.com", "grace@example.com"]
    account.sandbox.seed(contacts=[{"email": name} for name in names])
    account.sandbox.add_fault("status", **SEARCH, status=404, body={"errors": [{"message": "not found"}]})
    run = account.send([ADA, GRACE], account_contact_limit=2)
    assert promises.FALSELY_NEW.is_kept_by(run), run
    assert account.emails("Everybody") == names


@proves(promises.NAMED_LIST_GONE)
@pytest.mark.parametrize("status", [404, 400])
def test_a_list_given_by_name_is_created_again_when_it_is_deleted(account: Account, status: int) -> None:
    account.sandbox.set_options(unknown_list_status=status)

    def tap() -> Iterator[dict[str, Any]]:
        yield ADA
        account.delete_list("Everybody")
        yield GRACE

    run = account.send(tap())
    assert promises.NAMED_LIST_GONE.is_kept_by(run), run
    assert account.emails("Everybody") == ["ada@example.com", "grace@example.com"]
    assert account.puts() == [status, 202]
    assert run.report["streams"]["people"]["list_id"] == account.list_id("Everybody")


@proves(promises.NAMED_LIST_GONE)
def test_a_list_that_another_user_creates_again_is_used(account: Account) -> None:
    def tap() -> Iterator[dict[str, Any]]:
        yield ADA
        account.delete_list("Everybody")
        account.sandbox.seed(lists=["Everybody"])

    run = account.send(tap(), create_list=True)
    assert promises.NAMED_LIST_GONE.is_kept_by(run), run
    assert account.emails("Everybody") == ["ada@example.com"]
    assert account.count("POST", "/lists") == 1


@proves(promises.NAMED_LIST_GONE)
def test_a_person_on_two_lists_is_on_both_after_one_was_deleted_and_created_again(account: Account) -> None:
    def tap() -> Iterator[dict[str, Any]]:
        yield ADA
        yield schema("buyers", email="string")
        yield record("buyers", email="ada@example.com")
        yield record("buyers", email="grace@example.com")
        account.delete_list("Everybody")

    run = account.send(tap(), streams={"buyers": {"list_name": "Buyers"}})
    assert promises.NAMED_LIST_GONE.is_kept_by(run), run
    lists = {contact["email"]: contact["lists"] for contact in account.sandbox.contacts()}
    assert lists == {"ada@example.com": ["Buyers", "Everybody"], "grace@example.com": ["Buyers"]}


@proves(promises.NAMED_LIST_GONE)
def test_contacts_in_flight_when_a_list_is_found_deleted_are_sent_to_the_new_one(account: Account) -> None:
    account.sandbox.set_options(job_final_after_seconds=60.0)

    def tap() -> Iterator[dict[str, Any]]:
        for person in (ADA, GRACE):
            yield person
            yield state(1)  # the batch is sent
        yield record(email="ada@example.com", first_name="Ada")  # held while her earlier version is in flight
        account.delete_list("Everybody")
        yield JOAN

    run = account.send(tap(), steps_at_states=True, batch_size_rows=1)
    assert promises.NAMED_LIST_GONE.is_kept_by(run), run
    assert account.emails("Everybody") == ["ada@example.com", "grace@example.com", "joan@example.com"]
    assert {contact.get("first_name") for contact in account.sandbox.contacts()} == {"Ada", None}
    assert run.report["streams"]["people"]["upserted"] == 4
    assert account.puts() == [202, 202, 404, 202, 202, 202, 202]


@proves(promises.NAMED_LIST_GONE)
def test_a_list_that_is_deleted_twice_is_created_twice(account: Account) -> None:
    def tap() -> Iterator[dict[str, Any]]:
        for person in (ADA, GRACE):
            account.delete_list("Everybody")
            yield person  # sent before the next line is read

    run = account.send(tap(), steps_at_states=True, batch_size_rows=1)
    assert promises.NAMED_LIST_GONE.is_kept_by(run), run
    assert account.emails("Everybody") == ["ada@example.com", "grace@example.com"]
    assert account.puts() == [404, 202, 404, 202, 202]


@proves(promises.LIST_GONE)
@pytest.mark.parametrize("by", ["id", "name"])
def test_a_deleted_list_that_may_not_be_created_ends_the_run(account: Account, by: str) -> None:
    account.sandbox.seed(lists=["Everybody"])
    config = {"list_name": None, "list_id": account.list_id("Everybody")} if by == "id" else {"create_list": False}

    def tap() -> Iterator[dict[str, Any]]:
        yield ADA
        account.delete_list("Everybody")

    run = account.send(tap(), **config)
    assert promises.LIST_GONE.is_kept_by(run), run
    assert account.emails() == []
    assert account.puts() == [404]
    assert account.rejected() == []


@proves(promises.LIST_GONE)
def test_an_existing_list_that_takes_no_contacts_ends_the_run_after_a_minute(account: Account) -> None:
    account.sandbox.add_fault("status", **PUT, status=404, body=NOT_FOUND, times=None)
    run = account.load("ada@example.com")
    assert run.exit_code == 1
    assert "SendGrid does not accept contacts for the list 'Everybody', though it shows that list" in run.log
    assert 60 <= run.report["seconds"] <= 70


@proves(promises.TRANSIENT_FAILURE)
def test_a_404_that_does_not_last_only_costs_time(account: Account) -> None:
    account.sandbox.add_fault("html_error", **PUT, status=404, times=2)
    run = account.load("ada@example.com")
    assert promises.TRANSIENT_FAILURE.is_kept_by(run), run
    assert account.emails("Everybody") == ["ada@example.com"]


@proves(promises.CREATED_MEANWHILE)
def test_a_list_or_field_created_before_the_connection_was_cut_is_used(account: Account) -> None:
    account.sandbox.add_fault("cut_after", method="POST", path="/v3/marketing/lists")
    account.sandbox.add_fault("cut_after", method="POST", path="/v3/marketing/field_definitions")
    run = account.send([record(email="ada@example.com", score=2)], create_custom_fields=True, field_mapping=SCORED)
    assert promises.CREATED_MEANWHILE.is_kept_by(run), run
    (ada,) = account.sandbox.contacts("Everybody")
    assert ada["custom_fields"] == {"score": 2}
    assert account.count("POST", "/lists") == account.count("POST", "/field_definitions") == 2


def test_a_field_that_two_streams_fill_is_created_once(account: Account) -> None:
    run = account.run(
        schema("one", email="string", score="number"),
        record("one", email="ada@example.com", score=2),
        schema("two", email="string", score="number"),
        record("two", email="bob@example.com", score=3),
        create_custom_fields=True,
        field_mapping=SCORED,
    )
    assert run.exit_code == 0
    assert account.count("POST", "/field_definitions") == 1


def test_a_field_that_sendgrid_refuses_to_create_ends_the_run(account: Account) -> None:
    account.sandbox.set_options(max_custom_fields=0)
    run = account.send([record(email="ada@example.com", score=2)], create_custom_fields=True, field_mapping=SCORED)
    assert run.exit_code == 1
    assert "SendGrid refuses to create the custom field 'score'" in run.log
