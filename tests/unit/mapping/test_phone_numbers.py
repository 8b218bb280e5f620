from __future__ import annotations

from decimal import Decimal
from typing import Any
from unittest import mock

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_sendgrid.errors import Reason, RecordRejectedError
from target_sendgrid.mapping import phone_numbers
from target_sendgrid.mapping.phone_numbers import to_phone_number

CODES = st.sampled_from(sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE))
LABEL = "property 'phone' (for phone_number_id)"


def problem_with(value: Any, region: str | None = None) -> str:
    with pytest.raises(RecordRejectedError) as caught:
        to_phone_number(value, LABEL, region)
    assert caught.value.reason is Reason.INVALID_PHONE
    return caught.value.sentence.removeprefix(f"{LABEL} ")


def outcome(value: str, region: str | None = None) -> str:
    try:
        return to_phone_number(value, LABEL, region)
    except RecordRejectedError as error:
        return error.sentence


@pytest.mark.parametrize(
    ("value", "region", "expected"),
    [
        ("+442079460018", None, "+442079460018"),
        ("+44 (0)20 7946 0018", None, "+442079460018"),
        ("+4402079460018", None, "+442079460018"),
        ("\u200b+44-20-7946-0018 ", None, "+442079460018"),
        ("tel:+44-20-7946-0018", None, "+442079460018"),
        ("+442079460018", "US", "+442079460018"),
        ("020 7946 0018", "GB", "+442079460018"),
        ("0044 20 7946 0018", "GB", "+442079460018"),
        ("011 44 20 7946 0018", "US", "+442079460018"),
        ("(202) 555-0143", "US", "+12025550143"),
        (2025550143, "US", "+12025550143"),
        (12025550143, "US", "+12025550143"),
        (2025550143.0, "US", "+12025550143"),
        (Decimal("2025550143.0"), "US", "+12025550143"),
        ("06 1234 5678", "IT", "+390612345678"),
        ("+39 06 1234 5678", None, "+390612345678"),
        ("0 15 11 96123-4567", "BR", "+5511961234567"),
        ("+800 1234 5678", None, "+80012345678"),
        ("+290 2 3456", None, "+29023456"),
        ("", None, ""),
        (" \u200b", "US", ""),
    ],
)
def test_a_phone_number_gets_the_international_form(value: Any, region: str | None, expected: str) -> None:
    assert to_phone_number(value, LABEL, region) == expected


@pytest.mark.parametrize("value", [-2079460018, -2079460018.0, Decimal(-2079460018)])
@pytest.mark.parametrize("region", [None, "GB"])
def test_a_negative_number_is_no_phone_number(value: Any, region: str | None) -> None:
    assert problem_with(value, region) == "is not a phone number."


@pytest.mark.parametrize("value", ["020 7946 0018", "0044 20 7946 0018", 442079460018, 442079460018.0, "442079460018"])
def test_a_number_without_a_country_code_is_never_guessed(value: Any) -> None:
    assert problem_with(value) == (
        "has no country code: an international number begins with `+`. If all such numbers are of one country, set"
        " `default_phone_region`."
    )


@pytest.mark.parametrize("region", [None, "US"])
@pytest.mark.parametrize(
    "value",
    [
        "nobody",
        "+",
        "+999 123 4567",
        "+044 20 7946 0018",
        "+01 202 555 0143",
        "none +",
        "+44 20 7946 0018 or +44 20 7946 0019",
    ],
)
def test_a_text_that_is_no_number_is_rejected(value: str, region: str | None) -> None:
    assert problem_with(value, region) == "is not a phone number."


@pytest.mark.parametrize(
    ("value", "region"),
    [("+44 20 7946", None), ("+1 202 555", None), ("+1 5550143", None), ("+442079460018123", None),
     ("612345678", "IT"), ("555-0143", "US"), (7, "GB"), ("1.5", "US")],
)  # fmt: skip
def test_a_number_that_its_country_does_not_have_is_rejected(value: Any, region: str | None) -> None:
    assert problem_with(value, region) in {"is not a phone number that its country has.", "is not a phone number."}


def test_a_number_with_an_extension_is_rejected() -> None:
    sentence = "has an extension, so the number is not that of one person."
    assert problem_with("+44 20 7946 0018 ext. 5") == sentence


@pytest.mark.parametrize(("value", "words"), [(True, "a boolean"), (["+442079460018"], "an array"), ({}, "an object")])
def test_other_values_are_rejected(value: Any, words: str) -> None:
    assert problem_with(value, "US") == f"is {words}, not a phone number."


def test_a_new_range_of_international_numbers_is_taken() -> None:
    number = "+10005550143"
    assert not phonenumbers.is_valid_number(phonenumbers.parse(number))
    assert to_phone_number(number, LABEL, None) == number


@st.composite
def national_numbers(draw: st.DrawFn) -> tuple[str, str]:
    """Return a region, and a number that begins like one of the region."""
    region = draw(st.sampled_from(sorted(phonenumbers.SUPPORTED_REGIONS)))
    kind = draw(st.sampled_from([phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE]))
    example = phonenumbers.example_number_for_type(region, kind) or phonenumbers.example_number(region)
    assert example is not None
    national = phonenumbers.national_significant_number(example)
    kept = draw(st.integers(0, len(national)))
    left = len(national) - kept
    end = draw(st.text("0123456789", min_size=left, max_size=left + draw(st.integers(0, 1))))
    prefix = draw(st.sampled_from(["", "0", "1", "8", "00", "90", "15", str(example.country_code)]))
    return region, prefix + national[:kept] + end


@given(national_numbers())
def test_national_numbers_that_are_only_compared_are_those_that_the_library_gives(given: tuple[str, str]) -> None:
    region, number = given
    with mock.patch.object(phone_numbers, "_usual_number", return_value=None):
        expected = outcome(number, region)
    assert outcome(number, region) == expected


def test_ordinary_numbers_are_not_left_to_the_library() -> None:
    usual = [("+44 20 7946 0018", None), ("020 7946 0018", "GB"), ("(202) 555-0143", "US"), (2025550143, "US")]
    with mock.patch.object(phonenumbers, "parse", side_effect=AssertionError):
        assert [to_phone_number(value, LABEL, region) for value, region in usual] == [
            "+442079460018", "+442079460018", "+12025550143", "+12025550143",
        ]  # fmt: skip


@given(CODES, st.text("0123456789", min_size=1, max_size=14), st.text("0123456789 ().-", max_size=6))
def test_numbers_that_are_only_compared_are_those_that_the_library_gives(code: int, digits: str, end: str) -> None:
    number = f"+{code}{digits}{end}"
    with mock.patch.object(phone_numbers, "_is_unchanged", return_value=False):
        expected = outcome(number)
    assert outcome(number) == expected
