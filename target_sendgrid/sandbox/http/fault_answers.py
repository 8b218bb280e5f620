"""The answers that faults give in place of a route."""

from __future__ import annotations

import math
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec
from flask import Response

from target_sendgrid.sandbox.account import erasures, suppressions
from target_sendgrid.sandbox.account.problems import Problem
from target_sendgrid.sandbox.account.reserved import IDENTIFIERS
from target_sendgrid.sandbox.http.answers import JSON, answer, error, errors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from target_sendgrid.sandbox.http.faults import Fault
    from target_sendgrid.sandbox.http.faults_in_force import Arrival


def struck(fault: Fault, arrival: Arrival) -> Response:
    """Return the answer of a fault to the request that it strikes."""
    status = fault.status or (HTTPStatus.BAD_REQUEST if fault.kind == "refusal" else HTTPStatus.INTERNAL_SERVER_ERROR)
    if fault.kind == "html_error":
        return html(status, _phrase(status))
    if fault.kind == "rate_limited":
        return _rate_limited(fault, arrival.at)
    if fault.kind == "refusal":
        return answer(errors(_refusals(fault, arrival)), status)
    if fault.kind in {"status", "status_after"}:
        body = {"errors": [{"message": _phrase(status).lower()}]} if fault.body is None else fault.body
        text = body if isinstance(body, str) else msgspec.json.encode(body)
        return Response(text, status=status, headers=fault.headers, content_type=_content_type(fault, body))
    return Response(status=HTTPStatus.SERVICE_UNAVAILABLE)


def html(status: int, title: str) -> Response:
    """Return the proxy's error page."""
    page = (
        f"<html>\r\n<head><title>{status} {title}</title></head>\r\n<body>\r\n<center><h1>{status} {title}"
        "</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
    )
    return Response(page, status=status, content_type="text/html")


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase if status in set(HTTPStatus) else "Unknown Status"


def _rate_limited(fault: Fault, now: float) -> Response:
    response = error(HTTPStatus.TOO_MANY_REQUESTS, None, "too many requests")
    if fault.with_headers:
        moment = now + fault.seconds if fault.reset == "epoch" else fault.seconds
        response.headers["x-ratelimit-limit"] = "200"
        response.headers["x-ratelimit-remaining"] = "0"
        response.headers["x-ratelimit-reset"] = str(math.ceil(moment))
    return response


def _refusals(fault: Fault, arrival: Arrival) -> list[Problem]:
    people = fault.people()
    everybody = [*_refused_contacts(arrival), *_refused_addresses(arrival)]
    problems = [
        problem
        for index, (identifier, problem) in enumerate(everybody)
        if fault.names == "everybody" or index < fault.first or identifier.lower() in people
    ]
    if fault.names == "nobody" or not problems:
        return [Problem("", "invalid input")]
    return [Problem("", problem.message) for problem in problems] if fault.names == "quote" else problems


def _refused_contacts(arrival: Arrival) -> Iterator[tuple[str, Problem]]:
    """Yield the identifier of each contact of an upsert, and what would refuse it."""
    for index, contact in enumerate(arrival.contacts):
        identifier = next((str(contact[name]) for name in IDENTIFIERS if contact.get(name)), "")
        yield identifier, Problem(f"contacts[{index}].identifier", f"email '{identifier}' is not valid")


def _refused_addresses(arrival: Arrival) -> Iterator[tuple[str, Problem]]:
    """Yield each address of a suppression or an erasure, and what would refuse it."""
    for name, address in arrival.addresses:
        invalid = suppressions.invalid if name == "recipient_emails" else erasures.invalid
        yield address, invalid(address)


def _content_type(fault: Fault, body: Any) -> str:  # noqa: ANN401 - a body of any type
    named = {name.lower(): value for name, value in fault.headers.items()}
    return named.get("content-type", "text/plain" if isinstance(body, str) else JSON)
