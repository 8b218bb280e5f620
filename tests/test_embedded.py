"""The embedded sandbox as a process of its own: what it gets to see of ours."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

from target_sendgrid.sendgrid.embedded import EmbeddedSandbox

if TYPE_CHECKING:
    import pytest

SECRETS = ("TARGET_SENDGRID_API_KEY", "SENDGRID_API_KEY", "MELTANO_LOAD_API_KEY", "TAP_POSTGRES_PASSWORD", "AWS_TOKEN")


def test_the_sandbox_gets_no_key_and_no_password_and_its_own_key_is_on_no_command_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in SECRETS:
        monkeypatch.setenv(name, "canary")
    seen: list[tuple[list[str], dict[str, str]]] = []
    start = subprocess.Popen

    def noted(command: list[str], **options: Any) -> subprocess.Popen[bytes]:
        seen.append((command, options["env"]))
        return start(command, **options)

    monkeypatch.setattr(subprocess, "Popen", noted)
    sandbox = EmbeddedSandbox(None)
    sandbox.start()
    sandbox.stop()
    [(command, environment)] = seen
    assert "canary" not in environment.values()
    assert "PATH" in environment
    assert sandbox.api_key not in " ".join(command)
