"""The target as a process of its own, with its standard input open."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from tests.support import singer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
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


def write(process: subprocess.Popen[bytes], *messages: Mapping[str, Any] | str) -> None:
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
