"""Fixtures of taps and of what they read from."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import pytest

from tests.harness.taps import install
from tests.taps import sources

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.taps.sources import Source

PYTHON = ">=3.10,<3.12"
"""The Python of the taps: some can't be imported by newer ones, or have no wheels for them."""

NEWEST = "2026-11-20"
"""The packages that taps depend on are those of that day, so that an installation is the same each time."""


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A function that installs a package once and returns the folder of its commands."""

    @functools.cache
    def installed(requirement: str, *options: str) -> Path:
        folder = tmp_path_factory.mktemp("tap") / "venv"
        return install(requirement, folder, "--exclude-newer", NEWEST, *options, python=PYTHON)

    return installed


@pytest.fixture
def csv_files(tmp_path: Path) -> Source:
    folder = tmp_path / "files"
    folder.mkdir()
    return sources.csv_files(folder)


@pytest.fixture
def jsonl_file(tmp_path: Path) -> Source:
    folder = tmp_path / "files"
    folder.mkdir()
    return sources.jsonl_file(folder)


@pytest.fixture
def s3_bucket() -> Iterator[Source]:
    with sources.aws_server() as endpoint:
        yield sources.s3_bucket(endpoint)


@pytest.fixture
def dynamodb_table() -> Iterator[Source]:
    with sources.aws_server() as endpoint:
        yield sources.dynamodb_table(endpoint)


@pytest.fixture
def postgres() -> Iterator[Source]:
    with sources.postgres_server() as source:
        yield source


@pytest.fixture
def mariadb() -> Iterator[Source]:
    with sources.mariadb_server() as source:
        yield source
