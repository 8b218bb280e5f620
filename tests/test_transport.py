"""What leaves the machine and where to: keys, links, redirects, certificates, proxies, and endless answers."""

from __future__ import annotations

import contextlib
import datetime as dt
import gzip
import http.client
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from target_sendgrid.errors import ConfigError, SendGridError, TargetSendGridError, UnreachableError
from target_sendgrid.sendgrid import transport
from target_sendgrid.sendgrid.client import Client
from target_sendgrid.sendgrid.transport import Transport
from tests.support import HastyClock

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

            def do_GET(self) -> None:
                seen.append({"path": self.path, **{name.lower(): value for name, value in self.headers.items()}})
                self.close_connection = True
                with contextlib.suppress(OSError):  # the client has closed the connection
                    answer(self)

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
    """A self-signed certificate with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.timezone.utc)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
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
        assert transport.make_session("https://api.sendgrid.com").proxies["https"] == "http://proxy.example.com:3128"

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


class TestAnswers:
    @pytest.mark.parametrize("is_compressed", [False, True])
    def test_an_answer_that_is_too_long_is_given_up(
        self, serve: Serve, monkeypatch: pytest.MonkeyPatch, *, is_compressed: bool
    ) -> None:
        monkeypatch.setattr(transport, "MAX_ANSWER_BYTES", 1_000_000)
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
