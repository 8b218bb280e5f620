"""The one place where routes queue jobs, and where ordered faults are applied to them."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from flask import Response, request

from target_sendgrid.sandbox.account import jobs
from target_sendgrid.sandbox.http.answers import answer
from target_sendgrid.sandbox.http.faults import JOB_KINDS
from target_sendgrid.sandbox.http.layer import NOTES_KEY

if TYPE_CHECKING:
    from target_sendgrid.sandbox.http.state import Sandbox


def accepted(
    sandbox: Sandbox, kind: jobs.Kind, payload: bytes, requested: int, status: HTTPStatus = HTTPStatus.ACCEPTED
) -> Response:
    """Queue a job and answer with its id."""
    account = sandbox.account
    notes = request.environ[NOTES_KEY]
    late_seconds = notes.get("late_seconds", 0.0)
    fault = sandbox.faults.take(JOB_KINDS, notes["arrival"])
    last = jobs.last_id(account)
    if fault is None or (fault.kind == "job_id_repeated" and last is None):
        trouble = jobs.Trouble(late_seconds=late_seconds)
        return answer({"job_id": jobs.submit(account, kind, payload, requested, trouble)}, status)
    notes["fault"] = fault.kind
    identity = jobs.submit(account, kind, payload, requested, fault.trouble(late_seconds))
    if fault.kind == "no_job_id":
        return answer({}, status)
    return answer({"job_id": last if fault.kind == "job_id_repeated" else identity}, status)
