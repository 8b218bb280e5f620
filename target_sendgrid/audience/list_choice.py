"""The choice of a record's lists by the value of one of its properties (the setting `list_property`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Mapping

    from target_sendgrid.sendgrid.client import ContactList


class ListChoice:
    """Chooses the lists of records.

    Args:
        lists: The list for each value of the property.
        counts: Counts the records for each list, by its name.
    """

    def __init__(self, lists: Mapping[str, ContactList], counts: Counter[str]) -> None:
        self._lists = lists
        self._counts = counts

    def list_ids(self, value: object) -> tuple[str, ...]:
        """Return the sorted ids of the lists for a value of the property, and count the record for each of them.

        Args:
            value: A text, a whole number or a boolean, or an array of these for several lists. There is no list for
                anything else, nor for a value that the settings do not have.
        """
        if type(value) is str and value in self._lists:  # the usual case
            chosen = self._lists[value]
            self._counts[chosen.name] += 1
            return (chosen.id,)
        items = value if isinstance(value, list) else [value]
        found = {one.id: one.name for item in items if (one := self._lists.get(_key(item) or ""))}
        self._counts.update(found.values())
        return tuple(sorted(found))


def _key(value: object) -> str | None:
    """Return the text by which the settings name a value."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, (str, int)) else None
