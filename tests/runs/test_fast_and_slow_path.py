"""Records end the same on the fast path, on the slow path, and on the slow path through a stream map."""

from __future__ import annotations

import contextlib
import json
import os
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any
from unittest import mock

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from target_sendgrid.mapping import fast_path
from target_sendgrid.singer import messages
from target_sendgrid.singer.decoding import decode_json
from target_sendgrid.singer.source_stream import SourceStream
from tests.harness.messages import state

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.harness.account import Account
    from tests.harness.runs import Finished

EXAMPLES = int(os.environ.get("EXAMPLES", "40"))

_TEXT = {"type": ["string", "null"]}
PROPERTIES: dict[str, Any] = {
    "email": _TEXT,
    "first_name": {"anyOf": [{"type": "string", "maxLength": 60}, {"type": "null"}]},
    "score": {"type": ["number", "null"]},
    "amount": {"type": ["number", "null"]},
    "visits": {"type": "integer"},
    "since": _TEXT | {"format": "date-time"},
    "home": {"type": ["object", "string", "null"], "properties": {"city": _TEXT}, "additionalProperties": False},
    "seen_at": _TEXT | {"format": "date-time"},
    "counts": {"type": "array", "items": {"type": "number"}},
    "others": {"type": ["array", "string", "null"], "items": _TEXT},
    "phone": _TEXT | {"pattern": "^[+0-9]*$"},
    "mobile": {"type": ["string", "integer", "null"]},
    "tier": {"oneOf": [{"type": "string"}, {"type": "null"}]},
    "value": {"type": ["number", "string", "null"], "multipleOf": 0.01, "minimum": 0, "maximum": 1e20},
    "tags": {"type": ["array", "null"], "items": {"type": ["string", "integer"]}},
    "phones": {"type": ["array", "null"], "items": {"type": ["object", "null"], "properties": {"number": _TEXT}}},
    "traits": {"type": ["object", "null"], "inclusion": "available"},
    "anything": {},
}
FIELD_MAPPING = {
    "email": "email", "first_name": "first_name", "city": "home.city",
    "score": "score", "visits": "visits", "since": "since", "alternate_emails": "others",
    "phone_number": "phone", "tier": "tier", "value": "value", "tags": "tags", "second_phone": "phones.1.number",
    "plan": "traits.plan", "anything": "anything", "nickname": "unlisted",
}  # fmt: skip
RESERVED = (
    "email", "first_name", "last_name", "city", "alternate_emails", "phone_number", "external_id", "phone_number_id",
)  # fmt: skip
CONFIG = {"create_custom_fields": True}
PATHS: dict[str, dict[str, Any]] = {
    "fast": {},
    "slow": {},
    "stream map": {"stream_maps": {"people": {"_sdc_note": "'constant'"}}},
}
SETTINGS: list[dict[str, Any]] = [
    {}, {"null_handling": "clear"}, {"validate_records": False}, {"validate_scope": "all"},
    {"null_handling": "clear", "validate_records": False},
]  # fmt: skip
NUMBERS = ["0", "-0.0", "7", "7.0", "1.10", "0.1", "1e3", "1.5E+10", "123456789012345678901234567890"]
MOMENTS = ['"2024-02-29"', '"2024-01-31T23:59:59+00:00"', '"2024-01-28T23:59:59Z"', '"2024-01-28 23:59:59.5"']
GOOD = {
    "email": ['"ada@example.com"', '"Ada@Example.com "', '"bob@example.com"', '"\\ufeffBOB@example.com\\u200b"'],
    "others": ['"A@x.com"', "[]", '["K@x.com\\u00ad", "k@x.com"]'],
    "first_name": ['"Ada"', "null", '""', json.dumps("é" * 50)],
    "score": NUMBERS,
    "amount": NUMBERS,
    "visits": ["0", "7", "123456789012345678901234567890"],
    "since": MOMENTS,
    "seen_at": MOMENTS,
    "home": ['{"city": "York"}', '{"city": null}', "{}", "null", '"York"', '""'],
    "counts": ["[]", "[1.5, 2]"],
    "phone": ['"+441234"', '""', "null"],
    "mobile": [
        '"+442079460018"',
        '"+44 (0)20 7946 0018"',
        '"020 7946 0018"',
        "2079460018",
        '"+4420"',
        '"x"',
        '""',
        "null",
    ],
    "tier": ['"gold"', '""', "null"],
    "value": ["19.99", "0.10", "7", '"7.50"', '""', "null"],
    "tags": ['["a", "b"]', "[]", "[1, 12345678901234567890]", '["\u00e9"]', "null"],
    "phones": ['[{"number": "1"}, {"number": "2"}]', '[{"number": "1"}]', "[null]", "null"],
    "traits": ['{"plan": "pro", "age": 1.50}', '{"plan": null}', '{"plan": {"a": 1.50}}', "{}", "null"],
    "anything": ["1.50", '"text"', "true", "[1.50]", '{"a": [1e3]}', "null"],
    "unlisted": ['"Ann"', "1.50", "null"],
    "key": ['"7"', "7", "null"],
}
ODD = [
    "null", "true", '""', '" "', '"7"', "-0.001", "[null]", '"x"', "[]", "{}", "1.5", "1e400", "NaN",
    '{"city": 1, "zip": 2}', '"2023-02-29T00:00:00Z"', '"\\ud800"', json.dumps("é" * 51), json.dumps("a" * 61),
]  # fmt: skip
EMAIL = st.sampled_from([*GOOD["email"] * 4, '"nobody"', "null", "1.5"])
MEMBERS = st.one_of(
    *[st.tuples(st.just(name), st.sampled_from(literals)) for name, literals in GOOD.items()],
    st.tuples(st.sampled_from([*GOOD, "other", "__proto__", "_sdc_deleted_at"]), st.sampled_from(ODD)),
)
RECORDS = st.tuples(EMAIL, st.lists(MEMBERS, max_size=6)).map(lambda parts: [("email", parts[0]), *parts[1]])


