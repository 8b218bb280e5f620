"""Who may call the sandbox: no web page of another origin, and the page and the control plane only with the token."""

from __future__ import annotations

import hmac
import re
import secrets
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from flask import Response

from target_sendgrid.sandbox.http.answers import error

if TYPE_CHECKING:
    from werkzeug.wrappers import Request

CONTROL_PREFIX = "/_sandbox"
HEALTH_PATH = f"{CONTROL_PREFIX}/health"
PAGE_PATHS = frozenset({"/", f"{CONTROL_PREFIX}/"})

TOKEN_HEADER = "Sandbox-Token"  # noqa: S105 - the name of a header
TOKEN_PARAMETER = "token"  # noqa: S105 - the name of a query parameter

_BEARER = re.compile(r"Bearer (\S+)", re.IGNORECASE)
_OWN_NAMES = ("127.0.0.1", "localhost")
_OWN_SITES = frozenset({"same-origin", "none"})
"""What browsers say in `Sec-Fetch-Site` of a request by the sandbox's own page and by the user."""

_FOREIGN_HOST = "the sandbox answers on loopback only, under its own address"
_FOREIGN_PAGE = "the sandbox refuses requests of web pages of another origin; to see its page, open the link it printed"
_NO_TOKEN = (
    "the sandbox printed a link with a token when it started: open that link in a browser, or send the token in the "
    f"header {TOKEN_HEADER}"
)

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def new_token() -> str:
    """Make the token of one start of a sandbox."""
    return secrets.token_urlsafe(32)


def link(url: str, token: str) -> str:
    """Return the link that opens the page of a sandbox."""
    return f"{url}/?{urlencode({TOKEN_PARAMETER: token})}"


def needs_token(request: Request) -> bool:
    """Return whether a request is for the page or the control plane, which ask for the token instead of a key."""
    return request.path in PAGE_PATHS or request.path.startswith(CONTROL_PREFIX)


def foreign_host(request: Request) -> Response | None:
    """Refuse a request for another host than the sandbox.

    A web page can reach this machine under a host name of its own, to which its scripts may speak as they like.
    """
    if request.environ.get("HTTP_HOST", _own_hosts(request)[0]) in _own_hosts(request):
        return None
    return _refused(request, HTTPStatus.FORBIDDEN, _FOREIGN_HOST)


def intercepted(request: Request, token: str | None) -> Response | None:
    """Return the answer to a request that may not pass, or that opens the page with the link; ``None`` for all others.

    Args:
        request: The request.
        token: The token of the page and the control plane; ``None`` if there are none.
    """
    refusal = foreign_host(request)
    if refusal is not None:
        return refusal
    is_foreign = _is_foreign(request)
    if token is not None and _has_link(request, token):
        return _opened(request, token, is_foreign=is_foreign)
    if is_foreign:
        # Also if it only reads: it would be in the log of requests, and could use up an ordered fault.
        return _refused(request, HTTPStatus.FORBIDDEN, _FOREIGN_PAGE)
    if token is None or not needs_token(request) or request.path == HEALTH_PATH:
        return None
    given = request.headers.get(TOKEN_HEADER) or request.cookies.get(_cookie_name(request), "")
    return None if _is_same(given, token) else _refused(request, HTTPStatus.UNAUTHORIZED, _NO_TOKEN)


def bearer(request: Request) -> str | None:
    """Return the key that a request brings."""
    found = _BEARER.fullmatch(request.headers.get("Authorization", ""))
    return None if found is None else found.group(1)


def protect(response: Response) -> Response:
    """Keep what the page and the control plane answer out of frames, caches and pages of other origins."""
    response.headers.update(_HEADERS)
    return response


def _refused(request: Request, status: HTTPStatus, sentence: str) -> Response:
    if request.path in PAGE_PATHS:
        return Response(f"{sentence[0].upper()}{sentence[1:]}.\n", status=status, content_type="text/plain")
    return error(status, None, sentence)


def _own_hosts(request: Request) -> tuple[str, ...]:
    port = request.environ["SERVER_PORT"]
    # Browsers and programs leave the port of http out.
    return _OWN_NAMES if port == "80" else tuple(f"{name}:{port}" for name in _OWN_NAMES)


def _is_foreign(request: Request) -> bool:
    """Return whether a web page of another origin makes the request. Programs send neither header."""
    origin, site = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site")
    is_own_origin = origin is None or origin in {f"http://{host}" for host in _own_hosts(request)}
    return not is_own_origin or (site is not None and site not in _OWN_SITES)


def _has_link(request: Request, token: str) -> bool:
    is_visit = request.method in {"GET", "HEAD"} and request.path in PAGE_PATHS
    return is_visit and _is_same(request.args.get(TOKEN_PARAMETER, ""), token)


def _opened(request: Request, token: str, *, is_foreign: bool) -> Response:
    """Set the cookie, and lead on to the address without the token."""
    rest = urlencode([(name, value) for name, value in request.args.items(multi=True) if name != TOKEN_PARAMETER])
    location = f"{request.path}?{rest}" if rest else request.path
    if is_foreign:
        # Browsers take a redirect for a request of the site where it began: they send no strict cookie with it, and
        # name that site. What a page of the sandbox leads on to is a request of the sandbox itself.
        response = Response(status=HTTPStatus.OK, headers={"Refresh": f"0; url={location}"}, content_type="text/html")
    else:
        response = Response(status=HTTPStatus.SEE_OTHER, headers={"Location": location})
    response.set_cookie(_cookie_name(request), token, httponly=True, samesite="Strict")
    return response


def _cookie_name(request: Request) -> str:
    """Name the cookie by the port, since browsers send a cookie to all ports of a host."""
    return f"sandbox-token-{request.environ['SERVER_PORT']}"


def _is_same(given: str, token: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), token.encode())
