"""The state gate: which states are written, and when. A state covers the records in the lines before its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from target_sendgrid.delivery import state as state_module
from target_sendgrid.delivery.state import StateGate
from target_sendgrid.errors import Reason
from target_sendgrid.report.rejection_limit import LimitCounts, RejectionLimit

if TYPE_CHECKING:
    from collections.abc import Iterator


class GateHarness:
    """A state gate, and the states that it wrote."""

    def __init__(self, max_percent: float = 100) -> None:
        self.written: list[str] = []
        self._gate = StateGate(lambda state: self.written.append(state.decode()), RejectionLimit(max_percent))
        self.advance = self._gate.advance
        self.close_from = self._gate.close_from

    @property
    def held_from_line(self) -> int | None:
        return self._gate.held_from_line

    def receive(self, line: int, state: str | None = None, *, boundary: int = 0, records: int = 0) -> None:
        self._gate.receive(line, (state or str(line)).encode(), boundary_line=boundary, record_count=records)

    def reject(self, *lines: int, reason: Reason = Reason.INVALID_EMAIL) -> None:
        for line in lines:
            self._gate.count_rejected(line, reason)


@pytest.fixture
def no_memory() -> Iterator[None]:
    """Keep few states: only the last of those that become ready together."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(state_module, "MAX_WAITING_BYTES", 0)
        yield


def test_nothing_is_written_before_the_gate_is_advanced() -> None:
    gate = GateHarness()
    gate.receive(1)
    assert gate.written == []


def test_a_state_is_written_when_everything_is_settled() -> None:
    gate = GateHarness()
    gate.receive(5)
    gate.advance(None)
    assert gate.written == ["5"]


@pytest.mark.parametrize(("first_unsettled", "written"), [(4, []), (6, ["5"])])
def test_a_state_waits_only_for_the_records_before_it(first_unsettled: int, written: list[str]) -> None:
    gate = GateHarness()
    gate.receive(5)
    gate.advance(first_unsettled)
    assert gate.written == written


def test_only_the_newest_of_several_states_is_written() -> None:
    gate = GateHarness()
    for line in (2, 4, 6):
        gate.receive(line, boundary=line - 1)
    gate.advance(5)
    assert gate.written == ["4"]


def test_states_are_written_as_records_settle() -> None:
    gate = GateHarness()
    for line in (2, 4, 6):
        gate.receive(line, boundary=line - 1)
    for first_unsettled in (1, 3, 5, None):
        gate.advance(first_unsettled)
    assert gate.written == ["2", "4", "6"]


def test_a_state_is_written_once() -> None:
    gate = GateHarness()
    gate.receive(2)
    gate.advance(None)
    gate.advance(None)
    assert gate.written == ["2"]


def test_a_state_equal_to_the_last_one_is_not_written_again() -> None:
    gate = GateHarness()
    for line in (2, 4):
        gate.receive(line, "same", boundary=line)
        gate.advance(None)
    assert gate.written == ["same"]


def test_a_state_that_returns_to_an_earlier_value_is_written() -> None:
    gate = GateHarness()
    for line, state in [(2, "a"), (4, "b"), (6, "a")]:
        gate.receive(line, state, boundary=line)
        gate.advance(None)
    assert gate.written == ["a", "b", "a"]


def test_a_state_is_written_exactly_as_the_tap_wrote_it() -> None:
    gate = GateHarness()
    gate.receive(1, '{"b": 1.0,  "a":"\\u00e4"}')
    gate.advance(None)
    assert gate.written == ['{"b": 1.0,  "a":"\\u00e4"}']


def test_the_first_state_after_a_sealed_batch_does_not_wait_for_the_next_batch() -> None:
    gate = GateHarness()
    gate.receive(11, boundary=10)  # all records before it are in flight
    gate.receive(21, boundary=12)  # the records between them are open
    gate.advance(12)
    assert gate.written == ["11"]


