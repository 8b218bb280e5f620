"""Contacts as stored and as SendGrid shows them: looking them up, listing them, counting them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from target_sendgrid.sandbox.account import fields
from target_sendgrid.sandbox.account.clock import iso_seconds
from target_sendgrid.sandbox.account.problems import unknown
from target_sendgrid.sandbox.account.reserved import IDENTIFIER_COUNT_KEYS, IDENTIFIERS, TEXT_FIELDS

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from target_sendgrid.sandbox.account.account import Account

SAMPLE_SIZE = 50
"""Most contacts that `GET contacts`, the sample of a list and a search show."""


@dataclass(frozen=True)
class Counts:
    """How many contacts there are, how many are billed, and how many carry each identifier."""

    contacts: int
    billable: int
    identifiers: dict[str, int]


def get(account: Account, identity: str) -> dict[str, Any]:
    """Find one contact by its id.

    Raises:
        UnknownThingError: There is no contact with this id.
    """
    found = shown(account, account.store.rows("SELECT * FROM contacts WHERE id = ?", identity))
    if not found:
        raise unknown("contact not found", "id")
    return found[0]


def by_ids(account: Account, identities: list[str]) -> list[dict[str, Any]]:
    """Find contacts by their ids; ids that no contact has are left out."""
    return shown(
        account,
        account.store.rows("SELECT * FROM contacts WHERE id IN (SELECT value FROM json_each(?))", as_json(identities)),
    )


def sample(account: Account, list_number: int | None = None) -> tuple[list[dict[str, Any]], int]:
    """Return the newest contacts, of a list or of all, and the total number."""
    if list_number is None:
        found = account.store.rows("SELECT * FROM contacts ORDER BY number DESC LIMIT ?", SAMPLE_SIZE)
        return shown(account, found), account.store.number("SELECT count(*) FROM contacts")
    found = account.store.rows(
        "SELECT contacts.* FROM members JOIN contacts ON contacts.number = members.contact "
        "WHERE list = ? ORDER BY contact DESC LIMIT ?",
        list_number,
        SAMPLE_SIZE,
    )
    return shown(account, found), account.store.number("SELECT count(*) FROM members WHERE list = ?", list_number)


def counts(account: Account, list_number: int | None = None) -> Counts:
    """Count the contacts of a list or of the whole account."""
    if list_number is not None:
        counted = ", ".join(f"count({column})" for column in IDENTIFIER_COUNT_KEYS.values())
        found = account.store.rows(
            f"SELECT count(*), {counted} FROM members "  # noqa: S608 - columns of our own
            "JOIN contacts ON contacts.number = members.contact WHERE list = ?",
            list_number,
        )[0]
        total, identifiers = int(found[0]), dict(zip(IDENTIFIER_COUNT_KEYS, list(found)[1:], strict=True))
        return Counts(total, total, identifiers)
    total = account.store.number("SELECT count(*) FROM contacts")
    identifiers = {
        key: account.store.number(f"SELECT count(*) FROM contacts WHERE {column} IS NOT NULL")  # noqa: S608 - ours
        for key, column in IDENTIFIER_COUNT_KEYS.items()
    }
    return Counts(total, total + billed_deletions(account), identifiers)


def billed_deletions(account: Account) -> int:
    """Return the number of contacts that were deleted this month, which are billed until the next month."""
    return account.store.number("SELECT contacts FROM billed_deletions WHERE month = ?", _month(account))


def delete(account: Account, identities: list[str] | None) -> int:
    """Delete contacts by id, or all of them; return how many there were."""
    store = account.store
    chosen = "" if identities is None else "WHERE id IN (SELECT value FROM json_each(?))"
    values = () if identities is None else (as_json(identities),)
    for table in ("members", "alternate_emails"):
        store.run(
            f"DELETE FROM {table} WHERE contact IN (SELECT number FROM contacts {chosen})",  # noqa: S608 - ours
            *values,
        )
    deleted = store.run(f"DELETE FROM contacts {chosen}", *values)  # noqa: S608 - ours
    store.run(
        "INSERT INTO billed_deletions VALUES (?, ?) ON CONFLICT (month) DO UPDATE SET contacts = contacts + ?",
        _month(account),
        deleted,
        deleted,
    )
    return deleted


def shown(account: Account, rows: Iterable[sqlite3.Row]) -> list[dict[str, Any]]:
    """Turn stored contacts into SendGrid's contact objects, `_metadata` excepted."""
    found = list(rows)
    names = {kept.id: kept.name for kept in fields.every(account)}
    list_ids: dict[int, list[str]] = {}
    for row in account.store.rows(
        "SELECT contact, lists.id FROM members JOIN lists ON lists.number = members.list "
        "WHERE contact IN (SELECT value FROM json_each(?)) ORDER BY lists.id",
        as_json([row["number"] for row in found]),
    ):
        list_ids.setdefault(int(row["contact"]), []).append(str(row["id"]))
    no_alternates: list[str] | None = [] if account.options.alternate_emails_when_empty == "list" else None
    return [_object(row, names, list_ids.get(int(row["number"]), []), no_alternates) for row in found]


def _object(
    row: sqlite3.Row, names: dict[str, str], list_ids: list[str], no_alternates: list[str] | None
) -> dict[str, Any]:
    profile = msgspec.json.decode(row["profile"])
    contact: dict[str, Any] = {"id": row["id"]}
    contact |= {name: row[name] for name in IDENTIFIERS if row[name] is not None}
    contact |= {name: profile.get(name, "") for name in TEXT_FIELDS}
    contact["alternate_emails"] = profile.get("alternate_emails") or no_alternates
    contact["list_ids"] = list_ids
    contact["segment_ids"] = []
    custom = msgspec.json.decode(row["custom"])
    contact["custom_fields"] = {names[identity]: value for identity, value in custom.items() if identity in names}
    contact["created_at"] = iso_seconds(row["created_at"])
    contact["updated_at"] = iso_seconds(row["updated_at"])
    return contact


def as_json(values: list[Any]) -> str:
    """Encode values for `json_each`, SQLite's way to bind a list of any length."""
    return msgspec.json.encode(values).decode()


def _month(account: Account) -> str:
    return iso_seconds(account.clock.now())[:7]


def remove_from_list(account: Account, list_number: int, identities: list[str]) -> int:
    """Take contacts off a list; return how many were on it."""
    return account.store.run(
        "DELETE FROM members WHERE list = ? AND contact IN "
        "(SELECT number FROM contacts WHERE id IN (SELECT value FROM json_each(?)))",
        list_number,
        as_json(identities),
    )


def delete_identifier(account: Account, identity: str, identifier: str) -> int:
    """Take one identifier off a contact, never its only one; return the number of contacts changed."""
    held = " + ".join(f"({name} IS NOT NULL)" for name in IDENTIFIERS)
    return account.store.run(
        f"UPDATE contacts SET {identifier} = NULL, updated_at = ? WHERE id = ? AND {held} > 1",  # noqa: S608 - columns of our own
        account.clock.now(),
        identity,
    )
