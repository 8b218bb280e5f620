"""The client over real HTTP: pages, rate limits, refusals, and what never leaves it."""

from __future__ import annotations

import logging
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pytest

from target_sendgrid.errors import (
    BadRequestError,
    Code,
    ContactLimitError,
    ForbiddenError,
    NotFoundError,
    SendGridError,
    TargetSendGridError,
    TooLargeError,
    TransientError,
    UnauthorizedError,
    UnreachableError,
)
from target_sendgrid.sandbox.options import Options
from target_sendgrid.sendgrid.client import MAX_IDS_PER_REMOVAL, Client
from target_sendgrid.sendgrid.contact import Body, encode
from target_sendgrid.sendgrid.fields import FieldType
from target_sendgrid.sendgrid.searches import MAX_IDENTIFIERS_PER_SEARCH
from target_sendgrid.sendgrid.transport import Transport
from tests.harness.clocks import SandboxClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypeAlias

    from target_sendgrid.sandbox.server import SandboxServer

    MakeClient: TypeAlias = Callable[..., tuple[Client, SandboxServer, SandboxClock]]

PERSON = Body((), [encode({"email": "ada@example.com"})])
FOUR = [f"p{number}@example.com" for number in range(4)]
SEARCH = {"method": "POST", "path": "/v3/marketing/contacts/search/emails"}
POLL = {"method": "GET", "path": "/v3/marketing/contacts/imports/*"}
WRONG_RESULTS: list[Any] = [
    {}, {"result": None}, {"result": []}, {"result": {"p0@example.com": None}},
    {"result": {"p0@example.com": {"contact": "p0"}}}, [], "<html>",
]  # fmt: skip
WRONG_COUNTS: list[Any] = [-1, 0.5, "1", True, [], {}]
UNKNOWN_ID = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def make_client(sandbox: SandboxServer) -> Iterator[MakeClient]:
    opened: list[Client] = []

    def make(**options: int | str | bool) -> tuple[Client, SandboxServer, SandboxClock]:
        sandbox.set_options(**asdict(Options().changed(options)))
        clock = SandboxClock(sandbox)
        opened.append(Client(Transport(sandbox.url, sandbox.api_key, clock=clock, timeout_seconds=5)))
        return opened[-1], sandbox, clock

    yield make
    for client in opened:
        client.transport.close()


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
    server.add_fault("rate_limited", path="/v3/scopes", seconds=41, reset=reset)
    client.scopes()
    assert 41 <= clock.slept_seconds <= 43


def test_rate_limits_may_last_longer_than_the_retry_budget(make_client: MakeClient) -> None:
    client, server, clock = make_client()
    server.add_fault("rate_limited", path="/v3/scopes", seconds=30, times=10)
    client.scopes()
    assert clock.slept_seconds >= 300 > client.transport.retry_budget_seconds


def test_a_write_is_sent_once(make_client: MakeClient) -> None:
    client, server, clock = make_client()
    server.add_fault("status", status=503, times=None)
    writes: list[Callable[[], object]] = [
        lambda: client.upsert(PERSON),
        lambda: client.remove_from_list(UNKNOWN_ID, [UNKNOWN_ID]),
        lambda: client.delete_contacts([UNKNOWN_ID]),
        lambda: client.suppress(["ada@example.com"], None),
        lambda: client.erase(["ada@example.com"]),
    ]
    for write in writes:
        with pytest.raises(TransientError, match="answered 503") as caught:
            write()
        assert isinstance(caught.value.final_error, UnreachableError)
    assert (len(server.requests()), clock.slept_seconds) == (len(writes), 0.0)


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


def test_emails_that_are_too_long_for_the_search_by_emails_are_looked_up_by_identifier(make_client: MakeClient) -> None:
    client, server, _ = make_client()
    emails = [f"{'a' * size}@example.com" for size in (88, 89, 242)]
    server.seed(contacts=[{"email": email} for email in emails])
    assert sorted(dict(client.find_contacts("email", emails))) == sorted(emails)
    paths = [entry["path"].removeprefix("/v3/marketing/contacts/search/") for entry in server.requests()]
    assert paths == ["emails", "identifiers/email"]


