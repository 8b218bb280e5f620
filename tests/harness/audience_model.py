"""Days in the life of a segment, and what each sync mode makes of them, in plain Python and without the target's code.

A `Segment` makes one `Day` after the other: what a tap sends that day. An `AudienceModel` goes through the same days
and says who is in the account, and on the list, at the end of each.
"""

from __future__ import annotations

import random
from collections import Counter
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class Mode(str, Enum):
    UPSERT = "upsert"
    UPDATE = "update"
    REMOVE = "remove"
    MIRROR = "mirror"
    MEMBERSHIP = "membership_property"
    """A property of each record says who is on the list."""


class Kind(Enum):
    ORDINARY = "the tap sends the whole segment"
    BROKEN = "the tap dies in the middle, so there is no STATE after the last record"
    EMPTY = "the tap sends no record"
    CAPPED = "the run reaches its cap"
    CHANGES = "the tap sends only what has changed, and a replication position"
    KILLED = "the target is killed in the middle; the next day sends the same again"
    FAILED = "SendGrid fails in the middle; the next day sends the same again"
    EXODUS = "so many have left that the mirror withholds their removal"
    ALLOWED = "the same as on the day before, with `max_removals` set"


LONGEST_NAME = 50
"""Most characters of a first name."""

ANY = 1_000_000
"""A ceiling of removals that allows all of them."""


class Row(NamedTuple):
    """A record of the segment."""

    email: str
    first_name: str
    is_deleted: bool = False
    """Whether it is marked as deleted at the source."""
    is_member: bool = True
    """Whether it says that the person belongs on the list."""

    @property
    def puts_on_list(self) -> bool:
        return self.is_member and not self.is_deleted

    @property
    def is_sent(self) -> bool:
        """Whether it puts somebody on the list and is not rejected."""
        return self.puts_on_list and len(self.first_name) <= LONGEST_NAME


class Day(NamedTuple):
    """What a tap sends on a day, and what the run is like."""

    kind: Kind
    rows: list[Row]
    cap: int | None = None
    max_removals: int | None = None

    @property
    def is_whole(self) -> bool:
        """Whether a mirror may conclude from it who has left."""
        return self.kind in {Kind.ORDINARY, Kind.EXODUS, Kind.ALLOWED} and bool(self.rows)

    @property
    def rows_taken(self) -> list[Row]:
        """Rows of those people that the cap lets through."""
        if self.cap is None:
            return self.rows
        people = set(list(dict.fromkeys(row.email.lower() for row in self.rows if row.is_sent))[: self.cap])
        return [row for row in self.rows if not row.is_sent or row.email.lower() in people]


