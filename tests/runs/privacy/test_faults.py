"""No fault of SendGrid makes a run show a value or the key, whatever SendGrid says, at debug level, in any format."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.harness.endpoints import POLL, PUT, SEARCH
from tests.runs.privacy import canaries

if TYPE_CHECKING:
    from tests.runs.privacy.conftest import CanaryAccount

LOG_FORMATS = ("structured", "everything")
QUOTE = f"{canaries.PEOPLE[0]['mail']} {canaries.word()} {canaries.KEY}"
STATUSES = (
    *(200, 202, 204, 301, 302, 307, 400, 401, 403, 404, 405),
    *(408, 409, 413, 414, 422, 429, 500, 501, 502, 503, 504),
)
BODIES: list[Any] = [
    {"errors": [{"field": f"contacts[1].{QUOTE}", "message": f"email '{canaries.PEOPLE[0]['mail']}' is not valid"}]},
    {"errors": [{"field": QUOTE, "message": QUOTE, "error_id": QUOTE, "help": {QUOTE: QUOTE}}], "id": QUOTE},
    f"<html><title>{QUOTE}</title><body>{QUOTE}</body></html>",
    [{"message": QUOTE}, QUOTE],
    {"message": QUOTE, "field": QUOTE, "result": QUOTE, "_metadata": {"next": QUOTE}, "custom_fields": QUOTE},
]
HEADERS = {
    "Location": f"http://127.0.0.1:9/{canaries.word()}?key={canaries.KEY}",
    "Retry-After": canaries.word(),
    "x-ratelimit-remaining": "0",
    "x-ratelimit-reset": canaries.word(),
    "x-odd": QUOTE,
}
START = [
    {"method": "GET", "path": f"/v3/{path}"} for path in ("scopes", "marketing/field_definitions", "marketing/lists")
]
ERRORED = {"kind": "job_errored_rows", "first": 2, "reason": QUOTE}
FAULTS: dict[str, list[dict[str, Any]]] = {
    "nothing": [],
    **{
        f"errors file {mode or 'plain'}": [{**ERRORED, "mode": mode}]
        for mode in ("", "missing", "gone", "garbage", "expired", "unknown_rows", "gzip")
    },
    "identifiers": [{**ERRORED, "reason": f"identifiers of {QUOTE}"}],
    "look-up quotes": [
        {**ERRORED, "mode": "missing"}, {**SEARCH, "kind": "status", "status": 400, "body": BODIES[1], "times": 2},
    ],
    "look-up fails": [
        {**ERRORED, "mode": "missing"}, {**SEARCH, "kind": "status", "status": 401, "body": BODIES[1]},
    ],
    "look-up odd": [
        {**ERRORED, "mode": "missing"},
        {**SEARCH, "kind": "status", "status": 200, "body": {"result": {canaries.PEOPLE[0]["mail"]: QUOTE}}},
    ],
    "job stuck": [{"kind": "job_stuck", "times": None}],
    "job lost": [{"kind": "job_lost"}],
    "job fails": [{"kind": "job_failed"}],
    "job always fails": [{"kind": "job_failed", "times": None}],
    "no job id": [{"kind": "no_job_id"}],
    **{kind: [{**PUT, "kind": kind, "times": 2}] for kind in ("reset", "cut_after", "truncate")},
    **{f"{kind} while polling": [{**POLL, "kind": kind, "times": 2}] for kind in ("reset", "truncate")},
    "too fast": [{**PUT, "kind": "rate_limited", "seconds": 40, "reset": "epoch"}],
    "pages of errors": [{**PUT, "kind": "html_error", "status": 502, "times": 3}],
    "out of reach": [{**PUT, "kind": "html_error", "status": 503, "times": None}],
    "unknown field": [{
        **PUT, "kind": "status", "status": 400, "times": None,
        "body": {"errors": [{"message": f"invalid custom field ids supplied - {canaries.word()},{canaries.SECRET}"}]},
    }],
    "unknown list": [{
        **PUT, "kind": "status", "status": 400, "times": None,
        "body": {"errors": [{"field": "list_ids", "message": f"invalid list id: {QUOTE}"}]},
    }],
    "too large": [{
        **PUT, "kind": "status", "status": 400, "body": {"errors": [{"message": f"message larger than max {QUOTE}"}]},
    }],
    **{
        f"accepted as {name}": [{**PUT, "kind": "status", "status": 202, "body": {"job_id": job_id}}]
        for name, job_id in {"an address": canaries.mail(), "a sentence": QUOTE, "a number": canaries.number()}.items()
    },
    **{
        f"job says {name}": [{**POLL, "kind": "status", "status": 200, "body": body, "times": 5}]
        for name, body in {
            "a status": {"status": QUOTE, "id": QUOTE},
            "no words": {"status": "failed", "error": QUOTE, "results": {}},
            "limit": {"status": "failed", "errors": [{"message": f"you have hit your contact limit {QUOTE}"}]},
            "odd results": {"status": "completed", "results": QUOTE},
            "odd counts": {"status": "errored", "results": {"errored_count": QUOTE, "errors_url": [QUOTE]}},
            "a file elsewhere": {"status": "errored", "results": {"errors_url": f"http://169.254.169.254/{QUOTE}"}},
            "a file here": {"status": "errored", "results": {"errors_url": f"file:///{QUOTE}"}},
            "a file nowhere": {"status": "errored", "results": {"errors_url": f"http://127.0.0.1:9/{QUOTE}"}},
            "no file": {"status": "errored", "results": {"errors_url": f"{QUOTE}://[{QUOTE}"}},
        }.items()
    },
}  # fmt: skip


@pytest.mark.parametrize("status", STATUSES)
def test_no_answer_of_any_status_is_shown(account: CanaryAccount, status: int) -> None:
    for index, where in enumerate([PUT, POLL, *START]):
        fault = {**where, "kind": "status", "status": status, "body": BODIES[(index + status) % len(BODIES)]}
        account.run({**fault, "headers": HEADERS, "times": 2}, log_format=LOG_FORMATS[index % 2])


@pytest.mark.parametrize("body", range(len(BODIES)))
def test_no_text_of_a_refusal_is_shown(account: CanaryAccount, body: int) -> None:
    for status in (400, 404):
        for log_format in LOG_FORMATS:
            fault = {**PUT, "kind": "status", "status": status, "body": BODIES[body], "times": None}
            if status == 400:  # of one person only, who is rejected then with SendGrid's words
                fault |= {"contacts": [canaries.PEOPLE[0]["mail"]]}
            run = account.run(fault, log_format=log_format)
            is_refusal = status == 400 and not isinstance(BODIES[body], str)  # text is a proxy's
            assert not is_refusal or canaries.PEOPLE[0]["mail"] in run.rejected


@pytest.mark.parametrize("name", FAULTS)
def test_no_fault_of_requests_and_jobs_is_shown(account: CanaryAccount, name: str) -> None:
    for log_format in LOG_FORMATS:
        run = account.run(*FAULTS[name], log_format=log_format)
        assert "Internal error" not in run.log
        assert run.rejected


@pytest.mark.parametrize("status", [200, 400, 401, 404, 503])
def test_no_dry_run_shows_more_than_first_letters(account: CanaryAccount, status: int) -> None:
    for index, body in enumerate(BODIES):
        fault = {**SEARCH, "kind": "status", "status": status, "body": body, "headers": HEADERS, "times": 2}
        run = account.run(fault, log_format=LOG_FORMATS[index % 2], dry_run=True)
        assert (run.states, run.rejected) == ([], "")
        assert "Dry run" in run.log


@pytest.mark.parametrize("ending", canaries.ENDINGS)
def test_no_line_that_is_not_a_singer_message_is_shown(account: CanaryAccount, ending: str) -> None:
    for log_format in LOG_FORMATS:
        assert account.run(log_format=log_format, ending=ending).exit_code == 1


def test_many_canaries_reach_sendgrid_and_the_rejected_records(account: CanaryAccount) -> None:
    run = account.run()
    stored = canaries.found_in([str(account.sandbox.contacts(detail=True))])
    rejected = canaries.found_in([run.rejected])
    assert (len(stored) > 50, len(rejected) > 100) == (True, True)
    assert run.exit_code == 0
    assert len(run.states) == len(canaries.STATES)
