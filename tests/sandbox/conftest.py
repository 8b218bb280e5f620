"""A sandbox with a manual clock, and a client whose every exchange is checked against the contract."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from target_sendgrid.sandbox.options import Options
from target_sendgrid.sandbox.server import SandboxServer
from tests.sandbox.client import Client

if TYPE_CHECKING:
    from collections.abc import Iterator


class MakeClient(Protocol):
    """Starts a sandbox with some switches set and gives a client of it."""

    def __call__(self, **switches: Any) -> Client: ...


@pytest.fixture
def make_client() -> Iterator[MakeClient]:
    with ExitStack() as stack:

        def make(**switches: Any) -> Client:
            sandbox = stack.enter_context(SandboxServer(options=Options().changed(switches), manual_clock=True))
            return stack.enter_context(Client(sandbox))

        yield make


@pytest.fixture(scope="session")
def server() -> Iterator[SandboxServer]:
    with SandboxServer(manual_clock=True) as sandbox:
        yield sandbox


@pytest.fixture
def client(server: SandboxServer) -> Iterator[Client]:
    """Give a client of an empty account with default switches; the server behind it is shared to save its start."""
    server.reset()
    server.set_options(**Options().as_dict())
    with Client(server) as one:
        one.call("POST", "/_sandbox/clock", {"manual": True})
        yield one
