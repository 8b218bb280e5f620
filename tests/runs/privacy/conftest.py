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
from tests.harness.runs import QUICK, Finished
from tests.runs.privacy import canaries

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FORMATTERS: Mapping[str, dict[str, Any]] = {
    "structured": {"()": "singer_sdk.logging.StructuredFormatter"},
    "everything": {"format": "%(name)s %(pathname)s %(funcName)s %(threadName)s %(message)s %(exc_info)s %(args)s"},
    "broken": {"format": "%(nonsense)s"},
}
"""Log formats to test besides the default one of the SDK."""


@dataclass(frozen=True)
class SearchedRun(Finished):
    """A run, and everything that it wrote."""

    files: dict[str, str]
    """Content of the files that it left, by path, without the rejected records."""
    rejected: str
    """Content of the rejected-records file."""

    def assert_nothing_leaks(self) -> None:
        """Fail if standard output has more than states, or if the log or a file shows a marker or the key."""
        assert all(map(canaries.is_state, self.states)), "standard output holds more than states"
        for place, text in {"the log": self.log, **self.files}.items():
            found = canaries.found_in([text])
            if found:
                lines = [line[:300] for line in text.splitlines() if canaries.found_in([line])]
                pytest.fail(f"{place} shows {sorted(found)[:5]}: {lines[:3]}")


class ForkServer:
    """Runs the target in forks of one process, one run at a time. See `tests.runs.privacy.forks`."""

    def __init__(self) -> None:
        environment = os.environ | {"PYTHONASYNCIODEBUG": "1"}
        environment.pop(
            "COVERAGE_PROCESS_CONFIG", None
        )  # forks would write to one data file of the coverage, and break it
        self._process = subprocess.Popen(
            [sys.executable, "-X", "faulthandler", "-m", "tests.runs.privacy.forks"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, cwd=Path(__file__).parents[3],
        )  # fmt: skip

    def stop(self) -> None:
        """End the process."""
        self._process.communicate(timeout=60)

    def run(
        self, sandbox: SandboxServer, folder: Path, *, log_format: str = "", ending: str = "", **more: Any
    ) -> SearchedRun:
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


def _read_output(exit_code: int, folder: Path, known: set[Path]) -> SearchedRun:
    rejected = folder / "rejected.jsonl"
    if rejected.exists():
        assert stat.S_IMODE(rejected.stat().st_mode) == 0o600
    files = [path for path in folder.rglob("*") if path.is_file() and path not in {*known, rejected}]
    contents = {str(path.relative_to(folder)): path.read_text(encoding="utf-8", errors="replace") for path in files}
    return SearchedRun(
        exit_code,
        (folder / "stdout").read_text(encoding="utf-8").splitlines(),
        (folder / "stderr").read_text(encoding="utf-8", errors="replace"),
        json.loads(contents.get("report.json", "{}")),
        contents,
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
def sandbox_server() -> Iterator[SandboxServer]:
    """A sandbox with the key that `canaries` searches for. Its clock runs with the machine's, as that of the forks."""
    with SandboxServer(options=QUICK, api_key=canaries.KEY) as server:
        yield server


@dataclass
class CanaryAccount:
    """An account of the sandbox, and runs of the target on the canaries against it, each into a new folder."""

    fork_server: ForkServer
    sandbox: SandboxServer
    folder: Path
    run_count: int = 0

    def run(self, *faults: Mapping[str, Any], **more: Any) -> SearchedRun:
        """Empty the account, order faults, run the target, and check that nothing leaks and each fault has struck."""
        self.sandbox.reset()
        self.sandbox.seed(fields={"score": "Number"})
        for fault in faults:
            self.sandbox.add_fault(**fault)
        self.run_count += 1
        run = self.fork_server.run(self.sandbox, self.folder / str(self.run_count), **more)
        run.assert_nothing_leaks()
        assert "crash" in more or all(fault["struck"] for fault in self.sandbox.faults()), run.log
        assert not self.sandbox.violations()
        return run


@pytest.fixture
def account(fork_server: ForkServer, sandbox: SandboxServer, tmp_path: Path) -> CanaryAccount:
    """An empty account, and runs of the target against it that are searched for canaries."""
    return CanaryAccount(fork_server, sandbox, tmp_path)
