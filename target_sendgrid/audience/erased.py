"""People who are to be erased in a run: a later record of such a person must not bring the person back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from target_sendgrid.audience.hash_set import HashSet
from target_sendgrid.audience.presence import identity_keys
from target_sendgrid.sendgrid.fields import IDENTIFIERS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class Names(Protocol):
    """A set of texts."""

    def __contains__(self, name: str, /) -> bool:
        """Return whether a text is in it."""


class ErasedPeople:
    """Remembers people by hashes of all their identifiers.

    Somebody who shares the address with an erased person, and has another value of a second identifier that both have,
    is another person.
    """

    def __init__(self) -> None:
        self._names = HashSet()
        self.is_empty = True

    def add(self, values: Mapping[str, object]) -> None:
        """Add a person, given by the value of each contact field."""
        self.is_empty = False
        for name in erased_names(values):
            self._names.add(name)

    def holds(self, values: Mapping[str, object]) -> bool:
        """Return whether a person, given by the value of each contact field, is to be erased."""
        return is_erased(values, self._names)


def erased_names(values: Mapping[str, object]) -> Iterator[str]:
    """Yield the texts that are remembered of an erased person."""
    kinds = [kind for kind, _ in _by_kind(values)]
    for key in identity_keys(values):
        yield key
        for kind in kinds:
            yield _has(key, kind)


def is_erased(values: Mapping[str, object], names: Names) -> bool:
    """Return whether a person was erased or is to be.

    Args:
        values: Value of each contact field.
        names: The `erased_names` of erased people.
    """
    return any(key in names and not _is_other(key, values, names) for key in identity_keys(values))


def _is_other(key: str, values: Mapping[str, object], names: Names) -> bool:
    """Return whether a person who shares a key has another value of a second identifier than the erased one."""
    return any(
        _has(key, kind) in names and not any(own in names for own in keys)
        for kind, keys in _by_kind(values)
        if kind != IDENTIFIERS[0]
    )


def _by_kind(values: Mapping[str, object]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield each kind of identifier that a person has, with the keys of its value."""
    for kind in IDENTIFIERS:
        if keys := identity_keys({kind: values.get(kind)}):
            yield kind, keys


def _has(key: str, kind: str) -> str:
    """Return the text that is remembered for an erased person who has a key and an identifier of some kind."""
    return f"{key} with {kind}"
