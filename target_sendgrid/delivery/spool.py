"""Contacts that SendGrid has accepted and not yet settled, kept outside the memory: they may have to be sent again.

SendGrid takes a minute or more over an import job and some 50,000 contacts a second: far more are under way than the
memory should hold. They go to files without a name, which vanish with the process, encrypted with a key that only the
process knows: nothing readable reaches the disk.
"""

from __future__ import annotations

import os
import tempfile
from typing import IO, TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

_NONCE_BYTES = 12


class SpooledFile(NamedTuple):
    """Something kept in a file of its own."""

    file: IO[bytes]
    sizes: list[int]
    """Bytes of each part, in order."""
    nonce: bytes
    tag: bytes
    """What shows whether the file holds what was written (AES-GCM)."""


class Spool:
    """Keeps bytes in temporary files, where ``TMPDIR`` says."""

    def __init__(self) -> None:
        # Imported here, since small runs need no spool, and the library takes 7 MB of memory.
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - as said above
        from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes  # noqa: PLC0415 - as said above

        self._invalid = InvalidTag
        key = algorithms.AES256(os.urandom(32))

        def cipher(nonce: bytes, tag: bytes | None = None) -> Cipher[modes.GCM]:
            return Cipher(key, modes.GCM(nonce, tag))

        self._make_cipher = cipher

    def keep(self, parts: Iterable[bytes]) -> SpooledFile:
        """Put parts of some content into a file, one after the other.

        Raises:
            OSError: The disk does not take it.
        """
        nonce = os.urandom(_NONCE_BYTES)
        encryptor = self._make_cipher(nonce).encryptor()
        file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - whoever takes the content back closes it
        try:
            sizes = [_write(file, encryptor.update(part)) for part in parts]
            encryptor.finalize()
        except BaseException:
            file.close()
            raise
        return SpooledFile(file, sizes, nonce, encryptor.tag)

    def take(self, spooled_file: SpooledFile) -> list[bytes]:
        """Return the parts of what was kept, and let go of its file.

        Raises:
            OSError: The file can't be read, or holds something else.
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


def _write(file: IO[bytes], content: bytes) -> int:
    """Write all of some content, and return its size."""
    view = memoryview(content)
    while view:
        view = view[file.write(view) :]
    return len(content)
