"""Discretion: what libraries and Python itself would print, without their words, which may quote people or keys.

At debug level the SDK logs what stream maps compute, and HTTP libraries log links that open files of SendGrid.
Tracebacks end with the message of an exception that may hold a record's value.
"""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import TracebackType

log = logging.getLogger("target-sendgrid")

_OWN_LOGGERS = ("target-sendgrid", "singer_sdk.metrics")
"""Loggers, and all below them, whose words are known: our own, the SDK's in our name, and its counts."""

_WITHHELD = "(a message that is not shown: it may hold personal data)"
_FRAMES = 5


class RedactedRecord(logging.LogRecord):
    """A log record without exceptions, and without the words of loggers that are not ours."""

    def __init__(  # noqa: PLR0913, PLR0917 - as the library calls it
        self,
        name: str,
        level: int,
        pathname: str,
        lineno: int,
        msg: object,
        args: Any,  # noqa: ANN401 - as the library types it
        exc_info: object,
        func: str | None = None,
        sinfo: str | None = None,
    ) -> None:
        del exc_info, sinfo
        if not any(name == own or name.startswith(f"{own}.") for own in _OWN_LOGGERS):
            msg, args = _WITHHELD, ()
        super().__init__(name, level, pathname, lineno, msg, args, None, func)


def install() -> None:
    """Make everything that this process prints from now on discreet."""
    logging.setLogRecordFactory(RedactedRecord)
    logging.raiseExceptions = False  # what it prints of a log that can't be written ends with the exception in hand
    threading.excepthook = lambda told: _tell(told.exc_type, told.exc_traceback)
    sys.unraisablehook = lambda told: _tell(told.exc_type, told.exc_traceback)


def _tell(kind: type[BaseException], trace: TracebackType | None) -> None:
    log.error("Internal error, %s at %s.", kind.__name__, where(trace))


def where(trace: TracebackType | None) -> str:
    """Name files and lines that an exception came through, the innermost first."""
    frames = traceback.extract_tb(trace)
    return " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in reversed(frames[-_FRAMES:]))
