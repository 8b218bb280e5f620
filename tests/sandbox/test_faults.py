"""Faults: what each kind does, and which requests it strikes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
import requests

from target_sendgrid.sandbox.http.faults import BadFaultError
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
    found = client.errors("GET", LISTS)
    assert found == (500, [(None, "internal server error")])


def test_a_body_of_text_is_sent_as_it_is(client: Client) -> None:
    client.sandbox.add_fault("status", status=502, body="upstream connect error")
    response = client.call("GET", LISTS, is_answer_checked=False)
    assert (response.text, response.headers["content-type"]) == ("upstream connect error", "text/plain")


def test_an_html_error_is_the_proxys_page(client: Client) -> None:
    client.sandbox.add_fault("html_error", status=502)
    assert "<title>502 Bad Gateway</title>" in client.call("GET", LISTS, is_answer_checked=False).text


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
    response = client.call("GET", LISTS)
    reset = response.headers.get("x-ratelimit-reset")
    assert response.status_code == 429
    if expected == "epoch":
        assert reset is not None
        assert 6 <= int(reset) - client.sandbox.now() <= 8
    else:
        assert reset == expected


def test_no_job_id_queues_the_job_and_answers_without_its_id(client: Client) -> None:
    client.sandbox.add_fault("no_job_id")
    assert client.call("PUT", CONTACTS, {"contacts": [ADA]}).json() == {}
    client.sandbox.settle()
    assert client.sandbox.contacts() == [{**ADA, "lists": []}]


def test_a_failed_job_has_no_text_applies_nothing_and_succeeds_when_sent_again(client: Client) -> None:
    client.sandbox.add_fault("job_failed")
    job = client.upsert(ADA)
    assert (job["status"], job["results"]) == ("failed", {"requested_count": 1})
    assert client.sandbox.contacts() == []
    assert client.upsert(ADA)["status"] == "completed"


@pytest.mark.parametrize(("applied", "visible"), [(False, 0), (True, 1)])
def test_a_stuck_job_is_pending_forever(client: Client, *, applied: bool, visible: int) -> None:
    client.sandbox.add_fault("job_stuck", applied=applied)
    identity = client.put(ADA)
    client.sandbox.advance(10_000)
    assert client.job(identity)["status"] == "pending"
    assert len(client.sandbox.contacts()) == visible


@pytest.mark.parametrize(("applied", "visible"), [(False, 0), (True, 1)])
def test_a_lost_job_is_404(client: Client, *, applied: bool, visible: int) -> None:
    client.sandbox.add_fault("job_lost", applied=applied)
    identity = client.put(ADA)
    client.sandbox.settle()
    assert client.call("GET", f"{CONTACTS}/imports/{identity}").status_code == 404
    assert len(client.sandbox.contacts()) == visible


def test_errored_rows_are_those_named_or_the_first_ones(client: Client) -> None:
    contacts = [{"email": f"{name}@example.com"} for name in "abcd"]
    client.sandbox.add_fault("job_errored_rows", first=1, emails=["C@example.com"], reason="bad luck")
    job = client.upsert(*contacts)
    assert client.reasons(job) == "email,error\r\na@example.com,bad luck\r\nc@example.com,bad luck\r\n"
    assert [contact["email"] for contact in client.sandbox.contacts()] == ["b@example.com", "d@example.com"]


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
    assert client.call("GET", f"{CONTACTS}/imports/7").status_code == 500


def test_a_fault_is_named_in_the_request_log(client: Client) -> None:
    client.sandbox.add_fault("job_failed")
    client.sandbox.add_fault("status", method="GET")
    client.put(ADA)
    statuses(client, 1)
    assert [entry["fault"] for entry in client.sandbox.requests()] == ["job_failed", "status"]


@pytest.mark.parametrize(
    ("kind", "order"), [("nope", {}), ("status", {"state": 500}), ("status", {"times": "x"}), ("errors_file", {})]
)
def test_a_fault_that_is_not_valid_is_refused(client: Client, kind: str, order: dict[str, Any]) -> None:
    with pytest.raises(BadFaultError):
        client.sandbox.add_fault(kind, **order)
