"""What one row of an upsert may hold, and how it changes the contact that it names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from target_sendgrid.sandbox.account import fields
from target_sendgrid.sandbox.account.reserved import (
    KNOWN_PROPERTIES,
    MAX_CUSTOM_TEXT_CHARACTERS,
    MAX_LENGTHS,
    TEXT_FIELDS,
)
from target_sendgrid.sandbox.account.values import BadValueError, stored

if TYPE_CHECKING:
    from target_sendgrid.sandbox.account.account import Account

_ENCODER = msgspec.json.Encoder(order="sorted")
_PROFILE = frozenset({*TEXT_FIELDS, "alternate_emails"})


class RowError(Exception):
    """One contact is neither created nor changed. The message is the reason in the errors file."""


class Entry:
    """A contact while a job is applied: a stored one, or one that the job creates."""

    __slots__ = ("before", "custom", "identifiers", "number", "profile")

    def __init__(self, number: int, identifiers: list[str | None], before: tuple[str, str] | None) -> None:
        self.number = number
        self.identifiers = identifiers
        self.before = None if before is None else (identifiers, *before)
        self.profile: dict[str, Any] = {} if before is None else msgspec.json.decode(before[0])
        self.custom: dict[str, Any] = {} if before is None else msgspec.json.decode(before[1])

    @property
    def is_new(self) -> bool:
        """Whether the job creates the contact."""
        return self.before is None

    def texts(self) -> tuple[str, str]:
        """Return profile and custom fields as stored, keys in order so that equal contacts have equal texts."""
        return _text(self.profile), _text(self.custom)


class RowRules:
    """Checks rows by the custom fields and the switches of an account."""

    def __init__(self, account: Account) -> None:
        self._options = account.options
        self._types = {kept.id: kept.field_type for kept in fields.every(account)}
        self._ids: dict[str, str] = {}
        if account.options.custom_field_names_as_keys:
            self._ids = {kept.name: kept.id for kept in fields.every(account)}

    def profile_values(self, contact: dict[str, Any]) -> dict[str, Any]:
        """Turn a contact's reserved fields as sent into what is stored; null changes nothing.

        Raises:
            RowError: A value is too long, or a property is unknown and the switches forbid that.
        """
        profile: dict[str, Any] = {}
        for name, value in contact.items():
            if value is None:
                continue
            limit = MAX_LENGTHS.get(name)
            kept = value
            if limit is not None and len(value) > limit:
                if self._options.overlong != "truncate":
                    message = f"{name} is too long"
                    raise RowError(message)
                kept = value[:limit]
            if name in _PROFILE:
                profile[name] = kept if name != "alternate_emails" else [email.lower() for email in kept]
        if not contact.keys() <= KNOWN_PROPERTIES and self._options.unknown_contact_property == "row_error":
            unknown = next(name for name in contact if name not in KNOWN_PROPERTIES)
            message = f"unknown property {unknown}"
            raise RowError(message)
        return profile

    def custom_values(self, sent: dict[str, Any]) -> dict[str, Any]:
        """Turn custom fields as sent into what is stored, by field id.

        Raises:
            RowError: A value does not fit its field.
        """
        custom: dict[str, Any] = {}
        identity = ""
        try:
            for key, value in sent.items():
                identity = self._ids.get(key, key)
                kind = self._types.get(identity)
                # Nothing changes for a field that was deleted since the request came in, or for a null.
                if kind is not None and value is not None:
                    custom[identity] = self._shortened(identity, stored(kind, value))
        except BadValueError as error:
            message = f"custom field {identity}: {error}"
            raise RowError(message) from error
        return custom

    def _shortened(self, identity: str, kept: str | float) -> str | float:
        if not isinstance(kept, str) or len(kept) <= MAX_CUSTOM_TEXT_CHARACTERS:
            return kept
        if self._options.overlong != "truncate":
            message = f"custom field {identity} is too long"
            raise RowError(message)
        return kept[:MAX_CUSTOM_TEXT_CHARACTERS]


def overlaid(earlier: dict[str, Any], later: dict[str, Any]) -> dict[str, Any]:
    """Return the earlier values with the later ones over them; an empty text or list clears."""
    merged = earlier | later
    if "" in later.values() or [] in later.values():
        return {name: value for name, value in merged.items() if value not in ("", [])}
    return merged


def _text(value: dict[str, Any]) -> str:
    return _ENCODER.encode(value).decode() if value else "{}"
