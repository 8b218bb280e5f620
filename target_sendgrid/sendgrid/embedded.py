"""The embedded sandbox: a local SendGrid as a child process, started for one run and ended with it."""

from __future__ import annotations

import importlib.util
import logging
import os
import subprocess
import sys

import msgspec

from target_sendgrid.errors import Code, ConfigError, Problem

log = logging.getLogger("target-sendgrid.sendgrid")

_STOP_SECONDS = 10.0

_LIBRARY = "flask"
"""What only the extra `sandbox` installs."""

_PASSED_ON = (
    "HOME", "PATH", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR", "VIRTUAL_ENV",
    "LANG", "LC_ALL", "LC_CTYPE", "TZ",
    "DYLD_FALLBACK_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "LD_LIBRARY_PATH", "LD_PRELOAD",
    "PYTHONCOERCECLOCALE", "PYTHONDEVMODE", "PYTHONDONTWRITEBYTECODE", "PYTHONFAULTHANDLER", "PYTHONHASHSEED",
    "PYTHONHOME", "PYTHONIOENCODING", "PYTHONNOUSERSITE", "PYTHONPATH", "PYTHONPLATLIBDIR", "PYTHONPYCACHEPREFIX",
    "PYTHONSAFEPATH", "PYTHONUSERBASE", "PYTHONUTF8", "PYTHONWARNINGS",
)  # fmt: skip
"""Environment variables that Python may need to start and to find its modules."""


class _Ready(msgspec.Struct):
    """The line that the sandbox prints when it accepts connections."""

    url: str
    api_key: str


class EmbeddedSandbox:
    """A running local SendGrid; `start` makes one.

    Args:
        process: The sandbox.
        url: Address of its API.
        api_key: Key for it.
    """

    def __init__(self, process: subprocess.Popen[bytes], *, url: str, api_key: str) -> None:
        self._process = process
        self.url = url
        self.api_key = api_key

    @classmethod
    def start(cls, database: str | None) -> EmbeddedSandbox:
        """Start a sandbox and wait until it accepts connections.

        Args:
            database: File that keeps the account; ``None`` for an account that ends with the sandbox.

        Raises:
            ConfigError: It does not start.
        """
        if importlib.util.find_spec(_LIBRARY) is None:
            what = "The embedded sandbox, which `api_url` asks for, is not installed."
            next_step = (
                "Install the target with its extra `sandbox`: in a clone with `uv tool install '.[sandbox]'`; in"
                " Meltano, end `pip_url` with `[sandbox]` and run `meltano install`."
            )
            raise ConfigError([Problem(what, next_step)], code=Code.SANDBOX_FAILED)
        command = [sys.executable, "-m", "target_sendgrid.sandbox", "serve", "--port", "0", "--quick"]
        command += ["--api-only", "--ready-json", "--until-stdin-closes"]
        command += ["--database", database] if database else []
        # The child ends when its standard input closes, so that it never outlives the target, however that ends.
        # It has a session of its own: Ctrl-C stops the target alone, which still settles what it has sent.
        process = subprocess.Popen(  # noqa: S603 - our own module
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=_environment(),
            start_new_session=True,
        )
        try:
            ready = msgspec.json.decode(process.stdout.readline() if process.stdout else b"", type=_Ready)
        except msgspec.DecodeError:
            _stop(process)
            what = "The embedded sandbox did not start, for the reason above."
            next_step = "Check the path in `api_url`."
            raise ConfigError([Problem(what, next_step)], code=Code.SANDBOX_FAILED) from None
        except BaseException:  # also a signal to the target, which must not leave the child behind
            _stop(process)
            raise
        log.info("Embedded sandbox at %s.", ready.url)
        return cls(process, url=ready.url, api_key=ready.api_key)

    def stop(self) -> None:
        """End the sandbox. Stopping it again does nothing."""
        _stop(self._process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Ask the sandbox to end by closing its standard input; kill it when it does not."""
    for pipe in (process.stdin, process.stdout):
        if pipe:
            pipe.close()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _environment() -> dict[str, str]:
    """Return the variables that Python needs to start. All others may be keys and passwords, also those of taps."""
    return {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
