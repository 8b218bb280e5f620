"""Coverage-guided fuzzing of whole runs, from bytes on standard input to contacts and rejected records.

``uv run --no-sync --with atheris python -m tools.fuzz [FOLDER] -max_total_time=600`` fuzzes for ten minutes,
starting from the transcripts and the inputs that an earlier run left in the folder. Write a test in
``tests/runs/hostile`` for each bug it finds. Atheris is not a development dependency, since it does not support every
Python.
"""

from __future__ import annotations

import importlib
import logging
import sys
import tempfile
from pathlib import Path
from typing import Any

TRANSCRIPTS = Path(__file__).parents[1] / "tests" / "runs" / "transcripts"
MESSAGES = rb"""
{"type": "SCHEMA", "stream": "people", "key_properties": [], "schema": {"properties": {"email": {"type": "string"},
 "first_name": {}, "alternate_emails": {"anyOf": [{"type": "array"}, {"type": "null"}]}, "since": {}, "score": {}}}}
{"type": "RECORD", "stream": "people", "record": {"email": "ada@example.com", "first_name": "Ada", "score": 1.5}}
{"type": "RECORD", "stream": "people", "record": {"email": "ADA@example.com ", "since": "2024-02-29T12:00:00+01:00"}}
{"type": "STATE", "value": {"n": 1}}
{"type": "RECORD", "stream": "people", "record": {"email": "no", "alternate_emails": ["a@example.com", null]}}
{"type": "BATCH", "stream": "people", "encoding": {"format": "jsonl"}, "manifest": ["file:///none"]}
""".replace(b",\n", b",").lstrip()
WORDS = [
    *["type", "stream", "record", "schema", "key_properties", "value", "properties", "encoding", "manifest"],
    *["RECORD", "SCHEMA", "STATE", "BATCH", "ACTIVATE_VERSION", "people", "email", "alternate_emails", "first_name"],
    *["anyOf", "$ref", "pattern", "enum", "required", "items", "format", "multipleOf", "integer", "number", "object"],
]
FIELDS = {"score": "Number", "since": "Date"}
_RUNS_PER_ACCOUNT = 200


def main() -> None:
    """Fuzz until a promise breaks or the time is over."""
    atheris: Any = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["target_sendgrid"]):
        harness: Any = importlib.import_module("tests.harness.account")
        server: Any = importlib.import_module("target_sendgrid.sandbox.server")
        runs_of_target: Any = importlib.import_module("tests.harness.runs")
    logging.disable(logging.INFO)
    with (
        tempfile.TemporaryDirectory() as folder,
        server.SandboxServer(options=runs_of_target.QUICK, manual_clock=True) as sandbox,
    ):
        for path in TRANSCRIPTS.glob("*.singer"):
            (Path(folder) / path.name).write_bytes(path.read_bytes())
        (Path(folder) / "plain").write_bytes(MESSAGES)
        (Path(folder) / "words").write_text("".join(f'"\\"{word}\\""\n' for word in WORDS), encoding="utf-8")
        sandbox.seed(fields=FIELDS)
        account = harness.Account(sandbox, Path(folder))
        runs = 0

        def run_once(content: bytes) -> None:
            nonlocal runs
            runs += 1
            if runs % _RUNS_PER_ACCOUNT == 0:
                sandbox.reset()
                sandbox.seed(fields=FIELDS)
            account.rejected_path.unlink(missing_ok=True)
            account.run(content)

        atheris.Setup([*sys.argv, folder, f"-dict={folder}/words", "-max_len=4096", "-timeout=60"], run_once)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
