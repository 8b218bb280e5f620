"""SendGrid's endpoints as typed calls: one session, one table from status to error, paced by SendGrid's headers.

Nothing else in the target knows HTTP. No error message and no log line made here quotes a body, since SendGrid's
answers quote email addresses.
"""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar
from urllib.parse import quote, urlsplit

import msgspec
import requests

from target_sendgrid.errors import (
    BadRequestError,
    ForbiddenError,
    NotFoundError,
    SendGridError,
    TooLargeError,
    TransientError,
    UnauthorizedError,
    UnreachableError,
)
from target_sendgrid.sendgrid import transport
from target_sendgrid.sendgrid.fields import CustomField, FieldCatalogue, FieldType
from target_sendgrid.sendgrid.retry import RetryPolicy, seconds_until_reset

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from target_sendgrid.clock import Clock

Answer = TypeVar("Answer")

log = logging.getLogger("target-sendgrid.sendgrid")

STARTUP_RETRY_SECONDS = 20.0
RUN_RETRY_SECONDS = 300.0

_LIST_PAGE_SIZE = 1000
_MAX_LIST_PAGES = 100
_LISTS_PATH = "/v3/marketing/lists"
_JOB_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")
_TRANSIENT_STATUSES = frozenset({408, 500, 502, 503, 504})
_SIZE_WORDS = ("too large", "message larger than max", "payload size", "body size")

_UNAUTHORIZED = (
    "SendGrid refused the API key (401): it is unknown, revoked, malformed or of the other region. Check `api_key`, and"
    " `region` if the account is in the EU."
)
_FORBIDDEN = (
    "SendGrid forbids this API key {what} (403). Give the key Marketing access (scope `marketing.read`, which gates"
    " writes too; there is no `marketing.write`). Keys of legacy Marketing Campaigns accounts have no access to this"
    " API whatever their scopes."
)


class ContactList(msgspec.Struct, frozen=True):
    """A list of the account."""

    id: str
    name: str


class _Results(msgspec.Struct):
    """Counts of an import job, each absent until it is known."""

    created_count: int = 0
    updated_count: int = 0
    errored_count: int | None = None
    errors_url: str | None = None


class JobStatus(NamedTuple):
    """An import job as it stands. The count of errors is ``None`` until SendGrid knows it."""

    status: str
    changed_count: int
    errored_count: int | None
    errors_url: str | None
    error_text: str

    @property
    def is_pending(self) -> bool:
        """Whether the job has yet to reach a final status."""
        return self.status not in {"completed", "errored", "failed"}


