"""The target as a process, whose standard input stays open while a test writes to it."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from tests.harness.messages import singer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from target_sendgrid.sandbox.server import SandboxServer


@contextlib.contextmanager
def started(sandbox: SandboxServer, folder: Path, **config: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Start the target, and kill it at the end if it still runs."""
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
