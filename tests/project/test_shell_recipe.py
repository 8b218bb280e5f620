"""The README's shell script, run as it is: it never replaces a state by half a one or by none."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.harness.readme import blocks

if TYPE_CHECKING:
    from pathlib import Path

OLD = b'{"bookmarks": {"people": "old"}}\n'
NEW = b'{"bookmarks": {"people": "new"}}\n'
LATER = b'{"bookmarks": {"people": "later"}}\n'


def script() -> str:
    """Return the README's script."""
    return blocks("### In a shell")[-1]


def put_command(folder: Path, name: str, text: str) -> None:
    path = folder / "bin" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)


def run(folder: Path, states: bytes, *, exit_code: int = 0, tap_exit_code: int = 0, before: str = "") -> int:
    """Run the script with a tap and a target that write what they are given, and return its exit code.

    Args:
        folder: Folder for all files.
        states: Standard output of the target.
        exit_code: Exit code of the target.
        tap_exit_code: Exit code of the tap.
        before: Shell commands that come before the script.
    """
    (folder / "target.out").write_bytes(states)
    put_command(folder, "tap-x", f'test "$4" = state.json && cat "$4"; exit {tap_exit_code}')
    put_command(folder, "target-sendgrid", f"cat > tap.out; cat target.out && exit {exit_code}")
    process = subprocess.run(
        ["bash", "-c", before + script()],
        cwd=folder, env=os.environ | {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}"},
        stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=60,
    )  # fmt: skip
    return process.returncode


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """The state file of an earlier run."""
    path = tmp_path / "state.json"
    path.write_bytes(OLD)
    return path


def test_the_last_state_is_kept_and_given_to_the_tap(tmp_path: Path, state: Path) -> None:
    assert run(tmp_path, NEW + LATER) == 0
    assert state.read_bytes() == LATER
    assert (tmp_path / "tap.out").read_bytes() == OLD


@pytest.mark.parametrize(("exit_code", "tap_exit_code", "expected"), [(1, 0, 1), (143, 0, 143), (0, 3, 3), (1, 3, 1)])
def test_a_run_that_fails_keeps_its_states_and_its_exit_code(
    tmp_path: Path, state: Path, exit_code: int, tap_exit_code: int, expected: int
) -> None:
    assert run(tmp_path, NEW, exit_code=exit_code, tap_exit_code=tap_exit_code) == expected
    assert state.read_bytes() == NEW


@pytest.mark.parametrize("exit_code", [0, 1])
@pytest.mark.parametrize("states", [b"", NEW[:-1], NEW[:10]])
def test_a_run_without_a_whole_state_leaves_the_old_one(
    tmp_path: Path, state: Path, states: bytes, exit_code: int
) -> None:
    assert run(tmp_path, states, exit_code=exit_code) == exit_code
    assert state.read_bytes() == OLD


def test_of_a_state_that_is_cut_off_the_one_before_is_kept(tmp_path: Path, state: Path) -> None:
    assert run(tmp_path, NEW + LATER[:-1], exit_code=1) == 1
    assert state.read_bytes() == NEW


@pytest.mark.parametrize("limit", [0, 1, 2])
def test_a_state_larger_than_the_room_on_the_disk_leaves_an_older_one(tmp_path: Path, state: Path, limit: int) -> None:
    """A limit on the size of files, in blocks, acts like a full disk: a write takes a part, and the next one fails."""
    large = json.dumps({"bookmarks": "x" * 1_500}).encode() + b"\n"
    exit_code = run(tmp_path, NEW + large, before=f"ulimit -f {limit}; ")
    assert (exit_code == 0) == (limit == 2)
    assert state.read_bytes() == [OLD, NEW, large][limit]


def test_a_disk_that_is_full_once_the_run_is_over_leaves_the_old_state(tmp_path: Path, state: Path) -> None:
    put_command(tmp_path, "tail", f'ulimit -f 1; exec {shutil.which("tail")} "$@"')
    large = json.dumps({"bookmarks": "x" * 1_500}).encode() + b"\n"
    assert run(tmp_path, large) != 0
    assert 0 < (tmp_path / "state.json.new").stat().st_size < len(large)
    assert state.read_bytes() == OLD


@pytest.mark.parametrize("name", ["head", "tail", "mv", "wc"])
def test_a_step_that_fails_leaves_the_old_state_and_fails_the_script(tmp_path: Path, state: Path, name: str) -> None:
    put_command(tmp_path, name, "printf '{\"half'; exit 1")
    assert run(tmp_path, NEW) != 0
    assert state.read_bytes() == OLD


def test_a_state_of_an_earlier_run_does_not_come_back(tmp_path: Path, state: Path) -> None:
    assert run(tmp_path, NEW) == 0
    state.write_bytes(OLD)
    assert run(tmp_path, b"", exit_code=1) == 1
    assert state.read_bytes() == OLD


def test_a_first_run_has_no_state_before(tmp_path: Path) -> None:
    assert run(tmp_path, NEW) == 0
    assert (tmp_path / "state.json").read_bytes() == NEW
    assert json.loads((tmp_path / "tap.out").read_bytes()) == {}
