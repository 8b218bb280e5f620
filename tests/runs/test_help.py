"""The help of both commands: its examples work as they are."""

from __future__ import annotations

import os
import shlex
import subprocess
import textwrap
from typing import TYPE_CHECKING

import pytest

from tests.harness.account import PROCESS_SECONDS
from tests.harness.messages import record, schema, singer, state
from tests.harness.runs import SCRIPTS

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ("target-sendgrid", "target-sendgrid-sandbox")


def output_of(name: str, *arguments: str, **variables: str) -> str:
    run = subprocess.run(
        [str(SCRIPTS / name), *arguments],
        env=os.environ | variables, capture_output=True, check=True, text=True, timeout=PROCESS_SECONDS,
    )  # fmt: skip
    return run.stdout


def examples_of(name: str) -> dict[str, str]:
    """Return the examples of a command's help: shell lines by what they are for."""
    parts = [paragraph.partition(":\n") for paragraph in output_of(name, "--help").split("\n\n")]
    return {purpose.strip(): textwrap.dedent(lines) for purpose, _, lines in parts if name in lines}


def test_the_first_example_loads_people_into_a_sandbox(tmp_path: Path) -> None:
    example = next(lines for lines in examples_of("target-sendgrid").values() if "config.json" in lines)
    messages = tmp_path / "messages"
    messages.write_bytes(singer(schema(mail="string"), record(mail="ada@example.com"), state(1)))
    tap = tmp_path / "tap-x"
    tap.write_text(f"#!/bin/sh\ncat {shlex.quote(str(messages))}\n", encoding="utf-8")
    tap.chmod(0o700)
    run = subprocess.run(
        ["sh", "-ec", example],
        env=os.environ | {"PATH": f"{tmp_path}:{SCRIPTS}:{os.environ['PATH']}"},
        cwd=tmp_path, capture_output=True, check=False, text=True, timeout=PROCESS_SECONDS,
    )  # fmt: skip
    assert (run.returncode, run.stdout) == (0, '{"n": 1}\n'), run.stderr
    assert "1 upserted" in run.stderr


@pytest.mark.parametrize("name", NAMES)
def test_examples_have_only_options_that_are_there(name: str) -> None:
    examples = examples_of(name)
    assert len(examples) >= 3
    helps = output_of(name, "--help") + (output_of(name, "serve", "--help") if name.endswith("sandbox") else "")
    for lines in examples.values():
        words = lines[lines.index(name) :].split()
        assert {word for word in words if word.startswith("--")} <= set(helps.split()) | {"--database"}


@pytest.mark.parametrize("name", NAMES)
def test_a_shell_completes_options(name: str) -> None:
    variable = f"_{name.replace('-', '_').upper()}_COMPLETE"
    assert "plain,--version" in output_of(name, COMP_WORDS=f"{name} --v", COMP_CWORD="1", **{variable: "bash_complete"})
