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
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

from singer_sdk.sinks.core import JSONSchemaValidator

from target_sendgrid.errors import Code, InputError, Reason, RecordRejectedError
from target_sendgrid.mapping.schemas import objects_in
from target_sendgrid.singer.projection import REFERENCES
from target_sendgrid.wording import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from types import TracebackType

    from jsonschema import ValidationError
    from typing_extensions import Self

_MAX_SECONDS = 5.0
"""CPU time after which the validation of a record ends: some regular expressions never finish on some texts."""

_MAX_SLOW_SECONDS = 60.0
"""CPU time for the slow records under one schema, after which the run ends: a whole stream of them would take days."""

_QUICK_SECONDS = 0.01
"""CPU time after which the check of a single value leaves the decision to the validation of the whole record, whose
time is added up.
"""

_SLOW_SECONDS = 0.1
"""CPU time from which a record is slow. Ordinary records take less than a hundredth of it."""

_DIGITS = 400
"""Digits with which decimals are divided: enough for all doubles. With Python's 28, the SDK's validator can't divide by
the 1e-38 that a tap for PostgreSQL writes as the ``multipleOf`` of each ``numeric`` column.
"""

EXACT = decimal.Context(prec=_DIGITS)
"""Context in which decimals are divided."""

_PATTERNS = frozenset({"pattern", "patternProperties"})

_KEYWORDS_FOR_SDK = frozenset({"pattern", "patternProperties", "not", "oneOf", "if", "maxContains"})
"""Keywords that make the fast validator unusable, because it could accept what the SDK's validator rejects.

The fast validator's regular expressions differ from Python's. The other keywords turn a stricter check inside them into
a laxer one.
"""

_DEFINITIONS = ("#/$defs/", "#/definitions/")
"""How references to definitions start."""

_Part: TypeAlias = "tuple[Sequence[str], dict[str, Any]]"
"""Names that lead to a property, and its schema."""


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
        self._parts_for_sdk: list[_Part] = []
        """Properties about which only the SDK's validator can decide."""
        self._schema_of_others: Any = True
        if _needs_sdk(schema) and _refers_to_properties(schema):
            self._parts_for_sdk.append(((), schema))
        else:
            self._schema_of_others = _without_parts(schema, (), self._parts_for_sdk)

    @functools.cached_property
    def _fast_check(self) -> Callable[[object], bool]:
        """The fast validator of all other properties.

        It is loaded and made when it is needed: most records are checked while they are decoded (`RecordType`).
        """
        import jsonschema_rs  # noqa: PLC0415 - as said above

        make = functools.partial(jsonschema_rs.Draft202012Validator, validate_formats=False, retriever=_fetch_nothing)
        try:
            return make(self._schema_of_others).is_valid
        except ValueError:  # only the SDK's validator understands the schema
            return make(schema=False).is_valid

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
        if not self._parts_for_sdk and self._is_valid_quickly(record):
            return
        from referencing.exceptions import Unresolvable  # noqa: PLC0415 - the SDK's validator loads it, and needs 30 ms

        try:
            with self._measured(), decimal.localcontext(EXACT):
                if self._parts_for_sdk and self._is_valid_quickly(record) and self._are_parts_valid(record):
                    return
                errors = self._sdk_validator.iter_errors(record)
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

    def accepts(self, value: object) -> bool:
        """Return whether a value is valid, for the fast path.

        ``False`` may also mean that this could not be decided, or not soon: the record takes the slow path then.
        """
        if not self._parts_for_sdk:
            return self._is_valid_quickly(value)
        try:
            with _CPU_TIME.limited_to(_QUICK_SECONDS):
                return self._is_valid_quickly(value) and self._are_parts_valid(value)
        except Exception:  # noqa: BLE001 - `validate`, which has the last word, tells errors apart
            return False

    def _is_valid_quickly(self, value: object) -> bool:
        """Return whether the fast validator accepts a value."""
        try:
            return self._fast_check(value)
        except ValueError:
            return False

    def _are_parts_valid(self, value: Any) -> bool:  # noqa: ANN401 - any JSON value
        """Return whether the SDK's validator accepts the parts of a value about which the fast one cannot decide."""
        return all(is_valid(part) for names, is_valid in self._sdk_checks for part in _parts_at(value, names))

    @functools.cached_property
    def _sdk_checks(self) -> list[tuple[Sequence[str], Callable[[Any], bool]]]:
        """Names that lead to each part for the SDK's validator, and its check."""
        validator = self._sdk_validator
        return [
            # `evolve` obeys a `$schema` in the schema, as the SDK's validator does for all schemas but the outermost.
            (names, (validator.evolve(schema=schema) if names else validator).is_valid)
            for names, schema in self._parts_for_sdk
        ]

    @contextlib.contextmanager
    def _measured(self) -> Iterator[None]:
        """Limit the CPU time of the code inside, and add it up if it is slow.

        Raises:
            TimeoutError: The code took longer than the limit.
        """
        try:
            with _CPU_TIME.limited_to(_MAX_SECONDS):
                yield
        finally:
            if _CPU_TIME.seconds >= _SLOW_SECONDS:
                self.slow_seconds += _CPU_TIME.seconds


