"""Files of BATCH messages: their lines, one by one, from wherever the SDK can open them."""

from __future__ import annotations

import gzip
import zlib
from typing import IO, TYPE_CHECKING, Any, cast

# The SDK has no public name for reading batch files; tests hold these two to what is used here.
from singer_sdk.helpers._batch import BaseBatchFileEncoding, StorageTarget

from target_sendgrid.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def batch_file_lines(encoding: Mapping[str, Any], manifest: list[str], line: int) -> Iterator[bytes]:
    """Yield the lines of all files that a BATCH message lists.

    Args:
        encoding: The message's ``encoding``: JSONL, plain or gzip.
        manifest: The message's file addresses.
        line: Line of standard input that the message stands at, for errors.

    Raises:
        InputError: The encoding is unknown, or a file can't be read.
    """
    if encoding.get("format") != "jsonl" or encoding.get("compression") not in {None, "none", "gzip"}:
        message = (
            f"The BATCH message at line {line} has an encoding that is not supported: only JSONL, plain or gzip, is."
        )
        raise InputError(message)
    is_gzip = BaseBatchFileEncoding.from_dict(dict(encoding)).compression == "gzip"
    for number, address in enumerate(manifest, 1):
        try:
            yield from _lines_of(address, is_gzip=is_gzip)
        except (OSError, EOFError, ValueError, ImportError, zlib.error) as error:  # noqa: PERF203 - once a file
            message = (
                f"File {number} of the BATCH message at line {line} can't be read ({type(error).__name__}). Check that"
                " it exists and is whole; files on S3 need the extra `s3`: install `target-sendgrid[s3]`."
            )
            raise InputError(message) from None


def _lines_of(address: str, *, is_gzip: bool) -> Iterator[bytes]:
    folder, name = StorageTarget.split_url(address)
    with StorageTarget.from_url(folder).open(name, mode="rb") as file:
        yield from gzip.GzipFile(fileobj=cast("IO[bytes]", file)) if is_gzip else file
