"""Planning of the streams of a tap by their SCHEMA messages alone: what a run would do, without its records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from target_sendgrid.errors import TargetSendGridError
from target_sendgrid.singer.routes import RouteTable
from target_sendgrid.singer.source_stream import SourceStream

if TYPE_CHECKING:
    from target_sendgrid.output_streams import StreamPlan
    from target_sendgrid.run import Run
    from target_sendgrid.singer.routes import SdkStreams


class PlanningTable(RouteTable):
    """The streams of a tap, of which nothing is sent: each is planned, and its records are skipped.

    Args:
        run: The run that plans streams.
        sdk: The SDK's streams.
    """

    def __init__(self, run: Run, sdk: SdkStreams) -> None:
        super().__init__(run, sdk)
        self.plans: dict[str, list[StreamPlan]] = {}
        """The plans of the output streams, by the tap's stream."""
        self.errors: dict[str, TargetSendGridError] = {}
        """What is wrong with a stream, by its name."""

    @property
    def has_streams(self) -> bool:
        """Whether a SCHEMA message has come."""
        return bool(self._streams)

    @property
    def left_out(self) -> list[str]:
        """Names of the streams of which nothing is sent: they are not enabled, or stream maps remove them."""
        return [name for name in self._streams if name not in self.errors and not self.plans.get(name)]

    def ignored(self, name: str) -> SourceStream | None:
        """Return a stream of which nothing is sent, unless it has come with a SCHEMA: its next one is planned, too."""
        return None if name in self._schemas else super().ignored(name)

    def register_schema(self, name: str, schema: dict[str, Any], key_properties: list[str], line: bytes) -> None:
        """Plan a stream, unless its SCHEMA message only repeats the last one. The arguments are those of `RouteTable`.

        Raises:
            RecursionError: The schema is nested too deeply.
        """
        del line
        if self._schemas.get(name) == (schema, key_properties):
            return
        self._schemas[name] = (schema, key_properties)
        came = [name]
        try:
            self._check_name(name)
            self.plans[name] = self.plan(name, schema, key_properties)
            came = [plan.name for plan in self.plans[name]]
        except TargetSendGridError as error:
            self.errors.setdefault(name, error)  # with the first one, a run ends
        self._streams[name] = SourceStream(self._run, name)
        for output in came:
            self._run.report.stream(output)  # as in a run: its entry in `streams` is not misspelt

    def warn_of_unused_entries(self) -> None:
        """Log nothing: the check has a finding for each."""

    def unused_entries(self) -> list[str]:
        """Return the names and patterns in the setting `stream_maps` that are for none of the streams that came."""
        return self._mapper.unused_entries(self._streams)
