from __future__ import annotations

import datetime as dt
import itertools
import math
import re
import time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from target_sendgrid.errors import Reason, RecordRejectedError
from target_sendgrid.mapping import conversions

if TYPE_CHECKING:
    from collections.abc import Iterator

MARKER = "zaphod"
"""Part of many test values. No error sentence may contain it, since none may quote a value."""


def rejection(converter: Any, *arguments: Any, **options: Any) -> RecordRejectedError:
    with pytest.raises(RecordRejectedError) as caught:
        converter(*arguments, **options)
    return caught.value


def outcome(converter: Any, value: object) -> object:
    """Return what a converter returns, or the sentence of its error."""
    try:
        return converter(value, "it")
    except RecordRejectedError as error:
        return error.sentence


class TestText:
    @pytest.mark.parametrize(
        ("value", "text"),
        [
            ("as it is ", "as it is "),
            (0, "0"),
            (-7, "-7"),
            (10**20, "100000000000000000000"),
            (False, "false"),
            (True, "true"),
            (Decimal("1.50"), "1.50"),
            (Decimal("1E+3"), "1000"),
            (Decimal("1E-7"), "0.0000001"),
            (Decimal("1.00"), "1.00"),
            (Decimal("94109.0"), "94109"),
            (Decimal("9.41090E+4"), "94109"),
            (Decimal("94109.10"), "94109.10"),
            (Decimal("-0.0"), "0"),
            (94109.0, "94109"),
            (-7.0, "-7"),
            (1e22, "10000000000000000000000"),
            (2.5, "2.5"),
            ([], "[]"),
            ({}, "{}"),
            ([1, Decimal("0.10"), None, "ä"], '[1,0.10,null,"ä"]'),
            ({"a": {"b": [True]}}, '{"a":{"b":[true]}}'),
            ([10**30], "[" + "1" + "0" * 30 + "]"),
            (dt.date(2024, 2, 29), "2024-02-29"),
        ],
    )
    def test_text_is_the_value_as_written_without_the_zero_of_a_whole_float(self, value: object, text: str) -> None:
        assert conversions.to_text(value, "it", None) == text

    def test_a_decimal_of_a_vast_exponent_is_not_written_out(self) -> None:
        assert conversions.to_text(Decimal("1E+999999999"), "it", None) == "1E+999999999"

    def test_the_longest_text_is_taken(self) -> None:
        assert conversions.to_text("x" * 50, "it", 50) == "x" * 50

    def test_length_counts_characters_and_not_bytes(self) -> None:
        assert conversions.to_text("ß" * 50, "it", 50) == "ß" * 50

    @pytest.mark.parametrize("value", ["x" * 51, 10**51, Decimal(10**51), ["x" * 49], {"a": "x" * 50}])
    def test_a_longer_text_is_rejected(self, value: object) -> None:
        assert rejection(conversions.to_text, value, "it", 50).reason is Reason.TOO_LONG

    def test_a_number_of_thousands_of_digits_is_rejected(self) -> None:
        assert rejection(conversions.to_text, 10**5000, "it", None).reason is Reason.TOO_LONG

    def test_the_sentence_about_a_too_long_text_names_both_lengths(self) -> None:
        sentence = rejection(conversions.to_text, MARKER * 10, "property 'a'", 50).sentence
        assert sentence == "property 'a' is 60 characters long; SendGrid takes at most 50."

    @given(st.decimals(allow_nan=False, allow_infinity=False, places=None))
    def test_a_decimal_as_text_reads_back_as_the_same_number(self, value: Decimal) -> None:
        assert Decimal(conversions.to_text(value, "it", None)) == value


