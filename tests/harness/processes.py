"""Talking to a target that runs as a process, whose standard input stays open while a test writes to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.harness.messages import singer

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Mapping


def write(process: subprocess.Popen[bytes], *messages: Mapping[str, Any] | str) -> None:
    """Write messages to the target's standard input."""
    assert process.stdin is not None
    process.stdin.write(singer(*messages))
    process.stdin.flush()


def wait_for_log(process: subprocess.Popen[bytes], words: str) -> str:
    """Read the log up to the first line that contains some words, and return what was read."""
    assert process.stderr is not None
    seen = ""
    while words not in seen:
        line = process.stderr.readline().decode()
        assert line, seen
        seen += line
    return seen
