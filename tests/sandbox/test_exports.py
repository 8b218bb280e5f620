"""Exports: their status, their files, and how a fault breaks them."""

from __future__ import annotations

import gzip
import json
import zlib
from typing import TYPE_CHECKING, Any

import pytest
import requests

from tests.sandbox.client import MARKETING, TIMEOUT_SECONDS

if TYPE_CHECKING:
    from tests.sandbox.client import Client
    from tests.sandbox.conftest import MakeClient

EXPORTS = f"{MARKETING}/contacts/exports"
ADA = {"email": "ada@example.com"}
UNKNOWN_ID = "00000000-0000-4000-8000-000000000000"


def fetch(url: str, **headers: str) -> requests.Response:
    return requests.get(url, headers=headers, timeout=TIMEOUT_SECONDS)


def content(url: str) -> bytes:
    found = fetch(url).content
    return gzip.decompress(found) if found.startswith(b"\x1f\x8b") else found


def rows(export: dict[str, Any]) -> list[dict[str, Any]]:
    return [json.loads(line) for url in export["urls"] for line in content(url).splitlines()]


def emails(export: dict[str, Any]) -> list[str]:
    return [row["email"] for row in rows(export)]


def filled(client: Client, *names: str) -> str:
    """Put people on a list; return its id."""
    people = client.make_list()
    client.upsert(*({"email": f"{name}@example.com"} for name in names), lists=[people])
    return people


def test_an_export_is_pending_until_its_files_are_ready(client: Client) -> None:
    people = filled(client, "ada")
    identity = client.start_export(people)
    client.sandbox.advance(29)
    pending = client.call("GET", f"{EXPORTS}/{identity}").json()
    client.sandbox.advance(1)
    ready = client.call("GET", f"{EXPORTS}/{identity}").json()
    assert (pending["status"], pending.keys() & {"urls", "contact_count", "completed_at"}) == ("pending", set())
    assert (ready["status"], ready["contact_count"], len(ready["urls"])) == ("ready", 1, 1)


def test_an_export_shows_the_account_as_it_was_asked_for(client: Client) -> None:
    people = filled(client, "ada")
    identity = client.start_export(people)
    client.upsert({"email": "b@example.com"}, lists=[people])
    assert emails(client.call("GET", f"{EXPORTS}/{identity}").json()) == ["ada@example.com"]


def test_json_lines_leave_empty_fields_out_and_name_custom_fields(client: Client) -> None:
    people, field = client.make_list(), client.make_field("plan", "Text")
    ada = {**ADA, "external_id": "7", "city": "London", "alternate_emails": ["a@example.com"]}
    client.upsert({**ada, "custom_fields": {field: "gold"}}, {"email": "b@example.com"}, lists=[people])
    identity = client.find("ada@example.com")["id"]
    first, second = rows(client.export(people))
    assert first.pop("created_at").endswith("Z")
    assert first.pop("updated_at").endswith("Z")
    assert first == {**ada, "contact_id": identity, "custom_fields": {"plan": "gold"}}
    assert second.keys() == {"contact_id", "created_at", "custom_fields", "email", "updated_at"}


def test_csv_names_its_columns_and_quotes_all_but_empty_cells(client: Client) -> None:
    people, field = client.make_list(), client.make_field("plan", "Text")
    client.upsert({**ADA, "external_id": "7", "custom_fields": {field: 'a "b"'}}, lists=[people])
    found = client.find("ada@example.com")
    header, row = content(client.export(people, file_type="csv")["urls"][0]).decode().splitlines()
    assert header == (
        '"EMAIL","FIRST_NAME","LAST_NAME","ADDRESS_LINE_1","ADDRESS_LINE_2","CITY","STATE_PROVINCE_REGION",'
        '"POSTAL_CODE","COUNTRY","ALTERNATE_EMAILS","PHONE_NUMBER","WHATSAPP","LINE","FACEBOOK","UNIQUE_NAME",'
        '"CREATED_AT","UPDATED_AT","CONTACT_ID","PLAN","PHONE_NUMBER_ID","EXTERNAL_ID","ANONYMOUS_ID"'
    )
    times = f'"{found["created_at"]}","{found["updated_at"]}"'
    assert row == f'"ada@example.com",,,,,,,,,,,,,,,{times},"{found["id"]}","a ""b""",,"7",'


def test_an_export_holds_the_members_of_all_its_lists_once(client: Client) -> None:
    first, second, third = (client.make_list(name) for name in ("A", "B", "C"))
    client.upsert(ADA, lists=[first, second])
    client.upsert({"email": "b@example.com"}, lists=[second])
    client.upsert({"email": "c@example.com"}, lists=[third])
    assert emails(client.export(first, second)) == ["ada@example.com", "b@example.com"]
    assert len(emails(client.export())) == 3
    listed = client.call("GET", EXPORTS).json()["result"]
    assert [one["export_type"] for one in listed] == ["contacts_export", "list_export"]
    assert listed[1]["lists"] == [{"ID": first, "Name": "A"}, {"ID": second, "Name": "B"}]


def test_the_file_of_an_empty_list_is_empty_and_not_compressed(client: Client) -> None:
    export = client.export(client.make_list())
    assert (export["contact_count"], [fetch(url).content for url in export["urls"]]) == (0, [b""])


def test_an_export_is_split_into_files_some_of_them_compressed(make_client: MakeClient) -> None:
    client = make_client(export_file_max_contacts=2, export_gzip="mixed")
    export = client.export(filled(client, *"abcde"))
    assert [fetch(url).content[:2] == b"\x1f\x8b" for url in export["urls"]] == [True, False, True]
    assert emails(export) == [f"{name}@example.com" for name in "abcde"]


