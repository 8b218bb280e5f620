"""A mirror lives through random days of a segment, and ends each of them as the model of plain Python says."""

from __future__ import annotations

import pytest

from target_sendgrid.audience.bookmarks import replication_position
from target_sendgrid.audience.guards import ListFacts, StreamFacts
from target_sendgrid.audience.presence import Presence
from tests.harness.audience_model import AudienceModel, Day, Kind, Mode, OnDelete, Row, Segment
from tests.harness.members import FakeExport, FakeMember, plan_from
from tests.harness.seeds import seeds

WHOLE, CHANGES = b'{"bookmarks": {"people": {}}}', b'{"bookmarks": {"people": {"updated_at": "2026-01-01"}}}'

ENDED_EARLY = {Kind.KILLED, Kind.FAILED}


def rows_taken(day: Day) -> list[Row]:
    """Return the rows of those people that the cap lets through."""
    if day.cap is None:
        return day.rows
    people = set(list(dict.fromkeys(row.email.lower() for row in day.rows if row.is_sent))[: day.cap])
    return [row for row in day.rows if not row.is_sent or row.email.lower() in people]


class ListInMemory:
    """A list, with as much of a run as a mirror needs."""

    def __init__(self) -> None:
        self.ids = {f"by-hand-{number}": "" for number in range(3)}
        """Address of each member, by contact id. The first ones have none."""

    def run(self, day: Day) -> bool:
        """Load a day, and return whether removals were withheld."""
        presence = Presence()
        presence.add_fields(["email", "first_name"])
        for row in day.rows:
            if not row.is_deleted:
                presence.add({"email": row.email})
        for row in rows_taken(day):
            if row.is_sent:
                self.ids[f"id-{row.email.lower()}"] = row.email.lower()
        if day.kind in ENDED_EARLY:  # such a run does not get as far as its mirrors
            return True
        members = [FakeMember(contact_id, email=email or None) for contact_id, email in self.ids.items()]
        plan = plan_from(self.facts(day), presence, FakeExport(members))
        for contact_id in plan.contact_ids():
            del self.ids[contact_id]
        return plan.withheld is not None

    @staticmethod
    def facts(day: Day) -> ListFacts:
        state = CHANGES if day.kind is Kind.CHANGES else WHOLE
        stream = StreamFacts(
            name="people",
            record_count=len(day.rows),
            has_final_state=day.kind is not Kind.BROKEN,
            position=replication_position(state, "people"),
            max_removals=day.max_removals,
        )
        is_capped = rows_taken(day) != day.rows
        return ListFacts(label="'News'", streams=[stream], is_cap_reached=is_capped)


@pytest.mark.parametrize("seed", seeds("MIRROR_SEEDS", 10))
def test_at_the_end_of_each_day_the_list_is_as_the_model_says(seed: int) -> None:
    model, actual = AudienceModel(Mode.MIRROR), ListInMemory()
    model.members_without_address = len(actual.ids)
    kinds = []
    segment = Segment(seed, size=200, changes_each_day=7)
    days = [
        day._replace(on_delete=OnDelete.REMOVE_FROM_LIST) for day in segment.days(30) if day.kind is not Kind.FLIPPED
    ]
    for number, day in enumerate(days, 1):
        model.live(day)
        has_withheld = actual.run(day)
        what = f"day {number}: {day.kind.value}"
        assert {email for email in actual.ids.values() if email} == model.on_list, what
        assert sum(not email for email in actual.ids.values()) == model.members_without_address, what
        assert has_withheld == model.has_withheld, what
        kinds.append(day.kind)
    assert len(kinds) == 29
    assert set(kinds) == set(Kind) - {Kind.FLIPPED}


def test_the_days_of_a_mirror_end_with_nobody_but_the_segment_on_the_list() -> None:
    segment, model = Segment(1, size=200, changes_each_day=3), AudienceModel(Mode.MIRROR)
    for day in segment.days(30):
        model.live(day)
    assert not model.has_withheld
    assert model.on_list <= {row.email.lower() for row in segment.people.values()}


@pytest.mark.parametrize(
    ("mode", "on_list", "contacts"),
    [
        (Mode.UPSERT, {"a@example.com", "b@example.com", "d@example.com"}, {"a", "b", "c", "d"}),
        (Mode.UPDATE, {"a@example.com", "b@example.com"}, {"a", "b", "c"}),
        (Mode.REMOVE, {"a@example.com"}, {"a", "b", "c"}),
        (Mode.MIRROR, {"b@example.com", "d@example.com"}, {"a", "b", "c", "d"}),
    ],
)
def test_the_model_knows_what_each_mode_does(mode: Mode, on_list: set[str], contacts: set[str]) -> None:
    model = AudienceModel(mode)
    model.first_names = {f"{letter}@example.com": letter for letter in "abc"}
    model.on_list = {"a@example.com", "b@example.com", "c@example.com"}
    rows = [Row("B@example.com", "b"), Row("d@example.com", "d"), Row("c@example.com", "c", is_deleted=True)]
    model.live(Day(Kind.ORDINARY, rows))
    assert model.on_list == on_list
    assert {email[0] for email in model.first_names} == contacts
