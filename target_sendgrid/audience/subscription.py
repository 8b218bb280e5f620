"""Who has unsubscribed, by the value of one property of a record (the setting `subscription_property`)."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from target_sendgrid.sendgrid.contact import ascii_lower, trimmed

if TYPE_CHECKING:
    from collections.abc import Iterable


class Subscription(NamedTuple):
    """How the records of a stream say that somebody has unsubscribed."""

    unsubscribed: frozenset[tuple[type, object]]
    """Values of the property that say so, as `comparable` makes them."""

    def is_unsubscribed(self, value: object) -> bool:
        """Return whether a value of the property says that somebody has unsubscribed. A null says nothing."""
        return comparable(value) in self.unsubscribed


def unsubscribed_values(values: Iterable[object]) -> frozenset[tuple[type, object]]:
    """Return the values of the setting as they are compared."""
    return frozenset(found for value in values if (found := comparable(value)) is not None)


def comparable(value: object) -> tuple[type, object] | None:
    """Return a value as it is compared with others; ``None`` for what says nothing: nulls, arrays and objects.

    Texts are compared without blanks and invisible characters around them, and without regard to ASCII case. True is
    not 1, and the text "1" is neither.
    """
    if isinstance(value, str):
        return (str, ascii_lower(trimmed(value)))
    if isinstance(value, bool):
        return (bool, value)
    if isinstance(value, (int, Decimal)):
        return (int, value)
    if isinstance(value, float):
        return (int, Decimal(str(value)))
    return None
