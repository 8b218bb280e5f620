"""The faults in force: which of them strikes a request, and how often each has struck."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec

from target_sendgrid.sandbox.account.reserved import IDENTIFIERS

if TYPE_CHECKING:
    from target_sendgrid.sandbox.http.faults import Fault


@dataclass(frozen=True)
class Arrival:
    """A request as faults see it."""

    method: str
    path: str
    body: bytes
    at: float
    """Reading of the sandbox's clock."""

    @cached_property
    def contacts(self) -> list[dict[str, Any]]:
        """The contacts of an upsert; none in other requests, or if the body can't be read."""
        contacts = self._document.get("contacts")
        return [one for one in contacts if isinstance(one, dict)] if isinstance(contacts, list) else []

    @cached_property
    def addresses(self) -> list[tuple[str, str]]:
        """The addresses of a suppression or an erasure, each after the name of the property that holds it."""
        return [(name, address) for name in ("recipient_emails", "email_addresses") for address in self._texts(name)]

    @cached_property
    def identifiers(self) -> frozenset[str]:
        """Every identifier in the body of a request that names people, in lower case."""
        found = [str(contact[name]) for contact in self.contacts for name in IDENTIFIERS if contact.get(name)]
        for name in ("emails", "identifiers"):
            found += self._texts(name)
        found += [address for _, address in self.addresses]
        return frozenset(one.lower() for one in found)

    def _texts(self, name: str) -> list[str]:
        asked = self._document.get(name)
        return [str(one) for one in asked] if isinstance(asked, list) else []

    @cached_property
    def _document(self) -> dict[str, Any]:
        try:
            document = msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return {}
        return document if isinstance(document, dict) else {}


@dataclass
class _Standing:
    """A fault in force, and how often it has struck."""

    number: int
    fault: Fault
    left: int | None
    to_skip: int
    chances: random.Random
    struck: int = 0
    ends_at: float | None = None

    def strikes(self, arrival: Arrival) -> bool:
        match = self.fault.match
        if not match.fits(arrival.method, arrival.path) or (match.contacts and not match.holds(arrival.identifiers)):
            return False
        if self.left == 0 or (self.ends_at is not None and arrival.at >= self.ends_at):
            return False
        if self.to_skip:
            self.to_skip -= 1
            return False
        if self.fault.probability is not None and self.chances.random() >= self.fault.probability:
            return False
        if self.fault.for_seconds is not None and self.ends_at is None:
            self.ends_at = arrival.at + self.fault.for_seconds
        self.struck += 1
        if self.left is not None:
            self.left -= 1
        return True


@dataclass
class Faults:
    """The faults in force, oldest first. Callers hold the sandbox's lock."""

    _standing: list[_Standing] = field(default_factory=list)
    _next_number: int = 1

    def add(self, fault: Fault) -> int:
        """Put a fault in force; return its number."""
        times = fault.times
        if isinstance(times, msgspec.UnsetType):
            times = 1 if fault.probability is None and fault.for_seconds is None else None
        number = self._next_number
        self._next_number += 1
        chances = random.Random(fault.seed)  # noqa: S311 - chances that can be repeated, no secrets
        self._standing.append(_Standing(number, fault, times, fault.skip, chances))
        return number

    def take(self, kinds: frozenset[str], arrival: Arrival) -> Fault | None:
        """Return the fault that strikes this request, if one does."""
        for standing in self._standing:
            if standing.fault.kind in kinds and standing.strikes(arrival):
                return standing.fault
        return None

    def clear(self, number: int | None = None) -> None:
        """Lift one fault, or all."""
        self._standing = [] if number is None else [one for one in self._standing if one.number != number]

    def described(self) -> list[dict[str, Any]]:
        """Return every fault, with how often it struck and how often it still will."""
        return [
            {
                **msgspec.to_builtins(standing.fault),
                "id": standing.number,
                "struck": standing.struck,
                "left": standing.left,
            }
            for standing in self._standing
        ]
