"""One run: streams are opened, records taken, and everything settled, with a connection that preflight has checked."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from target_sendgrid.audience.cap import NEW, OVER_CAP, ProfileCap
from target_sendgrid.audience.erased import ErasedPeople
from target_sendgrid.audience.hash_set import HashSet
from target_sendgrid.audience.intents import Act, Removal
from target_sendgrid.audience.presence import identity_keys
from target_sendgrid.delivery.operations.upsert import upsert_kind
from target_sendgrid.delivery.over_limit import count_contacts_after
from target_sendgrid.delivery.pending import Change, Purpose
from target_sendgrid.errors import (
    CapReachedError,
    InputError,
    RecordRejectedError,
    TargetSendGridError,
)
from target_sendgrid.mapping.field_mapping import value_at
from target_sendgrid.mirroring import Mirrors
from target_sendgrid.output_streams import OutputStreams
from target_sendgrid.pipeline import Pipeline
from target_sendgrid.report.notes import log_notes
from target_sendgrid.report.report import Bucket
from target_sendgrid.sendgrid import contact as contacts
from target_sendgrid.wording import counted, suggest, unused_entry

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from target_sendgrid.audience.suppressed import Suppressed
    from target_sendgrid.clock import Clock
    from target_sendgrid.delivery.worker import MakeWorker
    from target_sendgrid.origin import Origin
    from target_sendgrid.output_streams import Stream
    from target_sendgrid.preflight import Connection
    from target_sendgrid.report.report import Report
    from target_sendgrid.settings.settings import Settings

log = logging.getLogger("target-sendgrid.run")


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
        suppressed: Who is suppressed in SendGrid and not to be sent; ``None`` if that does not matter.
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
        suppressed: Suppressed | None = None,
    ) -> None:
        self._connection = connection
        self._suppressed = suppressed
        self._settings = settings
        self._check_stop = check_stop
        self._is_finished = False
        self.cap = ProfileCap(settings.profile_cap)
        self.report = report
        self._people = HashSet() if settings.suppression_groups() else None
        """Everybody of the run, by identity, if it matters how many these are."""
        kinds = {
            mode: upsert_kind(settings.batch_size_rows, settings.batch_size_bytes, creates_contacts=mode == "upsert")
            for mode in ("upsert", "update")
        }
        self.streams = OutputStreams(connection, settings, report, kinds)
        pipeline = Pipeline(
            connection,
            settings,
            kinds,
            report=report,
            clock=clock,
            write_state=write_state,
            check_stop=check_stop,
            cap=self.cap,
            people_count=lambda: len(self._people or ()),
            make_worker=make_worker,
        )
        self._batcher, self._delivery, self._gate = pipeline.batcher, pipeline.delivery, pipeline.gate
        self._intents, self._unsubscribed = pipeline.intents, pipeline.unsubscribed
        self._removals, self._checkpoints, self._permit = pipeline.removals, pipeline.checkpoints, pipeline.permit
        self._over_limit, self._list_tracker, self._known = pipeline.over_limit, pipeline.list_tracker, pipeline.known
        self.mirrors = Mirrors(connection, settings, report, clock, self._list_tracker, check_stop)
        self._erased = ErasedPeople()

    # Records

    @property
    def validates(self) -> bool:
        """Whether records are validated against the tap's schema."""
        return self._settings.validate_records

    @property
    def validates_all(self) -> bool:
        """Whether they are validated as a whole, not only what is mapped."""
        return self._settings.validate_records and self._settings.validate_scope == "all"

    @property
    def keeps_messages(self) -> bool:
        """Whether origins must hold the messages that records came in."""
        return self._connection.rejections.keeps_records

    def keep_schema(self, name: str, message: bytes) -> None:
        """Keep the SCHEMA message of a stream for the file of rejected records, so that they can be sent again."""
        self._connection.rejections.keep_schema(name, message)

    def receive(self, stream: Stream, record: Mapping[str, Any], origin: Origin) -> None:
        """Take a record of an enabled stream.

        Raises:
            RecordRejectedError: The record breaks a rule. (If the contact is too large, `take` rejects it itself.)
            CapReachedError: The record is of one person more than the cap allows, and that is to end the run.
        """
        stream.check_membership(record)
        purpose = stream.purpose_of(value_at(record, stream.list_path))
        is_unsubscribed = stream.says_unsubscribed(record)
        if purpose is None and not is_unsubscribed:
            return
        contact = stream.mapping.contact(record)
        identity = contacts.identity(contact)
        if identity is None:
            message = "the mapping has made a contact without an identifier"
            raise LookupError(message)
        if is_unsubscribed:
            self.take_unsubscribed(stream, purpose, identity, contacts.encode(contact), origin)
        elif purpose is not None:
            self.take(stream, purpose, identity, contacts.encode(contact), origin)

    @property
    def spares_rejected(self) -> bool:
        """Whether it matters who a rejected record is about (see `reject_record`)."""
        return bool(self._intents.waiting) or self.mirrors.is_active

    def reject_record(
        self, stream: Stream, record: Mapping[str, Any], origin: Origin, error: RecordRejectedError
    ) -> None:
        """Reject a record, and keep its person on the lists: whatever is wrong with it, the person is in the source.

        Args:
            stream: The output stream.
            record: The record, as its stream map has left it; empty if nothing of it can be read.
            origin: Where it came from.
            error: Why it is rejected.
        """
        self.mirrors.note_rejected(stream, record, error.reason)
        self._note_unsubscribed(stream, record, origin)
        if self._intents.waiting:
            self._removals.cancel(identity_keys(stream.mapping.identity_values(record)), stream.list_ids)
        self.reject(origin, error)

    def remove(self, stream: Stream, record: Mapping[str, Any], origin: Origin) -> None:
        """Take a record of an enabled stream that asks to take its person off the lists it is for.

        Raises:
            RecordRejectedError: Nothing identifies the person.
        """
        contact = stream.mapping.identifiers(record)
        purpose = stream.purpose_of(value_at(record, stream.list_path))
        self._note_unsubscribed(stream, record, origin)
        if purpose is not None:
            self._let_wait(contact, purpose.list_ids, origin, Act.REMOVE_FROM_LIST)

    def receive_deleted(self, stream: Stream, record: Mapping[str, Any], origin: Origin) -> None:
        """Take a row of an enabled stream that is deleted at the source."""
        if stream.on_delete == "ignore":
            self._note_unsubscribed(stream, record, origin)
            stream.counts.buckets[Bucket.DELETED_AT_SOURCE] += 1
            return
        act = Act(stream.on_delete)
        try:
            if act is Act.REMOVE_FROM_LIST:
                self.remove(stream, record, origin)
                return
            contact = stream.mapping.identifiers(record)
        except RecordRejectedError:
            self._delivery.leave_out_deleted(origin)
            return
        self._note_unsubscribed(stream, record, origin)
        self._let_wait(contact, (), origin, act)

    def take(self, stream: Stream, purpose: Purpose, identity: str, contact: bytes, origin: Origin) -> None:
        """Take the encoded contact of a record; reject one that is too large, and leave out who is suppressed.

        Raises:
            CapReachedError: It is one person more than the cap allows, and that is to end the run.
        """
        if self._people is not None:
            self._people.add(identity)
        is_limited = not self._erased.is_empty or self._suppressed is not None
        if (is_limited or self._intents.waiting or self.mirrors.is_active) and self._is_left_out(
            stream, purpose, identity, contact
        ):
            return
        admission = self.cap.admit(identity)
        change = Change(purpose, identity, contact, origin)
        try:
            if admission is OVER_CAP:
                self._batcher.check_size(change)  # a contact that no request can hold is no reason to end the run
                self._leave_out(stream, origin)
                return
            if self._unsubscribed.has_reason_to_hold and self._unsubscribed.must_wait(change):
                self._batcher.check_size(change)
                self._unsubscribed.hold(change)
                self._checkpoints.hold_if_full()
                return
            if self._known is not None and self._known.leaves_out(change, is_new=admission is NEW):
                return
            is_limit_reached = self._batcher.add(change, is_new=admission is NEW)
        except RecordRejectedError as error:
            if admission is NEW:
                self.cap.withdraw(identity)
            self.reject(origin, error)
            return
        if is_limit_reached:
            self._delivery.send_full()

    def _is_left_out(self, stream: Stream, purpose: Purpose, identity: str, contact: bytes) -> bool:
        """Note the person of a record that is to be sent; return whether the record is counted and not sent."""
        if self.mirrors.is_active:  # also who is erased: the contact may turn out to be somebody else's
            self.mirrors.note(stream, purpose.list_ids, identity, contact)
        if not self._erased.is_empty or self._intents.waiting:
            values = stream.identifiers_of(identity, contact)
            if self._erased.holds(values):
                stream.counts.buckets[Bucket.ERASED_BEFORE] += 1
                return True
            self._removals.cancel(identity_keys(values), purpose.list_ids)
        if self._suppressed is not None and self._suppressed.holds(identity, stream.suppression_group_id):
            stream.counts.buckets[Bucket.SKIPPED_SUPPRESSED] += 1
            return True
        return False

    def take_unsubscribed(
        self, stream: Stream, purpose: Purpose | None, identity: str, contact: bytes, origin: Origin
    ) -> None:
        """Take the encoded contact of a record that says that its person has unsubscribed.

        The person waits to be suppressed, and what the record asks for waits until that is done.

        Args:
            stream: The output stream.
            purpose: What the record asks for; ``None`` if there is no list for it.
            identity: The person (`contact.identity`).
            contact: The encoded contact.
            origin: Where the record came from.

        Raises:
            CapReachedError: It is one person more than the cap allows, and that is to end the run.
        """
        self._let_unsubscribe(stream, contacts.decode(contact), origin)
        if purpose is not None:
            self.take(stream, purpose, identity, contact, origin)
        self._checkpoints.hold_if_full()

    def _note_unsubscribed(self, stream: Stream, record: Mapping[str, Any], origin: Origin) -> None:
        """Let the person of a record wait to be suppressed if the record says so, whatever becomes of it otherwise."""
        if stream.says_unsubscribed(record):
            try:
                contact = stream.mapping.identifiers(record)
            except (RecordRejectedError, RecursionError):
                return  # it is not known who has unsubscribed
            self._let_unsubscribe(stream, contact, origin)
            self._checkpoints.hold_if_full()

    def _let_unsubscribe(self, stream: Stream, contact: contacts.Contact, origin: Origin) -> None:
        stream.counts.unsubscribed_records += 1
        if self._people is not None:
            self._people.add(contacts.identity(contact) or "")
        if self._suppressed is not None and "email" in contact:
            self._suppressed.add(contact["email"], stream.suppression_group_id)
        if self._unsubscribed.is_suppressed(contact, stream.suppression_group_id):
            return
        earlier = [change for one in contacts.identities(contact) for change in self._batcher.withdraw(one)]
        earlier.sort(key=lambda change: change.origin.line)
        self._unsubscribed.add(contact, stream.suppression_group_id, origin, earlier)

    def _let_wait(self, contact: contacts.Contact, list_ids: tuple[str, ...], origin: Origin, act: Act) -> None:
        """Let what a record asks to take away wait for a checkpoint."""
        identity, keys = contacts.identity(contact) or "", identity_keys(contact)
        if self._known is not None:
            self._known.note_removal(keys)
        if self._people is not None:
            self._people.add(identity)
        if act is Act.ERASE:
            self._erased.add(contact)
        self._intents.add(Removal(identity, keys, contacts.encode(contact), list_ids, origin, act))
        self._checkpoints.hold_if_full()

    def reject(self, origin: Origin, error: RecordRejectedError) -> None:
        """Log, file and count a rejected record."""
        self._delivery.reject(origin, error.reason, error.sentence)

    def receive_state(self, line: int, state: bytes) -> None:
        """Take a STATE message."""
        if self.mirrors.note_state(state):
            self._checkpoints.note_state()
            self._delivery.receive_state(line, state)
        else:
            self._delivery.settle_ready()

    def on_idle(self) -> None:
        """Settle what is ready; call it now and then while reading, also while the tap is silent.

        Raises:
            TerminatedError: A signal asked the run to stop.
        """
        self._check_stop()
        self._delivery.settle_ready()
        self._checkpoints.hold_if_due()

    # Ending

    def finish(self) -> None:
        """Send and settle everything, then check whether too many records were rejected.

        Raises:
            TargetSendGridError: Something could not be settled, or too much was rejected.
        """
        log.info("The input has ended after %s.", counted(self.report.received, "record"))
        self._delivery.finish()
        self._checkpoints.finish()
        self._is_finished = True
        count_contacts_after(self._connection.clients[0], self.report)
        # Streams without any entry were named when they came.
        by_pattern = [name for name in self.report.streams if self._settings.entry_of(name) not in {None, name}]
        for entry in self._settings.unused_entries(self.report.streams):
            sentence = unused_entry(entry, "streams", is_pattern="*" in entry)
            log.warning("%s%s", sentence, suggest(entry, by_pattern))
        self._connection.rejections.check(self.report, self._gate.held_from_line)
        self._checkpoints.check()
        self._over_limit.check()
        self.mirrors.finish(self._batcher, self._delivery)

    def settle_after(self, error: BaseException) -> None:
        """Settle what can be settled after an error.

        Bad input and a reached cap only end the reading, so everything read before is settled; after any other error,
        what was sent. Nobody is taken off a list any more.
        """
        self._permit.withdraw()
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
        self.streams.warn_of_absent_properties()
        log_notes(self.report, self._settings)
        if self._connection.rejections.has_entries:
            path = self._settings.rejected_records_path
            log.info("Rejected records are in %s, with the `run_id` %s.", path, self.report.run_id)
        self.report.state_held_from_line = self._gate.held_from_line
        self.report.distinct_profiles = self.cap.distinct_profiles
        self.report.request_count = self._connection.request_count
        self.report.snapshot_people = None if self._known is None else self._known.finish()
        self.streams.complete_report(self._list_tracker)

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
