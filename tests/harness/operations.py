"""Changes of one operation, which the job runner gets settled without a run around it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from target_sendgrid.delivery.batching import Batcher
from target_sendgrid.delivery.events import BatchResult
from target_sendgrid.delivery.job import Job
from target_sendgrid.delivery.job_runner import JobRunner
from target_sendgrid.delivery.pending import Change, Purpose
from target_sendgrid.origin import Origin
from target_sendgrid.sendgrid.contact import decode, encode, identity
from target_sendgrid.sendgrid.lists import ListTracker

if TYPE_CHECKING:
    from collections.abc import Iterable

    from target_sendgrid.clock import Clock
    from target_sendgrid.delivery.operation import Operation
    from target_sendgrid.delivery.pending import OperationKind
    from target_sendgrid.errors import Reason
    from target_sendgrid.sendgrid.client import Client

MOST_STEPS = 100_000


class Outcome(NamedTuple):
    """What became of all changes, by identity."""

    settled: list[str]
    """Who was carried out, where the kind keeps them."""
    rejected: dict[str, Reason]
    not_found: list[str]
    withheld: list[str]
    contacts: dict[str, dict[str, Any]]
    """The contacts of the settled changes."""
    messages: dict[str, str]
    """SendGrid's words about the rejected ones."""


def changes_of(
    kind: OperationKind, people: Iterable[dict[str, Any]], *, stream: str = "people", first_line: int = 1
) -> list[Change]:
    """Return a change for each person, given by what the encoded contact holds."""
    purpose = Purpose(kind, ())
    return [
        Change(purpose, identity(person) or f"address {person['addresses']}", encode(person), Origin(stream, line))
        for line, person in enumerate(people, first_line)
    ]


def job_with(*changes: Change) -> Job:
    """Return a job of changes with one purpose."""
    batcher = Batcher(lambda: 0.0)
    for change in changes:
        batcher.add(change)
    return Job.of(batcher.seal(changes[0].purpose))


def carry_out(operation: Operation, client: Client, clock: Clock, changes: Iterable[Change]) -> Outcome:
    """Have the job runner settle changes, in batches as large as their kind allows.

    Raises:
        SendGridError: The run would end.
    """
    tracker = ListTracker(client, lambda _: None, can_create=False)
    runner = JobRunner([operation], client, clock, list_tracker=tracker, job_timeout_seconds=3_600.0)
    runner.is_awaited = True
    batcher = Batcher(clock.monotonic)
    for change in changes:
        if batcher.add(change) and (purpose := batcher.next_full()) is not None:
            runner.accept(batcher.seal(purpose))
    for purpose in batcher.open_purposes():
        runner.accept(batcher.seal(purpose))
    for _ in range(MOST_STEPS):
        if (wait := runner.step()) is None:
            return _outcome([event for event in runner.take_events() if isinstance(event, BatchResult)])
        clock.sleep(wait)
    message = "it never ends"
    raise AssertionError(message)


def _outcome(results: list[BatchResult]) -> Outcome:
    settled = [change for result in results for change in result.settled]
    rejected = [one for result in results for one in result.rejected]
    return Outcome(
        [change.identity for change in settled],
        {change.identity: rejection.reason for change, rejection in rejected},
        [change.identity for result in results for change in result.not_found],
        [change.identity for result in results for change in result.withheld],
        {change.identity: decode(change.contact) for change in settled},
        {change.identity: rejection.sendgrid_message or "" for change, rejection in rejected},
    )
