"""The account of a sandbox, and runs of the target against it: all that a test of a whole run needs."""

from __future__ import annotations

import contextlib
import itertools
import json
import subprocess
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TypeAlias

from target_sendgrid.report.report import Bucket
from tests.harness.clocks import SandboxClock
from tests.harness.messages import LAST_STATE, PEOPLE, record, singer
from tests.harness.runs import WARNINGS_ARE_ERRORS, Finished, check_in_process, run_in_process, settled_count

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from target_sendgrid.sandbox.server import SandboxServer
    from tests.harness.runs import Checked

    Message: TypeAlias = Mapping[str, Any] | str | bytes

PROCESS_SECONDS = 120
"""Time after which a run in a process of its own is ended, and its test fails."""


class Account:
    """An account of a sandbox, runs of the target against it, and what they left behind.

    Settings are given as keywords. Without them, a run sends to the list `Everybody`, keeps rejected records in a file,
    and does not fail however many are rejected.

    A message is a Singer message, a line as text, or any bytes, to which no end of line is added.

    Args:
        sandbox: The sandbox.
        folder: The folder for the files of runs.
    """

    def __init__(self, sandbox: SandboxServer, folder: Path) -> None:
        self.sandbox = sandbox
        self.folder = folder
        self.clock = SandboxClock(sandbox)
        """The clock of the next run in this process."""
        self.rejected_path = folder / "rejected.jsonl"
        self.report_path = folder / "report.json"
        """The report of the last run in a process of its own."""
        self._options = asdict(sandbox.options)

    def settings(self, **config: Any) -> dict[str, Any]:
        """Return all settings of a run."""
        return {
            "api_url": self.sandbox.url,
            "api_key": self.sandbox.api_key,
            "list_name": "Everybody",
            "rejected_records_path": str(self.rejected_path),
            "max_rejected_percent": 100,
            **config,
        }

    # Runs in this process: no wait takes time, and the order of all steps is the same in every run

    def run(self, *messages: Message, **config: Any) -> Finished:
        """Run the target on messages."""
        return self.feed(messages, **config)

    def feed(
        self, messages: Iterable[Message], *, steps_at_states: bool | Callable[[], bool] = False, **config: Any
    ) -> Finished:
        """Run the target on messages that are made while it reads them, so that something may happen in between.

        Args:
            messages: What the tap writes.
            steps_at_states: Whether the job runner does one step at each STATE, or a function that is asked each time.
                Otherwise it does nothing before the run waits for it.
            config: Settings.
        """
        does_step = steps_at_states if callable(steps_at_states) else lambda: steps_at_states
        lines = (message if isinstance(message, bytes) else singer(message) for message in messages)
        run = run_in_process(self.settings(**config), lines, self.clock, does_step=does_step)
        self._check(run)
        return run

    def send(
        self, messages: Iterable[Message], *, steps_at_states: bool | Callable[[], bool] = False, **config: Any
    ) -> Finished:
        """Feed messages to the target, with the SCHEMA of the stream `people` before and the last STATE after them."""
        return self.feed(itertools.chain([PEOPLE], messages, [LAST_STATE]), steps_at_states=steps_at_states, **config)

    def load(self, *emails: str, **config: Any) -> Finished:
        """Send one record for each email: in one batch unless the config says otherwise."""
        return self.send([record(email=email, first_name="Zoë") for email in emails], **config)

    def check(self, *messages: Message, **config: Any) -> Checked:
        """Check with messages on standard input, and that the check writes nothing."""
        before = sorted(self.folder.iterdir())
        lines = (message if isinstance(message, bytes) else singer(message) for message in messages)
        checked = check_in_process(self.settings(**config), b"".join(lines), self.clock)
        assert sorted(self.folder.iterdir()) == before
        self.check_only_reads()
        for words in ("Internal error", "Traceback", "@", self.sandbox.api_key):
            assert words not in checked.log
            assert words not in str(checked.findings)
        return checked

    def check_only_reads(self) -> None:
        """Check that the sandbox has seen no request that writes."""
        requests = {(entry["method"], entry["path"]) for entry in self.sandbox.requests()}
        writes = [one for one in requests if one[0] != "GET" and "/search" not in one[1]]
        assert writes == []

    # Runs in a process of their own, as users start them: on the machine's clock

    def run_process(
        self,
        lines: bytes,
        *,
        arguments: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        **config: Any,
    ) -> Finished:
        """Run the command line with Singer lines as standard input."""
        self.report_path.unlink(missing_ok=True)
        process = subprocess.run(
            [*self.command(**config), *arguments],
            input=lines, capture_output=True, check=False, timeout=PROCESS_SECONDS, env=environment,
        )  # fmt: skip
        report = json.loads(self.report_path.read_bytes()) if self.report_path.exists() else {}
        states, log = process.stdout.decode().splitlines(), process.stderr.decode()
        run = Finished(process.returncode, states, log, report)
        self._check(run)
        return run

    @contextlib.contextmanager
    def start_process(self, **config: Any) -> Iterator[subprocess.Popen[bytes]]:
        """Start the command line, and kill it at the end if it still runs. See `tests.harness.processes`."""
        pipe = subprocess.PIPE
        with subprocess.Popen(self.command(**config), stdin=pipe, stdout=pipe, stderr=pipe) as process:
            try:
                yield process
            finally:
                process.kill()

    def command(self, *, program: str = "", **config: Any) -> list[str]:
        """Write the config to a file, and return the command line.

        Args:
            program: Python code that calls the target's `main`; empty for the target as it is.
            config: Settings.
        """
        path = self.folder / "config.json"
        settings = self.settings(**{"report_path": str(self.report_path), **config})
        path.write_text(json.dumps(settings), encoding="utf-8")
        started = ["-c", program] if program else [*WARNINGS_ARE_ERRORS, "-m", "target_sendgrid"]
        return [sys.executable, *started, "--config", str(path)]

    # What runs left behind

    def emails(self, list_name: str | None = None) -> list[str]:
        """Return the emails of the contacts in the account, or on one of its lists, in order."""
        return sorted(str(contact["email"]) for contact in self.sandbox.contacts(list_name))

    def rejected(self) -> list[dict[str, Any]]:
        """Return the entries of the file of rejected records."""
        lines = self.rejected_path.read_bytes().splitlines() if self.rejected_path.exists() else []
        return [json.loads(line) for line in lines]

    def rejected_lines(self) -> list[int]:
        """Return the line of each rejected record."""
        return [entry["line"] for entry in self.rejected()]

    def reasons(self) -> list[tuple[int, str]]:
        """Return line and reason code of each rejected record."""
        return [(entry["line"], entry["reason"]) for entry in self.rejected()]

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

    # What happens to the account

    def delete_list(self, name: str) -> None:
        """Delete a list if it exists, as another user of the account might."""
        with self.sandbox.store.transaction():
            self.sandbox.store.run("DELETE FROM members WHERE list IN (SELECT number FROM lists WHERE name = ?)", name)
            self.sandbox.store.run("DELETE FROM lists WHERE name = ?", name)

    def reset(self) -> None:
        """Begin again, as each example of a property does: empty the account, and remove the rejected records."""
        self.sandbox.reset()
        self.sandbox.set_options(**self._options)
        self.rejected_path.unlink(missing_ok=True)

    def _check(self, run: Finished) -> None:
        """Check what holds for every run, whatever happens to it."""
        for name, stream in run.report.get("streams", {}).items():
            assert stream["received"] == settled_count(stream) + stream["unsettled"], (name, stream)
            counts = [stream.get(bucket.value, 0) for bucket in Bucket]
            assert min(*counts, stream["unsettled"]) >= 0, (name, stream)
            assert run.exit_code or not stream["unsettled"], (name, stream)
        for words in ("Internal error", "Traceback", "@", self.sandbox.api_key):
            assert words not in run.log
        assert not self.sandbox.violations()
