"""The web page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.sandbox.client import Client


@pytest.fixture
def full(client: Client) -> Client:
    people = [{"email": f"p{number:02}@example.com", "lists": ["People"]} for number in range(60)]
    other = {"email": "other@example.com", "first_name": "<script>", "custom_fields": {"plan": "gold & co"}}
    client.sandbox.seed(lists=["Nobody"], fields={"plan": "Text"}, contacts=[*people, other])
    client.upsert({"email": "new@example.com"})
    return client


def text(client: Client, path: str) -> str:
    response = client.call("GET", path)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/html")
    return response.text


@pytest.mark.parametrize("path", ["/", "/_sandbox/"])
def test_the_page_shows_lists_fields_contacts_jobs_and_requests(full: Client, path: str) -> None:
    page = text(full, path)
    assert all(part in page for part in ("People", "Nobody", "e1_T", "p00@example.com", "completed", "62"))
    assert "PUT /v3/marketing/contacts" in page


def test_the_page_shows_how_many_are_suppressed_and_erased(client: Client) -> None:
    client.sandbox.suppress("ada@example.com", "joe@example.com")
    client.sandbox.suppress("ada@example.com", group_id=client.sandbox.add_group("<News>"))
    client.call("POST", "/v3/recipients/erasejob", {"email_addresses": ["eve@example.com"]})
    page = text(client, "/")
    assert "<strong>2</strong> global suppressions, 1 in the group &lt;News&gt;" in page
    assert "<strong>1</strong> erased addresses" in page
    assert "ada@example.com" not in page


def test_the_page_of_an_empty_account_says_so(client: Client) -> None:
    assert "No contact yet." in text(client, "/")


def test_contacts_come_in_pages(full: Client) -> None:
    first, second = text(full, "/"), text(full, "/?start=50")
    assert "p00@" in first
    assert "p59@" not in first
    assert "p59@" in second


def test_contacts_can_be_searched_by_any_value_and_by_list(full: Client) -> None:
    people = next(row["id"] for row in full.call("GET", "/v3/marketing/lists").json()["result"] if row["contact_count"])
    assert "other@example.com" in text(full, "/?search=gold")
    assert "p00@" not in text(full, "/?search=gold")
    assert "other@example.com" not in text(full, f"/?list={people}")


def test_values_are_escaped_and_keys_never_shown(full: Client) -> None:
    page = text(full, "/?search=other")
    assert "&lt;script&gt;" in page
    assert "<script>" not in page
    assert full.sandbox.api_key not in page


def test_the_page_loads_nothing_from_elsewhere(full: Client) -> None:
    page = text(full, "/")
    assert "src=" not in page
    assert "<link" not in page
