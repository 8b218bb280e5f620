"""Runs that a signal, a closed pipe or a kill stops: no state covers a record that is not settled."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING, Any

import pytest

from target_sendgrid.delivery.poll_schedule import LONGEST_POLL_SECONDS
from target_sendgrid.target import GRACE_SECONDS
from tests.harness.messages import PEOPLE, record, state
from tests.harness.processes import wait_for_log, write
from tests.runs.faults import world_promises
from tests.runs.faults.promises import proves

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.harness.account import Account
    from tests.runs.faults.promises import Promise


@proves(world_promises.TERMINATED, world_promises.INTERRUPTED)
@pytest.mark.parametrize(
    ("number", "promise"),
    [(signal.SIGTERM, world_promises.TERMINATED), (signal.SIGINT, world_promises.INTERRUPTED)],
    ids=["SIGTERM", "SIGINT"],
)
def test_after_a_signal_sent_contacts_are_settled_and_no_state_covers_unsent_ones(
    account: Account, number: signal.Signals, promise: Promise
) -> None:
    with account.start_process(batch_size_rows=2) as process:
        write(process, PEOPLE, record(email="a@example.com"), record(email="b@example.com"), state(2))
        write(process, *[record(email=f"{name}@example.com") for name in "cde"], state(5))
        log = wait_for_log(process, "as import job") + wait_for_log(process, "as import job")
        process.send_signal(number)
        output, rest = process.communicate(timeout=60)
    log += rest.decode()
    assert process.returncode == promise.exit_code, log
    assert promise.sees in log
    assert output.decode().splitlines() == ['{"n": 2}']
    assert [email[0] for email in account.emails()] == ["a", "b", "c", "d"]
    assert "Traceback" not in log


@proves(world_promises.TERMINATED, world_promises.INTERRUPTED)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_after_a_signal_jobs_are_waited_for_no_longer_than_the_grace_period(
    account: Account, number: signal.Signals
) -> None:
    """The job of the second batch never ends."""
    account.sandbox.add_fault("job_stuck", times=None, skip=1)

    def tap() -> Iterator[dict[str, Any]]:
        for line, name in enumerate("abc", 1):
            yield record(email=f"{name}@example.com")
            yield state(line)
        signal.raise_signal(number)

    run = account.send(tap(), batch_size_rows=1)
    assert run.exit_code == 128 + number, run.log
    assert run.states == ['{"n": 1}']
    assert GRACE_SECONDS <= run.report["seconds"] <= GRACE_SECONDS + LONGEST_POLL_SECONDS
    assert run.report["error"] == f"Stopped by signal {int(number)}."
    assert run.report["error_codes"] == ["stopped"]
    assert run.report["streams"]["people"]["unsettled"] == 2
    assert "Stopped without waiting" in run.log


@proves(world_promises.SECOND_SIGNAL)
def test_a_second_signal_stops_at_once(account: Account) -> None:
    account.sandbox.add_fault("job_stuck", times=None)
    with account.start_process(batch_size_rows=1) as process:
        write(process, PEOPLE, record(email="a@example.com"), state(1))
        wait_for_log(process, "as import job")
        process.send_signal(signal.SIGTERM)
        wait_for_log(process, "Stopping")
        process.send_signal(signal.SIGTERM)
        output, log = process.communicate(timeout=20)
    assert process.returncode == world_promises.SECOND_SIGNAL.exit_code
    assert world_promises.SECOND_SIGNAL.sees in log.decode()
    assert output == b""


@proves(world_promises.SECOND_SIGNAL)
@pytest.mark.parametrize("sizes", [[200_000], [65_000, 4_000]], ids=["a large state", "a small state"])
@pytest.mark.parametrize("is_unbuffered", [False, True])
def test_a_second_signal_stops_a_run_whose_states_are_not_read(
    account: Account, monkeypatch: pytest.MonkeyPatch, sizes: list[int], *, is_unbuffered: bool
) -> None:
    """Standard output is a pipe that is open, full, and not read."""
    monkeypatch.setenv("PYTHONUNBUFFERED", "1" if is_unbuffered else "")
    with account.start_process(batch_size_rows=1) as process:
        write(process, PEOPLE)
        for number, size in enumerate(sizes, 1):
            large = {"type": "STATE", "value": {"n": "x" * size}}
            write(process, record(email=f"p{number}@example.com"), large)
            wait_for_log(process, "1 contact confirmed")
        while process.poll() is None:  # two signals that arrive together count as one
            process.send_signal(signal.SIGTERM)
            time.sleep(0.1)
        assert process.stderr is not None
        log = process.stderr.read()
    assert process.returncode == world_promises.SECOND_SIGNAL.exit_code, log
    assert b"Traceback" not in log


@proves(world_promises.KILLED)
def test_a_killed_run_has_written_no_state_that_covers_an_unsettled_record(account: Account) -> None:
    account.sandbox.add_fault("job_stuck", times=None, skip=1)
    with account.start_process(batch_size_rows=1) as process:
        write(process, PEOPLE, record(email="a@example.com"), state(1))
        assert process.stdout is not None
        wait_for_log(process, "completed")
        write(process, record(email="b@example.com"), state(2))
        wait_for_log(process, "as import job")
        first_state = process.stdout.readline()
        process.kill()
        output, _ = process.communicate(timeout=20)
    assert first_state == b'{"n": 1}\n'
    assert output == b""


@proves(world_promises.TAP_STALLS)
def test_states_are_written_while_the_tap_is_silent(account: Account) -> None:
    with account.start_process(batch_size_rows=1) as process:
        write(process, PEOPLE, record(email="a@example.com"), state(1))
        assert process.stdout is not None
        assert process.stdout.readline() == b'{"n": 1}\n'  # while standard input stays open
        output, log = process.communicate(timeout=60)
    assert process.returncode == 0, log
    assert output == b""


def test_a_signal_ends_a_run_that_is_still_starting(account: Account) -> None:
    account.sandbox.add_fault("status", status=429, times=None, headers={"x-ratelimit-reset": "100"})
    with account.start_process() as process:
        wait_for_log(process, "429")
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=20)
    assert process.returncode == 143, log
    assert b"Traceback" not in log


@proves(world_promises.OUTPUT_CLOSED)
def test_closed_standard_output_ends_the_run_with_one_line_in_the_log(account: Account) -> None:
    with account.start_process(batch_size_rows=1) as process:
        assert process.stdout is not None
        write(process, PEOPLE, record(email="a@example.com"), state(1))
        assert process.stdout.readline() == b'{"n": 1}\n'
        process.stdout.close()
        process.stdout = None
        for number, name in enumerate("bcd", 2):
            write(process, record(email=f"{name}@example.com"), state(number))
        assert process.stdin is not None
        process.stdin.close()
        process.stdin = None
        _, log = process.communicate(timeout=60)
    assert process.returncode == 1
    assert log.count(world_promises.OUTPUT_CLOSED.sees.encode()) == 1, log
    assert b"Traceback" not in log