def test_many_waiting_states_take_little_memory() -> None:
    """Beyond it, only the last of those is kept that become ready together."""
    gate = GateHarness()
    text = "x" * 1_000
    for line in range(2, 20_000, 2):
        gate.receive(line, f"{line} {text}", boundary=1)
    for first_unsettled in range(1, 20_002):
        gate.advance(first_unsettled)  # a state that is kept is written once everything before it is settled
    assert 100 < len(gate.written) < state_module.MAX_WAITING_BYTES / len(text)
    assert gate.written[-1].startswith("19998 ")


def test_states_are_held_while_memory_is_left_and_replaced_beyond_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_module, "_OVERHEAD_BYTES", 0)
    monkeypatch.setattr(state_module, "MAX_WAITING_BYTES", 20)
    gate = GateHarness()
    for line in (12, 22, 32):  # the first two take exactly as much as there is
        gate.receive(line, f"{line}" * 5, boundary=1)
    gate.receive(42, boundary=32)  # a batch was sealed at the line of the state before: they become ready apart
    for first_unsettled in (13, 23, 33, None):
        gate.advance(first_unsettled)
    assert gate.written == ["12" * 5, "22" * 5, "32" * 5, "42"]
    for line in (52, 62, 72, 82):  # nothing waits any more, so there is as much memory as at first
        gate.receive(line, f"{line}" * 5, boundary=51)
    gate.advance(53)
    gate.advance(63)
    gate.advance(73)
    assert gate.written[4:] == ["52" * 5, "62" * 5]
    gate.advance(None)
    assert gate.written[6:] == ["82" * 5]


def test_records_before_states_that_were_ready_together_are_counted_once() -> None:
    gate = GateHarness(50)
    for line, records in ((2, 1), (4, 2), (6, 3)):
        if line == 4:
            gate.reject(3, reason=Reason.NO_IDENTIFIER)
        gate.receive(line, boundary=line - 1, records=records)
    gate.advance(None)
    gate.reject(7, reason=Reason.NO_IDENTIFIER)
    gate.receive(8, boundary=7, records=3)
    gate.advance(None)
    assert (gate.written, gate.held_from_line) == (["6", "8"], None)


def test_an_empty_state_is_written() -> None:
    gate = GateHarness()
    gate.receive(2, boundary=1)
    gate._gate.receive(4, b"", boundary_line=3, record_count=0)  # noqa: SLF001 - the tap's own JSON is never empty
    gate.advance(None)
    assert gate.written == [""]


def test_rejected_records_without_identifier_add_up_over_all_states() -> None:
    gate = GateHarness(0)
    for line in range(1, 5):
        gate.reject(line, reason=Reason.NO_IDENTIFIER)
    for line, records in ((50, 6), (60, 6), (70, 7)):
        gate.receive(line, boundary=line - 1, records=records)
        gate.reject(line - 1, reason=Reason.NO_IDENTIFIER)
    gate.advance(None)
    assert (gate.written, gate.held_from_line) == (["50"], 60)


def test_memory_is_free_again_once_states_are_written() -> None:
    gate = GateHarness(10)
    for line in range(1, 3_000):
        gate.receive(line, "x" * 1_000 + str(line), boundary=0)
    gate.advance(None)
    gate.receive(3_000, boundary=2_999)
    gate.reject(*range(3_001, 3_020))
    gate.receive(3_020, boundary=2_999, records=19)
    gate.advance(None)
    assert gate.written[1:] == ["3000"]


