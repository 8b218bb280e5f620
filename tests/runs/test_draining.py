"""After an error the target reads on, so that the tap can end in peace: as processes, with real pipes."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from target_sendgrid.__main__ import _run
from target_sendgrid.errors import TerminatedError
from tests.harness.messages import PEOPLE, record, singer
from tests.harness.processes import wait_for_log

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

    from tests.harness.account import Account

MUCH = singer(*[record(email="ada@example.com")] * 20_000)
"""More than ten times what a pipe holds."""


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"batch_size_rows": 0}, "The setting `batch_size_rows` must be at least 1."),
        ({"api_key": "SG.unknown.key"}, "SendGrid refused the API key (401)"),
        ({"field_mapping": {"email": "mail"}}, "Stream 'people' has no property 'mail'"),
    ],
)
def test_the_tap_can_write_everything_after_an_error_that_is_logged_first(
    account: Account, settings: dict[str, object], sentence: str
) -> None:
    with account.start_process(**settings) as process:
        assert process.stdin is not None
        process.stdin.write(singer(PEOPLE))
        process.stdin.flush()
        log = wait_for_log(process, sentence)
        process.stdin.write(MUCH)
        process.stdin.close()
        process.stdin = None
        _, rest = process.communicate(timeout=60)
    assert process.returncode == 1, log + rest.decode()
    assert not rest


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_draining_at_once(account: Account, number: signal.Signals) -> None:
    with account.start_process(batch_size_rows=0) as process:
        assert process.stdin is not None
        wait_for_log(process, "The setting `batch_size_rows`")
        process.stdin.write(MUCH)  # all of it is read only if the target reads on
        process.send_signal(number)
        process.wait(timeout=10)
        assert process.stderr is not None
        assert process.stderr.read() == b""
    assert process.returncode == 128 + number


def test_after_a_signal_during_an_error_nothing_is_waited_for(account: Account) -> None:
    account.sandbox.add_fault("job_stuck", times=None)
    with account.start_process(batch_size_rows=1) as process:
        assert process.stdin is not None
        process.stdin.write(singer(PEOPLE, record(email="a@example.com")) + b"half a line\n")
        process.stdin.flush()
        wait_for_log(process, "as import job")
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=10)
    assert process.returncode == 1


def _fail() -> NoReturn:
    raise ArithmeticError


def _fail_after_signal() -> NoReturn:
    error = ArithmeticError()
    error.__context__ = TerminatedError(signal.SIGTERM)
    raise error


@pytest.mark.parametrize(("command", "can_wait"), [(_fail, True), (_fail_after_signal, False)])
def test_after_a_signal_an_internal_error_waits_for_nothing(command: Callable[[], NoReturn], *, can_wait: bool) -> None:
    outcome = _run(command)
    assert (outcome.exit_code, outcome.can_wait) == (1, can_wait)
