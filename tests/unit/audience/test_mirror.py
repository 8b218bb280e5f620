from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_sendgrid.audience.guards import ListFacts, StreamFacts
from target_sendgrid.audience.presence import Presence
from tests.harness.members import FakeExport, FakeMember, plan_from

if TYPE_CHECKING:
    from target_sendgrid.audience.mirror import RemovalPlan


def facts_of(max_removals: int | None = None, **changes: Any) -> ListFacts:
    stream = StreamFacts(name="people", record_count=1, max_removals=max_removals)
    return ListFacts(label="'News'", streams=[stream], **changes)


def presence_of(*records: dict[str, Any], fields: tuple[str, ...] = ("email",)) -> Presence:
    presence = Presence()
    presence.add_fields(fields)
    for record in records:
        presence.add(record)
    return presence


def members(*emails: str) -> list[FakeMember]:
    return [FakeMember(f"id-{email[0]}", email=email) for email in emails]


def plan_of(listed: list[FakeMember], *records: dict[str, Any], **options: Any) -> RemovalPlan:
    fields = options.pop("fields", ("email",))
    return plan_from(facts_of(**options), presence_of(*records, fields=fields), FakeExport(listed))


def removed(plan: RemovalPlan) -> list[str]:
    ids = [*plan.contact_ids()]
    assert len(ids) == plan.removal_count
    return ids


def test_members_who_were_not_in_the_run_are_taken_off() -> None:
    plan = plan_of(members("a@example.com", "b@example.com", "c@example.com"), {"email": "b@example.com"})
    assert plan.withheld is None
    assert removed(plan) == ["id-a", "id-c"]
    assert (plan.absent_count, plan.list_size) == (2, 3)


def test_nothing_is_to_do_if_everybody_was_in_the_run_or_the_list_is_empty() -> None:
    for listed in ([], members("a@example.com")):
        plan = plan_of(listed, {"email": "a@example.com"})
        assert plan.withheld is None
        assert removed(plan) == []


def test_ids_can_be_read_again() -> None:
    plan = plan_of(members("a@example.com", "c@example.com"))
    assert removed(plan) == removed(plan) == ["id-a", "id-c"]


def test_swapped_addresses_and_changed_capitals_are_no_change() -> None:
    listed = [
        FakeMember("1", email="a@example.com", external_id="1"),
        FakeMember("2", email="b@example.com", external_id="2"),
        FakeMember("3", email="c@example.com"),
    ]
    records = [
        {"email": "b@example.com", "external_id": "1"},
        {"email": "a@example.com", "external_id": "2"},
        {"email": "C@EXAMPLE.com"},
    ]
    assert removed(plan_of(listed, *records, fields=("email", "external_id"))) == []


def test_a_member_stays_whose_address_is_an_alternate_one_of_somebody_else() -> None:
    listed = [
        FakeMember("1", email="a@example.com"),
        FakeMember("2", email="b@example.com", alternate_emails=["merged@example.com"]),
    ]
    records: list[dict[str, Any]] = [
        {"email": "c@example.com", "alternate_emails": ["a@example.com"]},
        {"email": "merged@example.com"},
    ]
    assert removed(plan_of(listed, *records)) == []


def test_members_stay_that_have_no_identifier_that_a_stream_maps() -> None:
    listed = [FakeMember("1", external_id="1"), FakeMember("2", email="a@example.com"), FakeMember("3")]
    plan = plan_of(listed, {"email": "b@example.com"})
    assert removed(plan) == ["2"]
    assert plan.unidentified_count == 2


def test_rows_that_repeat_a_contact_count_once() -> None:
    listed = members("a@example.com", "a@example.com", "b@example.com", "a@example.com")
    plan = plan_of(listed, {"email": "c@example.com"}, max_removals=2)
    assert plan.withheld is None
    assert removed(plan) == ["id-a", "id-b"]


@pytest.mark.parametrize("repeats", [1, 3])
@pytest.mark.parametrize(("absent", "is_withheld"), [(10, False), (11, True), (30, True)])
def test_too_many_removals_are_withheld_and_counted(absent: int, repeats: int, *, is_withheld: bool) -> None:
    listed = [FakeMember(f"id-{number}", email=f"{number}@example.com") for number in range(absent)]
    plan = plan_of([member for member in listed for _ in range(repeats)], {"email": "here@example.com"})
    assert plan.absent_count == absent
    assert removed(plan) == ([] if is_withheld else [member.contact_id for member in listed])
    assert (plan.withheld is not None) is is_withheld
    assert f"{absent} of its {absent * repeats} members" in str(plan.withheld) or not is_withheld