class Segment:
    """A segment that people join and leave.

    Args:
        seed: Decides on everything that is random.
        size: Number of people on the first day.
        changes_each_day: Number of people each that join, leave, change, or are swapped on a day. It must stay below a
            tenth of the people in all.
        keeps_leavers: Whether half of those who leave stay as rows that are no members. They may join again.
    """

    def __init__(self, seed: int, size: int, changes_each_day: int, *, keeps_leavers: bool = False) -> None:
        self._random = random.Random(seed)  # noqa: S311 - for tests, not for security
        self._changes_each_day = changes_each_day
        self._keeps_leavers = keeps_leavers
        self._next_number = 0
        self.people: dict[str, Row] = {}
        """The record of each person, by a key that no change touches."""
        self._join(size)

    def days(self, count: int) -> Iterator[Day]:
        """Yield days: the first one and the last one are ordinary, and each kind comes in a random order.

        On days that do not show the whole segment, `max_removals` lets a mirror take off everybody, so that nothing but
        the guard that is meant for such a day protects the list.
        """
        special = [Kind.BROKEN, Kind.EMPTY, Kind.CAPPED, Kind.CHANGES, Kind.KILLED, Kind.FAILED, Kind.EXODUS]
        kinds = special + [Kind.ORDINARY] * max(0, count - 5 - len(special))
        self._random.shuffle(kinds)
        for kind in [Kind.ORDINARY, *kinds, Kind.ORDINARY]:
            yield from self._days_of(kind)

    def _days_of(self, kind: Kind) -> Iterator[Day]:
        changed, deleted = self._change()
        rows = [*self.people.values(), *deleted]
        if kind is Kind.EXODUS:
            self._leave(len(self.people) // 4 + 11)
            rows = [*self.people.values()]
        self._random.shuffle(rows)
        if kind is Kind.BROKEN:
            yield Day(kind, rows[: len(rows) // 2], max_removals=ANY)
        elif kind is Kind.EMPTY:
            yield Day(kind, [], max_removals=ANY)
        elif kind is Kind.CAPPED:
            yield Day(kind, rows, cap=len(self.people) // 2, max_removals=ANY)
        elif kind is Kind.CHANGES:
            yield Day(kind, [*changed, *deleted], max_removals=ANY)
        else:
            yield Day(kind, rows)
        if kind in {Kind.KILLED, Kind.FAILED}:
            yield Day(Kind.ORDINARY, rows)
        elif kind is Kind.EXODUS:
            yield Day(Kind.ALLOWED, rows, max_removals=len(rows))

    def _change(self) -> tuple[list[Row], list[Row]]:
        """Change the segment, and return the rows that have changed and those that are marked as deleted."""
        count = self._changes_each_day
        deleted, turned = self._leave(count)
        joined = self._join(count)
        changed = self._random.sample(sorted(self.people), 4 * count)
        for number, key in enumerate(changed):
            row = self.people[key]
            if number % 4 == 0:
                is_long = len(row.first_name) <= LONGEST_NAME and self._random.random() < 1 / 2
                name = f"{key.upper()}+{'x' * LONGEST_NAME * is_long}"
                self.people[key] = Row(row.email.swapcase() if is_long else row.email, name, is_member=row.is_member)
            elif number % 4 == 1:
                self.people[key] = row._replace(email=row.email.swapcase())
            elif number % 4 == 2:
                other = changed[number + 1]
                swapped = self.people[other].email, row.email
                self.people[key] = row._replace(email=swapped[0])
                self.people[other] = self.people[other]._replace(email=swapped[1])
        # Some have left and come back, or the other way round: the order of their two rows is random.
        deleted += [self.people[key]._replace(is_deleted=True) for key in changed[::4]]
        return [self.people[key] for key in dict.fromkeys([*joined, *changed, *turned])], deleted

    def _join(self, count: int) -> list[str]:
        keys = [f"p{self._next_number + index}" for index in range(count)]
        self._next_number += count
        self.people |= {key: Row(f"{key}@example.com", key.upper()) for key in keys}
        return keys

    def _leave(self, count: int) -> tuple[list[Row], list[str]]:
        """Have people leave; return the rows that are marked as deleted, and the keys of those that are kept."""
        keys = self._random.sample(sorted(self.people), count)
        deleted = [self.people.pop(key)._replace(is_deleted=True) for key in keys[::2]]
        left = {key: self.people.pop(key) for key in keys[1::2]}
        if not self._keeps_leavers:
            return deleted, []
        self.people |= {key: row._replace(is_member=not row.is_member) for key, row in left.items()}
        return deleted, list(left)


class AudienceModel:
    """Who is in the account and on the list, for a stream in one sync mode whose people are known by their email."""

    def __init__(self, mode: Mode) -> None:
        self.mode = mode
        self.first_names: dict[str, str | None] = {}
        """First name of each contact, by address."""
        self.on_list: set[str] = set()
        """Addresses on the list."""
        self.has_withheld = False
        """Whether removals were withheld on the last day."""
        self.members_without_address = 0
        """Number of members who have no address, which somebody has put on the list by hand."""
        self.counts: Counter[str] = Counter()
        """What became of the records of the last day, without counts that are 0."""
        self.absent_count = 0
        """Number of members whom the mirror has taken off on the last day."""

    def put_on_by_hand(self, emails: Iterable[str]) -> None:
        """Put people on the list, as a user of SendGrid does."""
        for email in emails:
            self.first_names.setdefault(email, None)
            self.on_list.add(email)

    def live(self, day: Day) -> None:
        """Go through a day, as if a day on which the target is killed, or SendGrid fails, ended as any other."""
        self.has_withheld = False
        self.counts = Counter(received=len(day.rows))
        taken = set(day.rows_taken)
        leaving: set[str] = set()
        for row in day.rows:
            email = row.email.lower()
            if self.mode is Mode.MIRROR and row.is_deleted:
                self.counts["deleted_at_source"] += 1  # it only does not show that the person is present
                continue
            if email in leaving:  # the later row of a person decides
                leaving.remove(email)
                self.counts["duplicates"] += 1
            if self.mode is Mode.MIRROR and row.is_deleted:
                self.counts["deleted_at_source"] += 1
            elif self.mode is Mode.REMOVE or not row.puts_on_list:
                leaving.add(email)
            else:
                self.counts[self._put(email, row) if row in taken else "over_cap"] += 1
        for email in leaving:
            self.on_list.discard(email)
            self.counts["removed" if email in self.first_names else "not_found"] += 1
        self.absent_count = 0
        if self.mode is Mode.MIRROR:
            self._take_off_absent(day)
        self.counts = +self.counts

    def _put(self, email: str, row: Row) -> str:
        """Put somebody on the list, and return the bucket in which the row ends."""
        if not row.is_sent:
            return "rejected"
        if self.mode is Mode.UPDATE and email not in self.first_names:
            return "not_found"
        self.first_names[email] = row.first_name
        self.on_list.add(email)
        return "upserted"

    def _take_off_absent(self, day: Day) -> None:
        absent = self.on_list - {row.email.lower() for row in day.rows if not row.is_deleted}
        list_size = len(self.on_list) + self.members_without_address
        most = day.max_removals if day.max_removals is not None else max(10, list_size / 10)
        if day.is_whole and len(absent) <= most:
            self.on_list -= absent
            self.absent_count = len(absent)
        else:
            self.has_withheld = True
