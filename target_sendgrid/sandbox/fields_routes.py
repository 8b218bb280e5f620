"""HTTP of `/v3/marketing/field_definitions`."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response, request

from target_sendgrid.sandbox import fields, reserved
from target_sendgrid.sandbox.answers import answer, decoded_object

if TYPE_CHECKING:
    from target_sendgrid.sandbox.state import Sandbox


def fields_routes(sandbox: Sandbox) -> Blueprint:
    """Make the routes for one sandbox."""
    routes = Blueprint("fields", __name__, url_prefix="/v3/marketing/field_definitions")
    account = sandbox.account

    @routes.post("")
    def create() -> Response:
        document = decoded_object(request.get_data())
        return answer(_described(fields.create(account, document.get("name"), document.get("field_type"))))

    @routes.get("")
    def every() -> Response:
        document: dict[str, Any] = {}
        custom = [_described(kept) for kept in fields.every(account)]
        if custom:
            document["custom_fields"] = custom
        document["reserved_fields"] = reserved.definitions()
        document["_metadata"] = {"self": f"{request.host_url}v3/marketing/field_definitions"}
        return answer(document)

    @routes.patch("/<identity>")
    def rename(identity: str) -> Response:
        return answer(_described(fields.rename(account, identity, decoded_object(request.get_data()).get("name"))))

    @routes.delete("/<identity>")
    def delete(identity: str) -> Response:
        fields.delete(account, identity)
        return Response(status=HTTPStatus.NO_CONTENT)

    return routes


def _described(kept: fields.CustomField) -> dict[str, Any]:
    return {
        "id": kept.id,
        "name": kept.name,
        "field_type": kept.field_type,
        "_metadata": {"self": f"{request.host_url}v3/marketing/field_definitions/{kept.id}"},
    }
