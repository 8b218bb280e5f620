"""Real taps: installed as Meltano would install them, and piped into the target."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.harness.runs import SCRIPTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

PIPE_SECONDS = 120
"""Time after which a pipe is ended, and its test fails."""


class Piped(NamedTuple):
    """How a pipe ended, and what its programs wrote."""

    exit_codes: list[int]
    states: list[str]
    """The lines that the target wrote to standard output."""
    log: str
    """What all programs wrote to standard error, one after the other."""


def install(requirement: str, folder: Path, *options: str, python: str = sys.executable) -> Path:
    """Install a package in an environment of its own, and return the folder of its commands.

    Args:
        requirement: The package and its version.
        folder: Folder for the environment.
        options: More options of `uv pip install`.
        python: The Python of the environment.
    """
    uv = str(SCRIPTS / "uv")
    # uv runs in another folder, since it would keep to the constraints of this project.
    subprocess.run([uv, "venv", "--quiet", "--clear", "--python", python, str(folder)], check=True, cwd=folder.parent)
    command = [uv, "pip", "install", "--quiet", "--python", str(folder), *options, requirement]
    subprocess.run(command, check=True, cwd=folder.parent)
    return folder / "bin"


def discover(
    command: Sequence[str], environment: Mapping[str, str] | None = None, replication: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return the catalog that a tap writes, with every stream and column selected, as Meltano does it.

    Args:
        command: The tap and its config.
        environment: More variables for it.
        replication: How streams are read: more metadata of each stream.
    """
    process = subprocess.run([*command, "--discover"], capture_output=True, check=False, env=_environment(environment))
    assert process.returncode == 0, process.stderr.decode()
    catalog: dict[str, Any] = json.loads(process.stdout)
    for stream in catalog["streams"]:
        for entry in stream["metadata"]:
            entry["metadata"]["selected"] = True
            if not entry["breadcrumb"]:
                entry["metadata"].update(replication or {})
    return catalog


def pipe(
    *commands: Sequence[str], target: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None
) -> Piped:
    """Run a tap, mappers and the target as one pipe.

    Args:
        commands: The tap and the mappers.
        target: The target.
        folder: Folder for what they log.
        environment: More variables for all but the target.
    """
    processes: list[subprocess.Popen[bytes]] = []
    logs = [folder / f"{number}.log" for number in range(len(commands) + 1)]
    with contextlib.ExitStack() as stack:
        for number, command in enumerate([*commands, target]):
            process = stack.enter_context(
                subprocess.Popen(
                    command,
                    stdin=processes[-1].stdout if processes else subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=stack.enter_context(logs[number].open("wb")),
                    env=_environment(environment) if number < len(commands) else None,
                )
            )
            stack.callback(process.kill)
            if processes and (source := processes[-1].stdout):
                source.close()  # so that a program notices that the next one has ended
            processes.append(process)
        output, _ = processes[-1].communicate(timeout=PIPE_SECONDS)
        exit_codes = [process.wait(PIPE_SECONDS) for process in processes]
    log = "".join(path.read_text(encoding="utf-8") for path in reversed(logs))
    return Piped(exit_codes, output.decode().splitlines(), log)


def json_file(path: Path, content: object) -> str:
    """Write JSON to a file, and return its path."""
    path.write_text(json.dumps(content), encoding="utf-8")
    return str(path)


def _environment(more: Mapping[str, str] | None) -> dict[str, str]:
    """Return the environment without what is meant for the Python of the tests, and with more variables."""
    ours = {"PYTHONPATH", "PYTHONWARNINGS"}
    return {**{name: value for name, value in os.environ.items() if name not in ours}, **(more or {})}
