"""Addresses of people that SendGrid was asked to erase from its mail records. Contacts and suppressions stay."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from target_sendgrid.sandbox.account.problems import Problem, RefusedError, refused
from target_sendgrid.sandbox.account.reserved import is_valid_email

if TYPE_CHECKING:
    from collections.abc import Iterable

    from target_sendgrid.sandbox.account.account import Account

MAX_ADDRESSES = 5_000
MAX_BYTES = 256_000

_FIELD = "email_addresses"


def invalid(address: str) -> Problem:
    """Return what is said of an address that is not valid."""
    return Problem(_FIELD, f"Email_address {address} is not valid")


def checked(body: bytes, document: dict[str, object]) -> list[str]:
    """Check a request to erase, and return its addresses.

    Raises:
        RefusedError: It is too large, has no list of addresses, or an address is not valid.
    """
    if len(body) > MAX_BYTES:
        raise refused(_FIELD, f"the request must have at most {MAX_BYTES} bytes")
    addresses = document.get(_FIELD)
    if not isinstance(addresses, list) or not all(isinstance(address, str) for address in addresses):
        raise refused(_FIELD, f"{_FIELD} must be a list of texts")
    if not 1 <= len(addresses) <= MAX_ADDRESSES:
        raise refused(_FIELD, f"{_FIELD} must have 1 to {MAX_ADDRESSES} addresses")
    problems = [invalid(address) for address in dict.fromkeys(addresses) if not is_valid_email(address)]
    if problems:
        raise RefusedError(*problems)
    return cast("list[str]", addresses)


def erase(account: Account, addresses: Iterable[str]) -> None:
    """Remember that addresses were erased."""
    now = account.clock.now()
    values = ((address.lower(), now) for address in addresses)
    account.store.run_many("INSERT OR REPLACE INTO erasures (email, erased_at) VALUES (?, ?)", values)


def every(account: Account) -> list[str]:
    """Return all addresses that were erased, in order."""
    return [str(row["email"]) for row in account.store.rows("SELECT email FROM erasures ORDER BY email")]
