"""HTTP of `/v3/scopes`."""

from __future__ import annotations

from flask import Blueprint, Response, request

from target_sendgrid.sandbox.http.answers import answer
from target_sendgrid.sandbox.http.current import current_sandbox

routes = Blueprint("scopes", __name__)


@routes.get("/v3/scopes")
def scopes() -> Response:
    """Retrieve the scopes of the key that asks."""
    key = request.headers["Authorization"].split()[-1]
    return answer({"scopes": current_sandbox().account.key_scopes(key)})
