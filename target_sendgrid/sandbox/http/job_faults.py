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
    fault = sandbox.faults.take(JOB_KINDS, request.method, request.path)
    if fault is None:
        return answer({"job_id": jobs.submit(sandbox.account, kind, payload, requested)}, status)
    request.environ[NOTES_KEY]["fault"] = fault.kind
    identity = jobs.submit(sandbox.account, kind, payload, requested, fault.trouble())
    return answer({} if fault.kind == "no_job_id" else {"job_id": identity}, status)
