"""When there is a checkpoint, and the order of its steps. The steps are stubs that note when they are called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from target_sendgrid.audience import intents as intents_module
from target_sendgrid.audience.intents import Intents, Removal
from target_sendgrid.delivery import unsubscribed as unsubscribed_module
from target_sendgrid.delivery.checkpoints import LONGEST_WAIT_SECONDS, Checkpoints
from target_sendgrid.delivery.unsubscribed import UnsubscribedPeople
from target_sendgrid.errors import Reason, SendGridError, TerminatedError, TooManyRejectedError
from target_sendgrid.origin import Origin
from target_sendgrid.report.rejection_limit import RejectionLimit
from target_sendgrid.report.report import Report
from tests.harness.clocks import ManualClock

if TYPE_CHECKING:
    from collections.abc import Callable


class Steps:
    """Checkpoints whose steps are noted."""

    def __init__(self, *, is_over_limit: bool = False) -> None:
        self.noted: list[str] = []
        self.held_from: list[int] = []
        self.people, self.intents, self.clock = UnsubscribedPeople(), Intents(), ManualClock()
        self.is_allowed = True
        """Whether the guard of suppressions allows it before the end."""
        self.error: SendGridError | None = None
        self.stops = False
        report = Report()
        report.stream("people").received = 1
        stub = cast("Any", self)
        self.limit = RejectionLimit(0 if is_over_limit else 100)
        if is_over_limit:
            report.stream("people").rejected.update([Reason.TOO_LONG])
        self.checkpoints = Checkpoints(
            self.people,
            self.intents,
            suppressions=cast("Any", _Suppressions(self)),
            removals=cast("Any", _Removals(self)),
            delivery=stub,
            report=report,
            limit=self.limit,
            clock=self.clock,
            check_stop=self.check_stop,
        )

    def check_stop(self) -> None:
        if self.stops:
            raise TerminatedError(15)

    # The delivery

    def finish(self) -> None:
        self.noted.append("settle")
        if self.error is not None:
            raise self.error

    def settle_ready(self) -> None:
        self.noted.append("write")

    def hold_state_from(self, line: int) -> None:
        self.held_from.append(line)

    # Records

    def remove(self, line: int = 1) -> None:
        self.intents.add(Removal("a", ("a",), b"{}", ("L",), Origin("people", line)))

    def unsubscribe(self, name: str = "a") -> None:
        self.people.add({"email": name}, None, Origin("people", 1), [])


class _Suppressions:
    def __init__(self, steps: Steps) -> None:
        self.steps = steps

    def carry_out(self, *, is_end: bool) -> None:
        self.steps.noted.append("suppress" if is_end else "suppress early")
        if is_end or self.steps.is_allowed:
            list(self.steps.people.take_all())
            self.steps.people.done()

    def check(self) -> None:
        self.steps.noted.append("check suppressions")


class _Removals:
    def __init__(self, steps: Steps) -> None:
        self.steps = steps

    def carry_out(self, stays: Callable[[bytes], bool]) -> None:
        self.steps.noted.append("remove")
        self.steps.intents.take_all(stays)
        self.steps.intents.done()

    def check(self) -> None:
        self.steps.noted.append("check removals")


def test_the_last_checkpoint_has_all_steps_in_order() -> None:
    steps = Steps()
    steps.unsubscribe()
    steps.remove()
    steps.checkpoints.finish()
    assert steps.noted == ["settle", "suppress", "settle", "remove", "write"]
    steps.checkpoints.check()
    assert steps.noted[5:] == ["check suppressions", "check removals"]


def test_what_was_waiting_for_a_suppression_is_settled_at_the_end() -> None:
    steps = Steps()
    steps.unsubscribe()
    steps.checkpoints.finish()
    assert steps.noted == ["settle", "suppress", "settle", "write"]


def test_where_nothing_waits_there_is_no_checkpoint() -> None:
    steps = Steps()
    steps.checkpoints.finish()
    steps.checkpoints.hold_if_full()
    steps.checkpoints.note_state()
    steps.clock.sleep(2 * LONGEST_WAIT_SECONDS)
    steps.checkpoints.hold_if_due()
    assert steps.noted == []


@pytest.mark.parametrize("is_removal", [True, False])
def test_a_state_is_due_ten_minutes_after_it_came_behind_a_record_that_waits(*, is_removal: bool) -> None:
    steps = Steps()
    steps.is_allowed = False
    steps.checkpoints.note_state()
    steps.remove() if is_removal else steps.unsubscribe()
    steps.clock.sleep(2 * LONGEST_WAIT_SECONDS)
    steps.checkpoints.hold_if_due()
    assert steps.noted == []  # no STATE has come since
    steps.checkpoints.note_state()
    steps.clock.sleep(LONGEST_WAIT_SECONDS - 1)
    steps.checkpoints.note_state()
    steps.checkpoints.hold_if_due()
    assert steps.noted == []
    steps.clock.sleep(1)
    steps.checkpoints.hold_if_due()
    expected = ["suppress early", *(["settle", "remove"] if is_removal else []), "write"]
    assert steps.noted == expected
    steps.checkpoints.hold_if_due()
    assert steps.noted == expected
    steps.clock.sleep(LONGEST_WAIT_SECONDS)
    steps.checkpoints.hold_if_due()
    assert steps.noted == expected + ([] if is_removal else ["suppress early", "write"])


def test_only_suppressions_are_done_when_no_more_people_can_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unsubscribed_module, "MAX_IN_MEMORY", 2)
    steps = Steps()
    steps.remove()
    steps.unsubscribe("a")
    steps.checkpoints.hold_if_full()
    assert steps.noted == []
    steps.unsubscribe("b")
    steps.checkpoints.hold_if_full()
    assert steps.noted == ["suppress early"]
    assert steps.intents.waiting


def test_people_who_wait_leave_memory_while_too_many_records_are_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unsubscribed_module, "MAX_IN_MEMORY", 1)
    steps = Steps(is_over_limit=True)
    steps.unsubscribe()
    steps.checkpoints.hold_if_full()
    assert (steps.noted, steps.people.is_full, steps.people.is_empty) == ([], False, False)
    steps.checkpoints.finish()
    assert "suppress" not in steps.noted
    assert len(list(steps.people.take_all())) == 2  # one part from a file, which is closed then, and one from memory


def test_removals_without_room_are_dropped_while_too_many_records_are_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intents_module, "MAX_WAITING", 2)
    steps = Steps(is_over_limit=True)
    for line in (3, 4):
        steps.remove(line)
        steps.checkpoints.hold_if_full()
    assert (steps.noted, steps.held_from) == (["settle", "write"], [3])
    assert (steps.intents.waiting, steps.intents.first_line) == ({}, None)
    with pytest.raises(TooManyRejectedError, match="2 records took nobody off a list"):
        steps.checkpoints.check()


def test_removals_are_done_when_no_more_can_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intents_module, "MAX_WAITING", 1)
    steps = Steps()
    steps.remove()
    steps.checkpoints.hold_if_full()
    assert (steps.noted, steps.held_from) == (["suppress early", "settle", "remove", "write"], [])


def test_a_failure_after_a_signal_is_the_signal() -> None:
    steps = Steps()
    steps.remove()
    steps.error = SendGridError("The run is stopped.")
    with pytest.raises(SendGridError):
        steps.checkpoints.finish()
    steps.stops = True
    with pytest.raises(TerminatedError):
        steps.checkpoints.finish()
