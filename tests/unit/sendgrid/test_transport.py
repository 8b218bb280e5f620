"""What leaves the machine and where to: keys, links, redirects, certificates, proxies, and endless answers."""

from __future__ import annotations

import contextlib
import datetime as dt
import errno
import gzip
import http.client
import inspect
import socket
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any

import pytest
import requests.adapters
import urllib3.util.connection
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from target_sendgrid.errors import (
    ConfigError,
    NotFoundError,
    SendGridError,
    TargetSendGridError,
    TransientError,
    UnreachableError,
)
from target_sendgrid.sendgrid import answers, sessions
from target_sendgrid.sendgrid.client import Client
from target_sendgrid.sendgrid.transport import RUN_RETRY_SECONDS, STARTUP_RETRY_SECONDS, Transport
from tests.harness.clocks import HastyClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path
    from typing import TypeAlias

    Answer: TypeAlias = Callable[[BaseHTTPRequestHandler], None]
    Serve: TypeAlias = Callable[..., "Host"]

KEY = "SG.for-tests.abcdefghijklmnop"


class Host:
    """A web server on this machine that keeps the path and the headers of each request."""

    def __init__(self, answer: Answer, certificate: Path | None = None) -> None:
        self.seen: list[dict[str, str]] = []
        seen = self.seen

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                self.do_GET()

            def do_GET(self) -> None:
                seen.append({"path": self.path, **{name.lower(): value for name, value in self.headers.items()}})
                self.close_connection = True
                with contextlib.suppress(OSError):  # the client has closed the connection
                    answer(self)

            def end_headers(self) -> None:
                # Unannounced, the end of the connection could come while the client sends its next request on it.
                self.send_header("Connection", "close")
                super().end_headers()

            def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the library's name
                """Log nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a refused handshake is expected
        self.url = f"http{'s' if certificate else ''}://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def serve() -> Iterator[Serve]:
    hosts: list[Host] = []

    def start(answer: Answer, certificate: Path | None = None) -> Host:
        hosts.append(Host(answer, certificate))
        return hosts[-1]

    yield start
    for host in hosts:
        host.stop()


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A self-signed certificate of 127.0.0.1 with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.timezone.utc)
    usage = dict.fromkeys(inspect.signature(x509.KeyUsage).parameters, False)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.KeyUsage(**{**usage, "key_cert_sign": True, "digital_signature": True}), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    encoded = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = tmp_path / "host.pem"
    path.write_bytes(encoded + made.public_bytes(serialization.Encoding.PEM))
    return path


def answering(body: bytes = b"{}", headers: Mapping[str, str] | None = None, status: int = 200) -> Answer:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(body)

    return answer


def dripping(request: BaseHTTPRequestHandler) -> None:
    """Answer with one byte at a time until the client closes the connection."""
    request.send_response(200)
    request.end_headers()
    for _ in range(10_000_000):
        request.wfile.write(b" ")


class RushingClock(HastyClock):
    """A clock that moves ten seconds forward each time it is read."""

    def monotonic(self) -> float:
        self.sleep(10)
        return super().monotonic()


def client_of(url: str, clock: HastyClock | None = None) -> Client:
    return Client(Transport(url, KEY, clock=clock or HastyClock(), timeout_seconds=5))


def download(url: str, *, is_api_on_loopback: bool = True) -> bytes:
    """Return the file behind a link of an API that is on this machine, or is SendGrid's own."""
    api = "http://127.0.0.1:9" if is_api_on_loopback else "https://api.sendgrid.com"
    return Transport(api, KEY, clock=HastyClock(), timeout_seconds=5).download(url)


