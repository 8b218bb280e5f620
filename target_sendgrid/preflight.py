"""Preflight: everything that must hold before anything is sent, checked, with one finding for each check."""

from __future__ import annotations

import contextlib
import os
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from target_sendgrid.audience.account_limit import AccountLimit
from target_sendgrid.audience.suppressed import Suppressed
from target_sendgrid.errors import Code, ConfigError, ForbiddenError, LocalFileError, Problem, TargetSendGridError
from target_sendgrid.report.rejected_records import check_rejected_records_path
from target_sendgrid.report.rejections import Rejections
from target_sendgrid.report.report import check_report_path
from target_sendgrid.sendgrid.client import Client
from target_sendgrid.sendgrid.dry_run import ReadingClient
from target_sendgrid.sendgrid.lists import Lists
from target_sendgrid.sendgrid.transport import Transport
from target_sendgrid.settings.account_needs import groups_in_use, may_list_groups, missing_scopes, needed_scopes
from target_sendgrid.wording import counted, shown

if TYPE_CHECKING:
    from collections.abc import Collection

    from target_sendgrid.audience.snapshot import Snapshot
    from target_sendgrid.clock import Clock
    from target_sendgrid.sendgrid.fields import FieldCatalogue
    from target_sendgrid.settings.settings import Settings

_DAY_SECONDS = 86_400

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
    code: str | None = None
    """The code of an error, which the page Troubleshooting of the docs explains."""

    def __str__(self) -> str:
        """Return the finding as a sentence for the log."""
        code = f" [{self.code}]" if self.code else ""
        return f"{self.what} {self.next_step}".rstrip() + code


class Connection(msgspec.Struct, frozen=True):
    """SendGrid and the local files that a run needs, checked and open until `close`."""

    transports: tuple[Transport, Transport]
    """One for the thread that reads records, one for the job runner's thread."""
    clients: tuple[Client, Client]
    """The clients of both."""
    catalogue: FieldCatalogue
    lists: Lists
    rejections: Rejections
    resources: contextlib.ExitStack
    """What `close` closes."""
    account_limit: AccountLimit | None = None
    """The limit of the account's contacts, where one is set."""
    snapshot: Snapshot | None = None
    """Who need not be sent again, where a file for it is set."""

    @property
    def request_count(self) -> int:
        """Number of requests so far."""
        return sum(transport.request_count for transport in self.transports)

    def close(self) -> None:
        """Close connections and files, and stop the embedded sandbox."""
        self.resources.close()


class PreflightResult(msgspec.Struct):
    """What the checks have found, and the connection if the account could be read."""

    findings: list[Finding] = []
    connection: Connection | None = None
    errors: list[TargetSendGridError] = []
    can_write_report: bool = False
    """Whether a report can be written where the settings say: anything else in that place must not be replaced."""
    request_count: int = 0

    def require_connection(self) -> Connection:
        """Return the connection.

        Raises:
            TargetSendGridError: The error that a check found; all of them as one, if there are several.
        """
        if len(self.errors) > 1:
            raise ConfigError([problem for error in self.errors for problem in error.problems])
        if self.errors or self.connection is None:
            raise self.errors[0] if self.errors else ConfigError("A check before the run failed.")
        return self.connection

    def add_ok(self, what: str, next_step: str = "") -> None:
        """Add a finding of a check that found nothing wrong."""
        self.findings.append(Finding(Level.OK, what, next_step))

    def add_error(self, error: TargetSendGridError) -> None:
        """Add an error, with one finding for each of its problems."""
        self.errors.append(error)
        self.findings += findings_of(error)


def findings_of(error: TargetSendGridError) -> list[Finding]:
    """Return one finding for each problem of an error."""
    return [
        Finding(Level.ERROR, problem.what, problem.next_step, (problem.code or error.code).value)
        for problem in error.problems
    ]


def preflight(settings: Settings, clock: Clock, result: PreflightResult, *, leaves_no_file: bool = False) -> None:
    """Check the files, the key, its scopes, the custom fields and the lists. Nothing is sent, and nothing created.

    All errors are found, except those of checks that need what an earlier one has not got.

    Args:
        settings: The settings, which are checked already.
        clock: Where time comes from.
        result: Takes the findings as they are made, so that it holds them even if a signal ends the checks.
        leaves_no_file: Whether the checks are not followed by a run that writes: files that are not there are not made,
            and the clients only read. That always holds for a dry run.
    """
    leaves_no_file = leaves_no_file or settings.dry_run
    with contextlib.ExitStack() as resources:
        rejections = _check_files(settings, result, resources, leaves_no_file=leaves_no_file)
        try:
            _connect(settings, clock, result, resources, rejections, leaves_no_file=leaves_no_file)
        except TargetSendGridError as error:
            result.add_error(error)


