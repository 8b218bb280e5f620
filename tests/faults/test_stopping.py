"""What a signal, a closed pipe or a crash does: what was sent settles, and no state passes what was not."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import record, schema, singer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from target_sendgrid.sandbox.server import SandboxServer


@contextlib.contextmanager
def started(sandbox: SandboxServer, folder: Path, **config: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Start the target with its standard input open."""
    path = folder / "config.json"
    own = {
        "api_url": sandbox.url,
        "api_key": sandbox.api_key,
        "list_name": "Everybody",
        "field_mapping": {"email": "mail"},
    }
    path.write_text(json.dumps(own | config), encoding="utf-8")
    with subprocess.Popen(
        [sys.executable, "-m", "target_sendgrid", "--config", str(path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        yield process
        process.kill()


def write(process: subprocess.Popen[bytes], *messages: dict[str, Any]) -> None:
    assert process.stdin is not None
    process.stdin.write(singer(*messages))
    process.stdin.flush()


def wait_for_log(process: subprocess.Popen[bytes], words: str) -> str:
    """Read the log until it says something; the run is then at that point."""
    assert process.stderr is not None
    seen = ""
    while words not in seen:
        line = process.stderr.readline().decode()
        assert line, seen
        seen += line
    return seen


@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_settles_what_was_sent_and_holds_back_the_state_of_what_was_not(
    sandbox: SandboxServer, tmp_path: Path, number: signal.Signals, exit_code: int
) -> None:
    with started(sandbox, tmp_path, batch_size_rows=2) as process:
        write(process, schema(mail="string"), record(mail="a@example.com"), record(mail="b@example.com"), _state(2))
        write(process, *[record(mail=f"{name}@example.com") for name in "cde"], _state(5))
        log = wait_for_log(process, "as import job") + wait_for_log(process, "as import job")
        process.send_signal(number)
        output, rest = process.communicate(timeout=60)
    log += rest.decode()
    assert process.returncode == exit_code, log
    assert output.decode().splitlines() == ['{"n": 2}']
    assert sorted(contact["email"][0] for contact in sandbox.contacts()) == ["a", "b", "c", "d"]
    assert "Traceback" not in log


def test_a_second_signal_stops_at_once(sandbox: SandboxServer, tmp_path: Path) -> None:
    sandbox.add_fault("job_stuck", times=None)
    with started(sandbox, tmp_path, batch_size_rows=1) as process:
        write(process, schema(mail="string"), record(mail="a@example.com"), _state(1))
        wait_for_log(process, "as import job")
        process.send_signal(signal.SIGTERM)
        wait_for_log(process, "Stopping")
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=20)
    assert process.returncode == 143
    assert output == b""


def test_a_killed_run_never_wrote_a_state_of_what_was_not_settled(sandbox: SandboxServer, tmp_path: Path) -> None:
    sandbox.add_fault("job_stuck", times=None, skip=1)
    with started(sandbox, tmp_path, batch_size_rows=1) as process:
        write(process, schema(mail="string"), record(mail="a@example.com"), _state(1))
        assert process.stdout is not None
        wait_for_log(process, "completed")
        write(process, record(mail="b@example.com"), _state(2))
        wait_for_log(process, "as import job")
        first_state = process.stdout.readline()
        process.kill()
        output, _ = process.communicate(timeout=20)
    assert first_state == b'{"n": 1}\n'
    assert output == b""


def test_a_silent_tap_holds_no_state_back(sandbox: SandboxServer, tmp_path: Path) -> None:
    with started(sandbox, tmp_path, batch_size_rows=1) as process:
        write(process, schema(mail="string"), record(mail="a@example.com"), _state(1))
        assert process.stdout is not None
        assert process.stdout.readline() == b'{"n": 1}\n'  # while standard input stays open
        output, log = process.communicate(timeout=60)
    assert process.returncode == 0, log
    assert output == b""


def test_a_signal_ends_a_run_that_is_still_opening(sandbox: SandboxServer, tmp_path: Path) -> None:
    sandbox.add_fault("status", status=429, times=None, headers={"x-ratelimit-reset": "100"})
    with started(sandbox, tmp_path) as process:
        wait_for_log(process, "429")
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=20)
    assert process.returncode == 143, log
    assert b"Traceback" not in log


def test_a_state_that_nobody_reads_ends_the_run(sandbox: SandboxServer, tmp_path: Path) -> None:
    with started(sandbox, tmp_path) as process:
        assert process.stdout is not None
        process.stdout.close()
        process.stdout = None
        write(process, schema(mail="string"), record(mail="a@example.com"), _state(1))
        assert process.stdin is not None
        process.stdin.close()
        process.stdin = None
        _, log = process.communicate(timeout=60)
    assert process.returncode == 1
    assert b"The state can't be written to standard output" in log
    assert b"Traceback" not in log


def _state(number: int) -> dict[str, Any]:
    return {"type": "STATE", "value": {"n": number}}
