"""Upsert: create or update contacts and add them to lists (``PUT /v3/marketing/contacts``)."""

from __future__ import annotations

import functools
import logging
from typing import TYPE_CHECKING

from target_sendgrid.delivery import lookups
from target_sendgrid.delivery.operation import Submission
from target_sendgrid.delivery.operations import row_errors
from target_sendgrid.delivery.operations.sticky import StickyIdentifiers
from target_sendgrid.delivery.pending import OperationKind
from target_sendgrid.errors import (
    BadRequestError,
    Code,
    ConfigError,
    ContactLimitError,
    NotFoundError,
    SendGridError,
    TooLargeError,
    TransientError,
)
from target_sendgrid.report.report import Bucket
from target_sendgrid.sendgrid.answers import SHORT_RETRY_SECONDS
from target_sendgrid.sendgrid.contact import Body, decode
from target_sendgrid.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from target_sendgrid.clock import Clock
    from target_sendgrid.delivery.job import Job
    from target_sendgrid.sendgrid.client import Client, JobStatus
    from target_sendgrid.sendgrid.lists import ListTracker

log = logging.getLogger("target-sendgrid.delivery")

UNKNOWN_SECONDS = 60.0
"""How long SendGrid may refuse requests for a custom field or a list that is known to exist."""

UNKNOWN_WAIT_SECONDS = 5.0
"""Wait between such requests."""

LOWEST_BYTE_LIMIT = 10_000
"""The byte limit is never lowered below this. A smaller request that is refused for its size is not at fault."""

ACCEPTED_BEFORE_GROWTH = 8
"""After so many accepted requests near the lowered limit it is doubled. The number doubles each time that fails."""

_MISSING_IDENTIFIERS = "identifier"


def upsert_kind(max_contacts: int, max_bytes: int, *, creates_contacts: bool = True) -> OperationKind:
    """Return what the batcher needs to know of upserts.

    Args:
        max_contacts: Most contacts of one request.
        max_bytes: Most bytes of one request's body.
        creates_contacts: Whether people are created who are not in the account.
    """
    return OperationKind(
        job_name="import job",
        max_contacts=max_contacts,
        max_bytes=max_bytes,
        overhead_bytes=functools.cache(lambda list_ids: len(Body(list_ids, ()))),
        unites_lists=True,
        bucket=Bucket.UPSERTED,
        creates_contacts=creates_contacts,
    )


