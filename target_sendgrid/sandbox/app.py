"""The Flask application: keys, rate limits, size limits and error answers, around all routes."""

from __future__ import annotations

import difflib
from http import HTTPStatus
from typing import TYPE_CHECKING

from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException, InternalServerError, MethodNotAllowed, NotFound

from target_sendgrid.sandbox.account.problems import Problem, RefusedError, UnknownListError, UnknownThingError
from target_sendgrid.sandbox.http.access import CONTROL_PREFIX, bearer
from target_sendgrid.sandbox.http.answers import answer, error, errors
from target_sendgrid.sandbox.http.current import EXTENSION
from target_sendgrid.sandbox.http.fault_answers import html
from target_sendgrid.sandbox.http.layer import Layer
from target_sendgrid.sandbox.http.permissions import ERASURE_PATH, MARKETING_PREFIX, not_permitted
from target_sendgrid.sandbox.http.wire import print_failure
from target_sendgrid.sandbox.routes import contacts as contacts_routes
from target_sendgrid.sandbox.routes import control as control_routes
from target_sendgrid.sandbox.routes import erasures as erasures_routes
from target_sendgrid.sandbox.routes import exports as exports_routes
from target_sendgrid.sandbox.routes import fields as fields_routes
from target_sendgrid.sandbox.routes import lists as lists_routes
from target_sendgrid.sandbox.routes import scopes as scopes_routes
from target_sendgrid.sandbox.routes import search as search_routes
from target_sendgrid.sandbox.routes import suppressions as suppressions_routes
from target_sendgrid.sandbox.ui import page

if TYPE_CHECKING:
    from target_sendgrid.sandbox.http.state import Sandbox
    from target_sendgrid.sandbox.options import Options

_NEAREST = 3


def make_app(sandbox: Sandbox, token: str | None) -> Flask:
    """Return the application of a sandbox.

    Args:
        sandbox: The sandbox.
        token: What the page and the control plane ask for; ``None`` leaves both out.
    """
    app = Flask("target_sendgrid.sandbox", root_path=_root(), static_folder=None, template_folder="ui/templates")
    app.extensions[EXTENSION] = sandbox
    app.logger.disabled = True  # it prints exceptions, whose messages may quote personal data
    modules = [
        *(contacts_routes, exports_routes, search_routes, lists_routes, fields_routes, scopes_routes),
        *(suppressions_routes, erasures_routes),
    ]
    for module in (*modules, *([control_routes, page] if token is not None else [])):
        app.register_blueprint(module.routes)
    app.before_request(lambda: _gate(sandbox))
    app.after_request(_with_limits)
    app.register_error_handler(RefusedError, _refused)
    app.register_error_handler(UnknownThingError, _unknown)
    app.register_error_handler(UnknownListError, lambda problem: _unknown_list(sandbox, problem))
    app.register_error_handler(NotFound, lambda _: _not_found(app))
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _failed)
    app.wsgi_app = Layer(sandbox, app.wsgi_app, token)  # type: ignore[method-assign] # Flask documents this for middleware
    return app


def _root() -> str:
    return __file__.rpartition("/")[0]


def _gate(sandbox: Sandbox) -> Response | None:
    """Return the answer to a request that may not pass, or ``None``."""
    g.limits = None
    if not request.path.startswith("/v3/"):
        return None
    key = bearer(request)
    if request.path.startswith(MARKETING_PREFIX) or request.path == ERASURE_PATH:
        # Unknown keys share a bucket, and so do unknown paths: they could fill the memory otherwise.
        known_key = key if key is not None and sandbox.account.key_scopes(key) is not None else ""
        rule = request.url_rule
        bucket = (known_key, request.method, rule.rule) if rule is not None else (known_key, "", "")
        g.limits = sandbox.rate_limits.count(sandbox.account.options, sandbox.account.clock.now(), bucket)
    options = sandbox.account.options
    return not_permitted(request, sandbox.account) or _too_often(options) or _too_large(options)


def _too_often(options: Options) -> Response | None:
    if g.limits is None or not g.limits.is_over:
        return None
    response = error(HTTPStatus.TOO_MANY_REQUESTS, None, "too many requests")
    if request.path == ERASURE_PATH:
        response = Response(status=HTTPStatus.TOO_MANY_REQUESTS, headers={"x-envoy-ratelimited": "true"})
    if options.retry_after:
        response.headers["Retry-After"] = str(g.limits.reset)
    return response


def _too_large(options: Options) -> Response | None:
    if (request.content_length or 0) <= options.max_body_bytes:
        return None
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    if options.body_too_large_html:
        return html(status, "Request Entity Too Large")
    return error(status, None, "request entity too large")


def _with_limits(response: Response) -> Response:
    limits = g.get("limits")
    if limits is not None:
        response.headers.update(limits.headers())
    return response


def _refused(problem: RefusedError) -> Response:
    return answer(errors(problem.problems), HTTPStatus.BAD_REQUEST)


def _unknown(problem: UnknownThingError) -> Response:
    return answer(errors(problem.problems), HTTPStatus.NOT_FOUND)


def _unknown_list(sandbox: Sandbox, problem: UnknownListError) -> Response:
    return answer(errors(problem.problems), sandbox.account.options.unknown_list_status)


def _not_found(app: Flask) -> Response:
    """Answer 404 and name the most similar routes."""
    known = {
        f"{method} {rule.rule}": rule.rule
        for rule in app.url_map.iter_rules()
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
        if rule.rule.startswith(CONTROL_PREFIX) == request.path.startswith(CONTROL_PREFIX)
    }
    near = difflib.get_close_matches(f"{request.method} {request.path}", known, n=_NEAREST, cutoff=0)
    hint = [Problem(None, f"the sandbox's nearest routes: {', '.join(near)}")] if near else []
    return answer(errors([Problem(None, "not found"), *hint]), HTTPStatus.NOT_FOUND)


def _failed(failure: Exception) -> Response:
    """Answer 500 in place of Flask, which would log a message that may quote personal data."""
    print_failure(failure)
    return _http(InternalServerError())


def _http(failure: HTTPException) -> Response:
    status = failure.code or HTTPStatus.INTERNAL_SERVER_ERROR
    response = error(status, None, HTTPStatus(status).phrase.lower())
    if isinstance(failure, MethodNotAllowed) and failure.valid_methods:
        response.headers["Allow"] = ", ".join(failure.valid_methods)
    return response
