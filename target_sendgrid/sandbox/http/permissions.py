"""Which scope of the key each endpoint asks for, and how it refuses a key."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING

from target_sendgrid.sandbox.http.access import bearer
from target_sendgrid.sandbox.http.answers import answer, error

if TYPE_CHECKING:
    from flask import Request, Response

    from target_sendgrid.sandbox.account.account import Account

MARKETING_PREFIX = "/v3/marketing/"
ERASURE_PATH = "/v3/recipients/erasejob"

_ACTIONS = {"GET": "read", "HEAD": "read", "POST": "create", "DELETE": "delete"}
_SCOPES = (
    (re.compile(r"/v3/asm/groups(/[^/]+)?"), "asm.groups"),
    (re.compile(r"/v3/asm/groups/[^/]+/suppressions(/.+)?|/v3/asm/suppressions"), "asm.groups.suppressions"),
    (re.compile(r"/v3/asm/suppressions/global(/.+)?"), "asm.suppressions.global"),
    (re.compile(r"/v3/suppression/unsubscribes"), "suppression.unsubscribes"),
    (re.compile(re.escape(ERASURE_PATH)), "recipients.erasejob"),
)
"""Paths, and the scope to which the action is added."""

_KEY = re.compile(r"SG\.[\w-]+\.[\w-]+")


def not_permitted(request: Request, account: Account) -> Response | None:
    """Return the answer to a request that its key does not permit, or ``None``."""
    key = bearer(request)
    scopes = account.key_scopes(key) if key is not None else None
    is_erasure = request.path == ERASURE_PATH
    if scopes is None:
        return error(HTTPStatus.UNAUTHORIZED, "", "Failed to authenticate") if is_erasure else _unauthorized(key)
    behalf = request.headers.get("on-behalf-of")
    if behalf is not None and behalf.removeprefix("account-id ") not in account.options.subusers:
        return error(account.options.on_behalf_of_status, "" if is_erasure else None, "authorization required")
    needed = needed_scope(request.method, request.path)
    if needed is None or needed in scopes:
        return None
    if is_erasure:
        return error(HTTPStatus.FORBIDDEN, "", "Not authorized")
    return error(HTTPStatus.FORBIDDEN, None, "access forbidden")


def needed_scope(method: str, path: str) -> str | None:
    """Return the scope that a request asks for, or ``None`` where any key will do."""
    if path.startswith(MARKETING_PREFIX):
        return "marketing.read"  # it gates writes, too
    action = "read" if path.endswith("/suppressions/search") else _ACTIONS.get(method, "update")
    return next((f"{scope}.{action}" for pattern, scope in _SCOPES if pattern.fullmatch(path)), None)


def _unauthorized(key: str | None) -> Response:
    if key is None or not _KEY.fullmatch(key):
        return error(HTTPStatus.UNAUTHORIZED, None, "authorization required")
    message = "The provided authorization grant is invalid, expired, or revoked"
    return answer({"errors": [{"message": message, "field": None, "help": None}]}, HTTPStatus.UNAUTHORIZED)
