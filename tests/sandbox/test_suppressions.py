"""Suppression groups and suppressions. Whatever lifts one is a violation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.sandbox.client import Client

GROUPS = "/v3/asm/groups"
ALL = "/v3/asm/suppressions"
GLOBAL = f"{ALL}/global"
PAGE = "/v3/suppression/unsubscribes"
ADA, EVE, JOE = "ada@example.com", "eve@example.com", "joe@example.com"


def recipients(*emails: str) -> dict[str, Any]:
    return {"recipient_emails": list(emails)}


@pytest.fixture
def group(client: Client) -> str:
    """The path of a group."""
    number = client.call("POST", GROUPS, {"name": "News", "description": "Letters"}).json()["id"]
    return f"{GROUPS}/{number}"


def test_a_group_is_made_and_shown(client: Client, group: str) -> None:
    client.call("POST", f"{group}/suppressions", recipients(ADA))
    number = int(group.rpartition("/")[2])
    shown = {"id": number, "name": "News", "description": "Letters", "is_default": False, "unsubscribes": 1}
    assert client.call("GET", GROUPS).json() == [shown]
    assert client.call("GET", group).json() == shown
    assert client.errors("GET", f"{group}0") == (404, [("group_id", "group not found")])


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({"description": ""}, "name"),
        ({"name": "", "description": ""}, "name"),
        ({"name": "x" * 31, "description": ""}, "name"),
        ({"name": "News", "description": "x" * 101}, "description"),
        ({"name": "News", "description": 7}, "description"),
        ({"name": "News", "description": "", "is_default": 1}, "is_default"),
    ],
)
def test_a_group_that_breaks_a_rule_is_refused(client: Client, document: dict[str, Any], field: str) -> None:
    status, problems = client.errors("POST", GROUPS, document)
    assert (status, problems[0][0]) == (400, field)
    assert client.call("GET", GROUPS).json() == []


def test_all_mail_to_addresses_is_suppressed(client: Client) -> None:
    response = client.call("POST", GLOBAL, recipients("Ada@example.com", JOE))
    assert (response.status_code, response.json()) == (201, recipients("Ada@example.com", JOE))
    assert client.sandbox.suppressed() == {ADA, JOE}
    assert client.call("GET", f"{GLOBAL}/Ada%40example.com").json() == {"recipient_email": ADA}
    assert client.call("GET", f"{GLOBAL}/{EVE}").json() == {}
    assert client.sandbox.violations() == []


def test_mail_of_a_group_is_suppressed_and_no_other(client: Client, group: str) -> None:
    number = int(group.rpartition("/")[2])
    response = client.call("POST", f"{group}/suppressions", recipients(ADA, JOE))
    assert (response.status_code, response.json()) == (201, {**recipients(ADA, JOE), "global": False})
    assert (client.sandbox.suppressed(number), client.sandbox.suppressed()) == ({ADA, JOE}, set())
    assert client.call("GET", f"{group}/suppressions").json() == [ADA, JOE]
    assert client.call("POST", f"{group}/suppressions/search", recipients("JOE@example.com", EVE)).json() == [
        "JOE@example.com"
    ]
    rows = client.call("GET", ALL).json()
    assert [(row["email"], row["group_id"], row["group_name"]) for row in rows] == [
        (ADA, number, "News"), (JOE, number, "News"),
    ]  # fmt: skip
    assert client.sandbox.violations() == []


@pytest.mark.parametrize("answer", ["silent", "global"])
def test_a_suppression_in_a_group_that_is_gone_is_global_and_a_violation(
    client: Client, group: str, answer: str
) -> None:
    client.sandbox.set_options(unknown_group_answer=answer)
    client.sandbox.delete_group(int(group.rpartition("/")[2]))
    response = client.call("POST", f"{group}/suppressions", recipients(ADA))
    expected = recipients(ADA) if answer == "silent" else {**recipients(ADA), "global": True}
    assert (response.status_code, response.json()) == (201, expected)
    assert client.sandbox.suppressed() == {ADA}
    (violation,) = client.sandbox.violations()
    assert "the group does not exist" in violation
    assert ADA not in violation


def test_the_id_of_a_deleted_group_is_not_used_again(client: Client, group: str) -> None:
    number = int(group.rpartition("/")[2])
    client.sandbox.suppress(ADA, group_id=number)
    client.sandbox.delete_group(number)
    assert client.sandbox.add_group("News") == number + 1
    assert client.sandbox.suppressed(number) == set()
    assert client.sandbox.violations() == []


def test_lifting_a_suppression_and_deleting_a_group_work_and_are_violations(client: Client, group: str) -> None:
    number = int(group.rpartition("/")[2])
    client.sandbox.suppress(ADA, JOE)
    client.sandbox.suppress(ADA, JOE, group_id=number)
    assert client.call("DELETE", f"{GLOBAL}/Ada%40example.com").status_code == 204
    assert client.call("DELETE", f"{group}/suppressions/{ADA}").status_code == 204
    assert (client.sandbox.suppressed(), client.sandbox.suppressed(number)) == ({JOE}, {JOE})
    assert client.call("DELETE", group).status_code == 204
    assert client.call("DELETE", group).status_code == 404
    assert client.call("GET", GROUPS).json() == []
    assert [violation.rpartition(": ")[2] for violation in client.sandbox.violations()] == [
        "a suppression was lifted", "a suppression was lifted", "a suppression group was deleted",
    ]  # fmt: skip
    assert not any(ADA in violation for violation in client.sandbox.violations())


def test_global_suppressions_come_in_pages_newest_first(client: Client) -> None:
    emails = [f"p{number:04}@example.com" for number in range(1_001)]
    client.call("POST", GLOBAL, recipients(*emails))
    pages = [client.call("GET", f"{PAGE}?limit=500&offset={offset}").json() for offset in (0, 500, 1_000, 1_001)]
    assert [len(page) for page in pages] == [500, 500, 1, 0]
    assert [row["email"] for page in pages for row in page] == emails[::-1]
    assert len(client.call("GET", PAGE).json()) == 500
    assert {row["created"] for row in pages[0]} == {int(client.sandbox.now())}


@pytest.mark.parametrize("query", ["limit=501", "limit=0", "limit=x", "offset=-1", "start_time=x", "end_time=-1"])
def test_a_page_that_breaks_a_rule_is_refused(client: Client, query: str) -> None:
    status, problems = client.errors("GET", f"{PAGE}?{query}")
    assert (status, problems[0][0]) == (400, query.partition("=")[0])


def test_global_suppressions_are_found_by_time_and_part_of_an_address(client: Client) -> None:
    client.sandbox.suppress(ADA)
    client.sandbox.advance(100)
    later = int(client.sandbox.now())
    client.sandbox.suppress(JOE)

    def found(query: str) -> list[str]:
        return [row["email"] for row in client.call("GET", f"{PAGE}?{query}").json()]

    assert (found(f"start_time={later}"), found(f"end_time={later - 1}")) == ([JOE], [ADA])
    assert (found("email=ADA"), found("email=%25")) == ([ADA], [])


@pytest.mark.parametrize("document", [{}, recipients(), {"recipient_emails": [7]}, {"recipient_emails": ADA}])
@pytest.mark.parametrize("path", [GLOBAL, "suppressions", "suppressions/search"])
def test_a_request_without_a_list_of_addresses_is_refused(
    client: Client, group: str, path: str, document: dict[str, Any]
) -> None:
    status, problems = client.errors("POST", path if path == GLOBAL else f"{group}/{path}", document)
    assert (status, problems[0][0]) == (400, "recipient_emails")


def test_an_invalid_address_refuses_all_or_is_left_out(client: Client, group: str) -> None:
    for path in (GLOBAL, f"{group}/suppressions"):
        found = client.errors("POST", path, recipients(ADA, "bad"))
        assert found == (400, [("recipient_emails", "email address bad is not valid")])
    assert client.sandbox.suppressed() == set()
    client.sandbox.set_options(invalid_email_in_suppression="left_out")
    assert client.call("POST", GLOBAL, recipients(ADA, "bad")).json() == recipients(ADA)
    assert client.sandbox.suppressed() == {ADA}


@pytest.mark.parametrize("order", [{"first": 1}, {"emails": [ADA]}, {"contacts": [ADA]}], ids=str)
def test_a_fault_leaves_some_addresses_out(client: Client, order: dict[str, Any]) -> None:
    client.sandbox.add_fault("suppressions_left_out", **order)
    if "contacts" in order:
        assert client.call("POST", GLOBAL, recipients(EVE)).json() == recipients(EVE)
    assert client.call("POST", GLOBAL, recipients(ADA, JOE)).json() == recipients(JOE)
    assert ADA not in client.sandbox.suppressed()
    assert client.call("POST", GLOBAL, recipients(ADA, JOE)).json() == recipients(ADA, JOE)
    assert {ADA, JOE} <= client.sandbox.suppressed()


@pytest.mark.parametrize(("is_stored_again", "expected"), [(False, [ADA]), (True, [ADA, ADA])])
def test_an_address_that_is_suppressed_again_may_be_there_twice(
    client: Client, *, is_stored_again: bool, expected: list[str]
) -> None:
    client.sandbox.set_options(suppression_stored_again=is_stored_again)
    for _ in range(2):
        client.call("POST", GLOBAL, recipients(ADA))
    assert [row["email"] for row in client.call("GET", PAGE).json()] == expected


def test_suppressions_are_seeded_and_shown_by_the_control_plane_and_go_with_a_reset(client: Client) -> None:
    suppressions = [{"email": ADA}, {"email": JOE, "group": "News"}, {"email": EVE, "group": "Offers"}]
    client.call("POST", "/_sandbox/seed", {"groups": ["Offers"], "suppressions": suppressions})
    assert [group["name"] for group in client.call("GET", GROUPS).json()] == ["Offers", "News"]
    assert client.call("GET", "/_sandbox/suppressions").json() == {"suppressions": suppressions}
    wrong = {"suppressions": [{"email": ADA, "list": "News"}]}
    assert client.call("POST", "/_sandbox/seed", wrong).status_code == 400
    client.sandbox.reset()
    assert client.call("GET", "/_sandbox/suppressions").json() == {"suppressions": []}
    assert client.call("GET", GROUPS).json() == []


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("GET", GROUPS, "asm.groups.read"),
        ("POST", GROUPS, "asm.groups.create"),
        ("GET", f"{GROUPS}/1", "asm.groups.read"),
        ("DELETE", f"{GROUPS}/1", "asm.groups.delete"),
        ("POST", f"{GROUPS}/1/suppressions", "asm.groups.suppressions.create"),
        ("GET", f"{GROUPS}/1/suppressions", "asm.groups.suppressions.read"),
        ("POST", f"{GROUPS}/1/suppressions/search", "asm.groups.suppressions.read"),
        ("DELETE", f"{GROUPS}/1/suppressions/{ADA}", "asm.groups.suppressions.delete"),
        ("GET", ALL, "asm.groups.suppressions.read"),
        ("POST", GLOBAL, "asm.suppressions.global.create"),
        ("GET", f"{GLOBAL}/{ADA}", "asm.suppressions.global.read"),
        ("DELETE", f"{GLOBAL}/{ADA}", "asm.suppressions.global.delete"),
        ("GET", PAGE, "suppression.unsubscribes.read"),
    ],
)
def test_each_operation_asks_for_its_scope(client: Client, method: str, path: str, scope: str) -> None:
    every = client.call("GET", "/v3/scopes").json()["scopes"]
    assert scope in every
    for scopes, expected in (([scope], False), ([one for one in every if one != scope], True)):
        key = client.sandbox.add_key(tuple(scopes))
        response = client.call(method, path, {}, headers={"Authorization": f"Bearer {key}"}, is_lawful=False)
        assert (response.status_code == 403) is expected


def test_a_fault_refuses_addresses(client: Client, group: str) -> None:
    client.sandbox.add_fault("refusal", emails=[ADA], times=2)
    for path in (GLOBAL, f"{group}/suppressions"):
        found = client.errors("POST", path, recipients(JOE, ADA))
        assert found == (400, [("recipient_emails", f"email address {ADA} is not valid")])
    assert client.sandbox.suppressed() == set()
