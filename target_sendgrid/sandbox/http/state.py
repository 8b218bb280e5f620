"""A running sandbox: one account, the faults in force, and the requests that it had."""

from __future__ import annotations

from collections import deque
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from target_sendgrid.sandbox.account.store import emptied
from target_sendgrid.sandbox.http.faults_in_force import Faults
from target_sendgrid.sandbox.http.rate_limits import RateLimits

if TYPE_CHECKING:
    from threading import RLock

    from target_sendgrid.sandbox.account.account import Account

REQUESTS_KEPT = 20_000
STRANGERS_REQUESTS_KEPT = 100
"""Most requests with an unknown key that are kept. They must not push out those of the owner."""


@dataclass
class RequestEntry:
    """One line of the request log: never a header, and a body only when the option `keep_bodies` asks for it."""

    at: float
    method: str
    path: str
    query: str
    status: int
    bytes_in: int
    contacts: int | None
    fault: str | None
    body: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the line as plain values for JSON."""
        return asdict(self)


@dataclass
class Sandbox:
    """Everything that the HTTP side works on. `store_url` is known once the object store listens."""

    account: Account
    faults: Faults = field(default_factory=Faults)
    rate_limits: RateLimits = field(default_factory=RateLimits)
    requests: deque[RequestEntry] = field(default_factory=lambda: deque(maxlen=REQUESTS_KEPT))
    strangers_requests: deque[RequestEntry] = field(default_factory=lambda: deque(maxlen=STRANGERS_REQUESTS_KEPT))
    """Requests with an unknown key."""
    violations: list[str] = field(default_factory=list)
    last_job_id: str | None = None
    """The job id that was answered last, if the answer arrived."""
    url: str = ""
    store_url: str = ""

    def reset(self) -> None:
        """Empty the account, lift every fault and forget every request; keys and switches stay."""
        emptied(self.account.store)
        self.faults.clear()
        self.rate_limits.clear()
        self.forget_requests()
        self.violations.clear()
        self.last_job_id = None

    def all_requests(self) -> list[RequestEntry]:
        """Return the request log, oldest first."""
        return sorted([*self.requests, *self.strangers_requests], key=lambda entry: entry.at)

    def forget_requests(self) -> None:
        """Empty the request log."""
        self.requests.clear()
        self.strangers_requests.clear()

    @property
    def lock(self) -> RLock:
        """Lock that a request holds while it reads and changes the sandbox."""
        return self.account.store.lock
