"""Runs the target many times in forks of one process, which saves the start-up: ``python -m tests.runs.privacy.forks``.

Each fork is a run with its own standard streams, environment and end. Every switch that makes Python and its
libraries write more is on. Each line of standard input asks for a run, as JSON; the answer is its exit code.
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
from tests.harness.clocks import HastyClock

if TYPE_CHECKING:
    from types import TracebackType


class PanicError(BaseException):
    """An error that is not an `Exception`, as extensions in other languages raise it."""


def main() -> None:
    """Run the target once for each line of standard input."""
    target.TargetSendGrid.print_version(print_fn=lambda _: None)  # it caches what is slow to find out
    for name in ("preflight", "run", "singer.reader", "singer.sink"):  # imported once, not in each fork
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
    """Run the target in this process, as the command line does.

    Args:
        order: Paths of `config` and `folder`, and of the files for `stdin`, `stdout` and `stderr`; the `environment`;
            optionally `breaks_output`, which closes standard output, and `crash`, the arguments of `crash`.
    """
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
    make_verbose()
    vars(clock)["SystemClock"] = HastyClock
    vars(polling).update(SHORTEST_POLL_SECONDS=0.01, LONGEST_POLL_SECONDS=0.1)
    vars(jobs).update(LOST_JOB_SECONDS=0.2)
    if "crash" in order:
        crash(**order["crash"])
    __main__.main()


def make_verbose() -> None:
    """Switch on everything that makes Python and its libraries write more."""
    http.client.HTTPConnection.debuglevel = 1
    warnings.simplefilter("always")
    sys.excepthook = print_with_variables
    for name in ("urllib3", "requests", "asyncio", "botocore", "singer_sdk.mapper"):
        logging.getLogger(name).setLevel(logging.DEBUG)
    logging.getLogger("urllib3").addHandler(logging.StreamHandler())


def print_with_variables(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print an exception with the values of all variables, as crash reporters do."""
    report = traceback.TracebackException(kind, error, trace, capture_locals=True)
    sys.stderr.write("".join(report.format()))


def crash(place: str, kind: str, message: str, after: int) -> None:
    """Make a function fail.

    Args:
        place: The function, as ``module:name``.
        kind: Name of the exception that it raises, or of the signal that the process gets.
        message: Message of the exception.
        after: Number of calls that succeed before.
    """
    module_name, _, path = place.partition(":")
    owner: Any = importlib.import_module(module_name)
    *outer, name = path.split(".")
    for part in outer:
        owner = getattr(owner, part)
    original = getattr(owner, name)
    calls = [after]

    @functools.wraps(original)
    def failing(*arguments: Any, **options: Any) -> Any:
        calls[0] -= 1
        if calls[0] >= 0:
            return original(*arguments, **options)
        if kind.startswith("SIG"):
            os.kill(os.getpid(), getattr(signal, kind))
            return original(*arguments, **options)
        raise _error(kind, message) from LookupError(message)

    setattr(owner, name, failing)


def _error(kind: str, message: str) -> BaseException:
    if kind == "OSError":
        return OSError(28, message)
    error: BaseException = PanicError(message) if kind == "PanicError" else getattr(builtins, kind)(message)
    return error


if __name__ == "__main__":
    main()
