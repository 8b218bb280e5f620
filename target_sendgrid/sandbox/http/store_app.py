"""The object store next to the API: serves errors files and exports by pre-signed links, without a key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Response
from werkzeug.wrappers import Request

from target_sendgrid.sandbox.account import downloads, errors_files, exports, jobs
from target_sendgrid.sandbox.http.access import foreign_host
from target_sendgrid.sandbox.http.fault_answers import struck
from target_sendgrid.sandbox.http.faults import ERRORS_PREFIX, EXPORTS_PREFIX
from target_sendgrid.sandbox.http.faults_in_force import Arrival
from target_sendgrid.sandbox.http.layer import truncated
from target_sendgrid.sandbox.http.wire import ConnectionCutError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    from target_sendgrid.sandbox.http.state import Sandbox

STORE_KINDS = frozenset({"status", "html_error", "rate_limited", "reset", "truncate"})
"""Kinds of faults that strike downloads."""

_CREDENTIALS = ("Authorization", "on-behalf-of")
"""Headers that belong to the API alone."""


class StoreApp:
    """A WSGI application on a host and port of its own."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        request = Request(environ)
        with self._sandbox.lock:
            response, is_cut = foreign_host(request), False
            if response is None:
                response, is_cut = self._response(request)
        return truncated(response, environ, start_response) if is_cut else list(response(environ, start_response))

    def _response(self, request: Request) -> tuple[Response, bool]:
        """Return the answer, and whether the connection is to be cut in the middle of it."""
        account, signature = self._sandbox.account, request.args.get("signature", "")
        is_export = request.path.startswith(EXPORTS_PREFIX)
        name = request.path.removeprefix(EXPORTS_PREFIX if is_export else ERRORS_PREFIX)
        if not (exports if is_export else errors_files).is_known(account, name, signature):
            # Without the link, a neighbour must not use up a fault nor add a violation.
            return _as_response(downloads.NOT_FOUND), False
        sent = next((header for header in _CREDENTIALS if header in request.headers), None)
        if sent is not None:
            self._sandbox.violations.append(
                f"{request.method} {request.path}: the header {sent} was sent to the host of the object store"
            )
            return _as_response(downloads.TWO_CREDENTIALS), False
        arrival = Arrival(request.method, request.path, b"", account.clock.now())
        fault = self._sandbox.faults.take(STORE_KINDS, arrival)
        if fault is not None and fault.kind == "reset":
            raise ConnectionCutError
        if fault is not None and fault.kind != "truncate":
            return struck(fault, arrival), False
        if is_export:
            found = exports.download(account, name)
        else:
            found = errors_files.download(account, name, jobs.errors_file_mode(account, name))
        return _as_response(found), fault is not None


def _as_response(found: downloads.Download) -> Response:
    return Response(found.content, status=found.status, content_type=found.content_type)
