"""The command line: runs the target, and turns every way it can end into one sentence and an exit code."""

from __future__ import annotations

import gc
import io
import logging
import os
import signal
import sys
from typing import TYPE_CHECKING, NoReturn, TextIO

from target_sendgrid import redaction
from target_sendgrid.errors import TargetSendGridError, TerminatedError

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger("target-sendgrid")

_SIGNAL_EXIT = 128


def main() -> None:
    """Run ``target-sendgrid``."""
    # Python looks for cycles of garbage whenever 700 objects more are there: a tenth of the start's time. Looking yet
    # more rarely would save no more, and leave a megabyte of garbage (see `tests/benchmarks/startup.py`).
    gc.set_threshold(10_000, 50, 100)
    from target_sendgrid.target import TargetSendGrid  # noqa: PLC0415 - which loads the SDK, as the lines above await

    # A run makes a hundred thousand objects a second, and no cycles: looking for those would take a tenth of its time.
    gc.freeze()
    gc.set_threshold(200_000, 50, 100)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # States are JSON, whatever the machine's locale is. They need a buffer: without one (PYTHONUNBUFFERED) Python
        # writes as much as the disk or the pipe takes at once, drops the rest, and says nothing.
        sys.stdout = open(sys.stdout.fileno(), "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - by number, for good
    redaction.install()
    try:
        try:
            exit_code, lines = _run(TargetSendGrid.cli.main)
        finally:
            _flush_or_drop(sys.stdout)
        # Told when no exception is in hand any more, which whatever handles the log could print.
        for line in lines:
            log.error("%s", line)
    finally:
        _flush_or_drop(sys.stderr)  # last, since the lines go there
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # while Python shuts down, the next one would take the exit code away
    sys.exit(exit_code)


def _run(command: Callable[[], NoReturn]) -> tuple[int, list[str]]:
    """Run the command; return its exit code and what is to be said about its end."""
    try:
        command()
    except TargetSendGridError as error:
        return 1, str(error).splitlines()
    except TerminatedError as error:
        _drop(sys.stdout)  # a state that got stuck would hold the end up
        return _SIGNAL_EXIT + error.signal_number, [f"{error} The state says where the next run goes on."]
    except SystemExit as error:
        if error.code is None or isinstance(error.code, int):
            raise
        return 1, [_internal(error)]  # whose code is a text, which Python would print
    except BaseException as error:  # noqa: BLE001 - the last boundary: a message of unknown origin may quote personal data
        return 1, [_internal(error)]


def _internal(error: BaseException) -> str:
    place = f"{type(error).__name__} at {redaction.where(error.__traceback__)}"
    return f"Internal error, {place}. Please report it; nothing of your data is in this line."


def _flush_or_drop(stream: TextIO | None) -> None:
    """Keep Python from complaining at exit, with an exit code of its own, that nobody takes what a stream holds."""
    if stream is None:
        return
    try:
        stream.flush()
    except OSError:
        _drop(stream)


def _drop(stream: TextIO | None) -> None:
    """Let what is still to be written go nowhere."""
    if stream is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


if __name__ == "__main__":
    main()
