"""HTTP of the control plane: time, faults, switches, seeds, and a look at everything. It asks for the token."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, request

from target_sendgrid.sandbox import coverage
from target_sendgrid.sandbox.account import erasures, jobs, seed, suppressions
from target_sendgrid.sandbox.account.account import FULL_ACCESS
from target_sendgrid.sandbox.account.clock import iso_seconds
from target_sendgrid.sandbox.account.problems import refused
from target_sendgrid.sandbox.http import faults
from target_sendgrid.sandbox.http.access import CONTROL_PREFIX
from target_sendgrid.sandbox.http.answers import answer, decoded_object, error
from target_sendgrid.sandbox.http.current import current_sandbox
from target_sendgrid.sandbox.options import BadOptionError

routes = Blueprint("control", __name__, url_prefix=CONTROL_PREFIX)


def _clock_state() -> dict[str, Any]:
    account = current_sandbox().account
    now = account.clock.now()
    return {"now": now, "iso": iso_seconds(now), "manual": account.clock.is_manual}


@routes.get("/health")
def health() -> Response:
    """Answer that the sandbox is running, and nothing else: this needs no token."""
    return answer({"status": "ok"})


@routes.get("/coverage")
def covered() -> Response:
    """Say what is emulated."""
    return answer(coverage.document())


@routes.post("/reset")
def reset() -> Response:
    """Empty the account and forget every fault and request."""
    current_sandbox().reset()
    return answer({"status": "ok"})


@routes.post("/seed")
def plant() -> Response:
    """Add lists, fields and contacts at once."""
    account = current_sandbox().account
    seed.plant(account, decoded_object(request.get_data()))
    return answer({"status": "ok"})


@routes.get("/clock")
def clock() -> Response:
    """Show the time."""
    return answer(_clock_state())


@routes.post("/clock")
def set_clock() -> Response:
    """Stop the clock, let it run, or move it ahead."""
    account = current_sandbox().account
    document = decoded_object(request.get_data())
    if "manual" in document:
        account.clock.set_manual(manual=bool(document["manual"]))
    seconds = document.get("advance_seconds", 0)
    if not isinstance(seconds, (int, float)) or seconds < 0:
        raise refused("advance_seconds", "advance_seconds must be a number, 0 or more")
    account.clock.advance(seconds)
    jobs.apply_due(account)
    return answer(_clock_state())


@routes.post("/settle")
def settle() -> Response:
    """Move the clock to the end of every pending job."""
    account = current_sandbox().account
    seconds = jobs.settle(account)
    return answer({**_clock_state(), "advanced_seconds": seconds})


@routes.get("/options")
def options() -> Response:
    """Show the switches."""
    account = current_sandbox().account
    return answer(account.options.as_dict())


@routes.patch("/options")
def set_options() -> Response:
    """Set some switches."""
    account = current_sandbox().account
    try:
        account.options = account.options.changed(decoded_object(request.get_data()))
    except BadOptionError as problem:
        return error(400, None, str(problem))
    return answer(account.options.as_dict())


@routes.get("/faults")
def standing() -> Response:
    """Show the faults in force."""
    sandbox = current_sandbox()
    return answer({"faults": sandbox.faults.described()})


@routes.post("/faults")
def add_fault() -> Response:
    """Order a fault."""
    sandbox = current_sandbox()
    try:
        fault = faults.ordered(decoded_object(request.get_data()))
    except faults.BadFaultError as problem:
        return error(400, None, str(problem))
    return answer({"id": sandbox.faults.add(fault)}, 201)


@routes.delete("/faults")
def clear_faults() -> Response:
    """Lift every fault."""
    sandbox = current_sandbox()
    sandbox.faults.clear()
    return Response(status=204)


@routes.delete("/faults/<int:number>")
def clear_fault(number: int) -> Response:
    """Lift one fault."""
    sandbox = current_sandbox()
    sandbox.faults.clear(number)
    return Response(status=204)


@routes.get("/requests")
def requests() -> Response:
    """Show the request log."""
    sandbox = current_sandbox()
    return answer({"requests": [entry.as_dict() for entry in sandbox.all_requests()]})


@routes.delete("/requests")
def clear_requests() -> Response:
    """Empty the request log."""
    sandbox = current_sandbox()
    sandbox.forget_requests()
    return Response(status=204)


@routes.get("/violations")
def violations() -> Response:
    """Show what the client did and must never do."""
    sandbox = current_sandbox()
    return answer({"violations": sandbox.violations})


@routes.get("/contacts")
def contacts() -> Response:
    """Show every visible contact."""
    account = current_sandbox().account
    detail = request.args.get("detail") == "true"
    return answer({"contacts": seed.everybody(account, request.args.get("list"), detail=detail)})


@routes.get("/suppressions")
def suppressed() -> Response:
    """Show every suppression, and the group where it is not a global one."""
    account = current_sandbox().account
    found = [{"email": email} for email in suppressions.every(account)]
    found += [{"email": row["email"], "group": row["group_name"]} for row in suppressions.of_groups(account)]
    return answer({"suppressions": found})


@routes.get("/erasures")
def erased() -> Response:
    """Show every address that was erased."""
    return answer({"erasures": erasures.every(current_sandbox().account)})


@routes.get("/jobs")
def every_job() -> Response:
    """Show the newest jobs."""
    sandbox = current_sandbox()
    account = sandbox.account
    return answer({"jobs": jobs.every(account, sandbox.store_url)})


@routes.get("/keys")
def keys() -> Response:
    """Show the keys, for tests."""
    account = current_sandbox().account
    return answer({"keys": [{"key": key, "scopes": account.key_scopes(key)} for key in account.every_key()]})


@routes.post("/keys")
def add_key() -> Response:
    """Make a key."""
    account = current_sandbox().account
    scopes = decoded_object(request.get_data() or b"{}").get("scopes", list(FULL_ACCESS))
    if not isinstance(scopes, list) or not all(isinstance(scope, str) for scope in scopes):
        raise refused("scopes", "scopes must be a list of texts")
    return answer({"key": account.add_key(tuple(scopes)), "scopes": scopes}, 201)
