"""Conversion of Parquet rows to the lines that a JSONL file would have. Needs the extra `parquet`."""

from __future__ import annotations

import itertools
from typing import IO, TYPE_CHECKING, Any

import msgspec
import pyarrow as pa  # type: ignore[import-untyped]  # it ships no types
import pyarrow.compute as pc  # type: ignore[import-untyped]  # it ships no types
import pyarrow.parquet as pq  # type: ignore[import-untyped]  # it ships no types

if TYPE_CHECKING:
    from collections.abc import Iterator

_MAX_ROWS = 1_000
"""Most rows read at a time. More are not faster, and a text that the file has once may repeat in each row."""

_BATCH_BYTES = 1 << 22
"""Most bytes of rows that are read and converted at a time, by the sizes that the file states."""

_BUFFER_BYTES = 1 << 20
"""Bytes of each column read at a time. On S3, this is one request."""

_BROKEN_ROW = b"A text of this row has broken characters.\n"
"""Line for a row that cannot be written as JSON. It is rejected, as is any line that is not JSON."""

_encoder = msgspec.json.Encoder(decimal_format="number")


def parquet_lines(file: IO[bytes]) -> Iterator[bytes]:
    """Yield a JSON object and a line end for each row, many rows at a time.

    Dates and times become ISO texts, in UTC if they have a time zone. Decimals become numbers with the same digits.
    Maps become objects if their keys are texts, else arrays of ``key`` and ``value``. Bytes become Base64. Numbers that
    JSON does not have (NaN, infinities) become null, as in the SDK's own JSONL files.

    Raises:
        Exception: The file is broken. PyArrow documents no classes for this.
    """
    parquet = pq.ParquetFile(
        file,
        buffer_size=_BUFFER_BYTES,
        pre_buffer=False,
        coerce_int96_timestamp_unit="us",  # nanoseconds would end in the year 2262
        page_checksum_verification=True,
    )
    for number in range(parquet.num_row_groups):
        group = parquet.metadata.row_group(number)
        rows = _BATCH_BYTES * group.num_rows // max(1, group.total_byte_size)
        batch_size = min(max(1, rows), _MAX_ROWS)
        for batch in parquet.iter_batches(batch_size, row_groups=[number], use_threads=False):
            columns = [_without_dictionary(column) for column in batch.columns]
            yield from _lines(pa.StructArray.from_arrays(columns, batch.schema.names))


def _lines(rows: pa.StructArray) -> Iterator[bytes]:
    if len(rows) > 1 and rows.nbytes > _BATCH_BYTES:
        yield from _lines_of_halves(rows)
        return
    try:
        lines = _encoder.encode_lines(_values(rows))
    except UnicodeDecodeError:
        if len(rows) == 1:
            yield _BROKEN_ROW
        else:
            yield from _lines_of_halves(rows)
        return
    yield lines


def _lines_of_halves(rows: pa.StructArray) -> Iterator[bytes]:
    half = len(rows) // 2
    yield from _lines(rows[:half])
    yield from _lines(rows[half:])


def _without_dictionary(array: pa.Array) -> pa.Array:
    """Return an array without dictionary, so that its size is the size of its values."""
    return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array


def _values(array: pa.Array) -> list[Any]:
    """Return the values of an array for msgspec to encode. By column, this is many times faster than by value."""
    array = _without_dictionary(array)
    kind = array.type
    if isinstance(kind, pa.BaseExtensionType) and not isinstance(kind, pa.UuidType):
        return _values(array.storage)
    if pa.types.is_struct(kind):
        return _objects(array)
    if pa.types.is_map(kind):
        return _maps(array)
    if pa.types.is_nested(kind):
        return _lists(array)
    if pa.types.is_temporal(kind):
        array = _moments(array)
    values: list[Any] = array.to_pylist()
    return values


def _objects(array: pa.StructArray) -> list[Any]:
    names = [field.name for field in array.type]
    columns = [_values(column) for column in array.flatten()]
    objects = [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
    if not array.null_count:
        return objects
    return [value if is_valid else None for value, is_valid in zip(objects, array.is_valid().to_pylist(), strict=True)]


def _lists(array: pa.Array) -> list[Any]:
    values = iter(_values(array.flatten()))
    lengths = pc.list_value_length(array).to_pylist()
    return [None if length is None else list(itertools.islice(values, length)) for length in lengths]


def _maps(array: pa.MapArray) -> list[Any]:
    pair = pa.struct([("key", array.type.key_type), ("value", array.type.item_type)])
    maps = _values(array.cast(pa.list_(pair)))
    if not (pa.types.is_string(array.type.key_type) or pa.types.is_large_string(array.type.key_type)):
        return maps
    return [None if pairs is None else {pair["key"]: pair["value"] for pair in pairs} for pairs in maps]


def _moments(array: pa.Array) -> pa.Array:
    kind = array.type
    if pa.types.is_duration(kind):
        return array.cast(pa.duration("us"), safe=False)  # Python has no nanoseconds
    if pa.types.is_timestamp(kind):
        array = array.cast(pa.timestamp(kind.unit))  # converts it to UTC if it has a time zone
    text = array.cast(pa.string())
    if not pa.types.is_date(kind):  # all others are written with fractions of seconds
        text = pc.ascii_rtrim(pc.ascii_rtrim(text, "0"), ".")
    if not pa.types.is_timestamp(kind):
        return text
    text = pc.replace_substring(text, " ", "T", max_replacements=1)
    return pc.binary_join_element_wise(text, "Z", "") if kind.tz else text
