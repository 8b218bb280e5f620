"""SendGrid's reserved fields as the sandbox knows them: names, ids, limits, and what an identifier looks like."""

from __future__ import annotations

import re
from typing import Any

IDENTIFIERS = ("email", "phone_number_id", "external_id", "anonymous_id")
"""The properties that name a contact, in the order in which the sandbox looks contacts up."""

IDENTIFIER_TYPES = {
    "EMAIL": "email",
    "PHONENUMBERID": "phone_number_id",
    "EXTERNALID": "external_id",
    "ANONYMOUSID": "anonymous_id",
}
"""Identifiers by the names that `DELETE /v3/marketing/contacts/{id}/identifiers` has for them."""

IDENTIFIER_COUNT_KEYS = {"AID": "anonymous_id", "EID": "email", "EXTID": "external_id", "PHNID": "phone_number_id"}
"""Identifiers by the names that counts have for them."""

MAX_EMAIL_CHARACTERS = 254
MAX_ALTERNATE_EMAILS = 5
MAX_CUSTOM_TEXT_CHARACTERS = 1_000

MAX_CHARACTERS = {
    "email": MAX_EMAIL_CHARACTERS,
    "external_id": 254,
    "anonymous_id": 254,
    "first_name": 50,
    "last_name": 50,
    "address_line_1": 100,
    "address_line_2": 100,
    "city": 60,
    "state_province_region": 50,
    "country": 50,
}
"""Most characters of a field, by the schema `ContactRequest` in the vendor's `tsg_mc_contacts_v3.yaml`."""

MAX_LENGTHS = MAX_CHARACTERS | {"alternate_emails": MAX_ALTERNATE_EMAILS}
"""Most characters of a field that holds a text, or most items of one that holds a list."""

TEXT_FIELDS = (
    "address_line_1",
    "address_line_2",
    "city",
    "country",
    "first_name",
    "last_name",
    "postal_code",
    "state_province_region",
    "phone_number",
    "whatsapp",
    "line",
    "facebook",
    "unique_name",
)
"""Reserved text that an upsert may set and that every contact object shows, empty or not."""

KNOWN_PROPERTIES = frozenset({*IDENTIFIERS, *TEXT_FIELDS, "alternate_emails", "custom_fields"})

_RESERVED = (
    *("first_name", "last_name", "email", "alternate_emails", "address_line_1", "address_line_2", "city"),
    *("state_province_region", "postal_code", "country", "phone_number", "whatsapp", "line", "facebook", "unique_name"),
    *("email_domains", "last_clicked", "last_opened", "last_emailed", "singlesend_id", "automation_id"),
    *("created_at", "updated_at", "contact_id", "phone_number_id", "external_id", "anonymous_id", "list_ids"),
    "segment_ids",
)
_DATES = frozenset({"last_clicked", "last_opened", "last_emailed", "created_at", "updated_at"})
_READ_ONLY = frozenset({*_DATES, "email_domains", "singlesend_id", "automation_id", "contact_id"})

RESERVED_NAMES = frozenset(_RESERVED)


def definitions() -> list[dict[str, Any]]:
    """Return the `reserved_fields` of `GET /v3/marketing/field_definitions`, ids as recorded in 2026."""
    found: list[dict[str, Any]] = []
    for number, name in enumerate(_RESERVED):
        is_date = name in _DATES
        definition: dict[str, Any] = {
            "id": f"_rf{number}_{'D' if is_date else 'T'}",
            "name": name,
            "field_type": "Date" if is_date else "Text",
        }
        if name in _READ_ONLY:
            definition["read_only"] = True
        found.append(definition)
    return found


_PLAIN_EMAIL = re.compile(r"[^\s@\"]+@[^\s@.\"]+(?:\.[^\s@.\"]+)+")
_QUOTED_EMAIL = re.compile(r"\"[^\"\\\r\n]+\"@[^\s@.\"]+(?:\.[^\s@.\"]+)+")
_PHONE = re.compile(r"\+?[0-9]{5,15}")


def is_valid_email(text: str) -> bool:
    """Return whether SendGrid takes an email: `fake_email_10@lmail.c` was stored (2021), `000` was not."""
    if len(text) > MAX_EMAIL_CHARACTERS:
        return False
    return _PLAIN_EMAIL.fullmatch(text) is not None or _QUOTED_EMAIL.fullmatch(text) is not None


def is_valid_phone(text: str) -> bool:
    """Return whether a phone number id looks like E.164."""
    return _PHONE.fullmatch(text) is not None


def normalised(identifier: str, value: str) -> str:
    """Return the form in which an identifier is stored and compared: emails in lower case."""
    return value.lower() if identifier == "email" else value
