"""HTTP of the control plane: time, faults, switches, seeds, and a look at everything. No key is needed on loopback."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response, request

from target_sendgrid.sandbox import coverage, faults, jobs, seed
from target_sendgrid.sandbox.account import FULL_ACCESS
from target_sendgrid.sandbox.answers import answer, decoded_object, error
from target_sendgrid.sandbox.clock import iso_seconds
from target_sendgrid.sandbox.layer import CONTROL_PREFIX
from target_sendgrid.sandbox.options import BadOptionError
from target_sendgrid.sandbox.problems import refused
from target_sendgrid.sandbox.store import emptied

if TYPE_CHECKING:
    from target_sendgrid.sandbox.state import Sandbox

_SETTLE_MARGIN_SECONDS = 0.001


def control_routes(sandbox: Sandbox) -> Blueprint:
    """Make the routes for one sandbox."""
    routes = Blueprint("control", __name__, url_prefix=CONTROL_PREFIX)
    account = sandbox.account

    def clock_state() -> dict[str, Any]:
        now = account.clock.now()
        return {"now": now, "iso": iso_seconds(now), "manual": account.clock.is_manual}

    @routes.get("/health")
    def health() -> Response:
        return answer({"status": "ok", "version": version("target-sendgrid"), "url": sandbox.url})

    @routes.get("/coverage")
    def covered() -> Response:
        return answer(coverage.document())

    @routes.post("/reset")
    def reset() -> Response:
        emptied(account.store)
        sandbox.faults.clear()
        sandbox.rate_limits.clear()
        sandbox.requests.clear()
        sandbox.violations.clear()
        return answer({"status": "ok"})

    @routes.post("/seed")
    def plant() -> Response:
        seed.plant(account, decoded_object(request.get_data()))
        return answer({"status": "ok"})

    @routes.get("/clock")
    def clock() -> Response:
        return answer(clock_state())

    @routes.post("/clock")
    def set_clock() -> Response:
        document = decoded_object(request.get_data())
        if "manual" in document:
            account.clock.set_manual(manual=bool(document["manual"]))
        seconds = document.get("advance_seconds", 0)
        if not isinstance(seconds, (int, float)) or seconds < 0:
            raise refused("advance_seconds", "advance_seconds must be a number, 0 or more")
        account.clock.advance(seconds)
        jobs.apply_due(account)
        return answer(clock_state())

    @routes.post("/settle")
    def settle() -> Response:
        seconds = jobs.seconds_until_settled(account)
        if seconds:
            account.clock.advance(seconds + _SETTLE_MARGIN_SECONDS)
        jobs.apply_due(account)
        return answer({**clock_state(), "advanced_seconds": seconds})

    @routes.get("/options")
    def options() -> Response:
        return answer(account.options.as_dict())

    @routes.patch("/options")
    def set_options() -> Response:
        try:
            account.options = account.options.changed(decoded_object(request.get_data()))
        except BadOptionError as problem:
            return error(400, None, str(problem))
        return answer(account.options.as_dict())

    @routes.get("/faults")
    def standing() -> Response:
        return answer({"faults": sandbox.faults.described()})

    @routes.post("/faults")
    def add_fault() -> Response:
        try:
            fault = faults.ordered(decoded_object(request.get_data()))
        except faults.BadFaultError as problem:
            return error(400, None, str(problem))
        return answer({"id": sandbox.faults.add(fault)}, 201)

    @routes.delete("/faults")
    def clear_faults() -> Response:
        sandbox.faults.clear()
        return Response(status=204)

    @routes.delete("/faults/<int:number>")
    def clear_fault(number: int) -> Response:
        sandbox.faults.clear(number)
        return Response(status=204)

    @routes.get("/requests")
    def requests() -> Response:
        return answer({"requests": [entry.as_dict() for entry in sandbox.requests]})

    @routes.delete("/requests")
    def clear_requests() -> Response:
        sandbox.requests.clear()
        return Response(status=204)

    @routes.get("/violations")
    def violations() -> Response:
        return answer({"violations": sandbox.violations})

    @routes.get("/contacts")
    def contacts() -> Response:
        detail = request.args.get("detail") == "true"
        return answer({"contacts": seed.everybody(account, request.args.get("list"), detail=detail)})

    @routes.get("/jobs")
    def every_job() -> Response:
        return answer({"jobs": jobs.every(account, sandbox.errors_base_url)})

    @routes.get("/keys")
    def keys() -> Response:
        return answer({"keys": [{"key": key, "scopes": account.key_scopes(key)} for key in account.keys()]})

    @routes.post("/keys")
    def add_key() -> Response:
        scopes = decoded_object(request.get_data() or b"{}").get("scopes", list(FULL_ACCESS))
        if not isinstance(scopes, list) or not all(isinstance(scope, str) for scope in scopes):
            raise refused("scopes", "scopes must be a list of texts")
        return answer({"key": account.add_key(tuple(scopes)), "scopes": scopes}, 201)

    return routes
