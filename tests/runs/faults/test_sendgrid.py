"""Faults of SendGrid's answers to requests, in whole runs over HTTP, in the order of `promises.py`.

What is corrected before a request is made (types, lengths, empty values, the same person twice) is tested in
`test_field_mapping.py` and `test_batching.py`; runs that are stopped from outside in `test_stopping.py`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from target_sendgrid.sandbox.server import SandboxServer
from tests.harness.account import Account
from tests.harness.endpoints import POLL, PUT
from tests.harness.messages import record
from tests.harness.runs import QUICK
from tests.runs.faults import promises
from tests.runs.faults.promises import proves

if TYPE_CHECKING:
    from pathlib import Path

MEANINGLESS: list[Any] = [{}, [], {"errors": None}, {"errors": [{"message": None}]}]
SCORED = {"email": "email", "score": "score"}
FIELD_UNKNOWN = {"errors": [{"field": "", "message": "invalid custom field ids supplied - e1_N"}]}


@proves(promises.KEY_REFUSED)
@pytest.mark.parametrize("moment", ["before the first record", "later"])
def test_a_refused_key_ends_the_run_at_once(account: Account, moment: str) -> None:
    if moment == "later":
        account.sandbox.add_fault("status", **PUT, status=401, body={}, times=None)
        run = account.load("ada@example.com")
        assert account.puts() == [401]
    else:
        run = account.load("ada@example.com", api_key="SG.revoked.key")
        assert len(account.sandbox.requests()) == 1
        assert "SG.revoked" not in run.log
    assert promises.KEY_REFUSED.is_kept_by(run), run


@proves(promises.KEY_FORBIDDEN)
@pytest.mark.parametrize("moment", ["before the first record", "later"])
def test_a_key_without_a_scope_ends_the_run_at_once_and_the_log_names_the_scope(account: Account, moment: str) -> None:
    if moment == "later":
        account.sandbox.add_fault("html_error", **PUT, status=403, times=None)
        run = account.load("ada@example.com")
        assert account.puts() == [403]
        assert "forbids this API key to write contacts" in run.log
    else:
        run = account.load("ada@example.com", api_key=account.sandbox.add_key(("mail.send",)))
        assert len(account.sandbox.requests()) == 2
    assert promises.KEY_FORBIDDEN.is_kept_by(run), run
    assert "legacy Marketing Campaigns accounts have no access" in run.log


@proves(promises.CONTACTS_NAMED)
@pytest.mark.parametrize(
    "naming",
    [{"invalid_email_path": "identifier"}, {"invalid_email_path": "email"}, {"refusal_names": "email"}],
    ids=str,
)
def test_contacts_that_a_refusal_names_are_rejected_and_cost_one_more_request(
    account: Account, naming: dict[str, str]
) -> None:
    account.sandbox.set_options(**naming)
    run = account.load("ada@example.com", "Bad@Nowhere", "grace@example.com", "also@bad")
    assert promises.CONTACTS_NAMED.is_kept_by(run), run
    assert account.reasons() == [(3, "refused_by_sendgrid"), (5, "refused_by_sendgrid")]
    assert [entry["sendgrid_message"] for entry in account.rejected()] == [
        "email 'bad@nowhere' is not valid",
        "email 'also@bad' is not valid",
    ]
    assert account.emails("Everybody") == ["ada@example.com", "grace@example.com"]
    assert account.puts() == [400, 202]


@proves(promises.CONTACTS_NAMED)
@pytest.mark.parametrize(("names", "puts", "requests"), [("index", 2, 7), ("email", 2, 7), ("nobody", 110, 165)])
def test_three_bad_contacts_of_a_full_batch_are_rejected_alone_with_few_requests(
    account: Account, names: str, puts: int, requests: int
) -> None:
    account.sandbox.set_options(refusal_names=names)
    emails = [f"p{number}@example.com" for number in range(30_000)]
    for place in (7, 14_999, 29_990):
        emails[place] = f"bad{place}@nowhere"
    run = account.load(*emails)
    assert run.exit_code == 0, run.log
    assert sorted(account.rejected_lines()) == [9, 15_001, 29_992]
    assert run.report["streams"]["people"]["upserted"] == 29_997
    assert account.sandbox.store.number("SELECT count(*) FROM members") == 29_997
    assert len(account.puts()) == puts
    assert len(account.sandbox.requests()) == requests


@proves(promises.FIELD_NOT_READY)
def test_a_field_that_was_just_created_is_waited_for(account: Account) -> None:
    account.sandbox.set_options(field_ready_after_seconds=12.0)
    run = account.send([record(email="ada@example.com", score=0.5)], create_custom_fields=True, field_mapping=SCORED)
    assert promises.FIELD_NOT_READY.is_kept_by(run), run
    assert account.puts() == [400, 400, 400, 202]
    assert account.sandbox.contacts()[0]["custom_fields"] == {"score": 0.5}


@proves(promises.FIELD_GONE)
def test_a_field_that_is_gone_ends_the_run_and_rejects_no_record(account: Account) -> None:
    account.sandbox.seed(fields={"score": "Number"})
    account.sandbox.add_fault("status", **PUT, status=400, body=FIELD_UNKNOWN, times=None)
    run = account.send([record(email=f"{name}@example.com", score=1) for name in "ab"], field_mapping=SCORED)
    assert promises.FIELD_GONE.is_kept_by(run), run
    assert "the custom field 'score'" in run.log
    assert account.rejected() == []
    assert len(account.puts()) <= 13
    assert 60 <= run.report["seconds"] <= 70


@proves(promises.TRANSIENT_FAILURE)
@pytest.mark.parametrize("where", [PUT, POLL], ids=["PUT", "poll"])
@pytest.mark.parametrize(
    "fault",
    [
        *[{"kind": "status", "status": status} for status in (408, 500, 502, 503, 504, 507, 520, 598)],
        {"kind": "status", "status": 500, "body": {"errors": [{"message": "message larger than max"}]}},
        {"kind": "status", "status": 503, "body": {"errors": [{"message": "you have hit your contact limit"}]}},
        {"kind": "status", "status": 400, "body": "<html>Bad Request</html>"},
        {"kind": "status", "status": 400, "body": ""},
        {"kind": "status", "status": 422, "body": "upstream error"},
        *[{"kind": "status", "status": status, "body": {}} for status in (402, 405, 407, 409, 418, 425, 451, 499)],
        {"kind": "html_error", "status": 502},
        {"kind": "status", "status": 200, "body": "<html>Welcome</html>"},
        {"kind": "status", "status": 202, "body": {"job_id": None}},
        {"kind": "status", "status": 202, "body": ["job"]},
        {"kind": "reset"},
        {"kind": "cut_after"},
        {"kind": "truncate"},
    ],
    ids=str,
)
def test_a_transient_failure_only_costs_time(account: Account, where: dict[str, str], fault: dict[str, Any]) -> None:
    account.sandbox.add_fault(**where, **fault, times=2)
    run = account.load("ada@example.com", "grace@example.com")
    assert promises.TRANSIENT_FAILURE.is_kept_by(run), run
    assert account.emails("Everybody") == ["ada@example.com", "grace@example.com"]
    assert account.rejected() == []
    assert len(account.puts()) == (3 if where is PUT else 1)


@proves(promises.TRANSIENT_FAILURE)
def test_a_request_whose_answer_takes_too_long_is_sent_again(tmp_path: Path) -> None:
    with SandboxServer(options=QUICK, manual_clock=True) as sandbox:  # stopping it ends the requests that are late
        sandbox.add_fault("delay", **PUT, seconds=0.3)
        sandbox.add_fault("delay", **POLL, seconds=0.3)
        account = Account(sandbox, tmp_path)
        run = account.load("ada@example.com", request_timeout_seconds=0.1)
        assert promises.TRANSIENT_FAILURE.is_kept_by(run), run
        assert account.emails("Everybody") == ["ada@example.com"]
        assert run.report["requests"] == 8


@proves(promises.TRANSIENT_FAILURE)
def test_an_accepted_request_without_a_job_id_is_sent_again(account: Account) -> None:
    account.sandbox.add_fault("no_job_id", times=2)
    run = account.load("ada@example.com")
    assert promises.TRANSIENT_FAILURE.is_kept_by(run), run
    assert account.puts() == [202, 202, 202]
    assert run.report["import_jobs"] == 1


OTHER_STATUSES = [
    402,
    405,
    406,
    407,
    409,
    410,
    411,
    412,
    415,
    417,
    418,
    421,
    423,
    424,
    425,
    426,
    428,
    431,
    444,
    451,
    499,
]


@proves(promises.OTHER_REFUSAL)
@pytest.mark.parametrize("body", [{"errors": [{"field": "contacts[0].email", "message": "no"}]}, "<html>No</html>"])
@pytest.mark.parametrize("status", OTHER_STATUSES)
def test_other_refusals_say_nothing_about_a_contact(account: Account, status: int, body: object) -> None:
    account.sandbox.add_fault("status", **PUT, status=status, body=body, times=None)
    run = account.load("ada@example.com", "grace@example.com")
    promise = replace(promises.OTHER_REFUSAL, sees=f"answered {status}")
    assert promise.is_kept_by(run), run
    assert account.rejected() == []
    assert 60 <= run.report["seconds"] <= 65
    assert len(account.puts()) <= 10

    account.sandbox.clear_faults()
    account.sandbox.add_fault("status", **PUT, status=status, body=body, times=3)
    run = account.load("ada@example.com", "grace@example.com")
    assert run.exit_code == 0, run.log
    assert account.emails("Everybody") == ["ada@example.com", "grace@example.com"]


@proves(promises.CONTACT_LIMIT)
@pytest.mark.parametrize("place", ["errors_file", "refusal", "job_property"])
def test_the_contact_limit_of_the_plan_ends_the_run_and_rejects_nobody(account: Account, place: str) -> None:
    account.sandbox.set_options(contact_quota=10, contact_limit_in=place)
    run = account.load(*(f"p{number}@example.com" for number in range(30)), batch_size_rows=8)
    assert promises.CONTACT_LIMIT.is_kept_by(run), run
    assert account.rejected() == []


@proves(promises.LASTING_FAILURE)
@pytest.mark.parametrize(
    ("where", "least", "most"), [(PUT, 300, 305), (POLL, 300, 305), ({"path": "/v3/scopes"}, 20, 20)], ids=str
)
def test_a_lasting_failure_ends_the_run(account: Account, where: dict[str, str], least: float, most: float) -> None:
    account.sandbox.add_fault("html_error", **where, status=503, times=None)
    run = account.load("ada@example.com")
    assert promises.LASTING_FAILURE.is_kept_by(run), run
    assert least <= run.report["seconds"] <= most
    assert len(account.sandbox.requests()) <= 30
    assert account.rejected() == []


@proves(promises.TOO_LARGE)
@pytest.mark.parametrize("is_html", [False, True])
def test_a_request_that_is_too_large_is_halved_and_later_ones_are_smaller(account: Account, *, is_html: bool) -> None:
    account.sandbox.set_options(max_body_bytes=15_000, body_too_large_html=is_html)
    emails = [f"person.{number:04}@example.com" for number in range(6_000)]
    run = account.load(*emails, batch_size_rows=1_000)
    assert promises.TOO_LARGE.is_kept_by(run), run
    assert account.emails("Everybody") == emails
    assert account.puts().count(413) <= 4


@proves(promises.TOO_LARGE)
def test_an_error_message_about_the_size_halves_the_request(account: Account) -> None:
    message = "rpc error: received message larger than max (5021938 vs. 4194304)"
    account.sandbox.add_fault("status", **PUT, status=400, body={"errors": [{"message": message}]})
    emails = [f"person.{number:04}@example.com" for number in range(1_000)]
    run = account.load(*emails)
    assert promises.TOO_LARGE.is_kept_by(run), run
    assert account.emails("Everybody") == emails
    assert account.puts() == [400, 202, 202, 202, 202]


@proves(promises.TOO_LARGE)
def test_after_a_while_larger_requests_are_tried_again(account: Account) -> None:
    account.sandbox.add_fault("html_error", **PUT, status=413, times=2)
    account.sandbox.set_options(keep_bodies=True)
    emails = [f"person.{number:05}@example.com" for number in range(20_000)]
    run = account.load(*emails, batch_size_bytes=60_000)
    assert promises.TOO_LARGE.is_kept_by(run), run
    assert account.emails("Everybody") == emails
    sizes = [len(entry["body"]) for entry in account.sandbox.requests() if entry["status"] == 202]
    assert max(sizes[:8]) <= 30_000
    assert max(sizes[-5:]) > 50_000


@proves(promises.SMALL_TOO_LARGE)
@pytest.mark.parametrize("people", [1, 2])
def test_a_small_request_is_not_at_fault_when_it_is_refused_for_its_size(account: Account, people: int) -> None:
    account.sandbox.add_fault("html_error", **PUT, status=413, times=None)
    run = account.load(*(f"p{number}@example.com" for number in range(people)))
    assert promises.SMALL_TOO_LARGE.is_kept_by(run), run
    assert account.rejected() == []
    assert 60 <= run.report["seconds"] <= 65


@proves(promises.RATE_LIMITED)
@pytest.mark.parametrize(
    ("fault", "seconds"),
    [
        ({"kind": "rate_limited", "seconds": 41, "reset": "seconds"}, 41 * 10),
        ({"kind": "rate_limited", "seconds": 41, "reset": "epoch"}, 41 * 10),
        ({"kind": "rate_limited", "with_headers": False}, 0.25 + 0.5 + 1 + 2 + 4 + 8 + 15 * 4),
        ({"kind": "status", "status": 429, "headers": {"Retry-After": "50", "x-ratelimit-reset": "1"}}, 50 * 10),
    ],
    ids=str,
)
def test_a_rate_limit_is_waited_out_and_rejects_no_record(
    account: Account, fault: dict[str, Any], seconds: float
) -> None:
    account.sandbox.add_fault(**PUT, **fault, times=10)
    run = account.load("ada@example.com")
    assert promises.RATE_LIMITED.is_kept_by(run), run
    assert account.puts() == [429] * 10 + [202]
    assert seconds <= run.report["seconds"] <= seconds * 2 + 12
