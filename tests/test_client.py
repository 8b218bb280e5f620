"""The client over real HTTP: pages, pace, refusals, and what never leaves it."""

from __future__ import annotations

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
from target_sendgrid.sendgrid.client import Client
from target_sendgrid.sendgrid.fields import FieldType
from tests.support import SandboxClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypeAlias

    MakeClient: TypeAlias = Callable[..., tuple[Client, SandboxServer, SandboxClock]]

PERSON = b'{"contacts":[{"email":"ada@example.com"}]}'
MAKES_NO_SENSE = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def make_client() -> Iterator[MakeClient]:
    opened: list[tuple[Client, SandboxServer]] = []

    def make(**options: int | str | bool) -> tuple[Client, SandboxServer, SandboxClock]:
        server = SandboxServer(options=Options().changed(options), manual_clock=True)
        server.start()
        clock = SandboxClock(server)
        client = Client(server.url, server.api_key, clock=clock, timeout_seconds=5)
        opened.append((client, server))
        return client, server, clock

    yield make
    for client, server in opened:
        client.close()
        server.stop()


def test_all_pages_of_lists_are_read(make_client: MakeClient) -> None:
    client, server, _ = make_client(max_lists=3000)
    names = [f"List {number}" for number in range(2_005)]
    server.seed(lists=names)
    assert sorted(found.name for found in client.lists()) == sorted(names)
    assert len(server.requests()) == 3


def test_an_empty_bucket_is_waited_for_and_not_run_into(
    make_client: MakeClient,
) -> None:
    client, server, clock = make_client(rate_limit_contacts=2)
    for _ in range(5):
        client.upsert(PERSON)
    assert 60 <= clock.slept_seconds <= 125
    assert {entry["status"] for entry in server.requests()} == {202}


@pytest.mark.parametrize("reset", ["seconds", "epoch"])
def test_a_refusal_for_pace_is_waited_out_as_its_headers_say(make_client: MakeClient, reset: str) -> None:
    client, server, clock = make_client()
    server.add_fault("rate_limited", method="PUT", path="/v3/marketing/contacts", seconds=41, reset=reset)
    client.upsert(PERSON)
    assert 41 <= clock.slept_seconds <= 43


def test_a_run_survives_more_pace_than_patience(
    make_client: MakeClient,
) -> None:
    client, server, clock = make_client()
    server.add_fault("rate_limited", method="PUT", path="/v3/marketing/contacts", seconds=30, times=10)
    client.upsert(PERSON)
    assert clock.slept_seconds >= 300 > client.retry_budget_seconds


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (401, {"errors": [{"field": None, "message": "authorization required"}]}, UnauthorizedError),
        (403, {"errors": [{"field": None, "message": "access forbidden"}]}, ForbiddenError),
        (404, [{"message": "not found"}], NotFoundError),
        (413, "<html>Request Entity Too Large</html>", TooLargeError),
        (400, {"errors": [{"message": "received message larger than max (5 vs. 4)"}]}, TooLargeError),
        (400, {"message": "marker", "field": "name"}, BadRequestError),
        (422, "marker", BadRequestError),
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


def test_what_does_not_pass_ends_after_patience_with_the_way_on(
    make_client: MakeClient,
) -> None:
    client, server, clock = make_client()
    server.add_fault("html_error", status=503, times=None)
    with pytest.raises(UnreachableError, match="run again"):
        client.scopes()
    assert clock.slept_seconds == pytest.approx(client.retry_budget_seconds)


@pytest.mark.parametrize("body", [{"custom_fields": 7}, {"custom_fields": [{"id": 1}]}])
def test_an_answer_of_another_shape_is_an_error_and_no_crash(make_client: MakeClient, body: object) -> None:
    client, server, _ = make_client()
    server.add_fault("status", status=200, body=body, times=None)
    with pytest.raises(SendGridError, match="in a shape that the target does not know"):
        client.field_catalogue()


def test_the_key_stays_in_the_header(make_client: MakeClient) -> None:
    client, server, _ = make_client()
    assert server.api_key not in repr(client)
    assert server.api_key not in repr(vars(client).keys())


def test_an_odd_list_id_is_no_other_path(
    make_client: MakeClient,
) -> None:
    client, server, _ = make_client()
    assert client.find_list("../contacts?x=1#y") is None
    assert server.requests()[-1]["path"].startswith("/v3/marketing/lists/")


def test_lists_fields_and_contacts_can_be_made_and_found(
    make_client: MakeClient,
) -> None:
    client, server, _ = make_client()
    made = client.create_list("Customers")
    assert client.find_list(made.id) == made
    assert client.find_list(MAKES_NO_SENSE) is None
    field = client.create_field("score", FieldType.NUMBER)
    assert client.field_catalogue().find("SCORE") == field
    job_id = client.upsert(PERSON)
    assert client.job(job_id).is_pending
    server.settle()
    assert client.job(job_id).status == "completed"
    assert list(client.find_contacts("email", ["ada@example.com", "nobody@example.com"])) == ["ada@example.com"]
    assert client.find_contacts("email", ["nobody@example.com"]) == {}
    assert list(client.find_contacts("email", ["not an address", "ada@example.com"])) == ["ada@example.com"]
