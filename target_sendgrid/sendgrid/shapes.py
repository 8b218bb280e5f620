"""The parts of SendGrid's answers that the client reads, as types, and ids and addresses in them."""

from __future__ import annotations

import re
from typing import Annotated, Any, TypeAlias
from urllib.parse import urlsplit

import msgspec

from target_sendgrid.errors import SendGridError, TransientError
from target_sendgrid.sendgrid import answers

LISTS_PATH = "/v3/marketing/lists"

_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")

Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0)]


class Suppressed(msgspec.Struct):
    """The answer to a request to suppress addresses."""

    recipient_emails: list[str]
    is_global: Any = msgspec.field(default=None, name="global")
    """Whether all mail to them is suppressed. It is part of answers about a group."""


class Unsubscribe(msgspec.Struct):
    """A global suppression."""

    email: str
    created: Any = None


class ListSize(msgspec.Struct):
    """The answer about the number of contacts on a list."""

    contact_count: Count


class ContactsById(msgspec.Struct):
    """The contacts that were asked for by their ids."""

    result: list[dict[str, Any]] | None = None


class Results(msgspec.Struct):
    """Counts of an import job, each absent until it is known."""

    requested_count: Count | None = None
    created_count: Count | None = None
    updated_count: Count | None = None
    errored_count: Count | None = None
    errors_url: str | None = None


class ImportJob(msgspec.Struct):
    """An answer about an import job."""

    status: str
    results: Results | None = None


class Found(msgspec.Struct):
    """What a search says about one identifier."""

    contact: dict[str, Any] | None = None


class FoundContacts(msgspec.Struct):
    """The answer of a search, by the identifier that was asked for."""

    result: dict[str, Found]


def page_of_lists(address: object) -> str:
    """Return path and query of the next page's address. Its host is ignored: only the API may get the key.

    Raises:
        SendGridError: The path is not that of the lists; after the API's host, it could even name another host.
    """
    try:
        parts = urlsplit(str(address))
    except ValueError:
        parts = urlsplit("")
    if parts.path != LISTS_PATH:
        message = "SendGrid named a next page of lists with another path. Check `api_url`."
        raise SendGridError(message)
    return f"{parts.path}?{parts.query}"


def found_contacts(content: bytes) -> dict[str, Found]:
    """Return the result of a search.

    Raises:
        TransientError: There is none, or it has another shape than SendGrid documents.
    """
    return answers.as_retried_shape(content, FoundContacts).result


def job_id(content: bytes) -> str:
    """Return the job id of an answer."""
    return _id_in(content, "job_id", "a job id")


def export_id(content: bytes) -> str:
    """Return the id of the export in an answer."""
    return _id_in(content, "id", "the id of an export")


def _id_in(content: bytes, name: str, label: str) -> str:
    """Return an id of an answer. It is checked because it goes to the log and into addresses.

    Raises:
        TransientError: There is none, or it has other characters than SendGrid's.
    """
    found = answers.json_object(content).get(name)
    if not isinstance(found, str) or not _ID.fullmatch(found):
        message = f"an accepted request came back without {label}"
        raise TransientError(message)
    return found
