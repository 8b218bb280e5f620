"""The SDK's sink: takes the records of one output stream and passes them to the run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, cast

from singer_sdk.exceptions import InvalidJSONSchema
from singer_sdk.sinks import Sink

from target_sendgrid.errors import InputError, Reason, RecordRejectedError
from target_sendgrid.mapping.fast_path import fast_path_for
from target_sendgrid.report.report import Bucket
from target_sendgrid.singer.validation import RecordValidator, has_outside_reference, slow_properties

if TYPE_CHECKING:
    from collections.abc import Sequence

    from singer_sdk.sinks.core import BaseJSONSchemaValidator
    from singer_sdk.target_base import Target

    from target_sendgrid.mapping.fast_path import FastPath
    from target_sendgrid.origin import Origin
    from target_sendgrid.run import Run, Stream


class HasRun(Protocol):
    """The part of the target that a sink needs."""

    run: Run


class SendGridSink(Sink):
    """Takes the records of one output stream, for as long as its schema is the same.

    Args:
        target: The target, whose run has to be open.
        stream_name: Name of the output stream.
        schema: JSON schema of its records.
        key_properties: Properties that every record must have.

    Raises:
        InputError: The schema cannot be used.
    """

    def __init__(
        self,
        target: Target,
        stream_name: str,
        schema: dict[str, Any],
        key_properties: Sequence[str] | None,
    ) -> None:
        super().__init__(target, stream_name, schema, key_properties)
        self._run = cast("HasRun", target).run
        # The SDK computes these properties at each access.
        self._keys = tuple(self.key_properties)
        self._record_validator = cast("RecordValidator | None", self._validator)
        self._validate = self._record_validator.validate if self._record_validator is not None else None
        self._slow_seconds = 0.0
        """CPU time of slow validations up to the last check."""
        self._counted: int | None = None
        """Number of records that the SDK's metrics know of; ``None`` before the first call of `count_metrics`."""

    @property
    def is_full(self) -> bool:
        """``False``: the run has the batches, and they outlive a sink."""
        return False

    def get_validator(self) -> BaseJSONSchemaValidator | None:
        """Return the validator of the stream's records, or ``None`` if validation is switched off.

        Raises:
            InputError: The stream's schema is not a valid JSON schema, or refers to another document.
        """
        if not self.validate_schema:
            return None
        try:
            if not has_outside_reference(self.original_schema):
                return RecordValidator(self.original_schema)
            message = f"The SCHEMA of stream '{self.stream_name}' refers with `$ref` to another document. Fix the tap."
        except InvalidJSONSchema:
            message = f"The SCHEMA of stream '{self.stream_name}' is not a valid JSON schema. Fix the tap."
        raise InputError(message)

    def open_stream(self) -> Stream:
        """Find the list and resolve the field mapping of the stream, creating what is missing and may be created.

        Raises:
            ConfigError: The list or the field mapping is wrong.
        """
        return self._run.open_stream(self.stream_name, self.original_schema, self.key_properties)

    def make_fast_path(self, stream: Stream) -> FastPath | None:
        """Return the fast path for records that need no stream map, or ``None`` if only the slow path is possible."""
        if stream.mapping is None or self._validate is None:
            return None
        return fast_path_for(self.original_schema, self._keys, stream.mapping)

    def take(self, stream: Stream, record: dict[str, Any], origin: Origin) -> None:
        """Take a record of the opened stream on the slow path. A record that breaks a rule is rejected alone.

        Raises:
            InputError: Validation takes too long.
            TerminatedError: A signal asked the run to stop.
        """
        if stream.mapping is None:
            stream.counts.buckets[Bucket.IGNORED] += 1
            return
        try:
            if self._validate is not None:
                self._validate(record)
            for key in self._keys:
                if key not in record:
                    sentence = f"The record lacks the key property '{key}'."
                    raise RecordRejectedError(Reason.MISSING_KEY_PROPERTY, sentence)  # noqa: TRY301 - one way to reject
            self._run.receive(stream, record, origin)
        except RecordRejectedError as error:
            self._run.reject(origin, error)
        except RecursionError:
            self._run.reject(origin, RecordRejectedError(Reason.UNREADABLE, "The record is nested too deeply."))

        if self._record_validator is not None and self._record_validator.slow_seconds > self._slow_seconds:
            self._slow_seconds = self._record_validator.slow_seconds
            self._check_slow_record(record, origin)

    def _check_slow_record(self, record: dict[str, Any], origin: Origin) -> None:
        """End the run after too many slow records, or after a signal: the rest of a chunk may be as slow.

        Raises:
            InputError: There were too many.
            TerminatedError: A signal asked the run to stop.
        """
        self._run.on_idle()
        if self._record_validator is None or not self._record_validator.is_too_slow:
            return
        properties = " and ".join(f"'{name}'" for name in slow_properties(self.original_schema, record))
        message = (
            f"Validating records takes too long, the last time at {origin}: the SCHEMA has slow rules"
            f"{f' for {properties}' if properties else ''}. Simplify its patterns in the tap, or set"
            " `validate_records: false`."
        )
        raise InputError(message)

    def count_metrics(self, received: int) -> None:
        """Add the records received since the last call to the SDK's metrics, which are too slow for each record.

        Args:
            received: Number of records of the stream so far. The first call only sets where counting begins.
        """
        if self._counted is not None and received > self._counted:
            self.record_counter_metric.increment(received - self._counted)
        self._counted = received

    def process_record(self, record: dict[str, Any], context: dict[str, Any]) -> None:
        """Do nothing: the SDK requires it and never calls it, since routes call `take`."""

    def process_batch(self, context: dict[str, Any]) -> None:
        """Do nothing: the run sends batches by itself."""
