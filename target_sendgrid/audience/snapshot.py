"""The snapshot: who need not be sent again, since SendGrid has the same contact on the same list, and who was erased.

A person is left out only while the account holds all fields of the contact as an earlier run has sent them. So a person
leaves the snapshot before something else is sent, and comes back when that is settled. A run that is killed in between
costs that the person is sent again. For the same reason nobody is left out of whom this run has sent another record, or
whom it may take off a list.

People are known here by `keys_of`: the first key is the person, the others are aliases. SendGrid finds people by
alternate addresses, too, so that they may leave by them, but what is sent to such an address is of another person.
"""

from __future__ import annotations

import itertools
import logging
from array import array
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from target_sendgrid.audience.erased import erased_names, is_erased
from target_sendgrid.audience.hash_set import HashSet
from target_sendgrid.audience.presence import all_keys, identity_keys
from target_sendgrid.errors import LocalFileError
from target_sendgrid.sendgrid import contact as contacts

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from target_sendgrid.audience.snapshot_file import SnapshotFile

log = logging.getLogger("target-sendgrid.run")

MAX_SETTLED = 100_000
"""Most people who are settled and not in the file yet. Each write changes most of a large file."""


class SentPeople(msgspec.Struct):
    """People whose contacts are sent in one batch, in a compact form: 20 bytes each."""

    persons: array[int]
    values: array[int]
    places: array[int]
    aliases: list[tuple[int, int]]
    """Pairs of identifiers of one person, each in both orders."""
    alternates: list[tuple[int, int]]
    """Alternate addresses, each with its person."""
    list_ids: tuple[str, ...] = ()
    unsure: set[int] = msgspec.field(default_factory=set)
    """Those of whom another contact with one of their identifiers is sent at the same time, in whatever order."""

    def identifiers(self) -> Iterator[tuple[int, int]]:
        """Yield all identifiers, each with its person."""
        persons = set(self.persons)
        yield from zip(self.persons, self.persons, strict=True)
        yield from (pair for pair in self.aliases if pair[1] in persons)

    def without(self, values: Mapping[int, int | None]) -> SentPeople:
        """Return them without some people, unless they have the fingerprint of this value."""
        kept = [
            number
            for number, (person, value) in enumerate(zip(self.persons, self.values, strict=True))
            if person not in values or values[person] == value
        ]
        if len(kept) == len(self.persons):
            return self
        persons, own_values, places = (
            array(whole.typecode, (whole[number] for number in kept))
            for whole in (self.persons, self.values, self.places)
        )
        return SentPeople(persons, own_values, places, self.aliases, self.alternates, self.list_ids, self.unsure)


