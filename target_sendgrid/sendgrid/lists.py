"""Contact lists: from the names and ids of the settings to lists of the account."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol

from target_sendgrid.errors import BadRequestError, ConfigError, suggest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

log = logging.getLogger("target-sendgrid.sendgrid")


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
        self._name_of: dict[str, str] = {}

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
        found = self._by_name[name][0]
        self._name_of[found.id] = name
        return found

    def given_name(self, list_id: str) -> str | None:
        """Return the name that the settings give for a list; ``None`` where they give its id."""
        return None if list_id in self._by_id else self._name_of.get(list_id)

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


class ListTracker:
    """Where contacts go: lists by the ids that streams found them by, also when they are deleted and made anew.

    Args:
        calls: SendGrid.
        given_name: Gives the name that the settings give for a list, ``None`` where they give its id.
        can_create: Whether missing lists may be created.
    """

    def __init__(self, calls: ListCalls, given_name: Callable[[str], str | None], *, can_create: bool) -> None:
        self._calls = calls
        self._given_name = given_name
        self._can_create = can_create
        self._current: dict[str, str] = {}

    def current(self, list_ids: tuple[str, ...]) -> tuple[str, ...]:
        """Return the ids that lists have now."""
        return tuple(self._current.get(list_id, list_id) for list_id in list_ids)

    def label(self, list_ids: tuple[str, ...]) -> str:
        """Name lists as the settings do."""
        return " or ".join(f"'{self._given_name(list_id) or list_id}'" for list_id in list_ids)

    def recreate(self, list_ids: tuple[str, ...]) -> bool:
        """Look for lists that are gone; find those that the settings name again, or create them.

        Returns:
            Whether a list has another id now.

        Raises:
            ConfigError: A list is gone for good.
        """
        before = self.current(list_ids)
        for list_id, id_today in zip(list_ids, before, strict=True):
            if self._calls.find_list(id_today) is None:
                self._current[list_id] = self._found_again(list_id, id_today)
        return self.current(list_ids) != before

    def _found_again(self, list_id: str, id_today: str) -> str:
        gone = f"The list {self.label((list_id,))} was deleted while the run went on"
        name = self._given_name(list_id)
        if name is None:
            message = (
                f"{gone}. Give another `list_id`, or give `list_name`: a list given by name is found or made anew."
            )
            raise ConfigError(message)
        lists = Lists(self._calls, can_create=self._can_create)
        try:
            lists.check([], [name])
            found = lists.resolve(None, name)
        except ConfigError as error:
            message = f"{gone}. {error}"
            raise ConfigError(message) from None
        if found.id != id_today:
            log.warning(
                "%s: its contacts go to list %s from now on. Those that were confirmed before are no longer on a list"
                " of that name; load them again to put them there.",
                gone,
                found.id,
            )
        return found.id
