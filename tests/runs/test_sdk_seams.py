"""All functions of the SDK that would leak values or lose records, and what keeps them from doing so.

This is the only list of them. When a new SDK changes such a function, a test here fails: read the function again, make
sure that it still does no harm, and update its digest.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
import logging
import subprocess
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from singer_sdk import target_base
from singer_sdk.io_base import GenericSingerReader
from singer_sdk.sinks import Sink
from singer_sdk.target_base import Target

from target_sendgrid.singer.reader import RecordReader
from target_sendgrid.singer.sink import SendGridSink
from target_sendgrid.target import TargetSendGrid
from tests.harness.account import PROCESS_SECONDS
from tests.harness.messages import record, schema, singer, state

if TYPE_CHECKING:
    from tests.harness.account import Account


class Seam(NamedTuple):
    """A function of the SDK that must not run unchanged, why not, and what prevents it."""

    name: str
    danger: str
    closed_by: str
    digest: str


_MESSAGES = "singer_sdk.singerlib.encoding"
_READER = "`RecordReader`, which names the line by its number"
_VALIDATOR = "`RecordValidator`, which names the schema's rule; `SendGridSink.get_validator` returns none"
_LOOP = "`RecordReader.process_lines`, which passes nothing to the SDK's handlers"

SEAMS = [
    Seam(
        "singer_sdk.plugin_base:SingerCommand.excepthook",
        "logs an error's text and traceback",
        "`main`",
        "1241547c5e1a",
    ),
    Seam(
        "singer_sdk.plugin_base:SingerCommand.invoke", "the same for bad settings", "`_validate_config`", "5c90869a269d"
    ),
    Seam("singer_sdk.plugin_base:PluginBase._validate_config", "quotes settings, keys too", "our own", "0584b9e347e3"),
    Seam(
        f"{_MESSAGES}.base:GenericSingerReader.process_lines",
        "keeps the last line, to be logged",
        _READER,
        "f6d848854616",
    ),
    Seam(f"{_MESSAGES}.base:GenericSingerReader.assert_line_requires", "quotes the line", _READER, "91c2ae04d02f"),
    Seam(f"{_MESSAGES}.simple:SimpleSingerReader.deserialize_json", "logs the line", _READER, "4dd8bbe877de"),
    Seam("singer_sdk.sinks.core:JSONSchemaValidator.validate", "quotes the record's value", _VALIDATOR, "8257e8ff34b3"),
    Seam("singer_sdk.sinks.core:Sink._validate_and_parse", "logs that, and ends the run", _VALIDATOR, "970aadabcc4d"),
    Seam(
        "singer_sdk.sinks.core:JSONSchemaValidator.__init__",
        "quotes the schema",
        "`schema_problem`, which finds what is invalid before",
        "17bce4eb0d66",
    ),
    Seam(
        "singer_sdk.mapper:CustomStreamMap._eval",
        "quotes expressions",
        "`SourceStream.accept`, for each record",
        "389317fd6fbb",
    ),
    Seam(
        "singer_sdk.target_base:Target._handle_termination",
        "drains in the middle of a record",
        "our own",
        "0d610b822293",
    ),
    Seam(
        "singer_sdk.target_base:Target._handle_max_record_age",
        "drains by age, which writes a state",
        _LOOP,
        "5762750ab103",
    ),
    Seam(
        "singer_sdk.target_base:Target._process_state_message",
        "keeps a state for the next drain",
        _LOOP,
        "e27158e2b1e7",
    ),
    Seam("singer_sdk.target_base:Target._process_record_message", "drains what is full", _LOOP, "08aaf4096e2d"),
    Seam("singer_sdk.target_base:Target._process_batch_message", "reads files past the checks", _LOOP, "f26fbe519745"),
    Seam("singer_sdk.target_base:Target.drain_all", "writes the state it keeps: it keeps none", _LOOP, "1da0109210d3"),
    Seam(
        "singer_sdk.target_base:Target._drain_all", "drains in eight threads", "`max_parallelism` is 1", "8160903b0918"
    ),
    Seam(
        "singer_sdk.target_base:Target.get_sink",
        "keeps sinks that were replaced",
        "our own, which drains",
        "d50a023664a5",
    ),
    Seam(
        "singer_sdk.target_base:Target.add_sink",
        "logs errors that `setup` raises",
        "`SendGridSink.__init__`, which raises them instead",
        "73895e789f57",
    ),
    Seam(
        "singer_sdk.plugin_base:BaseSingerReader.process_lines",
        "passes its handlers to the reader",
        _LOOP,
        "3442243efb20",
    ),
    Seam("singer_sdk.plugin_base:BaseSingerReader.listen", "ends with `process_endofpipe`", "our own", "5bdc6bfc6914"),
]


@pytest.mark.parametrize("seam", SEAMS, ids=lambda seam: seam.name.partition(":")[2])
def test_a_function_of_the_sdk_that_we_replace_is_unchanged(seam: Seam) -> None:
    module, _, path = seam.name.partition(":")
    owner, name = path.split(".")
    source = inspect.getsource(getattr(getattr(importlib.import_module(module), owner), name))
    digest = hashlib.sha256(source.encode()).hexdigest()[:12]
    assert digest == seam.digest, f"The SDK's {seam.name} has changed. It {seam.danger}; prevented by {seam.closed_by}."


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (TargetSendGrid._validate_config, Target._validate_config),  # noqa: SLF001 - they are what the test is about
        (TargetSendGrid._handle_termination, Target._handle_termination),  # noqa: SLF001 - as above
        (TargetSendGrid.get_sink, Target.get_sink),
        (TargetSendGrid.process_endofpipe, Target.process_endofpipe),
        (RecordReader.process_lines, GenericSingerReader.process_lines),
        (RecordReader.deserialize_json, GenericSingerReader.deserialize_json),
        (SendGridSink.get_validator, Sink.get_validator),
    ],
    ids=lambda function: function.__qualname__,
)
def test_our_replacement_of_an_sdk_function_takes_the_same_parameters(ours: Any, theirs: Any) -> None:
    assert ours is not theirs
    assert list(inspect.signature(ours).parameters) == list(inspect.signature(theirs).parameters)


def test_no_drain_of_the_sdk_writes_a_state_or_starts_a_thread(
    account: Account, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(target_base, "Parallel", None)
    target = TargetSendGrid(config=account.settings())
    path = account.folder / "lines.singer"
    path.write_bytes(singer(schema(email="string"), record(email="ada@example.com"), state(1)))
    with path.open() as file:
        target.process_lines(file)
    target.drain_all(is_endofpipe=True)
    target.conclude(None)
    assert capsys.readouterr().out == ""


def test_an_error_of_unknown_origin_shows_neither_its_text_nor_its_traceback(account: Account) -> None:
    program = """
from target_sendgrid import run
from target_sendgrid.__main__ import main

def fail(self, *arguments):
    raise ValueError("canary@example.com")

run.Run.take = fail
main()
"""
    process = subprocess.run(
        account.command(program=program),
        input=singer(schema(email="string"), record(email="canary@example.com"), state(1)),
        capture_output=True, check=False, timeout=PROCESS_SECONDS,
    )  # fmt: skip
    report = account.report_path.read_text(encoding="utf-8")
    assert process.returncode == 1
    assert process.stdout == b""
    assert b"Internal error, ValueError at <string>:" in process.stderr
    assert b"[internal-error]" in process.stderr
    assert "Internal error: ValueError" in report
    assert "canary" not in process.stderr.decode() + report
    assert b"Traceback" not in process.stderr


def test_the_sdk_logs_no_line_and_no_value_of_its_own_accord(account: Account) -> None:
    """None of the SDK's own messages about bad records is in the log."""
    bad = record(email=7)
    run = account.run_process(singer(schema(email="string"), bad, "half a line"))
    assert run.exit_code == 1
    for words in ("Unable to parse", "Record validation failed", "is not of type", "draining all sinks"):
        assert words not in run.log
    assert logging.getLogger("singer_sdk").handlers == []
