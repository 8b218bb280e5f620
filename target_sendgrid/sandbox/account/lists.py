"""Contact lists: their names, their pages, and how many contacts each has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from target_sendgrid.sandbox.account.account import new_id
from target_sendgrid.sandbox.account.problems import refused, unknown

if TYPE_CHECKING:
    import sqlite3

    from target_sendgrid.sandbox.account.account import Account

MAX_NAME_CHARACTERS = 100


@dataclass(frozen=True)
class ContactList:
    """A list as stored."""

    number: int
    id: str
    name: str


def create(account: Account, name: object, *, may_be_taken: bool = False) -> ContactList:
    """Make a list.

    Raises:
        RefusedError: The name is not a text of 1 to 100 characters or is taken, or the account has too many lists.
    """
    checked = _checked_name(account, name, may_be_taken=may_be_taken)
    limit = account.options.max_lists
    if account.store.number("SELECT count(*) FROM lists") >= limit:
        raise refused("name", f"the account already has the maximum of {limit} lists")
    identity = new_id()
    account.store.run(
        "INSERT INTO lists (id, name, created_at) VALUES (?, ?, ?)", identity, checked, account.clock.now()
    )
    return get(account, identity)


def get(account: Account, identity: str) -> ContactList:
    """Find a list by its id.

    Raises:
        UnknownThingError: There is no such list.
    """
    found = account.store.row("SELECT number, id, name FROM lists WHERE id = ?", identity)
    if found is None:
        raise unknown(f"list {identity} not found", "id")
    return _as_list(found)


def page(account: Account, size: int, after: str) -> tuple[list[ContactList], bool]:
    """Return lists by ascending id, from the one after `after` on, and whether more follow."""
    found = account.store.rows("SELECT number, id, name FROM lists WHERE id > ? ORDER BY id LIMIT ?", after, size + 1)
    return [_as_list(row) for row in found[:size]], len(found) > size


def rename(account: Account, identity: str, name: object) -> ContactList:
    """Give a list another name.

    Raises:
        UnknownThingError: There is no such list.
        RefusedError: The name is not a text of 1 to 100 characters or is taken.
    """
    kept = get(account, identity)
    if name == kept.name:
        return kept
    account.store.run("UPDATE lists SET name = ? WHERE number = ?", _checked_name(account, name), kept.number)
    return get(account, identity)


def delete(account: Account, identity: str) -> list[str]:
    """Remove a list; its contacts stay. Returns the ids of the contacts it had.

    Raises:
        UnknownThingError: There is no such list.
    """
    kept = get(account, identity)
    members = account.store.rows(
        "SELECT contacts.id FROM members JOIN contacts ON contacts.number = members.contact WHERE list = ?",
        kept.number,
    )
    account.store.run("DELETE FROM members WHERE list = ?", kept.number)
    account.store.run("DELETE FROM lists WHERE number = ?", kept.number)
    return [str(row["id"]) for row in members]


def contact_count(account: Account, contact_list: ContactList) -> int:
    """Return how many contacts are on the list, as far as SendGrid has counted them."""
    lag = account.options.list_count_lag_seconds
    if not lag:
        return account.store.number("SELECT count(*) FROM members WHERE list = ?", contact_list.number)
    return account.store.number(
        "SELECT contacts FROM list_counts WHERE list = ? AND at <= ? ORDER BY at DESC, rowid DESC LIMIT 1",
        contact_list.number,
        account.clock.now() - lag,
    )


def keep_counts(account: Account, moment: float) -> None:
    """Remember how many contacts each list has from a moment on, if counts lag behind."""
    if account.options.list_count_lag_seconds:
        account.store.run(
            "INSERT INTO list_counts SELECT number, ?, (SELECT count(*) FROM members WHERE list = number) FROM lists",
            moment,
        )


def numbers_of(account: Account, identities: list[str]) -> dict[str, int]:
    """Return the row numbers of those lists that exist, by id."""
    found: dict[str, int] = {}
    for identity in identities:
        row = account.store.row("SELECT number FROM lists WHERE id = ?", identity)
        if row is not None:
            found[identity] = int(row["number"])
    return found


def by_name(account: Account, name: str) -> ContactList | None:
    """Find a list by its exact name."""
    found = account.store.row("SELECT number, id, name FROM lists WHERE name = ?", name)
    return None if found is None else _as_list(found)


def _checked_name(account: Account, name: object, *, may_be_taken: bool = False) -> str:
    if not isinstance(name, str) or not 1 <= len(name) <= MAX_NAME_CHARACTERS:
        raise refused("name", f"name must be text of 1 to {MAX_NAME_CHARACTERS} characters")
    if not may_be_taken and by_name(account, name) is not None:
        raise refused("name", "a list with that name already exists")
    return name


def _as_list(row: sqlite3.Row) -> ContactList:
    return ContactList(number=int(row["number"]), id=str(row["id"]), name=str(row["name"]))
