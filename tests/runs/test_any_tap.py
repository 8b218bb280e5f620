"""Streams as taps write them: those that nobody wants, rows that the source has deleted, and what is validated."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.harness.messages import PEOPLE, record, schema, singer, state

if TYPE_CHECKING:
    from tests.harness.account import Account

ADA = record(email="ada@example.com")
GONE = "2024-05-01T00:00:00+00:00"
DISABLED: dict[str, Any] = {"streams": {"others": {"enabled": False}}}
PATTERN: dict[str, Any] = {"streams": {"oth*": {"enabled": False}}}
REMOVED: dict[str, Any] = {"stream_maps": {"others": "__NULL__"}}
ELSE_REMOVED: dict[str, Any] = {"stream_maps": {"people": {}, "__else__": None}}
IGNORING = {"disabled": DISABLED, "pattern": PATTERN, "removed": REMOVED, "else": ELSE_REMOVED}

# Streams of which nothing is sent


@pytest.mark.parametrize("config", IGNORING.values(), ids=IGNORING)
@pytest.mark.parametrize(
    "declared",
    [
        {"schema": {"properties": {"n": {"maximum": "x", "type": 7}}}},
        {"schema": {"properties": {"n": {"$ref": "https://sendgrid.invalid/x"}}}},
        {"schema": {"properties": []}},
        {"schema": None},
        {"schema": {}, "key_properties": 7},
        None,
    ],
    ids=str,
)
def test_nothing_of_an_ignored_stream_can_fail_the_run(
    account: Account, config: dict[str, Any], declared: dict[str, Any] | None
) -> None:
    messages: list[Any] = [] if declared is None else [schema("others") | declared]
    messages += [
        record("others", n=0.5),
        {"type": "RECORD", "stream": "others", "record": "no object"},
        '{"type": "RECORD", "stream": "others", "record": {"n": NaN}}',
        {"type": "BATCH", "stream": "others", "encoding": {"format": "jsonl"}, "manifest": ["file:///none"]},
    ]
    run = account.run(PEOPLE, *messages, ADA, state(1), **copy.deepcopy(config))  # the SDK changes it
    assert run.exit_code == 0, run.log
    assert run.states == ['{"n": 1}']
    assert account.emails("Everybody") == ["ada@example.com"]
    assert sum(found["method"] == "POST" for found in account.sandbox.requests()) == 1  # the list of the people
    counts = run.report["streams"]["others"]
    assert (counts["received"], counts["ignored"], counts["list_id"]) == (3, 3, None)


ODD_NAMES = ["x\nRun done", "\x1b[31m", "\0", "\ud800"]


@pytest.mark.parametrize("name", ODD_NAMES, ids=ascii)
def test_no_name_of_an_ignored_stream_can_fail_the_run_or_forge_a_line_of_the_log(account: Account, name: str) -> None:
    people = [PEOPLE, ADA, state(1)]
    others = [record(name, n=1), schema(name, n="number"), record(name, n=2), state(2)]
    config: dict[str, Any] = {"streams": {"people": {}, "*": {"enabled": False}}}
    run = account.run_process(singer(*people, *others), **config)
    assert run.exit_code == 0, run.log
    assert run.states[-1] == '{"n": 2}'
    assert name not in run.log
    assert [counts["ignored"] for counts in run.report["streams"].values()] == [0, 2]


@pytest.mark.parametrize("kind", ["SCHEMA", "BATCH"])
@pytest.mark.parametrize("value", ["NaN", '"\\ud800"', "9" * 5_000])
def test_nothing_in_a_message_of_an_ignored_stream_must_be_readable(account: Account, kind: str, value: str) -> None:
    line = f'{{"type": "{kind}", "stream": "others", "schema": {{"default": {value}}}, "manifest": [{value}]}}'
    run = account.run(PEOPLE, ADA, line, state(1), **DISABLED)
    assert run.exit_code == 0, run.log
    run = account.run(PEOPLE, ADA, line.replace("others", "wanted"), state(1))
    assert run.exit_code == 1
    assert "Line 3 of standard input is not valid JSON" in run.log or kind == "SCHEMA"


@pytest.mark.parametrize("value", ["NaN", '"\\ud800"', "9" * 5_000])
def test_what_cannot_be_read_in_a_schema_says_nothing(account: Account, value: str) -> None:
    properties = f'{{"email": {{"type": "string", "default": {value}}}, "n": {{"enum": [1, {value}]}}}}'
    declared = f'{{"type": "SCHEMA", "stream": "people", "schema": {{"properties": {properties}}}}}'
    given: list[Any] = [declared, record(email="ada@example.com", n=2), record(email=7), state(1)]
    run = account.run(*given, validate_scope="all")
    assert (run.exit_code, run.states) == (0, ['{"n": 1}']), run.log
    assert account.emails() == ["ada@example.com"]
    (entry,) = account.rejected()
    assert entry["schema"]["schema"] == {"properties": {"email": {"type": "string"}, "n": {}}}


def test_a_stream_that_is_not_enabled_can_be_the_source_of_one_that_is(account: Account) -> None:
    maps = {"copy": {"__source__": "others", "email": "email.lower()"}}
    given = [schema("others", email="string"), record("others", email="ADA@example.com"), state(1)]
    run = account.run(*given, stream_maps=maps, **DISABLED)
    assert run.exit_code == 0, run.log
    assert account.emails("Everybody") == ["ada@example.com"]
    assert [run.report["streams"][name]["ignored"] for name in ("others", "copy")] == [1, 0]


def test_a_stream_without_people_names_the_setting_that_leaves_it_out(account: Account) -> None:
    companies = [schema("companies", domain="string"), record("companies", domain="example.com")]
    run = account.run(PEOPLE, ADA, *companies)
    assert run.exit_code == 1
    assert '`streams: {"companies": {"enabled": false}}`' in run.log
    assert "The name `*` there means every stream without an entry of its own" in run.log
    for streams in ({"companies": {"enabled": False}}, {"*": {"enabled": False}, "people": {}}):
        run = account.run(PEOPLE, ADA, *companies, streams=streams)
        assert run.exit_code == 0, run.log
        assert run.report["streams"]["companies"]["ignored"] == 1


# Rows that the source has deleted

MARKED = schema(id="integer", email="string", _sdc_deleted_at="string") | {"key_properties": ["id"]}
MARKED["schema"]["required"] = ["email"]
PATHS: dict[str, dict[str, Any]] = {
    "fast": {},
    "slow": {"validate_records": False},
    "stream map": {"stream_maps": {"people": {"email": "email.lower()"}}},
    "flattened": {"flattening_enabled": True, "flattening_max_depth": 1},
    "all validated": {"validate_scope": "all"},
}


@pytest.mark.parametrize("is_batch", [False, True])
@pytest.mark.parametrize("config", PATHS.values(), ids=PATHS)
def test_rows_that_the_source_has_deleted_are_counted_and_nobody_is_created(
    account: Account, config: dict[str, Any], *, is_batch: bool
) -> None:
    rows: list[dict[str, Any]] = [
        {"id": 1, "email": "ada@example.com", "_sdc_deleted_at": None},
        {"id": 2, "email": "gone@example.com", "_sdc_deleted_at": GONE},
        {"id": 3, "_sdc_deleted_at": GONE},
        {"id": 4, "email": 7, "_sdc_deleted_at": GONE},
        {"id": 5, "email": "bob@example.com"},
        {"id": 6, "email": "eve@example.com", "_sdc_deleted_at": ""},
    ]
    messages: list[Any] = [{"type": "RECORD", "stream": "people", "record": row} for row in rows]
    if is_batch:
        path = account.folder / "people.jsonl"
        path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
        manifest = [path.as_uri()]
        messages = [{"type": "BATCH", "stream": "people", "encoding": {"format": "jsonl"}, "manifest": manifest}]
    run = account.run(MARKED, *messages, state(1), field_mapping={"email": "email"}, on_delete="ignore", **config)
    assert run.exit_code == 0, run.log
    assert run.states == ['{"n": 1}']
    assert account.emails() == ["ada@example.com", "bob@example.com", "eve@example.com"]
    counts = run.report["streams"]["people"]
    assert (counts["received"], counts["upserted"], counts["deleted_at_source"]) == (6, 3, 3)
    assert "3 deleted at the source" in run.log


def test_the_mark_counts_whether_the_schema_lists_it_or_not(account: Account) -> None:
    account.sandbox.seed(contacts=[{"email": "gone@example.com", "lists": ["Everybody"]}])
    run = account.run(PEOPLE, record(email="gone@example.com", _sdc_deleted_at=GONE), ADA)
    assert account.emails("Everybody") == ["ada@example.com"]
    assert run.report["streams"]["people"]["removed"] == 1


def test_a_stream_map_can_make_the_mark(account: Account) -> None:
    maps = {"people": {"_sdc_deleted_at": "'now' if record.get('first_name') == 'Gone' else None"}}
    run = account.run(PEOPLE, record(email="gone@example.com", first_name="Gone"), ADA, stream_maps=maps)
    assert account.emails() == ["ada@example.com"], run.log


def test_a_stream_map_that_removes_the_mark_sends_deleted_rows_if_they_are_valid(account: Account) -> None:
    rows = [record(id=1, email="gone@example.com", _sdc_deleted_at=GONE), record(id=2, _sdc_deleted_at=GONE)]
    run = account.run(MARKED, *rows, stream_maps={"people": {"_sdc_deleted_at": "__NULL__"}})
    assert account.emails() == ["gone@example.com"], run.log
    assert account.reasons() == [(3, "schema_violation")]


def test_a_stream_map_that_keeps_only_what_it_names_creates_no_deleted_rows(account: Account) -> None:
    named = {"id": "id", "email": "email", "__else__": None}
    maps = {"people": named, "copy": named | {"__source__": "people"}}
    rows = [record(id=1, email="gone@example.com", _sdc_deleted_at=GONE), record(id=2, email="ada@example.com")]
    run = account.run(MARKED, *rows, stream_maps=maps, on_delete="ignore")
    assert account.emails() == ["ada@example.com"], run.log
    assert [counts["deleted_at_source"] for counts in run.report["streams"].values()] == [1, 1]


# What is validated

STRICT = schema(
    id="integer",
    email="string",
    phone="integer",
    address={"type": "object", "properties": {"city": {"type": "string"}}},
)
STRICT["schema"] |= {"required": ["id", "email", "phone"], "additionalProperties": False, "maxProperties": 3}
STRICT["key_properties"] = ["id"]
MAPPING = {"email": "email", "city": "address.city"}
ROWS = {
    "phone": {"id": 1, "email": "a@example.com", "phone": "+44 1"},
    "required": {"id": 1, "email": "a@example.com"},
    "other": {"id": 1, "email": "a@example.com", "phone": 1, "more": 1},
    "many": {"id": 1, "email": "a@example.com", "phone": 1, "address": {"city": "x"}},
    "email": {"id": 1, "email": 7, "phone": 1},
    "key": {"id": "x", "email": "a@example.com", "phone": 1},
    "path": {"id": 1, "email": "a@example.com", "phone": 1, "address": {"city": 7}},
    "object": {"id": 1, "email": "a@example.com", "phone": 1, "address": "x"},
}
HARMFUL = {"email", "key", "path", "object"}


@pytest.mark.parametrize("path", ["plain", "stream map"])
@pytest.mark.parametrize("scope", ["mapped", "all"])
@pytest.mark.parametrize("name", ROWS)
def test_a_bad_value_costs_its_record_only_where_it_is_mapped_or_all_is_validated(
    account: Account, name: str, scope: str, path: str
) -> None:
    maps: dict[str, Any] = {} if path == "plain" else {"stream_maps": {"people": {"other": "'x'"}}}
    row = {"type": "RECORD", "stream": "people", "record": ROWS[name]}
    account.run(STRICT, row, field_mapping=MAPPING, validate_scope=scope, **maps)
    is_harmful = scope == "all" or name in HARMFUL
    assert account.reasons() == ([(2, "schema_violation")] if is_harmful else [])
    assert account.emails() == ([] if is_harmful else ["a@example.com"])


def test_a_property_that_a_stream_map_uses_is_validated(account: Account) -> None:
    maps = {"people": {"city": "phone + 1"}}
    row = record(id=1, email="a@example.com", phone="x")
    account.run(STRICT, row, field_mapping={"email": "email", "city": "city"}, stream_maps=maps)
    assert account.reasons() == [(2, "schema_violation")]
    assert "the rule `properties.phone.type` of the tap's schema" in account.rejected()[0]["sentence"]


UNREADABLE_MAPS: dict[str, Any] = {
    "no stream map": {},
    "stream map": {"other": "'x'"},
    "expression": {"first_name": "record.get('name')"},
}


@pytest.mark.parametrize("is_listed", [False, True])
@pytest.mark.parametrize("stream_map", UNREADABLE_MAPS.values(), ids=UNREADABLE_MAPS)
def test_a_value_that_cannot_be_read_costs_its_record_where_it_is_mapped(
    account: Account, stream_map: dict[str, Any], *, is_listed: bool
) -> None:
    source = "name" if "first_name" in stream_map else "first_name"
    opened = schema(**dict.fromkeys(["email", source], "string") if is_listed else {})
    row = f'{{"type": "RECORD", "stream": "people", "record": {{"email": "ada@example.com", "{source}": NaN}}}}'
    maps = {"people": stream_map} if stream_map else {}
    mapping = {"email": "email", "first_name": "first_name"}
    run = account.run(opened, row, stream_maps=maps, field_mapping=mapping)
    assert account.reasons() == [(2, "unreadable")], run.log


def test_the_types_that_the_sdk_guesses_for_results_reject_nobody(account: Account) -> None:
    account.sandbox.seed(fields={"total": "Number", "vip": "Text"})
    maps = {"people": {"total": "score + 1", "vip": "score > 2"}}
    mapping = {"email": "email", "total": "total", "vip": "vip"}
    run = account.run(PEOPLE, record(email="ada@example.com", score=3), stream_maps=maps, field_mapping=mapping)
    assert run.exit_code == 0, run.log
    (contact,) = account.sandbox.contacts()
    assert contact["custom_fields"] == {"total": 4, "vip": "true"}


def test_a_mapped_property_that_a_stream_map_leaves_out_is_an_error_of_the_settings(account: Account) -> None:
    maps = {"people": {"mail": "email", "__else__": None}}
    mapping = {"email": "mail", "first_name": "first_name"}
    run = account.run(PEOPLE, record(email="ada@example.com"), stream_maps=maps, field_mapping=mapping)
    assert run.exit_code == 1
    assert "Stream 'people' has no property 'first_name' to fill 'first_name'." in run.log


# Properties that the schema does not list


def test_a_property_that_an_open_schema_does_not_list_is_taken_where_it_is(account: Account) -> None:
    opened = {"type": "SCHEMA", "stream": "people", "schema": {"type": "object"}, "key_properties": ["_id"]}
    rows = [record(_id="1", email="a@example.com", name="Ada"), record(_id="2", email="b@example.com")]
    mapping = {"email": "email", "first_name": "name", "city": "town"}
    run = account.run(opened, *rows, field_mapping=mapping)
    assert run.exit_code == 0, run.log
    assert account.emails("Everybody") == ["a@example.com", "b@example.com"]
    missing = "Stream 'people': no record has property 'town' (for city), and its schema does not list it."
    assert run.log.count(missing) == 1
    assert run.log.count("no record has") == 1


def test_a_key_property_that_an_open_schema_does_not_list_needs_no_stream_map(account: Account) -> None:
    opened = {"type": "SCHEMA", "stream": "people", "schema": {"type": "object"}, "key_properties": ["_id"]}
    given = [opened, record(_id="1", email="A@example.com"), record(email="b@example.com")]
    run = account.run(*given, stream_maps={"people": {"email": "email.lower()"}}, field_mapping={"email": "email"})
    assert account.emails() == ["a@example.com"], run.log
    assert account.reasons() == [(3, "missing_key_property")]


def test_a_property_that_came_under_an_earlier_schema_is_not_said_to_be_missing(account: Account) -> None:
    opened = {"type": "SCHEMA", "stream": "people", "schema": {"type": "object"}, "key_properties": []}
    changed = opened | {"schema": {"type": "object", "title": "changed"}}
    mapping = {"email": "email", "city": "town"}
    given = [opened, record(email="a@example.com", town="London"), changed, ADA]
    run = account.run(*given, field_mapping=mapping)
    assert "no record has" not in run.log


def test_a_stream_without_records_lacks_no_property(account: Account) -> None:
    opened = {"type": "SCHEMA", "stream": "people", "schema": {"type": "object"}, "key_properties": []}
    run = account.run(opened, record(email="gone@example.com", _sdc_deleted_at=GONE), field_mapping={"email": "email"})
    assert "no record has" not in run.log
