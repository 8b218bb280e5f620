"""Rows that are deleted at the source take people off lists: what they need, and when nothing is done."""

from __future__ import annotations

import itertools
import json
import signal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from target_sendgrid.audience import intents
from tests.harness.messages import PEOPLE, record, schema, state
from tests.harness.removals import GONE, REMOVE, counts_of, deleted, members, on_list

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.harness.account import Account

KEYED = schema(id="integer", email={"type": "string"}, first_name="string", score={"type": "number"})
KEYED["key_properties"] = ["id"]
MAPPING = {"external_id": "id", "email": "email", "first_name": "first_name"}


# Deleted rows


def test_a_deleted_row_takes_the_person_off_the_list_and_the_contact_stays(account: Account) -> None:
    members(account, "a", "b", "c")
    run = account.run(PEOPLE, record(email="d@x.com"), deleted(email=" A@x.com"), deleted(email="n@x.com"), state(1))
    assert run.exit_code == 0, run.log
    assert on_list(account) == "bcd"
    assert len(account.emails()) == 4
    assert counts_of(run) == {"received": 3, "upserted": 1, "removed": 1, "not_found": 1}
    assert "1 upserted, 1 removed, 1 not found" in run.log
    assert run.report["import_jobs"] == 1
    assert run.states == ['{"n": 1}']


@pytest.mark.parametrize("own", [{"on_delete": "ignore"}, {"streams": {"people": {"on_delete": "ignore"}}}])
def test_deleted_rows_can_be_ignored(account: Account, own: dict[str, Any]) -> None:
    members(account, "a")
    run = account.run(PEOPLE, deleted(email="a@x.com"), state(1), **own)
    assert on_list(account) == "a"
    assert counts_of(run) == {"received": 1, "deleted_at_source": 1}
    assert account.count("POST", "/search/") == 0
    assert run.states == ['{"n": 1}']


@pytest.mark.parametrize(
    "own", [{}, {"validate_scope": "all"}, {"null_handling": "clear"}, {"stream_maps": {"people": {"more": "id"}}}]
)
def test_a_deleted_row_needs_its_identifier_alone(account: Account, own: dict[str, Any]) -> None:
    members(account, "a", external_id="1", first_name="Ada")
    members(account, "b", external_id="2", first_name="Bob")
    members(account, "c", external_id="3", first_name="Cy")
    rows = [
        deleted(id=1),
        deleted(id=2, email=None, first_name=None, score=None),
        deleted(id=3, email="no address", first_name=["x"], score="x"),
    ]
    run = account.run(KEYED, *rows, state(1), field_mapping=MAPPING, **own)
    assert run.exit_code == 0, run.log
    assert counts_of(run) == {"received": 3, "removed": 3}
    assert on_list(account) == ""
    assert [contact["first_name"] for contact in account.sandbox.contacts()] == ["Ada", "Bob", "Cy"]


@pytest.mark.parametrize("mode", ["upsert", "remove"])
def test_a_person_whose_address_has_changed_is_found_by_the_other_identifier(account: Account, mode: str) -> None:
    members(account, "a", external_id="1")
    members(account, "b", external_id="2")
    run = account.run(KEYED, deleted(id=1, email="new@x.com"), state(1), field_mapping=MAPPING, sync_mode=mode)
    assert run.exit_code == 0, run.log
    assert counts_of(run) == {"received": 1, "removed": 1}
    assert on_list(account) == "b"


@pytest.mark.parametrize("own", [{}, {"stream_maps": {"people": {"email": "email.lower()"}}}])
def test_deleted_rows_without_an_identifier_are_kept_and_do_not_count_for_the_limit(
    account: Account, own: dict[str, Any]
) -> None:
    rows = [deleted(id=number) for number in range(20)]
    run = account.run(KEYED, *rows, state(1), field_mapping={"email": "email"}, max_rejected_percent=0, **own)
    assert run.exit_code == 0, run.log
    assert counts_of(run) == {"received": 20, "deleted_without_identifier": 20}
    assert account.reasons() == [(line, "deleted_without_identifier") for line in range(2, 22)]
    assert run.states == ['{"n": 1}']
    assert "20 rows deleted at the source took nobody off a list" in run.log
    assert "Rejected records are in" in run.log


