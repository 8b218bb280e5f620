"""HTTP of `/v3/marketing/contacts/search`."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, request

from target_sendgrid.sandbox.account import search
from target_sendgrid.sandbox.account.problems import RefusedError, SandboxProblem, refused, unknown
from target_sendgrid.sandbox.http.answers import answer, decoded_object, single_error
from target_sendgrid.sandbox.http.current import current_sandbox
from target_sendgrid.sandbox.http.faults import SEARCH_KINDS
from target_sendgrid.sandbox.http.layer import NOTES_KEY

routes = Blueprint("search", __name__, url_prefix="/v3/marketing/contacts/search")


@routes.post("")
def by_query() -> Response:
    """Search contacts."""
    account = current_sandbox().account
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
    """Get contacts by emails."""
    return _by_identifier("email", "emails")


@routes.post("/identifiers/<identifier>")
def by_identifier(identifier: str) -> Response:
    """Get contacts by identifiers."""
    try:
        return _by_identifier(identifier, "identifiers")
    except SandboxProblem as problem:
        # Declared as a single object, unlike the errors of the search by emails.
        is_refused = isinstance(problem, RefusedError)
        return single_error(HTTPStatus.BAD_REQUEST if is_refused else HTTPStatus.NOT_FOUND, problem.problems[0])


def _by_identifier(identifier: str, field: str) -> Response:
    account = current_sandbox().account
    wanted = decoded_object(request.get_data()).get(field)
    found = _seen(search.by_identifier(account, identifier, wanted, field))
    for hit in found.values():
        if "contact" in hit:
            hit["contact"] = _linked(hit["contact"])
    return answer({"result": found})


def _seen(found: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return what a search finds while its index is behind, if a fault strikes it."""
    notes = request.environ[NOTES_KEY]
    fault = current_sandbox().faults.take(SEARCH_KINDS, notes["arrival"])
    if fault is None:
        return found
    notes["fault"] = fault.kind
    people, is_about_all = fault.people(), not (fault.first or fault.people())
    for index, (identifier, hit) in enumerate(found.items()):
        if "contact" not in hit or not (is_about_all or index < fault.first or identifier.lower() in people):
            continue
        if fault.kind == "contacts_unseen":
            found[identifier] = {"error": "contact not found"}
        else:
            hit["contact"]["list_ids"] = []
    if all("error" in hit for hit in found.values()):
        raise unknown("contacts not found" if len(found) != 1 else "contact not found")
    return found


def _linked(contact: dict[str, Any]) -> dict[str, Any]:
    return {**contact, "_metadata": {"self": f"{request.host_url}v3/marketing/contacts/{contact['id']}"}}
