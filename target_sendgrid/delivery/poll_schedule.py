"""When to poll import jobs: about when each is likely to end, because SendGrid limits the number of requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from target_sendgrid.delivery.events import UnderWay
from target_sendgrid.sendgrid.retry import SHORTEST_WAIT_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from target_sendgrid.clock import Clock
    from target_sendgrid.delivery.job import Job

SHORTEST_POLL_SECONDS = 0.5
"""Shortest wait from the submission of a job, or from a poll of it, to its next poll."""
LONGEST_POLL_SECONDS = 30.0
"""Longest wait between two polls of a job, unless `SELDOM_POLL_SECONDS` applies."""
SELDOM_POLL_SECONDS = 120.0
"""Longest wait between two polls of a younger job until some job has ended: only the oldest is polled often then."""
POLL_SHARE = 0.05
"""The first poll of a job comes this share of its expected duration before its expected end.

The second comes as long after the first, and each further wait is twice as long.
"""
MIN_UNTRACKED_SECONDS = 120.0
"""How long an untracked job (`BatchProgress`) counts as under way at least."""
MAX_LIKELY_SECONDS = 600.0
"""How long a job is likely to take at most. Jobs have taken six minutes and more (reported in 2025)."""
UNKNOWN_POLL_SHARE = 0.15
"""Until some job has ended, the oldest is polled each time its age has grown by this share."""


class _Timing(msgspec.Struct):
    """When one job was submitted, was last seen pending, and is polled next, in seconds of the monotonic clock."""

    submitted_at: float
    last_pending_at: float
    """When the last poll found the job pending; until the first poll, when the job was submitted."""
    next_poll_at: float
    interval: float
    """Seconds to wait after the next poll, if that finds the job pending. Each poll doubles it."""


class PollSchedule:
    """The jobs under way, and when to poll each.

    Until some job has ended, the oldest is polled often, because its end shows how long jobs take. The others are
    polled rarely.

    Args:
        clock: Where time comes from.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._jobs: dict[Job, _Timing] = {}
        """The jobs under way, oldest first."""
        self._last_job_seconds: float | None = None
        """Estimated duration of the job that ended last; ``None`` until one has ended."""
        self._longest_job_seconds = 0.0
        self._paused_until = 0.0
        self.has_seen_pending = False
        """Whether a poll has ever found a job that had not ended."""

    def __iter__(self) -> Iterator[Job]:
        """Yield the jobs under way, oldest first."""
        return iter(self._jobs)

    def start(self, job: Job) -> None:
        """Schedule the first poll of a job that was just submitted."""
        now = self._clock.monotonic()
        wait = LONGEST_POLL_SECONDS if self._jobs else SHORTEST_POLL_SECONDS
        self._jobs[job] = timing = _Timing(now, now, now + wait, wait)
        if self._last_job_seconds is not None:
            self._expect_end(timing, self._last_job_seconds)

    def due(self) -> Job | None:
        """Return the job to poll now; ``None`` when no poll is due."""
        return self._next_to_poll() if self.wait_seconds() == 0.0 else None

    def wait_seconds(self) -> float | None:
        """Return the seconds until the next poll, 0.0 when it is due; ``None`` when no job is under way."""
        next_job = self._next_to_poll()
        if next_job is None:
            return None
        return max(0.0, max(self._jobs[next_job].next_poll_at, self._paused_until) - self._clock.monotonic())

    def pause(self, seconds: float) -> None:
        """Poll nothing for some seconds: SendGrid has just failed, or asks to wait."""
        self._paused_until = self._clock.monotonic() + seconds

    def untracked_job_seconds(self) -> float:
        """Return how long an untracked job may be under way: twice as long as the longest job took, in bounds."""
        return min(max(2 * self._longest_job_seconds, MIN_UNTRACKED_SECONDS), MAX_LIKELY_SECONDS)

    def likely_seconds_left(self) -> float:
        """Return for how many more seconds one of the jobs is likely to end; 0.0 when none is."""
        seconds = max((MAX_LIKELY_SECONDS - self.age(job) for job in self._jobs), default=0.0)
        return seconds if seconds >= SHORTEST_WAIT_SECONDS else 0.0  # a wait of less might not move the clock

    def age(self, job: Job) -> float:
        """Return the seconds since a job was submitted."""
        return self._clock.monotonic() - self._jobs[job].submitted_at

    def under_way(self, queued_count: int) -> UnderWay:
        """Return what is under way.

        Args:
            queued_count: Number of contacts that wait to be sent.
        """
        oldest = next(iter(self._jobs), None)
        if oldest is None:
            return UnderWay(queued_count=queued_count)
        contact_count = sum(job.count for job in self._jobs)
        names = {job.purpose.kind.job_name for job in self._jobs}
        name = names.pop() if len(names) == 1 else "job"
        return UnderWay(len(self._jobs), name, contact_count, self._jobs[oldest].submitted_at, queued_count)

    def poll_later(self, job: Job) -> None:
        """Record that a poll found a job pending, and schedule the next poll."""
        self.has_seen_pending = True
        timing, now = self._jobs[job], self._clock.monotonic()
        is_oldest = job is next(iter(self._jobs))
        if self._last_job_seconds is None and is_oldest:
            timing.interval = max(SHORTEST_POLL_SECONDS, UNKNOWN_POLL_SHARE * (now - timing.submitted_at))
        is_polled_often = is_oldest or self._last_job_seconds is not None
        timing.interval = min(timing.interval, LONGEST_POLL_SECONDS if is_polled_often else SELDOM_POLL_SECONDS)
        timing.last_pending_at, timing.next_poll_at = now, now + timing.interval
        timing.interval *= 2

    def end(self, job: Job, age: float) -> None:
        """Record that a job has ended, and schedule the polls of the others by how long it took.

        Args:
            job: The job.
            age: Its age in seconds when the poll that found its end was sent. The answer may have taken a while.
        """
        timing = self._jobs.pop(job)
        # It ended between the last two polls, or between its submission and its only poll: the middle is the estimate.
        self._last_job_seconds = (timing.last_pending_at - timing.submitted_at + age) / 2
        self._longest_job_seconds = max(self._longest_job_seconds, age)
        for other in self._jobs.values():
            self._expect_end(other, self._last_job_seconds)

    def forget(self, job: Job) -> None:
        """Stop polling a job."""
        del self._jobs[job]
        oldest = next(iter(self._jobs.values()), None)
        if oldest is not None:
            oldest.next_poll_at = min(oldest.next_poll_at, self._clock.monotonic() + LONGEST_POLL_SECONDS)

    def drop(self, job: Job) -> None:
        """Stop polling a job, if it is polled."""
        self._jobs.pop(job, None)

    def _next_to_poll(self) -> Job | None:
        return min(self._jobs, key=lambda job: self._jobs[job].next_poll_at, default=None)

    def _expect_end(self, timing: _Timing, job_seconds: float) -> None:
        """Schedule the next poll of a job that is expected to take some seconds."""
        first_poll_at = timing.submitted_at + max(SHORTEST_POLL_SECONDS, (1 - POLL_SHARE) * job_seconds)
        interval = max(SHORTEST_POLL_SECONDS, POLL_SHARE * job_seconds)
        if timing.last_pending_at < first_poll_at:
            timing.next_poll_at, timing.interval = max(first_poll_at, self._clock.monotonic()), interval
        else:  # it was polled about its expected end already: do not poll all such jobs at once whenever one ends
            timing.next_poll_at = min(timing.next_poll_at, self._clock.monotonic() + interval)
