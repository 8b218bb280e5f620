"""How an upsert changes contacts, and which rows it turns down."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.sandbox.client import MARKETING

if TYPE_CHECKING:
    from tests.sandbox.client import Client
    from tests.sandbox.conftest import MakeClient

ADA = {"email": "ada@example.com"}


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("Number", "100000"),
        ("Number", True),
        ("Number", ""),
        ("Date", "AAAAA"),
        ("Date", "2021-02-11"),
        ("Date", "2021-02-11T23:03:03"),
        ("Date", "2021-02-11 23:03:03Z"),
        ("Date", "1563315130"),
        ("Date", "2021-02-30T00:00:00Z"),
        ("Date", "2021-02-11T24:00Z"),
        ("Date", "13/45/2021"),
        ("Date", 1563315130),
        ("Date", ""),
        ("Text", 1),
        ("Text", True),
        ("Text", ["x"]),
        ("Text", {"a": 1}),
    ],
)
def test_a_value_of_the_wrong_type_loses_the_row(client: Client, kind: str, value: Any) -> None:
    field = client.make_field("value", kind)
    client.upsert({**ADA, "first_name": "Ada"})
    changed = {**ADA, "first_name": "Changed", "custom_fields": {field: value}}
    job = client.upsert(changed, {"email": "b@example.com"}, is_lawful=False)
    assert job["status"] == "errored"
    assert job["results"]["errored_count"] == 1
    assert client.reasons(job).startswith(f"email,error\r\nada@example.com,custom field {field}: type mismatch")
    assert client.find("ada@example.com")["first_name"] == "Ada"


@pytest.mark.parametrize(
    ("kind", "sent", "shown"),
    [
        ("Number", 15.5, 15.5),
        ("Number", -3, -3),
        ("Number", 0, 0),
        ("Date", "2021-02-11T23:03:03.000Z", "2021-02-11T23:03:03Z"),
        ("Date", "2021-02-11T23:03:03+02:00", "2021-02-11T21:03:03Z"),
        ("Date", "2/11/2021", "2021-02-11T00:00:00Z"),
        ("Text", "0", "0"),
    ],
)
def test_a_value_of_the_right_type_is_stored(client: Client, kind: str, sent: Any, shown: Any) -> None:
    field = client.make_field("value", kind)
    client.upsert({**ADA, "custom_fields": {field: sent}})
    assert client.find("ada@example.com")["custom_fields"] == {"value": shown}


def test_an_existing_identifier_left_out_loses_the_row(client: Client) -> None:
    client.upsert({**ADA, "external_id": "7"})
    job = client.upsert({**ADA, "city": "London"})
    assert job["status"] == "failed"
    assert "all identifiers" in client.reasons(job)
    assert client.find("ada@example.com")["city"] == ""


def test_a_switch_refuses_the_request_that_leaves_an_identifier_out(make_client: MakeClient) -> None:
    client = make_client(omitted_identifier="400")
    client.upsert({**ADA, "external_id": "7"})
    status, problems = client.errors("PUT", f"{MARKETING}/contacts", {"contacts": [{"email": "b@example.com"}, ADA]})
    assert (status, problems[0][0]) == (400, "contacts[1].identifier")


def test_an_identifier_can_be_added(client: Client) -> None:
    client.upsert(ADA)
    assert client.upsert({**ADA, "external_id": "7"})["results"] == {"requested_count": 1, "updated_count": 1}
    assert client.find("ada@example.com")["external_id"] == "7"


def test_identifiers_of_two_contacts_lose_the_row(client: Client) -> None:
    client.upsert(ADA, {"external_id": "7"})
    assert client.upsert({**ADA, "external_id": "7"})["status"] == "failed"


def test_an_email_cannot_be_changed_through_another_identifier(client: Client) -> None:
    client.upsert({**ADA, "external_id": "7"})
    assert client.upsert({"email": "new@example.com", "external_id": "7"})["status"] == "failed"


def test_a_new_email_makes_a_second_contact(client: Client) -> None:
    client.upsert(ADA)
    client.upsert({"email": "ada@new.example.com"})
    assert len(client.sandbox.contacts()) == 2


@pytest.mark.parametrize(
    ("field", "limit"), [("first_name", 50), ("address_line_1", 100), ("city", 60), ("external_id", 254)]
)
def test_an_overlong_value_loses_the_row(client: Client, field: str, limit: int) -> None:
    fits, overlong = {**ADA, field: "x" * limit}, {"email": "b@example.com", field: "y" * (limit + 1)}
    job = client.upsert(fits, overlong, is_lawful=False)
    assert job["results"] == {
        "requested_count": 2,
        "created_count": 1,
        "errored_count": 1,
        "errors_url": job["results"]["errors_url"],
    }


def test_six_alternate_emails_lose_the_row(client: Client) -> None:
    emails = [f"{number}@example.com" for number in range(6)]
    assert client.upsert({**ADA, "alternate_emails": emails}, is_lawful=False)["status"] == "failed"


def test_a_text_over_1000_characters_loses_the_row(client: Client) -> None:
    field = client.make_field("note", "Text")
    assert client.upsert({**ADA, "custom_fields": {field: "x" * 1_000}})["status"] == "completed"
    assert client.upsert({**ADA, "custom_fields": {field: "x" * 1_001}}, is_lawful=False)["status"] == "failed"


def test_a_switch_truncates_an_overlong_value(make_client: MakeClient) -> None:
    client = make_client(overlong="truncate")
    field = client.make_field("note", "Text")
    client.upsert({**ADA, "first_name": "x" * 51, "custom_fields": {field: "y" * 1_001}}, is_lawful=False)
    contact = client.find("ada@example.com")
    assert (contact["first_name"], contact["custom_fields"]["note"]) == ("x" * 50, "y" * 1_000)


def test_a_switch_refuses_an_overlong_value(make_client: MakeClient) -> None:
    client = make_client(overlong="400")
    assert client.refused(ADA, {"email": "b@example.com", "city": "x" * 61})[1][0][0] == "contacts[1].city"


def test_the_same_email_twice_is_one_contact_and_the_last_wins_per_property(client: Client) -> None:
    job = client.upsert({**ADA, "first_name": "A", "city": "London"}, {"email": "ADA@example.com", "first_name": "Ada"})
    assert job["results"] == {"requested_count": 2, "created_count": 1}
    assert client.sandbox.contacts() == [{**ADA, "first_name": "Ada", "city": "London", "lists": []}]


def test_a_switch_turns_down_the_second_row_of_the_same_email(make_client: MakeClient) -> None:
    client = make_client(duplicate_in_request="row_error")
    job = client.upsert({**ADA, "first_name": "A"}, {**ADA, "first_name": "Ada"})
    assert job["results"]["errored_count"] == 1
    assert client.find("ada@example.com")["first_name"] == "A"


def test_emails_are_lower_case_on_write_and_in_results(client: Client) -> None:
    client.upsert({"email": "Ada@Example.COM", "alternate_emails": ["Countess@Example.com"]})
    client.upsert({**ADA, "city": "London"})
    contact = client.find("ADA@EXAMPLE.COM")
    assert (contact["email"], contact["alternate_emails"]) == ("ada@example.com", ["countess@example.com"])
    assert len(client.sandbox.contacts()) == 1


def test_an_omitted_property_is_kept_and_an_empty_text_clears(client: Client) -> None:
    plan, tier = client.make_field("plan", "Text"), client.make_field("tier", "Text")
    first = {"first_name": "Ada", "city": "London", "alternate_emails": ["b@example.com"]}
    client.upsert({**ADA, **first, "custom_fields": {plan: "gold", tier: "1"}})
    client.upsert(
        {**ADA, "city": "", "alternate_emails": [], "last_name": None, "custom_fields": {tier: ""}}, is_lawful=False
    )
    assert client.sandbox.contacts() == [{**ADA, "first_name": "Ada", "custom_fields": {"plan": "gold"}, "lists": []}]


def test_list_ids_add_and_never_remove(client: Client) -> None:
    one, two = client.make_list("One"), client.make_list("Two")
    client.upsert(ADA, lists=[one])
    client.upsert(ADA, lists=[two])
    client.upsert(ADA, lists=[])
    client.upsert(ADA)
    assert client.find("ada@example.com")["list_ids"] == sorted([one, two])


def test_a_contact_turned_down_joins_no_list(client: Client) -> None:
    identity, field = client.make_list(), client.make_field("age", "Number")
    client.upsert(ADA)
    client.upsert({**ADA, "custom_fields": {field: "x"}}, lists=[identity], is_lawful=False)
    assert client.find("ada@example.com")["list_ids"] == []


def test_an_upsert_that_changes_nothing_leaves_updated_at_alone(client: Client) -> None:
    identity, field = client.make_list(), client.make_field("age", "Number")
    contact = {**ADA, "first_name": "Ada", "custom_fields": {field: 36}}
    client.upsert(contact, lists=[identity])
    before = client.find("ada@example.com")
    assert client.upsert(contact, lists=[identity])["results"] == {"requested_count": 1}
    assert client.find("ada@example.com") == before


def test_a_switch_counts_an_unchanged_contact_as_updated(make_client: MakeClient) -> None:
    client = make_client(count_unchanged_as_updated=True)
    client.upsert(ADA)
    assert client.upsert(ADA)["results"] == {"requested_count": 1, "updated_count": 1}


def test_created_at_is_the_time_of_the_request_and_updated_at_that_of_the_job(client: Client) -> None:
    job = client.upsert(ADA)
    contact = client.find("ada@example.com")
    assert (contact["created_at"], contact["updated_at"]) == (job["started_at"], job["finished_at"])


QUOTA = "you have hit your contact limit"


def test_contacts_over_the_quota_are_in_the_errors_file(make_client: MakeClient) -> None:
    client = make_client(contact_quota=2)
    client.upsert(ADA)
    contacts = [{"email": f"{name}@example.com"} for name in "bcb"]
    job = client.upsert(*contacts, {"email": "d@example.com"}, {**ADA, "city": "London"})
    assert job["status"] == "errored"
    assert {name: job["results"].get(name) for name in ("created_count", "updated_count", "errored_count")} == {
        "created_count": 1,
        "updated_count": 1,
        "errored_count": 2,
    }
    assert "errors" not in job
    assert client.reasons(job) == f"email,error\r\nc@example.com,{QUOTA}\r\nd@example.com,{QUOTA}\r\n"
    assert {contact["email"]: contact.get("city") for contact in client.sandbox.contacts()} == {
        "ada@example.com": "London",
        "b@example.com": None,
    }


def test_a_job_fails_if_none_of_its_contacts_fits(make_client: MakeClient) -> None:
    client = make_client(contact_quota=1)
    client.upsert(ADA)
    job = client.upsert({"email": "b@example.com"}, {"email": "c@example.com"})
    assert job["status"] == "failed"
    assert client.reasons(job).count(QUOTA) == 2


def test_a_request_over_the_quota_may_be_refused_as_a_whole(make_client: MakeClient) -> None:
    client = make_client(contact_quota=1, contact_limit_in="refusal")
    assert client.refused(ADA, {"email": "b@example.com"}) == (400, [(None, QUOTA)])
    assert client.upsert(ADA)["status"] == "completed"
    assert client.upsert({**ADA, "city": "London"})["status"] == "completed"


def test_a_job_over_the_quota_may_fail_as_a_whole_with_an_undocumented_text(make_client: MakeClient) -> None:
    client = make_client(contact_quota=2, contact_limit_in="job_property")
    client.upsert(ADA)
    job = client.upsert({"email": "b@example.com"}, {"email": "c@example.com"})
    assert (job["status"], job["results"]) == ("failed", {"requested_count": 2})
    assert job["errors"] == [{"field": None, "message": QUOTA}]
    assert len(client.sandbox.contacts()) == 1


def test_a_deleted_contact_still_counts_towards_the_quota(make_client: MakeClient) -> None:
    client = make_client(contact_quota=1)
    client.upsert(ADA)
    client.call("DELETE", f"{MARKETING}/contacts?ids={client.find('ada@example.com')['id']}")
    client.sandbox.settle()
    assert client.upsert(ADA)["status"] == "failed"
