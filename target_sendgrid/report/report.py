"""The run report: what became of every record, per stream, in numbers that add up."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from target_sendgrid.errors import LocalFileError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from target_sendgrid.errors import Reason


@dataclass
class StreamReport:
    """What became of one stream's records.

    ``received`` is the sum of all other counts, but for ``unsettled`` records when the run failed.
    """

    received: int = 0
    upserted: int = 0
    duplicates: int = 0
    over_cap: int = 0
    ignored: int = 0
    rejected: Counter[Reason] = field(default_factory=Counter)
    list_name: str | None = None
    list_id: str | None = None

    @property
    def rejected_count(self) -> int:
        """Number of rejected records."""
        return sum(self.rejected.values())

    @property
    def unsettled(self) -> int:
        """Number of records whose outcome is not known: none, unless the run failed."""
        settled = self.upserted + self.duplicates + self.over_cap + self.ignored + self.rejected_count
        return self.received - settled


@dataclass
class Report:
    """What one run did."""

    streams: dict[str, StreamReport] = field(default_factory=dict)
    distinct_profiles: int = 0
    job_count: int = 0
    request_count: int = 0
    seconds: float = 0.0
    error: str | None = None
    created_fields: list[str] = field(default_factory=list)

    def stream(self, name: str) -> StreamReport:
        """Return the counts of a stream, making them when it is new."""
        found = self.streams.get(name)
        if found is None:
            found = self.streams[name] = StreamReport()
        return found

    @property
    def received(self) -> int:
        """Number of records received, all streams together."""
        return sum(stream.received for stream in self.streams.values())

    @property
    def rejected(self) -> int:
        """Number of records rejected, all streams together."""
        return sum(stream.rejected_count for stream in self.streams.values())

    @property
    def settled(self) -> int:
        """Number of records whose outcome is known, all streams together."""
        return sum(stream.received - stream.unsettled for stream in self.streams.values())

    def summary(self) -> Iterator[str]:
        """Yield the lines of the summary for people."""
        for name, stream in self.streams.items():
            parts = [f"{stream.received:,} received", f"{stream.upserted:,} upserted"]
            parts += [f"{stream.duplicates:,} duplicates"] if stream.duplicates else []
            if stream.rejected:
                reasons = ", ".join(f"{reason.value} {count:,}" for reason, count in stream.rejected.most_common())
                parts.append(f"{stream.rejected_count:,} rejected ({reasons})")
            parts += [f"{stream.over_cap:,} over the cap"] if stream.over_cap else []
            parts += [f"{stream.ignored:,} ignored by rule"] if stream.ignored else []
            parts += [f"{stream.unsettled:,} NOT CONFIRMED"] if stream.unsettled else []
            into = f" -> list '{stream.list_name}'" if stream.list_name else ""
            yield f"Stream '{name}'{into}: {', '.join(parts)}."
        outcome = "failed" if self.error is not None else "done"
        yield (
            f"Run {outcome} in {self.seconds:.1f} s: {self.distinct_profiles:,} distinct profiles, {self.job_count:,}"
            f" import jobs, {self.request_count:,} requests."
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain values for JSON."""
        streams = {
            name: {
                "list_id": stream.list_id,
                "list_name": stream.list_name,
                "received": stream.received,
                "upserted": stream.upserted,
                "duplicates": stream.duplicates,
                "rejected": {reason.value: count for reason, count in sorted(stream.rejected.items())},
                "over_cap": stream.over_cap,
                "ignored": stream.ignored,
                "unsettled": stream.unsettled,
            }
            for name, stream in self.streams.items()
        }
        return {
            "outcome": "failed" if self.error is not None else "succeeded",
            "error": self.error,
            "seconds": round(self.seconds, 3),
            "distinct_profiles": self.distinct_profiles,
            "import_jobs": self.job_count,
            "requests": self.request_count,
            "created_custom_fields": self.created_fields,
            "streams": streams,
        }

    def write(self, path: str) -> None:
        """Write the report as JSON, whole or not at all.

        Raises:
            LocalFileError: The file can't be written.
        """
        content = msgspec.json.format(msgspec.json.encode(self.to_dict()), indent=2) + b"\n"
        try:
            _write_whole(Path(path).expanduser(), content)
        except (OSError, ValueError, RuntimeError) as error:  # a null byte is a ValueError, no home a RuntimeError
            words = (isinstance(error, OSError) and error.strerror) or str(error).rstrip(".")
            message = f"`report_path`: the report can't be written to {path}: {words}."
            raise LocalFileError(message) from None


def check_report_path(path: str) -> None:
    """Look before the run whether a report can be written there after it.

    Raises:
        LocalFileError: Its folder is missing or closed to writing, or something other than a file stands in its place.
    """
    try:
        target = Path(path).expanduser()
        is_usable = _is_free(target) and os.access(target.parent, os.W_OK | os.X_OK)
    except (OSError, ValueError, RuntimeError):
        is_usable = False
    if not is_usable:
        message = (
            f"`report_path`: no report can be written to {path}. Check that the folder exists and is yours, and that no"
            " link or device stands there."
        )
        raise LocalFileError(message)


def _is_free(target: Path) -> bool:
    """Tell whether a report may go there. Moving a file over a device, as root can, takes it from the whole machine."""
    return not os.path.lexists(target) or stat.S_ISREG(target.lstat().st_mode)


def _write_whole(target: Path, content: bytes) -> None:
    """Write a file beside its place and move it there, so that nobody ever sees half of it.

    Raises:
        OSError: It can't be written, or something other than a file stands there.
    """
    if not _is_free(target):
        raise OSError(errno.EEXIST, "a link or device stands there")
    with tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}.", delete=False) as file:
        written = Path(file.name)
        try:
            file.write(content)
            file.flush()
            written.replace(target)
        except OSError:
            written.unlink()
            raise
