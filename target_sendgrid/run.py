"""One run: streams are opened, records taken, and everything settled, with a connection that preflight has checked."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import msgspec

from target_sendgrid.audience.cap import NEW, OVER_CAP, ProfileCap
from target_sendgrid.audience.list_choice import ListChoice
from target_sendgrid.delivery.batching import Batcher
from target_sendgrid.delivery.delivery import Delivery
from target_sendgrid.delivery.job_runner import JobRunner
from target_sendgrid.delivery.operations.upsert import Upsert, upsert_kind
from target_sendgrid.delivery.pending import Change, Purpose
from target_sendgrid.delivery.state import StateGate
from target_sendgrid.delivery.worker import WorkerThread
from target_sendgrid.errors import (
    BadRequestError,
    CapReachedError,
    Code,
    ConfigError,
    InputError,
    RecordRejectedError,
    TargetSendGridError,
)
from target_sendgrid.mapping.field_mapping import value_at
from target_sendgrid.mapping.planner import plan_mapping, some_names
from target_sendgrid.mapping.schemas import property_paths, resolve_path
from target_sendgrid.report.report import Bucket
from target_sendgrid.sendgrid import contact as contacts
from target_sendgrid.sendgrid.dry_run import is_new
from target_sendgrid.sendgrid.lists import ListTracker
from target_sendgrid.wording import counted, misspelt_stream, shown, suggest, unused_entry

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from target_sendgrid.clock import Clock
    from target_sendgrid.delivery.worker import MakeWorker, Runner
    from target_sendgrid.mapping.field_mapping import FieldMapping
    from target_sendgrid.mapping.plan import MappingPlan, NewField
    from target_sendgrid.mapping.schemas import Path
    from target_sendgrid.origin import Origin
    from target_sendgrid.preflight import Connection
    from target_sendgrid.report.report import Report, StreamReport
    from target_sendgrid.sendgrid.fields import CustomField
    from target_sendgrid.settings import Settings

log = logging.getLogger("target-sendgrid.run")


class Stream(msgspec.Struct, frozen=True):
    """An output stream as the run sees it, for as long as its schema holds."""

    name: str
    counts: StreamReport
    purpose: Purpose | None
    """What its records ask for; ``None`` where each record chooses its lists."""
    mapping: FieldMapping
    choice: ListChoice | None = None
    """Chooses the lists of records."""
    list_path: Path = ()
    """Steps to the property by which they are chosen."""


class StreamPlan(msgspec.Struct, frozen=True):
    """What an output stream needs. It is checked, and nothing is created yet. One of the ways to a list is given."""

    name: str
    list_id: str | None
    list_name: str | None
    mapping: MappingPlan
    list_path: Path = ()
    """Steps to the property by which records choose their lists; none without one."""
    lists: Mapping[str, str] = {}
    """Name of the list for each value of that property."""

    @property
    def paths(self) -> list[Path]:
        """Paths of the properties that are needed."""
        return [*self.mapping.paths, *([self.list_path] if self.list_path else [])]


class Run:
    """Connects the steps of one run.

    Args:
        connection: SendGrid and the files, checked and open. The caller closes it after the run.
        settings: The checked settings.
        report: Counts what becomes of records.
        clock: Where time comes from.
        write_state: Writes a state for the tap's next run.
        check_stop: Called while waiting and reading; may raise to end the run.
        make_worker: Makes what runs the job runner: a thread by default.
    """

    def __init__(  # noqa: PLR0913 - what a run is made of
        self,
        connection: Connection,
        settings: Settings,
        *,
        report: Report,
        clock: Clock,
        write_state: Callable[[bytes], None],
        check_stop: Callable[[], None],
        make_worker: MakeWorker | None = None,
    ) -> None:
        self._connection = connection
        self._settings = settings
        self._client, worker_client = connection.clients
        self._check_stop = check_stop
        self.is_opening_stream = False
        """Whether the run asks SendGrid about a new stream. A signal may stop it at once then: it takes no record."""
        self._is_finished = False
        self._mappings: dict[str, FieldMapping] = {}
        """The present mapping of each output stream."""
        self._came: dict[str, set[str]] = {}
        """Labels of fields whose properties some record of a stream has had under an earlier schema."""
        self._chosen_lists: dict[str, str] = {}
        """Names of the lists that records choose, by id."""
        self.cap = ProfileCap(settings.profile_cap)
        self.report = report
        self._upsert_kind = upsert_kind(settings.batch_size_rows, settings.batch_size_bytes)
        self._list_tracker = ListTracker(worker_client, connection.lists.given_name, can_create=settings.create_list)
        field_name = connection.catalogue.name_of
        runner: Runner
        if report.dry_run is not None:
            from target_sendgrid.delivery.dry_run import DryRunner  # noqa: PLC0415 - a run does not need it

            runner = DryRunner(worker_client, report.dry_run, field_name)
        else:
            upsert = Upsert(
                self._upsert_kind, worker_client, clock, list_tracker=self._list_tracker, field_name=field_name
            )
            runner = JobRunner(
                [upsert],
                worker_client,
                clock,
                list_tracker=self._list_tracker,
                job_timeout_seconds=settings.job_timeout_seconds,
            )
        self._batcher = Batcher(clock.monotonic)
        self._gate = StateGate(write_state, connection.rejections.limit)
        self._delivery = Delivery(
            batcher=self._batcher,
            worker=make_worker(runner) if make_worker is not None else WorkerThread(runner, clock),
            gate=self._gate,
            report=report,
            rejections=connection.rejections,
            clock=clock,
            check_stop=check_stop,
        )

    # Streams

    @property
    def validates(self) -> bool:
        """Whether records are validated against the tap's schema."""
        return self._settings.validate_records

    @property
    def validates_all(self) -> bool:
        """Whether they are validated as a whole, not only what is mapped."""
        return self._settings.validate_records and self._settings.validate_scope == "all"

    def is_enabled(self, name: str) -> bool:
        """Return whether the records of an output stream are sent."""
        return self._settings.for_stream(name).is_enabled

    def names_stream(self, name: str) -> bool:
        """Return whether a key of `streams` is for an output stream: its name or a pattern."""
        return self._settings.entry_of(name) is not None

    def plan_stream(self, name: str, schema: Mapping[str, Any]) -> StreamPlan:
        """Check the list and the field mapping of an output stream, before anything is created for it.

        Args:
            name: Name of the output stream.
            schema: JSON schema of its records.

        Raises:
            ConfigError: The mapping is wrong, there is no list, or the stream's name in the settings is misspelt.
        """
        misspelt = self._settings.misspelt_entry(name, self.report.streams)
        if misspelt is not None:
            raise ConfigError(misspelt_stream(name, "streams", misspelt))
        settings = self._settings.for_stream(name)
        near = suggest(name, self._settings.streams.keys() - self.report.streams.keys())
        if self._settings.entry_of(name) is None and near:
            log.warning("Stream '%s' has no entry in `streams`.%s", name, near)
        if not settings.list_id and not settings.list_name and not settings.list_property:
            message = (
                f"Stream '{name}' has no list. Set `list_name` for all streams, or `streams.{name}.list_name`; to leave"
                f" the stream out, set `streams.{name}.enabled` to false, or `streams.*.enabled` to leave out every"
                " stream without an entry of its own."
            )
            raise ConfigError(message, code=Code.LIST_MISSING)
        plan = plan_mapping(
            name,
            schema,
            settings.field_mapping,
            self._connection.catalogue,
            can_create_fields=self._settings.create_custom_fields,
        )
        if settings.list_property is None:
            return StreamPlan(name, settings.list_id, settings.list_name, plan)
        list_path = resolve_path(settings.list_property, schema)
        if list_path is None:
            message = (
                f"Stream '{shown(name)}': no property is named '{shown(settings.list_property)}', as `list_property`"
                f" says.{suggest(settings.list_property, property_paths(schema))}"
            )
            raise ConfigError(message, code=Code.WRONG_MAPPING)
        plan = msgspec.structs.replace(plan, unused=tuple(one for one in plan.unused if one != settings.list_property))
        return StreamPlan(name, None, None, plan, list_path, settings.lists)

    def open_stream(self, plan: StreamPlan, key_properties: Sequence[str]) -> Stream:
        """Open an output stream: create its custom fields and its list where they are missing.

        Args:
            plan: What `plan_stream` has returned.
            key_properties: Key properties of the tap's records.

        Raises:
            ConfigError: SendGrid refuses to create a field or the list.
        """
        name, counts = plan.name, self.report.stream(plan.name)
        self._connection.rejections.keep_keys(name, key_properties)
        self.is_opening_stream = True
        try:
            clears_nulls = self._settings.null_handling == "clear"
            mapping = plan.mapping.compile(clears_nulls=clears_nulls, create_field=self._create_field)
            resolve = self._connection.lists.resolve
            by_value = {value: resolve(None, list_name) for value, list_name in plan.lists.items()}
            found = None if by_value else resolve(plan.list_id, plan.list_name)
        finally:
            self.is_opening_stream = False
        if name in self._mappings:
            self._came.setdefault(name, set()).update(self._mappings[name].came())
        elif plan.mapping.unused:
            log.info("Stream '%s': not used: %s.", name, some_names(plan.mapping.unused))
        self._mappings[name] = mapping
        field_count = counted(len(plan.mapping.fields), "field")
        purpose = choice = None
        if found is not None:
            counts.list_id, counts.list_name = found.id, found.name
            purpose = Purpose(self._upsert_kind, (found.id,))
            log.info("Stream '%s' fills list '%s' (%s).", name, found.name, field_count)
        else:
            choice = ListChoice(by_value, counts.records_by_list)
            counts.records_by_list.update({chosen.name: 0 for chosen in by_value.values()})
            self._chosen_lists.update({chosen.id: chosen.name for chosen in by_value.values()})
            log.info("Stream '%s' fills %s (%s).", name, counted(len(counts.records_by_list), "list"), field_count)
        for planned in plan.mapping.fields:
            log.debug("%s <- %s", planned.field, planned.source)
        return Stream(name, counts, purpose, mapping, choice, plan.list_path)

    def keep_schema(self, name: str, message: bytes) -> None:
        """Keep the SCHEMA message of a stream for the file of rejected records, so that they can be sent again."""
        self._connection.rejections.keep_schema(name, message)

    # Records

    @property
    def keeps_messages(self) -> bool:
        """Whether origins must hold the messages that records came in."""
        return self._connection.rejections.keeps_records

    def receive(self, stream: Stream, record: Mapping[str, Any], origin: Origin) -> None:
        """Take a record of an enabled stream.

        Raises:
            RecordRejectedError: The record breaks a rule. (If the contact is too large, `take` rejects it itself.)
            CapReachedError: The record is of one person more than the cap allows, and that is to end the run.
        """
        purpose = stream.purpose or self.choose_lists(stream, value_at(record, stream.list_path))
        if purpose is None:
            return
        contact = stream.mapping.contact(record)
        identity = contacts.identity(contact)
        if identity is None:
            message = "the mapping has made a contact without an identifier"
            raise LookupError(message)
        self.take(stream, purpose, identity, contacts.encode(contact), origin)

    def choose_lists(self, stream: Stream, value: object) -> Purpose | None:
        """Return what a record asks for that chooses its lists; if there is no list for it, count it as ignored.

        Args:
            stream: The stream.
            value: Value of the property by which lists are chosen.
        """
        list_ids = stream.choice.list_ids(value) if stream.choice is not None else ()
        if not list_ids:
            stream.counts.buckets[Bucket.IGNORED] += 1
            return None
        return Purpose(self._upsert_kind, list_ids)

    def take(self, stream: Stream, purpose: Purpose, identity: str, contact: bytes, origin: Origin) -> None:
        """Take the encoded contact of a record; reject one that is too large.

        Raises:
            CapReachedError: It is one person more than the cap allows, and that is to end the run.
        """
        admission = self.cap.admit(identity)
        change = Change(purpose, identity, contact, origin)
        try:
            if admission is OVER_CAP:
                self._batcher.check_size(change)  # a contact that no request can hold is no reason to end the run
                self._leave_out(stream, origin)
                return
            is_limit_reached = self._batcher.add(change, is_new=admission is NEW)
        except RecordRejectedError as error:
            if admission is NEW:
                self.cap.withdraw(identity)
            self.reject(origin, error)
            return
        if is_limit_reached:
            self._delivery.send_full()

    def reject(self, origin: Origin, error: RecordRejectedError) -> None:
        """Log, file and count a rejected record."""
        self._delivery.reject(origin, error.reason, error.sentence)

    def receive_state(self, line: int, state: bytes) -> None:
        """Take a STATE message."""
        self._delivery.receive_state(line, state)

    def on_idle(self) -> None:
        """Settle what is ready; call it now and then while reading, also while the tap is silent.

        Raises:
            TerminatedError: A signal asked the run to stop.
        """
        self._check_stop()
        self._delivery.settle_ready()

    # Ending

    def finish(self) -> None:
        """Send and settle everything, then check whether too many records were rejected.

        Raises:
            TargetSendGridError: Something could not be settled, or too much was rejected.
        """
        log.info("The input has ended after %s.", counted(self.report.received, "record"))
        self._delivery.finish()
        self._is_finished = True
        # Streams without any entry were named when they came.
        by_pattern = [name for name in self.report.streams if self._settings.entry_of(name) not in {None, name}]
        for entry in self._settings.unused_entries(self.report.streams):
            sentence = unused_entry(entry, "streams", is_pattern="*" in entry)
            log.warning("%s%s", sentence, suggest(entry, by_pattern))
        self._connection.rejections.check(self.report, self._gate.held_from_line)

    def settle_after(self, error: BaseException) -> None:
        """Settle what can be settled after an error.

        Bad input and a reached cap only end the reading, so everything read before is settled; after any other error,
        what was sent.
        """
        if self._is_finished:
            return
        try:
            if isinstance(error, (InputError, CapReachedError)):
                self._delivery.finish()
            else:
                self._delivery.wait_for_sent()
        except TargetSendGridError as second:
            if second is not error:  # the error that stopped the delivery stops it again
                for line in second.lines():
                    log.error("%s", line)  # noqa: TRY400 - a traceback helps no user

    def complete_report(self) -> None:
        """Add to the report, and to the log, what is known only at the end."""
        for name, counts in self.report.streams.items():
            if counts.buckets[Bucket.DELETED_AT_SOURCE]:
                message = "Stream '%s': rows that are deleted at the source change nothing in SendGrid."
                log.info(message, shown(name))
        for name, mapping in self._mappings.items():
            for label in set(mapping.never_came()) - self._came.get(name, set()):
                log.warning("Stream '%s': no record has %s, and its schema does not list it.", shown(name), label)
        if self._connection.rejections.keeps_records and self.report.rejected_by_reason():
            path = self._settings.rejected_records_path
            log.info("Rejected records are in %s, with the `run_id` %s.", path, self.report.run_id)
        self.report.state_held_from_line = self._gate.held_from_line
        self.report.distinct_profiles = self.cap.distinct_profiles
        self.report.request_count = self._connection.request_count
        self._complete_lists()

    # Helpers

    def _complete_lists(self) -> None:
        """Add the lists to the report that a dry run would create, and the present ids of all others."""
        for list_id, name in self._chosen_lists.items():
            if is_new(list_id):
                self.report.add_new_list(name)
        for counts in self.report.streams.values():
            if counts.list_id and is_new(counts.list_id):
                counts.list_id = None
                self.report.add_new_list(counts.list_name)
            elif counts.list_id:
                (counts.list_id,) = self._list_tracker.current((counts.list_id,))

    def _create_field(self, new: NewField) -> CustomField:
        """Create a custom field, and add it to those that are known."""
        known = self._connection.catalogue.find(new.name)
        if known is not None:  # another output stream has needed it, too
            return known
        try:
            field = self._client.create_field(new.name, new.field_type)
        except BadRequestError:
            found = self._client.field_catalogue().find(new.name)  # another program may have created it meanwhile
            if found is None:
                message = (
                    f"SendGrid refuses to create the custom field '{new.name}': an account may have 500 of them. Map"
                    " the property to one that exists, or leave it out."
                )
                raise ConfigError(message, code=Code.FIELD_REFUSED) from None
            field = found
        else:
            self.report.created_fields.append(field.name)
            created = "A run would create the" if self._client.only_reads else "Created"
            log.info("%s custom field '%s' of type %s, %s.", created, field.name, field.field_type.value, new.why)
        self._connection.catalogue.add(field)
        return field

    def _leave_out(self, stream: Stream, origin: Origin) -> None:
        """Handle the record of a person over the cap."""
        stream.counts.buckets[Bucket.OVER_CAP] += 1
        if self._settings.on_profile_cap == "fail":
            self._delivery.hold_state_from(origin.line)
            message = (
                f"The run holds more than {self.cap.limit:,} distinct profiles, the `profile_cap`; the first over it"
                f" is at {origin}. What came before is sent. Raise `profile_cap` (0 means no cap), or set"
                " `on_profile_cap` to `truncate` to leave the rest out."
            )
            raise CapReachedError(message)
        if stream.counts.buckets[Bucket.OVER_CAP] == 1:
            log.warning("The profile cap of %s is reached at %s: new profiles are left out.", self.cap.limit, origin)
