"""What can still be read of a line that is no strict JSON."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_sendgrid.singer.decoding import DECODE_ERRORS, decode_json, decode_readable_parts

HUGE = b"9" * 5_000


@pytest.mark.parametrize(
    ("line", "value", "paths"),
    [
        (b'{"a": NaN, "b": 1}', {"b": 1}, [("a",)]),
        (b'{"a": -Infinity, "b": "x"}', {"b": "x"}, [("a",)]),
        (b'{"a": 1e999, "b": 1.10}', {"a": Decimal("1e999"), "b": Decimal("1.10")}, []),
        (b'{"a": ' + HUGE + b', "b": 1}', {"b": 1}, [("a",)]),
        (b'{"a": "\\ud83d", "b": "\\ud83d\\ude00"}', {"b": "\U0001f600"}, [("a",)]),
        (b'{"a": "\xff", "b": "\xc3\xa9"}', {"b": "\u00e9"}, [("a",)]),
        (b'{"\xff": 1, "b": 2}', {"b": 2}, [("\udcff",)]),
        (b'{"o": {"a": NaN, "b": 1}}', {"o": {"b": 1}}, [("o", "a")]),
        (b'{"o": {"a": [{"b": NaN}, 1]}, "c": [1]}', {"o": {}, "c": [1]}, [("o", "a")]),
        (b'{"o": [{"\\udc00": 1}], "c": 2}', {"c": 2}, [("o",)]),
        (b'{"a": NaN, "a": 1}', {"a": 1}, []),
    ],
)
def test_what_can_be_read_is_kept_and_the_rest_is_named(line: bytes, value: object, paths: object) -> None:
    assert decode_readable_parts(line) == (value, paths)


@pytest.mark.parametrize(
    "line", [b"", b"{", b'{"a": 1} x', b"{'a': 1}", b'{"a": "\t"}', b"[" * 50_000, b'{"a": NaN' + b"]" * 3, b"\xff"]
)
def test_a_line_that_is_no_json_in_other_ways_has_no_readable_parts(line: bytes) -> None:
    assert decode_readable_parts(line) is None


_LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters())
_VALUES: st.SearchStrategy[Any] = st.recursive(
    _LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters()), inner, max_size=3)
)


@given(_VALUES)
def test_whatever_pythons_encoder_writes_is_read_like_strict_json_where_it_is_strict(value: object) -> None:
    line = json.dumps(value).encode()
    try:
        strict = decode_json(line)
    except DECODE_ERRORS:
        found = decode_readable_parts(line)
        assert found is not None
        assert found[1]
    else:
        assert decode_readable_parts(line) == (strict, [])