def read_suppressed(settings: Settings, connection: Connection) -> Suppressed | None:
    """Read who is suppressed in SendGrid, if the settings ask not to send them. It takes one request for 500 people.

    Raises:
        SendGridError: SendGrid can't be reached, or forbids it.
    """
    if not settings.skip_suppressed:
        return None
    return Suppressed.read(connection.clients[0], groups_in_use(settings))


def _check_files(
    settings: Settings, result: PreflightResult, resources: contextlib.ExitStack, *, leaves_no_file: bool
) -> Rejections:
    """Check where files can be written, and open the one for rejected records."""
    path, rejections = settings.rejected_records_path, Rejections(None, settings.max_rejected_percent)
    if settings.report_path:
        try:
            check_report_path(settings.report_path)
        except LocalFileError as error:
            result.add_error(error)
        else:
            result.can_write_report = True
            result.add_ok(f"The report can be written to {settings.report_path}.")
    if path:
        try:
            if leaves_no_file:
                check_rejected_records_path(path)
            else:
                rejections = Rejections(path, settings.max_rejected_percent)
        except LocalFileError as error:
            result.add_error(error)
        else:
            result.add_ok(f"Rejected records can be written to {path}.")
    resources.callback(rejections.close)
    return rejections


def _connect(
    settings: Settings,
    clock: Clock,
    result: PreflightResult,
    resources: contextlib.ExitStack,
    rejections: Rejections,
    *,
    leaves_no_file: bool,
) -> None:
    transports, api_key = _transports(settings, clock, resources, leaves_no_file=leaves_no_file)
    make_client = ReadingClient if leaves_no_file else Client
    client = make_client(transports[0])
    try:
        host = "the embedded sandbox" if settings.is_sandbox else transports[0].host
        scopes = _check_scopes(client, host, needed_scopes(settings), result)
        if may_list_groups(scopes):
            _check_groups(client, groups_in_use(settings), result)
        catalogue = client.field_catalogue()
        result.add_ok(f"The account has {counted(len(catalogue.names()), 'custom field')}.")
        lists = Lists(client, can_create=settings.create_list)
        _check_lists(lists, settings, result)
        account_limit = _check_account_limit(client, settings, result)
        snapshot = _open_snapshot(settings, api_key, clock, result, resources, reads_only=leaves_no_file)
    finally:
        result.request_count = transports[0].request_count
    for transport in transports:
        transport.start_run()
    clients = client, make_client(transports[1])
    result.connection = Connection(
        transports, clients, catalogue, lists, rejections, resources.pop_all(), account_limit, snapshot
    )


def _transports(
    settings: Settings, clock: Clock, resources: contextlib.ExitStack, *, leaves_no_file: bool
) -> tuple[tuple[Transport, Transport], str]:
    """Start the embedded sandbox if the settings ask for it; return one transport for each thread, and the key."""
    url, api_key = settings.base_url, settings.api_key
    if settings.is_sandbox:
        database = settings.sandbox_database
        if leaves_no_file and database is not None and _could_be_made(database):
            database = None
        from target_sendgrid.sendgrid.embedded import EmbeddedSandbox  # noqa: PLC0415 - loads what only a sandbox needs

        sandbox = EmbeddedSandbox.start(database)
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

    return (transport(), transport()), api_key


def _could_be_made(path: str) -> bool:
    """Return whether there is no account at a path yet, not more than an empty file, and one could be made there."""
    try:
        file = Path(path).expanduser()
        if file.is_file() and file.stat().st_size == 0:
            return os.access(file, os.R_OK | os.W_OK)
        return not os.path.lexists(file) and os.access(file.parent, os.W_OK | os.X_OK)
    except OSError:
        return False
    except (ValueError, RuntimeError):  # a null byte is a ValueError, an unknown home a RuntimeError
        return False


def _check_scopes(
    client: Client, host: str, needed: dict[str, list[str]], result: PreflightResult
) -> Collection[str] | None:
    """Check the scopes of the key, and return them, or ``None`` if the key may not list them."""
    try:
        scopes = client.scopes()
    except ForbiddenError:
        result.add_ok(f"The API key is valid at {host}, and may not list its scopes: other checks show what it may do.")
        if needed:
            what = f"Whether the API key has these scopes, which settings need, can't be checked: {_quoted(needed)}."
            next_step = "See in SendGrid under Settings > API Keys: without them, the run ends when it needs one."
            result.findings.append(Finding(Level.WARNING, what, next_step))
        return None
    if any(scope.startswith(_MARKETING_SCOPES) for scope in scopes):
        result.add_ok(f"The API key is valid at {host} and has access to Marketing.")
    else:
        what = "The API key does not list the scope `marketing.read`: SendGrid may refuse it."
        result.findings.append(Finding(Level.WARNING, what, "If it does, give the key Marketing access."))
    missing = missing_scopes(needed, scopes)
    if missing:
        result.add_error(ConfigError(missing, code=Code.KEY_FORBIDDEN))
    elif needed:
        result.add_ok(f"The API key has the other scopes that settings need: {_quoted(needed)}.")
    return scopes


