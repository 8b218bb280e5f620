"""The run report: what became of every record, by stream, in numbers that add up."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from collections import Counter
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from target_sendgrid.errors import LocalFileError, Reason
from target_sendgrid.report.rejection_limit import LimitCounts
from target_sendgrid.wording import counted, shown, words_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typing_extensions import Self

    from target_sendgrid.report.dry_run import DryRunReport, StreamPreview
    from target_sendgrid.sendgrid.client import ContactCount


class Bucket(str, Enum):
    """What can become of a record, apart from being rejected; the members are in the order of the report.

    Attributes:
        value: Key of the JSON report.
        label: Words of the summary line for counts above 1.
        label_of_one: Words of the summary line for a count of 1.
        is_always_shown: Whether the summary line also shows a count of 0.
        is_always_reported: Whether the JSON report also has a count of 0.
    """

    label: str
    label_of_one: str
    is_always_shown: bool
    is_always_reported: bool

    UPSERTED = "upserted", "upserted", "upserted", True, True
    DUPLICATE = "duplicates", "duplicates", "duplicate", False, True
    UNCHANGED = "unchanged", "unchanged and not sent", "unchanged and not sent", False, False
    OVER_CAP = "over_cap", "over the cap", "over the cap", False, True
    OVER_ACCOUNT_LIMIT = "over_account_limit", "over the account's limit", "over the account's limit", False, False
    SKIPPED_SUPPRESSED = (
        "skipped_suppressed",
        "suppressed and not sent",
        "suppressed and not sent",
        False,
        False,
    )
    REMOVED = "removed", "removed", "removed", False, False
    DELETED_CONTACT = "deleted_contacts", "deleted as contacts", "deleted as a contact", False, False
    ERASED = "erased", "erased", "erased", False, False
    ERASED_BEFORE = "erased_before", "of erased people", "of an erased person", False, False
    NOT_FOUND = "not_found", "not found", "not found", False, False
    DELETED_AT_SOURCE = "deleted_at_source", "deleted at the source", "deleted at the source", False, False
    DELETED_WITHOUT_IDENTIFIER = (
        "deleted_without_identifier",
        "deleted without an identifier",
        "deleted without an identifier",
        False,
        False,
    )
    IGNORED = "ignored", "ignored by rule", "ignored by rule", False, True

    def __new__(cls, key: str, label: str, label_of_one: str, *flags: bool) -> Self:
        """Make a member from its attributes, in the order of the docstring."""
        member = str.__new__(cls, key)
        member._value_ = key
        member.label, member.label_of_one = label, label_of_one
        member.is_always_shown, member.is_always_reported = flags
        return member

    __hash__ = str.__hash__  # that of Enum takes much longer, and some records are counted one by one


_FIRST_AFTER_REJECTED = Bucket.OVER_CAP
"""Bucket before which the report and the summary name the rejected records."""


_TAKEN_AWAY = frozenset({Bucket.REMOVED, Bucket.DELETED_CONTACT, Bucket.ERASED})
"""Buckets of records whose people are taken off lists or out of the account."""


class StreamReport(msgspec.Struct):
    """What became of one stream's records.

    ``received`` is the sum of all buckets and all rejected records, but for ``unsettled`` ones when the run failed.
    """

    received: int = 0
    buckets: Counter[Bucket] = msgspec.field(default_factory=Counter)
    rejected: Counter[Reason] = msgspec.field(default_factory=Counter)
    list_name: str | None = None
    list_id: str | None = None
    unsubscribed: int = 0
    """Number of people whom the run has unsubscribed in SendGrid, or who had been before; would, in a dry run.

    It is no outcome of records: those of unsubscribed people are sent like others.
    """
    unsubscribed_records: int = 0
    """Number of records that say that their person has unsubscribed."""
    records_by_list: Counter[str] = msgspec.field(default_factory=Counter)
    """Number of records for each list, by name, where records choose their lists."""

    @property
    def rejected_count(self) -> int:
        """Number of rejected records."""
        return self.rejected.total()

    @property
    def settled(self) -> int:
        """Number of records whose outcome is known."""
        return self.buckets.total() + self.rejected_count

    @property
    def unsettled(self) -> int:
        """Number of records whose outcome is not known: none, unless the run failed."""
        return self.received - self.settled

    def summary(self, preview: StreamPreview | None = None) -> str:
        """Return the counts for people, those of nothing left out.

        Args:
            preview: What a run would do, in a dry run.
        """
        parts = [f"{self.received:,} received"]
        for bucket in Bucket:
            if bucket is _FIRST_AFTER_REJECTED and self.rejected:
                reasons = ", ".join(f"{reason.value} {count:,}" for reason, count in self.rejected.most_common())
                parts.append(f"{self.rejected_count:,} rejected ({reasons})")
            count = self.buckets[bucket]
            if bucket is Bucket.UPSERTED and preview is not None:
                parts.append(f"{count:,} would be upserted{preview.summary(count)}")
            elif bucket in _TAKEN_AWAY and preview is not None and count:
                parts.append(f"{count:,} would be {bucket.label_of_one if count == 1 else bucket.label}")
            elif count or bucket.is_always_shown:
                parts.append(f"{count:,} {bucket.label_of_one if count == 1 else bucket.label}")
        if self.unsubscribed:
            would = "" if preview is None else "would be "
            parts.append(f"{counted(self.unsubscribed, 'person', 'people')} {would}unsubscribed")
        if self.unsettled:
            parts.append(f"{self.unsettled:,} NOT CONFIRMED")
        return ", ".join(parts)

    def to_dict(self) -> dict[str, Any]:
        """Return the counts as plain values for JSON."""
        counts: dict[str, Any] = {"list_id": self.list_id, "list_name": self.list_name, "received": self.received}
        for bucket in Bucket:
            if bucket is _FIRST_AFTER_REJECTED:
                counts["rejected"] = {reason.value: count for reason, count in sorted(self.rejected.items())}
            if self.buckets[bucket] or bucket.is_always_reported:
                counts[bucket.value] = self.buckets[bucket]
        if self.records_by_list:
            counts["records_by_list"] = {_encodable(name): count for name, count in self.records_by_list.items()}
        if self.unsubscribed_records:
            counts |= {"unsubscribed_records": self.unsubscribed_records, "unsubscribed": self.unsubscribed}
        return counts | {"unsettled": self.unsettled}


class SummaryLine(NamedTuple):
    """A line of the summary for people, and the same as fields for structured logs."""

    text: str
    fields: dict[str, Any]


class Report(msgspec.Struct):
    """What one run did."""

    run_id: str = msgspec.field(default_factory=lambda: os.urandom(8).hex())
    """Text that no other run has: rejected records carry it, too."""
    host: str | None = None
    """Host that requests went to, with its port if it is not the usual one."""
    is_sandbox: bool = False
    """Whether the embedded sandbox was used."""
    is_local: bool = False
    """Whether the host is this machine, where a sandbox, but also a way to SendGrid, may be."""
    streams: dict[str, StreamReport] = msgspec.field(default_factory=dict)
    distinct_profiles: int = 0
    job_count: int = 0
    request_count: int = 0
    seconds: float = 0.0
    error: str | None = None
    error_codes: list[str] = msgspec.field(default_factory=list)
    state_held_from_line: int | None = None
    """Line of the first STATE after the last written one that was held back by the limit of rejections."""
    created_fields: list[str] = msgspec.field(default_factory=list)
    removed_members: dict[str, int] = msgspec.field(default_factory=dict)
    """Number of members who were taken off, or would be in a dry run, for each mirrored list, by its name."""
    contacts_before: ContactCount | None = None
    """How many contacts the account had before the run; ``None`` where no limit is set."""
    contacts_after: ContactCount | None = None
    """How many it had after the run, as far as SendGrid had counted them; ``None`` if the run ended early."""
    snapshot_people: int | None = None
    """Number of people in the snapshot after the run; ``None`` without one."""
    dry_run: DryRunReport | None = None
    """What a run would do; ``None`` in a run."""

    def add_new_list(self, name: str | None) -> None:
        """Note a list that a run would create."""
        if self.dry_run is not None and name is not None and name not in self.dry_run.new_lists:
            self.dry_run.new_lists.append(name)

    def stream(self, name: str) -> StreamReport:
        """Return the counts of a stream, which start at 0 for a new one."""
        found = self.streams.get(name)
        if found is None:
            found = self.streams[name] = StreamReport()
        return found

    @property
    def received(self) -> int:
        """Number of records received, for all streams together."""
        return sum(stream.received for stream in self.streams.values())

    @property
    def not_ignored_count(self) -> int:
        """Number of records that may count for the limit of rejections, for all streams together.

        These are all but those that a rule of the user ignores, and deleted rows that hold no identifier: nobody can
        correct them.
        """
        return sum(
            stream.received - stream.buckets[Bucket.IGNORED] - stream.buckets[Bucket.DELETED_WITHOUT_IDENTIFIER]
            for stream in self.streams.values()
        )

    def rejected_by_reason(self) -> Counter[Reason]:
        """Return how many records were rejected for each reason, for all streams together."""
        return sum((stream.rejected for stream in self.streams.values()), start=Counter[Reason]())

    def limit_counts(self) -> LimitCounts:
        """Return the counts that the limit of rejections is about, for a run whose records are all settled."""
        reasons = self.rejected_by_reason()
        without_identifier = reasons[Reason.NO_IDENTIFIER]
        return LimitCounts(self.not_ignored_count, reasons.total() - without_identifier, without_identifier)

    @property
    def settled(self) -> int:
        """Number of records whose outcome is known, for all streams together."""
        return sum(stream.settled for stream in self.streams.values())

    def summary(self) -> Iterator[SummaryLine]:
        """Yield the lines of the summary."""
        for name, stream in self.streams.items():
            into = f" -> list '{stream.list_name}'" if stream.list_name else ""
            if stream.records_by_list:
                lists = (f"'{shown(chosen)}' {count:,}" for chosen, count in stream.records_by_list.items())
                into = f" -> lists {', '.join(lists)}"
            preview = None if self.dry_run is None else self.dry_run.stream(name)
            text = f"Stream '{shown(name)}'{into}: {stream.summary(preview)}."
            yield SummaryLine(text, {"stream_name": name, **stream.to_dict()})
        if self.state_held_from_line is not None:
            text = (
                f"No state from line {self.state_held_from_line} on was written: more of the records before it were"
                " rejected than `max_rejected_percent` allows."
            )
            yield SummaryLine(text, {"state_held_from_line": self.state_held_from_line})
        if self.contacts_before is not None:
            yield SummaryLine(self._account_sentence(self.contacts_before), {})
        if self.snapshot_people is not None:
            yield SummaryLine(f"The snapshot holds {counted(self.snapshot_people, 'person', 'people')}.", {})
        outcome = "failed" if self.error is not None else "done"
        fields = self.to_dict()
        del fields["streams"]
        if self.dry_run is not None:
            yield from (SummaryLine(line, {}) for line in self.dry_run.summary(self.created_fields))
            text = (
                f"Dry run {outcome} in {self.seconds:.1f} s: {counted(self.distinct_profiles, 'distinct profile')},"
                f" {counted(self.request_count, 'request')} that only read. Nothing was written to SendGrid, and no"
                " state."
            )
            yield SummaryLine(text, fields)
            return
        text = (
            f"Run {outcome} in {self.seconds:.1f} s: {counted(self.distinct_profiles, 'distinct profile')},"
            f" {counted(self.job_count, 'import job')}, {counted(self.request_count, 'request')}.{self._where()}"
        )
        yield SummaryLine(text, fields)

    def _account_sentence(self, before: ContactCount) -> str:
        text = f"The account had {_stored_and_billed(before)} before the run"
        if self.contacts_after is None:
            return f"{text}."
        return (
            f"{text}, and {_stored_and_billed(self.contacts_after)} after it. SendGrid may count new ones some minutes"
            " late."
        )

    def _where(self) -> str:
        words = " Nothing was sent to SendGrid: with this `api_url` everything stays on this machine."
        if self.is_sandbox:
            return words
        return f" This went to {self.host}, on this machine." if self.is_local else ""

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain values for JSON."""
        return {
            "outcome": "failed" if self.error is not None else "succeeded",
            "error": self.error,
            "error_codes": self.error_codes,
            "run_id": self.run_id,
            "host": self.host,
            "sandbox": self.is_sandbox,
            "state_held_from_line": self.state_held_from_line,
            "seconds": round(self.seconds, 3),
            "distinct_profiles": self.distinct_profiles,
            "import_jobs": self.job_count,
            "requests": self.request_count,
            "created_custom_fields": self.created_fields,
            "removed_members": {_encodable(name): count for name, count in self.removed_members.items()},
            **self._account_counts(),
            **({} if self.snapshot_people is None else {"snapshot_people": self.snapshot_people}),
            "streams": {_encodable(name): stream.to_dict() for name, stream in self.streams.items()},
            **({} if self.dry_run is None else {"dry_run": self.dry_run.to_dict(self._upserted())}),
        }

    def _account_counts(self) -> dict[str, Any]:
        if self.contacts_before is None:
            return {}
        counts = {"contacts_before": self.contacts_before, "contacts_after": self.contacts_after}
        return {
            name: None if count is None else {"stored": count.contact_count, "billable": count.billable_count}
            for name, count in counts.items()
        }

    def _upserted(self) -> dict[str, int]:
        return {name: stream.buckets[Bucket.UPSERTED] for name, stream in self.streams.items()}

    def write(self, path: str) -> None:
        """Write the report as JSON, whole or not at all.

        Raises:
            LocalFileError: The file can't be written.
        """
        content = msgspec.json.format(msgspec.json.encode(self.to_dict()), indent=2) + b"\n"
        try:
            _write_whole(Path(path).expanduser(), content)
        except (OSError, ValueError, RuntimeError) as error:  # a null byte is a ValueError, no home a RuntimeError
            message = f"`report_path`: the report can't be written to {path}: {words_of(error)}."
            raise LocalFileError(message) from None


