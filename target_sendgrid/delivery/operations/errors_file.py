"""Errors files: which contacts of an import job failed, and why.

Columns, order and encoding are undocumented, so nothing is taken for granted: a row belongs to the one contact whose
identifiers stand in its cells; its other cells are the reason.
"""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from typing import TYPE_CHECKING

from target_sendgrid.sendgrid import contact
from target_sendgrid.sendgrid.fields import IDENTIFIERS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_sendgrid.sendgrid.contact import Entry

_GZIP_MAGIC = b"\x1f\x8b"
_MAX_FILE_BYTES = 64 * 1024 * 1024
"""Of a compressed file more is not unpacked; 30,000 rows need a fraction of that."""

_MAX_REASON_LENGTH = 500


def failed_contacts(content: bytes, entries: Mapping[str, Entry]) -> dict[str, str]:
    """Return SendGrid's reason for each contact that an errors file names.

    Args:
        content: The file as it was downloaded, plain or gzip.
        entries: The contacts that were sent, by identity.

    Returns:
        Reason by identity; empty when the file can't be read or names nobody that was sent.
    """
    try:
        content = _unpacked(content)
    except (OSError, EOFError, zlib.error):
        return {}
    text = io.TextIOWrapper(io.BytesIO(content), "utf-8-sig", "replace", newline="")
    exact: dict[str, set[str]] = {}
    folded: dict[str, set[str]] = {}
    for identity, entry in entries.items():
        fields = contact.decode(entry.contact)
        for value in (str(fields[kind]) for kind in IDENTIFIERS if kind in fields):
            exact.setdefault(value, set()).add(identity)
            folded.setdefault(value.lower(), set()).add(identity)
    failed: dict[str, str] = {}
    try:
        for row in csv.reader(text):
            cells = [cell.strip() for cell in row]
            named = set().union(*(exact.get(cell) or folded.get(cell.lower(), set()) for cell in cells))
            if len(named) == 1:  # a row that could mean several is pinned on nobody: the caller looks them up
                reason = "; ".join(cell for cell in cells if cell and cell.lower() not in folded)
                failed[named.pop()] = reason[:_MAX_REASON_LENGTH]
    except csv.Error:
        pass  # what was read so far stands; the caller looks the others up
    return failed


def _unpacked(content: bytes) -> bytes:
    if not content.startswith(_GZIP_MAGIC):
        return content
    with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
        return file.read(_MAX_FILE_BYTES)
