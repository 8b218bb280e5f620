"""Whether a contact that was sent is what SendGrid holds: values are compared, since a no-op moves no date."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Protocol

from target_sendgrid.sendgrid import contact as contacts
from target_sendgrid.sendgrid.fields import IDENTIFIERS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from target_sendgrid.clock import Clock
    from target_sendgrid.sendgrid.contact import Contact, Entry

VISIBLE_SECONDS = 120.0
"""How long a contact may stay invisible after its job ended, before it counts as not stored."""

SEARCH_SIZE = 100
"""Most contacts that one search finds by identifier (the vendor's contacts API description)."""

_FIRST_WAIT_SECONDS = 0.5
_LONGEST_WAIT_SECONDS = 30.0


class SearchCalls(Protocol):
    """What looking contacts up needs of SendGrid."""

    def find_contacts(self, kind: str, identifiers: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Return contacts by identifier."""


class Verifier:
    """Looks up in the account whether contacts are there as they were sent.

    Args:
        calls: SendGrid.
        clock: Where time comes from.
        field_name: Gives the name of a custom field by its id.
    """

    def __init__(self, calls: SearchCalls, clock: Clock, field_name: Callable[[str], str]) -> None:
        self._calls = calls
        self._clock = clock
        self._field_name = field_name

    def wait_until_stored(self, entries: Mapping[str, Entry], list_ids: Collection[str]) -> set[str]:
        """Look contacts up until all are there, or have stayed away for too long: the account is eventually consistent.

        Returns:
            The identities that are stored.
        """
        deadline = self._clock.monotonic() + VISIBLE_SECONDS
        interval = _FIRST_WAIT_SECONDS
        stored = self.stored(entries, list_ids)
        while len(stored) < len(entries) and self._clock.monotonic() < deadline:
            self._clock.sleep(interval)
            interval = min(interval * 2, _LONGEST_WAIT_SECONDS)
            missing = {identity: entry for identity, entry in entries.items() if identity not in stored}
            stored |= self.stored(missing, list_ids)
        return stored

    def stored(self, entries: Mapping[str, Entry], list_ids: Collection[str]) -> set[str]:
        """Return the identities of those contacts that the account holds as they were sent."""
        sent = {identity: contacts.decode(entry.contact) for identity, entry in entries.items()}
        by_kind: dict[str, dict[str, str]] = {}
        for identity, contact in sent.items():
            kind = next(kind for kind in IDENTIFIERS if kind in contact)
            by_kind.setdefault(kind, {})[str(contact[kind])] = identity
        stored: set[str] = set()
        for kind, identity_of in by_kind.items():
            values = list(identity_of)
            for start in range(0, len(values), SEARCH_SIZE):
                found = self._calls.find_contacts(kind, values[start : start + SEARCH_SIZE])
                for value, holder in found.items():
                    identity = identity_of.get(value, identity_of.get(value.lower(), ""))
                    if identity and is_stored(sent[identity], holder, list_ids, self._field_name):
                        stored.add(identity)
        return stored


def is_stored(
    sent: Contact, found: Mapping[str, Any], list_ids: Collection[str], field_name: Callable[[str], str]
) -> bool:
    """Return whether a contact of the account holds everything that was sent.

    Args:
        sent: The contact as it was sent.
        found: The contact as a search returns it, custom fields by name.
        list_ids: Lists that it must be on.
        field_name: Gives the name of a custom field by its id.
    """
    if not set(list_ids) <= set(found.get("list_ids") or []):
        return False
    own = sent.get("custom_fields") or {}
    kept = found.get("custom_fields") or {}
    kept = {str(name).lower(): value for name, value in kept.items()}
    if not all(_is_same(value, kept.get(field_name(key).lower())) for key, value in own.items()):
        return False
    return all(_is_same(value, found.get(key)) for key, value in sent.items() if key != "custom_fields")


def _is_same(sent: object, found: object) -> bool:
    if sent in ("", []):
        return found in ("", None, [])
    if isinstance(sent, list) and isinstance(found, list):
        return {str(item).lower() for item in sent} <= {str(item).lower() for item in found}
    if isinstance(sent, (int, Decimal)) and not isinstance(sent, bool):
        return _as_double(sent) == _as_double(found)
    if sent == found:
        return True
    moment = _as_moment(sent)
    return moment is not None and moment == _as_moment(found)


def _as_double(value: object) -> float | None:
    """Return a number as SendGrid keeps it."""
    try:
        return float(Decimal(str(value)))
    except (InvalidOperation, OverflowError):
        return None


def _as_moment(value: object) -> dt.datetime | None:
    """Return a date-time that SendGrid wrote, to the second."""
    if not isinstance(value, str):
        return None
    from dateutil.parser import isoparse  # noqa: PLC0415 - few runs have a date to compare

    try:
        moment = isoparse(value)
    except (ValueError, OverflowError):  # midnight written as 24:00 on the calendar's last day overflows
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.timezone.utc)
    return moment.replace(microsecond=0)
