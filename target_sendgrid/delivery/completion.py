"""Completion: identifiers that SendGrid holds of a contact and that were not sent.

SendGrid wants every identifier that a contact has in each update of it (the vendor's contacts API description). A
stream need not know those that other systems gave.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from target_sendgrid.delivery.verification import SEARCH_SIZE
from target_sendgrid.sendgrid import contact as contacts
from target_sendgrid.sendgrid.fields import IDENTIFIERS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_sendgrid.delivery.verification import SearchCalls
    from target_sendgrid.sendgrid.contact import Entry


def is_wanted(words: str) -> bool:
    """Tell whether SendGrid's words about a contact may mean that identifiers are missing. They are not documented."""
    return "identifier" in words.lower()


def complete(entries: Mapping[str, Entry], calls: SearchCalls) -> list[str]:
    """Add to contacts the identifiers that SendGrid holds of them.

    Args:
        entries: Contacts by identity; those that lack something are changed.
        calls: SendGrid.

    Returns:
        The identities of those that lacked something.
    """
    completed: dict[str, None] = {}
    sent = {identity: contacts.decode(entry.contact) for identity, entry in entries.items()}
    for kind in IDENTIFIERS:
        identity_of = {str(contact[kind]): identity for identity, contact in sent.items() if kind in contact}
        values = list(identity_of)
        for start in range(0, len(values), SEARCH_SIZE):
            found = calls.find_contacts(kind, values[start : start + SEARCH_SIZE])
            for value, holder in found.items():
                identity = identity_of.get(value)
                if identity is None or holder.get(kind) != value:  # an alternate email is somebody else's
                    continue
                lacking = {
                    name: holder[name] for name in IDENTIFIERS if holder.get(name) and name not in sent[identity]
                }
                if lacking:
                    entries[identity].contact = contacts.merge(entries[identity].contact, contacts.encode(lacking))
                    sent[identity].update(lacking)
                    completed[identity] = None
    return list(completed)
