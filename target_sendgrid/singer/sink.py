"""The SDK's sink: it counts the records of an output stream for the SDK's metrics. The records go to the run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from singer_sdk.sinks import Sink

if TYPE_CHECKING:
    from collections.abc import Sequence

    from singer_sdk.target_base import Target


class SendGridSink(Sink):
    """The sink of one output stream, for as long as its schema is the same.

    Args:
        target: The target.
        stream_name: Name of the output stream.
        schema: JSON schema of the records that come out of its stream map.
        key_properties: Key properties of these records.
    """

    def __init__(
        self,
        target: Target,
        stream_name: str,
        schema: dict[str, Any],
        key_properties: Sequence[str] | None,
    ) -> None:
        super().__init__(target, stream_name, schema, key_properties)
        self._counted: int | None = None
        """Number of records that the SDK's metrics know of; ``None`` before the first call of `count_metrics`."""

    @property
    def is_full(self) -> bool:
        """``False``: the run has the batches, and they outlive a sink."""
        return False

    def get_validator(self) -> None:
        """Return no validator: records are checked before they reach a sink, by the schema that the tap sent."""

    def count_metrics(self, received: int) -> None:
        """Add the records received since the last call to the SDK's metrics, which are too slow for each record.

        Args:
            received: Number of records of the stream so far. The first call only sets where counting begins.
        """
        if self._counted is not None and received > self._counted:
            self.record_counter_metric.increment(received - self._counted)
        self._counted = received

    def process_record(self, record: dict[str, Any], context: dict[str, Any]) -> None:
        """Do nothing: the SDK requires it and never calls it."""

    def process_batch(self, context: dict[str, Any]) -> None:
        """Do nothing: the run sends batches by itself."""
