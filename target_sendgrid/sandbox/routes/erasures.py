"""HTTP of `/v3/recipients/erasejob`."""

from __future__ import annotations

from http import HTTPStatus

from flask import Blueprint, Response, request

from target_sendgrid.sandbox.account import erasures
from target_sendgrid.sandbox.account.account import new_id
from target_sendgrid.sandbox.http.answers import answer, decoded_object
from target_sendgrid.sandbox.http.current import current_sandbox
from target_sendgrid.sandbox.http.permissions import ERASURE_PATH

routes = Blueprint("erasures", __name__)


@routes.post(ERASURE_PATH)
def erase() -> Response:
    """Erase recipients' email data. Nobody can ask what became of the job."""
    body = request.get_data()
    addresses = erasures.checked(body, decoded_object(body))
    erasures.erase(current_sandbox().account, addresses)
    return answer({"job_id": new_id()}, HTTPStatus.ACCEPTED)
