"""The guards of a mirror: whether it may take off a list who was not in the run, decided from facts alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from target_sendgrid.errors import Problem
from target_sendgrid.wording import as_json, counted, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

FEW = 10
"""So many removals are always allowed, unless `max_removals` says something else."""

MAX_PERCENT = 10
"""Most removals in percent of the list, unless `max_removals` says something else."""

_FULL_TABLE = (
    "Have the tap read the stream as FULL_TABLE, and run once without its old state (with Meltano: set"
    " `replication-method: FULL_TABLE` in `metadata`, and run with `--full-refresh`)."
)


class StreamFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known, at the end of a run, about a stream that is mirrored to a list."""

    name: str
    """Name of the output stream, or its key in `streams` if it never came."""
    has_come: bool = True
    record_count: int
    """Number of its records for the list, whatever became of them, without rows that are deleted at the source."""
    unknown_count: int = 0
    """Number of its records that could not be read, so that nobody knows who they are about."""
    is_over_rejection_limit: bool = False
    """Whether too many of its records, or of those of the run, are rejected."""
    has_final_state: bool = True
    """Whether a STATE came after its last record."""
    position: str | None = None
    """What `replication_position` found in that STATE."""
    max_removals: int | None = None
    """Its setting `max_removals`."""


class ListFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known about a list and the run before the members of the list are read.

    The run has read its whole input, and has settled every record: otherwise no mirror acts.
    """

    label: str
    """Names the list in sentences, in quotes."""
    streams: Sequence[StreamFacts]
    """All streams that are configured for the list, at least one."""
    is_cap_reached: bool = False
    """Whether a person was over the cap."""
    is_account_full: bool = False
    """Whether a person was over the account's limit."""


def objection(facts: ListFacts) -> Problem | None:
    """Return why nobody may be taken off a list, whatever members it has; ``None`` if nothing is against it."""
    for reason, next_step in _run_reasons(facts):
        return withheld(facts, reason, next_step)
    for stream in facts.streams:
        for reason, next_step in _stream_reasons(stream):
            return withheld(facts, f"stream '{shown(stream.name)}' {reason}", next_step)
    return None


def size_objection(facts: ListFacts, count: int, list_size: int) -> Problem | None:
    """Return why so many members may not be taken off a list; ``None`` if they may.

    Args:
        facts: What is known about the list.
        count: Number of members that were not in the run.
        list_size: Number of all members.
    """
    if count <= allowed_removals(facts, list_size):
        return None
    stream = min(facts.streams, key=lambda stream: _allowed(stream, list_size))
    streams = " or ".join(f"'{shown(each.name)}'" for each in facts.streams)
    number = (
        f"{count:,} of its {counted(list_size, 'member')} {'was' if count == 1 else 'were'} not in stream {streams}"
    )
    if stream.max_removals is None:
        limit = f"more than {FEW} and more than {MAX_PERCENT} % of the list is not taken off"
    elif stream.max_removals == 0:
        limit = "`max_removals` is 0, which forbids it"
    else:
        limit = f"`max_removals` is {stream.max_removals}, and it is all or nobody"
    setting = as_json({stream.name: {"max_removals": count}})
    next_step = (
        f"If they have left the source, allow it: `streams: {setting}` for stream '{shown(stream.name)}'. If not, see"
        " why the stream lacks them, and run again."
    )
    return withheld(facts, f"{number}, and {limit}", next_step)


def allowed_removals(facts: ListFacts, list_size: int) -> int:
    """Return how many members may be taken off a list: the least that any of its streams allows."""
    return min(_allowed(stream, list_size) for stream in facts.streams)


def withheld(facts: ListFacts, reason: str, next_step: str) -> Problem:
    """Return the sentence for a mirror that may not act.

    Args:
        facts: What is known about the list.
        reason: Why, as a clause without a full stop.
        next_step: What to do next.
    """
    return Problem(f"Nobody is taken off the list {facts.label}: {reason}. What was sent is on it.", next_step)


def _allowed(stream: StreamFacts, list_size: int) -> int:
    if stream.max_removals is not None:
        return stream.max_removals
    return max(FEW, list_size * MAX_PERCENT // 100)


def _run_reasons(facts: ListFacts) -> list[tuple[str, str]]:
    """Return what of the run is against removals: reasons and next steps."""
    reasons = [
        (
            facts.is_cap_reached,
            "the run has reached `profile_cap`, so some people of the source were left out",
            "Raise `profile_cap` (0 means no cap), and run again.",
        ),
        (
            facts.is_account_full,
            "the account has reached `account_contact_limit`, so some people of the source were left out",
            "Raise `account_contact_limit` if the plan allows it, and run again.",
        ),
    ]
    return [(reason, next_step) for applies, reason, next_step in reasons if applies]


def _stream_reasons(stream: StreamFacts) -> list[tuple[str, str]]:
    """Return what of a stream is against removals: reasons, which follow its name, and next steps."""
    reasons = [
        (
            not stream.has_come,
            "never came, and it is configured for the list",
            "Have the tap send it, or, if it is gone for good, take it out of `streams`.",
        ),
        (
            stream.record_count == 0,
            "has no record, which is more likely a failure of the source than an empty one",
            "Look at the tap. To empty a list, take its members off in SendGrid.",
        ),
        (
            stream.unknown_count > 0,
            f"has {counted(stream.unknown_count, 'record')} that could not be read, so it is not known who is in them",
            "Look at the rejected records, correct them, and run again.",
        ),
        (
            stream.is_over_rejection_limit,
            "has more rejected records than `max_rejected_percent` allows",
            "Correct the records or the mapping, or raise `max_rejected_percent`, and run again.",
        ),
        (
            not stream.has_final_state,
            "has no STATE after its last record, so the tap may have died before the end",
            "Look at the tap's log, and run again. A tap that writes no STATE can't be mirrored.",
        ),
        (
            stream.position is not None,
            f"has a replication position in its state ({stream.position}), so the tap may have read only changes",
            _FULL_TABLE,
        ),
    ]
    return [(reason, next_step) for applies, reason, next_step in reasons if applies]
