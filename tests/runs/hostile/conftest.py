"""Runs on hostile input, and the promises that every one of them must keep."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from target_sendgrid.report.report import Bucket
from tests.harness.messages import schema, singer
from tests.harness.runs import run_here, settled_count

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from target_sendgrid.sandbox.server import SandboxServer
    from tests.harness.runs import Finished

PEOPLE = schema(email="string", first_name="string")


class HostileRuns:
    """Runs the target on hostile input.

    Args:
        sandbox: The account that the target writes to.
        folder: The folder for the file of rejected records.
    """

    def __init__(self, sandbox: SandboxServer, folder: Path) -> None:
        self.sandbox = sandbox
        self.folder = folder
        self.path = folder / "rejected.jsonl"

    def run(self, *messages: Mapping[str, Any] | str | bytes, **config: Any) -> Finished:
        """Run the target on messages. Text and bytes are lines as they are."""
        own = {"rejected_records_path": str(self.path), "max_rejected_percent": 100}
        run = run_here(self.sandbox, own | config, map(as_line, messages))
        assert_promises(run)
        assert not self.sandbox.violations()
        return run

    def rejected(self) -> list[dict[str, Any]]:
        """Return the entries of the file of rejected records."""
        return [json.loads(line) for line in self.path.read_bytes().splitlines()]

    def reasons(self) -> list[tuple[int, str]]:
        """Return line and reason of each rejected record."""
        return [(entry["line"], entry["reason"]) for entry in self.rejected()]

    def emails(self) -> list[str]:
        """Return the addresses of all contacts in the account."""
        return sorted(str(contact["email"]) for contact in self.sandbox.contacts())


def as_line(message: Mapping[str, Any] | str | bytes) -> bytes:
    """Return a message as a line."""
    return message + b"\n" if isinstance(message, bytes) else singer(message)


def assert_promises(run: Finished) -> None:
    """Check that the counts of the report add up and that the log contains no value."""
    for name, stream in run.report["streams"].items():
        assert stream["received"] == settled_count(stream) + stream["unsettled"], (name, stream)
        counts = [stream.get(bucket.value, 0) for bucket in Bucket]
        assert min(*counts, stream["unsettled"]) >= 0, (name, stream)
        assert run.exit_code or not stream["unsettled"], (name, stream)
    for words in ("Internal error", "Traceback", "@example.com"):
        assert words not in run.log


@pytest.fixture
def runs(server: SandboxServer, tmp_path: Path) -> HostileRuns:
    """An empty account whose jobs have ended when they are first polled."""
    server.reset()
    return HostileRuns(server, tmp_path)