class TestNumber:
    @pytest.mark.parametrize(
        ("value", "number"),
        [
            (0, 0),
            (-3, -3),
            (10**30, 10**30),
            (Decimal("15.5"), Decimal("15.5")),
            (Decimal("0.10"), Decimal("0.10")),
            (0.1, 0.1),
            ("15.5", Decimal("15.5")),
            ("100000", 100000),
            (" 7\n", 7),
            ("\ufeff7\u200b\xa0", 7),
            ("+7", 7),
            ("-.5", Decimal("-0.5")),
            ("7.", 7),
            ("7.000", 7),
            ("1e3", 1000),
            ("1E-3", Decimal("0.001")),
            ("00012", 12),
            ("-0", 0),
        ],
    )
    def test_a_number_or_a_numeric_text_is_taken(self, value: object, number: float | Decimal) -> None:
        assert conversions.to_number(value, "it") == number

    @pytest.mark.parametrize("value", [True, False])
    def test_a_boolean_is_never_a_number(self, value: bool) -> None:  # noqa: FBT001 - the case itself
        assert rejection(conversions.to_number, value, "it").reason is Reason.NOT_A_NUMBER

    @pytest.mark.parametrize(
        "value",
        [
            "nan",
            "NaN",
            "-nan",
            "sNaN",
            "inf",
            "Infinity",
            "-Infinity",
            "1e999",
            "1" * 400,
            "1_000",
            "1,5",
            "0x10",
            "1e",
        ],
    )
    def test_a_text_that_only_python_or_no_double_takes_as_a_number_is_rejected(self, value: str) -> None:
        assert rejection(conversions.to_number, value, "it").reason is Reason.NOT_A_NUMBER

    @pytest.mark.parametrize(
        "value",
        [10**400, -(10**400), Decimal("1E+400"), float("nan"), float("inf"), Decimal("NaN"), Decimal("Infinity")],
    )
    def test_a_number_that_no_double_holds_is_rejected(self, value: object) -> None:
        assert rejection(conversions.to_number, value, "it").reason is Reason.NOT_A_NUMBER

    @pytest.mark.parametrize("value", [MARKER, "", " ", [], [1], {}, "12 zaphods", dt.date(2024, 1, 1)])
    def test_a_value_that_is_no_number_is_rejected(self, value: object) -> None:
        assert rejection(conversions.to_number, value, "it").reason is Reason.NOT_A_NUMBER

    def test_a_whole_number_in_a_text_is_sent_without_a_point(self) -> None:
        assert isinstance(conversions.to_number("42.0", "it"), int)

    @given(st.one_of(st.integers(-(10**300), 10**300), st.decimals(allow_nan=False, allow_infinity=False, places=5)))
    def test_a_number_and_the_same_number_as_text_are_one(self, number: int | Decimal) -> None:
        assert conversions.to_number(str(number), "it") == conversions.to_number(number, "it") == number


INTEGERS = st.integers() | st.sampled_from([10**300, 10**300 - 1, 10**309, -(10**300), -(10**309)])
DIGITS = st.sampled_from(["", "0", "00", "7", "12", "9" * 300, "9" * 301, "0" * 299 + "1", "\u0663"])
NUMERIC = st.tuples(
    st.sampled_from(["", "+", "-", " "]),
    DIGITS,
    st.sampled_from(["", ".", ","]),
    DIGITS,
    st.sampled_from(["", "e3", "\n"]),
).map("".join)


