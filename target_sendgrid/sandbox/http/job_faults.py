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
    notes = request.environ[NOTES_KEY]
    late_seconds = notes.get("late_seconds", 0.0)
    fault = sandbox.faults.take(JOB_KINDS, notes["arrival"])
    if fault is not None and fault.kind == "job_id_repeated" and sandbox.last_job_id is None:
        fault = None
    trouble = jobs.Trouble(late_seconds=late_seconds) if fault is None else fault.trouble(late_seconds)
    identity = jobs.submit(sandbox.account, kind, payload, requested, trouble)
    if fault is not None:
        notes["fault"] = fault.kind
    if fault is not None and fault.kind == "no_job_id":
        return answer({}, status)
    if fault is not None and fault.kind == "job_id_repeated":
        return answer({"job_id": sandbox.last_job_id}, status)
    notes["job_id"] = identity
    return answer({"job_id": identity}, status)
