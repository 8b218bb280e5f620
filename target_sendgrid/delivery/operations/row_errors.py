"""Which contacts SendGrid complains about: those that a refused request names, and those that an errors file names.

A refused request names contacts by index, in two spellings (seen in 2021 and 2024), or quotes their email, or names
nobody. The columns, order and encoding of errors files are undocumented, so a row belongs to the one contact whose
identifiers are among its cells; the other cells are the reason.
"""

from __future__ import annotations

import csv
import gzip
import io
import logging
import re
import zlib
from typing import TYPE_CHECKING

from target_sendgrid.errors import SendGridError
from target_sendgrid.sendgrid import contact
from target_sendgrid.sendgrid.fields import IDENTIFIERS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from target_sendgrid.delivery.job import Job
    from target_sendgrid.delivery.pending import Change
    from target_sendgrid.sendgrid.client import Client, JobStatus

log = logging.getLogger("target-sendgrid.delivery")

_INDEX = re.compile(r"contacts\[(\d{1,9})\]")
_QUOTED_EMAIL = re.compile(r"email '(.+?)' is not valid", re.DOTALL)
_UNKNOWN_FIELDS = re.compile(r"invalid custom field ids supplied - ([\w,-]+)")
_UNKNOWN_LIST = "invalid list id"

_GZIP_MAGIC = b"\x1f\x8b"
_MAX_FILE_BYTES = 64 * 1024 * 1024
"""Most bytes that are read of an unpacked errors file; 30,000 rows need a fraction of them."""

_MAX_REASON_LENGTH = 500


def refused_contacts(details: Sequence[tuple[str, str]], identities: Sequence[str]) -> dict[str, str]:
    """Return SendGrid's reason for each contact that a refused request names, by identity.

    Args:
        details: ``(field, message)`` pairs of the error response.
        identities: The people in the order of the request.
    """
    known = set(identities)
    refused: dict[str, str] = {}
    for path, message in details:
        index = _INDEX.search(path)
        if index and int(index[1]) < len(identities):
            refused[identities[int(index[1])]] = message
        else:
            refused.update(
                {email.lower(): message for email in _QUOTED_EMAIL.findall(message) if email.lower() in known}
            )
    return refused


def unknown_fields(details: Sequence[tuple[str, str]]) -> list[str]:
    """Return the ids of custom fields that SendGrid says it does not know, or not yet."""
    return [
        field_id
        for _, message in details
        for found in _UNKNOWN_FIELDS.findall(message)
        for field_id in found.split(",")
    ]


def is_about_lists(details: Sequence[tuple[str, str]]) -> bool:
    """Return whether SendGrid says that it does not know a list. Then no contact is at fault."""
    return any(path.startswith("list_ids") or _UNKNOWN_LIST in message for path, message in details)


def failed_in_job(client: Client, job: Job, status: JobStatus) -> dict[str, str]:
    """Download a finished job's errors file; return its reason for each contact of the job, by identity.

    The result is empty when there is no file or it can't be downloaded.
    """
    if not status.errors_url:
        return {}
    try:
        content = client.download(status.errors_url)
    except SendGridError as error:
        log.warning("The errors file of job %s can't be downloaded: %s", job.job_id, error)
        return {}
    return failed_contacts(content, job.changes())


def failed_contacts(content: bytes, changes: Mapping[str, Change]) -> dict[str, str]:
    """Return the reason for each contact that an errors file names, by identity.

    Args:
        content: The file as it was downloaded, plain or gzip.
        changes: The changes that were sent, by identity.

    Returns:
        The reasons; none when the file can't be read or names nobody that was sent.
    """
    try:
        content = _unpacked(content)
    except (OSError, EOFError, zlib.error):
        return {}
    text = io.TextIOWrapper(io.BytesIO(content), "utf-8-sig", "replace", newline="")
    exact: dict[str, set[str]] = {}
    folded: dict[str, set[str]] = {}
    for identity, change in changes.items():
        fields = contact.decode(change.contact)
        for value in (str(fields[kind]) for kind in IDENTIFIERS if kind in fields):
            exact.setdefault(value, set()).add(identity)
            folded.setdefault(value.lower(), set()).add(identity)
    failed: dict[str, str] = {}
    try:
        for row in csv.reader(text):
            cells = [cell.strip() for cell in row]
            named = set().union(*(exact.get(cell) or folded.get(cell.lower(), set()) for cell in cells))
            if len(named) == 1:  # a row that may mean several people names nobody: the caller looks them up
                reason = "; ".join(cell for cell in cells if cell and cell.lower() not in folded)
                failed[named.pop()] = reason[:_MAX_REASON_LENGTH]
    except csv.Error:
        pass  # the rows before count; the caller looks the other people up
    return failed


def _unpacked(content: bytes) -> bytes:
    if not content.startswith(_GZIP_MAGIC):
        return content
    with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
        return file.read(_MAX_FILE_BYTES)
