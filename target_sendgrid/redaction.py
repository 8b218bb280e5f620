"""Redaction: keeps the words of libraries and of Python itself out of the log, since they may quote people or keys.

At debug level the SDK logs what stream maps compute, and HTTP libraries log the links to SendGrid's errors files.
A traceback ends with the message of the exception, which may hold a value of a record.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from target_sendgrid.wording import shown

if TYPE_CHECKING:
    from types import TracebackType

log = logging.getLogger("target-sendgrid")

_OWN_LOGGERS = ("target-sendgrid", "singer_sdk.metrics")
"""Loggers whose messages are shown, with all loggers below them: ours, which the SDK uses, too, and its metrics."""

_WITHHELD = "(a message that is not shown: it may hold personal data)"
_SDK_FOLDER = f"{os.sep}singer_sdk{os.sep}"
"""Part of the paths of the SDK's modules."""
_MAX_FRAMES = 5
"""Number of frames that the place of an error names, counted from the innermost."""


class RedactedRecord(logging.LogRecord):
    """A log record without its exception, and without its message where the logger is not ours.

    What the SDK logs at info level with our logger is of use to developers only, so its level is lowered to debug.
    Names in its message may have characters that nobody sees, or that a terminal obeys: these are escaped.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - the signature of the base class
        self,
        name: str,
        level: int,
        pathname: str,
        lineno: int,
        msg: object,
        args: Any,  # noqa: ANN401 - the type of the base class
        exc_info: object,
        func: str | None = None,
        sinfo: str | None = None,
    ) -> None:
        del exc_info, sinfo
        if not any(name == own or name.startswith(f"{own}.") for own in _OWN_LOGGERS):
            msg, args = _WITHHELD, ()
        elif level == logging.INFO and name.startswith("target-sendgrid") and _SDK_FOLDER in pathname:
            level = logging.DEBUG
        super().__init__(name, level, pathname, lineno, msg, args, None, func)

    def getMessage(self) -> str:  # noqa: N802 - the name of the base class
        """Return the message with invisible characters escaped, except those between its lines."""
        return "\n".join(shown(line) for line in super().getMessage().split("\n"))


def install() -> None:
    """Redact all that this process logs from now on, and all that Python prints of exceptions that nothing catches."""
    logging.setLogRecordFactory(RedactedRecord)
    logging.raiseExceptions = False  # a log that can't be written would print the exception that is being handled
    threading.excepthook = lambda uncaught: _log_uncaught(uncaught.exc_type, uncaught.exc_traceback)
    sys.unraisablehook = lambda uncaught: _log_uncaught(uncaught.exc_type, uncaught.exc_traceback)


def quieten_libraries() -> None:
    """Drop the records that are of no use, in all log handlers that there are now. Call it when logging is set up."""
    loggers = [logging.root, *(logging.getLogger(name) for name in logging.root.manager.loggerDict)]
    for handler in {handler for logger in loggers for handler in logger.handlers}:
        handler.addFilter(_is_of_use)


def _is_of_use(record: logging.LogRecord) -> bool:
    """Return whether a record says something at a level that its logger shows.

    A message that is not shown only says that there was one, which matters from warnings on.
    """
    if record.msg == _WITHHELD:
        return record.levelno >= logging.WARNING
    return logging.getLogger(record.name).isEnabledFor(record.levelno)


def _log_uncaught(kind: type[BaseException], trace: TracebackType | None) -> None:
    log.error("Internal error, %s at %s.", kind.__name__, where(trace))


def where(trace: TracebackType | None) -> str:
    """Return the files and lines that an exception came through, the innermost first."""
    frames = traceback.extract_tb(trace)
    return " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in reversed(frames[-_MAX_FRAMES:]))
