"""The embedded sandbox as a child process: started for one run, ended with it, talked to like SendGrid itself."""

from __future__ import annotations

import logging
import os
import subprocess
import sys

import msgspec

from target_sendgrid.errors import ConfigError

log = logging.getLogger("target-sendgrid.sendgrid")

_STOP_SECONDS = 10.0

_PASSED_ON = frozenset({"PATH", "HOME", "LANG", "TZ", "TMPDIR", "VIRTUAL_ENV", "SYSTEMROOT"})
_PASSED_ON_PREFIXES = ("PYTHON", "LC_", "LD_", "DYLD_")


class EmbeddedSandbox:
    """Runs a local SendGrid beside the target.

    Args:
        database: File that keeps the account; ``None`` for one that ends with the run.
    """

    def __init__(self, database: str | None) -> None:
        self._database = database
        self._process: subprocess.Popen[bytes] | None = None
        self.url = ""
        self.api_key = ""

    def start(self) -> None:
        """Start the sandbox and wait until it answers.

        Raises:
            ConfigError: It does not start.
        """
        command = [sys.executable, "-m", "target_sendgrid.sandbox", "serve", "--port", "0", "--quick"]
        command += ["--ready-json", "--until-stdin-closes"]
        command += ["--database", self._database] if self._database else []
        # The child ends when its standard input closes, so that it never outlives the target, however that ends.
        # It has a session of its own, so that Ctrl-C stops the target alone, which still settles what it has sent.
        process = subprocess.Popen(  # noqa: S603 - our own module
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=_environment(),
            start_new_session=True,
        )
        self._process = process
        line = process.stdout.readline() if process.stdout else b""
        try:
            ready = msgspec.json.decode(line, type=dict[str, str | None])
        except msgspec.DecodeError:
            self.stop()
            message = (
                "The embedded sandbox did not start, for the reason above. If a module is missing, install"
                " `target-sendgrid[sandbox]`; else check the path in `api_url`."
            )
            raise ConfigError(message) from None
        self.url = ready["url"] or ""
        self.api_key = ready["api_key"] or ""
        log.info("Embedded sandbox at %s.", self.url)

    def stop(self) -> None:
        """End the sandbox."""
        process, self._process = self._process, None
        if process is None:
            return
        for pipe in (process.stdin, process.stdout):
            if pipe:
                pipe.close()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _environment() -> dict[str, str]:
    """Return what Python needs to start. Keys and passwords, also those of taps, come as variables of any name."""
    return {
        name: value for name, value in os.environ.items() if name in _PASSED_ON or name.startswith(_PASSED_ON_PREFIXES)
    }