def _stored_and_billed(count: ContactCount) -> str:
    return f"{counted(count.contact_count, 'contact')} ({count.billable_count:,} billed)"


def _encodable(name: str) -> str:
    """Return a name with half surrogate pairs escaped, which no JSON file can hold."""
    return name.encode(errors="backslashreplace").decode()


def check_report_path(path: str) -> None:
    """Check before the run that a report can be written there after it.

    Raises:
        LocalFileError: Its folder is missing or not writable, or something other than a file has its name.
    """
    try:
        target = Path(path).expanduser()
        is_usable = _is_free(target) and os.access(target.parent, os.W_OK | os.X_OK)
    except (OSError, ValueError, RuntimeError):
        is_usable = False
    if not is_usable:
        what = f"`report_path`: no report can be written to {path}."
        next_step = "Check that the folder exists and is yours, and that the path is not a link or a device."
        raise LocalFileError(what, next_step)


def _is_free(target: Path) -> bool:
    """Return whether a report may be moved there. Root could replace a device, and take it from the whole machine."""
    return not os.path.lexists(target) or stat.S_ISREG(target.lstat().st_mode)


def _write_whole(target: Path, content: bytes) -> None:
    """Write a file in the folder of its target and move it there, so that nobody ever sees half of it.

    Raises:
        OSError: The file can't be written, or something other than a file has the name of the target.
    """
    if not _is_free(target):
        raise OSError(errno.EEXIST, "it is a link or a device")
    with tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}.", delete=False) as file:
        written = Path(file.name)
        try:
            file.write(content)
            file.flush()
            written.replace(target)
        except OSError:
            written.unlink()
            raise
