"""The documents: JSON Schemas with examples that keep them, and the limits that SendGrid, target and sandbox share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jsonschema_rs
import pytest

from target_sendgrid.sandbox.account import erasures, reserved
from target_sendgrid.sandbox.coverage import EMULATED
from target_sendgrid.sendgrid import fields
from target_sendgrid.sendgrid.consent import MAX_BYTES_PER_ERASURE, MAX_EMAILS_PER_ERASURE
from target_sendgrid.sendgrid.searches import MAX_EMAIL_PER_SEARCH, MAX_IDENTIFIERS_PER_SEARCH
from tests.contract.checks import contract
from tests.contract.documents import documents
from tests.contract.examples import EXAMPLES, example, general_examples, is_kept, replaced, value_at

if TYPE_CHECKING:
    from tests.contract.documents import Operation
    from tests.contract.examples import Example, Place

UPSERT = "PUT /v3/marketing/contacts"
SEARCH = "POST /v3/marketing/contacts/search"

LENGTHS = {
    "email": 254,
    "external_id": 254,
    "anonymous_id": 254,
    "first_name": 50,
    "last_name": 50,
    "address_line_1": 100,
    "address_line_2": 100,
    "city": 60,
    "state_province_region": 50,
    "country": 50,
}
LIMITS: dict[tuple[str, str, Place], int] = {
    (UPSERT, "request", ("contacts",)): 30_000,
    (UPSERT, "request", ("list_ids",)): 100,
    **{(UPSERT, "request", ("contacts", 0, name)): most for name, most in LENGTHS.items()},
    (UPSERT, "request", ("contacts", 0, "alternate_emails")): 5,
    (UPSERT, "request", ("contacts", 0, "alternate_emails", 0)): 254,
    (UPSERT, "request", ("contacts", 0, "custom_fields", "e2_T")): 1_000,
    ("GET /v3/marketing/contacts", "answer", ("result",)): 50,
    ("POST /v3/marketing/contacts/batch", "request", ("ids",)): 100,
    (SEARCH, "answer", ("result",)): 50,
    (f"{SEARCH}/emails", "request", ("emails",)): 100,
    (f"{SEARCH}/emails", "request", ("emails", 0)): 100,
    (f"{SEARCH}/identifiers/{{identifier_type}}", "request", ("identifiers",)): 100,
    ("POST /v3/marketing/lists", "request", ("name",)): 100,
    ("PATCH /v3/marketing/lists/{id}", "request", ("name",)): 100,
    ("GET /v3/marketing/lists", "answer", ("result",)): 1_000,
    ("POST /v3/asm/groups", "request", ("name",)): 30,
    ("POST /v3/asm/groups", "request", ("description",)): 100,
    ("GET /v3/suppression/unsubscribes", "answer", ()): 500,
    ("POST /v3/recipients/erasejob", "request", ("email_addresses",)): 5_000,
    ("POST /v3/marketing/field_definitions", "request", ("name",)): 100,
    ("PATCH /v3/marketing/field_definitions/{custom_field_id}", "request", ("name",)): 100,
    ("GET /v3/marketing/field_definitions", "answer", ("custom_fields",)): 500,
}
"""Most characters of a text, or items of an array."""

NOT_EMPTY = [
    (UPSERT, ("contacts",)),
    *((UPSERT, ("contacts", 0, name)) for name in ("email", "external_id", "anonymous_id", "phone_number_id")),
    ("POST /v3/marketing/contacts/batch", ("ids",)),
    (f"{SEARCH}/emails", ("emails",)),
    (f"{SEARCH}/identifiers/{{identifier_type}}", ("identifiers",)),
    ("POST /v3/marketing/lists", ("name",)),
    ("POST /v3/asm/groups", ("name",)),
    ("POST /v3/asm/suppressions/global", ("recipient_emails",)),
    ("POST /v3/recipients/erasejob", ("email_addresses",)),
    ("POST /v3/marketing/field_definitions", ("name",)),
]


def succeeding(operation: str) -> Example:
    return next(one for one in EXAMPLES if one.operation.name == operation)


def test_the_contract_has_the_operations_that_the_sandbox_emulates() -> None:
    assert set(contract().operations) == set(EMULATED)


@pytest.mark.parametrize("file", sorted(documents().files))
def test_every_document_is_a_json_schema(file: str) -> None:
    schemas = documents().files[file]["$defs"]
    jsonschema_rs.meta.validate({"$schema": documents().files[file]["$schema"], "$defs": schemas})
    for schema in schemas.values():
        assert set(schema.get("required", ())) <= set(schema.get("properties", ()))


@pytest.mark.parametrize("one", EXAMPLES, ids=str)
def test_every_example_keeps_the_contract(one: Example) -> None:
    contract().check_request(one.exchange())
    contract().check_answer(one.exchange())


@pytest.mark.parametrize("operation", tuple(documents().operations().values()), ids=lambda operation: operation.name)
def test_every_answer_has_an_example(operation: Operation) -> None:
    assert {content["status"] for content in operation.examples} == set(operation.own)


@pytest.mark.parametrize("operation", tuple(documents().operations().values()), ids=lambda operation: operation.name)
def test_every_operation_may_answer_what_any_may(operation: Operation) -> None:
    for one in general_examples(operation):
        contract().check_answer(one.exchange())
        assert not is_kept(one, "answer", {"errors": [{}]})


@pytest.mark.parametrize("limit", tuple(LIMITS), ids=lambda limit: f"{limit[0]} {(*limit[1:2], *limit[2])[-1]}")
def test_the_limits_are_exact(limit: tuple[str, str, Place]) -> None:
    operation, part, place = limit
    one, most = succeeding(operation), LIMITS[limit]
    piece = [{"email": "a@example.com"}] if place == ("contacts",) else value_at(one.content[part], place)[:1] or "x"
    assert is_kept(one, part, replaced(one.content[part], place, piece * most))
    assert not is_kept(one, part, replaced(one.content[part], place, piece * (most + 1)))


@pytest.mark.parametrize(("operation", "place"), NOT_EMPTY)
def test_what_may_not_be_empty(operation: str, place: Place) -> None:
    request = succeeding(operation).content["request"]
    empty = value_at(request, place)[:0]
    assert not is_kept(succeeding(operation), "request", replaced(request, place, empty))


def test_a_body_has_6_megabytes_at_most() -> None:
    upsert, empty = succeeding(UPSERT), {"contacts": [{"email": "ada@example.com", "postal_code": ""}]}
    room = 6_000_000 - len(upsert.exchange(request=empty).request_body or b"")
    assert is_kept(upsert, "request", replaced(empty, ("contacts", 0, "postal_code"), "x" * room))
    assert not is_kept(upsert, "request", replaced(empty, ("contacts", 0, "postal_code"), "x" * (room + 1)))


def test_a_request_line_has_8_kilobytes_at_most() -> None:
    deletion = succeeding("DELETE /v3/marketing/contacts")
    room = 8_192 - len("DELETE /v3/marketing/contacts?ids= HTTP/1.1")
    assert is_kept(deletion, "query", {"ids": "x" * room})
    assert not is_kept(deletion, "query", {"ids": "x" * (room + 1)})


def test_target_and_sandbox_keep_the_limits_of_the_contract() -> None:
    stated = {name: most for name, most in fields.MAX_LENGTHS.items() if most is not None}
    assert stated == {**LENGTHS, "alternate_emails": 254}
    assert reserved.MAX_CHARACTERS == LENGTHS
    assert fields.MAX_ALTERNATE_EMAILS == reserved.MAX_ALTERNATE_EMAILS == 5
    assert fields.MAX_CUSTOM_TEXT == reserved.MAX_CUSTOM_TEXT_CHARACTERS == 1_000
    assert MAX_IDENTIFIERS_PER_SEARCH == MAX_EMAIL_PER_SEARCH == 100
    assert MAX_EMAILS_PER_ERASURE == erasures.MAX_ADDRESSES == 5_000
    assert MAX_BYTES_PER_ERASURE <= erasures.MAX_BYTES


def test_target_and_sandbox_know_the_fields_of_the_contract() -> None:
    schema = example(UPSERT, 202).operation.request
    assert schema is not None
    names = set(schema.json["properties"]["contacts"]["items"]["properties"])
    assert names == set(reserved.KNOWN_PROPERTIES) == {*fields.MAX_LENGTHS, "custom_fields"}


@pytest.mark.parametrize("name", sorted(reserved.RESERVED_NAMES))
def test_a_custom_field_never_has_a_reserved_name(name: str) -> None:
    creation = succeeding("POST /v3/marketing/field_definitions")
    for spelling in (name, name.upper()):
        assert not is_kept(creation, "request", {"name": spelling, "field_type": "Text"})
    assert is_kept(creation, "request", {"name": f"{name}_", "field_type": "Text"})


@pytest.mark.parametrize(
    "fields_of_a_contact",
    [
        {"e1_T": 1},
        {"e1_N": "1"},
        {"e1_N": True},
        {"e1_N": None},
        {"e1_T": ["x"]},
        {"w1": True},
        {"e1_D": "2021-02-11"},
        {"e1_D": 1613084583},
        {"e1_D": "1613084583"},
        {"e1_D": ""},
        {"plan": "gold"},
    ],
    ids=str,
)
def test_a_custom_field_has_a_value_of_its_type_by_its_id(fields_of_a_contact: dict[str, Any]) -> None:
    contact = {"email": "ada@example.com", "custom_fields": fields_of_a_contact}
    assert not is_kept(succeeding(UPSERT), "request", {"contacts": [contact]})


@pytest.mark.parametrize(
    ("operation", "query"),
    [
        ("DELETE /v3/marketing/contacts", {}),
        ("DELETE /v3/marketing/contacts", {"ids": "1", "delete_all_contacts": "true"}),
        ("DELETE /v3/marketing/contacts", {"delete_all_contacts": "yes"}),
        ("DELETE /v3/marketing/contacts", {"ids": "1,,2"}),
        ("DELETE /v3/marketing/lists/{id}/contacts", {}),
        ("DELETE /v3/marketing/lists/{id}/contacts", {"contact_ids": ""}),
        ("DELETE /v3/marketing/lists/{id}/contacts", {"contact_ids": "ada@example.com"}),
        ("DELETE /v3/marketing/lists/{id}/contacts", [("contact_ids", "1"), ("contact_ids", "2")]),
        ("DELETE /v3/marketing/lists/{id}", {"delete_contacts": "1"}),
        ("GET /v3/marketing/lists", {"page_size": "0"}),
        ("GET /v3/marketing/lists", {"page_size": "1001"}),
        ("GET /v3/marketing/lists", {"page": "2"}),
        ("GET /v3/marketing/lists/{id}", {"contact_sample": "1"}),
        ("GET /v3/suppression/unsubscribes", {"limit": "501"}),
        ("GET /v3/suppression/unsubscribes", {"offset": "-1"}),
        ("GET /v3/scopes", {"limit": "1"}),
    ],
    ids=str,
)
def test_a_query_that_breaks_the_contract_is_found(operation: str, query: object) -> None:
    assert not is_kept(succeeding(operation), "query", query)
