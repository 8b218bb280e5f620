"""Rows of Parquet files as JSON lines: every type, in any layout of the file."""

from __future__ import annotations

import datetime as dt
import io
import json
import math
import uuid
from decimal import Decimal
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]  # it ships no types
import pyarrow.parquet as pq  # type: ignore[import-untyped]  # it ships no types
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from target_sendgrid.singer.parquet import parquet_lines

UTC = dt.timezone.utc
MOMENT = dt.datetime(2024, 1, 5, 9, 34, 1, tzinfo=UTC)
PAIR = pa.struct([("key", pa.int64()), ("value", pa.string())])


def chunks(table: pa.Table, **options: Any) -> list[bytes]:
    file = io.BytesIO()
    pq.write_table(table, file, **options)
    return list(parquet_lines(file))


def lines(table: pa.Table, **options: Any) -> list[str]:
    return [line.decode() for line in b"".join(chunks(table, **options)).splitlines()]


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        (pa.int64(), 1, "1"),
        (pa.uint64(), 2**64 - 1, "18446744073709551615"),
        (pa.bool_(), False, "false"),
        (pa.float64(), 0.1, "0.1"),
        (pa.float64(), 5.0, "5.0"),
        (pa.float64(), math.nan, "null"),
        (pa.float64(), math.inf, "null"),
        (pa.float16(), 1.5, "1.5"),
        (pa.null(), None, "null"),
        (pa.string(), 'é "1"\n', r'"é \"1\"\n"'),
        (pa.large_string(), "", '""'),
        (pa.dictionary(pa.int32(), pa.string()), "gold", '"gold"'),
        (pa.dictionary(pa.int32(), pa.int64()), 7, "7"),
        (pa.binary(), b"\xff\x00", '"/wA="'),
        (pa.binary(3), b"abc", '"YWJj"'),
        (pa.uuid(), uuid.UUID(int=5).bytes, '"00000000-0000-0000-0000-000000000005"'),
        (pa.json_(), '{"a": 1}', r'"{\"a\": 1}"'),
        (pa.decimal128(38), Decimal(12345678901234567890123456789012345678), "12345678901234567890123456789012345678"),
        (pa.decimal128(9, 2), Decimal("1.50"), "1.50"),
        (pa.decimal256(76, 3), Decimal("-0.125"), "-0.125"),
        (pa.date32(), dt.date(2024, 2, 29), '"2024-02-29"'),
        (pa.timestamp("s", "UTC"), MOMENT, '"2024-01-05T09:34:01Z"'),
        (pa.timestamp("us", "UTC"), MOMENT.replace(microsecond=500), '"2024-01-05T09:34:01.0005Z"'),
        (pa.timestamp("us", "Europe/Berlin"), MOMENT, '"2024-01-05T09:34:01Z"'),
        (pa.timestamp("us", "+02:00"), MOMENT, '"2024-01-05T09:34:01Z"'),
        (pa.timestamp("us", "Nowhere/Land"), 0, '"1970-01-01T00:00:00Z"'),
        (pa.timestamp("ns"), 1, '"1970-01-01T00:00:00.000000001"'),
        (pa.timestamp("us"), dt.datetime(1, 1, 1), '"0001-01-01T00:00:00"'),  # noqa: DTZ001 - without a zone
        (pa.time32("s"), dt.time(12, 30), '"12:30:00"'),
        (pa.time64("us"), dt.time(12, 30), '"12:30:00"'),
        (pa.duration("ns"), 1_000_000_001, '"PT1S"'),
        (pa.list_(pa.date32()), [dt.date(2024, 1, 1), None], '["2024-01-01",null]'),
        (pa.large_list(pa.large_string()), [], "[]"),
        (pa.struct([("at", pa.timestamp("us", "UTC"))]), {"at": MOMENT}, '{"at":"2024-01-05T09:34:01Z"}'),
        (pa.map_(pa.string(), pa.int64()), [("a", 1), ("b", None)], '{"a":1,"b":null}'),
        (pa.map_(pa.string(), pa.int64()), [], "{}"),
        (pa.map_(pa.int64(), pa.string()), [(1, "x")], '[{"key":1,"value":"x"}]'),
        (pa.list_(PAIR), [None, {"key": 1, "value": None}], '[null,{"key":1,"value":null}]'),
    ],
    ids=str,
)
def test_a_value_and_a_null_become_json(kind: pa.DataType, value: object, text: str) -> None:
    table = pa.table({"x": pa.array([value, None, value], kind)})
    expected = [f'{{"x":{text}}}', '{"x":null}', f'{{"x":{text}}}']
    assert lines(table) == lines(table, row_group_size=1) == expected


