"""How bodies are framed: they are bounded before a key is asked for, and bad framing ends the connection."""

from __future__ import annotations

import json
import re
import socket
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from target_sendgrid.sandbox.http.framing import LARGEST_BODY_BYTES
from tests.sandbox.client import MARKETING, TIMEOUT_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from target_sendgrid.sandbox.server import SandboxServer

SEARCH = f"{MARKETING}/contacts/search"


@pytest.fixture(autouse=True)
def nothing_is_printed_or_logged(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> Iterable[None]:
    yield
    assert capfd.readouterr() == ("", "")
    assert caplog.text == ""


def connect(server: SandboxServer) -> socket.socket:
    address = urlsplit(server.url)
    return socket.create_connection((address.hostname or "", address.port or 0), TIMEOUT_SECONDS)


def rest_of(connection: socket.socket) -> bytes:
    """Read to the end of the connection."""
    received = b""
    while piece := connection.recv(65_536):
        received += piece
    return received


def send(server: SandboxServer, *pieces: bytes) -> bytes:
    """Send bytes, and return all that comes back until the server ends the connection."""
    with connect(server) as connection:
        for piece in pieces:
            connection.sendall(piece)
        return rest_of(connection)


def head(server: SandboxServer, *lines: str, method: str = "POST", path: str = SEARCH, version: str = "1.1") -> bytes:
    host = urlsplit(server.url).netloc
    return "\r\n".join((f"{method} {path} HTTP/{version}", f"Host: {host}", *lines, "", "")).encode("latin-1")


def keyed(server: SandboxServer) -> str:
    return f"Authorization: Bearer {server.api_key}"


def status_of(answer: bytes) -> int:
    return int(re.match(rb"HTTP/1\.1 (\d{3}) ", answer)[1])  # type: ignore[index] # fails if it does not match


def is_refusal(answer: bytes, status: int) -> bool:
    """Return whether the answer is one refusal in one sentence, after which the connection has ended."""
    top, _, body = answer.partition(b"\r\n\r\n")
    assert b"\r\nConnection: close" in top
    [entry] = json.loads(body)["errors"]
    return status_of(answer) == status and bool(entry["message"])


BAD_LENGTHS = (
    ["abc"], ["-1"], ["+5"], [""], ["5 5"], ["5,5"], ["5, 6"], ["0x5"], ["1_0"], ["5.0"], ["\xb2"], ["5\r\n 6"], ["5;"],
    ["5", "6"], ["5", "abc"], ["0", "5"],
)  # fmt: skip


@pytest.mark.parametrize("lengths", BAD_LENGTHS)
def test_a_bad_length_is_400_and_ends_the_connection(server: SandboxServer, lengths: list[str]) -> None:
    request = head(server, *(f"Content-Length: {length}" for length in lengths))
    assert is_refusal(send(server, request, b"hello"), 400)


@pytest.mark.parametrize(
    "coding", ["gzip", "identity", "chunked, chunked", "gzip, chunked", "chunked;q=1", "", "x chunked", "\x0bchunked"]
)
def test_another_transfer_coding_than_chunked_is_400(server: SandboxServer, coding: str) -> None:
    assert is_refusal(send(server, head(server, f"Transfer-Encoding: {coding}"), b"0\r\n\r\n"), 400)


def test_chunks_with_a_length_are_400(server: SandboxServer) -> None:
    request = head(server, "Content-Length: 5", "Transfer-Encoding: chunked")
    assert is_refusal(send(server, request, b"0\r\n\r\n"), 400)


def test_two_transfer_codings_are_400(server: SandboxServer) -> None:
    request = head(server, "Transfer-Encoding: chunked", "Transfer-Encoding: identity")
    assert is_refusal(send(server, request, b"0\r\n\r\n"), 400)


def test_chunks_before_http_1_1_are_400(server: SandboxServer) -> None:
    assert is_refusal(send(server, head(server, "Transfer-Encoding: chunked", version="1.0"), b"0\r\n\r\n"), 400)


@pytest.mark.parametrize(
    "chunks",
    [b"-1\r\nx\r\n", b"+5\r\nhello\r\n", b"0x5\r\nhello\r\n", b"5 5\r\nhello\r\n", b"\r\nhello\r\n", b"g\r\nhello\r\n",
     b"1_0\r\nhello\r\n", b"5\r\nhelloo\r\n", b"5\r\nhello0\r\n\r\n", b"5;" + b"x" * 10_000 + b"\r\nhello\r\n",
     b"\xd9\xa5\r\nhello\r\n", b"0\r\n" + b"trailer: x\r\n" * 101 + b"\r\n", b"0\r\nx: " + b"y" * 70_000 + b"\r\n\r\n"],
)  # fmt: skip
def test_a_bad_chunk_is_400_and_ends_the_connection(server: SandboxServer, chunks: bytes) -> None:
    assert is_refusal(send(server, head(server, "Transfer-Encoding: chunked"), chunks), 400)


@pytest.mark.parametrize("length", [str(LARGEST_BODY_BYTES + 1), "1" + "0" * 18, "1" + "0" * 30, "9" * 5_000])
def test_a_body_that_is_declared_too_large_is_413_before_it_is_sent(server: SandboxServer, length: str) -> None:
    assert is_refusal(send(server, head(server, f"Content-Length: {length}")), 413)


@pytest.mark.parametrize("size", ["4000001", "FFFFFFFFFFFFFFFF", "F" * 300])
def test_a_chunk_that_is_declared_too_large_is_413_before_it_is_sent(server: SandboxServer, size: str) -> None:
    assert is_refusal(send(server, head(server, "Transfer-Encoding: chunked"), f"{size}\r\n".encode()), 413)


def test_chunks_that_are_too_large_together_are_413_while_the_client_still_sends(server: SandboxServer) -> None:
    chunk = b"1000000\r\n" + b"x" * 0x1000000 + b"\r\n"
    assert is_refusal(send(server, head(server, "Transfer-Encoding: chunked"), *[chunk] * 6), 413)


def test_a_client_that_sends_a_too_large_body_gets_its_answer(server: SandboxServer) -> None:
    request = head(server, f"Content-Length: {LARGEST_BODY_BYTES + 1}")
    assert is_refusal(send(server, request, b"x" * (LARGEST_BODY_BYTES + 1)), 413)


def test_the_largest_body_is_read_and_the_connection_goes_on(server: SandboxServer) -> None:
    with connect(server) as connection:
        connection.sendall(head(server, f"Content-Length: {LARGEST_BODY_BYTES}"))
        connection.sendall(b"x" * LARGEST_BODY_BYTES)
        connection.sendall(head(server, "Content-Length: 0", "Connection: close"))
        answers = rest_of(connection)
    assert [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", answers)] == [401, 401]


@pytest.mark.parametrize(
    "chunks",
    [
        b'8\r\n{"query"\r\n9\r\n: "a = b"\r\n1\r\n}\r\n0\r\n\r\n',
        b'8;name=value\n{"query"\nA \r\n: "a = b"}\r\n000\r\nx: y\r\n\r\n',
    ],
)
def test_good_chunks_are_read(server: SandboxServer, chunks: bytes) -> None:
    request = head(server, "Transfer-Encoding: Chunked", "Connection: close", keyed(server))
    answer = send(server, request, chunks)
    assert status_of(answer) == 400
    assert b"only these forms of SGQL" in answer


@pytest.mark.parametrize("lengths", [["2"], ["2", "2"], ["02"], [" 2 "]])
def test_a_good_length_is_read(server: SandboxServer, lengths: list[str]) -> None:
    lines = [f"Content-Length: {length}" for length in lengths]
    answer = send(server, head(server, *lines, "Connection: close", keyed(server)), b"{}")
    assert status_of(answer) == 400
    assert b"query must be text" in answer


@pytest.mark.parametrize("start", [["Content-Length: 100"], ["Transfer-Encoding: chunked"]])
@pytest.mark.parametrize("sent", [b"", b"64\r\n{}", b"2\r\n{}\r\n"])
def test_a_body_that_breaks_off_is_not_handled(server: SandboxServer, start: list[str], sent: bytes) -> None:
    server.clear_requests()
    with connect(server) as connection:
        connection.sendall(head(server, *start, keyed(server)) + sent)
        connection.shutdown(socket.SHUT_WR)
        assert rest_of(connection) == b""
    assert server.requests() == []


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"\x00\xff\xfe\r\n\r\n", 400),
        (b"GET / canary HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\n\r\n", 505),
        (b"GET / HTTP/1.x\r\n\r\n", 400),
        (b"GET http://[canary/ HTTP/1.1\r\n\r\n", 400),
        (b"GET //[canary/ HTTP/1.1\r\nHost: x\r\n\r\n", 403),
        (b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 70_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + b"X: x\r\n" * 101 + b"\r\n", 431),
        (b"POST / HTTP/1.1\r\nContent-Length : 5\r\n\r\nhello", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nno header\r\nContent-Length: 5\r\n\r\nhello", 400),
    ],
    ids=range(11),
)
def test_what_is_no_request_is_refused_and_printed_nowhere(server: SandboxServer, request_: bytes, status: int) -> None:
    with connect(server) as connection:
        connection.sendall(request_)
        connection.shutdown(socket.SHUT_WR)
        assert f" {status} ".encode() in rest_of(connection).partition(b"\r\n")[0]


def test_a_connection_on_which_nothing_comes_is_ended(server: SandboxServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("target_sendgrid.sandbox.http.wire._KeepAliveHandler.timeout", 0.05)
    for start in (
        b"",
        b"GET / HT",
        head(server, "Content-Length: 5") + b"h",
        head(server, "Transfer-Encoding: chunked"),
    ):
        assert send(server, start) == b""


def test_a_client_that_asks_before_it_sends_is_answered(server: SandboxServer) -> None:
    with connect(server) as connection:
        connection.sendall(head(server, "Content-Length: 2", "Expect: 100-continue", "Connection: close"))
        assert connection.recv(65_536).startswith(b"HTTP/1.1 100 ")
        connection.sendall(b"{}")
        assert status_of(rest_of(connection)) == 401
