"""The web page: a look into the account for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, Response

if TYPE_CHECKING:
    from target_sendgrid.sandbox.state import Sandbox


def page_routes(_: Sandbox) -> Blueprint:
    """Make the routes for one sandbox."""
    routes = Blueprint("page", __name__)

    @routes.get("/")
    @routes.get("/_sandbox/")
    def page() -> Response:
        return Response("The SendGrid sandbox.", content_type="text/plain")

    return routes
