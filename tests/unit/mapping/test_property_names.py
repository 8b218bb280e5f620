from __future__ import annotations

import pytest

from target_sendgrid.mapping.property_names import (
    CERTAIN,
    LIKELY,
    certain_field,
    is_known,
    likely_field,
    meaning,
    words_in,
)
from target_sendgrid.sendgrid import fields


def test_all_words_are_for_reserved_fields_and_for_one_field_only() -> None:
    assert CERTAIN.keys() | LIKELY.keys() <= set(fields.RESERVED_FIELDS)
    phrases = [phrase for table in (CERTAIN, LIKELY) for words in table.values() for phrase in words]
    assert len(phrases) == len(set(phrases))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("first_name", "first name"), ("FirstName", "first name"), ("firstname", "first name"),
        ("FIRSTNAME", "first name"), ("First Name", "first name"), ("EMailAddress", "e mail address"),
        ("e-mail", "e mail"), ("address1_line2", "address 1 line 2"), ("MAILINGPOSTALCODE", "mailing postal code"),
        ("$city", "city"), ("shoe_size", "shoe size"), ("estate", "estate"), ("username", "user name"),
        ("émail", "émail"), ("größe", "größe"), ("", ""), ("$", ""), ("city" * 16, "city" * 16),
    ],
)  # fmt: skip
def test_a_name_is_taken_apart_into_words(name: str, words: str) -> None:
    assert words_in(name) == tuple(filter(None, words.split(" ")))


@pytest.mark.parametrize(
    ("name", "field", "before"),
    [
        ("email", "email", ()), ("E_MAIL", "email", ()), ("emailaddress1", "email", ()), ("mail", "email", ()),
        ("billing_contact_email", "email", ("billing", "contact")), ("property_email", "email", ("property",)),
        ("WorkEmail", "email", ("work",)), ("CUST_EMAIL_ADDR", "email", ("cust",)),
        ("mp_reserved_first_name", "first_name", ("mp", "reserved")), ("surname", "last_name", ()),
        ("MailingStreet", "address_line_1", ("mailing",)), ("address_two", "address_line_2", ()),
        ("zip", "postal_code", ()), ("plant_zip", None, ()), ("StateProvince", "state_province_region", ()),
        ("mobile_phone", "phone_number", ()), ("homePhone", "phone_number", ("home",)),
        ("address1_city", "city", ("address 1",)), ("address2_city", None, ()),
    ],
)  # fmt: skip
def test_a_name_means_a_field(name: str, field: str | None, before: tuple[str, ...]) -> None:
    found = meaning(words_in(name))
    assert (found and found.field) == field
    assert found is None or found.qualifiers == before


@pytest.mark.parametrize(
    "name",
    [
        "can_email", "emailOptedOut", "HasOptedOutOfEmail", "email_domain", "email_hash", "email_verified_at",
        "ownerEmail",
        "assignee_email", "from_email", "cc_emails", "reply_to_email", "support_email", "mailbox", "mailing_list_id",
        "receipt_email", "payer_email", "unique_email_id", "mail_opened", "ip_address", "mac_address", "webAddress",
        "wallet_address", "capacity", "velocity", "statement", "stateful", "estate", "zip_file", "country_id",
        "phone_country_code", "phone_type", "telephone_extension", "last_seen", "first_order", "first_visit_at",
        "company_name", "display_name", "username", "name", "geoIPCity", "street_view_url", "town_hall", "cell_id",
        "line", "product_line_1", "mobile_app", "country_of_origin", "postal_service", "email_2", "address_line_3", "",
    ],
)  # fmt: skip
def test_a_name_that_only_looks_like_one_means_nothing(name: str) -> None:
    assert meaning(words_in(name)) is None


@pytest.mark.parametrize(
    ("name", "certain", "likely"),
    [
        ("zip", "postal_code", "postal_code"), ("firstName", "first_name", "first_name"),
        ("state", "state_province_region", "state_province_region"),
        ("mobile", None, "phone_number"), ("region", None, "state_province_region"), ("MailingCity", None, "city"),
        ("last", None, None), ("deals", None, None), ("score", None, None),
    ],
)  # fmt: skip
def test_some_names_are_certain_and_some_are_likely(name: str, certain: str | None, likely: str | None) -> None:
    assert (certain_field(name), likely_field(name)) == (certain, likely)


def test_an_object_of_known_words_may_hold_a_field() -> None:
    assert is_known(words_in("billing_address"))
    assert not is_known(words_in("billing_owner"))
