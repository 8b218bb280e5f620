"""Days in the life of a segment, and what each sync mode makes of them, in plain Python and without the target's code.

A `Segment` makes one `Day` after the other: what a tap sends that day. An `AudienceModel` goes through the same days
and says at the end of each who is in the account, on the list, suppressed, and erased.
"""

from __future__ import annotations

import random
from collections import Counter
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator


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
    FLIPPED = "the property is read the wrong way round, so that most people seem to have unsubscribed"


class OnDelete(str, Enum):
    """What is done with rows that are marked as deleted."""

    REMOVE_FROM_LIST = "remove_from_list"
    DELETE_CONTACT = "delete_contact"
    ERASE = "erase"


LONGEST_NAME = 50
"""Most characters of a first name."""

FEW = 10
"""So many people may always be deleted, erased or suppressed."""

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

    is_unsubscribed: bool = False
    """Whether the person has unsubscribed."""

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
    on_delete: OnDelete = OnDelete.REMOVE_FROM_LIST

    @property
    def is_whole(self) -> bool:
        """Whether a mirror may conclude from it who has left."""
        return self.kind in {Kind.ORDINARY, Kind.EXODUS, Kind.ALLOWED} and bool(self.rows)

    def says_unsubscribed(self, row: Row) -> bool:
        """Return whether a row seems to say that its person has unsubscribed."""
        return row.is_unsubscribed is not (self.kind is Kind.FLIPPED)


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
        special = [kind for kind in Kind if kind not in {Kind.ORDINARY, Kind.ALLOWED}]
        kinds = special + [Kind.ORDINARY] * max(0, count - 6 - len(special))
        self._random.shuffle(kinds)
        for kind in [Kind.ORDINARY, *kinds, Kind.ORDINARY]:
            yield from self._days_of(kind)

    def _days_of(self, kind: Kind) -> Iterator[Day]:
        changed, deleted = self._change()
        rows = [*self.people.values(), *deleted]
        if kind is Kind.EXODUS:
            deleted, _ = self._leave(len(self.people) // 4 + 2 * FEW + 2)
            rows = [*self.people.values(), *deleted]
        self._random.shuffle(rows)
        day = Day(kind, rows, on_delete=self._random.choice([*OnDelete, OnDelete.ERASE]))
        if kind is Kind.BROKEN:
            yield day._replace(rows=rows[: len(rows) // 2], max_removals=ANY)
        elif kind is Kind.EMPTY:
            yield day._replace(rows=[], max_removals=ANY)
        elif kind is Kind.CAPPED:
            yield day._replace(cap=len(self.people) // 2, max_removals=ANY)
        elif kind is Kind.CHANGES:
            yield day._replace(rows=[*changed, *deleted], max_removals=ANY)
        elif kind is Kind.FLIPPED:  # each person has one row, so that nobody is sent before the row that says it
            yield day._replace(rows=[row for row in rows if not row.is_deleted])
        else:
            yield day
        if kind in {Kind.KILLED, Kind.FAILED, Kind.FLIPPED}:
            yield day._replace(kind=Kind.ORDINARY)
        elif kind is Kind.EXODUS:
            yield day._replace(kind=Kind.ALLOWED, max_removals=len(rows))

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
                email = row.email.swapcase() if is_long else row.email
                unsubscribes = is_long and self._random.random() < 1 / 2
                self.people[key] = row._replace(
                    email=email, first_name=name, is_unsubscribed=row.is_unsubscribed or unsubscribes
                )
            elif number % 4 == 1:
                self.people[key] = row._replace(email=row.email.swapcase())
            elif number % 4 == 2:
                other = changed[number + 1]
                swapped = self.people[other].email, row.email
                self.people[key] = row._replace(email=swapped[0])
                self.people[other] = self.people[other]._replace(email=swapped[1])
            elif number % 8 == 3:
                self.people[key] = self.people[key]._replace(is_unsubscribed=True)
        # Some have left and come back, or the other way round: the order of their two rows is random.
        deleted += [self.people[key]._replace(is_deleted=True) for key in changed[::4]]
        deleted = [
            row._replace(is_unsubscribed=self._random.random() < 1 / 4 or row.is_unsubscribed) for row in deleted
        ]
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
        self.suppressed: set[str] = set()
        self.erased: set[str] = set()
        self.has_withheld = False
        """Whether something was withheld on the last day."""
        self.first_undone: int | None = None
        """Place of the first row of the last day that a guard withheld; `None` for none."""
        self.members_without_address = 0
        """Number of members who have no address, which somebody has put on the list by hand."""
        self.counts: Counter[str] = Counter()
        """What became of the records of the last day, without counts that are 0."""
        self.absent_count = 0
        """Number of members whom the mirror has taken off on the last day."""
        self._leaving: dict[OnDelete, Counter[str]] = {}
        """Number of rows of the day that ask to take somebody away, by address."""

    def put_on_by_hand(self, emails: Iterable[str]) -> None:
        """Put people on the list, as a user of SendGrid does."""
        for email in emails:
            self.first_names.setdefault(email, None)
            self.on_list.add(email)

    def live(self, day: Day) -> None:
        """Go through a day, as if a day on which the target is killed, or SendGrid fails, ended as any other."""
        self.has_withheld, self.first_undone, self.absent_count = False, None, 0
        self.counts = Counter(received=len(day.rows))
        self._leaving = {act: Counter() for act in OnDelete}
        withheld = self._suppress(day)
        admitted: set[str] = set()
        for row in day.rows:
            email = row.email.lower()
            is_rejected = self.mode is not Mode.REMOVE and row.puts_on_list and not row.is_sent
            if email in withheld and not is_rejected:
                self.counts["unsettled"] += 1
            else:
                self.counts.update(self._take(day, row, email, admitted))
        for email, count in self._leaving[OnDelete.REMOVE_FROM_LIST].items():
            self.on_list.discard(email)
            self._count_person("removed" if email in self.first_names else "not_found", count)
        self._delete(day)
        if self.mode is Mode.MIRROR and not self.has_withheld:
            self._take_off_absent(day)
        self.counts = +self.counts

    def _suppress(self, day: Day) -> set[str]:
        """Suppress who has unsubscribed; return the people of whom nothing is done, since they are too many."""
        rows = [row for row in day.rows if day.says_unsubscribed(row)]
        people = {row.email.lower() for row in rows}
        self.counts["unsubscribed_records"] = len(rows)
        most = max(FEW, len({row.email.lower() for row in day.rows}) // 2)
        if len(people - self.suppressed) <= most:
            self.suppressed |= people
            self.counts["unsubscribed"] = len(people)
            return set()
        self._withhold(day, people)
        return people

    def _take(self, day: Day, row: Row, email: str, admitted: set[str]) -> list[str]:
        """Do what a row asks for, or let it wait, and return the bucket in which it ends; none if it waits."""
        act = day.on_delete if row.is_deleted else OnDelete.REMOVE_FROM_LIST
        if row.is_deleted and self.mode is Mode.MIRROR and act is OnDelete.REMOVE_FROM_LIST:
            return ["deleted_at_source"]  # it only does not show that the person is present
        if self.mode is Mode.REMOVE or not row.puts_on_list:
            self._leaving[act][email] += 1
            return []
        if email in self._leaving[OnDelete.ERASE] and row.is_sent:
            return ["erased_before"]
        for act in (OnDelete.REMOVE_FROM_LIST, OnDelete.DELETE_CONTACT):  # the later row of a person decides
            self.counts["duplicates"] += self._leaving[act].pop(email, 0)
        return [self._put(day, row, email, admitted)]

    def _put(self, day: Day, row: Row, email: str, admitted: set[str]) -> str:
        """Put somebody on the list, and return the bucket in which the row ends."""
        if not row.is_sent:
            return "rejected"
        if email not in admitted and len(admitted) == day.cap:
            return "over_cap"
        admitted.add(email)
        if self.mode is Mode.UPDATE and email not in self.first_names:
            return "not_found"
        self.first_names[email] = row.first_name
        self.on_list.add(email)
        return "upserted"

    def _delete(self, day: Day) -> None:
        """Delete and erase who is to be, unless there are too many."""
        to_erase, to_delete = self._leaving[OnDelete.ERASE], self._leaving[OnDelete.DELETE_CONTACT]
        there = to_erase.keys() | (to_delete.keys() & self.first_names.keys())
        account_size = len(self.first_names) + self.members_without_address
        if len(there) > (max(FEW, account_size // 10) if day.max_removals is None else day.max_removals):
            self._withhold(day, there, deleted=True)
            self.counts["unsettled"] += sum(to_erase[email] + to_delete[email] for email in there)
            there = set()
            to_erase = Counter()
        for email in there:
            self.first_names.pop(email, None)
            self.on_list.discard(email)
        for email, count in to_erase.items():
            self.erased.add(email)
            self._count_person("erased", count)
        for email, count in to_delete.items():
            if email in there:
                self._count_person("deleted_contacts", count)
            elif email not in self.first_names:
                self._count_person("not_found", count)

    def _count_person(self, bucket: str, count: int) -> None:
        self.counts[bucket] += 1
        self.counts["duplicates"] += count - 1

    def _withhold(self, day: Day, people: Collection[str], *, deleted: bool = False) -> None:
        """Note that something is not done for people."""
        self.has_withheld = True
        self.first_undone = next(
            place
            for place, row in enumerate(day.rows)
            if row.email.lower() in people and (row.is_deleted if deleted else day.says_unsubscribed(row))
        )

    def _take_off_absent(self, day: Day) -> None:
        absent = self.on_list - {row.email.lower() for row in day.rows if not row.is_deleted}
        list_size = len(self.on_list) + self.members_without_address
        most = day.max_removals if day.max_removals is not None else max(10, list_size / 10)
        if day.is_whole and len(absent) <= most:
            self.on_list -= absent
            self.absent_count = len(absent)
        else:
            self.has_withheld = True
