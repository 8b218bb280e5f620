"""The web page: a look into the account for people."""

from __future__ import annotations

from flask import Blueprint, Response

routes = Blueprint("page", __name__)


@routes.get("/")
@routes.get("/_sandbox/")
def page() -> Response:
    """Show the account."""
    return Response("The SendGrid sandbox.", content_type="text/plain")
