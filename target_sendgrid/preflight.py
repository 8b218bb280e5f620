"""Preflight: everything that must hold before anything is sent, checked, with one finding for each check."""

from __future__ import annotations

import contextlib
from enum import Enum
from typing import TYPE_CHECKING

import msgspec

from target_sendgrid.errors import ConfigError, ForbiddenError, Problem, TargetSendGridError
from target_sendgrid.report.rejections import Rejections
from target_sendgrid.report.report import check_report_path
from target_sendgrid.sendgrid.client import Client
from target_sendgrid.sendgrid.embedded import EmbeddedSandbox
from target_sendgrid.sendgrid.lists import Lists
from target_sendgrid.sendgrid.transport import Transport
from target_sendgrid.wording import counted

if TYPE_CHECKING:
    from target_sendgrid.clock import Clock
    from target_sendgrid.sendgrid.fields import FieldCatalogue
    from target_sendgrid.settings import Settings

_MARKETING_SCOPES = ("marketing.read", "marketing_campaigns.")


class Level(str, Enum):
    """How a check ended."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


class Finding(msgspec.Struct, frozen=True):
    """What one check has found, without personal data."""

    level: Level
    what: str
    next_step: str = ""
    """What to do next."""

    def __str__(self) -> str:
        """Return the finding as a sentence for the log."""
        return Problem(self.what, self.next_step)


class Connection(msgspec.Struct, frozen=True):
    """SendGrid and the local files that a run needs, checked and open until `close`."""

    transports: tuple[Transport, Transport]
    """One for the thread that reads records, one for the job runner's thread."""
    catalogue: FieldCatalogue
    lists: Lists
    rejections: Rejections
    resources: contextlib.ExitStack
    """What `close` closes."""

    @property
    def request_count(self) -> int:
        """Number of requests so far."""
        return sum(transport.request_count for transport in self.transports)

    def close(self) -> None:
        """Close connections and files, and stop the embedded sandbox."""
        self.resources.close()


class PreflightResult(msgspec.Struct):
    """What the checks have found, and the connection if none of them found an error."""

    findings: list[Finding] = []
    connection: Connection | None = None
    error: TargetSendGridError | None = None
    can_write_report: bool = False
    """Whether a report can be written where the settings say: anything else in that place must not be replaced."""
    request_count: int = 0

    def require_connection(self) -> Connection:
        """Return the connection.

        Raises:
            TargetSendGridError: The error that a check found.
        """
        if self.connection is None:
            raise self.error or ConfigError("A check before the run failed.")
        return self.connection

    def add_ok(self, what: str) -> None:
        """Add a finding of a check that found nothing wrong."""
        self.findings.append(Finding(Level.OK, what))


def preflight(settings: Settings, clock: Clock, result: PreflightResult) -> None:
    """Check the files, the key, its scopes, the custom fields and the lists. Nothing is sent, and nothing created.

    The checks build on each other, so the first one that finds an error is the last; errors of one check come together.

    Args:
        settings: The settings, which are checked already.
        clock: Where time comes from.
        result: Takes the findings as they are made, so that it holds them even if a signal ends the checks.
    """
    with contextlib.ExitStack() as resources:
        try:
            result.connection = _connect(settings, clock, result, resources)
        except TargetSendGridError as error:
            result.error = error
            result.findings += [Finding(Level.ERROR, problem.what, problem.next_step) for problem in error.problems]


def _connect(settings: Settings, clock: Clock, result: PreflightResult, resources: contextlib.ExitStack) -> Connection:
    if settings.report_path:
        check_report_path(settings.report_path)
        result.can_write_report = True
        result.add_ok(f"The report can be written to {settings.report_path}.")
    rejections = Rejections(settings.rejected_records_path, settings.max_rejected_percent)
    resources.callback(rejections.close)
    if settings.rejected_records_path:
        result.add_ok(f"Rejected records can be written to {settings.rejected_records_path}.")
    transports = _transports(settings, clock, resources)
    client = Client(transports[0])
    try:
        _check_scopes(client, result)
        catalogue = client.field_catalogue()
        result.add_ok(f"The account has {counted(len(catalogue.names()), 'custom field')}.")
        lists = Lists(client, can_create=settings.create_list)
        _check_lists(lists, settings, result)
    finally:
        result.request_count = transports[0].request_count
    for transport in transports:
        transport.start_run()
    return Connection(transports, catalogue, lists, rejections, resources.pop_all())


def _transports(settings: Settings, clock: Clock, resources: contextlib.ExitStack) -> tuple[Transport, Transport]:
    """Start the embedded sandbox if the settings ask for it, and return one transport for each thread."""
    url, api_key = settings.base_url, settings.api_key
    if settings.is_sandbox:
        sandbox = EmbeddedSandbox.start(settings.sandbox_database)
        resources.callback(sandbox.stop)
        url, api_key = sandbox.url, sandbox.api_key

    def transport() -> Transport:
        opened = Transport(
            url,
            api_key,
            clock=clock,
            on_behalf_of=settings.on_behalf_of,
            timeout_seconds=settings.request_timeout_seconds,
        )
        resources.callback(opened.close)
        return opened

    return transport(), transport()


def _check_scopes(client: Client, result: PreflightResult) -> None:
    try:
        scopes = client.scopes()
    except ForbiddenError:
        result.add_ok("The API key may not list its scopes: the next checks show what it may do.")
        return
    if any(scope.startswith(_MARKETING_SCOPES) for scope in scopes):
        result.add_ok("The API key is valid and has access to Marketing.")
        return
    what = "The API key does not list the scope `marketing.read`: SendGrid may refuse it."
    result.findings.append(Finding(Level.WARNING, what, "If it does, give the key Marketing access."))


def _check_lists(lists: Lists, settings: Settings, result: PreflightResult) -> None:
    list_ids, list_names = settings.lists()
    problems = lists.problems(list_ids, list_names)
    if problems:
        raise ConfigError(problems)
    result.add_ok(f"{counted(len({*list_ids, *list_names}), 'list')} in the settings can be used.")
