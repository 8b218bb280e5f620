"""Keys and scopes, rate limits, sizes, sub-accounts, host names and connections."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import requests

from tests.sandbox.client import MARKETING, TIMEOUT_SECONDS

if TYPE_CHECKING:
    from tests.sandbox.client import Client
    from tests.sandbox.conftest import MakeClient

LISTS = f"{MARKETING}/lists"
HEADERS = ("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset")


@pytest.mark.parametrize("value", ["", "Basic abc", "Bearer", "Bearer nonsense", "SG.a.b"])
def test_a_missing_or_malformed_key_is_401(client: Client, value: str) -> None:
    found = client.errors("GET", LISTS, headers={"Authorization": value})
    assert found == (401, [(None, "authorization required")])


def test_an_unknown_key_is_401_in_the_recorded_words(client: Client) -> None:
    response = client.call("GET", LISTS, headers={"Authorization": "Bearer SG.aaaa.bbbb"})
    message = "The provided authorization grant is invalid, expired, or revoked"
    assert response.status_code == 401
    assert response.json() == {"errors": [{"message": message, "field": None, "help": None}]}


def test_a_key_without_the_marketing_scope_is_403(client: Client) -> None:
    key = client.sandbox.add_key(("mail.send",))
    found = client.errors("GET", LISTS, headers={"Authorization": f"Bearer {key}"})
    assert found == (403, [(None, "access forbidden")])


def test_scopes_are_those_of_the_key_that_asks(client: Client) -> None:
    key = client.sandbox.add_key(("mail.send", "alerts.read"))
    response = client.call("GET", "/v3/scopes", headers={"Authorization": f"Bearer {key}"})
    assert response.json() == {"scopes": ["mail.send", "alerts.read"]}
    assert "marketing.read" in client.call("GET", "/v3/scopes").json()["scopes"]


def test_an_unknown_path_is_404_and_names_the_nearest_routes(client: Client) -> None:
    headers = {"Authorization": f"Bearer {client.sandbox.api_key}"}
    response = requests.get(f"{client.sandbox.url}/v3/marketing/list", headers=headers, timeout=TIMEOUT_SECONDS)
    entries = response.json()["errors"]
    assert response.status_code == 404
    assert entries[0] == {"field": None, "message": "not found"}
    assert "GET /v3/marketing/lists" in entries[1]["message"]


def test_a_wrong_method_is_405_and_names_the_right_ones(client: Client) -> None:
    response = client.call("PATCH", LISTS)
    assert response.status_code == 405
    assert response.json() == {"errors": [{"field": None, "message": "method not allowed"}]}
    assert {"GET", "POST"} <= set(response.headers["Allow"].split(", "))


def test_an_empty_bucket_is_429_with_seconds_to_wait_and_no_retry_after(make_client: MakeClient) -> None:
    client = make_client(rate_limit_other=2)
    remaining = [client.call("GET", LISTS).headers["x-ratelimit-remaining"] for _ in range(2)]
    response = client.call("GET", LISTS)
    assert remaining == ["1", "0"]
    assert response.status_code == 429
    assert response.json() == {"errors": [{"field": None, "message": "too many requests"}]}
    assert response.headers["x-ratelimit-limit"] == "2"
    assert 1 <= int(response.headers["x-ratelimit-reset"]) <= 60
    assert "retry-after" not in response.headers


def test_a_bucket_is_full_again_when_the_clock_minute_turns(make_client: MakeClient) -> None:
    client = make_client(rate_limit_other=1)
    reset = int(client.call("GET", LISTS).headers["x-ratelimit-reset"])
    client.sandbox.advance(reset)
    assert client.call("GET", LISTS).status_code == 200


def test_a_switch_makes_the_minute_shorter(make_client: MakeClient) -> None:
    client = make_client(rate_limit_other=1, rate_limit_window_seconds=3)
    assert int(client.call("GET", LISTS).headers["x-ratelimit-reset"]) <= 3
    client.sandbox.advance(3)
    assert client.call("GET", LISTS).status_code == 200


def test_each_key_method_and_path_template_has_a_bucket_of_its_own(make_client: MakeClient) -> None:
    client = make_client(rate_limit_other=1)
    one, other = client.make_list("One"), client.sandbox.add_key()
    assert client.call("GET", LISTS).status_code == 200
    assert client.call("GET", f"{LISTS}/{one}").status_code == 200
    assert client.call("GET", f"{LISTS}/other").status_code == 429
    assert client.call("GET", LISTS, headers={"Authorization": f"Bearer {other}"}).status_code == 200


def test_contacts_have_200_requests_a_minute_and_lists_600(client: Client) -> None:
    upsert = client.call("PUT", f"{MARKETING}/contacts", {"contacts": [{"email": "a@example.com"}]})
    assert upsert.headers["x-ratelimit-limit"] == "200"
    assert client.call("GET", LISTS).headers["x-ratelimit-limit"] == "600"


def test_a_switch_makes_the_reset_an_epoch_time_and_adds_retry_after(make_client: MakeClient) -> None:
    client = make_client(rate_limit_other=0, rate_limit_reset="epoch", retry_after=True)
    response = client.call("GET", LISTS)
    assert 0 < int(response.headers["x-ratelimit-reset"]) - client.sandbox.now() <= 60
    assert response.headers["retry-after"] == response.headers["x-ratelimit-reset"]


def test_a_switch_turns_rate_limits_off(make_client: MakeClient) -> None:
    client = make_client(rate_limit_other=1, rate_limit_enabled=False)
    assert [client.call("GET", LISTS).status_code for _ in range(3)] == [200, 200, 200]


@pytest.mark.parametrize(
    ("method", "path"), [("GET", LISTS), ("GET", f"{LISTS}/x"), ("PUT", f"{MARKETING}/contacts"), ("PATCH", LISTS)]
)
def test_every_marketing_answer_has_the_three_rate_limit_headers(client: Client, method: str, path: str) -> None:
    assert all(name in client.call(method, path).headers for name in HEADERS)


def test_a_body_over_the_limit_is_413(make_client: MakeClient) -> None:
    client = make_client(max_body_bytes=100)
    body = {"contacts": [{"email": "a@example.com", "first_name": "x" * 100}]}
    found = client.errors("PUT", f"{MARKETING}/contacts", body)
    assert found == (413, [(None, "request entity too large")])


def test_the_limit_is_6_megabytes_unless_switched(client: Client) -> None:
    whole = client.call("PUT", f"{MARKETING}/contacts", data=b"x" * 6_000_000)
    above = client.call("PUT", f"{MARKETING}/contacts", data=b"x" * 6_000_001)
    assert (whole.status_code, above.status_code) == (400, 413)


def test_a_switch_makes_413_an_html_page(make_client: MakeClient) -> None:
    client = make_client(max_body_bytes=10, body_too_large_html=True)
    response = requests.put(
        f"{client.sandbox.url}{MARKETING}/contacts",
        data=b"x" * 11,
        headers={"Authorization": f"Bearer {client.sandbox.api_key}"},
        timeout=TIMEOUT_SECONDS,
    )
    assert response.status_code == 413
    assert response.text.startswith("<html>")


def test_a_request_line_over_8_kb_is_414_in_html(client: Client) -> None:
    response = client.call("DELETE", f"{MARKETING}/contacts?ids={'x' * 8_200}")
    assert response.status_code == 414
    assert "<title>414 Request-URI Too Large</title>" in response.text


def test_a_request_line_under_8_kb_passes(make_client: MakeClient) -> None:
    client = make_client(unknown_contact_in_deletion="ignore")
    assert client.call("DELETE", f"{MARKETING}/contacts?ids={'x' * 8_000}").status_code == 202


def test_an_unknown_sub_account_is_401(client: Client) -> None:
    found = client.errors("GET", LISTS, headers={"on-behalf-of": "nobody"})
    assert found == (401, [(None, "authorization required")])


def test_a_switch_makes_an_unknown_sub_account_403(make_client: MakeClient) -> None:
    client = make_client(on_behalf_of_status=403)
    assert client.call("GET", LISTS, headers={"on-behalf-of": "nobody"}).status_code == 403


@pytest.mark.parametrize("value", ["marketing-team", "account-id 42"])
def test_a_known_sub_account_passes(make_client: MakeClient, value: str) -> None:
    client = make_client(subusers="marketing-team,42")
    assert client.call("GET", LISTS, headers={"on-behalf-of": value}).status_code == 200


def test_another_host_name_is_refused(client: Client) -> None:
    response = requests.get(
        f"{client.sandbox.url}/v3/scopes", headers={"Host": "evil.example"}, timeout=TIMEOUT_SECONDS
    )
    assert response.status_code == 403


def test_connections_are_kept_alive_even_after_refused_bodies(client: Client) -> None:
    assert client.call("PUT", f"{MARKETING}/contacts", data=b"{" * 1_000_000).status_code == 400
    response = client.call("GET", LISTS)
    assert response.status_code == 200
    assert "connection" not in {name.lower() for name in response.headers}


def test_a_chunked_body_is_read_whole(client: Client) -> None:
    response = requests.put(
        f"{client.sandbox.url}{MARKETING}/contacts",
        data=iter([b'{"contacts":[{"email":', b'"a@example.com"}]}']),
        headers={"Authorization": f"Bearer {client.sandbox.api_key}"},
        timeout=TIMEOUT_SECONDS,
    )
    assert response.status_code == 202