def test_more_may_be_taken_off_a_longer_list() -> None:
    listed = [FakeMember(f"id-{number}", email=f"{number}@example.com") for number in range(200)]
    plan = plan_of(listed, *({"email": member.email} for member in listed[20:]))
    assert removed(plan) == [member.contact_id for member in listed[:20]]


@pytest.mark.parametrize(("max_removals", "count"), [(0, 0), (1, 0), (2, 2), (100, 2)])
def test_all_are_taken_off_or_nobody(max_removals: int, count: int) -> None:
    plan = plan_of(members("a@example.com", "b@example.com"), {"email": "c@example.com"}, max_removals=max_removals)
    assert len(removed(plan)) == count


def test_the_members_are_not_read_if_the_run_allows_no_removal() -> None:
    export = FakeExport(members("a@example.com"))
    plan = plan_from(facts_of(is_cap_reached=True), presence_of(), export)
    assert plan.withheld is not None
    assert export.contact_count is None
    assert removed(plan) == []


def test_nobody_is_taken_off_if_the_members_are_not_read_whole() -> None:
    export = FakeExport(members("a@example.com"), shortfall="holds 1 member, and SendGrid says 2")
    plan = plan_from(facts_of(), presence_of({"email": "b@example.com"}), export)
    assert plan.withheld is not None
    assert plan.withheld.startswith(
        "Nobody is taken off the list 'News': its export holds 1 member, and SendGrid says 2. What was sent"
    )
    assert removed(plan) == []


def test_a_broken_export_is_an_error_and_no_plan() -> None:
    class BrokenExport(FakeExport):
        def members(self) -> Any:
            yield from super().members()
            raise OSError

    with pytest.raises(OSError):  # noqa: PT011 - any error would do
        plan_from(facts_of(), presence_of(), BrokenExport(members("a@example.com")))


VALUE = st.sampled_from(["a@example.com", "B@example.com", "b@example.com", "1", "2", ""])
RECORD = st.fixed_dictionaries({}, optional={"email": VALUE, "external_id": VALUE, "alternate_emails": st.lists(VALUE)})
STREAM = st.tuples(st.sampled_from([("email",), ("external_id",), ("email", "external_id")]), st.lists(RECORD))
MEMBER = st.fixed_dictionaries(
    {"email": VALUE | st.none(), "external_id": VALUE | st.none(), "alternate_emails": st.lists(VALUE)}
)


@given(st.lists(STREAM, min_size=1, max_size=3), st.lists(MEMBER))
def test_of_any_streams_and_members_those_are_taken_off_whom_a_stream_would_have_shown(
    streams: list[tuple[tuple[str, ...], list[dict[str, Any]]]], listed: list[dict[str, Any]]
) -> None:
    presence, emails, external_ids = Presence(), set[str](), set[str]()
    fields: set[str] = set()
    for mapped, records in streams:
        presence.add_fields(mapped)
        fields.update(mapped)
        for record in records:
            presence.add(record)
            emails |= {text.lower() for text in [record.get("email", ""), *record.get("alternate_emails", [])]}
            external_ids.add(record.get("external_id", ""))
    members = [FakeMember(str(number), **values) for number, values in enumerate(listed)]
    expected = [
        member.contact_id
        for member in members
        if ((member.email and "email" in fields) or (member.external_id and "external_id" in fields))
        and not {text.lower() for text in [member.email or "", *member.alternate_emails] if text} & emails
        and (not member.external_id or member.external_id not in external_ids)
    ]
    assert removed(plan_from(facts_of(len(listed)), presence, FakeExport(members))) == expected


@pytest.mark.parametrize(("max_removals", "most_bytes"), [(None, 13), (100_000, 60)])
def test_an_absent_member_takes_few_bytes(max_removals: int | None, most_bytes: int) -> None:
    class Many(FakeExport):
        def members(self) -> Any:
            self.contact_count = 50_000
            for number in range(50_000):
                yield FakeMember(f"c6491580-2f4a-4339-8812-{number:012}", email=f"{number}@example.com")

    presence = presence_of({"email": "here@example.com"})
    tracemalloc.start()
    try:
        plan = plan_from(facts_of(max_removals), presence, Many([]))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert plan.absent_count == 50_000
    assert (peak - 40_000) / 50_000 < most_bytes
