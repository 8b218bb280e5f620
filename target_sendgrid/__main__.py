"""The command line: runs the target, and turns every way it can end into one sentence and an exit code."""

from __future__ import annotations

import gc
import io
import logging
import os
import sys
import traceback
from pathlib import Path

from target_sendgrid.errors import TargetSendGridError, TerminatedError
from target_sendgrid.target import TargetSendGrid

log = logging.getLogger("target-sendgrid")

_SIGNAL_EXIT = 128


def main() -> None:
    """Run ``target-sendgrid``."""
    # A run makes a hundred thousand objects a second, and no cycles: looking for those would take a tenth of its time.
    gc.freeze()
    gc.set_threshold(200_000, 50, 100)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # States are JSON, whatever the machine's locale is. They need a buffer: without one (PYTHONUNBUFFERED) Python
        # writes as much as the disk or the pipe takes at once, drops the rest, and says nothing.
        sys.stdout = open(sys.stdout.fileno(), "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - by number, for good
    command = TargetSendGrid.cli
    try:
        command.main()
    except TargetSendGridError as error:
        for line in str(error).splitlines():
            log.error("%s", line)  # noqa: TRY400 - a traceback tells a user nothing
        sys.exit(1)
    except TerminatedError as error:
        log.error("%s The state says where the next run goes on.", error)  # noqa: TRY400 - no traceback for a signal
        _drop_output()  # a state that got stuck would hold the end up
        sys.exit(_SIGNAL_EXIT + error.signal_number)
    except Exception as error:  # noqa: BLE001 - the last boundary: a message of unknown origin may quote personal data
        log.error(  # noqa: TRY400 - the traceback's last line would be that message
            "Internal error, %s at %s. Please report it; nothing of your data is in this line.",
            type(error).__name__,
            _where(error),
        )
        sys.exit(1)
    finally:
        _close_output()


def _where(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in reversed(frames[-5:]))


def _close_output() -> None:
    """Keep Python from complaining at exit that nobody reads standard output."""
    if sys.stdout is None:
        return
    try:
        sys.stdout.flush()
    except OSError:
        _drop_output()


def _drop_output() -> None:
    """Let what is still to be written go nowhere."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
