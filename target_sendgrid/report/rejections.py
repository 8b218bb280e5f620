"""Rejected records: what each reason means, how they are logged and filed, and how many of them a run allows."""

from __future__ import annotations

import logging
from collections import Counter
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import msgspec

from target_sendgrid.errors import Reason, TooManyRejectedError
from target_sendgrid.report.rejected_records import RejectedRecordsFile
from target_sendgrid.report.rejection_limit import RejectionLimit
from target_sendgrid.wording import counted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from target_sendgrid.origin import Origin
    from target_sendgrid.report.report import Report

log = logging.getLogger("target-sendgrid.report")

MEANINGS: Mapping[Reason, str] = {
    Reason.SCHEMA_VIOLATION: "The record does not match the schema that the tap sent for its stream.",
    Reason.MISSING_KEY_PROPERTY: "The record lacks a key property of its stream.",
    Reason.NOT_AN_OBJECT: "The record, or a line of a batch file, is not a JSON object.",
    Reason.UNREADABLE: "The record is not JSON: broken characters, NaN, a number out of range, or nested too deeply.",
    Reason.STREAM_MAP_FAILED: "A stream map expression could not be computed on the record.",
    Reason.NO_IDENTIFIER: "The email, and every other mapped identifier, is empty.",
    Reason.DELETED_WITHOUT_IDENTIFIER: "The row was deleted at the source and has none of the mapped identifiers.",
    Reason.INVALID_EMAIL: "The value mapped to an email field can't be an email address.",
    Reason.INVALID_PHONE: "The value mapped to `phone_number_id` is no phone number, or does not say of which country.",
    Reason.TOO_LONG: "A value is longer than SendGrid takes for its field.",
    Reason.TOO_MANY_ITEMS: "More than five alternate email addresses.",
    Reason.NOT_A_NUMBER: "A value mapped to a number field is neither a number nor a numeric text.",
    Reason.NOT_A_DATE: "A value mapped to a date field is not an ISO date or date-time.",
    Reason.NOT_A_BOOLEAN: "The value of the membership property is neither true nor false.",
    Reason.TOO_LARGE: "The contact alone is larger than `batch_size_bytes`.",
    Reason.REFUSED_BY_SENDGRID: "SendGrid refused the contact when it was sent, or fails at each request with it.",
    Reason.FAILED_IN_JOB: "SendGrid's import job reported an error for the contact.",
    Reason.NOT_STORED: "SendGrid's import jobs fail with the contact, and the account does not hold it as it was sent.",
}

_LOGGED_PER_REASON = 10
"""Number of rejected records of the same stream and reason that are logged; more are only counted."""

_CAUSES = {
    Reason.STREAM_MAP_FAILED: "`stream_maps`",
    **dict.fromkeys(
        (Reason.SCHEMA_VIOLATION, Reason.MISSING_KEY_PROPERTY, Reason.NOT_AN_OBJECT, Reason.UNREADABLE), "the tap"
    ),
}
"""What is likely to be wrong if all records are rejected for a reason. For other reasons it is the field mapping."""


