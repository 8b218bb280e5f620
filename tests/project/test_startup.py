"""Modules that are loaded at start: each costs time and memory, even if the run does not use it."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import version
from typing import TYPE_CHECKING

import pytest

from target_sendgrid.start.loading import FITTING_VERSIONS
from tests.harness.messages import record, schema, singer, state

if TYPE_CHECKING:
    from pathlib import Path

    from target_sendgrid.sandbox.server import SandboxServer

_RUN = "from target_sendgrid.__main__ import main; main()"
_RUN_AND_LIST_MODULES = f"import atexit, sys; atexit.register(lambda: print(*sys.modules, file=sys.stderr)); {_RUN}"
"""Code that runs the target, and writes the names of the loaded modules to standard error at the end."""


_UNUSED = {
    "charset_normalizer.api", "dotenv", "fsspec", "idna.core", "importlib_metadata", "inflection", "joblib",
    "jsonpath_ng", "jsonschema", "logging.handlers", "phonenumbers", "referencing",
    "singer_sdk.streams", "singer_sdk.tap_base", "upath",
}  # fmt: skip
"""Modules that the SDK and `requests` load, and that an ordinary run does not use."""


def modules(code: str, *arguments: str, lines: bytes = b"") -> set[str]:
    """Run code that writes the names of the loaded modules in the last line of the log, and return them."""
    run = subprocess.run(
        [sys.executable, "-c", code, *arguments], input=lines, capture_output=True, check=False, timeout=120
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
def config(sandbox: SandboxServer, tmp_path: Path) -> str:
    """The path of a config file."""
    path = tmp_path / "config.json"
    own = {"api_url": sandbox.url, "api_key": sandbox.api_key, "list_name": "Everybody"}
    path.write_text(json.dumps(own), encoding="utf-8")
    return str(path)


@pytest.fixture
def empty_run(config: str) -> set[str]:
    """The modules that are loaded in a run without input."""
    return modules(_RUN_AND_LIST_MODULES, "--config", config)


@pytest.mark.parametrize("arguments", [("--version",), ("--about", "--format", "json")], ids=["version", "about"])
def test_version_and_about_load_no_module_that_only_a_run_needs(arguments: tuple[str, ...]) -> None:
    own = {name for name in modules(_RUN_AND_LIST_MODULES, *arguments) if name.startswith("target_sendgrid.")}
    assert own == {
        "target_sendgrid.__main__",
        "target_sendgrid.redaction",
        "target_sendgrid.errors",
        "target_sendgrid.settings",
        "target_sendgrid.settings.checks",
        "target_sendgrid.settings.environment",
        "target_sendgrid.settings.schema",
        "target_sendgrid.settings.settings",
        "target_sendgrid.settings.stream_map_checks",
        "target_sendgrid.start",
        "target_sendgrid.start.loading",
        "target_sendgrid.start.quick_check",
        "target_sendgrid.target",
        "target_sendgrid.wording",
    }


@pytest.mark.parametrize("arguments", [("--version",), ("--about", "--format", "json")], ids=["version", "about"])
def test_version_and_about_load_no_library_beyond_those_of_the_sdk(arguments: tuple[str, ...], sdk: set[str]) -> None:
    assert third_parties(modules(_RUN_AND_LIST_MODULES, *arguments)) <= third_parties(sdk)


def test_an_empty_run_loads_one_library_beyond_those_of_the_sdk(empty_run: set[str], sdk: set[str]) -> None:
    assert third_parties(empty_run) - third_parties(sdk) == {"msgspec"}


def test_an_empty_run_loads_nothing_that_only_records_need(empty_run: set[str]) -> None:
    own = {"mapping.fast_path", "mapping.record_types", "singer.sink", "singer.validation"}
    needed_by_records = {"dateutil", "difflib", "jsonschema_rs", *(f"target_sendgrid.{name}" for name in own)}
    assert empty_run & needed_by_records == set()


@pytest.mark.parametrize("arguments", [("--version",), ("--about", "--format", "json")], ids=["version", "about"])
def test_version_and_about_load_nothing_of_the_sdk_and_its_libraries_that_a_target_does_not_use(
    arguments: tuple[str, ...],
) -> None:
    assert modules(_RUN_AND_LIST_MODULES, *arguments) & _UNUSED == set()


def test_a_run_of_ordinary_records_loads_no_validator_and_nothing_else_that_it_does_not_use(config: str) -> None:
    lines = singer(schema(email="string"), record(email="ada@example.com"), state(1))
    loaded = modules(_RUN_AND_LIST_MODULES, "--config", config, lines=lines)
    assert "target_sendgrid.mapping.fast_path" in loaded
    assert loaded & {*_UNUSED, "jsonschema_rs", "packaging.version"} == set()


def test_the_installed_sdk_is_one_of_which_it_is_known_what_it_does_while_it_is_loaded() -> None:
    assert version("singer-sdk") in FITTING_VERSIONS, "Read how its modules use those that `loading` defers."


def test_all_that_the_sdk_has_taken_out_of_deferred_modules_exists() -> None:
    code = """