class Upsert:
    """Sends contacts.

    Args:
        kind: The limits of requests (`upsert_kind`).
        client: SendGrid.
        clock: Where time comes from.
        list_tracker: The lists' ids as they are now.
        field_name: Returns the name of a custom field, given its id.
    """

    is_proven_by_completion = True
    unconfirmed = "SendGrid does not hold the contact as it was sent"

    def __init__(
        self,
        kind: OperationKind,
        client: Client,
        clock: Clock,
        *,
        list_tracker: ListTracker,
        field_name: Callable[[str], str],
    ) -> None:
        self.kind = kind
        self.max_bytes: int | None = None
        self._accepted_in_row = 0
        """Number of requests near the limit that were accepted since it last changed."""
        self._accepted_before_growth = ACCEPTED_BEFORE_GROWTH
        self._client = client
        self._clock = clock
        self._list_tracker = list_tracker
        self._field_name = field_name
        self._sticky = StickyIdentifiers()

    def submit(self, job: Job) -> Submission | None:
        """Send a job's contacts; wait where SendGrid does not know a new field or list yet; recreate deleted lists."""
        list_ids, contacts = job.purpose.list_ids, self._sticky.contacts_of(job)
        deadline = self._clock.monotonic() + UNKNOWN_SECONDS
        has_recreated = False
        while True:
            current = self._list_tracker.current(list_ids)
            body = Body(current, contacts)
            try:
                return Submission(self._upsert(body, len(contacts)), current, len(body), len(contacts))
            except ContactLimitError:
                if row_errors.has_limit_words(contacts):  # SendGrid may have quoted one of them
                    message = "SendGrid refused contacts, with words that one of them has as well."
                    raise BadRequestError(message, []) from None
                raise
            except (NotFoundError, BadRequestError) as error:
                if isinstance(error, NotFoundError) and not error.is_from_sendgrid:
                    raise
                details = error.details if isinstance(error, BadRequestError) else None
                unknown_fields = row_errors.unknown_fields(details or ())
                if unknown_fields:
                    message, code = self._unknown_fields_message(unknown_fields), Code.FIELD_REFUSED
                elif details is None or row_errors.is_about_lists(details):
                    is_recreated = self._list_tracker.recreate(list_ids)
                    if is_recreated and not has_recreated:
                        has_recreated = True
                        continue
                    message, code = self._unknown_lists_message(list_ids), Code.LIST_DELETED
                else:
                    raise
            if self._clock.monotonic() >= deadline:
                raise ConfigError(message, code=code)
            self._clock.sleep(UNKNOWN_WAIT_SECONDS)

    def refused(self, job: Job, error: BadRequestError) -> dict[str, str]:
        """Return the reasons for the contacts that the error names by their index in the request, or by their email."""
        return row_errors.refused_contacts(error.details, list(job.changes()))

    def row_errors(self, job: Job, status: JobStatus) -> dict[str, str]:
        """Return the reasons in the job's errors file, by identity."""
        return row_errors.failed_in_job(self._client, job, status)

    def amend(self, job: Job, reasons: Mapping[str, str], *, are_at_fault: bool) -> list[str]:
        """Add the identifiers that SendGrid has, where its words say that identifiers are missing.

        The words are undocumented: "provide all identifiers" was reported. What a look-up finds needs no other proof,
        so nobody need be at fault: all contacts of an account may have such an identifier.
        """
        if are_at_fault:
            return []
        refused = (identity for identity, reason in reasons.items() if is_missing_identifiers(reason))
        changes = job.changes()
        completed = self._sticky.complete(self._client, changes, list(refused))
        lookups.note_holders(job, (decode(changes[identity].contact) for identity in completed))
        if completed:
            log.info("Sending %s again with all their identifiers.", counted(len(completed), "contact"))
        return completed

    def confirm(self, job: Job, identities: Collection[str]) -> set[str]:
        """Return those of some people whom the account holds as sent, on all lists."""
        changes = job.changes()
        list_ids = self._list_tracker.current(job.purpose.list_ids)
        return lookups.stored(self._client, {one: changes[one] for one in identities}, list_ids, self._field_name)

    def _upsert(self, body: Body, count: int) -> str:
        """Send a body, unless one of its size was refused before. A single contact is always tried."""
        size = len(body)
        if self.max_bytes is not None and size > self.max_bytes and count > 1:
            message = f"SendGrid has refused requests of more than {self.max_bytes} bytes."
            raise TooLargeError(message)
        try:
            job_id = self._client.upsert(body)
        except TooLargeError:
            if size <= LOWEST_BYTE_LIMIT:
                what = f"SendGrid, or a proxy, refused a request of only {size:,} bytes for its size"
                final_error = SendGridError(
                    f"{what}, again and again.", "Check `api_url` and proxies.", code=Code.REQUEST_REFUSED
                )
                raise TransientError(
                    what, budget_seconds=SHORT_RETRY_SECONDS, may_have_been_taken=False, final_error=final_error
                ) from None
            self._lower_limit(size)
            raise
        if self.max_bytes is not None and size > self.max_bytes // 2:
            self._accepted_in_row += 1
            if self._accepted_in_row >= self._accepted_before_growth:
                self._raise_limit()
        return job_id

    def _lower_limit(self, refused_bytes: int) -> None:
        if self.max_bytes is not None:  # raising the limit had no effect, or it was still too high
            self._accepted_before_growth *= 2
        self._accepted_in_row = 0
        limit = max(refused_bytes // 2, LOWEST_BYTE_LIMIT)
        self.max_bytes = min(self.max_bytes or limit, limit)
        log.warning(
            "SendGrid refused a request of %s bytes: sending at most %s bytes in each for now.",
            f"{refused_bytes:,}",
            f"{self.max_bytes:,}",
        )

    def _raise_limit(self) -> None:
        self._accepted_in_row = 0
        if self.max_bytes is not None:
            self.max_bytes *= 2
            if self.max_bytes >= self.kind.max_bytes:
                self.max_bytes = None

    def _unknown_fields_message(self, field_ids: list[str]) -> str:
        named = [(field_id, self._field_name(field_id)) for field_id in field_ids]
        # An id that no field has is SendGrid's own text, which could quote anything.
        names = ", ".join(f"'{name}'" for field_id, name in named if name != field_id) or "that was sent"
        return (
            f"SendGrid does not accept the custom field {names}: it may have been deleted during the run. Check the"
            " custom fields in SendGrid and run again."
        )

    def _unknown_lists_message(self, list_ids: tuple[str, ...]) -> str:
        return (
            f"SendGrid does not accept contacts for the list {self._list_tracker.label(list_ids)}, though it shows that"
            " list. Run again later."
        )


def is_missing_identifiers(reason: str) -> bool:
    """Return whether SendGrid's reason for a failed contact may mean that identifiers are missing."""
    return _MISSING_IDENTIFIERS in reason.lower()