def test_a_deleted_row_leaves_the_lists_that_it_names(account: Account) -> None:
    lists = {"vip": "VIP", "new": "New"}
    people = [{"email": f"{one}@x.com", "lists": ["VIP", "New"]} for one in "abc"]
    account.sandbox.seed(lists=[*lists.values()], contacts=people)
    opened = schema(email="string", segment={"type": ["string", "array", "null"]})
    rows = [
        deleted(email="a@x.com", segment="vip"),
        deleted(email="b@x.com", segment=["vip", "new"]),
        deleted(email="c@x.com"),
    ]
    run = account.run(opened, *rows, state(1), list_name=None, list_property="segment", lists=lists)
    assert run.exit_code == 0, run.log
    assert (on_list(account, "VIP"), on_list(account, "New")) == ("c", "ac")
    assert counts_of(run) == {"received": 3, "removed": 2, "ignored": 1}


def test_people_leave_a_list_although_another_one_was_deleted(account: Account) -> None:
    lists = {"vip": "VIP", "new": "New"}
    account.sandbox.seed(lists=[*lists.values()], contacts=[{"email": "a@x.com", "lists": ["VIP", "New"]}])
    opened = schema(email="string", segment={"type": "array"})

    def tap() -> Iterator[dict[str, Any]]:
        yield opened
        yield deleted(email="a@x.com", segment=["vip", "new"])
        account.delete_list("New")

    run = account.feed(tap(), list_name=None, list_property="segment", lists=lists)
    assert run.exit_code == 0, run.log
    assert on_list(account, "VIP") == ""


def test_a_dry_run_says_who_would_be_removed(account: Account) -> None:
    members(account, "a")
    messages = [PEOPLE, record(email="b@x.com"), deleted(email="a@x.com"), deleted(email="n@x.com"), state(1)]
    run = account.run(*messages, dry_run=True)
    assert (run.exit_code, run.states) == (0, [])
    assert counts_of(run) == {"received": 3, "upserted": 1, "removed": 1, "not_found": 1}
    assert "1 would be upserted (1 created, 0 updated, 0 unchanged), 1 would be removed, 1 not found" in run.log
    account.check_only_reads()


# Checkpoints


def test_the_later_row_of_a_person_counts(account: Account) -> None:
    members(account, "a", "b")
    rows = [deleted(email="a@x.com"), deleted(email="A@x.com"), record(email="a@x.com"), record(email="b@x.com")]
    run = account.run(PEOPLE, *rows, deleted(email="b@x.com"), state(1))
    assert on_list(account) == "a"
    assert counts_of(run) == {"received": 5, "upserted": 2, "duplicates": 2, "removed": 1}
    assert account.count("DELETE", REMOVE) == 1


def test_rows_of_a_person_are_known_by_any_identifier(account: Account) -> None:
    members(account, "a", external_id="1")
    run = account.run(KEYED, deleted(id=1), record(id=1, email="a@x.com"), state(1), field_mapping=MAPPING)
    assert on_list(account) == "a"
    assert counts_of(run) == {"received": 2, "upserted": 1, "duplicates": 1}


def test_a_row_that_comes_back_to_another_list_cancels_nothing(account: Account) -> None:
    members(account, "a")
    others = schema("others", email="string")
    run = account.run(
        PEOPLE, others, deleted(email="a@x.com"), record("others", email="a@x.com"),
        streams={"others": {"list_name": "Others"}},
    )  # fmt: skip
    assert (on_list(account), on_list(account, "Others")) == ("", "a")
    assert counts_of(run) == {"received": 1, "removed": 1}


def test_a_state_waits_for_the_removals_before_it(account: Account) -> None:
    members(account, "a")
    removed_when_written: list[int] = []

    def tap() -> Iterator[dict[str, Any]]:
        yield PEOPLE
        yield state(1)
        yield deleted(email="a@x.com")
        yield state(2)
        removed_when_written.append(account.count("DELETE", REMOVE))

    run = account.feed(tap(), steps_at_states=True)
    assert removed_when_written == [0]
    assert run.states == ['{"n": 1}', '{"n": 2}']


