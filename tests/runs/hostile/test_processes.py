"""The command line on closed streams, odd encodings, signals, and input without end."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.harness.account import PROCESS_SECONDS
from tests.harness.messages import PEOPLE, record, schema, singer, state
from tests.harness.processes import wait_for_log, write

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tests.harness.account import Account

ADA = record(email="ada@example.com")
MIB = 1 << 20


# Streams


def test_a_closed_standard_input_is_a_clear_error(account: Account) -> None:
    run = subprocess.run(
        ["sh", "-c", '"$@" <&-', "sh", *account.command()], capture_output=True, check=False, timeout=PROCESS_SECONDS
    )
    assert run.returncode == 1
    assert b"Standard input is closed. Pipe a tap into the target." in run.stderr
    assert b"Traceback" not in run.stderr
    assert b"Internal error" not in run.stderr


def test_a_closed_standard_output_is_a_clear_error_when_a_state_is_due(account: Account) -> None:
    run = subprocess.run(
        ["sh", "-c", '"$@" >&-', "sh", *account.command()],
        input=singer(PEOPLE, ADA, state(1)), capture_output=True, check=False, timeout=PROCESS_SECONDS,
    )  # fmt: skip
    assert run.returncode == 1
    assert b"The state can't be written: standard output is closed. Run again from the last state." in run.stderr
    assert b"Traceback" not in run.stderr
    assert b"Internal error" not in run.stderr


def test_a_closed_standard_output_does_no_harm_where_no_state_is_due(account: Account) -> None:
    run = subprocess.run(
        ["sh", "-c", '"$@" >&-', "sh", *account.command()],
        input=singer(PEOPLE, ADA), capture_output=True, check=False, timeout=PROCESS_SECONDS,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert account.emails() == ["ada@example.com"]


def test_a_closed_standard_error_does_no_harm(account: Account) -> None:
    run = subprocess.run(
        ["sh", "-c", '"$@" 2>&-', "sh", *account.command()],
        input=singer(PEOPLE, ADA, state(1)), capture_output=True, check=False, timeout=PROCESS_SECONDS,
    )  # fmt: skip
    assert run.returncode == 0
    assert run.stdout == b'{"n": 1}\n'


@pytest.mark.parametrize(
    "variables",
    [{"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, {"PYTHONIOENCODING": "ascii"}],
    ids=str,
)
def test_states_and_names_are_utf_8_whatever_the_locale(account: Account, variables: dict[str, str]) -> None:
    value = {"type": "STATE", "value": {"Zoë": "😀"}}
    lines = "".join(
        json.dumps(message, ensure_ascii=False) + "\n"
        for message in (
            schema("Zoë", email="string"),
            record("Zoë", email="no"),
            record("Zoë", email="ada@example.com"),
            value,
        )
    )
    run = account.run_process(lines.encode(), environment=os.environ | variables)
    assert run.exit_code == 0, run.log
    assert run.states == ['{"Zoë": "😀"}']
    assert run.report["streams"]["Zoë"]["upserted"] == 1
    assert "Logging error" not in run.log


# Signals


def test_a_signal_while_a_stream_is_opened_ends_the_run(account: Account) -> None:
    account.sandbox.add_fault(
        "status",
        method="POST",
        path="/v3/marketing/lists",
        status=429,
        times=None,
        headers={"x-ratelimit-reset": "100"},
    )
    with account.start_process() as process:
        write(process, PEOPLE)
        wait_for_log(process, "429")
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=60)
    assert process.returncode == 143, log
    assert b"Traceback" not in log
    assert b"Internal error" not in log


# Files


@pytest.mark.parametrize("kind", ["link", "dangling link", "pipe", "folder", "socket"])
def test_a_report_goes_to_a_plain_file_only(
    account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    path, other = tmp_path / "place", tmp_path / "other"
    if kind == "link":
        other.touch()
    if kind in {"link", "dangling link"}:
        path.symlink_to(other)
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "socket":
        monkeypatch.chdir(tmp_path)  # addresses of sockets are short
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(path.name)
    before = path.lstat().st_mode
    run = subprocess.run(
        account.command(report_path=str(path)),
        input=singer(PEOPLE, ADA, state(1)), capture_output=True, check=False, timeout=PROCESS_SECONDS,
    )  # fmt: skip
    assert run.returncode == 1
    assert run.stderr.count(b"`report_path`: no report can be written to") == 1
    assert (run.stdout, account.emails()) == (b"", [])
    assert path.lstat().st_mode == before


# Bytes


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"\xef\xbb\xbf" + singer(PEOPLE, ADA), 1),
        (singer(PEOPLE, ADA).decode().encode("utf-16"), 1),
        (singer(PEOPLE) + b"\x00" * MIB + b"\n" + singer(ADA), 2),
        (singer(PEOPLE) + b"\x00" * MIB, 2),
        (b"\x1f\x8b\x08\x00" + os.urandom(16), 1),
        (b"<html>\n", 1),
    ],
    ids=["BOM", "UTF-16", "NUL bytes", "NUL bytes at the end", "gzip", "HTML"],
)
def test_a_line_that_is_no_json_is_named_by_its_number(account: Account, content: bytes, line: int) -> None:
    run = account.run_process(content)
    assert run.exit_code == 1
    assert f"Line {line} of standard input is not valid JSON." in run.log
    assert "Traceback" not in run.log
    assert run.states == []


@pytest.mark.parametrize("end", [b"\r\n", b" \n", b"\n\n\r\n"])
def test_lines_may_end_in_other_ways(account: Account, end: bytes) -> None:
    content = singer(PEOPLE, ADA, record(email="no"), state(1)).replace(b"\n", end)
    run = account.run_process(content)
    assert run.exit_code == 0, run.log
    assert run.states == ['{"n": 1}']
    assert [entry["message"] for entry in account.rejected()] == [record(email="no")]


# Memory


def peak_kib(account: Account, content: Iterable[bytes]) -> tuple[int, bytes, bytes]:
    """Return the peak memory of a run in KiB, its output, and its log."""
    measured = (
        "import resource, subprocess, sys\n"
        "code = subprocess.run(sys.argv[1:]).returncode\n"
        "print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)\n"
    )
    log = account.folder / "log"
    with log.open("wb") as errors, subprocess.Popen(
        [sys.executable, "-c", measured, *account.command()],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
    ) as process:  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        for part in content:
            process.stdin.write(part)
        process.stdin.close()
        output = process.stdout.read()
    *states, last = output.splitlines()
    assert last.split()[0] == b"0", log.read_bytes()
    return int(last.split()[1]), b"\n".join(states), log.read_bytes()


LONG_RECORD = [b'{"type": "RECORD", "stream": "people", "record": {"email": "', b'"}}\n']


@pytest.mark.parametrize("sizes", [[100]], ids=str)
def test_a_line_without_end_takes_little_memory(account: Account, sizes: list[int]) -> None:
    def content(mebibytes: int) -> Iterable[bytes]:
        yield singer(PEOPLE, ADA)
        if mebibytes:
            yield LONG_RECORD[0]
            yield from [b"x" * MIB] * mebibytes
            yield LONG_RECORD[1]
        yield singer(state(1))

    plain, _, _ = peak_kib(account, content(0))
    for size in sizes:
        peak, states, log = peak_kib(account, content(size))
        assert states == b'{"n": 1}'
        assert b"people: too_large" in log or b"too_large" in log
        assert peak - plain < 120 * 1024, (peak, plain)
