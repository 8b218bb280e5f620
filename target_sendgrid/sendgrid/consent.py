"""SendGrid's endpoints for suppressions and erasure as typed calls. Nothing here lifts a suppression.

The vendor does not declare how these endpoints refuse a request: `answers` reads any status and any body.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from target_sendgrid.errors import Code, SendGridError, TooLargeError
from target_sendgrid.sendgrid import answers, shapes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from target_sendgrid.sendgrid.transport import Answer, Transport

MAX_EMAILS_PER_SUPPRESSION = 1000
"""Most addresses that one request suppresses or looks for. SendGrid documents no limit."""
MAX_EMAILS_PER_ERASURE = 5000
"""Most addresses that one request erases (the vendor's erasure API description)."""
MAX_BYTES_PER_ERASURE = 250_000
"""Largest body of a request to erase. The vendor says 256 KB, and not what a KB is."""

_GROUPS_PATH = "/v3/asm/groups"
_GLOBAL_PATH = "/v3/asm/suppressions/global"
_UNSUBSCRIBES_PATH = "/v3/suppression/unsubscribes"
_ERASURE_PATH = "/v3/recipients/erasejob"
_PAGE_SIZE = 500
"""Largest page of global suppressions (the vendor's suppressions API description)."""

_SUPPRESS = "to suppress people"
_READ_SUPPRESSIONS = "to read suppressions"
_MAY_SUPPRESS = answers.scope_needed("asm.suppressions.global.create", "subscription_property")
_MAY_SUPPRESS_IN_GROUP = answers.scope_needed("asm.groups.suppressions.create", "suppression_group_id")
_MAY_READ_GROUP = answers.scope_needed("asm.groups.suppressions.read", "suppression_group_id")
_MAY_READ_GROUPS = answers.scope_needed("asm.groups.read", "suppression_group_id")
_MAY_READ_UNSUBSCRIBES = answers.scope_needed(
    "suppression.unsubscribes.read", "subscription_property", "skip_suppressed"
)
_MAY_ERASE = answers.scope_needed("recipients.erasejob.create", "on_delete: erase")


class SuppressionGroup(msgspec.Struct, frozen=True):
    """A suppression group of the account, which mail programs show as a kind of mail to unsubscribe from."""

    id: int
    name: str


class ConsentCalls:
    """The calls about consent. `Client` has them, too.

    Args:
        transport: Sends the requests; it belongs to this client alone.
    """

    def __init__(self, transport: Transport) -> None:
        self.transport = transport

    def suppression_groups(self) -> list[SuppressionGroup]:
        """Return the suppression groups of the account."""
        return self._get(
            _GROUPS_PATH, list[SuppressionGroup], what="to read suppression groups", access=_MAY_READ_GROUPS
        )

    def suppress(self, emails: Sequence[str], group_id: int | None) -> set[str]:
        """Suppress addresses, once, and return those that SendGrid says it has suppressed, casefolded.

        Args:
            emails: From 1 to `MAX_EMAILS_PER_SUPPRESSION` addresses.
            group_id: The suppression group; ``None`` suppresses all mail.

        Raises:
            TransientError: The request may succeed later. The job runner repeats it, and does other work meanwhile.
            BadRequestError: SendGrid refuses the addresses.
            SendGridError: SendGrid did not say that it has used the group. It suppresses all mail to people when the
                group is unknown or deleted.
        """
        path = _GLOBAL_PATH if group_id is None else _group_path(group_id)
        access = _MAY_SUPPRESS if group_id is None else _MAY_SUPPRESS_IN_GROUP

        def read(content: bytes) -> set[str]:
            answer = answers.as_retried_shape(content, shapes.Suppressed)
            if group_id is not None and answer.is_global is not False:
                message = (
                    f"SendGrid does not say that it has suppressed people in the suppression group {group_id} only. It"
                    " suppresses all mail to them if the group was deleted."
                )
                next_step = (
                    "See in SendGrid whether the group is there, and check `suppression_group_id` before you run again."
                    " The global suppressions with the time of this run are the people in question."
                )
                raise SendGridError(message, next_step, code=Code.WRONG_GROUP)
            return {email.casefold() for email in answer.recipient_emails}

        data = _emails_body(emails)
        return self.transport.attempt("POST", path, body=data, what=_SUPPRESS, read=read, access=access)

    def group_suppressions(self, group_id: int) -> list[str]:
        """Return all addresses that are suppressed in a group."""
        return self._get(_group_path(group_id), list[str], what=_READ_SUPPRESSIONS, access=_MAY_READ_GROUP)

    def global_suppressions(self) -> Iterator[list[str]]:
        """Yield the addresses to which all mail is suppressed, page by page. An address may be there twice.

        Raises:
            SendGridError: A page is the same as the one before, so that there is no end.
        """
        page: list[shapes.Unsubscribe] = []
        offset = 0
        while True:
            before, path = page, f"{_UNSUBSCRIBES_PATH}?limit={_PAGE_SIZE}&offset={offset}"
            page = self._get(path, list[shapes.Unsubscribe], what=_READ_SUPPRESSIONS, access=_MAY_READ_UNSUBSCRIBES)
            if not page:
                return
            if page == before:
                message = "SendGrid's global suppressions do not end: two pages are the same."
                raise SendGridError(message, "Check `api_url`.")
            yield [entry.email for entry in page]
            offset += len(page)

    def erase(self, emails: Sequence[str]) -> None:
        """Have SendGrid erase what its mail records hold about addresses, by one request that is sent once.

        Contacts and suppressions are not part of it. SendGrid has no way to ask what became of it.

        Args:
            emails: From 1 to `MAX_EMAILS_PER_ERASURE` addresses.

        Raises:
            TransientError: The request may succeed later. The job runner repeats it, and does other work meanwhile.
            BadRequestError: SendGrid refuses some addresses, and has erased none. Its details name them.
            TooLargeError: The body has more than `MAX_BYTES_PER_ERASURE` bytes.
            ValueError: There are too many addresses, or none.
        """
        if not 1 <= len(emails) <= MAX_EMAILS_PER_ERASURE:
            message = f"One request erases from 1 to {MAX_EMAILS_PER_ERASURE} addresses, not {len(emails)}."
            raise ValueError(message)
        data = msgspec.json.encode({"email_addresses": emails})
        if len(data) > MAX_BYTES_PER_ERASURE:
            message = f"SendGrid takes no request to erase with more than {MAX_BYTES_PER_ERASURE} bytes."
            raise TooLargeError(message)
        self.transport.attempt(
            "POST", _ERASURE_PATH, body=data, what="to erase people", read=shapes.job_id, access=_MAY_ERASE
        )

    def _get(self, path: str, shape: type[Answer], *, what: str, access: str) -> Answer:
        """Read an answer of a type."""
        return self.transport.request("GET", path, what=what, read=_reader(shape), access=access)


def _group_path(group_id: int) -> str:
    return f"{_GROUPS_PATH}/{group_id}/suppressions"


def _emails_body(emails: Sequence[str]) -> bytes:
    """Return the body of a request about addresses.

    Raises:
        ValueError: There are too many addresses, or none.
    """
    if not 1 <= len(emails) <= MAX_EMAILS_PER_SUPPRESSION:
        message = f"One request suppresses from 1 to {MAX_EMAILS_PER_SUPPRESSION} addresses, not {len(emails)}."
        raise ValueError(message)
    return msgspec.json.encode({"recipient_emails": emails})


def _reader(shape: type[Answer]) -> Callable[[bytes], Answer]:
    """Return what turns the body of an answer into a type; with another body, the request is sent again."""
    return lambda content: answers.as_retried_shape(content, shape)
