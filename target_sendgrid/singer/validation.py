"""Validation of records against the JSON schema of their stream.

A fast validator accepts most records. The SDK's own, far slower validator decides about the others.
"""

from __future__ import annotations

import contextlib
import decimal
import functools
import signal
import threading
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NoReturn

import jsonschema_rs
from referencing.exceptions import Unresolvable
from singer_sdk.sinks.core import JSONSchemaValidator

from target_sendgrid.errors import Code, InputError, Reason, RecordRejectedError
from target_sendgrid.mapping.schemas import objects_in
from target_sendgrid.wording import shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from jsonschema import ValidationError

_MAX_SECONDS = 5.0
"""CPU time after which the validation of a record ends: some regular expressions never finish on some texts."""

_MAX_SLOW_SECONDS = 60.0
"""CPU time for the slow records under one schema, after which the run ends: a whole stream of them would take days."""

_SLOW_SECONDS = 0.1
"""CPU time from which a record is slow. Ordinary records take less than a hundredth of it."""

_DIGITS = 400
"""Digits with which decimals are divided: enough for all doubles. With Python's 28, the SDK's validator can't divide by
the 1e-38 that a tap for PostgreSQL writes as the ``multipleOf`` of each ``numeric`` column.
"""

_PATTERNS = frozenset({"pattern", "patternProperties"})

_KEYWORDS_FOR_SDK = frozenset({"pattern", "patternProperties", "not", "oneOf", "if", "maxContains"})
"""Keywords that make the fast validator unusable, because it could accept what the SDK's validator rejects.

The fast validator's regular expressions differ from Python's. The other keywords turn a stricter check inside them into
a laxer one.
"""


class RecordValidator:
    """Validates records. What the fast validator does not accept is validated again by the SDK's own.

    What is accepted, the SDK's accepts too, with these exceptions: 1.0 is an integer, as JSON Schema says; numbers that
    the SDK's validator cannot divide may be multiples; fractions are compared with limits as doubles, as SendGrid
    stores them; and a double with all its digits, as some taps write it (19.99 as 19.9899999999999984368...), is a
    multiple if it is one with the few digits that define it.

    Args:
        schema: Schema of the stream, or the part of it that matters. It must be a valid JSON schema.
    """

    def __init__(self, schema: dict[str, Any]) -> None:
        self.schema = schema
        self.slow_seconds = 0.0
        """CPU time of the slow records so far."""
        try:
            fast = jsonschema_rs.Draft202012Validator(
                schema=False if _needs_sdk(schema) else schema, validate_formats=False, retriever=_fetch_nothing
            )
        except ValueError:  # only the SDK's validator understands the schema
            fast = jsonschema_rs.Draft202012Validator(schema=False)
        self._is_valid = fast.is_valid

    @functools.cached_property
    def _sdk_validator(self) -> Any:  # noqa: ANN401 - the library's validators have no common type
        """The SDK's validator. It is made when it is needed, since it checks the schema, which takes long."""
        return JSONSchemaValidator(self.schema).validator

    def validate(self, record: dict[str, Any]) -> None:
        """Validate a record.

        Raises:
            RecordRejectedError: The record does not match. The sentence names the schema's rule, never the value.
            InputError: The schema has a reference to something that it does not contain.
        """
        try:
            if self._is_valid(record):
                return
        except ValueError:
            pass
        validator = self._sdk_validator
        try:
            with self._time_limit(), decimal.localcontext(decimal.Context(prec=_DIGITS)):
                errors = validator.iter_errors(record)
                error = next((error for error in errors if not _is_only_of_digits(error)), None)
        except TimeoutError:
            sentence = f"Validating the record by its schema's patterns takes more than {_MAX_SECONDS:.0f} seconds."
            raise RecordRejectedError(Reason.SCHEMA_VIOLATION, sentence) from None
        except Unresolvable:
            message = "A stream's SCHEMA refers with `$ref` to something that it does not contain. Fix the tap."
            raise InputError(message, code=Code.WRONG_SCHEMA) from None
        except RecursionError:
            raise
        except Exception:  # noqa: BLE001 - the library raises anything on huge decimals or mixed dialects
            sentence = "The record can't be validated against its schema."
            raise RecordRejectedError(Reason.SCHEMA_VIOLATION, sentence) from None
        if error is not None:
            rule = ".".join(str(part) for part in error.absolute_schema_path)
            sentence = f"The record breaks the rule `{shown(rule)}` of the tap's schema."
            raise RecordRejectedError(Reason.SCHEMA_VIOLATION, sentence)

    @property
    def is_too_slow(self) -> bool:
        """Whether the slow records so far took more time than a run should spend on them."""
        return self.slow_seconds > _MAX_SLOW_SECONDS

    @contextlib.contextmanager
    def _time_limit(self) -> Iterator[None]:
        """Limit and measure the CPU time of the code inside, also of a running regular expression.

        Works in the main thread only, and counts the CPU time of other threads meanwhile.

        Raises:
            TimeoutError: The code took longer than the limit.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def end(*_: object) -> NoReturn:
            raise TimeoutError

        before = signal.signal(signal.SIGVTALRM, end)
        try:
            signal.setitimer(signal.ITIMER_VIRTUAL, _MAX_SECONDS)
            yield
        finally:
            left_seconds, _ = signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            signal.signal(signal.SIGVTALRM, before)
            if _MAX_SECONDS - left_seconds >= _SLOW_SECONDS:
                self.slow_seconds += _MAX_SECONDS - left_seconds


def _is_only_of_digits(error: ValidationError) -> bool:
    """Return whether an error is that a number is no multiple, although it is the double of a multiple."""
    if error.validator == "multipleOf":
        number, divisor = error.instance, error.validator_value
        if not isinstance(number, Decimal) or not isinstance(divisor, (int, Decimal)):
            return False
        double = float(number)
        return Decimal(double) == number and Decimal(repr(double)) % divisor == 0
    if error.validator != "anyOf":
        return False
    branches: dict[object, list[ValidationError]] = {}
    for inner in error.context or ():
        branches.setdefault(inner.schema_path[0], []).append(inner)
    return any(all(map(_is_only_of_digits, errors)) for errors in branches.values())


def slow_properties(schema: Mapping[str, Any], record: Mapping[str, Any]) -> list[str]:
    """Return those properties of a record whose schemas have patterns, which are what makes validation slow."""
    properties: Mapping[str, Any] = schema.get("properties", {})
    return [
        name
        for name, inner in properties.items()
        if record.get(name) is not None and any(not _PATTERNS.isdisjoint(part) for part in objects_in(inner))
    ]


def _needs_sdk(schema: dict[str, Any]) -> bool:
    """Return whether the fast validator could accept what the SDK's validator rejects."""
    return any(not _KEYWORDS_FOR_SDK.isdisjoint(inner) or _has_large_divisor(inner) for inner in objects_in(schema))


def _has_large_divisor(schema: Mapping[str, Any]) -> bool:
    """Return whether ``multipleOf`` is 1 or more: the fast validator divides by such numbers as doubles."""
    divisor = schema.get("multipleOf")
    return isinstance(divisor, (int, float, Decimal)) and divisor >= 1


def _fetch_nothing(uri: str) -> NoReturn:
    """Refuse to fetch any other document, such as the one that ``$schema`` names."""
    raise LookupError(uri)