def test_a_file_is_no_larger_than_asked_for(client: Client) -> None:
    people = client.make_list()
    long = {"first_name": "x" * 50, "address_line_1": "y" * 100, "address_line_2": "z" * 100}
    client.upsert(*({"email": f"{number}@example.com", **long} for number in range(3_000)), lists=[people])
    sizes = [len(content(url)) for url in client.export(people, max_file_size=1)["urls"]]
    assert len(sizes) == 2
    assert max(sizes) <= 1_000_000


def test_the_links_expire(client: Client) -> None:
    export = client.export(filled(client, "ada"))
    client.sandbox.advance(72 * 3_600 - 1)
    assert fetch(export["urls"][0]).status_code == 200
    client.sandbox.advance(1)
    response = fetch(export["urls"][0])
    assert (response.status_code, "Request has expired" in response.text) == (403, True)


@pytest.mark.parametrize("header", ["Authorization", "on-behalf-of"])
def test_a_credential_that_is_sent_to_the_store_is_refused_and_recorded(client: Client, header: str) -> None:
    export = client.export(filled(client, "ada"))
    response = fetch(export["urls"][0], **{header: "secret"})
    assert (response.status_code, response.text[:5]) == (400, "<?xml")
    (violation,) = client.sandbox.violations()
    assert header in violation
    assert "secret" not in violation


def test_a_wrong_link_finds_nothing(client: Client) -> None:
    url = client.export(filled(client, "ada"))["urls"][0]
    for wrong in (url.replace("signature=", "signature=0"), url.replace("/0?", "/1?"), url.partition("?")[0]):
        assert fetch(wrong).status_code == 404


@pytest.mark.parametrize(
    ("order", "status", "field"),
    [
        ({"file_type": "xml"}, 400, "file_type"),
        ({"max_file_size": 0}, 400, "max_file_size"),
        ({"max_file_size": True}, 400, "max_file_size"),
        ({"notifications": {"email": "no"}}, 400, "notifications"),
        ({"list_ids": "all"}, 400, "list_ids"),
        ({"list_ids": [UNKNOWN_ID]}, 404, "list_ids"),
        ({"segment_ids": [UNKNOWN_ID]}, 404, "segment_ids"),
    ],
)
def test_a_wrong_order_is_refused(client: Client, order: dict[str, Any], status: int, field: str) -> None:
    found, ((named, _),) = client.errors("POST", EXPORTS, order)
    assert (found, named) == (status, field)


def test_an_export_may_fail(client: Client) -> None:
    client.sandbox.add_fault("export_failed")
    export = client.export(filled(client, "ada"))
    assert (export["status"], export["message"], "urls" in export) == ("failure", "the export failed", False)


def test_an_export_may_stay_pending(client: Client) -> None:
    client.sandbox.add_fault("export_stuck")
    assert client.export(filled(client, "ada"))["status"] == "pending"


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("fewer_rows", ["a@example.com", "b@example.com"]),
        ("extra_row", ["a@example.com", "b@example.com", "c@example.com", "a@example.com"]),
        ("repeated_row", ["a@example.com", "b@example.com", "a@example.com"]),
    ],
)
def test_a_fault_gives_files_other_rows_than_the_export_counts(client: Client, mode: str, expected: list[str]) -> None:
    client.sandbox.add_fault("export_file", mode=mode)
    export = client.export(filled(client, *"abc"))
    assert (export["contact_count"], emails(export)) == (3, expected)


def test_a_fault_leaves_contact_ids_out(client: Client) -> None:
    client.sandbox.add_fault("export_file", mode="no_contact_id")
    assert "contact_id" not in rows(client.export(filled(client, "ada")))[0]


def test_a_fault_leaves_the_count_out(client: Client) -> None:
    client.sandbox.add_fault("export_file", mode="no_count")
    assert "contact_count" not in client.export(filled(client, "ada"))


@pytest.mark.parametrize(("mode", "status"), [("gone", 404), ("expired", 403)])
def test_a_fault_keeps_files_from_being_fetched(client: Client, mode: str, status: int) -> None:
    client.sandbox.add_fault("export_file", mode=mode)
    assert fetch(client.export(filled(client, "ada"))["urls"][0]).status_code == status


@pytest.mark.parametrize("mode", ["missing", "garbage", "truncated", "broken_gzip"])
def test_a_fault_breaks_files(make_client: MakeClient, mode: str) -> None:
    client = make_client(export_file_max_contacts=2)
    client.sandbox.add_fault("export_file", mode=mode)
    urls = client.export(filled(client, *"abc"))["urls"]
    if mode == "missing":
        assert len(urls) == 1
    else:
        with pytest.raises((EOFError, OSError, ValueError, zlib.error)):
            json.loads(gzip.decompress(fetch(urls[-1]).content))


def test_an_answer_of_the_store_may_break_off(client: Client) -> None:
    client.sandbox.add_fault("truncate", path="/exports/*")
    url = client.export(filled(client, "ada"))["urls"][0]
    with pytest.raises(requests.RequestException):
        fetch(url)
    assert fetch(url).status_code == 200


def test_an_export_file_fault_needs_a_mode_of_exports(client: Client) -> None:
    response = client.call("POST", "/_sandbox/faults", {"kind": "export_file", "mode": "commas"})
    assert (response.status_code, "fewer_rows" in response.text) == (400, True)
