"""What happens to every request around its route: one at a time, due jobs first, faults, and the request log."""

from __future__ import annotations

import math
import time
from http import HTTPStatus
from io import BytesIO
from typing import TYPE_CHECKING

import msgspec
from flask import Request, Response

from target_sendgrid.sandbox.account import jobs
from target_sendgrid.sandbox.http.answers import JSON, error
from target_sendgrid.sandbox.http.faults import WIRE_KINDS, Fault
from target_sendgrid.sandbox.http.state import RequestEntry, Sandbox
from target_sendgrid.sandbox.http.wire import ConnectionCutError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

CONTROL_PREFIX = "/_sandbox"
NOTES_KEY = "target_sendgrid.sandbox.notes"
"""Key of the dictionary, in the WSGI environment, in which a route leaves notes for the request log.

A route gets a copy of the environment, but the same dictionary.
"""

MAX_REQUEST_LINE_BYTES = 8_192


class Layer:
    """A WSGI application around another."""

    def __init__(self, sandbox: Sandbox, inner: WSGIApplication) -> None:
        self._sandbox = sandbox
        self._inner = inner

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        request = Request(environ)
        if request.path == "/" or request.path.startswith(CONTROL_PREFIX):
            with self._sandbox.lock:
                return list(self._handled(request)(environ, start_response))
        with self._sandbox.lock:
            fault = self._sandbox.faults.take(WIRE_KINDS, request.method, request.path)
        kind = fault.kind if fault is not None else ""
        if fault is not None and kind == "delay":
            # A real delay, since it tests the client's own time limits.
            time.sleep(fault.seconds)
        environ[NOTES_KEY] = {"fault": kind or None}
        with self._sandbox.lock:
            response = self._answer(request, fault)
            self._log(request, response)
        if kind in {"reset", "cut_after"}:
            raise ConnectionCutError
        if kind == "truncate":
            return _truncated(response, environ, start_response)
        return list(response(environ, start_response))

    def _answer(self, request: Request, fault: Fault | None) -> Response:
        if fault is not None and fault.kind not in {"delay", "cut_after", "truncate"}:
            return _struck(fault, self._sandbox.account.clock.now())
        line = f"{request.method} {request.environ.get('REQUEST_URI', '')} HTTP/1.1"
        if len(line) > MAX_REQUEST_LINE_BYTES:
            return html(HTTPStatus.REQUEST_URI_TOO_LONG, "Request-URI Too Large")
        return self._handled(request)

    def _handled(self, request: Request) -> Response:
        account = self._sandbox.account
        with account.store.transaction():
            jobs.apply_due(account)
        with account.store.transaction() as transaction:
            response = Response.from_app(self._inner, request.environ, buffered=True)
            if response.status_code >= HTTPStatus.BAD_REQUEST:
                transaction.undo()
        return Response(response.data, response.status, response.headers)

    def _log(self, request: Request, response: Response) -> None:
        notes = request.environ[NOTES_KEY]
        stream = request.environ["wsgi.input"]
        is_kept = self._sandbox.account.options.keep_bodies and isinstance(stream, BytesIO)
        body = stream.getvalue().decode("utf-8", "replace") if is_kept else None
        self._sandbox.requests.append(
            RequestEntry(
                at=self._sandbox.account.clock.now(),
                method=request.method,
                path=request.path,
                query=request.query_string.decode("latin-1"),
                status=response.status_code,
                bytes_in=request.content_length or 0,
                contacts=notes.get("contacts"),
                fault=notes.get("fault"),
                body=body,
            )
        )


def html(status: HTTPStatus, title: str) -> Response:
    """Return the proxy's error page."""
    page = (
        f"<html>\r\n<head><title>{status.value} {title}</title></head>\r\n<body>\r\n<center><h1>{status.value} {title}"
        "</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
    )
    return Response(page, status=status.value, content_type="text/html")


def _struck(fault: Fault, now: float) -> Response:
    if fault.kind == "html_error":
        return html(HTTPStatus(fault.status), HTTPStatus(fault.status).phrase)
    if fault.kind == "rate_limited":
        response = error(HTTPStatus.TOO_MANY_REQUESTS, None, "too many requests")
        if fault.with_headers:
            moment = now + fault.seconds if fault.reset == "epoch" else fault.seconds
            response.headers["x-ratelimit-limit"] = "200"
            response.headers["x-ratelimit-remaining"] = "0"
            response.headers["x-ratelimit-reset"] = str(math.ceil(moment))
        return response
    if fault.kind == "status":
        body = fault.body
        if body is None:
            body = {"errors": [{"message": HTTPStatus(fault.status).phrase.lower()}]}
        text = body if isinstance(body, str) else msgspec.json.encode(body)
        return Response(text, status=fault.status, headers=fault.headers, content_type=_content_type(fault, body))
    return Response(status=HTTPStatus.SERVICE_UNAVAILABLE)


def _content_type(fault: Fault, body: object) -> str:
    named = {name.lower(): value for name, value in fault.headers.items()}
    return named.get("content-type", "text/plain" if isinstance(body, str) else JSON)


def _truncated(response: Response, environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
    content = response.get_data()
    response.headers["Content-Length"] = str(len(content) + 1)
    list(response(environ, start_response))
    yield content[: len(content) // 2]
    raise ConnectionCutError
