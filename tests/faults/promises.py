"""What can go wrong with SendGrid, and what the target does then: tests check these promises, and the docs list them.

What can go wrong with the tap, the machine and the network is in `world_promises.py`.
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
"""The last message of the tap in a test's run: all records come before it."""


@dataclass(frozen=True)
class Promise:
    """One row of the tables in the docs."""

    group: str
    """Heading of the table that the row is in."""
    symptom: str
    """What goes wrong: the column "What happens" in the docs."""
    reaction: str
    """What the target does about it: the column "What target-sendgrid does" in the docs."""
    sees: str
    """Words that the user sees in the log, or in the error that ends the run; empty where nothing is logged."""
    exit_code: int
    is_all_settled: bool | None = None
    """Whether the last state is written. `None` means: exactly when the run succeeds."""

    @property
    def has_last_state(self) -> bool:
        """Whether the last state is written."""
        return self.exit_code == 0 if self.is_all_settled is None else self.is_all_settled

    def is_kept_by(self, run: Finished) -> bool:
        """Return whether the exit code, the log and the last state of a run are as promised."""
        is_state_written = '{"n": 9}' in run.states
        has_crashed = "Traceback" in run.log or "Internal error" in run.log
        is_logged = self.sees in run.log and not has_crashed
        return is_logged and run.exit_code == self.exit_code and is_state_written == self.has_last_state


def proves(*promises: Promise) -> Callable[[Test], Test]:
    """Mark a test with the promises that it checks."""

    def mark(test: Test) -> Test:
        test.promises = promises  # type: ignore[attr-defined]  # functions take attributes
        return test

    return mark


KEY, REQUEST, JOB, LISTS_AND_FIELDS = "The key", "A request", "An import job", "Lists, custom fields and look-ups"

