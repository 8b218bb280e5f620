"""What a custom field stores of a value, by the field's type, and why it would refuse one."""

from __future__ import annotations

import re
from datetime import datetime, timezone

_RFC_3339 = re.compile(r"(\d{4}-\d\d-\d\dT(?:[01]\d|2[0-3]):\d\d:\d\d)(?:\.\d{1,9})?(?:Z|([+-]\d\d:[0-5]\d))", re.ASCII)
_AMERICAN = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})")


class BadValueError(Exception):
    """The value does not fit the field's type. The message is the reason in the errors file."""


def stored(field_type: str, value: object) -> str | float:
    """Turn a value into what is stored and shown.

    Raises:
        BadValueError: The value does not fit the field's type.
    """
    if field_type == "Text" and isinstance(value, str):
        return value
    if field_type == "Number" and isinstance(value, (int, float)) and not isinstance(value, bool):
        return value
    if field_type == "Date" and isinstance(value, str):
        return _date(value)
    message = f"type mismatch: a {field_type} field does not take this value"
    raise BadValueError(message)


def _date(text: str) -> str:
    try:
        rfc_3339, american = _RFC_3339.fullmatch(text), _AMERICAN.fullmatch(text)
        if rfc_3339 is not None:
            local, offset = rfc_3339.groups("+00:00")
            moment = datetime.fromisoformat(local + offset)
        elif american is not None:
            month, day, year = american.groups()
            moment = datetime(int(year), int(month), int(day), tzinfo=timezone.utc)
        else:
            raise ValueError(text)  # noqa: TRY301 - one answer for every way a date can be wrong
        return moment.astimezone(timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")
    except (ValueError, OverflowError) as error:
        message = "type mismatch: a Date field takes RFC 3339 or MM/DD/YYYY"
        raise BadValueError(message) from error
