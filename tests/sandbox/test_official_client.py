"""SendGrid's own Python client against the sandbox."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from python_http_client.exceptions import (  # type: ignore[import-untyped] # the vendor ships no types
    BadRequestsError,
    NotFoundError,
    UnauthorizedError,
)
from sendgrid import SendGridAPIClient  # type: ignore[import-untyped] # the vendor ships no types

if TYPE_CHECKING:
    from tests.sandbox.client import Client


@pytest.fixture
def marketing(client: Client) -> Any:
    return SendGridAPIClient(client.sandbox.api_key, host=client.sandbox.url).client.marketing


def document(response: Any) -> Any:
    return json.loads(response.body)


def test_it_upserts_polls_and_finds(client: Client, marketing: Any) -> None:
    created = marketing.lists.post(request_body={"name": "People"})
    identity = document(created)["id"]
    body = {"list_ids": [identity], "contacts": [{"email": "Ada@example.com", "first_name": "Ada"}]}
    queued = marketing.contacts.put(request_body=body)
    client.sandbox.settle()
    job = document(marketing.contacts.imports._(document(queued)["job_id"]).get())
    found = document(marketing.contacts.search.emails.post(request_body={"emails": ["ada@example.com"]}))
    assert (created.status_code, queued.status_code, job["status"]) == (201, 202, "completed")
    assert found["result"]["ada@example.com"]["contact"]["first_name"] == "Ada"
    assert document(marketing.lists._(identity).contacts.count.get())["contact_count"] == 1


def test_it_manages_fields_and_lists(marketing: Any) -> None:
    made = document(marketing.field_definitions.post(request_body={"name": "plan", "field_type": "Text"}))
    assert [field["id"] for field in document(marketing.field_definitions.get())["custom_fields"]] == [made["id"]]
    assert marketing.field_definitions._(made["id"]).delete().status_code == 204
    identity = document(marketing.lists.post(request_body={"name": "People"}))["id"]
    assert marketing.lists._(identity).delete().status_code == 204
    assert document(marketing.lists.get(query_params={"page_size": 10}))["result"] == []


def test_it_raises_its_own_errors(client: Client, marketing: Any) -> None:
    with pytest.raises(BadRequestsError) as refused:
        marketing.contacts.put(request_body={"contacts": [{"email": "000"}]})
    assert refused.value.to_dict["errors"][0]["message"] == "email '000' is not valid"
    with pytest.raises(NotFoundError):
        marketing.contacts.imports._("nope").get()
    with pytest.raises(UnauthorizedError):
        SendGridAPIClient("SG.a.b", host=client.sandbox.url).client.marketing.lists.get()
