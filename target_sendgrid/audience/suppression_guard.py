"""The guard of suppressions: a flag that is read the wrong way round must not unsubscribe everybody, for good."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from target_sendgrid.wording import as_json, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

FEW = 10
"""So many people may always be suppressed, unless `max_suppressions` says something else."""


class SuppressionGuard:
    """Decides which streams may have their people suppressed: all of a stream's people, or nobody.

    Streams without a ceiling of their own share one.

    Args:
        limit_of: Returns the setting `max_suppressions` of a stream; ``None`` for no ceiling.
    """

    def __init__(self, limit_of: Callable[[str], int | None]) -> None:
        self._limit_of = limit_of
        self.done: Counter[str] = Counter()
        """Number of people who were suppressed in this run, by stream."""

    def streams_over(self, waiting: Mapping[str, int], people_count: int, *, is_end: bool = True) -> set[str]:
        """Return the streams whose waiting people may not be suppressed.

        Args:
            waiting: Number of people who would be suppressed and are not yet, by stream.
            people_count: Number of people of the run so far.
            is_end: Whether no more people come. Before, nobody knows the share of the run's people, and a suppression
                is for good, so only a few are allowed.
        """
        over = set()
        for stream, count in waiting.items():
            limit = self._limit_of(stream)
            most = (max(FEW, people_count // 2) if is_end else FEW) if limit is None else limit
            total = self._total_without_ceiling(waiting) if limit is None else self.done[stream] + count
            if count and total > most:
                over.add(stream)
        return over

    def sentence(self, stream: str, waiting: Mapping[str, int], people_count: int) -> str:
        """Return why the people of a stream were not suppressed.

        Args:
            stream: The stream, which is one of those that `streams_over` returned.
            waiting: As of `streams_over`.
            people_count: As of `streams_over`.
        """
        count, limit = self.done[stream] + waiting[stream], self._limit_of(stream)
        if limit is None:
            total, people = self._total_without_ceiling(waiting), f"{people_count:,} people"
            why = f"{total:,} of the {people} of the run would be unsubscribed, more than {FEW} and more than half"
        elif limit == 0:
            why = f"{count:,} of its people would be unsubscribed, and `max_suppressions` is 0, which forbids it"
        else:
            why = f"{count:,} of its people would be unsubscribed, and `max_suppressions` is {limit:,}"
        setting, done = as_json({stream: {"max_suppressions": count}}), self.done[stream]
        before = f" {done:,} of its people were unsubscribed before so many had come." if done else ""
        return f"Stream '{shown(stream)}': {why}.{before} If they have, allow it: `streams: {setting}`."

    def _total_without_ceiling(self, waiting: Mapping[str, int]) -> int:
        """Return how many people of streams without a ceiling are suppressed or wait for that."""
        counts = self.done + Counter(waiting)
        return sum(count for stream, count in counts.items() if self._limit_of(stream) is None)
