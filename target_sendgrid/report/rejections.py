"""Rejected records: what each reason means, the file they go to, and how many a run bears."""

from __future__ import annotations

import errno
import logging
import os
import stat
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from target_sendgrid.errors import LocalFileError, Reason, TooManyRejectedError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from target_sendgrid.origin import Origin

log = logging.getLogger("target-sendgrid.report")

MEANINGS: Mapping[Reason, str] = {
    Reason.SCHEMA_VIOLATION: "The record does not match the schema that the tap sent for its stream.",
    Reason.MISSING_KEY_PROPERTY: "The record lacks a key property of its stream.",
    Reason.NOT_AN_OBJECT: "The record, or a line of a batch file, is not a JSON object.",
    Reason.UNREADABLE: "The record is no JSON: broken characters, NaN, a number out of range, or nested too deeply.",
    Reason.STREAM_MAP_FAILED: "A stream map expression could not be computed on the record.",
    Reason.NO_IDENTIFIER: "The email, and every other mapped identifier, is empty.",
    Reason.INVALID_EMAIL: "The value mapped to an email field can't be an email address.",
    Reason.TOO_LONG: "A value is longer than SendGrid takes for its field.",
    Reason.TOO_MANY_ITEMS: "More than five alternate email addresses.",
    Reason.NOT_A_NUMBER: "A value mapped to a number field is neither a number nor a numeric text.",
    Reason.NOT_A_DATE: "A value mapped to a date field is not an ISO date or date-time.",
    Reason.TOO_LARGE: "The contact alone is larger than `batch_size_bytes`.",
    Reason.REFUSED_BY_SENDGRID: "SendGrid refused the contact when it was sent.",
    Reason.FAILED_IN_JOB: "SendGrid's import job reported an error for the contact.",
    Reason.NOT_STORED: "SendGrid's import job ended, but the contact is not in the account.",
}

_NAMED_PER_REASON = 10


class Rejections:
    """Counts, names and keeps the rejected records of a run.

    Args:
        path: File that they are appended to; ``None`` keeps none.
        max_percent: Share of all records above which the run fails.
    """

    def __init__(self, path: str | None, max_percent: float) -> None:
        self.key_properties: dict[str, Sequence[str]] = {}
        """Names of each stream's key properties, for the file."""
        self.schemas: dict[str, bytes] = {}
        """The SCHEMA message that each stream's records came with, for the file."""
        self._max_percent = max_percent
        self._path = path
        self._descriptor = _open_private(path) if path else None
        self._is_flushed = True
        self._failure: LocalFileError | None = None
        """Why the file takes no more: it may end in half a line."""
        self._named: Counter[tuple[str, Reason]] = Counter()

    @property
    def keeps_records(self) -> bool:
        """Whether origins must hold their messages."""
        return self._descriptor is not None

    def add(self, origin: Origin, reason: Reason, sentence: str, sendgrid_message: str | None = None) -> None:
        """Name a rejected record in the log, without its values, and keep it in the file.

        Args:
            origin: Where it came from.
            reason: Its reason code.
            sentence: What is wrong, without values.
            sendgrid_message: SendGrid's own words, which may quote values: they go to the file only.

        Raises:
            LocalFileError: The file can't be written.
        """
        self._named[origin.stream, reason] += 1
        named = self._named[origin.stream, reason]
        if named <= _NAMED_PER_REASON:
            more = " More of this kind are counted, not named." if named == _NAMED_PER_REASON else ""
            log.warning("Rejected: %s: %s: %s%s", origin, reason.value, sentence, more)
        if self._descriptor is not None:
            is_text = reason is Reason.UNREADABLE  # which no JSON can carry on
            entry: dict[str, object] = {
                "stream": origin.stream,
                "line": origin.line,
                "file_line": origin.file_line or None,
                "key_properties": list(self.key_properties.get(origin.stream, ())),
                "reason": reason.value,
                "sentence": sentence,
                "sendgrid_message": sendgrid_message,
                "schema": msgspec.Raw(self.schemas.get(origin.stream, b"null")),
                "message": None if origin.message is None or is_text else msgspec.Raw(origin.message),
            }
            if origin.message is not None and is_text:
                entry["text"] = origin.message.decode(errors="backslashreplace")
            self._append(msgspec.json.encode(entry) + b"\n")

    def flush(self) -> None:
        """Make sure that what was rejected survives a crash, before a state passes it.

        Raises:
            LocalFileError: The disk does not take it.
        """
        if self._descriptor is not None and not self._is_flushed:
            try:
                os.fsync(self._descriptor)
            except OSError as error:
                raise self._file_error(error) from None
            self._is_flushed = True

    def close(self) -> None:
        """Close the file."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def check(self, rejected: int, received: int) -> None:
        """Judge the run's share of rejected records.

        Raises:
            TooManyRejectedError: It is above the limit.
        """
        percent = 100 * rejected / received if received else 0.0
        if percent <= self._max_percent:
            return
        others = "The others were sent." if rejected < received else "Check the field mapping first."
        where = f"See {self._path}." if self._path else "Set `rejected_records_path` to keep them in a file."
        message = (
            f"{rejected} of {received} records were rejected ({percent:.1f} %), more than `max_rejected_percent`"
            f" ({self._max_percent:g} %) allows. {others} {where}"
        )
        raise TooManyRejectedError(message)

    def _append(self, line: bytes) -> None:
        if self._failure is not None:
            raise self._failure
        self._is_flushed = False
        view = memoryview(line)
        try:
            while view and self._descriptor is not None:
                view = view[os.write(self._descriptor, view) :]
        except OSError as error:
            self._failure = self._file_error(error)
            raise self._failure from None

    def _file_error(self, error: OSError) -> LocalFileError:
        return LocalFileError(f"Rejected records can't be written to {self._path}: {error.strerror}.")


def _open_private(path: str) -> int:
    """Open a file for appending that only its owner may read; an existing file is closed to others.

    Raises:
        LocalFileError: The file can't be opened, or is no plain file of ours.
    """
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    try:
        descriptor = os.open(Path(path).expanduser(), flags, 0o600)
    except (OSError, ValueError, RuntimeError) as error:  # a null byte is a ValueError, an unknown home a RuntimeError
        message = f"`rejected_records_path`: {path} can't be opened for appending: {_words(error)}."
        raise LocalFileError(message) from None
    try:
        _make_private(descriptor)
    except OSError as error:
        os.close(descriptor)
        message = f"`rejected_records_path`: {path} can't be used: {_words(error)}."
        raise LocalFileError(message) from None
    return descriptor


def _make_private(descriptor: int) -> None:
    """Close a file to others, and end the line that a run may have left half written.

    Raises:
        OSError: It is no plain file, or not ours.
    """
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "it is not a plain file")
    os.fchmod(descriptor, 0o600)
    if status.st_size and os.pread(descriptor, 1, status.st_size - 1) != b"\n":
        os.write(descriptor, b"\n")


def _words(error: Exception) -> str:
    return (isinstance(error, OSError) and error.strerror) or str(error).rstrip(".")
