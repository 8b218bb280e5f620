"""A property of each record says who is on the list (the setting `membership_property`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from target_sendgrid.mapping import fast_path
from target_sendgrid.singer.source_stream import SourceStream
from tests.harness.messages import PEOPLE, record, schema, state
from tests.harness.readme import blocks
from tests.harness.removals import counts_of, deleted, members, on_list

if TYPE_CHECKING:
    from tests.harness.account import Account


ACTIVE = {"type": ["boolean", "string", "integer", "null"]}
OPENED = schema(
    email="string", score="number", active=ACTIVE, traits={"type": ["object", "null"], "properties": {"active": ACTIVE}}
)


def test_a_property_says_who_is_on_the_list(account: Account) -> None:
    members(account, "b", "c")
    rows = [
        record(email="a@x.com", active=True),
        record(email="b@x.com", active=False),
        record(email="n@x.com", active=False, score="no number"),
        record(email="d@x.com"),
        record(email="e@x.com", active="true"),
        record(active=False),
        record(email="c@x.com", active=False),
        record(email="c@x.com", active=True),
    ]
    run = account.run(OPENED, *rows, state(1), membership_property="active")
    assert run.exit_code == 0, run.log
    assert on_list(account) == "ac"
    assert account.emails() == ["a@x.com", "b@x.com", "c@x.com"]
    counts = {"received": 8, "upserted": 2, "removed": 1, "not_found": 1, "duplicates": 1}
    assert counts_of(run) == counts
    assert account.reasons() == [(5, "not_a_boolean"), (6, "not_a_boolean"), (7, "no_identifier")]
    assert "The property 'active' is neither true nor false" in run.log


def test_a_stream_has_a_membership_property_of_its_own(account: Account) -> None:
    members(account, "a")
    own = {"people": {"membership_property": "traits.active"}}
    run = account.run(OPENED, record(email="a@x.com", traits={"active": False}), state(1), streams=own)
    assert (run.exit_code, on_list(account)) == (0, "")


def test_an_unknown_membership_property_ends_the_run_before_anything_is_created(account: Account) -> None:
    run = account.run(OPENED, record(email="a@x.com"), membership_property="activ")
    assert run.exit_code == 1
    words = "no property is named 'activ', as `membership_property` says. Did you mean 'active'?"
    assert words in run.log
    assert account.count("POST", "lists") == 0


def test_a_rejected_record_keeps_its_person_on_the_list(account: Account) -> None:
    members(account, *"abcd")
    rows = [deleted(email=f"{one}@x.com") for one in "abcd"]
    rows += [record(email="a@x.com", score="no number"), record(email="b@x.com", first_name="x" * 200)]
    rows += [record(email="c@x.com", phone=1)]
    opened = PEOPLE | {"key_properties": ["email"]}
    run = account.run(opened, *rows, state(1), validate_scope="all")
    assert on_list(account) == "abc", run.log
    assert counts_of(run)["removed"] == 1


VALUE = st.sampled_from([True, True, False, None, 1, 0, "true", ""])


@pytest.mark.parametrize("place", ["active", "traits.active"])
@pytest.mark.parametrize(
    "own",
    [
        {},
        {"flattening_enabled": True, "flattening_max_depth": 2},
        {"validate_scope": "all"},
        {"null_handling": "clear", "validate_records": False},
    ],
)
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(
        st.fixed_dictionaries(
            {"email": st.sampled_from(["a@x.com", "B@x.com", "no", None])},
            optional={
                "active": VALUE,
                "traits": st.sampled_from([None, {}, {"active": True}, {"active": False}, {"active": "x"}]),
                "score": st.sampled_from([1, "x"]),
            },
        ),
        max_size=8,
    )
)
def test_membership_has_the_same_outcome_on_each_path(
    account: Account, rows: list[dict[str, Any]], place: str, own: dict[str, Any]
) -> None:
    name = place.replace(".", "__") if "flattening_enabled" in own else place
    ends = []
    for is_fast in (True, False):
        account.reset()
        members(account, "a", "b")
        patched = mock.patch.object(fast_path, "fast_path_for", wraps=fast_path.fast_path_for)
        with patched if is_fast else mock.patch.object(fast_path, "fast_path_for", return_value=None):
            run = account.run(OPENED, *[record(**row) for row in rows], state(1), **own | {"membership_property": name})
        assert run.exit_code == 0, run.log
        ends.append((on_list(account), counts_of(run), run.states, account.reasons()))
    assert ends[0] == ends[1]


def test_records_of_members_take_the_fast_path(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    slow: list[object] = []
    monkeypatch.setattr(SourceStream, "accept", lambda *arguments: slow.append(arguments))
    rows = [record(email="a@x.com", active=True), record(email="b@x.com", active=False), record(email="c@x.com")]
    run = account.run(OPENED, *rows, membership_property="active")
    assert (counts_of(run)["upserted"], len(slow)) == (1, 2)


def test_a_check_says_which_records_would_take_people_off(account: Account) -> None:
    checked = account.check(OPENED, membership_property="traits.active")
    words = "records whose property 'traits.active' is false would take people off"
    assert any(words in what for _, what in checked.findings), checked.findings


def test_the_recipe_of_the_readme_for_joiners_and_leavers(account: Account) -> None:
    (block,) = blocks("### A table of people who have left", "yaml")
    account.sandbox.seed(contacts=[{"email": "a@x.com", "lists": ["Customers"]}])
    rows = [record("new_customers", email="b@x.com"), record("lost_customers", email="a@x.com")]
    schemas = [schema(stream, email="string") for stream in ("new_customers", "lost_customers")]
    run = account.run(*schemas, *rows, **yaml.safe_load(block))
    assert (run.exit_code, on_list(account, "Customers")) == (0, "b")


def test_the_recipe_of_the_readme_says_who_is_on_the_list(account: Account) -> None:
    (block,) = blocks("### A column that says who is in", "yaml")
    account.sandbox.seed(contacts=[{"email": "a@x.com", "lists": ["Customers"]}])
    opened = schema(email="string", is_customer="boolean")
    rows = [record(email="a@x.com", is_customer=False), record(email="b@x.com", is_customer=True)]
    run = account.run(opened, *rows, **yaml.safe_load(block))
    assert (run.exit_code, on_list(account, "Customers")) == (0, "b")
