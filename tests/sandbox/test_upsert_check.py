"""Mistakes for which SendGrid refuses a whole upsert."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from target_sendgrid.sandbox.account.reserved import is_valid_email
from tests.sandbox.client import MARKETING

if TYPE_CHECKING:
    from tests.sandbox.client import Client
    from tests.sandbox.conftest import MakeClient

CONTACTS = f"{MARKETING}/contacts"
ADA = {"email": "ada@example.com"}


@pytest.mark.parametrize("body", [b"", b"{", b"{'a': 1}", b"\xff", b'{"contacts": [NaN]}'])
def test_a_body_that_is_not_json_is_refused(client: Client, body: bytes) -> None:
    assert client.errors("PUT", CONTACTS, data=body) == (400, [("", "invalid JSON")])


@pytest.mark.parametrize("custom", ["text", 1, ["e1_T"], None])
def test_custom_fields_that_are_not_an_object_are_refused(client: Client, custom: Any) -> None:
    assert client.refused(ADA | {"custom_fields": custom}) == (400, [("", "invalid input")])


@pytest.mark.parametrize("contacts", [None, [], {}, "x", [{"email": "a@example.com"}] * 30_001])
def test_no_contacts_or_over_30000_are_refused(client: Client, contacts: Any) -> None:
    status, problems = client.errors("PUT", CONTACTS, {"contacts": contacts})
    assert (status, problems[0][0]) == (400, "contacts")


def test_30000_contacts_are_taken(client: Client) -> None:
    client.put(*({"email": f"{number}@example.com"} for number in range(30_000)))


def test_a_contact_without_any_identifier_refuses_the_request(client: Client) -> None:
    status, problems = client.refused(ADA, {"first_name": "Grace"}, {"email": ""})
    assert status == 400
    assert [field for field, _ in problems] == ["contacts[1].identifier", "contacts[2].identifier"]


def test_each_invalid_email_is_named_and_nothing_is_queued(client: Client) -> None:
    found = client.refused({"email": "000"}, ADA, {"email": "x y@example.com"})
    assert found == (
        400,
        [
            ("contacts[0].identifier", "email '000' is not valid"),
            ("contacts[2].identifier", "email 'x y@example.com' is not valid"),
        ],
    )


def test_a_switch_names_the_email_by_the_older_path(make_client: MakeClient) -> None:
    client = make_client(invalid_email_path="email")
    assert client.refused({"email": "000"}) == (400, [("contacts[0].email", "email '000' is not valid")])


@pytest.mark.parametrize(
    ("names", "error"), [("email", ("", "email '000' is not valid")), ("nobody", ("", "invalid input"))]
)
def test_a_switch_makes_refusals_quote_emails_or_name_nobody(
    make_client: MakeClient, names: str, error: tuple[str, str]
) -> None:
    client = make_client(refusal_names=names)
    assert client.refused({"email": "ada@example.com"}, {"email": "000"}) == (400, [error])


@pytest.mark.parametrize("email", ["fake_email_10@lmail.c", '"a@b"@example.com', "ü@exämple.de", "A+b@EXAMPLE.com"])
def test_the_email_check_is_lenient(email: str) -> None:
    assert is_valid_email(email)


@pytest.mark.parametrize(
    "email", ["", "a", "a@b", "@b.c", "a@b..c", "a@.b.c", "a@b@c.d", "a b@c.d", f"{'x' * 250}@b.cd"]
)
def test_the_email_check_refuses_what_is_not_an_address(email: str) -> None:
    assert not is_valid_email(email)


def test_an_invalid_phone_number_id_is_refused(client: Client) -> None:
    status, problems = client.refused({"phone_number_id": "call me"})
    assert (status, problems[0][0]) == (400, "contacts[0].identifier")


def test_unknown_custom_fields_are_named_in_one_message(client: Client) -> None:
    client.make_field("plan", "Text")
    found = client.refused(
        ADA | {"custom_fields": {"partner": "x", "e1_T": "y"}}, {"email": "b@example.com", "custom_fields": {"uid": 1}}
    )
    assert found == (400, [("", "invalid custom field ids supplied - partner,uid")])


def test_a_custom_field_cannot_be_used_in_its_first_five_seconds(client: Client) -> None:
    field = client.call("POST", f"{MARKETING}/field_definitions", {"name": "plan", "field_type": "Text"}).json()["id"]
    client.sandbox.advance(4.9)
    contact = ADA | {"custom_fields": {field: "gold"}}
    assert client.refused(contact) == (400, [("", f"invalid custom field ids supplied - {field}")])
    client.sandbox.advance(0.1)
    assert client.upsert(contact)["status"] == "completed"


def test_names_of_custom_fields_are_not_keys(client: Client) -> None:
    client.make_field("plan", "Text")
    assert client.refused(ADA | {"custom_fields": {"plan": "gold"}})[0] == 400


def test_a_switch_takes_names_as_keys(make_client: MakeClient) -> None:
    client = make_client(custom_field_names_as_keys=True)
    client.make_field("plan", "Text")
    client.upsert(ADA | {"custom_fields": {"plan": "gold"}}, is_lawful=False)
    assert client.find("ada@example.com")["custom_fields"] == {"plan": "gold"}


@pytest.mark.parametrize("kind", ["Number", "Date"])
def test_null_in_a_number_or_date_field_is_refused(client: Client, kind: str) -> None:
    field = client.make_field("when", kind)
    found = client.refused(ADA | {"custom_fields": {field: None}})
    assert found == (400, [("", f'custom field "{field}" cannot be null')])


def test_null_in_a_text_field_changes_nothing(client: Client) -> None:
    field = client.make_field("plan", "Text")
    client.upsert(ADA | {"custom_fields": {field: "gold"}})
    client.upsert(ADA | {"custom_fields": {field: None}}, is_lawful=False)
    assert client.find("ada@example.com")["custom_fields"] == {"plan": "gold"}


def test_a_switch_refuses_null_in_a_text_field(make_client: MakeClient) -> None:
    client = make_client(null_in_text="reject")
    field = client.make_field("plan", "Text")
    assert client.refused(ADA | {"custom_fields": {field: None}})[0] == 400


@pytest.mark.parametrize(("switches", "status"), [({}, 404), ({"unknown_list_status": 400}, 400)])
def test_an_unknown_list_is_named(make_client: MakeClient, switches: dict[str, Any], status: int) -> None:
    client = make_client(**switches)
    unknown = "4fb6cca6-06dc-4aa2-b7cb-851a4e3be37e"
    found = client.refused(ADA, list_ids=[client.make_list(), unknown])
    assert found == (status, [("list_ids", f"invalid list id: {unknown}")])


def test_an_unknown_top_level_property_is_ignored(client: Client) -> None:
    identity = client.make_list()
    response = client.call("PUT", CONTACTS, {"contacts": [ADA], "listIds": [identity]}, is_lawful=False)
    client.sandbox.settle()
    assert response.status_code == 202
    assert client.find("ada@example.com")["list_ids"] == []


def test_an_unknown_property_inside_a_contact_is_ignored(client: Client) -> None:
    assert client.upsert(ADA | {"nickname": "A"}, is_lawful=False)["status"] == "completed"


def test_a_switch_turns_down_a_row_with_an_unknown_property(make_client: MakeClient) -> None:
    client = make_client(unknown_contact_property="row_error")
    job = client.upsert(ADA | {"nickname": "A"}, is_lawful=False)
    assert (job["status"], job["results"]["errored_count"]) == ("failed", 1)
    assert client.sandbox.contacts() == []


@pytest.mark.parametrize("value", [1, True, ["x"], {"a": 1}])
def test_a_reserved_text_field_that_is_not_text_is_invalid_input(client: Client, value: Any) -> None:
    assert client.refused(ADA | {"first_name": value}) == (400, [("", "invalid input")])


def test_a_refused_request_changes_nothing(client: Client) -> None:
    client.refused(ADA, {"email": "bad"})
    client.sandbox.settle()
    assert client.sandbox.contacts() == []
