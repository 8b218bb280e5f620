"""When a request is tried again: how often, after which wait, and how long in all.

Words: a *passing* fault is one that the same request may survive (408, 5xx, a cut connection, a time-out); *patience*
is how long passing faults of one request are borne; a *refusal for pace* is a 429, which says when to come back and
is not held against the patience.
"""

from __future__ import annotations

import logging
import random
from typing import TYPE_CHECKING, TypeVar

import tenacity

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from target_sendgrid.clock import Clock

log = logging.getLogger("target-sendgrid.sendgrid")

Result = TypeVar("Result")

FIRST_WAIT_SECONDS = 0.5
LONGEST_WAIT_SECONDS = 30.0
LONGEST_RATE_WAIT_SECONDS = 120.0
RATE_LIMIT_BUDGET_SECONDS = 1800.0
"""How long one request is refused for pace before the run gives up."""

_EARLIEST_EPOCH_SECONDS = 1_000_000_000


class TransientError(Exception):
    """A fault that the same request may survive.

    Args:
        what: What happened, without personal data.
        wait_seconds: How long SendGrid asks to wait; ``None`` leaves it to back-off.
        is_pace: Whether SendGrid refused for pace.
    """

    def __init__(self, what: str, *, wait_seconds: float | None = None, is_rate_limit: bool = False) -> None:
        super().__init__(what)
        self.wait_seconds = wait_seconds
        self.is_rate_limit = is_rate_limit


def seconds_until_reset(headers: Mapping[str, str], now: float) -> float | None:
    """Return how long SendGrid's headers ask to wait, or ``None`` when they don't say.

    ``x-ratelimit-reset`` counts seconds on the marketing endpoints (seen in recordings of 2021) and is an epoch time
    on older ones (the vendor's rate-limit page); a number past 2001 as an epoch can only be the latter.
    """
    for name in ("retry-after", "x-ratelimit-reset"):
        try:
            value = float(headers[name])
        except (KeyError, ValueError):
            continue
        wait = value - now if value > _EARLIEST_EPOCH_SECONDS else value
        if wait == wait:  # noqa: PLR0124 - NaN is no wait
            return min(max(wait, 0.0), LONGEST_RATE_WAIT_SECONDS)
    return None


class RetryPolicy:
    """Tries a request until it succeeds, fails for good, or patience ends.

    Args:
        clock: Where time comes from.
        jitter: Gives numbers in [0, 1) that keep several runs from knocking at once.
    """

    def __init__(self, clock: Clock, jitter: Callable[[], float] = random.random) -> None:
        self._clock = clock
        self._jitter = jitter

    def call(self, attempt: Callable[[], Result], *, retry_budget_seconds: float) -> Result:
        """Return what `attempt` returns, repeating it while it raises `PassingError`.

        Raises:
            PassingError: The last one, when patience has ended.
        """
        failing_since: list[float] = []

        def is_out_of_budget(state: tenacity.RetryCallState) -> bool:
            error = _error_of(state)
            if error.is_rate_limit:
                return self._clock.monotonic() - started > RATE_LIMIT_BUDGET_SECONDS
            return budget_left(error) <= 0

        def budget_left(error: TransientError) -> float:
            now = self._clock.monotonic()
            if error.is_rate_limit:
                failing_since.clear()  # SendGrid is there
            else:
                failing_since.append(now)
            return retry_budget_seconds - (now - failing_since[0]) if failing_since else retry_budget_seconds

        def wait_seconds(state: tenacity.RetryCallState) -> float:
            error = _error_of(state)
            left = budget_left(error)
            backed_off = min(FIRST_WAIT_SECONDS * 2.0 ** min(state.attempt_number - 1, 10), LONGEST_WAIT_SECONDS)
            if error.wait_seconds is not None:  # by the machine's clock, which may be wrong: never too short again
                return max(error.wait_seconds, backed_off) + self._jitter()
            return min(backed_off * (0.5 + self._jitter() / 2), max(left, 0.0))

        def tell(state: tenacity.RetryCallState) -> None:
            log.info("%s: trying again in %.1f s.", _error_of(state), state.upcoming_sleep)

        started = self._clock.monotonic()
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(TransientError),
            stop=is_out_of_budget,
            wait=wait_seconds,
            sleep=self._clock.sleep,
            before_sleep=tell,
            reraise=True,
        )
        return retrying(attempt)


def _error_of(state: tenacity.RetryCallState) -> TransientError:
    error = state.outcome.exception() if state.outcome else None
    if not isinstance(error, TransientError):  # tenacity asks only after the exceptions it was told to retry
        raise TypeError
    return error
