"""Exports: jobs that write the contacts of lists to files in the object store."""

from __future__ import annotations

import gzip
import hmac
import secrets
import zlib
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import msgspec

from target_sendgrid.sandbox.account import export_rows
from target_sendgrid.sandbox.account.account import new_id
from target_sendgrid.sandbox.account.clock import iso_seconds
from target_sendgrid.sandbox.account.contacts import as_json
from target_sendgrid.sandbox.account.downloads import EXPIRED, NOT_FOUND, Download
from target_sendgrid.sandbox.account.problems import Problem, UnknownThingError, unknown

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator

    from target_sendgrid.sandbox.account.account import Account
    from target_sendgrid.sandbox.account.export_rows import FileType

Mode = Literal[
    "",
    "missing",
    "gone",
    "expired",
    "garbage",
    "truncated",
    "broken_gzip",
    "fewer_rows",
    "extra_row",
    "repeated_row",
    "no_contact_id",
    "no_count",
]

MODES: dict[Mode, str] = {
    "missing": "the last file has no link",
    "gone": "404 from the object store",
    "expired": "403 and XML, as after the link's expiry",
    "garbage": "bytes that are neither JSON nor CSV",
    "truncated": "the last file ends in the middle",
    "broken_gzip": "some bytes of the last file are wrong",
    "fewer_rows": "the last contact is left out",
    "extra_row": "the first contact has another row at the end",
    "repeated_row": "the first contact has another row in place of the last contact's",
    "no_contact_id": "rows have no contact_id",
    "no_count": "the export has no contact_count",
}
"""Ways in which a fault can break the files of an export, with what becomes of them."""

_GZIP_WINDOW = 31
_MAX_FILES_LISTED = 1_000
_FAILURE = "the export failed"
_BYTES_PER_MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Trouble:
    """What a fault does to one export.

    Attributes:
        fails: Whether it ends as `failure`.
        stuck: Whether it stays `pending` forever.
        file: What its files hold, see `MODES`.
    """

    fails: bool = False
    stuck: bool = False
    file: Mode = ""


NO_TROUBLE = Trouble()


class Order(NamedTuple):
    """What an export is to hold."""

    list_ids: list[str]
    segment_ids: list[str]
    file_type: FileType
    max_file_megabytes: int


def submit(account: Account, order: Order, trouble: Trouble = NO_TROUBLE) -> str:
    """Queue an export; return its id. Its files show the account as it is at this moment.

    Raises:
        UnknownThingError: A list or segment does not exist.
    """
    known = account.store.number(
        "SELECT count(*) FROM lists WHERE id IN (SELECT value FROM json_each(?))", as_json(order.list_ids)
    )
    if known < len(set(order.list_ids)):
        raise UnknownThingError(Problem("list_ids", "one or more list ids do not exist"))
    if order.segment_ids:
        raise UnknownThingError(Problem("segment_ids", "one or more segment ids do not exist"))
    identity, now, options = new_id(), account.clock.now(), account.options
    numbers = export_rows.members(account, order.list_ids)
    ready_at = now + options.export_ready_after_seconds
    account.store.run(
        "INSERT INTO exports (id, lists, contacts, submitted_at, ready_at, expires_at, signature, trouble) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        identity,
        as_json(order.list_ids),
        len(numbers),
        now,
        ready_at,
        ready_at + options.export_expires_seconds,
        secrets.token_hex(32),
        msgspec.json.encode(asdict(trouble)).decode(),
    )
    for part, content in enumerate(_files(account, order, numbers, trouble.file)):
        account.store.run("INSERT INTO export_files VALUES (?, ?, ?)", identity, part, content)
    return identity


def described(account: Account, identity: str, store_url: str) -> dict[str, Any]:
    """Show an export the way `GET /v3/marketing/contacts/exports/{id}` does.

    Raises:
        UnknownThingError: There is no such export.
    """
    export = _export(account, identity)
    if export is None:
        raise unknown()
    shown = _shown(account, export, store_url)
    shown["updated_at"] = shown.get("completed_at", shown["created_at"])
    if shown["status"] == "failure":
        shown["message"] = _FAILURE
    if shown["status"] == "ready" and _trouble(export).file != "no_count":
        shown["contact_count"] = export["contacts"]
    return shown


def every(account: Account, store_url: str) -> list[dict[str, Any]]:
    """Show all exports the way `GET /v3/marketing/contacts/exports` does, newest first."""
    found = account.store.rows("SELECT * FROM exports ORDER BY number DESC LIMIT ?", _MAX_FILES_LISTED)
    return [_listed(account, export, store_url) for export in found]


