"""Errors files: which contacts of an import job failed, and why.

Columns, order and encoding are undocumented, so nothing is taken for granted: a row belongs to the contact whose
identifier stands in one of its cells; its other cells are the reason.
"""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from typing import TYPE_CHECKING

from target_sendgrid import contact
from target_sendgrid.fields import IDENTIFIERS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_sendgrid.contact import Entry

_GZIP_MAGIC = b"\x1f\x8b"
_MAX_FILE_BYTES = 256 * 1024 * 1024
_MAX_REASON_LENGTH = 500


def failed_contacts(content: bytes, entries: Mapping[str, Entry]) -> dict[str, str]:
    """Return SendGrid's reason for each contact that an errors file names.

    Args:
        content: The file as it was downloaded, plain or gzip.
        entries: The contacts that were sent, by identity.

    Returns:
        Reason by identity; empty when the file can't be read or names nobody that was sent.
    """
    text = _text(content)
    if text is None:
        return {}
    identities: dict[str, str] = {}
    for identity, entry in entries.items():
        fields = contact.decode(entry.contact)
        identities.update({str(fields[kind]).lower(): identity for kind in IDENTIFIERS if kind in fields})
    failed: dict[str, str] = {}
    try:
        for row in csv.reader(io.StringIO(text, newline="")):
            cells = [cell.strip() for cell in row]
            named = next((cell for cell in cells if cell.lower() in identities), None)
            if named is not None:
                reason = "; ".join(cell for cell in cells if cell and cell != named)
                failed[identities[named.lower()]] = reason[:_MAX_REASON_LENGTH]
    except csv.Error:
        pass  # what was read so far stands; the caller looks the others up
    return failed


def _text(content: bytes) -> str | None:
    if content.startswith(_GZIP_MAGIC):
        try:
            with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
                content = file.read(_MAX_FILE_BYTES)
        except (OSError, EOFError, zlib.error):
            return None
    return content.decode("utf-8-sig", errors="replace")
