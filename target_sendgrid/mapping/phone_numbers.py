"""Conversion of record values to phone numbers that identify contacts, in the international form (E.164).

The library takes three times as long for a number as a record takes in all. So numbers that begin with a plus sign, as
most do, are only compared with the library's rules for their country, unless more than separators has to be changed.
"""

from __future__ import annotations

import functools
import re
from decimal import Decimal
from typing import Any, NamedTuple

import phonenumbers

from target_sendgrid.errors import Reason, RecordRejectedError
from target_sendgrid.mapping.conversions import kind_in_words, to_text
from target_sendgrid.sendgrid.contact import trimmed

_INTERNATIONAL = re.compile(r"\+[\d ().-]{7,30}\Z", re.ASCII)

_WITHOUT_SEPARATORS = str.maketrans("", "", " ().-")

_CALLING_CODES = (2, 3, 4)
"""Where the calling code of a country may end in an international number."""


class _Plan(NamedTuple):
    """The numbers of a calling code."""

    lengths: frozenset[int]
    """Possible numbers of digits, the calling code not counted."""
    prefix: re.Pattern[str] | None
    """Matches what is dialled before a number inside the country, such as a zero; ``None`` where nothing is."""


def to_phone_number(value: Any, label: str, region: str | None) -> str:  # noqa: ANN401 - a JSON value of any type
    """Return a phone number in the international form, or ``""`` for a text of blanks.

    A number that begins with a plus sign needs only be of a length that its country has, since new ranges of numbers
    come up. One without must be valid in the region: it could be that of another country.

    Args:
        value: The value: a text, or a number without a fraction.
        label: Name of the property and the field, for sentences.
        region: Country of numbers that do not begin with a plus sign; ``None`` if they are not allowed.

    Raises:
        RecordRejectedError: The value is no phone number, may be one of any country, or has an extension.
    """
    if type(value) is str and _INTERNATIONAL.match(value):
        compact = value.translate(_WITHOUT_SEPARATORS)
        if _is_unchanged(compact):
            return compact
    if isinstance(value, bool) or not isinstance(value, (str, int, float, Decimal)):
        raise _invalid(f"{label} is {kind_in_words(value)}, not a phone number.")
    text = trimmed(to_text(value, label, None))
    if not text:
        return ""
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException as error:
        if error.error_type == phonenumbers.NumberParseException.INVALID_COUNTRY_CODE and "+" not in text:
            raise _invalid(
                f"{label} has no country code: an international number begins with `+`. If all such numbers are of one"
                " country, set `default_phone_region`."
            ) from None
        raise _invalid(f"{label} is not a phone number.") from None
    if number.extension is not None:
        raise _invalid(f"{label} has an extension, so the number is not that of one person.")
    if text.startswith("+"):
        is_right = phonenumbers.is_possible_number_with_reason(number) == phonenumbers.ValidationResult.IS_POSSIBLE
    else:
        is_right = phonenumbers.is_valid_number(number)
    if not is_right:
        raise _invalid(f"{label} is not a phone number that its country has.")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _invalid(sentence: str) -> RecordRejectedError:
    return RecordRejectedError(Reason.INVALID_PHONE, sentence)


def _is_unchanged(number: str) -> bool:
    """Return whether the library would surely take a number in the international form, and return it as it is."""
    for end in _CALLING_CODES:
        plan = _plan_of(number[1:end])
        if plan is not None:
            national = number[end:]
            return len(national) in plan.lengths and (plan.prefix is None or not plan.prefix.match(national))
    return False


@functools.lru_cache(maxsize=4096)
def _plan_of(calling_code: str) -> _Plan | None:
    """Return the numbers of a calling code, or ``None`` if there is no such code."""
    code = int(calling_code)
    regions = phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(code)
    if not regions:
        return None
    rules = phonenumbers.PhoneMetadata.metadata_for_region_or_calling_code(code, regions[0])
    if rules is None or rules.general_desc is None:
        return None
    prefix = rules.national_prefix_for_parsing
    return _Plan(frozenset(rules.general_desc.possible_length), re.compile(prefix) if prefix else None)
