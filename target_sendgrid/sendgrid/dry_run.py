"""A client that only reads: what a run would create is not created, and gets an id that no list or field has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from target_sendgrid.sendgrid.client import Client, ContactList
from target_sendgrid.sendgrid.fields import CustomField

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

    from target_sendgrid.sendgrid.contact import Body
    from target_sendgrid.sendgrid.fields import FieldType

_NEW = "new: "
"""Start of the id of what is not created. SendGrid's own ids have no blanks."""


class ReadingClient(Client):
    """Calls those endpoints of SendGrid that only read.

    Exports count as reading: SendGrid recommends regular ones as a backup, and they change no contact and no list. An
    export leaves an entry in the account's list of exports, and its files with SendGrid for three days.
    """

    only_reads = True

    def create_field(self, name: str, field_type: FieldType) -> CustomField:
        """Return the custom field that a run would create."""
        return CustomField(_NEW + name, name, field_type)

    def create_list(self, name: str) -> ContactList:
        """Return the list that a run would create."""
        return ContactList(_NEW + name, name)

    def upsert(self, body: Body) -> NoReturn:
        """Refuse to send contacts: a dry run that comes here has a mistake.

        Raises:
            LookupError: Always.
        """
        del body
        message = "a dry run sends no contacts"
        raise LookupError(message)

    def remove_from_list(self, list_id: str, contact_ids: Sequence[str]) -> NoReturn:
        """Refuse to remove contacts: a dry run that comes here has a mistake.

        Raises:
            LookupError: Always.
        """
        del list_id, contact_ids
        message = "a dry run removes no contacts"
        raise LookupError(message)

    def suppress(self, emails: Sequence[str], group_id: int | None) -> NoReturn:
        """Refuse to suppress people: a dry run that comes here has a mistake.

        Raises:
            LookupError: Always.
        """
        del emails, group_id
        message = "a dry run suppresses nobody"
        raise LookupError(message)

    def delete_contacts(self, contact_ids: Sequence[str]) -> NoReturn:
        """Refuse to delete contacts: a dry run that comes here has a mistake.

        Raises:
            LookupError: Always.
        """
        del contact_ids
        message = "a dry run deletes no contacts"
        raise LookupError(message)

    def erase(self, emails: Sequence[str]) -> NoReturn:
        """Refuse to erase people: a dry run that comes here has a mistake.

        Raises:
            LookupError: Always.
        """
        del emails
        message = "a dry run erases nobody"
        raise LookupError(message)


def is_new(list_id: str) -> bool:
    """Return whether a list is one that a run would create."""
    return list_id.startswith(_NEW)
