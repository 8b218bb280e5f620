"""The client over real HTTP: pages, rate limits, refusals, and what never leaves it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from target_sendgrid.errors import (
    BadRequestError,
    ForbiddenError,
    NotFoundError,
    SendGridError,
    TargetSendGridError,
    TooLargeError,
    UnauthorizedError,
    UnreachableError,
)
from target_sendgrid.sandbox.options import Options
from target_sendgrid.sandbox.server import SandboxServer
from target_sendgrid.sendgrid.client import MAX_IDENTIFIERS_PER_SEARCH, MAX_IDS_PER_REMOVAL, Client
from target_sendgrid.sendgrid.contact import Body, encode
from target_sendgrid.sendgrid.fields import FieldType
from target_sendgrid.sendgrid.transport import Transport
from tests.support import SandboxClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypeAlias

    MakeClient: TypeAlias = Callable[..., tuple[Client, SandboxServer, SandboxClock]]

PERSON = Body((), [encode({"email": "ada@example.com"})])
UNKNOWN_ID = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def make_client() -> Iterator[MakeClient]:
    opened: list[tuple[Client, SandboxServer]] = []

    def make(**options: int | str | bool) -> tuple[Client, SandboxServer, SandboxClock]:
        server = SandboxServer(options=Options().changed(options), manual_clock=True)
        server.start()
        clock = SandboxClock(server)
        client = Client(Transport(server.url, server.api_key, clock=clock, timeout_seconds=5))
        opened.append((client, server))
        return client, server, clock

    yield make
    for client, server in opened:
        client.transport.close()
        server.stop()


def test_all_pages_of_lists_are_read(make_client: MakeClient) -> None:
    client, server, _ = make_client(max_lists=3000)
    names = [f"List {number}" for number in range(2_005)]
    server.seed(lists=names)
    assert sorted(found.name for found in client.lists()) == sorted(names)
    assert len(server.requests()) == 3


def test_a_used_up_rate_limit_is_waited_for_and_not_exceeded(make_client: MakeClient) -> None:
    client, server, clock = make_client(rate_limit_contacts=2)
    for _ in range(5):
        client.upsert(PERSON)
    assert 60 <= clock.slept_seconds <= 125
    assert {entry["status"] for entry in server.requests()} == {202}


@pytest.mark.parametrize("reset", ["seconds", "epoch"])
def test_a_rate_limit_is_waited_out_as_its_headers_say(make_client: MakeClient, reset: str) -> None:
    client, server, clock = make_client()
    server.add_fault("rate_limited", method="PUT", path="/v3/marketing/contacts", seconds=41, reset=reset)
    client.upsert(PERSON)
    assert 41 <= clock.slept_seconds <= 43


def test_rate_limits_may_last_longer_than_the_retry_budget(make_client: MakeClient) -> None:
    client, server, clock = make_client()
    server.add_fault("rate_limited", method="PUT", path="/v3/marketing/contacts", seconds=30, times=10)
    client.upsert(PERSON)
    assert clock.slept_seconds >= 300 > client.transport.retry_budget_seconds


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (401, {"errors": [{"field": None, "message": "authorization required"}]}, UnauthorizedError),
        (403, {"errors": [{"field": None, "message": "access forbidden"}]}, ForbiddenError),
        (404, [{"message": "not found"}], NotFoundError),
        (413, "<html>Request Entity Too Large</html>", TooLargeError),
        (400, {"errors": [{"message": "received message larger than max (5 vs. 4)"}]}, TooLargeError),
        (400, {"message": "marker", "field": "name"}, BadRequestError),
        (422, {"message": "marker"}, BadRequestError),
        (302, "", SendGridError),
    ],
)
def test_each_status_means_its_error_and_no_error_quotes_the_body(
    make_client: MakeClient,
    status: int,
    body: object,
    error: type[TargetSendGridError],
) -> None:
    client, server, _ = make_client()
    server.add_fault("status", status=status, body=body, headers={"Location": "http://127.0.0.1:9/"}, times=None)
    with pytest.raises(error) as caught:
        client.create_list("Customers")
    assert type(caught.value) is error
    assert "marker" not in str(caught.value)
    assert len(server.requests()) == 1


def test_a_lasting_failure_ends_with_the_retry_budget_and_says_what_to_do(make_client: MakeClient) -> None:
    client, server, clock = make_client()
    server.add_fault("html_error", status=503, times=None)
    with pytest.raises(UnreachableError, match="run again"):
        client.scopes()
    assert clock.slept_seconds == pytest.approx(client.transport.retry_budget_seconds)


@pytest.mark.parametrize("body", [{"custom_fields": 7}, {"custom_fields": [{"id": 1}]}])
def test_an_answer_of_another_shape_is_an_error_and_not_a_crash(make_client: MakeClient, body: object) -> None:
    client, server, _ = make_client()
    server.add_fault("status", status=200, body=body, times=None)
    with pytest.raises(SendGridError, match="in a shape that the target does not know"):
        client.field_catalogue()


def test_the_key_stays_in_the_header(make_client: MakeClient) -> None:
    client, server, _ = make_client()
    assert server.api_key not in repr(client)
    assert server.api_key not in repr(vars(client).keys())


def test_an_odd_list_id_does_not_change_the_path(make_client: MakeClient) -> None:
    client, server, _ = make_client()
    assert client.find_list("../contacts?x=1#y") is None
    assert server.requests()[-1]["path"].startswith("/v3/marketing/lists/")


def test_lists_fields_and_contacts_can_be_created_and_found(make_client: MakeClient) -> None:
    client, server, _ = make_client()
    created = client.create_list("Customers")
    assert client.find_list(created.id) == created
    assert client.find_list(UNKNOWN_ID) is None
    field = client.create_field("score", FieldType.NUMBER)
    assert client.field_catalogue().find("SCORE") == field
    job_id = client.upsert(PERSON)
    assert client.job_status(job_id).is_pending
    server.settle()
    assert client.job_status(job_id).status == "completed"
    assert list(dict(client.find_contacts("email", ["ada@example.com", "nobody@example.com"]))) == ["ada@example.com"]
    assert dict(client.find_contacts("email", ["nobody@example.com"])) == {}
    assert list(dict(client.find_contacts("email", ["not an address", "ada@example.com"]))) == ["ada@example.com"]


def test_any_number_of_contacts_is_looked_up_in_searches_of_the_size_that_sendgrid_takes(
    make_client: MakeClient,
) -> None:
    client, server, _ = make_client()
    emails = [f"p{number}@example.com" for number in range(2 * MAX_IDENTIFIERS_PER_SEARCH + 1)]
    server.seed(contacts=[{"email": email} for email in emails])
    assert sorted(dict(client.find_contacts("email", emails))) == sorted(emails)
    assert [entry["status"] for entry in server.requests()] == [200, 200, 200]


def test_looking_nobody_up_sends_no_request(make_client: MakeClient) -> None:
    client, server, _ = make_client()
    assert dict(client.find_contacts("email", [])) == {}
    assert server.requests() == []


class TestRemoval:
    """Taking contacts off a list."""

    @pytest.fixture
    def members(self, make_client: MakeClient) -> tuple[Client, SandboxServer, str, dict[str, str]]:
        """A client, its sandbox, the id of a list, and the ids of its two contacts by email."""
        client, server, _ = make_client()
        emails = ["ada@example.com", "grace@example.com"]
        server.seed(lists=["Customers"], contacts=[{"email": email, "lists": ["Customers"]} for email in emails])
        (found,) = client.lists()
        ids = {email: contact["id"] for email, contact in dict(client.find_contacts("email", emails)).items()}
        return client, server, found.id, ids

    def test_a_removed_contact_is_off_the_list_and_still_exists(
        self, members: tuple[Client, SandboxServer, str, dict[str, str]]
    ) -> None:
        client, server, list_id, ids = members
        job_id = client.remove_from_list(list_id, [ids["ada@example.com"]])
        assert client.job_status(job_id).is_pending
        server.settle()
        assert client.job_status(job_id).status == "completed"
        assert [contact["email"] for contact in server.contacts("Customers")] == ["grace@example.com"]
        assert dict(client.find_contacts("email", ["ada@example.com"]))["ada@example.com"]["list_ids"] == []

    def test_several_contacts_are_removed_by_one_request(
        self, members: tuple[Client, SandboxServer, str, dict[str, str]]
    ) -> None:
        client, server, list_id, ids = members
        client.remove_from_list(list_id, list(ids.values()))
        server.settle()
        assert server.contacts("Customers") == []
        assert len(server.contacts()) == 2
        assert [entry["method"] for entry in server.requests()].count("DELETE") == 1

    def test_an_unknown_contact_or_list_fails_the_removal_and_removes_nobody(
        self, members: tuple[Client, SandboxServer, str, dict[str, str]]
    ) -> None:
        client, server, list_id, ids = members
        for arguments in ((list_id, [*ids.values(), UNKNOWN_ID]), (UNKNOWN_ID, list(ids.values()))):
            with pytest.raises(NotFoundError):
                client.remove_from_list(*arguments)
        server.settle()
        assert len(server.contacts("Customers")) == 2

    @pytest.mark.parametrize("count", [0, MAX_IDS_PER_REMOVAL + 1])
    def test_a_removal_of_none_or_too_many_is_refused_before_it_is_sent(
        self, make_client: MakeClient, count: int
    ) -> None:
        client, server, _ = make_client()
        with pytest.raises(ValueError, match=f"removes from 1 to 100 contacts, not {count}"):
            client.remove_from_list(UNKNOWN_ID, [UNKNOWN_ID] * count)
        assert server.requests() == []

    def test_the_most_contacts_that_a_removal_takes_fit_its_url(self, make_client: MakeClient) -> None:
        client, server, _ = make_client()
        emails = [f"p{number}@example.com" for number in range(MAX_IDS_PER_REMOVAL)]
        server.seed(lists=["Customers"], contacts=[{"email": email, "lists": ["Customers"]} for email in emails])
        (found,) = client.lists()
        client.remove_from_list(found.id, [contact["id"] for _, contact in client.find_contacts("email", emails)])
        server.settle()
        assert server.contacts("Customers") == []

    def test_no_id_is_logged_or_quoted(self, make_client: MakeClient, caplog: pytest.LogCaptureFixture) -> None:
        client, _, _ = make_client()
        list_id, contact_id = "11111111-0000-4000-8000-000000000000", "22222222-0000-4000-8000-000000000000"
        caplog.set_level(logging.DEBUG, logger="target-sendgrid")
        with pytest.raises(NotFoundError) as caught:
            client.remove_from_list(list_id, [contact_id])
        text = f"{caught.value} {[record.getMessage() for record in caplog.records if 'sendgrid' in record.name]}"
        assert "DELETE /v3/marketing/lists/{id}/contacts -> 404" in text
        assert list_id not in text
        assert contact_id not in text