class Snapshot:
    """Says who is unchanged and who was erased, and keeps the file up to date. Use it from one thread.

    Args:
        file: The open file.
        allows_erased: Whether erased people are sent again, and not remembered any more then.
        reads_only: Whether nothing is to be written, and nobody is sent.
    """

    def __init__(self, file: SnapshotFile, *, allows_erased: bool, reads_only: bool) -> None:
        self._file = file
        self._hashes = file.hashes
        self._allows_erased = allows_erased
        self._reads_only = reads_only
        self._testers: dict[tuple[str, ...], Callable[[bytes], bool]] = {}
        """What says whether a contact is unchanged on some lists."""
        self._last_list_ids: tuple[str, ...] = ()
        self._holds: Callable[[bytes], bool] = lambda _: False
        """That of the last lists."""
        self._sent = HashSet()
        """Keys of those who are sent in this run, or may be taken off a list; none while the file holds nobody."""
        self._related: set[int] = set()
        """People of the file who share an identifier with them, and whose records need not show it."""
        self._has_aliases = file.has_aliases
        """Whether somebody is known by several identifiers, so that records of one person may show different ones."""
        self._has_removals = False
        self._sends_again = False
        """Whether the run has sent several records of somebody."""
        self._in_flight: list[SentPeople] = []
        """Those who are sent and not settled yet."""
        self._settled: list[SentPeople] = []
        """Those who are settled and not in the file yet."""
        self._names = _HashedNames(file)
        self._let_in: set[int] = set()
        """Names of erased people who are sent again."""
        self.people_count = file.people_count()
        """Number of people in the file, as of its opening or of `finish`."""

    # Records

    def is_unchanged(self, identity: str, contact: bytes, list_ids: tuple[str, ...], *, is_new: bool) -> bool:
        """Return whether the account has a contact as it is, on the lists. If not, note that it is sent.

        Args:
            identity: The person (`contact.identity`).
            contact: The encoded contact.
            list_ids: The lists.
            is_new: Whether this is the person's first record of the run that is to be sent.
        """
        if list_ids is not self._last_list_ids:
            self._last_list_ids, self._holds = list_ids, self._tester(list_ids)
        if self._holds(contact):
            is_first = is_new and not self._has_removals and not self._related
            if is_first or not self._is_sent(identity, contact):
                return True
        if self._file.tables:
            identifying, _ = keys_of(identity, contact)
            self._note_sent(identifying, self._hashes.key(identifying[0]))
        if not is_new:
            self._sends_again = True
        return False

    def is_erased(self, contact: bytes) -> bool:
        """Return whether the person of a contact that is to be sent was erased, and is not to come back."""
        if not self._file.erased:
            return False
        values = contacts.decode(contact)
        if not is_erased(values, self._names):
            return False
        if self._allows_erased:
            self._let_in.update(map(self._hashes.key, erased_names(values)))
        return not self._allows_erased

    def note_removal(self, keys: Collection[str]) -> None:
        """Note that a person may be taken off a list, or out of the account."""
        self._has_removals = True
        self._note_sent(keys)

    # What is sent and settled

    def person(self, key: str) -> int:
        """Return the hash of a key, to be given to `leave`."""
        return self._hashes.key(key)

    def send(self, identities: Sequence[str], encoded: Sequence[bytes], list_ids: tuple[str, ...]) -> SentPeople:
        """Let people leave the snapshot whose contacts are about to be sent, and return what `settle` needs.

        What is known of the same contact on other lists stays: it is as true afterwards as before.
        """
        sent = SentPeople(array("q"), array("q"), array("i"), [], [], list_ids)
        key_of, fingerprint = self._hashes.key, self._hashes.contact
        for identity, contact in zip(identities, encoded, strict=True):
            (key, *others), alternates = keys_of(identity, contact)
            person, (value, place) = key_of(key), fingerprint(contact)
            sent.persons.append(person)
            sent.values.append(value)
            sent.places.append(place)
            if others:
                sent.aliases += itertools.permutations((person, *map(key_of, others)), 2)
            sent.alternates += ((key_of(other), person) for other in alternates)
        self._has_aliases = self._has_aliases or bool(sent.aliases)
        if self._file.tables or self._sends_again or self._has_aliases:
            self._forget_others(sent)
        self._in_flight.append(sent)
        if self._let_in:
            self._file.forget_erased(self._let_in)
            self._file.erased -= self._let_in
            self._let_in.clear()
        return sent

    def settle(self, sent: SentPeople, without: Iterable[tuple[str, bytes]], holders: Collection[bytes] = ()) -> None:
        """Take people into the snapshot whose contacts are settled, but for some of them.

        Args:
            sent: What `send` has returned.
            without: Identity and contact of those whom SendGrid has not taken.
            holders: Encoded identifiers of those whose contacts have more of them in SendGrid.
        """
        self._in_flight = [one for one in self._in_flight if one is not sent]
        for holder in holders:
            keys = tuple(all_keys(contacts.decode(holder)))
            self._note_sent(keys)
            sent.aliases += itertools.permutations(map(self._hashes.key, keys), 2)
            self._has_aliases = True
        if holders:
            self._forget_others(sent)
        if sent.unsure:
            sent = sent.without(dict.fromkeys(sent.unsure))
        lost = {self._hashes.key(key) for identity, contact in without for key in keys_of(identity, contact)[0]}
        if lost:
            self.leave(lost, None)
            sent = sent.without(dict.fromkeys(lost))
        self._settled.append(sent)
        if sum(len(one.persons) * len(one.list_ids) for one in self._settled) >= MAX_SETTLED:
            self.write()

    def leave(self, persons: Collection[int], list_ids: Collection[str] | None) -> None:
        """Let people leave the snapshot who are taken off lists; ``None`` is for all lists. Call it before that.

        Args:
            persons: What `person` has returned for each of their keys.
            list_ids: The lists.
        """
        known = {person for key in persons for person in self._people_with(key)}
        self._file.forget(sorted({*persons, *known}), list_ids)
        self._drop_settled(dict.fromkeys(persons))

    def erase(self, people: Iterable[Mapping[str, object]]) -> None:
        """Remember that people are erased, each given by the value of each contact field."""
        self._file.keep_erased({self._hashes.key(name) for values in people for name in erased_names(values)})

    def write(self) -> None:
        """Write who is settled into the file."""
        persons, values, places, lists = array("q"), array("q"), array("i"), array("I")
        names: list[str] = []
        for one in self._settled:
            for list_id in one.list_ids:
                persons += one.persons
                values += one.values
                places += one.places
                if list_id not in names:
                    names.append(list_id)
                lists += array("I", [names.index(list_id)]) * len(one.persons)
        order = sorted(range(len(persons)), key=persons.__getitem__)  # a tuple for each person would take much memory
        aliases = sorted({pair for one in self._settled for pair in (*one.aliases, *one.alternates)})
        self._file.keep(((persons[n], names[lists[n]], values[n], places[n]) for n in order), aliases)
        self._settled.clear()
        self._file.has_aliases = self._file.has_aliases or bool(aliases)

    def finish(self) -> int:
        """Write who is settled at the end of the run, however it ends, and return the number of people in the file."""
        if not self._reads_only:
            try:
                self.write()
                self.people_count = self._file.people_count()
            except LocalFileError as error:
                log.warning("People who are settled will be sent once more. %s", error)
        return self.people_count

    def _note_sent(self, keys: Collection[str], person: int | None = None) -> None:
        """Note that a person is sent in this run, or may be taken off a list: later records of the person are sent.

        Args:
            keys: The keys of the person.
            person: The hash of the first, if nobody else can be known by it.
        """
        for key in keys:
            self._sent.add(key)
        if self._file.has_aliases or len(keys) > 1:
            hashed = [self._hashes.key(key) for key in keys]
            related = {*hashed, *itertools.chain.from_iterable(map(self._people_with, hashed))} - {person}
            self._related.update(self._file.present(related))

    def _forget_others(self, sent: SentPeople) -> None:
        """Let people leave the snapshot but for the contacts that are sent, also those known by another identifier."""
        values = dict(zip(sent.persons, sent.values, strict=True))
        values = {**{alias: values[person] for alias, person in sent.aliases if person in values}, **values}
        related = {key: people for key in values if (people := self._people_with(key))}
        values = {**{person: values[key] for key, people in related.items() for person in people}, **values}
        self._file.forget_others(sorted(values.items()))
        self._drop_settled(values)
        if self._has_aliases:
            self._note_unsure(sent, related)

    def _note_unsure(self, sent: SentPeople, related: Mapping[int, Collection[int]]) -> None:
        """Note of whom different contacts are under way: nobody knows which of them SendGrid takes last.

        Args:
            sent: Those who are about to be sent.
            related: People of the file who have another identifier, too, by its hash.
        """
        owners: dict[int, int] = {}
        unsure: set[int] = set()
        for key, person in sent.identifiers():
            for one in (key, *related.get(key, ())):
                owner = owners.setdefault(one, person)
                if owner != person:
                    unsure |= {owner, person}
        for earlier in self._in_flight:
            both = [(key, person) for key, person in earlier.identifiers() if key in owners]
            earlier.unsure.update(person for _, person in both)
            unsure.update(owners[key] for key, _ in both)
        sent.unsure |= unsure
        if unsure:
            self.leave(unsure, None)

    def _people_with(self, key: int) -> list[int]:
        """Return people of the file who have another identifier, too, by its hash."""
        return self._file.people_with(key) if self._file.has_aliases else []

    def _drop_settled(self, values: Mapping[int, int | None]) -> None:
        """Drop people from those who are settled and not in the file yet, unless they have these fingerprints."""
        if self._settled:
            known = {
                person: values[alias]
                for one in self._settled
                for alias, person in (*one.aliases, *one.alternates)
                if alias in values
            }
            self._settled = [one.without({**known, **values}) for one in self._settled]

    def _tester(self, list_ids: tuple[str, ...]) -> Callable[[bytes], bool]:
        """Return what says whether a contact is unchanged on some lists."""
        if list_ids in self._testers:
            return self._testers[list_ids]
        tables = self._file.tables
        if not all(list_id in tables for list_id in list_ids):
            return lambda _: False
        testers = [self._hashes.tester(tables[list_id]) for list_id in list_ids]
        found = testers[0] if len(testers) == 1 else (lambda contact: all(holds(contact) for holds in testers))
        self._testers[list_ids] = found
        return found

    def _is_sent(self, identity: str, contact: bytes) -> bool:
        keys = list(itertools.chain(*keys_of(identity, contact)))
        if any(key in self._sent for key in keys):
            return True
        return bool(self._related) and not self._related.isdisjoint(map(self._hashes.key, keys))


class _HashedNames:
    """The `erased_names` of those erased people whom the file remembers.

    Args:
        file: The file.
    """

    def __init__(self, file: SnapshotFile) -> None:
        self._file = file

    def __contains__(self, name: str) -> bool:
        """Return whether a text is among them."""
        return self._file.hashes.key(name) in self._file.erased


class Keys(NamedTuple):
    """The keys of a person."""

    identifying: tuple[str, ...]
    """Those of identifiers, the first of which is that of the identity."""
    alternate: tuple[str, ...]
    """Those of alternate addresses."""


def keys_of(identity: str, contact: bytes) -> Keys:
    """Return the keys of a person."""
    if b'_id":' not in contact and b'"alternate_emails":' not in contact:  # the usual case: an address alone
        return Keys((f"email {identity.casefold()}",), ())
    values = contacts.decode(contact)
    identifying = dict.fromkeys(identity_keys(values))
    if b'"email":' in contact:
        identifying = {f"email {identity.casefold()}": None, **identifying}
    return Keys(tuple(identifying) or (identity,), tuple(key for key in all_keys(values) if key not in identifying))
