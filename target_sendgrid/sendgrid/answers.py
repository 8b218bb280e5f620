"""What SendGrid's answers mean: the table from status to action, and the bodies of answers as values.

No error made here quotes a body, because SendGrid's answers quote email addresses.
"""

from __future__ import annotations

import re
from enum import Enum, auto
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import msgspec

from target_sendgrid.errors import (
    BadRequestError,
    ContactLimitError,
    ForbiddenError,
    NotFoundError,
    SendGridError,
    TooLargeError,
    TransientError,
    UnauthorizedError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator

Shape = TypeVar("Shape")

SHORT_RETRY_SECONDS = 60.0
"""For how many seconds a request is retried when a proxy seems to have refused it, or the state of the account."""


class Action(Enum):
    """What the target does about an answer that is not a success."""

    WAIT_FOR_RATE_LIMIT = auto()
    RETRY = auto()
    RETRY_BRIEFLY = auto()
    UNAUTHORIZED = auto()
    FORBIDDEN = auto()
    CONTACT_LIMIT = auto()
    NOT_FOUND = auto()
    TOO_LARGE = auto()
    BAD_REQUEST = auto()
    REFUSE_REDIRECT = auto()
    GIVE_UP = auto()


class Rule(NamedTuple):
    """One rule of the table of actions.

    Attributes:
        statuses: The statuses that the rule is about.
        action: What the target does.
        is_json: Whether the body must be a JSON object or array, as SendGrid's own are.
        says: Returns whether a body has the words that the rule is about; ``None`` where words do not matter.
    """

    statuses: Container[int]
    action: Action
    is_json: bool = False
    says: Callable[[object], bool] | None = None


_CONTACT_LIMIT = re.compile(r"\bcontacts?[\s-]+limits?\b|\blimit\s+of\s+contacts\b", re.IGNORECASE)
_QUOTED = re.compile(r"(?<!\w)(['\"])(?:.*\1(?!\w)|.*)", re.DOTALL)
"""All from the first quotation mark to the last one, since a quoted value may hold quotation marks itself."""
_ONE_CONTACT = re.compile(r"contacts\[\d+\]")
_SIZE_WORDS = re.compile(r"too large|message larger than max|payload size|body size", re.IGNORECASE)
_LINK = "errors_url"


def says_contact_limit(text: str) -> bool:
    """Return whether a message says that the account has reached the contact limit of its plan.

    The words may also be quoted from a contact: callers that know the contacts look whether one of them has them.
    """
    return bool(_CONTACT_LIMIT.search(text))


def texts(value: object) -> Iterator[str]:
    """Yield every text in a JSON value, except links to errors files and what an entry says about one contact."""
    waiting = [value]
    while waiting:
        part = waiting.pop()
        if isinstance(part, str):
            yield part
        elif isinstance(part, list):
            waiting += reversed(part)
        elif isinstance(part, dict) and not _ONE_CONTACT.search(str(part.get("field"))):
            waiting += [part[name] for name in reversed(part) if name != _LINK]


def _is_about_contact_limit(body: object) -> bool:
    return any(map(says_contact_limit, texts(body)))


def _is_about_size(body: object) -> bool:
    """Return whether a body says that the request is too large, and not that a value of one contact is."""
    if any(_ONE_CONTACT.search(text) for detail in error_details(body) for text in detail):
        return False
    return any(_SIZE_WORDS.search(_QUOTED.sub(" ", text)) for text in texts(body))


_ANY = range(1000)
_NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding raises for bytes that are not JSON, or that are too deeply nested."""

ACTIONS = (
    Rule((429,), Action.WAIT_FOR_RATE_LIMIT),
    Rule((408, *range(500, 600)), Action.RETRY),
    Rule((401,), Action.UNAUTHORIZED),
    Rule(range(400, 500), Action.CONTACT_LIMIT, says=_is_about_contact_limit),
    Rule((403,), Action.FORBIDDEN),
    Rule((404,), Action.NOT_FOUND, is_json=True),
    Rule((413, 414), Action.TOO_LARGE),
    Rule((400,), Action.TOO_LARGE, is_json=True, says=_is_about_size),
    Rule((400, 422), Action.BAD_REQUEST, is_json=True),
    Rule((400, 422), Action.RETRY),  # a proxy's
    Rule(range(400, 500), Action.RETRY_BRIEFLY),
    Rule(range(300, 400), Action.REFUSE_REDIRECT),
    Rule(_ANY, Action.GIVE_UP),
)
"""The table from status to action: the first rule that fits an answer decides."""

_UNAUTHORIZED = (
    "SendGrid refused the API key (401): it is unknown, revoked, malformed or of the other region.",
    "Check `api_key`, and `region` if the account is in the EU.",
)
MARKETING_ACCESS = (
    "Give the key Marketing access (scope `marketing.read`, which gates writes too; there is no `marketing.write`)."
    " Keys of legacy Marketing Campaigns accounts have no access to this API whatever their scopes."
)
"""What to do about a key that may not use contacts, lists or custom fields."""
_RUN_LATER = "Run again later."
_NEXT_STEPS = {
    402: "Check the billing of the SendGrid account.",
    409: _RUN_LATER,
    423: _RUN_LATER,
    425: _RUN_LATER,
    451: "Ask SendGrid's support why it may not serve this account.",
}
_CHECK_PROXIES = "Check `api_url` and the proxies on the way to it. If both are right, run again later."


def action_for(status: int, body: object) -> Action:
    """Return what the target does about an answer.

    Args:
        status: The HTTP status, which is not a success.
        body: The body (`body_of`).
    """
    is_json = isinstance(body, (dict, list))
    return next(
        rule.action
        for rule in ACTIONS
        if status in rule.statuses and (is_json or not rule.is_json) and (rule.says is None or rule.says(body))
    )


def scope_needed(scope: str, *settings: str) -> str:
    """Return what to do about a key that lacks another scope than Marketing access.

    Args:
        scope: The scope, in SendGrid's words.
        settings: The settings that need it.
    """
    named = " and ".join(f"`{setting}`" for setting in settings)
    return f"Give the key the scope `{scope}`, which {named} {'need' if len(settings) > 1 else 'needs'}."


def error_for(
    status: int, content: bytes, *, request: str, what: str, wait_seconds: float | None, access: str = MARKETING_ACCESS
) -> Exception:
    """Return the exception for an answer that is not a success.

    Args:
        status: The HTTP status.
        content: The body.
        request: Method and path of the request, without ids.
        what: What the request was to do, such as ``to read lists``.
        wait_seconds: How many seconds the headers ask to wait; ``None`` when they don't say.
        access: What to do if the key may not send the request.
    """
    body = body_of(content)
    match action_for(status, body):
        case Action.WAIT_FOR_RATE_LIMIT:
            message = f"{request} was rate-limited ({status})"
            return TransientError(message, wait_seconds=wait_seconds, is_rate_limit=True, may_have_been_taken=False)
        case Action.RETRY:
            return TransientError(f"{request} answered {status}")
        case Action.RETRY_BRIEFLY:
            final_error = _repeated_refusal(status, request)
            message = f"{request} answered {status}"
            return TransientError(message, budget_seconds=SHORT_RETRY_SECONDS, final_error=final_error)
        case action:
            return _refusal(action, status, body, request=request, what=what, access=access)


def _refusal(action: Action, status: int, body: object, *, request: str, what: str, access: str) -> SendGridError:
    """Return the error for an answer that would be the same if the request was sent again."""
    error = SendGridError(f"{request} answered {status}, an unknown status.", "Check `api_url`.")
    match action:
        case Action.UNAUTHORIZED:
            error = UnauthorizedError(*_UNAUTHORIZED)
        case Action.FORBIDDEN:
            error = ForbiddenError(f"SendGrid forbids this API key {what} ({status}).", access)
        case Action.CONTACT_LIMIT:
            error = ContactLimitError()
        case Action.NOT_FOUND:
            error = NotFoundError(f"SendGrid does not know what {request} names ({status}).")
        case Action.TOO_LARGE:
            error = TooLargeError(f"SendGrid takes no request of that many bytes ({status}).")
        case Action.BAD_REQUEST:
            error = BadRequestError(f"SendGrid refused {request} ({status}).", error_details(body))
        case Action.REFUSE_REDIRECT:
            why = "a redirect, which is not followed: the key would go along"
            error = SendGridError(f"{request} answered {status}, {why}.", "Check `api_url`.")
    return error


def _repeated_refusal(status: int, request: str) -> SendGridError:
    """Return the error for a refusal that says nothing about what was sent and that retries did not change."""
    what = f"{request} still answers {status} after several tries."
    next_step = _NEXT_STEPS.get(status, _CHECK_PROXIES)
    if status == HTTPStatus.NOT_FOUND:
        return NotFoundError(what, next_step, is_from_sendgrid=False)
    return SendGridError(what, next_step)


def body_of(content: bytes) -> object:
    """Return the body of an answer as a JSON value, or the beginning of its text where it is not JSON."""
    try:
        return msgspec.json.decode(content)
    except _NOT_JSON:
        return content[:300].decode(errors="replace")


def error_details(body: object) -> list[tuple[str, str]]:
    """Return the ``(field, message)`` pairs of an error body, in any of the shapes that SendGrid uses.

    Most endpoints answer ``{"errors": [...]}``, two of them a bare array or a single object, proxies plain text or
    HTML (the vendor's API descriptions, section "errors" of each).
    """
    errors = body.get("errors", [body]) if isinstance(body, dict) else body
    entries = errors if isinstance(errors, list) else [errors]
    fields = [entry for entry in entries if isinstance(entry, dict)]
    return [(str(entry.get("field") or ""), str(entry.get("message") or "")) for entry in fields]


def json_object(content: bytes) -> dict[str, Any]:
    """Return the body of a success as a JSON object.

    Raises:
        TransientError: It is not a JSON object, as when a proxy answers in SendGrid's place.
    """
    return _decoded(content, dict[str, Any])


def _decoded(content: bytes, json_type: type[Shape]) -> Shape:
    """Return the body of a success as JSON of a type.

    Raises:
        TransientError: It is not.
    """
    try:
        return msgspec.json.decode(content, type=json_type)
    except _NOT_JSON:
        message = "an answer was not the JSON that SendGrid documents"
        raise TransientError(message) from None


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


def as_retried_shape(content: bytes, shape: type[Shape]) -> Shape:
    """Return the body of a success as the type that SendGrid documents. If it is not, the request is worth a retry.

    Raises:
        TransientError: It has another type. Its `final_error` is the error of `as_shape`.
    """
    try:
        return as_shape(_decoded(content, object), shape)
    except SendGridError as error:
        message = "an answer was in a shape that the target does not know"
        raise TransientError(message, final_error=error) from None
