"""Runs of the target that are looked through for canaries."""

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
from tests.privacy import canaries
from tests.support import QUICK

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FORMATTERS: Mapping[str, dict[str, Any]] = {
    "structured": {"()": "singer_sdk.logging.StructuredFormatter"},
    "everything": {"format": "%(name)s %(pathname)s %(funcName)s %(threadName)s %(message)s %(exc_info)s %(args)s"},
    "broken": {"format": "%(nonsense)s"},
}
"""Log formats besides the SDK's own for the console."""


@dataclass
class Told:
    """All that a run told."""

    exit_code: int
    output: str
    log: str
    files: dict[str, str]
    """What it left behind, by path, but for the rejected records."""
    rejected: str

    def assert_discreet(self) -> None:
        """Fail where anything shows that may not, naming the place and not the marker's neighbours."""
        assert all(canaries.is_state(line) for line in self.output.splitlines()), (
            "standard output holds more than states"
        )
        for place, text in {"the log": self.log, **self.files}.items():
            found = canaries.found_in([text])
            if found:
                lines = [line[:300] for line in text.splitlines() if canaries.found_in([line])]
                pytest.fail(f"{place} shows {sorted(found)[:5]}: {lines[:3]}")


class Forks:
    """Runs the target in forks of one process, one run at a time."""

    def __init__(self) -> None:
        environment = os.environ | {"PYTHONASYNCIODEBUG": "1"}
        self._process = subprocess.Popen(
            [sys.executable, "-X", "faulthandler", "-m", "tests.privacy.forks"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, cwd=Path(__file__).parents[2],
        )  # fmt: skip

    def stop(self) -> None:
        """End the process."""
        self._process.communicate(timeout=60)

    def run(self, sandbox: SandboxServer, folder: Path, *, log_format: str = "", ending: str = "", **more: Any) -> Told:
        """Run the target on the canaries, in a folder of its own.

        Args:
            sandbox: What it writes to.
            folder: Where everything goes that the run makes.
            log_format: One of `FORMATTERS`, or the SDK's own.
            ending: One of `canaries.ENDINGS`.
            more: Settings, or words of `forks.run`.
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
        return _told(exit_code, folder, {*own.values(), folder / "stdout", folder / "stderr"})


def _told(exit_code: int, folder: Path, known: set[Path]) -> Told:
    rejected = folder / "rejected.jsonl"
    if rejected.exists():
        assert stat.S_IMODE(rejected.stat().st_mode) == 0o600
    files = [path for path in folder.rglob("*") if path.is_file() and path not in {*known, rejected}]
    return Told(
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
def forks() -> Iterator[Forks]:
    """The process whose forks are runs."""
    started = Forks()
    yield started
    started.stop()


@pytest.fixture(scope="session")
def keyed_server() -> Iterator[SandboxServer]:
    """A SendGrid whose key is known letter by letter."""
    with SandboxServer(options=QUICK, api_key=canaries.KEY) as sandbox:
        yield sandbox


@dataclass
class Desk:
    """Runs against an account that is empty each time."""

    forks: Forks
    sandbox: SandboxServer
    folder: Path
    run_count: int = 0

    def run(self, *faults: Mapping[str, Any], **more: Any) -> Told:
        """Order faults, run the target, and look through all that it told. Each fault must have struck."""
        self.sandbox.reset()
        self.sandbox.seed(fields={"score": "Number"})
        for fault in faults:
            self.sandbox.add_fault(**fault)
        self.run_count += 1
        told = self.forks.run(self.sandbox, self.folder / str(self.run_count), **more)
        told.assert_discreet()
        assert "crash" in more or all(fault["struck"] for fault in self.sandbox.faults()), told.log
        assert not self.sandbox.violations()
        return told


@pytest.fixture
def desk(forks: Forks, keyed_server: SandboxServer, tmp_path: Path) -> Desk:
    """Where runs are ordered."""
    return Desk(forks, keyed_server, tmp_path)
