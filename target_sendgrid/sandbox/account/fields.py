"""Custom field definitions: names, types, ids, and when a new field can be written."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from target_sendgrid.sandbox.account.problems import refused, unknown
from target_sendgrid.sandbox.account.reserved import RESERVED_NAMES

if TYPE_CHECKING:
    import sqlite3

    from target_sendgrid.sandbox.account.account import Account

FIELD_TYPES = ("Text", "Number", "Date")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")


@dataclass(frozen=True)
class CustomField:
    """A custom field as stored. `ready_at` is when contacts can use it, in seconds since the epoch."""

    id: str
    name: str
    field_type: str
    ready_at: float


def create(account: Account, name: object, field_type: object, *, ready: bool = False) -> CustomField:
    """Define a field.

    Raises:
        RefusedError: Name or type break a rule, the name is taken, or the account has too many fields.
    """
    checked = _checked_name(account, name)
    if not isinstance(field_type, str) or field_type not in FIELD_TYPES:
        raise refused("field_type", f"field_type must be one of {', '.join(FIELD_TYPES)}")
    limit = account.options.max_custom_fields
    if account.store.number("SELECT count(*) FROM fields") >= limit:
        raise refused("name", f"the account already has the maximum of {limit} custom fields")
    ready_at = account.clock.now() + (0 if ready else account.options.field_ready_after_seconds)
    account.store.run(
        "INSERT INTO fields (id, name, field_type, ready_at) VALUES ('', ?, ?, ?)", checked, field_type, ready_at
    )
    number = account.store.number("SELECT number FROM fields WHERE id = ''")
    identity = f"e{number}_{field_type[0]}"
    account.store.run("UPDATE fields SET id = ? WHERE number = ?", identity, number)
    return get(account, identity)


def get(account: Account, identity: str) -> CustomField:
    """Find a field by its id.

    Raises:
        UnknownThingError: There is no such field.
    """
    found = account.store.row("SELECT * FROM fields WHERE id = ?", identity)
    if found is None:
        raise unknown("custom field not found", "id")
    return _as_field(found)


def every(account: Account) -> list[CustomField]:
    """Return every custom field, oldest first."""
    return [_as_field(row) for row in account.store.rows("SELECT * FROM fields ORDER BY number")]


def rename(account: Account, identity: str, name: object) -> CustomField:
    """Give a field another name.

    Raises:
        UnknownThingError: There is no such field.
        RefusedError: The name breaks a rule or is taken.
    """
    kept = get(account, identity)
    if name == kept.name:
        return kept
    account.store.run("UPDATE fields SET name = ? WHERE id = ?", _checked_name(account, name, kept), kept.id)
    return get(account, identity)


def delete(account: Account, identity: str) -> None:
    """Remove a field and, with it, its values on every contact.

    Raises:
        UnknownThingError: There is no such field.
    """
    # Ids are never used again, so that nothing shows the values of a deleted field: they can stay in the table.
    account.store.run("DELETE FROM fields WHERE id = ?", get(account, identity).id)


def _checked_name(account: Account, name: object, but: CustomField | None = None) -> str:
    if not isinstance(name, str) or _NAME.fullmatch(name) is None:
        raise refused("name", "name must be 1 to 100 letters, digits or underscores and not start with a digit")
    if name.lower() in RESERVED_NAMES:
        raise refused("name", "name is the name of a reserved field")
    taken = account.store.row("SELECT id FROM fields WHERE name = ?", name)
    if taken is not None and (but is None or taken["id"] != but.id):
        raise refused("name", "a custom field with that name already exists")
    return name


def _as_field(row: sqlite3.Row) -> CustomField:
    return CustomField(
        id=str(row["id"]), name=str(row["name"]), field_type=str(row["field_type"]), ready_at=float(row["ready_at"])
    )
