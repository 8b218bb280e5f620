"""Searching contacts: by query, by email and by other identifiers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.sandbox.client import MARKETING

if TYPE_CHECKING:
    from tests.sandbox.client import Client
    from tests.sandbox.conftest import MakeClient

SEARCH = f"{MARKETING}/contacts/search"
NULL_ALTERNATES = "null"


def found_emails(client: Client, query: str) -> list[str]:
    document = client.call("POST", SEARCH, {"query": query}).json()
    assert document["contact_count"] >= len(document["result"])
    return sorted(contact["email"] for contact in document["result"])


def test_a_query_finds_by_one_email_by_several_and_by_list(client: Client) -> None:
    identity = client.make_list()
    client.upsert({"email": "o'hara@example.com"}, {"email": "b@example.com"}, lists=[identity])
    client.upsert({"email": "c@example.com"})
    assert found_emails(client, r"email = 'o\'hara@example.com'") == ["o'hara@example.com"]
    assert found_emails(client, "email IN ('b@example.com', 'c@example.com')") == ["b@example.com", "c@example.com"]
    assert found_emails(client, f"CONTAINS(list_ids, '{identity}')") == ["b@example.com", "o'hara@example.com"]


def test_a_query_that_matches_nobody_is_200_and_empty(client: Client) -> None:
    document = client.call("POST", SEARCH, {"query": "email = 'nobody@example.com'"}).json()
    assert (document["contact_count"], document["result"]) == (0, [])
    assert found_emails(client, "CONTAINS(list_ids,'nope')") == []


def test_a_query_compares_emails_in_lower_case(client: Client) -> None:
    client.upsert({"email": "Ada@example.com"})
    assert found_emails(client, "email = 'Ada@example.com'") == []
    assert found_emails(client, "email = 'ada@example.com'") == ["ada@example.com"]


def test_a_query_shows_50_contacts_at_most_and_counts_all(client: Client) -> None:
    identity = client.make_list()
    client.upsert(*({"email": f"{number}@example.com"} for number in range(60)), lists=[identity])
    document = client.call("POST", SEARCH, {"query": f"CONTAINS(list_ids,'{identity}')"}).json()
    assert (document["contact_count"], len(document["result"])) == (60, 50)


def test_a_query_of_another_form_is_400_and_names_the_known_forms(client: Client) -> None:
    status, problems = client.errors("POST", SEARCH, {"query": "first_name LIKE 'A%'"})
    assert (status, problems[0][0]) == (400, "query")
    assert "CONTAINS(list_ids" in problems[0][1]


def test_a_surplus_property_is_refused(client: Client) -> None:
    body = {"query": "email = 'a@example.com'", "page_size": 10}
    assert client.errors("POST", SEARCH, body) == (400, [("page_size", "unknown property page_size")])


def test_search_by_emails_marks_those_that_were_not_found(client: Client) -> None:
    client.upsert({"email": "ada@example.com"})
    emails = ["ADA@example.com", "", "joe@example.com"]
    document = client.call("POST", f"{SEARCH}/emails", {"emails": emails}).json()["result"]
    assert document["ada@example.com"]["contact"]["email"] == "ada@example.com"
    assert document["joe@example.com"] == {"error": "contact not found"}
    assert len(document) == 2


def test_search_by_emails_finds_alternate_emails(client: Client) -> None:
    client.upsert({"email": "ada@example.com", "alternate_emails": ["countess@example.com"]})
    assert client.find("Countess@example.com")["email"] == "ada@example.com"


def test_search_by_emails_forgets_alternate_emails_that_were_replaced(client: Client) -> None:
    client.upsert({"email": "ada@example.com", "alternate_emails": ["old@example.com"]})
    client.upsert({"email": "ada@example.com", "alternate_emails": ["new@example.com"]})
    assert client.call("POST", f"{SEARCH}/emails", {"emails": ["old@example.com"]}).status_code == 404
    assert client.find("new@example.com")["email"] == "ada@example.com"


@pytest.mark.parametrize(
    ("emails", "status"),
    [
        ([f"{number}@example.com" for number in range(101)], 400),
        (["bad", "a@example.com"], 400),
        ([], 400),
        (["nobody@example.com"], 404),
        ("a@example.com", 400),
    ],
)
def test_search_by_emails_refuses(client: Client, emails: Any, status: int) -> None:
    assert client.call("POST", f"{SEARCH}/emails", {"emails": emails}).status_code == status


@pytest.mark.parametrize("kind", ["email", "phone_number_id", "external_id", "anonymous_id"])
def test_search_by_each_kind_of_identifier(client: Client, kind: str) -> None:
    value = {"email": "a@example.com", "phone_number_id": "+14152279968"}.get(kind, "7")
    client.upsert({kind: value})
    path = f"{SEARCH}/identifiers/{kind}"
    assert client.call("POST", path, {"identifiers": [value]}).json()["result"][value]["contact"][kind] == value


@pytest.mark.parametrize(
    ("kind", "identifiers", "status"),
    [("external_id", ["8"], 404), ("email", ["bad"], 400), ("external_id", ["x"] * 101, 400), ("nope", ["x"], 404)],
)
def test_search_by_identifier_refuses_with_a_single_object(
    client: Client, kind: str, identifiers: list[str], status: int
) -> None:
    body = {"identifiers": identifiers}
    response = client.call("POST", f"{SEARCH}/identifiers/{kind}", body)
    assert response.status_code == status
    assert set(response.json()) == {"field", "message"}


def test_a_contact_shows_custom_fields_by_name_and_no_identifier_that_it_lacks(client: Client) -> None:
    field = client.make_field("plan", "Text")
    client.upsert({"email": "ada@example.com", "custom_fields": {field: "gold"}})
    contact = client.find("ada@example.com")
    assert contact["custom_fields"] == {"plan": "gold"}
    assert not {"external_id", "anonymous_id", "phone_number_id"} & contact.keys()
    assert (contact["first_name"], contact["alternate_emails"], contact["segment_ids"]) == ("", [], [])
    assert contact["_metadata"] == {"self": f"{client.sandbox.url}{MARKETING}/contacts/{contact['id']}"}


def test_a_switch_shows_no_alternate_emails_as_null(make_client: MakeClient) -> None:
    client = make_client(alternate_emails_when_empty=NULL_ALTERNATES)
    client.sandbox.seed(contacts=[{"email": "a@example.com"}])
    path = f"{MARKETING}/contacts/batch"
    identity = client.sandbox.contacts(detail=True)[0]["id"]
    response = client.call("POST", path, {"ids": [identity]})
    assert response.json()["result"][0]["alternate_emails"] is None