def plain_number(text: str) -> int | Decimal | None:
    """Return the number in a text by the simplest means."""
    if not re.fullmatch(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?", text.strip()):
        return None
    number = Decimal(text)
    if not math.isfinite(float(number)):
        return None
    return int(number) if number == number.to_integral_value() else number


@given(NUMERIC)
def test_a_number_in_a_text_is_what_the_decimal_module_reads(text: str) -> None:
    found, expected = outcome(conversions.to_number, text), plain_number(text)
    if expected is None:
        assert found == "it is a text, not a number that SendGrid can store." or not text
    else:
        assert (type(found), str(found)) == (type(expected), str(expected))


@given(INTEGERS)
def test_an_integer_is_a_number_if_a_double_holds_it(value: int) -> None:
    expected: object = value if abs(value) < 10**308 else "it is a number, not a number that SendGrid can store."
    assert outcome(conversions.to_number, value) == expected


@pytest.fixture
def _tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        yield
    time.tzset()


class TestDate:
    @pytest.mark.parametrize(
        ("value", "date"),
        [
            ("2024-02-29", "2024-02-29T00:00:00Z"),
            ("2024-02-29T12:00:00Z", "2024-02-29T12:00:00Z"),
            ("2024-02-29t12:00:00z", "2024-02-29T12:00:00Z"),
            ("2024-02-29 12:00:00", "2024-02-29T12:00:00Z"),
            ("2024-02-29T12:00", "2024-02-29T12:00:00Z"),
            (" 2024-02-29T12:00:00Z\n", "2024-02-29T12:00:00Z"),
            ("\ufeff2024-02-29T12:00:00Z\u200b\xa0", "2024-02-29T12:00:00Z"),
            ("2024-02-29T00:30:00+01:00", "2024-02-28T23:30:00Z"),
            ("2024-02-29T23:30:00-0230", "2024-03-01T02:00:00Z"),
            ("2024-02-29T12:00:00.123456Z", "2024-02-29T12:00:00.123Z"),
            ("2024-02-29T12:00:00.123456789Z", "2024-02-29T12:00:00.123Z"),
            ("2024-02-29T12:00:00.000000Z", "2024-02-29T12:00:00Z"),
            ("2024-02-29T24:00:00Z", "2024-03-01T00:00:00Z"),
            ("2024-02-29T12", "2024-02-29T12:00:00Z"),
            ("2024-02-29T120000,5+01", "2024-02-29T11:00:00.500Z"),
            ("2024-02-29 12:00:00 +0100", "2024-02-29T11:00:00Z"),
            ("2024-02-29 12:00:00.5 -01:00", "2024-02-29T13:00:00.500Z"),
            ("2024-02-29 12:00:00 Z", "2024-02-29T12:00:00Z"),
            ("1850-01-01T00:00:00+00:53:28", "1849-12-31T23:06:32Z"),
            ("0001-01-01", "0001-01-01T00:00:00Z"),
            ("0001-01-01T00:00:00-14:00", "0001-01-01T14:00:00Z"),
            ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"),
            (dt.date(2024, 2, 29), "2024-02-29T00:00:00Z"),
            (dt.datetime(2024, 2, 29, 12, tzinfo=dt.timezone.utc), "2024-02-29T12:00:00Z"),
            (dt.datetime(2024, 2, 29, 12, tzinfo=dt.timezone(dt.timedelta(hours=2))), "2024-02-29T10:00:00Z"),
        ],
    )
    def test_an_iso_date_is_sent_in_utc(self, value: object, date: str) -> None:
        assert conversions.to_date(value, "it") == date

    @pytest.mark.usefixtures("_tokyo")
    @pytest.mark.parametrize(
        ("value", "date"),
        [
            ("2024-02-29T12:00:00", "2024-02-29T12:00:00Z"),
            ("2024-02-29T00:30:00+01:00", "2024-02-28T23:30:00Z"),
            (dt.date(2024, 2, 29), "2024-02-29T00:00:00Z"),
            (dt.datetime(2024, 2, 29, 12), "2024-02-29T12:00:00Z"),  # noqa: DTZ001 - as a Parquet file without a zone
        ],
        ids=str,
    )
    def test_the_time_zone_of_the_machine_changes_nothing(self, value: object, date: str) -> None:
        assert time.strftime("%z") == "+0900"
        assert conversions.to_date(value, "it") == date

    @pytest.mark.parametrize(
        "value",
        [
            MARKER,
            "",
            "2024-02-30",
            "2023-02-29",
            "2024-13-01",
            "0000-01-01",
            "20240229",
            "2024-02",
            "2024",
            "2024-W09-4",
            "2024-060",
            "02/29/2024",
            "1709208000",
            "2024-02-29T",
            "2024-02-29T25:00:00Z",
            "2024-02-29T23:59:60Z",
            "2024-02-29T12:00:00+25:00",
            "2024-02-29T12:00:00[Europe/Berlin]",
            "2024-02-29zaphod",
            "2024-02-29T158",
            "2024-02-29T1 :30",
            "2024-02-29T04.5",
            "2024-02-29T12:0000",
            "2024-02-29T24:00:01Z",
            "2024-02-29T+01:00",
            "2024-02-29 +01:00",
            "2024-02-29T12:00:00  +01:00",
            "٢٠٢٤-٠٢-٢٩",
        ],
    )
    def test_a_text_that_is_no_iso_date_is_rejected(self, value: str) -> None:
        assert rejection(conversions.to_date, value, "it").reason is Reason.NOT_A_DATE

    @pytest.mark.parametrize(
        "value", ["0000-00-00", "0000-00-00 00:00:00", " 0000-00-00T00:00:00.000000+00:00", "0000-00-00T00:00:00Z"]
    )
    def test_the_zero_date_of_mysql_is_no_date(self, value: str) -> None:
        assert conversions.to_date(value, "it") is None

    @pytest.mark.parametrize(
        "value", ["0000-00-01", "0000-01-00", "0000-00-00T00:00:01Z", "0000-00-00T", "0000-00-000"]
    )
    def test_a_date_that_is_only_partly_zero_is_rejected(self, value: str) -> None:
        assert rejection(conversions.to_date, value, "it").reason is Reason.NOT_A_DATE

    @pytest.mark.parametrize("value", [1709208000, Decimal("1709208000.5"), True, [], {}, ["2024-02-29"]])
    def test_a_value_that_is_no_text_is_no_date(self, value: object) -> None:
        assert rejection(conversions.to_date, value, "it").reason is Reason.NOT_A_DATE

    @pytest.mark.parametrize(
        "value", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "9999-12-31T24:00:00Z"]
    )
    def test_a_date_that_leaves_the_calendar_is_rejected(self, value: str) -> None:
        assert rejection(conversions.to_date, value, "it").reason is Reason.NOT_A_DATE

    @given(
        st.datetimes(
            dt.datetime(2, 1, 1), dt.datetime(9998, 1, 1),  # noqa: DTZ001 - hypothesis takes bounds without a time zone
            timezones=st.timezones(),
        )
    )  # fmt: skip
    def test_a_date_time_keeps_its_moment_to_the_millisecond(self, moment: dt.datetime) -> None:
        # An offset that counts seconds, as some zones had before 1900, can't be written in ISO-8601.
        offset = moment.utcoffset() or dt.timedelta()
        moment = moment.replace(tzinfo=dt.timezone(dt.timedelta(minutes=offset // dt.timedelta(minutes=1))))
        sent = dt.datetime.fromisoformat(str(conversions.to_date(moment.isoformat(), "it")).replace("Z", "+00:00"))
        assert sent == moment - dt.timedelta(microseconds=moment.microsecond % 1000)

    @given(st.text(alphabet="0123456789-+:TtZz. W", max_size=30))
    @example("9999-12-31T24")
    def test_any_text_is_converted_or_rejected(self, text: str) -> None:
        try:
            date = conversions.to_date(text, "it")
            assert date is None or date.endswith("Z")
        except RecordRejectedError as error:
            assert error.reason is Reason.NOT_A_DATE  # noqa: PT017 - either is right


EVERY_DAY = [f"{year}-{month:02}-{day:02}" for year in (2023, 2024) for month in range(14) for day in range(33)]
"""Days with a month and a day of two digits, whether the calendar has them or not."""

FORMS = itertools.product(
    ["2024-03-01", "2024-12-31", "0000-01-01", "0001-01-01", "1000-01-01", "9999-12-31", "٢٠٢٤-٠٢-٢٠"],
    ["T", " ", "t", "_"],
    ["00:00:00", "00:30:59", "12:00:00", "23:59:59", "23:59:60", "23:60:00", "24:00:00"],
    ["", ".", ".5", ",5", ".000", ".0000", ".0004", ".123", ".000000", ".0000009", ".123456", ".000000000"],
    ["", "Z", "z", " Z", "+00:00", "-0000", "+00", "+02", "-0500", "+05:30", "-00:01", "+24:00", "+01:60", "+01:00:30"],
    ["", "\n"],
)
"""Parts of date-times of all forms, usual or not."""


@pytest.mark.parametrize(
    "texts",
    [EVERY_DAY, [f"{day}T12:00:00Z" for day in EVERY_DAY], ["".join(parts) for parts in FORMS]],
    ids=["days", "noons", "forms"],
)
def test_a_date_that_needs_no_parsing_is_converted_as_the_parser_does_it(texts: list[str]) -> None:
    expected = [outcome(conversions._parsed_date, text) for text in texts]  # noqa: SLF001 - the test compares the two
    assert [outcome(conversions.to_date, text) for text in texts] == expected


@given(st.from_regex(conversions._USUAL_DATE))  # noqa: SLF001 - the test compares the two
def test_any_date_that_needs_no_parsing_is_converted_as_the_parser_does_it(text: str) -> None:
    assert outcome(conversions.to_date, text) == outcome(conversions._parsed_date, text)  # noqa: SLF001 - see above


AROUND = [
    *(char for char in map(chr, range(0x110000)) if char.isspace()),
    *"\u00ad\u061c\u180e\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff",
]
"""Everything that Python takes for a blank, and characters that nobody sees."""


class TestEmail:
    @pytest.mark.parametrize(
        ("value", "email"),
        [
            ("ada@example.com", "ada@example.com"),
            ("  Ada@Example.COM\r\n", "ada@example.com"),
            ("fake_email_10@lmail.c", "fake_email_10@lmail.c"),
            ("ada@localhost", "ada@localhost"),
            ("o'brien+tag@example.co.uk", "o'brien+tag@example.co.uk"),
            ("müller@exämple.de", "müller@exämple.de"),
            ('"ada lovelace"@example.com', '"ada lovelace"@example.com'),
            ('"ada@home"@example.com', '"ada@home"@example.com'),
            ("MÜLLER@EXÄMPLE.de", "mÜller@exÄmple.de"),
            ("İ@example.com", "İ@example.com"),
            ("\u212a@example.com", "\u212a@example.com"),
            ("Ada\u200b@Example.com", "ada\u200b@example.com"),
            ("x" * 242 + "@example.com", "x" * 242 + "@example.com"),
        ],
    )
    def test_an_email_is_trimmed_and_lower_cased(self, value: str, email: str) -> None:
        assert conversions.to_email(value, "it") == email

    @pytest.mark.parametrize("around", AROUND, ids=lambda text: ascii(text).replace("\\", "/"))
    @pytest.mark.parametrize("email", ["Ada@Example.com", "MÜLLER@example.com"])
    def test_blanks_and_invisible_characters_around_an_email_are_trimmed(self, email: str, around: str) -> None:
        expected = conversions.to_email(email, "it")
        for value in (around + email, email + around, f" {around}\n{around} {email}{around}\t{around}"):
            assert conversions.to_email(value, "it") == expected
        assert conversions.to_emails([around, around + email], "it") == [expected]

    def test_only_ascii_letters_are_lower_cased_in_alternate_emails_too(self) -> None:
        emails = ["K@example.com", "\u212a@example.com", "k@example.com"]
        assert conversions.to_emails(emails, "it") == ["k@example.com", "\u212a@example.com"]

    @pytest.mark.parametrize("value", ["", " ", "\t\n", "\ufeff", "\u200b \u00a0\u200b"])
    def test_a_blank_email_is_empty(self, value: str) -> None:
        assert conversions.to_email(value, "it") == ""

    @pytest.mark.parametrize(
        "value",
        [
            MARKER, "zaphod@", "@example.com", "zaphod@@example.com", "zaphod@beeble@brox.com", "za phod@example.com",
            "zaphod@exam ple.com", "zaphod@example.com,trillian@example.com", "zaphod\x00@example.com",
            "zaphod@exa\x7fmple.com", "zaphod@example.com\nbcc: trillian@example.com", "Zaphod <zaphod@example.com>",
            '"zaphod\n"@example.com',
        ],
    )  # fmt: skip
    def test_a_text_that_can_not_be_an_address_is_rejected(self, value: str) -> None:
        assert rejection(conversions.to_email, value, "it").reason is Reason.INVALID_EMAIL

    @pytest.mark.parametrize("value", [0, 1, False, True, Decimal("1.5"), [], ["zaphod@example.com"], {}])
    def test_a_value_that_is_no_text_is_no_email(self, value: object) -> None:
        assert rejection(conversions.to_email, value, "it").reason is Reason.INVALID_EMAIL

    def test_a_too_long_email_is_rejected(self) -> None:
        assert rejection(conversions.to_email, "x" * 243 + "@example.com", "it").reason is Reason.TOO_LONG

    @pytest.mark.parametrize("around", ["", " ", "\ufeff"])
    def test_length_is_counted_without_what_is_trimmed(self, around: str) -> None:
        email = "İ" * 242 + "@example.com"
        assert conversions.to_email(around * 100 + email, "it") == email

    @given(st.one_of(st.emails(), st.text(max_size=20).map(lambda text: f"{text}@Example.com")))
    def test_normalising_twice_is_normalising_once(self, email: str) -> None:
        try:
            normalised = conversions.to_email(email, "it")
        except RecordRejectedError:
            return
        assert conversions.to_email(normalised, "it") == normalised

    @given(st.emails())
    def test_no_address_by_the_standards_is_refused(self, email: str) -> None:
        assert conversions.to_email(email, "it") == email.lower()


class TestAlternateEmails:
    @pytest.mark.parametrize(
        ("value", "emails"),
        [
            ("Ada@Example.com", ["ada@example.com"]),
            (["a@x.com", "A@X.com ", "b@x.com"], ["a@x.com", "b@x.com"]),
            (["b@x.com", "", None, " ", "a@x.com"], ["b@x.com", "a@x.com"]),
            ([], []),
            (" ", []),
            (["", None], None),
            ([None], None),
            ([f"{letter}@x.com" for letter in "abcde"] * 2, [f"{letter}@x.com" for letter in "abcde"]),
        ],
    )
    def test_one_address_or_many_become_a_list_without_blanks_and_repeats(
        self, value: object, emails: list[str] | None
    ) -> None:
        assert conversions.to_emails(value, "it") == emails

    def test_six_addresses_are_rejected(self) -> None:
        value = [f"{letter}@x.com" for letter in "abcdef"]
        assert rejection(conversions.to_emails, value, "it").reason is Reason.TOO_MANY_ITEMS

    @pytest.mark.parametrize("value", [5, False, {}, [0], [["a@x.com"]], [{}], ["a@x.com", MARKER]])
    def test_one_item_that_is_no_address_rejects_all(self, value: object) -> None:
        assert rejection(conversions.to_emails, value, "it").reason is Reason.INVALID_EMAIL


@pytest.mark.parametrize(
    ("converter", "value"),
    [
        (conversions.to_number, MARKER),
        (conversions.to_number, [MARKER]),
        (conversions.to_date, MARKER),
        (conversions.to_date, {MARKER: 1}),
        (conversions.to_email, MARKER),
        (conversions.to_email, [MARKER]),
        (conversions.to_email, f"{MARKER}@" + "x" * 300),
        (conversions.to_emails, [MARKER]),
        (conversions.to_emails, [f"{number}@{MARKER}" for number in range(6)]),
    ],
)
def test_a_sentence_names_the_property_and_never_the_value(converter: object, value: object) -> None:
    sentence = rejection(converter, value, label="property 'mine'").sentence
    assert (sentence.startswith("property 'mine' "), MARKER in sentence) == (True, False)


PLAIN, ANY = conversions._PLAIN_EMAIL, conversions._EMAIL  # noqa: SLF001 - the test compares the two


@given(st.from_regex(PLAIN) | st.text(st.characters(max_codepoint=0x17F), max_size=12).map("a@{}".format))
def test_the_quick_email_pattern_matches_nothing_that_the_full_one_does_not(text: str) -> None:
    if PLAIN.match(text):
        assert ANY.match(text.strip().lower())
        assert text.strip().lower() == text.lower()
