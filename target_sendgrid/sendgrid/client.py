"""SendGrid's endpoints as typed calls. `transport` sends them, and `answers` says which error each status becomes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

import msgspec

from target_sendgrid.errors import BadRequestError, NotFoundError, SendGridError, TooLargeError
from target_sendgrid.sendgrid import answers, shapes
from target_sendgrid.sendgrid.consent import ConsentCalls
from target_sendgrid.sendgrid.fields import CustomField, FieldCatalogue, FieldType
from target_sendgrid.sendgrid.searches import SearchCalls

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

    from target_sendgrid.sendgrid.contact import Body
    from target_sendgrid.sendgrid.retry import Tries

FINAL_STATUSES = frozenset({"completed", "errored", "failed"})
"""Statuses that an import job keeps (the vendor's contacts API description); with any other it is under way."""
MAX_REMOVAL_PATH_BYTES = 8150
"""Longest path and query of a request that takes contacts off a list or deletes them. The web server refuses request
lines of more than 8,192 bytes (users of other clients have seen 414), and documents no limit of ids."""
MAX_IDS_PER_REMOVAL = 218
"""Most contacts that one request takes off a list or deletes: so many ids of 36 characters fit into it."""

_FIELDS_PATH = "/v3/marketing/field_definitions"
_CONTACTS_PATH = "/v3/marketing/contacts"
_EXPORTS_PATH = f"{_CONTACTS_PATH}/exports"
_LIST_PAGE_SIZE = 1000
_MAX_LIST_PAGES = 100


class ContactList(msgspec.Struct, frozen=True):
    """A list of the account."""

    id: str
    name: str


class ContactCount(msgspec.Struct, frozen=True):
    """How many contacts the account has."""

    contact_count: int
    billable_count: int
    """Contacts that SendGrid bills this month, those that were deleted during the month included."""


class JobStatus(NamedTuple):
    """What SendGrid says about an import job at one moment.

    Attributes:
        status: The status, in SendGrid's words.
        changed_count: Number of contacts that were created or updated, as far as known.
        errored_count: Number of contacts that failed; ``None`` until SendGrid knows it.
        errors_url: Link to the errors file, where there is one.
        says_contact_limit: Whether a text of the answer says that the account has reached the contact limit of its
            plan. Where a failed job says why is not documented.
        requested_count: Number of contacts that the job is about; ``None`` until SendGrid knows it.
    """

    status: str
    changed_count: int
    errored_count: int | None
    errors_url: str | None
    says_contact_limit: bool
    requested_count: int | None = None

    @property
    def is_pending(self) -> bool:
        """Whether the job has yet to reach a final status."""
        return self.status not in FINAL_STATUSES


class ExportStatus(msgspec.Struct, frozen=True):
    """What SendGrid says about an export at one moment.

    Attributes:
        status: `pending`, `ready` or `failure`.
        urls: Links to its files, once it is ready. They open the files to anybody.
        contact_count: Number of contacts in its files; ``None`` where SendGrid does not say it.
    """

    status: str
    urls: list[str] | None = None
    contact_count: shapes.Count | None = None


class Client(ConsentCalls, SearchCalls):
    """Calls SendGrid. Safe to use from one thread at a time."""

    only_reads = False
    """Whether nothing is written: what is created is only what a run would create."""

    def new_tries(self) -> Tries:
        """Return the tries of one request, for code that waits between them itself."""
        return self.transport.new_tries()

    def scopes(self) -> frozenset[str]:
        """Return the scopes of the key.

        Raises:
            UnauthorizedError: The key is not valid.
        """
        answer = self._call("GET", "/v3/scopes", what="to list its scopes")
        return frozenset(answers.as_shape(answer.get("scopes") or [], list[str]))

    # Custom fields

    def field_catalogue(self) -> FieldCatalogue:
        """Return the custom fields of the account."""
        answer = self._call("GET", _FIELDS_PATH, what="to read custom fields")
        # The key is absent when there are none, though the vendor's description requires it.
        return FieldCatalogue(answers.as_shape(answer.get("custom_fields") or [], list[CustomField]))

    def create_field(self, name: str, field_type: FieldType) -> CustomField:
        """Create a custom field. It may take some seconds before contacts can use it."""
        body = {"name": name, "field_type": field_type.value}
        return answers.as_shape(self._call("POST", _FIELDS_PATH, body, what="to create custom fields"), CustomField)

    # Lists

    def lists(self) -> Iterator[ContactList]:
        """Yield every list of the account, page by page."""
        path = f"{shapes.LISTS_PATH}?page_size={_LIST_PAGE_SIZE}"
        for _ in range(_MAX_LIST_PAGES):
            answer = self._call("GET", path, what="to read lists")
            yield from answers.as_shape(answer.get("result") or [], list[ContactList])
            next_page = answers.as_shape(answer.get("_metadata") or {}, dict[str, Any]).get("next")
            if not next_page:
                return
            path = shapes.page_of_lists(next_page)
        message = f"SendGrid's lists do not end after {_MAX_LIST_PAGES} pages. Check `api_url`."
        raise SendGridError(message)

    def find_list(self, list_id: str) -> ContactList | None:
        """Return the list of that id, or ``None``.

        Raises:
            NotFoundError: A proxy has answered 404, which says nothing about the list.
        """
        try:
            answer = self._call("GET", _list_path(list_id), what="to read lists")
        except NotFoundError as error:
            if error.is_from_sendgrid:
                return None
            raise
        except BadRequestError:
            return None
        return answers.as_shape(answer, ContactList)

    def create_list(self, name: str) -> ContactList:
        """Create a list.

        Raises:
            BadRequestError: The name is taken, or the account has the maximum number of lists.
        """
        return answers.as_shape(
            self._call("POST", shapes.LISTS_PATH, {"name": name}, what="to create lists"), ContactList
        )

    def remove_from_list(self, list_id: str, contact_ids: Sequence[str]) -> str:
        """Take contacts off a list and return the id of the job that does it. The contacts stay in the account.

        The request is sent once. The ids travel as one value with commas; SendGrid refuses them in a body (seen by
        users of its own clients).

        Args:
            list_id: The list.
            contact_ids: From 1 to `MAX_IDS_PER_REMOVAL` of SendGrid's own ids of contacts.

        Raises:
            TransientError: The request may succeed later. The job runner repeats it, and does other work meanwhile.
            NotFoundError: SendGrid does not know the list or one of the contacts; nothing is removed.
            TooLargeError: The ids make the URL too long.
            ValueError: There are too many ids, or none.
        """
        path = f"{_list_path(list_id)}/contacts?contact_ids="
        return self._remove(path, contact_ids, what="to remove contacts from lists")

    def list_size(self, list_id: str) -> int:
        """Return how many contacts are on a list. SendGrid counts them some minutes late.

        Raises:
            NotFoundError: SendGrid does not know the list.
        """
        path = f"{_list_path(list_id)}/contacts/count"
        return answers.as_shape(
            self._call("GET", path, what="to count the contacts of lists"), shapes.ListSize
        ).contact_count

    def start_export(self, list_id: str) -> str:
        """Have SendGrid write the contacts of a list to files, as JSON lines, and return the id of the export.

        A request whose answer is lost is sent again, so that there may be another export of which nobody knows.

        Raises:
            NotFoundError: SendGrid does not know the list.
        """
        order = {"list_ids": [list_id], "file_type": "json", "notifications": {"email": False}}
        data = msgspec.json.encode(order)
        return self.transport.request(
            "POST", _EXPORTS_PATH, body=data, what="to export contacts", read=shapes.export_id
        )

    def export_status(self, export_id: str) -> ExportStatus:
        """Return the status of an export.

        Raises:
            NotFoundError: SendGrid does not know the export (yet).
        """
        path = f"{_EXPORTS_PATH}/{quote(export_id, safe='')}"
        return answers.as_shape(self._call("GET", path, what="to read exports"), ExportStatus)

    # Contacts

    def upsert(self, body: Body) -> str:
        """Send one request of contacts, once, and return the id of its import job.

        Args:
            body: JSON object with ``list_ids`` and ``contacts``.

        Raises:
            TransientError: The request may succeed later. The job runner repeats it, and does other work meanwhile.
            BadRequestError: Some contacts make SendGrid refuse all of them.
            NotFoundError: A list is gone.
            TooLargeError: The body has too many bytes.
        """
        return self.transport.attempt("PUT", _CONTACTS_PATH, body=body, what="to write contacts", read=shapes.job_id)

    def delete_contacts(self, contact_ids: Sequence[str]) -> str:
        """Delete contacts from the account, once, and return the id of the job that does it.

        Args:
            contact_ids: From 1 to `MAX_IDS_PER_REMOVAL` of SendGrid's own ids of contacts.

        Raises:
            TransientError: The request may succeed later. The job runner repeats it, and does other work meanwhile.
            NotFoundError: SendGrid does not know one of the contacts. It documents neither this answer nor another.
            TooLargeError: The ids make the URL too long.
            ValueError: There are too many ids, or none.
        """
        return self._remove(f"{_CONTACTS_PATH}?ids=", contact_ids, what="to delete contacts")

    def contact_count(self) -> ContactCount:
        """Return how many contacts the account has. SendGrid tells nobody how many its plan allows."""
        return answers.as_shape(self._call("GET", f"{_CONTACTS_PATH}/count", what="to count contacts"), ContactCount)

    def job_status(self, job_id: str) -> JobStatus:
        """Ask once for the status of an import job.

        Raises:
            TransientError: There was no usable answer, and a later one may be. The job runner asks again.
            NotFoundError: SendGrid does not know the job (yet).
        """
        path = f"{_CONTACTS_PATH}/imports/{quote(job_id, safe='')}"
        return self.transport.attempt("GET", path, what="to read import jobs", read=_job_status)

    def download(self, url: str) -> bytes:
        """Return the file behind a download link.

        Raises:
            SendGridError: The file can't be had.
        """
        return self.transport.download(url)

    def stream(self, url: str) -> AbstractContextManager[Iterator[bytes]]:
        """Give the content of the file behind a download link in pieces (`Transport.stream`)."""
        return self.transport.stream(url)

    def _remove(self, path: str, contact_ids: Sequence[str], *, what: str) -> str:
        """Send the ids of contacts, once, as one value at the end of a path, and return the id of the job."""
        if not 1 <= len(contact_ids) <= MAX_IDS_PER_REMOVAL:
            message = f"One request removes from 1 to {MAX_IDS_PER_REMOVAL} contacts, not {len(contact_ids)}."
            raise ValueError(message)
        path += ",".join(quote(contact_id, safe="") for contact_id in contact_ids)
        if len(path) > MAX_REMOVAL_PATH_BYTES and len(contact_ids) > 1:
            message = f"SendGrid takes no request whose URL has more than {MAX_REMOVAL_PATH_BYTES} bytes."
            raise TooLargeError(message)
        return self.transport.attempt("DELETE", path, what=what, read=shapes.job_id)

    def _call(self, method: str, path: str, body: object = None, *, what: str) -> dict[str, Any]:
        """Send a request with a JSON body, and return the JSON object of the answer."""
        data = None if body is None else msgspec.json.encode(body)
        return self.transport.request(method, path, body=data, what=what, read=answers.json_object)


def _list_path(list_id: str) -> str:
    return f"{shapes.LISTS_PATH}/{quote(list_id, safe='')}"


def _job_status(content: bytes) -> JobStatus:
    """Return what an answer says about an import job.

    Raises:
        TransientError: A part of it has another type than SendGrid documents, or a count is negative.
    """
    job = answers.as_retried_shape(content, shapes.ImportJob)
    results = job.results or shapes.Results()
    return JobStatus(
        status=job.status,
        changed_count=(results.created_count or 0) + (results.updated_count or 0),
        errored_count=results.errored_count,
        errors_url=results.errors_url,
        says_contact_limit=any(map(answers.says_contact_limit, answers.texts(answers.json_object(content)))),
        requested_count=results.requested_count,
    )
