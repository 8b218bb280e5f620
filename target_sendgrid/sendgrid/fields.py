"""What SendGrid calls a contact's fields, and how a record's value becomes a field's value.

Sources: the vendor's contacts and custom-fields API descriptions (names, lengths); a recording of 2026 for the
reserved names that the description leaves out.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Any

import msgspec

from target_sendgrid.errors import Reason, RecordRejectedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_MAX_EMAIL = 254
MAX_LENGTHS: Mapping[str, int | None] = {
    "email": _MAX_EMAIL,
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
"""Longest value of each contact field that can be written, in characters; ``None`` where none is stated."""

IDENTIFIERS = ("email", "phone_number_id", "external_id", "anonymous_id")
"""Fields that can name a contact, in the order in which they are tried."""

RESERVED_FIELDS = tuple(name for name in MAX_LENGTHS if name == "email" or name not in IDENTIFIERS)
"""Reserved fields that can be written; the other identifiers are not among them."""

READ_ONLY_FIELDS = frozenset(
    {
        "id", "contact_id", "created_at", "updated_at", "list_ids", "segment_ids", "email_domains", "last_clicked",
        "last_opened", "last_emailed", "singlesend_id", "automation_id",
    },
)  # fmt: skip
"""Names that SendGrid shows on a contact and does not let anybody set."""

MAX_ALTERNATE_EMAILS = 5
MAX_CUSTOM_TEXT = 1000

CUSTOM_FIELD_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}\Z")

# SendGrid's own check is lenient and not published, so this one only catches what can't be an address anywhere.
# Blanks and at signs may stand in a quoted local part (RFC 5321, 4.1.2).
_EMAIL = re.compile(r'(?:"[^"\x00-\x1f\x7f]*"|[^\s@\x00-\x1f\x7f]+)@[^\s@\x00-\x1f\x7f]+\Z')
# What nearly all addresses look like: everything it takes, the one above takes, too.
_PLAIN_EMAIL = re.compile(r"[!-?A-~]+@[!-?A-~]+\Z")
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?\Z")
_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}([Tt ]|\Z)")
# Already what SendGrid is sent, but for the zone's spelling. Most taps write dates so; every month has 28 days.
_UTC_SECONDS = re.compile(
    r"(?!0000)[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:Z|\+00:00)\Z"
)
_SAFE_EXPONENT = 300
"""Powers of ten that a double reaches with ease."""
_json = msgspec.json.Encoder(decimal_format="number")


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
    """The custom fields of an account, found by name (any case) or id.

    Args:
        custom_fields: What the account has.
    """

    def __init__(self, custom_fields: Iterable[CustomField]) -> None:
        fields = list(custom_fields)
        self._by_name = {field.name.lower(): field for field in fields}
        self._by_id = {field.id: field for field in fields}

    def find(self, name_or_id: str) -> CustomField | None:
        """Return the field of that name or id, or ``None``."""
        return self._by_name.get(name_or_id.lower()) or self._by_id.get(name_or_id)

    def add(self, field: CustomField) -> None:
        """Remember a field that was just created."""
        self._by_name[field.name.lower()] = field
        self._by_id[field.id] = field

    def names(self) -> list[str]:
        """Return the names of all custom fields."""
        return [field.name for field in self._by_name.values()]

    def name_of(self, field_id: str) -> str:
        """Return the name of the field with that id, or the id where no field has it."""
        field = self._by_id.get(field_id)
        return field.name if field else field_id


def to_text(value: Any, label: str, max_length: int | None) -> str:  # noqa: ANN401 - a JSON value of any type
    """Return a JSON value as plain text: numbers and booleans as written, arrays and objects as JSON.

    Raises:
        RecordRejectedError: The text is longer than the field takes.
    """
    if isinstance(value, str):
        text = value
    elif isinstance(value, bool):
        text = "true" if value else "false"
    elif isinstance(value, int):
        text = _digits(value, label)
    elif isinstance(value, Decimal):
        # 'f' writes 1E+3 as 1000, but would write 1E+999999 as a million digits.
        text = format(value, "f") if abs(value.adjusted()) <= MAX_CUSTOM_TEXT else str(value)
    elif isinstance(value, (dt.datetime, dt.date, dt.time)):
        text = value.isoformat()
    else:
        text = _json.encode(value).decode()
    if max_length is not None and len(text) > max_length:
        sentence = f"{label} is {len(text)} characters long; SendGrid takes at most {max_length}."
        raise RecordRejectedError(Reason.TOO_LONG, sentence)
    return text


def to_number(value: Any, label: str) -> int | float | Decimal:  # noqa: ANN401 - a JSON value of any type
    """Return a JSON number or a numeric string as a number.

    Raises:
        RecordRejectedError: The value is no finite number within the range of a double; booleans are none.
    """
    if type(value) is float and math.isfinite(value):
        return value
    if type(value) is Decimal and value.is_finite() and -_SAFE_EXPONENT < value.adjusted() < _SAFE_EXPONENT:
        return value
    number: int | Decimal | None = None
    if isinstance(value, bool):
        pass
    elif isinstance(value, (int, Decimal)):
        number = value
    elif isinstance(value, str) and _NUMBER.match(value.strip()):
        number = Decimal(value.strip())
    if number is None or not _fits_a_double(number):
        sentence = f"{label} is {_kind(value)}, not a number that SendGrid can store."
        raise RecordRejectedError(Reason.NOT_A_NUMBER, sentence)
    if isinstance(number, Decimal) and isinstance(value, str) and number == number.to_integral_value():
        return int(number)
    return number


def to_date(value: Any, label: str) -> str:  # noqa: ANN401 - a JSON value of any type
    """Return an ISO date or date-time as ISO-8601 in UTC; what has no time zone is taken as UTC.

    Raises:
        RecordRejectedError: The value is not an ISO date or date-time.
    """
    if type(value) is str and _UTC_SECONDS.match(value):
        return value[:19] + "Z"
    moment: dt.datetime | None = None
    if isinstance(value, dt.datetime):
        moment = value
    elif isinstance(value, dt.date):
        moment = dt.datetime(value.year, value.month, value.day, tzinfo=dt.timezone.utc)
    elif isinstance(value, str) and _ISO_DATE.match(value.strip()):
        try:
            moment = _moment(value.strip())
        except (ValueError, OverflowError):  # midnight written as 24:00 on the calendar's last day overflows
            moment = None
    if moment is not None:
        try:
            moment = _to_utc(moment)
        except OverflowError:  # year 1 or 9999 and an offset that leaves the calendar
            moment = None
    if moment is None:
        sentence = f"{label} is {_kind(value)}, not an ISO date such as 2024-02-29 or 2024-02-29T12:00:00Z."
        raise RecordRejectedError(Reason.NOT_A_DATE, sentence)
    return moment.isoformat(timespec="milliseconds" if moment.microsecond else "seconds") + "Z"


def to_email(value: Any, label: str) -> str:  # noqa: ANN401 - a JSON value of any type
    """Return an email address trimmed and lower-cased, as SendGrid stores it; ``""`` stays.

    The check refuses only what can't be an address: SendGrid's own check is lenient, and what it refuses comes back.

    Raises:
        RecordRejectedError: The value is no string, too long, or can't be an email address.
    """
    if not isinstance(value, str):
        raise RecordRejectedError(Reason.INVALID_EMAIL, f"{label} is {_kind(value)}, not an email address.")
    if _PLAIN_EMAIL.match(value) and len(value) <= _MAX_EMAIL:
        return value.lower()
    email = value.strip().lower()
    if not email:
        return ""
    if len(email) > _MAX_EMAIL:
        sentence = f"{label} is {len(email)} characters long; SendGrid takes at most {_MAX_EMAIL}."
        raise RecordRejectedError(Reason.TOO_LONG, sentence)
    if not _EMAIL.match(email):
        raise RecordRejectedError(Reason.INVALID_EMAIL, f"{label} is not an email address.")
    return email


def to_emails(value: Any, label: str) -> list[str]:  # noqa: ANN401 - a JSON value of any type
    """Return one address, or an array of them, as a list without blanks and repeats.

    Raises:
        RecordRejectedError: One is no email address, or they are more than SendGrid takes.
    """
    items = value if isinstance(value, list) else [value]
    emails = dict.fromkeys(to_email(item, label) for item in items if item is not None)
    emails.pop("", None)
    if len(emails) > MAX_ALTERNATE_EMAILS:
        sentence = f"{label} has {len(emails)} addresses; SendGrid takes at most {MAX_ALTERNATE_EMAILS}."
        raise RecordRejectedError(Reason.TOO_MANY_ITEMS, sentence)
    return list(emails)


def _digits(value: int, label: str) -> str:
    try:
        return str(value)
    except ValueError:  # Python refuses to print integers of thousands of digits
        sentence = f"{label} is a number of thousands of digits; SendGrid takes at most {MAX_CUSTOM_TEXT} characters."
        raise RecordRejectedError(Reason.TOO_LONG, sentence) from None


def _fits_a_double(number: int | Decimal) -> bool:
    try:
        return math.isfinite(float(number))
    except OverflowError:
        return False


def _moment(text: str) -> dt.datetime:
    """Read an ISO date or date-time; Python's own reader is ten times faster and knows fewer forms."""
    try:
        return dt.datetime.fromisoformat(text)
    except ValueError:
        from dateutil.parser import isoparse  # noqa: PLC0415 - few runs meet such a form

        return isoparse(text)


def _to_utc(moment: dt.datetime) -> dt.datetime:
    if moment.tzinfo is not None:
        moment = moment.astimezone(dt.timezone.utc)
    return moment.replace(tzinfo=None)


def _kind(value: object) -> str:
    """Return what kind of JSON value this is, which says nothing about whose it is."""
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, (int, float, Decimal)):
        return "a number"
    if isinstance(value, str):
        return "a text" if value else "an empty text"
    return "an array" if isinstance(value, list) else "an object"
