"""Faults around the target: full disks, taps that stall, end early or change their schemas, and `kill -9`.

Signals and closed pipes are in `test_stopping.py`, the network and the clock in `test_network.py`.
"""

from __future__ import annotations

import errno
import gc
import gzip
import json
import os
import random
import resource
import subprocess
import sys
from typing import TYPE_CHECKING, Any, cast

import pytest

from target_sendgrid.delivery.delivery import LONGEST_OPEN_SECONDS
from target_sendgrid.sandbox.server import SandboxServer
from target_sendgrid.singer import validation
from target_sendgrid.singer.sink import SendGridSink
from tests.harness.account import PROCESS_SECONDS
from tests.harness.messages import LAST_STATE, PEOPLE, record, schema, singer, state
from tests.runs.faults import world_promises
from tests.runs.faults.promises import proves
from tools import kills

if TYPE_CHECKING:
    import io
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.harness.account import Account


@proves(world_promises.KILLED)
@pytest.mark.parametrize("is_mirrored", [False, True])
def test_kills_at_any_moment_lose_no_record(tmp_path: Path, *, is_mirrored: bool) -> None:
    with SandboxServer(options=kills.SLOW_JOBS) as sandbox:
        rng = random.Random(4)  # noqa: S311 - no secret is made of it
        killed, wrong = kills.wrong_after_kills(sandbox, tmp_path, rng, 4, failing_jobs=0.0, is_mirrored=is_mirrored)
    assert len(killed) > 0
    assert wrong == set()


@proves(world_promises.OUTPUT_CLOSED)
@pytest.mark.parametrize("is_unbuffered", [False, True])
@pytest.mark.parametrize("room_bytes", [0, 4])
def test_a_disk_that_is_full_before_or_within_a_state_ends_the_run(
    account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room_bytes: int, *, is_unbuffered: bool
) -> None:
    """`PYTHONUNBUFFERED`, which many container images set, must not make Python drop the other half unnoticed."""
    monkeypatch.setenv("PYTHONUNBUFFERED", "1" if is_unbuffered else "")
    lines = singer(PEOPLE, record(email="ada@example.com"), LAST_STATE)
    with (tmp_path / "states").open("wb") as file:
        process = _limited(account, lines, limit_bytes=room_bytes, stdout=file)
    log = process.stderr.decode()
    assert process.returncode == world_promises.OUTPUT_CLOSED.exit_code
    assert log.count(world_promises.OUTPUT_CLOSED.sees) == 1, log
    assert "Traceback" not in log
    assert "Exception ignored" not in log


@proves(world_promises.LOG_CLOSED)
@pytest.mark.parametrize("is_pipe", [False, True])
@pytest.mark.parametrize("is_unbuffered", [False, True])
def test_a_log_that_cannot_be_written_does_not_end_the_run(
    account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_pipe: bool, is_unbuffered: bool
) -> None:
    monkeypatch.setenv("PYTHONUNBUFFERED", "1" if is_unbuffered else "")
    if is_pipe:
        reader, writer = os.pipe()
        os.close(reader)
    else:
        writer = os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT)
    lines = singer(PEOPLE, record(email="ada@example.com"), LAST_STATE)
    with os.fdopen(writer, "wb") as log:
        process = _limited(account, lines, limit_bytes=0, stderr=log)
    assert process.returncode == world_promises.LOG_CLOSED.exit_code
    assert process.stdout.decode().splitlines() == ['{"n": 9}']


@proves(world_promises.REJECTED_FILE_FULL)
@pytest.mark.parametrize("when", ["when it is read", "after it was sent"])
def test_no_state_covers_a_rejected_record_that_is_not_in_the_file(account: Account, when: str) -> None:
    bad = "nobody" if when == "when it is read" else "bad@nowhere"  # only SendGrid refuses the latter
    people = [record(email="ada@example.com"), state(1), record(email=bad), state(2), record(email="b@example.com")]
    account.rejected_path.write_bytes(b"\n" * _LIMIT_BYTES)
    lines = singer(PEOPLE, *people, LAST_STATE)
    process = _limited(account, lines, rejected_records_path=str(account.rejected_path), batch_size_rows=1)
    log = process.stderr.decode()
    assert process.returncode == world_promises.REJECTED_FILE_FULL.exit_code, log
    assert log.count(world_promises.REJECTED_FILE_FULL.sees) == 1, log
    assert process.stdout.decode().splitlines() == ['{"n": 1}']
    assert "Traceback" not in log


