"""Suggestions: which property of a stream is right for each contact field, by names and types, or that none is.

A wrong property is worse than none, so a property is suggested only if all words of its name are known
(`property_names`), its type fits, and no other one is as likely.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import msgspec

from target_sendgrid.mapping.field_types import kinds_of
from target_sendgrid.mapping.nested import is_nested
from target_sendgrid.mapping.property_names import (
    MAIN,
    PEOPLE,
    PEOPLE_LISTS,
    PLACES,
    RANKS,
    SECONDARY,
    STATUSES,
    Meaning,
    is_known,
    meaning,
    words_in,
)
from target_sendgrid.mapping.schemas import branches_of, property_paths, resolve_path, schema_at
from target_sendgrid.sendgrid import fields

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from target_sendgrid.mapping.schemas import Path

ADDRESS_FIELDS = ("address_line_1", "address_line_2", "city", "state_province_region", "postal_code", "country")

_TEXTS = frozenset({"anything", "text"})
_KINDS = {
    "email": _TEXTS | {"text: email", "text: idn-email"},
    "phone_number": _TEXTS | {"text: phone", "integer", "number"},
    "postal_code": _TEXTS | {"integer", "number"},
}
"""What values of a property may be, by field: one of these, as `kinds_of` names them. The others are texts."""

_OF_SOMEBODY_ELSE = PLACES | {word for word, rank in RANKS.items() if rank >= SECONDARY}
"""Words before a field that, except for an address, may be about a place, or about the one who gets a parcel."""

_AUTHORS = frozenset({("user",), ("usr",)})
"""Names of objects that are as often the author of a record as the person that it is about."""

_ESSENTIAL = ("address_line_1", "city", "postal_code")
"""Two of these make an address."""

_MAX_STEPS = 6
_MAX_OBJECTS = 500
"""Most objects that are looked into: a schema that refers to itself has no end of them."""


class Suggestion(msgspec.Struct, frozen=True):
    """The property that is right for a contact field."""

    field: str
    path: Path
    words: str
    """The words of its name that mean the field."""
    others: tuple[str, ...] = ()
    """Properties that would do as well, but are less likely."""

    @property
    def source(self) -> str:
        """The property, as a field mapping has it."""
        return ".".join(map(str, self.path))


class _Candidate(msgspec.Struct, frozen=True):
    """A property that may be right for a contact field."""

    path: Path
    meaning: Meaning
    own_qualifiers: tuple[str, ...]
    """The qualifiers that the property has itself, and not from the objects around it."""

    @property
    def source(self) -> str:
        return ".".join(map(str, self.path))

    @property
    def outer(self) -> Path:
        """The object that the property is in."""
        names = [index for index, step in enumerate(self.path) if isinstance(step, str)]
        return self.path[: names[-1]]

    @property
    def address(self) -> tuple[Path, tuple[str, ...]]:
        """The address that the property is a part of."""
        return self.outer, self.own_qualifiers

    @property
    def people(self) -> frozenset[str]:
        """Words for the person whose property it is."""
        return PEOPLE.intersection(self.meaning.qualifiers)

    @property
    def rank(self) -> tuple[bool, int, int, int]:
        """What makes a property less likely: words such as `other`, objects around it, other words."""
        rank = max((RANKS[word] for word in self.meaning.qualifiers), default=0)
        count = sum(word not in MAIN for word in self.meaning.qualifiers)
        return rank >= SECONDARY, len(self.path), rank, count

    @property
    def order(self) -> tuple[object, ...]:
        is_exact = self.source == self.meaning.field
        return *self.rank, self.meaning.rank, len(self.meaning.qualifiers), not is_exact, self.source


def suggestions(schema: Mapping[str, Any], sample: Mapping[str, Any] | None = None) -> dict[str, Suggestion]:
    """Return the right property for each contact field that there is one for, by field.

    Identifiers other than the email are left out: they can't be removed from a contact once they were sent.

    Args:
        schema: JSON schema of the records, in terms of draft 2020-12.
        sample: JSON schema of what some records have, for what the schema does not list.
    """
    known = with_sample(schema, sample)
    by_field: dict[str, list[_Candidate]] = defaultdict(list)
    for candidate in _candidates(known, schema):
        by_field[candidate.meaning.field].append(candidate)
    chosen = {"email": _best(by_field["email"])}
    address = _best_address([candidate for field in ADDRESS_FIELDS for candidate in by_field[field]])
    for field in ("first_name", "last_name", "phone_number"):
        chosen[field] = _best(_of_person(by_field[field], chosen["email"], by_field))
    for field in ADDRESS_FIELDS:
        chosen[field] = _best(_of_person((one for one in address if one.meaning.field == field), chosen["email"], {}))
    found = {
        field: Suggestion(field, best.path, best.meaning.phrase, tuple(_others(best, by_field[field])))
        for field, best in chosen.items()
        if best is not None
    }
    exact = {name: Suggestion(name, (name,), name) for name in _exact_names(known) if is_found((name,), schema)}
    return {field: one for field in fields.RESERVED_FIELDS if (one := found.get(field) or exact.get(field))}


def with_sample(schema: Mapping[str, Any], sample: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Return a schema with what some records have beside what it lists."""
    if sample is None:
        return schema
    parts = schema.get("allOf")
    return {**schema, "allOf": [*(parts if isinstance(parts, list) else []), sample]}


