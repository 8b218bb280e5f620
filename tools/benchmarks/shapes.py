"""Generated people for benchmarks, as Singer lines of the shapes that real taps write.

A shape is data: the properties, their values, and the settings. Most shapes are `SDK` with one thing changed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
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
_OBJECT = {"type": ["object", "null"]}


@dataclass(frozen=True)
class Shape:
    """A kind of records, with the settings that they need."""

    properties: Mapping[str, Any]
    field_mapping: Mapping[str, str]
    custom_fields: Mapping[str, str]
    """The type of each custom field, by name."""
    person: Callable[[int], dict[str, Any]]
    """Returns the person with a number."""
    config: Mapping[str, Any] = field(default_factory=dict)
    """More settings."""
    keywords: Mapping[str, Any] = field(default_factory=dict)
    """What the schema has besides its type and properties."""
    is_sdk: bool = False
    """Whether messages are written as the Meltano SDK's taps do: compact, with the time of the extraction."""
    is_kept: Callable[[dict[str, Any]], bool] = lambda _: True
    """Whether the settings keep a record."""

    def write(self, path: Path, count: int) -> int:
        """Write Singer lines for `count` different people, and return how many of them the settings keep."""
        encode = json.JSONEncoder(separators=(",", ":") if self.is_sdk else None).encode
        schema = {"type": "object", "properties": self.properties, **self.keywords}
        kept = 0
        with path.open("w", encoding="utf-8") as file:
            file.write(encode({"type": "SCHEMA", "stream": STREAM, "key_properties": ["id"], "schema": schema}) + "\n")
            for number in range(count):
                record = self.person(number)
                kept += self.is_kept(record)
                message: dict[str, Any] = {"type": "RECORD", "stream": STREAM, "record": record}
                if self.is_sdk:
                    message["time_extracted"] = f"2026-04-01T00:{number % 60:02d}:00.{number % 1_000_000:06d}+00:00"
                file.write(encode(message) + "\n")
                if (number + 1) % STATE_EVERY == 0:
                    file.write(encode({"type": "STATE", "value": {"bookmarks": {STREAM: {"id": number}}}}) + "\n")
        return kept

    def settings(self, list_id: str) -> dict[str, Any]:
        """Return the settings of a target that sends these records to a list."""
        return {"field_mapping": self.field_mapping, "list_id": list_id, **self.config}

    def with_config(self, **config: Any) -> Shape:
        """Return this shape with more settings."""
        return replace(self, config={**self.config, **config})

    def with_property(self, name: str, schema: Any, value: Callable[[int], Any] | None = None) -> Shape:
        """Return this shape with another schema, and perhaps other values, for a property."""
        person = self.person
        return replace(
            self,
            properties={**self.properties, name: schema},
            person=(lambda number: person(number) | {name: value(number)}) if value else person,
        )

    def without(self, name: str) -> Shape:
        """Return this shape without a property."""
        person = self.person
        return replace(
            self,
            properties={key: schema for key, schema in self.properties.items() if key != name},
            field_mapping={key: source for key, source in self.field_mapping.items() if source != name},
            person=lambda number: {key: value for key, value in person(number).items() if key != name},
        )

    def mapped(self, field_mapping: Mapping[str, str], custom_fields: Mapping[str, str] | None = None) -> Shape:
        """Return this shape with more mapped fields, or other sources for them, and more custom fields."""
        return replace(
            self,
            field_mapping={**self.field_mapping, **field_mapping},
            custom_fields={**self.custom_fields, **(custom_fields or {})},
        )


def _ordinary(number: int) -> dict[str, Any]:
    """Return a person. Every third has capitals in the email address."""
    name = f"Person.{number}" if number % 3 == 0 else f"person.{number}"
    return {
        "id": number,
        "email_address": f"{name}@mail{number % 97}.example.com",
        "given_name": f"Ada {number % 1000}",
        "family_name": "Lovelace",
        "phone": f"+44 20 7946 {number % 10_000:04d}",
        "city": "London",
        "country": "United Kingdom",
        "postcode": f"N{number % 20} 9GU",
        "loyalty_tier": ("gold", "silver", None)[number % 3],
        "lifetime_value": number / 8,
        "last_purchase_at": _date(number) + "T12:00:00+00:00",
        "updated_at": "2026-04-01T00:00:00Z",
    }


