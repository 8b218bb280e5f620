"""Reading the members of a list through an export: SendGrid writes them to files, which are read as they arrive.

No other endpoint shows more than 50 members of a list. A file may have any size, so neither a file nor the members are
ever in memory as a whole.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Annotated

import msgspec

from target_sendgrid.errors import JobFailedError, NotFoundError, SendGridError, TransientError
from target_sendgrid.sendgrid.export_files import DistinctTexts, lines, unpacked, unreadable
from target_sendgrid.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from target_sendgrid.clock import Clock
    from target_sendgrid.sendgrid.client import Client, ExportStatus

log = logging.getLogger("target-sendgrid.sendgrid")

FIRST_POLL_SECONDS = 2.0
LONGEST_POLL_SECONDS = 30.0
UNKNOWN_SECONDS = 60.0
"""How long a new export may be unknown to SendGrid: its answers may come from different machines."""

_POLL_GROWTH = 1.5

_CHECK_STOP_SECONDS = 0.5
_CHECK_STOP_ROWS = 1_000
"""How often a waiting, or reading, run checks whether it was asked to stop."""

_AGAIN = "Run again later."


class Member(msgspec.Struct, frozen=True, gc=False):
    """A contact on a list, as an export shows it: its id and its identifiers, ``None`` where it has none."""

    contact_id: Annotated[str, msgspec.Meta(min_length=1)]
    email: str | None = None
    phone_number_id: str | None = None
    external_id: str | None = None
    anonymous_id: str | None = None
    alternate_emails: tuple[str, ...] | None = None

    def __repr__(self) -> str:
        """Show no values: error reports show objects by this."""
        return "Member()"


_decode_row = msgspec.json.Decoder(Member).decode


class ListExport:
    """One export of one list. It is started, waited for and read once, by `members`.

    Args:
        client: SendGrid.
        clock: Where time comes from.
        list_id: The list.
        label: How sentences name the list, in quotation marks.
        timeout_seconds: Longest wait for the files.
        check_stop: Called while waiting and reading; may raise to end the run.

    Attributes:
        contact_count: Number of members that SendGrid says it has exported, or, where it does not say it, that the list
            has; ``None`` until the files are ready.
        row_count: Number of members that were read so far.
    """

    def __init__(
        self,
        client: Client,
        clock: Clock,
        list_id: str,
        *,
        label: str,
        timeout_seconds: float,
        check_stop: Callable[[], None] = lambda: None,
    ) -> None:
        self._client = client
        self._clock = clock
        self._list_id = list_id
        self._label = label
        self._timeout_seconds = timeout_seconds
        self._check_stop = check_stop
        self._seen = DistinctTexts()
        self.contact_count: int | None = None
        self.row_count = 0

    @property
    def is_whole(self) -> bool:
        """Whether the members that were read are all that SendGrid says there are, each of them once."""
        return not self.shortfall

    @property
    def shortfall(self) -> str:
        """Why the members that were read are not the whole list, to follow its name; empty where they are."""
        if self.row_count != self.contact_count:
            expected = "nothing" if self.contact_count is None else f"{self.contact_count:,}"
            return f"holds {counted(self.row_count, 'member')}, and SendGrid counts {expected}"
        repeated = self.row_count - self._seen.count()
        return f"holds {counted(repeated, 'member')} more than once" if repeated else ""

    def members(self) -> Iterator[Member]:
        """Start the export, wait for its files, and yield the members while the files arrive.

        What was yielded is the whole list only if the iterator has ended and `is_whole` is true.

        Raises:
            JobFailedError: The export failed, or was not ready in time.
            NotFoundError: The list does not exist.
            SendGridError: A file can't be had, or is not what SendGrid documents.
        """
        log.info("Reading the members of the list %s: SendGrid exports them.", self._label)
        status = self._ready()
        self.contact_count = status.contact_count
        if self.contact_count is None:
            self.contact_count = self._client.list_size(self._list_id)
        for url in status.urls or ():
            yield from self._members_in(url)

    def _ready(self) -> ExportStatus:
        """Start the export and return its status once its files are ready."""
        export_id = self._start()
        started_at = self._clock.monotonic()
        interval = FIRST_POLL_SECONDS
        while True:
            age = self._clock.monotonic() - started_at
            if age >= self._timeout_seconds:
                what = f"The export of the list {self._label} was not ready after {self._timeout_seconds:.0f} s."
                raise JobFailedError(what, "Run again later, or raise `job_timeout_seconds`.")
            self._sleep(min(interval, self._timeout_seconds - age))
            interval = min(interval * _POLL_GROWTH, LONGEST_POLL_SECONDS)
            try:
                status = self._client.export_status(export_id)
            except NotFoundError:
                if self._clock.monotonic() - started_at >= UNKNOWN_SECONDS:
                    raise
                continue
            if status.status == "failure":
                raise JobFailedError(f"SendGrid failed to export the list {self._label}.", _AGAIN)
            if status.status == "ready":
                return status

    def _start(self) -> str:
        try:
            return self._client.start_export(self._list_id)
        except NotFoundError as error:
            if not error.is_from_sendgrid:
                raise
            what = f"SendGrid can't export the list {self._label}, because it does not exist (404)."
            raise NotFoundError(what, "Look whether somebody has deleted it, and run again.") from None

    def _members_in(self, url: str) -> Iterator[Member]:
        """Yield the members in one file.

        If the file breaks off it is read again, past the rows that were yielded. A file of which more arrived than
        before has its whole retry budget again.
        """
        tries, done, done_before = self._client.new_tries(), 0, 0
        while True:
            try:
                for member in self._rows(url, done):
                    done += 1
                    self.row_count += 1
                    self._seen.add(member.contact_id)
                    if self.row_count % _CHECK_STOP_ROWS == 0:
                        self._check_stop()
                    yield member
            except TransientError as error:
                if done > done_before:
                    tries, done_before = self._client.new_tries(), done
                wait_seconds = tries.wait_after(error)
                if wait_seconds is None:
                    raise SendGridError(f"{self._unreadable}: {error}.", _AGAIN) from None
                log.warning("%s: %s. Trying again in %.1f s.", self._unreadable, error, wait_seconds)
            except SendGridError as error:
                raise SendGridError(f"{self._unreadable}. {error}", _AGAIN, code=error.codes[0]) from None
            else:
                return
            self._sleep(wait_seconds)

    def _sleep(self, seconds: float) -> None:
        ends_at = self._clock.monotonic() + seconds
        while (left := ends_at - self._clock.monotonic()) > 0:
            self._check_stop()
            self._clock.sleep(min(left, _CHECK_STOP_SECONDS))
        self._check_stop()

    @property
    def _unreadable(self) -> str:
        return f"A file with members of the list {self._label} can't be read"

    def _rows(self, url: str, skipped: int) -> Iterator[Member]:
        """Yield the members in the rows of a file after the first ones.

        Raises:
            TransientError: The file breaks off, or it holds something else.
        """
        with self._client.stream(url) as chunks:
            for number, line in enumerate(lines(unpacked(chunks))):
                if number < skipped:
                    continue
                try:
                    member = _decode_row(line)
                except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                    raise unreadable(f"row {number + 1:,} is not the JSON of a contact with its id") from None
                yield member
