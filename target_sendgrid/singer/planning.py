"""Planning of the streams of a tap by their SCHEMA messages: what a run would do.

Only records of streams with a `subscription_property` are read, to count whom they would unsubscribe.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from target_sendgrid.audience.hash_set import HashSet
from target_sendgrid.audience.subscription import Subscription, unsubscribed_values
from target_sendgrid.errors import RecordRejectedError, TargetSendGridError
from target_sendgrid.mapping.field_mapping import value_at
from target_sendgrid.sendgrid import contact as contacts
from target_sendgrid.sendgrid.fields import CustomField
from target_sendgrid.singer.routes import RouteTable
from target_sendgrid.singer.source_stream import SourceStream

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from target_sendgrid.mapping.field_mapping import FieldMapping
    from target_sendgrid.mapping.schemas import Path
    from target_sendgrid.origin import Origin
    from target_sendgrid.output_streams import StreamPlan
    from target_sendgrid.run import Run
    from target_sendgrid.settings.settings import Settings
    from target_sendgrid.singer.mapper import OutputMap
    from target_sendgrid.singer.routes import SdkStreams


class CountedPeople(msgspec.Struct, frozen=True, eq=False):
    """The people of an output stream, and those of them who have unsubscribed, as its records say it."""

    everybody: HashSet = msgspec.field(default_factory=HashSet)
    """People by identity (`contact.identity`)."""
    unsubscribed: HashSet = msgspec.field(default_factory=HashSet)
    """Those with an address who have unsubscribed."""


class CountingRoute(msgspec.Struct, frozen=True, eq=False):
    """How the records of a stream are counted for one output stream."""

    people: CountedPeople
    everybody: HashSet
    """The people of all streams that are counted."""
    mapping: FieldMapping
    """Finds out who a record is about."""
    subscription: Subscription
    subscription_path: Path
    transform: Callable[[dict[str, Any]], dict[str, Any] | None] | None
    """The stream map; ``None`` where it leaves records as they are."""

    def count(self, record: dict[str, Any]) -> None:
        """Count the person of a record, unless nothing identifies it or the stream map drops or refuses the record."""
        result: dict[str, Any] | None = record
        if self.transform is not None:
            try:
                result = self.transform(dict(record))
            except Exception:  # noqa: BLE001 - an expression can raise anything; a run names what is wrong
                return
        if result is None:
            return
        try:
            contact = self.mapping.identifiers(result)
        except (RecordRejectedError, RecursionError):
            return
        identity = contacts.identity(contact) or ""
        self.people.everybody.add(identity)
        self.everybody.add(identity)
        if contact.get("email") and self.subscription.is_unsubscribed(value_at(result, self.subscription_path)):
            self.people.unsubscribed.add(identity)


class CountedStream(SourceStream, frozen=True, eq=False):
    """A stream of the tap whose records are counted, and not sent."""

    counting: Sequence[CountingRoute] = ()

    @property
    def is_ignored(self) -> bool:
        """Whether its records are skipped."""
        return not self.counting

    def accept(self, record: object, origin: Origin) -> None:
        """Count a record."""
        del origin
        if isinstance(record, dict):
            for route in self.counting:
                route.count(record)


class PlanningTable(RouteTable):
    """The streams of a tap, of which nothing is sent: each is planned.

    Args:
        run: The run that plans streams.
        sdk: The SDK's streams.
        settings: The checked settings.
    """

    def __init__(self, run: Run, sdk: SdkStreams, settings: Settings) -> None:
        super().__init__(run, sdk)
        self._settings = settings
        self.people: dict[str, CountedPeople] = {}
        """The people of each output stream whose records say who has unsubscribed."""
        self.everybody = HashSet()
        """The people of all these streams, who are each one person in several of them."""
        self.plans: dict[str, list[StreamPlan]] = {}
        """The plans of the output streams, by the tap's stream."""
        self.errors: dict[str, TargetSendGridError] = {}
        """What is wrong with a stream, by its name."""

    @property
    def has_streams(self) -> bool:
        """Whether a SCHEMA message has come."""
        return bool(self._streams)

    @property
    def left_out(self) -> list[str]:
        """Names of the streams of which nothing is sent: they are not enabled, or stream maps remove them."""
        return [name for name in self._streams if name not in self.errors and not self.plans.get(name)]

    def ignored(self, name: str) -> SourceStream | None:
        """Return a stream of which nothing is sent, unless it has come with a SCHEMA: its next one is planned, too."""
        return None if name in self._schemas else super().ignored(name)

    def register_schema(self, name: str, schema: dict[str, Any], key_properties: list[str], line: bytes) -> None:
        """Plan a stream, unless its SCHEMA message only repeats the last one. The arguments are those of `RouteTable`.

        Raises:
            RecursionError: The schema is nested too deeply.
        """
        del line
        if self._schemas.get(name) == (schema, key_properties):
            return
        self._schemas[name] = (schema, key_properties)
        came, counting = [name], []
        try:
            self._check_name(name)
            planned = self.plan(name, schema, key_properties)
            self.plans[name] = [plan for _, plan in planned]
            came = [plan.name for plan in self.plans[name]]
            counting = [self._counting(*one) for one in planned if one[1].subscription_path]
        except TargetSendGridError as error:
            self.errors.setdefault(name, error)  # with the first one, a run ends
        self._streams[name] = CountedStream(self._run, name, counting=counting)
        for output in came:
            self._run.report.stream(output)  # as in a run: its entry in `streams` is not misspelt

    def _counting(self, output_map: OutputMap, plan: StreamPlan) -> CountingRoute:
        values = self._settings.for_stream(plan.name).unsubscribed_values
        return CountingRoute(
            self.people.setdefault(plan.name, CountedPeople()),
            self.everybody,
            plan.mapping.of_identifiers().compile(
                clears_nulls=False, create_field=lambda new: CustomField(new.name, new.name, new.field_type)
            ),
            Subscription(unsubscribed_values(values)),
            plan.subscription_path,
            None if output_map.is_identity else output_map.stream_map.transform,
        )

    def warn_of_unused_entries(self) -> None:
        """Log nothing: the check has a finding for each."""

    def unused_entries(self) -> list[str]:
        """Return the names and patterns in the setting `stream_maps` that are for none of the streams that came."""
        return self._mapper.unused_entries(self._streams)
