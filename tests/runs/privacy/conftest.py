"""Runs of the target whose whole output is searched for canaries."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from target_sendgrid.sandbox.server import SandboxServer
from tests.harness.runs import QUICK
from tests.runs.privacy import canaries

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FORMATTERS: Mapping[str, dict[str, Any]] = {
    "structured": {"()": "singer_sdk.logging.StructuredFormatter"},
    "everything": {"format": "%(name)s %(pathname)s %(funcName)s %(threadName)s %(message)s %(exc_info)s %(args)s"},
    "broken": {"format": "%(nonsense)s"},
}
"""Log formats to test besides the default one of the SDK."""


@dataclass
class RunOutput:
    """Everything that a run wrote."""

    exit_code: int
    stdout: str
    log: str
    files: dict[str, str]
    """Content of the files that it left, by path, without the rejected records."""
    rejected: str
    """Content of the rejected-records file."""

    def assert_nothing_leaks(self) -> None:
        """Fail if standard output has more than states, or if the log or a file shows a marker or the key."""
        assert all(canaries.is_state(line) for line in self.stdout.splitlines()), (
            "standard output holds more than states"
        )
        for place, text in {"the log": self.log, **self.files}.items():
            found = canaries.found_in([text])
            if found:
                lines = [line[:300] for line in text.splitlines() if canaries.found_in([line])]
                pytest.fail(f"{place} shows {sorted(found)[:5]}: {lines[:3]}")


class ForkServer:
    """Runs the target in forks of one process, one run at a time. See `tests.runs.privacy.forks`."""

    def __init__(self) -> None:
        environment = os.environ | {"PYTHONASYNCIODEBUG": "1"}
        self._process = subprocess.Popen(
            [sys.executable, "-X", "faulthandler", "-m", "tests.runs.privacy.forks"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, cwd=Path(__file__).parents[3],
        )  # fmt: skip

    def stop(self) -> None:
        """End the process."""
        self._process.communicate(timeout=60)

    def run(
        self, sandbox: SandboxServer, folder: Path, *, log_format: str = "", ending: str = "", **more: Any
    ) -> RunOutput:
        """Run the target on the canaries.

        Args:
            sandbox: The account that it writes to.
            folder: A new folder for all files of the run.
            log_format: One of `FORMATTERS`; empty for the default one of the SDK.
            ending: One of `canaries.ENDINGS`; empty for none.
            more: Settings, and `crash` or `breaks_output` as in `forks.run`.
        """
        for name in ("home", "temporary", "here"):
            (folder / name).mkdir(parents=True)
        order = {name: more.pop(name) for name in ("crash", "breaks_output") if name in more}
        config = {
            "api_url": sandbox.url, "api_key": sandbox.api_key, **canaries.CONFIG,
            "report_path": str(folder / "report.json"), "rejected_records_path": str(folder / "rejected.jsonl"),
            **more,
        }  # fmt: skip
        own = {"config": folder / "config.json", "stdin": folder / "input", "logging": folder / "logging.json"}
        own["config"].write_text(json.dumps(config), encoding="utf-8")
        own["stdin"].write_bytes(canaries.messages(ending))
        environment = {
            "PATH": os.environ["PATH"], "HOME": str(folder / "home"), "TMPDIR": str(folder / "temporary"),
            "LOGLEVEL": "DEBUG", "TARGET_SENDGRID_LOGLEVEL": "DEBUG",
        }  # fmt: skip
        if log_format:
            own["logging"].write_text(json.dumps(_log_config(FORMATTERS[log_format])), encoding="utf-8")
            environment["SINGER_SDK_LOG_CONFIG"] = str(own["logging"])
        paths = {name: str(folder / name) for name in ("stdout", "stderr")} | {"stdin": str(own["stdin"])}
        whole = order | paths | {
            "folder": str(folder / "here"), "config": str(own["config"]), "environment": environment,
        }  # fmt: skip
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(whole).encode() + b"\n")
        self._process.stdin.flush()
        exit_code = int(self._process.stdout.readline())
        return _read_output(exit_code, folder, {*own.values(), folder / "stdout", folder / "stderr"})


def _read_output(exit_code: int, folder: Path, known: set[Path]) -> RunOutput:
    rejected = folder / "rejected.jsonl"
    if rejected.exists():
        assert stat.S_IMODE(rejected.stat().st_mode) == 0o600
    files = [path for path in folder.rglob("*") if path.is_file() and path not in {*known, rejected}]
    return RunOutput(
        exit_code,
        (folder / "stdout").read_text(encoding="utf-8"),
        (folder / "stderr").read_text(encoding="utf-8", errors="replace"),
        {str(path.relative_to(folder)): path.read_text(encoding="utf-8", errors="replace") for path in files},
        rejected.read_text(encoding="utf-8") if rejected.exists() else "",
    )


def _log_config(formatter: dict[str, Any]) -> dict[str, Any]:
    handler = {"class": "logging.StreamHandler", "formatter": "own", "stream": "ext://sys.stderr"}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"own": formatter},
        "handlers": {"own": handler},
        "loggers": {"urllib3.connectionpool": {"level": "DEBUG", "handlers": ["own"]}},
        "root": {"level": "DEBUG", "handlers": ["own"]},
    }


@pytest.fixture(scope="session")
def fork_server() -> Iterator[ForkServer]:
    """The process that forks for each run."""
    started = ForkServer()
    yield started
    started.stop()


@pytest.fixture(scope="session")
def keyed_server() -> Iterator[SandboxServer]:
    """A sandbox with the key that `canaries` searches for."""
    with SandboxServer(options=QUICK, api_key=canaries.KEY) as sandbox:
        yield sandbox


@dataclass
class PrivacyHarness:
    """Runs the target, each time against an empty account and into a new folder."""

    fork_server: ForkServer
    sandbox: SandboxServer
    folder: Path
    run_count: int = 0

    def run(self, *faults: Mapping[str, Any], **more: Any) -> RunOutput:
        """Order faults, run the target, and check that nothing leaks and that each fault has struck."""
        self.sandbox.reset()
        self.sandbox.seed(fields={"score": "Number"})
        for fault in faults:
            self.sandbox.add_fault(**fault)
        self.run_count += 1
        output = self.fork_server.run(self.sandbox, self.folder / str(self.run_count), **more)
        output.assert_nothing_leaks()
        assert "crash" in more or all(fault["struck"] for fault in self.sandbox.faults()), output.log
        assert not self.sandbox.violations()
        return output


@pytest.fixture
def harness(fork_server: ForkServer, keyed_server: SandboxServer, tmp_path: Path) -> PrivacyHarness:
    """Runs of the target that are checked for leaks."""
    return PrivacyHarness(fork_server, keyed_server, tmp_path)
