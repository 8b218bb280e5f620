"""Import jobs against a SendGrid whose clock the tests drive: nothing here waits for real time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from target_sendgrid.batching import Batcher
from target_sendgrid.client import Client
from target_sendgrid.contact import Origin
from target_sendgrid.errors import (
    ConfigError,
    ContactLimitError,
    ForbiddenError,
    JobFailedError,
    Reason,
    UnauthorizedError,
    UnreachableError,
)
from target_sendgrid.jobs import Courier, Outcome
from target_sendgrid.sandbox.options import Options
from target_sendgrid.sandbox.server import SandboxServer
from tests.support import SandboxClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from target_sendgrid import contact

UPSERT = {"method": "PUT", "path": "/v3/marketing/contacts"}
INVALID_INPUT = {"errors": [{"field": "", "message": "invalid input"}]}
OPTIONS = Options(field_ready_after_seconds=0.0, rate_limit_enabled=False)


class Desk:
    """A courier with its sandbox, and what came of its batches."""

    def __init__(self, sandbox: SandboxServer, **options: Any) -> None:
        self.sandbox = sandbox
        self.clock = SandboxClock(sandbox)
        self.client = Client(sandbox.url, sandbox.api_key, clock=self.clock, timeout_seconds=5)
        self.list_id = self.client.create_list("Everybody").id
        self.outcomes: list[Outcome] = []
        self.courier = Courier(
            self.client,
            self.clock,
            field_name=lambda field_id: self.client.field_catalogue().name_of(field_id),
            job_timeout_seconds=options.get("job_timeout_seconds", 3600),
            report=self.outcomes.append,
        )

    def deliver(self, *emails: str) -> Outcome:
        """Deliver a batch of contacts, driving the clock, until it is settled."""
        batcher = Batcher(30_000, 3_500_000)
        for line, email in enumerate(emails, 1):
            person: contact.Contact = {"email": email, "first_name": f"Name {line}"}
            batcher.add(email, person, self.list_id, Origin("people", line), 0.0)
        batch = batcher.seal((self.list_id,), 0.0)
        assert batch is not None
        self.courier.accept(batch)
        while (wait := self.courier.step()) is not None:
            if wait:
                self.clock.sleep(wait)
        assert len(self.outcomes) == 1
        return self.outcomes.pop()

    def stored(self) -> list[str]:
        return sorted(str(found["email"]) for found in self.sandbox.contacts())

    def puts(self) -> int:
        return sum(1 for request in self.sandbox.requests() if request["method"] == "PUT")


@pytest.fixture(scope="module")
def server() -> Iterator[SandboxServer]:
    with SandboxServer(options=OPTIONS, manual_clock=True) as sandbox:
        yield sandbox


@pytest.fixture
def make_desk(server: SandboxServer) -> Iterator[Callable[..., Desk]]:
    desks: list[Desk] = []

    def make(**options: Any) -> Desk:
        server.reset()
        desks.append(Desk(server, **options))
        return desks[-1]

    yield make
    for desk in desks:
        desk.client.close()
    assert not server.violations()


@pytest.fixture
def desk(make_desk: Callable[..., Desk]) -> Desk:
    return make_desk()


def test_a_batch_is_settled_when_its_job_has_completed(desk: Desk) -> None:
    outcome = desk.deliver("ada@example.com", "grace@example.com")
    assert outcome.rejected == {}
    assert desk.stored() == ["ada@example.com", "grace@example.com"]
    assert desk.clock.slept_seconds >= 60


def test_polls_grow_apart(desk: Desk) -> None:
    desk.deliver("ada@example.com")
    polls = [request for request in desk.sandbox.requests() if "/imports/" in request["path"]]
    assert len(polls) <= 8


def test_an_accepted_request_is_not_yet_success(desk: Desk) -> None:
    desk.sandbox.add_fault("job_stuck", times=None)
    with pytest.raises(JobFailedError, match="still pending after 3600 s"):
        desk.deliver("ada@example.com")


def test_contacts_that_a_refusal_names_are_rejected_and_the_others_sent(desk: Desk) -> None:
    outcome = desk.deliver("ada@example.com", "no-dot@nowhere", "grace@example.com", "also@bad")
    assert {identity: found.reason for identity, found in outcome.rejected.items()} == {
        "no-dot@nowhere": Reason.REFUSED_BY_SENDGRID,
        "also@bad": Reason.REFUSED_BY_SENDGRID,
    }
    assert desk.stored() == ["ada@example.com", "grace@example.com"]
    assert desk.puts() == 2


def test_a_refusal_that_names_nobody_is_bisected(desk: Desk) -> None:
    desk.sandbox.add_fault("status", **UPSERT, status=400, body=INVALID_INPUT, times=1)
    outcome = desk.deliver(*[f"p{number}@example.com" for number in range(9)])
    assert outcome.rejected == {}
    assert len(desk.stored()) == 9
    assert desk.puts() == 3


def test_a_single_contact_that_is_always_refused_is_rejected(desk: Desk) -> None:
    desk.sandbox.add_fault("status", **UPSERT, status=400, body=INVALID_INPUT, times=None)
    outcome = desk.deliver("ada@example.com")
    assert [found.reason for found in outcome.rejected.values()] == [Reason.REFUSED_BY_SENDGRID]


def test_a_request_that_is_too_large_is_halved_and_its_size_remembered(desk: Desk) -> None:
    desk.sandbox.add_fault("html_error", **UPSERT, status=413, times=1)
    outcome = desk.deliver("ada@example.com", "grace@example.com")
    assert outcome.rejected == {}
    assert outcome.refused_bytes
    assert len(desk.stored()) == 2


def test_contacts_that_the_errors_file_names_are_rejected(desk: Desk) -> None:
    desk.sandbox.add_fault("job_errored_rows", emails=["grace@example.com"])
    outcome = desk.deliver("ada@example.com", "grace@example.com")
    assert {identity: found.reason for identity, found in outcome.rejected.items()} == {
        "grace@example.com": Reason.FAILED_IN_JOB
    }
    assert desk.stored() == ["ada@example.com"]


@pytest.mark.parametrize("mode", ["missing", "garbage", "expired"])
def test_an_errors_file_that_cannot_be_read_makes_every_contact_be_looked_up(desk: Desk, mode: str) -> None:
    desk.sandbox.add_fault("job_errored_rows", emails=["grace@example.com"], mode=mode)
    outcome = desk.deliver("ada@example.com", "grace@example.com")
    assert {identity: found.reason for identity, found in outcome.rejected.items()} == {
        "grace@example.com": Reason.NOT_STORED
    }


def test_a_job_that_fails_without_a_reason_is_sent_again(desk: Desk) -> None:
    desk.sandbox.add_fault("job_failed", times=2)
    outcome = desk.deliver("ada@example.com", "grace@example.com")
    assert outcome.rejected == {}
    assert outcome.job_count == 3
    assert len(desk.stored()) == 2


def test_a_job_that_always_fails_is_taken_apart_and_its_contacts_rejected(desk: Desk) -> None:
    desk.sandbox.add_fault("job_failed", times=None)
    outcome = desk.deliver("ada@example.com", "grace@example.com")
    assert [found.reason for found in outcome.rejected.values()] == [Reason.FAILED_IN_JOB] * 2


def test_a_lost_job_is_sent_again(desk: Desk) -> None:
    desk.sandbox.add_fault("job_lost", times=1)
    outcome = desk.deliver("ada@example.com")
    assert outcome.rejected == {}
    assert outcome.job_count == 2
    assert desk.stored() == ["ada@example.com"]


def test_a_full_account_ends_the_run_and_says_so(desk: Desk) -> None:
    desk.sandbox.set_options(contact_quota=1)
    with pytest.raises(ContactLimitError, match="contact limit of its plan"):
        desk.deliver("ada@example.com", "grace@example.com")


def test_a_list_that_is_deleted_while_the_run_goes_on_ends_it(desk: Desk) -> None:
    desk.list_id = "00000000-0000-4000-8000-000000000000"
    with pytest.raises(ConfigError, match="list was deleted"):
        desk.deliver("ada@example.com")


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 503, "body": {}},
        {"kind": "html_error", "status": 502},
        {"kind": "reset"},
        {"kind": "cut_after"},
        {"kind": "truncate"},
        {"kind": "no_job_id"},
        {"kind": "rate_limited"},
    ],
)
def test_a_passing_fault_is_borne(desk: Desk, fault: dict[str, Any]) -> None:
    desk.sandbox.add_fault(**UPSERT, **fault, times=2)
    outcome = desk.deliver("ada@example.com")
    assert outcome.rejected == {}
    assert desk.stored() == ["ada@example.com"]


def test_a_fault_that_does_not_pass_ends_the_run(desk: Desk) -> None:
    desk.sandbox.add_fault("html_error", **UPSERT, status=503, times=None)
    with pytest.raises(UnreachableError, match="could not be reached to write contacts"):
        desk.deliver("ada@example.com")


@pytest.mark.parametrize(("status", "error"), [(401, UnauthorizedError), (403, ForbiddenError)])
def test_a_key_that_is_refused_ends_the_run_at_once(desk: Desk, status: int, error: type[Exception]) -> None:
    desk.sandbox.add_fault("status", **UPSERT, status=status, body={}, times=None)
    with pytest.raises(error):
        desk.deliver("ada@example.com")
    assert desk.puts() == 1
