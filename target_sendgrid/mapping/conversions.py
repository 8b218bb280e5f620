"""Conversion of one record value to the value of one contact field: text, number, date, email or emails.

A value that cannot be converted rejects its record. The error names the property and never quotes the value.
"""

from __future__ import annotations

import datetime as dt
import functools
import math
import re
from decimal import Decimal
from typing import Any

import msgspec

from target_sendgrid.errors import Reason, RecordRejectedError
from target_sendgrid.sendgrid.contact import normalised_email, trimmed
from target_sendgrid.sendgrid.fields import MAX_ALTERNATE_EMAILS, MAX_CUSTOM_TEXT, MAX_EMAIL

_EMAIL = re.compile(r'(?:"[^"\x00-\x1f\x7f]*"|[^\s@\x00-\x1f\x7f]+)@[^\s@\x00-\x1f\x7f]+\Z')
"""Matches everything that may be an email address, in a quoted local part also blanks and at signs (RFC 5321, 4.1.2).

SendGrid's own check is lenient and not published, so this only excludes what cannot be an address anywhere.
"""

_PLAIN_EMAIL = re.compile(r"[!-?A-~]+@[!-?A-~]+\Z")
"""Matches nearly all email addresses in use, quickly. Everything it matches, `_EMAIL` matches too."""

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?\Z")

_PLAIN_NUMBER = re.compile(r"[+-]?\d{1,300}(?:\.0*|(\.\d{1,300}))?\Z", re.ASCII)
"""Matches nearly all numbers in texts, quickly. The group matches a fraction that is not zero.

Everything it matches, `_NUMBER` matches too, and it fits into a double.
"""

_ISO = re.compile(
    r"(\d{4}-\d\d-\d\d)"
    r"(?:[Tt ](\d\d)(?:(:?)(\d\d)(?:\3(\d\d)(?:[.,](\d+))?)?)?"
    r"(?: ?(?:([Zz])|([+-](?:[01]\d|2[0-3]))(?::?([0-5]\d)(?::?([0-5]\d))?)?))?)?\Z",
    re.ASCII,
)
"""Matches ISO dates and date-times: day, hour, colon, minute, second, fraction; Z, or the three parts of an offset.

Seconds of an offset are not in the standard, but Python writes them for local times of the 19th century. Neither is a
blank before an offset, but Ruby and Git write it.
"""

_USUAL_DATE = re.compile(
    r"""
    [1-9]\d{3}-(?:0[1-9]|1[0-2])-
    (?:0[1-9]|1\d|2[0-8]|(?:29|30)(?<!02-..)|31(?<=(?:0[13578]|1[02])-..))
    (?:
        (?:T|(\ ))(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d
        (?:\.(?:0{6}\d*|0+(?!\d)|(\d{3})\d*))?
        (?:Z|[+-]00(?::?00)?|([+-](?:[01]\d|2[0-3])(?::?[0-5]\d)?))?
    |
        ()
    )\Z
    """,
    re.ASCII | re.VERBOSE,
)
"""Matches dates and date-times as most taps write them, which need no parsing. It does not match 29 February.

Groups: a blank before the time; milliseconds, unless the microseconds are zero; an offset other than UTC; no time.
Without any of them, the text is a date-time in UTC and in whole seconds.
"""

_OFFSET = 3
"""Number of the group of `_USUAL_DATE` that matches an offset."""

_ZERO_DATE = re.compile(r"0000-00-00(?:[T ]00:00:00(?:\.0+)?(?:Z|[+-]00:?00)?)?\Z")
"""Matches the zero date, with or without a time."""

_SAFE_EXPONENT = 300
"""A number whose power of ten is below this one fits into a double without a closer check."""

_SAFE_INTEGER = 10**_SAFE_EXPONENT

_json = msgspec.json.Encoder(decimal_format="number")


