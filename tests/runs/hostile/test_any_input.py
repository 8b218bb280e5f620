"""Whole runs on valid, odd and broken messages in any order. ``EXAMPLES=10000 pytest`` tries new ones."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any, NamedTuple

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.harness.messages import PEOPLE, record, schema, singer, state

if TYPE_CHECKING:
    from tests.harness.account import Account
    from tests.harness.runs import Finished

MARKER = "zaphod"
_SHARED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])

# JSON as text, since Python has no values for some of it

_numbers = st.one_of(
    st.integers().map(str),
    st.integers(1, 5_000).map(lambda digits: "9" * digits),
    st.sampled_from(["-0", "0.0", "1.50", "1e400", "-1E-999", "1e99999999999999999999", "9007199254740993.0", "NaN"]),
    st.decimals(allow_nan=False, allow_infinity=False).map(str),
)
_strings = st.one_of(
    st.text(),
    st.text(st.characters(codec="ascii"), min_size=40, max_size=300),
    st.sampled_from(["a@b", " Ada@Example.com ", "é@example.com", "2024-02-29", "2024-02-30T24:00:00Z", "1_0", "0x1"]),
    st.sampled_from(["9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+01:00", "\0", "\x85", "😀" * 50, "١٢"]),
    st.integers(990, 1_010).map(lambda length: "é" * length),
).map(json.dumps)
_values = st.recursive(
    st.sampled_from(["null", "true", "false", '""', "[]", "{}", '"\\ud800"']) | _numbers | _strings,
    lambda inner: st.one_of(
        st.lists(inner, max_size=7).map(lambda items: f"[{','.join(items)}]"),
        st.lists(st.tuples(_strings, inner), max_size=3).map(
            lambda items: "{" + ",".join(f"{name}:{value}" for name, value in items) + "}"
        ),
    ),
    max_leaves=8,
)


class Line(NamedTuple):
    """A line of standard input."""

    content: bytes
    email: str | None = None
    """Address that is in the account once the line is settled."""
    is_broken: bool = False
    """Whether the line may have values in the place of names."""


def _marked(text: str) -> str:
    return json.dumps(f"{MARKER} {text}")


_emails = st.integers(0, 20).map(lambda number: f"{MARKER}{number}@example.com")
_names = st.sampled_from(["people", "others", "", "../../x", "__proto__", "a.b", "é", "a\nb"])
_good = _emails.map(lambda email: Line(singer(record(email=email, first_name=MARKER)), email))
_states = st.integers(0, 99).map(state).map(singer).map(Line)


def _raw_record(stream: str, name: str, value: str) -> Line:
    values = f'{{"email": {_marked("x")}, {name}: {value}}}'
    return Line(f'{{"type": "RECORD", "stream": {json.dumps(stream)}, "record": {values}}}\n'.encode())


_odd_records = st.builds(
    _raw_record,
    _names,
    st.sampled_from(['"email"', '"first_name"', '"x"', '""', '"__proto__"', '"_sdc_deleted_at"']),
    _values,
)
_no_objects = st.builds(
    lambda value: Line(f'{{"type": "RECORD", "stream": "people", "record": {value}}}\n'.encode()), _values
)
_schemas = st.builds(
    lambda stream, name, inner, keys: Line(
        singer(
            {
                "type": "SCHEMA",
                "stream": stream,
                "schema": {"properties": {"email": {}, name: inner}},
                "key_properties": keys,
            }
        )
    ),
    _names.filter("people".__ne__),
    st.sampled_from(["first_name", "x", "", "a.b"]),
    st.sampled_from(
        [{}, {"type": "string"}, {"type": "any"}, {"$ref": "#/none"}, {"$ref": "http://x.invalid"}, True, 7]
    ),
    st.sampled_from([[], ["email"], ["none"], None, "email", [7]]),
)
_batches = st.builds(
    lambda encoding, manifest: Line(
        singer({"type": "BATCH", "stream": "people", "encoding": encoding, "manifest": manifest})
    ),
    st.sampled_from([None, {}, {"format": "jsonl"}, {"format": "jsonl", "compression": []}]),
    st.sampled_from([None, [], [None], ["file:///none/at/all"], ["http://127.0.0.1:9/"]]),
)
_others = st.sampled_from(
    [
        b"\n",
        b"\r\n",
        b" ",
        b"null\n",
        b"[]\n",
        b"7\n",
        b'{"type": "ACTIVATE_VERSION", "stream": "people"}\n',
        b'{"type": 1}\n',
    ]
).map(Line)


@st.composite
def _broken(draw: st.DrawFn) -> Line:
    """Return a line with some bytes changed."""
    content = bytearray(draw(st.one_of(_good, _states, _odd_records, _schemas)).content)
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(content) - 1))
        content[place : place + draw(st.integers(0, 3))] = draw(st.binary(max_size=3))
        content = content or bytearray(b"\n")
    return Line(bytes(content), is_broken=True)


_lines = st.lists(
    st.one_of(_good, _good, _good, _states, _states, _odd_records, _no_objects, _schemas, _batches, _others, _broken()),
    min_size=1,
    max_size=15,
)


@_SHARED
@given(lines=_lines, batch_size_rows=st.integers(1, 5), null_handling=st.sampled_from(["omit", "clear"]))
def test_promises_hold_on_any_input(
    account: Account, lines: list[Line], batch_size_rows: int, null_handling: str
) -> None:
    account.reset()
    content = b"".join(line.content for line in lines)
    run = account.run(PEOPLE, content, batch_size_rows=batch_size_rows, null_handling=null_handling)
    account.sandbox.settle()
    if not any(line.is_broken for line in lines):
        assert MARKER not in run.log
        assert MARKER not in json.dumps(run.report)
    _assert_states_are_receipts(account, lines, run)
    assert len(account.rejected()) == sum(sum(stream["rejected"].values()) for stream in run.report["streams"].values())


@_SHARED
@given(lines=_lines, batch_size_rows=st.integers(1, 5))
def test_a_check_and_a_dry_run_only_read_and_foretell_a_run_on_any_input(
    account: Account, lines: list[Line], batch_size_rows: int
) -> None:
    account.reset()
    content = b"".join(line.content for line in lines)
    checked = account.check(PEOPLE, content)
    dry = account.run(PEOPLE, content, batch_size_rows=batch_size_rows, dry_run=True)
    account.check_only_reads()
    assert (dry.states, account.rejected_path.exists()) == ([], False)
    if not any(line.is_broken for line in lines):
        assert MARKER not in dry.log
        assert MARKER not in json.dumps(dry.report)
        assert MARKER not in str(checked.findings)
    run = account.run(PEOPLE, content, batch_size_rows=batch_size_rows)
    assert dry.exit_code == run.exit_code
    for name, stream in run.report["streams"].items():
        foretold = dry.report["streams"][name]
        assert foretold["received"] == stream["received"]
        assert foretold["rejected"].items() <= stream["rejected"].items()


def _assert_states_are_receipts(account: Account, lines: list[Line], run: Finished) -> None:
    """Check that the states that were written are some of those given, in order, and cover only settled records."""
    written = iter(run.states)
    awaited = next(written, None)
    due: list[str] = []
    settled = set(account.emails())
    for line in lines:
        if line.email:
            due.append(line.email)
        if awaited is not None and line.content == singer({"type": "STATE", "value": json.loads(awaited)}):
            awaited = next(written, None)
            assert settled.issuperset(due)
    if not any(line.is_broken for line in lines):
        assert awaited is None


_FIELDS = [
    "email",
    "first_name",
    "address_line_1",
    "postal_code",
    "phone_number",
    "alternate_emails",
    "note",
    "score",
    "since",
]


@_SHARED
@given(values=st.lists(_values, min_size=1, max_size=20), null_handling=st.sampled_from(["omit", "clear"]))
def test_any_value_in_any_field_is_taken_by_sendgrid_or_rejected(
    account: Account, values: list[str], null_handling: str
) -> None:
    account.reset()
    account.sandbox.seed(fields={"note": "Text", "score": "Number", "since": "Date"})
    anything: dict[str, Any] = {name: {} for name in _FIELDS}
    declared = schema(mail="string", **anything)
    mapping: dict[str, Any] = {"email": "mail"} | {name: name for name in _FIELDS if name != "email"}
    pairs = list(itertools.product(_FIELDS, values))
    records = [
        f'{{"mail": {value}}}' if name == "email" else f'{{"mail": "p{number}@example.com", "{name}": {value}}}'
        for number, (name, value) in enumerate(pairs)
    ]
    texts = [f'{{"type": "RECORD", "stream": "people", "record": {text}}}' for text in records]
    run = account.run(declared, *texts, state(1), field_mapping=mapping, null_handling=null_handling)
    assert run.exit_code == 0, run.log
    assert run.states == ['{"n": 1}']
    lines = dict(account.reasons())
    for line, ((name, value), text) in enumerate(zip(pairs, texts, strict=True), 2):
        reason = lines.get(line)
        is_address = "email" in name  # SendGrid itself decides about those
        assert is_address or reason not in {"refused_by_sendgrid", "failed_in_job", "not_stored"}, (name, value)
        assert name == "email" or reason or f"p{line - 2}@example.com" in account.emails(), text
