"""A state reaches standard output byte for byte as the tap wrote it, also where only Python takes it for JSON."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_sendgrid.singer.decoding import DECODE_ERRORS, decode_json, decode_python_state, decode_state
from tests.harness.account import PROCESS_SECONDS
from tests.harness.messages import PEOPLE, record, singer, state

if TYPE_CHECKING:
    from tests.harness.account import Account

ADA = record(email="ada@example.com")

VALUES = [
    '{"since": NaN}',
    '{"since": [Infinity, -Infinity]}',
    '{"name": "\\ud800"}',
    '{"name": "\\udc00 \\ud800x"}',
    '{"\\udfff": NaN, "b": "\\u00e9 é 😀 \\ud83d\\ude00 \\/"}',
    '{"n": ' + "7" * 5_000 + "}",
    '{"n": -' + "7" * 30 + ", " + '"m": 1' + "0" * 400 + "}",
    '{"b": 1, "a": 2, "b": 3}',
    '{"x": 1.0, "y": 1e400, "z": -0.0, "w": 1E+5, "v": 0.1000}',
    '{ "x" :  [ 1 , 2 ] }',
    '{"x": NaN ,  "y": { } }',
    '{"\x7f": "\u2028"}',
    "null",
    "NaN",
    "[]",
    '"\\ud800"',
    "7",
    "{}",
]
VALUE_IDS = [value[:25].encode("ascii", "backslashreplace").decode() for value in VALUES]

FORMS = [
    '{"type": "STATE", "value": %s}',
    '{"type":"STATE","value":%s}',
    '  { "value" : %s , "type" : "STATE" }\r',
    '{"type": "STATE", "value": {"old": 1}, "extra": {"value": NaN}, "value": %s}',
    '{"type": "STATE", "va\\u006cue": %s, "bookmark": "\\ud800"}',
]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("value", VALUES, ids=VALUE_IDS)
def test_a_state_is_written_as_the_tap_wrote_it(account: Account, value: str, form: str) -> None:
    run = account.run(PEOPLE, ADA, form % value)
    assert run.exit_code == 0, run.log
    assert run.states == [value] or value.count("\u2028")
    assert "\n".join(run.states).replace("\n", "\u2028") == value


PYTHON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=[]), max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(exclude_categories=[])), inner),
    max_leaves=8,
)


@given(value=PYTHON_VALUES, separators=st.sampled_from([(",", ":"), (" ,  ", " : ")]), is_ascii=st.booleans())
def test_any_state_that_python_writes_is_kept(value: object, separators: tuple[str, str], *, is_ascii: bool) -> None:
    text = json.dumps(value, separators=separators, ensure_ascii=is_ascii)
    other = json.dumps({"value": value, "type": "X"}, separators=separators)
    line = f'{{"a" :{other}, "value": {text} ,"type":"STATE","z":{other} }}'.encode(errors="replace")
    try:
        decode_json(line)
        assert decode_state(line) == text.encode(errors="replace")
    except DECODE_ERRORS:
        assert decode_python_state(line) == text.encode(errors="replace")


@pytest.mark.parametrize(
    "line",
    [
        b'{"type": "STATE", "value": {"a": NaN}',
        b'{"type": "STATE", "value": {"a": NaN}} x',
        b'{"type": "STATE", "value": {"a": NaN,}}',
        b'{"type": "STATE", "value": NaNs}',
        b'{"type": "STATE", "value": {"a": nan}}',
        b'{"type": "STATE", "value": {"a": "\xff"}}',
        b'{"type": "STATE", "value": {"a": NaN, "b": "\xed\xa0\x80"}}',
        b'{"type": "STATE", "value": {"a": NaN, "b": "\x01"}}',
        b'{"type": "STATE", "value": {"a": 01}}',
        b'{"type": "STATE", "value": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"type": "STATE", "valu": NaN}',
        b'[{"type": "STATE", "value": NaN}]',
    ],
    ids=lambda value: str(value)[:50],
)
def test_a_malformed_state_ends_the_run(account: Account, line: bytes) -> None:
    run = account.run(PEOPLE, ADA, state(1), line + b"\n", state(2))
    assert run.exit_code == 1
    assert "Line 4 of standard input is" in run.log
    assert run.states == ['{"n": 1}']
    assert account.emails() == ["ada@example.com"]


def test_states_are_bytes_in_any_locale(account: Account) -> None:
    encodings = {"LANG": "C", "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"}
    process = subprocess.run(
        account.command(),
        input=b"".join([singer(PEOPLE, ADA), *(FORMS[0].encode() % value.encode() + b"\n" for value in VALUES)]),
        capture_output=True, check=False, timeout=PROCESS_SECONDS, env=os.environ | encodings,
    )  # fmt: skip
    assert process.returncode == 0, process.stderr.decode()
    written = process.stdout.splitlines()
    assert written
    assert set(written) <= {value.encode() for value in VALUES}
    assert written[-1] == VALUES[-1].encode()
