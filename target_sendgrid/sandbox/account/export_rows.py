"""Rows of export files: JSON lines or CSV, as SendGrid writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec

from target_sendgrid.sandbox.account import fields
from target_sendgrid.sandbox.account.clock import iso_seconds
from target_sendgrid.sandbox.account.contacts import as_json
from target_sendgrid.sandbox.account.reserved import IDENTIFIERS, TEXT_FIELDS

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator

    from target_sendgrid.sandbox.account.account import Account

FileType = Literal["json", "csv"]
FILE_TYPES: tuple[FileType, ...] = ("json", "csv")

_CSV_COLUMNS = (
    *("email", "first_name", "last_name", "address_line_1", "address_line_2", "city", "state_province_region"),
    *("postal_code", "country", "alternate_emails", "phone_number", "whatsapp", "line", "facebook", "unique_name"),
    *("created_at", "updated_at", "contact_id"),
)
"""The columns before those of custom fields, in the order of recorded files."""

_ROWS_AT_A_TIME = 5_000


def members(account: Account, list_ids: list[str]) -> list[int]:
    """Return the row numbers of the contacts on any of some lists; of all contacts if no list is named."""
    if not list_ids:
        return [int(row["number"]) for row in account.store.rows("SELECT number FROM contacts ORDER BY number")]
    found = account.store.rows(
        "SELECT DISTINCT contact FROM members WHERE list IN "
        "(SELECT number FROM lists WHERE id IN (SELECT value FROM json_each(?))) ORDER BY contact",
        as_json(list_ids),
    )
    return [int(row["contact"]) for row in found]


def header(account: Account, file_type: FileType) -> bytes:
    """Return the line before the rows of a file; JSON files have none."""
    if file_type == "json":
        return b""
    names = [*_CSV_COLUMNS, *(kept.name for kept in fields.every(account)), *IDENTIFIERS[1:]]
    return _csv_line([name.upper() for name in names])


def rows(account: Account, numbers: list[int], file_type: FileType, *, with_ids: bool = True) -> Iterator[bytes]:
    """Yield a line for each contact.

    Args:
        account: The account.
        numbers: Row numbers of the contacts.
        file_type: How lines are written.
        with_ids: Whether rows hold the id of their contact.
    """
    names = {kept.id: kept.name for kept in fields.every(account)}
    line: Callable[[dict[str, Any]], bytes] = _json_line if file_type == "json" else _csv_writer(list(names.values()))
    for start in range(0, len(numbers), _ROWS_AT_A_TIME):
        part = numbers[start : start + _ROWS_AT_A_TIME]
        found = {
            int(row["number"]): row
            for row in account.store.rows(
                "SELECT * FROM contacts WHERE number IN (SELECT value FROM json_each(?))", as_json(part)
            )
        }
        for number in part:
            values = _values(found[number], names)
            if not with_ids:
                del values["contact_id"]
            yield line(values)


def _values(row: sqlite3.Row, names: dict[str, str]) -> dict[str, Any]:
    """Return what an export shows of a contact. Empty properties are left out, custom fields are named."""
    profile = msgspec.json.decode(row["profile"])
    custom = msgspec.json.decode(row["custom"])
    values = {name: row[name] for name in IDENTIFIERS} | {name: profile.get(name) for name in TEXT_FIELDS}
    values["alternate_emails"] = profile.get("alternate_emails")
    values = {name: value for name, value in values.items() if value}
    values["contact_id"] = row["id"]
    values["created_at"] = iso_seconds(row["created_at"])
    values["updated_at"] = iso_seconds(row["updated_at"])
    values["custom_fields"] = {names[identity]: value for identity, value in custom.items() if identity in names}
    return values


def _json_line(values: dict[str, Any]) -> bytes:
    return msgspec.json.encode(dict(sorted(values.items()))) + b"\n"


def _csv_writer(custom_names: list[str]) -> Callable[[dict[str, Any]], bytes]:
    def line(values: dict[str, Any]) -> bytes:
        values["alternate_emails"] = ",".join(values.get("alternate_emails", ()))
        custom = values["custom_fields"]
        cells = [values.get(name, "") for name in _CSV_COLUMNS]
        cells += [custom.get(name, "") for name in custom_names]
        return _csv_line([*cells, *(values.get(name, "") for name in IDENTIFIERS[1:])])

    return line


def _csv_line(cells: list[Any]) -> bytes:
    """Write a line as in recorded files: empty cells are not quoted, all others are."""
    quoted = ('"' + str(cell).replace('"', '""') + '"' if cell != "" else "" for cell in cells)
    return (",".join(quoted) + "\n").encode()
