"""Files of BATCH messages: their content as it comes from a local disk or from S3."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any, cast

from target_sendgrid.errors import InputError, TargetSendGridError, TerminatedError
from target_sendgrid.lines import CHUNK_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

_PLACES = frozenset({"file", "s3"})
"""Kinds of addresses that are opened; a tap must not be able to make the target call other machines."""

_COMPRESSIONS: Mapping[str, str | None] = {"None": None, "none": None, "gzip": "gzip"}


def batch_file_chunks(
    encoding: Mapping[str, Any], manifest: list[Any], line: int, wake: Callable[[], None]
) -> Iterator[bytes]:
    """Yield the lines of all files that a BATCH message lists, in chunks; a line never goes over into the next file.

    Args:
        encoding: The message's ``encoding``: JSONL, plain or gzip.
        manifest: The message's file addresses.
        line: Line of standard input that the message stands at, for errors.
        wake: Called before each chunk. May raise to end the reading.

    Raises:
        InputError: The encoding is unknown, or a file can't be read.
    """
    if encoding.get("format") != "jsonl" or str(encoding.get("compression")) not in _COMPRESSIONS:
        message = (
            f"The BATCH message at line {line} has an encoding that is not supported: only JSONL, plain or gzip, is."
        )
        raise InputError(message)
    compression = _COMPRESSIONS[str(encoding.get("compression"))]
    for number, address in enumerate(manifest, 1):
        if not isinstance(address, str) or address.partition("://")[0] not in _PLACES:
            message = f"File {number} of the BATCH message at line {line} has no file:// or s3:// address."
            raise InputError(message)
        try:
            with _opened(address, compression) as file:
                while chunk := file.read(CHUNK_BYTES):
                    wake()
                    yield chunk
            yield b"\n"
        except (TargetSendGridError, TerminatedError):  # what was woken ends the run
            raise
        except Exception as error:  # noqa: BLE001 - libraries for S3 raise what they like, and their texts tell anything
            message = (
                f"File {number} of the BATCH message at line {line} can't be read ({type(error).__name__}). Check that"
                " it exists and is whole; files on S3 need the extra `s3`: install `target-sendgrid[s3]`."
            )
            raise InputError(message) from None


def _opened(address: str, compression: str | None) -> AbstractContextManager[IO[bytes]]:
    # Imported here, since it takes a hundred milliseconds that runs without BATCH messages need not wait.
    import fsspec  # type: ignore[import-untyped]  # noqa: PLC0415 - it ships no types

    return cast("AbstractContextManager[IO[bytes]]", fsspec.open(address, "rb", compression=compression))
