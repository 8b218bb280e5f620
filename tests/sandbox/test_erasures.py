"""Erasure: what is refused, how often it may be asked for, and what stays."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.sandbox.client import MARKETING

if TYPE_CHECKING:
    from tests.sandbox.client import Client
    from tests.sandbox.conftest import MakeClient

PATH = "/v3/recipients/erasejob"
ADA = {"email": "ada@example.com"}


def addresses(*emails: str) -> dict[str, Any]:
    return {"email_addresses": list(emails)}


def test_an_erasure_is_remembered_and_contact_and_suppression_stay(client: Client) -> None:
    client.upsert(ADA)
    client.sandbox.suppress(ADA["email"])
    for _ in range(2):
        response = client.call("POST", PATH, addresses("Ada@example.com", "ada@example.com"))
        assert response.status_code == 202
    assert client.sandbox.erased() == client.sandbox.suppressed() == {ADA["email"]}
    assert client.sandbox.contacts() == [{**ADA, "lists": []}]
    assert client.call("GET", "/_sandbox/erasures").json() == {"erasures": [ADA["email"]]}
    assert client.call("GET", f"{MARKETING}/contacts/imports/{response.json()['job_id']}").status_code == 404
    client.sandbox.reset()
    assert client.sandbox.erased() == set()


def test_each_bad_address_is_named_and_nobody_is_erased(client: Client) -> None:
    status, problems = client.errors("POST", PATH, addresses("bad", "ada@example.com", "worse", "bad"))
    assert status == 400
    assert problems == [("email_addresses", f"Email_address {bad} is not valid") for bad in ("bad", "worse")]
    assert client.sandbox.erased() == set()


@pytest.mark.parametrize(
    "document",
    [
        {},
        addresses(),
        {"email_addresses": "ada@example.com"},
        {"email_addresses": [7]},
        addresses(*(f"p{number}@example.com" for number in range(5_001))),
        addresses(*(f"{'x' * 60}{number:04}@example.com" for number in range(3_200))),
    ],
    ids=["nothing", "nobody", "a text", "a number", "too many", "too large"],
)
def test_a_request_that_breaks_a_rule_is_refused(client: Client, document: dict[str, Any]) -> None:
    status, problems = client.errors("POST", PATH, document)
    assert (status, problems[0][0]) == (400, "email_addresses")
    assert client.sandbox.erased() == set()


def test_a_request_may_have_256_kilobytes(client: Client) -> None:
    emails = [f"{'x' * 60}{number:04}@example.com" for number in range(3_100)]
    data = json.dumps(addresses(*emails)).encode().ljust(256_000)
    headers = {"Content-Type": "application/json"}
    assert client.call("POST", PATH, data=data, headers=headers).status_code == 202
    assert client.call("POST", PATH, data=data + b" ", headers=headers).status_code == 400
    assert client.sandbox.erased() == set(emails)


@pytest.mark.parametrize(
    ("scopes", "expected"),
    [
        (("marketing.read",), (403, [("", "Not authorized")])),
        (None, (401, [("", "Failed to authenticate")])),
    ],
    ids=["without the scope", "without a key"],
)
def test_a_key_needs_the_scope(client: Client, scopes: tuple[str, ...] | None, expected: object) -> None:
    key = "" if scopes is None else f"Bearer {client.sandbox.add_key(scopes)}"
    assert client.errors("POST", PATH, addresses("ada@example.com"), headers={"Authorization": key}) == expected
    assert client.sandbox.erased() == set()


def test_an_unknown_sub_account_is_an_error_with_a_field(client: Client) -> None:
    found = client.errors("POST", PATH, addresses("ada@example.com"), headers={"on-behalf-of": "nobody"})
    assert found == (401, [("", "authorization required")])


@pytest.mark.parametrize("reset", ["seconds", "epoch"])
def test_100_requests_a_minute_and_the_wait_is_always_in_seconds(make_client: MakeClient, reset: str) -> None:
    client = make_client(rate_limit_reset=reset)
    for number in range(100):
        response = client.call("POST", PATH, addresses(f"p{number}@example.com"))
        assert response.status_code == 202
    assert (response.headers["x-ratelimit-limit"], response.headers["x-ratelimit-remaining"]) == ("100", "0")
    refused = client.call("POST", PATH, addresses("ada@example.com"))
    assert (refused.status_code, refused.content) == (429, b"")
    assert 1 <= int(refused.headers["x-ratelimit-reset"]) <= 60
    client.sandbox.advance(60)
    assert client.call("POST", PATH, addresses("ada@example.com")).status_code == 202
    assert len(client.sandbox.erased()) == 101


@pytest.mark.parametrize(
    ("order", "named"),
    [
        ({"emails": ["ada@example.com"]}, [("email_addresses", "Email_address Ada@example.com is not valid")]),
        ({"contacts": ["ada@example.com"], "names": "quote"}, [("", "Email_address Ada@example.com is not valid")]),
        ({"first": 1}, [("email_addresses", "Email_address joe@example.com is not valid")]),
        ({"emails": ["ada@example.com"], "names": "nobody"}, [("", "invalid input")]),
    ],
    ids=str,
)
def test_a_fault_refuses_addresses(client: Client, order: dict[str, Any], named: list[tuple[str, str]]) -> None:
    client.sandbox.add_fault("refusal", **order)
    found = client.errors("POST", PATH, addresses("joe@example.com", "Ada@example.com"), is_answer_checked=False)
    assert found == (400, named)
    assert client.sandbox.erased() == set()
