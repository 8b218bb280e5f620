"""Odd values in addresses, headers and bodies get a defined answer: never 500, and nothing is printed."""

from __future__ import annotations

import http.client
import json
import re
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from target_sendgrid.sandbox import server as server_module
from target_sendgrid.sandbox.http.faults import Fault
from target_sendgrid.sandbox.options import Options
from target_sendgrid.sandbox.server import SandboxServer
from tests.sandbox.client import MARKETING, TIMEOUT_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator

QUERY_NAMES = (
    "contact_ids", "contact_sample", "delete_all_contacts", "delete_contacts", "detail", "email", "end_time", "ids",
    "limit", "list", "offset", "page_size", "page_token", "search", "signature", "start", "start_time", "token",
)  # fmt: skip
PATHS = (
    "/", "/_sandbox/", "/_sandbox/contacts", "/_sandbox/jobs", "/_sandbox/requests", "/_sandbox/faults/{}",
    f"{MARKETING}/contacts", f"{MARKETING}/contacts/{{}}", f"{MARKETING}/contacts/count",
    f"{MARKETING}/contacts/imports/{{}}", f"{MARKETING}/contacts/{{}}/identifiers",
    f"{MARKETING}/contacts/search/identifiers/{{}}", f"{MARKETING}/lists", f"{MARKETING}/lists/{{}}",
    f"{MARKETING}/lists/{{}}/contacts", f"{MARKETING}/lists/{{}}/contacts/count",
    f"{MARKETING}/field_definitions/{{}}", "/v3/scopes", "/nothing/{}", "/_sandbox/suppressions",
    "/v3/asm/groups", "/v3/asm/groups/{}", "/v3/asm/groups/{}/suppressions", "/v3/asm/groups/1/suppressions/{}",
    "/v3/asm/suppressions", "/v3/asm/suppressions/global/{}", "/v3/suppression/unsubscribes",
)  # fmt: skip
ODD = (
    "", "abc", "-1", "+5", "1e9", "1_0", "0x10", "nan", "99999999999999999999", "9223372036854775807", "9" * 5_000,
    "%00", "%ff", "%ed%a0%80", "%", "%zz", "%E2%82", "%D9%A5", "%0d%0aX:%20y", "%27", "%22", ",,,", "x" * 7_000,
    "%25" * 2_000, "..", "%2f", "\xff",
)  # fmt: skip
ODD_JSON: tuple[Any, ...] = (
    None, True, 0, -1, 1.5, 1e308, 2**63, -(2**63) - 1, 10**30, "", "x", "\x00", "é", "NaN", "inf", "9" * 5_000, [],
    [1], [None], ["x"], [[]], [{}], {}, {"a": 1}, {"": None}, [{"email": []}],
    [{"email": "b@example.com", "lists": [5]}], [{"email": "b@example.com", "custom_fields": 5}],
    [{"email": "b@example.com", "city": 1}], [{"name": 1}],
)  # fmt: skip
CHANGES = (
    ("POST", "/_sandbox/seed", ("lists", "fields", "contacts", "groups", "suppressions")),
    ("POST", "/_sandbox/clock", ("manual", "advance_seconds")),
    ("PATCH", "/_sandbox/options", tuple(Options().as_dict())),
    ("POST", "/_sandbox/faults", tuple(Fault.__struct_fields__)),
    ("POST", "/_sandbox/keys", ("scopes",)),
    ("PUT", f"{MARKETING}/contacts", ("list_ids", "contacts")),
    ("POST", f"{MARKETING}/contacts/batch", ("ids",)),
    ("POST", f"{MARKETING}/contacts/search", ("query",)),
    ("POST", f"{MARKETING}/contacts/search/emails", ("emails",)),
    ("POST", f"{MARKETING}/lists", ("name",)),
    ("POST", "/v3/asm/groups", ("name", "description", "is_default")),
    ("POST", "/v3/asm/groups/1/suppressions", ("recipient_emails",)),
    ("POST", "/v3/asm/groups/1/suppressions/search", ("recipient_emails",)),
    ("POST", "/v3/asm/suppressions/global", ("recipient_emails",)),
    ("POST", "/v3/recipients/erasejob", ("email_addresses",)),
    ("POST", f"{MARKETING}/field_definitions", ("name", "field_type")),
)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxServer]:
    with SandboxServer(manual_clock=True, options=Options(rate_limit_enabled=False)) as one:
        one.seed(
            lists=["People"], fields={"plan": "Text"}, contacts=[{"email": "ada@example.com", "lists": ["People"]}]
        )
        yield one


def call(
    sandbox: SandboxServer, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
) -> int:
    """Send a request as it is: `requests` would correct its address."""
    every = {"Authorization": f"Bearer {sandbox.api_key}", "Sandbox-Token": sandbox.token} | (headers or {})
    with closing(http.client.HTTPConnection(urlsplit(sandbox.url).netloc, timeout=TIMEOUT_SECONDS)) as connection:
        vars(connection).update(_encode_request=lambda line: line.encode("latin-1"), _validate_path=lambda _: None)
        connection.request(method, path, body, every)
        return connection.getresponse().status


