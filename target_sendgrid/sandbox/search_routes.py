"""HTTP of `/v3/marketing/contacts/search`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response, request

from target_sendgrid.sandbox import search
from target_sendgrid.sandbox.answers import answer, decoded_object
from target_sendgrid.sandbox.problems import refused

if TYPE_CHECKING:
    from target_sendgrid.sandbox.state import Sandbox


def search_routes(sandbox: Sandbox) -> Blueprint:
    """Make the routes for one sandbox."""
    routes = Blueprint("search", __name__, url_prefix="/v3/marketing/contacts/search")
    account = sandbox.account

    @routes.post("")
    def by_query() -> Response:
        document = decoded_object(request.get_data())
        surplus = sorted(document.keys() - {"query"})
        if surplus:
            raise refused(surplus[0], f"unknown property {surplus[0]}")
        found, total = search.by_query(account, document.get("query"))
        return answer(
            {
                "contact_count": total,
                "result": [_linked(contact) for contact in found],
                "_metadata": {"self": f"{request.host_url}v3/marketing/contacts/search"},
            }
        )

    @routes.post("/emails")
    def by_email() -> Response:
        return by_identifier_of("email", "emails")

    @routes.post("/identifiers/<identifier>")
    def by_identifier(identifier: str) -> Response:
        return by_identifier_of(identifier, "identifiers")

    def by_identifier_of(identifier: str, field: str) -> Response:
        wanted = decoded_object(request.get_data()).get(field)
        found = search.by_identifier(account, identifier, wanted, field)
        for hit in found.values():
            if "contact" in hit:
                hit["contact"] = _linked(hit["contact"])
        return answer({"result": found})

    return routes


def _linked(contact: dict[str, Any]) -> dict[str, Any]:
    return {**contact, "_metadata": {"self": f"{request.host_url}v3/marketing/contacts/{contact['id']}"}}