def lines(records: list[list[tuple[str, str]]], properties: Mapping[str, Any] = PROPERTIES) -> Iterator[str]:
    """Yield Singer lines. A record may have a name twice."""
    yield json.dumps({"type": "SCHEMA", "stream": "people", "key_properties": ["email"],
                      "schema": {"type": "object", "properties": properties}})  # fmt: skip
    for number, record in enumerate(records):
        members = ", ".join(f"{json.dumps(name)}: {literal}" for name, literal in record)
        yield f'{{"type": "RECORD", "stream": "people", "record": {{{members}}}}}'
        yield json.dumps(state(number))


@contextlib.contextmanager
def only(path: str) -> Iterator[None]:
    """Let all streams take the slow path, if that is the path."""
    with mock.patch.object(fast_path, "fast_path_for", return_value=None) if path == "slow" else nullcontext():
        yield


def outcome(account: Account, run: Finished) -> dict[str, Any]:
    """Return everything that a run leaves behind."""
    counts = run.report["streams"]["people"] | {"list_id": None}
    contacts = account.sandbox.contacts()
    names = ("line", "reason", "sentence")
    return {
        "exit code": run.exit_code,
        "contacts": [[contact.get(name) for name in RESERVED] + [values(contact)] for contact in contacts],
        "counts": counts,
        "states": run.states,
        "rejected": [[entry[name] for name in names] for entry in account.rejected()],
        "warnings": [
            line
            for line in run.log.splitlines()
            if line.startswith(("Rejected:", "property", "Stream")) and "not used" not in line
        ],
    }  # fmt: skip


def values(contact: dict[str, Any]) -> dict[str, Any]:
    """Return the custom fields; SendGrid's numbers are doubles."""
    return {
        name: float(value) if isinstance(value, (int, float)) else value
        for name, value in contact.get("custom_fields", {}).items()
    }


@settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(RECORDS, min_size=1, max_size=8),
    st.sampled_from([{}, {"last_name": "amount"}, {"external_id": "key"}, {"phone_number_id": "mobile"}]),
    st.sampled_from([*SETTINGS, {"default_phone_region": "GB"}, {"custom_fields": "all"}]),
)
def test_each_path_has_the_same_outcome(
    account: Account, records: list[list[tuple[str, str]]], more_fields: dict[str, str], own: dict[str, Any]
) -> None:
    ends = {}
    for path, config in PATHS.items():
        account.reset()
        own = own | {"field_mapping": FIELD_MAPPING | more_fields}
        with only(path):
            ends[path] = outcome(account, account.run(*lines(records), **CONFIG | own | config))
    assert ends["slow"] == ends["fast"]
    assert ends["stream map"] == ends["fast"]


