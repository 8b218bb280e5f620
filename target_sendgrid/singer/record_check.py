"""The check of a tap's records before stream maps: by the tap's own schema, and for the key properties."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from target_sendgrid.errors import Code, InputError, Reason, RecordRejectedError
from target_sendgrid.singer.number_check import number_check
from target_sendgrid.singer.projection import extract
from target_sendgrid.singer.validation import RecordValidator, slow_properties
from target_sendgrid.wording import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from target_sendgrid.origin import Origin


class RecordCheck:
    """Checks the records of one stream of the tap.

    Args:
        schema: The part of the tap's schema that records must match, or probably match if they are not validated.
        key_properties: Properties that every record must have.
        on_slow: Called after a record whose validation took long. May raise.
        validates: Whether records are validated.
    """

    def __init__(
        self,
        schema: dict[str, Any],
        key_properties: Sequence[str],
        on_slow: Callable[[], None],
        *,
        validates: bool = True,
    ) -> None:
        self.schema = schema
        self.key_properties = key_properties
        self.validates = validates
        self._validator = RecordValidator(schema) if validates else None
        self._value_checks: dict[str, Callable[[object], bool]] = {}
        self._on_slow = on_slow
        self._slow_seconds = 0.0
        """CPU time of slow validations up to the last check."""

    def error_in(self, record: dict[str, Any]) -> RecordRejectedError | None:
        """Return why a record is to be rejected, or ``None``.

        Raises:
            InputError: The schema refers to something that it does not contain.
        """
        try:
            if self._validator is not None:
                self._validator.validate(record)
        except RecordRejectedError as error:
            return error
        except RecursionError:
            return RecordRejectedError(Reason.UNREADABLE, "The record is nested too deeply.")
        for key in self.key_properties:
            if key not in record:
                sentence = f"The record lacks the key property '{shown(key)}'."
                return RecordRejectedError(Reason.MISSING_KEY_PROPERTY, sentence)
        return None

    def value_check(self, part: object) -> Callable[[object], bool]:
        """Return a function that returns whether a value matches a part of the schema.

        Args:
            part: Schema of one property.
        """
        key = repr(part)  # wide streams have many properties with the same rules
        if key not in self._value_checks:
            schema = extract(self.schema, part)
            self._value_checks[key] = number_check(schema) or RecordValidator(schema).accepts
        return self._value_checks[key]

    def end_if_slow(self, record: Mapping[str, Any], origin: Origin) -> None:
        """End the run after too many slow records, or after a signal: the rest of a chunk may be as slow.

        Args:
            record: The last record.
            origin: Where it came from.

        Raises:
            InputError: There were too many.
            TerminatedError: A signal asked the run to stop.
        """
        validator = self._validator
        if validator is None or validator.slow_seconds <= self._slow_seconds:
            return
        self._slow_seconds = validator.slow_seconds
        self._on_slow()
        if not validator.is_too_slow:
            return
        properties = " and ".join(f"'{shown(name)}'" for name in slow_properties(validator.schema, record))
        message = (
            f"Validating records takes too long, the last time at {origin}: the SCHEMA has slow rules"
            f"{f' for {properties}' if properties else ''}. Simplify its patterns in the tap, or set"
            " `validate_records: false`."
        )
        raise InputError(message, code=Code.SLOW_VALIDATION)
