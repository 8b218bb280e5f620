"""Every request of the target keeps the contract, and so does every answer that it gets from the sandbox."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest
import requests.adapters
import urllib3

from target_sendgrid.sendgrid.client import Client
from target_sendgrid.sendgrid.contact import Body
from target_sendgrid.sendgrid.exports import ListExport
from target_sendgrid.sendgrid.fields import IDENTIFIERS, MAX_LENGTHS
from target_sendgrid.sendgrid.transport import Transport
from target_sendgrid.target import TargetSendGrid
from tests.contract.checks import Exchange, contract
from tests.harness.clocks import HastyClock
from tests.harness.messages import record, schema, singer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from target_sendgrid.sandbox.server import SandboxServer

USED_OPERATIONS = {
    "GET /v3/scopes",
    "GET /v3/marketing/field_definitions",
    "POST /v3/marketing/field_definitions",
    "GET /v3/marketing/lists",
    "GET /v3/marketing/lists/{id}",
    "POST /v3/marketing/lists",
    "DELETE /v3/marketing/lists/{id}/contacts",
    "GET /v3/marketing/lists/{id}/contacts/count",
    "POST /v3/marketing/contacts/exports",
    "GET /v3/marketing/contacts/exports/{id}",
    "POST /v3/marketing/contacts/batch",
    "PUT /v3/marketing/contacts",
    "GET /v3/marketing/contacts/count",
    "DELETE /v3/marketing/contacts",
    "GET /v3/asm/groups",
    "POST /v3/asm/groups/{group_id}/suppressions",
    "GET /v3/asm/groups/{group_id}/suppressions",
    "POST /v3/asm/suppressions/global",
    "GET /v3/suppression/unsubscribes",
    "POST /v3/recipients/erasejob",
    "GET /v3/marketing/contacts/imports/{id}",
    "POST /v3/marketing/contacts/search/emails",
    "POST /v3/marketing/contacts/search/identifiers/{identifier_type}",
}
"""Every operation that the target uses."""


@pytest.fixture
def exchanges(monkeypatch: pytest.MonkeyPatch) -> list[Exchange]:
    """Every request of the test with its answer, as they were sent."""
    seen: list[Exchange] = []
    send = requests.adapters.HTTPAdapter.send

    def recording_send(
        adapter: requests.adapters.HTTPAdapter,
        request: requests.PreparedRequest,
        **options: Any,
    ) -> requests.Response:
        response = send(adapter, request, **options)
        seen.append(
            Exchange(
                request.method or "",
                request.url or "",
                dict(request.headers),
                _whole(request.body),
                response.status_code,
                dict(response.headers),
                response.content,
            )
        )
        unread = urllib3.HTTPResponse(io.BytesIO(response.content), preload_content=False)
        response.raw = unread  # the target reads it, too
        return response

    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", recording_send)
    return seen


def _whole(body: Any) -> bytes | None:
    if isinstance(body, str):
        return body.encode()
    return b"".join(body) if isinstance(body, Body) else body


def run(sandbox: SandboxServer, config: dict[str, Any], *messages: dict[str, Any]) -> None:
    own = {"api_url": sandbox.url, "api_key": sandbox.api_key, "max_rejected_percent": 100}
    target = TargetSendGrid(clock=HastyClock(), config=own | config)
    try:
        target.listen(io.StringIO(singer(*messages).decode()))
    finally:
        target.conclude(None)


def test_every_request_of_the_target_keeps_the_contract(sandbox: SandboxServer, exchanges: list[Exchange]) -> None:
    texts = {name: "text" for name in MAX_LENGTHS if name not in {*IDENTIFIERS, "alternate_emails"}}
    everything: dict[str, Any] = {
        **texts,
        "others": "ada@example.net",
        "score": 1.5,
        "since": "2024-02-29",
        "plan": "gold",
    }
    types: dict[str, Any] = dict.fromkeys(("mail", "id", *everything), "string")
    people = schema(**types | {"score": "number", "since": {"type": ["string", "null"], "format": "date"}})
    mapping = {name: name for name in everything if name != "others"} | {"email": "mail", "alternate_emails": "others"}
    run(
        sandbox,
        {"list_name": "New", "create_custom_fields": True, "field_mapping": mapping},
        people,
        record(mail="ada@example.com", **everything),
        record(mail="bad@nowhere"),
    )
    list_id = _list_id(sandbox)
    sandbox.add_fault("job_errored_rows", emails=["eve@example.com"], mode="garbage")
    run(
        sandbox,
        {"list_id": list_id, "field_mapping": {"email": "mail"}},
        people,
        record(mail="eve@example.com"),
        record(mail="ada@example.com"),
    )
    for kind in IDENTIFIERS[1:]:
        sandbox.add_fault("job_errored_rows", first=1, mode="garbage")
        run(
            sandbox,
            {"list_id": list_id, "field_mapping": {kind: "id"}},
            people,
            record(id="+14155550101"),
            record(id="+14155550102"),
        )
    client = Client(Transport(sandbox.url, sandbox.api_key, clock=HastyClock(), timeout_seconds=5))
    client.contact_count()
    sandbox.add_fault("export_file", mode="no_count")
    export = ListExport(client, HastyClock(), list_id, label="'New'", timeout_seconds=60)
    assert len(dict(client.find_by_ids([member.contact_id for member in export.members()]))) == export.row_count
    found = client.find_contacts("email", ["ada@example.com", "eve@example.com", f"{'a' * 100}@example.com"])
    contact_ids = [contact["id"] for _, contact in found]
    client.remove_from_list(list_id, contact_ids)
    client.delete_contacts(contact_ids)
    group_id = sandbox.add_group("News")
    assert [group.id for group in client.suppression_groups()] == [group_id]
    for place in (group_id, None):
        assert client.suppress(["Ada@example.com"], place) == {"ada@example.com"}
    assert client.group_suppressions(group_id) == ["ada@example.com"]
    assert list(client.global_suppressions()) == [["ada@example.com"]]
    client.erase(["ada@example.com"])
    client.transport.close()

    sent = [exchange for exchange in exchanges if exchange.url.startswith(f"{sandbox.url}/v3/")]
    for exchange in sent:
        contract().check_request(exchange)
        contract().check_answer(exchange)
    assert {contract().operation(exchange).name for exchange in sent} == USED_OPERATIONS
    sent_fields = {name for exchange in sent for name in _fields(exchange)}
    assert sent_fields == {*MAX_LENGTHS, "custom_fields"}
    assert not sandbox.violations()


def _list_id(sandbox: SandboxServer) -> str:
    answer = requests.get(
        f"{sandbox.url}/v3/marketing/lists", headers={"Authorization": f"Bearer {sandbox.api_key}"}, timeout=10
    )
    return str(answer.json()["result"][0]["id"])


def _fields(exchange: Exchange) -> Iterator[str]:
    if exchange.method == "PUT":
        for contact in json.loads(exchange.request_body or b"")["contacts"]:
            yield from contact
