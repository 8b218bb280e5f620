"""The state gate: which states are written, and when. A state covers the records in the lines before its own."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from target_sendgrid.delivery.state import StateGate


class Gate:
    """A state gate, and the states that it wrote."""

    def __init__(self) -> None:
        self.written: list[str] = []
        self._gate = StateGate(lambda state: self.written.append(state.decode()))
        self.advance = self._gate.advance
        self.close_from = self._gate.close_from

    def receive(self, line: int, state: str | None = None, *, boundary: int = 0) -> None:
        self._gate.receive(line, (state or str(line)).encode(), boundary_line=boundary)


def test_nothing_is_written_before_the_gate_is_advanced() -> None:
    gate = Gate()
    gate.receive(1)
    assert gate.written == []


def test_a_state_is_written_when_everything_is_settled() -> None:
    gate = Gate()
    gate.receive(5)
    gate.advance(None)
    assert gate.written == ["5"]


@pytest.mark.parametrize(("first_unsettled", "written"), [(4, []), (6, ["5"])])
def test_a_state_waits_only_for_the_records_before_it(first_unsettled: int, written: list[str]) -> None:
    gate = Gate()
    gate.receive(5)
    gate.advance(first_unsettled)
    assert gate.written == written


def test_only_the_newest_of_several_states_is_written() -> None:
    gate = Gate()
    for line in (2, 4, 6):
        gate.receive(line, boundary=line - 1)
    gate.advance(5)
    assert gate.written == ["4"]


def test_states_are_written_as_records_settle() -> None:
    gate = Gate()
    for line in (2, 4, 6):
        gate.receive(line, boundary=line - 1)
    for first_unsettled in (1, 3, 5, None):
        gate.advance(first_unsettled)
    assert gate.written == ["2", "4", "6"]


def test_a_state_is_written_once() -> None:
    gate = Gate()
    gate.receive(2)
    gate.advance(None)
    gate.advance(None)
    assert gate.written == ["2"]


def test_a_state_equal_to_the_last_one_is_not_written_again() -> None:
    gate = Gate()
    for line in (2, 4):
        gate.receive(line, "same", boundary=line)
        gate.advance(None)
    assert gate.written == ["same"]


def test_a_state_that_returns_to_an_earlier_value_is_written() -> None:
    gate = Gate()
    for line, state in [(2, "a"), (4, "b"), (6, "a")]:
        gate.receive(line, state, boundary=line)
        gate.advance(None)
    assert gate.written == ["a", "b", "a"]


def test_a_state_is_written_exactly_as_the_tap_wrote_it() -> None:
    gate = Gate()
    gate.receive(1, '{"b": 1.0,  "a":"\\u00e4"}')
    gate.advance(None)
    assert gate.written == ['{"b": 1.0,  "a":"\\u00e4"}']


def test_the_first_state_after_a_sealed_batch_does_not_wait_for_the_next_batch() -> None:
    gate = Gate()
    gate.receive(11, boundary=10)  # all records before it are in flight
    gate.receive(21, boundary=12)  # the records between them are open
    gate.advance(12)
    assert gate.written == ["11"]


def test_of_states_that_would_be_written_together_only_the_last_is_kept() -> None:
    gate = Gate()
    for line in range(2, 10_000, 2):
        gate.receive(line, boundary=1)
    for first_unsettled in range(1, 10_002):
        gate.advance(first_unsettled)
    assert gate.written == ["9998"]


class TestClosing:
    @pytest.mark.parametrize(("closed_from", "written"), [(4, []), (5, []), (6, ["5"])])
    def test_no_state_of_the_closed_line_or_later_is_written(self, closed_from: int, written: list[str]) -> None:
        gate = Gate()
        gate.receive(5)
        gate.close_from(closed_from)
        gate.advance(None)
        assert gate.written == written

    def test_of_several_closed_lines_the_lowest_counts(self) -> None:
        gate = Gate()
        for line in (9, 3, 7):
            gate.close_from(line)
        gate.receive(5)
        gate.advance(None)
        assert gate.written == []

    def test_a_state_received_after_closing_is_never_written(self) -> None:
        gate = Gate()
        gate.close_from(3)
        for line in range(4, 8):
            gate.receive(line, boundary=line - 1)
            gate.advance(None)
        assert gate.written == []

    def test_closing_does_not_hold_back_earlier_states(self) -> None:
        gate = Gate()
        gate.receive(2)
        gate.close_from(3)
        gate.receive(4)
        gate.advance(None)
        assert gate.written == ["2"]


STEPS = st.lists(
    st.one_of(
        st.just("record"), st.just("record"), st.just("state"), st.just("state"), st.just("seal"),
        st.just("settle oldest"), st.just("settle newest"), st.just("over the cap"),
    ),
    max_size=80,
)  # fmt: skip


class SimulatedRun:
    """Records that are open, in flight or settled, and a gate that is advanced as the delivery advances it."""

    def __init__(self) -> None:
        self.gate = Gate()
        self.line = self.last_record = self.boundary = 0
        self.open: list[int] = []
        self.in_flight: list[list[int]] = []
        self.closed: list[int] = []
        self.records: list[int] = []
        self.states: list[int] = []

    def do(self, step: str) -> None:
        if step in {"record", "state", "over the cap"}:
            self.line += 1
        if step == "record":
            self.boundary = self.boundary if self.open else self.line
            self.open.append(self.line)
            self.records.append(self.line)
            self.last_record = self.line
        elif step == "state":
            self.states.append(self.line)
            self.gate.receive(self.line, boundary=self.boundary)
        elif step == "over the cap":
            self.closed.append(self.line)
            self.gate.close_from(self.line)
        elif step == "seal" and self.open:
            self.in_flight.append(self.open)
            self.open, self.boundary = [], self.last_record
        elif step.startswith("settle") and self.in_flight:
            self.in_flight.pop(0 if step.endswith("oldest") else -1)

    @property
    def first_unsettled(self) -> int | None:
        return min([*self.open, *(line for batch in self.in_flight for line in batch)], default=None)

    @property
    def first_blocking_line(self) -> float:
        return min([self.first_unsettled or float("inf"), *self.closed])


@given(STEPS)
def test_no_state_ever_covers_an_unsettled_record(steps: list[str]) -> None:
    run = SimulatedRun()
    for step in steps:
        run.do(step)
        count = len(run.gate.written)
        run.gate.advance(run.first_unsettled)
        assert all(int(state) < run.first_blocking_line for state in run.gate.written[count:])
    assert [int(state) for state in run.gate.written] == sorted({int(state) for state in run.gate.written})


@given(STEPS)
@example(["record", "seal", "state", "record", "state", "settle oldest"])
def test_every_record_that_a_state_may_cover_is_covered(steps: list[str]) -> None:
    run = SimulatedRun()
    for step in steps:
        run.do(step)
        run.gate.advance(run.first_unsettled)
        last_allowed = max((line for line in run.states if line < run.first_blocking_line), default=0)
        covered = max((int(state) for state in run.gate.written), default=0)
        assert not [line for line in run.records if covered < line < last_allowed]


@given(STEPS)
def test_the_last_state_is_written_at_the_end(steps: list[str]) -> None:
    run = SimulatedRun()
    for step in [*(step for step in steps if step != "over the cap"), "state"]:
        run.do(step)
        run.gate.advance(run.first_unsettled)
    run.gate.advance(None)
    assert run.gate.written[-1] == str(run.line)
