"""Patterns that take very long: few such records are rejected, many end the run, and signals are noticed meanwhile."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from target_sendgrid.singer import validation
from tests.harness.messages import record, schema, singer, state
from tests.harness.processes import wait_for_log

if TYPE_CHECKING:
    from pathlib import Path

    from target_sendgrid.sandbox.server import SandboxServer
    from tests.runs.hostile.conftest import HostileRuns

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
def test_few_slow_records_are_rejected_alone(runs: HostileRuns) -> None:
    run = runs.run(PEOPLE, ADA, slow_record(1), slow_record(2), state(1))
    assert run.exit_code == 0
    assert run.states == ['{"n": 1}']
    assert runs.reasons() == [(3, "schema_violation"), (4, "schema_violation")]


@pytest.mark.usefixtures("_hasty")
@pytest.mark.parametrize("config", [{}, {"stream_maps": {"people": {"more": "'x'"}}}], ids=["plain", "stream map"])
def test_many_slow_records_end_the_run_and_name_the_property(runs: HostileRuns, config: dict[str, Any]) -> None:
    slow = [message for number in range(50) for message in (slow_record(number), state(number + 1))]
    run = runs.run(PEOPLE, ADA, state(0), *slow, record(email="late@example.com"), state(99), **config)
    assert run.exit_code == 1
    last_line = max(line for line, _ in runs.reasons())
    assert len(runs.reasons()) <= 5
    assert (
        f"Validating records takes too long, the last time at stream 'people', line {last_line}: the SCHEMA has slow"
        " rules for 'code'. Simplify its patterns in the tap, or set `validate_records: false`."
    ) in run.log
    assert json.loads(run.states[-1])["n"] < len(runs.reasons())
    assert runs.emails() == ["ada@example.com"]


@pytest.mark.usefixtures("_hasty")
def test_slow_records_of_a_batch_file_end_the_run(runs: HostileRuns) -> None:
    path = runs.folder / "people.jsonl"
    path.write_text("".join(json.dumps(slow_record(number)["record"]) + "\n" for number in range(50)), encoding="utf-8")
    batch = {"type": "BATCH", "stream": "people", "encoding": {"format": "jsonl"}, "manifest": [path.as_uri()]}
    run = runs.run(PEOPLE, ADA, state(1), batch, state(2))
    assert run.exit_code == 1
    assert "of the batch files: the SCHEMA has slow rules for 'code'." in run.log
    assert run.states == ['{"n": 1}']


@pytest.mark.usefixtures("_hasty")
def test_rules_for_no_single_property_are_named_as_those_of_the_schema(runs: HostileRuns) -> None:
    slow_rule = {"additionalProperties": PATTERN, "type": "object", "properties": {"email": {"type": "string"}}}
    run = runs.run(PEOPLE | {"schema": slow_rule}, *map(slow_record, range(50)))
    assert run.exit_code == 1
    assert ": the SCHEMA has slow rules. Simplify its patterns in the tap," in run.log


def test_a_signal_is_noticed_between_slow_records(sandbox: SandboxServer, tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    own = {"api_url": sandbox.url, "api_key": sandbox.api_key, "list_name": "Everybody"}
    path.write_text(json.dumps(own | {"report_path": str(tmp_path / "report.json")}), encoding="utf-8")
    with subprocess.Popen(
        [sys.executable, "-c", _WITH_LITTLE_TIME, "--config", str(path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdin is not None
        process.stdin.write(singer(PEOPLE, ADA, state(1), *map(slow_record, range(450))))
        process.stdin.flush()
        wait_for_log(process, "Rejected")
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate()
    assert process.returncode == 128 + signal.SIGTERM, log
    assert json.loads((tmp_path / "report.json").read_bytes())["streams"]["people"]["received"] < 200


_WITH_LITTLE_TIME = """
from target_sendgrid.__main__ import main
from target_sendgrid.singer import validation
validation._MAX_SECONDS = validation._SLOW_SECONDS = 0.05
validation._MAX_SLOW_SECONDS = 1_000
main()
"""
