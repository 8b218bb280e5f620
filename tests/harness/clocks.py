"""Clocks on which waiting takes no time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from target_sendgrid.clock import SystemClock

if TYPE_CHECKING:
    from queue import SimpleQueue

    from target_sendgrid.clock import Item
    from target_sendgrid.sandbox.server import SandboxServer

EPOCH = 1_700_000_000.0
"""What `ManualClock.now` adds to its seconds, in seconds since the epoch."""


class ManualClock(SystemClock):
    """A clock that moves only when its user sleeps.

    Args:
        seconds: First reading of `monotonic`.
    """

    def __init__(self, seconds: float = 50.0) -> None:
        self.seconds = seconds
        self.sleeps: list[float] = []

    def now(self) -> float:
        return EPOCH + self.seconds

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.seconds += seconds


class SandboxClock:
    """A clock that moves only when its user sleeps. It moves the clock of the sandbox by the same time."""

    def __init__(self, sandbox: SandboxServer) -> None:
        self._sandbox = sandbox
        self.slept_seconds = 0.0

    def now(self) -> float:
        return self._sandbox.now()

    def monotonic(self) -> float:
        return self.slept_seconds

    def sleep(self, seconds: float) -> None:
        self.slept_seconds += seconds
        self._sandbox.advance(seconds)

    def wait_for(self, source: SimpleQueue[Item], seconds: float | None) -> Item | None:
        raise NotImplementedError  # only threads wait for a queue

    def wait_for_input(self, descriptor: int, seconds: float) -> bool:
        raise NotImplementedError  # only the process itself waits for its input


class HastyClock(SystemClock):
    """The machine's clock, except that sleeping takes no time: the clock jumps ahead instead."""

    def __init__(self) -> None:
        self._jumped_seconds = 0.0

    def now(self) -> float:
        return super().now() + self._jumped_seconds

    def monotonic(self) -> float:
        return super().monotonic() + self._jumped_seconds

    def sleep(self, seconds: float) -> None:
        self._jumped_seconds += seconds

    def wait_for(self, source: SimpleQueue[Item], seconds: float | None) -> Item | None:
        item = super().wait_for(source, None if seconds is None else min(seconds, 0.1))
        self._jumped_seconds += 0.0 if item is not None or seconds is None else max(0.0, seconds - 0.1)
        return item
