"""Requests and answers that break the contract are found, whichever value of an example is wrong or missing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from target_sendgrid.sendgrid.fields import IDENTIFIERS, MAX_LENGTHS
from tests.contract.checks import ContractError, contract
from tests.contract.examples import EXAMPLES, HEADERS, dropped, example, is_kept, places, replaced, value_at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.contract.examples import Example, Place

UPSERT = "PUT /v3/marketing/contacts"
SEARCH = "POST /v3/marketing/contacts/search"
BY_ID = "GET /v3/marketing/contacts/{id}"
FIELDS = "POST /v3/marketing/field_definitions"
JOB = "GET /v3/marketing/contacts/imports/{id}"
OF_EACH_TYPE: dict[type, Any] = {type(None): None, bool: True, int: 1, str: "text", list: [], dict: {}}

OTHER_TYPES: dict[str, set[type]] = {
    "field": {type(None), str},
    "help": set(OF_EACH_TYPE),
    "alternate_emails": {type(None), list},
    "segment_ids": {type(None), list},
}
"""Types that a property of an answer may have besides that of its value in an example."""

FREE_NAMES = ("custom_fields", "breakdown")
"""Objects of answers in which any names may be, as they are names that an account gives."""

OPTIONAL = {
    "query": {
        "page_size",
        "page_token",
        "contact_sample",
        "delete_contacts",
        "limit",
        "offset",
        "start_time",
        "end_time",
        "email",
    },
    "request": {"list_ids", *MAX_LENGTHS, "custom_fields", "is_default"},
    "answer": {
        *(*IDENTIFIERS, "contact_sample", "billable_breakdown", "total", "breakdown", "field", "help"),
        *("requested_count", "created_count", "updated_count", "deleted_count", "errored_count", "errors_url"),
        *("next", "count", "read_only", "error_id", "parameter", "global", "unsubscribes", "recipient_email"),
    },
}
"""Properties that may be missing, wherever they are."""

OPTIONAL_IN = {
    "_metadata": ("/field_definitions", "/exports"),
    **dict.fromkeys(
        ("max_file_size", "file_type", "notifications", "email", "contact_count", "message"),
        ("/exports",),
    ),
    **dict.fromkeys(("completed_at", "urls", "user_id", "segments", "lists"), ("/exports",)),
    "custom_fields": ("/field_definitions",),
    "segment_ids": ("/lists/", "/exports"),
}
"""Properties that may be missing in the answers of operations that have this in their path."""

OF_A_FORM = {
    *("id", "job_id", "list_ids", "status", "field_type", "identifier_type", "self", "next", "errors_url", "error"),
    *("started_at", "finished_at", "created_at", "updated_at"),
}
"""Properties whose texts have a form, or are one of few."""


def parts(one: Example) -> Iterator[tuple[str, Any]]:
    """Yield the query, the request and the answer of an example, where it has them."""
    return ((part, one.content[part]) for part in ("query", "request", "answer") if part in one.content)


def wrong_values(part: str, place: Place, value: Any) -> Iterator[Any]:
    name = next((key for key in reversed(place) if isinstance(key, str)), "")
    types = {int if isinstance(value, float) else type(value)}
    if part == "answer" and place[-1:] == (name,):
        types |= {int, str} if "custom_fields" in place[:-1] else OTHER_TYPES.get(name, set())
    if part == "request" and name == "w6":
        types |= {int}  # the id does not show the type
    yield from (other for kind, other in OF_EACH_TYPE.items() if kind not in types)
    if isinstance(value, str) and (name in OF_A_FORM or name.endswith("_D")):
        yield "no such text"


def objects(document: Any) -> Iterator[Place]:
    return (place for place in places(document) if isinstance(value_at(document, place), dict))


@pytest.mark.parametrize("one", EXAMPLES, ids=str)
def test_a_value_of_another_type_or_form_is_found(one: Example) -> None:
    missed = [
        (part, place, wrong)
        for part, document in parts(one)
        for place in places(document)
        for wrong in wrong_values(part, place, value_at(document, place))
        if part != "query"  # whose values are all texts
        if is_kept(one, part, replaced(document, place, wrong))
    ]
    assert missed == []


@pytest.mark.parametrize("one", EXAMPLES, ids=str)
def test_a_missing_property_is_found(one: Example) -> None:
    missed = [
        (part, *place, name)
        for part, document in parts(one)
        for place in objects(document)
        if place[-1:] not in {(name,) for name in (*FREE_NAMES, "result")}
        for name in value_at(document, place)
        if name not in OPTIONAL[part] and not any(path in one.operation.name for path in OPTIONAL_IN.get(name, ()))
        if is_kept(one, part, dropped(document, (*place, name)))
    ]
    assert missed == []


@pytest.mark.parametrize("one", EXAMPLES, ids=str)
def test_an_unknown_property_is_found(one: Example) -> None:
    missed = [
        (part, *place)
        for part, document in parts(one)
        for place in objects(document)
        if part != "answer" or place[-1:] not in {(name,) for name in FREE_NAMES}
        if is_kept(one, part, replaced(document, (*place, "no such property"), 0))
    ]
    is_job = (one.operation.name, one.status) == (JOB, 200)  # it may have a text that SendGrid does not describe
    assert missed == ([("answer",)] if is_job else [])


@pytest.mark.parametrize("one", EXAMPLES, ids=str)
def test_a_body_that_is_missing_or_surplus_is_found(one: Example) -> None:
    exchange = one.exchange()
    marked = {**exchange.request_headers, "Content-Type": "application/json"}
    body = b"" if exchange.request_body else b"{}"
    with pytest.raises(ContractError, match=r"request: (not JSON|there must be no body)"):
        contract().check_request(replace(exchange, request_headers=marked, request_body=body))
    body = b"" if exchange.response_body else b"{}"
    with pytest.raises(ContractError, match=r"answer: (not JSON|there must be no body)"):
        contract().check_answer(replace(exchange, response_body=body))


@pytest.mark.parametrize("one", EXAMPLES, ids=str)
def test_wrong_headers_are_found(one: Example) -> None:
    exchange = one.exchange()
    for headers in ({}, {**exchange.request_headers, "Authorization": "Basic SG.made.up"}):
        with pytest.raises(ContractError, match="request's header"):
            contract().check_request(replace(exchange, request_headers=headers))
    if exchange.request_body:
        headers = {**exchange.request_headers, "Content-Type": "text/plain"}
        with pytest.raises(ContractError, match="the content type is not"):
            contract().check_request(replace(exchange, request_headers=headers))
    if "marketing" in exchange.url:
        for name in ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"):
            headers = {key: value for key, value in exchange.response_headers.items() if key != name}
            with pytest.raises(ContractError, match=f"answer's header .*{name.lower()}"):
                contract().check_answer(replace(exchange, response_headers=headers))


def test_another_operation_or_status_is_found() -> None:
    exchange = example("GET /v3/scopes", 200).exchange()
    changes: dict[str, Any]
    for changes in ({"method": "POST"}, {"url": "/v3/scope"}, {"url": "/v3/scopes/1"}, {"status": 201}):
        with pytest.raises(ContractError, match="the contract has no"):
            contract().check_answer(replace(exchange, **changes))


def test_a_refused_request_is_not_checked_unless_asked() -> None:
    refused = example("POST /v3/marketing/lists", 400).exchange(request={"name": ""})
    contract().check(refused)
    with pytest.raises(ContractError, match=r"request: name: .* is shorter than 1 character"):
        contract().check_request(refused)
    taken = example("POST /v3/marketing/lists", 201).exchange(request={"name": ""})
    contract().check(taken, is_request_checked=False)
    with pytest.raises(ContractError, match=r"^POST /v3/marketing/lists -> 201: request: name: "):
        contract().check(taken)


@pytest.mark.parametrize(
    ("operation", "status", "part", "place", "value"),
    [
        (UPSERT, 202, "request", ("contacts", 0), {"first_name": "Ada"}),
        (UPSERT, 202, "request", ("contacts", 0, "phone_number_id"), "call me"),
        (UPSERT, 202, "request", ("list_ids", 0), "x" * 36),
        (UPSERT, 202, "answer", ("job_id",), "x" * 36),
        (UPSERT, 400, "answer", ("errors",), []),
        (UPSERT, 400, "answer", ("errors", 0, "message"), ""),
        (BY_ID, 200, "answer", ("email",), "Ada@example.com"),
        (BY_ID, 200, "answer", ("email",), ""),
        (BY_ID, 200, "answer", ("external_id",), ""),
        (BY_ID, 200, "answer", ("phone_number_id",), ""),
        (BY_ID, 200, "answer", ("anonymous_id",), ""),
        (BY_ID, 200, "answer", ("alternate_emails",), ["Ada@example.com"]),
        (BY_ID, 200, "answer", ("segment_ids",), [1]),
        (BY_ID, 200, "answer", ("custom_fields", "plan"), True),
        (BY_ID, 200, "answer", ("list_ids",), ["4fb6cca6-06dc-4aa2-b7cb-851a4e3be37e"] * 2),
        ("GET /v3/marketing/contacts", 200, "answer", ("contact_count",), -1),
        ("GET /v3/marketing/contacts", 200, "answer", ("result", 0, "segment_ids"), []),
        ("POST /v3/marketing/contacts/batch", 200, "request", ("ids", 0), ""),
        ("DELETE /v3/marketing/contacts/{contact_id}/identifiers", 202, "request", ("identifier_value",), ""),
        (f"{SEARCH}/identifiers/{{identifier_type}}", 200, "path", ("identifier_type",), "segment_id"),
        (f"{SEARCH}/emails", 200, "answer", ("result", "Ada@example.com"), {"error": "contact not found"}),
        (SEARCH, 200, "request", ("query",), ""),
        (JOB, 200, "answer", ("job_type",), ""),
        (JOB, 200, "answer", ("results", "requested_count"), 0.5),
        ("POST /v3/marketing/lists", 201, "answer", ("name",), ""),
        ("GET /v3/marketing/lists/{id}", 200, "answer", ("name",), "x" * 101),
        ("GET /v3/marketing/lists/{id}", 404, "answer", (), []),
        (FIELDS, 200, "request", ("name",), ""),
        (FIELDS, 200, "request", ("name",), "1st"),
        (FIELDS, 200, "request", ("name",), "with space"),
        (FIELDS, 200, "request", ("name",), "\N{LATIN SMALL LETTER U WITH DIAERESIS}mlaut"),
        (FIELDS, 200, "answer", ("id",), ""),
        (FIELDS, 200, "answer", ("name",), ""),
        (FIELDS, 400, "answer", ("errors",), []),
        (FIELDS, 400, "answer", ("id",), 1),
        ("GET /v3/marketing/lists", 500, "answer", ("id",), 1),
        ("GET /v3/marketing/field_definitions", 200, "answer", ("reserved_fields",), []),
        ("GET /v3/scopes", 200, "answer", ("scopes",), ["mail.send", "mail.send"]),
        ("GET /v3/scopes", 200, "answer", ("scopes",), [""]),
    ],
)
def test_a_value_that_no_example_has_is_found(operation: str, status: int, part: str, place: Place, value: Any) -> None:
    one = example(operation, status)
    assert not is_kept(one, part, replaced(one.content[part], place, value))


@pytest.mark.parametrize("name", ["GET /v3/marketing/contacts", BY_ID, "GET /v3/marketing/lists/{id}"])
def test_a_contact_without_any_identifier_is_found(name: str) -> None:
    one = next(one for one in EXAMPLES if one.operation.name == name and "ada@example.com" in str(one.content))
    places_of_contacts = [place[:-1] for place in places(one.content["answer"]) if place[-1:] == ("email",)]
    for place in places_of_contacts:
        contact = value_at(one.content["answer"], place)
        nobody = {key: value for key, value in contact.items() if key not in IDENTIFIERS}
        assert not is_kept(one, "answer", replaced(one.content["answer"], place, nobody))
        for kind in IDENTIFIERS:
            assert is_kept(one, "answer", replaced(one.content["answer"], place, nobody | {kind: "+14155550100"}))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-RateLimit-Limit", "many"),
        ("X-RateLimit-Remaining", "-1"),
        ("X-RateLimit-Reset", "0.5"),
        ("Retry-After", "soon"),
    ],
)
def test_a_rate_limit_that_is_not_a_number_is_found(name: str, value: str) -> None:
    exchange = example("GET /v3/marketing/lists", 200).exchange()
    with pytest.raises(ContractError, match="answer's header"):
        contract().check_answer(replace(exchange, response_headers={**exchange.response_headers, name: value}))


@pytest.mark.parametrize("sub_account", ["marketing-team", "account-id 42"])
def test_a_sub_account_is_named_by_its_name_or_id(sub_account: str) -> None:
    exchange = example("GET /v3/scopes", 200).exchange()
    contract().check_request(replace(exchange, request_headers={**HEADERS, "on-behalf-of": sub_account}))
    for wrong in ("", "two words"):
        with pytest.raises(ContractError, match="request's header on-behalf-of"):
            contract().check_request(replace(exchange, request_headers={**HEADERS, "on-behalf-of": wrong}))


def test_a_search_that_found_nobody_is_not_a_success() -> None:
    nobody = {"result": {"joe@example.com": {"error": "contact not found"}}}
    for path in ("emails", "identifiers/{identifier_type}"):
        assert not is_kept(example(f"{SEARCH}/{path}", 200), "answer", nobody)


def test_only_a_job_that_has_ended_has_an_end() -> None:
    job = example(JOB, 200)
    pending = job.content["answer"]
    assert not is_kept(job, "answer", pending | {"finished_at": pending["started_at"]})
    assert not is_kept(job, "answer", pending | {"status": "completed"})
    assert is_kept(job, "answer", pending | {"status": "completed", "finished_at": pending["started_at"]})
