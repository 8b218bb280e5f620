"""A target for comparison that does no work: what is left is the SDK's own loop, with its checks."""

from __future__ import annotations

from typing import Any

from singer_sdk.sinks import BatchSink
from singer_sdk.target_base import Target


class NullSink(BatchSink):
    """Forgets the records. `validate_records: false`, a setting of the SDK, switches the checks off."""

    def process_record(self, record: dict[str, Any], context: dict[str, Any]) -> None:
        """Do nothing."""

    def process_batch(self, context: dict[str, Any]) -> None:
        """Do nothing."""


class NullTarget(Target):
    """Reads, validates and forgets."""

    name = "null-sdk"
    default_sink_class = NullSink


if __name__ == "__main__":
    NullTarget.cli()
