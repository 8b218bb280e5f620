"""What web pages of other origins and other users of the machine can't do: change or read a sandbox."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
import requests
from flask import Request, Response
from werkzeug.test import EnvironBuilder

from target_sendgrid.sandbox.http import access
from target_sendgrid.sandbox.server import SandboxServer
from tests.sandbox.client import MARKETING, TIMEOUT_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator

TOKEN_HEADER = "Sandbox-Token"  # noqa: S105 - the name of a header
ADA = {"email": "ada@example.com", "lists": ["People"]}
CHANGES = (
    ("POST", "/_sandbox/reset"),
    ("POST", "/_sandbox/seed"),
    ("POST", "/_sandbox/keys"),
    ("POST", "/_sandbox/faults"),
    ("PATCH", "/_sandbox/options"),
    ("DELETE", "/_sandbox/requests"),
    ("POST", "/"),
    ("PUT", f"{MARKETING}/contacts"),
    ("POST", f"{MARKETING}/lists"),
    ("DELETE", f"{MARKETING}/contacts?delete_all_contacts=true"),
)
READS = (
    "/", "/_sandbox/", "/_sandbox/keys", "/_sandbox/contacts", "/_sandbox/requests", "/_sandbox/options",
    "/_sandbox/jobs", "/_sandbox/nothing", "//_sandbox/keys", "/_sandbox//keys", "/?search=ada",
)  # fmt: skip


@pytest.fixture
def sandbox() -> Iterator[SandboxServer]:
    with SandboxServer(manual_clock=True) as one:
        one.seed(contacts=[ADA])
        yield one
        assert one.contacts() == [ADA]
        assert len(one.store.rows("SELECT * FROM keys")) == 1


def port_of(sandbox: SandboxServer) -> str:
    return sandbox.url.rpartition(":")[2]


def call(sandbox: SandboxServer, method: str, path: str, **headers: str) -> requests.Response:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    data = b'{"contacts": [{"email": "planted@example.com"}], "name": "planted", "kind": "reset"}'
    return requests.request(
        method,
        sandbox.url + path,
        data=data if method not in {"GET", "HEAD"} else None,
        headers=names,
        timeout=TIMEOUT_SECONDS,
        allow_redirects=False,
    )


def with_everything(sandbox: SandboxServer) -> dict[str, str]:
    """Return what a foreign page could at best make a browser send: the token, the cookie and the key."""
    return {
        "Authorization": f"Bearer {sandbox.api_key}",
        TOKEN_HEADER: sandbox.token,
        "Cookie": cookie_of(sandbox),
    }


def cookie_of(sandbox: SandboxServer) -> str:
    return f"sandbox-token-{port_of(sandbox)}={sandbox.token}"


def held_bytes(sandbox: SandboxServer) -> int:
    """Return the size of what the sandbox keeps to count requests by."""
    return len(repr(sandbox._sandbox.rate_limits))  # noqa: SLF001 - no answer tells it


def sentence(response: requests.Response) -> str:
    if response.headers["content-type"] == "application/json":
        [entry] = response.json()["errors"]
        return str(entry["message"])
    return response.text


class TestRequestsOfPagesOfOtherOrigins:
    @pytest.mark.parametrize(("method", "path"), CHANGES)
    @pytest.mark.parametrize(
        "origin",
        ["https://evil.example", "null", "http://127.0.0.1", "http://127.0.0.1:1", "http://localhost:1",
         "https://127.0.0.1:PORT", "http://[::1]:PORT", "http://evil.example:PORT", "http://127.0.0.1:PORT.evil.example",
         "http://127.0.0.1:PORT, https://evil.example", ""],
    )  # fmt: skip
    def test_that_change_something_are_refused(
        self, sandbox: SandboxServer, method: str, path: str, origin: str
    ) -> None:
        origin = origin.replace("PORT", port_of(sandbox))
        for more in ({}, with_everything(sandbox)):
            response = call(sandbox, method, path, Origin=origin, **more)
            assert response.status_code == 403
            assert "origin" in sentence(response)
        assert sandbox.requests() == []

    @pytest.mark.parametrize(("method", "path"), CHANGES)
    @pytest.mark.parametrize("site", ["cross-site", "same-site", "", "anything"])
    def test_are_known_by_what_the_browser_says_of_their_site(
        self, sandbox: SandboxServer, method: str, path: str, site: str
    ) -> None:
        for more in ({}, with_everything(sandbox)):
            assert call(sandbox, method, path, Sec_Fetch_Site=site, **more).status_code == 403
        assert sandbox.requests() == []

    @pytest.mark.parametrize("path", [*READS, f"{MARKETING}/lists", "/v3/scopes"])
    @pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
    def test_that_read_are_refused_and_leave_no_trace(self, sandbox: SandboxServer, method: str, path: str) -> None:
        sandbox.add_fault("status", status=503)
        for site in ("cross-site", "same-site"):
            response = call(sandbox, method, path, Sec_Fetch_Site=site, **with_everything(sandbox))
            assert response.status_code == 403
            assert not [name for name in response.headers if name.lower().startswith("access-control-")]
        assert sandbox.requests() == []
        assert sandbox.faults()[0]["struck"] == 0

    @pytest.mark.parametrize("origin", ["http://127.0.0.1:PORT", "http://localhost:PORT"])
    @pytest.mark.parametrize("site", ["same-origin", "none"])
    def test_are_not_those_of_the_sandbox_itself(self, sandbox: SandboxServer, origin: str, site: str) -> None:
        origin = origin.replace("PORT", port_of(sandbox))
        given = {"Origin": origin, "Sec_Fetch_Site": site, "Cookie": cookie_of(sandbox)}
        assert call(sandbox, "POST", "/_sandbox/clock", **given).status_code == 200

    @pytest.mark.parametrize(
        "host",
        ["evil.example", "evil.example:PORT", "127.0.0.1:1", "127.0.0.1", "localhost.:PORT",
         "127.0.0.1:PORT@evil.example", "[::1]:PORT", "127.0.0.1:PORT, evil.example"],
    )  # fmt: skip
    def test_cannot_come_by_another_host_name(self, sandbox: SandboxServer, host: str) -> None:
        host = host.replace("PORT", port_of(sandbox))
        for method, path in (*CHANGES, *(("GET", path) for path in READS), ("GET", "/v3/scopes")):
            assert call(sandbox, method, path, Host=host, **with_everything(sandbox)).status_code == 403


class TestRequestsWithoutAToken:
    @pytest.mark.parametrize("path", READS)
    def test_read_nothing(self, sandbox: SandboxServer, path: str) -> None:
        for token in ("", "x", sandbox.token[:-1], sandbox.token + "x", sandbox.api_key, "é"):
            for headers in ({TOKEN_HEADER: token}, {"Cookie": f"sandbox-token-{port_of(sandbox)}={token}"}):
                encoded = {name: value.encode().decode("latin-1") for name, value in headers.items()}
                response = call(sandbox, "GET", path, **encoded, Authorization=f"Bearer {sandbox.api_key}")
                if response.status_code == 308:
                    response = call(sandbox, "GET", response.headers["Location"].removeprefix(sandbox.url), **encoded)
                assert response.status_code == 401
                assert TOKEN_HEADER in sentence(response)
                assert not re.search(r"ada|People|SG\.", response.text)

    @pytest.mark.parametrize(("method", "path"), [one for one in CHANGES if "/v3/" not in one[1] and one[1] != "/"])
    def test_change_nothing(self, sandbox: SandboxServer, method: str, path: str) -> None:
        assert call(sandbox, method, path).status_code == 401

    def test_do_not_use_up_a_fault_that_was_ordered(self, sandbox: SandboxServer) -> None:
        sandbox.add_fault("status", status=503)
        assert call(sandbox, "GET", f"{MARKETING}/lists").status_code == 401
        assert call(sandbox, "GET", f"{MARKETING}/lists", Authorization="Bearer SG.a.b").status_code == 401
        right = {"Authorization": f"Bearer {sandbox.api_key}"}
        assert call(sandbox, "GET", f"{MARKETING}/lists", **right).status_code == 503

    def test_with_another_key_take_no_memory_and_push_no_others_out_of_the_log(self, sandbox: SandboxServer) -> None:
        sandbox.set_options(keep_bodies=True)
        call(sandbox, "GET", "/v3/scopes", Authorization=f"Bearer {sandbox.api_key}")
        paths = ("/v3/scopes", f"{MARKETING}/{'x' * 1_000}", f"/v3/{'x' * 10_000}", "/nothing", "/favicon.ico")
        for path in (*paths, f"{MARKETING}/lists?page_token=secret", f"{MARKETING}/contacts") * 6:
            for headers in ({}, {"Authorization": "Bearer x"}, {"Authorization": f"Bearer SG.a.{'b' * 10_000}"}):
                assert call(sandbox, "PUT", path, **headers).status_code in {401, 404, 414}
        own, *others = sandbox.requests()
        assert (own["path"], own["status"]) == ("/v3/scopes", 200)
        assert len(others) == 100
        assert {(entry["query"], entry["body"]) for entry in others} == {("", None)}
        assert max(len(entry["path"]) for entry in others) == 100
        assert held_bytes(sandbox) < 1_000

    def test_see_that_the_sandbox_runs_and_nothing_else(self, sandbox: SandboxServer) -> None:
        response = call(sandbox, "GET", "/_sandbox/health")
        assert (response.status_code, response.json()) == (200, {"status": "ok"})

    def test_get_the_same_answer_about_things_that_exist_and_that_do_not(self, sandbox: SandboxServer) -> None:
        paths = ("/_sandbox/keys", "/_sandbox/nothing", "/_sandbox/faults/1", "/_sandbox/contacts?list=People")
        assert len({call(sandbox, "GET", path).text for path in paths}) == 1


class TestTheLink:
    def test_sets_a_cookie_that_pages_of_other_sites_and_scripts_do_not_get(self, sandbox: SandboxServer) -> None:
        response = call(sandbox, "GET", f"/?token={sandbox.token}")
        assert (response.status_code, response.headers["Location"]) == (303, "/")
        cookie, *attributes = response.headers["Set-Cookie"].split("; ")
        assert cookie == cookie_of(sandbox)
        assert set(attributes) == {"HttpOnly", "Path=/", "SameSite=Strict"}
        page = call(sandbox, "GET", "/", Cookie=cookie)
        assert page.status_code == 200
        assert "ada@example.com" in page.text
        assert sandbox.token not in page.text

    def test_may_be_followed_from_a_page_of_another_origin(self, sandbox: SandboxServer) -> None:
        response = call(sandbox, "GET", f"/?token={sandbox.token}", Sec_Fetch_Site="cross-site")
        assert response.headers["Refresh"] == "0; url=/"
        assert cookie_of(sandbox) in response.headers["Set-Cookie"]
        assert "ada" not in response.text

    def test_keeps_the_rest_of_its_query(self, sandbox: SandboxServer) -> None:
        response = call(sandbox, "GET", f"/?search=a%26b&token={sandbox.token}&start=0")
        assert response.headers["Location"] == "/?search=a%26b&start=0"

    @pytest.mark.parametrize("start", ["//evil.example/", "/\\evil.example/", "/%2fevil.example", "/_sandbox/keys"])
    def test_leads_nowhere_else(self, sandbox: SandboxServer, start: str) -> None:
        response = call(sandbox, "GET", f"{start}?token={sandbox.token}")
        assert "Set-Cookie" not in response.headers
        assert response.status_code in {401, 404}

    @pytest.mark.parametrize("token", ["", "x", "%00", "%ff", "é"])
    def test_with_a_wrong_token_opens_nothing(self, sandbox: SandboxServer, token: str) -> None:
        response = call(sandbox, "GET", f"/?token={token}")
        assert response.status_code == 401
        assert "Set-Cookie" not in response.headers

    def test_is_another_one_after_each_start(self, sandbox: SandboxServer) -> None:
        with SandboxServer() as other:
            assert other.token != sandbox.token
            assert call(other, "GET", "/", Cookie=cookie_of(sandbox)).status_code == 401
            assert len(other.token) >= 32

    def test_leaves_its_token_in_no_log_and_in_no_table(self, sandbox: SandboxServer) -> None:
        call(sandbox, "GET", f"/?token={sandbox.token}")
        call(sandbox, "GET", f"{MARKETING}/lists", **with_everything(sandbox))
        tables = sandbox.store.rows("SELECT name FROM sqlite_master WHERE type = 'table'")
        kept = [[tuple(row) for row in sandbox.store.rows(f"SELECT * FROM {table['name']}")] for table in tables]  # noqa: S608 - its own tables
        assert sandbox.token not in json.dumps(sandbox.requests()) + repr(kept)


def test_the_port_of_http_is_left_out_of_hosts_and_origins() -> None:
    def answer(url: str, **headers: str) -> Response | None:
        return access.intercepted(
            Request(EnvironBuilder("/v3/scopes", url, headers=headers.items()).get_environ()), "token"
        )

    assert answer("http://127.0.0.1/", Origin="http://localhost") is None
    assert answer("http://127.0.0.1/", Origin="http://localhost:8025") is not None
    assert answer("http://evil.example/") is not None


@pytest.mark.parametrize("path", ["/", "/_sandbox/keys"])
@pytest.mark.parametrize("status", [200, 401])
def test_what_the_page_and_the_control_plane_answer_is_not_framed_kept_nor_read_by_others(
    sandbox: SandboxServer, path: str, status: int
) -> None:
    response = call(sandbox, "GET", path, **({"Cookie": cookie_of(sandbox)} if status == 200 else {}))
    assert response.status_code == status
    headers = response.headers
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cross-Origin-Resource-Policy"] == headers["Cross-Origin-Opener-Policy"] == "same-origin"


def test_an_api_alone_has_neither_page_nor_control_plane() -> None:
    with SandboxServer(api_only=True) as sandbox:
        for path in READS:
            response = call(sandbox, "GET", path, **with_everything(sandbox))
            assert response.status_code == 404
        assert call(sandbox, "POST", "/_sandbox/reset", **with_everything(sandbox)).status_code == 404
        assert call(sandbox, "GET", "/_sandbox/health").status_code == 404
        assert call(sandbox, "GET", "/v3/scopes", Authorization=f"Bearer {sandbox.api_key}").status_code == 200


class TestErrorsFiles:
    @pytest.fixture
    def link(self, sandbox: SandboxServer) -> str:
        headers = {"Authorization": f"Bearer {sandbox.api_key}"}
        body: dict[str, Any] = {"contacts": [{"email": "b@example.com", "city": "x" * 61}]}
        requests.put(f"{sandbox.url}{MARKETING}/contacts", json=body, headers=headers, timeout=TIMEOUT_SECONDS)
        sandbox.settle()
        link: str = sandbox.jobs()[0]["results"]["errors_url"]
        return link

    def test_have_links_that_nobody_can_guess(self, link: str) -> None:
        assert re.search(r"\?signature=[0-9a-f]{64}&", link)

    def test_are_not_found_without_the_signature_whatever_was_ordered(self, sandbox: SandboxServer, link: str) -> None:
        sandbox.add_fault("status", path="/errors/*", status=503)
        for wrong in (
            link.partition("?")[0],
            link.replace("signature=", "signature=0"),
            link.replace("errors/", "errors/0"),
        ):
            for headers in ({}, {"Authorization": f"Bearer {sandbox.api_key}"}):
                assert requests.get(wrong, headers=headers, timeout=TIMEOUT_SECONDS).status_code == 404
        assert sandbox.violations() == []
        assert requests.get(link, timeout=TIMEOUT_SECONDS).status_code == 503

    def test_are_not_served_by_another_host_name(self, link: str) -> None:
        assert requests.get(link, headers={"Host": "evil.example"}, timeout=TIMEOUT_SECONDS).status_code == 403
