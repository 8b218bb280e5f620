"""The check (`--check`): looks at everything that a run needs, and writes nothing but its findings."""

from __future__ import annotations

import contextlib
import sys
from typing import IO, TYPE_CHECKING, Any, Protocol

import msgspec

from target_sendgrid.audience.suppression_guard import SuppressionGuard
from target_sendgrid.errors import Code, ConfigError, InputError, LocalFileError, SendGridError
from target_sendgrid.mapping.planner import MappingRules, plan_mapping, some_names
from target_sendgrid.preflight import Finding, Level, PreflightResult, findings_of, preflight
from target_sendgrid.report.report import Report
from target_sendgrid.run import Run
from target_sendgrid.sendgrid.fields import MAX_CUSTOM_FIELDS
from target_sendgrid.settings.effects import effects
from target_sendgrid.singer.messages import MessageProcessor
from target_sendgrid.singer.planning import PlanningTable
from target_sendgrid.singer.routes import SdkStreams
from target_sendgrid.wording import counted, shown, words_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from target_sendgrid.clock import Clock
    from target_sendgrid.mapping.plan import MappingPlan, NewField
    from target_sendgrid.output_streams import StreamPlan
    from target_sendgrid.preflight import Connection
    from target_sendgrid.sendgrid.client import Client
    from target_sendgrid.settings.settings import Settings, Source

SILENT_SECONDS = 60.0
"""How long the check waits for the first SCHEMA message, since standard input may be a pipe that nobody writes to."""

MAX_CLOCK_SKEW_SECONDS = 60.0
"""How far the machine's clock may be from SendGrid's without a warning: the rate limits count by the minute."""

_EVERY_STREAM = "*"
"""What a mapping for all streams is called: the pattern that matches every name."""


class _SilentError(Exception):
    """No SCHEMA message has come on standard input in time."""


class CheckedTarget(SdkStreams, Protocol):
    """A target whose settings are right."""

    clock: Clock
    """Where time comes from."""

    @property
    def settings(self) -> Settings:
        """The settings."""


def run_check(make_target: Callable[[], CheckedTarget], file: IO[Any] | None, *, output_format: str | None) -> int:
    """Check, write the findings to standard output, and return the exit code.

    Args:
        make_target: As of `findings`.
        file: As of `findings`.
        output_format: ``json``, or ``None`` for lines for people.

    Raises:
        ConfigError: There is no such format.
        LocalFileError: Standard output can't be written.
    """
    if output_format not in {None, "json"}:
        message = "`--check` writes lines or, with `--format json`, JSON: it has no other format."
        raise ConfigError(message)
    return write_findings(findings(make_target, file), as_json=output_format == "json")


def findings(make_target: Callable[[], CheckedTarget], file: IO[Any] | None) -> Iterator[Finding]:
    """Yield what the checks find, in the order of a run.

    Args:
        make_target: Makes the target; raises `ConfigError` if the settings are wrong, and nothing else is checked then.
        file: Singer messages; standard input when ``None``, unless it is a terminal.
    """
    try:
        target = make_target()
    except ConfigError as error:
        yield from findings_of(error)
        return
    result = PreflightResult()
    preflight(target.settings, target.clock, result, leaves_no_file=True)
    yield from result.findings
    connection = result.connection
    if connection is None:
        return
    with contextlib.closing(connection):
        yield from _account_findings(connection.clients[0], target.settings)
        for sentence in effects(target.settings):
            yield Finding(Level.OK, sentence)
        yield from _clock_findings(connection.transports[0].clock_skew_seconds)
        yield from _StreamChecks(connection, target).findings(file)


def write_findings(findings: Iterable[Finding], *, as_json: bool) -> int:
    """Write each finding to standard output as it comes, and return the exit code.

    Args:
        findings: The findings.
        as_json: Whether each is a JSON object; otherwise it is a line for people.

    Raises:
        LocalFileError: Standard output can't be written.
    """
    counts = dict.fromkeys(Level, 0)
    for finding in findings:
        counts[finding.level] += 1
        if as_json:
            _write(msgspec.json.encode(finding).decode())
        else:
            _write(f"{finding.level.value:<8} {shown(str(finding))}")  # a path may have line ends
    if not as_json:
        found = f"{counted(counts[Level.ERROR], 'error')} and {counted(counts[Level.WARNING], 'warning')}"
        _write(f"The check has found {found}. Nothing was written to SendGrid.")
    return 1 if counts[Level.ERROR] else 0


def _write(line: str) -> None:
    if sys.stdout is None:
        message = "The findings can't be written: standard output is closed."
        raise LocalFileError(message)
    try:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
    except OSError as error:
        message = f"The findings can't be written to standard output: {words_of(error)}."
        raise LocalFileError(message) from None


