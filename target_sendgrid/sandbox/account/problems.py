"""The exceptions of the account: the HTTP side turns them into SendGrid's error answers.

SandboxProblem
├── RefusedError        the request as a whole is wrong (400)
├── UnknownThingError   a contact, job or list does not exist (404)
└── UnknownListError    an upsert names a list that does not exist (404 or 400, a switch)
"""

from __future__ import annotations

from typing import NamedTuple


class Problem(NamedTuple):
    """One entry of SendGrid's `errors` array."""

    field: str | None
    message: str


class SandboxProblem(Exception):  # noqa: N818 - the root names a family, its members say Error
    """A model refuses; carries the entries of the error answer."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("; ".join(problem.message for problem in problems))
        self.problems = problems


class RefusedError(SandboxProblem):
    """The request as a whole is wrong."""


class UnknownThingError(SandboxProblem):
    """A contact, job or list does not exist."""


class UnknownListError(SandboxProblem):
    """An upsert names a list that does not exist."""


def refused(field: str | None, message: str) -> RefusedError:
    """Return a refusal with one entry."""
    return RefusedError(Problem(field, message))


def unknown(message: str = "not found", field: str | None = None) -> UnknownThingError:
    """Return a not-found error with one entry."""
    return UnknownThingError(Problem(field, message))
