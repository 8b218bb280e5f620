"""SDK callbacks → the steps of a run. No rules of its own."""

from __future__ import annotations

import contextlib
import functools
import signal
import threading
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NoReturn, Protocol, cast

import jsonschema_rs
from referencing.exceptions import Unresolvable
from singer_sdk.exceptions import InvalidJSONSchema
from singer_sdk.sinks import Sink
from singer_sdk.sinks.core import BaseJSONSchemaValidator, JSONSchemaValidator

from target_sendgrid.errors import InputError, Reason, RecordRejectedError
from target_sendgrid.mapping.fast_path import fast_path_for
from target_sendgrid.mapping.schemas import objects_in
from target_sendgrid.report.report import Bucket

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from singer_sdk.target_base import Target

    from target_sendgrid.mapping.fast_path import FastPath
    from target_sendgrid.origin import Origin
    from target_sendgrid.run import Run, Stream


_LONGEST_SECONDS = 5.0
"""How long a record may be judged, in time of this process: some regular expressions never end on some texts."""

_SLOW_KEYWORDS = frozenset({"pattern", "patternProperties", "not", "oneOf", "if", "maxContains"})
"""Its regular expressions are others than Python's; and where it is stricter, these would make that lenient."""


class HasRun(Protocol):
    """The target, as far as a sink needs it."""

    run: Run


class RecordValidator(BaseJSONSchemaValidator):
    """Fast accept, slow reject: what the fast validator refuses is judged again by the SDK's own.

    What the fast one accepts, the SDK's accepts too, but for this: 1.0 is an integer, as JSON Schema says; numbers that
    the SDK's can't divide may be multiples; and fractions are held against bounds as doubles, as SendGrid stores them.

    Args:
        schema: Schema of the stream, as the tap or the stream maps gave it.
    """

    def __init__(self, schema: dict[str, Any]) -> None:
        super().__init__(schema)
        self._slow = JSONSchemaValidator(schema)
        try:
            fast = jsonschema_rs.Draft202012Validator(
                schema=not _needs_slow(schema) and schema, validate_formats=False, retriever=_fetch_nothing
            )
        except ValueError:  # a schema that only the SDK's validator understands
            fast = jsonschema_rs.Draft202012Validator(schema=False)
        self._is_valid = fast.is_valid

    def validate(self, record: dict[str, Any]) -> None:
        """Judge a record.

        Raises:
            RecordRejectedError: It does not match. The message names the schema's rule, never the value.
        """
        try:
            if self._is_valid(record):
                return
        except ValueError:
            pass
        try:
            with _time_limit():
                error = next(iter(self._slow.validator.iter_errors(record)), None)
        except TimeoutError:
            sentence = f"Judging the record by its schema's patterns takes more than {_LONGEST_SECONDS:.0f} seconds."
            raise RecordRejectedError(Reason.SCHEMA_VIOLATION, sentence) from None
        except Unresolvable:
            message = "A stream's SCHEMA refers with `$ref` to something that it does not hold. Mend the tap."
            raise InputError(message) from None
        except RecursionError:
            raise
        except Exception:  # noqa: BLE001 - huge decimals, mixed dialects: what the library can't judge, it raises about
            sentence = "The record can't be judged by its schema."
            raise RecordRejectedError(Reason.SCHEMA_VIOLATION, sentence) from None
        if error is not None:
            rule = ".".join(str(part) for part in error.absolute_schema_path)
            raise RecordRejectedError(Reason.SCHEMA_VIOLATION, f"The record breaks the schema's rule `{rule}`.")


