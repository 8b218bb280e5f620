"""What preflight checks before anything is sent, and what its findings say."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from target_sendgrid.errors import ConfigError, UnauthorizedError
from target_sendgrid.preflight import Finding, Level, PreflightResult, preflight
from target_sendgrid.sendgrid.client import Client
from target_sendgrid.sendgrid.transport import RUN_RETRY_SECONDS
from target_sendgrid.settings.settings import Settings
from tests.harness.clocks import SandboxClock

if TYPE_CHECKING:
    from pathlib import Path

    from target_sendgrid.sandbox.server import SandboxServer


def checked(sandbox: SandboxServer, *, leaves_no_file: bool = False, **config: Any) -> PreflightResult:
    """Run the checks and close what they opened."""
    own = {"api_url": sandbox.url, "api_key": sandbox.api_key, "list_name": "Everybody"}
    result = PreflightResult()
    preflight(Settings.from_config(own | config), SandboxClock(sandbox), result, leaves_no_file=leaves_no_file)
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
        ("ok", "The API key is valid at 127.0.0.1 and has access to Marketing.", ""),
        ("ok", "The account has 0 custom fields.", ""),
        ("ok", "The list 'Everybody' is missing: a run would create it.", ""),
    ]
    assert (result.errors, result.can_write_report) == ([], True)


def test_the_clients_of_a_check_only_read(sandbox: SandboxServer) -> None:
    connection = checked(sandbox, leaves_no_file=True).require_connection()
    assert all(client.only_reads for client in connection.clients)
    assert not any(client.only_reads for client in checked(sandbox).require_connection().clients)


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
    assert error.code == "key-refused"
    assert str(error) == f"{error.what} {error.next_step} [key-refused]"
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


def test_an_error_does_not_hide_those_of_later_checks(sandbox: SandboxServer, tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    report, rejected = str(missing / "report.json"), str(missing / "rejected.jsonl")
    result = checked(sandbox, create_list=False, report_path=report, rejected_records_path=rejected)
    assert [error.what for error in errors_of(result)] == [
        f"`report_path`: no report can be written to {missing}/report.json.",
        f"`rejected_records_path`: {missing}/rejected.jsonl can't be opened for appending: No such file or directory.",
        "SendGrid has no list named 'Everybody', and `create_list` is false.",
    ]
    assert not result.can_write_report
    with pytest.raises(ConfigError) as raised:
        result.require_connection()
    assert [str(error) for error in errors_of(result)] == [str(line) for line in raised.value.lines()]


def test_a_list_that_is_there_is_told_from_one_that_would_be_created(sandbox: SandboxServer) -> None:
    sandbox.seed(lists=["Everybody"])
    result = checked(sandbox, streams={"guests": {"list_name": "Guests"}})
    assert [finding.what for finding in result.findings if "list" in finding.what] == [
        "The list 'Everybody' is there.",
        "The list 'Guests' is missing: a run would create it.",
    ]


class TestLeavingNoFile:
    def test_rejected_records_are_not_opened(self, sandbox: SandboxServer, tmp_path: Path) -> None:
        result = checked(sandbox, leaves_no_file=True, rejected_records_path=str(tmp_path / "rejected.jsonl"))
        assert errors_of(result) == []
        assert list(tmp_path.iterdir()) == []

    def test_an_existing_file_is_left_as_it_is(self, sandbox: SandboxServer, tmp_path: Path) -> None:
        path = tmp_path / "rejected.jsonl"
        path.write_text("half a line", encoding="utf-8")
        path.chmod(0o644)
        before = path.stat()
        assert errors_of(checked(sandbox, leaves_no_file=True, rejected_records_path=str(path))) == []
        after = path.stat()
        assert (after.st_mode, after.st_mtime_ns, after.st_size) == (before.st_mode, before.st_mtime_ns, before.st_size)

    @pytest.mark.parametrize("kind", ["folder", "link", "pipe", "missing folder", "null byte"])
    def test_what_a_run_could_not_use_is_the_same_error(
        self, sandbox: SandboxServer, tmp_path: Path, kind: str
    ) -> None:
        path = tmp_path / "rejected.jsonl"
        if kind == "folder":
            path.mkdir()
        elif kind == "link":
            path.symlink_to(tmp_path / "other")
        elif kind == "pipe":
            os.mkfifo(path)
        name = {"missing folder": str(path / "inner"), "null byte": "a\0b"}.get(kind, str(path))
        of_a_run, of_a_check = (
            errors_of(checked(sandbox, leaves_no_file=leaves_no_file, rejected_records_path=name))
            for leaves_no_file in (False, True)
        )
        assert of_a_check == of_a_run
        assert len(of_a_check) == 1


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


def test_scopes_and_groups_that_settings_need_are_findings(sandbox: SandboxServer) -> None:
    group_id = sandbox.add_group("News")
    result = checked(sandbox, skip_suppressed=True, suppression_group_id=group_id)
    assert [finding.what for finding in result.findings][1:3] == [
        (
            "The API key has the other scopes that settings need: `suppression.unsubscribes.read`, `asm.groups.read`,"
            " `asm.groups.suppressions.read`."
        ),
        f"The unsubscribe group {group_id} 'News' is there.",
    ]
    assert result.request_count == 4
    paths = [request["path"] for request in sandbox.requests()]
    assert "/v3/suppression/unsubscribes" not in paths


def test_missing_scopes_do_not_hide_errors_about_lists(sandbox: SandboxServer) -> None:
    key = sandbox.add_key(("marketing.read",))
    result = checked(sandbox, api_key=key, skip_suppressed=True, suppression_group_id=7, create_list=False)
    assert [error.code for error in errors_of(result)] == ["key-forbidden"] * 3 + ["wrong-list"]
    with pytest.raises(ConfigError) as raised:
        result.require_connection()
    assert [str(error) for error in errors_of(result)] == [str(line) for line in raised.value.lines()]
