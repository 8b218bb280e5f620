"""HTTP of `/v3/marketing/contacts`: upsert, read, count, delete, and the state of jobs."""

from __future__ import annotations

from typing import Any

import msgspec
from flask import Blueprint, Response, request

from target_sendgrid.sandbox.account import contacts, jobs, merge
from target_sendgrid.sandbox.account.problems import Problem, RefusedError, refused, unknown
from target_sendgrid.sandbox.account.reserved import IDENTIFIER_TYPES, normalised
from target_sendgrid.sandbox.account.upsert_check import checked
from target_sendgrid.sandbox.http.answers import answer, decoded, decoded_object
from target_sendgrid.sandbox.http.current import current_sandbox
from target_sendgrid.sandbox.http.job_faults import accepted
from target_sendgrid.sandbox.http.layer import NOTES_KEY

MAX_BATCH_IDS = 100

routes = Blueprint("contacts", __name__, url_prefix="/v3/marketing/contacts")


@routes.put("")
def upsert() -> Response:
    """Add or update contacts."""
    sandbox = current_sandbox()
    account = sandbox.account
    body = request.get_data()
    found, _ = checked(account, decoded(body))
    request.environ[NOTES_KEY]["contacts"] = len(found)
    if account.options.omitted_identifier == "400":
        omitting = merge.omits_identifier(account, found)
        if omitting:
            raise RefusedError(*(Problem(f"contacts[{index}].identifier", why) for index, why in omitting))
    if account.options.contact_limit_in == "refusal" and merge.exceeds_quota(account, found):
        raise refused(None, merge.QUOTA_FAILURE)
    return accepted(sandbox, "upsert", body, len(found))


@routes.get("")
def sample() -> Response:
    """Get sample contacts."""
    account = current_sandbox().account
    found, total = contacts.sample(account)
    for contact in found:
        # Recorded in 2026: this answer's links differ, and segments are missing.
        contact["_metadata"] = {"self": f"{request.host_url}v3/marketing/contact/{contact['id']}"}
        del contact["segment_ids"]
    link = {"self": f"{request.host_url}v3/marketing/contacts"}
    return answer({"result": found, "contact_count": total, "_metadata": link})


@routes.delete("")
def delete() -> Response:
    """Delete contacts."""
    sandbox = current_sandbox()
    account = sandbox.account
    identities = [identity for identity in request.args.get("ids", "").split(",") if identity]
    everybody = request.args.get("delete_all_contacts") == "true"
    if not identities and not everybody:
        raise refused(None, "either 'ids' OR 'delete_all_contacts' should be supplied as query param")
    if everybody:
        sandbox.violations.append("DELETE /v3/marketing/contacts: all contacts were deleted")
    elif account.options.unknown_contact_in_deletion == "404":
        known = {contact["id"] for contact in contacts.by_ids(account, identities)}
        if not known.issuperset(identities):
            raise unknown("one or more contact ids do not exist", "ids")
    payload = msgspec.json.encode({"ids": None if everybody else identities})
    requested = contacts.counts(account).contacts if everybody else len(identities)
    return accepted(sandbox, "delete", payload, requested)


@routes.get("/count")
def count() -> Response:
    """Get total contact count."""
    account = current_sandbox().account
    found = contacts.counts(account)
    return answer(
        {
            "contact_count": found.contacts,
            "billable_count": found.billable,
            "identifier_counts": found.identifiers,
        }
    )


@routes.get("/<identity>")
def get(identity: str) -> Response:
    """Get a contact by id."""
    account = current_sandbox().account
    return answer(_linked(contacts.get(account, identity)))


@routes.post("/batch")
def batch() -> Response:
    """Get batched contacts by ids."""
    account = current_sandbox().account
    identities = decoded_object(request.get_data()).get("ids")
    if not isinstance(identities, list) or not 1 <= len(identities) <= MAX_BATCH_IDS:
        raise refused("ids", f"ids must be a list of 1 to {MAX_BATCH_IDS} contact ids")
    return answer({"result": [_linked(contact) for contact in contacts.by_ids(account, identities)]})


@routes.delete("/<identity>/identifiers")
def delete_identifier(identity: str) -> Response:
    """Delete a contact identifier."""
    sandbox = current_sandbox()
    account = sandbox.account
    document = decoded_object(request.get_data())
    identifier = IDENTIFIER_TYPES.get(str(document.get("identifier_type")))
    value = document.get("identifier_value")
    if identifier is None:
        raise refused("identifier_type", f"identifier_type must be one of {', '.join(IDENTIFIER_TYPES)}")
    contact = contacts.get(account, identity)
    if not isinstance(value, str) or contact.get(identifier) != normalised(identifier, value):
        raise refused("identifier_value", "the contact does not have this identifier")
    return accepted(sandbox, "delete_identifier", msgspec.json.encode({"id": identity, "identifier": identifier}), 1)


@routes.get("/imports/<identity>")
def job(identity: str) -> Response:
    """Get import contacts status."""
    sandbox = current_sandbox()
    account = sandbox.account
    return answer(jobs.described(account, identity, sandbox.store_url))


def _linked(contact: dict[str, Any]) -> dict[str, Any]:
    link = f"{request.host_url}v3/marketing/contacts/{contact['id']}"
    return {**contact, "_metadata": {"self": link}}
