"""Temporary files for contacts whose import job has not ended: they may have to be sent again.

SendGrid takes a minute or more over an import job, and accepts some 50,000 contacts a second: far more contacts are
under way than memory should hold. They are written to files without a name, which vanish with the process, encrypted
with a key that only the process knows. So nothing readable reaches the disk.
"""

from __future__ import annotations

import logging
import os
import tempfile
from typing import IO, TYPE_CHECKING, NamedTuple

from target_sendgrid.wording import words_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from target_sendgrid.delivery.job import Job

log = logging.getLogger("target-sendgrid.delivery")

MAX_WAITING_BYTES = 4_000_000
"""Most request bytes whose contacts stay in memory while SendGrid works on them; more are moved to disk."""

_NONCE_BYTES = 12


class SpooledFile(NamedTuple):
    """Content that is kept in a temporary file of its own, in parts."""

    file: IO[bytes]
    sizes: list[int]
    """The size of each part in bytes, in order."""
    nonce: bytes
    tag: bytes
    """The AES-GCM tag, which shows whether the file still holds what was written."""


class Spool:
    """Keeps bytes in encrypted temporary files, in the folder that ``TMPDIR`` names."""

    def __init__(self) -> None:
        # Imported here because small runs need no spool, and the library takes 7 MB of memory.
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - as said above
        from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes  # noqa: PLC0415 - as said above

        self._invalid = InvalidTag
        key = algorithms.AES256(os.urandom(32))

        def cipher(nonce: bytes, tag: bytes | None = None) -> Cipher[modes.GCM]:
            return Cipher(key, modes.GCM(nonce, tag))

        self._make_cipher = cipher

    def keep(self, parts: Iterable[bytes]) -> SpooledFile:
        """Write the parts of some content to a new file, one after the other.

        Raises:
            OSError: The file can't be written.
        """
        nonce = os.urandom(_NONCE_BYTES)
        encryptor = self._make_cipher(nonce).encryptor()
        file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - `take` closes it
        try:
            sizes = [_write(file, encryptor.update(part)) for part in parts]
            encryptor.finalize()
        except BaseException:
            file.close()
            raise
        return SpooledFile(file, sizes, nonce, encryptor.tag)

    def take(self, spooled_file: SpooledFile) -> list[bytes]:
        """Return the parts that `keep` wrote, and close the file, which deletes it.

        Raises:
            OSError: The file can't be read, or was changed.
        """
        decryptor = self._make_cipher(spooled_file.nonce, spooled_file.tag).decryptor()
        with spooled_file.file as file:
            file.seek(0)
            parts = [decryptor.update(file.read(size)) for size in spooled_file.sizes]
        try:
            decryptor.finalize()
        except self._invalid as error:
            message = "a temporary file was cut short or changed"
            raise OSError(message) from error
        return parts


class Spooler:
    """Moves the contacts of jobs to disk while memory holds too many."""

    def __init__(self) -> None:
        self._spool: Spool | None = None
        self._can_spool = True

    def spool(self, jobs: Iterable[Job]) -> list[Job]:
        """Move the contacts of the first jobs to disk, until memory holds no more than `MAX_WAITING_BYTES`.

        Args:
            jobs: The jobs under way, oldest first.

        Returns:
            The jobs whose contacts were moved.
        """
        in_memory = [job for job in jobs if not job.is_spooled]
        excess = sum(job.last_request.byte_count for job in in_memory) - MAX_WAITING_BYTES
        moved: list[Job] = []
        for job in in_memory:
            if excess <= 0 or not self._can_spool:
                break
            try:
                self._spool = self._spool or Spool()
                job.spool(self._spool)
            except OSError as error:
                self._can_spool = False
                log.warning(
                    "Temporary files can't be written (%s): fewer contacts can be under way at a time. Set `TMPDIR` to"
                    " a folder with more room.",
                    words_of(error),
                )
                break
            moved.append(job)
            excess -= job.last_request.byte_count
        return moved


def _write(file: IO[bytes], content: bytes) -> int:
    """Write the whole content, and return its size in bytes."""
    view = memoryview(content)
    while view:
        view = view[file.write(view) :]
    return len(content)
