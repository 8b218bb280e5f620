"""Import jobs: when they show counts, when they are applied, and how they end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from target_sendgrid.sandbox.account import jobs
from tests.sandbox.client import MARKETING

if TYPE_CHECKING:
    import pytest

    from tests.sandbox.client import Client
    from tests.sandbox.conftest import MakeClient

ADA = {"email": "ada@example.com"}


def test_nothing_is_visible_before_the_job_applies(client: Client) -> None:
    identity = client.make_list()
    client.put(ADA, lists=[identity])
    client.sandbox.advance(59)
    assert client.sandbox.contacts() == []
    assert client.call("GET", f"{MARKETING}/lists/{identity}").json()["contact_count"] == 0
    client.sandbox.advance(1)
    assert client.sandbox.contacts() == [{**ADA, "lists": ["People"]}]
    assert client.call("GET", f"{MARKETING}/lists/{identity}").json()["contact_count"] == 1


def test_a_job_is_pending_then_pending_with_counts_then_final(client: Client) -> None:
    identity = client.put(ADA)
    fresh = client.job(identity)
    client.sandbox.advance(30)
    counted = client.job(identity)
    client.sandbox.advance(30)
    final = client.job(identity)
    assert fresh == {
        "id": identity,
        "status": "pending",
        "job_type": "upsert_contacts",
        "results": {"requested_count": 1},
        "started_at": fresh["started_at"],
    }
    assert counted == {**fresh, "results": {"requested_count": 1, "created_count": 1}}
    assert final == {**counted, "status": "completed", "finished_at": final["finished_at"]}


def test_a_job_that_falls_due_while_others_are_applied_is_still_pending(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity = client.put(ADA)
    with monkeypatch.context() as busy:
        busy.setattr(jobs, "apply_due", lambda _: None)
        client.sandbox.advance(60)
        assert client.job(identity)["status"] == "pending"
    assert client.job(identity)["status"] == "completed"


def test_looking_at_early_counts_changes_nothing(client: Client) -> None:
    client.put(ADA)
    identity = client.put({**ADA, "city": "London"})
    client.sandbox.advance(30)
    assert client.job(identity)["results"] == {"requested_count": 1, "updated_count": 1}
    assert client.sandbox.contacts() == []


def test_counts_appear_only_at_the_end_while_many_contacts_wait(make_client: MakeClient) -> None:
    client = make_client(counts_preview_max_contacts=1)
    identity = client.put(ADA, {"email": "b@example.com"})
    client.sandbox.advance(30)
    assert client.job(identity)["results"] == {"requested_count": 2}
    client.sandbox.advance(30)
    assert client.job(identity)["results"] == {"requested_count": 2, "created_count": 2}


def test_timings_are_switches(make_client: MakeClient) -> None:
    client = make_client(job_counts_after_seconds=0, job_final_after_seconds=0)
    assert client.job(client.put(ADA))["status"] == "completed"


def test_jobs_apply_in_the_order_of_submission(client: Client) -> None:
    for city in ("London", "Paris", "Rome"):
        client.put({**ADA, "city": city})
    client.sandbox.settle()
    assert client.find("ada@example.com")["city"] == "Rome"


def test_the_early_counts_of_a_job_include_those_of_earlier_jobs_only(client: Client) -> None:
    client.sandbox.add_fault("job_late", late_seconds=100)
    late, usual = client.put(ADA), client.put(ADA)
    client.sandbox.advance(30)
    assert client.job(usual)["results"] == {"requested_count": 1, "created_count": 1}
    assert client.job(late)["results"] == {"requested_count": 1}


def test_a_job_that_removes_the_only_identifier_fails_without_a_text(client: Client) -> None:
    client.upsert(ADA)
    path = f"{MARKETING}/contacts/{client.find('ada@example.com')['id']}/identifiers"
    document = {"identifier_type": "EMAIL", "identifier_value": "ada@example.com"}
    identity = client.call("DELETE", path, document).json()["job_id"]
    client.sandbox.settle()
    job = client.job(identity)
    assert (job["status"], "errors" in job) == ("failed", False)


def test_a_job_is_completed_without_row_errors_errored_with_some_failed_with_all(client: Client) -> None:
    field = client.make_field("age", "Number")
    bad = [{"email": f"{name}@example.com", "custom_fields": {field: "x"}} for name in "bc"]
    statuses = [client.upsert(*contacts, is_lawful=False)["status"] for contacts in ([ADA], [ADA, bad[0]], bad)]
    assert statuses == ["completed", "errored", "failed"]


def test_counts_that_are_zero_are_absent(client: Client) -> None:
    assert client.upsert(ADA)["results"] == {"requested_count": 1, "created_count": 1}


def test_an_unknown_job_is_404(client: Client) -> None:
    assert client.errors("GET", f"{MARKETING}/contacts/imports/nope") == (404, [(None, "not found")])


def test_a_list_deleted_while_a_job_waits_is_skipped(client: Client) -> None:
    identity = client.make_list()
    client.put(ADA, lists=[identity])
    client.call("DELETE", f"{MARKETING}/lists/{identity}")
    client.sandbox.settle()
    assert client.find("ada@example.com")["list_ids"] == []


def test_a_field_deleted_while_a_job_waits_is_skipped(client: Client) -> None:
    field = client.make_field("plan", "Text")
    client.put({**ADA, "custom_fields": {field: "gold"}})
    client.call("DELETE", f"{MARKETING}/field_definitions/{field}")
    client.sandbox.settle()
    assert client.find("ada@example.com")["custom_fields"] == {}


def test_the_body_of_an_applied_job_is_dropped(client: Client) -> None:
    client.upsert(ADA)
    store = client.sandbox.store
    assert store.number("SELECT count(*) FROM jobs WHERE payload IS NOT NULL") == 0
