"""SendGrid's endpoints that look contacts up by identifiers, as typed calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from target_sendgrid.errors import BadRequestError, Code, NotFoundError, SendGridError
from target_sendgrid.sendgrid import answers, shapes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from target_sendgrid.sendgrid.transport import Transport

MAX_IDENTIFIERS_PER_SEARCH = 100
"""Most contacts that one search finds by identifier (the vendor's contacts API description)."""
MAX_EMAIL_PER_SEARCH = 100
"""Most characters of an email in a search by emails (the vendor's contacts API description)."""

_SEARCH_PATH = "/v3/marketing/contacts/search"
_BATCH_PATH = "/v3/marketing/contacts/batch"
_LOOK_UP = "to look contacts up"
_WELL_FORMED = {
    "email": "nobody@example.com",
    "phone_number_id": "+14155550100",
    "external_id": "nobody",
    "anonymous_id": "nobody",
}
"""An identifier of each kind that SendGrid has no reason to refuse. Nobody has it, or it does not matter who does."""


class SearchCalls:
    """The calls that look contacts up. `Client` has them, too."""

    transport: Transport

    def find_contacts(self, kind: str, identifiers: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
        """Return the contacts with these identifiers, by the identifier that was asked for.

        Args:
            kind: ``email``, ``phone_number_id``, ``external_id`` or ``anonymous_id``.
            identifiers: Any number of them. One that SendGrid does not accept as such finds nothing.

        Raises:
            NotFoundError: A proxy has answered 404, which says nothing about contacts.
            SendGridError: SendGrid refused a search, or gave no usable answer.
        """
        # The search by emails is preferred, since it finds alternate emails too.
        emails = [one for one in identifiers if kind == "email" and len(one) <= MAX_EMAIL_PER_SEARCH]
        others = [one for one in identifiers if kind != "email" or len(one) > MAX_EMAIL_PER_SEARCH]
        for path, name, wanted in (("emails", "emails", emails), (f"identifiers/{kind}", "identifiers", others)):
            for start in range(0, len(wanted), MAX_IDENTIFIERS_PER_SEARCH):
                part = wanted[start : start + MAX_IDENTIFIERS_PER_SEARCH]
                refused: list[str] = []
                yield from self._search(f"{_SEARCH_PATH}/{path}", name, part, refused).items()
                if len(refused) == len(part):
                    self._check_search(kind, f"{_SEARCH_PATH}/{path}", name)

    def find_by_ids(self, contact_ids: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
        """Return the contacts with these ids, by id.

        Args:
            contact_ids: Any number of SendGrid's own ids of contacts. One that no contact has finds nothing.

        Raises:
            SendGridError: SendGrid refused a request, or gave no usable answer.
        """
        for start in range(0, len(contact_ids), MAX_IDENTIFIERS_PER_SEARCH):
            ids = contact_ids[start : start + MAX_IDENTIFIERS_PER_SEARCH]
            data = msgspec.json.encode({"ids": ids})
            answer = self.transport.request("POST", _BATCH_PATH, body=data, what=_LOOK_UP, read=answers.json_object)
            for contact in answers.as_shape(answer, shapes.ContactsById).result or ():
                yield answers.as_shape(contact.get("id"), str), contact

    def _search(self, path: str, name: str, identifiers: list[str], refused: list[str]) -> dict[str, dict[str, Any]]:
        """Search once; halve what SendGrid refuses, because one malformed identifier makes it refuse all.

        Args:
            path: The path of the search.
            name: The property of the body that holds the identifiers.
            identifiers: What to search for.
            refused: Takes those that SendGrid does not accept as identifiers.
        """
        data = msgspec.json.encode({name: identifiers})
        try:
            found = self.transport.request("POST", path, body=data, what=_LOOK_UP, read=shapes.found_contacts)
        except NotFoundError as error:
            if error.is_from_sendgrid:  # none of them is there
                return {}
            raise
        except BadRequestError:
            if len(identifiers) == 1:
                refused += identifiers
                return {}
            middle = len(identifiers) // 2
            halves = identifiers[:middle], identifiers[middle:]
            first, second = (self._search(path, name, half, refused) for half in halves)
            return first | second
        return {identifier: entry.contact for identifier, entry in found.items() if entry.contact}

    def _check_search(self, kind: str, path: str, name: str) -> None:
        """Check, after a search in which every identifier was refused, that SendGrid accepts any at all.

        If it does not, nobody can be looked up, and that says nothing about who is there.

        Args:
            kind: As of `find_contacts`.
            path: The path of the search.
            name: As of `_search`.

        Raises:
            SendGridError: It refuses a well-formed one, too.
        """
        refused: list[str] = []
        self._search(path, name, [_WELL_FORMED[kind]], refused)
        if refused:
            message = "SendGrid refuses all searches for contacts (400), so it is not known who is in the account."
            raise SendGridError(message, "Look at the account in SendGrid, and run again.", code=Code.REQUEST_REFUSED)
