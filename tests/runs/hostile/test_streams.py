"""Streams with odd names and schemas are refused with a clear error, or do no harm."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any

import pytest

from tests.harness.messages import PEOPLE, record, schema, singer, state

if TYPE_CHECKING:
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


def test_a_property_named_with_a_line_end_forges_no_line_of_the_log(account: Account) -> None:
    run = account.run(schema(**{"email": "string", "a\nb": "number"}), record(**{"a\nb": "x"}), validate_scope="all")
    assert account.reasons() == [(2, "schema_violation")]
    assert "breaks the rule `properties.a\\nb.type`" in run.log


def test_the_log_shows_characters_of_names_that_nobody_sees_or_that_a_terminal_obeys(account: Account) -> None:
    config: dict[str, Any] = {"list_name": "Ne\u200bws\x1b[31m", "field_mapping": {"email": "ma\xa0il"}}
    run = account.run_process(singer(schema(**{"ma\xa0il": "string"}), record(**{"ma\xa0il": "no"})), **config)
    assert "fills list 'Ne\\u200bws\\u001b[31m' (1 field)" in run.log
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
def test_a_schema_nested_too_deeply_is_refused_or_does_no_harm(account: Account, keyword: str, depth: int) -> None:
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
    if run.exit_code:
        assert "Line 4 of standard input is a SCHEMA message that is nested too deeply." in run.log or depth > 300
        assert "Line 4 of standard input is" in run.log
        assert run.states == ['{"n": 1}']
        assert account.emails() == ["ada@example.com"]
    else:
        assert depth <= 300
        assert account.emails() == ["ada@example.com", "b@example.com"]


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        ({"type": "SCHEMA"}, "SCHEMA message without a `stream`"),
        ({"stream": ["people"]}, "SCHEMA message without a `stream`"),
        ({"schema": None}, "SCHEMA message without a `schema`"),
        ({"schema": []}, "SCHEMA message without a `schema`"),
        ({"schema": {"properties": []}}, "its top level has a wrong `properties` (it must be an object)"),
        ({"key_properties": "email"}, "unusable `key_properties`"),
        ({"key_properties": [["email"]]}, "unusable `key_properties`"),
        ({"key_properties": {"email": 1}}, "unusable `key_properties`"),
        ({"schema": {"properties": {"email": {"type": "texts"}}}}, "property 'email' has a wrong `type`"),
        ({"schema": {"properties": {"email": {"type": 7}}}}, "property 'email' has a wrong `type`"),
        ({"schema": {"properties": {"email": 7}}}, "property 'email' has a wrong schema (it must be an object)"),
        ({"schema": {"properties": {"email": None}}}, "property 'email' has a wrong schema (it must be an object)"),
        (
            {"schema": {"properties": {"email": {"pattern": "("}}}},
            "a wrong `pattern` (it must be a regular expression)",
        ),
        (
            {"schema": {"properties": {"email": {"maxLength": -1}}}},
            "a wrong `maxLength` (it must not be less than 0)",
        ),
    ],
    ids=str,
)
def test_an_invalid_schema_is_refused(account: Account, declared: dict[str, Any], words: str) -> None:
    base = {"type": "SCHEMA", "stream": "odd", "schema": {"properties": {"email": {}}}, "key_properties": []}
    odd = declared if "type" in declared else base | declared
    run = account.run(PEOPLE, ADA, state(1), odd, ADA, state(2), field_mapping={"email": "email"})
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


@pytest.mark.parametrize("keyword", ["$ref", "$dynamicRef"])
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
    words = f"property 'email' has a wrong `{keyword}` (it refers to another document)"
    assert f"The SCHEMA of stream 'odd' is not valid: {words}. Fix the tap, or set `validate_records` to" in run.log


@pytest.mark.parametrize("reference", ["#/none", "#none", "#/properties/email/none/0"])
def test_a_reference_to_nothing_in_the_schema_ends_the_run(account: Account, reference: str) -> None:
    run = account.run(
        PEOPLE, ADA, state(1), schema("odd", email={"$ref": reference}), record("odd", email="b@example.com")
    )
    assert run.exit_code == 1
    words = "property 'email' has a wrong `$ref` (the SCHEMA does not contain what it refers to)"
    assert f"The SCHEMA of stream 'odd' is not valid: {words}." in run.log
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


def test_an_invalid_schema_creates_no_list(account: Account) -> None:
    maps = {"people": {"email": "email"}, "second": {"__source__": "people", "email": "email"}}
    for config in ({}, {"stream_maps": maps}):
        run = account.run(schema(email={"maxLength": -1}), **config)
        assert "property 'email' has a wrong `maxLength` (it must not be less than 0)." in run.log
        assert {request["method"] for request in account.sandbox.requests()} == {"GET"}


def test_a_wrong_mapping_of_one_output_stream_creates_no_list_for_another(account: Account) -> None:
    maps = {"people": {"email": "email"}, "second": {"__source__": "people", "email": "email"}}
    run = account.run(
        schema(email="string"), stream_maps=maps, streams={"second": {"field_mapping": {"nick": "email"}}}
    )
    assert "SendGrid has no contact field 'nick'" in run.log
    assert {request["method"] for request in account.sandbox.requests()} == {"GET"}