KEY_REFUSED = Promise(
    KEY,
    "SendGrid refuses the key (401)",
    "stops at once without a retry; never logs the key",
    "SendGrid refused the API key (401)",
    1,
)
KEY_FORBIDDEN = Promise(
    KEY,
    "the key lacks a scope (403)",
    "stops at once; names the missing scope, and says which legacy accounts have no access",
    "Give the key Marketing access (scope `marketing.read`",
    1,
)
CONTACTS_NAMED = Promise(
    REQUEST,
    "400 that names contacts, by their index or their email",
    "rejects those records and sends the others again at once",
    "refused_by_sendgrid: SendGrid refused the contact.",
    0,
)
NO_CONTACT_NAMED = Promise(
    REQUEST,
    "400 that names no contact, or that can't be understood",
    "splits the request in halves until the contact that SendGrid refuses is alone; rejects that one",
    "refused_by_sendgrid: SendGrid refused the contact without naming a field.",
    0,
)
FIELD_NOT_READY = Promise(
    REQUEST,
    "400 about a custom field that was just created",
    "sends the request again every five seconds, for up to a minute",
    "Created custom field",
    0,
)
FIELD_GONE = Promise(
    REQUEST,
    "400 about a custom field that SendGrid still does not know after a minute",
    "stops and names the field; rejects no record for it",
    "SendGrid does not accept the custom field",
    1,
)
NAMED_LIST_GONE = Promise(
    REQUEST,
    "404: a list that the settings give by name was deleted during the run",
    "finds a list of that name, or creates it if `create_list` allows; sends all contacts that are not settled to it",
    "was deleted during the run: its contacts go to",
    0,
)
LIST_GONE = Promise(
    REQUEST,
    "404: a list was deleted that the settings give by id, or that `create_list` does not allow to create",
    "stops; never sends contacts without their list",
    "was deleted during the run",
    1,
)
TRANSIENT_FAILURE = Promise(
    REQUEST,
    "408, 500, 502, 503, 504, a cut connection, a time-out, an answer that is incomplete, not JSON or without a job id",
    "sends the same request again, after waits that grow to half a minute",
    "",
    0,
)
LASTING_FAILURE = Promise(
    REQUEST,
    "the same for five minutes (20 seconds before the first record)",
    "stops",
    "SendGrid could not be reached",
    1,
)
TOO_LARGE = Promise(
    REQUEST,
    "413, or an error message about the size of the request",
    "splits the request in halves, and sends smaller requests for the rest of the run",
    "",
    0,
)
RATE_LIMITED = Promise(
    REQUEST,
    "429, too many requests",
    "waits as long as SendGrid's headers ask, or longer each time if they are missing; stops after half an hour",
    "",
    0,
)
JOB_PENDING = Promise(
    JOB,
    "it is pending",
    "polls it again about when it is likely to end; until some job has ended, after waits that grow to half a minute",
    "1 contact confirmed",
    0,
)
JOB_OVERDUE = Promise(
    JOB,
    "it is still pending after `job_timeout_seconds`",
    "looks every contact up and compares its values; sends the contacts that differ once more",
    "is still pending after",
    0,
)
JOB_NEVER_ENDS = Promise(
    JOB,
    "the second job for those contacts is still pending after `job_timeout_seconds` as well",
    "stops, unless SendGrid holds every contact as it was sent",
    "of its contacts are not in SendGrid",
    1,
)
JOB_CHANGED_LESS = Promise(
    JOB,
    "it is completed, and fewer contacts were created or updated than sent",
    "counts all as confirmed: SendGrid does not count contacts that did not change",
    "1 contact confirmed, 0 of them created or changed",
    0,
)
JOB_ERRORED = Promise(
    JOB,
    "it is errored, with an errors file (any columns, plain or gzip)",
    "downloads the file at once, without sending the key; rejects the records that it names",
    "failed_in_job: SendGrid's import job reported an error.",
    0,
)
ERRORS_FILE_USELESS = Promise(
    JOB,
    "it is errored, and the errors file is missing, expired, not a table, or does not account for all errors",
    "looks the contacts up for two minutes; rejects those that SendGrid does not hold as they were sent",
    "not_stored: The import job ended with errors",
    0,
)
JOB_FAILED = Promise(
    JOB,
    "it failed without a reason",
    "sends its contacts again, up to three times",
    "failed without a reason: sending its contacts again",
    0,
)
JOB_ALWAYS_FAILS = Promise(
    JOB,
    "it failed without a reason four times",
    "splits it in halves until the contact that fails is alone; rejects that one",
    "failed_in_job: SendGrid's import job failed 4 times without a reason.",
    0,
)
ACCOUNT_FULL = Promise(
    JOB,
    "it failed because of the plan's contact limit",
    "stops without a retry",
    "the account has reached the contact limit of its plan",
    1,
)
JOB_UNKNOWN = Promise(
    JOB,
    "SendGrid does not know its id (404)",
    "polls it for a minute, then sends its contacts again",
    "is unknown to SendGrid: sending its contacts again",
    0,
)
IDENTIFIER_LEFT_OUT = Promise(
    JOB,
    "a contact fails, in the job or the request, because SendGrid holds more identifiers of it than were sent",
    "looks the contact up and sends it once more with all of them",
    "with all their identifiers",
    0,
)
CREATED_MEANWHILE = Promise(
    LISTS_AND_FIELDS,
    "400 when a list or a custom field is created, because it exists by now",
    "looks it up again and uses it",
    "",
    0,
)
NONE_FOUND = Promise(
    LISTS_AND_FIELDS,
    "404 when contacts are looked up",
    "concludes that SendGrid holds none of them",
    "not_stored",
    0,
)
ADDRESS_REFUSED = Promise(
    LISTS_AND_FIELDS,
    "400 when contacts are looked up",
    "splits the look-up in halves until the address that SendGrid refuses is alone; takes that contact as not found",
    "not_stored",
    0,
)

PROMISES = [value for value in list(globals().values()) if isinstance(value, Promise)]
"""All promises about SendGrid, in the order of the tables."""
