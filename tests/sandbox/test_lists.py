"""Lists and their members."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from tests.sandbox.client import MARKETING

if TYPE_CHECKING:
    from tests.sandbox.client import Client
    from tests.sandbox.conftest import MakeClient

LISTS = f"{MARKETING}/lists"


def test_a_new_list_is_201_with_its_id_and_no_contact(client: Client) -> None:
    response = client.call("POST", LISTS, {"name": "List One"})
    document = response.json()
    assert response.status_code == 201
    assert document == {
        "name": "List One",
        "id": document["id"],
        "contact_count": 0,
        "_metadata": {"self": f"{client.sandbox.url}{LISTS}/{document['id']}"},
    }


@pytest.mark.parametrize("name", ["", "x" * 101, None, 1])
def test_a_name_has_1_to_100_characters(client: Client, name: Any) -> None:
    status, problems = client.errors("POST", LISTS, {"name": name})
    assert (status, problems[0][0]) == (400, "name")


def test_a_name_can_have_100_characters(client: Client) -> None:
    assert client.call("POST", LISTS, {"name": "x" * 100}).status_code == 201


def test_a_name_in_use_is_refused(client: Client) -> None:
    identity, other = client.make_list("One"), client.make_list("Two")
    assert client.errors("POST", LISTS, {"name": "One"})[0] == 400
    assert client.errors("PATCH", f"{LISTS}/{other}", {"name": "One"})[0] == 400
    assert client.call("PATCH", f"{LISTS}/{identity}", {"name": "One"}).status_code == 200


def test_more_than_1000_lists_are_refused(client: Client) -> None:
    client.sandbox.seed(lists=[f"List {number}" for number in range(1_000)])
    status, problems = client.errors("POST", LISTS, {"name": "One too many"})
    assert (status, problems[0][0]) == (400, "name")


def test_lists_come_by_ascending_id_in_pages_that_next_links(client: Client) -> None:
    made = sorted(client.make_list(f"List {number}") for number in range(5))
    seen: list[str] = []
    path: str | None = f"{LISTS}?page_size=2"
    while path is not None:
        document = client.call("GET", path).json()
        seen += [one["id"] for one in document["result"]]
        following = document["_metadata"].get("next")
        path = None if following is None else f"{urlsplit(following).path}?{urlsplit(following).query}"
    assert seen == made


def test_a_page_has_100_lists_unless_asked(client: Client) -> None:
    client.sandbox.seed(lists=[f"List {number}" for number in range(101)])
    assert len(client.call("GET", LISTS).json()["result"]) == 100
    assert len(client.call("GET", f"{LISTS}?page_size=1000").json()["result"]) == 101


@pytest.mark.parametrize("size", ["0", "1001", "x", "-1"])
def test_a_page_size_outside_1_to_1000_is_refused(client: Client, size: str) -> None:
    assert client.call("GET", f"{LISTS}?page_size={size}").status_code == 400


def test_the_count_of_a_page_is_not_to_be_relied_on(client: Client) -> None:
    client.make_list()
    assert client.call("GET", LISTS).json()["_metadata"]["count"] == 2


def test_one_list_shows_identifier_counts_and_a_sample_on_demand(client: Client) -> None:
    identity = client.make_list()
    client.upsert({"email": "a@example.com", "external_id": "7"}, {"external_id": "8"}, lists=[identity])
    document = client.call("GET", f"{LISTS}/{identity}?contact_sample=true").json()
    assert document["contact_count"] == 2
    assert document["identifier_counts"] == {"AID": 0, "EID": 1, "EXTID": 2, "PHNID": 0}
    assert [contact["external_id"] for contact in document["contact_sample"]] == ["8", "7"]
    assert "contact_sample" not in client.call("GET", f"{LISTS}/{identity}").json()


def test_an_unknown_list_is_404_as_a_bare_array(client: Client) -> None:
    response = client.call("GET", f"{LISTS}/nope")
    assert response.status_code == 404
    assert [entry["field"] for entry in response.json()] == ["id"]


def test_a_list_can_be_renamed(client: Client) -> None:
    identity = client.make_list("Old")
    assert client.call("PATCH", f"{LISTS}/{identity}", {"name": "New"}).json()["name"] == "New"
    assert client.call("PATCH", f"{LISTS}/nope", {"name": "Newer"}).status_code == 404


def test_a_deleted_list_leaves_its_contacts(client: Client) -> None:
    identity = client.make_list()
    client.upsert({"email": "a@example.com"}, lists=[identity])
    response = client.call("DELETE", f"{LISTS}/{identity}")
    assert (response.status_code, response.content) == (204, b"")
    assert client.sandbox.contacts() == [{"email": "a@example.com", "lists": []}]
    assert client.call("DELETE", f"{LISTS}/{identity}").status_code == 404


def test_a_list_can_be_deleted_with_its_contacts(client: Client) -> None:
    identity = client.make_list()
    client.upsert({"email": "a@example.com"}, lists=[identity])
    client.upsert({"email": "b@example.com"})
    response = client.call("DELETE", f"{LISTS}/{identity}?delete_contacts=true")
    client.sandbox.settle()
    assert response.status_code == 200
    assert client.job(response.json()["job_id"])["results"] == {"requested_count": 1, "deleted_count": 1}
    assert client.sandbox.contacts() == [{"email": "b@example.com", "lists": []}]


def test_the_contacts_of_a_list_can_be_counted(client: Client) -> None:
    identity = client.make_list()
    client.upsert({"email": "a@example.com"}, lists=[identity])
    counts = client.call("GET", f"{LISTS}/{identity}/contacts/count").json()
    assert counts == {"contact_count": 1, "billable_count": 1}
    assert client.call("GET", f"{LISTS}/nope/contacts/count").status_code == 404


def test_members_are_removed_by_a_job_and_stay_contacts(client: Client) -> None:
    identity = client.make_list()
    client.upsert({"email": "a@example.com"}, {"email": "b@example.com"}, lists=[identity])
    ids = [client.find(email)["id"] for email in ("a@example.com", "b@example.com")]
    response = client.call("DELETE", f"{LISTS}/{identity}/contacts?contact_ids={'%2C'.join(ids)}")
    assert len(client.sandbox.contacts("People")) == 2
    client.sandbox.settle()
    assert response.status_code == 202
    assert client.job(response.json()["job_id"])["status"] == "completed"
    assert [contact["lists"] for contact in client.sandbox.contacts()] == [[], []]


def test_removal_from_an_unknown_list_or_of_an_unknown_contact_is_404(client: Client) -> None:
    identity = client.make_list()
    client.upsert({"email": "a@example.com"}, lists=[identity])
    contact = client.find("a@example.com")["id"]
    assert client.call("DELETE", f"{LISTS}/nope/contacts?contact_ids={contact}").status_code == 404
    assert client.call("DELETE", f"{LISTS}/{identity}/contacts?contact_ids={contact},nope").status_code == 404
    assert client.call("DELETE", f"{LISTS}/{identity}/contacts?contact_ids=a@example.com").status_code == 404


def test_removal_of_nobody_is_400_as_a_single_object(client: Client) -> None:
    response = client.call("DELETE", f"{LISTS}/{client.make_list()}/contacts")
    assert response.status_code == 400
    assert response.json()["field"] == "contact_ids"


def test_a_switch_sets_the_most_lists(make_client: MakeClient) -> None:
    client = make_client(max_lists=1)
    client.make_list("One")
    assert client.call("POST", LISTS, {"name": "Two"}).status_code == 400


def test_a_removal_may_ignore_contacts_that_do_not_exist(make_client: MakeClient) -> None:
    client = make_client(unknown_contact_in_removal="ignore")
    identity = client.make_list()
    client.upsert({"email": "a@example.com"}, lists=[identity])
    ids = f"{client.find('a@example.com')['id']},00000000-0000-4000-8000-000000000000"
    response = client.call("DELETE", f"{LISTS}/{identity}/contacts?contact_ids={ids}")
    client.sandbox.settle()
    assert client.job(response.json()["job_id"])["results"] == {"requested_count": 2, "deleted_count": 1}


def test_counts_of_lists_may_lag_behind(make_client: MakeClient) -> None:
    client = make_client(list_count_lag_seconds=300)
    client.sandbox.seed(lists=["People"], contacts=[{"email": "a@example.com", "lists": ["People"]}])
    (identity,) = (one["id"] for one in client.call("GET", LISTS).json()["result"])

    def count() -> int:
        counts = client.call("GET", f"{LISTS}/{identity}/contacts/count").json()
        return int(counts["contact_count"])

    client.upsert({"email": "b@example.com"}, lists=[identity])
    client.sandbox.advance(298)
    before = count()
    client.sandbox.advance(2)
    assert (before, count()) == (1, 2)


def test_deleting_a_list_is_recorded(client: Client) -> None:
    identity = client.make_list()
    client.call("DELETE", f"{LISTS}/{identity}")
    assert client.sandbox.violations() == [f"DELETE {LISTS}/{identity}: a list was deleted"]
