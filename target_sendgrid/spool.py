"""Contacts that SendGrid has accepted and not yet settled, kept outside the memory: they may have to be sent again.

SendGrid takes a minute or more over an import job and some 50,000 contacts a second: far more are under way than the
memory should hold. They go to files without a name, which vanish with the process, encrypted with a key that only the
process knows: nothing readable reaches the disk.
"""

from __future__ import annotations

import os
import tempfile
from typing import IO, NamedTuple

_NONCE_BYTES = 12


class Spooled(NamedTuple):
    """Something kept in a file of its own."""

    file: IO[bytes]
    nonce: bytes


class Spool:
    """Keeps bytes in temporary files, where ``TMPDIR`` says."""

    def __init__(self) -> None:
        # Imported here, since small runs need no spool, and the library takes 7 MB of memory.
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - as said above
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - as said above

        self._invalid = InvalidTag
        self._cipher = AESGCM(AESGCM.generate_key(bit_length=256))

    def keep(self, content: bytes) -> Spooled:
        """Put content into a file.

        Raises:
            OSError: The disk does not take it.
        """
        nonce = os.urandom(_NONCE_BYTES)
        view = memoryview(self._cipher.encrypt(nonce, content, None))
        file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - whoever takes the content back closes it
        try:
            while view:
                view = view[file.write(view) :]
        except BaseException:
            file.close()
            raise
        return Spooled(file, nonce)

    def take(self, spooled: Spooled) -> bytes:
        """Return content, and let go of its file.

        Raises:
            OSError: The file can't be read, or holds something else.
        """
        with spooled.file as file:
            file.seek(0)
            content = file.read()
        try:
            return self._cipher.decrypt(spooled.nonce, content, None)
        except self._invalid as error:
            message = "a temporary file was changed"
            raise OSError(message) from error
