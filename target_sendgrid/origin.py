"""Where a record came from, as logs and reports name it: never by its values."""

from __future__ import annotations

import msgspec

from target_sendgrid.wording import shown


class Origin(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Where a record came from."""

    stream: str
    line: int
    """Line of standard input, from 1."""
    file_line: int = 0
    """Line within the files of a BATCH message, from 1; 0 for a RECORD message."""
    message: bytes | None = None
    """The RECORD message itself, kept only where rejected records are written to a file."""
    record_number: int = 0
    """Number of the record in its stream, from 1; 0 where it is not known."""

    @property
    def place(self) -> tuple[int, int]:
        """Where it is in the input, for the order of records."""
        return self.line, self.file_line

    def __str__(self) -> str:
        """Name the record without any of its values."""
        within = f", line {self.file_line} of the batch files" if self.file_line else ""
        number = f", record {self.record_number}" if self.record_number else ""
        return f"stream '{shown(self.stream)}', line {self.line}{within}{number}"

    def __repr__(self) -> str:
        """Hold no values either: what reports errors shows objects by this."""
        return f"Origin({self})"
