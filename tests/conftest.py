"""Fixtures and settings for all tests."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from target_sendgrid.sandbox.server import SandboxServer
from tests.contract import vendor
from tests.harness.runs import QUICK

if TYPE_CHECKING:
    from collections.abc import Iterator

os.environ.pop("PYTHONUNBUFFERED", None)  # tests that need it set it

EXAMPLES = os.environ.get("EXAMPLES")
"""Number of examples for each property, new ones in each run. Without it there are 60, the same in each run."""

settings.register_profile("ours", deadline=None, max_examples=int(EXAMPLES or 60), derandomize=not EXAMPLES)
settings.load_profile("ours")


def pytest_report_header() -> str:
    return vendor.report_header()


@pytest.fixture(scope="session")
def quick_server() -> Iterator[SandboxServer]:
    """A sandbox whose jobs have ended when they are first polled, for all tests that need no other options."""
    with SandboxServer(options=QUICK) as server:
        yield server


@pytest.fixture
def sandbox(quick_server: SandboxServer) -> SandboxServer:
    """The sandbox of `quick_server`, with an empty account."""
    quick_server.reset()
    return quick_server


@pytest.fixture(scope="module")
def server() -> Iterator[SandboxServer]:
    """A sandbox whose clock moves only when a test moves it."""
    with SandboxServer(options=QUICK, manual_clock=True) as sandbox:
        yield sandbox
