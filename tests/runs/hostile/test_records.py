"""An unreadable record is rejected alone, and no content of a record does harm."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.harness.messages import record, schema, state
from tests.runs.hostile.conftest import PEOPLE

if TYPE_CHECKING:
    from tests.runs.hostile.conftest import HostileRuns

ADA, GRACE = record(email="ada@example.com"), record(email="grace@example.com")
BOTH = ["ada@example.com", "grace@example.com"]
DEEP = 100_000


def holding(value: bytes) -> bytes:
    return b'{"type": "RECORD", "stream": "people", "record": {"email": "x@example.com", "first_name": ' + value + b"}}"


UNREADABLE = {
    "invalid UTF-8": b'"\xff\xfe"',
    "half a UTF-8 character": b'"\xe2\x82"',
    "an overlong NUL": b'"\xc0\x80"',
    "a surrogate in UTF-8": b'"\xed\xa0\x80"',
    "a lone surrogate": rb'"\ud800"',
    "surrogates the wrong way round": rb'"\udc00\ud800"',
    "NaN": b"NaN",
    "Infinity": b"Infinity",
    "-Infinity": b"-Infinity",
    "a raw tab": b'"a\tb"',
    "a raw NUL": b'"a\x00b"',
    "a huge exponent": b"1e99999999999999999999",
    "deep arrays": b"[" * DEEP + b"]" * DEEP,
    "deep objects": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
}


@pytest.mark.parametrize("value", UNREADABLE.values(), ids=UNREADABLE)
def test_an_unreadable_record_is_rejected_alone_and_kept_as_text(runs: HostileRuns, value: bytes) -> None:
    run = runs.run(PEOPLE, ADA, holding(value), GRACE, state(1))
    assert run.exit_code == 0
    assert run.states == ['{"n": 1}']
    assert runs.emails() == BOTH
    (entry,) = runs.rejected()
    assert (entry["line"], entry["reason"], entry["message"]) == (3, "unreadable", None)
    assert entry["text"].startswith('{"type": "RECORD", "stream": "people", "record": {"email": "x@example.com"')
    assert entry["text"].endswith("}}")
    assert "x@example.com" not in run.log


def test_the_text_of_an_unreadable_record_shows_each_byte(runs: HostileRuns) -> None:
    runs.run(PEOPLE, holding(b'"Zo\xc3\xab \xff"'))
    assert '"Zoë \\xff"' in runs.rejected()[0]["text"]


@pytest.mark.parametrize(
    "line",
    [
        b'{"type": "RECORD", "stream": "people", "record": {"email": "ada@exam',
        b'{"type": "RECORD", "stream": "people", "record": ' + b"[" * DEEP,
        b'{"type": "RECORD", "stream": "people", "record": {"a": 01}}',
        b"\x00" * 100,
        b"[" * DEEP + b"]" * DEEP,
        b'{"a":' * DEEP + b"1" + b"}" * DEEP,
        b"\xff" * 100,
    ],
    ids=lambda line: f"{line[:60]!r}",
)
def test_a_line_that_is_no_record_ends_the_run_after_what_came_before(runs: HostileRuns, line: bytes) -> None:
    run = runs.run(PEOPLE, ADA, state(1), line, GRACE, state(2))
    assert run.exit_code == 1
    assert "Line 4 of standard input is not valid JSON." in run.log
    assert run.states == ['{"n": 1}']
    assert runs.emails() == BOTH[:1]


@pytest.mark.parametrize("value", [b"NaN", b'"\xff"', b"[" * DEEP + b"]" * DEEP], ids=["NaN", "bytes", "deep"])
@pytest.mark.parametrize("stream", [b"others", b"a\\nb", b"\\ud800", b"\\\\"])
def test_an_unreadable_record_of_a_stream_without_schema_ends_the_run(
    runs: HostileRuns, stream: bytes, value: bytes
) -> None:
    run = runs.run(PEOPLE, ADA, b'{"type": "RECORD", "stream": "' + stream + b'", "record": {"a": ' + value + b"}}")
    assert run.exit_code == 1
    assert "which has no SCHEMA yet" in run.log
    assert runs.emails() == BOTH[:1]


@pytest.mark.parametrize(
    ("line", "is_cut"),
    [
        (holding(b'"' + b"x" * (1 << 25) + b'"'), False),
        (holding(b"x" * (1 << 26)), True),
    ],
    ids=["a long record", "longer than the kept part"],
)
def test_a_record_of_a_line_too_long_is_rejected_alone(runs: HostileRuns, line: bytes, *, is_cut: bool) -> None:
    assert (len(line) > 1 << 26) is is_cut
    run = runs.run(PEOPLE, ADA, line, GRACE, state(1))
    assert run.exit_code == 0
    assert runs.reasons() == [(3, "too_large")]
    assert runs.rejected()[0]["message"] is None
    assert runs.emails() == BOTH


@pytest.mark.parametrize("digits", [400, 4_300, 4_301, 100_000])
@pytest.mark.parametrize("field", ["first_name", "score", "since"])
def test_a_number_of_many_digits_costs_its_record_at_most(runs: HostileRuns, digits: int, field: str) -> None:
    declared = schema(email="string", first_name=["string"], score="number", since={})
    declared["schema"]["properties"]["first_name"] = {}
    line = (
        f'{{"type": "RECORD", "stream": "people", "record": {{"email": "x@example.com", "{field}": {"9" * digits}}}}}'
    )
    runs.sandbox.seed(fields={"score": "Number", "since": "Date"})
    run = runs.run(declared, ADA, line, GRACE, state(1))
    assert run.exit_code == 0
    assert [line for line, _ in runs.reasons()] == [3]
    assert run.states == ['{"n": 1}']
    assert runs.emails() == BOTH


def test_the_last_of_two_equal_keys_counts(runs: HostileRuns) -> None:
    line = '{"type": "RECORD", "stream": "people", "record": {"email": "x@example.com", "email": "ada@example.com"}}'
    assert runs.run(PEOPLE, line).exit_code == 0
    assert runs.emails() == BOTH[:1]


@pytest.mark.parametrize(
    "name", ["__proto__", "constructor", "_sdc_deleted_at", "", ".", "a.b", "a b", '"', "'", "\\", "\0"]
)
def test_a_property_of_an_odd_name_can_be_mapped(runs: HostileRuns, name: str) -> None:
    declared = schema(**{name: "string", "mail": "string"})
    values = {"mail": "ada@example.com", name: "Ada"}
    run = runs.run(declared, record(**values), field_mapping={"email": "mail", "first_name": name})
    assert run.exit_code == 0, run.log
    assert [contact["first_name"] for contact in runs.sandbox.contacts()] == ["Ada"]


def test_thousands_of_properties_do_no_harm(runs: HostileRuns) -> None:
    names = [f"p{number}" for number in range(5_000)]
    declared = schema(email="string", **dict.fromkeys(names, "string"))
    run = runs.run(declared, record(email="ada@example.com", **dict.fromkeys(names, "x")))
    assert run.exit_code == 0
    assert runs.emails() == BOTH[:1]


@pytest.mark.parametrize(
    "expression",
    ["1 / 0", "int(first_name)", "first_name[99]", "record['none']", "first_name * 10**12", "2 ** 10**9", "float('x')"],
)
def test_a_stream_map_that_raises_anything_costs_one_record(runs: HostileRuns, expression: str) -> None:
    good = record(email="grace@example.com", first_name="skip")
    maps = {"people": {"first_name": f"'Grace' if first_name == 'skip' else {expression}"}}
    run = runs.run(PEOPLE, record(email="ada@example.com", first_name="Ada"), good, stream_maps=maps)
    assert run.exit_code == 0, run.log
    assert runs.reasons() == [(2, "stream_map_failed")]
    assert runs.emails() == BOTH[1:]


@pytest.mark.parametrize("depth", [100, 500, 900, 2_000, 10_000])
def test_depth_within_a_record_costs_the_record_at_most(runs: HostileRuns, depth: int) -> None:
    inner: Any = {"$ref": "#/$defs/deep"}
    declared = schema(email="string", first_name=inner)
    declared["schema"]["$defs"] = {"deep": {"anyOf": [{"type": "string"}, {"type": "array", "items": inner}]}}
    lines = [holding(b"[" * depth + b'"x"' + b"]" * depth), holding(b"[" * depth + b"1" + b"]" * depth)]
    run = runs.run(declared, ADA, *lines, GRACE)
    assert run.exit_code == 0
    assert {"ada@example.com", "grace@example.com"} <= set(runs.emails())
    assert run.report["streams"]["people"]["received"] == 4
    assert (4, "schema_violation") in runs.reasons() or (4, "unreadable") in runs.reasons()


def test_the_file_of_rejected_records_stays_one_of_lines(runs: HostileRuns) -> None:
    line = json.dumps(record(email="no\u2028address\x85")).encode()
    runs.run(PEOPLE, line, holding(b'"\r"'), holding(b'"\xff"'))
    assert [json.loads(entry)["line"] for entry in runs.path.read_bytes().split(b"\n")[:-1]] == [2, 3, 4]
