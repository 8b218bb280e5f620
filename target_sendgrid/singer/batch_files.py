"""Files of BATCH messages: their content as it comes from a local disk or from S3."""

from __future__ import annotations

import gzip
from functools import partial
from typing import IO, TYPE_CHECKING, Any, cast

from target_sendgrid.errors import InputError, TargetSendGridError, TerminatedError
from target_sendgrid.singer.lines import CHUNK_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

_PLACES = frozenset({"file", "s3"})
"""Kinds of addresses that are opened; a tap must not be able to make the target call other machines."""

_COMPRESSIONS = (None, "None", "none", "gzip")
"""Of JSONL files. A Parquet file tells its own."""

_GZIP_START = b"\x1f\x8b"


def batch_file_chunks(
    encoding: Mapping[str, Any], manifest: list[Any], line: int, on_idle: Callable[[], None]
) -> Iterator[bytes]:
    """Yield the lines of all files that a BATCH message lists, in chunks; a line never goes over into the next file.

    Args:
        encoding: The message's ``encoding``: JSONL, plain or gzip, or Parquet.
        manifest: The message's file addresses.
        line: Line of standard input that the message stands at, for errors.
        on_idle: Called before each chunk. May raise to end the reading.

    Raises:
        InputError: The encoding is unknown or needs an extra, or a file can't be read.
    """
    read = _reader(encoding, line)
    for number, address in enumerate(manifest, 1):
        if not isinstance(address, str) or address.partition("://")[0] not in _PLACES:
            message = f"File {number} of the BATCH message at line {line} has no file:// or s3:// address."
            raise InputError(message)
        try:
            for chunk in read(address):
                on_idle()
                yield chunk
        except (TargetSendGridError, TerminatedError):  # what was woken ends the run
            raise
        except Exception as error:  # noqa: BLE001 - libraries for S3 raise what they like, and their texts tell anything
            message = (
                f"File {number} of the BATCH message at line {line} can't be read ({type(error).__name__}). Check that"
                " it exists and is whole; files on S3 need the extra `s3`: install `target-sendgrid[s3]`."
            )
            raise InputError(message) from None


def _reader(encoding: Mapping[str, Any], line: int) -> Callable[[str], Iterator[bytes]]:
    """Return what reads a file of that encoding, given its address."""
    file_format, compression = encoding.get("format"), encoding.get("compression")
    if file_format == "jsonl" and compression in _COMPRESSIONS:
        return partial(_read_jsonl, is_compressed=compression == "gzip")
    if file_format != "parquet" or not (compression is None or isinstance(compression, str)):
        message = (
            f"The BATCH message at line {line} has an encoding that is not supported: only JSONL, plain or gzip, and"
            " Parquet are."
        )
        raise InputError(message)
    try:
        from target_sendgrid.singer.parquet import parquet_lines  # noqa: PLC0415 - few runs need what it imports, or have it
    except ImportError:
        message = (
            f"The BATCH message at line {line} lists Parquet files, which need the extra `parquet`: install"
            " `target-sendgrid[parquet]`."
        )
        raise InputError(message) from None
    return partial(_read_parquet, parquet_lines)


def _read_jsonl(address: str, *, is_compressed: bool) -> Iterator[bytes]:
    with _opened(address) as file:
        # The SDK's own writer compresses files whatever its message says.
        is_compressed = file.read(len(_GZIP_START)) == _GZIP_START or is_compressed
        file.seek(0)
        content = cast("IO[bytes]", gzip.GzipFile(fileobj=file)) if is_compressed else file
        while chunk := content.read(CHUNK_BYTES):
            yield chunk
    yield b"\n"


def _read_parquet(parquet_lines: Callable[[IO[bytes]], Iterator[bytes]], address: str) -> Iterator[bytes]:
    # Columns are read by turns: S3 would fetch what comes after each, again and again.
    with _opened(address, default_cache_type="none") as file:
        yield from parquet_lines(file)


def _opened(address: str, **options: str) -> AbstractContextManager[IO[bytes]]:
    # Imported here, since it takes a hundred milliseconds that runs without BATCH messages need not wait.
    import fsspec  # type: ignore[import-untyped]  # noqa: PLC0415 - it ships no types

    return cast("AbstractContextManager[IO[bytes]]", fsspec.open(address, "rb", **options))