def _quoted(names: Collection[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _check_groups(client: Client, in_use: dict[int, list[str]], result: PreflightResult) -> None:
    """Check that the account has the unsubscribe groups: SendGrid takes an unknown one for all mail."""
    if not in_use:
        return
    groups = {group.id: shown(group.name) for group in client.suppression_groups()}
    there = ", ".join(f"{group_id} '{name}'" for group_id, name in sorted(groups.items()))
    next_step = (
        f"Take one of these: {there}." if there else "Create one in SendGrid under Suppressions > Unsubscribe Groups."
    )
    problems = [
        Problem(
            f"The account has no unsubscribe group with the id {group_id}, as in {' and '.join(labels)}:"
            " SendGrid would unsubscribe people from everything.",
            next_step,
        )
        for group_id, labels in in_use.items()
        if group_id not in groups
    ]
    if problems:
        result.add_error(ConfigError(problems, code=Code.WRONG_GROUP))
    for group_id in in_use:
        if group_id in groups:
            result.add_ok(f"The unsubscribe group {group_id} '{groups[group_id]}' is there.")


def _check_account_limit(client: Client, settings: Settings, result: PreflightResult) -> AccountLimit | None:
    """Count the account's contacts where the settings limit them."""
    limit = settings.account_contact_limit
    if limit is None:
        return None
    account_limit = AccountLimit(limit, client.contact_count(), max_people=settings.profile_cap)
    if account_limit.room:
        result.add_ok(account_limit.sentence)
    else:
        next_step = "People whom SendGrid has are sent, new ones are left out (`on_account_limit`)."
        result.findings.append(Finding(Level.WARNING, account_limit.sentence, next_step))
    return account_limit


def _open_snapshot(
    settings: Settings,
    api_key: str,
    clock: Clock,
    result: PreflightResult,
    resources: contextlib.ExitStack,
    *,
    reads_only: bool,
) -> Snapshot | None:
    """Open the snapshot, unless a check has failed: with a wrong key, it would be replaced."""
    path = settings.snapshot_path
    if path is None or result.errors:
        return None
    account = f"{settings.base_url} {settings.on_behalf_of or ''}"
    if settings.is_sandbox:
        if settings.sandbox_database is None:
            what = "`snapshot_path` has no effect: the account of the embedded sandbox ends with the run."
            result.findings.append(Finding(Level.WARNING, what, "Keep it: set `api_url` to `sandbox:PATH.db`."))
            return None
        account = f"sandbox {Path(settings.sandbox_database).expanduser().resolve()}"  # its port changes
    from target_sendgrid.audience.snapshot import Snapshot  # noqa: PLC0415 - loads what only this needs
    from target_sendgrid.audience.snapshot_file import SnapshotFile  # noqa: PLC0415 - as above

    try:
        today, age = int(clock.now() // _DAY_SECONDS), settings.snapshot_max_age_days
        file = SnapshotFile(path, account, api_key, today=today, max_age_days=age, reads_only=reads_only)
        resources.callback(file.close)
        snapshot = Snapshot(file, allows_erased=settings.allow_erased, reads_only=reads_only)
    except TargetSendGridError as error:
        result.add_error(error)
        return None
    if file.warning is not None:
        result.findings.append(Finding(Level.WARNING, file.warning.what, file.warning.next_step))
    elif file.is_new:
        result.add_ok(f"There is no snapshot at {path} yet: everybody is sent.")
    else:
        people = counted(snapshot.people_count, "person", "people")
        erased = ", and remembers who was erased" if file.erased else ""
        result.add_ok(f"The snapshot {path} holds {people} who need no sending while they are unchanged{erased}.")
    return snapshot


def _check_lists(lists: Lists, settings: Settings, result: PreflightResult) -> None:
    list_ids, list_names = settings.all_lists()
    problems = lists.problems(list_ids, list_names)
    if problems:
        result.add_error(ConfigError(problems, code=Code.WRONG_LIST))
        return
    for list_id in dict.fromkeys(list_ids):
        result.add_ok(f"The list with the id '{list_id}' is there.")
    for name in dict.fromkeys(list_names):
        state = "is missing: a run would create it" if lists.is_missing(name) else "is there"
        result.add_ok(f"The list '{shown(name)}' {state}.")
