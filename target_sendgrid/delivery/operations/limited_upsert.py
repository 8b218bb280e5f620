"""Upsert under a limit of the account: nobody is created for whom the account has no room."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from target_sendgrid.delivery import lookups
from target_sendgrid.delivery.operations.upsert import Upsert
from target_sendgrid.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from target_sendgrid.audience.account_limit import AccountLimit
    from target_sendgrid.clock import Clock
    from target_sendgrid.delivery.job import Job
    from target_sendgrid.delivery.operation import Submission
    from target_sendgrid.delivery.pending import Change, OperationKind
    from target_sendgrid.sendgrid.client import Client
    from target_sendgrid.sendgrid.lists import ListTracker

log = logging.getLogger("target-sendgrid.delivery")


class LimitedUpsert(Upsert):
    """Sends those contacts that are in the account, and others as long as it has room.

    Args:
        kind: As of `Upsert`.
        client: As of `Upsert`.
        clock: As of `Upsert`.
        list_tracker: As of `Upsert`.
        field_name: As of `Upsert`.
        account_limit: The limit.
    """

    def __init__(
        self,
        kind: OperationKind,
        client: Client,
        clock: Clock,
        *,
        list_tracker: ListTracker,
        field_name: Callable[[str], str],
        account_limit: AccountLimit,
    ) -> None:
        super().__init__(kind, client, clock, list_tracker=list_tracker, field_name=field_name)
        self._account_limit = account_limit
        self._has_logged_room = not account_limit.room  # preflight has warned if there is none

    def submit(self, job: Job) -> Submission | None:
        """Look people up, 100 in a request, before they are first sent; settle those for whom there is no room.

        Contacts that are sent again were admitted before, and are not looked up.
        """
        if not self._has_logged_room:
            self._has_logged_room = True
            log.info("%s", self._account_limit.sentence)
        if not self._account_limit.is_out_of_reach:
            job.leave_out_over_limit(self._beyond(job.changes()))
        return super().submit(job) if job.count else None

    def _beyond(self, changes: Mapping[str, Change]) -> list[str]:
        """Return the people for whom there is no room.

        Before anybody is left out, all who are not found are looked up once more after a minute: a contact that was
        just created is visible after about half a minute, and one answer of a proxy proves nothing.
        """
        limit = self._account_limit
        absent = self._without_known({who: change for who, change in changes.items() if not limit.was_admitted(who)})
        if len(absent) > limit.room:
            log.info(
                "%s not in the account, and there is room for %s: looking them up once more in %.0f s.",
                counted(len(absent), "contact"),
                f"{limit.room:,}",
                lookups.ABSENT_SECONDS,
            )
            self._clock.sleep(lookups.ABSENT_SECONDS)
            absent = self._without_known(absent)
        return limit.admit_new(in_order(absent.values()))

    def _without_known(self, changes: dict[str, Change]) -> dict[str, Change]:
        """Look people up, admit those whom the account has, and return the others.

        Then contacts are counted: among those found, some may have been created since the last count.
        """
        found = dict(lookups.find_people(self._client, changes))
        self._account_limit.admit_known(found)
        absent = {identity: change for identity, change in changes.items() if identity not in found}
        if absent:
            self._account_limit.note_count(self._client.contact_count())
        return absent


def in_order(changes: Collection[Change]) -> list[str]:
    """Return the identities of changes in the order of their first records."""
    ordered = sorted(changes, key=lambda change: change.origin.place)
    return [change.identity for change in ordered]