def is_found(path: Path, schema: Mapping[str, Any]) -> bool:
    """Return whether a field mapping with a property finds it where it is, and as a single value."""
    names = tuple(map(str, path))
    found = resolve_path(".".join(names), schema)
    return found is not None and tuple(map(str, found)) == names and not is_nested(schema_at(schema, found))


def _candidates(root: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[_Candidate]:
    """Yield the properties whose name means a field, and whose type fits, those that are deeper inside last.

    Args:
        root: What is known about the records.
        schema: Their schema, by which the target finds properties.
    """
    objects: list[tuple[Path, tuple[str, ...]]] = [((), ())]
    for outer, outer_words in objects:
        for name in dict.fromkeys(property_paths(schema_at(root, outer) or {}, depth=1)):
            words = words_in(name)
            if not words or not is_known(words):
                continue
            path, inner = _into_items(root, (*outer, name))
            kinds = kinds_of(inner)
            found = meaning((*outer_words, *words))
            if found is not None and _fits(inner, kinds, found) and is_found(path, schema):
                yield _Candidate(path, found, _own(found, words))
            may_be_theirs = words not in _AUTHORS and "object" in kinds
            if may_be_theirs and len(path) < _MAX_STEPS and len(objects) < _MAX_OBJECTS:
                objects.append((path, (*outer_words, *words)))


def _into_items(root: Mapping[str, Any], path: Path) -> tuple[Path, Mapping[str, Any]]:
    """Return the path of the first item, where a property is an array, and its schema."""
    inner = schema_at(root, path) or {}
    while kinds_of(inner) == {"array"} and len(path) < _MAX_STEPS:
        path = (*path, 0)
        inner = schema_at(root, path) or {"type": "array"}
        if inner == {"type": "array"}:
            break
    return path, inner


def _own(found: Meaning, words: Sequence[str]) -> tuple[str, ...]:
    """Return the qualifiers of a name itself, without those of the objects around it."""
    count = len(words) - len(found.phrase.split())
    own: list[str] = []
    for qualifier in reversed(found.qualifiers):
        if count < len(qualifier.split()):
            break
        count -= len(qualifier.split())
        own.insert(0, qualifier)
    return tuple(own)


def _fits(schema: Mapping[str, Any], kinds: set[str], found: Meaning) -> bool:
    """Return whether the type of a property is right for the field."""
    if kinds.isdisjoint(_KINDS.get(found.field, _TEXTS)):
        return False
    if found.field not in ADDRESS_FIELDS and not _OF_SOMEBODY_ELSE.isdisjoint(found.qualifiers):
        return False
    if found.field == "address_line_1" and "object" in kinds:
        return False  # the address as a whole
    return found.field != "state_province_region" or not _is_status(schema)


def _is_status(schema: Mapping[str, Any]) -> bool:
    lists = [values for branch in branches_of(schema) if isinstance(values := branch.get("enum"), list)]
    return any(isinstance(value, str) and value.lower() in STATUSES for values in lists for value in values)


def _best(candidates: Iterable[_Candidate]) -> _Candidate | None:
    """Return the likeliest property, or ``None`` where there is none, or another one is as likely."""
    ranked = sorted(candidates, key=lambda candidate: candidate.order)
    if not ranked:
        return None
    equals = [other for other in ranked if other.rank == ranked[0].rank]
    return ranked[0] if len({other.people for other in equals}) == 1 else None


def _best_address(candidates: Sequence[_Candidate]) -> list[_Candidate]:
    """Return the parts of one address: a whole one rather than a part, then the likeliest."""
    addresses: dict[tuple[Path, tuple[str, ...]], list[_Candidate]] = defaultdict(list)
    for candidate in candidates:
        addresses[candidate.address].append(candidate)
    right = [parts for parts in map(_without_doubtful, addresses.values()) if parts]
    return min(right, key=lambda parts: (not _is_whole(parts), min(part.rank for part in parts)), default=[])


def _without_doubtful(parts: Sequence[_Candidate]) -> list[_Candidate]:
    """Return the parts of an address without those that mean something else where other parts are missing."""
    found = {part.meaning.field for part in parts}
    doubtful = set()
    if len(found) == 1 and any(len(part.outer) for part in parts):
        doubtful.add("address_line_1")  # such as the address of a page
    if found <= {"state_province_region"}:
        doubtful.add("state_province_region")  # a status, or the region of a server
    if "address_line_1" not in found:
        doubtful.add("address_line_2")
    return [part for part in parts if part.meaning.field not in doubtful]


def _is_whole(parts: Sequence[_Candidate]) -> bool:
    return len({part.meaning.field for part in parts}.intersection(_ESSENTIAL)) > 1


def _of_person(
    candidates: Iterable[_Candidate], email: _Candidate | None, by_field: Mapping[str, Sequence[_Candidate]]
) -> list[_Candidate]:
    """Return the properties of the person who has the email.

    Args:
        candidates: The properties that may be right.
        email: The property with the email.
        by_field: All properties, for words that need another one beside them.
    """
    return [
        candidate
        for candidate in candidates
        if (email is None or not candidate.people or not email.people or candidate.people == email.people)
        and _list_of(candidate.path) in {(), () if email is None else _list_of(email.path)}
        and (candidate.meaning.needs is None or _has_pair(candidate, by_field))
    ]


def _has_pair(candidate: _Candidate, by_field: Mapping[str, Sequence[_Candidate]]) -> bool:
    others = (other for one in by_field.values() for other in one)
    return any(other.meaning.phrase == candidate.meaning.needs and other.outer == candidate.outer for other in others)


def _list_of(path: Path) -> Path:
    """Return the path up to the first of several people, or nothing where the record is about one."""
    for index, step in enumerate(path[:-1]):
        if path[index + 1] == 0 and isinstance(step, str) and " ".join(words_in(step)) in PEOPLE_LISTS:
            return path[: index + 2]
    return ()


def _others(best: _Candidate, candidates: Iterable[_Candidate]) -> Iterator[str]:
    ranked = sorted(candidates, key=lambda candidate: candidate.order)
    return (other.source for other in ranked if other is not best and other.meaning.needs is None)


def _exact_names(schema: Mapping[str, Any]) -> Iterator[str]:
    """Yield the reserved fields that a property has the exact name of, and that take a text."""
    for name in property_paths(schema, depth=1):
        if name in fields.RESERVED_FIELDS and name not in {"email", *ADDRESS_FIELDS}:
            inner = schema_at(schema, (name,))
            if inner is None or (not is_nested(inner) and "text" in kinds_of(inner)):
                yield name
