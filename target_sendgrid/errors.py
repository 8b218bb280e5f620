"""Every error of the target, grouped by what the user has to do about it.

::

    TargetSendGridError                 one sentence for the user; the run exits 1
    ├── ConfigError                     correct the settings, the key, a list or a custom field
    ├── InputError                      fix the tap: standard input is not a stream of Singer messages
    ├── CapReachedError                 raise the cap, or choose to truncate
    ├── TooManyRejectedError            look at the rejected records
    ├── WithheldError                   see why a mirrored list keeps members, and run again
    ├── TooManyRemovalsError            allow that many people to be taken off lists, or find out why they are so many
    ├── TooManySuppressionsError        allow that many people to be unsubscribed, or correct the property
    ├── AccountLimitError               raise the account's limit, or leave new people out
    ├── LocalFileError                  fix a path, a disk or a pipe of this machine
    └── SendGridError                   SendGrid refused, or could not be reached
        ├── UnreachableError            wait and run again
        ├── UnauthorizedError           replace the API key (401)
        ├── ForbiddenError              widen the API key's scopes (403)
        ├── NotFoundError               what the request names does not exist (404)
        ├── BadRequestError             SendGrid refuses the content of a request (400, 422)
        ├── TooLargeError               the request has too many bytes (413), or its URL has (414)
        ├── ContactLimitError           the plan of the account is full
        └── JobFailedError              an import job failed, or did not end in time
    RecordRejectedError                 one record breaks a rule; the run goes on without it
    TransientError                      internal: one attempt at a request failed; it is tried again
    TerminatedError                     a signal asked the run to stop

No message ever holds a value of a record or a key. Each has a code, by which `docs/troubleshooting.md` explains it.
"""

from __future__ import annotations

from enum import Enum
from itertools import zip_longest
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Self


class Reason(str, Enum):
    """Reason codes of rejected records: a closed list, part of the public interface."""

    SCHEMA_VIOLATION = "schema_violation"
    MISSING_KEY_PROPERTY = "missing_key_property"
    NOT_AN_OBJECT = "not_an_object"
    UNREADABLE = "unreadable"
    STREAM_MAP_FAILED = "stream_map_failed"
    NO_IDENTIFIER = "no_identifier"
    DELETED_WITHOUT_IDENTIFIER = "deleted_without_identifier"
    INVALID_EMAIL = "invalid_email"
    INVALID_PHONE = "invalid_phone"
    TOO_LONG = "too_long"
    TOO_MANY_ITEMS = "too_many_items"
    NOT_A_NUMBER = "not_a_number"
    NOT_A_DATE = "not_a_date"
    NOT_A_BOOLEAN = "not_a_boolean"
    TOO_LARGE = "too_large"
    REFUSED_BY_SENDGRID = "refused_by_sendgrid"
    FAILED_IN_JOB = "failed_in_job"
    NOT_STORED = "not_stored"


class Code(str, Enum):
    """Codes of errors: a closed list, part of the public interface. Each is a heading of `docs/troubleshooting.md`."""

    CONFIG_FILE = "config-file"
    WRONG_SETTING = "wrong-setting"
    WRONG_LOGGING = "wrong-logging"
    KEY_MISSING = "key-missing"
    CONSENT_MISSING = "consent-missing"
    LIST_MISSING = "list-missing"
    WRONG_LIST = "wrong-list"
    WRONG_MAPPING = "wrong-mapping"
    WRONG_STREAM_MAP = "wrong-stream-map"
    SANDBOX_FAILED = "sandbox-failed"
    KEY_REFUSED = "key-refused"
    KEY_FORBIDDEN = "key-forbidden"
    CERTIFICATE = "certificate"
    UNREACHABLE = "unreachable"
    UNEXPECTED_ANSWER = "unexpected-answer"
    REQUEST_REFUSED = "request-refused"
    CONTACT_LIMIT = "contact-limit"
    FIELD_REFUSED = "field-refused"
    LIST_REFUSED = "list-refused"
    LIST_DELETED = "list-deleted"
    JOB_FAILED = "job-failed"
    WRONG_INPUT = "wrong-input"
    WRONG_SCHEMA = "wrong-schema"
    BATCH_FILE = "batch-file"
    SLOW_VALIDATION = "slow-validation"
    PROFILE_CAP = "profile-cap"
    TOO_MANY_REJECTED = "too-many-rejected"
    TOO_MANY_REMOVALS = "too-many-removals"
    TOO_MANY_SUPPRESSIONS = "too-many-suppressions"
    WRONG_GROUP = "wrong-group"
    ACCOUNT_LIMIT = "account-limit"
    MIRROR_WITHHELD = "mirror-withheld"
    SNAPSHOT = "snapshot"
    LOCAL_FILE = "local-file"
    STOPPED = "stopped"
    INTERNAL_ERROR = "internal-error"