def test_looking_nobody_up_sends_no_request(make_client: MakeClient) -> None:
    client, server, _ = make_client()
    assert dict(client.find_contacts("email", [])) == {}
    assert server.requests() == []


class TestSearch:
    @pytest.fixture
    def found(self, make_client: MakeClient) -> tuple[Client, SandboxServer]:
        """A client, and its sandbox with four contacts."""
        client, server, _ = make_client()
        server.seed(contacts=[{"email": email} for email in FOUR])
        return client, server

    @pytest.mark.parametrize("malformed", range(5))
    def test_a_malformed_identifier_loses_no_other(self, found: tuple[Client, SandboxServer], malformed: int) -> None:
        emails = [*FOUR[:malformed], "not an address", *FOUR[malformed:]]
        assert sorted(dict(found[0].find_contacts("email", emails))) == sorted(FOUR)

    @pytest.mark.parametrize(
        "fault",
        [*({"status": 200, "body": body} for body in WRONG_RESULTS), {"status": 404, "body": "<html>"}],
        ids=str,
    )
    def test_an_answer_of_another_kind_is_not_taken_for_nobody(
        self, found: tuple[Client, SandboxServer], fault: dict[str, Any]
    ) -> None:
        client, server = found
        server.add_fault("status", **SEARCH, times=1, **fault)
        assert len(dict(client.find_contacts("email", FOUR))) == 4
        server.add_fault("status", **SEARCH, times=None, **fault)
        with pytest.raises(SendGridError):
            dict(client.find_contacts("email", FOUR))

    @pytest.mark.parametrize(
        ("fault", "error"),
        [
            ({"status": 401, "body": {}}, UnauthorizedError),
            ({"status": 403, "body": {}}, ForbiddenError),
            ({"status": 400, "body": {"errors": [{"message": "contact limit"}]}}, ContactLimitError),
            ({"status": 400, "body": "<html>"}, UnreachableError),
            ({"status": 405, "body": {}}, SendGridError),
        ],
        ids=str,
    )
    def test_a_refusal_that_is_not_about_an_identifier_is_raised(
        self, found: tuple[Client, SandboxServer], fault: dict[str, Any], error: type[SendGridError]
    ) -> None:
        client, server = found
        server.add_fault("status", **SEARCH, times=None, **fault)
        with pytest.raises(error) as caught:
            dict(client.find_contacts("email", FOUR[:1]))
        assert type(caught.value) is error

    def test_a_404_of_sendgrid_means_that_nobody_is_there(self, found: tuple[Client, SandboxServer]) -> None:
        client, server = found
        server.add_fault("status", **SEARCH, status=404, body={"errors": [{"message": "not found"}]})
        assert dict(client.find_contacts("email", FOUR)) == {}


class TestLists:
    def test_only_sendgrid_says_that_a_list_is_not_there(self, make_client: MakeClient) -> None:
        client, server, _ = make_client()
        created = client.create_list("Customers")
        server.add_fault("status", status=404, body="<html>", times=2)
        assert client.find_list(created.id) == created
        server.add_fault("status", status=404, body="<html>", times=None)
        with pytest.raises(NotFoundError, match="still answers 404"):
            client.find_list(created.id)

    @pytest.mark.parametrize("metadata", [7, [7], "next"])
    def test_pages_of_another_shape_are_an_error_and_not_a_crash(
        self, make_client: MakeClient, metadata: object
    ) -> None:
        client, server, _ = make_client()
        server.add_fault("status", status=200, body={"result": [], "_metadata": metadata})
        with pytest.raises(SendGridError, match="in a shape that the target does not know"):
            list(client.lists())

    @pytest.mark.parametrize(
        "address", ["@evil.example/x", "https://a.example/v3/scopes?x=1", "/v3/marketing", "http://[", ""]
    )
    def test_a_next_page_with_another_path_is_not_asked_for(self, make_client: MakeClient, address: str) -> None:
        client, server, _ = make_client()
        body = {"result": [], "_metadata": {"next": address}}
        server.add_fault("status", status=200, body=body)
        if address:
            with pytest.raises(SendGridError, match="named a next page of lists with another path"):
                list(client.lists())
        else:
            assert list(client.lists()) == []
        assert len(server.requests()) == 1

    def test_the_host_of_a_next_page_is_ignored(self, make_client: MakeClient) -> None:
        client, server, _ = make_client()
        created = client.create_list("Customers")
        address = "https://evil.example/v3/marketing/lists?page_size=7"
        server.add_fault("status", method="GET", status=200, body={"result": [], "_metadata": {"next": address}})
        assert list(client.lists()) == [created]
        assert [entry["path"] for entry in server.requests()[1:]] == ["/v3/marketing/lists"] * 2


