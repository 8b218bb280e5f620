"""What another user of the machine can find out about a sandbox: that it runs, and nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import requests

from target_sendgrid.sendgrid.embedded import EmbeddedSandbox
from tests.sandbox.client import TIMEOUT_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator

NOBODY = 65_534
PERSON = "ada@example.com"

NEIGHBOUR = """
import encodings.idna, json, os, pathlib, sys, urllib.error, urllib.request

url, pid, folder, user = sys.argv[1:]
found = {}

def attempt(name, look):
    try:
        found[name] = look()
    except urllib.error.HTTPError as error:
        found[name] = f"{error.code} {error.read()!r}"
    except (OSError, ValueError) as error:
        found[name] = type(error).__name__

def ask(method, path, headers):
    request = urllib.request.Request(url + path, b"{}" if method != "GET" else None, headers, method=method)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return f"{answer.status} {answer.read()!r}"

CONTROL = ("keys", "contacts", "requests", "jobs", "suppressions", "erasures")
READS = ("/", "/_sandbox/", "/v3/scopes", *("/_sandbox/" + name for name in CONTROL))
CHANGES = ("/_sandbox/reset", "/_sandbox/keys", "/_sandbox/seed", "/v3/marketing/lists")
GUESSES = {"Sandbox-Token": "x", "Authorization": "Bearer SG.a.b", "Cookie": "sandbox-token-" + url[17:] + "=x"}
# Python's own modules may be in a folder that others can't enter: this loads those that a request needs.
attempt("warm-up", lambda: ask("GET", "/_sandbox/health", {}))
attempt("warm-up", lambda: ask("GET", "/_sandbox/nothing", {}))
os.setgroups([])
os.setgid(int(user))
os.setuid(int(user))
found.clear()
for headers in ({}, GUESSES):
    for method, paths in (("GET", READS), ("POST", CHANGES)):
        for path in paths:
            attempt(f"{method} {path} {len(headers)}", lambda: ask(method, path, headers))
for path in sorted(pathlib.Path(folder).iterdir()):
    attempt(f"file {path.name}", lambda: repr(path.read_bytes()))
process = pathlib.Path("/proc") / pid
for name in ("environ", "mem", "maps", "io", "auxv"):
    attempt(f"process {name}", lambda: repr((process / name).read_bytes()))
attempt("process fd", lambda: [str(path) for path in (process / "fd").iterdir()])
found["command"] = (process / "cmdline").read_bytes().decode().split("\\0")
print(json.dumps(found))
"""


class Running(NamedTuple):
    """A sandbox in a process of its own, and what only its owner may know."""

    url: str
    pid: int
    secrets: tuple[str, ...]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that everybody may read."""
    if os.geteuid() != 0:
        pytest.fail("Only root can start a process of another user: run these tests as root, for example with sudo.")
    with tempfile.TemporaryDirectory() as name:
        path = Path(name)
        path.chmod(0o755)
        yield path


@pytest.fixture(params=["new", "old"])
def database(folder: Path, request: pytest.FixtureRequest) -> Path:
    """The file of a database that is made by the sandbox, or that exists and is readable by everybody."""
    path = folder / "account.db"
    if request.param == "old":
        with serving(path):
            pass
        path.chmod(0o644)
    return path


@contextmanager
def serving(database: Path) -> Iterator[Running]:
    """Start a sandbox, which ends when its standard input is closed."""
    command = [sys.executable, "-m", "target_sendgrid.sandbox", "serve", "--port", "0", "--ready-json"]
    command += ["--until-stdin-closes", "--database", str(database)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, umask=0) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        yield Running(ready["url"], process.pid, (ready["api_key"], ready["token"], PERSON))


@pytest.fixture
def running(database: Path) -> Iterator[Running]:
    with serving(database) as one:
        headers = {"Sandbox-Token": one.secrets[1]}
        control = f"{one.url}/_sandbox"
        seed = {"contacts": [{"email": PERSON}]}
        requests.post(f"{control}/seed", json=seed, headers=headers, timeout=TIMEOUT_SECONDS).raise_for_status()
        yield one
        contacts, keys = (
            requests.get(f"{control}/{name}", headers=headers, timeout=TIMEOUT_SECONDS).json()
            for name in ("contacts", "keys")
        )
        assert contacts == {"contacts": [{"email": PERSON, "lists": []}]}
        assert len(keys["keys"]) == 1


def look_around(url: str, pid: int, folder: Path) -> dict[str, Any]:
    """Return what a process of another user finds out."""
    arguments = [url, str(pid), str(folder), str(NOBODY)]
    finished = subprocess.run(
        [sys.executable, "-I", "-c", NEIGHBOUR, *arguments], capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stderr
    found: dict[str, Any] = json.loads(finished.stdout)
    return found


def test_another_user_finds_no_key_no_token_and_nobody(running: Running, folder: Path) -> None:
    found = look_around(running.url, running.pid, folder)
    assert not [secret for secret in running.secrets if secret in json.dumps(found)]
    asked = {name: answer for name, answer in found.items() if name.startswith(("GET", "POST"))}
    assert len(asked) == 22
    assert {answer[:3] for answer in asked.values()} == {"401"}
    assert {name: found[name] for name in found if name.startswith("file")} == {
        f"file account.db{suffix}": "PermissionError" for suffix in ("", "-shm", "-wal")
    }
    assert {answer for name, answer in found.items() if name.startswith("process")} == {"PermissionError"}
    assert found["command"][1:5] == ["-m", "target_sendgrid.sandbox", "serve", "--port"]


def test_another_user_finds_nothing_about_an_embedded_sandbox(folder: Path) -> None:
    before = children()
    sandbox = EmbeddedSandbox.start(str(folder / "account.db"))
    try:
        [pid] = children() - before
        found = look_around(sandbox.url, pid, folder)
    finally:
        sandbox.stop()
    assert sandbox.api_key not in json.dumps(found)
    asked = {name: answer[:3] for name, answer in found.items() if name.startswith(("GET", "POST"))}
    assert {name: status for name, status in asked.items() if status != ("401" if "/v3/" in name else "404")} == {}
    assert {answer for name, answer in found.items() if name.startswith(("file", "process"))} == {"PermissionError"}


def children() -> set[int]:
    """Return the processes that this one has started."""
    own = Path("/proc/self/task")
    return {int(pid) for thread in own.iterdir() for pid in (thread / "children").read_text().split()}
