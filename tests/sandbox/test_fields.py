"""Custom field definitions: names, types, ids and limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.sandbox.client import MARKETING

if TYPE_CHECKING:
    from tests.sandbox.client import Client

FIELDS = f"{MARKETING}/field_definitions"


def test_a_new_field_is_200_with_an_id_that_shows_its_type(client: Client) -> None:
    for number, (name, kind) in enumerate([("plan", "Text"), ("age", "Number"), ("_since", "Date")], start=1):
        response = client.call("POST", FIELDS, {"name": name, "field_type": kind})
        identity = f"e{number}_{kind[0]}"
        link = {"self": f"{client.sandbox.url}{FIELDS}/{identity}"}
        assert response.status_code == 200
        assert response.json() == {"id": identity, "name": name, "field_type": kind, "_metadata": link}


@pytest.mark.parametrize(
    "name", ["", "x" * 101, "1st", "with space", "ümlaut", None, 7, "email", "First_Name", "contact_id"]
)
def test_a_bad_or_reserved_name_is_refused(client: Client, name: Any) -> None:
    status, problems = client.errors("POST", FIELDS, {"name": name, "field_type": "Text"})
    assert (status, problems[0][0]) == (400, "name")


def test_a_name_in_use_is_refused_in_any_case(client: Client) -> None:
    client.make_field("Plan", "Text")
    status, problems = client.errors("POST", FIELDS, {"name": "plan", "field_type": "Number"})
    assert (status, problems[0][0]) == (400, "name")


@pytest.mark.parametrize("kind", ["text", "Boolean", None, ["Text"]])
def test_a_bad_type_is_refused(client: Client, kind: Any) -> None:
    status, problems = client.errors("POST", FIELDS, {"name": "plan", "field_type": kind})
    assert (status, problems[0][0]) == (400, "field_type")


def test_the_501st_field_is_refused(client: Client) -> None:
    client.sandbox.seed(fields={f"field_{number}": "Text" for number in range(500)})
    status, problems = client.errors("POST", FIELDS, {"name": "another", "field_type": "Text"})
    assert (status, problems[0][0]) == (400, "name")


def test_custom_fields_are_absent_when_there_are_none(client: Client) -> None:
    document = client.call("GET", FIELDS).json()
    assert "custom_fields" not in document
    client.make_field("plan", "Text")
    assert [field["name"] for field in client.call("GET", FIELDS).json()["custom_fields"]] == ["plan"]


def test_reserved_fields_have_the_recorded_ids(client: Client) -> None:
    reserved = {field["id"]: field for field in client.call("GET", FIELDS).json()["reserved_fields"]}
    assert len(reserved) == 29
    assert reserved["_rf2_T"] == {"id": "_rf2_T", "name": "email", "field_type": "Text"}
    assert reserved["_rf21_D"] == {"id": "_rf21_D", "name": "created_at", "field_type": "Date", "read_only": True}
    assert reserved["_rf25_T"]["name"] == "external_id"


def test_a_field_can_be_renamed_and_keeps_its_values(client: Client) -> None:
    field = client.make_field("plan", "Text")
    client.upsert({"email": "a@example.com", "custom_fields": {field: "gold"}})
    assert client.call("PATCH", f"{FIELDS}/{field}", {"name": "Plan"}).json()["name"] == "Plan"
    assert client.find("a@example.com")["custom_fields"] == {"Plan": "gold"}


def test_a_deleted_field_takes_its_values_with_it_for_good(client: Client) -> None:
    field = client.make_field("plan", "Text")
    client.upsert({"email": "a@example.com", "custom_fields": {field: "gold"}})
    response = client.call("DELETE", f"{FIELDS}/{field}")
    assert (response.status_code, response.content) == (204, b"")
    again = client.make_field("plan", "Text")
    assert again != field
    assert client.find("a@example.com")["custom_fields"] == {}


def test_an_unknown_field_is_404(client: Client) -> None:
    assert client.call("PATCH", f"{FIELDS}/e9_T", {"name": "x"}).status_code == 404
    assert client.call("DELETE", f"{FIELDS}/e9_T").status_code == 404
