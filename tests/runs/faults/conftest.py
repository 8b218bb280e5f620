"""The account that these tests run the target against, in a sandbox whose clock the tests move."""

from __future__ import annotations

import itertools
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pytest

from tests.harness.clocks import SandboxClock
from tests.harness.messages import record, schema, singer
from tests.harness.runs import QUICK, run_here
from tests.runs.faults.promises import LAST_STATE

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from target_sendgrid.sandbox.server import SandboxServer
    from tests.harness.runs import Finished

PUT = {"method": "PUT", "path": "/v3/marketing/contacts"}
POLL = {"method": "GET", "path": "/v3/marketing/contacts/imports/*"}
SEARCH = {"method": "POST", "path": "/v3/marketing/contacts/search/emails"}
SCHEMA = schema(email="string", first_name="string", score="number")


class Account:
    """The account of the sandbox, and runs of the target against it."""

    def __init__(self, sandbox: SandboxServer, folder: Path) -> None:
        self.sandbox = sandbox
        self.clock = SandboxClock(sandbox)
        """The clock of the next run."""
        self._rejected_path = folder / "rejected.jsonl"

    def load(self, *emails: str, **config: Any) -> Finished:
        """Run the target on one record for each email: in one batch unless the config says otherwise."""
        return self.run([record(email=email, first_name="Zoë") for email in emails], **config)

    def run(
        self, messages: Iterable[dict[str, Any] | str], *, steps_at_states: bool = False, **config: Any
    ) -> Finished:
        """Run the target on messages, between a SCHEMA and the last STATE.

        Args:
            messages: What the tap writes in between.
            steps_at_states: Whether the job runner does one step at each STATE. Otherwise it does nothing before the
                run waits for it.
            config: Settings.
        """
        own = {"rejected_records_path": str(self._rejected_path), "max_rejected_percent": 100}
        lines = (singer(message).decode() for message in itertools.chain([SCHEMA], messages, [LAST_STATE]))
        run = run_here(self.sandbox, own | config, lines, is_late=lambda: not steps_at_states, clock=self.clock)
        assert not self.sandbox.violations()
        assert self.sandbox.api_key not in run.log
        assert "@" not in run.log
        return run

    def emails(self, list_name: str | None = None) -> list[str]:
        """Return the emails of the contacts in the account, or on one of its lists."""
        return [str(contact["email"]) for contact in self.sandbox.contacts(list_name)]

    def rejected(self) -> dict[int, tuple[str, str | None]]:
        """Return the reason code and SendGrid's message of each rejected record, by line."""
        lines = self._rejected_path.read_text(encoding="utf-8").splitlines() if self._rejected_path.exists() else []
        entries = [json.loads(line) for line in lines]
        return {entry["line"]: (entry["reason"], entry["sendgrid_message"]) for entry in entries}

    def puts(self) -> list[int]:
        """Return the status of each PUT."""
        return [entry["status"] for entry in self.sandbox.requests() if entry["method"] == "PUT"]

    def count(self, method: str, words: str) -> int:
        """Return how many requests of a method contain words in their path."""
        return sum(1 for entry in self.sandbox.requests() if entry["method"] == method and words in entry["path"])

    def list_id(self, name: str) -> str:
        """Return the id of a list."""
        row = self.sandbox.store.row("SELECT id FROM lists WHERE name = ?", name)
        assert row is not None
        return str(row["id"])

    def delete_list(self, name: str) -> None:
        """Delete a list if it exists, as another user of the account might."""
        with self.sandbox.store.transaction():
            self.sandbox.store.run("DELETE FROM members WHERE list IN (SELECT number FROM lists WHERE name = ?)", name)
            self.sandbox.store.run("DELETE FROM lists WHERE name = ?", name)


@pytest.fixture
def account(server: SandboxServer, tmp_path: Path) -> Account:
    """An empty account, whose jobs have ended when they are first polled."""
    server.reset()
    server.set_options(**asdict(QUICK))
    return Account(server, tmp_path)
