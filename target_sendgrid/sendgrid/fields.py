"""The fields of a SendGrid contact: names, limits, types, and the custom fields of an account.

Sources: SendGrid's API descriptions of contacts and custom fields (names, lengths), and a recording of 2026 for the
reserved names that the descriptions leave out.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MAX_EMAIL = 254
"""Most characters of an email address."""

MAX_LENGTHS: Mapping[str, int | None] = {
    "email": MAX_EMAIL,
    "first_name": 50,
    "last_name": 50,
    "address_line_1": 100,
    "address_line_2": 100,
    "city": 60,
    "state_province_region": 50,
    "postal_code": None,
    "country": 50,
    "phone_number": None,
    "whatsapp": None,
    "line": None,
    "facebook": None,
    "unique_name": None,
    "alternate_emails": 254,
    "phone_number_id": None,
    "external_id": 254,
    "anonymous_id": 254,
}
"""Most characters of each contact field that can be written, by field name; ``None`` where SendGrid states no limit."""

IDENTIFIERS = ("email", "phone_number_id", "external_id", "anonymous_id")
"""Contact fields that can identify a contact. The first one that has a value does."""

RESERVED_FIELDS = tuple(name for name in MAX_LENGTHS if name == "email" or name not in IDENTIFIERS)
"""Reserved contact fields that can be written, without the identifiers other than the email."""

READ_ONLY_FIELDS = frozenset(
    {
        "contact_id", "created_at", "updated_at", "list_ids", "segment_ids", "email_domains", "last_clicked",
        "last_opened", "last_emailed", "singlesend_id", "automation_id",
    },
)  # fmt: skip
"""Names of contact fields that only SendGrid sets, as it lists its reserved fields. It does not list `id` there."""

MAX_ALTERNATE_EMAILS = 5
"""Most addresses in the field `alternate_emails`."""

MAX_CUSTOM_TEXT = 1000
"""Most characters of a custom field of type Text."""

MAX_CUSTOM_FIELDS = 500
"""Most custom fields of an account."""

CUSTOM_FIELD_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}\Z")
"""Matches the names that SendGrid allows for a new custom field."""


class FieldType(str, Enum):
    """The three types of custom fields."""

    TEXT = "Text"
    NUMBER = "Number"
    DATE = "Date"


class CustomField(msgspec.Struct, frozen=True):
    """A custom field of the account, as ``GET /v3/marketing/field_definitions`` lists it."""

    id: str
    name: str
    field_type: FieldType


class FieldCatalogue:
    """The custom fields of an account, found by name or id.

    Args:
        custom_fields: The custom fields that the account has.
    """

    def __init__(self, custom_fields: Iterable[CustomField]) -> None:
        self._by_name: dict[str, CustomField] = {}
        self._by_folded_name: dict[str, CustomField] = {}
        self._by_id: dict[str, CustomField] = {}
        for field in custom_fields:
            self.add(field)

    def find(self, name_or_id: str) -> CustomField | None:
        """Return the field with that name or id, or the one with that name in other capitals, or ``None``."""
        exact = self._by_name.get(name_or_id) or self._by_id.get(name_or_id)
        return exact or self._by_folded_name.get(name_or_id.lower())

    def add(self, field: CustomField) -> None:
        """Add a field, such as one that was just created."""
        self._by_name[field.name] = field
        self._by_folded_name.setdefault(field.name.lower(), field)
        self._by_id[field.id] = field

    def names(self) -> list[str]:
        """Return the names of all custom fields."""
        return list(self._by_name)

    def name_of(self, field_id: str) -> str:
        """Return the name of the field with that id, or the id itself if there is no such field."""
        field = self._by_id.get(field_id)
        return field.name if field else field_id
