"""A check of numbers by the rules that SQL taps write for decimal columns, many times as fast as any validator."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from target_sendgrid.mapping.record_types import RULES
from target_sendgrid.mapping.schemas import types_of
from target_sendgrid.singer.validation import EXACT, is_multiple_by_digits

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_KNOWN_RULES = frozenset({"type", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"})


def number_check(schema: Mapping[str, Any]) -> Callable[[object], bool] | None:
    """Return a function that returns whether a value is a number or a null that a schema accepts.

    Args:
        schema: A valid schema.

    Returns:
        The check, or ``None`` if the schema has other rules.
    """
    types = types_of(schema)
    if not schema.keys() & RULES <= _KNOWN_RULES or not {"number"} <= types <= {"number", "integer", "null"}:
        return None
    is_nullable = "null" in types
    minimum, maximum = schema.get("minimum"), schema.get("maximum")
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    divisor = schema.get("multipleOf")
    remainder = EXACT.remainder

    def accepts(value: Any) -> bool:  # noqa: ANN401 - any JSON value
        if type(value) is not Decimal and type(value) is not int:
            return value is None and is_nullable
        if (minimum is not None and value < minimum) or (maximum is not None and value > maximum):
            return False
        if (above is not None and value <= above) or (below is not None and value >= below):
            return False
        try:
            return divisor is None or remainder(value, divisor) == 0 or is_multiple_by_digits(value, divisor)
        except ArithmeticError:  # too many digits
            return False

    return accepts
