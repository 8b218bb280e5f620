"""Each call of the client: its request, to the letter, and what becomes of the answer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

import pytest

from target_sendgrid.errors import BadRequestError, NotFoundError, SendGridError, TransientError
from target_sendgrid.sendgrid import answers
from target_sendgrid.sendgrid.client import Client, ContactCount, ContactList, ExportStatus, JobStatus
from target_sendgrid.sendgrid.contact import Body
from target_sendgrid.sendgrid.fields import CustomField, FieldType

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_sendgrid.sendgrid.transport import Transport

LISTS = "/v3/marketing/lists"
CONTACTS = "/v3/marketing/contacts"
FIELDS = "/v3/marketing/field_definitions"
JOB = {"status": "pending", "results": {}}


class Recorder:
    """A stub of the transport that keeps requests and returns the given answers."""

    def __init__(self, *contents: object) -> None:
        self.answers = list(contents)
        self.requests: list[tuple[str, ...]] = []
        self.access: list[str] = []

    def attempt(
        self,
        method: str,
        path: str,
        *,
        what: str,
        read: Callable[[bytes], Any],
        body: Body | bytes | None = None,
        access: str = answers.MARKETING_ACCESS,
    ) -> Any:
        content = "" if body is None else b"".join(body).decode() if isinstance(body, Body) else body.decode()
        self.requests.append((method, path, what, content))
        self.access.append(access)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return read(json.dumps(answer).encode())

    def request(self, method: str, path: str, **arguments: Any) -> Any:
        return self.attempt(method, path, **arguments)

    def download(self, url: str) -> bytes:
        self.requests.append(("download", url))
        return b"content"


def client_of(*contents: object) -> tuple[Client, Recorder]:
    recorder = Recorder(*contents)
    return Client(cast("Transport", recorder)), recorder


@pytest.mark.parametrize(
    ("call", "answer", "request_", "expected"),
    [
        (Client.scopes, {"scopes": ["a", "b"]}, ("GET", "/v3/scopes", "to list its scopes", ""), frozenset("ab")),
        (
            lambda client: client.field_catalogue().find("Plan"),
            {"custom_fields": [{"id": "e1_T", "name": "plan", "field_type": "Text"}]},
            ("GET", FIELDS, "to read custom fields", ""),
            CustomField("e1_T", "plan", FieldType.TEXT),
        ),
        (
            lambda client: client.create_field("score", FieldType.NUMBER),
            {"id": "e1_N", "name": "score", "field_type": "Number"},
            ("POST", FIELDS, "to create custom fields", '{"name":"score","field_type":"Number"}'),
            CustomField("e1_N", "score", FieldType.NUMBER),
        ),
        (
            Client.contact_count,
            {"contact_count": 4, "billable_count": 6, "identifier_counts": {"AID": 0}},
            ("GET", f"{CONTACTS}/count", "to count contacts", ""),
            ContactCount(4, 6),
        ),
        (
            lambda client: client.find_list("a/b"),
            {"id": "a/b", "name": "News"},
            ("GET", f"{LISTS}/a%2Fb", "to read lists", ""),
            ContactList("a/b", "News"),
        ),
        (
            lambda client: client.create_list("News"),
            {"id": "1", "name": "News"},
            ("POST", LISTS, "to create lists", '{"name":"News"}'),
            ContactList("1", "News"),
        ),
        (
            lambda client: client.remove_from_list("a/b", ["c/d", "e,f", "g"]),
            {"job_id": "7"},
            ("DELETE", f"{LISTS}/a%2Fb/contacts?contact_ids=c%2Fd,e%2Cf,g", "to remove contacts from lists", ""),
            "7",
        ),
        (
            lambda client: client.list_size("a/b"),
            {"contact_count": 2, "billable_count": 3},
            ("GET", f"{LISTS}/a%2Fb/contacts/count", "to count the contacts of lists", ""),
            2,
        ),
        (
            lambda client: client.start_export("a/b"),
            {"id": "A-z_9", "_metadata": {}},
            (
                "POST",
                f"{CONTACTS}/exports",
                "to export contacts",
                '{"list_ids":["a/b"],"file_type":"json","notifications":{"email":false}}',
            ),
            "A-z_9",
        ),
        (
            lambda client: client.export_status("a/b"),
            {"id": "a/b", "status": "ready", "urls": ["https://x.example"], "contact_count": 7, "message": ""},
            ("GET", f"{CONTACTS}/exports/a%2Fb", "to read exports", ""),
            ExportStatus("ready", ["https://x.example"], 7),
        ),
        (
            lambda client: client.export_status("7"),
            {"status": "pending", "urls": None},
            ("GET", f"{CONTACTS}/exports/7", "to read exports", ""),
            ExportStatus("pending", None, None),
        ),
        (
            lambda client: dict(client.find_by_ids(["1", "2"])),
            {"result": [{"id": "1", "email": "a@x.com"}]},
            ("POST", f"{CONTACTS}/batch", "to look contacts up", '{"ids":["1","2"]}'),
            {"1": {"id": "1", "email": "a@x.com"}},
        ),
        (
            lambda client: client.upsert(Body(["L"], [b"{}"])),
            {"job_id": "A-z_9"},
            ("PUT", CONTACTS, "to write contacts", '{"list_ids":["L"],"contacts":[{}]}'),
            "A-z_9",
        ),
        (
            lambda client: client.delete_contacts(["c/d", "e,f", "g"]),
            {"job_id": "7"},
            ("DELETE", f"{CONTACTS}?ids=c%2Fd,e%2Cf,g", "to delete contacts", ""),
            "7",
        ),
        (
            lambda client: client.job_status("a/b"),
            {"status": "completed", "results": {"created_count": 2, "updated_count": 3, "requested_count": 7}},
            ("GET", f"{CONTACTS}/imports/a%2Fb", "to read import jobs", ""),
            JobStatus("completed", 5, None, None, says_contact_limit=False, requested_count=7),
        ),
        (
            lambda client: dict(client.find_contacts("email", ["a@x.com", "b@x.com"])),
            {"result": {"a@x.com": {"contact": {"id": "1"}}, "b@x.com": {"error": "no"}}},
            ("POST", f"{CONTACTS}/search/emails", "to look contacts up", '{"emails":["a@x.com","b@x.com"]}'),
            {"a@x.com": {"id": "1"}},
        ),
        (
            lambda client: dict(client.find_contacts("external_id", ["7"])),
            {"result": {"7": {"contact": {"id": "1"}}}},
            ("POST", f"{CONTACTS}/search/identifiers/external_id", "to look contacts up", '{"identifiers":["7"]}'),
            {"7": {"id": "1"}},
        ),
    ],
)
def test_each_call_sends_its_request_and_returns_what_the_answer_says(
    call: Callable[[Client], object], answer: object, request_: tuple[str, ...], expected: object
) -> None:
    client, recorder = client_of(answer)
    assert call(client) == expected
    assert recorder.requests == [request_]


def test_pages_of_lists_are_read_until_one_names_no_next_page() -> None:
    client, recorder = client_of(
        {"result": [{"id": "1", "name": "A"}], "_metadata": {"next": f"https://host.example{LISTS}?page_token=x"}},
        {"result": None, "_metadata": {"next": f"{LISTS}?page_token=y"}},
        {"result": [{"id": "2", "name": "B"}], "_metadata": None},
    )
    assert list(client.lists()) == [ContactList("1", "A"), ContactList("2", "B")]
    assert recorder.requests == [
        ("GET", f"{LISTS}{query}", "to read lists", "")
        for query in ("?page_size=1000", "?page_token=x", "?page_token=y")
    ]


def test_pages_of_lists_without_end_are_an_error() -> None:
    page = {"result": [], "_metadata": {"next": f"{LISTS}?page_token=x"}}
    client, recorder = client_of(*[page] * 200)
    with pytest.raises(SendGridError, match="do not end after 100 pages"):
        list(client.lists())
    assert len(recorder.requests) == 100


@pytest.mark.parametrize(
    "error", [NotFoundError("It is unknown."), BadRequestError("It is no id.", [])], ids=["unknown", "no id"]
)
def test_a_list_that_sendgrid_does_not_know_is_not_found(error: SendGridError) -> None:
    assert client_of(error)[0].find_list("1") is None


def test_a_404_of_a_proxy_says_nothing() -> None:
    error = NotFoundError("It is unknown.", is_from_sendgrid=False)
    with pytest.raises(NotFoundError):
        client_of(error)[0].find_list("1")
    with pytest.raises(NotFoundError):
        dict(client_of(error)[0].find_contacts("email", ["a@x.com"]))
    assert dict(client_of(NotFoundError("It is unknown."))[0].find_contacts("email", ["a@x.com"])) == {}


def test_a_search_that_is_refused_is_halved_down_to_one_identifier() -> None:
    refused = BadRequestError("It is refused.", [])
    found = {"result": {name: {"contact": {"id": name}} for name in "bc"}}
    client, recorder = client_of(refused, refused, found)
    assert list(dict(client.find_contacts("external_id", ["a", "b", "c"]))) == ["b", "c"]
    assert [json.loads(content)["identifiers"] for *_, content in recorder.requests] == [
        ["a", "b", "c"], ["a"], ["b", "c"],
    ]  # fmt: skip


KINDS = ("email", "phone_number_id", "external_id", "anonymous_id")


@pytest.mark.parametrize("kind", KINDS)
def test_an_identifier_that_is_refused_alone_finds_nothing_where_another_one_is_accepted(kind: str) -> None:
    refused = BadRequestError("It is refused.", [])
    client, recorder = client_of(refused, NotFoundError("Nobody is found."))
    assert dict(client.find_contacts(kind, ["odd"])) == {}
    assert len(recorder.requests) == 2


@pytest.mark.parametrize("kind", KINDS)
def test_searches_that_are_all_refused_say_nothing_about_who_is_there(kind: str) -> None:
    refused = BadRequestError("It is refused.", [])
    client, _ = client_of(*[refused] * 4)
    with pytest.raises(SendGridError, match="SendGrid refuses all searches for contacts"):
        dict(client.find_contacts(kind, ["a", "b"]))


@pytest.mark.parametrize("answer", [{}, {"custom_fields": None}, {"scopes": None}])
def test_an_absent_or_empty_part_is_nothing(answer: object) -> None:
    assert client_of(answer)[0].scopes() == frozenset()
    assert client_of(answer)[0].field_catalogue().find("plan") is None


@pytest.mark.parametrize("job_id", [None, 7, "", "a b", "a/b", "x" * 101, "a\n", "é"])
def test_an_answer_without_a_usable_id_of_a_job_is_no_answer(job_id: object) -> None:
    client, _ = client_of({"job_id": job_id})
    with pytest.raises(TransientError, match="without a job id"):
        client.upsert(Body([], [b"{}"]))


def test_a_job_without_results_is_pending_and_nothing_is_known_of_it() -> None:
    for answer in (JOB, {"status": "pending"}, {"status": "pending", "results": None}):
        status = client_of(answer)[0].job_status("1")
        assert status == JobStatus("pending", 0, None, None, says_contact_limit=False)
        assert status.is_pending


def test_a_download_goes_past_the_api() -> None:
    client, recorder = client_of()
    assert client.download("https://files.example/1") == b"content"
    assert recorder.requests == [("download", "https://files.example/1")]