class TestRequests:
    @pytest.mark.parametrize("body", [None, b'{"name": "A"}'])
    @pytest.mark.parametrize("subuser", [None, "marketing-team"])
    def test_a_request_names_key_subuser_and_the_format_of_its_body(
        self, serve: Serve, body: bytes | None, subuser: str | None
    ) -> None:
        api = serve(answering())
        sender = Transport(api.url, KEY, clock=HastyClock(), on_behalf_of=subuser)
        for _ in range(2):
            sender.request("POST" if body else "GET", "/v3/x", what="to test", read=bytes, body=body)
        assert sender.request_count == 2
        for seen in api.seen:
            assert (seen["authorization"], seen["accept"]) == (f"Bearer {KEY}", "application/json")
            assert seen.get("on-behalf-of") == subuser
            assert seen.get("content-type") == ("application/json" if body else None)

    def test_no_answer_is_waited_for_without_end(self, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
        timeouts: list[object] = []
        send = requests.adapters.HTTPAdapter.send

        def noting_send(adapter: Any, request: Any, **options: Any) -> requests.Response:
            timeouts.append(options["timeout"])
            return send(adapter, request, **options)

        monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", noting_send)
        host = serve(answering())
        client_of(host.url).scopes()
        download(f"{host.url}/errors.csv")
        assert timeouts == [5, 5]


class TestKey:
    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_a_redirect_of_the_api_is_an_error_that_says_so(self, serve: Serve, status: int) -> None:
        other = serve(answering())
        api = serve(answering(status=status, headers={"Location": f"{other.url}/v3/scopes"}))
        with pytest.raises(SendGridError, match=f"answered {status}, a redirect, which is not followed"):
            client_of(api.url).scopes()
        assert other.seen == []

    @pytest.mark.parametrize("following", ["@{}/v3/marketing/lists", "{}/evil", "//{}", ".example.com", "http://[", 7])
    def test_a_next_page_elsewhere_is_not_requested(self, serve: Serve, following: object) -> None:
        other = serve(answering())
        address = str(following).format(f"127.0.0.1:{other.port}")
        api = serve(answering(f'{{"result": [], "_metadata": {{"next": "{address}"}}}}'.encode()))
        with pytest.raises(SendGridError, match="next page"):
            list(client_of(api.url).lists())
        assert (len(api.seen), other.seen) == (1, [])

    def test_endless_pages_of_lists_are_given_up(self, serve: Serve) -> None:
        api = serve(answering(b'{"result": [], "_metadata": {"next": "/v3/marketing/lists?page_token=again"}}'))
        with pytest.raises(SendGridError, match="do not end"):
            list(client_of(api.url).lists())
        assert len(api.seen) == 100

    def test_a_netrc_neither_replaces_the_key_nor_gives_a_link_credentials(
        self, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        netrc = tmp_path / "netrc"
        netrc.write_text("machine 127.0.0.1 login somebody password else\n", encoding="utf-8")
        netrc.chmod(0o600)
        monkeypatch.setenv("NETRC", str(netrc))
        host = serve(answering())
        client = client_of(host.url)
        client.scopes()
        client.download(f"{host.url}/errors")
        assert [seen.get("authorization") for seen in host.seen] == [f"Bearer {KEY}", None]

    def test_no_proxy_sees_plain_http(self, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
        proxy, host = serve(answering()), serve(answering())
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        client = client_of(host.url)
        client.scopes()
        client.download(f"{host.url}/errors")
        assert (len(host.seen), proxy.seen) == (2, [])

    def test_a_proxy_of_the_environment_is_used_for_tls(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("https_proxy", "http://proxy.example.com:3128")
        monkeypatch.setenv("no_proxy", "")
        assert sessions.make_session("https://api.sendgrid.com").proxies["https"] == "http://proxy.example.com:3128"

    def test_a_debug_level_of_the_http_library_prints_no_headers(
        self, serve: Serve, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(http.client.HTTPConnection, "debuglevel", 1)
        client_of(serve(answering()).url).scopes()
        assert capfd.readouterr() == ("", "")

    def test_the_key_is_in_no_repr(self) -> None:
        client = client_of("http://127.0.0.1:9")
        texts = [repr(value) for value in (client, *vars(client).values(), *vars(client.transport).values())]
        with pytest.raises(TargetSendGridError) as caught:
            client.scopes()
        error: BaseException | None = caught.value
        while error is not None:
            texts += [str(error), repr(error), repr(vars(error))]
            error = error.__context__
        assert not [text for text in texts if "abcdefgh" in text]


class TestCertificates:
    @pytest.mark.parametrize("name", ["PYTHONHTTPSVERIFY", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
    def test_nothing_turns_verification_off(
        self, serve: Serve, certificate: Path, monkeypatch: pytest.MonkeyPatch, name: str
    ) -> None:
        for variable in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
            monkeypatch.delenv(variable, raising=False)
        monkeypatch.setenv(name, "0" if name.startswith("PYTHON") else "")
        host = serve(answering(), certificate)
        client = client_of(host.url)
        with pytest.raises(SendGridError, match=r"certificate of 127\.0\.0\.1 can't be trusted"):
            client.scopes()
        with pytest.raises(SendGridError, match="certificate of the download's host can't be trusted"):
            client.download(f"{host.url}/errors")
        assert host.seen == []

    def test_certificates_are_read_once_for_all_connections(
        self, serve: Serve, certificate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        trusted = tmp_path / "trusted.pem"
        trusted.write_bytes(certificate.read_bytes())
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(trusted))
        host = serve(answering(), certificate)
        client_of(host.url).scopes()
        trusted.write_text("no certificates")
        other = client_of(host.url)
        other.scopes()
        other.download(f"{host.url}/errors")
        assert len(host.seen) == 3

    def test_a_certificate_of_another_host_is_refused(
        self, serve: Serve, certificate: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        host = serve(answering(), certificate)
        with pytest.raises(SendGridError, match="certificate of localhost can't be trusted"):
            client_of(f"https://localhost:{host.port}").scopes()
        assert host.seen == []

    def test_certificates_that_can_not_be_read_are_refused(
        self, serve: Serve, certificate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        broken = tmp_path / "broken.pem"
        broken.write_text("no certificates")
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(broken))
        host = serve(answering(), certificate)
        with pytest.raises(TargetSendGridError):
            client_of(host.url).scopes()
        assert host.seen == []

    def test_certificates_that_are_not_there_are_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem")
        with pytest.raises(ConfigError, match="REQUESTS_CA_BUNDLE"):
            client_of("https://api.sendgrid.com")


class TestLinks:
    @pytest.mark.parametrize(
        "link",
        [
            "http://169.254.169.254/latest/meta-data",
            "http://errors.example.com/1.csv",
            "file:///etc/passwd",
            "ftp://127.0.0.1/1.csv",
            "//127.0.0.1/1.csv",
            "http://127.0.0.1@errors.example.com/1.csv",
            "http://127.0.0.1.example.com/1.csv",
            "http://[",
            "",
        ],
    )
    def test_a_link_without_tls_is_not_followed_nor_quoted(self, link: str) -> None:
        with pytest.raises(SendGridError, match=r"without TLS|ValueError") as caught:
            download(link)
        assert "1" not in str(caught.value)

    def test_a_link_to_this_machine_is_followed_only_where_the_api_is_here(self, serve: Serve) -> None:
        host = serve(answering(b"rows"))
        assert download(host.url) == b"rows"
        with pytest.raises(SendGridError, match="without TLS"):
            download(host.url, is_api_on_loopback=False)
        assert len(host.seen) == 1

    def test_a_redirect_is_followed_only_where_a_link_would_be(self, serve: Serve) -> None:
        host = serve(answering(b"rows"))
        assert download(serve(answering(status=302, headers={"Location": f"{host.url}/1.csv"})).url) == b"rows"
        for place in ("http://169.254.169.254/", "file:///etc/passwd"):
            with pytest.raises(SendGridError, match="without TLS"):
                download(serve(answering(status=302, headers={"Location": place})).url)

    def test_redirects_come_to_an_end(self, serve: Serve) -> None:
        circle = serve(answering(status=302, headers={"Location": "/again"}))
        with pytest.raises(SendGridError, match="redirected more than 3 times"):
            download(circle.url)
        assert len(circle.seen) == 4

    @pytest.mark.parametrize("status", [408, 429, 500, 503, 599])
    def test_a_download_is_retried_like_a_request(self, serve: Serve, status: int) -> None:
        def answer(request: BaseHTTPRequestHandler) -> None:
            answering(b"rows", status=status if len(host.seen) < 4 else 200)(request)

        host = serve(answer)
        assert download(host.url) == b"rows"
        assert len(host.seen) == 4

    @pytest.mark.parametrize(
        "broken",
        [
            answering(b"{}", {"Content-Length": "3"}),
            answering(b"no gzip", {"Content-Encoding": "gzip"}),
            answering(b"zz\r\n", {"Transfer-Encoding": "chunked"}),
            lambda request: request.wfile.write(b"\x00garbage\r\n\r\n"),
            lambda request: request.connection.close(),
        ],
        ids=["cut", "encoding", "chunks", "garbage", "closed"],
    )
    def test_a_broken_answer_is_retried(self, serve: Serve, broken: Answer) -> None:
        def answer(request: BaseHTTPRequestHandler) -> None:
            (broken if len(host.seen) % 2 else answering(b'{"scopes": []}'))(request)

        host = serve(answer)
        assert download(host.url) == b'{"scopes": []}'
        assert client_of(host.url).scopes() == frozenset()
        assert len(host.seen) == 4

    @pytest.mark.parametrize("status", [204, 400, 403, 404, 410, 418, 499])
    def test_a_link_that_has_expired_is_given_up_at_once(self, serve: Serve, status: int) -> None:
        host = serve(answering(b"marker", status=status))
        with pytest.raises(SendGridError, match=f"The download was answered with {status}") as caught:
            download(f"{host.url}/marker")
        assert len(host.seen) == 1
        assert "marker" not in str(caught.value)

    def test_a_download_that_fails_for_long_is_given_up(self, serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(0)
        host = serve(answering(b"marker", status=503, headers={"Retry-After": "1"}))
        clock = HastyClock()
        started_at = clock.monotonic()
        transport = Transport("http://127.0.0.1:9", KEY, clock=clock, timeout_seconds=5)
        with pytest.raises(SendGridError, match="The download failed: it was answered with 503") as caught:
            transport.download(f"{host.url}/marker")
        assert 20 <= clock.monotonic() - started_at <= 40
        assert "marker" not in f"{caught.value} {[r.getMessage() for r in caplog.records if 'sendgrid' in r.name]}"
        assert {seen.get("authorization") for seen in host.seen} == {None}

    def test_a_host_that_cannot_be_reached_is_named_by_its_error_only(self) -> None:
        with pytest.raises(SendGridError, match="The download failed: it was not answered") as caught:
            download("http://127.0.0.1:9/marker")
        assert "127" not in str(caught.value)


class TestAttempts:
    """One try of a request, for code that repeats it itself."""

    @staticmethod
    def attempt(url: str, *, has_run_started: bool = True) -> TransientError:
        transport = Transport(url, KEY, clock=HastyClock(), timeout_seconds=5)
        if has_run_started:
            transport.start_run()
        with pytest.raises(TransientError) as caught:
            transport.attempt("GET", "/v3/scopes", what="to list its scopes", read=answers.json_object)
        assert transport.request_count == 1
        return caught.value

    @pytest.mark.parametrize(
        ("status", "may_have_been_taken"),
        [(503, True), (408, True), (404, True), (400, True), (200, True), (429, False)],
    )
    def test_a_lost_answer_leaves_open_whether_the_request_was_taken(
        self, serve: Serve, status: int, *, may_have_been_taken: bool
    ) -> None:
        host = serve(answering(b"<html>", status=status))
        assert self.attempt(host.url).may_have_been_taken is may_have_been_taken
        assert len(host.seen) == 1

    def test_a_cut_connection_leaves_it_open(self, serve: Serve) -> None:
        assert self.attempt(serve(lambda request: request.connection.close()).url).may_have_been_taken

    @pytest.mark.parametrize("reason", ["refused", "unknown host", "no route", "time-out", "proxy"])
    def test_without_a_connection_the_request_was_not_taken(self, monkeypatch: pytest.MonkeyPatch, reason: str) -> None:
        url = "https://sendgrid.invalid" if reason == "proxy" else "http://127.0.0.1:9"
        errors = {
            "unknown host": socket.gaierror(socket.EAI_NONAME, "Name or service not known"),
            "no route": OSError(errno.EHOSTUNREACH, "No route to host"),
            "time-out": TimeoutError(),
        }
        if reason in errors:

            def connect(*_: object, **__: object) -> socket.socket:
                raise errors[reason]

            monkeypatch.setattr(urllib3.util.connection, "create_connection", connect)
        if reason == "proxy":
            monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
            monkeypatch.setenv("no_proxy", "")
        assert not self.attempt(url).may_have_been_taken

    @pytest.mark.parametrize("has_run_started", [False, True])
    def test_every_transient_error_has_the_error_to_raise_in_the_end(
        self, serve: Serve, *, has_run_started: bool
    ) -> None:
        for status, body in ((503, b""), (200, b"<html>"), (429, b"")):
            error = self.attempt(serve(answering(body, status=status)).url, has_run_started=has_run_started)
            final_error = error.final_error
            assert type(final_error) is UnreachableError
            assert "could not be reached at 127.0.0.1 to list its scopes: " in str(final_error)
            assert ("Nothing was sent" in str(final_error)) is not has_run_started

    def test_a_final_error_that_was_given_is_kept(self, serve: Serve) -> None:
        final_error = self.attempt(serve(answering(status=405)).url).final_error
        assert type(final_error) is SendGridError
        assert "still answers 405" in str(final_error)

    def test_a_request_raises_it_in_the_end(self, serve: Serve) -> None:
        host = serve(answering(b"<html>", status=404))
        with pytest.raises(NotFoundError, match="still answers 404") as caught:
            client_of(host.url).scopes()
        assert not caught.value.is_from_sendgrid

    def test_new_tries_have_the_budget_of_the_moment(self) -> None:
        clock = HastyClock()
        transport = Transport("http://127.0.0.1:9", KEY, clock=clock)
        for budget_seconds in (STARTUP_RETRY_SECONDS, RUN_RETRY_SECONDS):
            tries = Client(transport).new_tries()
            tries.wait_after(TransientError("no"))
            clock.sleep(budget_seconds - 1)
            assert tries.wait_after(TransientError("no")) is not None
            clock.sleep(1)
            assert tries.wait_after(TransientError("no")) is None
            transport.start_run()

    def test_tls_that_breaks_off_is_not_about_certificates(self, serve: Serve) -> None:
        plain = serve(answering())
        error = self.attempt(plain.url.replace("http:", "https:"))
        assert "certificate" not in f"{error} {error.final_error}"


class TestStream:
    """A file that is read in pieces, as it arrives."""

    def test_pieces_are_given_before_the_rest_of_the_file_is_sent(self, serve: Serve) -> None:
        was_read = threading.Event()

        def in_two_parts(request: BaseHTTPRequestHandler) -> None:
            request.send_response(200)
            request.send_header("Content-Length", "10")
            request.end_headers()
            request.wfile.write(b"first")
            was_read.wait(5)
            request.wfile.write(b"other" if was_read.is_set() else b"wrong")

        host = serve(in_two_parts)
        with client_of(host.url).stream(f"{host.url}/file") as pieces:
            assert next(pieces) == b"first"
            was_read.set()
            assert b"".join(pieces) == b"other"
        assert "authorization" not in host.seen[0]
        assert host.seen[0]["accept-encoding"] == "identity"

    def test_content_is_not_decoded(self, serve: Serve) -> None:
        packed = gzip.compress(b"rows")
        host = serve(answering(packed, {"Content-Encoding": "gzip"}))
        with client_of(host.url).stream(host.url) as pieces:
            assert b"".join(pieces) == packed

    def test_a_file_that_breaks_off_may_be_read_later(self, serve: Serve) -> None:
        host = serve(answering(b"{}", {"Content-Length": "3"}))
        with pytest.raises(TransientError, match="broke off"), client_of(host.url).stream(host.url) as pieces:
            list(pieces)

    def test_a_file_that_is_too_slow_is_given_up(self, serve: Serve) -> None:
        host = serve(dripping)
        client = client_of(host.url, RushingClock())
        with pytest.raises(TransientError, match="more slowly than"), client.stream(host.url) as pieces:
            list(pieces)

    def test_a_large_file_may_take_longer_than_an_answer(self, serve: Serve) -> None:
        host = serve(answering(b" " * 8_000_000))
        with client_of(host.url, RushingClock()).stream(host.url) as pieces:
            assert sum(map(len, pieces)) == 8_000_000

    def test_an_error_of_the_reader_stays_what_it_is(self, serve: Serve) -> None:
        host = serve(answering())
        with pytest.raises(ValueError, match="of the reader"), client_of(host.url).stream(host.url):
            int("of the reader")

    @pytest.mark.parametrize("address", ["http://files.example.com/1", "file:///etc/passwd", "http://[", ""])
    def test_an_unsafe_link_is_not_opened(self, address: str) -> None:
        with pytest.raises(SendGridError), client_of("http://127.0.0.1:9").stream(address):
            pytest.fail("it was opened")


class TestAnswers:
    @pytest.mark.parametrize("is_compressed", [False, True])
    def test_an_answer_that_is_too_long_is_given_up(
        self, serve: Serve, monkeypatch: pytest.MonkeyPatch, *, is_compressed: bool
    ) -> None:
        monkeypatch.setattr(sessions, "MAX_ANSWER_BYTES", 1_000_000)
        body = b" " * 2_000_000
        headers = {"Content-Encoding": "gzip"} if is_compressed else {}
        host = serve(answering(gzip.compress(body) if is_compressed else body, headers))
        with pytest.raises(UnreachableError, match="longer than 1000000 bytes"):
            client_of(host.url, RushingClock()).scopes()  # which leaves time for one attempt only
        with pytest.raises(SendGridError, match="longer than 1000000 bytes"):
            download(host.url)

    def test_an_answer_that_is_too_slow_is_given_up(self, serve: Serve) -> None:
        host = serve(dripping)
        with pytest.raises(UnreachableError, match="longer than 300 s"):
            client_of(host.url, RushingClock()).scopes()

    def test_an_answer_that_breaks_off_is_an_error(self, serve: Serve) -> None:
        host = serve(answering(b"{}", {"Content-Length": "3"}))
        with pytest.raises(SendGridError, match="broke off"):
            download(host.url)

    def test_a_compressed_answer_is_read(self, serve: Serve) -> None:
        host = serve(answering(gzip.compress(b"rows"), {"Content-Encoding": "gzip"}))
        assert download(host.url) == b"rows"
