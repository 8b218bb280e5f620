"""The traffic of a sandbox, and which tests need SendGrid's own API descriptions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from target_sendgrid.sandbox.options import Options
from target_sendgrid.sandbox.server import SandboxServer
from tests.contract.traffic import drive
from tests.contract.vendor import folder
from tests.sandbox.client import Client

if TYPE_CHECKING:
    from tests.contract.checks import Exchange

collect_ignore = [] if folder() else ["test_vendor.py"]


@pytest.fixture(scope="session")
def traffic() -> list[Exchange]:
    """All exchanges of requests to every operation of a sandbox."""
    with SandboxServer(options=Options(), manual_clock=True) as sandbox, Client(sandbox) as client:
        drive(client)
        return client.exchanges