@proves(world_promises.REJECTED_FILE_FULL)
def test_no_state_is_written_before_the_rejected_records_are_on_disk(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", refuse)
    people = [record(email="ada@example.com"), record(email="bad@nowhere")]  # only SendGrid refuses the latter
    run = account.send([*people, state(1)])
    assert world_promises.REJECTED_FILE_FULL.is_kept_by(run), run
    assert run.states == []


@proves(world_promises.REJECTED_FILE_FULL)
@pytest.mark.parametrize("call", ["write", "fsync"])
def test_no_later_state_covers_a_rejected_record_that_was_not_written(
    account: Account, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """The disk is full for a moment only: a later state would cover the rejected record that was lost."""
    real: Callable[..., Any] = getattr(os, call)
    refusals = iter([True])

    def refuse_once(*arguments: Any) -> Any:
        if next(refusals, False):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(*arguments)

    def tap() -> Iterator[dict[str, Any]]:
        yield from (record(email="ada@example.com"), state(1), record(email="bad@nowhere"), state(2))
        yield from (record(email="worse@nowhere"), state(3), record(email="b@example.com"))
        monkeypatch.setattr(os, call, refuse_once)

    run = account.send(tap(), batch_size_rows=1)
    assert world_promises.REJECTED_FILE_FULL.is_kept_by(run), run
    assert set(run.states) <= {'{"n": 1}'}


@proves(world_promises.REPORT_FULL)
def test_a_full_disk_under_the_report_loses_only_the_report(account: Account) -> None:
    account.report_path.write_text("older", encoding="utf-8")
    lines = singer(PEOPLE, record(email="ada@example.com"), LAST_STATE)
    process = _limited(account, lines, limit_bytes=10, report_path=str(account.report_path))
    log = process.stderr.decode()
    assert process.returncode == world_promises.REPORT_FULL.exit_code
    assert log.count(world_promises.REPORT_FULL.sees) == 1, log
    assert process.stdout.decode().splitlines() == ['{"n": 9}']
    assert account.report_path.read_text(encoding="utf-8") == "older"
    assert sorted(found.name for found in account.folder.iterdir()) == ["config.json", "report.json"]
    assert account.emails("Everybody") == ["ada@example.com"]


@proves(world_promises.TAP_DIES)
@pytest.mark.parametrize("kept", [1, 30, 60], ids=str)
def test_when_a_tap_ends_in_the_middle_of_a_line_the_records_before_are_sent(account: Account, kept: int) -> None:
    half = json.dumps(record(email="half@example.com"))[:kept].encode()
    run = account.run(PEOPLE, record(email="ada@example.com"), state(1), half)
    assert world_promises.TAP_DIES.is_kept_by(run), run
    assert run.states == ['{"n": 1}']
    assert account.emails("Everybody") == ["ada@example.com"]
    assert "half@" not in run.log


@proves(world_promises.TAP_STALLS)
def test_while_a_tap_stalls_states_are_written_and_open_batches_are_sent(account: Account) -> None:
    written: list[str] = []

    def tap() -> Iterator[bytes]:
        yield singer(PEOPLE, record(email="ada@example.com"), state(1))
        for _ in range(2 * int(LONGEST_OPEN_SECONDS / 60)):
            account.clock.sleep(60)
            yield b"\n"  # wakes the reader, as happens every half second while a pipe is silent
        written.extend(cast("io.StringIO", sys.stdout).getvalue().splitlines())
        yield singer(record(email="b@example.com"), LAST_STATE)

    run = account.feed(tap(), steps_at_states=True)
    assert written == ['{"n": 1}']
    assert world_promises.TAP_STALLS.is_kept_by(run), run
    assert account.emails("Everybody") == ["ada@example.com", "b@example.com"]


@proves(world_promises.BATCH_FILE_CUT)
@pytest.mark.parametrize("is_compressed", [False, True])
def test_a_batch_file_that_is_cut_off_ends_the_run(account: Account, tmp_path: Path, *, is_compressed: bool) -> None:
    people = b"".join(json.dumps({"email": f"p{number}@example.com"}).encode() + b"\n" for number in range(10_000))
    path = tmp_path / "people.jsonl"
    path.write_bytes(gzip.compress(people)[:-100] if is_compressed else people[:-10])
    batch = {"type": "BATCH", "stream": "people", "encoding": {"format": "jsonl"}, "manifest": [path.as_uri()]}
    run = account.send([record(email="ada@example.com"), state(1), batch, LAST_STATE])
    assert world_promises.BATCH_FILE_CUT.is_kept_by(run), run
    assert run.states == ['{"n": 1}']
    assert run.report["streams"]["people"]["rejected"] == {}
    assert {"ada@example.com", "p0@example.com"} <= set(account.emails("Everybody"))


@proves(world_promises.SCHEMAS_ALTERNATE)
def test_schemas_that_alternate_do_not_fill_the_memory(account: Account) -> None:
    sinks: list[int] = []
    kinds = [schema("flips", email="string", first_name="string", **{name: "string"}) for name in ("score", "other")]

    def tap() -> Iterator[dict[str, Any]]:
        for number in range(300):
            yield kinds[number % 2]
            yield record("flips", email=f"p{number % 50}@example.com", first_name=f"No. {number}")
        gc.collect()
        found = [thing for thing in gc.get_objects() if isinstance(thing, SendGridSink)]
        sinks.append(sum(sink.stream_name == "flips" for sink in found))

    run = account.send(tap())
    assert world_promises.SCHEMAS_ALTERNATE.is_kept_by(run), run
    assert sinks == [1]
    assert run.report["streams"]["flips"]["received"] == 300
    assert {contact["first_name"] for contact in account.sandbox.contacts()} == {f"No. {n}" for n in range(250, 300)}


@proves(world_promises.PATTERNS_ARE_SLOW)
def test_a_stream_of_slow_records_ends_the_run(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validation, "_MAX_SECONDS", 0.1)
    monkeypatch.setattr(validation, "_MAX_SLOW_SECONDS", 0.25)
    text = schema(email="string", code={"pattern": "^(a+)+$"})
    slow = [record(email=f"p{number}@example.com", code="a" * 60 + "!") for number in range(20)]
    mapping = {"email": "email", "postal_code": "code"}
    run = account.send([text, record(email="ada@example.com"), state(1), *slow, LAST_STATE], field_mapping=mapping)
    assert world_promises.PATTERNS_ARE_SLOW.is_kept_by(run), run
    assert run.report["streams"]["people"]["rejected"]["schema_violation"] <= 3
    assert run.states == ['{"n": 1}']
    assert account.emails("Everybody") == ["ada@example.com"]


_LIMIT_BYTES = 4096


def _limited(
    account: Account,
    lines: bytes,
    *,
    limit_bytes: int = _LIMIT_BYTES,
    stdout: Any = subprocess.PIPE,
    stderr: Any = subprocess.PIPE,
    **config: Any,
) -> subprocess.CompletedProcess[bytes]:
    """Run the command line with a limit on the size of its files, which acts like a full disk with another error."""
    no_files = {"report_path": None, "rejected_records_path": None}
    return subprocess.run(
        account.command(program=_UNDER_A_LIMIT.format(limit_bytes=limit_bytes), **no_files | config),
        input=lines, stdout=stdout, stderr=stderr, check=False, timeout=PROCESS_SECONDS,
    )  # fmt: skip


_UNDER_A_LIMIT = f"""
import resource
from target_sendgrid.__main__ import main
resource.setrlimit(resource.RLIMIT_FSIZE, ({{limit_bytes}}, {resource.RLIM_INFINITY}))
main()
"""
