"""The lock of a mirrored list: two runs on one machine must not both take off it who was not in theirs."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from target_sendgrid.errors import ConfigError, LocalFileError, Problem
from target_sendgrid.wording import words_of

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def list_lock(base_url: str, list_id: str, label: str, folder: Path | None = None) -> Iterator[None]:
    """Hold the lock of a list.

    The system frees the lock when the process ends, however it ends, so no lock is ever left behind. Its file stays:
    another process may have opened it in the meantime, and would then lock a file that nobody else can see.

    Args:
        base_url: Address of the API: lists of other regions are other lists.
        list_id: The list.
        label: Names the list in sentences, in quotes.
        folder: Where lock files are; by default the system's folder for temporary files, which all users share.

    Raises:
        ConfigError: Another run on this machine holds the lock.
        LocalFileError: The file can't be opened, or the disk of the folder knows no locks.
    """
    digest = hashlib.sha256(f"{base_url} {list_id}".encode()).hexdigest()
    path = (folder or Path(tempfile.gettempdir())) / f"target-sendgrid-{digest[:32]}.lock"
    try:
        number = _opened(path)
    except OSError as error:
        raise _unusable(path, label, error) from None
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(number)
        what = (
            f"Another run on this machine mirrors the list {label}, and each would take off who is in the other alone."
        )
        next_step = f"Wait until it has ended, and run again. `fuser {path}` shows its process."
        raise ConfigError(Problem(what, next_step)) from None
    except OSError as error:
        os.close(number)
        raise _unusable(path, label, error) from None
    try:
        yield
    finally:
        os.close(number)


def _opened(path: Path) -> int:
    """Open a lock file for reading, which is enough for a lock, and make it if it is missing.

    In a folder of all users, Linux lets nobody open the file of somebody else with `O_CREAT`. `O_NONBLOCK` is for a
    pipe in its place, which would wait for a writer.
    """
    with contextlib.suppress(FileExistsError):
        made = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        os.fchmod(made, 0o444)  # whatever the umask is, other users must be able to read it
        os.close(made)
    return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)


def _unusable(path: Path, label: str, error: OSError) -> LocalFileError:
    return LocalFileError(
        f"The list {label} can't be locked for this run: {path}: {words_of(error)}.",
        "Set the variable TMPDIR to a folder that this user can write to.",
    )
