"""Draining of standard input after an error, with pipes and a clock that moves only while nothing comes."""

from __future__ import annotations

import io
import os
import socket
import sys
from typing import TYPE_CHECKING

import pytest

from target_sendgrid.singer.drain import LONGEST_SECONDS, LONGEST_SILENCE_SECONDS, drain, input_to_drain
from tests.harness.clocks import ManualClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

LINES = b'{"type": "RECORD"}\n' * 3000  # fits into a pipe


class TapClock(ManualClock):
    """A clock whose waits are those of a tap: each runs the next step, which takes some seconds.

    Args:
        steps: Seconds and what the tap does then. After the last one, nothing comes any more.
    """

    def __init__(self, *steps: tuple[float, Callable[[], object]]) -> None:
        super().__init__()
        self._steps = list(steps)

    def wait_for_input(self, descriptor: int, seconds: float) -> bool:
        if super().wait_for_input(descriptor, 0):
            return True
        due = self._steps[0][0] if self._steps else float("inf")
        self.sleep(min(due, seconds))
        if due > seconds:
            return False
        self._steps.pop(0)[1]()
        return super().wait_for_input(descriptor, 0)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    os.close(reading)
    os.close(writing)


def test_everything_is_read_until_the_tap_ends() -> None:
    reading, writing = os.pipe()
    clock = TapClock(
        (1, lambda: os.write(writing, LINES)), (14, lambda: os.write(writing, LINES)), (10, lambda: os.close(writing))
    )
    drain(reading, clock)
    assert clock.monotonic() == 50 + 25
    assert os.read(reading, 1) == b""
    os.close(reading)


def test_a_silent_tap_is_waited_for_15_seconds_from_its_last_line(pipe: tuple[int, int]) -> None:
    clock = TapClock((14, lambda: os.write(pipe[1], LINES)))
    drain(pipe[0], clock)
    assert clock.monotonic() == 50 + 14 + LONGEST_SILENCE_SECONDS


def test_a_tap_that_goes_on_writing_is_read_for_a_minute(pipe: tuple[int, int]) -> None:
    clock = TapClock(*[(7.0, lambda: os.write(pipe[1], LINES))] * 100)
    drain(pipe[0], clock)
    assert clock.monotonic() == 50 + LONGEST_SECONDS


def test_an_input_that_can_not_be_read_is_not_waited_for() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.close()
        drain(ours.fileno(), TapClock())
    folder = os.open(".", os.O_RDONLY)
    drain(folder, TapClock())
    os.close(folder)


def test_only_pipes_and_sockets_are_drained(
    pipe: tuple[int, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with os.fdopen(os.dup(pipe[0])) as file:
        monkeypatch.setattr(sys, "stdin", file)
        assert input_to_drain([]) == file.fileno()
        assert input_to_drain(["--config=ENV", "--config", "config.json"]) == file.fileno()
        for other in (["--check"], ["--input", "lines.jsonl"], ["--input=lines.jsonl"], ["--about", "--config=ENV"]):
            assert input_to_drain(other) is None
    assert input_to_drain([]) is None  # closed
    (tmp_path / "lines.jsonl").write_bytes(LINES)
    master, terminal = os.openpty()
    os.close(master)
    for opened in ((tmp_path / "lines.jsonl").open(), open(os.devnull), os.fdopen(terminal), io.StringIO()):  # noqa: PTH123, SIM115 - closed below
        with opened:
            monkeypatch.setattr(sys, "stdin", opened)
            assert input_to_drain([]) is None
    monkeypatch.setattr(sys, "stdin", None)
    assert input_to_drain([]) is None
