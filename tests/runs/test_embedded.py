"""The embedded sandbox as a child process: what it gets from the target, and that it never outlives its run."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import requests

from target_sendgrid.clock import SystemClock
from target_sendgrid.errors import ConfigError
from target_sendgrid.sendgrid.client import Client
from target_sendgrid.sendgrid.embedded import _PASSED_ON, EmbeddedSandbox
from target_sendgrid.sendgrid.transport import Transport
from tests.harness.processes import wait_for_log

SECRETS = (
    "TARGET_SENDGRID_API_KEY", "SENDGRID_API_KEY", "MELTANO_LOAD_API_KEY", "TAP_POSTGRES_PASSWORD", "AWS_TOKEN",
    "PYTHON_KEYRING_PASSWORD", "PYTHONANYWHERE_TOKEN", "LC_SECRET", "LD_KEY", "DYLD_TOKEN", "PATH_KEY", "HOME_TOKEN",
)  # fmt: skip
"""Names of variables that no program but their own needs. Some begin like names that Python needs."""


ALLOWED = set(_PASSED_ON)


class Started:
    """The processes that were started, each with its command line and its environment."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.commands: list[list[str]] = []
        self.environments: list[dict[str, str]] = []
        self.processes: list[subprocess.Popen[bytes]] = []
        self._popen = subprocess.Popen
        monkeypatch.setattr(subprocess, "Popen", self._start)

    def _start(self, command: list[str], **options: Any) -> subprocess.Popen[bytes]:
        self.commands.append(command)
        self.environments.append(options["env"])
        self.processes.append(self._popen(command, **options))
        return self.processes[-1]


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Started:
    return Started(monkeypatch)


def test_the_sandbox_gets_no_key_and_no_password_and_its_own_key_is_on_no_command_line(
    monkeypatch: pytest.MonkeyPatch, started: Started
) -> None:
    for name in SECRETS:
        monkeypatch.setenv(name, "canary")
    sandbox = EmbeddedSandbox.start(None)
    sandbox.stop()
    [command], [environment] = started.commands, started.environments
    assert "canary" not in environment.values()
    assert environment["PATH"] == os.environ["PATH"]
    assert set(environment) <= ALLOWED
    assert sandbox.api_key not in " ".join(command)


def test_the_sandbox_has_neither_page_nor_control_plane(started: Started) -> None:
    sandbox = EmbeddedSandbox.start(None)
    paths = ("/", "/_sandbox/", "/_sandbox/keys", "/_sandbox/contacts", "/_sandbox/health")
    found = {path: requests.get(sandbox.url + path, timeout=30).status_code for path in paths}
    reset = requests.post(f"{sandbox.url}/_sandbox/reset", timeout=30).status_code
    sandbox.stop()
    assert (set(found.values()), reset) == ({404}, 404)
    assert [process.returncode for process in started.processes] == [0]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_process_of_the_sandbox_has_listed_variables_only_and_dumps_no_core(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in SECRETS:
        monkeypatch.setenv(name, "canary")
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"api_url": "sandbox", "list_name": "Everybody"}), encoding="utf-8")
    with subprocess.Popen(
        [sys.executable, "-c", _WITH_CORE_DUMPS, "--config", str(path)],
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        wait_for_log(process, "Embedded sandbox at")
        target = Path("/proc") / str(process.pid)
        (child,) = (target / "task" / str(process.pid) / "children").read_text().split()
        variables = (Path("/proc") / child / "environ").read_bytes().split(b"\0")
        limits = [(Path("/proc") / number / "limits").read_text() for number in (str(process.pid), child)]
        process.kill()
    assert {line.partition(b"=")[0].decode() for line in variables if line} <= ALLOWED
    for text in limits:
        assert re.search(r"^Max core file size +0 +0 ", text, re.MULTILINE), text


_WITH_CORE_DUMPS = """
import resource
_, most = resource.getrlimit(resource.RLIMIT_CORE)
resource.setrlimit(resource.RLIMIT_CORE, (most, most))
from target_sendgrid.__main__ import main
main()
"""


def test_a_started_sandbox_answers_until_it_is_stopped(started: Started) -> None:
    sandbox = EmbeddedSandbox.start(None)
    client = Client(Transport(sandbox.url, sandbox.api_key, clock=SystemClock(), timeout_seconds=5))
    assert "marketing.read" in client.scopes()
    client.transport.close()
    sandbox.stop()
    sandbox.stop()
    assert [process.returncode for process in started.processes] == [0]


def test_a_sandbox_that_does_not_start_is_an_error_that_says_what_to_check(started: Started, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"did not start, .* Check the path in `api_url`"):
        EmbeddedSandbox.start(str(tmp_path / "no folder" / "account.db"))
    [process] = started.processes
    assert process.returncode not in {0, None}


def test_a_start_that_is_interrupted_leaves_no_process_behind(
    monkeypatch: pytest.MonkeyPatch, started: Started
) -> None:
    def interrupted(_line: bytes, **_options: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("target_sendgrid.sendgrid.embedded.msgspec.json.decode", interrupted)
    with pytest.raises(KeyboardInterrupt):
        EmbeddedSandbox.start(None)
    [process] = started.processes
    assert process.returncode is not None


def test_a_sandbox_that_is_not_installed_is_not_started(monkeypatch: pytest.MonkeyPatch, started: Started) -> None:
    monkeypatch.setitem(sys.modules, "flask", None)
    with pytest.raises(ConfigError, match=r"is not installed\. Install the target with its extra `sandbox`"):
        EmbeddedSandbox.start(None)
    assert started.commands == []