def to_text(value: Any, label: str, max_length: int | None) -> str:  # noqa: ANN401 - a JSON value of any type
    """Return a JSON value as plain text: numbers and booleans as written, arrays and objects as JSON.

    A whole number that was written as a float, such as 94109.0, loses its zero: taps make floats of zip codes.

    Raises:
        RecordRejectedError: The text is longer than the field takes.
    """
    kind = type(value)
    if isinstance(value, str):
        text = value
    elif kind is list or kind is dict:
        text = _json.encode(value).decode()
    elif isinstance(value, bool):
        text = "true" if value else "false"
    elif isinstance(value, int):
        text = _digits(value, label)
    elif isinstance(value, Decimal):
        text = _decimal_text(value)
    elif isinstance(value, float) and value.is_integer():
        text = _decimal_text(Decimal(repr(value)))
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
        RecordRejectedError: The value is a boolean, no number, or a number that a double cannot hold.
    """
    if type(value) is float and math.isfinite(value):
        return value
    if type(value) is int and -_SAFE_INTEGER < value < _SAFE_INTEGER:
        return value
    if type(value) is str and (plain := _PLAIN_NUMBER.match(value)):
        return Decimal(value) if plain.lastindex else int(value.partition(".")[0])
    if type(value) is Decimal and value.is_finite() and -_SAFE_EXPONENT < value.adjusted() < _SAFE_EXPONENT:
        return value
    number: int | Decimal | None = None
    if isinstance(value, bool):
        pass
    elif isinstance(value, (int, Decimal)):
        number = value
    elif isinstance(value, str) and _NUMBER.match(trimmed(value)):
        number = Decimal(trimmed(value))
    if number is None or not _fits_a_double(number):
        sentence = f"{label} is {kind_in_words(value)}, not a number that SendGrid can store."
        raise RecordRejectedError(Reason.NOT_A_NUMBER, sentence)
    if isinstance(number, Decimal) and isinstance(value, str) and number == number.to_integral_value():
        return int(number)
    return number


def to_date(value: Any, label: str) -> str | None:  # noqa: ANN401 - a JSON value of any type
    """Return an ISO date or date-time as ISO-8601 in UTC. A value without a time zone is taken as UTC.

    The zero date, which MySQL has for "no date", is ``None``.

    Raises:
        RecordRejectedError: The value is not an ISO date or date-time.
    """
    if type(value) is str and (usual := _USUAL_DATE.match(value)):
        last_group = usual.lastindex
        if last_group is None:
            return value[:19] + "Z"
        end = 23 if usual[2] else 19
        if last_group != _OFFSET:
            return f"{value[:10]}T{value[11:end] or '00:00:00'}Z"
        if minute := _minute_in_utc(value, usual[_OFFSET]):
            return f"{minute}{value[16:end]}Z"
    return _parsed_date(value, label)


def _parsed_date(value: Any, label: str) -> str | None:  # noqa: ANN401 - a JSON value of any type
    """Return what `to_date` returns, for dates of any form."""
    moment: dt.datetime | None = None
    if isinstance(value, str):
        if _ZERO_DATE.match(trimmed(value)):
            return None
        moment = parse_iso(trimmed(value))
    elif isinstance(value, dt.datetime):
        moment = value
    elif isinstance(value, dt.date):
        moment = dt.datetime(value.year, value.month, value.day, tzinfo=dt.timezone.utc)
    if moment is not None:
        try:
            moment = _to_utc(moment)
        except OverflowError:  # in year 1 or 9999, an offset can lead out of the calendar
            moment = None
    if moment is None:
        sentence = f"{label} is {kind_in_words(value)}, not an ISO date such as 2024-02-29 or 2024-02-29T12:00:00Z."
        raise RecordRejectedError(Reason.NOT_A_DATE, sentence)
    return moment.isoformat(timespec="milliseconds" if moment.microsecond else "seconds") + "Z"


def _minute_in_utc(text: str, offset: str) -> str | None:
    """Return the UTC date, hour and minute of a date-time that `_USUAL_DATE` matches; ``None`` out of the calendar."""
    time, days = _time_in_utc(text[11:16] + offset)
    if not days:
        return f"{text[:10]}T{time}"
    try:
        day = dt.date.fromisoformat(text[:10]) + days
    except OverflowError:
        return None
    return f"{day.isoformat()}T{time}"


@functools.lru_cache(maxsize=4096)
def _time_in_utc(time_and_offset: str) -> tuple[str, dt.timedelta]:
    """Return the UTC hour and minute of an hour and minute with an offset, and by how many days the date differs.

    The offset of a zone changes with the season: two days of minutes fit into the cache.
    """
    hours, minutes = int(time_and_offset[6:8]), int(time_and_offset[8:].lstrip(":") or 0)
    offset = hours * 60 + minutes
    minute = int(time_and_offset[:2]) * 60 + int(time_and_offset[3:5])
    days, minute = divmod(minute + offset if time_and_offset[5] == "-" else minute - offset, 24 * 60)
    return f"{minute // 60:02}:{minute % 60:02}", dt.timedelta(days)


def parse_iso(text: str) -> dt.datetime | None:
    """Return the moment that an ISO date or date-time means, with its offset if it has one.

    ``None`` for other texts, and where there is no such day or time of day.
    """
    parts = _ISO.match(text)
    if parts is None:
        return None
    try:
        return dt.datetime.fromisoformat(text)
    except ValueError:  # a form that this version of Python does not know
        return _moment_of(parts)


def _moment_of(parts: re.Match[str]) -> dt.datetime | None:
    """Return the moment that the parts of `_ISO` mean; ``None`` where there is no such day or time of day."""
    day, hour, _, minute, second, fraction, zulu, *offset = parts.groups("00")
    zone = "+00:00" if zulu != "00" else ":".join(offset) if offset[0] != "00" else ""
    ends_day = hour == "24" and not (minute + second + fraction).strip("0")
    plain = f"{day}T{'00' if ends_day else hour}:{minute}:{second}.{fraction:0<6.6}{zone}"
    try:
        return dt.datetime.fromisoformat(plain) + dt.timedelta(days=ends_day)
    except (ValueError, OverflowError):  # 24:00 on the last day of the calendar overflows
        return None


def to_email(value: Any, label: str) -> str:  # noqa: ANN401 - a JSON value of any type
    """Return an email address in its normal form (`normalised_email`), or ``""``.

    The check excludes only what cannot be an address. SendGrid checks again and reports the addresses it refuses.

    Raises:
        RecordRejectedError: The value is not a string, is too long, or cannot be an email address.
    """
    if not isinstance(value, str):
        raise RecordRejectedError(Reason.INVALID_EMAIL, f"{label} is {kind_in_words(value)}, not an email address.")
    if _PLAIN_EMAIL.match(value) and len(value) <= MAX_EMAIL:
        return value.lower()
    email = normalised_email(value)
    if not email:
        return ""
    if len(email) > MAX_EMAIL:
        sentence = f"{label} is {len(email)} characters long; SendGrid takes at most {MAX_EMAIL}."
        raise RecordRejectedError(Reason.TOO_LONG, sentence)
    if not _EMAIL.match(email):
        raise RecordRejectedError(Reason.INVALID_EMAIL, f"{label} is not an email address.")
    return email


def to_emails(value: Any, label: str) -> list[str] | None:  # noqa: ANN401 - a JSON value of any type
    """Return one address or an array of addresses as a list without blanks and duplicates.

    An empty text or array gives an empty list; an array that has items, but no address, gives ``None``.

    Raises:
        RecordRejectedError: An item is not an email address, or there are more than SendGrid takes.
    """
    items = value if isinstance(value, list) else [value]
    emails = dict.fromkeys(to_email(item, label) for item in items if item is not None)
    emails.pop("", None)
    if len(emails) > MAX_ALTERNATE_EMAILS:
        sentence = f"{label} has {len(emails)} addresses; SendGrid takes at most {MAX_ALTERNATE_EMAILS}."
        raise RecordRejectedError(Reason.TOO_MANY_ITEMS, sentence)
    return list(emails) if emails or value == [] or not isinstance(value, list) else None


def _decimal_text(value: Decimal) -> str:
    if abs(value.adjusted()) > MAX_CUSTOM_TEXT:
        return str(value)  # 1E+999999 would become a million digits
    text = format(value, "f")  # writes 1E+3 as 1000
    if not text.endswith(".0"):
        return text
    return "0" if value == 0 else text[:-2]


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


def _to_utc(moment: dt.datetime) -> dt.datetime:
    if moment.tzinfo is not None:
        moment = moment.astimezone(dt.timezone.utc)
    return moment.replace(tzinfo=None)


def kind_in_words(value: object) -> str:
    """Return the JSON type of a value in words, for error messages, which must not quote the value itself."""
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, (int, float, Decimal)):
        return "a number"
    if isinstance(value, str):
        return "a text" if value else "an empty text"
    return "an array" if isinstance(value, list) else "an object"
