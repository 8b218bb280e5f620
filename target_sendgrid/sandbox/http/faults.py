"""Faults: failures that a test or a user orders for later requests and jobs."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Literal

import msgspec

from target_sendgrid.sandbox.account import errors_files
from target_sendgrid.sandbox.account.jobs import Trouble

WireKind = Literal["status", "html_error", "reset", "cut_after", "truncate", "delay", "rate_limited"]
JobKind = Literal["no_job_id", "job_failed", "job_stuck", "job_lost", "job_errored_rows", "errors_file"]

WIRE_KINDS = frozenset({"status", "html_error", "reset", "cut_after", "truncate", "delay", "rate_limited"})
"""Kinds of faults that strike any request."""

JOB_KINDS = frozenset({"no_job_id", "job_failed", "job_stuck", "job_lost", "job_errored_rows", "errors_file"})
"""Kinds of faults that strike requests that create a job."""


class BadFaultError(Exception):
    """A fault was ordered that the sandbox does not know. The message is one sentence."""


class Match(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which requests a fault strikes: all, or those of a method and a path (a shell-style pattern, no query)."""

    method: str | None = None
    path: str | None = None

    def fits(self, method: str, path: str) -> bool:
        """Return whether a request is one of them."""
        return self.method in {None, method} and (self.path is None or fnmatchcase(path, self.path))


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An order for a fault. Attributes that its kind does not use are ignored.

    Attributes:
        kind: What happens.
        match: Which requests it strikes.
        times: How often it strikes, `None` for always. Left out: once, or always when there is a probability.
        skip: How many matching requests pass first.
        probability: Chance that a matching request is struck.
        seed: Seed of the random numbers that `probability` is compared with.
        status: Status of the answer of `status` and `html_error`.
        body: Body of the answer of `status`: JSON, or text that is sent as it is.
        headers: Headers of the answer of `status`.
        seconds: Length of `delay`; wait that `rate_limited` announces.
        reset: Whether `rate_limited` announces seconds or an epoch time.
        with_headers: Whether `rate_limited` sends `x-ratelimit-*` at all.
        applied: Whether the contacts of a `job_stuck` or `job_lost` are stored all the same.
        first: For `job_errored_rows`: number of leading rows that it strikes.
        emails: For `job_errored_rows`: emails of the rows that it strikes.
        identifiers: For `job_errored_rows`: identifiers of the rows that it strikes.
        reason: For `job_errored_rows`: reason in the errors file.
        mode: For `errors_file`: one of `errors_files.MODES`.
    """

    kind: WireKind | JobKind
    match: Match = Match()
    times: int | msgspec.UnsetType | None = msgspec.UNSET
    skip: int = 0
    probability: float | None = None
    seed: int = 0
    status: int = 500
    body: Any = None
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    seconds: float = 1.0
    reset: Literal["seconds", "epoch"] = "seconds"
    with_headers: bool = True
    applied: bool = False
    first: int = 0
    emails: tuple[str, ...] = ()
    identifiers: tuple[str, ...] = ()
    reason: str = "internal error"
    mode: Literal["", "missing", "gone", "garbage", "expired", "unknown_rows", "gzip"] = ""

    def trouble(self) -> Trouble:
        """Return what this fault does to a job."""
        return Trouble(
            failed=self.kind == "job_failed",
            stuck=self.kind == "job_stuck",
            lost=self.kind == "job_lost",
            applied=self.applied,
            first=self.first if self.kind == "job_errored_rows" else 0,
            identifiers=(*(email.lower() for email in self.emails), *self.identifiers)
            if self.kind == "job_errored_rows"
            else (),
            reason=self.reason,
            errors_file=self.mode,
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
    if fault.kind == "errors_file" and fault.mode not in errors_files.MODES:
        message = f"An errors_file fault takes a mode: {', '.join(errors_files.MODES)}."
        raise BadFaultError(message)
    return fault


@dataclass
class _Standing:
    """A fault in force, and how often it has struck."""

    number: int
    fault: Fault
    left: int | None
    to_skip: int
    chances: random.Random
    struck: int = 0

    def strikes(self) -> bool:
        if self.left == 0:
            return False
        if self.to_skip:
            self.to_skip -= 1
            return False
        if self.fault.probability is not None and self.chances.random() >= self.fault.probability:
            return False
        self.struck += 1
        if self.left is not None:
            self.left -= 1
        return True


@dataclass
class Faults:
    """The faults in force, oldest first. Callers hold the sandbox's lock."""

    _standing: list[_Standing] = field(default_factory=list)
    _next_number: int = 1

    def add(self, fault: Fault) -> int:
        """Put a fault in force; return its number."""
        times = fault.times
        if isinstance(times, msgspec.UnsetType):
            times = 1 if fault.probability is None else None
        number = self._next_number
        self._next_number += 1
        chances = random.Random(fault.seed)  # noqa: S311 - chances that can be repeated, no secrets
        self._standing.append(_Standing(number, fault, times, fault.skip, chances))
        return number

    def take(self, kinds: frozenset[str], method: str, path: str) -> Fault | None:
        """Return the fault that strikes this request, if one does."""
        for standing in self._standing:
            if standing.fault.kind in kinds and standing.fault.match.fits(method, path) and standing.strikes():
                return standing.fault
        return None

    def clear(self, number: int | None = None) -> None:
        """Lift one fault, or all."""
        self._standing = [] if number is None else [one for one in self._standing if one.number != number]

    def described(self) -> list[dict[str, Any]]:
        """Return every fault, with how often it struck and how often it still will."""
        return [
            {
                **msgspec.to_builtins(standing.fault),
                "id": standing.number,
                "struck": standing.struck,
                "left": standing.left,
            }
            for standing in self._standing
        ]
