"""Errors files: what SendGrid's object store holds for the rows that a job turned down."""

from __future__ import annotations

import csv
import gzip
import hmac
import io
import secrets
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from target_sendgrid.sandbox.account.downloads import EXPIRED, NOT_FOUND, Download
from target_sendgrid.sandbox.account.reserved import IDENTIFIERS

if TYPE_CHECKING:
    import sqlite3

    from target_sendgrid.sandbox.account.account import Account

Mode = Literal[
    "", "missing", "gone", "garbage", "expired", "unknown_rows", "fewer_rows", "everybody", "empty", "commas", "gzip"
]

MODES: dict[Mode, str] = {
    "missing": "the job names no errors file",
    "gone": "404 from the object store",
    "garbage": "bytes that are no CSV",
    "expired": "403 and XML, as after the link's expiry",
    "unknown_rows": "rows of people who were not in the request",
    "fewer_rows": "the last row error is left out",
    "everybody": "a row for each contact of the request, also if the job has no row errors",
    "empty": "the header alone, also if the job has no row errors",
    "commas": "64 MiB of commas, compressed",
    "gzip": "compressed",
}
"""Ways in which a fault can break an errors file, with what becomes of the file."""

WITHOUT_ROW_ERRORS = frozenset({"everybody", "empty"})
"""Modes in which even a job without row errors has a file."""

_COMMAS_BYTES = 64 * 1024 * 1024

COLUMNS = ("email", "identifier", *IDENTIFIERS[1:], "row", "index", "error", "reason", "message")
"""Columns that the sandbox fills; others can be configured and stay empty. `row` counts from 1, `index` from 0."""


def keep(account: Account, job: sqlite3.Row, rows: list[list[Any]], mode: Mode) -> None:
    """Store the rows of a job's errors file and the link to it, if there is one."""
    if mode == "missing" or not (rows or mode in WITHOUT_ROW_ERRORS):
        return
    account.store.run(
        "UPDATE jobs SET errors = ?, errors_signature = ?, errors_expire_at = ? WHERE number = ?",
        msgspec.json.encode(rows),
        secrets.token_hex(32),
        float(job["final_at"]) + account.options.errors_file_expires_seconds,
        job["number"],
    )


def url(job: sqlite3.Row, base_url: str) -> str:
    """Return the pre-signed link of a job's errors file."""
    expires = int(job["errors_expire_at"])
    return f"{base_url}/errors/{job['id']}?signature={job['errors_signature']}&expires={expires}"


def is_known(account: Account, job_id: str, signature: str) -> bool:
    """Return whether a link is that of a job's errors file."""
    job = account.store.row("SELECT errors_signature FROM jobs WHERE id = ?", job_id)
    expected = "" if job is None else job["errors_signature"] or ""
    return bool(expected) and hmac.compare_digest(signature.encode(), expected.encode())


def download(account: Account, job_id: str, mode: Mode) -> Download:
    """Answer a request with a known link. `mode` is one of `MODES`, or empty for an intact file."""
    job = account.store.row("SELECT * FROM jobs WHERE id = ?", job_id)
    if job is None or mode == "gone":
        return NOT_FOUND
    if mode == "expired" or account.clock.now() >= job["errors_expire_at"]:
        return EXPIRED
    if mode == "garbage":
        return Download(200, "text/csv", b"\x00\xff\xfe not a table \x00")
    if mode == "commas":
        return Download(200, "application/gzip", _commas())
    rows: list[list[Any]] = msgspec.json.decode(job["errors"])
    if mode == "unknown_rows":
        rows = [[row[0], f"nobody{row[0]}@unknown.example", None, None, None, row[-1]] for row in rows]
    if mode == "fewer_rows":
        rows = rows[:-1]
    if mode == "empty":
        rows = []
    content = _csv(account.options.errors_file_columns, rows)
    if account.options.errors_file_gzip or mode == "gzip":
        return Download(200, "application/gzip", gzip.compress(content, mtime=0))
    return Download(200, "text/csv", content)


@cache
def _commas() -> bytes:
    return gzip.compress(b"," * _COMMAS_BYTES, mtime=0)


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
