"""How a route finds the sandbox that it serves."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from flask import current_app

if TYPE_CHECKING:
    from target_sendgrid.sandbox.http.state import Sandbox

EXTENSION = "target_sendgrid_sandbox"
"""Key of the sandbox among a Flask application's extensions."""


def current_sandbox() -> Sandbox:
    """Return the sandbox of the application that handles the current request."""
    return cast("Sandbox", current_app.extensions[EXTENSION])
