"""What settings about consent and erasure make a run do to people, in sentences."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from target_sendgrid.settings.account_needs import groups_in_use, written_name
from target_sendgrid.wording import as_json, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from target_sendgrid.settings.settings import Settings, StreamSettings

_DELETES = {
    "delete_contact": "a run would delete the contacts of rows that are deleted at the source",
    "erase": (
        "a run would delete the contacts of rows that are deleted at the source, and have SendGrid erase what it holds"
        " about these people"
    ),
}
"""What a run does with rows that are deleted at the source, for the values of `on_delete` by which contacts go."""


def effects(settings: Settings) -> Iterator[str]:
    """Yield whom a run would unsubscribe, delete, erase or leave out: one sentence for each setting that says so."""
    places = settings.enabled_streams()
    found = [_unsubscribes(settings, prefix, place) for prefix, place in places if place.subscription_property]
    found += [
        f"`{written_name(settings, prefix, 'on_delete')}` is `{place.on_delete}`: {_DELETES[place.on_delete]}."
        for prefix, place in places
        if place.on_delete in _DELETES
    ]
    yield from dict.fromkeys(found)  # what holds for all streams is the same for each that inherits it
    if settings.skip_suppressed:
        groups = len(groups_in_use(settings))
        where = "everything or from the unsubscribe group of their stream" if groups else "everything"
        yield (
            f"`skip_suppressed`: a run would send nobody who has unsubscribed from {where}. Before the first record it"
            f" would read all of them: one request for 500, and {groups} for groups."
        )


def _unsubscribes(settings: Settings, prefix: str, place: StreamSettings) -> str:
    values = [as_json(float(one) if isinstance(one, Decimal) else one) for one in place.unsubscribed_values]
    name, values_name, group_name = (
        f"`{written_name(settings, prefix, one)}`"
        for one in ("subscription_property", "unsubscribed_values", "suppression_group_id")
    )
    group = place.suppression_group_id
    return (
        f"{name} and {values_name}: a run would put people on"
        f" {'the list of global unsubscribes' if group is None else f'the unsubscribe group {group} ({group_name})'}"
        f" whose records have one of these values in '{shown(place.subscription_property or '')}': {', '.join(values)}."
    )