class TestJobStatus:
    @pytest.fixture
    def job(self, make_client: MakeClient) -> tuple[Client, SandboxServer, str]:
        client, server, _ = make_client()
        return client, server, client.upsert(PERSON)

    @pytest.mark.parametrize(
        ("results", "expected"),
        [
            ({"results": {}}, (None, 0, None, None)),
            ({}, (None, 0, None, None)),
            ({"results": None}, (None, 0, None, None)),
            ({"results": {"requested_count": 3, "created_count": 1, "updated_count": 2}}, (3, 3, None, None)),
            ({"results": {"errored_count": 2, "errors_url": "https://x"}}, (None, 0, 2, "https://x")),
            ({"results": {"requested_count": None, "created_count": None}, "more": [7]}, (None, 0, None, None)),
        ],
        ids=str,
    )
    def test_counts_are_read_as_far_as_they_are_known(
        self, job: tuple[Client, SandboxServer, str], results: dict[str, Any], expected: tuple[Any, ...]
    ) -> None:
        client, server, job_id = job
        server.add_fault("status", **POLL, status=200, body={"status": "completed", **results})
        status = client.job_status(job_id)
        assert status.status == "completed"
        read = (status.requested_count, status.changed_count, status.errored_count, status.errors_url)
        assert read == expected
        assert not status.says_contact_limit

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"status": None},
            {"status": 7},
            {"status": ["completed"]},
            {"status": "completed", "results": []},
            {"status": "completed", "results": "none"},
            {"status": "completed", "results": 0},
            *[
                {"status": "completed", "results": {name: value}}
                for name in ("requested_count", "created_count", "updated_count", "errored_count")
                for value in WRONG_COUNTS
            ],
            {"status": "completed", "results": {"errors_url": 7}},
        ],
        ids=str,
    )
    def test_a_malformed_answer_may_be_asked_for_again(
        self, job: tuple[Client, SandboxServer, str], body: dict[str, Any]
    ) -> None:
        client, server, job_id = job
        server.add_fault("status", **POLL, status=200, body=body)
        with pytest.raises(TransientError) as caught:
            client.job_status(job_id)
        assert "in a shape that the target does not know" in str(caught.value.final_error)
        assert client.job_status(job_id).is_pending

    @pytest.mark.parametrize(
        ("body", "says_so"),
        [
            ({"errors": [{"message": "you have hit your contact limit"}]}, True),
            ({"results": {"errored_count": 1}, "reason": "Contact Limit"}, True),
            ({"results": {"errors_url": "https://example.com/contact limit"}}, False),
            ({"errors": [{"field": "contacts[0].city", "message": "contact limit"}]}, False),
        ],
        ids=str,
    )
    def test_the_contact_limit_is_recognised_anywhere_in_an_answer(
        self, job: tuple[Client, SandboxServer, str], body: dict[str, Any], *, says_so: bool
    ) -> None:
        client, server, job_id = job
        server.add_fault("status", **POLL, status=200, body={"status": "failed", **body})
        assert client.job_status(job_id).says_contact_limit is says_so


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
        with pytest.raises(ValueError, match=f"removes from 1 to 218 contacts, not {count}"):
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

    def test_ids_that_make_the_url_too_long_are_not_sent(self, make_client: MakeClient) -> None:
        client, server, _ = make_client()
        with pytest.raises(TooLargeError):
            client.remove_from_list(UNKNOWN_ID, ["x" * 5_000] * 2)
        assert server.requests() == []

    def test_contacts_are_found_by_their_ids(self, members: tuple[Client, SandboxServer, str, dict[str, str]]) -> None:
        client, server, _, ids = members
        wanted = [*ids.values(), *[UNKNOWN_ID] * 100]
        found = dict(client.find_by_ids(wanted))
        assert {contact["email"]: identity for identity, contact in found.items()} == ids
        assert [entry["path"] for entry in server.requests()].count("/v3/marketing/contacts/batch") == 2

    def test_the_ids_of_lists_and_jobs_are_not_logged_or_quoted(
        self, make_client: MakeClient, caplog: pytest.LogCaptureFixture
    ) -> None:
        client, server, _ = make_client()
        caplog.set_level(logging.DEBUG, logger="target-sendgrid")
        server.add_fault("status", **POLL, status=405, times=None)
        assert client.find_list(UNKNOWN_ID) is None
        with pytest.raises(TransientError, match=r"imports/\{id\} answered 405") as caught:
            client.job_status("job-7")
        logged = [record.getMessage() for record in caplog.records if "sendgrid" in record.name]
        text = f"{caught.value} {caught.value.final_error} {logged}"
        assert "GET /v3/marketing/lists/{id} -> 404" in text
        assert UNKNOWN_ID not in text
        assert "job-7" not in text

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