def is_known(account: Account, name: str, signature: str) -> bool:
    """Return whether a link is that of a file, `{export's id}/{number of the file}`, of an export."""
    export = _export(account, name.partition("/")[0])
    return export is not None and hmac.compare_digest(signature.encode(), export["signature"].encode())


def download(account: Account, name: str) -> Download:
    """Answer a request with a known link."""
    identity, _, part = name.partition("/")
    export = _export(account, identity)
    file = account.store.row("SELECT content FROM export_files WHERE export = ? AND part = ?", identity, part)
    if export is None or file is None or _trouble(export).file == "gone":
        return NOT_FOUND
    mode = _trouble(export).file
    if mode == "expired" or account.clock.now() >= export["expires_at"]:
        return EXPIRED
    content: bytes = file["content"]
    is_last = int(part) == _file_count(account, identity) - 1
    if mode == "garbage":
        content = b"\x00\xff\xfe no rows \x00"
    if not is_last or mode not in {"truncated", "broken_gzip"}:
        return Download(200, "application/octet-stream", content)
    middle = len(content) // 2
    rest = b"" if mode == "truncated" else bytes(byte ^ 0xFF for byte in content[middle:])
    return Download(200, "application/octet-stream", content[:middle] + rest)


def _files(account: Account, order: Order, numbers: list[int], mode: Mode) -> Iterator[bytes]:
    """Yield the files of an export, each compressed or not, as the option `export_gzip` has it."""
    if mode in {"fewer_rows", "repeated_row"}:
        numbers = numbers[:-1]
    if mode in {"extra_row", "repeated_row"}:
        numbers = numbers + numbers[:1]
    lines = export_rows.rows(account, numbers, order.file_type, with_ids=mode != "no_contact_id")
    head = export_rows.header(account, order.file_type)
    max_bytes, max_rows = order.max_file_megabytes * _BYTES_PER_MEGABYTE, account.options.export_file_max_contacts
    compressed = zlib.compressobj(level=1, wbits=_GZIP_WINDOW)
    parts, size, row_count, file_count = [compressed.compress(head)], len(head), 0, 0
    for line in lines:
        if row_count and (size + len(line) > max_bytes or row_count == max_rows):
            yield _finished(account, [*parts, compressed.flush()], file_count)
            compressed = zlib.compressobj(level=1, wbits=_GZIP_WINDOW)
            parts, size, row_count, file_count = [compressed.compress(head)], len(head), 0, file_count + 1
        parts.append(compressed.compress(line))
        size, row_count = size + len(line), row_count + 1
    if not numbers:  # empty files were seen without compression
        yield head
        return
    yield _finished(account, [*parts, compressed.flush()], file_count)


def _finished(account: Account, parts: Iterable[bytes], number: int) -> bytes:
    content = b"".join(parts)
    how = account.options.export_gzip
    return gzip.decompress(content) if how == "never" or (how == "mixed" and number % 2) else content


def _listed(account: Account, export: sqlite3.Row, store_url: str) -> dict[str, Any]:
    list_ids = msgspec.json.decode(export["lists"])
    names = {row["id"]: row["name"] for row in account.store.rows("SELECT id, name FROM lists")}
    return {
        **_shown(account, export, store_url),
        "user_id": "1",
        "export_type": "list_export" if list_ids else "contacts_export",
        "segments": [],
        "lists": [{"ID": identity, "Name": names.get(identity, "")} for identity in list_ids],
    }


def _shown(account: Account, export: sqlite3.Row, store_url: str) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "id": export["id"],
        "status": _status(account, export),
        "created_at": iso_seconds(export["submitted_at"]),
        "expires_at": iso_seconds(export["expires_at"]),
    }
    if shown["status"] != "pending":
        shown["completed_at"] = iso_seconds(export["ready_at"])
    if shown["status"] == "ready":
        count = _file_count(account, export["id"]) - (_trouble(export).file == "missing")
        query = f"signature={export['signature']}&expires={int(export['expires_at'])}"
        shown["urls"] = [f"{store_url}/exports/{export['id']}/{part}?{query}" for part in range(count)]
    return shown


def _status(account: Account, export: sqlite3.Row) -> str:
    trouble = _trouble(export)
    if trouble.stuck or account.clock.now() < export["ready_at"]:
        return "pending"
    return "failure" if trouble.fails else "ready"


def _file_count(account: Account, identity: str) -> int:
    return account.store.number("SELECT count(*) FROM export_files WHERE export = ?", identity)


def _export(account: Account, identity: str) -> sqlite3.Row | None:
    return account.store.row("SELECT * FROM exports WHERE id = ?", identity)


def _trouble(export: sqlite3.Row) -> Trouble:
    return msgspec.json.decode(export["trouble"], type=Trouble)
