"""When to look at import jobs: about when each is likely to end, as those before it did. SendGrid counts every look."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from target_sendgrid.clock import Clock
    from target_sendgrid.delivery.job import Job

FIRST_POLL_SECONDS = 0.5
LONGEST_POLL_SECONDS = 30.0
SELDOM_POLL_SECONDS = 120.0
"""The longest wait for those that need not be looked at, while an elder one is."""
POLL_SHARE = 0.05
"""A job is first looked at when it lacks this share of what others took, and soon after, ever less often."""
UNKNOWN_POLL_SHARE = 0.15
"""Where nobody knows how long jobs take, the eldest is looked at whenever it has become older by this share."""


class _Timing(msgspec.Struct):
    submitted_at: float
    looked_at: float
    """When a look last showed it pending; at first, when it was submitted."""
    look_at: float
    interval: float
    """Wait after the next look that shows it pending. It doubles each time."""


class PollSchedule:
    """Jobs under way, and when to look at each.

    Before any has ended, the eldest is looked at often, since it shows how long jobs take, and the others seldom.

    Args:
        clock: Where time comes from.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._jobs: dict[Job, _Timing] = {}
        """Eldest first."""
        self._job_seconds: float | None = None
        """What the last job took, as far as known."""
        self.has_seen_pending = False
        """Whether any look has shown a job that had not ended."""

    def __iter__(self) -> Iterator[Job]:
        """Yield the shipments whose jobs are under way, eldest first."""
        return iter(self._jobs)

    def start(self, job: Job) -> None:
        """Look at a job from now on."""
        now = self._clock.monotonic()
        wait = LONGEST_POLL_SECONDS if self._jobs else FIRST_POLL_SECONDS
        self._jobs[job] = timing = _Timing(now, now, now + wait, wait)
        if self._job_seconds is not None:
            self._expect_end(timing, self._job_seconds)

    def due(self) -> Job | None:
        """Return whose job is to be looked at now."""
        return self._soonest() if self.wait_seconds() == 0.0 else None

    def wait_seconds(self) -> float | None:
        """Return the seconds until there is a job to look at; ``None`` when none is under way."""
        soonest = self._soonest()
        return None if soonest is None else max(0.0, self._jobs[soonest].look_at - self._clock.monotonic())

    def age(self, job: Job) -> float:
        """Return the seconds since a job was submitted."""
        return self._clock.monotonic() - self._jobs[job].submitted_at

    def poll_later(self, job: Job) -> None:
        """Take note that a job has not ended yet."""
        self.has_seen_pending = True
        timing, now = self._jobs[job], self._clock.monotonic()
        is_eldest = job is next(iter(self._jobs))
        if self._job_seconds is None and is_eldest:
            timing.interval = max(FIRST_POLL_SECONDS, UNKNOWN_POLL_SHARE * (now - timing.submitted_at))
        is_urgent = is_eldest or self._job_seconds is not None
        timing.interval = min(timing.interval, LONGEST_POLL_SECONDS if is_urgent else SELDOM_POLL_SECONDS)
        timing.looked_at, timing.look_at = now, now + timing.interval
        timing.interval *= 2

    def end(self, job: Job, age: float) -> None:
        """Take note that a job has ended, and look at others once they are about as old.

        Args:
            job: The job.
            age: How old it was when it was looked at, which may have taken a while.
        """
        timing = self._jobs.pop(job)
        # It ended somewhere between the last two looks, the first of which may have been its start.
        self._job_seconds = (timing.looked_at - timing.submitted_at + age) / 2
        for other in self._jobs.values():
            self._expect_end(other, self._job_seconds)

    def forget(self, job: Job) -> None:
        """Look at a job no more."""
        del self._jobs[job]
        eldest = next(iter(self._jobs.values()), None)
        if eldest is not None:
            eldest.look_at = min(eldest.look_at, self._clock.monotonic() + LONGEST_POLL_SECONDS)

    def _soonest(self) -> Job | None:
        return min(self._jobs, key=lambda job: self._jobs[job].look_at, default=None)

    def _expect_end(self, timing: _Timing, job_seconds: float) -> None:
        first_look_at = timing.submitted_at + max(FIRST_POLL_SECONDS, (1 - POLL_SHARE) * job_seconds)
        interval = max(FIRST_POLL_SECONDS, POLL_SHARE * job_seconds)
        if timing.looked_at < first_look_at:
            timing.look_at, timing.interval = max(first_look_at, self._clock.monotonic()), interval
        else:  # it was looked at lately, and again and again: not all at once then, whenever one ends
            timing.look_at = min(timing.look_at, self._clock.monotonic() + interval)
