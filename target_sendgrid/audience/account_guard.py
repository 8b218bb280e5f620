"""The guard of the account: how many people may be deleted from it or erased in one run, decided from numbers alone."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from target_sendgrid.audience.guards import FEW, MAX_PERCENT
from target_sendgrid.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from target_sendgrid.audience.removal_limit import RemovalLimit


class AccountGuard:
    """Counts people who are deleted or erased in a run, and withholds all of those asked for at a time if too many.

    A stream with `max_removals` has that ceiling, which its removals from lists count for, too. All other streams
    together may delete a few people, or a share of the account. What was withheld once stays withheld: nobody more is
    deleted for that ceiling.

    Args:
        removal_limit: The ceilings of streams.
        account_size: Returns the number of contacts in the account. It is called once, before the first deletion.
    """

    def __init__(self, removal_limit: RemovalLimit, account_size: Callable[[], int]) -> None:
        self._removal_limit = removal_limit
        self._account_size = account_size
        self._size: int | None = None
        self._allowed_count = 0
        """Number of people of streams without a ceiling who were allowed."""
        self._withheld: Counter[str | None] = Counter()
        """Number of people who were not, by stream; ``None`` for all streams without a ceiling."""

    def withheld(self, streams: Mapping[str, str]) -> set[str]:
        """Return which of some people may not be deleted, and count the others.

        Args:
            streams: The streams whose records ask for it, by the identity of the person.
        """
        groups: dict[str | None, list[str]] = {}
        for identity, stream in streams.items():
            groups.setdefault(self._ceiling_of(stream), []).append(identity)
        withheld: set[str] = set()
        for ceiling, identities in groups.items():
            if self._withheld[ceiling] or not self._has_room(ceiling, len(identities)):
                self._withheld[ceiling] += len(identities)
                withheld.update(identities)
            elif ceiling is None:
                self._allowed_count += len(identities)
            else:
                self._removal_limit.add(ceiling, len(identities))
        return withheld

    def withheld_reason(self, stream: str) -> str:
        """Return why people of a stream were withheld, as a clause without a full stop."""
        limit = self._removal_limit.limit(stream)
        if limit == 0:
            return "`max_removals` is 0, which forbids it"
        if limit is not None:
            count = self._removal_limit.count(stream) + self._withheld[stream]
            return f"that would be {count:,} in this run, and `max_removals` allows {limit:,}"
        count, size = self._allowed_count + self._withheld[None], counted(self._size or 0, "contact")
        return (
            f"that would be {count:,} in this run, of an account with {size}, and more than {FEW} and more than"
            f" {MAX_PERCENT} % of the account are deleted or erased only if `max_removals` allows it"
        )

    def _ceiling_of(self, stream: str) -> str | None:
        return None if self._removal_limit.limit(stream) is None else stream

    def _has_room(self, ceiling: str | None, count: int) -> bool:
        if ceiling is not None:
            return self._removal_limit.has_room(ceiling, count)
        if self._size is None:
            self._size = self._account_size()
        return self._allowed_count + count <= max(FEW, self._size * MAX_PERCENT // 100)
