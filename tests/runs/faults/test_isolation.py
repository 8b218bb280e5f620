"""Who is at fault where SendGrid refuses contacts without naming them: contacts, requests and the account itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.harness.endpoints import POLL, PUT
from tests.harness.messages import record, schema, state
from tests.runs.faults import promises
from tests.runs.faults.promises import proves

if TYPE_CHECKING:
    from tests.harness.account import Account

MEANINGLESS: list[Any] = [
    {}, [], {"errors": None}, {"errors": [{"message": None}]},
    *({"errors": [{"field": "", "message": message}]} for message in ("invalid JSON", "invalid input")),
]  # fmt: skip


def people(count: int, name: str = "p") -> list[str]:
    return [f"{name}{number}@example.com" for number in range(count)]


@proves(promises.NO_CONTACT_NAMED)
@pytest.mark.parametrize("status", [400, 422])
@pytest.mark.parametrize("body", MEANINGLESS, ids=str)
def test_a_contact_that_is_refused_alone_and_again_is_rejected(account: Account, body: object, status: int) -> None:
    account.sandbox.add_fault("status", **PUT, contacts=["p1@example.com"], status=status, body=body, times=None)
    run = account.load(*people(3))
    assert promises.NO_CONTACT_NAMED.is_kept_by(run), run
    assert account.rejected_lines() == [3]
    assert account.emails("Everybody") == ["p0@example.com", "p2@example.com"]


@pytest.mark.parametrize("times", [1, 2, 5, 12])
def test_nobody_is_rejected_when_the_refusals_end(account: Account, times: int) -> None:
    account.sandbox.add_fault("status", **PUT, status=400, body={}, skip=1, times=times)
    run = account.send([record(email=email) for email in people(20)], batch_size_rows=5)
    assert account.rejected() == []
    assert "Internal error" not in run.log
    if run.exit_code == 0:
        assert sorted(account.emails("Everybody")) == sorted(people(20))
    account.load(*people(20))
    assert sorted(account.emails("Everybody")) == sorted(people(20))


@proves(promises.EVERYTHING_REFUSED)
@pytest.mark.parametrize(("settled", "puts"), [(0, 2 + 10), (1, 1 + 2 + 1)])
@pytest.mark.parametrize("names", ["nobody", "everybody"])
def test_a_full_batch_that_the_account_refuses_takes_few_requests_and_rejects_nobody(
    account: Account, settled: int, puts: int, names: str
) -> None:
    account.sandbox.add_fault("refusal", **PUT, names=names, times=None, skip=settled)
    run = account.load(*people(30_000 * (settled + 1)))
    assert account.rejected() == []
    assert promises.EVERYTHING_REFUSED.is_kept_by(run), run
    assert len(account.puts()) == puts


@proves(promises.NO_CONTACT_NAMED)
@pytest.mark.parametrize("where", ["first", "last"])
@pytest.mark.parametrize("count", [1, 12])
def test_bad_neighbours_in_the_first_or_last_request_do_not_stop_the_run(
    account: Account, where: str, count: int
) -> None:
    account.sandbox.set_options(refusal_names="nobody")
    bad = [f"bad{number}@nowhere" for number in range(count)]
    good = people(88)
    run = account.load(*(bad + good if where == "first" else good + bad), batch_size_rows=len(good))
    assert promises.NO_CONTACT_NAMED.is_kept_by(run), run
    assert len(account.rejected()) == count
    assert sorted(account.emails("Everybody")) == sorted(good)
    assert len(account.puts()) <= 100


def test_every_fifth_contact_is_found_among_a_thousand(account: Account) -> None:
    account.sandbox.set_options(refusal_names="nobody")
    emails = [f"bad{number}@nowhere" if number % 5 == 0 else f"p{number}@example.com" for number in range(1_000)]
    run = account.load(*emails)
    assert run.exit_code == 0, run.log
    assert len(account.rejected()) == 200
    assert len(account.emails("Everybody")) == 800
    assert len(account.puts()) <= 2_200


@proves(promises.EVERYBODY_NAMED)
def test_contacts_are_rejected_when_most_of_a_request_are_named_again(account: Account) -> None:
    bad = [f"bad{number}@nowhere" for number in range(60)]
    run = account.load(*people(40), *bad)
    assert promises.EVERYBODY_NAMED.is_kept_by(run), run
    assert len(account.rejected()) == 60
    assert account.emails("Everybody") == sorted(people(40))


@proves(promises.EVERYBODY_NAMED)
def test_a_refusal_that_names_everybody_once_rejects_nobody(account: Account) -> None:
    account.sandbox.add_fault("refusal", **PUT, names="everybody")
    run = account.load(*people(40), "bad@nowhere")
    assert promises.EVERYBODY_NAMED.is_kept_by(run), run
    assert len(account.rejected()) == 1
    assert account.emails("Everybody") == sorted(people(40))


def test_refusals_that_name_one_contact_each_are_not_believed_without_a_limit(account: Account) -> None:
    body = {"errors": [{"field": "contacts[0].email", "message": "internal problem"}]}
    account.sandbox.add_fault("status", **PUT, status=400, body=body, times=None)
    run = account.load(*people(1_000))
    assert run.exit_code == 1
    assert len(account.rejected()) <= 25
    assert len(account.puts()) <= 40


@proves(promises.ONE_REQUEST_FAILS)
@pytest.mark.parametrize("fault", [{"kind": "status", "status": 500}, {"kind": "reset"}], ids=str)
@pytest.mark.parametrize("where", [0, 50, 99])
def test_a_contact_at_which_sendgrid_fails_is_rejected_alone_while_others_are_accepted(
    account: Account, where: int, fault: dict[str, Any]
) -> None:
    account.sandbox.add_fault(**fault, **PUT, contacts=[f"p{where}@example.com"], times=None)
    run = account.load(*people(100), batch_size_rows=20)
    assert promises.ONE_REQUEST_FAILS.is_kept_by(run), run
    assert account.rejected_lines() == [where + 2]
    assert len(account.emails("Everybody")) == 99
    assert run.report["seconds"] <= 720


def test_a_contact_at_which_sendgrid_fails_in_the_only_request_is_rejected_alone(account: Account) -> None:
    account.sandbox.add_fault("status", **PUT, contacts=["p37@example.com"], status=503, times=None)
    run = account.load(*people(100))
    assert promises.ONE_REQUEST_FAILS.is_kept_by(run), run
    assert account.rejected_lines() == [39]
    assert len(account.emails("Everybody")) == 99
    assert 600 <= run.report["seconds"] <= 720


@proves(promises.LASTING_FAILURE)
def test_jobs_under_way_are_polled_after_sending_has_failed_for_good(account: Account) -> None:
    account.sandbox.set_options(job_counts_after_seconds=350.0, job_final_after_seconds=400.0)
    account.sandbox.add_fault("html_error", **PUT, status=503, skip=1, times=None)
    run = account.send(
        [record(email="ada@example.com"), state(1), record(email="grace@example.com")], batch_size_rows=1
    )
    assert promises.LASTING_FAILURE.is_kept_by(run), run
    assert run.states == ['{"n": 1}']
    assert 400 <= run.report["seconds"] <= 430


@proves(promises.LASTING_FAILURE)
def test_jobs_that_do_not_end_are_not_waited_for_long_after_sending_has_failed(account: Account) -> None:
    account.sandbox.add_fault("job_stuck", times=None)
    account.sandbox.add_fault("html_error", **PUT, status=503, skip=1, times=None)
    run = account.send(
        [record(email="ada@example.com"), state(1), record(email="grace@example.com")], batch_size_rows=1
    )
    assert promises.LASTING_FAILURE.is_kept_by(run), run
    assert run.states == []
    assert 600 <= run.report["seconds"] <= 610


def test_jobs_are_polled_between_the_tries_of_a_request(account: Account) -> None:
    account.sandbox.set_options(job_counts_after_seconds=10.0, job_final_after_seconds=20.0)
    account.sandbox.add_fault("html_error", **PUT, status=503, skip=1, times=9)
    messages = [record(email="ada@example.com"), state(1), record(email="grace@example.com"), state(2)]
    run = account.send([*messages, *[state(3)] * 50], batch_size_rows=1, steps_at_states=True)
    assert run.exit_code == 0, run.log
    refused = [place for place, entry in enumerate(account.sandbox.requests()) if entry["status"] == 503]
    polls = [place for place, entry in enumerate(account.sandbox.requests()) if "/imports/" in entry["path"]]
    assert any(min(refused) < place < max(refused) for place in polls)
    assert run.states[0] == '{"n": 1}'


@pytest.mark.parametrize("fault", [{"kind": "status", "status": 500}, {"kind": "refusal", "names": "nobody"}], ids=str)
@pytest.mark.parametrize("batch_size_rows", [7, 100])
def test_a_run_with_one_bad_contact_succeeds_without_a_second_run(
    account: Account, fault: dict[str, Any], batch_size_rows: int
) -> None:
    account.sandbox.add_fault(**fault, **PUT, contacts=["p37@example.com"], times=None)
    run = account.load(*people(100), batch_size_rows=batch_size_rows)
    assert run.exit_code == 0
    assert run.states == ['{"n": 9}']
    assert account.rejected_lines() == [39]


@proves(promises.UNTRACKED_JOB)
@pytest.mark.parametrize("kind", ["cut_after", "truncate", "no_job_id"])
def test_a_newer_value_waits_until_no_untracked_job_can_bring_the_old_one_back(account: Account, kind: str) -> None:
    account.sandbox.add_fault(kind, **PUT, late_seconds=100.0)
    messages = [
        record(email="ada@example.com", first_name="Old"),
        state(1),
        record(email="grace@example.com", first_name="Grace"),
        record(email="ada@example.com", first_name="New"),
    ]
    run = account.send(messages, batch_size_rows=1)
    assert promises.UNTRACKED_JOB.is_kept_by(run), run
    account.sandbox.settle()
    assert [contact["first_name"] for contact in account.sandbox.contacts()] == ["New", "Grace"]
    assert run.states == ['{"n": 1}', '{"n": 9}']
    assert 120 <= run.report["seconds"] <= 130


def test_an_untracked_job_costs_no_time_where_nobody_has_newer_values(account: Account) -> None:
    account.sandbox.add_fault("cut_after", **PUT, late_seconds=100.0)
    run = account.load("ada@example.com", "grace@example.com", batch_size_rows=1)
    assert run.exit_code == 0, run.log
    assert run.report["seconds"] <= 5


def test_jobs_in_a_row_that_name_everybody_in_them_reject_few_people_and_stop_the_run(account: Account) -> None:
    account.sandbox.add_fault("job_errored_rows", first=10, reason="internal error", times=None, skip=80)
    run = account.load(*people(1_000), batch_size_rows=10, max_rejected_percent=7)
    assert run.exit_code == 1, run.log
    assert len(account.rejected()) <= 10


def test_refusals_in_a_row_that_name_everybody_in_them_reject_few_people(account: Account) -> None:
    account.sandbox.add_fault("refusal", **PUT, names="everybody", times=11, skip=50)
    run = account.load(*people(1_000), batch_size_rows=10, max_rejected_percent=5)
    assert run.exit_code == 0, run.log
    assert len(account.rejected()) <= 10
    assert len(account.emails("Everybody")) >= 990


NOTES = [f"note{number}" for number in range(15)]


def test_a_contact_larger_than_the_lowered_byte_limit_is_tried(account: Account) -> None:
    """A window of 413 lowers the limit. A later contact of 14 kB is larger than that, and not than requests may be."""
    account.sandbox.add_fault("status", **PUT, status=413, body={}, times=6)
    messages = [
        schema("large", email="string", **dict.fromkeys(NOTES, "string")),
        *(record(email=email) for email in people(2_000)),
        *[state(1)] * 200,
        record("large", email="large@example.com", **dict.fromkeys(NOTES, "x" * 900)),
    ]
    large = {"field_mapping": {name: name for name in ("email", *NOTES)}}
    settings: dict[str, Any] = {"create_custom_fields": True, "streams": {"large": large}}
    run = account.send(messages, batch_size_rows=2_000, steps_at_states=True, **settings)
    assert run.exit_code == 0, run.log
    assert account.rejected() == []
    assert "large@example.com" in account.emails("Everybody")


@pytest.mark.parametrize("where", ["errors file", "request", "job"])
def test_a_contact_whose_value_is_about_a_contact_limit_does_not_stop_the_run(account: Account, where: str) -> None:
    value, text = "contact limit", "value=contact limit is bad"
    about: dict[str, Any] = {"contacts": ["p3@example.com"], "times": None}
    if where == "errors file":
        account.sandbox.add_fault("job_errored_rows", emails=["p3@example.com"], reason=text, **about)
    elif where == "request":
        account.sandbox.add_fault("status", **PUT, status=400, body={"errors": [{"message": text}]}, **about)
    else:
        account.sandbox.add_fault("job_failed", **about)
        body = {"id": "x", "status": "failed", "results": {}, "words": text}
        account.sandbox.add_fault("status", **POLL, status=200, body=body)
    run = account.send(
        [record(email=email, first_name=value if email.startswith("p3@") else "Zoë") for email in people(20)]
    )
    assert run.exit_code == 0, run.log
    assert account.rejected_lines() == [5]


@pytest.mark.parametrize(
    "text",
    [
        'Your plan "Basic 50" has hit its contact limit. Upgrade to "Advanced".',
        "you have reached your contact limits",
        "you have hit your contact-limit",
        '"you have hit your contact limit"',
        "You have reached the limit of contacts",
    ],
)
def test_the_contact_limit_is_recognised_in_any_spelling(account: Account, text: str) -> None:
    account.sandbox.add_fault("job_errored_rows", first=5, reason=text, times=None)
    run = account.load(*people(20))
    assert promises.CONTACT_LIMIT.is_kept_by(run), run
    assert account.rejected() == []
