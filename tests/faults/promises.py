"""What can go wrong with SendGrid and what the target does about it: the table that tests prove and the docs print.

What can go wrong with the rest of the world is in `world_promises.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from tests.support import state

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support import Finished

Test = TypeVar("Test", bound="Callable[..., None]")

LAST_STATE = state(9)
"""What a tap says at the end of a test's run: all its records come before it."""


@dataclass(frozen=True)
class Promise:
    """One row of the table."""

    group: str
    symptom: str
    reaction: str
    sees: str
    """Words of the log, or of the error that ends the run; empty where nothing needs to be said."""
    exit_code: int
    is_all_settled: bool | None = None
    """Whether the last state is written; left out: exactly when the run succeeds."""

    @property
    def has_last_state(self) -> bool:
        """Whether the last state is written."""
        return self.exit_code == 0 if self.is_all_settled is None else self.is_all_settled

    def is_kept_by(self, run: Finished) -> bool:
        """Tell whether a run ended as promised: exit code, words, and the last state exactly when it succeeded."""
        is_state_written = '{"n": 9}' in run.states
        has_crashed = "Traceback" in run.log or "Internal error" in run.log
        is_as_told = self.sees in run.log and not has_crashed
        return is_as_told and run.exit_code == self.exit_code and is_state_written == self.has_last_state


def proves(*promises: Promise) -> Callable[[Test], Test]:
    """Say which promises a test would break with."""

    def mark(test: Test) -> Test:
        test.promises = promises  # type: ignore[attr-defined]  # functions take attributes
        return test

    return mark


KEY, REQUEST, JOB, UPKEEP = "The key", "A request", "An import job", "Lists, custom fields and look-ups"

KEY_REFUSED = Promise(
    KEY,
    "SendGrid refuses the key (401)",
    "stops at once; never tries again, never prints the key",
    "SendGrid refused the API key (401)",
    1,
)
KEY_FORBIDDEN = Promise(
    KEY,
    "SendGrid forbids the key something (403)",
    "stops at once, names the scope that is missing and the trap of legacy accounts",
    "Give the key Marketing access (scope `marketing.read`",
    1,
)
CONTACTS_NAMED = Promise(
    REQUEST,
    "400 that names contacts, by index or by quoting their email",
    "rejects those records and sends the others again at once",
    "refused_by_sendgrid: SendGrid refused the contact.",
    0,
)
NOBODY_NAMED = Promise(
    REQUEST,
    "400 that names nobody, or makes no sense at all",
    "halves the request until the contact that SendGrid refuses is alone; rejects that one",
    "refused_by_sendgrid: SendGrid refused the contact without naming a field.",
    0,
)
FIELD_NOT_READY = Promise(
    REQUEST,
    "400 about a custom field that was just created",
    "waits five seconds and sends again, for up to a minute",
    "Created custom field",
    0,
)
FIELD_GONE = Promise(
    REQUEST,
    "400 about a custom field that SendGrid does not know after a minute either",
    "stops and names the field; rejects nobody for it",
    "SendGrid does not accept the custom field",
    1,
)
NAMED_LIST_GONE = Promise(
    REQUEST,
    "404: a list that the settings name was deleted during the run",
    "finds the list of that name, or creates it if `create_list` allows; sends what is under way to the new one",
    "was deleted during the run: its contacts go to",
    0,
)
LIST_GONE = Promise(
    REQUEST,
    "404: a list was deleted that the settings give by id, or that may not be created",
    "stops; never sends contacts without their list",
    "was deleted during the run",
    1,
)
PASSING = Promise(
    REQUEST,
    "408, 500, 502, 503, 504, a cut connection, a time-out, half an answer, an answer that is no JSON, no job id",
    "sends the same request again, after waits that grow to half a minute",
    "",
    0,
)
NOT_PASSING = Promise(
    REQUEST,
    "the same for five minutes (20 seconds before the first record)",
    "stops",
    "SendGrid could not be reached",
    1,
)
TOO_LARGE = Promise(
    REQUEST,
    "413, or an error that speaks of size",
    "halves the request, and sends smaller ones for the rest of the run",
    "",
    0,
)
TOO_FAST = Promise(
    REQUEST,
    "429, too many requests",
    "waits as SendGrid's headers ask, or longer each time where they are missing; gives up after half an hour only",
    "",
    0,
)
JOB_PENDING = Promise(
    JOB,
    "it is pending",
    "asks again about when others have ended; before any has, after growing times of up to half a minute",
    "1 contact confirmed",
    0,
)
JOB_OVERDUE = Promise(
    JOB,
    "it is still pending after `job_timeout_seconds`",
    "looks every contact up, compares values, and sends those again that differ, once",
    "is still pending after",
    0,
)
JOB_NEVER_ENDS = Promise(
    JOB,
    "it is still pending when that time is over again",
    "stops, unless every contact is found as it was sent",
    "of its contacts are not in SendGrid",
    1,
)
JOB_CHANGED_LESS = Promise(
    JOB,
    "it is completed, with fewer contacts created or updated than were sent",
    "takes all of them for confirmed: SendGrid does not count contacts that were the same already",
    "1 contact confirmed, 0 of them created or changed",
    0,
)
JOB_ERRORED = Promise(
    JOB,
    "it is errored, with an errors file (any columns, plain or gzip)",
    "fetches the file at once, without the key; rejects the records it names",
    "failed_in_job: SendGrid's import job reported an error.",
    0,
)
ERRORS_FILE_USELESS = Promise(
    JOB,
    "it is errored, and the errors file is missing, expired, no table, or does not account for all errors",
    "looks every contact up for two minutes; rejects those that are not there as they were sent",
    "not_stored: The import job ended with errors",
    0,
)
JOB_FAILED = Promise(
    JOB,
    "it failed without a text",
    "sends its contacts again, three times",
    "failed without a reason: sending its contacts again",
    0,
)
JOB_ALWAYS_FAILS = Promise(
    JOB,
    "it failed without a text four times",
    "halves it until the contact that fails is alone; rejects that one",
    "failed_in_job: SendGrid's import job failed 4 times without a reason.",
    0,
)
ACCOUNT_FULL = Promise(
    JOB,
    "it failed because of the plan's contact limit",
    "stops; does not try again",
    "the account has reached the contact limit of its plan",
    1,
)
JOB_UNKNOWN = Promise(
    JOB,
    "its id is unknown to SendGrid (404)",
    "asks again for a minute, then sends its contacts again",
    "is unknown to SendGrid: sending its contacts again",
    0,
)
IDENTIFIER_LEFT_OUT = Promise(
    JOB,
    "a contact is refused, here or in the request, because SendGrid holds more identifiers of it than were sent",
    "looks the contact up and sends it once more with all of them",
    "with all their identifiers",
    0,
)
MADE_MEANWHILE = Promise(
    UPKEEP,
    "400 when a list or a custom field is created: it was made meanwhile",
    "looks it up again and takes it",
    "",
    0,
)
NONE_FOUND = Promise(
    UPKEEP,
    "404 when contacts are looked up",
    "takes it for what it means: none of them is there",
    "not_stored",
    0,
)
ONE_SPOILS_LOOK_UP = Promise(
    UPKEEP,
    "400 when contacts are looked up",
    "halves the look-up until the address that SendGrid does not take is alone",
    "not_stored",
    0,
)

PROMISES = [value for value in list(globals().values()) if isinstance(value, Promise)]
"""All of them, in the order of the table."""
