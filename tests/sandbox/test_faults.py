"""Faults: what each kind does, and which requests it strikes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
import requests

from target_sendgrid.sandbox import coverage
from target_sendgrid.sandbox.http import faults
from tests.sandbox.client import MARKETING

if TYPE_CHECKING:
    from tests.sandbox.client import Client

ADA = {"email": "ada@example.com"}
CONTACTS = f"{MARKETING}/contacts"
LISTS = f"{MARKETING}/lists"


def statuses(client: Client, times: int) -> list[int]:
    return [client.call("GET", LISTS, is_answer_checked=False).status_code for _ in range(times)]


def test_a_status_comes_with_its_body_and_headers(client: Client) -> None:
    client.sandbox.add_fault("status", status=503, body={"errors": []}, headers={"Retry-After": "7"})
    response = client.call("GET", LISTS, is_answer_checked=False)
    assert (response.status_code, response.json(), response.headers["retry-after"]) == (503, {"errors": []}, "7")


def test_a_status_without_a_body_has_the_declared_shape(client: Client) -> None:
    client.sandbox.add_fault("status", status=500)
    found = client.errors("GET", LISTS, is_answer_checked=False)
    assert found == (500, [(None, "internal server error")])


def test_a_body_of_text_is_sent_as_it_is(client: Client) -> None:
    client.sandbox.add_fault("status", status=502, body="upstream connect error")
    response = client.call("GET", LISTS, is_answer_checked=False)
    assert (response.text, response.headers["content-type"]) == ("upstream connect error", "text/plain")


def test_an_html_error_is_the_proxys_page(client: Client) -> None:
    client.sandbox.add_fault("html_error", status=502)
    assert "<title>502 Bad Gateway</title>" in client.call("GET", LISTS, is_answer_checked=False).text


@pytest.mark.parametrize("kind", ["status", "html_error", "status_after"])
def test_a_status_may_be_one_that_nobody_knows(client: Client, kind: str) -> None:
    client.sandbox.add_fault(kind, status=499)
    response = client.call("GET", LISTS, is_answer_checked=False)
    assert response.status_code == 499
    assert "unknown status" in response.text.lower()


def test_status_after_handles_the_request_and_answers_otherwise(client: Client) -> None:
    client.sandbox.add_fault("status_after", status=502, body="bad gateway")
    response = client.call("PUT", CONTACTS, {"contacts": [ADA]}, is_answer_checked=False)
    assert (response.status_code, response.text) == (502, "bad gateway")
    client.sandbox.settle()
    assert client.sandbox.contacts() == [{**ADA, "lists": []}]


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ({"emails": ["B@example.com"]}, [("contacts[1].identifier", "email 'b@example.com' is not valid")]),
        ({"identifiers": ["7"], "names": "quote"}, [("", "email '7' is not valid")]),
        ({"first": 1}, [("contacts[0].identifier", "email 'ada@example.com' is not valid")]),
        ({"names": "nobody"}, [("", "invalid input")]),
        ({"contacts": ["b@example.com"]}, [("contacts[1].identifier", "email 'b@example.com' is not valid")]),
    ],
)
def test_a_refusal_names_its_people(client: Client, order: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    client.sandbox.add_fault("refusal", **order)
    contacts = [ADA, {"email": "b@example.com"}, {"external_id": "7"}]
    assert client.errors("PUT", CONTACTS, {"contacts": contacts}, is_answer_checked=False) == (400, expected)


def test_a_refusal_may_name_everybody_with_any_status(client: Client) -> None:
    client.sandbox.add_fault("refusal", names="everybody", status=422)
    contacts = [ADA, {"external_id": "7"}]
    status, problems = client.errors("PUT", CONTACTS, {"contacts": contacts}, is_answer_checked=False)
    assert (status, [field for field, _ in problems]) == (422, ["contacts[0].identifier", "contacts[1].identifier"])


def test_a_fault_may_strike_only_requests_that_hold_somebody(client: Client) -> None:
    client.sandbox.add_fault("status", contacts=["ADA@example.com", "7"], status=413, times=None)

    def put(*contacts: dict[str, Any]) -> int:
        return client.call("PUT", CONTACTS, {"contacts": contacts}, is_answer_checked=False).status_code

    other = {"email": "b@example.com"}
    assert [put(ADA, other), put(other), put({"external_id": "7"})] == [413, 202, 413]
    assert client.call("PUT", CONTACTS, data=b"{").status_code == 400
    search = client.call("POST", f"{CONTACTS}/search/emails", {"emails": ["ada@example.com"]}, is_answer_checked=False)
    assert search.status_code == 413


def test_a_job_may_fail_only_if_it_holds_somebody(client: Client) -> None:
    client.sandbox.add_fault("job_failed", contacts=["ada@example.com"], times=None)
    other = {"email": "b@example.com"}
    assert [client.upsert(*contacts)["status"] for contacts in ([ADA, other], [other])] == ["failed", "completed"]


def test_a_fault_may_last_for_a_time_from_when_it_first_strikes(client: Client) -> None:
    client.sandbox.add_fault("status", skip=1, for_seconds=60)
    found = statuses(client, 1)
    for seconds in (100, 59, 1):
        client.sandbox.advance(seconds)
        found += statuses(client, 1)
    assert found == [200, 500, 500, 200]


def test_a_reset_cuts_the_connection_before_anything_happens(client: Client) -> None:
    client.sandbox.add_fault("reset")
    with pytest.raises(requests.ConnectionError):
        client.put(ADA)
    assert client.sandbox.jobs() == []
    assert statuses(client, 1) == [200]


def test_cut_after_handles_the_request_and_cuts_the_answer(client: Client) -> None:
    client.sandbox.add_fault("cut_after")
    with pytest.raises(requests.ConnectionError):
        client.put(ADA)
    client.sandbox.settle()
    assert client.sandbox.contacts() == [{**ADA, "lists": []}]


def test_truncate_promises_more_than_it_sends(client: Client) -> None:
    client.sandbox.add_fault("truncate")
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        client.call("GET", LISTS)
    assert statuses(client, 1) == [200]


def test_a_delay_is_real(client: Client) -> None:
    client.sandbox.add_fault("delay", seconds=0.05)
    begun = time.perf_counter()
    assert statuses(client, 1) == [200]
    assert time.perf_counter() - begun >= 0.05


@pytest.mark.parametrize(
    ("order", "expected"),
    [({"seconds": 7}, "7"), ({"with_headers": False}, None), ({"seconds": 7, "reset": "epoch"}, "epoch")],
)
def test_rate_limited_announces_a_wait(client: Client, order: dict[str, Any], expected: str | None) -> None:
    client.sandbox.add_fault("rate_limited", **order)
    response = client.call("GET", LISTS, is_answer_checked=False)
    reset = response.headers.get("x-ratelimit-reset")
    assert response.status_code == 429
    if expected == "epoch":
        assert reset is not None
        assert 6 <= int(reset) - client.sandbox.now() <= 8
    else:
        assert reset == expected


def test_contacts_may_be_unseen_by_searches_for_a_while(client: Client) -> None:
    client.upsert(ADA, {"email": "b@example.com"})
    client.sandbox.add_fault("contacts_unseen", emails=["ada@example.com"], for_seconds=60)
    emails = {"emails": ["ada@example.com", "b@example.com"]}

    def hits() -> dict[str, bool]:
        found = client.call("POST", f"{CONTACTS}/search/emails", emails).json()["result"]
        return {email: "contact" in hit for email, hit in found.items()}

    assert hits() == {"ada@example.com": False, "b@example.com": True}
    client.sandbox.advance(60)
    assert hits() == {"ada@example.com": True, "b@example.com": True}


def test_a_search_that_sees_nobody_is_404(client: Client) -> None:
    client.upsert(ADA)
    client.sandbox.add_fault("contacts_unseen")
    found = client.errors("POST", f"{CONTACTS}/search/emails", {"emails": ["ada@example.com"]})
    assert found == (404, [(None, "contact not found")])


def test_lists_may_be_unseen_by_searches(client: Client) -> None:
    identity = client.make_list()
    client.upsert(ADA, lists=[identity])
    client.sandbox.add_fault("lists_unseen", first=1)
    assert client.find("ada@example.com")["list_ids"] == []
    assert client.find("ada@example.com")["list_ids"] == [identity]


def test_a_fault_strikes_once_unless_ordered_otherwise(client: Client) -> None:
    client.sandbox.add_fault("status")
    assert statuses(client, 2) == [500, 200]
    client.sandbox.add_fault("status", times=2)
    assert statuses(client, 3) == [500, 500, 200]
    client.sandbox.add_fault("status", times=None)
    assert statuses(client, 3) == [500, 500, 500]


def test_skipped_requests_pass_first(client: Client) -> None:
    client.sandbox.add_fault("status", skip=2)
    assert statuses(client, 4) == [200, 200, 500, 200]


def test_a_chance_is_drawn_the_same_way_every_time(client: Client) -> None:
    client.sandbox.add_fault("status", probability=0.5, seed=7)
    first = statuses(client, 20)
    client.sandbox.clear_faults()
    client.sandbox.add_fault("status", probability=0.5, seed=7)
    assert statuses(client, 20) == first
    assert set(first) == {200, 500}


def test_a_fault_strikes_only_what_it_matches(client: Client) -> None:
    client.sandbox.add_fault("status", method="GET", path=f"{CONTACTS}/imports/*", times=None)
    assert statuses(client, 1) == [200]
    assert client.call("GET", f"{CONTACTS}/imports/7", is_answer_checked=False).status_code == 500


def test_a_fault_is_named_in_the_request_log(client: Client) -> None:
    client.sandbox.add_fault("job_failed")
    client.sandbox.add_fault("status", method="GET")
    client.put(ADA)
    statuses(client, 1)
    assert [entry["fault"] for entry in client.sandbox.requests()] == ["job_failed", "status"]


@pytest.mark.parametrize(
    ("kind", "order"),
    [
        ("nope", {}),
        ("status", {"state": 500}),
        ("status", {"times": "x"}),
        ("status", {"status": 100}),
        ("status", {"late_seconds": 1}),
        ("job_late", {}),
        ("errors_file", {}),
        ("errors_file", {"mode": "nope"}),
    ],
)
def test_a_fault_that_is_not_valid_is_refused(client: Client, kind: str, order: dict[str, Any]) -> None:
    with pytest.raises(faults.BadFaultError):
        client.sandbox.add_fault(kind, **order)


def test_the_coverage_lists_every_kind() -> None:
    kinds = (faults.WIRE_KINDS, faults.JOB_KINDS, faults.SEARCH_KINDS, faults.SUPPRESSION_KINDS, faults.EXPORT_KINDS)
    assert set(coverage.FAULTS) == frozenset().union(*kinds)
