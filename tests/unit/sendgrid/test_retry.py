from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_sendgrid.clock import SystemClock
from target_sendgrid.errors import TransientError
from target_sendgrid.sendgrid.retry import (
    LONGEST_RATE_WAIT_SECONDS,
    LONGEST_WAIT_SECONDS,
    RATE_LIMIT_BUDGET_SECONDS,
    SHORTEST_WAIT_SECONDS,
    RetryPolicy,
    Tries,
    seconds_until_reset,
)
from tests.harness.clocks import EPOCH, ManualClock

if TYPE_CHECKING:
    from collections.abc import Iterable

BUDGET_SECONDS = 300.0


class Attempts:
    """Raises the given errors one by one, each attempt taking some time, and then succeeds."""

    def __init__(self, clock: ManualClock, errors: Iterable[Exception], *, seconds: float = 0.0) -> None:
        self._clock = clock
        self._errors = iter(errors)
        self._seconds = seconds
        self.count = 0

    def __call__(self) -> str:
        self.count += 1
        self._clock.seconds += self._seconds
        error = next(self._errors, None)
        if error is not None:
            raise error
        return "done"


def failure() -> TransientError:
    return TransientError("it answered 503")


def rate_limit(wait_seconds: float | None = 60.0) -> TransientError:
    return TransientError("it was rate-limited (429)", wait_seconds=wait_seconds, is_rate_limit=True)


def refusal() -> TransientError:
    return TransientError("it answered 405", budget_seconds=60.0)


ENDLESS_FAILURES = [failure()] * 10_000


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def policy(clock: ManualClock) -> RetryPolicy:
    return RetryPolicy(clock, jitter=lambda: 0.5)


class TestHeaders:
    @pytest.mark.parametrize(
        ("headers", "seconds"),
        [
            ({}, None),
            ({"x-ratelimit-reset": "41"}, 41.0),
            ({"x-ratelimit-reset": "0"}, 0.0),
            ({"x-ratelimit-reset": "1700000009"}, 9.0),
            ({"x-ratelimit-reset": "1699999990"}, 0.0),
            ({"x-ratelimit-reset": "-5"}, 0.0),
            ({"x-ratelimit-reset": "86400"}, LONGEST_RATE_WAIT_SECONDS),
            ({"x-ratelimit-reset": "1700086400"}, LONGEST_RATE_WAIT_SECONDS),
            ({"x-ratelimit-reset": "1000000000"}, LONGEST_RATE_WAIT_SECONDS),
            ({"x-ratelimit-reset": "inf"}, LONGEST_RATE_WAIT_SECONDS),
            ({"x-ratelimit-reset": "nan"}, None),
            ({"x-ratelimit-reset": ""}, None),
            ({"x-ratelimit-reset": "soon"}, None),
            ({"retry-after": "7"}, 7.0),
            ({"retry-after": "7", "x-ratelimit-reset": "41"}, 7.0),
            ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT", "x-ratelimit-reset": "41"}, 41.0),
            ({"retry-after": "nan", "x-ratelimit-reset": "41"}, 41.0),
        ],
    )
    def test_headers_say_how_long_to_wait(self, headers: dict[str, str], seconds: float | None) -> None:
        assert seconds_until_reset(headers, EPOCH) == seconds

    @given(st.text(max_size=12) | st.floats().map(str) | st.integers().map(str), st.floats(0, 4e9))
    def test_no_header_asks_for_more_than_the_longest_wait(self, value: str, now: float) -> None:
        seconds = seconds_until_reset({"x-ratelimit-reset": value}, now)
        assert seconds is None or 0.0 <= seconds <= LONGEST_RATE_WAIT_SECONDS


