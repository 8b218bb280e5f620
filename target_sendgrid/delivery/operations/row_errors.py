"""Which contacts SendGrid complains about: those that a refused request names, and those that an errors file names.

A refused request names contacts by index, in two spellings (seen in 2021 and 2024), or quotes their email, or names
nobody. One that holds only addresses names them without quotation marks. The columns, order and encoding of errors
files are undocumented, so a row belongs to the one contact whose identifiers are among its cells; the other cells are
the reason.
"""

from __future__ import annotations

import csv
import gzip
import io
import itertools
import logging
import re
import zlib
from typing import TYPE_CHECKING

from target_sendgrid.errors import ContactLimitError, SendGridError
from target_sendgrid.sendgrid import contact
from target_sendgrid.sendgrid.answers import says_contact_limit
from target_sendgrid.sendgrid.fields import IDENTIFIERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from typing_extensions import Self

    from target_sendgrid.delivery.job import Job
    from target_sendgrid.delivery.pending import Change
    from target_sendgrid.sendgrid.client import Client, JobStatus

log = logging.getLogger("target-sendgrid.delivery")

_INDEX = re.compile(r"contacts\[(\d{1,9})\]")
_QUOTED_EMAIL = re.compile(r"email '(.+?)' is not valid", re.DOTALL)
_REFUSED_ADDRESS = re.compile(r"\bemail_address (.+?) is not valid", re.DOTALL | re.IGNORECASE)
_AROUND_ADDRESS = "\"'`<>()[]{},;:."
"""Characters around an address in a sentence. An address that begins or ends with one is matched with it, too."""
_UNKNOWN_FIELDS = re.compile(r"invalid custom field ids supplied - ([\w,-]+)")
_UNKNOWN_LIST = "invalid list id"

_GZIP_MAGIC = b"\x1f\x8b"
_MAX_FILE_LENGTH = 64 * 1024 * 1024
"""Most characters that are read of an unpacked errors file; 30,000 rows need a fraction of them."""
_MAX_ROW_LENGTH = 150_000
"""Longest row that is read. A row has one reason, or at most the texts of one contact as well."""
_MAX_ROWS = 200_000
"""Most rows that are read of an errors file: several for each contact of a full job."""
_MAX_CELLS = 5_000_000
"""Most cells that are read of an errors file: more than 120 for each contact of a full job."""

_MAX_REASON_LENGTH = 500

_KELVIN = "\u212a"


def refused_contacts(details: Sequence[tuple[str, str]], identities: Sequence[str]) -> dict[str, str]:
    """Return SendGrid's reason for each contact that a refused request names, by identity.

    Args:
        details: ``(field, message)`` pairs of the error response.
        identities: The people in the order of the request.
    """
    known = _People(zip(identities, identities, strict=True))
    refused: dict[str, str] = {}
    for path, message in details:
        index = _INDEX.search(path)
        if index and int(index[1]) < len(identities):
            refused[identities[int(index[1])]] = message
        else:
            for email in _QUOTED_EMAIL.findall(message):
                named = known.named_by(email)
                if len(named) == 1:
                    refused[named.pop()] = message
    return refused


def refused_addresses(details: Sequence[tuple[str, str]], addresses: Iterable[str]) -> dict[str, str]:
    """Return SendGrid's reason for each address that a refused request names, with or without quotation marks.

    An address that is only a part of a longer one is not named.

    Args:
        details: ``(field, message)`` pairs of the error response.
        addresses: The addresses that were sent.
    """
    known = _People((address, address) for address in addresses)
    messages: dict[str, dict[str, None]] = {}
    for _, message in details:
        for text in _possible_addresses(message):
            named = known.named_by(text)
            if len(named) == 1:
                messages.setdefault(named.pop(), {})[message] = None
    return {address: "; ".join(found) for address, found in messages.items()}


def _possible_addresses(message: str) -> Iterator[str]:
    """Yield those parts of a message that may be an address. Most are not."""
    yield from _QUOTED_EMAIL.findall(message)
    yield from _REFUSED_ADDRESS.findall(message)
    for word in message.split():
        yield from (word, word.strip(_AROUND_ADDRESS))


def unknown_fields(details: Sequence[tuple[str, str]]) -> list[str]:
    """Return the ids of custom fields that SendGrid says it does not know, or not yet."""
    return [
        field_id
        for _, message in details
        for found in _UNKNOWN_FIELDS.findall(message)
        for field_id in found.split(",")
    ]


def is_about_lists(details: Sequence[tuple[str, str]]) -> bool:
    """Return whether SendGrid says that it does not know a list. Then no contact is at fault."""
    return any(path.startswith("list_ids") or _UNKNOWN_LIST in message for path, message in details)


def has_limit_words(encoded_contacts: Iterable[bytes]) -> bool:
    """Return whether a contact has a value about a contact limit, which SendGrid may quote."""
    return any(says_contact_limit(encoded.decode()) for encoded in encoded_contacts)


