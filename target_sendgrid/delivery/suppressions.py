"""Suppressions: at a checkpoint, people who have unsubscribed are suppressed, before anything else is done for them.

All people of a stream are suppressed, or nobody, as the guard decides (`audience/suppression_guard.py`). Where it does
not allow that, they wait for more people to come, up to the end of the input. No state covers what was not done.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from target_sendgrid.audience.hash_set import HashSet
from target_sendgrid.audience.presence import identity_keys
from target_sendgrid.delivery.pending import Change, Purpose
from target_sendgrid.errors import RecordRejectedError, TooManySuppressionsError
from target_sendgrid.sendgrid import contact as contacts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from target_sendgrid.audience.intents import Intents
    from target_sendgrid.audience.suppression_guard import SuppressionGuard
    from target_sendgrid.delivery.batching import Batcher
    from target_sendgrid.delivery.delivery import Delivery
    from target_sendgrid.delivery.job import Rejection
    from target_sendgrid.delivery.known_people import KnownPeople
    from target_sendgrid.delivery.pending import OperationKind
    from target_sendgrid.delivery.unsubscribed import UnsubscribedPeople, UnsubscribedPerson
    from target_sendgrid.report.report import Report

log = logging.getLogger("target-sendgrid.delivery")

_NEXT_STEP = (
    "Nobody else of them was unsubscribed, sent or taken off a list. Look whether `subscription_property` and"
    " `unsubscribed_values` say who has unsubscribed, and not who has not: SendGrid never takes it back. No state that"
    " covers these records was written, so the next run brings them again."
)


class Suppressions:
    """Suppresses those who wait for it.

    Args:
        people: Those who wait.
        intents: What waits to be taken away.
        kinds: The operation for each unsubscribe group; that of ``None`` is for all email.
        batcher: Takes the changes.
        delivery: Gets them settled.
        report: Counts outcomes.
        guard: Decides whether so many may be suppressed.
        read_suppressed: Reads who is suppressed already, and returns whether an address is, for a group or for all
            email. It takes many requests, so it is called only where the guard needs it, and once.
        people_count: Returns the number of people of the run so far.
        known: Says who need not be sent; ``None`` without a snapshot.
    """

    def __init__(  # noqa: PLR0913 - the steps that it connects
        self,
        people: UnsubscribedPeople,
        intents: Intents,
        kinds: Mapping[int | None, OperationKind],
        *,
        batcher: Batcher,
        delivery: Delivery,
        report: Report,
        guard: SuppressionGuard,
        read_suppressed: Callable[[], Callable[[str, int | None], bool]],
        people_count: Callable[[], int],
        known: KnownPeople | None = None,
    ) -> None:
        self._people = people
        self._intents = intents
        self._kinds = kinds
        self._batcher = batcher
        self._delivery = delivery
        self._report = report
        self._guard = guard
        self._read_suppressed = read_suppressed
        self._people_count = people_count
        self._known = known
        self._refused: dict[str, Rejection] = {}
        """Why SendGrid has refused to suppress people, by identity."""
        self._withheld: list[str] = []
        """Why people were not suppressed, a sentence for each stream."""

    def carry_out(self, *, is_end: bool) -> None:
        """Suppress those who wait, and put what waits for that into batches.

        Args:
            is_end: Whether the input has ended. If not, and the guard does not allow it, all go on waiting.
        """
        if self._people.is_empty:
            return
        over, people_count = self._streams_over(is_end=is_end)
        if over and not is_end:
            self._people.spool()
            return
        self._withheld += [self._guard.sentence(one, self._people.counts, people_count) for one in sorted(over)]
        self._guard.done.update({one: count for one, count in self._people.counts.items() if one not in over})
        withheld = HashSet()
        for part in self._people.take_all():
            allowed = []
            for person in part:
                if over and (any(origin.stream in over for _, origin in person.groups) or _is_any_in(person, withheld)):
                    self._withhold(person)
                    for identity in person.identities:
                        withheld.add(identity)
                else:
                    allowed.append(person)
            self._suppress(allowed)
            self._put_into_batches(allowed)
        self._people.done()

    def check(self) -> None:
        """Check whether everybody was suppressed.

        Raises:
            TooManySuppressionsError: Some were not, since the guard has not allowed it.
        """
        if self._withheld:
            raise TooManySuppressionsError(" ".join(self._withheld), _NEXT_STEP)

    def _streams_over(self, *, is_end: bool) -> tuple[set[str], int]:
        """Return the streams whose people may not be suppressed, and the number of the run's people.

        Who is suppressed already is read only if that may change the decision.
        """
        people_count = self._people_count()
        over = self._guard.streams_over(self._people.counts, people_count, is_end=is_end)
        if over and not self._people.counts_new:
            self._people.count_new(self._read_suppressed())
            over = self._guard.streams_over(self._people.counts, people_count, is_end=is_end)
        return over, people_count

    def _suppress(self, people: Sequence[UnsubscribedPerson]) -> None:
        kinds = list(self._kinds.values())
        if self._report.dry_run is not None:
            for person in people:
                for group_id, origin in person.groups:
                    self._report.stream(origin.stream).unsubscribed += 1
                    self._people.note_suppressed(person.identity, group_id)
            return
        if not all(person.email for person in people):
            self._delivery.finish()  # only what is settled shows the address of such a person
        for person in people:
            for group_id, origin in person.groups:
                change = Change(Purpose(self._kinds[group_id], ()), person.identity, person.contact, origin)
                self._batcher.add_earlier(change)
        self._delivery.finish_kinds(kinds)
        groups = {kind: group_id for group_id, kind in self._kinds.items()}
        for result in self._delivery.take_results(kinds):
            for change in result.settled:
                self._report.stream(change.origin.stream).unsubscribed += 1
                self._people.note_suppressed(change.identity, groups[result.batch.purpose.kind])
            self._refused.update({change.identity: rejection for change, rejection in result.rejected})

    def _put_into_batches(self, people: Sequence[UnsubscribedPerson]) -> None:
        """Put what is to be done for people into batches, but for those whom SendGrid has refused to suppress."""
        for person in people:
            names = person.identities if self._refused else ()
            rejection = next((self._refused[one] for one in names if one in self._refused), None)
            if rejection is not None:
                self._refused.update(dict.fromkeys(names, rejection))
                self._people.note_refused(names)
                self._reject(person, rejection)
                continue
            for change in person.changes:
                if self._known is None or not self._known.leaves_out(change, is_new=False):
                    self._put_into_batch(change)
        self._delivery.send_full()

    def _put_into_batch(self, change: Change) -> None:
        """Put a change into a batch, or reject it if it is too large together with others of the person."""
        try:
            self._batcher.add_earlier(change)
        except RecordRejectedError as error:
            for origin in change.origins:
                self._delivery.reject(origin, error.reason, error.sentence)

    def _reject(self, person: UnsubscribedPerson, rejection: Rejection) -> None:
        """Do nothing for a person whom SendGrid does not suppress."""
        _, origin = person.groups[0] if person.groups else (None, person.changes[0].origin)
        log.warning("SendGrid refuses to unsubscribe the person of %s: nothing else is done for this person.", origin)
        origins = [origin for change in person.changes for origin in change.origins]
        for origin in [*origins, *self._intents.drop(_keys(person))]:
            self._delivery.reject(origin, rejection.reason, rejection.sentence, rejection.sendgrid_message)

    def _withhold(self, person: UnsubscribedPerson) -> None:
        """Do nothing for a person whom the guard does not allow to be suppressed, and write no state that covers it."""
        self._delivery.hold_state_from(person.first_line)
        for origin in self._intents.drop(_keys(person)):
            self._delivery.hold_state_from(origin.line)


def _keys(person: UnsubscribedPerson) -> tuple[str, ...]:
    return identity_keys(contacts.decode(person.contact))


def _is_any_in(person: UnsubscribedPerson, identities: HashSet) -> bool:
    return any(identity in identities for identity in person.identities)
