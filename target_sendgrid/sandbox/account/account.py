"""One account: its data, its clock and its switches, which all other modules of this package work on."""

from __future__ import annotations

import os
import secrets
import string
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from target_sendgrid.sandbox.account.clock import SandboxClock
from target_sendgrid.sandbox.options import Options

if TYPE_CHECKING:
    from target_sendgrid.sandbox.account.store import Store

_EARLIER_FULL_ACCESS = ("mail.send", "marketing.read", "marketing.automation.read", "asm.groups.read")
"""Scopes of the key that earlier releases made at the start."""

FULL_ACCESS = (
    *_EARLIER_FULL_ACCESS,
    *(f"asm.groups.{action}" for action in ("create", "update", "delete")),
    *(f"asm.groups.suppressions.{action}" for action in ("create", "read", "update", "delete")),
    *(f"asm.suppressions.global.{action}" for action in ("create", "read", "update", "delete")),
    "suppression.unsubscribes.read",
    "recipients.erasejob.create",
)
"""Scopes of the key that is made at the start."""


@dataclass
class Account:
    """One SendGrid account."""

    store: Store
    options: Options = field(default_factory=Options)
    clock: SandboxClock = field(default_factory=SandboxClock)

    def key_scopes(self, key: str) -> tuple[str, ...] | None:
        """Return the scopes of a key, or `None` for a key that the account does not have."""
        found = self.store.row("SELECT scopes FROM keys WHERE key = ?", key)
        return None if found is None else tuple(msgspec.json.decode(found["scopes"], type=list[str]))

    def add_key(self, scopes: tuple[str, ...] = FULL_ACCESS, key: str | None = None) -> str:
        """Create a key, or give an existing one other scopes; return it."""
        key = key or new_key()
        self.store.run("INSERT OR REPLACE INTO keys VALUES (?, ?)", key, msgspec.json.encode(scopes).decode())
        return key

    def widen_keys(self) -> None:
        """Give the keys that an earlier release made at the start the scopes that they would have today."""
        earlier, wider = (msgspec.json.encode(scopes).decode() for scopes in (_EARLIER_FULL_ACCESS, FULL_ACCESS))
        self.store.run("UPDATE keys SET scopes = ? WHERE scopes = ?", wider, earlier)

    def every_key(self) -> list[str]:
        """Return every key, oldest first."""
        return [str(row["key"]) for row in self.store.rows("SELECT key FROM keys ORDER BY rowid")]

    def first_key(self) -> str:
        """Return the oldest key; make one if the account has no key."""
        return next(iter(self.every_key()), None) or self.add_key()


def new_key() -> str:
    """Make a key of the shape of SendGrid's: `SG.<22>.<43>`, 69 characters."""
    alphabet = string.ascii_letters + string.digits + "-_"
    return ".".join(("SG", *("".join(secrets.choice(alphabet) for _ in range(length)) for length in (22, 43))))


def new_id() -> str:
    """Make a random UUID (version 4), faster than `uuid.uuid4` because 30,000 are needed at a time."""
    digits = os.urandom(16).hex()
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"
