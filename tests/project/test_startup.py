"""Modules that are loaded at start: each costs time and memory, even if the run does not use it."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from target_sendgrid.sandbox.server import SandboxServer

_RUN = "from target_sendgrid.__main__ import main; main()"
_RUN_AND_LIST_MODULES = f"import atexit, sys; atexit.register(lambda: print(*sys.modules, file=sys.stderr)); {_RUN}"
"""Code that runs the target, and writes the names of the loaded modules to standard error at the end."""


def modules(code: str, *arguments: str) -> set[str]:
    """Run code that writes the names of the loaded modules in the last line of the log, and return them."""
    run = subprocess.run(
        [sys.executable, "-c", code, *arguments], input=b"", capture_output=True, check=False, timeout=120
    )
    assert run.returncode == 0, run.stderr.decode()
    return set(run.stderr.decode().splitlines()[-1].split())


def third_parties(loaded: set[str]) -> set[str]:
    """Return the names of the loaded libraries that are neither ours nor in the standard library."""
    own = {"target_sendgrid", "__main__"}
    return {name.partition(".")[0] for name in loaded} - sys.stdlib_module_names - own


@pytest.fixture(scope="module")
def sdk() -> set[str]:
    return modules("import sys; import singer_sdk; print(*sys.modules, file=sys.stderr)")


@pytest.fixture
def empty_run(sandbox: SandboxServer, tmp_path: Path) -> set[str]:
    """The modules that are loaded in a run without input."""
    config = tmp_path / "config.json"
    own = {"api_url": sandbox.url, "api_key": sandbox.api_key, "list_name": "Everybody"}
    config.write_text(json.dumps(own), encoding="utf-8")
    return modules(_RUN_AND_LIST_MODULES, "--config", str(config))


@pytest.mark.parametrize("arguments", [("--version",), ("--about", "--format", "json")], ids=["version", "about"])
def test_version_and_about_load_no_module_that_only_a_run_needs(arguments: tuple[str, ...]) -> None:
    own = {name for name in modules(_RUN_AND_LIST_MODULES, *arguments) if name.startswith("target_sendgrid.")}
    assert own == {
        "target_sendgrid.__main__",
        "target_sendgrid.redaction",
        "target_sendgrid.errors",
        "target_sendgrid.settings",
        "target_sendgrid.settings_checks",
        "target_sendgrid.stream_map_checks",
        "target_sendgrid.target",
        "target_sendgrid.wording",
    }


@pytest.mark.parametrize("arguments", [("--version",), ("--about", "--format", "json")], ids=["version", "about"])
def test_version_and_about_load_no_library_beyond_those_of_the_sdk(arguments: tuple[str, ...], sdk: set[str]) -> None:
    assert third_parties(modules(_RUN_AND_LIST_MODULES, *arguments)) <= third_parties(sdk)


def test_an_empty_run_loads_one_library_beyond_those_of_the_sdk(empty_run: set[str], sdk: set[str]) -> None:
    assert third_parties(empty_run) - third_parties(sdk) == {"msgspec"}


def test_an_empty_run_loads_nothing_that_only_records_need(empty_run: set[str], sdk: set[str]) -> None:
    own = {"mapping.fast_path", "mapping.record_types", "singer.sink", "singer.validation"}
    needed_by_records = {"dateutil", "difflib", "jsonschema_rs", *(f"target_sendgrid.{name}" for name in own)}
    assert empty_run & needed_by_records <= sdk


def test_a_run_without_parquet_files_does_not_load_pyarrow(empty_run: set[str]) -> None:
    assert "pyarrow" not in empty_run


def test_the_target_never_loads_the_sandbox(empty_run: set[str]) -> None:
    assert [name for name in empty_run if name.startswith(("target_sendgrid.sandbox", "flask"))] == []


def test_a_run_is_loaded_before_the_sdk_takes_signals_over() -> None:
    """A signal that comes while modules load would end the run without a report."""
    code = """
import sys
from singer_sdk.target_base import Target
from target_sendgrid.target import TargetSendGrid

def stop(self, *arguments, **options):
    sys.exit(0 if {"target_sendgrid.preflight", "target_sendgrid.run"} <= sys.modules.keys() else 1)

Target.__init__ = stop
TargetSendGrid(config={})
"""
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
