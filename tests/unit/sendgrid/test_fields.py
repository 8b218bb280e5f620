from __future__ import annotations

import pytest

from target_sendgrid.sendgrid import fields
from target_sendgrid.sendgrid.fields import CustomField, FieldCatalogue, FieldType

PLAN = CustomField("e1_T", "Plan", FieldType.TEXT)


class TestNames:
    def test_the_reserved_fields_are_the_documented_ones(self) -> None:
        documented = """
            email first_name last_name address_line_1 address_line_2 city state_province_region postal_code country
            phone_number whatsapp line facebook unique_name alternate_emails
        """
        assert set(fields.RESERVED_FIELDS) == set(documented.split())

    def test_the_email_is_tried_first_as_an_identifier(self) -> None:
        assert fields.IDENTIFIERS == ("email", "phone_number_id", "external_id", "anonymous_id")

    def test_no_field_is_both_writable_and_read_only(self) -> None:
        assert not fields.READ_ONLY_FIELDS & set(fields.MAX_LENGTHS)

    @pytest.mark.parametrize(
        ("field", "length"),
        [
            ("email", 254), ("external_id", 254), ("anonymous_id", 254), ("alternate_emails", 254),
            ("first_name", 50), ("last_name", 50), ("address_line_1", 100), ("address_line_2", 100), ("city", 60),
            ("state_province_region", 50), ("country", 50), ("postal_code", None), ("phone_number_id", None),
        ],
    )  # fmt: skip
    def test_longest_values_are_the_documented_ones(self, field: str, length: int | None) -> None:
        assert fields.MAX_LENGTHS[field] == length

    @pytest.mark.parametrize("name", ["plan", "_plan", "Plan_2", "p" * 100])
    def test_a_custom_field_may_have_the_name(self, name: str) -> None:
        assert fields.CUSTOM_FIELD_NAME.match(name)

    @pytest.mark.parametrize("name", ["", "2plan", "pl an", "plan-b", "plän", "p" * 101, "plan\n"])
    def test_a_custom_field_may_not_have_the_name(self, name: str) -> None:
        assert not fields.CUSTOM_FIELD_NAME.match(name)


class TestFieldCatalogue:
    @pytest.mark.parametrize("name_or_id", ["Plan", "plan", "PLAN", "e1_T"])
    def test_a_field_is_found_by_name_in_any_case_and_by_id(self, name_or_id: str) -> None:
        assert FieldCatalogue([PLAN]).find(name_or_id) is PLAN

    @pytest.mark.parametrize("name_or_id", ["e1_t", "plans", ""])
    def test_a_field_is_not_found_by_a_wrong_name_or_id(self, name_or_id: str) -> None:
        assert FieldCatalogue([PLAN]).find(name_or_id) is None

    def test_an_exact_name_or_id_takes_precedence_over_other_capitals(self) -> None:
        plan = CustomField("E1_t", "PLAN", FieldType.TEXT)
        catalogue = FieldCatalogue([PLAN, plan])
        found = [catalogue.find(name) for name in ("Plan", "PLAN", "plan", "e1_T", "E1_t")]
        assert found == [PLAN, plan, PLAN, PLAN, plan]
        assert catalogue.names() == ["Plan", "PLAN"]

    def test_a_name_takes_precedence_over_an_id(self) -> None:
        named_like_an_id = CustomField("e2_N", "e1_T", FieldType.NUMBER)
        assert FieldCatalogue([PLAN, named_like_an_id]).find("e1_T") is named_like_an_id

    def test_an_added_field_is_found(self) -> None:
        catalogue = FieldCatalogue([])
        catalogue.add(PLAN)
        assert (catalogue.find("plan"), catalogue.find("e1_T")) == (PLAN, PLAN)

    def test_names_keep_their_capitals(self) -> None:
        assert FieldCatalogue([PLAN]).names() == ["Plan"]

    def test_name_of_an_id_is_the_field_name(self) -> None:
        assert FieldCatalogue([PLAN]).name_of("e1_T") == "Plan"