class TestTransientFailures:
    def test_a_success_is_returned_without_a_wait(self, policy: RetryPolicy, clock: ManualClock) -> None:
        assert (policy.call(Attempts(clock, []), retry_budget_seconds=BUDGET_SECONDS), clock.sleeps) == ("done", [])

    def test_a_transient_failure_is_survived(self, policy: RetryPolicy, clock: ManualClock) -> None:
        assert policy.call(Attempts(clock, [failure(), failure()]), retry_budget_seconds=BUDGET_SECONDS) == "done"

    def test_another_error_is_raised_at_once(self, policy: RetryPolicy, clock: ManualClock) -> None:
        attempts = Attempts(clock, [ValueError("no")])
        with pytest.raises(ValueError, match="no"):
            policy.call(attempts, retry_budget_seconds=BUDGET_SECONDS)
        assert attempts.count == 1

    def test_waits_double_up_to_the_longest(self, policy: RetryPolicy, clock: ManualClock) -> None:
        policy.call(Attempts(clock, [failure()] * 9), retry_budget_seconds=BUDGET_SECONDS)
        waits = [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]
        assert clock.sleeps == [wait * 0.75 for wait in waits]

    def test_the_last_failure_is_raised_when_the_budget_is_used_up(
        self, policy: RetryPolicy, clock: ManualClock
    ) -> None:
        started_at = clock.seconds
        with pytest.raises(TransientError, match="it answered 503"):
            policy.call(Attempts(clock, ENDLESS_FAILURES), retry_budget_seconds=BUDGET_SECONDS)
        assert BUDGET_SECONDS <= clock.seconds - started_at <= BUDGET_SECONDS + LONGEST_WAIT_SECONDS

    def test_the_budget_counts_from_the_first_failure(self, policy: RetryPolicy, clock: ManualClock) -> None:
        attempts = Attempts(clock, [failure()], seconds=60.0)  # each attempt times out after longer than the budget
        assert policy.call(attempts, retry_budget_seconds=20.0) == "done"

    def test_without_a_budget_there_is_one_attempt(self, policy: RetryPolicy, clock: ManualClock) -> None:
        attempts = Attempts(clock, ENDLESS_FAILURES)
        with pytest.raises(TransientError):
            policy.call(attempts, retry_budget_seconds=0.0)
        assert attempts.count == 1

    def test_each_call_has_a_budget_of_its_own(self, policy: RetryPolicy, clock: ManualClock) -> None:
        for _ in range(2):
            assert policy.call(Attempts(clock, [failure()] * 12), retry_budget_seconds=BUDGET_SECONDS) == "done"

    @given(st.floats(0.0, 1.0, exclude_max=True))
    def test_jitter_halves_a_wait_at_most(self, jitter: float) -> None:
        clock = ManualClock()
        RetryPolicy(clock, lambda: jitter).call(Attempts(clock, [failure()]), retry_budget_seconds=BUDGET_SECONDS)
        assert 0.25 <= clock.sleeps[0] <= 0.5


class TestRateLimit:
    def test_a_rate_limit_waits_as_long_as_it_says(self, policy: RetryPolicy, clock: ManualClock) -> None:
        policy.call(Attempts(clock, [rate_limit(41.0), rate_limit(7.0)]), retry_budget_seconds=BUDGET_SECONDS)
        assert clock.sleeps == [41.5, 7.5]

    def test_rate_limits_whose_waits_are_too_short_back_off(self, policy: RetryPolicy, clock: ManualClock) -> None:
        policy.call(Attempts(clock, [rate_limit(0.0)] * 9), retry_budget_seconds=BUDGET_SECONDS)
        assert clock.sleeps == [wait + 0.5 for wait in (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0)]

    def test_a_rate_limit_that_names_no_wait_backs_off(self, policy: RetryPolicy, clock: ManualClock) -> None:
        policy.call(Attempts(clock, [rate_limit(None)] * 2), retry_budget_seconds=BUDGET_SECONDS)
        assert clock.sleeps == [0.375, 0.75]

    def test_rate_limits_may_last_longer_than_the_retry_budget(self, policy: RetryPolicy, clock: ManualClock) -> None:
        assert policy.call(Attempts(clock, [rate_limit()] * 20), retry_budget_seconds=20.0) == "done"

    def test_rate_limits_have_a_budget_of_their_own(self, policy: RetryPolicy, clock: ManualClock) -> None:
        started_at = clock.seconds
        with pytest.raises(TransientError, match="rate-limited"):
            policy.call(Attempts(clock, [rate_limit()] * 1_000), retry_budget_seconds=20.0)
        assert (
            RATE_LIMIT_BUDGET_SECONDS
            < clock.seconds - started_at
            <= RATE_LIMIT_BUDGET_SECONDS + LONGEST_RATE_WAIT_SECONDS
        )

    def test_a_rate_limit_resets_the_retry_budget(self, policy: RetryPolicy, clock: ManualClock) -> None:
        errors = [failure(), *[rate_limit()] * 6, failure()]
        assert policy.call(Attempts(clock, errors), retry_budget_seconds=BUDGET_SECONDS) == "done"

    def test_failures_and_rate_limits_in_turn_come_to_an_end(self, policy: RetryPolicy, clock: ManualClock) -> None:
        with pytest.raises(TransientError):
            policy.call(Attempts(clock, [failure(), rate_limit()] * 1_000), retry_budget_seconds=BUDGET_SECONDS)
        assert clock.seconds < 2 * RATE_LIMIT_BUDGET_SECONDS

    @given(waits=st.lists(st.one_of(st.none(), st.floats(0.0, 120.0)), max_size=200), is_rate_limit=st.booleans())
    def test_no_wait_is_longer_than_sendgrid_asks_for_or_the_back_off(
        self, waits: list[float | None], *, is_rate_limit: bool
    ) -> None:
        clock = ManualClock()
        errors = [TransientError("no", wait_seconds=wait, is_rate_limit=is_rate_limit) for wait in waits]
        with contextlib.suppress(TransientError):
            RetryPolicy(clock, lambda: 0.5).call(Attempts(clock, errors), retry_budget_seconds=BUDGET_SECONDS)
        asked = [max(wait or 0.0, LONGEST_WAIT_SECONDS) + 1.0 for wait in waits]
        assert all(slept <= most for slept, most in zip(clock.sleeps, asked, strict=False))


