"""Canaries: every value of every record is a marker, and no marker may show anywhere but in SendGrid."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import record, run_cli, schema, singer

if TYPE_CHECKING:
    from pathlib import Path

    from target_sendgrid.sandbox.server import SandboxServer

MARKER = "canary"
SCHEMA = schema(
    mail="string",
    given="string",
    since={"type": ["string", "null"], "format": "date-time"},
    tier={"enum": ["gold", "silver", None]},
    score="number",
)
CONFIG: dict[str, Any] = {
    "list_name": "Everybody",
    "field_mapping": {"email": "mail", "first_name": "given", "since": "since", "tier": "tier"},
    "create_custom_fields": True,
    "max_rejected_percent": 100,
    "request_timeout_seconds": 5,
}
GOOD = record(mail=f"{MARKER}.one@example.com", given=f"{MARKER} given", tier="gold", since="2024-02-29T00:00:00Z")
BAD = [
    record(mail=f"{MARKER} no address"),
    record(mail=f"{MARKER}@nowhere"),
    record(mail=f"{MARKER}.two@example.com", given=MARKER * 20),
    record(mail=f"{MARKER}.three@example.com", since=f"{MARKER} yesterday"),
    record(mail=f"{MARKER}.four@example.com", tier=f"{MARKER} tier"),
    record(mail=[f"{MARKER} list"]),
    record(mail={f"{MARKER} key": f"{MARKER} value"}),
    record(mail=f"{MARKER}.five@example.com", score=f"{MARKER} score"),
    {"type": "RECORD", "stream": "people", "record": f"{MARKER} text"},
]
RUBBISH = [
    f'{{"type": "RECORD", "stream": "people", "record": {{"mail": "{MARKER}',
    f'{{"type": "RECORD", "stream": "people", "rekord": "{MARKER}"}}',
    f'{{"type": "{MARKER}"}}',
    f'{{"type": "SCHEMA", "stream": "people", "schema": "{MARKER}"}}',
    f'"{MARKER}"',
]
FAULTS: dict[str, dict[str, Any]] = {
    "none": {},
    "errored rows": {"kind": "job_errored_rows", "first": 1, "reason": f"{MARKER} reason"},
    "failed job": {"kind": "job_failed", "times": 1},
    "refusal that quotes": {
        "kind": "status", "method": "PUT", "path": "/v3/marketing/contacts", "status": 400, "times": 2,
        "body": {"errors": [{"field": f"{MARKER}", "message": f"{MARKER} is not liked"}]},
    },
    "html that quotes": {
        "kind": "status", "method": "PUT", "path": "/v3/marketing/contacts", "status": 502, "times": 2,
        "body": f"<html>{MARKER}</html>",
    },
}  # fmt: skip


def assert_nothing_leaked(folder: Path, log: str, states: list[str], key: str) -> None:
    report = folder / "report.json"
    for text in (log, "\n".join(states), report.read_text(encoding="utf-8") if report.exists() else ""):
        assert MARKER not in text.lower()
        assert key not in text


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_no_value_and_no_key_shows_at_any_log_level(sandbox: SandboxServer, tmp_path: Path, fault: str) -> None:
    if FAULTS[fault]:
        sandbox.add_fault(**FAULTS[fault])
    environment = os.environ | {"LOGLEVEL": "DEBUG", "TARGET_SENDGRID_LOGLEVEL": "DEBUG"}
    run = run_cli(sandbox, CONFIG, singer(SCHEMA, GOOD, *BAD), tmp_path, environment=environment)
    assert run.exit_code == 0, run.log
    assert "DEBUG" in run.log
    assert_nothing_leaked(tmp_path, run.log, run.states, sandbox.api_key)


@pytest.mark.parametrize("line", RUBBISH)
def test_rubbish_on_standard_input_is_named_and_not_quoted(sandbox: SandboxServer, tmp_path: Path, line: str) -> None:
    environment = os.environ | {"LOGLEVEL": "DEBUG", "TARGET_SENDGRID_LOGLEVEL": "DEBUG"}
    run = run_cli(sandbox, CONFIG, singer(SCHEMA, line), tmp_path, environment=environment)
    assert_nothing_leaked(tmp_path, run.log, run.states, sandbox.api_key)


def test_structured_logs_leak_nothing_either(sandbox: SandboxServer, tmp_path: Path) -> None:
    logging = {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"structured": {"()": "singer_sdk.logging.StructuredFormatter"}},
        "handlers": {
            "stderr": {"class": "logging.StreamHandler", "formatter": "structured", "stream": "ext://sys.stderr"}
        },
        "root": {"level": "DEBUG", "handlers": ["stderr"]},
    }
    path = tmp_path / "logging.yml"
    path.write_text(json.dumps(logging), encoding="utf-8")
    environment = os.environ | {"SINGER_SDK_LOG_CONFIG": str(path)}
    run = run_cli(sandbox, CONFIG, singer(SCHEMA, GOOD, *BAD, RUBBISH[0]), tmp_path, environment=environment)
    assert run.exit_code == 1
    assert '"level":"debug"' in run.log
    assert_nothing_leaked(tmp_path, run.log, run.states, sandbox.api_key)
