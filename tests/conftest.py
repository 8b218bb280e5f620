"""Fixtures and settings for all tests."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from target_sendgrid.sandbox.server import SandboxServer
from tests.contract import vendor
from tests.harness.account import Account
from tests.harness.runs import QUICK

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

os.environ.pop("PYTHONUNBUFFERED", None)  # tests that need it set it

EXAMPLES = os.environ.get("EXAMPLES")
"""Number of examples for each property, new ones in each run. Without it there are 60, the same in each run."""

settings.register_profile("ours", deadline=None, max_examples=int(EXAMPLES or 60), derandomize=not EXAMPLES)
settings.load_profile("ours")


def pytest_report_header() -> str:
    return vendor.report_header()


@pytest.fixture(scope="session")
def sandbox_server() -> Iterator[SandboxServer]:
    """The running sandbox that the tests of this process share, since starting one takes time. Tests use `sandbox`."""
    with SandboxServer(options=QUICK, manual_clock=True) as server:
        yield server


@pytest.fixture
def sandbox(sandbox_server: SandboxServer) -> SandboxServer:
    """A sandbox with an empty account. Its jobs have ended when they are first polled, and its clock only moves when
    a test or a run in this process moves it."""
    sandbox_server.reset()
    sandbox_server.set_options(**asdict(QUICK))
    return sandbox_server


@pytest.fixture
def account(sandbox: SandboxServer, tmp_path: Path) -> Account:
    """An empty account of `sandbox`, and runs of the target against it."""
    return Account(sandbox, tmp_path)
