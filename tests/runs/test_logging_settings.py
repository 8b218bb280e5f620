"""Variables about logging that cannot be used end the command with one sentence."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from tests.harness.messages import PEOPLE, record, singer, state

if TYPE_CHECKING:
    from tests.harness.account import Account
    from tests.harness.runs import Finished

OWN, COMMON = "TARGET_SENDGRID_LOGLEVEL", "LOGLEVEL"


def run_with(account: Account, **variables: str) -> Finished:
    lines = singer(PEOPLE, record(email="ada@example.com"), state(1))
    return account.run_process(lines, environment=os.environ | variables)


@pytest.mark.parametrize(
    ("variables", "name"),
    [
        ({COMMON: "TRACE"}, COMMON),
        ({COMMON: "10"}, COMMON),
        ({COMMON: " "}, COMMON),
        ({OWN: "Level 5"}, OWN),
        ({OWN: "TRACE", COMMON: "INFO"}, OWN),
        ({OWN: "", COMMON: "verbose"}, COMMON),
    ],
    ids=str,
)
def test_a_level_that_does_not_exist_is_named_in_one_sentence(
    account: Account, variables: dict[str, str], name: str
) -> None:
    ended = run_with(account, **variables)
    assert ended.exit_code == 1
    problem = f"The environment variable `{name}` is no log level. Use DEBUG, INFO, WARNING, ERROR or CRITICAL."
    assert ended.log.splitlines() == [f"{problem} [wrong-logging]"]
    assert ended.states == []


@pytest.mark.parametrize(
    ("variables", "is_logged"),
    [
        ({COMMON: "info"}, True),
        ({COMMON: "Debug"}, True),
        ({COMMON: "ERROR"}, False),
        ({COMMON: ""}, True),
        ({OWN: "", COMMON: ""}, True),
        ({OWN: "", COMMON: "critical"}, False),
        ({OWN: "INFO", COMMON: "TRACE"}, True),
    ],
    ids=str,
)
def test_a_level_that_exists_is_used(account: Account, variables: dict[str, str], *, is_logged: bool) -> None:
    ended = run_with(account, **variables)
    assert ended.exit_code == 0, ended.log
    assert ended.states == ['{"n": 1}']
    assert ("Run done in" in ended.log) == is_logged


@pytest.mark.parametrize("content", ["root: [", "root: {level: TRACE}\nversion: 1", "ada@example.com", ""])
def test_a_logging_file_that_cannot_be_used_is_named_in_one_sentence(account: Account, content: str) -> None:
    path = account.folder / "logging.yaml"
    path.write_text(content, encoding="utf-8")
    ended = run_with(account, SINGER_SDK_LOG_CONFIG=str(path))
    assert ended.exit_code == 1
    assert "The logging file that `SINGER_SDK_LOG_CONFIG` names can't be used" in ended.log
    assert len(ended.log.splitlines()) == 1, ended.log
    assert "ada@example.com" not in ended.log


def test_a_logging_file_that_is_a_folder_is_named_too(account: Account) -> None:
    ended = run_with(account, SINGER_SDK_LOG_CONFIG=str(account.folder))
    assert ended.exit_code == 1
    assert "The logging file that `SINGER_SDK_LOG_CONFIG` names can't be used" in ended.log


STRUCTURED = """
version: 1
disable_existing_loggers: false
formatters: {json: {(): singer_sdk.logging.StructuredFormatter}}
handlers: {lines: {class: logging.StreamHandler, formatter: json, stream: ext://sys.stderr}}
root: {level: INFO, handlers: [lines]}
"""


def test_the_closing_records_of_a_structured_log_have_the_counts_as_fields(account: Account) -> None:
    path = account.folder / "logging.yaml"
    path.write_text(STRUCTURED, encoding="utf-8")
    ended = run_with(account, SINGER_SDK_LOG_CONFIG=str(path))
    *_, stream, run = [json.loads(line) for line in ended.log.splitlines()]
    assert stream["stream_name"] == "people"
    assert (stream["extra"]["received"], stream["extra"]["upserted"], stream["extra"]["rejected"]) == (1, 1, {})
    assert (run["extra"]["outcome"], run["extra"]["import_jobs"]) == ("succeeded", 1)
    assert run["extra"]["seconds"] > 0
    assert "streams" not in run["extra"]


@pytest.mark.parametrize(("level", "is_shown"), [("info", False), ("debug", True)])
def test_the_mapping_and_the_notes_of_the_sdk_are_logged_at_debug_level_only(
    account: Account, level: str, *, is_shown: bool
) -> None:
    lines = singer(PEOPLE, record(email="ada@example.com"), state(1))
    mapping = {"first_name": "first_name", "email": "email"}
    ended = account.run_process(lines, environment=os.environ | {COMMON: level}, field_mapping=mapping)
    assert "Stream 'people' fills list 'Everybody' (2 fields)." in ended.log
    assert "Meltano SDK v" in ended.log
    for words in ("first_name <- first_name", "Skipping parse", "Reader 'target-sendgrid' completed"):
        assert (words in ended.log) == is_shown, words


@pytest.mark.parametrize("level", ["info", "debug"])
def test_a_message_that_is_not_shown_leaves_no_line(account: Account, level: str) -> None:
    lines = singer(PEOPLE, record(email="ada@example.com"), state(1))
    maps = {"people": {"__filter__": "email != 'x'"}}
    ended = account.run_process(lines, environment=os.environ | {COMMON: level}, stream_maps=maps)
    assert "is not shown" not in ended.log
    assert all(len(line) < 250 for line in ended.log.splitlines())
