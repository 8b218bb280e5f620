"""Mirrored lists: at the end of a whole run, those who were not in it are taken off (`sync_mode: mirror`).

Who is in the run is noted record by record (`audience/presence.py`). At the end, the members of each list are read from
an export, the guards decide (`audience/guards.py`), and all who are absent are taken off, or nobody.
"""

from __future__ import annotations

import logging
from array import array
from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from target_sendgrid.audience.presence import Presence, member_keys, shown_texts
from target_sendgrid.delivery.operations.remove_from_list import REMOVE_ABSENT
from target_sendgrid.delivery.pending import Change, Purpose
from target_sendgrid.errors import ConfigError, Reason, WithheldError
from target_sendgrid.origin import Origin
from target_sendgrid.report.rejection_limit import LimitCounts
from target_sendgrid.report.report import Bucket
from target_sendgrid.sendgrid import contact as contacts
from target_sendgrid.sendgrid.dry_run import is_new
from target_sendgrid.wording import counted, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from target_sendgrid.audience.guards import ListFacts, StreamFacts
    from target_sendgrid.audience.mirror import RemovalPlan
    from target_sendgrid.audience.presence import ListMember
    from target_sendgrid.clock import Clock
    from target_sendgrid.delivery.batching import Batcher
    from target_sendgrid.delivery.delivery import Delivery
    from target_sendgrid.errors import Problem
    from target_sendgrid.output_streams import Stream
    from target_sendgrid.preflight import Connection
    from target_sendgrid.report.report import Report
    from target_sendgrid.sendgrid.lists import ListTracker
    from target_sendgrid.settings.settings import Settings

log = logging.getLogger("target-sendgrid.run")


class _MirroredStream(msgspec.Struct):
    """What is noted of a stream that is mirrored."""

    sources: set[str] = msgspec.field(default_factory=set)
    """Names of the tap's streams that it is made of."""
    unknown_count: int = 0
    """Number of rejected records that do not show who they are about."""