class SendGridSink(Sink):
    """Takes the records of one stream, for as long as its schema holds."""

    def __init__(
        self,
        target: Target,
        stream_name: str,
        schema: dict[str, Any],
        key_properties: Sequence[str] | None,
    ) -> None:
        self._run = cast("HasRun", target).run
        super().__init__(target, stream_name, schema, key_properties)
        self.stream: Stream
        """The stream as the run sees it, once the sink is open."""
        self._is_open = False

    @property
    def is_full(self) -> bool:
        """Never: batches belong to the run, and outlive a sink."""
        return False

    def get_validator(self) -> BaseJSONSchemaValidator | None:
        """Return what judges records, unless that is switched off.

        Raises:
            InputError: The stream's schema is not a JSON schema.
        """
        if not self.validate_schema:
            return None
        try:
            if not _refers_elsewhere(self.original_schema):
                return RecordValidator(self.original_schema)
            message = f"The SCHEMA of stream '{self.stream_name}' refers with `$ref` to another document. Mend the tap."
        except InvalidJSONSchema:
            message = f"The SCHEMA of stream '{self.stream_name}' is not a valid JSON schema. Mend the tap."
        raise InputError(message)

    def open(self) -> None:
        """Resolve the stream's list and mapping, before its first record; `setup` would log errors in its own words."""
        if self._is_open:
            return
        self._is_open = True
        self.stream = self._run.open_stream(self.stream_name, self.original_schema, self.key_properties)
        # The SDK's properties are worked out at each look.
        self._keys = tuple(self.key_properties)
        self._metered = self.stream.counts.received
        self._validate = self._validator.validate if self._validator is not None else None

    @functools.cached_property
    def typed(self) -> FastPath | None:
        """The quick way for records that pass as they are; ``None`` where there is none."""
        mapping = self.stream.mapping
        if mapping is None or self._validate is None:
            return None
        return fast_path_for(self.original_schema, self._keys, mapping)

    def take(self, record: dict[str, Any], origin: Origin) -> None:
        """Take a record; one that breaks a rule is rejected alone."""
        if self.stream.mapping is None:
            self.stream.counts.buckets[Bucket.IGNORED] += 1
            return
        try:
            if self._validate is not None:
                self._validate(record)
            for key in self._keys:
                if key not in record:
                    sentence = f"The record lacks the key property '{key}'."
                    raise RecordRejectedError(Reason.MISSING_KEY_PROPERTY, sentence)  # noqa: TRY301 - one way out
            self._run.receive(self.stream, record, origin)
        except RecordRejectedError as error:
            self._run.reject(origin, error)
        except RecursionError:
            self._run.reject(origin, RecordRejectedError(Reason.UNREADABLE, "The record is nested too deeply."))

    def count_metrics(self) -> None:
        """Tell the SDK's metrics how many records have come since the last time, since each time takes long."""
        received = self.stream.counts.received
        if received > self._metered:
            self.record_counter_metric.increment(received - self._metered)
            self._metered = received

    def process_record(self, record: dict[str, Any], context: dict[str, Any]) -> None:
        """Take a record the SDK's way."""
        self.take(record, context["origin"])

    def process_batch(self, context: dict[str, Any]) -> None:
        """Do nothing: the run sends batches by itself."""


def _refers_elsewhere(schema: dict[str, Any]) -> bool:
    """Tell whether validating would fetch something: a tap must not be able to make the target call other machines."""
    return any(
        isinstance(inner.get(keyword), str) and not inner[keyword].startswith("#")
        for inner in objects_in(schema)
        for keyword in ("$ref", "$dynamicRef", "$recursiveRef")
    )


def _needs_slow(schema: dict[str, Any]) -> bool:
    """Tell whether the fast validator may accept what the SDK's refuses: it divides by whole numbers as doubles do."""
    return any(not _SLOW_KEYWORDS.isdisjoint(inner) or _divides_whole(inner) for inner in objects_in(schema))


def _divides_whole(schema: Mapping[str, Any]) -> bool:
    divisor = schema.get("multipleOf")
    return isinstance(divisor, (int, float, Decimal)) and divisor >= 1  # or may be


def _fetch_nothing(uri: str) -> NoReturn:
    """Refuse to fetch a schema that another names, be it by ``$schema``."""
    raise LookupError(uri)


@contextlib.contextmanager
def _time_limit() -> Iterator[None]:
    """End what takes too long, a regular expression at work included; only the main thread can.

    Raises:
        TimeoutError: It took too long.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(*_: object) -> NoReturn:
        raise TimeoutError

    before = signal.signal(signal.SIGVTALRM, end)
    try:
        signal.setitimer(signal.ITIMER_VIRTUAL, _LONGEST_SECONDS)
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
