"""SendGrid's answers: JSON, and its errors in their several shapes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from flask import Response

from target_sendgrid.sandbox.account.problems import Problem, RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterable

JSON = "application/json"


def answer(payload: object, status: int = 200) -> Response:
    """Make a JSON answer."""
    return Response(msgspec.json.encode(payload), status=status, content_type=JSON)


def errors(problems: Iterable[Problem]) -> dict[str, Any]:
    """Return the general error document."""
    return {"errors": [{"field": problem.field, "message": problem.message} for problem in problems]}


def error(status: int, field: str | None, message: str) -> Response:
    """Make an error answer of one entry."""
    return answer(errors([Problem(field, message)]), status)


def single_error(status: int, problem: Problem) -> Response:
    """Make an error answer of the rare shape that is one bare object."""
    return answer({"field": problem.field, "message": problem.message}, status)


def number(text: str, name: str, least: int, most: int) -> int:
    """Read the number in a query parameter.

    Args:
        text: The parameter's value.
        name: Its name.
        least: The lowest number that is allowed.
        most: The highest.

    Raises:
        RefusedError: It is no such number.
    """
    # Python refuses to read numbers of thousands of digits.
    if text.isascii() and text.isdigit() and len(text) <= len(str(most)) and least <= int(text) <= most:
        return int(text)
    raise RefusedError(Problem(name, f"{name} must be a number from {least} to {most}"))


def decoded(body: bytes) -> object:
    """Read a JSON body.

    Raises:
        RefusedError: It is not JSON.
    """
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as failure:
        raise RefusedError(Problem("", "invalid JSON")) from failure


def decoded_object(body: bytes) -> dict[str, Any]:
    """Read a JSON body that must be an object.

    Raises:
        RefusedError: It is not JSON, or not an object.
    """
    document = decoded(body)
    if not isinstance(document, dict):
        raise RefusedError(Problem("", "invalid input"))
    return document
