"""Errors files: what SendGrid's object store holds for the rows that a job turned down."""

from __future__ import annotations

import csv
import gzip
import io
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from target_sendgrid.sandbox.account.reserved import IDENTIFIERS

if TYPE_CHECKING:
    import sqlite3

    from target_sendgrid.sandbox.account.account import Account

MODES = {
    "missing": "the job names no errors file",
    "gone": "404 from the object store",
    "garbage": "bytes that are no CSV",
    "expired": "403 and XML, as after the link's expiry",
    "unknown_rows": "rows of people who were not in the request",
    "gzip": "compressed",
}
"""Ways in which a fault can break an errors file, with what becomes of the file."""

COLUMNS = ("email", "identifier", *IDENTIFIERS[1:], "row", "index", "error", "reason", "message")
"""Columns that the sandbox fills; others can be configured and stay empty. `row` counts from 1, `index` from 0."""

_EXPIRED = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n'
    b"<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"
)
_GONE = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n'
    b"<Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message></Error>"
)


@dataclass(frozen=True)
class Download:
    """An answer of the object store."""

    status: int
    content_type: str
    content: bytes


def keep(account: Account, job: int, made_at: float, errors: list[list[Any]]) -> None:
    """Store a job's row errors and the link to them."""
    if not errors:
        return
    account.store.run(
        "UPDATE jobs SET errors = ?, errors_signature = ?, errors_expire_at = ? WHERE number = ?",
        msgspec.json.encode(errors),
        secrets.token_hex(32),
        made_at + account.options.errors_file_expires_seconds,
        job,
    )


def url(job: sqlite3.Row, base_url: str) -> str:
    """Return the pre-signed link of a job's errors file."""
    expires = int(job["errors_expire_at"])
    return f"{base_url}/errors/{job['id']}?signature={job['errors_signature']}&expires={expires}"


def download(account: Account, job_id: str, signature: str, mode: str) -> Download:
    """Answer a request for an errors file. `mode` is one of `MODES`, or empty for an intact file."""
    job = account.store.row("SELECT * FROM jobs WHERE id = ? AND errors_signature = ?", job_id, signature)
    if job is None or mode == "gone":
        return Download(404, "application/xml", _GONE)
    if mode == "expired" or account.clock.now() >= job["errors_expire_at"]:
        return Download(403, "application/xml", _EXPIRED)
    if mode == "garbage":
        return Download(200, "text/csv", b"\x00\xff\xfe not a table \x00")
    rows: list[list[Any]] = msgspec.json.decode(job["errors"])
    if mode == "unknown_rows":
        rows = [[row[0], f"nobody{row[0]}@unknown.example", None, None, None, row[-1]] for row in rows]
    content = _csv(account.options.errors_file_columns, rows)
    if account.options.errors_file_gzip or mode == "gzip":
        return Download(200, "application/gzip", gzip.compress(content, mtime=0))
    return Download(200, "text/csv", content)


def _csv(columns: tuple[str, ...], rows: list[list[Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(columns)
    for index, *identifiers, reason in rows:
        values = dict(zip(IDENTIFIERS, identifiers, strict=True))
        values["identifier"] = next(filter(None, identifiers), "")
        # A contact without an email is named by another identifier.
        values["email"] = values["email"] or values["identifier"]
        values |= dict.fromkeys(("error", "reason", "message"), reason) | {"index": index, "row": index + 1}
        writer.writerow([values.get(column.lower(), "") for column in columns])
    return text.getvalue().encode()
