"""What all tests share."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from target_sendgrid.sandbox.server import SandboxServer
from tests.support import QUICK

if TYPE_CHECKING:
    from collections.abc import Iterator

os.environ.pop("PYTHONUNBUFFERED", None)  # most machines lack it; tests that are about it set it

EXAMPLES = os.environ.get("EXAMPLES")
"""How many examples each property is tried on, new ones each time; otherwise 60, always the same."""

settings.register_profile("ours", deadline=None, max_examples=int(EXAMPLES or 60), derandomize=not EXAMPLES)
settings.load_profile("ours")


@pytest.fixture(scope="session")
def quick_server() -> Iterator[SandboxServer]:
    """A SendGrid whose jobs end at the first look, for all tests that need no other."""
    with SandboxServer(options=QUICK) as server:
        yield server


@pytest.fixture
def sandbox(quick_server: SandboxServer) -> SandboxServer:
    """An empty account."""
    quick_server.reset()
    return quick_server


@pytest.fixture(scope="module")
def server() -> Iterator[SandboxServer]:
    """A SendGrid whose time stands still until a test moves it."""
    with SandboxServer(options=QUICK, manual_clock=True) as sandbox:
        yield sandbox
