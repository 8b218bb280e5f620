"""Each mistake of the table gets its sentence, and its code if it ends the run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from target_sendgrid.errors import Code, TargetSendGridError
from target_sendgrid.target import TargetSendGrid
from tests.harness.runs import Finished
from tests.runs.mistakes import CONFIG, MISTAKES, Mistake
from tests.runs.other_mistakes import OTHER_MISTAKES

if TYPE_CHECKING:
    import click

    from tests.harness.account import Account

ALL = [*MISTAKES, *OTHER_MISTAKES]
ELSEWHERE = {
    Code.WRONG_LOGGING: "test_logging_settings.py",
    Code.SLOW_VALIDATION: "hostile/test_slow_patterns.py",
    Code.STOPPED: "faults/test_stopping.py",
    Code.INTERNAL_ERROR: "test_sdk_seams.py",
}
"""Codes that other tests reach, and their modules."""


def run_with(account: Account, mistake: Mistake) -> Finished:
    """Make the mistake in this process."""
    mistake.prepare(account)
    config: dict[str, Any] = CONFIG | dict(mistake.config)
    try:
        if mistake.arguments:
            paths = tuple(argument.replace("{folder}", str(account.folder)) for argument in mistake.arguments)
            unused = cast("click.Context", None), cast("click.Option", None)
            given = TargetSendGrid.cb_config(*unused, paths)
            TargetSendGrid(config=config | given.config, parse_env_config=given.parse_env)
        return account.run(*mistake.lines, **config)
    except TargetSendGridError as error:
        return Finished(1, [], "\n".join(error.lines()), {"error_codes": [code.value for code in error.codes]})


@pytest.mark.parametrize("mistake", ALL, ids=lambda mistake: mistake.what)
def test_a_mistake_gets_its_sentence(mistake: Mistake, account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(account.folder)
    for name, value in mistake.environment.items():
        monkeypatch.setenv(name, value)
    run = run_with(account, mistake)
    assert mistake.says in run.log
    assert run.exit_code == (0 if mistake.code is None else 1)
    if mistake.code is None:
        assert run.states == ['{"n": 9}']
        return
    line = next(line for line in run.log.splitlines() if mistake.says in line)
    assert line.endswith(f" [{mistake.code.value}]")
    assert mistake.code.value in run.report["error_codes"]
    assert run.states == []


def test_every_code_is_reached() -> None:
    assert {mistake.code for mistake in ALL if mistake.code} == set(Code) - set(ELSEWHERE)
    for code, module in ELSEWHERE.items():
        assert code.value in (Path(__file__).parent / module).read_text(encoding="utf-8")
    assert len({mistake.what for mistake in ALL}) == len(ALL)