import sys
from target_sendgrid.start import loading

loading.load_sdk()
taken = [value for name, module in [*sys.modules.items()] if name.startswith("singer_sdk")
    for value in vars(module).values() if type(value).__module__ == loading.__name__]
for value in taken:
    value.__doc__
    repr(value.__name__)
print(*sys.modules, file=sys.stderr)
"""
    assert {"dotenv", "joblib", "jsonschema", "upath"} <= modules(code)


def test_the_sdk_is_whole_once_somebody_asks_for_more_of_it() -> None:
    code = """
import logging, sys
from target_sendgrid.start import loading

loading.load_sdk()
import singer_sdk, singer_sdk.singerlib
from singer_sdk import typing
assert type(singer_sdk) is not type(sys)
from singer_sdk import Tap, Target, streams
from singer_sdk.singerlib import Catalog
import charset_normalizer, idna, joblib, jsonschema
from singer_sdk.target_base import Target as Same
assert Target is Same and issubclass(streams.RESTStream, singer_sdk.Stream)
assert singer_sdk.singerlib.Catalog is Catalog and joblib.Parallel and jsonschema.Draft202012Validator({})
assert logging.config.dictConfig and idna.encode("example.com") == b"example.com"
assert charset_normalizer.detect(b"a") and not hasattr(singer_sdk, "nothing")
assert {type(module) for module in (singer_sdk, singer_sdk.singerlib, idna, logging.config)} == {type(sys)}
print(*sys.modules, file=sys.stderr)
"""
    assert {"singer_sdk.tap_base", "fsspec", "idna.core"} <= modules(code)


@pytest.mark.parametrize("known", ["frozenset()", "loading.FITTING_VERSIONS"])
def test_any_version_of_the_sdk_is_loaded(known: str) -> None:
    code = f"from target_sendgrid.start import loading; loading.FITTING_VERSIONS = {known}; {_RUN_AND_LIST_MODULES}"
    assert ("joblib" in modules(code, "--version")) == (known == "frozenset()")


@pytest.mark.parametrize("before", ["pass", "import singer_sdk, idna, jsonschema"], ids=["alone", "after the SDK"])
def test_a_program_that_imports_the_target_has_the_whole_sdk(before: str) -> None:
    code = f"{before}; import sys; from target_sendgrid.target import TargetSendGrid; import singer_sdk"
    checks = "assert issubclass(TargetSendGrid, singer_sdk.Target) and type(singer_sdk) is type(sys)"
    assert "singer_sdk.tap_base" in modules(f"{code}; {checks}; print(*sys.modules, file=sys.stderr)")


def test_nothing_is_postponed_once_the_sdk_is_loaded() -> None:
    code = "import singer_sdk, sys; from target_sendgrid.start import loading; before = dict(sys.modules)"
    then = "loading.load_sdk(); assert sys.modules == before; print(*sys.modules, file=sys.stderr)"
    assert "singer_sdk.tap_base" in modules(f"{code}; {then}")


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