FLAT = {
    "email": "email", "first_name": "first_name", "city": "home__city", "tier": "tier", "tags": "tags",
    "value": "value", "since": "work__since", "door": "work__zip__code", "anything": "anything",
}  # fmt: skip
FLAT_PROPERTIES: dict[str, Any] = PROPERTIES | {
    "work": {
        "type": ["object", "null"],
        "properties": {
            "since": _TEXT,
            "zip__code": _TEXT | {"pattern": "^.*$"},
            "place": {"type": ["object", "null"], "properties": {"floor": {"type": ["string", "number", "array"]}}},
        },
    }
}
FLAT_MEMBERS = st.one_of(
    MEMBERS,
    st.tuples(
        st.sampled_from(["work", "home", "work__place", "work__place__floor", "home__city"]),
        st.sampled_from(
            [
                '{"since": "2024-02-29", "place": {"floor": 1.50}, "zip__code": "1"}', '{"place": {"floor": [1]}}',
                '{"place": null, "place__floor": "9"}', '{"zip": {"code": "8"}}', '{"floor": "7"}', '{"city": "York"}',
                '{"place": {"floor": "1", "other": {"a": 1}}, "zip__code": ""}', "null", '"x"', "[]",
            ]
        ),
    ),
)  # fmt: skip
BASE = [("email", '"a@x.com"'), ("home", '{"city": "York"}'), ("score", "7"), ("phones", "[]"), ("visits", "1"),
        ("tier", '"gold"'), ("seen_at", "null"), ("since", '"2024-02-29"')]  # fmt: skip
RENAMED = {
    "email": "mail", "first_name": "first_name", "city": "place.city", "score": "points", "last_name": "constant",
    "since": "since", "second_phone": "numbers.1.number",
}  # fmt: skip
MAPPED: list[dict[str, Any]] = [
    {"field_mapping": FLAT | more, "flattening_enabled": True, "flattening_max_depth": depth}
    for depth, more in ((1, {}), (2, {"floor": "work__place__floor"}), (1, {"place": "work__place"}))
] + [
    {"field_mapping": RENAMED, "stream_maps": {"people": {"constant": "visits"} | stream_map}}
    for stream_map in (
        {"mail": "email", "place": "home", "points": "score", "numbers": "phones"},
        {"mail": "email", "place": "home", "points": "score", "numbers": "phones", "tags": None, "score": "since"},
        {"mail": "email", "place": "home", "points": "score", "numbers": "phones", "since": "since", "__else__": None,
         "first_name": "tier", "__key_properties__": ["mail"]},
        {"mail": "email", "place": "home", "points": "score", "numbers": "phones", "_sdc_deleted_at": "seen_at"},
        {"mail": "email", "place": "home", "points": "score", "numbers": "phones", "note": "record"},
    )
]  # fmt: skip


@settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.lists(FLAT_MEMBERS, max_size=6), max_size=8),
    st.sampled_from(MAPPED),
    st.sampled_from(SETTINGS),
)
def test_stream_maps_and_flattening_have_the_same_outcome_on_the_fast_path(
    account: Account, records: list[list[tuple[str, str]]], stream_map: dict[str, Any], own: dict[str, Any]
) -> None:
    ends = []
    for path in ("fast", "slow"):
        account.reset()
        with only(path):
            run = account.run(
                *lines([[*BASE, *members] for members in records], FLAT_PROPERTIES), **CONFIG | own | stream_map
            )
            ends.append(outcome(account, run))
    assert ends[0] == ends[1]


