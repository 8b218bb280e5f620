"""The file of rejected records: how it is opened for its owner only, appended to, and made to survive a crash."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from target_sendgrid.errors import LocalFileError
from target_sendgrid.wording import words_of

_FLAGS = os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
"""How the file is opened: never through a link, and without waiting for the reader of a pipe."""

_CHECK_PATH = "Check that the folder exists, and that the file is yours or new."


def check_rejected_records_path(path: str) -> None:
    """Check that rejected records can be appended to a file, without making it.

    Raises:
        LocalFileError: The file can't be opened, is not a plain file of ours, or can't be made.
    """
    try:
        file = Path(path).expanduser()
        try:
            descriptor = os.open(file, _FLAGS)
        except FileNotFoundError:
            if not file.parent.is_dir():
                raise
            if os.access(file.parent, os.W_OK | os.X_OK):
                return
            raise OSError(errno.EACCES, os.strerror(errno.EACCES)) from None
    except (OSError, ValueError, RuntimeError) as error:  # a null byte is a ValueError, an unknown home a RuntimeError
        raise _cannot_be_opened(path, error) from None
    try:
        status = os.fstat(descriptor)
        _check_plain(status)
        if os.geteuid() not in {0, status.st_uid}:
            raise OSError(errno.EPERM, os.strerror(errno.EPERM))  # noqa: TRY301 - as above
    except OSError as error:
        raise _cannot_be_used(path, error) from None
    finally:
        os.close(descriptor)


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
    try:
        descriptor = os.open(Path(path).expanduser(), _FLAGS | os.O_CREAT, 0o600)
    except (OSError, ValueError, RuntimeError) as error:  # as in `check_rejected_records_path`
        raise _cannot_be_opened(path, error) from None
    try:
        _make_private(descriptor)
    except OSError as error:
        os.close(descriptor)
        raise _cannot_be_used(path, error) from None
    return descriptor


def _cannot_be_opened(path: str, error: Exception) -> LocalFileError:
    what = f"`rejected_records_path`: {path} can't be opened for appending: {words_of(error)}."
    return LocalFileError(what, _CHECK_PATH)


def _cannot_be_used(path: str, error: OSError) -> LocalFileError:
    return LocalFileError(f"`rejected_records_path`: {path} can't be used: {words_of(error)}.", _CHECK_PATH)


def _check_plain(status: os.stat_result) -> None:
    """Check that a file is a plain one.

    Raises:
        OSError: It is a device, a pipe or a folder.
    """
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "it is not a plain file")


def _make_private(descriptor: int) -> None:
    """Close a file to others, and end the line that an earlier run may have left half written.

    Raises:
        OSError: It is not a plain file, or not ours.
    """
    status = os.fstat(descriptor)
    _check_plain(status)
    os.fchmod(descriptor, 0o600)
    if status.st_size and os.pread(descriptor, 1, status.st_size - 1) != b"\n":
        os.write(descriptor, b"\n")
