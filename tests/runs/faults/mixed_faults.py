"""The faults that random runs draw from, by what they say about the contacts of a request."""

from __future__ import annotations

from typing import Any

from tests.harness.endpoints import POLL, PUT, SEARCH

Order = dict[str, Any]

STORE = {"path": "/errors/*"}
INVALID_INPUT = {"errors": [{"field": "", "message": "invalid input"}]}
TOO_LARGE = {"errors": [{"message": "grpc: received message larger than max (5 vs. 4)"}]}
PAGE = "<html>Welcome</html>"
BAD_REQUESTS: list[Order] = [
    {"status": 400, "body": INVALID_INPUT},
    {"status": 400, "body": {}},
    {"status": 422, "body": INVALID_INPUT},
]
UNKNOWN_FILES = ("missing", "gone", "garbage", "expired", "unknown_rows", "empty")
"""Errors files that do not say who is at fault."""
OTHER_STATUSES = (402, 405, 406, 407, 409, 410, 411, 415, 417, 418, 421, 423, 424, 425, 426, 428, 431, 444, 451, 499)
"""Statuses that say nothing about a contact."""

PASSING: list[Order] = [
    *[{"kind": "status", "status": status} for status in (408, 500, 503)],
    *[{"kind": "html_error", "status": status} for status in (400, 422, 502, 504)],
    {"kind": "reset"},
    {"kind": "cut_after"},
    {"kind": "truncate"},
    {"kind": "rate_limited", "seconds": 20},
    {"kind": "rate_limited", "seconds": 20, "reset": "epoch"},
    {"kind": "rate_limited", "with_headers": False},
    {"kind": "status", "status": 200, "body": PAGE},
    *[{**PUT, "kind": "status", "status": status} for status in OTHER_STATUSES],
    *[{**PUT, "kind": "html_error", "status": status} for status in (404, 413)],
    {**PUT, "kind": "status", "status": 500, "body": TOO_LARGE},
    {**PUT, "kind": "status", "status": 400, "body": TOO_LARGE},
    {**PUT, "kind": "status", "status": 200, "body": {}},
    {**PUT, "kind": "status", "status": 202, "body": PAGE},
    *[{**POLL, "kind": "status", "status": status} for status in (400, 404, 409, 422)],
    {**POLL, "kind": "html_error", "status": 404},
    {**POLL, "kind": "status", "status": 200, "body": {}},
    *[{**SEARCH, "kind": "status", "status": status} for status in (400, 404, 409)],
    *[{**SEARCH, "kind": "html_error", "status": status} for status in (400, 404)],
    *[{**STORE, "kind": "status", "status": status} for status in (404, 503)],
    {**STORE, "kind": "rate_limited", "seconds": 20},
    {**STORE, "kind": "reset"},
    {"kind": "no_job_id"},
    *[{"kind": "job_id_repeated", "applied": applied} for applied in (False, True)],
    {"kind": "job_failed", "applied": True},
    *[{"kind": kind, "applied": applied} for kind in ("job_stuck", "job_lost") for applied in (False, True)],
    {"kind": "job_late", "late_seconds": 50},
    {"kind": "job_result", "ends": "errored", "applied": True, "counts": {"errored_count": 0}},
    {"kind": "job_result", "ends": "completed", "applied": True, "mode": "empty"},
    {"kind": "job_result", "ends": "completed", "applied": True, "counts": {"errored_count": 1}},
    {"kind": "job_result", "applied": True, "counts": {"requested_count": None}},
    *[
        {"kind": "job_result", "ends": "completed", "applied": applied, "counts": {"requested_count": 77}}
        for applied in (False, True)
    ],
    *[{"kind": kind, **who} for kind in ("contacts_unseen", "lists_unseen") for who in ({}, {"first": 1})],
]
"""Faults that say nothing about a contact, whenever and however often they strike."""

GHOSTS: list[Order] = [
    {**PUT, "kind": kind, "late_seconds": seconds, **answer}
    for seconds in (5, 50)
    for kind, answer in (
        ("cut_after", {}),
        ("truncate", {}),
        ("no_job_id", {}),
        ("status_after", {"status": 502, "body": PAGE}),
        ("status_after", {"status": 408}),
        ("status_after", {"status": 200, "body": PAGE}),
    )
]
"""Faults after which a job runs whose id nobody knows, possibly longer than those after it."""

UNCLEAR: list[Order] = [
    *[{**PUT, "kind": "status", **refusal} for refusal in BAD_REQUESTS],
    {"kind": "job_failed"},
    {"kind": "job_result", "ends": "errored", "counts": {"errored_count": 0}},
    *[{"kind": "job_errored_rows", "first": 99, "mode": mode} for mode in UNKNOWN_FILES],
]
"""Faults for which somebody in the request, the request or the account may be at fault."""

LOSING_ONE: list[Order] = [
    {"kind": "job_result", "ends": "completed", "applied": True, "first": 1, "mode": "missing"},
    *[{"kind": "job_errored_rows", "first": 1, "mode": mode} for mode in UNKNOWN_FILES],
]
"""Faults that lose one contact without naming it. If they struck often, the contact would be found to be at fault."""

NAMING: list[Order] = [
    {**PUT, "kind": "refusal", "names": "everybody"},
    {**PUT, "kind": "refusal", "names": "quote", "first": 99},
    {"kind": "job_errored_rows", "first": 99},
    {"kind": "job_errored_rows", "first": 3, "mode": "everybody"},
    {"kind": "job_result", "ends": "errored", "mode": "everybody"},
    *[{"kind": "job_failed", "first": first} for first in (1, 99)],
]
"""Faults that name people who are not at fault, since they are everybody in a large request, or the job has failed."""

POISON: list[Order] = [
    *[{**PUT, "kind": "status", **refusal} for refusal in BAD_REQUESTS],
    *[{**PUT, "kind": "refusal", "names": names} for names in ("index", "quote", "nobody")],
    {"kind": "job_failed"},
    {"kind": "job_failed", "emails": []},
    *[{"kind": "job_errored_rows", "mode": mode} for mode in ("", "gzip", "fewer_rows", *UNKNOWN_FILES)],
]
"""Faults that strike each request with certain people. Their emails are filled in where there is room for them."""

LASTING: list[Order] = [
    {"kind": "status", "status": 401, "body": {}, "times": 1},
    {"kind": "status", "status": 403, "body": {}, "times": 1},
    {"kind": "html_error", **PUT, "status": 503},
    {"kind": "status", **PUT, "status": 409},
    {"kind": "job_stuck"},
    {"kind": "job_failed"},
    {"kind": "job_id_repeated"},
    {"kind": "status", **PUT, "status": 400, "body": INVALID_INPUT},
]
"""Faults that end almost every run, since they last."""