class Rejections:
    """Logs the rejected records of a run, and keeps them in a file.

    Args:
        path: File that they are appended to; ``None`` keeps none.
        max_percent: The setting `max_rejected_percent`.
    """

    def __init__(self, path: str | None, max_percent: float) -> None:
        self._key_properties: dict[str, Sequence[str]] = {}
        """Names of each stream's key properties, for the file."""
        self._schemas: dict[str, dict[str | None, bytes]] = {}
        """The SCHEMA messages that each stream's records came with, by their own stream's name, for the file."""
        self.limit = RejectionLimit(max_percent)
        """How many rejected records a STATE may cover, and the run may have."""
        self._path = path
        self._file = RejectedRecordsFile(path) if path else None
        self._counts: Counter[tuple[str, Reason]] = Counter()

    @property
    def keeps_records(self) -> bool:
        """Whether there is a file, so that origins must hold the messages that their records came in."""
        return self._file is not None

    @property
    def has_entries(self) -> bool:
        """Whether the run has written anything to the file."""
        return self._file is not None and bool(self._counts)

    def keep_keys(self, stream: str, key_properties: Sequence[str]) -> None:
        """Keep the names of a stream's key properties, for the file."""
        self._key_properties[stream] = key_properties

    def keep_schema(self, stream: str, message: bytes) -> None:
        """Keep the SCHEMA message of a stream, for the file, so that its records can be sent again.

        Streams with one alias are one stream here, each with a SCHEMA of its own.
        """
        self._schemas.setdefault(stream, {})[_stream_in(message)] = message

    def add(
        self,
        origin: Origin,
        reason: Reason,
        sentence: str,
        sendgrid_message: str | None = None,
        *,
        report: Report,
        now: float,
    ) -> None:
        """Log a rejected record, without its values, and keep it in the file.

        Args:
            origin: Where it came from.
            reason: Its reason code.
            sentence: What is wrong, without values.
            sendgrid_message: SendGrid's own words, which may quote values: they go to the file only.
            report: The report of the run, which knows its id and the list of the stream.
            now: Seconds since the epoch.

        Raises:
            LocalFileError: The file can't be written.
        """
        self._counts[origin.stream, reason] += 1
        count = self._counts[origin.stream, reason]
        if count <= _LOGGED_PER_REASON:
            more = " More of this kind are counted, not named." if count == _LOGGED_PER_REASON else ""
            word = "Not used" if reason is Reason.DELETED_WITHOUT_IDENTIFIER else "Rejected"
            log.warning("%s: %s: %s: %s%s", word, origin, reason.value, sentence, more)
        if self._file is not None:
            is_text = reason is Reason.UNREADABLE  # the message is not valid JSON, so it is kept as text
            stream = report.stream(origin.stream)
            entry: dict[str, object] = {
                "time": datetime.fromtimestamp(now, tz=timezone.utc).isoformat(timespec="milliseconds"),
                "run_id": report.run_id,
                "list_id": stream.list_id,
                "list_name": stream.list_name,
                "stream": origin.stream,
                "line": origin.line,
                "file_line": origin.file_line or None,
                "record_number": origin.record_number or None,
                "key_properties": list(self._key_properties.get(origin.stream, ())),
                "reason": reason.value,
                "sentence": sentence,
                "sendgrid_message": sendgrid_message,
                "schema": msgspec.Raw(self._schema_of(origin)),
                "message": None if origin.message is None or is_text else msgspec.Raw(origin.message),
            }
            if origin.message is not None and is_text:
                entry["text"] = origin.message.decode(errors="backslashreplace")
            self._file.append(msgspec.json.encode(entry) + b"\n")

    def _schema_of(self, origin: Origin) -> bytes:
        schemas = self._schemas.get(origin.stream, {})
        own = schemas.get(_stream_in(origin.message)) if len(schemas) > 1 else None
        return own or next(reversed(schemas.values()), b"null")

    def flush(self) -> None:
        """Make sure that the file survives a crash, before a state that covers the rejected records is written.

        Raises:
            LocalFileError: The disk does not take it.
        """
        if self._file is not None:
            self._file.flush()

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def check(self, report: Report, state_held_from_line: int | None) -> None:
        """Check whether too many records of a run were rejected.

        Args:
            report: What became of its records.
            state_held_from_line: Line of the first STATE that was not written for that reason, if any.

        Raises:
            TooManyRejectedError: Too many were.
        """
        counts = report.limit_counts()
        if not self.limit.is_exceeded(counts):
            return
        reasons = report.rejected_by_reason()
        if counts.accepted:
            del reasons[Reason.NO_IDENTIFIER]
        ((reason, _),) = reasons.most_common(1)
        if counts.accepted:
            rejected, of, without = counts.rejected, counts.rejected + counts.accepted, counts.without_identifier
            are = "is" if without == 1 else "are"
            others = f" {counted(without, 'record')} without an identifier {are} not included." if without else ""
            others += " The others were sent."
            higher = "set a higher `max_rejected_percent`"
        else:
            rejected = of = counts.records
            others = f" Nobody was accepted: check {_CAUSES.get(reason, 'the field mapping')} first."
            higher = "set `max_rejected_percent` to 100"
        were = "was" if rejected == 1 else "were"
        what = (
            f"{rejected:,} of {counted(of, 'record')} {were} rejected ({100 * rejected / of:.1f} %), more than"
            f" `max_rejected_percent` ({self.limit.max_percent:g} %) allows, most often as `{reason.value}`.{others}"
        )
        if state_held_from_line is not None:
            what += (
                f" No state from line {state_held_from_line} on was written, so the next run brings all records since"
                " the last state again."
            )
        where = f"See {self._path}." if self._path else "Set `rejected_records_path` to keep them in a file."
        next_step = f"Correct the field mapping or the tap and run again, or {higher} for one run. {where}"
        raise TooManyRejectedError(what, next_step)


class _Message(msgspec.Struct):
    """The part of a Singer message that says of which stream it is."""

    stream: str


_message_decoder = msgspec.json.Decoder(_Message)


def _stream_in(message: bytes | None) -> str | None:
    """Return the name of the stream that a message has, before stream maps, or ``None`` if it can't be read."""
    try:
        return None if message is None else _message_decoder.decode(message).stream
    except (msgspec.DecodeError, UnicodeError):
        return None
