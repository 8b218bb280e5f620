"""When a request is tried again: after which wait, and for how long in all.

The *retry budget* is how many seconds the transient failures of one request may last (408, 5xx, a cut connection, a
timeout); some kinds of failures have less. A *rate limit* is a 429: SendGrid works and says when to come back, so it
does not use up the retry budget, and has a budget of its own.
"""

from __future__ import annotations

import logging
import random
from typing import TYPE_CHECKING, TypeVar

from target_sendgrid.errors import TransientError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from target_sendgrid.clock import Clock

log = logging.getLogger("target-sendgrid.sendgrid")

Result = TypeVar("Result")

SHORTEST_WAIT_SECONDS = 0.01
"""A budget of less is used up: a wait of so little might not move the clock."""
FIRST_WAIT_SECONDS = 0.5
LONGEST_WAIT_SECONDS = 30.0
LONGEST_RATE_WAIT_SECONDS = 120.0
RATE_LIMIT_BUDGET_SECONDS = 1800.0
"""How many seconds one request may be rate-limited before the run gives up."""

_EARLIEST_EPOCH_SECONDS = 1_000_000_000


def seconds_until_reset(headers: Mapping[str, str], now: float) -> float | None:
    """Return how many seconds the headers of an answer ask to wait, or ``None`` when they don't say.

    ``x-ratelimit-reset`` counts seconds on the marketing endpoints (seen in recordings of 2021) and is an epoch time
    on older ones (the vendor's rate-limit page). A number that would be a date after 2001 can only be an epoch time.

    Args:
        headers: Headers of an answer.
        now: Seconds since the epoch.
    """
    for name in ("retry-after", "x-ratelimit-reset"):
        try:
            value = float(headers[name])
        except (KeyError, ValueError):
            continue
        wait = value - now if value > _EARLIEST_EPOCH_SECONDS else value
        if wait == wait:  # noqa: PLR0124 - false for NaN, which is ignored
            return min(max(wait, 0.0), LONGEST_RATE_WAIT_SECONDS)
    return None


class Tries:
    """The tries of one request: how often it failed, and when it may be tried again.

    Args:
        clock: The source of time.
        jitter: Returns random numbers in [0, 1).
        retry_budget_seconds: How many seconds the transient failures may last.

    Attributes:
        count: Number of failed tries. Rate limits are not counted.
        failing_since: Monotonic time of the first failure since the last rate limit; ``None`` when there is none.
    """

    def __init__(self, clock: Clock, jitter: Callable[[], float], retry_budget_seconds: float) -> None:
        self.count = 0
        self.failing_since: float | None = None
        self._clock = clock
        self._jitter = jitter
        self._retry_budget_seconds = retry_budget_seconds
        self._started_at: float | None = None
        self._short_budget_since: float | None = None  # first of the last failures in a row with a budget of their own
        self._back_off = FIRST_WAIT_SECONDS

    def wait_after(self, error: TransientError) -> float | None:
        """Return how many seconds to wait before the next try, or ``None`` when the budget is used up."""
        now = self._clock.monotonic()
        self._started_at = now if self._started_at is None else self._started_at
        if error.is_rate_limit:
            self.failing_since = self._short_budget_since = None
            budget_left = self._retry_budget_seconds
            is_over = now - self._started_at > RATE_LIMIT_BUDGET_SECONDS
        else:
            self.count += 1
            budget_left = self._budget_left(error, now)
            is_over = budget_left < SHORTEST_WAIT_SECONDS
        if is_over:
            return None
        if error.wait_seconds is None:
            wait_seconds = min(self._back_off * (0.5 + self._jitter() / 2), budget_left)
        else:  # a wrong system clock makes the wait until an absolute time too short: never below the back-off
            wait_seconds = max(error.wait_seconds, self._back_off) + self._jitter()
        self._back_off = min(self._back_off * 2, LONGEST_WAIT_SECONDS)
        return wait_seconds

    def _budget_left(self, error: TransientError, now: float) -> float:
        self.failing_since = now if self.failing_since is None else self.failing_since
        budget_left = self._retry_budget_seconds - (now - self.failing_since)
        if error.budget_seconds is None:
            self._short_budget_since = None
            return budget_left
        self._short_budget_since = now if self._short_budget_since is None else self._short_budget_since
        return min(budget_left, error.budget_seconds - (now - self._short_budget_since))


class RetryPolicy:
    """Tries a request until it succeeds, fails for good, or its budget is used up.

    Args:
        clock: The source of time.
        jitter: Returns random numbers in [0, 1), so that several runs do not retry at the same moment.
    """

    def __init__(self, clock: Clock, jitter: Callable[[], float] = random.random) -> None:
        self._clock = clock
        self._jitter = jitter

    def tries(self, retry_budget_seconds: float) -> Tries:
        """Return the tries of a new request."""
        return Tries(self._clock, self._jitter, retry_budget_seconds)

    def call(self, attempt: Callable[[], Result], *, retry_budget_seconds: float) -> Result:
        """Call `attempt` again while it raises `TransientError`, and return its result.

        The retry budget counts from the first transient failure since the last rate limit.

        Raises:
            TransientError: The last one, when the budget is used up.
        """
        tries = self.tries(retry_budget_seconds)
        while True:
            try:
                return attempt()
            except TransientError as error:
                wait_seconds = tries.wait_after(error)
                if wait_seconds is None:
                    raise
                log.warning("%s: trying again in %.1f s.", error, wait_seconds)
            self._clock.sleep(wait_seconds)
