"""A run of the target in this process, and how a run ended. Tests of whole runs use `Account` instead."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import logging
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from target_sendgrid.check import findings, write_findings
from target_sendgrid.errors import TargetSendGridError, TerminatedError
from target_sendgrid.report.report import Bucket
from target_sendgrid.sandbox.options import Options
from target_sendgrid.target import TargetSendGrid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from target_sendgrid.clock import Clock
    from target_sendgrid.delivery.events import JobEvent, UnderWay
    from target_sendgrid.delivery.pending import Batch
    from target_sendgrid.delivery.worker import Runner

QUICK = Options(
    job_counts_after_seconds=0.0,
    job_final_after_seconds=0.0,
    field_ready_after_seconds=0.0,
    export_ready_after_seconds=0.0,
    rate_limit_enabled=False,
)
"""Options of a sandbox whose jobs have ended when they are first polled."""

SCRIPTS = Path(sys.executable).parent
"""Folder of the commands that are installed beside this Python."""

WARNINGS_ARE_ERRORS = ("-W", "error", "-W", "default:Python 3")
"""Options of Python: warnings are errors, except the SDK's about Python versions that soon reach their end of life."""


class StepwiseWorker:
    """A worker without a thread: whenever the run waits for an event, it runs a step of the job runner itself.

    So the order of all steps is the same in every run.

    Args:
        runner: The job runner.
        clock: The clock for its waits.
        does_step: Asked at each call that does not wait; returns whether the runner makes a step.
    """

    def __init__(self, runner: Runner, clock: Clock, *, does_step: Callable[[], bool] = lambda: False) -> None:
        self._runner = runner
        self._events: list[JobEvent] = []
        self._clock = clock
        self._does_step = does_step
        self._failure: BaseException | None = None

    def send(self, batch: Batch) -> None:
        self._runner.accept(batch)

    def next_event(self, timeout_seconds: float) -> JobEvent | None:
        self._runner.is_awaited = timeout_seconds > 0
        if not timeout_seconds and self._does_step():
            self._step()
        if timeout_seconds and not self._events:
            self._step()
        return self._events.pop(0) if self._events else None

    def under_way(self) -> UnderWay:
        return self._runner.under_way

    def _step(self) -> None:
        if self._failure is not None:
            raise self._failure
        try:
            self._clock.sleep(self._runner.step() or 0.0)
        except BaseException as error:
            self._failure = error  # a failed runner makes no further step
            raise
        finally:
            self._events += self._runner.take_events()


@dataclasses.dataclass(frozen=True)
class Finished:
    """How a run of the target ended, and what it wrote."""

    exit_code: int
    states: list[str]
    """The lines of standard output."""
    log: str
    report: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Checked:
    """How a check of the target ended, and what it wrote."""

    exit_code: int
    findings: list[tuple[str, str]]
    """Level and sentence of each finding."""
    log: str


class _Input(io.TextIOBase):
    """Standard input that takes the next line from an iterable each time that it is read."""

    def __init__(self, lines: Iterable[bytes]) -> None:
        self._lines = iter(lines)

    def read(self, _size: int | None = -1, /) -> str:
        return cast("str", next(self._lines, b""))  # bytes, as from a file that is opened in binary mode


def run_in_process(
    config: Mapping[str, Any], lines: Iterable[bytes], clock: Clock, *, does_step: Callable[[], bool] = lambda: False
) -> Finished:
    """Run the target in this process and in this thread.

    Args:
        config: All settings.
        lines: What standard input yields, one after the other.
        clock: The clock of the run.
        does_step: As of `StepwiseWorker`.
    """
    target = TargetSendGrid(
        clock=clock,
        make_worker=lambda runner: StepwiseWorker(runner, clock, does_step=does_step),
        config=dict(config),
    )
    states, exit_code = io.StringIO(), 0
    with _logged() as log, contextlib.redirect_stdout(states):
        try:
            target.carry_out(cast("IO[str]", _Input(lines)))
        except TargetSendGridError as error:
            exit_code = 1
            log.write("\n".join([*error.lines(), ""]))
        except TerminatedError as error:
            exit_code = 128 + error.signal_number
            log.write(f"{error}\n")
    return Finished(exit_code, states.getvalue().splitlines(), log.getvalue(), target.report.to_dict())


def check_in_process(config: Mapping[str, Any], lines: bytes, clock: Clock) -> Checked:
    """Check in this process. The arguments are those of `run_in_process`."""
    output = io.StringIO()
    with _logged() as log, contextlib.redirect_stdout(output):
        found = findings(lambda: TargetSendGrid(clock=clock, config=dict(config)), io.BytesIO(lines))
        exit_code = write_findings(found, as_json=True)
    decoded = [json.loads(line) for line in output.getvalue().splitlines()]
    told = [(one["level"], f"{one['what']} {one['next_step']}".rstrip()) for one in decoded]
    return Checked(exit_code, told, log.getvalue())


@contextlib.contextmanager
def _logged() -> Iterator[io.StringIO]:
    """Collect the target's log lines."""
    log = io.StringIO()
    handler = logging.StreamHandler(log)
    logger = logging.getLogger("target-sendgrid")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield log
    finally:
        logger.setLevel(level)
        logger.removeHandler(handler)


def settled_count(stream: Mapping[str, Any]) -> int:
    """Return how many records are settled, from the counts of a stream in a report."""
    count: int = sum(stream.get(bucket.value, 0) for bucket in Bucket) + sum(stream["rejected"].values())
    return count