def _without_parts(schema: Any, path: tuple[str, ...], parts: list[_Part]) -> Any:  # noqa: ANN401 - any schema
    """Return a schema without the properties about which the fast validator cannot decide; add these to `parts`.

    Args:
        schema: The schema.
        path: Names that lead to it.
        parts: Where the properties, or the whole schema, are added.
    """
    if not isinstance(schema, dict) or not _needs_sdk(schema):
        return schema
    others = {word: value for word, value in schema.items() if word != "properties"}
    if "properties" not in schema or _needs_sdk(others):
        parts.append((path, schema))
        return True
    properties = {name: _without_parts(inner, (*path, name), parts) for name, inner in schema["properties"].items()}
    return {**others, "properties": properties}


def _refers_to_properties(schema: dict[str, Any]) -> bool:
    """Return whether a schema may refer to more than definitions: to properties, which `_without_parts` takes out."""
    references = (inner.get(keyword) for inner in objects_in(schema) for keyword in REFERENCES)
    return any(isinstance(found, str) and not found.startswith(_DEFINITIONS) for found in references)


def _parts_at(value: Any, names: Sequence[str]) -> Iterator[Any]:  # noqa: ANN401 - any JSON value
    """Yield the property to which names lead, if there is one."""
    for name in names:
        if not isinstance(value, dict) or name not in value:
            return
        value = value[name]
    yield value


class _CpuTime:
    """Limits and measures the CPU time of code, also of a running regular expression.

    There is one timer and one signal for the process, so there is one object. It works in the main thread only, and
    counts the CPU time of other threads meanwhile. The handler of the signal stays installed: to change it for each
    record would take longer than most checks.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        """CPU time of the last code."""
        self._limit_seconds = 0.0
        self._is_installed = False
        self._is_running = False

    def limited_to(self, seconds: float) -> Self:
        """Set the limit for the next code."""
        self._limit_seconds = seconds
        return self

    def __enter__(self) -> None:
        """Start to measure.

        Raises:
            TimeoutError: From the code inside: it takes longer than the limit.
        """
        self.seconds = 0.0
        if threading.current_thread() is not threading.main_thread():
            return
        if not self._is_installed:
            signal.signal(signal.SIGVTALRM, self._end)
            self._is_installed = True
        signal.setitimer(signal.ITIMER_VIRTUAL, self._limit_seconds)
        self._is_running = True  # last: another signal's handler may raise in between, and then nothing stops the time

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop to measure."""
        if self._is_running:
            self._is_running = False
            left_seconds, _ = signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            self.seconds = self._limit_seconds - left_seconds

    def _end(self, *_: object) -> None:
        if self._is_running:
            raise TimeoutError


_CPU_TIME = _CpuTime()


def _is_only_of_digits(error: ValidationError) -> bool:
    """Return whether an error is that a number is no multiple, although it is the double of a multiple."""
    if error.validator == "multipleOf":
        return is_multiple_by_digits(error.instance, error.validator_value)
    if error.validator != "anyOf":
        return False
    branches: dict[object, list[ValidationError]] = {}
    for inner in error.context or ():
        branches.setdefault(inner.schema_path[0], []).append(inner)
    return any(all(map(_is_only_of_digits, errors)) for errors in branches.values())


def is_multiple_by_digits(number: object, divisor: object) -> bool:
    """Return whether a number with all the digits of a double is a multiple, if it has only those that define it.

    Raises:
        ArithmeticError: The number can't be divided.
    """
    if not isinstance(number, Decimal) or not isinstance(divisor, (int, Decimal)):
        return False
    double = float(number)
    return Decimal(double) == number and EXACT.remainder(Decimal(repr(double)), divisor) == 0


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