def _account_findings(client: Client, settings: Settings) -> Iterator[Finding]:
    if settings.account_contact_limit is not None:  # preflight has counted them
        return
    try:
        count = client.contact_count()
    except SendGridError as error:  # a run does not need it
        yield Finding(Level.WARNING, error.problems[0].what, error.problems[0].next_step)
        return
    cap = (
        f"up to {settings.profile_cap:,} (`profile_cap`)" if settings.profile_cap else "any number (`profile_cap` is 0)"
    )
    yield Finding(
        Level.OK,
        f"The account has {counted(count.contact_count, 'contact')}, and SendGrid bills {count.billable_count:,} this"
        f" month. A run may add {cap}.",
        "Compare that with the contact limit of your plan, which SendGrid's API does not tell.",
    )


def _clock_findings(skew_seconds: float | None) -> Iterator[Finding]:
    if skew_seconds is None:
        return
    if abs(skew_seconds) <= MAX_CLOCK_SKEW_SECONDS:
        yield Finding(Level.OK, "The clock of this machine agrees with SendGrid's.")
        return
    where = "ahead of" if skew_seconds > 0 else "behind"
    what = f"The clock of this machine is {abs(skew_seconds):,.0f} s {where} SendGrid's."
    yield Finding(Level.WARNING, what, "Set it: otherwise waits for rate limits may have the wrong length.")


