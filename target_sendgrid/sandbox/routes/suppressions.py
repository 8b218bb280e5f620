"""HTTP of `/v3/asm` and `/v3/suppression/unsubscribes`."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, cast

from flask import Blueprint, Response, request

from target_sendgrid.sandbox.account import suppressions
from target_sendgrid.sandbox.account.problems import RefusedError, UnknownThingError, refused
from target_sendgrid.sandbox.account.reserved import is_valid_email
from target_sendgrid.sandbox.http.answers import answer, decoded_object, number
from target_sendgrid.sandbox.http.current import current_sandbox
from target_sendgrid.sandbox.http.faults import SUPPRESSION_KINDS
from target_sendgrid.sandbox.http.layer import NOTES_KEY

MAX_PAGE_SIZE = 500
LAST_OFFSET = 1_000_000_000
LAST_TIME = 99_999_999_999

routes = Blueprint("suppressions", __name__)

GROUPS = "/v3/asm/groups"
GROUP = f"{GROUPS}/<int(max={LAST_OFFSET}):group_id>"
ALL = "/v3/asm/suppressions"


@routes.post(GROUPS)
def create_group() -> Response:
    """Create a suppression group."""
    document = decoded_object(request.get_data())
    if not isinstance(document.get("is_default", False), bool):
        raise refused("is_default", "is_default must be true or false")
    created = suppressions.create_group(
        current_sandbox().account,
        document.get("name"),
        document.get("description", ""),
        is_default=document.get("is_default", False),
    )
    return answer(_described(created), HTTPStatus.CREATED)


@routes.get(GROUPS)
def groups() -> Response:
    """Retrieve all suppression groups."""
    account = current_sandbox().account
    return answer([_counted(group) for group in suppressions.groups(account)])


@routes.get(GROUP)
def group(group_id: int) -> Response:
    """Get information on a single suppression group."""
    return answer(_counted(suppressions.group(current_sandbox().account, group_id)))


@routes.delete(GROUP)
def delete_group(group_id: int) -> Response:
    """Delete a suppression group."""
    sandbox = current_sandbox()
    suppressions.delete_group(sandbox.account, group_id)
    sandbox.violations.append(f"DELETE {GROUPS}/{group_id}: a suppression group was deleted")
    return Response(status=HTTPStatus.NO_CONTENT)


@routes.post(f"{GROUP}/suppressions")
def suppress_in_group(group_id: int) -> Response:
    """Add suppressions to a suppression group. Of a group that does not exist, they become global."""
    sandbox = current_sandbox()
    emails = _taken(_recipients())
    try:
        suppressions.group(sandbox.account, group_id)
    except UnknownThingError:
        suppressions.suppress(sandbox.account, emails)
        what = "the group does not exist, so that people were suppressed globally"
        sandbox.violations.append(f"POST {GROUPS}/{group_id}/suppressions: {what}")
        is_said = sandbox.account.options.unknown_group_answer == "global"
        said = {"global": True} if is_said else {}
        return answer({"recipient_emails": emails, **said}, HTTPStatus.CREATED)
    suppressions.suppress(sandbox.account, emails, group_id)
    return answer({"recipient_emails": emails, "global": False}, HTTPStatus.CREATED)


@routes.get(f"{GROUP}/suppressions")
def of_group(group_id: int) -> Response:
    """Retrieve all suppressions for a suppression group."""
    account = current_sandbox().account
    return answer(suppressions.every(account, suppressions.group(account, group_id).id))


@routes.post(f"{GROUP}/suppressions/search")
def search(group_id: int) -> Response:
    """Search for suppressions within a group."""
    account = current_sandbox().account
    emails = _recipients()
    found = suppressions.search(account, emails, suppressions.group(account, group_id).id)
    return answer([email for email in emails if email.lower() in found])


@routes.delete(f"{GROUP}/suppressions/<email>")
def lift_in_group(group_id: int, email: str) -> Response:
    """Delete a suppression from a suppression group."""
    sandbox = current_sandbox()
    suppressions.lift(sandbox.account, email, suppressions.group(sandbox.account, group_id).id)
    sandbox.violations.append(f"DELETE {GROUPS}/{group_id}/suppressions: a suppression was lifted")
    return Response(status=HTTPStatus.NO_CONTENT)


@routes.get(ALL)
def of_all_groups() -> Response:
    """Retrieve all suppressions of groups."""
    return answer(suppressions.of_groups(current_sandbox().account))


@routes.post(f"{ALL}/global")
def suppress() -> Response:
    """Add recipient addresses to the global suppression group."""
    emails = _taken(_recipients())
    suppressions.suppress(current_sandbox().account, emails)
    return answer({"recipient_emails": emails}, HTTPStatus.CREATED)


@routes.get(f"{ALL}/global/<email>")
def get(email: str) -> Response:
    """Retrieve a global suppression: an empty object where there is none."""
    found = suppressions.search(current_sandbox().account, [email])
    return answer({"recipient_email": email.lower()} if found else {})


@routes.delete(f"{ALL}/global/<email>")
def lift(email: str) -> Response:
    """Delete a global suppression."""
    sandbox = current_sandbox()
    suppressions.lift(sandbox.account, email)
    sandbox.violations.append(f"DELETE {ALL}/global: a suppression was lifted")
    return Response(status=HTTPStatus.NO_CONTENT)


@routes.get("/v3/suppression/unsubscribes")
def unsubscribes() -> Response:
    """Retrieve all global suppressions, a page at a time."""
    found = suppressions.page(
        current_sandbox().account,
        number(request.args.get("limit", str(MAX_PAGE_SIZE)), "limit", 1, MAX_PAGE_SIZE),
        number(request.args.get("offset", "0"), "offset", 0, LAST_OFFSET),
        start=number(request.args.get("start_time", "0"), "start_time", 0, LAST_TIME),
        end=number(request.args.get("end_time", str(LAST_TIME)), "end_time", 0, LAST_TIME),
        email=request.args.get("email", ""),
    )
    return answer(found)


def _described(group: suppressions.Group) -> dict[str, Any]:
    return {"id": group.id, "name": group.name, "description": group.description, "is_default": group.is_default}


def _counted(group: suppressions.Group) -> dict[str, Any]:
    count = len(suppressions.every(current_sandbox().account, group.id))
    return {**_described(group), "unsubscribes": count}


def _recipients() -> list[str]:
    """Return the addresses of a request.

    Raises:
        RefusedError: It has no list of texts.
    """
    emails = decoded_object(request.get_data()).get("recipient_emails")
    if not isinstance(emails, list) or not emails or not all(isinstance(email, str) for email in emails):
        raise refused("recipient_emails", "recipient_emails must be a list of at least one email address")
    return cast("list[str]", emails)


def _taken(emails: list[str]) -> list[str]:
    """Return those addresses of a request to suppress that are suppressed.

    Raises:
        RefusedError: One is not valid.
    """
    invalid = [email for email in emails if not is_valid_email(email)]
    if invalid and current_sandbox().account.options.invalid_email_in_suppression == "400":
        raise RefusedError(*map(suppressions.invalid, invalid))
    notes = request.environ[NOTES_KEY]
    fault = current_sandbox().faults.take(SUPPRESSION_KINDS, notes["arrival"])
    left_out = set(invalid)
    if fault is not None:
        notes["fault"] = fault.kind
        people = fault.people()
        left_out |= {email for index, email in enumerate(emails) if index < fault.first or email.lower() in people}
    return [email for email in emails if email not in left_out]
