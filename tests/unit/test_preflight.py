"""What preflight checks before anything is sent, and what its findings say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from target_sendgrid.errors import ConfigError, UnauthorizedError
from target_sendgrid.preflight import Finding, Level, PreflightResult, preflight
from target_sendgrid.sendgrid.client import Client
from target_sendgrid.sendgrid.transport import RUN_RETRY_SECONDS
from target_sendgrid.settings import Settings
from tests.harness.clocks import SandboxClock

if TYPE_CHECKING:
    from pathlib import Path

    from target_sendgrid.sandbox.server import SandboxServer


def checked(sandbox: SandboxServer, **config: Any) -> PreflightResult:
    """Run the checks and close what they opened."""
    own = {"api_url": sandbox.url, "api_key": sandbox.api_key, "list_name": "Everybody"}
    result = PreflightResult()
    preflight(Settings.from_config(own | config), SandboxClock(sandbox), result)
    if result.connection:
        result.connection.close()
    return result


def errors_of(result: PreflightResult) -> list[Finding]:
    return [finding for finding in result.findings if finding.level is Level.ERROR]


def test_each_check_that_holds_is_a_finding(sandbox: SandboxServer, tmp_path: Path) -> None:
    rejected, report = tmp_path / "rejected.jsonl", tmp_path / "report.json"
    result = checked(sandbox, rejected_records_path=str(rejected), report_path=str(report))
    assert [(finding.level.value, finding.what, finding.next_step) for finding in result.findings] == [
        ("ok", f"The report can be written to {report}.", ""),
        ("ok", f"Rejected records can be written to {rejected}.", ""),
        ("ok", "The API key is valid and has access to Marketing.", ""),
        ("ok", "The account has 0 custom fields.", ""),
        ("ok", "1 list in the settings can be used.", ""),
    ]
    assert (result.error, result.can_write_report) == (None, True)


def test_nothing_is_created(sandbox: SandboxServer) -> None:
    result = checked(sandbox, create_custom_fields=True)
    assert result.connection is not None
    assert result.request_count == result.connection.request_count == 3
    assert {request["method"] for request in sandbox.requests()} == {"GET"}


def test_requests_get_a_larger_retry_budget_after_the_checks(sandbox: SandboxServer) -> None:
    connection = checked(sandbox).require_connection()
    assert [transport.retry_budget_seconds for transport in connection.transports] == [RUN_RETRY_SECONDS] * 2


def test_a_key_without_the_scope_is_a_warning_before_it_is_an_error(sandbox: SandboxServer) -> None:
    result = checked(sandbox, api_key=sandbox.add_key(("mail.send",)))
    warning, error = result.findings
    assert (warning.level, error.level) == (Level.WARNING, Level.ERROR)
    assert str(warning) == (
        "The API key does not list the scope `marketing.read`: SendGrid may refuse it. If it does, give"
        " the key Marketing access."
    )
    assert error.what == "SendGrid forbids this API key to read custom fields (403)."
    assert error.next_step.startswith("Give the key Marketing access")


def test_a_wrong_key_is_an_error_that_says_what_to_do(sandbox: SandboxServer) -> None:
    result = checked(sandbox, api_key="SG.wrong.key")
    (error,) = errors_of(result)
    assert error.what.startswith("SendGrid refused the API key (401)")
    assert error.next_step.startswith("Check `api_key`")
    assert str(error) == f"{error.what} {error.next_step}"
    with pytest.raises(UnauthorizedError, match="SendGrid refused the API key"):
        result.require_connection()
    assert (result.connection, result.request_count) == (None, 1)


def test_all_errors_about_lists_are_found_at_once(sandbox: SandboxServer) -> None:
    streams = {"guests": {"list_id": "7"}, "people": {"list_name": "Nobody"}}
    result = checked(sandbox, create_list=False, streams=streams)
    assert [(error.what, error.next_step) for error in errors_of(result)] == [
        ("SendGrid has no list with the id '7'.", "Check `list_id`, or give `list_name` instead."),
        ("SendGrid has no list named 'Everybody', and `create_list` is false.", ""),
        ("SendGrid has no list named 'Nobody', and `create_list` is false.", ""),
    ]
    with pytest.raises(ConfigError):
        result.require_connection()


def test_a_missing_folder_is_found_before_anything_is_asked_of_sendgrid(sandbox: SandboxServer, tmp_path: Path) -> None:
    result = checked(sandbox, report_path=str(tmp_path / "missing" / "report.json"))
    (error,) = result.findings
    assert error.level is Level.ERROR
    assert error.next_step.startswith("Check that the folder exists")
    assert (result.can_write_report, result.request_count, sandbox.requests()) == (False, 0, [])


def test_everything_is_closed_after_an_error(
    sandbox: SandboxServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = []
    monkeypatch.setattr("target_sendgrid.sendgrid.transport.Transport.close", lambda _: closed.append("transport"))
    monkeypatch.setattr("target_sendgrid.report.rejections.Rejections.close", lambda _: closed.append("rejections"))
    checked(sandbox, api_key="SG.wrong.key", rejected_records_path=str(tmp_path / "rejected.jsonl"))
    assert sorted(closed) == ["rejections", "transport", "transport"]


def test_what_was_found_before_a_signal_is_known_after_it(
    sandbox: SandboxServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(_: Client) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Client, "scopes", stop)
    own = {"api_url": sandbox.url, "api_key": sandbox.api_key, "list_name": "Everybody"}
    settings = Settings.from_config(own | {"report_path": str(tmp_path / "report.json")})
    result = PreflightResult()
    with pytest.raises(KeyboardInterrupt):
        preflight(settings, SandboxClock(sandbox), result)
    assert (result.can_write_report, result.connection) == (True, None)
