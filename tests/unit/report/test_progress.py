"""Progress lines, on a clock that the tests move."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from target_sendgrid.report.progress import INTERVAL_SECONDS, Progress
from target_sendgrid.report.report import Bucket, Report
from tests.harness.clocks import ManualClock

if TYPE_CHECKING:
    from collections.abc import Callable


class Harness:
    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self.clock, self.report, self.caplog = ManualClock(), Report(), caplog
        self.progress = Progress(self.report, self.clock)
        caplog.set_level("INFO", logger="target-sendgrid")

    def count(self, *, received: int, settled: int) -> None:
        counts = self.report.stream("people")
        counts.received += received
        counts.buckets[Bucket.UPSERTED] += settled

    def lines(self, *steps: Callable[[], None]) -> list[str]:
        self.caplog.clear()
        for step in steps:
            step()
        return self.caplog.messages


@pytest.fixture
def harness(caplog: pytest.LogCaptureFixture) -> Harness:
    return Harness(caplog)


def test_a_short_run_has_no_line(harness: Harness) -> None:
    harness.count(received=9, settled=9)
    harness.clock.sleep(INTERVAL_SECONDS - 1)
    assert harness.lines(harness.progress.note_reading, lambda: harness.progress.note_waiting("Wait.")) == []


def test_there_is_one_line_in_each_interval_however_often_it_is_called(harness: Harness) -> None:
    harness.count(received=4_000, settled=3_000)
    harness.clock.sleep(INTERVAL_SECONDS)
    waiting = [lambda: harness.progress.note_waiting("Waiting for it.")] * 3
    assert harness.lines(*waiting) == ["Waiting for it. 3,000 of 4,000 records settled so far."]
    harness.clock.sleep(INTERVAL_SECONDS - 1)
    assert harness.lines(*waiting, harness.progress.note_reading) == []
    harness.clock.sleep(1)
    assert len(harness.lines(*waiting, harness.progress.note_reading)) == 1


def test_while_a_tap_is_silent_nothing_is_logged_twice(harness: Harness) -> None:
    harness.count(received=5, settled=0)
    harness.clock.sleep(INTERVAL_SECONDS)
    assert harness.lines(harness.progress.note_reading) == ["0 of 5 records settled so far."]
    harness.clock.sleep(INTERVAL_SECONDS)
    assert harness.lines(harness.progress.note_reading) == []
    harness.count(received=1, settled=2)
    assert harness.lines(harness.progress.note_reading) == ["2 of 6 records settled so far."]


def test_structured_logs_have_the_counts_as_numbers(harness: Harness) -> None:
    harness.count(received=2, settled=1)
    harness.clock.sleep(INTERVAL_SECONDS)
    harness.lines(harness.progress.note_reading)
    (line,) = harness.caplog.records
    assert (vars(line)["settled"], vars(line)["received"]) == (1, 2)
