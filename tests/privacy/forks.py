"""Runs the target many times over in forks of one process: ``python -m tests.privacy.forks``.

A fork is a whole run: its own standard streams, environment and end. All that can make Python and its libraries talk
is switched on. Each line of standard input orders a run; its exit status is the answer.
"""

from __future__ import annotations

import builtins
import functools
import http.client
import importlib
import json
import logging
import os
import signal
import sys
import traceback
import warnings
from typing import TYPE_CHECKING, Any

from target_sendgrid import __main__, clock, target
from target_sendgrid.delivery import job_runner as jobs
from target_sendgrid.delivery import poll_schedule as polling
from tests.support import HastyClock

if TYPE_CHECKING:
    from types import TracebackType


class PanicError(BaseException):
    """What extensions in other languages raise: no `Exception`."""


def main() -> None:
    """Carry out orders until there are no more."""
    target.TargetSendGrid.print_version(print_fn=lambda _: None)  # what that takes long to find out, forks need not
    for name in ("preflight", "run", "singer.reader", "singer.sink"):  # once, not in each fork
        importlib.import_module(f"target_sendgrid.{name}")
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    while line := sys.stdin.buffer.readline():
        child = os.fork()
        if not child:
            answers.close()
            run(json.loads(line))
            return
        _, status = os.waitpid(child, 0)
        answers.write(f"{os.waitstatus_to_exitcode(status)}\n")
        answers.flush()


def run(order: dict[str, Any]) -> None:
    """Be the target."""
    for number, (path, flags) in enumerate(
        [("stdin", os.O_RDONLY), ("stdout", os.O_WRONLY | os.O_CREAT), ("stderr", os.O_WRONLY | os.O_CREAT)]
    ):
        descriptor = os.open(order[path], flags, 0o600)
        os.dup2(descriptor, number)
        os.close(descriptor)
    if order.get("breaks_output"):
        unread, written = os.pipe()
        os.close(unread)
        os.dup2(written, 1)
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environment"])
    sys.argv = ["target-sendgrid", "--config", order["config"]]
    talk()
    vars(clock)["SystemClock"] = HastyClock
    vars(polling).update(FIRST_POLL_SECONDS=0.01, LONGEST_POLL_SECONDS=0.1)
    vars(jobs).update(LOST_JOB_SECONDS=0.2)
    if "crash" in order:
        crash(**order["crash"])
    __main__.main()


def talk() -> None:
    """Switch on all that makes Python and its libraries tell more."""
    http.client.HTTPConnection.debuglevel = 1
    warnings.simplefilter("always")
    sys.excepthook = tell_all
    for name in ("urllib3", "requests", "asyncio", "botocore", "singer_sdk.mapper"):
        logging.getLogger(name).setLevel(logging.DEBUG)
    logging.getLogger("urllib3").addHandler(logging.StreamHandler())


def tell_all(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print an exception with the values of all variables, as tools for crashes do."""
    told = traceback.TracebackException(kind, error, trace, capture_locals=True)
    sys.stderr.write("".join(told.format()))


def crash(place: str, kind: str, words: str, after: int) -> None:
    """Make a function fail when it was called so often, with words that quote what may never show."""
    module_name, _, path = place.partition(":")
    owner: Any = importlib.import_module(module_name)
    *outer, name = path.split(".")
    for part in outer:
        owner = getattr(owner, part)
    whole = getattr(owner, name)
    calls = [after]

    @functools.wraps(whole)
    def failing(*arguments: Any, **options: Any) -> Any:
        calls[0] -= 1
        if calls[0] >= 0:
            return whole(*arguments, **options)
        if kind.startswith("SIG"):
            os.kill(os.getpid(), getattr(signal, kind))
            return whole(*arguments, **options)
        raise _error(kind, words) from LookupError(words)

    setattr(owner, name, failing)


def _error(kind: str, words: str) -> BaseException:
    if kind == "OSError":
        return OSError(28, words)
    error: BaseException = PanicError(words) if kind == "PanicError" else getattr(builtins, kind)(words)
    return error


if __name__ == "__main__":
    main()
