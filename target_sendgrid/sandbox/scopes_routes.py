"""HTTP of `/v3/scopes`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, Response, request

from target_sendgrid.sandbox.answers import answer

if TYPE_CHECKING:
    from target_sendgrid.sandbox.state import Sandbox


def scopes_routes(sandbox: Sandbox) -> Blueprint:
    """Make the routes for one sandbox."""
    routes = Blueprint("scopes", __name__)

    @routes.get("/v3/scopes")
    def scopes() -> Response:
        key = request.headers["Authorization"].split()[-1]
        return answer({"scopes": sandbox.account.key_scopes(key)})

    return routes