class Pieces(Protocol):
    """A request's body in pieces, which may be sent more than once; its length is that of all, in bytes."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[bytes]: ...


class Client:
    """Calls SendGrid. Safe to use from one thread at a time.

    Args:
        base_url: Address of the API, without a slash at the end.
        api_key: The key; kept in the session's headers only.
        clock: Where time comes from.
        on_behalf_of: Subuser to act for.
        timeout_seconds: Longest wait for an answer.
        retry: How passing faults are borne.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str,
        *,
        clock: Clock,
        on_behalf_of: str | None = None,
        timeout_seconds: float = 60.0,
        retry: RetryPolicy | None = None,
    ) -> None:
        self._base_url = base_url
        self._host = urlsplit(base_url).hostname
        self._clock = clock
        self._timeout_seconds = timeout_seconds
        self._retry = retry or RetryPolicy(clock)
        self._resume_at: dict[str, float] = {}
        self._session = transport.make_session(base_url)
        self._session.headers.update({"Authorization": f"Bearer {api_key}", "Accept": "application/json"})
        if on_behalf_of:
            self._session.headers["on-behalf-of"] = on_behalf_of
        self.retry_budget_seconds = STARTUP_RETRY_SECONDS
        self.request_count = 0

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def scopes(self) -> frozenset[str]:
        """Return the scopes of the key.

        Raises:
            UnauthorizedError: The key is not valid.
        """
        answer = self._call("GET", "/v3/scopes", what="to list its scopes")
        return frozenset(_shaped(answer.get("scopes") or [], list[str]))

    def field_catalogue(self) -> FieldCatalogue:
        """Return the custom fields of the account."""
        answer = self._call("GET", "/v3/marketing/field_definitions", what="to read custom fields")
        # The key is absent when there are none, though the vendor's description requires it.
        return FieldCatalogue(_shaped(answer.get("custom_fields") or [], list[CustomField]))

    def create_field(self, name: str, field_type: FieldType) -> CustomField:
        """Create a custom field. It may take some seconds before contacts can use it."""
        body = {"name": name, "field_type": field_type.value}
        answer = self._call("POST", "/v3/marketing/field_definitions", body=body, what="to create custom fields")
        return _shaped(answer, CustomField)

    def lists(self) -> Iterator[ContactList]:
        """Yield every list of the account, page by page."""
        url = f"{_LISTS_PATH}?page_size={_LIST_PAGE_SIZE}"
        for _ in range(_MAX_LIST_PAGES):
            answer = self._call("GET", url, what="to read lists")
            yield from _shaped(answer.get("result") or [], list[ContactList])
            following = (answer.get("_metadata") or {}).get("next")
            if not following:
                return
            url = _page_of_lists(following)
        message = f"SendGrid's lists do not end after {_MAX_LIST_PAGES} pages. Check `api_url`."
        raise SendGridError(message)

    def find_list(self, list_id: str) -> ContactList | None:
        """Return the list of that id, or ``None``."""
        try:
            answer = self._call("GET", f"/v3/marketing/lists/{quote(list_id, safe='')}", what="to read lists")
        except (NotFoundError, BadRequestError):
            return None
        return _shaped(answer, ContactList)

    def create_list(self, name: str) -> ContactList:
        """Create a list.

        Raises:
            BadRequestError: There is one of that name already, or the account has as many as it may.
        """
        answer = self._call("POST", "/v3/marketing/lists", body={"name": name}, what="to create lists")
        return _shaped(answer, ContactList)

    def upsert(self, body: Pieces | bytes) -> str:
        """Send one request of contacts and return the id of its import job.

        Args:
            body: JSON object with ``list_ids`` and ``contacts``.

        Raises:
            BadRequestError: Some contacts make SendGrid refuse all of them.
            NotFoundError: A list is gone.
            TooLargeError: The body has too many bytes.
        """
        return self._retrying("PUT", "/v3/marketing/contacts", body, "to write contacts", _job_id)

    def job(self, job_id: str) -> JobStatus:
        """Return how an import job stands.

        Raises:
            NotFoundError: SendGrid does not know the job (yet).
        """
        path = f"/v3/marketing/contacts/imports/{quote(job_id, safe='')}"
        answer = self._call("GET", path, what="to read import jobs")
        results = _shaped(answer.get("results") or {}, _Results)
        # Where a failed job says why was never recorded, so the whole answer is kept to look through.
        text = msgspec.json.encode(answer).decode()
        changed_count = results.created_count + results.updated_count
        return JobStatus(str(answer.get("status")), changed_count, results.errored_count, results.errors_url, text)

    def find_contacts(self, kind: str, identifiers: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Return the contacts with these identifiers, by the identifier that was asked for.

        Args:
            kind: ``email``, ``phone_number_id``, ``external_id`` or ``anonymous_id``.
            identifiers: At most 100.
        """
        if kind == "email":
            path, body = "/v3/marketing/contacts/search/emails", {"emails": list(identifiers)}
        else:
            path, body = f"/v3/marketing/contacts/search/identifiers/{kind}", {"identifiers": list(identifiers)}
        try:
            answer = self._call("POST", path, body=body, what="to look contacts up")
        except NotFoundError:
            return {}
        except BadRequestError:
            if len(identifiers) == 1:
                return {}
            middle = len(identifiers) // 2
            return self.find_contacts(kind, identifiers[:middle]) | self.find_contacts(kind, identifiers[middle:])
        found = _shaped(answer.get("result") or {}, dict[str, dict[str, Any]])
        return {key: entry["contact"] for key, entry in found.items() if entry.get("contact")}

    def download(self, url: str) -> bytes:
        """Return the file behind a download link, which gets no key.

        Raises:
            SendGridError: The file can't be had.
        """
        return transport.download(
            url,
            self._clock,
            timeout_seconds=self._timeout_seconds,
            is_loopback_allowed=self._base_url.startswith("http://"),  # which is on loopback, as the settings check
        )

    def _call(self, method: str, url: str, *, what: str, body: object = None) -> dict[str, Any]:
        data = None if body is None else msgspec.json.encode(body)
        return self._retrying(method, url, data, what, _json_object)

    def _retrying(
        self, method: str, url: str, data: Pieces | bytes | None, what: str, read: Callable[[bytes], Answer]
    ) -> Answer:
        def attempt() -> Answer:
            return read(self._send(method, url, data, what))

        try:
            return self._retry.call(attempt, retry_budget_seconds=self.retry_budget_seconds)
        except TransientError as error:
            if self.retry_budget_seconds == STARTUP_RETRY_SECONDS:
                advice = "Nothing was sent. Check `api_url` and the network, and run again."
            else:
                advice = "What SendGrid has confirmed stays; run again to send the rest."
            message = f"SendGrid could not be reached at {self._host} {what}: {error}. {advice}"
            raise UnreachableError(message) from None

    def _send(self, method: str, url: str, data: Pieces | bytes | None, what: str) -> bytes:
        """Send one request, once, and return the body of a 2xx answer."""
        bucket = f"{method} {_template(url)}"
        self._wait_for_rate_limit(bucket)
        self.request_count += 1
        headers = {"Content-Type": "application/json"} if data is not None else None
        try:
            with self._session.request(
                method,
                self._base_url + url,
                data=data,
                headers=headers,
                timeout=self._timeout_seconds,
                allow_redirects=False,
                stream=True,
            ) as response:
                content = transport.read(response, self._clock)
        except requests.exceptions.SSLError:
            message = f"The TLS certificate of {self._host} can't be trusted. Check `api_url` and proxies."
            raise SendGridError(message) from None
        except requests.RequestException as error:
            what_happened = f"{method} {_template(url)} failed ({_words(error)})"
            raise TransientError(what_happened) from None
        log.debug("%s -> %d (%d bytes)", bucket, response.status_code, len(content))
        self._note_rate_limit(bucket, response.headers)
        if response.ok and response.status_code < requests.codes.multiple_choices:
            return content
        raise self._error(bucket, response.status_code, response.headers, content, what)

    def _error(self, bucket: str, status: int, headers: Mapping[str, str], content: bytes, what: str) -> Exception:
        """Return the error that stands for a status: the one table of what each means."""
        details = _error_details(content)
        is_about_size = any(word in message.lower() for _, message in details for word in _SIZE_WORDS)
        by_status: dict[int, Exception] = {
            401: UnauthorizedError(_UNAUTHORIZED),
            403: ForbiddenError(_FORBIDDEN.format(what=what)),
            404: NotFoundError(f"SendGrid does not know what {bucket} names (404)."),
            413: TooLargeError("SendGrid takes no request of that many bytes (413)."),
        }
        if status == requests.codes.too_many_requests:
            wait = seconds_until_reset(headers, self._clock.now())
            return TransientError(f"{bucket} was refused for pace (429)", wait_seconds=wait, is_rate_limit=True)
        if is_about_size:
            return TooLargeError(f"SendGrid takes no request of that many bytes ({status}).")
        if status in by_status:
            return by_status[status]
        if status in _TRANSIENT_STATUSES:
            return TransientError(f"{bucket} answered {status}")
        if requests.codes.bad_request <= status < requests.codes.internal_server_error:
            return BadRequestError(f"SendGrid refused {bucket} ({status}).", details)
        is_redirect = requests.codes.multiple_choices <= status < requests.codes.bad_request
        why = "a redirect, which is not followed: the key would go along" if is_redirect else "an unknown status"
        return SendGridError(f"{bucket} answered {status}, {why}. Check `api_url`.")

    def _wait_for_rate_limit(self, bucket: str) -> None:
        wait = self._resume_at.pop(bucket, 0.0) - self._clock.monotonic()
        if wait > 0:
            log.info("Waiting %.0f s for SendGrid's rate limit of %s.", wait, bucket)
            self._clock.sleep(wait)

    def _note_rate_limit(self, bucket: str, headers: Mapping[str, str]) -> None:
        """Remember that a bucket is empty, so that the next request waits instead of being refused."""
        if headers.get("x-ratelimit-remaining") == "0":
            wait = seconds_until_reset(headers, self._clock.now())
            if wait is not None:
                self._resume_at[bucket] = self._clock.monotonic() + wait


def _template(url: str) -> str:
    """Return the path without query and ids: what SendGrid counts requests by, and what may be logged."""
    parts = urlsplit(url).path.split("/")
    known = {"v3", "marketing", "contacts", "imports", "lists", "field_definitions", "search", "emails", "identifiers"}
    known |= {"scopes", "phone_number_id", "external_id", "anonymous_id"}
    return "/".join(part if part in known or not part else "{id}" for part in parts)


def _words(error: requests.RequestException) -> str:
    """Return the system's own words for what cut a request off, such as "Connection refused", or the error's name."""
    cause: object = error
    while isinstance(cause, BaseException):
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = cause.__cause__ or cause.__context__
    return type(error).__name__


def _page_of_lists(address: object) -> str:
    """Return path and query of the next page's address: whatever host it names, the key goes to the API's alone.

    Raises:
        SendGridError: Its path is another; put behind the API's host, it could even make another host of that.
    """
    try:
        parts = urlsplit(str(address))
    except ValueError:
        parts = urlsplit("")
    if parts.path != _LISTS_PATH:
        message = "SendGrid named a next page of lists that is none. Check `api_url`."
        raise SendGridError(message)
    return f"{parts.path}?{parts.query}"


def _json_object(content: bytes) -> dict[str, Any]:
    try:
        answer: dict[str, Any] = msgspec.json.decode(content, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError):
        message = "an answer was not the JSON that SendGrid documents"
        raise TransientError(message) from None
    return answer


def _shaped(answer: object, shape: type[Answer]) -> Answer:
    """Return an answer as the type that it should have.

    Raises:
        SendGridError: It has another shape.
    """
    try:
        return msgspec.convert(answer, shape)
    except msgspec.ValidationError:
        message = "SendGrid answered in a shape that the target does not know. Check `api_url`."
        raise SendGridError(message) from None


def _job_id(content: bytes) -> str:
    job_id = _json_object(content).get("job_id")
    if not isinstance(job_id, str) or not _JOB_ID.fullmatch(job_id):  # it goes to the log, and into addresses
        message = "an accepted request came back without a job id"
        raise TransientError(message)
    return job_id


def _error_details(content: bytes) -> list[tuple[str, str]]:
    """Return ``(field, message)`` pairs of an error body in any of the shapes SendGrid uses.

    Most endpoints answer ``{"errors": [...]}``, two of them a bare array or a single object, proxies plain text or
    HTML (the vendor's API descriptions; section "errors" of each).
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
