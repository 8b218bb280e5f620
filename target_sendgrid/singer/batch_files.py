"""The files that BATCH messages list: reads their lines from a local disk or from S3."""

from __future__ import annotations

import gzip
from functools import partial
from typing import IO, TYPE_CHECKING, Any, cast

from target_sendgrid.errors import Code, InputError, TargetSendGridError, TerminatedError
from target_sendgrid.singer.decoding import is_complete
from target_sendgrid.singer.lines import CHUNK_BYTES, MAX_LINE_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

_SCHEMES = frozenset({"file", "s3"})
"""URL schemes that are opened. A tap must not be able to make the target connect to other machines."""

_COMPRESSIONS = (None, "None", "none", "gzip")
"""Supported values of ``compression`` for JSONL files. A Parquet file states its own compression."""

_KEPT_END_BYTES = 8
"""Bytes kept of the end of a line that is too long: enough for the last bracket, a carriage return and blanks."""

_GZIP_START = b"\x1f\x8b"
"""First bytes of every gzip file."""


class _CutOffError(Exception):
    """A file ends in the middle of a record."""


def batch_file_chunks(
    encoding: Mapping[str, Any], manifest: list[Any], line: int, on_idle: Callable[[], None]
) -> Iterator[bytes]:
    """Yield the lines of all files that a BATCH message lists, in chunks. No line continues in the next file.

    Args:
        encoding: The ``encoding`` of the message: JSONL, plain or gzip, or Parquet.
        manifest: The ``manifest`` of the message: the addresses of the files.
        line: Line number of the message in standard input, for errors.
        on_idle: Called before each chunk. May raise to end the reading.

    Raises:
        InputError: The encoding is not supported or needs an extra, or a file cannot be read or is cut off.
    """
    read = _reader(encoding, line)
    for number, address in enumerate(manifest, 1):
        if not isinstance(address, str) or address.partition("://")[0] not in _SCHEMES:
            message = f"File {number} of the BATCH message at line {line} has no file:// or s3:// address."
            raise InputError(message, code=Code.BATCH_FILE)
        try:
            for chunk in read(address):
                on_idle()
                yield chunk
        except _CutOffError:
            message = (
                f"File {number} of the BATCH message at line {line} ends in the middle of a record. The records before"
                " it are sent; fix the tap and run again."
            )
            raise InputError(message, code=Code.BATCH_FILE) from None
        except (TargetSendGridError, TerminatedError):  # raised by `on_idle`
            raise
        except Exception as error:  # noqa: BLE001 - libraries for S3 raise anything, and their texts may quote anything
            message = (
                f"File {number} of the BATCH message at line {line} can't be read ({type(error).__name__}). Check that"
                " it exists and is whole; files on S3 need the extra `s3`: install `target-sendgrid[s3]`."
            )
            raise InputError(message, code=Code.BATCH_FILE) from None


def _reader(encoding: Mapping[str, Any], line: int) -> Callable[[str], Iterator[bytes]]:
    """Return the function that reads a file of that encoding, given its address."""
    file_format, compression = encoding.get("format"), encoding.get("compression")
    if file_format == "jsonl" and compression in _COMPRESSIONS:
        return partial(_read_jsonl, is_compressed=compression == "gzip")
    if file_format != "parquet" or not (compression is None or isinstance(compression, str)):
        message = (
            f"The BATCH message at line {line} has an encoding that is not supported: only JSONL, plain or gzip, and"
            " Parquet are."
        )
        raise InputError(message, code=Code.BATCH_FILE)
    try:
        from target_sendgrid.singer.parquet import parquet_lines  # noqa: PLC0415 - an extra that few runs need
    except ImportError:
        message = (
            f"The BATCH message at line {line} lists Parquet files, which need the extra `parquet`: install"
            " `target-sendgrid[parquet]`."
        )
        raise InputError(message, code=Code.BATCH_FILE) from None
    return partial(_read_parquet, parquet_lines)


def _read_jsonl(address: str, *, is_compressed: bool) -> Iterator[bytes]:
    with _open(address) as file:
        # The SDK's own writer always compresses files, whatever its message says.
        start = file.read(len(_GZIP_START))
        if is_compressed and not start:
            raise _CutOffError  # every gzip file has a header, but Python reads an empty file without an error
        is_compressed = start == _GZIP_START or is_compressed
        file.seek(0)
        content = cast("IO[bytes]", gzip.GzipFile(fileobj=file)) if is_compressed else file
        last_line = bytearray()
        while chunk := content.read(CHUNK_BYTES):
            yield chunk
            line_end = chunk.rfind(b"\n")
            if line_end >= 0:
                last_line.clear()
            last_line += chunk[line_end + 1 :]
            del last_line[MAX_LINE_BYTES + 1 : -_KEPT_END_BYTES]  # only the end of a line that is too long is looked at
    if not is_complete(bytes(last_line)):
        raise _CutOffError
    yield b"\n"


def _read_parquet(parquet_lines: Callable[[IO[bytes]], Iterator[bytes]], address: str) -> Iterator[bytes]:
    # Parquet is read column by column, so a cache that reads ahead would fetch the same bytes from S3 again and again.
    with _open(address, default_cache_type="none") as file:
        yield from parquet_lines(file)


def _open(address: str, **options: str) -> AbstractContextManager[IO[bytes]]:
    import fsspec  # type: ignore[import-untyped]  # noqa: PLC0415 - it ships no types, and takes 100 ms to import

    return cast("AbstractContextManager[IO[bytes]]", fsspec.open(address, "rb", **options))
