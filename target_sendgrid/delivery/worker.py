"""Workers: what runs the job runner while records are read, in a thread of its own by default."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_sendgrid.clock import Clock
    from target_sendgrid.delivery.events import JobEvent, UnderWay
    from target_sendgrid.delivery.pending import Batch


class Runner(Protocol):
    """What a worker runs: the job runner, or its place in a dry run."""

    is_awaited: bool
    """Whether the caller waits for an event, so that no other batch comes before one."""
    under_way: UnderWay
    """What is under way, as of the last step."""

    def accept(self, batch: Batch) -> None:
        """Take a batch to settle."""

    def step(self) -> float | None:
        """Do the next thing; return the seconds until there is more to do, ``None`` when nothing is under way."""

    def take_events(self) -> list[JobEvent]:
        """Return what has happened since the last call."""


class Worker(Protocol):
    """Takes batches and returns events about them."""

    def send(self, batch: Batch) -> None:
        """Hand over a batch."""

    def next_event(self, timeout_seconds: float) -> JobEvent | None:
        """Return the next event, or ``None`` if there is none in time.

        Args:
            timeout_seconds: How long to wait for one; 0 returns at once.

        Raises:
            TargetSendGridError: The error that stopped the job runner. It is raised again at every later call.
        """

    def under_way(self) -> UnderWay:
        """Return what is under way, as of the job runner's last step."""


MakeWorker: TypeAlias = "Callable[[Runner], Worker]"


class WorkerThread:
    """Runs the steps of a runner in a thread of its own. The thread starts with the first batch.

    Args:
        runner: The runner. Nothing else may use it.
        clock: How to wait.
    """

    def __init__(self, runner: Runner, clock: Clock) -> None:
        self._runner = runner
        self._clock = clock
        self._inbox: queue.SimpleQueue[Batch] = queue.SimpleQueue()
        self._outbox: queue.SimpleQueue[JobEvent | BaseException] = queue.SimpleQueue()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="worker", daemon=True)

    def send(self, batch: Batch) -> None:
        """Hand over a batch."""
        if self._thread.ident is None:
            self._thread.start()
        self._inbox.put(batch)

    def next_event(self, timeout_seconds: float) -> JobEvent | None:
        """Return the next event, or ``None`` if there is none in time.

        Args:
            timeout_seconds: How long to wait for one; 0 returns at once.

        Raises:
            TargetSendGridError: The error that stopped the job runner.
        """
        if self._failure is not None:
            raise self._failure
        self._runner.is_awaited = timeout_seconds > 0
        try:
            item = self._outbox.get(timeout=timeout_seconds) if timeout_seconds else self._outbox.get_nowait()
        except queue.Empty:
            return None
        if isinstance(item, BaseException):
            self._failure = item
            raise item
        return item

    def under_way(self) -> UnderWay:
        """Return what is under way, as of the job runner's last step."""
        return self._runner.under_way

    def _run(self) -> None:
        wait: float | None = None
        try:
            while True:
                if (batch := self._clock.wait_for(self._inbox, wait)) is not None:
                    self._runner.accept(batch)
                wait = self._step()
        except BaseException as error:  # noqa: BLE001 - whatever ends this thread must end the run, in the caller's thread
            self._outbox.put(error)

    def _step(self) -> float | None:
        try:
            return self._runner.step()
        finally:
            for event in self._runner.take_events():
                self._outbox.put(event)