def test_a_state_that_has_waited_ten_minutes_has_a_checkpoint(account: Account) -> None:
    members(account, "a")
    seen: list[int] = []

    def tap() -> Iterator[dict[str, Any]]:
        yield PEOPLE
        yield deleted(email="a@x.com")
        yield state(1)
        for seconds in (599.0, 2.0):
            account.clock.sleep(seconds)
            yield record(email="b@x.com")
            yield state(2)
            yield record(email="c@x.com")
            seen.append(account.count("DELETE", REMOVE))

    account.feed(tap())
    assert seen == [0, 1]


def test_a_full_checkpoint_does_what_waits(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intents, "MAX_WAITING", 2)
    members(account, *"abcde")
    run = account.run(PEOPLE, *[deleted(email=f"{one}@x.com") for one in "abcde"], state(1))
    assert on_list(account) == ""
    assert account.count("DELETE", REMOVE) == 3
    assert counts_of(run) == {"received": 5, "removed": 5}


def test_what_waits_is_limited_in_bytes(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intents, "MAX_WAITING_BYTES", 100)
    members(account, *"ab")
    account.run(PEOPLE, *[deleted(email=f"{one}@x.com", note="x" * 100) for one in "ab"], state(1))
    assert (on_list(account), account.count("DELETE", REMOVE)) == ("", 2)


def test_more_people_than_one_request_takes_leave_the_list(account: Account) -> None:
    emails = [f"p{number}@x.com" for number in range(250)]
    account.sandbox.seed(contacts=[{"email": email, "lists": ["Everybody"]} for email in emails])
    run = account.run(PEOPLE, *[deleted(email=email) for email in emails], state(1))
    assert (on_list(account), counts_of(run)["removed"]) == ("", 250)
    assert account.count("DELETE", REMOVE) == 2


# The ceiling


def test_at_the_ceiling_nobody_more_is_taken_off_and_the_state_stays_before(account: Account) -> None:
    members(account, *"abcd")
    rows = [deleted(email="a@x.com"), state(1), deleted(email="n@x.com"), deleted(email="b@x.com"), state(2)]
    rows += [record(email="e@x.com"), deleted(email="c@x.com"), state(3), deleted(email="d@x.com"), state(4)]
    run = account.run(PEOPLE, *rows, max_removals=2)
    assert run.exit_code == 1
    assert (on_list(account), run.states) == ("cde", ['{"n": 2}'])
    assert "2 people were not taken off a list, since `max_removals` allows 2 in one run" in run.log
    assert "The first is at stream 'people', line 8, record 5." in run.log
    assert run.report["error_codes"] == ["too-many-removals"]
    assert counts_of(run) == {"received": 6, "upserted": 1, "removed": 2, "not_found": 1, "unsettled": 2}
    run = account.run(PEOPLE, *rows[6:], max_removals=2)
    assert (run.exit_code, on_list(account), run.states) == (0, "e", ['{"n": 4}'])


def test_as_many_as_the_ceiling_allows_leave(account: Account) -> None:
    members(account, *"ab")
    rows = [deleted(email="a@x.com"), deleted(email="A@x.com"), deleted(email="n@x.com"), deleted(email="b@x.com")]
    run = account.run(PEOPLE, *rows, state(1), max_removals=2)
    assert (run.exit_code, on_list(account), run.states) == (0, "", ['{"n": 1}'])


def test_a_ceiling_of_zero_forbids_removals_of_one_stream(account: Account) -> None:
    members(account, *"ab")
    leavers = schema("leavers", email="string")
    streams = {"leavers": {"sync_mode": "remove"}, "people": {"max_removals": 0}}
    rows = [state(1), deleted(email="a@x.com"), record("leavers", email="b@x.com"), deleted(email="n@x.com")]
    run = account.run(PEOPLE, leavers, *rows, state(2), streams=streams)
    assert (run.exit_code, on_list(account), run.states) == (1, "a", ['{"n": 1}'])
    assert counts_of(run, "leavers") == {"received": 1, "removed": 1}
    assert counts_of(run) == {"received": 2, "not_found": 1, "unsettled": 1}


