"""Our contract against SendGrid's own descriptions: what ours allows, theirs allow, except for stated differences.

These tests are collected only where the descriptions are on this machine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import pytest
from jsonschema_rs import Draft202012Validator, canonical, canonicalize

from tests.contract.checks import FIRST_ERROR_STATUS, contract
from tests.contract.examples import EXAMPLES
from tests.contract.vendor import AMENDMENTS, Descriptions, folder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.contract.checks import Exchange
    from tests.contract.documents import Json, Schema
    from tests.contract.vendor import Amendment

UNNAMED = {
    "PUT /v3/marketing/contacts: contacts.phone_number": "Users send it, and it was recorded.",
    "PUT /v3/marketing/contacts: contacts.whatsapp": "Users send it, and it was recorded.",
    "PUT /v3/marketing/contacts: contacts.line": "Users send it, and it was recorded.",
    "PUT /v3/marketing/contacts: contacts.facebook": "Users send it, and it was recorded.",
    "PUT /v3/marketing/contacts: contacts.unique_name": "Users send it, and it was recorded.",
    "GET /v3/marketing/contacts/count 200: identifier_counts": "Recorded in 2026.",
    "POST /v3/asm/groups/{group_id}/suppressions 201: global": "Recorded in 2026.",
    "GET /v3/marketing/lists/{id} 200: identifier_counts": "Recorded in 2026.",
    "GET /v3/marketing/field_definitions 200: custom_fields._metadata": "Recorded in 2026.",
    "GET /v3/marketing/field_definitions 200: reserved_fields.id": "Recorded in 2026; their example has it, too.",
}
"""Properties that our contract names and theirs do not, and why. Errors are not compared: theirs name few."""

NOTHING: Json = {"not": {}}
"""The schema of an answer whose status SendGrid does not describe."""


@pytest.fixture(scope="module")
def descriptions() -> Descriptions:
    return described()


def described(amendments: tuple[Amendment, ...] = AMENDMENTS) -> Descriptions:
    found = folder()
    assert found is not None, "SendGrid's descriptions are not on this machine"
    return Descriptions(found, amendments)


class Body(NamedTuple):
    """Our schema and theirs of the body of a request, or of an answer if there is a status."""

    operation: str
    status: int | None
    ours: Schema | None
    theirs: Json | None

    def __str__(self) -> str:
        return f"{self.operation} {self.status}" if self.status else self.operation


def bodies(theirs: Descriptions) -> Iterator[Body]:
    for name, ours in contract().operations.items():
        other = theirs.operations[name]
        yield Body(name, None, ours.request, other.request)
        for status, schema in ours.answers.items():
            yield Body(name, status, schema, other.answers.get(status, NOTHING))


def covers(theirs: Json | None, ours: Schema | None) -> bool:
    """Return whether their schema allows every value that ours allows, apart from the formats of texts."""
    if theirs is None or ours is None:
        return theirs is None and ours is None
    return canonicalize(theirs).covers(canonicalize(ours.json)) == canonical.Containment.YES


def not_covered(theirs: Descriptions) -> list[str]:
    return [str(body) for body in bodies(theirs) if not covers(body.theirs, body.ours)]


def names(schema: Json, at: str = "") -> Iterator[str]:
    """Yield the properties that a schema names, after the names of those that they are in."""
    for name, inner in schema.get("properties", {}).items():
        if inner is not False:
            yield f"{at}{name}"
            yield from names(inner, f"{at}{name}.")
    for keyword, step in (("items", ""), ("additionalProperties", "*.")):
        if isinstance(schema.get(keyword), dict):
            yield from names(schema[keyword], at + step)


def unnamed(theirs: Descriptions) -> set[str]:
    """Return the properties that our contract names and their schemas do not, without those that are in others."""
    found = set()
    for body in bodies(theirs):
        if body.ours is not None and (body.status or 0) < FIRST_ERROR_STATUS:
            missing = {*names(body.ours.json)} - {*names(body.theirs or {})}
            found |= {f"{body}: {name}" for name in missing if name.rpartition(".")[0] not in missing}
    return found


def is_as_described(exchange: Exchange, theirs: Descriptions) -> bool:
    """Return whether the bodies of an exchange are as SendGrid describes them; a refused request may have any."""
    other = theirs.operations[contract().operation(exchange).name]
    sent = [(other.answers.get(exchange.status, NOTHING), exchange.response_body)]
    if exchange.status < FIRST_ERROR_STATUS:
        sent.append((other.request, exchange.request_body or b""))
    return all(
        not body if schema is None else Draft202012Validator(schema, validate_formats=True).is_valid(decoded(body))
        for schema, body in sent
    )


def decoded(body: bytes) -> Any:
    return msgspec.json.decode(body)


def test_every_operation_is_one_of_theirs(descriptions: Descriptions) -> None:
    assert set(contract().operations) <= set(descriptions.operations)


def test_they_allow_every_request_and_answer_that_our_contract_allows(descriptions: Descriptions) -> None:
    assert not_covered(descriptions) == []


def test_they_name_every_property_that_our_contract_names(descriptions: Descriptions) -> None:
    assert unnamed(descriptions) == set(UNNAMED)


@pytest.mark.parametrize("operation", sorted(contract().operations))
def test_they_have_the_parameters_that_our_contract_has(operation: str, descriptions: Descriptions) -> None:
    ours, theirs = contract().operations[operation], descriptions.operations[operation]
    schemas = {"path": ours.path.json, "query": ours.query.json}
    assert {(at, name) for at, schema in schemas.items() for name in schema["properties"]} <= set(theirs.parameters)
    assert theirs.required <= {(at, name) for at, schema in schemas.items() for name in schema.get("required", ())}


def test_they_allow_the_parameters_of_our_examples(descriptions: Descriptions) -> None:
    for one in EXAMPLES:
        for place in ("path", "query"):
            for name, text in one.content.get(place, {}).items():
                schema = descriptions.operations[one.operation.name].parameters[(place, name)]
                value = text if schema["type"] == "string" else decoded(text.encode())
                assert Draft202012Validator(schema).is_valid(value), (one.operation.name, name)


def test_they_allow_our_examples_and_the_traffic_of_the_sandbox(
    descriptions: Descriptions, traffic: list[Exchange]
) -> None:
    for exchange in (*(one.exchange() for one in EXAMPLES), *traffic):
        assert is_as_described(exchange, descriptions), (exchange.method, exchange.url, exchange.status)


@pytest.mark.parametrize("amendment", AMENDMENTS, ids=lambda amendment: amendment.name)
def test_every_amendment_is_needed_and_says_why(amendment: Amendment) -> None:
    without = described(tuple(one for one in AMENDMENTS if one is not amendment))
    assert not_covered(without), "SendGrid's descriptions agree with our contract without it: delete it"
    assert amendment.reason


def test_a_difference_is_found(descriptions: Descriptions) -> None:
    ours = contract().operations["PUT /v3/marketing/contacts"].request
    theirs: Any = descriptions.operations["PUT /v3/marketing/contacts"].request
    contacts = theirs["properties"]["contacts"]
    assert covers(theirs, ours)
    for change in ({"maxItems": 29_999}, {"items": {"required": ["email"]}}, {"type": "object"}):
        assert not covers(theirs | {"properties": {"contacts": contacts | change}}, ours)
