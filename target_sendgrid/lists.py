"""Contact lists: from the names and ids of the settings to lists of the account."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol

from target_sendgrid.errors import BadRequestError, ConfigError, suggest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

log = logging.getLogger("target-sendgrid.lists")


class ContactList(Protocol):
    """A list of the account."""

    @property
    def id(self) -> str:
        """The list's id."""

    @property
    def name(self) -> str:
        """The list's name."""


class ListCalls(Protocol):
    """What finding lists needs of SendGrid."""

    def lists(self) -> Iterable[ContactList]:
        """Yield every list of the account."""

    def find_list(self, list_id: str) -> ContactList | None:
        """Return the list of that id, or ``None``."""

    def create_list(self, name: str) -> ContactList:
        """Create a list."""


class Lists:
    """Finds and creates the lists of a run, asking SendGrid once for each.

    Args:
        calls: SendGrid.
        can_create: Whether missing lists may be created.
    """

    def __init__(self, calls: ListCalls, *, can_create: bool) -> None:
        self._calls = calls
        self._can_create = can_create
        self._by_id: dict[str, ContactList] = {}
        self._by_name: dict[str, list[ContactList]] = {}

    def check(self, list_ids: Iterable[str], list_names: Iterable[str]) -> None:
        """Look all lists of the settings up, before anything is read.

        Raises:
            ConfigError: With every id that is unknown, and every name that is missing or stands for two lists.
        """
        list_names = list(list_names)
        if list_names:
            self._read_names()
        problems = [*self._unknown_ids(list_ids), *self._unusable_names(list_names)]
        if problems:
            raise ConfigError(problems)

    def resolve(self, list_id: str | None, list_name: str | None) -> ContactList:
        """Return a checked list, creating it if it is missing. One of the two arguments is given."""
        if list_id is not None:
            return self._by_id[list_id]
        name = list_name or ""
        if not self._by_name.get(name):
            self._by_name[name] = [self._create(name)]
        return self._by_name[name][0]

    def _read_names(self) -> None:
        by_name: dict[str, list[ContactList]] = {}
        for found in self._calls.lists():
            by_name.setdefault(found.name, []).append(found)
        self._by_name |= by_name  # a list that was just created may not be among them yet

    def _create(self, name: str) -> ContactList:
        try:
            created = self._calls.create_list(name)
        except BadRequestError:
            self._read_names()  # somebody else may have made it meanwhile
            found = self._by_name.get(name)
            if not found:
                message = (
                    f"SendGrid refuses to create the list '{name}': an account may have 1,000 lists, and a name must be"
                    " new whatever its capitals."
                )
                raise ConfigError(message) from None
            problems = [*self._unusable_names([name])]
            if problems:
                raise ConfigError(problems) from None
            return found[0]
        log.info("Created list '%s' (%s).", created.name, created.id)
        return created

    def _unknown_ids(self, list_ids: Iterable[str]) -> Iterator[str]:
        for list_id in dict.fromkeys(list_ids):
            found = self._calls.find_list(list_id)
            if found is None:
                yield f"SendGrid has no list with the id '{list_id}'. Check `list_id`, or give `list_name` instead."
            else:
                self._by_id[list_id] = found

    def _unusable_names(self, list_names: Iterable[str]) -> Iterator[str]:
        for name in dict.fromkeys(list_names):
            found = self._by_name.get(name, [])
            if len(found) > 1:
                ids = ", ".join(entry.id for entry in found)
                yield f"SendGrid has {len(found)} lists named '{name}'. Give `list_id` instead: one of {ids}."
            elif not found and not self._can_create:
                near = suggest(name, self._by_name)
                yield f"SendGrid has no list named '{name}', and `create_list` is false.{near}"
