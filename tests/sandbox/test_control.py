"""The control plane, over HTTP as another program would use it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.sandbox.client import MARKETING

if TYPE_CHECKING:
    from tests.sandbox.client import Client

ADA = {"email": "ada@example.com"}


def control(client: Client, method: str, path: str, body: Any = None) -> Any:
    response = client.call(method, f"/_sandbox/{path}", body)
    assert response.ok, response.text
    return response.json() if response.content else None


def test_the_control_plane_needs_no_key_and_is_not_logged(client: Client) -> None:
    response = client.call("GET", "/_sandbox/keys", headers={"Authorization": ""})
    assert response.status_code == 200
    assert client.sandbox.requests() == []


def test_a_seed_is_visible_at_once_under_its_names(client: Client) -> None:
    seed = {
        "lists": ["Empty"],
        "fields": [{"name": "plan", "field_type": "Text"}],
        "contacts": [{**ADA, "lists": ["People"], "custom_fields": {"plan": "gold"}}],
    }
    control(client, "POST", "seed", seed)
    expected = [{**ADA, "custom_fields": {"plan": "gold"}, "lists": ["People"]}]
    assert control(client, "GET", "contacts") == {"contacts": expected}
    assert control(client, "GET", "contacts?list=Empty") == {"contacts": []}
    assert control(client, "GET", "contacts?list=People") == {"contacts": expected}


def test_a_bad_seed_adds_nothing(client: Client) -> None:
    seed = {"lists": ["People"], "fields": [{"name": "plan", "field_type": "Nope"}]}
    assert client.call("POST", "/_sandbox/seed", seed).status_code == 400
    assert client.call("POST", "/_sandbox/seed", {"people": []}).status_code == 400
    assert client.call("GET", f"{MARKETING}/lists").json()["result"] == []


def test_the_clock_can_be_moved_stopped_and_started(client: Client) -> None:
    before = control(client, "GET", "clock")
    after = control(client, "POST", "clock", {"advance_seconds": 90})
    assert before["manual"]
    assert after["now"] == before["now"] + 90
    assert not control(client, "POST", "clock", {"manual": False})["manual"]
    assert client.call("POST", "/_sandbox/clock", {"advance_seconds": -1}).status_code == 400


def test_settle_ends_every_pending_job(client: Client) -> None:
    client.put(ADA)
    control(client, "POST", "settle")
    assert [job["status"] for job in control(client, "GET", "jobs")["jobs"]] == ["completed"]


def test_options_can_be_read_and_set(client: Client) -> None:
    changed = control(client, "PATCH", "options", {"overlong": "truncate", "contact_quota": 5})
    assert (changed["overlong"], changed["contact_quota"]) == ("truncate", 5)
    assert control(client, "GET", "options") == changed
    assert client.sandbox.options.contact_quota == 5


@pytest.mark.parametrize("change", [{"nope": 1}, {"overlong": "nope"}, {"contact_quota": "many"}])
def test_a_bad_option_is_refused_in_a_sentence(client: Client, change: dict[str, Any]) -> None:
    status, problems = client.errors("PATCH", "/_sandbox/options", change)
    assert status == 400
    assert next(iter(change)) in problems[0][1]


def test_faults_can_be_ordered_listed_and_lifted(client: Client) -> None:
    order = {"kind": "status", "match": {"method": "GET"}, "status": 503, "times": None}
    number = control(client, "POST", "faults", order)["id"]
    assert client.call("GET", f"{MARKETING}/lists", is_answer_checked=False).status_code == 503
    listed = control(client, "GET", "faults")["faults"]
    assert [(fault["id"], fault["struck"], fault["left"]) for fault in listed] == [(number, 1, None)]
    control(client, "DELETE", f"faults/{number}")
    assert client.call("GET", f"{MARKETING}/lists").status_code == 200
    control(client, "DELETE", "faults")
    assert client.call("POST", "/_sandbox/faults", {"kind": "nope"}).status_code == 400


def test_the_request_log_shows_sizes_and_never_bodies(client: Client) -> None:
    client.put(ADA, {"email": "b@example.com"})
    (entry,) = control(client, "GET", "requests")["requests"]
    assert (entry["method"], entry["path"], entry["status"]) == ("PUT", f"{MARKETING}/contacts", 202)
    assert (entry["contacts"], entry["body"]) == (2, None)
    assert entry["bytes_in"] > 40
    control(client, "DELETE", "requests")
    assert control(client, "GET", "requests") == {"requests": []}


def test_bodies_are_kept_when_asked(client: Client) -> None:
    client.sandbox.set_options(keep_bodies=True)
    client.put(ADA)
    assert "ada@example.com" in client.sandbox.requests()[0]["body"]


def test_keys_can_be_made_with_scopes(client: Client) -> None:
    made = control(client, "POST", "keys", {"scopes": ["mail.send"]})
    assert made in control(client, "GET", "keys")["keys"]
    assert client.call("POST", "/_sandbox/keys", {"scopes": "all"}).status_code == 400


def test_reset_empties_everything_but_the_keys(client: Client) -> None:
    client.make_list()
    client.make_field("plan", "Text")
    client.upsert(ADA)
    client.sandbox.add_fault("status")
    control(client, "POST", "reset")
    assert (client.sandbox.contacts(), client.sandbox.jobs(), client.sandbox.faults()) == ([], [], [])
    assert client.call("GET", f"{MARKETING}/lists").json()["result"] == []
    assert "custom_fields" not in client.call("GET", f"{MARKETING}/field_definitions").json()


def test_coverage_names_what_is_emulated_and_what_is_not(client: Client) -> None:
    document = control(client, "GET", "coverage")
    assert "PUT /v3/marketing/contacts" in document["emulated"]
    assert "CSV import." in document["not_emulated"].values()


def test_violations_are_listed(client: Client) -> None:
    assert control(client, "GET", "violations") == {"violations": []}