def failed_in_job(client: Client, job: Job, status: JobStatus) -> dict[str, str]:
    """Download a finished job's errors file; return its reason for each contact of the job, by identity.

    The result is empty when there is no file or it can't be downloaded.

    Raises:
        ContactLimitError: The job or a row says that the account has reached the contact limit of its plan.
    """
    if status.says_contact_limit and not has_limit_words(job.contacts()):
        raise ContactLimitError
    if not status.errors_url:
        return {}
    try:
        content = client.download(status.errors_url)
    except SendGridError as error:
        log.warning("The errors file of job %s can't be downloaded: %s", job.last_request.job_id, error)
        return {}
    return failed_contacts(content, job.changes())


def failed_contacts(content: bytes, changes: Mapping[str, Change]) -> dict[str, str]:
    """Return the reason for each contact that an errors file names, by identity.

    Args:
        content: The file as it was downloaded, plain or gzip.
        changes: The changes that were sent, by identity.

    Returns:
        The reasons, as far as the file can be read; none when it names nobody that was sent, or is broken gzip.

    Raises:
        ContactLimitError: A row says that the account has reached the contact limit of its plan.
    """
    people = _People(_identifiers(changes))
    failed: dict[str, str] = {}
    try:
        for row in _rows(content):
            cells = [cell.strip() for cell in row]
            named = set().union(*map(people.named_by, cells))
            texts = [cell for cell in cells if cell and not people.is_like_any(cell)]
            concerned = [changes[identity] for identity in named] or list(changes.values())
            is_limit = any(map(says_contact_limit, texts))
            if is_limit and not has_limit_words(change.contact for change in concerned):
                raise ContactLimitError
            if len(named) == 1:  # a row that may mean several people names nobody: the caller looks them up
                failed[named.pop()] = "; ".join(texts)[:_MAX_REASON_LENGTH]
    except (OSError, EOFError, zlib.error):
        return {}
    except csv.Error:
        pass  # the rows before count; the caller looks the other people up
    return failed


def _identifiers(changes: Mapping[str, Change]) -> Iterator[tuple[str, str]]:
    for identity, change in changes.items():
        fields = contact.decode(change.contact)
        yield from ((str(fields[kind]), identity) for kind in IDENTIFIERS if kind in fields)


class _People:
    """Finds people by their identifiers: as they were sent if anybody has that one, otherwise in any case of letters.

    Args:
        identifiers: Pairs of an identifier and the identity of its person.
    """

    def __init__(self, identifiers: Iterable[tuple[str, str]]) -> None:
        self._exact: dict[str, set[str]] = {}
        self._folded: dict[str, set[str]] = {}
        for identifier, identity in identifiers:
            self._exact.setdefault(identifier, set()).add(identity)
            self._folded.setdefault(_folded(identifier), set()).add(identity)

    def named_by(self, text: str) -> set[str]:
        """Return the identities of those whom a text may mean."""
        return set(self._exact.get(text) or self._folded.get(_folded(text)) or ())

    def is_like_any(self, text: str) -> bool:
        """Return whether a text is an identifier, in any case of letters."""
        return _folded(text) in self._folded


def _folded(text: str) -> str:
    """Return a text in lower case. The Kelvin sign stays: its lower case is the letter k, which is another address."""
    return text.lower() if _KELVIN not in text else _KELVIN.join(map(str.lower, text.split(_KELVIN)))


def _rows(content: bytes) -> Iterator[list[str]]:
    """Yield the rows of a plain or compressed file, up to a number of them.

    Raises:
        csv.Error: A row is too long, the file is, or a part of it is not CSV.
        OSError: The file is broken gzip.
        EOFError: The file is gzip that was cut off.
        zlib.error: The file is broken gzip.
    """
    packed = io.BytesIO(content)
    file = gzip.GzipFile(fileobj=packed) if content.startswith(_GZIP_MAGIC) else packed
    with io.TextIOWrapper(file, "utf-8-sig", "replace", newline="") as text:
        lines = _Lines(text)
        cells_left = _MAX_CELLS
        for row in itertools.islice(csv.reader(lines), _MAX_ROWS):
            yield row
            lines.row_length = 0
            cells_left -= len(row)
            if cells_left <= 0:
                return


class _Lines:
    """The lines of a file, for a CSV reader that must not collect an endless row.

    Args:
        text: The file.

    Attributes:
        row_length: Number of characters since it was last set to 0, which its user does after each row.
    """

    def __init__(self, text: io.TextIOBase) -> None:
        self.row_length = 0
        self._text = text
        self._length = 0

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        line = self._text.readline(_MAX_ROW_LENGTH + 1)
        self.row_length += len(line)
        self._length += len(line)
        if self.row_length > _MAX_ROW_LENGTH or self._length > _MAX_FILE_LENGTH:
            message = "a row or the file is too long"
            raise csv.Error(message)
        if not line:
            raise StopIteration
        return line
