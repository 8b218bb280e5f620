"""Every request that the target sends is checked against the vendor's own description of the API."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest
import requests.adapters
import urllib3

from target_sendgrid.target import TargetSendGrid
from tests.contract import Exchange, required_contract
from tests.harness.clocks import HastyClock
from tests.harness.messages import record, schema, singer

if TYPE_CHECKING:
    from target_sendgrid.sandbox.server import SandboxServer

USED_OPERATIONS = {
    "GET /v3/scopes",
    "GET /v3/marketing/field_definitions",
    "POST /v3/marketing/field_definitions",
    "GET /v3/marketing/lists",
    "GET /v3/marketing/lists/{id}",
    "POST /v3/marketing/lists",
    "PUT /v3/marketing/contacts",
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
        body = request.body.encode() if isinstance(request.body, str) else request.body
        seen.append(
            Exchange(
                request.method or "",
                request.url or "",
                dict(request.headers),
                body if isinstance(body, bytes) else None,
                response.status_code,
                dict(response.headers),
                response.content,
            )
        )
        response.raw = urllib3.HTTPResponse(
            io.BytesIO(response.content), preload_content=False
        )  # so that the target can read it
        return response

    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", recording_send)
    return seen


def run(sandbox: SandboxServer, config: dict[str, Any], *messages: dict[str, Any]) -> None:
    own = {"api_url": sandbox.url, "api_key": sandbox.api_key, "max_rejected_percent": 100}
    target = TargetSendGrid(clock=HastyClock(), config=own | config)
    try:
        target.listen(io.StringIO(singer(*messages).decode()))
    finally:
        target.conclude(None)


def test_every_request_of_the_target_is_as_the_vendor_describes_it(
    sandbox: SandboxServer, exchanges: list[Exchange]
) -> None:
    contract = required_contract()
    people = schema(mail="string", id="string", given="string", score="number")
    mapping = {"email": "mail", "first_name": "given", "score": "score", "alternate_emails": "mail"}
    run(
        sandbox,
        {"list_name": "New", "create_custom_fields": True, "field_mapping": mapping},
        people,
        record(mail="ada@example.com", given="Zoë", score=1.5),
        record(mail="bad@nowhere", given=None, score=None),
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
    sandbox.add_fault("job_errored_rows", first=1, mode="garbage")
    run(sandbox, {"list_id": list_id, "field_mapping": {"external_id": "id"}}, people, record(id="1"), record(id="2"))

    sent = [exchange for exchange in exchanges if exchange.url.startswith(f"{sandbox.url}/v3/")]
    for exchange in sent:
        contract.check(exchange)
    assert {contract.operation(exchange) for exchange in sent} == USED_OPERATIONS
    assert not sandbox.violations()


def _list_id(sandbox: SandboxServer) -> str:
    answer = requests.get(
        f"{sandbox.url}/v3/marketing/lists", headers={"Authorization": f"Bearer {sandbox.api_key}"}, timeout=10
    )
    return str(answer.json()["result"][0]["id"])