class Problem(str):
    """One thing that is wrong and what to do next, as one text without personal data.

    Args:
        what: What is wrong.
        next_step: What to do next, where `what` does not say it.
        code: Its code; ``None`` until an error holds it that has one.
    """

    __slots__ = ("code", "next_step", "what")
    what: str
    next_step: str
    code: Code | None

    def __new__(cls, what: str, next_step: str = "", code: Code | None = None) -> Self:
        """Join what is wrong and what to do into one text."""
        problem = super().__new__(cls, f"{what} {next_step}".rstrip())
        problem.what, problem.next_step, problem.code = what, next_step, code
        return problem


def coded(line: str, code: Code) -> Problem:
    """Return a line with its code in brackets at the end."""
    return Problem(f"{line} [{code.value}]", code=code)


class TargetSendGridError(Exception):
    """What went wrong and what to do next, in sentences without personal data.

    Args:
        what: What went wrong.
        next_step: What to do next, where `what` does not say it.
        code: The code, if it is not that of the class.
    """

    was_signalled: bool = False
    """Whether a signal has come, too, so that the process is to end soon."""

    code: ClassVar[Code]
    """The code of its problems, where they have none of their own. Each class below has one."""

    def __init__(self, what: str, next_step: str = "", *, code: Code | None = None) -> None:
        self.problems = [Problem(what, next_step, code or self.code)]
        super().__init__(self.problems[0])

    def _hold(self, problems: Sequence[str], code: Code | None = None) -> None:
        """Hold several problems; `code` is that of those that have none of their own."""
        self.problems = [problem if isinstance(problem, Problem) else Problem(problem) for problem in problems]
        for problem in self.problems:
            problem.code = problem.code or code or self.code

    @property
    def codes(self) -> list[Code]:
        """The codes of the problems, each once."""
        return list(dict.fromkeys(problem.code or self.code for problem in self.problems))

    def lines(self) -> list[Problem]:
        """Return the problems as users see them: each on a line, with its code in brackets."""
        codes = [problem.code or self.code for problem in self.problems]
        lines = zip_longest(str(self).splitlines(), codes, fillvalue=codes[-1])  # a path may have line ends
        return [coded(line, Code(code)) for line, code in lines]


class ConfigError(TargetSendGridError):
    """The settings, the key, a list or the mapping are wrong.

    Args:
        problems: Everything that is wrong.
        code: The code of those problems that have none of their own.
    """

    code = Code.WRONG_SETTING

    def __init__(self, problems: str | Sequence[str], *, code: Code | None = None) -> None:
        given = [problems] if isinstance(problems, str) else problems
        super().__init__("\n".join(given))
        self._hold(given, code)


class InputError(TargetSendGridError):
    """Standard input is not a stream of Singer messages."""

    code = Code.WRONG_INPUT


class CapReachedError(TargetSendGridError):
    """The run holds more distinct profiles than the cap allows."""

    code = Code.PROFILE_CAP


class TooManyRejectedError(TargetSendGridError):
    """The share of rejected records is above the limit."""

    code = Code.TOO_MANY_REJECTED


class WithheldError(TargetSendGridError):
    """Mirrored lists keep members who were not in the run.

    Args:
        problems: A sentence for each list.
    """

    code = Code.MIRROR_WITHHELD

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self._hold(problems)


class TooManyRemovalsError(TargetSendGridError):
    """More people would be taken off lists than a setting allows."""

    code = Code.TOO_MANY_REMOVALS


class TooManySuppressionsError(TargetSendGridError):
    """More people would be unsubscribed than a setting allows."""

    code = Code.TOO_MANY_SUPPRESSIONS


class AccountLimitError(TargetSendGridError):
    """The account has no room for new people of the run."""

    code = Code.ACCOUNT_LIMIT


class LocalFileError(TargetSendGridError):
    """A file or pipe of this machine could not be written."""

    code = Code.LOCAL_FILE