class TestConsent:
    """Suppressing, deleting and erasing people."""

    def test_people_are_suppressed_everywhere_or_in_a_group(self, make_client: MakeClient) -> None:
        client, server, _ = make_client()
        group_id = server.add_group("News")
        assert [(group.id, group.name) for group in client.suppression_groups()] == [(group_id, "News")]
        assert client.suppress(["Ada@example.com"], group_id) == {"ada@example.com"}
        assert client.suppress(FOUR, None) == set(FOUR)
        assert (server.suppressed(group_id), server.suppressed()) == ({"ada@example.com"}, set(FOUR))
        assert client.group_suppressions(group_id) == ["ada@example.com"]
        assert not server.violations()

    @pytest.mark.parametrize("answer", ["silent", "global"])
    def test_a_group_that_is_gone_is_an_error_after_one_request(self, make_client: MakeClient, answer: str) -> None:
        client, server, _ = make_client(unknown_group_answer=answer)
        group_id = server.add_group("News")
        server.delete_group(group_id)
        with pytest.raises(SendGridError, match=f"the suppression group {group_id} only") as caught:
            client.suppress(["ada@example.com"], group_id)
        assert caught.value.codes == [Code.WRONG_GROUP]
        assert "ada" not in str(caught.value)
        assert len(server.requests()) == 1

    def test_an_answer_may_be_marked_as_plain_text(self, make_client: MakeClient) -> None:
        client, server, _ = make_client()
        body = '{"recipient_emails": ["ada@example.com"]}'
        server.add_fault("status", status=201, body=body, headers={"Content-Type": "text/plain"})
        assert client.suppress(["ada@example.com"], None) == {"ada@example.com"}

    def test_only_those_in_the_answer_are_suppressed(self, make_client: MakeClient) -> None:
        client, server, _ = make_client()
        server.add_fault("suppressions_left_out", first=1)
        assert client.suppress(FOUR, None) == server.suppressed() == set(FOUR[1:])

    def test_all_pages_of_global_suppressions_are_read(self, make_client: MakeClient) -> None:
        client, server, _ = make_client()
        emails = [f"p{number}@example.com" for number in range(1_001)]
        server.suppress(*emails)
        pages = list(client.global_suppressions())
        assert [len(page) for page in pages] == [500, 500, 1]
        assert sorted(email for page in pages for email in page) == sorted(emails)
        assert len(server.requests()) == 4

    def test_contacts_are_deleted_by_a_job(self, make_client: MakeClient) -> None:
        client, server, _ = make_client()
        server.seed(contacts=[{"email": email} for email in FOUR])
        ids = [contact["id"] for _, contact in client.find_contacts("email", FOUR[:2])]
        job_id = client.delete_contacts(ids)
        server.settle()
        assert client.job_status(job_id).status == "completed"
        assert [contact["email"] for contact in server.contacts()] == FOUR[2:]
        with pytest.raises(NotFoundError):
            client.delete_contacts(ids)
        assert not server.violations()

    @pytest.mark.parametrize("count", [0, MAX_IDS_PER_REMOVAL + 1])
    def test_one_request_deletes_no_more_contacts_than_its_url_holds(self, make_client: MakeClient, count: int) -> None:
        client, server, _ = make_client(unknown_contact_in_deletion="ignore")
        with pytest.raises(ValueError, match=f"not {count}"):
            client.delete_contacts([UNKNOWN_ID] * count)
        with pytest.raises(TooLargeError):
            client.delete_contacts([UNKNOWN_ID * 3] * 100)
        assert server.requests() == []
        client.delete_contacts([UNKNOWN_ID] * MAX_IDS_PER_REMOVAL)
        assert [entry["status"] for entry in server.requests()] == [202]

    def test_erasures_wait_for_their_rate_limit(self, make_client: MakeClient) -> None:
        client, server, clock = make_client(rate_limit_erasure=2)
        for email in FOUR:
            client.erase([email])
        assert server.erased() == set(FOUR)
        assert 1 <= clock.slept_seconds <= 62
        assert {entry["status"] for entry in server.requests()} == {202}

    def test_bad_addresses_of_an_erasure_are_in_the_details_and_not_in_the_message(
        self, make_client: MakeClient
    ) -> None:
        client, server, _ = make_client()
        with pytest.raises(BadRequestError) as caught:
            client.erase(["bad", FOUR[0], "worse"])
        assert caught.value.details == [
            ("email_addresses", f"Email_address {bad} is not valid") for bad in ("bad", "worse")
        ]
        assert "bad" not in str(caught.value)
        assert server.erased() == set()

    def test_a_key_that_lacks_a_scope_is_an_error_that_names_it(self, make_client: MakeClient) -> None:
        _, server, clock = make_client()
        client = Client(Transport(server.url, server.add_key(("marketing.read",)), clock=clock, timeout_seconds=5))
        calls: dict[str, Callable[[], object]] = {
            "asm.groups.read": client.suppression_groups,
            "asm.suppressions.global.create": lambda: client.suppress(FOUR, None),
            "asm.groups.suppressions.create": lambda: client.suppress(FOUR, 7),
            "asm.groups.suppressions.read": lambda: client.group_suppressions(7),
            "suppression.unsubscribes.read": lambda: list(client.global_suppressions()),
            "recipients.erasejob.create": lambda: client.erase(FOUR),
        }
        for scope, call in calls.items():
            with pytest.raises(ForbiddenError, match=f"Give the key the scope `{scope}`") as caught:
                call()
            assert "Marketing" not in str(caught.value)
        client.transport.close()

    def test_the_log_has_paths_without_ids(self, make_client: MakeClient, caplog: pytest.LogCaptureFixture) -> None:
        client, server, _ = make_client()
        caplog.set_level(logging.DEBUG, "target-sendgrid.sendgrid")
        group_id = server.add_group("News")
        client.suppress(FOUR, None)
        client.group_suppressions(group_id)
        list(client.global_suppressions())
        client.erase(FOUR)
        assert [record.getMessage().partition(" ->")[0] for record in caplog.records] == [
            "POST /v3/asm/suppressions/global",
            "GET /v3/asm/groups/{id}/suppressions",
            *["GET /v3/suppression/unsubscribes"] * 2,
            "POST /v3/recipients/erasejob",
        ]
