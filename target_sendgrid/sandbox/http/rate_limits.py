"""Rate limits: one bucket per key, method and path template, in windows aligned to the clock's minute."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from target_sendgrid.sandbox.options import Options

_CONTACTS = frozenset(
    {
        ("PUT", "/v3/marketing/contacts"),
        ("DELETE", "/v3/marketing/contacts"),
        ("POST", "/v3/marketing/contacts/search"),
    }
)
"""Routes that were recorded with 200 requests a minute in 2021; all others were recorded with 600."""


_ERASURE = ("POST", "/v3/recipients/erasejob")


@dataclass(frozen=True)
class Standing:
    """The state of a bucket after a request. `is_over` says that the request was one too many."""

    limit: int
    remaining: int
    reset: int
    is_over: bool

    def headers(self) -> dict[str, str]:
        """Return the three headers of an answer."""
        return {
            "x-ratelimit-limit": str(self.limit),
            "x-ratelimit-remaining": str(self.remaining),
            "x-ratelimit-reset": str(self.reset),
        }


@dataclass
class RateLimits:
    """Every bucket of the present window. Callers hold the sandbox's lock."""

    _window: int = 0
    _used: dict[tuple[str, str, str], int] = field(default_factory=dict)

    def count(self, options: Options, now: float, bucket: tuple[str, str, str]) -> Standing:
        """Count a request in the bucket of its key, method and path template."""
        seconds = max(1, options.rate_limit_window_seconds)
        window = int(now // seconds)
        if window != self._window:
            self._window = window
            self._used.clear()
        limit = options.rate_limit_contacts if bucket[1:] in _CONTACTS else options.rate_limit_other
        is_erasure = bucket[1:] == _ERASURE
        if is_erasure:
            limit = options.rate_limit_erasure
        used = self._used.get(bucket, 0)
        is_over = options.rate_limit_enabled and used >= limit
        if not is_over:
            used += 1
            self._used[bucket] = used
        end = (window + 1) * seconds
        is_epoch = options.rate_limit_reset == "epoch" and not is_erasure  # of erasures, seconds are documented
        reset = end if is_epoch else math.ceil(end - now)
        return Standing(limit, max(0, limit - used), reset, is_over)

    def clear(self) -> None:
        """Forget every request."""
        self._used.clear()
