"""Every emulated route against the vendor's OpenAPI files, and the reasons for departing from them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from target_sendgrid.sandbox.coverage import EMULATED
from target_sendgrid.sandbox.options import Options
from target_sendgrid.sandbox.server import SandboxServer
from tests.contract import AMENDMENTS, Amendment, Contract, ContractError, Exchange, folder, required_contract
from tests.sandbox.client import MARKETING, Client

if TYPE_CHECKING:
    from collections.abc import Iterator

NOBODY = "00000000-0000-4000-8000-000000000000"


@pytest.fixture(scope="module")
def traffic() -> Iterator[list[Exchange]]:
    """Drive every emulated route, with success and with failure."""
    required_contract()
    with SandboxServer(options=Options(), manual_clock=True) as sandbox, Client(sandbox) as client:
        drive(client)
        yield client.exchanges


def drive(client: Client) -> None:
    contacts, lists, fields = f"{MARKETING}/contacts", f"{MARKETING}/lists", f"{MARKETING}/field_definitions"

    def call(*requests: tuple[str, str, object]) -> None:
        for method, path, body in requests:
            client.call(method, path, body, is_answer_checked=False)

    call(("GET", "/v3/scopes", None), ("GET", fields, None))
    people, other = client.make_list("People"), client.make_list("Other")
    field = client.make_field("plan", "Text")
    ada = {"email": "ada@example.com", "external_id": "7", "custom_fields": {field: "gold"}}
    client.upsert(ada, {"email": "b@example.com", "custom_fields": {field: "x" * 1_001}}, lists=[people])
    client.upsert({"email": "c@example.com"}, lists=[people, other])
    first, second = (client.find(email)["id"] for email in ("ada@example.com", "c@example.com"))
    call(
        ("PUT", contacts, {"contacts": [{"email": "bad"}]}),
        ("PUT", contacts, {"contacts": [ada], "list_ids": [NOBODY]}),
        ("GET", contacts, None),
        ("GET", f"{contacts}/count", None),
        ("GET", f"{contacts}/{first}", None),
        ("GET", f"{contacts}/{NOBODY}", None),
        ("POST", f"{contacts}/batch", {"ids": [first]}),
        ("GET", f"{contacts}/imports/{NOBODY}", None),
        ("POST", f"{contacts}/search", {"query": "email = 'ada@example.com'"}),
        ("POST", f"{contacts}/search", {"query": "nonsense"}),
        ("POST", f"{contacts}/search/emails", {"emails": ["ada@example.com", "joe@example.com"]}),
        ("POST", f"{contacts}/search/emails", {"emails": ["joe@example.com"]}),
        ("POST", f"{contacts}/search/emails", {"emails": ["bad"]}),
        ("POST", f"{contacts}/search/identifiers/external_id", {"identifiers": ["7"]}),
        ("POST", f"{contacts}/search/identifiers/external_id", {"identifiers": ["8"]}),
        ("POST", f"{contacts}/search/identifiers/email", {"identifiers": ["bad"]}),
        ("DELETE", f"{contacts}/{first}/identifiers", {"identifier_type": "EXTERNALID", "identifier_value": "7"}),
        ("DELETE", f"{contacts}/{first}/identifiers", {"identifier_type": "NONE", "identifier_value": "7"}),
        ("GET", lists, None),
        ("GET", f"{lists}?page_size=1", None),
        ("GET", f"{lists}?page_size=0", None),
        ("POST", lists, {"name": "People"}),
        ("GET", f"{lists}/{people}?contact_sample=true", None),
        ("GET", f"{lists}/{NOBODY}", None),
        ("PATCH", f"{lists}/{people}", {"name": "Persons"}),
        ("PATCH", f"{lists}/{people}", {"name": "Other"}),
        ("PATCH", f"{lists}/{NOBODY}", {"name": "Nobody"}),
        ("GET", f"{lists}/{people}/contacts/count", None),
        ("GET", f"{lists}/{NOBODY}/contacts/count", None),
        ("DELETE", f"{lists}/{people}/contacts?contact_ids={first}", None),
        ("DELETE", f"{lists}/{people}/contacts?contact_ids={NOBODY}", None),
        ("DELETE", f"{lists}/{people}/contacts", None),
        ("DELETE", f"{contacts}?ids={second}", None),
        ("DELETE", contacts, None),
        ("DELETE", f"{lists}/{people}?delete_contacts=true", None),
        ("DELETE", f"{lists}/{other}", None),
        ("DELETE", f"{lists}/{NOBODY}", None),
        ("POST", fields, {"name": "1", "field_type": "Text"}),
        ("GET", fields, None),
        ("PATCH", f"{fields}/{field}", {"name": "tier"}),
        ("PATCH", f"{fields}/{field}", {"name": "email"}),
        ("PATCH", f"{fields}/none", {"name": "tier"}),
        ("DELETE", f"{fields}/{field}", None),
        ("DELETE", f"{fields}/none", None),
    )
    limited = client.sandbox.add_key(("mail.send",))
    client.call("GET", lists, headers={"Authorization": f"Bearer {limited}"}, is_answer_checked=False)
    client.call("GET", lists, headers={"Authorization": ""}, is_answer_checked=False)
    client.sandbox.add_fault("rate_limited")
    call(("GET", lists, None))


def test_every_exchange_keeps_the_contract(traffic: list[Exchange]) -> None:
    for exchange in traffic:
        required_contract().check(exchange)


@pytest.mark.parametrize("amendment", AMENDMENTS, ids=lambda amendment: amendment.name)
def test_every_amendment_is_needed_and_says_why(amendment: Amendment, traffic: list[Exchange]) -> None:
    place = folder()
    assert place is not None
    without = Contract(place, tuple(one for one in AMENDMENTS if one is not amendment))

    def breaks(exchange: Exchange) -> bool:
        try:
            without.check(exchange)
        except ContractError:
            return True
        return False

    assert any(breaks(exchange) for exchange in traffic), "the vendor's files are right without it: delete it"
    assert amendment.reason


def test_the_traffic_covers_every_emulated_route(traffic: list[Exchange]) -> None:
    contract = required_contract()
    assert {contract.operation(exchange) for exchange in traffic} == set(EMULATED)


def test_every_emulated_route_is_one_of_the_vendors() -> None:
    assert set(EMULATED) <= required_contract().operations()


def test_a_broken_answer_is_found(traffic: list[Exchange]) -> None:
    upsert = next(exchange for exchange in traffic if exchange.status == 202)
    broken = Exchange(**{**vars(upsert), "response_body": b'{"job_id": 7}'})
    with pytest.raises(ContractError, match="not of type 'string'"):
        required_contract().check(broken)


def test_a_broken_request_is_found(traffic: list[Exchange]) -> None:
    upsert = next(exchange for exchange in traffic if exchange.status == 202)
    broken = Exchange(**{**vars(upsert), "request_body": b'{"contacts": []}'})
    with pytest.raises(ContractError, match="contacts"):
        required_contract().check(broken)
