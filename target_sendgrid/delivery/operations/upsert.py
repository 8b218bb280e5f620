"""Sending: one request of contacts, and patience with what SendGrid does not know yet or no longer."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NamedTuple, Protocol

from target_sendgrid.delivery.batching import Body
from target_sendgrid.delivery.operations import refusals
from target_sendgrid.errors import BadRequestError, ConfigError, NotFoundError, TooLargeError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from target_sendgrid.clock import Clock

log = logging.getLogger("target-sendgrid.delivery")

UNKNOWN_SECONDS = 60.0
"""How long a request may be refused for a custom field or a list that is known to exist."""

UNKNOWN_WAIT_SECONDS = 5.0

LOWEST_BYTE_LIMIT = 10_000
"""What the byte limit never sinks below, however small the requests are that SendGrid refuses for their size."""


class ListTracker(Protocol):
    """Which lists contacts go to today."""

    def current(self, list_ids: tuple[str, ...]) -> tuple[str, ...]:
        """Return the ids that lists have now."""

    def recreate(self, list_ids: tuple[str, ...]) -> bool:
        """Find lists anew that are gone; tell whether one has another id now."""

    def label(self, list_ids: tuple[str, ...]) -> str:
        """Name lists as a user knows them."""


class UpsertCalls(Protocol):
    """What sending needs of SendGrid."""

    def upsert(self, body: Body) -> str:
        """Send contacts and return a job id."""


class Sent(NamedTuple):
    """A request that SendGrid has accepted."""

    job_id: str
    list_ids: tuple[str, ...]
    byte_count: int


class Sender:
    """Sends contacts.

    Args:
        calls: SendGrid.
        clock: Where time comes from.
        destinations: Where contacts go.
        field_name: Gives the name of a custom field by its id.
    """

    def __init__(
        self, calls: UpsertCalls, clock: Clock, list_tracker: ListTracker, field_name: Callable[[str], str]
    ) -> None:
        self._calls = calls
        self._clock = clock
        self._list_tracker = list_tracker
        self._field_name = field_name
        self.max_bytes: int | None = None
        """Most bytes of a request, once SendGrid has refused one for its size."""

    def send(self, list_ids: tuple[str, ...], contacts: Collection[bytes]) -> Sent:
        """Send encoded contacts to lists, given by the ids that streams found them by.

        Raises:
            TooLargeError: It takes smaller requests.
            BadRequestError: SendGrid does not like some of the contacts.
            ConfigError: A list or a custom field is gone.
        """
        deadline = self._clock.monotonic() + UNKNOWN_SECONDS
        has_renewed = False
        while True:
            current = self._list_tracker.current(list_ids)
            body = Body(current, contacts)
            try:
                return Sent(self._upsert(body, len(contacts)), current, len(body))
            except (NotFoundError, BadRequestError) as error:
                details = error.details if isinstance(error, BadRequestError) else None
                unknown_fields = refusals.unknown_fields(details or ())
                if unknown_fields:
                    message = self._without_fields(unknown_fields)
                elif details is None or refusals.is_about_lists(details):
                    is_renewed = self._list_tracker.recreate(list_ids)
                    if is_renewed and not has_renewed:
                        has_renewed = True
                        continue
                    message = self._without_lists(list_ids)
                else:
                    raise
            if self._clock.monotonic() >= deadline:
                raise ConfigError(message)
            self._clock.sleep(UNKNOWN_WAIT_SECONDS)

    def _upsert(self, body: Body, count: int) -> str:
        """Send a body, unless one of its size was refused already. A single contact is always tried."""
        if self.max_bytes is not None and len(body) > self.max_bytes and count > 1:
            message = f"SendGrid has refused requests of more than {self.max_bytes} bytes."
            raise TooLargeError(message)
        try:
            return self._calls.upsert(body)
        except TooLargeError:
            limit = max(len(body) // 2, LOWEST_BYTE_LIMIT)
            self.max_bytes = min(self.max_bytes or limit, limit)
            log.warning(
                "SendGrid refused %s bytes: sending at most %s a request.", f"{len(body):,}", f"{self.max_bytes:,}"
            )
            raise

    def _without_fields(self, field_ids: list[str]) -> str:
        named = [(field_id, self._field_name(field_id)) for field_id in field_ids]
        # An id that no field has is a word of SendGrid's: it could quote anything.
        names = ", ".join(f"'{name}'" for field_id, name in named if name != field_id) or "that was sent"
        return (
            f"SendGrid does not accept the custom field {names}: it may have been deleted while the run went on. Check"
            " the custom fields in SendGrid and run again."
        )

    def _without_lists(self, list_ids: tuple[str, ...]) -> str:
        return (
            f"SendGrid does not take contacts for the list {self._list_tracker.label(list_ids)}, though it shows that"
            " list. Run again later."
        )