class TestLimit:
    def test_a_state_over_the_limit_is_not_written(self) -> None:
        gate = GateHarness(10)
        gate.reject(*range(1, 12))
        gate.receive(20, records=19)
        gate.advance(None)
        assert (gate.written, gate.held_from_line) == ([], 20)

    def test_a_later_state_that_is_within_the_limit_again_is_written(self) -> None:
        gate = GateHarness(10)
        gate.reject(*range(1, 12))
        gate.receive(20, records=19)
        gate.advance(None)
        gate.receive(112, records=110)
        gate.advance(None)
        assert (gate.written, gate.held_from_line) == (["112"], None)

    def test_of_states_that_become_ready_together_the_last_one_within_the_limit_is_written(self) -> None:
        gate = GateHarness(10)
        gate.receive(20, records=19)
        gate.receive(25, records=23)
        gate.reject(*range(26, 40))
        gate.receive(40, records=37)
        gate.receive(41, records=37)
        gate.advance(None)
        assert (gate.written, gate.held_from_line) == (["25"], 40)

    def test_only_records_before_a_state_count_for_it(self) -> None:
        gate = GateHarness(10)
        gate.receive(10, boundary=9, records=9)
        gate.receive(40, boundary=39, records=38)
        gate.receive(90, boundary=89, records=87)
        gate.reject(*range(11, 31))  # in an import job that ends after all states have come
        gate.advance(9)
        assert gate.written == []
        gate.advance(39)
        assert gate.written == ["10"]
        gate.advance(None)
        assert (gate.written, gate.held_from_line) == (["10"], 40)

    def test_rejected_records_count_for_all_later_states(self) -> None:
        gate = GateHarness(10)
        gate.receive(20, boundary=19, records=19)
        gate.receive(30, boundary=29, records=28)
        gate.receive(200, boundary=199, records=197)
        gate.reject(*range(1, 12))
        gate.advance(None)
        gate.receive(201, boundary=201, records=197)
        gate.reject(*range(202, 222))
        gate.receive(230, boundary=229, records=225)
        gate.advance(None)
        assert (gate.written, gate.held_from_line) == (["200", "201"], 230)

    @pytest.mark.usefixtures("no_memory")
    def test_the_counts_of_a_state_that_is_not_kept_go_over_to_the_next(self) -> None:
        gate = GateHarness(10)
        gate.reject(*range(1, 7))
        gate.receive(10, records=9)
        gate.receive(20, records=18)
        gate.reject(2, 15, 21, 22, 23)
        gate.receive(30, records=27)
        gate.advance(None)
        assert (gate.written, gate.held_from_line) == ([], 30)

    def test_records_without_an_identifier_do_not_count_where_somebody_was_accepted(self) -> None:
        gate = GateHarness(0)
        gate.reject(*range(1, 30), reason=Reason.NO_IDENTIFIER)
        gate.receive(30, boundary=29, records=29)
        gate.receive(40, boundary=39, records=30)
        gate.advance(None)
        assert (gate.written, gate.held_from_line) == (["40"], None)

    def test_a_state_that_nothing_came_before_is_never_over_the_limit(self) -> None:
        gate = GateHarness(0)
        gate.receive(1)
        gate.advance(None)
        assert gate.written == ["1"]

    def test_a_closed_line_is_no_matter_of_the_limit(self) -> None:
        gate = GateHarness(10)
        gate.reject(*range(1, 12))
        gate.receive(20, records=19)
        gate.close_from(5)
        gate.advance(None)
        assert (gate.written, gate.held_from_line) == ([], None)


class TestClosing:
    @pytest.mark.parametrize(("closed_from", "written"), [(4, []), (5, []), (6, ["5"])])
    def test_no_state_of_the_closed_line_or_later_is_written(self, closed_from: int, written: list[str]) -> None:
        gate = GateHarness()
        gate.receive(5)
        gate.close_from(closed_from)
        gate.advance(None)
        assert gate.written == written

    def test_of_several_closed_lines_the_lowest_counts(self) -> None:
        gate = GateHarness()
        for line in (9, 3, 7):
            gate.close_from(line)
        gate.receive(5)
        gate.advance(None)
        assert gate.written == []

    def test_a_state_received_after_closing_is_never_written(self) -> None:
        gate = GateHarness()
        gate.close_from(3)
        for line in range(4, 8):
            gate.receive(line, boundary=line - 1)
            gate.advance(None)
        assert gate.written == []

    def test_closing_does_not_hold_back_earlier_states(self) -> None:
        gate = GateHarness()
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
        self.gate = GateHarness()
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