class TestTries:
    """The tries of one request, whose user waits between them itself."""

    @pytest.fixture
    def tries(self, policy: RetryPolicy) -> Tries:
        return policy.tries(BUDGET_SECONDS)

    def test_failures_are_counted_and_timed_from_the_first(self, tries: Tries, clock: ManualClock) -> None:
        assert (tries.count, tries.failing_since) == (0, None)
        clock.seconds += 1_000.0  # the request waits for its turn
        first = clock.seconds
        for count in (1, 2):
            assert tries.wait_after(failure()) == 0.375 * count
            assert (tries.count, tries.failing_since) == (count, first)
            clock.seconds += 1.0
        assert clock.sleeps == []

    def test_a_rate_limit_is_not_counted_and_starts_the_time_again(self, tries: Tries, clock: ManualClock) -> None:
        tries.wait_after(failure())
        clock.seconds += 100.0
        tries.wait_after(rate_limit())
        assert (tries.count, tries.failing_since) == (1, None)
        tries.wait_after(failure())
        assert (tries.count, tries.failing_since) == (2, clock.seconds)

    def test_time_before_the_first_rate_limit_does_not_count(self, tries: Tries, clock: ManualClock) -> None:
        clock.seconds += 2 * RATE_LIMIT_BUDGET_SECONDS
        assert tries.wait_after(rate_limit()) is not None

    def test_no_wait_is_left_once_the_budget_is_used_up(self, tries: Tries, clock: ManualClock) -> None:
        tries.wait_after(failure())
        clock.seconds += BUDGET_SECONDS - 0.25
        assert tries.wait_after(failure()) == 0.25
        clock.seconds += 0.25
        assert tries.wait_after(failure()) is None

    def test_the_shortest_wait_is_still_made(self, policy: RetryPolicy) -> None:
        assert policy.tries(SHORTEST_WAIT_SECONDS).wait_after(failure()) == SHORTEST_WAIT_SECONDS
        assert policy.tries(SHORTEST_WAIT_SECONDS / 2).wait_after(failure()) is None

    def test_rate_limits_may_last_for_exactly_their_budget(self, tries: Tries, clock: ManualClock) -> None:
        clock.seconds = 0.0
        tries.wait_after(rate_limit())
        clock.seconds = RATE_LIMIT_BUDGET_SECONDS
        assert tries.wait_after(rate_limit()) is not None
        clock.seconds += 1.0
        assert tries.wait_after(rate_limit()) is None

    def test_some_kinds_of_failures_have_a_smaller_budget(self, tries: Tries, clock: ManualClock) -> None:
        tries.wait_after(refusal())
        clock.seconds += 59.9
        assert tries.wait_after(refusal()) == pytest.approx(0.1)
        clock.seconds += 0.1
        assert tries.wait_after(refusal()) is None

    def test_no_kind_of_failures_has_more_than_the_whole_budget(self, policy: RetryPolicy, clock: ManualClock) -> None:
        tries = policy.tries(20.0)
        tries.wait_after(refusal())
        clock.seconds += 20.0
        assert tries.wait_after(refusal()) is None

    @pytest.mark.parametrize("other", [failure(), rate_limit(1.0)], ids=["failure", "rate limit"])
    def test_a_smaller_budget_counts_only_failures_of_its_kind_in_a_row(
        self, tries: Tries, clock: ManualClock, other: TransientError
    ) -> None:
        for error in (failure(), refusal(), other, refusal()):
            assert tries.wait_after(error) is not None
            clock.seconds += 50.0

    def test_failures_of_two_kinds_in_turn_end_with_the_whole_budget(self, tries: Tries, clock: ManualClock) -> None:
        waits = []
        for error in [failure(), refusal()] * 3:
            waits.append(tries.wait_after(error))
            clock.seconds += 60.0
        assert [wait is None for wait in waits] == [False] * 5 + [True]

    def test_a_call_ends_with_the_smaller_budget(self, policy: RetryPolicy, clock: ManualClock) -> None:
        started_at = clock.seconds
        with pytest.raises(TransientError, match="it answered 405"):
            policy.call(Attempts(clock, [refusal()] * 1_000), retry_budget_seconds=BUDGET_SECONDS)
        assert clock.seconds - started_at == 60.0


def test_the_system_clock_moves_forward() -> None:
    clock = SystemClock()
    before = clock.now(), clock.monotonic()
    clock.sleep(0)
    assert (clock.now() >= before[0] > 1_700_000_000, clock.monotonic() >= before[1]) == (True, True)
