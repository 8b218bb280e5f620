"""Errors files: their link, their content, and how a fault breaks them."""

from __future__ import annotations

import csv
import gzip
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
import requests

from tests.sandbox.client import TIMEOUT_SECONDS

if TYPE_CHECKING:
    from tests.sandbox.client import Client
    from tests.sandbox.conftest import MakeClient


def failed_job(client: Client) -> dict[str, Any]:
    """Upsert three contacts, of which the last two are turned down."""
    good, email_only, external_only = {"email": "a@example.com"}, {"email": "b@example.com"}, {"external_id": "7"}
    too_long = {"city": "x" * 61}
    return client.upsert(good, email_only | too_long, external_only | too_long, is_lawful=False)


def download(job: dict[str, Any], **headers: str) -> requests.Response:
    return requests.get(job["results"]["errors_url"], headers=headers, timeout=TIMEOUT_SECONDS)


def test_the_file_names_each_contact_turned_down_and_why(client: Client) -> None:
    rows = list(csv.DictReader(client.reasons(failed_job(client)).splitlines()))
    assert rows == [
        {"email": "b@example.com", "error": "city is too long"},
        {"email": "7", "error": "city is too long"},
    ]


def test_the_link_is_on_another_host_than_the_api(client: Client) -> None:
    link = urlsplit(failed_job(client)["results"]["errors_url"])
    assert link.hostname == "localhost"
    assert link.hostname != urlsplit(client.sandbox.url).hostname
    assert link.path.startswith("/errors/")
    assert "signature=" in link.query


def test_the_link_is_absent_until_the_job_is_final(client: Client) -> None:
    identity = client.put({"email": "a@example.com", "city": "x" * 61}, is_lawful=False)
    client.sandbox.advance(30)
    assert client.job(identity)["results"] == {"requested_count": 1, "errored_count": 1}


def test_sending_the_key_to_the_other_host_is_refused_and_recorded(client: Client) -> None:
    response = download(failed_job(client), Authorization=f"Bearer {client.sandbox.api_key}")
    violations = client.sandbox.violations()
    assert response.status_code == 400
    assert len(violations) == 1
    assert client.sandbox.api_key not in violations[0]


def test_the_link_expires(client: Client) -> None:
    job = failed_job(client)
    client.sandbox.advance(3_599)
    assert download(job).status_code == 200
    client.sandbox.advance(1)
    response = download(job)
    assert response.status_code == 403
    assert "<Message>Request has expired</Message>" in response.text


def test_a_wrong_signature_finds_nothing(client: Client) -> None:
    link = failed_job(client)["results"]["errors_url"].replace("signature=", "signature=0")
    assert requests.get(link, timeout=TIMEOUT_SECONDS).status_code == 404


def test_switches_set_columns_and_compression(make_client: MakeClient) -> None:
    client = make_client(errors_file_columns="Row,identifier,nothing,reason", errors_file_gzip=True)
    content = gzip.decompress(download(failed_job(client)).content).decode()
    assert content == (
        "Row,identifier,nothing,reason\r\n2,b@example.com,,city is too long\r\n3,7,,city is too long\r\n"
    )


@pytest.mark.parametrize(
    ("mode", "status", "start"),
    [
        ("gone", 404, b"<?xml"),
        ("expired", 403, b"<?xml"),
        ("garbage", 200, b"\x00"),
        ("gzip", 200, b"\x1f\x8b"),
        ("unknown_rows", 200, b"email,error\r\nnobody1@unknown.example,"),
        ("fewer_rows", 200, b"email,error\r\nb@example.com,city is too long\r\n"),
        ("everybody", 200, b"email,error\r\na@example.com,internal error\r\nb@example.com,internal error\r\n7,"),
        ("empty", 200, b"email,error\r\n"),
        ("commas", 200, b"\x1f\x8b"),
    ],
)
def test_a_fault_breaks_the_file(client: Client, mode: str, status: int, start: bytes) -> None:
    client.sandbox.add_fault("errors_file", mode=mode)
    response = download(failed_job(client))
    assert response.status_code == status
    assert response.content.startswith(start)


def test_a_fault_leaves_the_link_out(client: Client) -> None:
    client.sandbox.add_fault("errors_file", mode="missing")
    assert failed_job(client)["results"] == {"requested_count": 3, "created_count": 1, "errored_count": 2}


def test_a_file_of_commas_is_small_until_it_is_unpacked(client: Client) -> None:
    client.sandbox.add_fault("errors_file", mode="commas")
    content = download(failed_job(client)).content
    assert len(content) < 100_000
    assert gzip.decompress(content) == b"," * (64 * 1024 * 1024)


@pytest.mark.parametrize("mode", ["everybody", "empty"])
def test_a_job_without_row_errors_may_have_a_file(client: Client, mode: str) -> None:
    client.sandbox.add_fault("errors_file", mode=mode)
    job = client.upsert({"email": "a@example.com"})
    assert job["status"] == "completed"
    assert job["results"] == {"requested_count": 1, "created_count": 1, "errors_url": job["results"]["errors_url"]}
    assert client.reasons(job).count("a@example.com") == (mode == "everybody")


def test_the_store_fails_for_a_while(client: Client) -> None:
    job = failed_job(client)
    client.sandbox.add_fault("status", path="/errors/*", status=503)
    client.sandbox.add_fault("rate_limited", path="/errors/*", seconds=9)
    client.sandbox.add_fault("reset", path="/errors/*")
    answers = [download(job), download(job)]
    assert [answer.status_code for answer in answers] == [503, 429]
    assert answers[1].headers["x-ratelimit-reset"] == "9"
    with pytest.raises(requests.ConnectionError):
        download(job)
    assert download(job).status_code == 200


def test_the_store_is_another_host_that_general_faults_do_not_reach(client: Client) -> None:
    job = failed_job(client)
    client.sandbox.add_fault("status", times=None)
    assert download(job).status_code == 200