def test_the_ceiling_holds_over_checkpoints_and_failed_requests(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intents, "MAX_WAITING", 2)
    members(account, *"abcde")
    account.sandbox.add_fault("status", method="DELETE", status=500, times=2)
    run = account.run(PEOPLE, *[deleted(email=f"{one}@x.com") for one in "abcde"], max_removals=3)
    assert (run.exit_code, on_list(account)) == (1, "de")


def test_a_dry_run_knows_the_ceiling(account: Account) -> None:
    members(account, *"ab")
    rows = [deleted(email=f"{one}@x.com") for one in "ab"]
    run = account.run(PEOPLE, *rows, state(1), max_removals=1, dry_run=True)
    assert run.exit_code == 1
    assert "What a run would say: Stream 'people': 1 person was not taken off a list" in run.log
    account.check_only_reads()


# When nothing is done


@pytest.mark.parametrize(
    "end",
    [lambda: signal.raise_signal(signal.SIGTERM), lambda: "no message"],
    ids=["signal", "bad input"],
)
def test_nothing_is_done_in_a_run_that_does_not_end_well(account: Account, end: Any) -> None:
    members(account, "a")

    def tap() -> Iterator[Any]:
        yield PEOPLE
        yield record(email="b@x.com")
        yield state(1)
        yield deleted(email="a@x.com")
        yield state(2)
        yield end() or record(email="c@x.com")

    run = account.feed(tap(), batch_size_rows=1)
    assert run.exit_code in {1, 128 + signal.SIGTERM}
    assert "a" in on_list(account)
    assert account.count("DELETE", REMOVE) == 0
    assert '{"n": 2}' not in run.states


def test_nothing_is_done_at_the_cap(account: Account) -> None:
    members(account, "a")
    run = account.run(
        PEOPLE, deleted(email="a@x.com"), state(1), record(email="b@x.com"), record(email="c@x.com"), profile_cap=1
    )
    assert (run.exit_code, on_list(account), run.states) == (1, "ab", [])


def test_nothing_is_done_while_too_many_records_are_rejected(account: Account) -> None:
    members(account, "a")
    bad = [record(email="no") for _ in range(20)]
    run = account.run(PEOPLE, *bad, deleted(email="a@x.com"), state(1), max_rejected_percent=10)
    assert (run.exit_code, on_list(account), run.states) == (1, "a", [])
    assert "1 record that would take people off lists: nothing of it was done." in run.log
    assert counts_of(run)["unsettled"] == 1


def test_what_has_no_room_is_not_done_while_too_many_records_are_rejected(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intents, "MAX_WAITING", 2)
    members(account, *"abc")
    bad = [record(email="no") for _ in range(20)]
    good = [record(email=f"p{number}@x.com") for number in range(200)]
    run = account.run(
        PEOPLE, state(1), *bad, deleted(email="a@x.com"), deleted(email="b@x.com"), *good, deleted(email="c@x.com"),
        state(2), max_rejected_percent=10,
    )  # fmt: skip
    assert (run.exit_code, run.states) == (1, ['{"n": 1}'])
    assert on_list(account)[:2] == "ab"
    assert "2 records took nobody off a list: too many of the records before were rejected" in run.log
    assert run.report["error_codes"] == ["too-many-rejected"]


def test_upserts_are_settled_before_anybody_is_taken_off(account: Account) -> None:
    account.sandbox.add_fault("job_stuck", times=None)
    members(account, "a")
    run = account.run(PEOPLE, record(email="b@x.com"), deleted(email="a@x.com"), state(1), job_timeout_seconds=60)
    assert (run.exit_code, on_list(account), run.states) == (1, "a", [])
    assert account.count("DELETE", REMOVE) == 0


