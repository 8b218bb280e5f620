"""Faults: failures that a test or a user orders for later requests and jobs."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Literal, get_args

import msgspec

from target_sendgrid.sandbox.account import errors_files, exports
from target_sendgrid.sandbox.account.jobs import Trouble

if TYPE_CHECKING:
    from collections.abc import Collection

WireKind = Literal[
    "status", "html_error", "refusal", "status_after", "reset", "cut_after", "truncate", "delay", "rate_limited"
]
JobKind = Literal[
    "no_job_id",
    "job_id_repeated",
    "job_failed",
    "job_stuck",
    "job_lost",
    "job_late",
    "job_errored_rows",
    "job_result",
    "errors_file",
]
SearchKind = Literal["contacts_unseen", "lists_unseen"]
SuppressionKind = Literal["suppressions_left_out"]
ExportKind = Literal["export_failed", "export_stuck", "export_file"]

WIRE_KINDS: frozenset[str] = frozenset(get_args(WireKind))
"""Kinds of faults that strike any request."""

JOB_KINDS: frozenset[str] = frozenset(get_args(JobKind))
"""Kinds of faults that strike requests that create a job."""

SEARCH_KINDS: frozenset[str] = frozenset(get_args(SearchKind))
"""Kinds of faults that strike searches."""

SUPPRESSION_KINDS: frozenset[str] = frozenset(get_args(SuppressionKind))
"""Kinds of faults that strike requests to suppress people."""

EXPORT_KINDS: frozenset[str] = frozenset(get_args(ExportKind))
"""Kinds of faults that strike requests that start an export."""

ERRORS_PREFIX = "/errors/"
EXPORTS_PREFIX = "/exports/"
STORE_PREFIXES = (ERRORS_PREFIX, EXPORTS_PREFIX)
"""Starts of the paths of the object store, which is another host: a fault strikes it only if it matches such a path."""

_MAY_APPLY_NOTHING = frozenset({"job_id_repeated", "job_failed", "job_stuck", "job_lost", "job_result"})
_LATE_KINDS = frozenset({"status_after", "cut_after", "truncate", *JOB_KINDS})
_MIN_STATUS, _MAX_STATUS = 200, 999


class BadFaultError(Exception):
    """A fault was ordered that the sandbox does not know. The message is one sentence."""


class Match(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which requests a fault strikes. Whatever is left out does not matter.

    Attributes:
        method: HTTP method.
        path: Path without the query, as a shell-style pattern.
        contacts: Identifiers, in any case. Only requests that hold one of these people are struck.
    """

    method: str | None = None
    path: str | None = None
    contacts: tuple[str, ...] = ()

    def fits(self, method: str, path: str) -> bool:
        """Return whether method and path of a request are matched."""
        if path.startswith(STORE_PREFIXES) and not (self.path or "").startswith(STORE_PREFIXES):
            return False
        return self.method in {None, method} and (self.path is None or fnmatchcase(path, self.path))

    def holds(self, identifiers: Collection[str]) -> bool:
        """Return whether one of the people that a request holds is matched."""
        return not self.contacts or any(identifier.lower() in identifiers for identifier in self.contacts)


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An order for a fault. Attributes that its kind does not use are ignored.

    A fault about people has `first`, `emails` and `identifiers`; where all three are left out, it is about the people
    that it matches.

    Attributes:
        kind: What happens.
        match: Which requests it strikes.
        times: How often it strikes, `None` for always. Left out: once, or always when there is a probability or a time.
        for_seconds: How long it strikes, by the sandbox's clock, from the first time on.
        skip: How many matching requests pass first.
        probability: Chance that a matching request is struck.
        seed: Seed of the random numbers that `probability` is compared with.
        status: Status of the answer of `status`, `status_after`, `html_error` and `refusal`. Left out: 400 for
            `refusal`, or else 500.
        body: Body of the answer of `status` and `status_after`: JSON, or text that is sent as it is.
        headers: Headers of the answer of `status` and `status_after`.
        seconds: Length of `delay`; wait that `rate_limited` announces.
        reset: Whether `rate_limited` announces seconds or an epoch time.
        with_headers: Whether `rate_limited` sends `x-ratelimit-*` at all.
        names: How a `refusal` names its people: by index, only by quoting them, not at all, or all people of the
            request instead.
        late_seconds: How much later than usual the job of an accepted request is applied.
        applied: Whether the contacts of a `job_failed`, `job_stuck`, `job_lost`, `job_result` or `job_id_repeated` are
            stored all the same.
        ends: Status that a `job_result` ends with. Left out: the status that follows from its contacts.
        counts: Counts of a `job_failed` or `job_result` by their names in SendGrid's answer, over those that follow
            from its contacts; `None` for an absent one.
        first: Number of leading contacts that the fault is about.
        emails: Emails that the fault is about.
        identifiers: Identifiers that the fault is about.
        reason: Reason in the errors file.
        mode: What the errors file of a job holds, one of `errors_files.MODES`, or the files of an export, one of
            `exports.MODES`. Left out: a row for each row error, and for each contact.
    """

    kind: WireKind | JobKind | SearchKind | SuppressionKind | ExportKind
    match: Match = Match()
    times: int | msgspec.UnsetType | None = msgspec.UNSET
    for_seconds: float | None = None
    skip: int = 0
    probability: float | None = None
    seed: int = 0
    status: int | None = None
    body: Any = None
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    seconds: float = 1.0
    reset: Literal["seconds", "epoch"] = "seconds"
    with_headers: bool = True
    names: Literal["index", "quote", "nobody", "everybody"] = "index"
    late_seconds: float = 0.0
    applied: bool = False
    ends: Literal["", "completed", "errored", "failed"] = ""
    counts: dict[str, int | None] = msgspec.field(default_factory=dict)
    first: int = 0
    emails: tuple[str, ...] = ()
    identifiers: tuple[str, ...] = ()
    reason: str = "internal error"
    mode: errors_files.Mode | exports.Mode = ""

    def people(self) -> frozenset[str]:
        """Return the identifiers that the fault is about, besides the `first` contacts, in lower case."""
        named = (*self.emails, *self.identifiers)
        return frozenset(one.lower() for one in (named if named or self.first else self.match.contacts))

    def trouble(self, late_seconds: float) -> Trouble:
        """Return what this fault does to a job, with the delay that another fault ordered for it."""
        has_row_errors = self.kind == "job_errored_rows" or bool(self.first or self.emails or self.identifiers)
        return Trouble(
            ends="failed" if self.kind == "job_failed" else self.ends,
            stuck=self.kind == "job_stuck",
            lost=self.kind == "job_lost",
            applied=self.applied or self.kind not in _MAY_APPLY_NOTHING,
            late_seconds=self.late_seconds + late_seconds,
            counts=self.counts,
            first=self.first,
            identifiers=tuple(self.people()) if has_row_errors else (),
            reason=self.reason,
            errors_file=self.mode if self.mode in errors_files.MODES else "",
        )

    def export_trouble(self) -> exports.Trouble:
        """Return what this fault does to an export."""
        return exports.Trouble(
            fails=self.kind == "export_failed",
            stuck=self.kind == "export_stuck",
            file=self.mode if self.mode in exports.MODES else "",
        )


def ordered(document: object) -> Fault:
    """Read a fault from the control plane's JSON.

    Raises:
        BadFaultError: The fault is not valid.
    """
    try:
        fault = msgspec.convert(document, Fault)
    except msgspec.ValidationError as error:
        message = f"The sandbox does not understand this fault: {error}."
        raise BadFaultError(message) from error
    message = _problem(fault)
    if message:
        raise BadFaultError(message)
    return fault


def _problem(fault: Fault) -> str:
    if fault.kind == "errors_file" and fault.mode not in errors_files.MODES:
        return f"An errors_file fault takes a mode: {', '.join(errors_files.MODES)}."
    if fault.kind == "export_file" and fault.mode not in exports.MODES:
        return f"An export_file fault takes a mode: {', '.join(exports.MODES)}."
    if fault.kind == "job_late" and not fault.late_seconds:
        return "A job_late fault takes late_seconds."
    if fault.late_seconds and fault.kind not in _LATE_KINDS:
        return f"Only these faults take late_seconds: {', '.join(sorted(_LATE_KINDS))}."
    if fault.status is not None and not _MIN_STATUS <= fault.status <= _MAX_STATUS:
        return f"A fault's status is between {_MIN_STATUS} and {_MAX_STATUS}."
    return ""
