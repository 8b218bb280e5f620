"""When a request is tried again: after which wait, and for how long in all.

The *retry budget* is how many seconds the transient failures of one request may last (408, most 5xx, a cut
connection, a timeout). A *rate limit* is a 429: SendGrid works and says when to come back, so it does not use up the
retry budget, and has a budget of its own.
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


class RetryPolicy:
    """Tries a request until it succeeds, fails for good, or its budget is used up.

    Args:
        clock: The source of time.
        jitter: Returns random numbers in [0, 1), so that several runs do not retry at the same moment.
    """

    def __init__(self, clock: Clock, jitter: Callable[[], float] = random.random) -> None:
        self._clock = clock
        self._jitter = jitter

    def call(self, attempt: Callable[[], Result], *, retry_budget_seconds: float) -> Result:
        """Call `attempt` again while it raises `TransientError`, and return its result.

        The retry budget counts from the first transient failure since the last rate limit.

        Raises:
            TransientError: The last one, when the budget is used up.
        """
        started_at = self._clock.monotonic()
        failing_since: float | None = None
        back_off = FIRST_WAIT_SECONDS
        while True:
            try:
                return attempt()
            except TransientError as error:
                now = self._clock.monotonic()
                if error.is_rate_limit:
                    failing_since = None
                    budget_left = retry_budget_seconds
                    is_over = now - started_at > RATE_LIMIT_BUDGET_SECONDS
                else:
                    failing_since = now if failing_since is None else failing_since
                    budget_left = retry_budget_seconds - (now - failing_since)
                    is_over = budget_left <= 0
                if is_over:
                    raise
                if error.wait_seconds is None:
                    wait_seconds = min(back_off * (0.5 + self._jitter() / 2), budget_left)
                else:  # a wrong system clock makes the wait until an absolute time too short: never below the back-off
                    wait_seconds = max(error.wait_seconds, back_off) + self._jitter()
                log.info("%s: trying again in %.1f s.", error, wait_seconds)
            self._clock.sleep(wait_seconds)
            back_off = min(back_off * 2, LONGEST_WAIT_SECONDS)
