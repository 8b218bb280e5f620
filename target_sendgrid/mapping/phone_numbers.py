"""Conversion of record values to phone numbers that identify contacts, in the international form (E.164).

The library takes several times as long for a number as a record takes in all. So most numbers are only compared with
its rules for their country: those that begin with a plus sign, and ordinary ones of the region that the settings give.
What these rules do not show for sure is left to the library.
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

_PLAIN = re.compile(r"\+?[\d ().-]{5,30}\Z", re.ASCII)

_WITHOUT_SEPARATORS = str.maketrans("", "", " ().-")

_MAX_INTEGER = 10**15

_CALLING_CODES = (2, 3, 4)
"""Where the calling code of a country may end in an international number."""


class _International(NamedTuple):
    """The numbers of a calling code."""

    lengths: frozenset[int]
    """Possible numbers of digits, the calling code not counted."""
    prefix: re.Pattern[str] | None
    """Matches what is dialled before a number inside the country, such as a zero; ``None`` where nothing is."""


class _National(NamedTuple):
    """The numbers of a country."""

    calling_code: str
    prefix: re.Pattern[str] | None
    """As of `_International`, with a group for what makes a number an unusual one."""
    abroad: re.Pattern[str]
    """Matches what is dialled before a number of another country."""
    all_numbers: re.Pattern[str]
    usual_numbers: tuple[tuple[frozenset[int], re.Pattern[str]], ...]
    """Possible numbers of digits and a pattern, of fixed lines and of mobile phones."""


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
    plain = str(value) if type(value) is int and 0 < value < _MAX_INTEGER else value
    if type(plain) is str and _PLAIN.match(plain):
        compact = plain.translate(_WITHOUT_SEPARATORS)
        if compact.startswith("+"):
            if _is_unchanged(compact):
                return compact
        elif region is not None and (number := _usual_number(compact, region)):
            return number
    return _parsed(value, label, region)


def _parsed(value: Any, label: str, region: str | None) -> str:  # noqa: ANN401 - a JSON value of any type
    """Return what `to_phone_number` returns, for numbers of any form."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float, Decimal)):
        raise _invalid(f"{label} is {kind_in_words(value)}, not a phone number.")
    if not isinstance(value, str) and value < 0:  # the sign would be taken for a separator
        raise _invalid(f"{label} is not a phone number.")
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
        rules = _international(number[1:end])
        if rules is not None:
            national = number[end:]
            return len(national) in rules.lengths and (rules.prefix is None or not rules.prefix.match(national))
    return False


def _usual_number(digits: str, region: str) -> str | None:
    """Return a number of a region in the international form, if it is surely an ordinary one of the region."""
    rules = _national(region)
    if digits.startswith(rules.calling_code) or rules.abroad.match(digits):
        return None
    number = digits
    if rules.prefix is not None and (dialled := rules.prefix.match(digits)):
        if any(dialled.groups()):
            return None
        number = digits[dialled.end() :]
    is_usual = any(len(number) in lengths and usual.fullmatch(number) for lengths, usual in rules.usual_numbers)
    is_certain = is_usual and not number.startswith("0") and rules.all_numbers.fullmatch(number)
    return f"+{rules.calling_code}{number}" if is_certain else None


@functools.lru_cache(maxsize=4096)
def _international(calling_code: str) -> _International | None:
    """Return the numbers of a calling code, or ``None`` if there is no such code."""
    code = int(calling_code)
    regions = None if calling_code.startswith("0") else phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(code)
    if not regions:
        return None
    rules: Any = phonenumbers.PhoneMetadata.metadata_for_region_or_calling_code(code, regions[0])
    return _International(frozenset(rules.general_desc.possible_length), _prefix_of(rules))


@functools.lru_cache(maxsize=1)
def _national(region: str) -> _National:
    """Return the numbers of a region."""
    rules: Any = phonenumbers.PhoneMetadata.metadata_for_region(region)
    return _National(
        str(rules.country_code),
        _prefix_of(rules),
        re.compile(rules.international_prefix),
        re.compile(rules.general_desc.national_number_pattern),
        tuple(
            (frozenset(kind.possible_length), re.compile(kind.national_number_pattern))
            for kind in (rules.mobile, rules.fixed_line)
            if kind is not None and kind.national_number_pattern
        ),
    )


def _prefix_of(rules: Any) -> re.Pattern[str] | None:  # noqa: ANN401 - the library types all as optional
    return re.compile(rules.national_prefix_for_parsing) if rules.national_prefix_for_parsing else None
