"""The tests of this folder start no process and do not wait, so all of them together take half a minute."""

from __future__ import annotations

import os
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TICK_SECONDS = 0.05
"""The longest time that a test may sleep."""


@pytest.fixture(autouse=True)
def _no_process_and_no_wait() -> Iterator[None]:
    """Fail each test that starts a process or sleeps, in any of its threads. Such a test belongs to `tests/runs`."""
    found: list[str] = []
    sleep = time.sleep

    def refuse(what: str) -> None:
        found.append(what)
        pytest.fail(f"A unit test {what}. Move it to tests/runs, or use a clock of tests.harness.clocks.")

    def refusing(what: str) -> Callable[..., None]:
        return lambda *_, **__: refuse(what)

    def sleep_for_a_tick(seconds: float) -> None:
        if seconds > TICK_SECONDS:
            refuse(f"sleeps for {seconds} seconds")
        sleep(seconds)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subprocess.Popen, "__init__", refusing("starts a process"))
        for name in ("fork", "posix_spawn", "system"):
            patch.setattr(os, name, refusing("starts a process"))
        patch.setattr(time, "sleep", sleep_for_a_tick)
        yield
    assert not found  # an error in another thread, or one that was caught, fails no test
