"""`--suggest-mapping`: what it prints is settings that the target takes, and that deliver people."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.harness.messages import record, schema, singer, state
from tests.harness.runs import WARNINGS_ARE_ERRORS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.harness.account import Account

EMAIL = {"properties": {"Address": {"type": "string"}}, "type": ["object", "null"]}
MESSAGES = [
    schema("crm.contacts", Id="string", Email="string", FirstName="string", MailingCity="string", LTV__c="number"),
    record("crm.contacts", Id="1", Email="ada@example.com", FirstName="Ada", MailingCity="London", LTV__c=7.5),
    schema("customers", PrimaryEmailAddr=EMAIL, GivenName="string", Level="string", CreatedTime={"type": "string"}),
    record("customers", PrimaryEmailAddr={"Address": "bob@example.com"}, GivenName="Bob", Level="gold"),
    {"type": "SCHEMA", "stream": "raw", "schema": {"type": "object"}, "key_properties": []},
    record("raw", document={"mail": "eve@example.com", "address": {"zip": 8001, "city": "Zurich"}}, seen=3),
    schema("orders", id="integer", total="number", state="string"),
    record("orders", id=1, total=9.5, state="open"),
    state(1),
]
"""What a tap writes: people in three forms, one of them in a schema that says nothing, and orders."""


def suggest(lines: bytes, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the command in an empty folder, without any setting."""
    environment = {name: value for name, value in os.environ.items() if "SENDGRID" not in name}
    command = [sys.executable, *WARNINGS_ARE_ERRORS, "-m", "target_sendgrid", "--suggest-mapping", *arguments]
    process = subprocess.run(
        command, input=lines.decode(), capture_output=True, text=True, check=False, timeout=60,
        cwd=folder, env=environment,
    )  # fmt: skip
    assert list(folder.iterdir()) == []
    return process


def settings_in(text: str) -> dict[str, Any]:
    config: dict[str, Any] = yaml.safe_load(text)["plugins"]["loaders"][0]["config"]
    return config


def test_what_is_suggested_delivers_people(account: Account, tmp_path_factory: pytest.TempPathFactory) -> None:
    done = suggest(singer(*MESSAGES), folder=tmp_path_factory.mktemp("empty"))
    assert (done.returncode, done.stderr) == (0, "")
    for value in ("@", "Ada", "London", "gold", "Zurich", "8001", "9.5"):
        assert value not in done.stdout
    run = account.run(*MESSAGES, **settings_in(done.stdout))
    assert run.exit_code == 0
    assert account.rejected() == []
    found = {
        contact["email"]: (contact["lists"], *(contact.get(name) for name in ("first_name", "city", "postal_code")))
        for contact in account.sandbox.contacts()
    }
    assert found == {
        "ada@example.com": (["Crm contacts"], "Ada", "London", None),
        "bob@example.com": (["Customers"], "Bob", None, None),
        "eve@example.com": (["Raw"], None, "Zurich", "8001"),
    }
    assert run.report["streams"]["orders"]["ignored"] == 1


def test_custom_fields_that_are_uncommented_are_created(
    account: Account, tmp_path_factory: pytest.TempPathFactory
) -> None:
    done = suggest(singer(*MESSAGES), folder=tmp_path_factory.mktemp("empty"))
    uncommented = re.sub(r"^( +)# (\w+: \{)", r"\1\2", done.stdout, flags=re.MULTILINE)
    run = account.run(*MESSAGES, create_custom_fields=True, **settings_in(uncommented))
    assert run.exit_code == 0
    assert account.rejected() == []
    (ada, bob, eve) = sorted(account.sandbox.contacts(), key=lambda contact: str(contact["email"]))
    assert ada["custom_fields"] == {"ltv": 7.5}
    assert bob["custom_fields"] == {"level": "gold"}
    assert eve["custom_fields"] == {"seen": 3}


def test_a_catalog_and_a_config_file(account: Account, tmp_path_factory: pytest.TempPathFactory) -> None:
    schemas = [message for message in MESSAGES if message["type"] == "SCHEMA" and message["stream"] != "raw"]
    catalog = {"streams": [{"tap_stream_id": one["stream"], **one} for one in schemas]}
    lines = json.dumps(catalog, indent=2).encode()
    done = suggest(lines, "--format", "json", folder=tmp_path_factory.mktemp("empty"))
    assert (done.returncode, done.stderr) == (0, "")
    account.run(*(one for one in MESSAGES if one.get("stream") != "raw"), **json.loads(done.stdout))
    assert account.emails() == ["ada@example.com", "bob@example.com"]


def test_a_tap_without_people_has_settings_that_send_nobody(account: Account, tmp_path: Path) -> None:
    done = suggest(singer(MESSAGES[-3]), folder=tmp_path)
    settings = settings_in(done.stdout)
    assert settings == {"list_name": "People", "streams": {"orders": {"enabled": False}}}
    assert account.run(*MESSAGES[-3:], **settings).exit_code == 0


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (b"", "No stream has come."),
        (b"ada@example.com\n", "Line 1 of standard input is no Singer message."),
        (singer(MESSAGES[0]) + b'{"type": "RECORD", "record": {"x": "ada@example.com"}\n', "Line 2 of standard input"),
    ],
)
def test_a_wrong_input_is_an_error_without_values(tmp_path: Path, lines: bytes, words: str) -> None:
    done = suggest(lines, folder=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert words in done.stderr
    assert "@" not in done.stderr
