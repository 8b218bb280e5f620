"""Who is suppressed in SendGrid, as it is before the first record (the setting `skip_suppressed`)."""

from __future__ import annotations

import logging
from collections import defaultdict
from typing import TYPE_CHECKING

from target_sendgrid.audience.hash_set import HashSet
from target_sendgrid.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from typing_extensions import Self

    from target_sendgrid.sendgrid.client import Client

log = logging.getLogger("target-sendgrid.run")

_REQUESTS_PER_LINE = 100
"""After so many requests, a line says how much is read so far."""


class Suppressed:
    """Remembers addresses that SendGrid sends no mail to: no mail at all, or none of an unsubscribe group.

    They are compared casefolded. Which letters SendGrid takes for the same is not known.
    """

    def __init__(self) -> None:
        self._everywhere = HashSet()
        self._by_group: defaultdict[int, HashSet] = defaultdict(HashSet)

    @classmethod
    def read(cls, client: Client, group_ids: Iterable[int]) -> Self:
        """Read from SendGrid who is suppressed.

        Args:
            client: Calls SendGrid.
            group_ids: The unsubscribe groups to be read besides the list of global unsubscribes.

        Raises:
            SendGridError: SendGrid can't be reached, or forbids it.
        """
        suppressed, transport = cls(), client.transport
        requests_before = said_at = transport.request_count
        count = 0
        for group_id, emails in _pages(client, group_ids):
            for email in emails:
                suppressed.add(email, group_id)
            count += len(emails)
            if transport.request_count - said_at >= _REQUESTS_PER_LINE:
                said_at = transport.request_count
                log.info("Read %s so far.", counted(count, "unsubscribe"))
        requests = counted(transport.request_count - requests_before, "request")
        log.info("Read %s in %s.", counted(count, "unsubscribe"), requests)
        return suppressed

    def holds(self, email: str, group_id: int | None) -> bool:
        """Return whether an address gets no mail at all, or none of a group.

        Args:
            email: The address. Other identities (`contact.identity`) are never suppressed.
            group_id: The unsubscribe group, which must have been read; ``None`` for none.
        """
        folded = email.casefold()
        return folded in self._everywhere or (group_id is not None and folded in self._by_group[group_id])

    def add(self, email: str, group_id: int | None) -> None:
        """Add an address that gets no mail of a group any more, or, with ``None``, no mail at all."""
        emails = self._everywhere if group_id is None else self._by_group[group_id]
        emails.add(email.casefold())


def _pages(client: Client, group_ids: Iterable[int]) -> Iterator[tuple[int | None, list[str]]]:
    for page in client.global_suppressions():
        yield None, page
    for group_id in group_ids:
        yield group_id, client.group_suppressions(group_id)
