"""An unreadable record is rejected alone, and no content of a record does harm."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.harness.messages import PEOPLE, record, schema, state

if TYPE_CHECKING:
    from tests.harness.account import Account

ADA, GRACE = record(email="ada@example.com"), record(email="grace@example.com")
BOTH = ["ada@example.com", "grace@example.com"]
DEEP = 100_000


def holding(value: bytes) -> bytes:
    values = b'{"email": "x@example.com", "first_name": ' + value + b"}"
    return b'{"type": "RECORD", "stream": "people", "record": ' + values + b"}\n"


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
def test_an_unreadable_record_is_rejected_alone_and_kept_as_text(account: Account, value: bytes) -> None:
    run = account.run(PEOPLE, ADA, holding(value), GRACE, state(1))
    assert run.exit_code == 0
    assert run.states == ['{"n": 1}']
    assert account.emails() == BOTH
    (entry,) = account.rejected()
    assert (entry["line"], entry["reason"], entry["message"]) == (3, "unreadable", None)
    assert entry["text"].startswith('{"type": "RECORD", "stream": "people", "record": {"email": "x@example.com"')
    assert entry["text"].endswith("}}")
    assert "x@example.com" not in run.log


def test_the_text_of_an_unreadable_record_shows_each_byte(account: Account) -> None:
    account.run(PEOPLE, holding(b'"Zo\xc3\xab \xff"'))
    assert '"Zoë \\xff"' in account.rejected()[0]["text"]


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
    ids=lambda line: repr(line[:60]).replace("\\", "/"),
)
def test_a_line_that_is_no_record_ends_the_run_after_what_came_before(account: Account, line: bytes) -> None:
    run = account.run(PEOPLE, ADA, state(1), line + b"\n", GRACE, state(2))
    assert run.exit_code == 1
    assert "Line 4 of standard input is not valid JSON." in run.log
    assert run.states == ['{"n": 1}']
    assert account.emails() == BOTH[:1]


@pytest.mark.parametrize("value", [b"NaN", b'"\xff"', b"[" * DEEP + b"]" * DEEP], ids=["NaN", "bytes", "deep"])
@pytest.mark.parametrize("stream", [b"others", b"a\\nb", b"\\ud800", b"\\\\"])
def test_an_unreadable_record_of_a_stream_without_schema_ends_the_run(
    account: Account, stream: bytes, value: bytes
) -> None:
    run = account.run(
        PEOPLE, ADA, b'{"type": "RECORD", "stream": "' + stream + b'", "record": {"a": ' + value + b"}}\n"
    )
    assert run.exit_code == 1
    assert "which has no SCHEMA yet" in run.log
    assert account.emails() == BOTH[:1]


@pytest.mark.parametrize(
    ("line", "is_cut"),
    [
        (holding(b'"' + b"x" * (1 << 25) + b'"'), False),
        (holding(b"x" * (1 << 26)), True),
    ],
    ids=["a long record", "longer than the kept part"],
)
def test_a_record_of_a_line_too_long_is_rejected_alone(account: Account, line: bytes, *, is_cut: bool) -> None:
    assert (len(line) > 1 << 26) is is_cut
    run = account.run(PEOPLE, ADA, line, GRACE, state(1))
    assert run.exit_code == 0
    assert account.reasons() == [(3, "too_large")]
    assert account.rejected()[0]["message"] is None
    assert account.emails() == BOTH


@pytest.mark.parametrize("digits", [400, 4_300, 4_301, 100_000])
@pytest.mark.parametrize("field", ["first_name", "score", "since"])
def test_a_number_of_many_digits_costs_its_record_at_most(account: Account, digits: int, field: str) -> None:
    declared = schema(email="string", first_name=["string"], score="number", since={})
    declared["schema"]["properties"]["first_name"] = {}
    line = (
        f'{{"type": "RECORD", "stream": "people", "record": {{"email": "x@example.com", "{field}": {"9" * digits}}}}}'
    )
    account.sandbox.seed(fields={"score": "Number", "since": "Date"})
    run = account.run(declared, ADA, line, GRACE, state(1))
    assert run.exit_code == 0
    assert [line for line, _ in account.reasons()] == [3]
    assert run.states == ['{"n": 1}']
    assert account.emails() == BOTH


def test_the_last_of_two_equal_keys_counts(account: Account) -> None:
    line = '{"type": "RECORD", "stream": "people", "record": {"email": "x@example.com", "email": "ada@example.com"}}'
    assert account.run(PEOPLE, line).exit_code == 0
    assert account.emails() == BOTH[:1]


@pytest.mark.parametrize(
    "name", ["__proto__", "constructor", "_sdc_batched_at", "", ".", "a.b", "a b", '"', "'", "\\", "\0"]
)
def test_a_property_of_an_odd_name_can_be_mapped(account: Account, name: str) -> None:
    declared = schema(**{name: "string", "mail": "string"})
    values = {"mail": "ada@example.com", name: "Ada"}
    run = account.run(declared, record(**values), field_mapping={"email": "mail", "first_name": name})
    assert run.exit_code == 0, run.log
    assert [contact["first_name"] for contact in account.sandbox.contacts()] == ["Ada"]


def test_thousands_of_properties_do_no_harm(account: Account) -> None:
    names = [f"p{number}" for number in range(5_000)]
    declared = schema(email="string", **dict.fromkeys(names, "string"))
    run = account.run(declared, record(email="ada@example.com", **dict.fromkeys(names, "x")))
    assert run.exit_code == 0
    assert account.emails() == BOTH[:1]


@pytest.mark.parametrize(
    "expression",
    ["1 / 0", "int(first_name)", "first_name[99]", "record['none']", "first_name * 10**12", "2 ** 10**9", "float('x')"],
)
def test_a_stream_map_that_raises_anything_costs_one_record(account: Account, expression: str) -> None:
    good = record(email="grace@example.com", first_name="skip")
    maps = {"people": {"first_name": f"'Grace' if first_name == 'skip' else {expression}"}}
    run = account.run(PEOPLE, record(email="ada@example.com", first_name="Ada"), good, stream_maps=maps)
    assert run.exit_code == 0, run.log
    assert account.reasons() == [(2, "stream_map_failed")]
    assert account.emails() == BOTH[1:]


@pytest.mark.parametrize("depth", [100, 500, 900, 2_000, 10_000])
def test_depth_within_a_record_costs_the_record_at_most(account: Account, depth: int) -> None:
    inner: Any = {"$ref": "#/$defs/deep"}
    declared = schema(email="string", first_name=inner)
    declared["schema"]["$defs"] = {"deep": {"anyOf": [{"type": "string"}, {"type": "array", "items": inner}]}}
    lines = [holding(b"[" * depth + b'"x"' + b"]" * depth), holding(b"[" * depth + b"1" + b"]" * depth)]
    run = account.run(declared, ADA, *lines, GRACE)
    assert run.exit_code == 0
    assert {"ada@example.com", "grace@example.com"} <= set(account.emails())
    assert run.report["streams"]["people"]["received"] == 4
    assert (4, "schema_violation") in account.reasons() or (4, "unreadable") in account.reasons()


def test_the_file_of_rejected_records_stays_one_of_lines(account: Account) -> None:
    line = record(email="no\u2028address\x85")
    account.run(PEOPLE, line, holding(b'"\r"'), holding(b'"\xff"'))
    assert [json.loads(entry)["line"] for entry in account.rejected_path.read_bytes().split(b"\n")[:-1]] == [2, 3, 4]