class Mirrors:
    """The mirrored lists of a run.

    Args:
        connection: SendGrid.
        settings: The checked settings.
        report: Counts what becomes of records.
        clock: Where time comes from.
        tracker: The lists' ids as they are now.
        check_stop: Called while the members of a list are read; may raise to end the run.
    """

    def __init__(
        self,
        connection: Connection,
        settings: Settings,
        report: Report,
        clock: Clock,
        tracker: ListTracker,
        check_stop: Callable[[], None],
    ) -> None:
        self._connection = connection
        self._settings = settings
        self._report = report
        self._clock = clock
        self._tracker = tracker
        self._check_stop = check_stop
        self._modes: dict[str, dict[str, str]] = {}
        """The sync mode of each stream that fills a list, by the list's id."""
        self._presence: dict[str, Presence] = {}
        """Who is in the run, by the id of each mirrored list."""
        self._counts: Counter[tuple[str, str]] = Counter()
        """Number of records by stream and list id."""
        self._streams: dict[str, _MirroredStream] = {}
        self._tap_streams: set[str] = set()
        self._last_state: bytes | None = None
        self._received_at_state: dict[str, int] = {}
        """Number of records of each stream when the last STATE came."""
        self._state_after: dict[str, bytes] = {}
        """The first STATE after the last record of each stream."""

    @property
    def is_active(self) -> bool:
        """Whether some list is mirrored."""
        return bool(self._presence)

    def note_tap_stream(self, name: str) -> None:
        """Note that a stream of the tap has come, be it one of which nothing is sent: its bookmark is its own."""
        self._tap_streams.add(name)

    def open(self, stream: Stream, source: str) -> None:
        """Note that an output stream has come.

        Args:
            stream: The output stream.
            source: Name of the tap's stream that it is made of.

        Raises:
            ConfigError: Another stream fills the same list in another mode, or another run mirrors the list.
        """
        mode = self._settings.for_stream(stream.name).sync_mode
        for list_id in stream.list_ids:
            modes = self._modes.setdefault(list_id, {})
            modes[stream.name] = mode
            if "mirror" not in modes.values():
                continue
            other = next((name for name, its_mode in modes.items() if its_mode != "mirror"), None)
            if other is not None:
                message = (
                    f"The list {self._label(list_id)} is mirrored, and stream '{shown(other)}' fills it in another way,"
                    " so nobody could say who has left it. Set `sync_mode` to `mirror` for all its streams, or give"
                    " them different lists."
                )
                raise ConfigError(message)
            if list_id not in self._presence:
                from target_sendgrid.audience.list_lock import list_lock  # noqa: PLC0415 - only mirrors need it

                lock = list_lock(self._settings.base_url, list_id, self._label(list_id))
                self._connection.resources.enter_context(lock)
                self._presence[list_id] = Presence()
            self._presence[list_id].add_fields(field.key for field in stream.mapping.fields)
            self._streams.setdefault(stream.name, _MirroredStream()).sources.add(source)

    def note(self, stream: Stream, list_ids: Collection[str], identity: str, contact: bytes) -> None:
        """Note whom an accepted record is about.

        Args:
            stream: The output stream.
            list_ids: The lists that it puts the person on.
            identity: The person's identity (`contact.identity`).
            contact: The encoded contact.
        """
        noted = self._streams.get(stream.name)
        if noted is None:
            return
        self._add(stream.name, list_ids, stream.identifiers_of(identity, contact))

    def note_rejected(self, stream: Stream, record: Mapping[str, object], reason: Reason) -> None:
        """Note whom a rejected record is about, as far as it shows that: the person is still in the source.

        Args:
            stream: The output stream.
            record: The record, as its stream map has left it; empty if nothing of it can be read.
            reason: Why it is rejected. A record without an identifier is about nobody on a list.
        """
        noted = self._streams.get(stream.name)
        if noted is None:
            return
        values = stream.mapping.identity_values(record)
        if any(map(shown_texts, values.values())):
            self._add(stream.name, stream.list_ids, values)
        elif reason is not Reason.NO_IDENTIFIER:
            noted.unknown_count += 1

    def note_state(self, state: bytes) -> bool:
        """Note a STATE message, and return whether the next run may start from it.

        A run that starts inside a whole read would take the rest for everybody.
        """
        if not self._presence:
            return True
        from target_sendgrid.audience.bookmarks import is_inside_whole_read  # noqa: PLC0415 - only mirrors need it

        self._last_state = state
        for name, counts in self._report.streams.items():
            if counts.received != self._received_at_state.get(name, 0):
                self._state_after[name] = state
        self._received_at_state = {name: counts.received for name, counts in self._report.streams.items()}
        return not is_inside_whole_read(state)

    def finish(self, batcher: Batcher, delivery: Delivery) -> None:
        """Take off each mirrored list who was not in the run. Everything else must be settled.

        Raises:
            WithheldError: A guard has withheld it for some list, or somebody could not be taken off.
            SendGridError: SendGrid can't be reached, or an export failed.
        """
        problems: list[Problem] = []
        kept: list[str] = []
        for list_id in self._presence:
            if is_new(list_id):  # a dry run has not created it
                continue
            leaving = array("q")
            label, plan = self._label(list_id), self._plan(list_id, leaving)
            name = self._connection.lists.given_name(list_id) or list_id
            self._report.removed_members[name] = plan.removal_count
            members = counted(plan.list_size, "member")
            if plan.unidentified_count:
                stay = counted(plan.unidentified_count, "member")
                log.info(
                    "%s without an identifier that a stream maps: nobody like that leaves the list %s.", stay, label
                )
            if plan.withheld is not None:
                problems.append(plan.withheld)
            elif self._report.dry_run is not None:
                log.info("A run would take %s of %s off the list %s.", f"{plan.removal_count:,}", members, label)
            else:
                if self._connection.snapshot is not None:
                    self._connection.snapshot.leave(leaving, (list_id,))
                reasons = self._take_off(list_id, plan, batcher, delivery)
                kept += reasons
                removed = plan.removal_count - len(reasons)
                self._report.removed_members[name] = removed
                log.info("Took %s of %s off the list %s, who were not in this run.", f"{removed:,}", members, label)
        if problems:
            raise WithheldError(problems)
        if kept:
            what = f"{counted(len(kept), 'member')} could not be taken off a mirrored list."
            raise WithheldError([f"{what} {kept[0]} Run again."])

    def _plan(self, list_id: str, leaving: array[int]) -> RemovalPlan:
        """Decide who is taken off a list, and add who they are to `leaving`, as the snapshot knows them."""
        from target_sendgrid.audience.mirror import RemovalPlan  # noqa: PLC0415 - only mirrors need it
        from target_sendgrid.sendgrid.exports import ListExport  # noqa: PLC0415 - as above

        label, (current_id,) = self._label(list_id), self._tracker.current((list_id,))
        client, seconds = self._connection.clients[0], self._settings.job_timeout_seconds
        export = ListExport(
            client, self._clock, current_id, label=label, timeout_seconds=seconds, check_stop=self._check_stop
        )
        snapshot = self._connection.snapshot

        def note_leaving(member: ListMember) -> None:
            if snapshot is not None:
                leaving.extend(map(snapshot.person, member_keys(member)))

        return RemovalPlan(self._facts(list_id, label), self._presence[list_id], export, note_leaving)

    def _take_off(self, list_id: str, plan: RemovalPlan, batcher: Batcher, delivery: Delivery) -> list[str]:
        """Take members off a list, and return why some could not be taken off, a sentence for each."""
        purpose = Purpose(REMOVE_ABSENT, (list_id,))
        for contact_id in plan.contact_ids():
            contact = contacts.encode({contacts.CONTACT_ID: contact_id})
            if batcher.add(Change(purpose, f"id {contact_id}", contact, Origin("", 0)), is_new=True):
                delivery.send_full()
        delivery.finish()
        results = delivery.take_results([REMOVE_ABSENT])
        return [rejection.sentence for result in results for _, rejection in result.rejected]

    def _add(self, stream: str, list_ids: Collection[str], values: Mapping[str, object]) -> None:
        for list_id in list_ids:
            presence = self._presence.get(list_id)
            if presence is not None:
                presence.add(values)
                self._counts[stream, list_id] += 1

    def _facts(self, list_id: str, label: str) -> ListFacts:
        from target_sendgrid.audience.guards import ListFacts, StreamFacts  # noqa: PLC0415 - only mirrors need it

        came = [self._stream_facts(name, list_id) for name in self._modes[list_id]]
        absent = [
            StreamFacts(name=name, has_come=False, record_count=0)
            for name in self._settings.unused_entries(self._modes[list_id])
            if self._may_fill(name, list_id)
        ]
        over_cap, over_limit = (
            any(counts.buckets[bucket] for counts in self._report.streams.values())
            for bucket in (Bucket.OVER_CAP, Bucket.OVER_ACCOUNT_LIMIT)
        )
        return ListFacts(label=label, streams=[*came, *absent], is_cap_reached=over_cap, is_account_full=over_limit)

    def _stream_facts(self, name: str, list_id: str) -> StreamFacts:
        from target_sendgrid.audience.bookmarks import replication_position  # noqa: PLC0415 - only mirrors need it
        from target_sendgrid.audience.guards import StreamFacts  # noqa: PLC0415 - as above

        counts, noted = self._report.streams[name], self._streams[name]
        without = counts.rejected[Reason.NO_IDENTIFIER]
        limit = self._connection.rejections.limit
        own = LimitCounts(counts.received - counts.buckets[Bucket.IGNORED], counts.rejected_count - without, without)
        others = self._tap_streams - noted.sources
        positions = (
            replication_position(self._last_state or b"{}", source, others, self._state_after.get(name, b"{}"))
            for source in noted.sources
        )
        return StreamFacts(
            name=name,
            record_count=self._counts[name, list_id],
            unknown_count=noted.unknown_count,
            is_over_rejection_limit=limit.is_exceeded(own) or limit.is_exceeded(self._report.limit_counts()),
            has_final_state=self._received_at_state.get(name) == counts.received,
            position=next((position for position in positions if position is not None), None),
            max_removals=self._settings.for_stream(name).max_removals,
        )

    def _may_fill(self, name: str, list_id: str) -> bool:
        """Return whether a stream that has not come, or the streams of a pattern, are configured for a list."""
        own = self._settings.for_stream(name)
        names = [name for name in (own.list_name, *own.lists.values()) if name]
        lists = self._connection.lists
        return own.is_enabled and (own.list_id == list_id or any(lists.is_named(list_id, name) for name in names))

    def _label(self, list_id: str) -> str:
        return self._tracker.label((list_id,))
