"""HTTP/1.1 on loopback: Werkzeug's threaded server with connections kept alive, and cut on demand."""

from __future__ import annotations

import socket
import sys
import threading
import time
import traceback
from contextlib import suppress
from http import HTTPStatus
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from werkzeug.serving import WSGIRequestHandler, make_server

from target_sendgrid.sandbox.http.answers import error
from target_sendgrid.sandbox.http.framing import FramingError, read_body

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from _typeshed.wsgi import StartResponse, WSGIApplication

LOOPBACK = "127.0.0.1"
_IDLE_SECONDS = 300.0
"""Longest wait for the next bytes of a client."""

_DRAIN_SECONDS = 2.0
"""Longest time that is spent on what a client still sends after its request was refused."""

_DRAIN_BYTES = 1024 * 1024
_BACKLOG = 128
_POLL_SECONDS = 0.02
_JOIN_SECONDS = 5.0
_MAX_FRAMES = 5


class ConnectionCutError(ConnectionError):
    """Raised by an application to cut the connection, before its answer or in the middle of it."""


def print_failure(failure: BaseException) -> None:
    """Print to standard error what failed and where. The exception's own message may quote personal data."""
    frames = traceback.extract_tb(failure.__traceback__)
    place = " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in reversed(frames[-_MAX_FRAMES:]))
    sys.stderr.write(f"The sandbox failed: {type(failure).__name__} at {place}\n")


class WireServer:
    """One listening socket, served in threads until it is stopped.

    Args:
        application: The WSGI application that answers.
        port: 0 picks a free one.

    Raises:
        OSError: The port cannot be opened.
    """

    def __init__(self, application: WSGIApplication, port: int = 0) -> None:
        connections = _Connections()

        class Handler(_KeepAliveHandler):
            open_connections = connections

        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((LOOPBACK, port))
            listener.listen(_BACKLOG)
            self.port: int = listener.getsockname()[1]
            # Given a socket, Werkzeug does not end the process when the port is in use.
            self._server = make_server(
                LOOPBACK, self.port, application, threaded=True, request_handler=Handler, fd=listener.fileno()
            )
        self._connections = connections
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_POLL_SECONDS,), name="sandbox-server", daemon=True
        )

    def start(self) -> None:
        """Accept connections from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Close the listener and every connection, and wait for their threads."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join(_JOIN_SECONDS)
        self._server.server_close()
        self._connections.close()


class _Connections:
    """The live connections of one server and the threads that serve them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[socket.socket, threading.Thread] = {}

    def add(self, connection: socket.socket) -> None:
        with self._lock:
            self._open[connection] = threading.current_thread()

    def remove(self, connection: socket.socket) -> None:
        with self._lock:
            self._open.pop(connection, None)

    def close(self) -> None:
        with self._lock:
            left = dict(self._open)
        for connection in left:
            with suppress(OSError):  # the client has closed it already
                connection.shutdown(socket.SHUT_RDWR)
        for thread in left.values():
            thread.join(_JOIN_SECONDS)


class _KeepAliveHandler(WSGIRequestHandler):
    """Reads the whole request, writes the whole answer, and goes on with the same connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout: ClassVar[float] = _IDLE_SECONDS
    open_connections: ClassVar[_Connections]

    def setup(self) -> None:
        super().setup()
        self.open_connections.add(self.connection)

    def finish(self) -> None:
        self.open_connections.remove(self.connection)
        super().finish()

    def handle(self) -> None:
        """Answer the requests of one connection."""
        try:
            super().handle()
        except Exception as failure:  # noqa: BLE001 - the server would print the exception's message
            print_failure(failure)

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002, ANN401 - as Werkzeug has it
        """Log nothing: the sandbox keeps its own request log, and a line may hold personal data."""

    def run_wsgi(self) -> None:
        """Answer one request. Werkzeug's own closes the connection each time."""
        try:
            body = read_body(self.headers, self.request_version, self.rfile)
            environ = self.make_environ()
        except FramingError as refusal:
            self._refuse(refusal.status, refusal.message)
            return
        except ValueError:
            self._refuse(HTTPStatus.BAD_REQUEST, "the address of the request can't be read")
            return
        environ["CONTENT_LENGTH"] = str(len(body))
        environ.pop("HTTP_TRANSFER_ENCODING", None)
        environ["wsgi.input"] = BytesIO(body)
        head = _Head()
        application: WSGIApplication = self.server.app
        started = False
        try:
            pieces = application(environ, head.start_response)
            for piece in pieces:
                self.wfile.write(piece if started else self._head(head) + piece)
                started = True
            if not started:
                self.wfile.write(self._head(head))
        except ConnectionCutError:
            self._cut()
        except OSError:
            # The client went away in the middle of the answer.
            self.close_connection = True
        except Exception as failure:  # noqa: BLE001 - the server would print the exception's message
            print_failure(failure)
            self.close_connection = True

    def _refuse(self, status: HTTPStatus, message: str) -> None:
        """Answer a request that has not been read to its end, and end the connection."""
        self.close_connection = True
        answer, head = error(status, None, message), _Head()
        head.start_response(f"{status.value} {status.phrase}", answer.headers.to_wsgi_list())
        with suppress(OSError):  # the client has gone away, or is silent
            self.wfile.write(self._head(head) + answer.data)
            # Closed before the client has sent everything, the connection would be reset, and the answer lost.
            self.connection.shutdown(socket.SHUT_WR)
            self.connection.settimeout(_DRAIN_SECONDS)
            ends_at = time.monotonic() + _DRAIN_SECONDS
            while time.monotonic() < ends_at and self.connection.recv(_DRAIN_BYTES):
                continue

    def _head(self, head: _Head) -> bytes:
        lines = [f"HTTP/1.1 {head.status}", *(f"{name}: {value}" for name, value in head.headers)]
        names = {name.lower() for name, _ in head.headers}
        has_no_body = head.status.startswith((str(HTTPStatus.NO_CONTENT.value), str(HTTPStatus.NOT_MODIFIED.value)))
        if "content-length" not in names and not has_no_body:
            # Without a length, only the end of the connection marks the end of the body.
            self.close_connection = True
        if self.close_connection:
            lines.append("Connection: close")
        return "\r\n".join((*lines, "", "")).encode("latin-1")

    def _cut(self) -> None:
        """Close so that the client sees a reset rather than an orderly end, if anything is still unsent."""
        self.close_connection = True
        linger_at_once = b"\x01\x00\x00\x00\x00\x00\x00\x00"
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_at_once)


class _Head:
    """Status and headers that an application sets."""

    def __init__(self) -> None:
        self.status = ""
        self.headers: list[tuple[str, str]] = []

    @property
    def start_response(self) -> StartResponse:
        return self._start_response

    def _start_response(
        self,
        status: str,
        headers: list[tuple[str, str]],
        exc_info: tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None] | None = None,
        /,
    ) -> Callable[[bytes], object]:
        if exc_info is not None and exc_info[1] is not None:
            print_failure(exc_info[1])
        self.status, self.headers = status, headers
        return _refuse_write


def _refuse_write(_: bytes) -> object:
    message = "the sandbox's applications return their body"
    raise NotImplementedError(message)
