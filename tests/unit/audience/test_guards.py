from __future__ import annotations

from typing import Any

import msgspec
import pytest

from target_sendgrid.audience.guards import ListFacts, StreamFacts, allowed_removals, objection, size_objection

GOOD_STREAM = StreamFacts(name="people", record_count=1)
GOOD = ListFacts(label="'News'", streams=[GOOD_STREAM])
NOBODY = "Nobody is taken off the list 'News': "


def with_stream(**changes: Any) -> ListFacts:
    return ListFacts(label="'News'", streams=[msgspec.structs.replace(GOOD_STREAM, **changes)])


def test_a_whole_run_allows_removals() -> None:
    assert objection(GOOD) is None


@pytest.mark.parametrize(
    ("facts", "reason", "next_step"),
    [
        ({"is_cap_reached": True}, "the run has reached `profile_cap`", "Raise `profile_cap`"),
        ({"is_account_full": True}, "the account has reached `account_contact_limit`", "Raise `account_contact_limit`"),
    ],
)
def test_a_run_that_has_not_done_everything_takes_nobody_off(
    facts: dict[str, Any], reason: str, next_step: str
) -> None:
    problem = objection(msgspec.structs.replace(GOOD, **facts))
    assert problem is not None
    assert problem.what.startswith(NOBODY + reason)
    assert problem.next_step.startswith(next_step)


STREAM_GUARDS = [
    ({"has_come": False, "record_count": 0}, "never came, and it is configured for the list", "Have the tap send it"),
    ({"record_count": 0}, "has no record", "Look at the tap."),
    ({"is_over_rejection_limit": True}, "has more rejected records than `max_rejected_percent`", "Correct the records"),
    ({"has_final_state": False}, "has no STATE after its last record", "Look at the tap's log, and run again."),
    ({"position": "`lsn`"}, "has a replication position in its state (`lsn`)", "Have the tap read the stream as FULL"),
]


@pytest.mark.parametrize(("facts", "reason", "next_step"), STREAM_GUARDS)
@pytest.mark.parametrize("others", [[], [GOOD_STREAM]])
def test_a_stream_that_may_lack_people_takes_nobody_off(
    facts: dict[str, Any], reason: str, next_step: str, others: list[StreamFacts]
) -> None:
    bad = msgspec.structs.replace(GOOD_STREAM, name="buyers", **facts)
    problem = objection(ListFacts(label="'News'", streams=[*others, bad]))
    assert problem is not None
    assert problem.what.startswith(f"{NOBODY}stream 'buyers' {reason}")
    assert problem.what.endswith(" What was sent is on it.")
    assert problem.next_step.startswith(next_step)


def test_invisible_characters_in_the_name_of_a_stream_are_escaped() -> None:
    assert "stream 'peo\\u202eple' " in str(objection(with_stream(name="peo\u202eple", record_count=0)))


@pytest.mark.parametrize(
    ("count", "list_size", "max_removals", "is_allowed"),
    [
        (0, 0, None, True),
        (10, 10, None, True),
        (11, 11, None, False),
        (11, 109, None, False),
        (11, 110, None, True),
        (500, 5_000, None, True),
        (501, 5_000, None, False),
        (501, 5_009, None, False),
        (0, 5_000, 0, True),
        (1, 5_000, 0, False),
        (5, 5_000, 5, True),
        (6, 5_000, 5, False),
        (5_000, 5_000, 5_000, True),
        (5_000, 5_000, 4_999, False),
    ],
)
def test_removals_are_allowed_up_to_a_number(
    count: int, list_size: int, max_removals: int | None, *, is_allowed: bool
) -> None:
    facts = with_stream(max_removals=max_removals)
    assert (size_objection(facts, count, list_size) is None) is is_allowed
    assert (count <= allowed_removals(facts, list_size)) is is_allowed


@pytest.mark.parametrize(
    ("max_removals", "limit"),
    [
        (None, "more than 10 and more than 10 % of the list is not taken off"),
        (0, "`max_removals` is 0, which forbids it"),
        (20, "`max_removals` is 20, and it is all or nobody"),
    ],
)
def test_the_sentence_names_number_size_stream_and_setting(max_removals: int | None, limit: str) -> None:
    problem = size_objection(with_stream(max_removals=max_removals), 1_200, 5_000)
    assert problem is not None
    assert problem.what == (
        f"{NOBODY}1,200 of its 5,000 members were not in stream 'people', and {limit}. What was sent is on it."
    )
    assert problem.next_step == (
        'If they have left the source, allow it: `streams: {"people": {"max_removals": 1200}}` for stream \'people\'.'
        " If not, see why the stream lacks them, and run again."
    )


def test_one_member_is_one() -> None:
    problem = size_objection(with_stream(max_removals=0), 1, 1)
    assert problem is not None
    assert problem.what.startswith(f"{NOBODY}1 of its 1 member was not in stream 'people', and ")


@pytest.mark.parametrize(("people", "buyers", "stream"), [(None, 3, "buyers"), (100, None, "buyers"), (3, 4, "people")])
def test_each_stream_of_a_list_must_allow_the_number(people: int | None, buyers: int | None, stream: str) -> None:
    streams = [
        StreamFacts(name="people", record_count=1, max_removals=people),
        StreamFacts(name="buyers", record_count=1, max_removals=buyers),
    ]
    problem = size_objection(ListFacts(label="'News'", streams=streams), 50, 100)
    assert problem is not None
    assert "were not in stream 'people' or 'buyers'" in problem.what
    assert f"for stream '{stream}'" in problem.next_step
