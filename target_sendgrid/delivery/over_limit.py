"""New people beyond the account's limit: they are left out, and the run succeeds or fails as the settings say."""

from __future__ import annotations

import logging
from operator import attrgetter
from typing import TYPE_CHECKING

from target_sendgrid.audience.hash_set import HashSet
from target_sendgrid.errors import AccountLimitError, SendGridError
from target_sendgrid.wording import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_sendgrid.delivery.pending import Change
    from target_sendgrid.delivery.state import StateGate
    from target_sendgrid.origin import Origin
    from target_sendgrid.report.report import Report
    from target_sendgrid.sendgrid.client import Client

log = logging.getLogger("target-sendgrid.delivery")


class OverLimit:
    """Notes who was left out, since the account has no room for them.

    Args:
        limit: Most contacts of the account.
        gate: Holds states back.
        is_failure: Whether no state may cover who was left out, and the run is to fail.
    """

    def __init__(self, limit: int, gate: StateGate, *, is_failure: bool) -> None:
        self._limit = limit
        self._gate = gate
        self._is_failure = is_failure
        self._people = HashSet()
        self._first: Origin | None = None

    def note(self, changes: Sequence[Change]) -> None:
        """Note changes that were not sent, before they are taken for settled."""
        if not changes:
            return
        first = min((change.origin for change in changes), key=attrgetter("place"))
        if self._first is None:
            log.warning("The account has no room for more contacts: new people are left out, as the one at %s.", first)
        self._first = first if self._first is None else min(first, self._first, key=attrgetter("place"))
        for change in changes:
            self._people.add(change.identity)
        if self._is_failure:
            self._gate.close_from(first.line)

    def check(self) -> None:
        """Check whether nobody was left out, or may have been.

        Raises:
            AccountLimitError: Somebody was left out, which the settings make a failure.
        """
        if self._first is None or not self._is_failure:
            return
        people = "1 new person was" if len(self._people) == 1 else f"{len(self._people):,} new people were"
        what = (
            f"{people} left out: the account may have {counted(self._limit, 'contact')} (`account_contact_limit`), and"
            f" has no room for them. The first is at {self._first}. People whom SendGrid has were sent."
        )
        next_step = (
            "Raise `account_contact_limit` if the plan allows it, or set `on_account_limit` to `truncate` to go on"
            " without new people. No state that covers them was written, so the next run brings them again."
        )
        raise AccountLimitError(what, next_step)


def count_contacts_after(client: Client, report: Report) -> None:
    """Count the contacts of the account after a run with a limit, for the report."""
    if report.contacts_before is None or report.dry_run is not None:
        return
    try:
        report.contacts_after = client.contact_count()
    except SendGridError as error:  # everything is settled: that is no reason to fail
        log.warning("The contacts of the account could not be counted after the run. %s", error)
