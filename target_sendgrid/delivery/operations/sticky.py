"""Sticky identifiers: those that a contact has, which SendGrid requires in each later update of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from target_sendgrid.delivery import lookups
from target_sendgrid.sendgrid import contact as contacts

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from target_sendgrid.delivery.job import Job
    from target_sendgrid.delivery.pending import Change
    from target_sendgrid.sendgrid.client import Client

MAX_REMEMBERED = 100_000
"""Most people whose identifiers are remembered, which takes about 30 MB. Others are looked up each time."""


class StickyIdentifiers:
    """The identifiers that contacts have in SendGrid and that their records lack, so that a run looks them up once."""

    def __init__(self) -> None:
        self._encoded: dict[str, bytes] = {}
        """Encoded identifiers, by identity; those of nobody else are empty."""

    def contacts_of(self, job: Job) -> Sequence[bytes]:
        """Return the encoded contacts of a job, complete as far as is known."""
        if self._encoded:  # few runs need to look into jobs, which takes time
            changes = job.changes()
            lookups.note_holders(job, (contacts.decode(changes[one].contact) for one in self._add(changes)))
        return job.contacts()

    def _add(self, changes: Mapping[str, Change]) -> list[str]:
        """Add what is known to contacts that lack it, and return their identities.

        Args:
            changes: Changes by identity. The contacts of those that lack an identifier are replaced.
        """
        completed = []
        for identity, change in changes.items():
            encoded = self._encoded.get(identity)
            if encoded is None:
                continue
            whole = contacts.merge(encoded, change.contact)
            if len(whole) > len(change.contact):
                change.contact = whole
                completed.append(identity)
        return completed

    def complete(self, client: Client, changes: Mapping[str, Change], refused: Collection[str]) -> list[str]:
        """Look people up who were refused, and add what their contacts lack. Nobody is looked up twice.

        Args:
            client: SendGrid.
            changes: Changes by identity.
            refused: The identities of those who were refused.

        Returns:
            The identities of those whose contacts lacked an identifier.
        """
        unknown = {identity: changes[identity] for identity in refused if identity not in self._encoded}
        if unknown:
            found = lookups.missing_identifiers(client, unknown)
            for identity in unknown:
                self._encoded[identity] = contacts.encode(found.get(identity, {}))
        completed = self._add({identity: changes[identity] for identity in refused})
        for identity in list(self._encoded)[: max(0, len(self._encoded) - MAX_REMEMBERED)]:
            del self._encoded[identity]
        return completed