class SendGridError(TargetSendGridError):
    """SendGrid refused a request, or gave no usable answer."""

    code = Code.UNEXPECTED_ANSWER


class UnreachableError(SendGridError):
    """No usable answer within the retry budget."""

    code = Code.UNREACHABLE


class UnauthorizedError(SendGridError):
    """The API key is missing, malformed, unknown or revoked."""

    code = Code.KEY_REFUSED


class ForbiddenError(SendGridError):
    """The API key lacks a scope."""

    code = Code.KEY_FORBIDDEN


class NotFoundError(SendGridError):
    """SendGrid does not know what the request names.

    Args:
        what: What went wrong.
        next_step: What to do next, where `what` does not say it.
        is_from_sendgrid: Whether SendGrid itself has answered. The 404 of a proxy says nothing about what is there.
    """

    def __init__(self, what: str, next_step: str = "", *, is_from_sendgrid: bool = True) -> None:
        super().__init__(what, next_step)
        self.is_from_sendgrid = is_from_sendgrid


class TooLargeError(SendGridError):
    """The request, or its URL, has more bytes than SendGrid takes."""

    code = Code.REQUEST_REFUSED


class ContactLimitError(SendGridError):
    """The account's plan has no room for more contacts. That is no contact's fault."""

    code = Code.CONTACT_LIMIT

    def __init__(self) -> None:
        super().__init__(
            "SendGrid takes no more contacts: the account has reached the contact limit of its plan. No record is"
            " rejected for it.",
            "Upgrade the plan or delete contacts, then run again.",
        )


class JobFailedError(SendGridError):
    """An import job failed for good, or did not end in time."""

    code = Code.JOB_FAILED


class BadRequestError(SendGridError):
    """SendGrid refused the content of a request.

    Args:
        message: The sentence for the user.
        details: SendGrid's own ``(field, message)`` pairs. They may quote personal data: never log them.
    """

    code = Code.REQUEST_REFUSED

    def __init__(self, message: str, details: Sequence[tuple[str, str]]) -> None:
        super().__init__(message)
        self.details = details

    def sendgrid_message(self) -> str:
        """Return all that SendGrid says, cut to 500 characters. It may quote personal data: never log it."""
        return "; ".join(f"{path}: {message}" if path else message for path, message in self.details)[:500]


class RecordRejectedError(Exception):
    """One record breaks a rule.

    Args:
        reason: The reason code.
        sentence: What is wrong, naming fields and properties but no values.
    """

    def __init__(self, reason: Reason, sentence: str) -> None:
        super().__init__(sentence)
        self.reason = reason
        self.sentence = sentence


class TransientError(Exception):
    """One attempt at a request failed, and the same request may succeed later.

    Internal: it never reaches the user. The request is tried again; when that does not help, `final_error` is raised.
    It is not a `SendGridError` itself, so that `except SendGridError` between an attempt and its retry cannot catch it.

    Args:
        what: What happened, without personal data.
        wait_seconds: How many seconds SendGrid asks to wait; ``None`` when it does not say.
        is_rate_limit: Whether SendGrid answered 429.
        budget_seconds: For how many seconds failures of this kind are retried at most; ``None`` for the whole retry
            budget.
        may_have_been_taken: Whether SendGrid may have acted on the request, although its answer was lost.
        final_error: The error to raise when retries do not help. Every attempt of `sendgrid.transport` sets it.
    """

    def __init__(
        self,
        what: str,
        *,
        wait_seconds: float | None = None,
        is_rate_limit: bool = False,
        budget_seconds: float | None = None,
        may_have_been_taken: bool = True,
        final_error: SendGridError | None = None,
    ) -> None:
        super().__init__(what)
        self.wait_seconds = wait_seconds
        self.is_rate_limit = is_rate_limit
        self.budget_seconds = budget_seconds
        self.may_have_been_taken = may_have_been_taken
        self.final_error = final_error


class TerminatedError(BaseException):
    """A signal asked the run to stop.

    Args:
        signal_number: The signal, as the operating system counts them.
    """

    def __init__(self, signal_number: int) -> None:
        super().__init__(f"Stopped by signal {signal_number}.")
        self.signal_number = signal_number


def codes_of(error: BaseException) -> list[str]:
    """Return the codes of what ended a run, as reports hold them."""
    if isinstance(error, TargetSendGridError):
        return [code.value for code in error.codes]
    return [(Code.STOPPED if isinstance(error, TerminatedError) else Code.INTERNAL_ERROR).value]
