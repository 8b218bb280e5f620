"""What SendGrid's answers mean: the table from status to action, and the bodies of answers as values.

No error made here quotes a body, because SendGrid's answers quote email addresses.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import msgspec

from target_sendgrid.errors import (
    BadRequestError,
    ForbiddenError,
    NotFoundError,
    SendGridError,
    TooLargeError,
    TransientError,
    UnauthorizedError,
)

if TYPE_CHECKING:
    from collections.abc import Container, Iterable

Shape = TypeVar("Shape")


class Action(Enum):
    """What the target does about an answer that is not a success."""

    WAIT_FOR_RATE_LIMIT = auto()
    RETRY = auto()
    UNAUTHORIZED = auto()
    FORBIDDEN = auto()
    NOT_FOUND = auto()
    TOO_LARGE = auto()
    BAD_REQUEST = auto()
    REFUSE_REDIRECT = auto()
    GIVE_UP = auto()


class Row(NamedTuple):
    """One row of the table of actions.

    Attributes:
        statuses: The statuses that the row is about.
        words: Words of which an error message in the body must have one; none where the body does not matter.
        action: What the target does.
    """

    statuses: Container[int]
    words: tuple[str, ...]
    action: Action


_ANY = range(1000)
_SIZE_WORDS = ("too large", "message larger than max", "payload size", "body size")

ACTIONS = (
    Row((429,), (), Action.WAIT_FOR_RATE_LIMIT),
    Row(_ANY, _SIZE_WORDS, Action.TOO_LARGE),
    Row((401,), (), Action.UNAUTHORIZED),
    Row((403,), (), Action.FORBIDDEN),
    Row((404,), (), Action.NOT_FOUND),
    Row((413,), (), Action.TOO_LARGE),
    Row((408, 500, 502, 503, 504), (), Action.RETRY),
    Row(range(400, 500), (), Action.BAD_REQUEST),
    Row(range(300, 400), (), Action.REFUSE_REDIRECT),
    Row(_ANY, (), Action.GIVE_UP),
)
"""The table from status to action: the first row that fits an answer decides."""

_UNAUTHORIZED = (
    "SendGrid refused the API key (401): it is unknown, revoked, malformed or of the other region.",
    "Check `api_key`, and `region` if the account is in the EU.",
)
_FORBIDDEN_NEXT_STEP = (
    "Give the key Marketing access (scope `marketing.read`, which gates writes too; there is no `marketing.write`)."
    " Keys of legacy Marketing Campaigns accounts have no access to this API whatever their scopes."
)


def action_for(status: int, messages: Iterable[str]) -> Action:
    """Return what the target does about an answer.

    Args:
        status: The HTTP status, which is not a success.
        messages: The error messages of the body.
    """
    text = "\n".join(messages).lower()
    return next(
        row.action
        for row in ACTIONS
        if status in row.statuses and (not row.words or any(word in text for word in row.words))
    )


def error_for(status: int, content: bytes, *, request: str, what: str, wait_seconds: float | None) -> Exception:
    """Return the exception for an answer that is not a success.

    Args:
        status: The HTTP status.
        content: The body.
        request: Method and path of the request, without ids.
        what: What the request was to do, such as ``to read lists``.
        wait_seconds: How many seconds the headers ask to wait; ``None`` when they don't say.
    """
    details = error_details(content)
    error: Exception
    match action_for(status, (message for _, message in details)):
        case Action.WAIT_FOR_RATE_LIMIT:
            message = f"{request} was rate-limited ({status})"
            error = TransientError(message, wait_seconds=wait_seconds, is_rate_limit=True)
        case Action.RETRY:
            error = TransientError(f"{request} answered {status}")
        case Action.UNAUTHORIZED:
            error = UnauthorizedError(*_UNAUTHORIZED)
        case Action.FORBIDDEN:
            error = ForbiddenError(f"SendGrid forbids this API key {what} ({status}).", _FORBIDDEN_NEXT_STEP)
        case Action.NOT_FOUND:
            error = NotFoundError(f"SendGrid does not know what {request} names ({status}).")
        case Action.TOO_LARGE:
            error = TooLargeError(f"SendGrid takes no request of that many bytes ({status}).")
        case Action.BAD_REQUEST:
            error = BadRequestError(f"SendGrid refused {request} ({status}).", details)
        case Action.REFUSE_REDIRECT:
            why = "a redirect, which is not followed: the key would go along"
            error = SendGridError(f"{request} answered {status}, {why}.", "Check `api_url`.")
        case Action.GIVE_UP:
            error = SendGridError(f"{request} answered {status}, an unknown status.", "Check `api_url`.")
    return error


def error_details(content: bytes) -> list[tuple[str, str]]:
    """Return the ``(field, message)`` pairs of an error body, in any of the shapes that SendGrid uses.

    Most endpoints answer ``{"errors": [...]}``, two of them a bare array or a single object, proxies plain text or
    HTML (the vendor's API descriptions, section "errors" of each).
    """
    try:
        body = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return [("", content[:300].decode(errors="replace"))]
    if isinstance(body, dict):
        body = body.get("errors", [body])
    entries = body if isinstance(body, list) else [body]
    entries = [entry for entry in entries if isinstance(entry, dict)]
    return [(str(entry.get("field") or ""), str(entry.get("message") or "")) for entry in entries]


def json_object(content: bytes) -> dict[str, Any]:
    """Return the body of a success as a JSON object.

    Raises:
        TransientError: It is not a JSON object, as when a proxy answers in SendGrid's place.
    """
    try:
        answer: dict[str, Any] = msgspec.json.decode(content, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError):
        message = "an answer was not the JSON that SendGrid documents"
        raise TransientError(message) from None
    return answer


def as_shape(value: object, shape: type[Shape]) -> Shape:
    """Return a part of an answer as the type that SendGrid documents.

    Raises:
        SendGridError: It has another type.
    """
    try:
        return msgspec.convert(value, shape)
    except msgspec.ValidationError:
        what = "SendGrid answered in a shape that the target does not know."
        raise SendGridError(what, "Check `api_url`.") from None
