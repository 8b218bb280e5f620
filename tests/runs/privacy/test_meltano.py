"""The target shows no value and no key under `meltano run` at debug level either."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.harness.runs import SCRIPTS
from tests.runs.privacy import canaries

if TYPE_CHECKING:
    from pathlib import Path

    from target_sendgrid.sandbox.server import SandboxServer

LOADER = "target-sendgrid"
CAPABILITIES = ["about", "batch", "schema-flattening", "stream-maps", "structured-logging", "validate-records"]


def write_project(folder: Path, url: str) -> None:
    """Write a Meltano project whose tap writes the canaries."""
    lines, tap = folder / "lines.singer", folder / "tap.py"
    lines.write_bytes(canaries.messages())
    tap.write_text(f"#!{sys.executable}\nprint(open({str(lines)!r}).read(), end='')\n", encoding="utf-8")
    tap.chmod(0o755)
    config = canaries.CONFIG | {"api_url": url, "rejected_records_path": str(folder / "rejected.jsonl")}
    loader = {"name": LOADER, "namespace": "target_sendgrid", "executable": LOADER, "capabilities": CAPABILITIES}
    setting = {"name": "api_key", "sensitive": True, "env_aliases": ["SENDGRID_API_KEY"]}
    project: dict[str, Any] = {
        "default_environment": "test",
        "environments": [{"name": "test"}],
        "project_id": "2f6a1d1c-6d4c-4f0e-9d8e-0c9b6f0a7c11",
        "send_anonymous_usage_stats": False,
        "plugins": {
            "extractors": [{"name": "tap-canaries", "namespace": "tap_canaries", "executable": str(tap)}],
            "loaders": [{**loader, "settings": [setting], "config": config}],
        },
    }
    (folder / "meltano.yml").write_text(json.dumps(project), encoding="utf-8")


@pytest.mark.parametrize("log_format", ["colored", "json"])
def test_the_target_shows_no_canary_to_meltano(sandbox: SandboxServer, tmp_path: Path, log_format: str) -> None:
    sandbox.seed(fields={"score": "Number"})
    write_project(tmp_path, sandbox.url)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MELTANO")}
    environment |= {"PATH": os.pathsep.join([str(SCRIPTS), os.environ["PATH"]]), "NO_COLOR": "1", "COLUMNS": "4000"}
    environment |= {"SENDGRID_API_KEY": canaries.KEY, "LOGLEVEL": "DEBUG"}
    run = subprocess.run(
        ["meltano", "--log-level=debug", f"--log-format={log_format}", "run", "tap-canaries", LOADER],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=240,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr[-3000:]
    assert sandbox.contacts()
    lines_of_target = [_without_meltano(line) for line in (run.stdout + run.stderr).splitlines()]
    assert any("target-sendgrid" in line and "PUT /v3/marketing/contacts" in line for line in lines_of_target)
    assert not [line[:300] for line in lines_of_target if canaries.found_in([line])]


def _without_meltano(line: str) -> str:
    """Return a line of the log without what Meltano itself logs: each message of the tap, and the states."""
    entry: dict[str, Any] = json.loads(line) if line.startswith("{") else {}
    if entry.get("stdio") == "stdout" or " tap-canaries " in line:
        return ""
    words = f"{entry}" if entry else line
    for state in canaries.STATES:
        words = words.replace(json.dumps(state), "").replace(f"{state}", "")
        words = words.replace(json.dumps({"singer_state": state}), "")
    return words
