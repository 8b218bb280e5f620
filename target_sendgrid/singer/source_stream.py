"""Streams of the tap: their records are checked, and sent along the routes to output streams."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from target_sendgrid.errors import Reason, RecordRejectedError
from target_sendgrid.report.report import Bucket
from target_sendgrid.singer.decoding import DECODE_ERRORS, decode_readable_parts, encode_json, is_too_long
from target_sendgrid.singer.lines import MAX_LINE_BYTES
from target_sendgrid.singer.stream_map_errors import map_failure

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from target_sendgrid.mapping.fast_path import FastPath
    from target_sendgrid.mapping.schemas import Path
    from target_sendgrid.origin import Origin
    from target_sendgrid.output_streams import Stream
    from target_sendgrid.report.report import StreamReport
    from target_sendgrid.run import Run
    from target_sendgrid.singer.record_check import RecordCheck
    from target_sendgrid.singer.sink import SendGridSink

DELETED_AT = "_sdc_deleted_at"
"""Property that taps set in the rows that are deleted at the source."""

_UNREADABLE = "The record is not JSON: broken characters, NaN, a number out of range, or nested too deeply."


_Receive: TypeAlias = "Callable[[Stream, Mapping[str, Any], Origin], None]"


class StreamRoute(msgspec.Struct, frozen=True, eq=False):
    """How the records of a stream reach one output stream."""

    stream: Stream
    """The output stream."""
    sink: SendGridSink
    transform: Callable[[dict[str, Any]], dict[str, Any] | None] | None
    """The stream map; ``None`` where it leaves records as they are."""
    sets_mark: bool = False
    """Whether the stream map says what becomes of the mark of deleted rows. Otherwise rows stay deleted without it."""


class SourceStream(msgspec.Struct, frozen=True, eq=False):
    """One stream of the tap, for as long as its schema holds."""

    run: Run
    name: str
    routes: Sequence[StreamRoute] = ()
    ignored: Sequence[StreamReport] = ()
    """Counts of the output streams of which nothing is sent: not enabled, or removed by stream maps."""
    check: RecordCheck | None = None
    """Checks records; set where there is a route."""
    needed: Collection[Path] | None = None
    """Properties that must be readable; ``None`` if all must be."""
    fast: FastPath | None = None
    """Set where there is one output stream only, and its stream map and the schema allow a fast path."""

    @property
    def is_ignored(self) -> bool:
        """Whether nothing of the stream is sent."""
        return not self.routes

    @property
    def next_number(self) -> int:
        """Number of the next record in its stream."""
        return self.routes[0].stream.counts.received + 1 if self.routes else 0

    def accept(self, record: object, origin: Origin) -> None:
        """Take a record on the slow path. A record that breaks a rule is rejected alone.

        Raises:
            InputError: Validation takes too long, or the schema refers to something that it does not contain.
            TerminatedError: A signal asked the run to stop.
        """
        self._count_ignored()
        if not self.routes:
            return
        if not isinstance(record, dict):
            self._reject(origin, RecordRejectedError(Reason.NOT_AN_OBJECT, "The record is not a JSON object."))
            return
        is_deleted = _is_deleted(record)
        needs_all = not is_deleted and not all(route.stream.removes_all for route in self.routes)
        error = self._error_in(record) if needs_all else None
        if error is not None and not self.run.spares_rejected and not any(map(_reads_rejected, self.routes)):
            self._reject(origin, error)
        else:
            for route in self.routes:
                route.stream.counts.received += 1
                self._accept(route, record, self._origin_on(route, origin), error, is_deleted=is_deleted)
        if self.check is not None:
            self.check.end_if_slow(record, origin)

    def accept_line(self, line: bytes, origin: Origin) -> bool:
        """Send a record that is alone in a line along the fast path.

        Returns:
            Whether that was possible. If not, the record still has to be decoded and accepted.
        """
        fast = self.fast
        if fast is None or fast.is_paused:
            return False
        try:
            record = fast.decode(line)
            if not line.isascii():
                line.decode()  # values that are not decoded are not checked for valid UTF-8
            made = fast.contact(record)
        except DECODE_ERRORS:
            made = None
        if made is None:
            fast.missed += 1
            return False
        stream = self.routes[0].stream
        stream.counts.received += 1
        purpose = stream.purpose or stream.purpose_of(fast.list_value(record))
        if stream.subscription is not None and stream.subscription.is_unsubscribed(fast.subscription_value(record)):
            self.run.take_unsubscribed(stream, purpose, *made, origin)
        elif purpose is not None:
            self.run.take(stream, purpose, *made, origin)
        return True

    def accept_unreadable(self, line: bytes, origin: Origin, *, is_message: bool) -> None:
        """Take a record whose line is too long or no strict JSON.

        It is rejected if a property that matters can't be read. All others are left out of the record.

        Args:
            line: The line. It is kept, unless it is too long.
            origin: Where it came from.
            is_message: Whether the line is a RECORD message; otherwise it is the record itself.
        """
        if not self.routes:
            self._count_ignored()
            return
        found = None if self.needed is None or is_too_long(line) else decode_readable_parts(line)
        readable: Mapping[str, Any] = {}
        if found is not None:
            value, paths = found
            record = value.get("record") if is_message and isinstance(value, dict) else value
            if is_message:
                paths = [path[1:] for path in paths if path[:1] == ("record",)]
            readable = record if isinstance(record, dict) else {}
            if isinstance(record, dict) and not any(map(self._is_needed, paths)):
                if self.run.keeps_messages:
                    kept = {"type": "RECORD", "stream": self.name, "record": record}
                    origin = msgspec.structs.replace(origin, message=encode_json(kept))
                self.accept(record, origin)
                return
        self._count_ignored()
        if is_too_long(line):
            sentence = f"The record's line is longer than {MAX_LINE_BYTES:,} bytes."
            self._reject(origin, RecordRejectedError(Reason.TOO_LARGE, sentence))
            return
        if self.run.keeps_messages:
            origin = msgspec.structs.replace(origin, message=line)
        self._reject(origin, RecordRejectedError(Reason.UNREADABLE, _UNREADABLE), readable)

    def _accept(
        self,
        route: StreamRoute,
        record: dict[str, Any],
        origin: Origin,
        error: RecordRejectedError | None,
        *,
        is_deleted: bool,
    ) -> None:
        """Take a record along a route.

        Args:
            route: The route.
            record: The record.
            origin: Where it came from.
            error: What is wrong with it. It is not known of rows that are deleted at the source, and does not matter
                where the record asks to take its person off a list.
            is_deleted: Whether its row is deleted at the source.
        """
        counts = route.stream.counts
        result: dict[str, Any] | None = record
        if route.transform is not None:
            try:
                result = route.transform(dict(record))
            except Exception as raised:  # noqa: BLE001 - an expression can raise anything, and its text may quote a value
                if is_deleted:  # many taps send nothing but the key of a deleted row
                    self._receive(self.run.receive_deleted, route.stream, {}, origin)
                    return
                failed = RecordRejectedError(Reason.STREAM_MAP_FAILED, map_failure(raised))
                self.run.reject_record(route.stream, {}, origin, error or failed)
                return
        if result is None and error is not None:
            self.run.reject_record(route.stream, {}, origin, error)
        elif result is None:
            counts.buckets[Bucket.IGNORED] += 1
        elif _is_deleted(result) or (is_deleted and not route.sets_mark):
            self._receive(self.run.receive_deleted, route.stream, result, origin)
        elif route.stream.asks_to_remove(result):
            self._receive(self.run.remove, route.stream, result, origin)
        elif found := error or (self._error_in(record) if is_deleted else None):  # a stream map has removed the mark
            self.run.reject_record(route.stream, result, origin, found)
        else:
            self._receive(self.run.receive, route.stream, result, origin)

    def _receive(self, receive: _Receive, stream: Stream, record: dict[str, Any], origin: Origin) -> None:
        try:
            receive(stream, record, origin)
        except RecordRejectedError as error:
            self.run.reject_record(stream, record, origin, error)
        except RecursionError:
            unreadable = RecordRejectedError(Reason.UNREADABLE, "The record is nested too deeply.")
            self.run.reject_record(stream, record, origin, unreadable)

    def _error_in(self, record: dict[str, Any]) -> RecordRejectedError | None:
        return None if self.check is None else self.check.error_in(record)

    def _reject(self, origin: Origin, error: RecordRejectedError, readable: Mapping[str, Any] | None = None) -> None:
        """Reject a record along all routes.

        Args:
            origin: Where it came from.
            error: Why it is rejected.
            readable: What can be read of the record. A stream map may make anything of what can't, so it gets nothing.
        """
        for route in self.routes:
            route.stream.counts.received += 1
            record = readable if readable and route.transform is None else {}
            self.run.reject_record(route.stream, record, self._origin_on(route, origin), error)

    def _origin_on(self, route: StreamRoute, origin: Origin) -> Origin:
        stream, number = route.stream.name, route.stream.counts.received
        if stream == origin.stream and number == origin.record_number:
            return origin
        return msgspec.structs.replace(origin, stream=stream, record_number=number)

    def _count_ignored(self) -> None:
        for counts in self.ignored:
            counts.received += 1
            counts.buckets[Bucket.IGNORED] += 1

    def _is_needed(self, path: Path) -> bool:
        """Return whether a property that matters is at a path, inside of it or around it."""
        return self.needed is None or any(path[: len(needed)] == needed[: len(path)] for needed in self.needed)


def _reads_rejected(route: StreamRoute) -> bool:
    return route.stream.reads_rejected


def _is_deleted(record: Mapping[str, Any]) -> bool:
    return bool(record.get(DELETED_AT))
