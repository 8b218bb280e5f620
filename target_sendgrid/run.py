"""One run: opens SendGrid, takes streams and records, and ends with everything settled or with a clear error."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from target_sendgrid.audience.cap import NEW, REFUSED, ProfileCap
from target_sendgrid.delivery.batching import Batcher
from target_sendgrid.delivery.delivery import Delivery, WorkerThread
from target_sendgrid.delivery.job_runner import JobRunner
from target_sendgrid.delivery.state import StateGate
from target_sendgrid.errors import (
    BadRequestError,
    CapReachedError,
    ConfigError,
    ForbiddenError,
    InputError,
    LocalFileError,
    RecordRejectedError,
    TargetSendGridError,
    TerminatedError,
)
from target_sendgrid.mapping.compiler import compile_mapping
from target_sendgrid.report.rejections import Rejections
from target_sendgrid.report.report import Bucket, Report, StreamReport, check_report_path
from target_sendgrid.sendgrid import contact as contacts
from target_sendgrid.sendgrid.client import Client
from target_sendgrid.sendgrid.embedded import EmbeddedSandbox
from target_sendgrid.sendgrid.lists import Lists, ListTracker
from target_sendgrid.sendgrid.transport import RUN_RETRY_SECONDS, Transport
from target_sendgrid.wording import suggest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from target_sendgrid.clock import Clock
    from target_sendgrid.delivery.delivery import MakeWorker
    from target_sendgrid.delivery.job_runner import JobEvent
    from target_sendgrid.mapping.field_mapping import FieldMapping
    from target_sendgrid.origin import Origin
    from target_sendgrid.sendgrid.fields import CustomField, FieldCatalogue, FieldType
    from target_sendgrid.settings import Settings, StreamSettings

log = logging.getLogger("target-sendgrid.run")

_MARKETING_SCOPES = ("marketing.read", "marketing_campaigns.")


@dataclass
class Stream:
    """A stream as the run sees it, for as long as its schema holds."""

    name: str
    settings: StreamSettings
    counts: StreamReport
    mapping: FieldMapping | None = None
    """``None`` where the stream is not enabled."""
    list_id: str = ""


class Run:
    """Ties the steps of one run together.

    Args:
        settings: The checked settings.
        clock: Where time comes from.
        write_state: Writes a state for the tap's next run.
        check_stop: Called while waiting; may raise to end the wait.
        make_carrier: Makes what carries batches, given how to make its courier; a thread by default.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock,
        write_state: Callable[[bytes], None],
        check_stop: Callable[[], None],
        make_worker: MakeWorker | None = None,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._write_state = write_state
        self._check_stop = check_stop
        self._make_worker = make_worker or WorkerThread
        self._sandbox: EmbeddedSandbox | None = None
        self._clients: list[Client] = []
        self.is_started = False
        """Whether records can be taken."""
        self.is_opening = True
        """Whether the run can be left at any moment: it talks to SendGrid, and has no record in its hands."""
        self._is_finished = False
        self._report_path: str | None = None
        """Set once a report can be written there: what else stands in that place must not be replaced."""
        self._started_at = clock.monotonic()
        self.cap = ProfileCap(settings.profile_cap)
        self.report = Report()

    # Opening

    def start(self) -> None:
        """Check key, scopes, lists and files, before anything is read.

        Raises:
            TargetSendGridError: Something is wrong; nothing was sent.
        """
        if self._settings.report_path:
            check_report_path(self._settings.report_path)
            self._report_path = self._settings.report_path
        self._rejections = Rejections(self._settings.rejected_records_path, self._settings.max_rejected_percent)
        self._client = self._connect()
        self._check_scopes()
        self._catalogue: FieldCatalogue = self._client.field_catalogue()
        self._lists = Lists(self._client, can_create=self._settings.create_list)
        self._lists.check(*self._settings.lists())
        self._list_tracker = ListTracker(
            self._clients[1], self._lists.given_name, can_create=self._settings.create_list
        )
        for client in self._clients:
            client.transport.retry_budget_seconds = RUN_RETRY_SECONDS
        self._batcher = Batcher(self._settings.batch_size_rows, self._settings.batch_size_bytes, self._clock.monotonic)
        self._delivery = Delivery(
            batcher=self._batcher,
            courier=self._make_worker(self._make_runner),
            gate=StateGate(self._write_state),
            report=self.report,
            rejections=self._rejections,
            clock=self._clock,
            check_stop=self._check_stop,
        )
        self.is_started = True
        self.is_opening = False

    def open_stream(self, name: str, schema: Mapping[str, Any], key_properties: Sequence[str]) -> Stream:
        """Resolve the list and the field mapping of a stream, creating what is missing and may be created.

        Raises:
            ConfigError: The mapping or the list is wrong.
        """
        self.is_opening = True
        try:
            return self._opened(name, schema, key_properties)
        finally:
            self.is_opening = False

    def _opened(self, name: str, schema: Mapping[str, Any], key_properties: Sequence[str]) -> Stream:
        settings = self._settings.for_stream(name)
        stream = Stream(name, settings, self.report.stream(name))
        self._rejections.key_properties[name] = key_properties
        if not settings.is_enabled:
            log.info("Stream '%s' is not enabled: its records are read and not sent.", name)
            return stream
        near = suggest(name, self._settings.streams.keys() - self.report.streams.keys())
        if name not in self._settings.streams and near:
            log.warning("Stream '%s' is not in the setting `streams`, whose names are others.%s", name, near)
        if not settings.list_id and not settings.list_name:
            message = (
                f"Stream '{name}' has no list. Set `list_name` for all streams, or `streams.{name}.list_name`; to leave"
                f" the stream out, set `streams.{name}.enabled` to false."
            )
            raise ConfigError(message)
        stream.mapping = compile_mapping(
            name,
            schema,
            settings.field_mapping,
            self._catalogue,
            clears_nulls=self._settings.null_handling == "clear",
            create_field=self._create_field if self._settings.create_custom_fields else None,
        )
        destination = self._lists.resolve(settings.list_id, settings.list_name)
        stream.list_id = destination.id
        stream.counts.list_id, stream.counts.list_name = destination.id, destination.name
        log.info("Stream '%s' fills list '%s' from %s.", name, destination.name, ", ".join(stream.mapping.field_labels))
        return stream

    def keep_schema(self, name: str, message: bytes) -> None:
        """Keep the SCHEMA message of a stream for the file of rejected records, so that they can be sent again."""
        self._rejections.schemas[name] = message

    # Records

    @property
    def keeps_messages(self) -> bool:
        """Whether origins must hold the messages that records came in."""
        return self._rejections.keeps_records

    def receive(self, stream: Stream, record: Mapping[str, Any], origin: Origin) -> None:
        """Take a record.

        Raises:
            RecordRejectedError: The record breaks a rule, but for that of its size (see `take`).
            CapReachedError: The record is of one person more than the cap allows, and that is to end the run.
        """
        if stream.mapping is None:
            message = f"{stream.name} is not enabled"
            raise LookupError(message)  # its sink takes no records
        contact = stream.mapping.contact(record)
        identity = contacts.identity(contact)
        if identity is None:
            raise InputError(f"{origin} has no identity.")  # the mapping rejects those
        self.take(stream, identity, contacts.encode(contact), origin)

    def take(self, stream: Stream, identity: str, contact: bytes, origin: Origin) -> None:
        """Take the encoded contact that was made of a record; one that is too large is rejected.

        Raises:
            CapReachedError: It is one person more than the cap allows, and that is to end the run.
        """
        admission = self.cap.admit(identity)
        if admission is REFUSED:
            self._over_cap(stream, origin)
            return
        try:
            self._batcher.add(identity, contact, stream.list_id, origin, is_new=admission is NEW)
        except RecordRejectedError as error:
            self.reject(origin, error)
        if self._batcher.may_be_full:
            self._delivery.send_full()

    def reject(self, origin: Origin, error: RecordRejectedError) -> None:
        """Take note of a rejected record."""
        self._delivery.reject(origin, error.reason, error.sentence)

    def receive_state(self, line: int, state: bytes) -> None:
        """Take a STATE message."""
        self._delivery.receive_state(line, state)

    def on_idle(self) -> None:
        """Let what is ready settle; call it now and then while reading."""
        self._delivery.settle_ready()

    # Ending

    def finish(self) -> None:
        """Send and settle everything, then judge the run.

        Raises:
            TargetSendGridError: Something could not be settled, or too much was rejected.
        """
        self._delivery.finish()
        self._is_finished = True
        for name in self._settings.streams:
            if name not in self.report.streams:
                log.warning("Stream '%s' is in the setting `streams`, but never came.", name)
        self._rejections.check(self.report.rejected, self.report.received)

    def save(self, error: BaseException) -> None:
        """Settle what can be settled after an error: all that was read when reading ended, else all that was sent."""
        if not self.is_started or self._is_finished:
            return
        try:
            if isinstance(error, (InputError, CapReachedError)):
                self._delivery.finish()
            else:
                self._delivery.wait_for_sent()
        except TargetSendGridError as second:
            if second is not error:  # what stopped the delivery stops it again
                log.error("%s", second)  # noqa: TRY400 - a traceback tells a user nothing

    def close(self, error: BaseException | None) -> None:
        """Print the summary, write the report, and let go of everything."""
        if error is not None:
            # The text of an error that is not ours may quote a value.
            is_ours = isinstance(error, (TargetSendGridError, TerminatedError))
            self.report.error = str(error) if is_ours else f"Internal error: {type(error).__name__}"
        self.report.seconds = self._clock.monotonic() - self._started_at
        self.report.distinct_profiles = self.cap.distinct_profiles
        self.report.request_count = sum(client.transport.request_count for client in self._clients)
        for counts in self.report.streams.values():
            if counts.list_id:
                (counts.list_id,) = self._list_tracker.current((counts.list_id,))
        try:
            for line in self.report.summary():
                log.info("%s", line)
            if self._report_path:
                self._write_report(self._report_path, error)
        finally:
            if self.is_started:
                self._rejections.close()
            for client in self._clients:
                client.transport.close()
            if self._sandbox:
                self._sandbox.stop()

    # Helpers

    def _write_report(self, path: str, error: BaseException | None) -> None:
        try:
            self.report.write(path)
        except LocalFileError as second:
            if error is None:
                raise
            log.error("%s", second)  # noqa: TRY400 - the first error matters more, and is told by the caller

    def _connect(self) -> Client:
        url, key = self._settings.base_url, self._settings.api_key
        if self._settings.is_sandbox:
            self._sandbox = EmbeddedSandbox.start(self._settings.sandbox_database)
            url, key = self._sandbox.url, self._sandbox.api_key
        self._clients = [
            Client(
                Transport(
                    url,
                    key,
                    clock=self._clock,
                    on_behalf_of=self._settings.on_behalf_of,
                    timeout_seconds=self._settings.request_timeout_seconds,
                )
            )
            for _ in ("this thread", "the courier's")
        ]
        return self._clients[0]

    def _make_runner(self, report: Callable[[JobEvent], None]) -> JobRunner:
        return JobRunner(
            self._clients[1],
            self._clock,
            list_tracker=self._list_tracker,
            field_name=self._catalogue.name_of,
            job_timeout_seconds=self._settings.job_timeout_seconds,
            report=report,
        )

    def _check_scopes(self) -> None:
        try:
            scopes = self._client.scopes()
        except ForbiddenError:
            return  # a key may be forbidden to list its scopes; what it needs shows at the next call
        if not any(scope.startswith(_MARKETING_SCOPES) for scope in scopes):
            log.warning("The API key does not list the scope `marketing.read`: SendGrid may refuse it.")

    def _create_field(self, name: str, field_type: FieldType) -> CustomField:
        try:
            field = self._client.create_field(name, field_type)
        except BadRequestError:
            found = self._client.field_catalogue().find(name)  # somebody else may have made it meanwhile
            if found is None:
                message = (
                    f"SendGrid refuses to create the custom field '{name}': an account may have 500 of them. Map the"
                    " property to one that exists, or leave it out."
                )
                raise ConfigError(message) from None
            return found
        self.report.created_fields.append(field.name)
        log.info("Created custom field '%s' of type %s.", field.name, field_type.value)
        return field

    def _over_cap(self, stream: Stream, origin: Origin) -> None:
        stream.counts.buckets[Bucket.OVER_CAP] += 1
        if self._settings.on_profile_cap == "fail":
            self._delivery.hold_state_from(origin.line)
            message = (
                f"The run holds more than {self.cap.limit:,} distinct profiles, the `profile_cap`; the first over it"
                f" is at {origin}. What came before is sent. Raise `profile_cap`, or set `on_profile_cap` to `truncate`"
                " to leave the rest out."
            )
            raise CapReachedError(message)
        if stream.counts.buckets[Bucket.OVER_CAP] == 1:
            log.warning("The profile cap of %s is reached at %s: new profiles are left out.", self.cap.limit, origin)
