"""Messages and looks at the account for tests of rows that take people off lists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.harness.messages import record

if TYPE_CHECKING:
    from tests.harness.account import Account
    from tests.harness.runs import Finished

GONE = "2026-01-01T00:00:00Z"
"""The mark of deleted rows."""

REMOVE = "/v3/marketing/lists/"
"""Path of requests that take people off a list."""


def deleted(**values: Any) -> dict[str, Any]:
    """Return the RECORD message of a row that is deleted at the source."""
    return record(**values, _sdc_deleted_at=GONE)


def members(account: Account, *names: str, **more: Any) -> None:
    """Put people on the list `Everybody`."""
    account.sandbox.seed(contacts=[{"email": f"{one}@x.com", "lists": ["Everybody"], **more} for one in names])


def on_list(account: Account, name: str = "Everybody") -> str:
    """Return the first letters of the people on a list."""
    return "".join(email[0] for email in account.emails(name))


def counts_of(run: Finished, stream: str = "people") -> dict[str, int]:
    """Return the counts of a stream that are not 0."""
    return {name: count for name, count in run.report["streams"][stream].items() if isinstance(count, int) and count}
