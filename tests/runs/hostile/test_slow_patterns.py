"""Patterns that take very long: few such records are rejected, many end the run, and signals are noticed meanwhile."""

from __future__ import annotations

import json
import signal
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from target_sendgrid.singer import validation
from tests.harness.messages import record, schema, singer, state
from tests.harness.processes import wait_for_log

if TYPE_CHECKING:
    from tests.harness.account import Account

PATTERN = {"type": ["string", "null"], "pattern": "^(a+)+$"}
PEOPLE = schema(email="string", code=PATTERN, note=PATTERN)
ADA = record(email="ada@example.com", code="aaa")


def slow_record(number: int) -> dict[str, Any]:
    return record(email=f"p{number}@example.com", code="a" * 60 + "!")


@pytest.fixture
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits that few milliseconds reach."""
    monkeypatch.setattr(validation, "_MAX_SECONDS", 0.05)
    monkeypatch.setattr(validation, "_SLOW_SECONDS", 0.04)
    monkeypatch.setattr(validation, "_MAX_SLOW_SECONDS", 0.22)


@pytest.mark.usefixtures("_hasty")
def test_few_slow_records_are_rejected_alone(account: Account) -> None:
    run = account.run(PEOPLE, ADA, slow_record(1), slow_record(2), state(1), validate_scope="all")
    assert run.exit_code == 0
    assert run.states == ['{"n": 1}']
    assert account.reasons() == [(3, "schema_violation"), (4, "schema_violation")]


@pytest.mark.usefixtures("_hasty")
@pytest.mark.parametrize("config", [{}, {"stream_maps": {"people": {"more": "'x'"}}}], ids=["plain", "stream map"])
def test_many_slow_records_end_the_run_and_name_the_property(account: Account, config: dict[str, Any]) -> None:
    slow = [message for number in range(50) for message in (slow_record(number), state(number + 1))]
    run = account.run(
        PEOPLE, ADA, state(0), *slow, record(email="late@example.com"), state(99), validate_scope="all", **config
    )
    assert run.exit_code == 1
    last = account.rejected()[-1]
    assert len(account.reasons()) <= 5
    assert (
        f"Validating records takes too long, the last time at stream 'people', line {last['line']}, record"
        f" {last['record_number']}: the SCHEMA has slow rules for 'code'. Simplify its patterns in the tap, or set"
        " `validate_records: false`. [slow-validation]"
    ) in run.log
    assert json.loads(run.states[-1])["n"] < len(account.reasons())
    assert account.emails() == ["ada@example.com"]


@pytest.mark.usefixtures("_hasty")
def test_slow_records_of_a_batch_file_end_the_run(account: Account) -> None:
    path = account.folder / "people.jsonl"
    path.write_text("".join(json.dumps(slow_record(number)["record"]) + "\n" for number in range(50)), encoding="utf-8")
    batch = {"type": "BATCH", "stream": "people", "encoding": {"format": "jsonl"}, "manifest": [path.as_uri()]}
    run = account.run(PEOPLE, ADA, state(1), batch, state(2), validate_scope="all")
    assert run.exit_code == 1
    assert "of the batch files, record 6: the SCHEMA has slow rules for 'code'." in run.log
    assert run.states == ['{"n": 1}']


@pytest.mark.usefixtures("_hasty")
def test_a_pattern_of_a_property_that_nobody_maps_costs_no_time(account: Account) -> None:
    run = account.run(PEOPLE, ADA, *map(slow_record, range(50)), state(1))
    assert run.exit_code == 0
    assert len(account.emails()) == 51


@pytest.mark.usefixtures("_hasty")
def test_rules_for_no_single_property_are_named_as_those_of_the_schema(account: Account) -> None:
    slow_rule = {"additionalProperties": PATTERN, "type": "object", "properties": {"email": {"type": "string"}}}
    run = account.run(PEOPLE | {"schema": slow_rule}, *map(slow_record, range(50)), validate_scope="all")
    assert run.exit_code == 1
    assert ": the SCHEMA has slow rules. Simplify its patterns in the tap," in run.log


def test_a_signal_is_noticed_between_slow_records(account: Account) -> None:
    with subprocess.Popen(
        account.command(program=_WITH_LITTLE_TIME, validate_scope="all"),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdin is not None
        process.stdin.write(singer(PEOPLE, ADA, state(1), *map(slow_record, range(450))))
        process.stdin.flush()
        wait_for_log(process, "Rejected")
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate()
    assert process.returncode == 128 + signal.SIGTERM, log
    assert json.loads(account.report_path.read_bytes())["streams"]["people"]["received"] < 200


_WITH_LITTLE_TIME = """
from target_sendgrid.__main__ import main
from target_sendgrid.singer import validation
validation._MAX_SECONDS = validation._SLOW_SECONDS = 0.05
validation._MAX_SLOW_SECONDS = 1_000
main()
"""
