"""Streams with odd names and schemas are refused with a clear error, or do no harm."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any

import pytest

from target_sendgrid.errors import InputError
from target_sendgrid.singer.sink import SendGridSink
from tests.harness.messages import PEOPLE, record, schema, singer, state

if TYPE_CHECKING:
    from singer_sdk.sinks.core import BaseJSONSchemaValidator

    from tests.harness.account import Account

ADA = record(email="ada@example.com")


@pytest.mark.parametrize("name", ["a\nb", "a\rb", "a\x1b[31mb", "\0", "a\x85b", "a\u2028b", "\u202eb", "\ud800"])
def test_a_stream_named_with_control_characters_is_refused(account: Account, name: str) -> None:
    run = account.run(PEOPLE, ADA, state(1), schema(name, email="string"), record(name, email="b@example.com"))
    assert run.exit_code == 1
    assert "Line 4 of standard input " in run.log
    assert name not in run.log
    assert run.states == ['{"n": 1}']
    assert account.emails() == ["ada@example.com"]


@pytest.mark.parametrize("name", ["a\nb", "a\x1b[31mb"])
@pytest.mark.parametrize("kind", ["RECORD", "BATCH"])
def test_a_message_of_such_a_stream_forges_no_line_of_the_log(account: Account, kind: str, name: str) -> None:
    run = account.run(PEOPLE, {"type": kind, "stream": name, "record": {}, "encoding": {}, "manifest": []})
    assert run.exit_code == 1
    assert "a stream whose name has control characters, which has no SCHEMA yet" in run.log
    assert name not in run.log


def test_the_log_shows_characters_of_names_that_nobody_sees_or_that_a_terminal_obeys(account: Account) -> None:
    config: dict[str, Any] = {"list_name": "Ne\u200bws\x1b[31m", "field_mapping": {"email": "ma\xa0il"}}
    run = account.run_process(singer(schema(**{"ma\xa0il": "string"}), record(**{"ma\xa0il": "no"})), **config)
    assert "fills list 'Ne\\u200bws\\u001b[31m' from property 'ma\\u00a0il' (for email)" in run.log
    assert "invalid_email: property 'ma\\u00a0il' (for email)" in run.log
    assert [line for line in run.log.split("\n") if not line.isprintable()] == []


@pytest.mark.parametrize(
    "name", ["../../x", "/etc/passwd", "", " ", ".", "a.b", '"', "'; --", "%s %(x)s {}", "é 😀", "x" * 5_000]
)
def test_a_stream_of_an_odd_name_is_taken(account: Account, name: str) -> None:
    run = account.run(schema(name, email="string"), record(name, email="no"), record(name, email="ada@example.com"))
    assert run.exit_code == 0, run.log
    assert account.emails() == ["ada@example.com"]
    assert list(run.report["streams"]) == [name]
    assert [entry["stream"] for entry in account.rejected()] == [name]
    assert sorted(path.name for path in account.folder.iterdir()) == ["rejected.jsonl"]


@pytest.mark.parametrize("depth", [100, 300, 900, 50_000])
@pytest.mark.parametrize("keyword", ["items", "properties", "enum"])
def test_a_schema_that_is_nested_too_deeply_is_refused(account: Account, keyword: str, depth: int) -> None:
    opening, closing = {
        "items": ('{"items":', "}"),
        "properties": ('{"properties":{"a":', "}}"),
        "enum": ('{"enum":[', "]}"),
    }[keyword]
    inner = opening * depth + "{}" + closing * depth
    line = (
        '{"type": "SCHEMA", "stream": "deep", "key_properties": [], "schema": {"properties": {"email": {}, "x": '
        + inner
        + "}}}"
    )
    run = account.run(PEOPLE, ADA, state(1), line, record("deep", email="b@example.com"), state(2))
    assert run.exit_code == 1 or depth == 100
    if run.exit_code:
        assert "Line 4 of standard input is a SCHEMA message that is nested too deeply." in run.log or depth > 300
        assert "Line 4 of standard input is" in run.log
        assert run.states == ['{"n": 1}']
    assert "ada@example.com" in account.emails()


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        ({"type": "SCHEMA"}, "SCHEMA message without a `stream`"),
        ({"stream": ["people"]}, "SCHEMA message without a `stream`"),
        ({"schema": None}, "SCHEMA message without `properties`"),
        ({"schema": {"properties": []}}, "SCHEMA message without `properties`"),
        ({"schema": []}, "SCHEMA message without `properties`"),
        ({"key_properties": "email"}, "unusable `key_properties`"),
        ({"key_properties": [["email"]]}, "unusable `key_properties`"),
        ({"key_properties": {"email": 1}}, "unusable `key_properties`"),
        ({"schema": {"properties": {"email": {"type": "any"}}}}, "is not a valid JSON schema"),
        ({"schema": {"properties": {"email": 7}}}, "is not a valid JSON schema"),
        ({"schema": {"properties": {"email": None}}}, "is not a valid JSON schema"),
        ({"schema": {"properties": {"email": {"pattern": "("}}}}, "is not a valid JSON schema"),
        ({"schema": {"properties": {"email": {"maxLength": -1}}}}, "is not a valid JSON schema"),
    ],
    ids=str,
)
def test_an_invalid_schema_is_refused(account: Account, declared: dict[str, Any], words: str) -> None:
    base = {"type": "SCHEMA", "stream": "odd", "schema": {"properties": {"email": {}}}, "key_properties": []}
    odd = declared if "type" in declared else base | declared
    run = account.run(PEOPLE, ADA, state(1), odd, ADA, state(2))
    assert run.exit_code == 1
    assert words in run.log
    assert run.states == ['{"n": 1}']
    assert account.emails() == ["ada@example.com"]


@pytest.mark.parametrize("field", ["bookmark_properties", "extra", "time_extracted", "version"])
def test_other_fields_of_a_message_do_no_harm(account: Account, field: str) -> None:
    run = account.run(PEOPLE | {field: [None, {}]}, ADA | {field: [None, {}]}, state(1) | {field: 7})
    assert run.exit_code == 0
    assert account.emails() == ["ada@example.com"]


def test_a_repeated_schema_makes_no_requests(account: Account) -> None:
    requests = []
    for count in (1, 2_000):
        run = account.run(*[PEOPLE] * count, ADA)
        assert run.exit_code == 0
        requests.append(len(account.sandbox.requests()))
        account.sandbox.reset()
    assert requests[0] == requests[1]


def test_thousands_of_streams_are_taken(account: Account) -> None:
    names = [f"s{number}" for number in range(1_000)]
    messages = [
        message
        for name in names
        for message in (schema(name, email="string"), record(name, email=f"{name}@example.com"))
    ]
    run = account.run(*messages, state(1))
    assert run.exit_code == 0
    assert len(run.report["streams"]) == len(account.emails()) == 1_000
    assert run.report["import_jobs"] == 1


# References


@pytest.mark.parametrize("keyword", ["$ref", "$dynamicRef", "$recursiveRef"])
@pytest.mark.parametrize(
    "address", ["http://sendgrid.invalid/x", "//sendgrid.invalid/x", "file:///etc/passwd", "other", ""]
)
def test_a_schema_that_refers_to_another_document_is_refused_and_nothing_is_called(
    account: Account, monkeypatch: pytest.MonkeyPatch, keyword: str, address: str
) -> None:
    find, hosts = socket.getaddrinfo, set()

    def note(host: str, *rest: Any, **options: Any) -> Any:
        hosts.add(host)
        return find(host, *rest, **options)

    monkeypatch.setattr(socket, "getaddrinfo", note)
    declared = schema("odd", email={"anyOf": [{keyword: address}, {"type": "null"}]})
    run = account.run(declared, record("odd", email="ada@example.com"))
    assert hosts == {"127.0.0.1"}
    assert run.exit_code == 1
    assert "The SCHEMA of stream 'odd' refers with `$ref` to another document. Fix the tap." in run.log


@pytest.mark.parametrize("reference", ["#/none", "#none", "#/properties/email/none/0"])
def test_a_reference_to_nothing_in_the_schema_ends_the_run(account: Account, reference: str) -> None:
    run = account.run(
        PEOPLE, ADA, state(1), schema("odd", email={"$ref": reference}), record("odd", email="b@example.com")
    )
    assert run.exit_code == 1
    assert "refers with `$ref` to something that it does not contain. Fix the tap." in run.log
    assert run.states == ['{"n": 1}']


def test_a_schema_that_refers_to_itself_without_end_rejects_its_records(account: Account) -> None:
    endless = schema("odd", email={"$ref": "#/properties/email"})
    run = account.run(PEOPLE, ADA, endless, record("odd", email="b@example.com"), state(1))
    assert run.exit_code == 0, run.log
    assert run.states == ['{"n": 1}']


def test_references_within_the_schema_are_followed(account: Account) -> None:
    declared = schema(email={"$ref": "#/$defs/text"})
    declared["schema"]["$defs"] = {"text": {"type": "string", "maxLength": 16}}
    account.run(declared, ADA, record(email="longer@example.com"))
    assert account.reasons() == [(3, "schema_violation")]
    assert account.emails() == ["ada@example.com"]


# Streams that are not enabled


@pytest.mark.parametrize(
    "line", [record(email=7), record(other=1), {"type": "RECORD", "stream": "people", "record": {}}], ids=json.dumps
)
def test_records_of_a_stream_that_is_not_enabled_are_not_validated(account: Account, line: dict[str, Any]) -> None:
    declared = PEOPLE | {"key_properties": ["email"]}
    run = account.run(declared, line, state(1), streams={"people": {"enabled": False}})
    assert run.exit_code == 0
    assert run.report["streams"]["people"]["ignored"] == 1
    assert run.report["streams"]["people"]["rejected"] == {}
    assert run.states == ['{"n": 1}']


def test_an_invalid_schema_of_one_output_stream_creates_no_list_for_another(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    get_validator = SendGridSink.get_validator

    def validator_of(sink: SendGridSink) -> BaseJSONSchemaValidator | None:
        if sink.stream_name == "second":
            raise InputError("The SCHEMA is not valid.")
        return get_validator(sink)

    monkeypatch.setattr(SendGridSink, "get_validator", validator_of)
    maps = {"people": {"email": "email"}, "second": {"__source__": "people", "email": "email"}}
    run = account.run(schema(email="string"), stream_maps=maps)
    assert "The SCHEMA is not valid." in run.log
    assert {request["method"] for request in account.sandbox.requests()} == {"GET"}
