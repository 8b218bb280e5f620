"""What the wheel holds, what must not import each other, and what no tracked file may hold."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import subprocess
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.harness.runs import SCRIPTS

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "target_sendgrid"
SANDBOX = PACKAGE / "sandbox"

MOST_LINES = 400
MOST_MODULES_AT_THE_TOP = 14


def is_of_time(module: str) -> bool:
    return module == "time" or module.startswith("time.")


def modules_of_the_target() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if not path.is_relative_to(SANDBOX))


def relative_name(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def tracked_files() -> list[Path]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, check=True, text=True)
    return [path for name in listed.stdout.splitlines() if (path := ROOT / name).is_file()]


def imported_modules(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", sorted(SANDBOX.rglob("*.py")), ids=relative_name)
def test_the_sandbox_never_imports_the_target(path: Path) -> None:
    own = [name for name in imported_modules(path) if name.startswith("target_sendgrid")]
    assert [name for name in own if not name.startswith("target_sendgrid.sandbox")] == []


@pytest.mark.parametrize("path", modules_of_the_target(), ids=relative_name)
def test_the_target_never_imports_the_sandbox(path: Path) -> None:
    assert [name for name in imported_modules(path) if name.startswith("target_sendgrid.sandbox")] == []


@pytest.mark.parametrize(
    ("library", "users"), [("flask", "sandbox/"), ("werkzeug", "sandbox/"), ("pyarrow", "singer/parquet.py")]
)
def test_what_an_extra_brings_is_imported_only_where_the_extra_is_needed(library: str, users: str) -> None:
    importers = {
        relative_name(path)
        for path in PACKAGE.rglob("*.py")
        if any(name.split(".")[0] == library for name in imported_modules(path))
    }
    assert importers
    assert {name for name in importers if not name.startswith(users)} == set()


def test_only_the_clock_reads_the_time_and_waits() -> None:
    users = [relative_name(path) for path in modules_of_the_target() if any(map(is_of_time, imported_modules(path)))]
    assert users == ["clock.py"]


def test_modules_stay_small_and_few_are_at_the_top() -> None:
    lines = {relative_name(path): len(path.read_text(encoding="utf-8").splitlines()) for path in PACKAGE.rglob("*.py")}
    assert {name: count for name, count in lines.items() if count > MOST_LINES} == {}
    assert sum("/" not in name for name in lines) <= MOST_MODULES_AT_THE_TOP


def test_the_wheel_holds_the_package_and_nothing_else(tmp_path: Path) -> None:
    subprocess.run(
        [str(SCRIPTS / "uv"), "build", "--wheel", "--quiet", "--out-dir", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {"target_sendgrid/py.typed", "target_sendgrid/sandbox/__main__.py"} <= names
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"target_sendgrid"}
    packaged = {path for path in PACKAGE.glob("**/*.*") if "__pycache__" not in path.parts}
    assert {str(path.relative_to(ROOT)) for path in packaged} <= names


def test_the_version_is_in_the_changelog() -> None:
    version = importlib.metadata.version("target-sendgrid")
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert "## [Unreleased]" in changelog or f"## [{version}]" in changelog


def test_no_tracked_file_names_a_registry_or_a_path_of_a_machine() -> None:
    forbidden = re.compile(r"https?://[^\s\"']*(/simple\b|/packages/[0-9a-f]{2}/)|(?<![\w.])/(home|Users|root|work)/\w")
    found = []
    for path in tracked_files():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found += [f"{path.name}: {match[0]}" for match in forbidden.finditer(text)]
    assert found == []


def test_every_silenced_rule_has_a_reason() -> None:
    silenced = re.compile(r"#\s*(noqa(: [A-Z0-9, ]+)?|type: ignore(\[[\w-]+\])?)\s*$")
    without = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in tracked_files()
        if path.suffix == ".py"
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if silenced.search(line)
    ]
    assert without == []
