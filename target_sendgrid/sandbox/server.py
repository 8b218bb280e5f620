"""Starting and stopping a sandbox, and what tests ask of one."""

from __future__ import annotations

import gc
import logging
from typing import TYPE_CHECKING, Any

from target_sendgrid.sandbox.account import erasures, jobs, seed, suppressions
from target_sendgrid.sandbox.account.account import FULL_ACCESS, Account
from target_sendgrid.sandbox.account.clock import SandboxClock
from target_sendgrid.sandbox.account.store import Store
from target_sendgrid.sandbox.app import make_app
from target_sendgrid.sandbox.http import access
from target_sendgrid.sandbox.http import faults as fault_orders
from target_sendgrid.sandbox.http.state import Sandbox
from target_sendgrid.sandbox.http.store_app import StoreApp
from target_sendgrid.sandbox.http.wire import LOOPBACK, WireServer
from target_sendgrid.sandbox.options import Options

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from typing_extensions import Self


_NEW_OBJECTS_PER_COLLECTION = 200_000
"""Number of new objects after which Python collects garbage; its default is 700."""


def collect_garbage_rarely() -> None:
    """Collect garbage rarely, in a process that does nothing but serve a sandbox.

    A large upsert makes hundreds of thousands of small objects, none of them in cycles. Looking for cycles among them
    would take about a third of its time (see `tools/benchmarks/sandbox_upsert.py`).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS_PER_COLLECTION)


class SandboxServer:
    """A sandbox in threads of this process; a context manager.

    Args:
        options: The switches; defaults are the recorded behaviour.
        database: File to keep the account in; in memory when left out.
        port: Port of the API; 0 picks a free one.
        api_key: Key to accept; one is made when left out. Kept in the database.
        manual_clock: Whether time moves only by `advance`.
        start_time: First reading of the clock, seconds since the epoch; the machine's time when left out.
        api_only: Whether to leave the page and the control plane out.

    Attributes:
        url: Address of the API.
        api_key: The account's first key.
        token: What the page and the control plane ask for: new for each sandbox, and kept in memory only.

    Raises:
        OSError: The port cannot be opened.
        UnusableDatabaseError: The database cannot be opened.
    """

    def __init__(  # noqa: PLR0913 - what a sandbox may be given, by keyword
        self,
        *,
        options: Options | None = None,
        database: Path | None = None,
        port: int = 0,
        api_key: str | None = None,
        manual_clock: bool = False,
        start_time: float | None = None,
        api_only: bool = False,
    ) -> None:
        self._store = Store(database)
        clock = SandboxClock(manual=manual_clock, start=start_time)
        account = Account(self._store, options or Options(), clock)
        self._sandbox = Sandbox(account)
        # The database's last sandbox may have moved its clock ahead: time must not run backwards for its jobs.
        newest = self._store.row("SELECT max(submitted_at) AS moment FROM jobs")
        if newest is not None and newest["moment"] is not None:
            clock.advance(max(0.0, float(newest["moment"]) - clock.now()))
        account.widen_keys()
        self.token = access.new_token()
        try:
            self._api = WireServer(make_app(self._sandbox, None if api_only else self.token), port)
        except OSError:
            self._store.close()
            raise
        self._store_server = WireServer(StoreApp(self._sandbox))
        self.url = f"http://{LOOPBACK}:{self._api.port}"
        self.api_key = account.add_key(key=api_key) if api_key is not None else account.first_key()
        self._sandbox.url = self.url
        # Another host name than the API's, as with SendGrid's object store.
        self._sandbox.store_url = f"http://localhost:{self._store_server.port}"

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self.stop()

    def start(self) -> None:
        """Accept connections from now on."""
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self._api.start()
        self._store_server.start()

    def stop(self) -> None:
        """Close every connection and the database."""
        self._api.stop()
        self._store_server.stop()
        self._store.close()

    @property
    def store(self) -> Store:
        """The account's tables."""
        return self._store

    @property
    def options(self) -> Options:
        """The switches in force."""
        return self._sandbox.account.options

    def set_options(self, **changes: Any) -> None:  # noqa: ANN401 - switches of any type
        """Set some switches, e.g. `set_options(overlong="truncate")`.

        Raises:
            BadOptionError: A switch is unknown or a value does not fit.
        """
        with self._sandbox.lock:
            self._sandbox.account.options = self.options.changed(changes)

    def now(self) -> float:
        """Read the sandbox's clock, in seconds since the epoch."""
        return self._sandbox.account.clock.now()

    def advance(self, seconds: float) -> None:
        """Move the sandbox's clock, real or manual, and apply the jobs that are due."""
        with self._store.transaction():
            self._sandbox.account.clock.advance(seconds)
            jobs.apply_due(self._sandbox.account)

    def settle(self) -> None:
        """Move the clock to the end of every pending job."""
        with self._store.transaction():
            jobs.settle(self._sandbox.account)

    def contacts(self, list_name: str | None = None, *, detail: bool = False) -> list[dict[str, Any]]:
        """Return every visible contact, lists and custom fields by name; see `seed.everybody`."""
        with self._store.transaction():
            jobs.apply_due(self._sandbox.account)
            return seed.everybody(self._sandbox.account, list_name, detail=detail)

    def seed(
        self,
        *,
        lists: tuple[str, ...] | list[str] = (),
        fields: dict[str, str] | None = None,
        contacts: list[dict[str, Any]] | None = None,
    ) -> None:
        """Add lists by name, custom fields (name to type) and contacts, all of it usable at once."""
        with self._sandbox.lock:
            seed.plant(
                self._sandbox.account,
                {
                    "lists": list(lists),
                    "fields": [{"name": name, "field_type": kind} for name, kind in (fields or {}).items()],
                    "contacts": contacts or [],
                },
            )

    def add_group(self, name: str) -> int:
        """Make a suppression group; return its id."""
        with self._store.transaction():
            return suppressions.create_group(self._sandbox.account, name).id

    def delete_group(self, group_id: int) -> None:
        """Delete a suppression group, as another user of the account might."""
        with self._store.transaction():
            suppressions.delete_group(self._sandbox.account, group_id)

    def suppress(self, *emails: str, group_id: int | None = None) -> None:
        """Suppress addresses, in a group or globally."""
        with self._store.transaction():
            suppressions.suppress(self._sandbox.account, emails, group_id or suppressions.GLOBAL)

    def suppressed(self, group_id: int | None = None) -> set[str]:
        """Return the addresses that are suppressed, in a group or globally."""
        with self._store.transaction():
            return set(suppressions.every(self._sandbox.account, group_id or suppressions.GLOBAL))

    def erased(self) -> set[str]:
        """Return the addresses that were erased."""
        with self._store.transaction():
            return set(erasures.every(self._sandbox.account))

    def jobs(self) -> list[dict[str, Any]]:
        """Return every job, newest first, as `GET imports/{id}` shows it."""
        with self._store.transaction():
            jobs.apply_due(self._sandbox.account)
            return jobs.every(self._sandbox.account, self._sandbox.store_url)

    def add_fault(
        self,
        kind: str,
        *,
        method: str | None = None,
        path: str | None = None,
        **order: Any,  # noqa: ANN401 - attributes of any type
    ) -> int:
        """Order a fault by the attributes of `faults.Fault`, and `contacts` of `faults.Match`; return its number.

        Raises:
            BadFaultError: The order is not valid.
        """
        match = {"method": method, "path": path, "contacts": order.pop("contacts", ())}
        fault = fault_orders.ordered({"kind": kind, "match": match, **order})
        with self._sandbox.lock:
            return self._sandbox.faults.add(fault)

    def faults(self) -> list[dict[str, Any]]:
        """Return every fault in force, with how often it struck."""
        with self._sandbox.lock:
            return self._sandbox.faults.described()

    def clear_faults(self) -> None:
        """Lift every fault."""
        with self._sandbox.lock:
            self._sandbox.faults.clear()

    def requests(self) -> list[dict[str, Any]]:
        """Return the request log, oldest first; the control plane's own requests are not in it."""
        with self._sandbox.lock:
            return [entry.as_dict() for entry in self._sandbox.all_requests()]

    def clear_requests(self) -> None:
        """Empty the request log."""
        with self._sandbox.lock:
            self._sandbox.forget_requests()

    def violations(self) -> list[str]:
        """Return what the client did and must never do, such as sending its key to the host of the errors file."""
        with self._sandbox.lock:
            return list(self._sandbox.violations)

    def add_key(self, scopes: tuple[str, ...] = FULL_ACCESS) -> str:
        """Make another key."""
        with self._sandbox.lock:
            return self._sandbox.account.add_key(scopes)

    def reset(self) -> None:
        """Empty the account, lift every fault and forget every request; keys and options stay."""
        with self._sandbox.lock:
            self._sandbox.reset()
