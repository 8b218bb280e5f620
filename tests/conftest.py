"""What all tests share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from target_sendgrid.sandbox.server import SandboxServer
from tests.support import QUICK

if TYPE_CHECKING:
    from collections.abc import Iterator

settings.register_profile("default-without-deadline", deadline=None, max_examples=60)
settings.load_profile("default-without-deadline")


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
