"""`TargetSendGrid`: connects the SDK's command line and callbacks to a run.

Private names of the SDK that are overridden here: ``_validate_config`` (its messages quote values, keys included),
``_handle_termination`` (it drains inside the signal handler and loses records) and ``_env_var_config`` (it takes empty
environment variables for values), which calls the private ``parse_environment_config``.
``tests/runs/test_sdk_seams.py`` lists every place where the SDK would leak or lose, what closes it, and fails when a
new SDK changes one.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import os
import sys
from typing import IO, TYPE_CHECKING, Any, ClassVar, cast

from singer_sdk.configuration._dict_config import parse_environment_config
from singer_sdk.helpers.capabilities import PluginCapabilities, TargetCapabilities
from singer_sdk.target_base import Target

from target_sendgrid.errors import Code, ConfigError, LocalFileError, TargetSendGridError, TerminatedError, codes_of
from target_sendgrid.settings import environment
from target_sendgrid.settings.checks import (
    ENVIRONMENT_PREFIX,
    GENERAL_KEY_VARIABLE,
    config_file_problems,
    host_of,
    is_loopback,
)
from target_sendgrid.settings.schema import CONFIG_SCHEMA
from target_sendgrid.settings.settings import Settings, without_unset

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

    import click
    from singer_sdk.helpers.capabilities import CapabilitiesEnum
    from singer_sdk.mapper import StreamMap
    from singer_sdk.plugin_base import _ConfigInput
    from singer_sdk.sinks import Sink

    from target_sendgrid.clock import Clock
    from target_sendgrid.delivery.worker import MakeWorker
    from target_sendgrid.preflight import PreflightResult
    from target_sendgrid.run import Run
    from target_sendgrid.singer.sink import SendGridSink

GRACE_SECONDS = 30.0
"""How long a run waits for the contacts that it has sent, after a signal asked it to stop."""

_OPTIONS = {
    "--check": "Check key, lists, mapping and files, write nothing, and exit 1 if there is an error.",
    "--dry-run": "Do everything but write, and say what a run would do. The same as the setting `dry_run`.",
    "--suggest-mapping": "Print a mapping for the streams of a tap, from its messages or its catalog, for meltano.yml.",
}
"""Options of the command line that the SDK does not have."""

_DROPPED_SETTINGS = ("add_record_metadata", "batch_config", "load_method")
"""Settings that the SDK adds for tables and taps, and that have no effect here."""


class TargetSendGrid(Target):
    """Singer target that writes customer profiles to SendGrid Marketing Campaigns lists."""

    name = "target-sendgrid"
    package_name = "target-sendgrid"
    config_jsonschema: ClassVar[dict[str, Any]] = copy.deepcopy(CONFIG_SCHEMA)  # the SDK adds its own to it
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        PluginCapabilities.ABOUT,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.FLATTENING,
        PluginCapabilities.STRUCTURED_LOGGING,
        PluginCapabilities.BATCH,
        TargetCapabilities.VALIDATE_RECORDS,
    ]

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        make_worker: MakeWorker | None = None,
        config: dict[str, Any] | None = None,
        **options: Any,  # noqa: ANN401 - the SDK's own arguments
    ) -> None:
        # Not needed for `--version` and `--about`. All modules of a run are loaded before the SDK takes signals over: a
        # signal that comes while modules load would end the run without a report.
        from target_sendgrid import preflight, run  # noqa: F401, PLC0415 - as said above
        from target_sendgrid.clock import SystemClock  # noqa: PLC0415 - as said above
        from target_sendgrid.report.report import Report  # noqa: PLC0415 - as said above
        from target_sendgrid.singer.reader import RecordReader  # noqa: PLC0415 - as said above

        self._signals: list[int] = []
        self._grace_ends_at: float | None = None
        self._is_over = False
        """Whether only the summary is left to do, which no signal interrupts."""
        self.clock = clock or SystemClock()
        self._make_worker = make_worker
        self._started_at = self.clock.monotonic()
        self.report = Report()
        self._checked: PreflightResult | None = None
        self._run: Run | None = None
        self._reads_environment = bool(options.get("parse_env_config"))
        given = without_unset(config or {})  # the SDK's stream maps take an empty text or a null for a value
        super().__init__(config=given, message_reader=RecordReader(self._open_run, self), **options)
        self.max_parallelism = 1  # the SDK's threads would drain nothing here, and cost start-up time

    # Command line

    @classmethod
    def cb_config(cls, ctx: click.Context, param: click.Option, value: tuple[str, ...]) -> _ConfigInput:
        """Read the files that ``--config`` names.

        Raises:
            ConfigError: A file is missing, or is not a JSON object.
        """
        problems = [*config_file_problems(path for path in value if path != "ENV")]
        if problems:  # named here, since the SDK's own errors about files are tracebacks
            raise ConfigError(problems, code=Code.CONFIG_FILE)
        return super().cb_config(ctx, param, value)

    @property
    def _env_var_config(self) -> dict[str, Any]:
        """The settings that environment variables give. An empty variable is the same as none.

        Raises:
            ConfigError: A variable can't be read, or has nearly the name of a setting.
        """
        schema = copy.deepcopy(CONFIG_SCHEMA)
        self.append_builtin_config(schema)
        parse_environment_config({}, ENVIRONMENT_PREFIX)  # loads a file `.env` into the environment
        problems = environment.environment_problems(os.environ, schema)
        if problems:
            raise ConfigError(problems)
        given = environment.given_variables(os.environ)
        properties = {name: prop for name, prop in schema["properties"].items() if name.upper() in given}
        config = parse_environment_config({"properties": properties}, ENVIRONMENT_PREFIX)
        return environment.nested_again(config) if environment.is_from_meltano(os.environ) else config

    @classmethod
    def get_singer_command(cls) -> click.Command:
        """Return the SDK's command line with the options of this target."""
        import click  # noqa: PLC0415 - only its types are needed elsewhere

        command = super().get_singer_command()
        for param in command.params:
            if isinstance(param, click.Option) and param.name == "about_format":
                param.help = "Output style of --about (json or markdown), --check and --suggest-mapping (json)."
        command.params += [click.Option([name], is_flag=True, help=text) for name, text in _OPTIONS.items()]
        return command

    @classmethod
    def invoke(
        cls,
        *,
        about: bool = False,
        about_format: str | None = None,
        config: _ConfigInput | None = None,
        file_input: IO[str] | None = None,
        **modes: bool,
    ) -> None:
        """Run the target, or do what one of `_OPTIONS` says. An error of a run ends with its summary and is raised."""
        if about or config is None:
            super().invoke(about=about, about_format=about_format, config=config, file_input=file_input)
            return
        if modes["suggest_mapping"]:
            from target_sendgrid.singer.suggesting import suggest_mapping  # noqa: PLC0415 - a run does not need it

            sys.exit(suggest_mapping(file_input, output_format=about_format))
        if modes["check"]:
            from target_sendgrid.check import run_check  # noqa: PLC0415 - as above

            target = functools.partial(cls, config=config.config, parse_env_config=config.parse_env)
            sys.exit(run_check(target, file_input, output_format=about_format))
        cls.print_version(print_fn=lambda line: cls.logger.info("%s", line))  # our line, so that it is not quietened
        if modes["dry_run"] or environment.asks_for_dry_run(os.environ):
            config.config["dry_run"] = True
            os.environ[f"{ENVIRONMENT_PREFIX}DRY_RUN"] = "true"  # may be read later, and replace it
        cls(config=config.config, parse_env_config=config.parse_env).carry_out(file_input)

    @classmethod
    def append_builtin_config(cls, config_jsonschema: dict[str, Any]) -> None:
        """Add the SDK's settings, without those that have no effect here."""
        super().append_builtin_config(config_jsonschema)
        for name in _DROPPED_SETTINGS:
            config_jsonschema["properties"].pop(name, None)

    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        """Let `Settings` check the config, because its messages quote no values. The SDK uses the config only later."""
        del raise_errors
        _ = self.settings
        return []

    @functools.cached_property
    def settings(self) -> Settings:
        """The checked settings.

        Raises:
            ConfigError: The config has errors.
        """
        self.append_builtin_config(self.config_jsonschema)
        config, unread = self.config, environment.unread_variables(os.environ, CONFIG_SCHEMA)
        if self._reads_environment:
            config, unread = {"api_key": os.environ.get(GENERAL_KEY_VARIABLE), **config}, []
        return Settings.from_config(config, self.config_jsonschema, unread_variables=unread)

    def carry_out(self, file_input: IO[str] | None) -> None:
        """Read and settle everything. Every error ends with the run's summary and is raised again.

        Args:
            file_input: Singer messages; standard input when ``None``.

        Raises:
            TargetSendGridError: The run failed.
            TerminatedError: A signal ended the run.
        """
        error: BaseException | None = None
        try:
            self.listen(file_input)
        except (TargetSendGridError, TerminatedError) as caught:
            error = caught
            self.settle_after(caught)
            if self.settings.dry_run:
                caught.args = (f"Dry run, so nothing was sent or written. What a run would say: {caught}",)
            raise
        finally:
            self._is_over = True
            self.conclude(error or sys.exc_info()[1])
            if isinstance(error, TargetSendGridError):
                error.was_signalled = bool(self._signals)

    def conclude(self, error: BaseException | None) -> None:
        """Log the summary, write the report, and close what the run has opened.

        Args:
            error: The error that ended the run.

        Raises:
            LocalFileError: The report can't be written, and there was no other error.
        """
        try:
            self._report(error)
        finally:
            if self._checked is not None and self._checked.connection is not None:
                self._checked.connection.close()

    def _report(self, error: BaseException | None) -> None:
        if self._checked is not None:
            self.report.request_count = self._checked.request_count
        if self._run is not None:
            self._run.complete_report()
        if error is not None:
            # The text of an error that is not ours may quote a value.
            is_ours = isinstance(error, (TargetSendGridError, TerminatedError))
            self.report.error = str(error) if is_ours else f"Internal error: {type(error).__name__}"
            self.report.error_codes = codes_of(error)
        self.report.seconds = self.clock.monotonic() - self._started_at
        for line in self.report.summary():
            self.logger.info("%s", line.text, extra=line.fields)
        if self.report.dry_run is not None and sys.stderr is not None:
            # Not through the log: it never holds anything of a value, not even its first letter.
            with contextlib.suppress(OSError):  # as of log lines that can't be written
                sys.stderr.writelines(f"{line}\n" for line in self.report.dry_run.preview())
        if self._checked is None or not self._checked.can_write_report or not self.settings.report_path:
            return
        try:
            self.report.write(self.settings.report_path)
        except LocalFileError as second:
            if error is None:
                raise
            for problem in second.lines():
                self.logger.error("%s", problem)  # noqa: TRY400 - the first error matters more, and the caller logs it

    # Reading

    def get_sink_class(self, stream_name: str) -> type[Sink]:
        """Return the class of all sinks."""
        del stream_name
        from target_sendgrid.singer.sink import SendGridSink  # noqa: PLC0415 - a run without streams needs no validator

        return SendGridSink

    def get_sink(
        self,
        stream_name: str,
        *,
        record: dict[str, Any] | None = None,
        schema: dict[str, Any] | None = None,
        key_properties: Sequence[str] | None = None,
    ) -> Sink:
        """Return the sink of a stream, a new one where the schema has changed.

        The SDK keeps replaced sinks in memory until they are drained. Ours hold no records: they are drained at once.
        """
        before = self.get_sink(stream_name) if schema is not None and self.sink_exists(stream_name) else None
        sink = super().get_sink(stream_name, record=record, schema=schema, key_properties=key_properties)
        if before is not None and before is not sink:
            self.drain_all()
        return sink

    def sink_for(self, stream_map: StreamMap) -> SendGridSink:
        """Return the sink for what comes out of a stream map."""
        sink = self.get_sink(
            stream_map.stream_alias,
            schema=stream_map.transformed_schema,
            key_properties=stream_map.transformed_key_properties,
        )
        return cast("SendGridSink", sink)

    @property
    def run(self) -> Run:
        """The run, once the first line is to be read.

        Raises:
            LookupError: It is not open yet.
        """
        if self._run is None:
            message = "the run is not open yet"
            raise LookupError(message)
        return self._run

    def _open_run(self) -> Run:
        """Check everything that must hold before anything is sent, and return the run.

        Raises:
            TargetSendGridError: A check found an error.
        """
        from target_sendgrid.delivery.state import write_to_standard_output  # noqa: PLC0415 - loads what only a run needs
        from target_sendgrid.preflight import Level, PreflightResult, preflight, read_suppressed  # noqa: PLC0415 - as above
        from target_sendgrid.run import Run  # noqa: PLC0415 - as above

        self.report.host, self.report.is_local = host_of(self.settings.base_url), is_loopback(self.settings.base_url)
        self.report.is_sandbox = self.settings.is_sandbox
        self._checked = checked = PreflightResult()
        if self.settings.dry_run:
            from target_sendgrid.report.dry_run import DryRunReport  # noqa: PLC0415 - a run does not need it

            self.report.dry_run = DryRunReport()
            self.logger.warning("Dry run: nothing is written to SendGrid, and no state. A run would do what follows.")
        preflight(self.settings, self.clock, checked)
        for warning in (finding for finding in checked.findings if finding.level is Level.WARNING):
            self.logger.warning("%s", warning)
        connection = checked.require_connection()
        self._run = Run(
            connection,
            self.settings,
            report=self.report,
            clock=self.clock,
            write_state=(lambda _state: None) if self.settings.dry_run else write_to_standard_output,
            check_stop=self._check_stop,
            make_worker=self._make_worker,
            suppressed=read_suppressed(self.settings, connection),
        )
        return self._run

    def process_endofpipe(self) -> None:
        """Settle everything that was read."""
        self.run.finish()

    # Stopping

    def settle_after(self, error: TargetSendGridError | TerminatedError) -> None:
        """Settle what can be settled after an error; after a signal, within the grace period."""
        try:
            if isinstance(error, TerminatedError):
                self._grace_ends_at = self.clock.monotonic() + GRACE_SECONDS
                self._check_stop()
                self.logger.warning("Stopping: waiting up to %.0f s for what was sent.", GRACE_SECONDS)
            if self._run is not None:
                self._run.settle_after(error)
        except TerminatedError:
            self.logger.warning("Stopped without waiting for what was sent.")

    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:
        """Record the signal; the reader and waiting code check for it.

        While a run or a stream is opened, stop at once. The second signal stops the
        run at once, wherever it is, and nothing is settled after it: a record that was being taken might be in no batch
        yet, and a state written then could cover it.
        """
        del frame
        self._signals.append(signum)
        if self._is_over:
            return
        if len(self._signals) == 2 or self._run is None or self._run.streams.is_opening:  # noqa: PLR2004 - the second signal
            raise TerminatedError(signum)

    def _check_stop(self) -> None:
        """End a wait after a signal: the first one starts the grace period, whose end or a second one stops for good.

        Raises:
            TerminatedError: The run has to stop.
        """
        is_in_grace = self._grace_ends_at is not None and self.clock.monotonic() < self._grace_ends_at
        if self._signals and (not is_in_grace or len(self._signals) > 1):
            raise TerminatedError(self._signals[-1])
