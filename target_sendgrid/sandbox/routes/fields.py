"""HTTP of `/v3/marketing/field_definitions`."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, request

from target_sendgrid.sandbox.account import fields, reserved
from target_sendgrid.sandbox.http.answers import answer, decoded_object
from target_sendgrid.sandbox.http.current import current_sandbox

routes = Blueprint("fields", __name__, url_prefix="/v3/marketing/field_definitions")


@routes.post("")
def create() -> Response:
    """Create a custom field definition."""
    account = current_sandbox().account
    document = decoded_object(request.get_data())
    return answer(_described(fields.create(account, document.get("name"), document.get("field_type"))))


@routes.get("")
def every() -> Response:
    """Get all field definitions."""
    account = current_sandbox().account
    document: dict[str, Any] = {}
    custom = [_described(kept) for kept in fields.every(account)]
    if custom:
        document["custom_fields"] = custom
    document["reserved_fields"] = reserved.definitions()
    document["_metadata"] = {"self": f"{request.host_url}v3/marketing/field_definitions"}
    return answer(document)


@routes.patch("/<identity>")
def rename(identity: str) -> Response:
    """Update a custom field definition."""
    account = current_sandbox().account
    return answer(_described(fields.rename(account, identity, decoded_object(request.get_data()).get("name"))))


@routes.delete("/<identity>")
def delete(identity: str) -> Response:
    """Delete a custom field definition."""
    account = current_sandbox().account
    fields.delete(account, identity)
    return Response(status=HTTPStatus.NO_CONTENT)


def _described(kept: fields.CustomField) -> dict[str, Any]:
    return {
        "id": kept.id,
        "name": kept.name,
        "field_type": kept.field_type,
        "_metadata": {"self": f"{request.host_url}v3/marketing/field_definitions/{kept.id}"},
    }