class _StreamChecks:
    """Checks the field mappings: by the schemas on standard input, or else as far as they can be without.

    Args:
        connection: SendGrid.
        target: The target.
    """

    def __init__(self, connection: Connection, target: CheckedTarget) -> None:
        self._catalogue = connection.catalogue
        self._settings = target.settings
        self._clock = target.clock
        self._started_at = target.clock.monotonic()
        self._run = Run(
            connection,
            target.settings,
            report=Report(),
            clock=target.clock,
            write_state=lambda _state: None,
            check_stop=self._stop_if_silent,
        )
        self._table = PlanningTable(self._run, target, target.settings)
        self._new_fields: dict[str, NewField | None] = {}
        """Custom fields that are missing, by folded name; ``None`` where only a schema tells the type."""

    def findings(self, file: IO[Any] | None) -> Iterator[Finding]:
        """Yield what is found about all streams, and about all mappings that no stream has used."""
        yield from self._read(file)
        for error in self._table.errors.values():
            yield from findings_of(error)
        for plan in (plan for plans in self._table.plans.values() for plan in plans):
            yield from self._stream_findings(plan)
        yield from self._unsubscribe_findings()
        for name in self._table.left_out:
            yield Finding(Level.OK, f"Stream '{shown(name)}' is left out: nothing of it is sent.")
        names = {plan.name for plans in self._table.plans.values() for plan in plans}
        came = names.union(self._table.errors, self._table.left_out)
        if self._table.has_streams:
            unused = [("streams", entry) for entry in self._settings.unused_entries(came)]
            unused += [("stream_maps", entry) for entry in self._table.unused_entries()]
            for setting, entry in unused:
                what = f"The entry '{shown(entry)}' in the setting `{setting}` is for no stream that came."
                yield Finding(Level.WARNING, what, "Check its spelling.")
        used = {self._settings.entry_of(name) for name in came}
        if used.intersection(self._inheriting()):
            used.add(None)
        for place in [None, *self._settings.streams]:
            if place not in used:
                yield from self._entry_findings(place)
        count = len(self._catalogue.names()) + len(self._new_fields)
        if self._new_fields and count > MAX_CUSTOM_FIELDS:
            what = (
                f"With the new ones, the account would have {count} custom fields, and it may have {MAX_CUSTOM_FIELDS}."
            )
            next_step = "Map fewer properties, or delete custom fields in SendGrid."
            yield Finding(Level.ERROR, what, next_step, Code.FIELD_REFUSED.value)

    def _read(self, file: IO[Any] | None) -> Iterator[Finding]:
        """Read the SCHEMA messages, and yield what is wrong with the input as such."""
        pipe_a_tap = "Pipe a tap into the check to have the mapping of each stream checked by its schema."
        if file is None:
            if sys.stdin is None or sys.stdin.isatty():
                yield Finding(Level.OK, "No schemas are checked: standard input is no pipe.", pipe_a_tap)
                return
            file = sys.stdin.buffer
        try:
            stats = MessageProcessor(self._run, self._table).process(file)
        except _SilentError:
            what = f"No SCHEMA message has come on standard input for {SILENT_SECONDS:.0f} s."
            yield Finding(Level.WARNING, what, "Pipe a tap into the check, or add `< /dev/null`.")
        except InputError as error:
            for finding in findings_of(error):  # a run would say that what came before is sent
                yield msgspec.structs.replace(finding, next_step="Fix the tap.")
        else:
            if not stats.total():
                yield Finding(Level.OK, "No schemas are checked: standard input is empty.", pipe_a_tap)
            elif not self._table.has_streams:
                yield Finding(Level.WARNING, "There is no SCHEMA message on standard input.", pipe_a_tap)

    def _stop_if_silent(self) -> None:
        if not self._table.has_streams and self._clock.monotonic() - self._started_at > SILENT_SECONDS:
            raise _SilentError

    def _stream_findings(self, plan: StreamPlan) -> Iterator[Finding]:
        into = f"list '{shown(plan.list_name)}'" if plan.list_name else f"the list with the id '{plan.list_id}'"
        if plan.lists:
            by = shown(".".join(map(str, plan.list_path)))
            into = f"{counted(len(set(plan.lists.values())), 'list')} by the values of property '{by}'"
        pairs = ", ".join(f"{shown(planned.field)} <- {shown(planned.source)}" for planned in plan.mapping.fields)
        would = {
            "upsert": f"would fill {into}",
            "update": f"would update those people whom SendGrid has, and put them on {into}",
            "remove": f"would take people off {into}",
            "mirror": f"would fill {into}, and take off it who is not in a whole run",
        }
        yield Finding(Level.OK, f"Stream '{shown(plan.name)}' {would[plan.sync_mode]}: {pairs}.")
        if plan.membership_path:
            name = shown(".".join(map(str, plan.membership_path)))
            what = f"Stream '{shown(plan.name)}': records whose property '{name}' is false would take people off."
            yield Finding(Level.OK, what)
        for planned in plan.mapping.fields:
            if not planned.is_listed:
                what = f"Stream '{shown(plan.name)}': the tap's schema does not list {planned.label}."
                yield Finding(Level.WARNING, what, "If no record has it, correct the mapping.")
        if plan.mapping.unused:
            yield Finding(Level.OK, f"Stream '{shown(plan.name)}': not used: {some_names(plan.mapping.unused)}.")
        yield from self._mapping_findings(plan.mapping, {new.name for new in plan.mapping.fields_to_create})

    def _unsubscribe_findings(self) -> Iterator[Finding]:
        """Yield how many people the records that were read would unsubscribe, and where a run would not do it."""
        people = self._table.people
        waiting = {name: len(one.unsubscribed) for name, one in people.items()}
        people_count = len(self._table.everybody)
        guard = SuppressionGuard(lambda stream: self._settings.for_stream(stream).max_suppressions)
        over = guard.streams_over(waiting, people_count)
        for name, count in waiting.items():
            everybody = len(people[name].everybody)
            what = f"Stream '{shown(name)}': the records would unsubscribe {count:,} of {everybody:,} people."
            if name in over:
                next_step = "Otherwise correct `unsubscribed_values`. A run would unsubscribe nobody of the stream."
                yield Finding(Level.WARNING, guard.sentence(name, waiting, people_count), next_step)
            elif everybody and not count:
                yield Finding(Level.WARNING, what, "Compare `unsubscribed_values` with the values of the property.")
            else:
                yield Finding(Level.OK, what)

    def _entry_findings(self, entry: str | None) -> Iterator[Finding]:
        """Yield what can be said without a schema about the mapping of an entry of `streams`, or of all others."""
        if entry is None:
            name, settings = _EVERY_STREAM, self._settings.for_stream(next(self._inheriting(), _EVERY_STREAM))
        elif "field_mapping" in self._settings.streams[entry]:
            name, settings = entry, self._settings.for_stream(entry)
        else:
            return
        if not settings.is_enabled or settings.field_mapping is None:
            return
        try:
            rules = MappingRules(self._settings.create_custom_fields)
            plan = plan_mapping(name, {}, settings.field_mapping, self._catalogue, rules)
        except ConfigError as error:
            yield from findings_of(error)
            return
        whose = "for all streams" if entry is None else f"of stream '{shown(name)}'"
        yield Finding(Level.OK, f"The field mapping {whose} has only fields that can be filled.")
        yield from self._mapping_findings(plan, _typed(settings.field_mapping))

    def _inheriting(self) -> Iterator[str]:
        """Yield the entries of `streams` that are sent with the field mapping of all streams."""
        for entry, own in self._settings.streams.items():
            if "field_mapping" not in own and self._settings.for_stream(entry).is_enabled:
                yield entry

    def _mapping_findings(self, plan: MappingPlan, typed: set[str]) -> Iterator[Finding]:
        """Yield the warnings of a mapping, and the fields that a run would create for it.

        Args:
            plan: The mapping.
            typed: Names of the new fields whose type is known.
        """
        for warning in plan.warnings:
            yield Finding(Level.WARNING, warning)
        for new in plan.fields_to_create:
            is_typed = new.name in typed
            if (key := new.name.lower()) in self._new_fields:
                first = self._new_fields[key]
                if is_typed and first is not None and first.field_type is not new.field_type:
                    what = (
                        f"Streams ask for the new custom field '{shown(new.name)}' as {first.field_type.value} and as"
                        f" {new.field_type.value}: the stream that comes first decides."
                    )
                    yield Finding(Level.WARNING, what, "Choose the type with `type` in the field mapping.")
                continue
            self._new_fields[key] = new if is_typed else None
            kind = (
                f"of type {new.field_type.value}, {new.why}" if is_typed else "of a type that the tap's schema decides"
            )
            what = f"The custom field '{shown(new.name)}' is missing: a run would create it, {kind}."
            if new.near is None:
                yield Finding(Level.OK, what)
            else:
                yield Finding(Level.WARNING, what, f"Did you mean '{new.near}'?")


def _typed(field_mapping: Mapping[str, Source]) -> set[str]:
    return {field for field, source in field_mapping.items() if source.type is not None}