class LimitedRun:
    """Records with outcomes, some of which are known only after later records, and a gate with a limit."""

    def __init__(self, max_percent: float) -> None:
        self.limit = RejectionLimit(max_percent)
        self.gate = GateHarness(max_percent)
        self.line = self.boundary = 0
        self.records: dict[int, str] = {}
        self.states: list[int] = []
        self.batches: list[list[int]] = [[]]
        """Lines of records that are not settled: first those in flight, last those that are open."""

    def do(self, step: str) -> None:
        if step == "seal":
            self.boundary = max(self.records, default=0)
            self.batches.append([])
        elif step == "settle":
            self._settle(0)
        elif step == "settle newest":
            self._settle(-2)
        elif step == "state":
            self.line += 1
            self.states.append(self.line)
            self.gate.receive(self.line, boundary=self.boundary, records=len(self.records))
        else:
            self.line += 1
            if step == "ignored":
                return
            self.records[self.line] = step
            if step == "accepted" or step.startswith("in its job"):
                self.boundary = self.boundary if self.batches[-1] else self.line
                self.batches[-1].append(self.line)
            else:
                self._reject(self.line)

    def finish(self) -> None:
        while len(self.batches) > 1:
            self._settle(0)
        self.batches.append([])
        self._settle(0)

    def _settle(self, place: int) -> None:
        if len(self.batches) > 1:
            for line in self.batches.pop(place):
                if self.records[line] != "accepted":
                    self._reject(line)

    def _reject(self, line: int) -> None:
        self.gate.reject(line, reason=Reason.NO_IDENTIFIER if "nobody" in self.records[line] else Reason.TOO_LONG)

    def advance(self) -> None:
        self.gate.advance(min((line for batch in self.batches for line in batch), default=None))

    def is_within(self, state: int) -> bool:
        before = [outcome for line, outcome in self.records.items() if line < state]
        nobody = before.count("nobody")
        return not self.limit.is_exceeded(
            LimitCounts(len(before), len(before) - before.count("accepted") - nobody, nobody)
        )


LIMITED_STEPS = st.lists(
    st.tuples(
        st.sampled_from([
            "accepted", "rejected", "in its job", "nobody", "ignored", "state", "seal", "settle", "settle newest",
        ]),
        st.integers(1, 12),
    ).map(lambda step: [step[0]] * (step[1] if step[0] in {"accepted", "rejected", "in its job"} else 1)),
    max_size=40,
).map(lambda parts: [step for part in parts for step in part])  # fmt: skip
PERCENT = st.sampled_from([0, 10, 50, 90, 100])


@given(LIMITED_STEPS, PERCENT)
def test_the_newest_settled_state_within_the_limit_is_written(steps: list[str], max_percent: float) -> None:
    run = LimitedRun(max_percent)
    for step in [*steps, "finish"]:
        run.finish() if step == "finish" else run.do(step)
        run.advance()
        first_unsettled = min((line for batch in run.batches for line in batch), default=run.line + 1)
        ready = [state for state in run.states if state < first_unsettled]
        within = [state for state in ready if run.is_within(state)]
        assert run.gate.written[-1:] == list(map(str, within[-1:]))
        held = [state for state in ready if state > max(within, default=0)]
        assert run.gate.held_from_line == (held[0] if held else None)


@pytest.mark.usefixtures("no_memory")
@given(LIMITED_STEPS, PERCENT)
def test_with_many_states_no_state_over_the_limit_is_written_either(steps: list[str], max_percent: float) -> None:
    run = LimitedRun(max_percent)
    for step in steps:
        run.do(step)
        run.advance()
    run.finish()
    run.advance()
    assert all(run.is_within(int(state)) for state in run.gate.written)
    assert not run.states or not run.is_within(run.states[-1]) or run.gate.written[-1] == str(run.states[-1])
