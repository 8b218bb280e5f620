"""HTTP of `/v3/marketing/lists`."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import msgspec
from flask import Blueprint, Response, request

from target_sendgrid.sandbox.account import contacts, lists
from target_sendgrid.sandbox.account.problems import Problem, UnknownThingError, unknown
from target_sendgrid.sandbox.http.answers import answer, decoded_object, number, single_error
from target_sendgrid.sandbox.http.current import current_sandbox
from target_sendgrid.sandbox.http.job_faults import accepted

DEFAULT_PAGE_SIZE = 100
MAX_PAGE_SIZE = 1_000

routes = Blueprint("lists", __name__, url_prefix="/v3/marketing/lists")


def _described(contact_list: lists.ContactList) -> dict[str, Any]:
    account = current_sandbox().account
    return {
        "name": contact_list.name,
        "id": contact_list.id,
        "contact_count": lists.contact_count(account, contact_list),
        "_metadata": {"self": f"{request.host_url}v3/marketing/lists/{contact_list.id}"},
    }


@routes.post("")
def create() -> Response:
    """Create a list."""
    account = current_sandbox().account
    created = lists.create(account, decoded_object(request.get_data()).get("name"))
    return answer(_described(created), HTTPStatus.CREATED)


@routes.get("")
def page() -> Response:
    """Get all lists, a page at a time."""
    account = current_sandbox().account
    size = number(request.args.get("page_size", str(DEFAULT_PAGE_SIZE)), "page_size", 1, MAX_PAGE_SIZE)
    token = request.args.get("page_token", "")
    found, has_more = lists.page(account, size, token)
    base = f"{request.host_url}v3/marketing/lists?page_size={size}&page_token="
    # The live API's count was 4 while 3 lists came back: it is not to be relied on.
    metadata: dict[str, Any] = {"self": f"{base}{token}", "count": len(found) + 1}
    if has_more:
        metadata["next"] = f"{base}{found[-1].id}"
    return answer({"result": [_described(contact_list) for contact_list in found], "_metadata": metadata})


@routes.get("/<identity>")
def get(identity: str) -> Response:
    """Get a list by id."""
    account = current_sandbox().account
    try:
        found = lists.get(account, identity)
    except UnknownThingError as problem:
        # Declared as a bare array, unlike every other error.
        entries = [{"field": entry.field, "message": entry.message} for entry in problem.problems]
        return answer(entries, HTTPStatus.NOT_FOUND)
    document = _described(found)
    document["identifier_counts"] = contacts.counts(account, found.number).identifiers
    if request.args.get("contact_sample") == "true":
        document["contact_sample"], _ = contacts.sample(account, found.number)
    return answer(document)


@routes.patch("/<identity>")
def rename(identity: str) -> Response:
    """Update a list."""
    account = current_sandbox().account
    return answer(_described(lists.rename(account, identity, decoded_object(request.get_data()).get("name"))))


@routes.delete("/<identity>")
def delete(identity: str) -> Response:
    """Delete a list."""
    sandbox = current_sandbox()
    account = sandbox.account
    members = lists.delete(account, identity)
    sandbox.violations.append(f"DELETE /v3/marketing/lists/{identity}: a list was deleted")
    if request.args.get("delete_contacts") != "true":
        return Response(status=HTTPStatus.NO_CONTENT)
    payload = msgspec.json.encode({"ids": members})
    return accepted(sandbox, "delete", payload, len(members), HTTPStatus.OK)


@routes.get("/<identity>/contacts/count")
def count(identity: str) -> Response:
    """Get the contact count of a list."""
    account = current_sandbox().account
    total = lists.contact_count(account, lists.get(account, identity))
    return answer({"contact_count": total, "billable_count": total})


@routes.delete("/<identity>/contacts")
def remove(identity: str) -> Response:
    """Remove contacts from a list."""
    sandbox = current_sandbox()
    account = sandbox.account
    contact_list = lists.get(account, identity)
    identities = [one for one in request.args.get("contact_ids", "").split(",") if one]
    if not identities:
        # Declared as a single object, unlike every other error.
        return single_error(HTTPStatus.BAD_REQUEST, Problem("contact_ids", "contact_ids must be given"))
    known = {contact["id"] for contact in contacts.by_ids(account, identities)}
    if not known.issuperset(identities) and account.options.unknown_contact_in_removal == "404":
        raise unknown("one or more contact ids do not exist", "contact_ids")
    payload = msgspec.json.encode({"list": contact_list.number, "ids": identities})
    return accepted(sandbox, "remove_from_list", payload, len(identities))