def test_a_list_of_a_fixed_size_becomes_json() -> None:
    """Without a null beside it, since not all versions of pyarrow can write and read one."""
    assert lines(pa.table({"x": pa.array([[1, None]], pa.list_(pa.int64(), 2))})) == ['{"x":[1,null]}']


def test_a_date_outside_the_calendar_does_not_cost_its_row() -> None:
    infinity = pa.table({"x": pa.array([2**31 - 1], pa.date32()), "y": [1]})
    (row,) = lines(infinity)
    assert json.loads(row)["y"] == 1


def test_a_date_time_of_96_bits_keeps_its_century() -> None:
    table = pa.table({"x": [dt.datetime(9999, 12, 31)]})  # noqa: DTZ001 - without a zone
    assert lines(table, use_deprecated_int96_timestamps=True) == ['{"x":"9999-12-31T00:00:00"}']


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"row_group_size": 777},
        {"use_dictionary": False},
        {"store_schema": False},
        {"data_page_version": "2.0", "data_page_size": 100},
        {"compression": "gzip"},
        {"compression": "zstd", "write_page_checksum": True},
    ],
    ids=str,
)
def test_rows_keep_their_order_in_any_layout(options: dict[str, Any]) -> None:
    people = [
        {"n": n, "tier": ("gold", "", None)[n % 3], "l": [n] * (n % 4) if n % 5 else None, "o": {"p": [{"q": n}]}}
        for n in range(3_000)
    ]
    assert [json.loads(line) for line in lines(pa.Table.from_pylist(people), **options)] == people


_scalars = st.none() | st.integers(-(2**63), 2**63 - 1)
_rows = st.fixed_dictionaries(
    {
        "text": st.none() | st.text(),
        "list": st.none() | st.lists(_scalars),
        "object": st.none() | st.fixed_dictionaries({"a": _scalars, "b": st.none() | st.lists(st.none() | st.text())}),
    }
)


@example([{"text": "\x85\u2028", "list": None, "object": None}], 1)
@given(st.lists(_rows, min_size=1), st.integers(1, 5))
def test_rows_come_out_as_they_were_written(rows: list[dict[str, Any]], row_group_size: int) -> None:
    numbers, texts = pa.list_(pa.int64()), pa.list_(pa.string())
    kinds = [("text", pa.string()), ("list", numbers), ("object", pa.struct([("a", pa.int64()), ("b", texts)]))]
    table = pa.Table.from_pylist(rows, pa.schema(kinds))
    assert [json.loads(line) for line in lines(table, row_group_size=row_group_size)] == rows


def test_a_row_with_broken_characters_costs_no_other_row() -> None:
    texts = pa.array([b"a", b"\xff", b"c"]).view(pa.string())
    assert [line[:2] for line in lines(pa.table({"x": texts}))] == ['{"', "A ", '{"']


@pytest.mark.parametrize("store_schema", [True, False])
def test_a_long_text_that_repeats_in_every_row_is_copied_for_few_rows_at_a_time(*, store_schema: bool) -> None:
    column = pa.DictionaryArray.from_arrays(pa.array([0] * 5_000, pa.int32()), ["x" * 20_000])
    assert_flat(pa.table({"x": column}), store_schema=store_schema)


def test_long_rows_are_read_a_few_at_a_time() -> None:
    table = pa.table({"x": [f"{number}" + "x" * 200_000 for number in range(500)]})
    assert_flat(table, use_dictionary=False, write_batch_size=1)


def assert_flat(table: pa.Table, **options: Any) -> None:
    """Check that a file of a hundred megabytes is never in memory as a whole."""
    file = io.BytesIO()
    pq.write_table(table, file, **options)
    before = pa.total_allocated_bytes()
    sizes = [(len(chunk), pa.total_allocated_bytes() - before) for chunk in parquet_lines(file)]
    assert sum(size for size, _ in sizes) >= 100_000_000
    assert max(size for size, _ in sizes) < 5_000_000
    assert max(allocated for _, allocated in sizes) < 60_000_000
