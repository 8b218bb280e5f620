"""Which property is right for each contact field: schemas in the forms that taps for CRMs, shops and databases have."""

from __future__ import annotations

from typing import Any

import pytest

from target_sendgrid.mapping.suggestions import suggestions
from tests.harness.mappings import schema_of

TEXT: dict[str, Any] = {"type": ["null", "string"]}
NUMBER: dict[str, Any] = {"type": ["null", "number"]}


def texts(*names: str) -> dict[str, Any]:
    return dict.fromkeys(names, TEXT)


def of(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def listed(items: Any) -> dict[str, Any]:
    return {"type": ["null", "array"], "items": items}


def sources(schema: dict[str, Any]) -> dict[str, str]:
    return {field: one.source for field, one in suggestions(schema).items()}


def among(*names: str, **others: Any) -> dict[str, str]:
    return sources(of(**texts(*names), **others))


class TestForms:
    def test_a_crm_that_writes_words_together(self) -> None:
        names = ("Id", "LastName", "FirstName", "Name", "Phone", "HomePhone", "OtherPhone", "Email", "OwnerId")
        places = [
            f"{kind}{part}" for kind in ("Other", "Mailing") for part in ("Street", "City", "State", "PostalCode")
        ]
        assert among(*names, *places, MailingAddress=of(**texts("street", "city"))) == {
            "email": "Email", "first_name": "FirstName", "last_name": "LastName", "address_line_1": "MailingStreet",
            "city": "MailingCity", "state_province_region": "MailingState", "postal_code": "MailingPostalCode",
            "phone_number": "Phone",
        }  # fmt: skip

    def test_a_crm_that_puts_a_prefix_before_all_names(self) -> None:
        names = ("property_email", "property_firstname", "property_zip", "property_hs_email_optout", "property_city")
        assert among("vid", *names) == {
            "email": "property_email", "first_name": "property_firstname", "city": "property_city",
            "postal_code": "property_zip",
        }  # fmt: skip

    def test_an_accounting_system_with_objects_for_addresses(self) -> None:
        places = texts("Line1", "Line2", "City", "CountrySubDivisionCode", "PostalCode", "Lat")
        schema = of(
            **texts("GivenName", "FamilyName", "DisplayName"),
            ShipAddr=of(**places),
            BillAddr=of(**places),
            PrimaryEmailAddr=of(Address=TEXT),
            WebAddr=of(URI=TEXT),
            Mobile=of(FreeFormNumber=TEXT),
            PrimaryPhone=of(FreeFormNumber=TEXT),
        )
        assert sources(schema) == {
            "email": "PrimaryEmailAddr.Address", "first_name": "GivenName", "last_name": "FamilyName",
            "address_line_1": "BillAddr.Line1", "address_line_2": "BillAddr.Line2", "city": "BillAddr.City",
            "state_province_region": "BillAddr.CountrySubDivisionCode", "postal_code": "BillAddr.PostalCode",
            "phone_number": "PrimaryPhone.FreeFormNumber",
        }  # fmt: skip

    def test_an_api_with_everything_under_attributes(self) -> None:
        place = of(**texts("address1", "region", "zip", "timezone"))
        inner = of(
            **texts("email", "first_name", "phone_number"), location=place, subscriptions=of(email=of(consent=TEXT))
        )
        assert sources(of(**texts("id", "type"), attributes=inner)) == {
            "email": "attributes.email", "first_name": "attributes.first_name",
            "address_line_1": "attributes.location.address1", "state_province_region": "attributes.location.region",
            "postal_code": "attributes.location.zip", "phone_number": "attributes.phone_number",
        }  # fmt: skip

    def test_arrays_of_texts_and_of_objects(self) -> None:
        values = listed(of(value=TEXT, type=TEXT))
        schema = of(emails=listed(TEXT), phone_numbers=values, addresses=listed(of(street=listed(TEXT), city=TEXT)))
        assert sources(schema) == {
            "email": "emails.0", "address_line_1": "addresses.0.street.0", "city": "addresses.0.city",
            "phone_number": "phone_numbers.0.value",
        }  # fmt: skip

    def test_a_warehouse_in_capitals_and_a_sheet_with_blanks(self) -> None:
        assert among("CUSTOMER_EMAIL", "FIRSTNAME", "POSTCODE", "LTV") == {
            "email": "CUSTOMER_EMAIL", "first_name": "FIRSTNAME", "postal_code": "POSTCODE",
        }  # fmt: skip
        assert among("E-Mail Address", "First Name", "Zip Code", "Last Order") == {
            "email": "E-Mail Address", "first_name": "First Name", "postal_code": "Zip Code",
        }  # fmt: skip

    def test_references_and_alternatives_are_followed(self) -> None:
        schema = {
            "$defs": {"mail": TEXT, "place": of(city=TEXT)},
            "properties": {
                "mail": {"$ref": "#/$defs/mail"},
                "home": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/place"}]},
            },
        }
        assert sources(schema) == {"email": "mail", "city": "home.city"}

    def test_a_schema_without_types(self) -> None:
        assert sources(schema_of("mail", "Zip")) == {"email": "mail", "postal_code": "Zip"}

    def test_other_reserved_fields_need_their_exact_name(self) -> None:
        assert among("email", "whatsapp", "Facebook", line=listed(TEXT), external_id=TEXT) == {
            "email": "email", "whatsapp": "whatsapp",
        }  # fmt: skip

    def test_what_records_show_counts_only_if_the_target_finds_it(self) -> None:
        sample = of(**texts("email", "whatsapp"), name=of(first=TEXT, last=TEXT))
        found = suggestions({"properties": {"name": {"type": "object"}}}, sample)
        assert {field: one.source for field, one in found.items()} == {
            "email": "email", "first_name": "name.first", "last_name": "name.last", "whatsapp": "whatsapp",
        }  # fmt: skip
        assert suggestions({"properties": {"id": TEXT}, "additionalProperties": False}, sample) == {}
        assert "email" not in suggestions({"properties": {"email": listed(TEXT)}}, sample)

    def test_a_schema_that_refers_to_itself_ends(self) -> None:
        schema = {"type": "object", "properties": {"contact": {"$ref": "#"}, "data": {"$ref": "#"}, "email": TEXT}}
        assert sources(schema) == {"email": "email"}

    @pytest.mark.parametrize("schema", [{}, {"properties": 3}, {"properties": {"email": 3}}, {"type": "array"}])
    def test_a_strange_schema_has_no_suggestions_or_harmless_ones(self, schema: dict[str, Any]) -> None:
        assert sources(schema) in ({}, {"email": "email"})


class TestKinds:
    @pytest.mark.parametrize(
        "schema",
        [
            {"type": "boolean"}, NUMBER, {"type": "integer"}, {"type": "array"}, {"type": "object"},
            {"type": "string", "format": "date-time"}, {"type": "string", "format": "uri"}, {"type": ["null"]},
            listed({"type": "boolean"}), listed({"type": "object"}), of(consent=TEXT),
        ],
    )  # fmt: skip
    def test_an_email_is_a_text(self, schema: dict[str, Any]) -> None:
        assert sources(of(email=schema)) == {}
        assert sources(of(email=schema, primary_email=TEXT)) == {"email": "primary_email"}

    @pytest.mark.parametrize(
        "schema", [TEXT, {}, {"type": "string", "format": "email"}, {"type": ["string", "boolean"]}]
    )
    def test_a_text_may_have_a_format_or_be_something_else(self, schema: dict[str, Any]) -> None:
        assert sources(of(Email=schema)) == {"email": "Email"}

    def test_a_spreadsheet_has_phones_and_zips_in_numbers(self) -> None:
        assert among("email", "zip", Phone={"type": "integer"}) == {
            "email": "email", "postal_code": "zip", "phone_number": "Phone",
        }  # fmt: skip

    @pytest.mark.parametrize("schema", [{"type": "integer"}, {"type": "boolean"}, {"type": "string", "format": "date"}])
    def test_names_and_places_are_texts(self, schema: dict[str, Any]) -> None:
        assert sources(of(first_name=schema, city=schema, country=schema)) == {}

    def test_an_address_that_may_be_an_object_is_no_line(self) -> None:
        assert among("email", "city", address={"type": ["string", "object"]}) == {"email": "email", "city": "city"}


class TestPrecedence:
    @pytest.mark.parametrize(
        ("names", "likely"),
        [
            (("WorkEmail", "PersonalEmail"), "WorkEmail"),
            (("shipping_contact_email", "billing_contact_email"), "billing_contact_email"),
            (("EmailAddress", "PrimaryEmailAddress"), "EmailAddress"),
            (("EMAIL", "email"), "email"),
            (("mail", "email_address"), "email_address"),
            (("customer_email", "email"), "email"),
        ],
    )
    def test_the_likelier_name_wins(self, names: tuple[str, ...], likely: str) -> None:
        assert among(*names) == among(*reversed(names)) == {"email": likely}

    def test_the_top_level_wins(self) -> None:
        inner = of(**texts("email", "first_name"))
        assert among("email", billing=inner, profile=inner) == {"email": "email", "first_name": "profile.first_name"}

    def test_what_is_deeper_wins_over_something_secondary(self) -> None:
        assert among("shipping_city", address=of(city=TEXT)) == {"city": "address.city"}

    def test_names_and_phones_are_not_those_on_a_parcel(self) -> None:
        parcel = of(**texts("first_name", "phone", "city"))
        assert among("email", shipping=parcel) == {"email": "email", "city": "shipping.city"}

    def test_two_people_are_as_likely(self) -> None:
        assert among("customer_email", "user_email") == {}

    def test_names_and_phones_are_those_of_the_person_with_the_email(self) -> None:
        assert among("customer_email", "user_first_name", "customer_phone", "last_name") == {
            "email": "customer_email", "last_name": "last_name", "phone_number": "customer_phone",
        }  # fmt: skip

    def test_the_first_of_several_people_is_not_mixed_with_another_one(self) -> None:
        people = listed(of(**texts("email", "first_name", "city")))
        assert among("email", contacts=people) == {"email": "email"}
        assert among("city", contacts=people) == {
            "email": "contacts.0.email", "first_name": "contacts.0.first_name", "city": "city",
        }  # fmt: skip

    def test_a_mobile_phone_comes_after_a_phone_and_before_the_others(self) -> None:
        assert among("mobile", "phone")["phone_number"] == "phone"
        assert among("home_phone", "work_phone", "mobile_phone")["phone_number"] == "mobile_phone"
        assert among("home_phone", "work_phone")["phone_number"] == "work_phone"

    def test_first_and_last_are_names_beside_each_other_only(self) -> None:
        assert among("email", "first", "last") == {"email": "email", "first_name": "first", "last_name": "last"}
        assert among("email", "first") == {"email": "email"}
        assert sources(of(name=of(**texts("first", "last")))) == {"first_name": "name.first", "last_name": "name.last"}

    def test_other_properties_are_named(self) -> None:
        found = suggestions(of(**texts("home_email", "Email", "work_email")))["email"]
        assert (found.source, found.others) == ("Email", ("work_email", "home_email"))


class TestAddresses:
    def test_one_address_is_taken_and_not_a_mix(self) -> None:
        schema = of(
            **texts("country", "shipping_city"),
            address=of(**texts("line1", "city", "zip")),
            shipping=of(**texts("line1", "city", "zip", "country")),
        )
        assert sources(schema) == {
            "address_line_1": "address.line1", "city": "address.city", "postal_code": "address.zip",
        }  # fmt: skip

    def test_a_whole_address_wins_over_a_part_of_one(self) -> None:
        assert among("country", "home_street", "home_city", "home_country") == {
            "address_line_1": "home_street", "city": "home_city", "country": "home_country",
        }  # fmt: skip

    def test_a_state_alone_is_a_status(self) -> None:
        assert among("email", "state") == {"email": "email"}
        assert among("email", "state", addresses=listed(of(**texts("line1", "city")))) == {
            "email": "email", "address_line_1": "addresses.0.line1", "city": "addresses.0.city",
        }  # fmt: skip
        assert among("email", "state", "country")["state_province_region"] == "state"

    def test_a_state_of_status_words_is_none(self) -> None:
        status = {"enum": ["active", "closed"], "type": "string"}
        assert "state_province_region" not in among("city", "country", state=status)
        assert among("city", state={"enum": ["CA", "NY"], "type": "string"})["state_province_region"] == "state"

    def test_a_second_line_needs_a_first_one(self) -> None:
        assert among("city", "address_2") == {"city": "city"}

    def test_an_address_alone_inside_an_object_may_be_anything(self) -> None:
        assert among("email", contact=of(address=TEXT)) == {"email": "email"}
        assert among("email", "address") == {"email": "email", "address_line_1": "address"}

    def test_the_place_of_a_person_has_an_address_but_no_phone_and_no_email(self) -> None:
        assert among(location=of(**texts("email", "phone", "city", "country_code"))) == {
            "city": "location.city", "country": "location.country_code",
        }  # fmt: skip

    def test_a_phone_may_be_beside_an_address(self) -> None:
        assert among("email", address=of(**texts("phone", "city"))) == {
            "email": "email", "city": "address.city", "phone_number": "address.phone",
        }  # fmt: skip

    def test_numbered_addresses(self) -> None:
        names = ("address1_line1", "address1_city", "address2_line1", "address2_city", "emailaddress1")
        assert among(*names) == {
            "email": "emailaddress1", "address_line_1": "address1_line1", "city": "address1_city",
        }  # fmt: skip


class TestFalseFriends:
    @pytest.mark.parametrize(
        "schema",
        [
            of(**texts("id", "state", "title"), user_id=NUMBER, closed_at=TEXT),  # an issue
            of(**texts("sha", "message"), commit=of(author=of(**texts("name", "email")))),  # a commit
            of(**texts("subject", "from_email", "reply_to_email", "to_emails")),  # a campaign
            of(can_email={"type": "boolean"}, emailOptedOut=TEXT, email_domain=TEXT),  # settings
            of(sources=listed(of(owner=of(**texts("email", "phone"))))),  # a card
            of(invoice=of(customerEmail=TEXT)),
            of(timestamps=of(email={"type": "string", "format": "date-time"})),
            of(website_addresses=listed(of(value=TEXT)), social=of(email=TEXT)),
            of(spouse=of(**texts("first", "last", "email"))),
            of(user=of(email=TEXT), body=TEXT),  # a comment
            of(shipping_address=of(**texts("email", "city")), alternate_email=TEXT),  # a parcel
            of(location=of(email=TEXT)),
            of(orders=listed(of(email=TEXT)), tickets=of(**texts("email"))),
        ],
    )  # fmt: skip
    def test_nobodys_email_is_none(self, schema: dict[str, Any]) -> None:
        assert "email" not in sources(schema)


def test_a_listed_name_with_a_dot_is_taken() -> None:
    schema = {"properties": {"contact.email": TEXT, "contact": {"type": "object", "additionalProperties": False}}}
    assert sources(schema) == {"email": "contact.email"}
