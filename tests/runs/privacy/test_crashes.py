"""No crash shows a value or the key, wherever it happens while records are processed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.harness.endpoints import PUT
from tests.runs.privacy import canaries

if TYPE_CHECKING:
    from tests.runs.privacy.conftest import CanaryAccount

MESSAGE = " ".join([*canaries.MARKERS, canaries.KEY])
KINDS = [
    ("RuntimeError", "broken"),
    ("PanicError", "structured"),
    ("MemoryError", ""),
    ("SystemExit", "everything"),
    ("KeyError", "structured"),
    ("OSError", "structured"),
    ("KeyboardInterrupt", ""),
]
"""The exceptions to raise, each with a log format. At each place the first is raised, and one of the others."""

PLACES = (
    "settings.settings:Settings.from_config",
    "preflight:_connect",
    "sendgrid.client:Client.scopes",
    "sendgrid.client:Client.find_contacts",
    "sendgrid.client:Client.upsert",
    "sendgrid.client:Client.job_status",
    "sendgrid.transport:Transport.request",
    "sendgrid.transport:Transport.attempt",
    "sendgrid.transport:Transport._send",
    "sendgrid.transport:Transport.download",
    "sendgrid.transport:read_body",
    "sendgrid.transport:make_session",
    "sendgrid.answers:error_for",
    "sendgrid.answers:body_of",
    "sendgrid.answers:error_details",
    "sendgrid.answers:texts",
    "sendgrid.answers:json_object",
    "sendgrid.retry:RetryPolicy.call",
    "sendgrid.lists:Lists.resolve",
    "singer.messages:chunks",
    "singer.messages:MessageProcessor._process_line",
    "singer.messages:decode_leniently",
    "singer.routes:RouteTable.register_schema",
    "singer.routes:project",
    "singer.mapper:Mapper.output_maps",
    "singer.source_stream:SourceStream.accept",
    "singer.source_stream:SourceStream.accept_unreadable",
    "singer.messages:MessageProcessor._process_state",
    "singer.messages:MessageProcessor._process_unreadable",
    "singer.sink:SendGridSink.__init__",
    "singer.record_check:RecordCheck.error_in",
    "singer.validation:RecordValidator.validate",
    "output_streams:OutputStreams.open",
    "run:Run.receive",
    "run:Run.take",
    "run:Run.reject",
    "run:Run.finish",
    "run:Run.complete_report",
    "preflight:Connection.close",
    "output_streams:plan_mapping",
    "mapping.plan:MappingPlan.compile",
    "mapping.conversions:to_email",
    "mapping.field_mapping:FieldMapping.contact",
    "sendgrid.contact:encode",
    "delivery.batching:pack",
    "mapping.fast_path:FastPath.contact",
    "sendgrid.contact:identity",
    "audience.cap:ProfileCap.admit",
    "delivery.batching:Batcher.add",
    "delivery.batching:Batcher.seal",
    "sendgrid.contact:Body.__iter__",
    "delivery.state:StateGate.receive",
    "delivery.state:StateGate.advance",
    "delivery.delivery:Delivery.send_full",
    "delivery.delivery:Delivery._settle",
    "delivery.operations.upsert:Upsert.submit",
    "delivery.job:Job.reject",
    "delivery.job:unpack",
    "delivery.job_runner:JobRunner.accept",
    "delivery.job_runner:JobRunner._submit",
    "delivery.job_runner:JobRunner._poll",
    "delivery.job_runner:JobRunner._handle_final_status",
    "delivery.job_failures:JobFailures.failed",
    "delivery.isolation:Isolation.failed",
    "delivery.request_failures:RequestFailures.refused",
    "delivery.operations.row_errors:refused_contacts",
    "delivery.operations.row_errors:failed_contacts",
    "delivery.lookups:stored",
    "delivery.lookups:missing_identifiers",
    "report.rejections:Rejections.add",
    "report.rejected_records:RejectedRecordsFile.append",
    "report.rejections:Rejections.flush",
    "report.rejections:Rejections.check",
    "report.report:Report.write",
    "report.report:Report.summary",
    "delivery.state:write_to_standard_output",
)
FAULTS: list[dict[str, Any]] = [
    {"kind": "job_errored_rows", "first": 1, "reason": "no identifier", "mode": "gzip"},
    {"kind": "job_errored_rows", "first": 1, "mode": "missing"},
    {"kind": "status", **PUT, "status": 400, "body": {"errors": [{"field": "contacts[0].email", "message": "no"}]}},
    {"kind": "status", **PUT, "status": 400, "body": {}, "skip": 1},
]
"""Faults that make a run reach every place."""


@pytest.mark.parametrize(("number", "place"), list(enumerate(PLACES)))
def test_no_message_of_a_crash_is_shown(account: CanaryAccount, number: int, place: str) -> None:
    others = KINDS[1:]
    for kind, log_format in (KINDS[0], others[number % len(others)]):
        crash = {"place": f"target_sendgrid.{place}", "kind": kind, "message": MESSAGE, "after": 0}
        run = account.run(*FAULTS, crash=crash, log_format=log_format)
        assert run.exit_code == 1
        expected = {"OSError": "", "KeyboardInterrupt": "Aborted!"}.get(kind, f"Internal error, {kind} at ")
        assert log_format == "broken" or expected in run.log


@pytest.mark.parametrize("signal", ["SIGTERM", "SIGINT", "SIGABRT", "SIGSEGV"])
@pytest.mark.parametrize(
    "place",
    [
        "mapping.field_mapping:FieldMapping.contact",
        "delivery.operations.upsert:Upsert.submit",
        "sendgrid.client:Client.job_status",
        "report.rejections:Rejections.add",
    ],
)
def test_no_signal_makes_a_run_show_values(account: CanaryAccount, place: str, signal: str) -> None:
    crash = {"place": f"target_sendgrid.{place}", "kind": signal, "message": "", "after": 0}
    assert account.run(crash=crash).exit_code != 1


@pytest.mark.parametrize(
    "problem",
    [
        {"breaks_output": True},
        {"rejected_records_path": "."},
        {"report_path": "."},
        {"api_key": f"SG.other.{canaries.SECRET[::-1]}"},
        {"api_key": f"{canaries.KEY} {canaries.KEY}"},
        {"api_url": f"https://somebody:{canaries.SECRET}@127.0.0.1:9"},
        {"api_url": f"http://127.0.0.1:port/{canaries.SECRET}"},
        {"on_behalf_of": canaries.KEY},
        {"max_rejected_percent": 0},
        {"profile_cap": 1},
        {"profile_cap": 1, "on_profile_cap": "truncate"},
        {"data_privacy_consent": canaries.KEY},
    ],
    ids=str,
)
def test_no_wrong_setting_or_closed_output_makes_a_run_show_values(
    account: CanaryAccount, problem: dict[str, Any]
) -> None:
    run = account.run(**problem)
    assert run.exit_code == (0 if problem.get("on_profile_cap") == "truncate" else 1)
