"""The file of rejected records: how it is opened for its owner only, appended to, and made to survive a crash."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from target_sendgrid.errors import LocalFileError
from target_sendgrid.wording import words_of

_CHECK_PATH = "Check that the folder exists, and that the file is yours or new."


class RejectedRecordsFile:
    """A file that lines are appended to.

    Args:
        path: The file; it is made where it is missing, and closed to everybody but its owner.

    Raises:
        LocalFileError: The file can't be opened, or is not a plain file of ours.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._descriptor = _open_private(path)
        self._is_flushed = True
        self._failure: LocalFileError | None = None
        """Error after which nothing more is appended: the file may end in half a line."""

    def append(self, line: bytes) -> None:
        """Append a line.

        Raises:
            LocalFileError: The line can't be written, or an earlier one could not.
        """
        if self._failure is not None:
            raise self._failure
        self._is_flushed = False
        view = memoryview(line)
        try:
            while view:
                view = view[os.write(self._descriptor, view) :]
        except OSError as error:
            self._failure = self._file_error(error)
            raise self._failure from None

    def flush(self) -> None:
        """Make sure that all lines survive a crash.

        Raises:
            LocalFileError: The disk does not take them.
        """
        if self._is_flushed:
            return
        try:
            os.fsync(self._descriptor)
        except OSError as error:
            raise self._file_error(error) from None
        self._is_flushed = True

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def _file_error(self, error: OSError) -> LocalFileError:
        return LocalFileError(f"Rejected records can't be written to {self._path}: {words_of(error)}.")


def _open_private(path: str) -> int:
    """Open a file for appending that only its owner may read; an existing file is closed to others.

    Raises:
        LocalFileError: The file can't be opened, or is not a plain file of ours.
    """
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    try:
        descriptor = os.open(Path(path).expanduser(), flags, 0o600)
    except (OSError, ValueError, RuntimeError) as error:  # a null byte is a ValueError, an unknown home a RuntimeError
        message = f"`rejected_records_path`: {path} can't be opened for appending: {words_of(error)}."
        raise LocalFileError(message, _CHECK_PATH) from None
    try:
        _make_private(descriptor)
    except OSError as error:
        os.close(descriptor)
        message = f"`rejected_records_path`: {path} can't be used: {words_of(error)}."
        raise LocalFileError(message, _CHECK_PATH) from None
    return descriptor


def _make_private(descriptor: int) -> None:
    """Close a file to others, and end the line that an earlier run may have left half written.

    Raises:
        OSError: It is not a plain file, or not ours.
    """
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "it is not a plain file")
    os.fchmod(descriptor, 0o600)
    if status.st_size and os.pread(descriptor, 1, status.st_size - 1) != b"\n":
        os.write(descriptor, b"\n")
