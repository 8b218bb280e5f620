"""Runs of targets against a sandbox, both in processes of their own, and what the runs cost."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import requests

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tools.benchmarks.shapes import Shape

HERE = Path(__file__).parents[2]
"""The folder of this project's code."""

_SLOWING = frozenset({"PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX", "PYTHONUNBUFFERED"})
"""Variables that slow Python down. Without bytecode it compiles the SDK at every start, which triples the time."""

_ARRIVAL_SECONDS = 30
"""Longest time that accepted contacts may take to reach their list."""


class Figures(NamedTuple):
    """What one run cost."""

    wall_seconds: float
    cpu_seconds: float
    peak_megabytes: float
    states: int
    """Number of states that the run wrote."""


class SandboxProcess:
    """A sandbox in a process of its own, and its account."""

    def __init__(self, url: str, api_key: str, token: str) -> None:
        self.url = url
        self.api_key = api_key
        self._lists = 0
        self._session = requests.Session()
        self._session.headers.update({"Authorization": f"Bearer {api_key}", "Sandbox-Token": token})

    def prepare(self, shape: Shape) -> str:
        """Create the custom fields of a shape, and a list; return the list's id."""
        self.create_fields(shape)
        return self.new_list()

    def create_fields(self, shape: Shape) -> None:
        """Create the custom fields of a shape, unless there are such fields."""
        existing = self.field_ids()
        for name, field_type in shape.custom_fields.items():
            if name not in existing:
                field = {"name": name, "field_type": field_type}
                self._answer("POST", "/v3/marketing/field_definitions", json=field)

    def new_list(self) -> str:
        """Create a list, and return its id."""
        self._lists += 1
        return str(self._answer("POST", "/v3/marketing/lists", json={"name": f"Benchmark {self._lists}"})["id"])

    def check_arrivals(self, list_id: str, count: int, who: str) -> None:
        """Wait until a list has a number of contacts; exit if that does not happen."""
        deadline = time.monotonic() + _ARRIVAL_SECONDS
        while (found := self._answer("GET", f"/v3/marketing/lists/{list_id}")["contact_count"]) != count:
            if time.monotonic() > deadline:
                sys.exit(f"{who} has delivered {found:,} contacts instead of {count:,}.")
            time.sleep(0.05)

    def field_ids(self) -> dict[str, str]:
        """Return the ids of custom fields, by name."""
        fields = self._answer("GET", "/v3/marketing/field_definitions").get("custom_fields", [])
        return {field["name"]: field["id"] for field in fields}

    def requests(self) -> list[dict[str, Any]]:
        """Return the log of requests."""
        found: list[dict[str, Any]] = self._answer("GET", "/_sandbox/requests")["requests"]
        return found

    def close(self) -> None:
        """Close the connection."""
        self._session.close()

    def _answer(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        answer = self._session.request(method, self.url + path, timeout=60, **options)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found


@contextlib.contextmanager
def sandbox_process(*options: str) -> Iterator[SandboxProcess]:
    """Start a sandbox. By default it has no rate limit and its jobs end at once, so that only the target takes time."""
    command = [sys.executable, "-m", "target_sendgrid.sandbox", "serve", "--port", "0", "--ready-json"]
    command += ["--until-stdin-closes", *(options or ("--quick", "--no-rate-limit-enabled"))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        ready = json.loads(process.stdout.readline()) if process.stdout else {}
        with contextlib.closing(SandboxProcess(ready["url"], ready["api_key"], ready["token"])) as found:
            yield found


def write_config(into: SandboxProcess, config: Mapping[str, Any], folder: Path) -> Path:
    """Write the settings of a target to a file."""
    path = folder / "config.json"
    path.write_text(json.dumps({"api_url": into.url, "api_key": into.api_key} | dict(config)), encoding="utf-8")
    return path


def run_target(
    module: str, into: SandboxProcess, config: Mapping[str, Any], lines: Path, folder: Path, code: Path = HERE
) -> Figures:
    """Run a target with a file as standard input, as users do."""
    return run_python(["-m", module, "--config", str(write_config(into, config, folder))], lines, folder, code)


def environment_for(code: Path) -> dict[str, str]:
    """Return an environment in which Python takes the code from a folder, unless it starts in another such folder."""
    return {name: value for name, value in os.environ.items() if name not in _SLOWING} | {"PYTHONPATH": str(code)}


def run_python(arguments: Sequence[str], lines: Path, folder: Path, code: Path = HERE) -> Figures:
    """Run Python with a file as standard input and with cached bytecode, as users do.

    The peak memory is at least that of this process, because it counts from the fork.
    """
    started = time.perf_counter()
    with lines.open("rb") as file, (folder / "target.log").open("wb") as log:
        target = subprocess.Popen(
            [sys.executable, *arguments],
            stdin=file,
            stdout=subprocess.PIPE,
            stderr=log,
            env=environment_for(code),
            cwd=folder,
        )
        output = target.stdout.read().splitlines() if target.stdout else []
        _, status, usage = os.wait4(target.pid, 0)
    wall_seconds = time.perf_counter() - started
    target.returncode = status
    if target.stdout:
        target.stdout.close()
    if status:
        sys.exit((folder / "target.log").read_text(encoding="utf-8"))
    return Figures(wall_seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, len(output))


def print_row(*cells: str) -> None:
    """Print one line of a table."""
    sys.stdout.write("".join(f"{cell:>14}" for cell in cells) + "\n")
    sys.stdout.flush()