def test_good_records_take_the_fast_path(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    slow: list[object] = []
    monkeypatch.setattr(SourceStream, "accept", lambda *arguments: slow.append(arguments))
    records = [
        [(name, literals[number % len(literals)]) for name, literals in GOOD.items() if name != "email"]
        + [("email", f'"{number}@example.com"')]
        for number in range(30)
    ]
    usable = [record for record in records if not {'"York"', '""'} & {dict(record)["home"]}]
    for own in SETTINGS:
        account.reset()
        run = account.run(*lines(usable), field_mapping=FIELD_MAPPING, **CONFIG | own)
        assert (run.exit_code, run.report["streams"]["people"]["received"]) == (0, len(usable)), own
        assert slow == [], own


@pytest.mark.parametrize(("number", "is_fast"), list(enumerate([True, True, False, True, True, True, False, False])))
def test_stream_maps_that_only_rename_and_flattening_take_the_fast_path(
    account: Account, monkeypatch: pytest.MonkeyPatch, number: int, *, is_fast: bool
) -> None:
    slow: list[object] = []
    monkeypatch.setattr(SourceStream, "accept", lambda *arguments: slow.append(arguments))
    record = [*BASE, ("work", '{"since": null, "place": {"floor": "1"}, "zip__code": "1"}')]
    run = account.run(*lines([record], FLAT_PROPERTIES), **CONFIG | MAPPED[number])
    assert run.exit_code == 0, run.log
    assert bool(slow) is not is_fast


@pytest.mark.parametrize("keyword", ["anyOf", "oneOf"])
@pytest.mark.parametrize("scope", ["mapped", "all"])
def test_rules_inside_an_object_that_is_one_of_some_alternatives_are_checked(
    account: Account, scope: str, keyword: str
) -> None:
    home = {"type": "object", "properties": {"city": {"type": "string", "pattern": "^Y"}}}
    given = lines(
        [[("email", f'"{city}@x.com"'), ("home", f'{{"city": "{city}"}}')] for city in ("York", "Leeds")],
        {"email": _TEXT, "home": {keyword: [{"type": "null"}, home]}},
    )
    run = account.run(*given, field_mapping={"email": "email", "city": "home.city"}, validate_scope=scope)
    counts = run.report["streams"]["people"]
    assert (counts["received"], counts["rejected"]) == (2, {"schema_violation": 1})


@pytest.mark.parametrize("schema", [{}, {"type": "array"}, {"minItems": 1}])
@pytest.mark.parametrize("path", PATHS)
def test_values_that_are_nested_as_deep_as_python_goes_end_no_run(
    account: Account, path: str, schema: dict[str, Any]
) -> None:
    depths = range(1, 1_100)
    records = [[("email", '"a@x.com"'), ("deep", "[" * depth + "1.5" + "]" * depth)] for depth in depths]
    config = CONFIG | {"field_mapping": {"email": "email", "deep": "deep"}} | PATHS[path]
    with only(path):
        run = account.run(*lines(records, {"email": _TEXT, "deep": schema}), **config)
    assert run.exit_code == 0, run.log
    assert run.report["streams"]["people"]["received"] == len(depths)


@pytest.mark.parametrize("path", PATHS)
def test_a_stream_whose_records_all_break_its_schema_is_not_said_to_lack_a_property(
    account: Account, path: str
) -> None:
    properties = {"email": _TEXT, "phone": _TEXT | {"pattern": "^[+0-9]*$"}}
    fields = {"email": "email", "phone_number": "phone", "nickname": "unlisted"}
    with only(path):
        given = lines([[("email", '"a@x.com"'), ("phone", '"none"')]], properties)
        run = account.run(*given, **CONFIG | {"field_mapping": fields} | PATHS[path])
    assert run.report["streams"]["people"]["rejected"] == {"schema_violation": 1}
    assert "no record has property" not in run.log


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The lines that are decoded for the slow path alone."""
    found: list[bytes] = []

    def decode(line: bytes) -> Any:
        found.append(line)
        return decode_json(line)

    monkeypatch.setattr(messages, "decode_json", decode)
    return found


def test_a_stream_whose_records_mostly_miss_the_fast_path_stops_trying_it(
    account: Account, decoded: list[bytes]
) -> None:
    record = '{"type": "RECORD", "stream": "people", "record": {"email": "a@x.com", "visits": 1.0, "x": "%s"}}'
    given = [next(lines([])), *[record % ("x" * 99)] * 5_000]
    run = account.run(*given, field_mapping=FIELD_MAPPING, **CONFIG)
    assert run.report["streams"]["people"]["received"] == 5_000
    assert len(decoded) < 1_000


def test_records_of_a_stream_that_is_ignored_are_not_decoded(account: Account, decoded: list[bytes]) -> None:
    record = '{"type": "RECORD", "stream": "people", "record": {"email": 1e999}}'
    run = account.run(*[record] * 3, next(lines([])), *[record] * 3, streams={"people": {"enabled": False}})
    assert run.report["streams"]["people"]["ignored"] == 6
    assert len(decoded) == 2  # the first record and the SCHEMA


def test_streams_beyond_the_most_that_one_decoder_reads_arrive_too(account: Account) -> None:
    schema, *_ = lines([])
    names = [f"people_{number}" for number in range(120)]
    schemas = [schema.replace('"people"', f'"{name}"') for name in names]
    records = [
        f'{{"type": "RECORD", "stream": "{name}", "record": {{"email": "{name}@x.com", "visits": 1}}}}'
        for name in names
    ]
    ignored = {name: {"enabled": False} for name in names[:60]}
    run = account.run(*schemas, *records, field_mapping={"email": "email"}, streams=ignored, **CONFIG)
    assert run.exit_code == 0, run.log
    assert len(account.sandbox.contacts()) == 60
    assert sum(counts["ignored"] for counts in run.report["streams"].values()) == 60


@pytest.mark.parametrize("is_changed", [False, True])
def test_a_repeated_schema_rebuilds_nothing(
    account: Account, monkeypatch: pytest.MonkeyPatch, *, is_changed: bool
) -> None:
    made: list[str] = []
    make = msgspec.defstruct

    def count(name: str, *arguments: Any, **options: Any) -> Any:
        made.append(name)
        return make(name, *arguments, **options)

    monkeypatch.setattr(msgspec, "defstruct", count)
    record = [(name, literals[0]) for name, literals in GOOD.items()]
    first, other = list(lines([record])), list(lines([record]))
    if is_changed:
        other[0] = other[0].replace('"properties": {', '"properties": {"more": {"type": "string"}, ')
    run = account.run(*first, *other, field_mapping=FIELD_MAPPING, **CONFIG)
    assert run.report["streams"]["people"]["received"] == 2
    assert made.count("Message") == 1 + is_changed


def test_a_schema_that_comes_back_is_used_again(account: Account) -> None:
    record = [(name, literals[0]) for name, literals in GOOD.items()]
    schema, line, bookmark = lines([record])
    strict = schema.replace('"properties": {', '"properties": {"absent": {"type": "string"}, ').replace(
        '"key_properties": ["email"]', '"key_properties": ["absent"]'
    )
    given = [schema, line, strict, line, schema, line, bookmark]
    run = account.run(*given, field_mapping=FIELD_MAPPING, **CONFIG)
    assert run.report["streams"]["people"]["rejected"] == {"missing_key_property": 1}


@pytest.mark.parametrize("is_batch", [False, True])
@pytest.mark.parametrize(
    ("place", "broken"),
    [
        (place, broken)
        for place in (b'"unmapped": "%s"', b'"%s": 1', b'"unmapped": {"deep": ["%s"]}')
        for broken in (b"\xff", b"\xed\xa0\x80")  # no character, and half a pair
    ],
)
@pytest.mark.parametrize("scope", ["mapped", "all"])
@pytest.mark.parametrize("path", PATHS)
def test_broken_utf_8_in_what_nobody_maps_rejects_the_record_only_if_all_is_validated(
    account: Account, path: str, scope: str, place: bytes, broken: bytes, *, is_batch: bool
) -> None:
    schema, *_ = lines([])
    records = [b'{"email": "ada@x.com", ' + place % text + b"}" for text in ("é".encode(), broken)]
    if is_batch:
        file = account.folder / "people.jsonl"
        file.write_bytes(b"\n".join(records) + b"\n")
        batch = {"type": "BATCH", "stream": "people", "encoding": {"format": "jsonl"}, "manifest": [file.as_uri()]}
        messages = [json.dumps(batch).encode()]
    else:
        messages = [b'{"type": "RECORD", "stream": "people", "record": ' + record + b"}" for record in records]
    config = CONFIG | {"field_mapping": FIELD_MAPPING, "validate_scope": scope} | PATHS[path]
    with only(path):
        run = account.run(schema, *(line + b"\n" for line in messages), **config)
    counts = run.report["streams"]["people"]
    assert (counts["received"], counts["rejected"]) == (2, {"unreadable": 1} if scope == "all" else {})


@pytest.mark.parametrize("is_batch", [False, True])
def test_a_schema_that_needs_the_slow_path_ends_the_fast_path(
    account: Account, tmp_path: Path, *, is_batch: bool
) -> None:
    """The type of the first schema would accept what the second one does not."""
    first = {"type": "object", "properties": {"email": {"type": "string"}, "tier": {"type": "string"}}}
    second = {"type": "object", "properties": {"email": {"type": "string"}, "tier": {"enum": ["gold"]}}}
    record = {"email": "ada@x.com", "tier": "tin"}
    file = tmp_path / "people.jsonl"
    file.write_text(json.dumps(record) + "\n", encoding="utf-8")
    batch = {"type": "BATCH", "stream": "a", "encoding": {"format": "jsonl"}, "manifest": [file.as_uri()]}
    message = batch if is_batch else {"type": "RECORD", "stream": "a", "record": record}
    schemas = [{"type": "SCHEMA", "stream": "a", "schema": schema, "key_properties": []} for schema in (first, second)]
    given = [schemas[0], message, schemas[1], message, schemas[0], message]
    run = account.run(*given, validate_scope="all", **CONFIG)
    counts = run.report["streams"]["a"]
    assert (counts["received"], counts["rejected"]) == (3, {"schema_violation": 1})


def test_streams_that_share_an_alias_keep_their_own_mapping(account: Account) -> None:
    first = {"type": "object", "properties": {"email": {"type": "string"}, "first_name": {"type": "string"}}}
    second = {"type": "object", "properties": {"email": {"type": "string"}, "last_name": {"type": "string"}}}
    given: list[dict[str, Any]] = [
        {"type": "SCHEMA", "stream": "a", "schema": first, "key_properties": []},
        {"type": "SCHEMA", "stream": "b", "schema": second, "key_properties": []},
        {"type": "RECORD", "stream": "a", "record": {"email": "a@x.com", "first_name": "Ann"}},
        {"type": "RECORD", "stream": "b", "record": {"email": "b@x.com", "last_name": "Bee"}},
        {"type": "SCHEMA", "stream": "a", "schema": first, "key_properties": [], "bookmark_properties": ["email"]},
        {"type": "RECORD", "stream": "a", "record": {"email": "c@x.com", "first_name": "Cy"}},
        {"type": "RECORD", "stream": "b", "record": {"email": "d@x.com", "last_name": "Dee"}},
    ]
    maps = {"a": {"__alias__": "people"}, "b": {"__alias__": "people"}}
    run = account.run(*given, stream_maps=maps)
    assert run.exit_code == 0, run.log
    assert [[contact.get(name) for name in ("first_name", "last_name")] for contact in account.sandbox.contacts()] == [
        ["Ann", None], [None, "Bee"], ["Cy", None], [None, "Dee"]
    ]  # fmt: skip
    assert run.report["streams"]["people"]["upserted"] == 4


def test_rejected_records_of_streams_that_share_an_alias_keep_their_own_schema(account: Account) -> None:
    given: list[Any] = [
        {"type": "SCHEMA", "stream": name, "schema": {"properties": {"email": {}}}, "key_properties": []}
        for name in ("a", "b")
    ]
    given += [{"type": "RECORD", "stream": name, "record": {"email": "no"}} for name in ("a", "b")]
    given.append('{"type": "RECORD", "stream": "a", "record": {"email": NaN}}')
    account.run(*given, stream_maps={"a": {"__alias__": "people"}, "b": {"__alias__": "people"}})
    entries = account.rejected()
    assert [entry["stream"] for entry in entries] == ["people"] * 3
    assert [entry["message"] and entry["message"]["stream"] for entry in entries] == ["a", "b", None]
    assert [entry["schema"]["stream"] for entry in entries[:2]] == ["a", "b"]
    assert entries[2]["schema"]["type"] == "SCHEMA"
