from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

from target_sendgrid.audience.list_lock import list_lock
from target_sendgrid.errors import ConfigError, LocalFileError

if TYPE_CHECKING:
    from pathlib import Path

API = "https://api.sendgrid.com"


def test_a_list_that_is_locked_cannot_be_locked_again(tmp_path: Path) -> None:
    words = r"^Another run on this machine mirrors the list 'News', .* run again"
    with list_lock(API, "a", "'News'", tmp_path):
        with pytest.raises(ConfigError, match=words), list_lock(API, "a", "'News'", tmp_path):
            pass
        with list_lock(API, "b", "'VIP'", tmp_path), list_lock("https://api.eu.sendgrid.com", "a", "'News'", tmp_path):
            pass


def test_a_lock_is_free_after_the_run_also_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), list_lock(API, "a", "'News'", tmp_path):
        _ = 1 / 0
    with list_lock(API, "a", "'News'", tmp_path):
        pass


def test_a_file_that_a_killed_process_has_left_is_no_lock(tmp_path: Path) -> None:
    with list_lock(API, "a", "'News'", tmp_path):
        (path,) = tmp_path.iterdir()
    assert path.exists()
    with list_lock(API, "a", "'News'", tmp_path):
        assert [*tmp_path.iterdir()] == [path]


def test_other_users_can_open_the_file_whatever_the_umask_is(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        with list_lock(API, "a", "'News'", tmp_path):
            (path,) = tmp_path.iterdir()
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o444
    assert path.read_bytes() == b""


def test_the_name_of_the_file_shows_no_list(tmp_path: Path) -> None:
    with list_lock(API, "news-of-ada", "'News'", tmp_path):
        (path,) = tmp_path.iterdir()
    assert "ada" not in path.name


def test_lock_files_are_in_the_folder_for_temporary_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with list_lock(API, "a", "'News'"):
        assert [path.suffix for path in tmp_path.iterdir()] == [".lock"]


def test_a_folder_without_room_for_a_lock_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    words = r"^The list 'News' can't be locked for this run: .*: No such file or directory\. Set the variable TMPDIR"
    with pytest.raises(LocalFileError, match=words), list_lock(API, "a", "'News'", tmp_path / "missing"):
        pass


def test_a_link_in_place_of_the_file_is_not_followed(tmp_path: Path) -> None:
    with list_lock(API, "a", "'News'", tmp_path):
        (path,) = tmp_path.iterdir()
    path.unlink()
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(LocalFileError), list_lock(API, "a", "'News'", tmp_path):
        pass
    assert not (tmp_path / "elsewhere").exists()
    (tmp_path / "elsewhere").touch()
    with pytest.raises(LocalFileError), list_lock(API, "a", "'News'", tmp_path):
        pass


def test_a_disk_without_locks_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("fcntl.flock", refuse)
    with pytest.raises(LocalFileError, match="Operation not supported"), list_lock(API, "a", "'News'", tmp_path):
        pass
