"""HTTP of `/v3/marketing/contacts/exports`."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, request

from target_sendgrid.sandbox.account import exports
from target_sendgrid.sandbox.account.export_rows import FILE_TYPES
from target_sendgrid.sandbox.account.problems import refused
from target_sendgrid.sandbox.http.answers import answer, decoded_object
from target_sendgrid.sandbox.http.current import current_sandbox
from target_sendgrid.sandbox.http.faults import EXPORT_KINDS
from target_sendgrid.sandbox.http.layer import NOTES_KEY

DEFAULT_MAX_FILE_MEGABYTES = 5_000

routes = Blueprint("exports", __name__, url_prefix="/v3/marketing/contacts/exports")


@routes.post("")
def start() -> Response:
    """Export contacts."""
    sandbox = current_sandbox()
    order = _order(decoded_object(request.get_data()))
    notes = request.environ[NOTES_KEY]
    fault = sandbox.faults.take(EXPORT_KINDS, notes["arrival"])
    if fault is not None:
        notes["fault"] = fault.kind
    trouble = exports.NO_TROUBLE if fault is None else fault.export_trouble()
    identity = exports.submit(sandbox.account, order, trouble)
    return answer({"_metadata": {"self": f"{request.base_url}/{identity}"}, "id": identity}, HTTPStatus.ACCEPTED)


@routes.get("")
def every() -> Response:
    """Get all existing exports."""
    sandbox = current_sandbox()
    found = exports.every(sandbox.account, sandbox.store_url)
    for export in found:
        export["_metadata"] = {"self": f"{request.base_url}/{export['id']}"}
    return answer({"result": found, "_metadata": {"self": request.base_url}})


@routes.get("/<identity>")
def get(identity: str) -> Response:
    """Get the status of an export."""
    sandbox = current_sandbox()
    found = exports.described(sandbox.account, identity, sandbox.store_url)
    return answer({**found, "_metadata": {"self": request.base_url}})


def _order(document: dict[str, Any]) -> exports.Order:
    file_type, size = document.get("file_type", "csv"), document.get("max_file_size", DEFAULT_MAX_FILE_MEGABYTES)
    if file_type not in FILE_TYPES:
        raise refused("file_type", f"file_type must be one of {', '.join(FILE_TYPES)}")
    if not isinstance(size, int) or isinstance(size, bool) or size < 1:
        raise refused("max_file_size", "max_file_size must be a number, 1 or more")
    notifications = document.get("notifications", {})
    if not isinstance(notifications, dict) or not isinstance(notifications.get("email", False), bool):
        raise refused("notifications", "notifications must be an object whose email is true or false")
    return exports.Order(_ids(document, "list_ids"), _ids(document, "segment_ids"), file_type, size)


def _ids(document: dict[str, Any], name: str) -> list[str]:
    found = document.get(name, [])
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise refused(name, f"{name} must be a list of ids")
    return found
