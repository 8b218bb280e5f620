"""Faults of the network and of the machine's clock: unknown host, no route, refused connection, a clock that jumps."""

from __future__ import annotations

import errno
import os
import socket
from typing import TYPE_CHECKING, Any

import pytest
import urllib3.util.connection

from tests.harness.clocks import SandboxClock
from tests.harness.messages import record, state
from tests.runs.faults import world_promises
from tests.runs.faults.promises import proves
from tools import crowd

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.harness.account import Account

FAULTS = {
    "unknown host": socket.gaierror(socket.EAI_NONAME, "Name or service not known"),
    "no route": OSError(errno.EHOSTUNREACH, os.strerror(errno.EHOSTUNREACH)),
    "refused connection": ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED)),
    "no answer": TimeoutError(),
}


class Network:
    """New connections to SendGrid, which can be made to fail."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self.attempts = 0

    def fail(self, fault: OSError, times: int | None = None) -> None:
        """Make the first `times` attempts to connect fail, or all of them if that is `None`."""
        real = urllib3.util.connection.create_connection

        def connect(*arguments: Any, **options: Any) -> socket.socket:
            self.attempts += 1
            if times is None or self.attempts <= times:
                raise fault
            return real(*arguments, **options)

        self._monkeypatch.setattr(urllib3.util.connection, "create_connection", connect)


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Network:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return Network(monkeypatch)


@proves(world_promises.UNREACHABLE_AT_FIRST)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_run_that_cannot_connect_at_first_ends_soon_with_one_sentence(
    account: Account, network: Network, fault: str
) -> None:
    network.fail(FAULTS[fault])
    run = account.load("ada@example.com", api_url="https://sendgrid.invalid", data_privacy_consent=True)
    assert world_promises.UNREACHABLE_AT_FIRST.is_kept_by(run), run
    assert run.report["seconds"] == pytest.approx(20)
    assert network.attempts <= 10
    errors = [line for line in run.log.splitlines() if "could not be reached" in line]
    assert len(errors) == 1
    assert errors[0].startswith("SendGrid could not be reached at sendgrid.invalid to list its scopes: ")
    assert (FAULTS[fault].strerror or "ConnectTimeout") in errors[0]


@proves(world_promises.UNREACHABLE_AT_FIRST)
def test_the_log_says_that_a_port_refuses_connections(account: Account) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        run = account.load("ada@example.com", api_url=f"http://127.0.0.1:{closed.getsockname()[1]}")
    assert world_promises.UNREACHABLE_AT_FIRST.is_kept_by(run), run
    assert "Connection refused" in run.log


def people(network: Network, fault: OSError, times: int | None) -> Iterator[dict[str, Any]]:
    """Yield records whose contacts must be sent over a new connection, which fails."""
    network.fail(fault, times)
    for number, name in enumerate(("ada", "grace", "joan"), 1):
        yield record(email=f"{name}@example.com")
        yield state(number)


@proves(world_promises.UNREACHABLE_FOR_A_WHILE)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_connection_that_fails_for_a_while_only_costs_time(account: Account, network: Network, fault: str) -> None:
    run = account.send(people(network, FAULTS[fault], 9), batch_size_rows=1)
    assert world_promises.UNREACHABLE_FOR_A_WHILE.is_kept_by(run), run
    assert account.emails("Everybody") == ["ada@example.com", "grace@example.com", "joan@example.com"]
    assert account.puts() == [202, 202, 202]
    assert account.rejected() == []


@proves(world_promises.UNREACHABLE_FOR_LONG)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_connection_that_fails_for_long_ends_the_run(account: Account, network: Network, fault: str) -> None:
    run = account.send(people(network, FAULTS[fault], None), batch_size_rows=1)
    assert world_promises.UNREACHABLE_FOR_LONG.is_kept_by(run), run
    assert run.states == []
    assert 300 <= run.report["seconds"] <= 305
    assert network.attempts <= 25
    assert run.report["streams"]["people"]["unsettled"] == 3


class JumpingClock(SandboxClock):
    """A clock whose time of day is wrong after the first wait."""

    wrong_by_seconds = 0.0

    def now(self) -> float:
        return super().now() + (self.wrong_by_seconds if self.slept_seconds else 0.0)


@proves(world_promises.CLOCK_JUMPS)
@pytest.mark.parametrize("wrong_by_seconds", [-1e9, -86_400.0, -60.0, 60.0, 86_400.0, 1e9])
@pytest.mark.parametrize("reset", ["seconds", "epoch"])
def test_a_clock_that_jumps_neither_stops_a_run_nor_causes_many_requests(
    account: Account, wrong_by_seconds: float, reset: str
) -> None:
    account.sandbox.set_options(rate_limit_enabled=True, rate_limit_contacts=1, rate_limit_reset=reset)
    account.clock = JumpingClock(account.sandbox)
    account.clock.wrong_by_seconds = wrong_by_seconds
    run = account.load(*(f"p{number}@example.com" for number in range(4)), batch_size_rows=1)
    assert world_promises.CLOCK_JUMPS.is_kept_by(run), run
    assert len(account.emails("Everybody")) == 4
    assert account.puts().count(202) == 4
    assert account.puts().count(429) <= 4 * 8
    assert run.report["seconds"] <= 4 * 2 * 125


@proves(world_promises.SHARED_ACCOUNT)
def test_four_targets_at_the_same_time_lose_no_contact_and_are_refused_rarely() -> None:
    found = crowd.load(4, 5, limit=6, window_seconds=2)
    assert found.exit_codes == [0, 0, 0, 0], found.logs
    assert found.people == [25, 25, 25, 25]
    assert found.states == [['{"n": 9}']] * 4
    assert found.puts - found.refused == 20
    assert found.refused <= 4 * found.windows
    assert not [log for log in found.logs if "Traceback" in log]
