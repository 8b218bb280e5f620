"""Contact lists: from the names and ids in the settings to lists of the account, also when lists are deleted."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from target_sendgrid.errors import BadRequestError, Code, ConfigError, Problem
from target_sendgrid.wording import shown, suggest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from target_sendgrid.sendgrid.client import Client, ContactList

log = logging.getLogger("target-sendgrid.sendgrid")

_ONE_SPELLING = "SendGrid creates no list whose name differs only in capitals"


class Lists:
    """Finds and creates the lists of a run, and looks each of them up once.

    Args:
        client: SendGrid.
        can_create: Whether missing lists may be created.
    """

    def __init__(self, client: Client, *, can_create: bool) -> None:
        self._client = client
        self._can_create = can_create
        self._by_id: dict[str, ContactList] = {}
        self._by_name: dict[str, list[ContactList]] = {}
        self._name_of: dict[str, str] = {}

    def problems(self, list_ids: Iterable[str], list_names: Iterable[str]) -> list[Problem]:
        """Look up lists, and return what is wrong with them.

        Returns:
            One sentence for each id that is unknown, and for each name that is missing or that several lists have, or
            that differs from another one only in capitals.
        """
        list_names = list(list_names)
        if list_names:
            self._read_names()
        return [*self._unknown_ids(list_ids), *self._unusable_names(list_names)]

    def check(self, list_ids: Iterable[str], list_names: Iterable[str]) -> None:
        """Look up lists.

        Raises:
            ConfigError: With everything that is wrong; see `problems`.
        """
        problems = self.problems(list_ids, list_names)
        if problems:
            raise ConfigError(problems, code=Code.WRONG_LIST)

    def resolve(self, list_id: str | None, list_name: str | None) -> ContactList:
        """Return a list that was looked up before, and create it if it is missing. One of the arguments is given.

        Raises:
            ConfigError: SendGrid refuses to create the list.
        """
        if list_id is not None:
            return self._by_id[list_id]
        name = list_name or ""
        named = self._named(name)
        if not named:
            named = self._by_name[name] = [self._create(name)]
        found = named[0]
        self._name_of[found.id] = name
        return found

    def is_missing(self, list_name: str) -> bool:
        """Return whether the account has no list of a name that was looked up, so that it has to be created."""
        return not self._named(list_name)

    def is_named(self, list_id: str, list_name: str) -> bool:
        """Return whether a name that was looked up before is that of a list, be the list itself given by its id."""
        return any(found.id == list_id for found in self._named(list_name))

    def given_name(self, list_id: str) -> str | None:
        """Return the name that the settings give for a list; ``None`` where they give its id."""
        return None if list_id in self._by_id else self._name_of.get(list_id)

    def _read_names(self) -> None:
        by_name: dict[str, list[ContactList]] = {}
        for found in self._client.lists():
            by_name.setdefault(found.name, []).append(found)
        self._by_name |= by_name  # a list that was just created may not be among them yet

    def _known(self) -> Iterator[ContactList]:
        return (entry for entries in self._by_name.values() for entry in entries)

    def _named(self, name: str) -> list[ContactList]:
        """Return the lists of exactly this name, or else those whose name has blanks around it."""
        return self._by_name.get(name) or [entry for entry in self._known() if entry.name.strip() == name]

    def _create(self, name: str) -> ContactList:
        try:
            created = self._client.create_list(name)
        except BadRequestError:
            self._read_names()  # someone else may have created it since
            problems = [*self._unusable_names([name])]
            if problems:
                raise ConfigError(problems, code=Code.WRONG_LIST) from None
            found = self._named(name)
            if not found:
                message = f"SendGrid refuses to create the list '{shown(name)}': an account may have 1,000 lists."
                raise ConfigError(message, code=Code.LIST_REFUSED) from None
            return found[0]
        if self._client.only_reads:
            log.info("A run would create the list '%s'.", created.name)
        else:
            log.info("Created list '%s' (%s).", created.name, created.id)
        return created

    def _unknown_ids(self, list_ids: Iterable[str]) -> Iterator[Problem]:
        for list_id in dict.fromkeys(list_ids):
            found = self._client.find_list(list_id)
            if found is None:
                what = f"SendGrid has no list with the id '{list_id}'."
                yield Problem(what, "Check `list_id`, or give `list_name` instead.")
            else:
                self._by_id[list_id] = found

    def _unusable_names(self, list_names: Iterable[str]) -> Iterator[Problem]:
        missing: dict[str, str] = {}
        for name in dict.fromkeys(list_names):
            found = self._named(name)
            folded = name.casefold()
            near = next((entry.name for entry in self._known() if entry.name.strip().casefold() == folded), None)
            if len(found) > 1:
                ids = ", ".join(entry.id for entry in found)
                what = f"SendGrid has {len(found)} lists named '{shown(name)}'."
                yield Problem(what, f"Give `list_id` instead: one of {ids}.")
            elif found:
                continue
            elif near is not None:
                what = f"SendGrid has no list named '{shown(name)}', but one named '{shown(near)}'."
                yield Problem(what, f"Write the name with its capitals: {_ONE_SPELLING}.")
            elif not self._can_create:
                what = f"SendGrid has no list named '{shown(name)}', and `create_list` is false."
                yield Problem(what, suggest(name, self._by_name).lstrip())
            elif missing.setdefault(folded, name) != name:
                what = f"The settings name the lists '{shown(missing[folded])}' and '{shown(name)}': {_ONE_SPELLING}."
                yield Problem(what, "Write one of them in both places.")


class ListTracker:
    """Knows the present ids of the lists that contacts go to. A list that is deleted and created again has a new id.

    A list is always named by its first id: the one that its stream found at the start.

    Args:
        client: SendGrid.
        given_name: Returns the name that the settings give for a list, ``None`` where they give its id.
        can_create: Whether missing lists may be created.
    """

    def __init__(self, client: Client, given_name: Callable[[str], str | None], *, can_create: bool) -> None:
        self._client = client
        self._given_name = given_name
        self._can_create = can_create
        self._current: dict[str, str] = {}

    def current(self, list_ids: tuple[str, ...]) -> tuple[str, ...]:
        """Return the present ids of lists."""
        return tuple(self._current.get(list_id, list_id) for list_id in list_ids)

    def label(self, list_ids: tuple[str, ...]) -> str:
        """Return the names of lists as the settings give them."""
        return " or ".join(f"'{self._given_name(list_id) or list_id}'" for list_id in list_ids)

    def recreate(self, list_ids: tuple[str, ...]) -> bool:
        """Replace the lists that were deleted, by a list of the same name or by a new one.

        Returns:
            Whether a list has another id now.

        Raises:
            ConfigError: A list was deleted and cannot be recreated.
        """
        before = self.current(list_ids)
        for list_id, current_id in zip(list_ids, before, strict=True):
            if self._client.find_list(current_id) is None:
                self._current[list_id] = self._replacement(list_id, current_id)
        return self.current(list_ids) != before

    def _replacement(self, list_id: str, deleted_id: str) -> str:
        """Return the id of the list that replaces a deleted one."""
        deleted = f"The list {self.label((list_id,))} was deleted during the run"
        name = self._given_name(list_id)
        if name is None:
            message = (
                f"{deleted} and cannot be recreated. Give another `list_id`, or give `list_name`: a list given by name"
                " is found or created again."
            )
            raise ConfigError(message, code=Code.LIST_DELETED)
        lists = Lists(self._client, can_create=self._can_create)
        try:
            lists.check([], [name])
            found = lists.resolve(None, name)
        except ConfigError as error:
            message = f"{deleted}. {error}"
            raise ConfigError(message, code=Code.LIST_DELETED) from None
        if found.id != deleted_id:
            log.warning(
                "%s: its contacts go to list %s from now on. Contacts that were confirmed before are no longer on a"
                " list of that name; load them again to put them there.",
                deleted,
                found.id,
            )
        return found.id
