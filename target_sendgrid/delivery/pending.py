"""Changes that wait to be sent or confirmed: what is asked for one person, and a compact form for many of them."""

from __future__ import annotations

from collections import Counter
from enum import Enum, auto
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from target_sendgrid.origin import Origin

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from target_sendgrid.audience.identities import IdentitySet
    from target_sendgrid.report.report import Bucket


class Service(Enum):
    """A part of SendGrid that may fail while the others work."""

    CONTACTS = auto()
    """Contacts and their lists."""
    DELETION = auto()
    """Deletion of contacts, which a key or an account may not have."""
    SUPPRESSIONS = auto()
    ERASURE = auto()


class OperationKind(msgspec.Struct, frozen=True, eq=False):
    """One kind of write that SendGrid can be asked for, as data: how its changes are batched, merged and counted."""

    job_name: str
    """Name of its jobs in the log, such as "import job"."""
    max_contacts: int
    """Most contacts in one request."""
    max_bytes: int
    """Most bytes in one request."""
    overhead_bytes: Callable[[tuple[str, ...]], int]
    """Returns the bytes of a request for these lists that holds no contact."""
    unites_lists: bool
    """Whether one request can serve several lists. If not, changes for different lists are never merged."""
    bucket: Bucket | None
    """Where the report counts the records of confirmed changes; ``None`` for changes that are not made of records."""
    creates_contacts: bool = False
    """Whether people who are not in the account are created. If not, they are counted as not found."""
    keeps_settled: bool = False
    """Whether the changes that were carried out are kept for the result of their batch."""
    service: Service = Service.CONTACTS
    """Where its requests go."""
    finds_by_any_identifier: bool = False
    """Whether it may concern people whose changes of other operations have another identity."""
    can_repeat: bool = True
    """Whether a change that was carried out can be asked for again, to find out whether the account works."""


class Purpose(NamedTuple):
    """What a change is for. Changes with the same purpose are sent together."""

    kind: OperationKind
    list_ids: tuple[str, ...]
    """Sorted ids of the lists, as the streams found them at their start."""


class Change(msgspec.Struct, gc=False):
    """What one or more records ask of SendGrid for one person.

    Attributes:
        purpose: The operation and its lists.
        identity: Who the person is (`contact.identity`).
        contact: The encoded contact: all its fields for an upsert, its identifiers for a removal.
        origin: Where the first record came from.
        later: Where the records came from that were merged into the first.
    """

    purpose: Purpose
    identity: str
    contact: bytes
    origin: Origin
    later: list[Origin] | None = None

    @property
    def origins(self) -> list[Origin]:
        """Where all records of the change came from, in order."""
        return [self.origin, *(self.later or ())]

    def __repr__(self) -> str:
        """Name the records, without any of their values: error reports show objects by this."""
        return f"Change({self.origins})"


class PackedChanges(NamedTuple):
    """Changes with one purpose in a compact form, which takes half the memory, while no single one is needed."""

    contacts: list[bytes]
    identities: bytes
    """Identities in the order of the contacts."""
    origins: bytes
    """Origins of first records in the order of the contacts."""
    later: bytes
    """Origins of later records by the position of the contact."""

    def __repr__(self) -> str:
        """Show no values: error reports show objects by this."""
        return f"PackedChanges({len(self.contacts)})"


class StreamCount(NamedTuple):
    """Number of contacts and of records of one stream among some changes."""

    contacts: int
    records: int


NOTHING = StreamCount(0, 0)


class Batch(msgspec.Struct, eq=False):
    """Changes that go to SendGrid in one request, or in several where SendGrid refuses some of them."""

    purpose: Purpose
    packed: PackedChanges | None
    """The changes, until the job runner takes them over; then ``None``."""
    first_line: int
    """No record of the batch came from a lower line of standard input. It may be too low, never too high."""
    byte_count: int
    """Size of the request's body."""
    counts: Mapping[str, StreamCount]
    """How much of each stream is in the batch, by stream."""
    people: IdentitySet
    is_spooled: bool = False
    """Whether changes of the batch were moved to disk. It stays true when they are read back to be sent again."""

    def may_concern(self, identity: str, kind: OperationKind) -> bool:
        """Return whether the batch may be about the person of a change of some operation."""
        own = self.purpose.kind
        return identity in self.people or (own.finds_by_any_identifier and kind is not own)


def pack(changes: Mapping[str, Change]) -> PackedChanges:
    """Pack changes with one purpose, given by identity."""
    values = changes.values()
    return PackedChanges(
        list(map(_contact_of, values)),
        _packer.encode(list(changes)),
        _packer.encode(list(map(_origin_of, values))),
        _packer.encode({place: later for place, later in enumerate(map(_later_of, values)) if later}),
    )


def identities_of(packed: PackedChanges) -> list[str]:
    """Return the identities of packed changes, in the order of the contacts."""
    return _identity_decoder.decode(packed.identities)


def unpack(packed: PackedChanges, purpose: Purpose) -> dict[str, Change]:
    """Return the changes that `pack` packed, by identity."""
    identities, origins = _identity_decoder.decode(packed.identities), _origin_decoder.decode(packed.origins)
    later = _later_decoder.decode(packed.later)
    return {
        identity: Change(purpose, identity, contact, origin, later.get(place))
        for place, (identity, contact, origin) in enumerate(zip(identities, packed.contacts, origins, strict=True))
    }


def stream_counts(changes: Collection[Change]) -> dict[str, StreamCount]:
    """Return how many contacts each stream had a part in, and how many of its records they hold.

    A contact that records of several streams were merged into counts for each of them.
    """
    streams = set(map(_stream_of, changes))
    if len(streams) == 1 and not any(map(_later_of, changes)):  # the usual case, without counting one by one
        return dict.fromkeys(streams, StreamCount(len(changes), len(changes)))
    records = Counter(map(_stream_of, changes))
    contact_counts = Counter(records)
    for change in changes:
        if change.later:
            records.update(origin.stream for origin in change.later)
            contact_counts.update({origin.stream for origin in change.later} - {change.origin.stream})
    return {stream: StreamCount(contact_counts[stream], count) for stream, count in records.items()}


_contact_of, _origin_of, _later_of = attrgetter("contact"), attrgetter("origin"), attrgetter("later")
_stream_of = attrgetter("origin.stream")
_packer = msgspec.msgpack.Encoder()
_identity_decoder = msgspec.msgpack.Decoder(list[str])
_origin_decoder = msgspec.msgpack.Decoder(list[Origin])
_later_decoder = msgspec.msgpack.Decoder(dict[int, list[Origin]])