def _date(number: int) -> str:
    return f"2026-03-{number % 28 + 1:02d}"


def _sdk(number: int) -> dict[str, Any]:
    """Return an ordinary person with microseconds in dates, as the columns of a database have them."""
    fraction = f".{number * 7919 % 1_000_000:06d}+00:00"
    moments = {
        "last_purchase_at": f"{_date(number)}T12:00:00{fraction}",
        "updated_at": f"2026-04-01T00:00:00{fraction}",
    }
    return _ordinary(number) | moments


def _csv(number: int) -> dict[str, Any]:
    """Return an ordinary person with nothing but texts, some of which are empty."""
    person = {key: "" if value is None else str(value) for key, value in _ordinary(number).items()}
    blanks = {"lifetime_value": number % 3 == 0, "last_purchase_at": number % 4 == 0}
    return person | {key: "" for key, is_blank in blanks.items() if is_blank}


def _nested(number: int) -> dict[str, Any]:
    """Return a person with an address that is an object."""
    person = _sdk(number)
    return person | {"address": {key: person.pop(key) for key in _ADDRESS}}


def _free_form(number: int) -> dict[str, Any]:
    """Return a person with everything but the identifier in an object."""
    person = _sdk(number)
    return {"id": person.pop("id"), "updated_at": person.pop("updated_at"), "properties": person}


def _contacts(value: str) -> list[dict[str, Any]]:
    return [{"id": 1, "value": value, "type": "home"}, {"id": 2, "value": f"other.{value}", "type": "work"}]


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
        "id": {"type": ["integer"]},
        "email_address": _TEXT,
        "given_name": _TEXT,
        "family_name": _TEXT,
        "phone": _TEXT,
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
        "phone_number": "phone",
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
"""With dates in whole seconds of UTC."""

_DRAFT = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
SDK = replace(ORDINARY, person=_sdk, keywords={"required": ["id"], **_DRAFT}, is_sdk=True)
"""As taps of the Meltano SDK write the rows of a database."""

ARRAY = (
    SDK.without("phone")
    .with_property(
        "tags",
        {"items": {"type": ["string"]}, "type": ["array", "null"]},
        lambda number: [f"segment {number % 50}", "newsletter"][: number % 4],
    )
    .with_property("last_purchase_at", _MOMENT, lambda number: _date(number) + "T12:00:00+02:00")
    .mapped({"tags": "tags"}, {"tags": "Text"})
)
"""With an array mapped as text, and dates with an offset."""

