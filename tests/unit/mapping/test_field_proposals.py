from __future__ import annotations

from typing import Any

import pytest

from target_sendgrid.mapping.contact_fields import find_field, unknown_field_problem
from target_sendgrid.mapping.field_proposals import proposals
from target_sendgrid.mapping.plan import NewField
from target_sendgrid.mapping.suggestions import suggestions
from target_sendgrid.sendgrid.fields import FieldCatalogue, FieldType
from target_sendgrid.settings.settings import Source

TEXT: dict[str, Any] = {"type": ["null", "string"]}


def proposed(properties: dict[str, Any], sample: dict[str, Any] | None = None) -> dict[str, tuple[str, str]]:
    schema = {"type": "object", "properties": {"email": TEXT, **properties}}
    found = suggestions(schema, sample)
    return {one.name: (one.source, one.field_type.value) for one in proposals(schema, sample, found)}


def test_numbers_and_dates_come_first() -> None:
    properties = {
        "tier": TEXT,
        "LifetimeValue__c": {"type": "number"},
        "last_order": {"type": "string", "format": "date-time"},
        "spent": {"type": "string", "format": "singer.decimal"},
        "is_vip": {"type": "boolean"},
    }
    assert list(proposed(properties).items()) == [
        ("lifetime_value", ("LifetimeValue__c", "Number")),
        ("spent", ("spent", "Number")),
        ("last_order", ("last_order", "Date")),
        ("tier", ("tier", "Text")),
        ("is_vip", ("is_vip", "Text")),
    ]


@pytest.mark.parametrize(
    "name",
    [
        "id", "customer_id", "ownerId", "uuid", "api_token", "password_hash", "avatar_url", "last_ip",
        "_sdc_batched_at", "first_name", "city", "work_email", "email_verified", "mobile", "ExternalId",
    ],
)  # fmt: skip
def test_what_is_of_no_use_or_personal_is_left_out(name: str) -> None:
    assert proposed({name: TEXT}) == {}


@pytest.mark.parametrize(
    "schema", [{"type": "object"}, {"type": "array"}, {}, {"type": ["string", "array"]}, {"type": "null"}]
)
def test_a_custom_field_has_one_value(schema: dict[str, Any]) -> None:
    assert proposed({"tier": schema}) == {}


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("shoeSize", "shoe_size"), ("Last Order", "last_order"), ("größe!", "groe"),
        ("2nd_order", "source_2nd_order"), ("created_at", "source_created_at"), ("line", "source_line"),
        ("postal_codes", "source_postal_codes"), ("x" * 200, "x" * 100), ("客户", None), ("HTTPStatus", "httpstatus"),
    ],
)  # fmt: skip
def test_the_field_gets_a_name_that_sendgrid_takes_and_that_means_nothing_else(name: str, field: str | None) -> None:
    found = [*proposed({name: {"type": "number"}})]
    assert found == ([] if field is None else [field])
    for one in found:
        new = NewField(one, FieldType.NUMBER, "")
        catalogue = FieldCatalogue([])
        assert find_field(one, catalogue) is None
        assert unknown_field_problem(new, Source(name), catalogue, (), can_create=True) is None


def test_two_properties_do_not_fill_one_field() -> None:
    assert proposed({"tier": TEXT, "Tier": TEXT}) == {"tier": ("tier", "Text")}


def test_properties_beside_the_email_are_proposed_also_inside_an_object() -> None:
    schema = {"properties": {"tier": TEXT, "attributes": {"properties": {"email": TEXT, "ltv": {"type": "number"}}}}}
    found = proposals(schema, None, suggestions(schema))
    assert [(one.name, one.source) for one in found] == [("ltv", "attributes.ltv"), ("tier", "tier")]


def test_properties_that_only_records_show_are_proposed_if_the_target_finds_them() -> None:
    sample = {"type": ["object"], "properties": {"ltv": {"type": ["integer"]}, "email": {"type": ["string"]}}}
    assert proposed({}, sample) == {"ltv": ("ltv", "Number")}
    closed = {"properties": {"email": TEXT}, "additionalProperties": False}
    assert proposals(closed, sample, suggestions(closed, sample)) == []