def test_a_signal_between_two_requests_of_a_checkpoint_ends_it(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    emails = [f"p{number}@x.com" for number in range(250)]
    account.sandbox.seed(contacts=[{"email": email, "lists": ["Everybody"]} for email in emails])
    sleep = account.clock.sleep

    def interrupt(seconds: float) -> None:
        sleep(seconds)
        if account.count("POST", "/search/"):
            signal.raise_signal(signal.SIGTERM)
            monkeypatch.setattr(account.clock, "sleep", sleep)

    monkeypatch.setattr(account.clock, "sleep", interrupt)
    rows = [deleted(email=email) for email in emails]
    run = account.run(PEOPLE, *rows, deleted(email="nobody@x.com"), state(1))
    assert run.exit_code == 128 + signal.SIGTERM, run.log
    assert account.count("DELETE", REMOVE) == 0
    assert run.states == []


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 500, "times": 2},
        {"kind": "status", "status": 429, "times": 2},
        {"kind": "status", "status": 404, "times": 1, "body": {}},
    ],
    ids=["500", "429", "404"],
)
def test_a_removal_that_fails_for_a_while_is_done(account: Account, fault: dict[str, Any]) -> None:
    members(account, "a", "b")
    account.sandbox.add_fault(method="DELETE", **fault)
    run = account.run(PEOPLE, deleted(email="a@x.com"), state(1))
    assert run.exit_code == 0, run.log
    assert (on_list(account), run.states) == ("b", ['{"n": 1}'])


def test_a_removal_that_fails_for_good_ends_the_run_and_the_next_one_does_it(account: Account) -> None:
    members(account, "a", "b")
    account.sandbox.add_fault("status", method="DELETE", status=500, times=None)
    messages = [PEOPLE, record(email="c@x.com"), deleted(email="a@x.com"), state(1)]
    run = account.run(*messages)
    assert (run.exit_code, on_list(account), run.states) == (1, "abc", [])
    account.sandbox.clear_faults()
    run = account.run(*messages)
    assert (run.exit_code, on_list(account), run.states) == (0, "bc", ['{"n": 1}'])


# A model


PERSON = st.sampled_from("abcd")
STEP = st.one_of(
    st.tuples(
        st.sampled_from(["upsert", "upsert", "remove", "remove"]),
        PERSON,
        st.sampled_from(["people", "others", "leavers", "members"]),
    ),
    st.just(("state", "", "")),
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(STEP, max_size=14), st.integers(1, 4), st.integers(1, 4))
def test_any_order_of_rows_ends_as_if_each_were_done_at_once(
    account: Account, steps: list[tuple[str, str, str]], batch_size: int, most_waiting: int
) -> None:
    account.reset()
    lists = {"people": "Everybody", "others": "Others"}
    account.sandbox.seed(lists=[*lists.values()])
    members(account, "a", "b")
    model = {"people": {"a", "b"}, "others": set[str]()}
    messages: list[Any] = [PEOPLE, schema("others", email="string"), schema("leavers", email="string")]
    messages.append(schema("members", email="string", active="boolean"))
    numbers = itertools.count(1)
    for kind, person, stream in steps:
        if kind == "state":
            messages.append(state(next(numbers)))
            continue
        email = f"{person}@x.com"
        joins = kind == "upsert" and stream != "leavers"
        if stream == "leavers":
            messages.append(record(stream, email=email))
        elif stream == "members":
            messages.append(record(stream, email=email, active=joins))
        else:
            messages.append(record(stream, email=email, _sdc_deleted_at=None if joins else GONE))
        on = model["others" if stream == "others" else "people"]
        if joins:
            on.add(person)
        else:
            on.discard(person)
    messages.append(state(0))
    streams: dict[str, Any] = {
        "others": {"list_name": "Others"},
        "leavers": {"sync_mode": "remove"},
        "members": {"membership_property": "active"},
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(intents, "MAX_WAITING", most_waiting)
        run = account.run(*messages, batch_size_rows=batch_size, streams=streams)
    assert run.exit_code == 0, run.log
    assert {stream: set(on_list(account, name)) for stream, name in lists.items()} == model
    assert run.states[-1] == json.dumps(state(0)["value"])
