"""Suppression groups and suppressed addresses, global ones and those of groups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from target_sendgrid.sandbox.account.contacts import as_json
from target_sendgrid.sandbox.account.problems import Problem, refused, unknown

if TYPE_CHECKING:
    from collections.abc import Iterable

    from target_sendgrid.sandbox.account.account import Account

MAX_NAME_CHARACTERS = 30
MAX_DESCRIPTION_CHARACTERS = 100

GLOBAL = 0
"""Number under which global suppressions are stored. No group has it."""


def invalid(email: str) -> Problem:
    """Return what is said of an address that is not valid."""
    return Problem("recipient_emails", f"email address {email} is not valid")


@dataclass(frozen=True)
class Group:
    """A suppression group as stored."""

    id: int
    name: str
    description: str
    is_default: bool


def create_group(account: Account, name: object, description: object = "", *, is_default: bool = False) -> Group:
    """Make a suppression group. The id of one that is deleted is not used again.

    Raises:
        RefusedError: The name or the description is no text, or too long.
    """
    if not isinstance(name, str) or not 1 <= len(name) <= MAX_NAME_CHARACTERS:
        raise refused("name", f"name must be text of 1 to {MAX_NAME_CHARACTERS} characters")
    if not isinstance(description, str) or len(description) > MAX_DESCRIPTION_CHARACTERS:
        raise refused("description", f"description must be text of at most {MAX_DESCRIPTION_CHARACTERS} characters")
    account.store.run(
        "INSERT INTO suppression_groups (name, description, is_default) VALUES (?, ?, ?)", name, description, is_default
    )
    return groups(account)[-1]


def groups(account: Account) -> list[Group]:
    """Return every suppression group, oldest first."""
    return [
        Group(int(row["id"]), str(row["name"]), str(row["description"]), bool(row["is_default"]))
        for row in account.store.rows("SELECT * FROM suppression_groups ORDER BY id")
    ]


def group(account: Account, number: int) -> Group:
    """Find a suppression group by its id.

    Raises:
        UnknownThingError: There is no such group.
    """
    for found in groups(account):
        if found.id == number:
            return found
    raise unknown("group not found", "group_id")


def group_named(account: Account, name: str) -> Group:
    """Find a suppression group by its name, and make it if there is none."""
    found = next((one for one in groups(account) if one.name == name), None)
    return found or create_group(account, name)


def delete_group(account: Account, number: int) -> None:
    """Delete a suppression group and what is suppressed in it.

    Raises:
        UnknownThingError: There is no such group.
    """
    group(account, number)
    account.store.run("DELETE FROM suppressions WHERE group_id = ?", number)
    account.store.run("DELETE FROM suppression_groups WHERE id = ?", number)


def suppress(account: Account, emails: Iterable[str], number: int = GLOBAL) -> None:
    """Suppress addresses, in a group or globally."""
    addresses = list(dict.fromkeys(email.lower() for email in emails))
    known = set() if account.options.suppression_stored_again else search(account, addresses, number)
    now = account.clock.now()
    account.store.run_many(
        "INSERT INTO suppressions (email, group_id, created_at) VALUES (?, ?, ?)",
        ((email, number, now) for email in addresses if email not in known),
    )


def search(account: Account, emails: Iterable[str], number: int = GLOBAL) -> set[str]:
    """Return those of some addresses that are suppressed, in a group or globally, in lower case."""
    rows = account.store.rows(
        "SELECT email FROM suppressions WHERE group_id = ? AND email IN (SELECT value FROM json_each(?))",
        number,
        as_json([email.lower() for email in emails]),
    )
    return {str(row["email"]) for row in rows}


def every(account: Account, number: int = GLOBAL) -> list[str]:
    """Return all addresses that are suppressed, in a group or globally, oldest first."""
    rows = account.store.rows("SELECT email FROM suppressions WHERE group_id = ? ORDER BY number", number)
    return [str(row["email"]) for row in rows]


def page(account: Account, limit: int, offset: int, *, start: int, end: int, email: str) -> list[dict[str, Any]]:
    """Return a page of the global suppressions, newest first.

    Args:
        account: The account.
        limit: Most addresses of the page.
        offset: Number of addresses before it.
        start: Time from which on they were suppressed.
        end: Last time at which they were suppressed.
        email: Part of the address; empty for all.
    """
    rows = account.store.rows(
        "SELECT email, created_at FROM suppressions WHERE group_id = ? AND CAST(created_at AS INTEGER) BETWEEN ? AND ? "
        "AND instr(email, ?) ORDER BY number DESC LIMIT ? OFFSET ?",
        GLOBAL,
        start,
        end,
        email.lower(),
        limit,
        offset,
    )
    return [{"created": int(row["created_at"]), "email": row["email"]} for row in rows]


def of_groups(account: Account) -> list[dict[str, Any]]:
    """Return every suppression in a group, oldest first."""
    rows = account.store.rows(
        "SELECT email, group_id, name, created_at FROM suppressions "
        "JOIN suppression_groups ON suppression_groups.id = group_id ORDER BY number"
    )
    return [
        {
            "email": row["email"],
            "group_id": row["group_id"],
            "group_name": row["name"],
            "created_at": int(row["created_at"]),
        }
        for row in rows
    ]


def lift(account: Account, email: str, number: int = GLOBAL) -> None:
    """Lift a suppression, in a group or the global one. An address that is not suppressed is nothing special."""
    account.store.run("DELETE FROM suppressions WHERE group_id = ? AND email = ?", number, email.lower())
