"""Generated people for benchmarks, as Singer lines: ordinary records, and wide ones with nested objects."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

STREAM = "profiles"
STATE_EVERY = 10_000

_TEXT = {"type": ["string", "null"]}
_NUMBER = {"type": ["number", "null"]}
_MOMENT = _TEXT | {"format": "date-time"}
_BOOLEAN = {"type": ["boolean", "null"]}


@dataclass(frozen=True)
class Shape:
    """A kind of records, with the settings that they need."""

    properties: Mapping[str, Any]
    field_mapping: Mapping[str, str]
    custom_fields: Mapping[str, str]
    """The type of each custom field, by name."""
    person: Callable[[int], dict[str, Any]]
    """Returns the person with a number."""

    def write(self, path: Path, count: int) -> None:
        """Write Singer lines for `count` different people."""
        with path.open("w", encoding="utf-8") as file:
            schema = {"type": "object", "properties": self.properties}
            message = {"type": "SCHEMA", "stream": STREAM, "key_properties": ["id"], "schema": schema}
            file.write(json.dumps(message) + "\n")
            for number in range(count):
                file.write(json.dumps({"type": "RECORD", "stream": STREAM, "record": self.person(number)}) + "\n")
                if (number + 1) % STATE_EVERY == 0:
                    file.write(json.dumps({"type": "STATE", "value": {"bookmarks": {STREAM: {"id": number}}}}) + "\n")


def _ordinary(number: int) -> dict[str, Any]:
    """Return a person. Every third has capitals in the email address."""
    name = f"Person.{number}" if number % 3 == 0 else f"person.{number}"
    return {
        "id": number,
        "email_address": f"{name}@mail{number % 97}.example.com",
        "given_name": f"Ada {number % 1000}",
        "family_name": "Lovelace",
        "city": "London",
        "country": "United Kingdom",
        "postcode": f"N{number % 20} 9GU",
        "loyalty_tier": ("gold", "silver", None)[number % 3],
        "lifetime_value": number / 8,
        "last_purchase_at": f"2026-03-{number % 28 + 1:02d}T12:00:00+00:00",
        "updated_at": "2026-04-01T00:00:00Z",
    }


def _wide(number: int) -> dict[str, Any]:
    """Return a person with 29 more columns, three of which are objects."""
    address = {"street": f"{number % 200} High Street", "region": "Greater London", "floor": number % 9}
    consent = {"email": number % 2 == 0, "phone": None, "given_at": "2025-11-05T08:15:00Z", "source": "web form"}
    last_order = {"id": f"o-{number}", "total": number / 4, "items": [{"sku": f"s-{number % 500}", "count": 1}]}
    texts = {f"trait_{n}": f"value {number % (n + 2)}" if number % 5 else None for n in range(12)}
    counts = {f"count_{n}": number % (n + 3) for n in range(6)}
    scores = {f"score_{n}": number / (n + 2) for n in range(4)}
    moments = {f"seen_{n}_at": f"2026-0{n + 1}-{number % 28 + 1:02d}T10:20:30Z" for n in range(4)}
    nested = {"address": address, "consent": consent, "last_order": last_order}
    return _ordinary(number) | nested | texts | counts | scores | moments


ORDINARY = Shape(
    properties={
        "id": {"type": "integer"},
        "email_address": _TEXT,
        "given_name": _TEXT,
        "family_name": _TEXT,
        "city": _TEXT,
        "country": _TEXT,
        "postcode": _TEXT,
        "loyalty_tier": _TEXT,
        "lifetime_value": _NUMBER,
        "last_purchase_at": _MOMENT,
        "updated_at": _MOMENT,
    },
    field_mapping={
        "email": "email_address",
        "first_name": "given_name",
        "last_name": "family_name",
        "city": "city",
        "country": "country",
        "postal_code": "postcode",
        "loyalty_tier": "loyalty_tier",
        "lifetime_value": "lifetime_value",
        "last_purchase_at": "last_purchase_at",
    },
    custom_fields={"loyalty_tier": "Text", "lifetime_value": "Number", "last_purchase_at": "Date"},
    person=_ordinary,
)

_ORDER_ITEMS = {
    "type": ["array", "null"],
    "items": {"type": "object", "properties": {"sku": _TEXT, "count": {"type": "integer"}}},
}
WIDE = Shape(
    properties={
        **ORDINARY.properties,
        "address": {"type": "object", "properties": {"street": _TEXT, "region": _TEXT, "floor": {"type": "integer"}}},
        "consent": {
            "type": ["object", "null"],
            "properties": {"email": _BOOLEAN, "phone": _BOOLEAN, "given_at": _MOMENT, "source": _TEXT},
        },
        "last_order": {
            "type": ["object", "null"],
            "properties": {"id": _TEXT, "total": _NUMBER, "items": _ORDER_ITEMS},
        },
        **{f"trait_{n}": _TEXT for n in range(12)},
        **{f"count_{n}": {"type": ["integer", "null"]} for n in range(6)},
        **{f"score_{n}": _NUMBER for n in range(4)},
        **{f"seen_{n}_at": _MOMENT for n in range(4)},
    },
    field_mapping={
        **ORDINARY.field_mapping,
        "address_line_1": "address.street",
        "state_province_region": "address.region",
        "consent_source": "consent.source",
        "order_total": "last_order.total",
    },
    custom_fields={**ORDINARY.custom_fields, "consent_source": "Text", "order_total": "Number"},
    person=_wide,
)