@given(
    method=st.sampled_from(["GET", "HEAD", "DELETE", "OPTIONS"]),
    path=st.sampled_from(PATHS),
    odd=st.sampled_from(ODD),
    query=st.lists(st.tuples(st.sampled_from(QUERY_NAMES), st.sampled_from(ODD)), max_size=3),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=400)
def test_odd_addresses_get_a_defined_answer(
    sandbox: SandboxServer,
    capfd: pytest.CaptureFixture[str],
    method: str,
    path: str,
    odd: str,
    query: list[tuple[str, str]],
) -> None:
    address = f"{path.format(odd)}?{'&'.join('='.join(pair) for pair in query)}"
    assert call(sandbox, method, address) < 500
    assert capfd.readouterr().err == ""


def test_every_query_parameter_is_among_those_tried() -> None:
    folder = Path(server_module.__file__).parent
    texts = [path.read_text(encoding="utf-8") for path in folder.rglob("*.py")]
    found = {name for text in texts for name in re.findall(r'request\.args\.get\("(\w+)"', text)}
    assert found | {"token"} == set(QUERY_NAMES)
    assert sum(text.count("request.args") for text in texts) == sum(
        len(re.findall(r'request\.args\.(?:get\((?:"\w+"|TOKEN_PARAMETER)|items\()', text)) for text in texts
    )


@pytest.mark.parametrize("path", ["/", "/_sandbox/", f"{MARKETING}/lists"])
@pytest.mark.parametrize(
    "value", ["abc", "-1", "+5", "1e9", "1_0", "%D9%A5", "99999999999999999999", "9" * 5_000, "%00"]
)
def test_a_malformed_or_too_large_number_is_400(sandbox: SandboxServer, path: str, value: str) -> None:
    name = "page_size" if path.startswith(MARKETING) else "start"
    assert call(sandbox, "GET", f"{path}?{name}={value}") == 400


@pytest.mark.parametrize("path", ["/", "/_sandbox/contacts", "/_sandbox/faults/1"])
def test_an_address_over_8_kb_is_414_also_where_no_key_is_asked_for(sandbox: SandboxServer, path: str) -> None:
    assert call(sandbox, "GET", f"{path}?x={'9' * 8_200}") == 414


@given(
    change=st.sampled_from(CHANGES),
    values=st.lists(st.sampled_from(ODD_JSON), min_size=2, max_size=2),
    kind=st.sampled_from(["status", "refusal", "rate_limited", "job_result", "errors_file", "contacts_unseen"]),
    chosen=st.integers(0, 100),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=400)
def test_odd_bodies_get_a_defined_answer(
    sandbox: SandboxServer,
    capfd: pytest.CaptureFixture[str],
    change: tuple[str, str, tuple[str, ...]],
    values: list[Any],
    kind: str,
    chosen: int,
) -> None:
    method, path, names = change
    document = {names[(chosen + index) % len(names)]: value for index, value in enumerate(values)}
    if path.endswith("/faults"):
        document = {"kind": kind} | document
    assert call(sandbox, method, path, json.dumps(document).encode()) < 500
    sandbox.clear_faults()
    sandbox.set_options(**Options(rate_limit_enabled=False).as_dict())
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("body", [b"", b"\xff", b"[", b"null", b'"x"', b"5", b"[" * 100_000, b'"\\ud800"', b"NaN"])
@pytest.mark.parametrize("change", CHANGES)
def test_what_is_no_object_is_400(
    sandbox: SandboxServer, capfd: pytest.CaptureFixture[str], change: tuple[str, str, tuple[str, ...]], body: bytes
) -> None:
    expected = 201 if change[1].endswith("/keys") and not body else 400
    assert call(sandbox, change[0], change[1], body) == expected
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    "name",
    ["Authorization", "Sandbox-Token", "Cookie", "on-behalf-of", "Content-Type", "Origin", "Sec-Fetch-Site", "Host",
     "Accept", "Range", "If-None-Match", "X-Forwarded-Host"],
)  # fmt: skip
@pytest.mark.parametrize(
    "value", ["", "\xff\xfe", "\xe9", "Bearer \xff", "x" * 60_000, "=;=;", 'a="b', "Basic %", "9" * 5_000]
)
def test_odd_headers_get_a_defined_answer(
    sandbox: SandboxServer, capfd: pytest.CaptureFixture[str], name: str, value: str
) -> None:
    for path in ("/", "/_sandbox/keys", "/v3/scopes", f"{MARKETING}/lists"):
        assert call(sandbox, "GET", path, headers={name: value}) < 500
    assert capfd.readouterr().err == ""


def test_the_clock_ends_with_the_last_year_that_can_be_written() -> None:
    with SandboxServer(manual_clock=True) as sandbox:
        for _ in range(2):
            assert call(sandbox, "POST", "/_sandbox/clock", b'{"advance_seconds": 1e308}') == 200
        sandbox.set_options(job_final_after_seconds=1e308)
        body = b'{"contacts": [{"email": "ada@example.com"}]}'
        assert call(sandbox, "PUT", f"{MARKETING}/contacts", body) == 202
        sandbox.settle()
        assert call(sandbox, "GET", "/") == call(sandbox, "GET", "/_sandbox/jobs") == 200
