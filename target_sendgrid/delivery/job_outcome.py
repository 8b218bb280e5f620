"""What a refused request or a finished job says about its contacts: who is at fault, and whether the others are in."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from target_sendgrid.wording import counted

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from target_sendgrid.sendgrid.client import JobStatus

FEW_CONTACTS = 10
"""A request of so many contacts at most may well hold nothing but bad ones."""


class JobOutcome(NamedTuple):
    """What a finished job says.

    Attributes:
        at_fault: SendGrid's reasons for the contacts that are at fault, by identity.
        problem: Why nothing is known about the others, to follow the name of the job; empty where they are in.
        is_other_job: Whether it is not the job of the request, and says nothing about any contact.
    """

    at_fault: Mapping[str, str]
    problem: str
    is_other_job: bool = False


def at_fault(named: Mapping[str, str], named_before: Collection[str], sent_count: int) -> dict[str, str]:
    """Return those of the contacts named by SendGrid that are at fault.

    An answer that names most contacts of a request that is not small says more about the request, or the account, than
    about them. Those who are named again when they are sent once more are at fault after all.

    Args:
        named: SendGrid's reasons, by identity.
        named_before: Who was named when these contacts were sent before.
        sent_count: Number of contacts in the request.
    """
    if sent_count <= FEW_CONTACTS or len(named) * 2 <= sent_count:
        return dict(named)
    return _named_again(named, named_before)


def without(
    status: JobStatus, named: Mapping[str, str], completed: Collection[str]
) -> tuple[JobStatus, dict[str, str]]:
    """Return what a finished job says about all others than some of those whom its errors file names.

    Args:
        status: Its status.
        named: The reasons in its errors file, by identity.
        completed: Who is left out.
    """
    rest = {identity: reason for identity, reason in named.items() if identity not in completed}
    errored_count = None if status.errored_count is None else status.errored_count - len(completed)
    if status.status == "errored" and errored_count == 0:
        return status._replace(status="completed", errored_count=0, errors_url=None), rest
    return status._replace(errored_count=errored_count), rest


def read_outcome(
    status: JobStatus, named: Mapping[str, str], named_before: Collection[str], sent_count: int
) -> JobOutcome:
    """Return what a finished job says.

    Args:
        status: Its status.
        named: The reasons in its errors file, by identity.
        named_before: Who was named when these contacts were sent before.
        sent_count: Number of contacts in the request.
    """
    if status.status == "failed":
        # Not even the people named are at fault yet: jobs have failed without a reason and succeeded the next time.
        return JobOutcome(_named_again(named, named_before), "failed")
    if status.requested_count not in (None, sent_count):
        was_for = counted(status.requested_count or 0, "contact")
        return JobOutcome({}, f"was for {was_for}, not for the {sent_count:,} that were sent", is_other_job=True)
    if status.status == "completed" and not status.errored_count and not status.errors_url and not named:
        return JobOutcome({}, "")
    if not named or len(named) != status.errored_count:
        count = status.errored_count
        errors = "an unknown number of errors" if count is None else counted(count, "error")
        problem = f"ended '{status.status}' with {errors}, and its errors file names {len(named):,}"
        return JobOutcome(_named_again(named, named_before), problem)
    to_reject = at_fault(named, named_before, sent_count)
    if len(to_reject) < len(named):
        return JobOutcome(
            to_reject, f"ended '{status.status}' with errors for {len(named):,} of {sent_count:,} contacts"
        )
    return JobOutcome(to_reject, "")


def _named_again(named: Mapping[str, str], named_before: Collection[str]) -> dict[str, str]:
    return {identity: reason for identity, reason in named.items() if identity in named_before}
