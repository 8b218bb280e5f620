"""The object store next to the API: serves errors files by pre-signed links, without a key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Response
from werkzeug.wrappers import Request

from target_sendgrid.sandbox.account import errors_files, jobs
from target_sendgrid.sandbox.http.access import foreign_host
from target_sendgrid.sandbox.http.fault_answers import struck
from target_sendgrid.sandbox.http.faults import STORE_PREFIX
from target_sendgrid.sandbox.http.faults_in_force import Arrival
from target_sendgrid.sandbox.http.wire import ConnectionCutError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    from target_sendgrid.sandbox.http.state import Sandbox

STORE_KINDS = frozenset({"status", "html_error", "rate_limited", "reset"})
"""Kinds of faults that strike downloads."""


class ErrorsApp:
    """A WSGI application on a host and port of its own."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        with self._sandbox.lock:
            response = self._response(Request(environ))
        return list(response(environ, start_response))

    def _response(self, request: Request) -> Response:
        refusal = foreign_host(request)
        if refusal is not None:
            return refusal
        account = self._sandbox.account
        job_id, signature = request.path.removeprefix(STORE_PREFIX), request.args.get("signature", "")
        if not errors_files.is_known(account, job_id, signature):
            # Without the link, a neighbour must not use up a fault nor add a violation.
            return _as_response(errors_files.NOT_FOUND)
        if "Authorization" in request.headers:
            self._sandbox.violations.append(
                f"{request.method} {request.path}: the API key was sent to the host of the errors file"
            )
            return Response("Only one auth mechanism allowed", status=400, content_type="text/plain")
        arrival = Arrival(request.method, request.path, b"", account.clock.now())
        fault = self._sandbox.faults.take(STORE_KINDS, arrival)
        if fault is not None and fault.kind == "reset":
            raise ConnectionCutError
        if fault is not None:
            return struck(fault, arrival)
        mode = jobs.errors_file_mode(account, job_id)
        return _as_response(errors_files.download(account, job_id, mode))


def _as_response(found: errors_files.Download) -> Response:
    return Response(found.content, status=found.status, content_type=found.content_type)
