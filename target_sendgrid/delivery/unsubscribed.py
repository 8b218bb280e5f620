"""People who have unsubscribed wait here until they are suppressed, with what is to be done for them afterwards.

Whether so many may be suppressed may be known only at the end of the run (`audience/suppression_guard.py`). Until then,
memory holds as many as it should, and temporary files hold the others, encrypted like those of import jobs.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import msgspec

from target_sendgrid.audience.hash_set import HashSet
from target_sendgrid.delivery.pending import Change
from target_sendgrid.delivery.spool import Spool
from target_sendgrid.errors import LocalFileError
from target_sendgrid.origin import Origin
from target_sendgrid.sendgrid import contact as contacts
from target_sendgrid.sendgrid.fields import IDENTIFIERS
from target_sendgrid.wording import words_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from target_sendgrid.delivery.pending import Purpose
    from target_sendgrid.delivery.spool import SpooledFile
    from target_sendgrid.sendgrid.contact import Contact

MAX_IN_MEMORY = 10_000
"""Most people in memory."""

MAX_BYTES_IN_MEMORY = 8_000_000
"""Most bytes of their contacts and of the messages that these came in, where they are kept."""


class UnsubscribedPerson(msgspec.Struct):
    """Somebody who has unsubscribed."""

    identity: str
    contact: bytes
    """The encoded identifiers."""
    groups: list[tuple[int | None, Origin]]
    """Unsubscribe groups, ``None`` for all email, each with the first record that says so.

    There is none for somebody whose groups are in a temporary file.
    """
    changes: list[Change]
    """What is to be done afterwards, in the order of the records."""
    first_line: int
    """No record of this person comes from a lower line."""

    @property
    def email(self) -> str:
        """The address; empty if the records have none."""
        return str(contacts.decode(self.contact).get("email", ""))

    @property
    def identities(self) -> list[str]:
        """What the identity would be with only some of the identifiers."""
        return list(contacts.identities(contacts.decode(self.contact)))

    def __repr__(self) -> str:
        """Show no values: error reports show objects by this."""
        return f"UnsubscribedPerson(line {self.first_line})"


class UnsubscribedPeople:
    """Those who wait, by identity (`contact.identity`)."""

    def __init__(self) -> None:
        self._people: dict[str, UnsubscribedPerson] = {}
        self._identity_of: dict[str, str] = {}
        """The identity of each person by what it would be with fewer identifiers."""
        self._byte_count = 0
        self._files: list[SpooledFile] = []
        self._spooled = HashSet()
        """The people in temporary files, by identity, and by group and identity."""
        self._spool: Spool | None = None
        self._suppressed = HashSet()
        """The people who were suppressed in this run, by group and identity."""
        self._refused: set[str] = set()
        """The people whom SendGrid has refused to suppress, by identity: nothing is to be sent of them any more."""
        self.has_reason_to_hold = False
        """Whether a change may have to wait (`must_wait`)."""
        self._purposes: list[Purpose] = []
        """The purposes of changes in temporary files."""
        self._is_suppressed: Callable[[str, int | None], bool] | None = None
        self._has_somebody_without_email = False
        """Whether somebody in memory waits whose records have shown no address so far."""
        self.counts: Counter[str] = Counter()
        """Number of people to be suppressed, by stream: without those who are already, once `count_new` was called."""
        self.first_line: int | None = None
        """Line of the first record that waits, or ``None``."""
        self.boundary_line = 0
        """As of `Intents`."""

    @property
    def is_empty(self) -> bool:
        """Whether nobody waits."""
        return not self._people and not self._files

    @property
    def is_full(self) -> bool:
        """Whether memory should hold no more."""
        return len(self._people) >= MAX_IN_MEMORY or self._byte_count >= MAX_BYTES_IN_MEMORY

    def is_suppressed(self, contact: Contact, group_id: int | None) -> bool:
        """Return whether somebody was suppressed before in this run, so that nothing needs to wait."""
        return _in_group(next(contacts.identities(contact)), group_id) in self._suppressed

    def note_suppressed(self, identity: str, group_id: int | None) -> None:
        """Note that somebody is suppressed."""
        self._suppressed.add(_in_group(identity, group_id))

    def note_refused(self, identities: Iterable[str]) -> None:
        """Note that SendGrid refuses to suppress somebody, whose identities are given."""
        self._refused.update(identities)

    def add(self, contact: Contact, group_id: int | None, origin: Origin, changes: Sequence[Change]) -> None:
        """Let somebody wait.

        Args:
            contact: The identifiers, at least one.
            group_id: The unsubscribe group; ``None`` for all email.
            origin: The record that says so.
            changes: What waited to be sent for the person.
        """
        identity, *others = contacts.identities(contact)
        person = self._person(identity, contact, min([origin.line, *(change.origin.line for change in changes)]))
        self._identity_of.update(dict.fromkeys(others, identity))
        self._has_somebody_without_email |= "email" not in contact
        is_known = any(known == group_id for known, _ in person.groups) or self._is_spooled(
            _in_group(identity, group_id)
        )
        if not is_known:
            person.groups.append((group_id, origin))
            self._byte_count += len(origin.message or b"")
            if self._is_suppressed is None or not self._is_suppressed(person.email, group_id):
                self.counts[origin.stream] += 1
        self._hold(person, changes)

    def waits(self, identity: str) -> bool:
        """Return whether somebody waits, so that changes for this person have to wait, too."""
        return self._identity_of.get(identity, identity) in self._people or self._is_spooled(identity)

    def shows_waiting(self, contact: bytes) -> bool:
        """Return whether any identifier of an encoded contact shows somebody who waits."""
        return not self.is_empty and any(map(self.waits, contacts.identities(contacts.decode(contact))))

    def must_wait(self, change: Change) -> bool:
        """Return whether a change has to wait, since its person does, or is not to be sent at all."""
        if self.waits(change.identity) or change.identity in self._refused:
            return True
        return self._has_somebody_without_email and self.shows_waiting(change.contact)

    def hold(self, change: Change) -> None:
        """Let a change wait whose person does. If it shows the address of somebody for the first time, that is kept."""
        identity = change.identity
        if self._has_somebody_without_email and not self.waits(identity):
            identity = next(filter(self.waits, contacts.identities(contacts.decode(change.contact))), identity)
        identity = self._identity_of.get(identity, identity)
        person = self._people.get(identity)
        if person is None:
            person = self._person(identity, contacts.decode(change.contact), change.origin.line)
        elif self._has_somebody_without_email and not person.email:
            person.contact = _identifiers(contacts.decode(change.contact) | contacts.decode(person.contact))
        self._hold(person, [change])

    def count_new(self, is_suppressed: Callable[[str, int | None], bool]) -> None:
        """Count from now on, in `counts`, only those people who are not suppressed yet, or are in a file by now.

        Args:
            is_suppressed: Returns whether an address is suppressed, for a group or for all email.
        """
        self._is_suppressed = is_suppressed
        self.counts -= Counter(
            origin.stream
            for person in self._people.values()
            for group_id, origin in person.groups
            if is_suppressed(person.email, group_id)
        )

    @property
    def counts_new(self) -> bool:
        """Whether `counts` is of those people who are not suppressed yet."""
        return self._is_suppressed is not None

    def spool(self) -> None:
        """Move the people in memory to a temporary file.

        Raises:
            LocalFileError: It can't be written.
        """
        if not self._people:
            return
        content = _encoder.encode([self._packed(person) for person in self._people.values()])
        try:
            self._spool = self._spool or Spool()
            self._files.append(self._spool.keep([content]))
        except OSError as error:
            message = f"People who have unsubscribed can't be kept in temporary files: {words_of(error)}."
            next_step = "Set `TMPDIR` to a folder with more room, and run again from the last state."
            raise LocalFileError(message, next_step) from None
        for person in self._people.values():
            groups = (_in_group(person.identity, group_id) for group_id, _ in person.groups)
            for name in (*person.identities, *groups):
                self._spooled.add(name)
        self._people.clear()
        self._identity_of.clear()
        self._byte_count = 0

    def take_all(self) -> Iterator[list[UnsubscribedPerson]]:
        """Take out all people in the order of their records, as many at a time as memory should hold.

        `first_line` stays as it is until `done` is called.

        Raises:
            LocalFileError: A temporary file can't be read back.
        """
        last, self._people = list(self._people.values()), {}
        while self._files:
            try:
                (content,) = self._spool.take(self._files.pop(0)) if self._spool else (b"",)
            except OSError:
                message = "People who have unsubscribed can't be read back from the temporary files."
                raise LocalFileError(message, "Check the disk that `TMPDIR` names, and run again.") from None
            yield [self._unpacked(*packed) for packed in _decoder.decode(content)]
        yield last

    def done(self) -> None:
        """Note that everything that was taken out is done, so that a state may cover it."""
        self._identity_of.clear()
        self._spooled, self._byte_count, self._has_somebody_without_email = HashSet(), 0, False
        self.counts.clear()
        self.first_line = None
        self.has_reason_to_hold = bool(self._refused)

    def close(self) -> None:
        """Close the temporary files, which deletes them: the run has ended, and nobody in them is suppressed."""
        for spooled in self._files:
            spooled.file.close()

    def _person(self, identity: str, contact: Contact, line: int) -> UnsubscribedPerson:
        """Return a person in memory, who is put there if necessary."""
        self.has_reason_to_hold = True
        if self.first_line is None:
            self.boundary_line = line
        self.first_line = line if self.first_line is None else min(self.first_line, line)
        person = self._people.get(identity)
        if person is None:
            identifiers = _identifiers(contact)
            person = self._people[identity] = UnsubscribedPerson(identity, identifiers, [], [], line)
            self._byte_count += len(identifiers)
        person.first_line = min(person.first_line, line)
        return person

    def _hold(self, person: UnsubscribedPerson, changes: Sequence[Change]) -> None:
        person.changes += changes
        for change in changes:
            self._byte_count += len(change.contact) + sum(len(origin.message or b"") for origin in change.origins)

    def _is_spooled(self, name: str) -> bool:
        return bool(self._files) and name in self._spooled

    def _packed(self, person: UnsubscribedPerson) -> tuple[Any, ...]:
        changes = []
        for change in person.changes:
            if change.purpose not in self._purposes:
                self._purposes.append(change.purpose)
            number = self._purposes.index(change.purpose)
            changes.append((number, change.identity, change.contact, change.origin, change.later))
        return (person.identity, person.contact, person.groups, changes, person.first_line)

    def _unpacked(
        self,
        identity: str,
        contact: bytes,
        groups: list[tuple[int | None, Origin]],
        changes: list[tuple[int, str, bytes, Origin, list[Origin] | None]],
        first_line: int,
    ) -> UnsubscribedPerson:
        unpacked = [
            Change(self._purposes[number], its_identity, its_contact, origin, later)
            for number, its_identity, its_contact, origin, later in changes
        ]
        return UnsubscribedPerson(identity, contact, groups, unpacked, first_line)


def _identifiers(contact: Contact) -> bytes:
    return contacts.encode({kind: contact[kind] for kind in IDENTIFIERS if kind in contact})


def _in_group(identity: str, group_id: int | None) -> str:
    return f"{group_id or 0} {identity}"


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(
    list[
        tuple[
            str,
            bytes,
            list[tuple[int | None, Origin]],
            list[tuple[int, str, bytes, Origin, list[Origin] | None]],
            int,
        ]
    ]
)
