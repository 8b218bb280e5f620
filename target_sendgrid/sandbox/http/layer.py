"""What happens to every request around its route: access, one at a time, due jobs first, faults, request log."""

from __future__ import annotations

import time
from http import HTTPStatus
from io import BytesIO
from typing import TYPE_CHECKING

from flask import Request, Response
from werkzeug.http import http_date

from target_sendgrid.sandbox.account import jobs
from target_sendgrid.sandbox.http import access
from target_sendgrid.sandbox.http.fault_answers import html, struck
from target_sendgrid.sandbox.http.faults import WIRE_KINDS, Fault
from target_sendgrid.sandbox.http.faults_in_force import Arrival
from target_sendgrid.sandbox.http.state import RequestEntry, Sandbox
from target_sendgrid.sandbox.http.wire import ConnectionCutError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

NOTES_KEY = "target_sendgrid.sandbox.notes"
"""Key of the dictionary, in the WSGI environment, in which a route leaves notes for the request log.

A route gets a copy of the environment, but the same dictionary.
"""

MAX_REQUEST_LINE_BYTES = 8_192
_LONGEST_PATH_OF_STRANGERS = 100

_LOST_ANSWERS = frozenset({"reset", "status_after", "cut_after", "truncate"})
"""Kinds of faults after which the route's answer does not arrive."""


class Layer:
    """A WSGI application around another.

    Args:
        sandbox: The sandbox.
        inner: The application.
        token: What the page and the control plane ask for; ``None`` if there are none.
    """

    def __init__(self, sandbox: Sandbox, inner: WSGIApplication, token: str | None) -> None:
        self._sandbox = sandbox
        self._inner = inner
        self._token = token

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        request = Request(environ)
        response = access.intercepted(request, self._token)
        if access.needs_token(request):
            with self._sandbox.lock:
                response = response or _too_long(request) or self._handled(request)
            return list(access.protect(response)(environ, start_response))
        if response is not None:
            return list(response(environ, start_response))
        with self._sandbox.lock:
            arrival = Arrival(request.method, request.path, _body(request), self._sandbox.account.clock.now())
            # A neighbour without a key must not use up a fault, nor fill the request log.
            is_known = self._sandbox.account.key_scopes(access.bearer(request) or "") is not None
            fault = self._sandbox.faults.take(WIRE_KINDS, arrival) if is_known else None
        kind = fault.kind if fault is not None else ""
        if fault is not None and kind == "delay":
            # A real delay, since it tests the client's own time limits.
            time.sleep(fault.seconds)
        environ[NOTES_KEY] = {"fault": kind or None, "arrival": arrival}
        if fault is not None:
            environ[NOTES_KEY]["late_seconds"] = fault.late_seconds
        with self._sandbox.lock:
            response = self._answer(request, fault, arrival)
            response.headers.setdefault("Date", http_date(self._sandbox.account.clock.now()))
            self._log(request, response, is_known=is_known)
            if kind not in _LOST_ANSWERS:
                self._sandbox.last_job_id = environ[NOTES_KEY].get("job_id", self._sandbox.last_job_id)
        if kind in {"reset", "cut_after"}:
            raise ConnectionCutError
        if kind == "truncate":
            return truncated(response, environ, start_response)
        return list(response(environ, start_response))

    def _answer(self, request: Request, fault: Fault | None, arrival: Arrival) -> Response:
        if fault is not None and fault.kind not in {"delay", "status_after", "cut_after", "truncate"}:
            return struck(fault, arrival)
        response = _too_long(request) or self._handled(request)
        return struck(fault, arrival) if fault is not None and fault.kind == "status_after" else response

    def _handled(self, request: Request) -> Response:
        account = self._sandbox.account
        with account.store.transaction():
            jobs.apply_due(account)
        with account.store.transaction() as transaction:
            response = Response.from_app(self._inner, request.environ, buffered=True)
            if response.status_code >= HTTPStatus.BAD_REQUEST:
                transaction.undo()
        return Response(response.data, response.status, response.headers)

    def _log(self, request: Request, response: Response, *, is_known: bool) -> None:
        notes = request.environ[NOTES_KEY]
        is_kept = is_known and self._sandbox.account.options.keep_bodies
        body = _body(request).decode("utf-8", "replace") if is_kept else None
        entries = self._sandbox.requests if is_known else self._sandbox.strangers_requests
        entries.append(
            RequestEntry(
                at=self._sandbox.account.clock.now(),
                method=request.method,
                path=request.path if is_known else request.path[:_LONGEST_PATH_OF_STRANGERS],
                query=request.query_string.decode("latin-1") if is_known else "",
                status=response.status_code,
                bytes_in=request.content_length or 0,
                contacts=notes.get("contacts"),
                fault=notes.get("fault"),
                body=body,
            )
        )


def _too_long(request: Request) -> Response | None:
    line = f"{request.method} {request.environ.get('REQUEST_URI', '')} HTTP/1.1"
    if len(line) <= MAX_REQUEST_LINE_BYTES:
        return None
    return html(HTTPStatus.REQUEST_URI_TOO_LONG, "Request-URI Too Large")


def _body(request: Request) -> bytes:
    stream = request.environ["wsgi.input"]
    return stream.getvalue() if isinstance(stream, BytesIO) else b""


def truncated(response: Response, environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
    """Answer with the first half of a response, then cut the connection."""
    content = response.get_data()
    response.headers["Content-Length"] = str(len(content) + 1)
    list(response(environ, start_response))
    yield content[: len(content) // 2]
    raise ConnectionCutError