_ADDRESS = ("city", "country", "postcode")
_NESTED = replace(
    SDK,
    properties={
        **{name: schema for name, schema in SDK.properties.items() if name not in _ADDRESS},
        "address": _OBJECT | {"properties": dict.fromkeys(_ADDRESS, _TEXT)},
    },
    person=_nested,
)
_FREE_FORM = replace(
    SDK,
    properties={**{name: SDK.properties[name] for name in ("id", "updated_at")}, "properties": {"type": "object"}},
    field_mapping={name: f"properties.{source}" for name, source in SDK.field_mapping.items()},
    person=_free_form,
)
_CONTACTS = {
    "type": ["array", "null"],
    "items": {"type": "object", "properties": {"id": {"type": ["integer", "null"]}, "value": _TEXT, "type": _TEXT}},
}
_PATHS = (
    SDK.with_property("email_address", _CONTACTS, lambda number: _contacts(_sdk(number)["email_address"]))
    .with_property("phone", _CONTACTS, lambda number: _contacts(_sdk(number)["phone"]))
    .mapped({"email": "email_address.0.value", "phone_number": "phone.0.value"})
)
_ORDER_ITEMS = {
    "type": ["array", "null"],
    "items": {"type": "object", "properties": {"sku": _TEXT, "count": {"type": "integer"}}},
}
WIDE = replace(
    ORDINARY,
    properties={
        **ORDINARY.properties,
        "address": {"type": "object", "properties": {"street": _TEXT, "region": _TEXT, "floor": {"type": "integer"}}},
        "consent": _OBJECT
        | {"properties": {"email": _BOOLEAN, "phone": _BOOLEAN, "given_at": _MOMENT, "source": _TEXT}},
        "last_order": _OBJECT | {"properties": {"id": _TEXT, "total": _NUMBER, "items": _ORDER_ITEMS}},
        **{f"trait_{n}": _TEXT for n in range(12)},
        **{f"count_{n}": {"type": ["integer", "null"]} for n in range(6)},
        **{f"score_{n}": _NUMBER for n in range(4)},
        **{f"seen_{n}_at": _MOMENT for n in range(4)},
    },
    person=_wide,
).mapped(
    {
        "address_line_1": "address.street",
        "state_province_region": "address.region",
        "consent_source": "consent.source",
        "order_total": "last_order.total",
    },
    {"consent_source": "Text", "order_total": "Number"},
)

_DECIMAL = _NUMBER | {"multipleOf": 0.01, "minimum": -100_000_000, "maximum": 100_000_000}
_RENAMED = {"email": "email_address", "email_address": None, "first_name": "given_name", "given_name": None}
_PHONE_ID = {"phone_number_id": "phone"}


def _mobile(number: int) -> str:
    """Return a British mobile number, a different one for each person, without what is dialled before it."""
    return f"74{number // 1_000_000:02d} {number % 1_000_000:06d}"


SHAPES: Mapping[str, Shape] = {
    "utc": ORDINARY,
    "sdk": SDK,
    "array": ARRAY,
    "decimal": SDK.with_property("lifetime_value", _DECIMAL, lambda number: round(number / 100 + 0.99, 2)),
    "pattern": SDK.with_property("postcode", _TEXT | {"pattern": "^[A-Z0-9 ]+$"}),
    "one-of": SDK.with_property("loyalty_tier", {"oneOf": [{"type": "null"}, {"type": "string", "maxLength": 20}]}),
    "rename": SDK.with_config(stream_maps={STREAM: _RENAMED}).mapped({"email": "email", "first_name": "first_name"}),
    "filter": replace(
        SDK.with_config(stream_maps={STREAM: {"__filter__": "loyalty_tier != 'silver'"}}),
        is_kept=lambda record: record["loyalty_tier"] != "silver",
    ),
    "flat": SDK.with_config(flattening_enabled=True, flattening_max_depth=1),
    "nested": _NESTED.with_config(flattening_enabled=True, flattening_max_depth=1).mapped(
        {"city": "address__city", "country": "address__country", "postal_code": "address__postcode"}
    ),
    "unchecked": SDK.with_config(validate_records=False),
    "number-as-text": SDK.mapped({}, {"lifetime_value": "Text"}),
    "csv": replace(SDK, properties=dict.fromkeys(SDK.properties, _TEXT), person=_csv, keywords=_DRAFT),
    "paths": _PATHS,
    "free-form": _FREE_FORM,
    "no-email": SDK.without("email_address")
    .with_property("account", {"type": ["string"]}, lambda number: f"account-{number}")
    .mapped({"external_id": "account"}),
    "phone": SDK.with_property("phone", _TEXT, lambda number: f"+44 {_mobile(number)}").mapped(_PHONE_ID),
    "national-phone": SDK.with_property("phone", _TEXT, lambda number: f"0{_mobile(number)}")
    .with_config(default_phone_region="GB")
    .mapped(_PHONE_ID),
    "clear": SDK.with_config(null_handling="clear"),
    "wide": WIDE,
    "wide-checked": WIDE.with_config(validate_scope="all"),
}
"""All shapes, by the name that the command lines have for them."""
