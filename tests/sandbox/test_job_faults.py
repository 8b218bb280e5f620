"""Faults of jobs: how they end, when they are applied, and what the answer to the request says of them."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest
import requests

from tests.sandbox.client import MARKETING

if TYPE_CHECKING:
    from tests.sandbox.client import Client

ADA = {"email": "ada@example.com"}
CONTACTS = f"{MARKETING}/contacts"


def test_no_job_id_queues_the_job_and_answers_without_its_id(client: Client) -> None:
    client.sandbox.add_fault("no_job_id")
    assert client.call("PUT", CONTACTS, {"contacts": [ADA]}, is_answer_checked=False).json() == {}
    client.sandbox.settle()
    assert client.sandbox.contacts() == [{**ADA, "lists": []}]


def test_a_failed_job_has_no_text_applies_nothing_and_succeeds_when_sent_again(client: Client) -> None:
    client.sandbox.add_fault("job_failed")
    job = client.upsert(ADA)
    assert (job["status"], job["results"]) == ("failed", {"requested_count": 1})
    assert client.sandbox.contacts() == []
    assert client.upsert(ADA)["status"] == "completed"


def test_a_failed_job_may_have_stored_everybody(client: Client) -> None:
    client.sandbox.add_fault("job_failed", applied=True, counts={"created_count": None})
    job = client.upsert(ADA)
    assert (job["status"], job["results"]) == ("failed", {"requested_count": 1})
    assert client.sandbox.contacts() == [{**ADA, "lists": []}]


def test_a_failed_job_may_have_an_errors_file(client: Client) -> None:
    client.sandbox.add_fault("job_failed", first=1, reason="bad luck")
    job = client.upsert(ADA, {"email": "b@example.com"})
    assert (job["status"], job["results"]["errored_count"]) == ("failed", 1)
    assert client.reasons(job) == "email,error\r\nada@example.com,bad luck\r\n"
    assert client.sandbox.contacts() == []


RESULTS: dict[str, tuple[dict[str, Any], str, dict[str, Any]]] = {
    "errored with a count of 0": (
        {"ends": "errored", "applied": True, "counts": {"errored_count": 0}},
        "errored",
        {"requested_count": 2, "created_count": 2, "errored_count": 0},
    ),
    "errored without a file": (
        {"ends": "errored", "first": 1, "mode": "missing"},
        "errored",
        {"requested_count": 2, "errored_count": 1},
    ),
    "completed with errors": (
        {"ends": "completed", "applied": True, "first": 1},
        "completed",
        {"requested_count": 2, "created_count": 1, "errored_count": 1, "errors_url": True},
    ),
    "completed with an errors file only": (
        {"ends": "completed", "applied": True, "first": 1, "counts": {"errored_count": None}},
        "completed",
        {"requested_count": 2, "created_count": 1, "errors_url": True},
    ),
    "completed with another requested_count": (
        {"ends": "completed", "counts": {"requested_count": 7}},
        "completed",
        {"requested_count": 7},
    ),
    "completed without a requested_count": (
        {"applied": True, "counts": {"requested_count": None}},
        "completed",
        {"created_count": 2},
    ),
    "a file that names everybody": (
        {"ends": "errored", "applied": True, "first": 1, "mode": "everybody", "counts": {"errored_count": 2}},
        "errored",
        {"requested_count": 2, "created_count": 1, "errored_count": 2, "errors_url": True},
    ),
    "a file that names fewer": (
        {"applied": True, "first": 2, "mode": "fewer_rows"},
        "failed",
        {"requested_count": 2, "errored_count": 2, "errors_url": True},
    ),
}


@pytest.mark.parametrize("name", RESULTS)
def test_a_job_may_end_in_any_way(client: Client, name: str) -> None:
    order, status, results = RESULTS[name]
    client.sandbox.add_fault("job_result", **order)
    job = client.upsert(ADA, {"email": "b@example.com"})
    found = job["results"] | ({"errors_url": True} if "errors_url" in job["results"] else {})
    assert (job["status"], found) == (status, results)
    stored = len(client.sandbox.contacts())
    assert stored == (2 - order.get("first", 0) if order.get("applied") else 0)


@pytest.mark.parametrize(("applied", "visible"), [(False, 1), (True, 3)])
def test_a_job_id_may_be_the_one_that_was_answered_before(client: Client, *, applied: bool, visible: int) -> None:
    client.sandbox.add_fault("job_id_repeated", applied=applied, times=3)
    first = client.put(ADA)
    assert [client.put({"email": f"{name}@example.com"}) for name in "bc"] == [first, first]
    client.sandbox.settle()
    assert client.job(first)["results"] == {"requested_count": 1, "created_count": 1}
    assert len(client.sandbox.contacts()) == visible


def test_a_job_id_whose_answer_was_lost_is_not_repeated(client: Client) -> None:
    first = client.put(ADA)
    client.sandbox.add_fault("status_after")
    assert client.call("PUT", CONTACTS, {"contacts": [ADA]}, is_answer_checked=False).status_code == 500
    client.sandbox.add_fault("job_id_repeated")
    assert client.put(ADA) == first


def test_a_late_job_is_applied_after_a_newer_one(client: Client) -> None:
    client.sandbox.add_fault("job_late", late_seconds=60)
    late, newer = client.put({**ADA, "city": "Rome"}), client.put({**ADA, "city": "Paris"})
    client.sandbox.advance(60)
    assert [client.job(one)["status"] for one in (late, newer)] == ["pending", "completed"]
    assert client.find("ada@example.com")["city"] == "Paris"
    client.sandbox.advance(60)
    assert client.job(late)["status"] == "completed"
    assert client.find("ada@example.com")["city"] == "Rome"


def test_jobs_that_fall_due_at_once_are_applied_by_when_they_were_due(client: Client) -> None:
    client.sandbox.add_fault("job_late", late_seconds=60)
    client.put({**ADA, "city": "Rome"})
    client.put({**ADA, "city": "Paris"})
    client.sandbox.settle()
    assert client.find("ada@example.com")["city"] == "Rome"


@pytest.mark.parametrize("kind", ["cut_after", "truncate", "status_after", "no_job_id"])
def test_the_job_of_a_lost_answer_may_be_late(client: Client, kind: str) -> None:
    client.sandbox.add_fault(kind, method="PUT", late_seconds=60)
    with contextlib.suppress(requests.RequestException):
        client.call("PUT", CONTACTS, {"contacts": [ADA]}, is_answer_checked=False)
    client.sandbox.advance(119)
    assert client.sandbox.contacts() == []
    client.sandbox.advance(1)
    assert client.sandbox.contacts() == [{**ADA, "lists": []}]


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


def remove(client: Client, people: str, *emails: str) -> dict[str, Any]:
    """Take people off a list and move the clock to the end of the job; return it."""
    ids = ",".join(client.find(email)["id"] for email in emails)
    response = client.call("DELETE", f"{MARKETING}/lists/{people}/contacts?contact_ids={ids}")
    client.sandbox.settle()
    return client.job(response.json()["job_id"])


def test_a_removal_may_be_reported_done_though_somebody_is_still_on_the_list(client: Client) -> None:
    people = client.make_list()
    client.upsert(ADA, {"email": "b@example.com"}, lists=[people])
    order: dict[str, Any] = {"ends": "completed", "applied": True, "mode": "missing", "counts": {"errored_count": None}}
    client.sandbox.add_fault("job_result", identifiers=["b@example.com"], **order)
    job = remove(client, people, "ada@example.com", "b@example.com")
    assert (job["status"], job["results"]) == ("completed", {"requested_count": 2, "deleted_count": 1})
    assert [contact["email"] for contact in client.sandbox.contacts("People")] == ["b@example.com"]


def test_a_removal_may_turn_people_down(client: Client) -> None:
    people = client.make_list()
    client.upsert(ADA, {"email": "b@example.com"}, lists=[people])
    client.sandbox.add_fault("job_errored_rows", first=1, reason="bad luck")
    job = remove(client, people, "ada@example.com", "b@example.com")
    assert (job["status"], job["results"]["errored_count"]) == ("errored", 1)
    assert client.reasons(job) == "email,error\r\nada@example.com,bad luck\r\n"
    assert [contact["email"] for contact in client.sandbox.contacts("People")] == ["ada@example.com"]


def test_a_removal_may_be_applied_after_a_later_upsert(client: Client) -> None:
    people = client.make_list()
    client.upsert(ADA, lists=[people])
    client.sandbox.add_fault("job_late", late_seconds=100)
    identity = client.find("ada@example.com")["id"]
    client.call("DELETE", f"{MARKETING}/lists/{people}/contacts?contact_ids={identity}")
    client.put({**ADA, "city": "London"}, lists=[people])
    client.sandbox.settle()
    assert client.sandbox.contacts("People") == []


def delete(client: Client, *emails: str) -> dict[str, Any]:
    """Delete contacts and move the clock to the end of the job; return it."""
    ids = ",".join(client.find(email)["id"] for email in emails)
    response = client.call("DELETE", f"{CONTACTS}?ids={ids}")
    client.sandbox.settle()
    return client.job(response.json()["job_id"])


@pytest.mark.parametrize(
    ("order", "status"),
    [
        ({"kind": "job_result", "ends": "completed", "counts": {"deleted_count": 2}}, "completed"),
        ({"kind": "job_failed"}, "failed"),
        ({"kind": "job_stuck"}, "pending"),
    ],
    ids=["without effect", "failed", "stuck"],
)
def test_a_deletion_may_delete_nobody(client: Client, order: dict[str, Any], status: str) -> None:
    client.upsert(ADA, {"email": "b@example.com"})
    client.sandbox.add_fault(**order)
    assert delete(client, "ada@example.com", "b@example.com")["status"] == status
    assert len(client.sandbox.contacts()) == 2


def test_a_deletion_may_turn_people_down_or_leave_them_out(client: Client) -> None:
    client.upsert(ADA, {"email": "b@example.com"}, {"email": "c@example.com"})
    client.sandbox.add_fault("job_errored_rows", first=1, reason="bad luck")
    job = delete(client, "ada@example.com", "b@example.com")
    assert (job["status"], job["results"]["deleted_count"]) == ("errored", 1)
    assert client.reasons(job) == "email,error\r\nada@example.com,bad luck\r\n"
    order: dict[str, Any] = {"ends": "completed", "applied": True, "mode": "missing", "counts": {"errored_count": None}}
    client.sandbox.add_fault("job_result", identifiers=["c@example.com"], **order)
    assert delete(client, "ada@example.com", "c@example.com")["status"] == "completed"
    assert [contact["email"] for contact in client.sandbox.contacts()] == ["c@example.com"]


def test_a_deletion_may_be_applied_after_a_later_upsert(client: Client) -> None:
    client.upsert(ADA)
    client.sandbox.add_fault("job_late", late_seconds=100)
    client.call("DELETE", f"{CONTACTS}?ids={client.find('ada@example.com')['id']}")
    client.put({**ADA, "city": "London"})
    client.sandbox.settle()
    assert client.sandbox.contacts() == []
