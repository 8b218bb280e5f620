"""The send queue: jobs that wait to be sent, each from its own time on, and none of them while sending pauses."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from target_sendgrid.clock import Clock
    from target_sendgrid.delivery.job import Job


class SendQueue:
    """Jobs that wait to be sent, in the order in which they are sent when their time has come.

    Args:
        clock: Where time comes from.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._jobs: deque[Job] = deque()
        self._paused_until = 0.0

    def __len__(self) -> int:
        """Return how many jobs wait."""
        return len(self._jobs)

    def __iter__(self) -> Iterator[Job]:
        """Yield the jobs in order."""
        return iter(self._jobs)

    def append(self, job: Job) -> None:
        """Put a job behind all others."""
        self._jobs.append(job)

    def extend(self, jobs: Iterable[Job]) -> None:
        """Put jobs behind all others."""
        self._jobs.extend(jobs)

    def put_first(self, job: Job, wait_seconds: float = 0.0) -> None:
        """Put a job before all others, to be sent after some seconds at the earliest."""
        job.pack()
        job.not_before = max(job.not_before, self._clock.monotonic() + wait_seconds)
        self._jobs.appendleft(job)

    def drop_empty(self) -> None:
        """Take out the jobs whose contacts were all taken over by other jobs."""
        self._jobs = deque(job for job in self._jobs if job.count)

    def clear(self) -> None:
        """Forget all jobs."""
        self._jobs.clear()

    def pause(self, seconds: float) -> None:
        """Send nothing for some seconds: SendGrid has just failed, or asks to wait."""
        self._paused_until = self._clock.monotonic() + seconds

    def take_due(self, *, only_trials: bool) -> Job | None:
        """Take the first job whose time has come; ``None`` when there is none.

        Args:
            only_trials: Whether all other jobs wait for the end of a trial (`isolation`).
        """
        now = self._clock.monotonic()
        if now < self._paused_until:
            return None
        found = next((job for job in self._jobs if job.not_before <= now and (job.is_trial or not only_trials)), None)
        if found is not None:
            self._jobs.remove(found)
        return found

    def wait_seconds(self, *, only_trials: bool) -> float | None:
        """Return the seconds until a job may be sent; ``None`` when none waits."""
        moments = [job.not_before for job in self._jobs if job.is_trial or not only_trials]
        if not moments:
            return None
        return max(0.0, max(min(moments), self._paused_until) - self._clock.monotonic())
