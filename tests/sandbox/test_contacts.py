"""Reading, counting and deleting contacts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.sandbox.client import MARKETING

if TYPE_CHECKING:
    from tests.sandbox.client import Client

CONTACTS = f"{MARKETING}/contacts"
ADA = {"email": "ada@example.com"}


def test_a_contact_can_be_read_by_its_id(client: Client) -> None:
    client.upsert(ADA)
    contact = client.find("ada@example.com")
    assert client.call("GET", f"{CONTACTS}/{contact['id']}").json() == contact
    assert client.call("GET", f"{CONTACTS}/nope").status_code == 404


def test_contacts_can_be_read_by_up_to_100_ids(client: Client) -> None:
    client.upsert(ADA)
    identity = client.find("ada@example.com")["id"]
    found = client.call("POST", f"{CONTACTS}/batch", {"ids": [identity, "nope"]}).json()["result"]
    assert [contact["id"] for contact in found] == [identity]
    assert client.call("POST", f"{CONTACTS}/batch", {"ids": ["x"] * 101}).status_code == 400


def test_the_sample_is_the_newest_50_in_its_own_shape(client: Client) -> None:
    client.upsert(*({"email": f"{number}@example.com"} for number in range(60)))
    document = client.call("GET", CONTACTS).json()
    assert (document["contact_count"], len(document["result"])) == (60, 50)
    newest = document["result"][0]
    assert newest["_metadata"]["self"].endswith(f"/v3/marketing/contact/{newest['id']}")
    assert "segment_ids" not in newest


def test_counts_show_identifiers_and_bill_deleted_contacts_until_next_month(client: Client) -> None:
    client.upsert({**ADA, "external_id": "7"}, {"email": "b@example.com"})
    client.call("DELETE", f"{CONTACTS}?ids={client.find('b@example.com')['id']}")
    client.sandbox.settle()
    expected: dict[str, Any] = {"AID": 0, "EID": 1, "EXTID": 1, "PHNID": 0}
    document = client.call("GET", f"{CONTACTS}/count").json()
    assert document == {"contact_count": 1, "billable_count": 2, "identifier_counts": expected}
    client.sandbox.advance(31 * 24 * 3600)
    assert client.call("GET", f"{CONTACTS}/count").json()["billable_count"] == 1


def test_contacts_are_deleted_by_a_job(client: Client) -> None:
    identity = client.make_list()
    client.upsert({**ADA, "alternate_emails": ["x@example.com"]}, {"email": "b@example.com"}, lists=[identity])
    response = client.call("DELETE", f"{CONTACTS}?ids={client.find('ada@example.com')['id']}")
    assert len(client.sandbox.contacts()) == 2
    client.sandbox.settle()
    assert response.status_code == 202
    assert client.job(response.json()["job_id"])["results"] == {"requested_count": 1, "deleted_count": 1}
    assert [contact["email"] for contact in client.sandbox.contacts("People")] == ["b@example.com"]
    assert client.call("POST", f"{CONTACTS}/search/emails", {"emails": ["x@example.com"]}).status_code == 404


def test_an_unknown_contact_refuses_a_deletion(client: Client) -> None:
    client.upsert(ADA)
    ids = f"{client.find('ada@example.com')['id']},nope"
    assert client.errors("DELETE", f"{CONTACTS}?ids={ids}") == (404, [("ids", "one or more contact ids do not exist")])
    client.sandbox.settle()
    assert client.sandbox.contacts() == [{**ADA, "lists": []}]
    client.sandbox.set_options(unknown_contact_in_deletion="ignore")
    response = client.call("DELETE", f"{CONTACTS}?ids={ids}")
    client.sandbox.settle()
    assert client.job(response.json()["job_id"])["results"] == {"requested_count": 2, "deleted_count": 1}
    assert client.sandbox.contacts() == []


def test_all_contacts_can_be_deleted(client: Client) -> None:
    client.upsert(ADA, {"email": "b@example.com"})
    client.call("DELETE", f"{CONTACTS}?delete_all_contacts=true")
    client.sandbox.settle()
    assert client.sandbox.contacts() == []
    assert client.sandbox.violations() == ["DELETE /v3/marketing/contacts: all contacts were deleted"]


@pytest.mark.parametrize("query", ["", "?ids=", "?delete_all_contacts=false"])
def test_deleting_nobody_is_refused(client: Client, query: str) -> None:
    message = "either 'ids' OR 'delete_all_contacts' should be supplied as query param"
    assert client.errors("DELETE", f"{CONTACTS}{query}") == (400, [(None, message)])


def test_an_identifier_is_deleted_by_a_job(client: Client) -> None:
    client.upsert({**ADA, "external_id": "7"})
    path = f"{CONTACTS}/{client.find('ada@example.com')['id']}/identifiers"
    response = client.call("DELETE", path, {"identifier_type": "EXTERNALID", "identifier_value": "7"})
    client.sandbox.settle()
    assert response.status_code == 202
    assert client.job(response.json()["job_id"])["status"] == "completed"
    assert "external_id" not in client.find("ada@example.com")


def test_deleting_the_only_identifier_fails_in_the_job(client: Client) -> None:
    client.upsert(ADA)
    path = f"{CONTACTS}/{client.find('ada@example.com')['id']}/identifiers"
    response = client.call("DELETE", path, {"identifier_type": "EMAIL", "identifier_value": "ADA@example.com"})
    client.sandbox.settle()
    assert client.job(response.json()["job_id"])["status"] == "failed"
    assert client.sandbox.contacts() == [{**ADA, "lists": []}]


@pytest.mark.parametrize(
    ("kind", "value", "field"),
    [("PHONE", "1", "identifier_type"), ("EXTERNALID", "8", "identifier_value"), ("EMAIL", 7, "identifier_value")],
)
def test_a_wrong_identifier_is_refused(client: Client, kind: str, value: Any, field: str) -> None:
    client.upsert({**ADA, "external_id": "7"})
    path = f"{CONTACTS}/{client.find('ada@example.com')['id']}/identifiers"
    status, problems = client.errors("DELETE", path, {"identifier_type": kind, "identifier_value": value})
    assert (status, problems[0][0]) == (400, field)
