"""What can go wrong with SendGrid, and what the target does then: tests check these promises, and the docs list them.

What can go wrong with the tap, the machine and the network is in `world_promises.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.harness.runs import Finished

Test = TypeVar("Test", bound="Callable[..., None]")


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
EVERYBODY_NAMED = Promise(
    REQUEST,
    "400 that names most contacts of a request of more than ten",
    "suspects the request first: sends it again after five seconds, and rejects those that are named again while others"
    " are accepted",
    "refused_by_sendgrid: SendGrid refused the contact.",
    0,
)
NO_CONTACT_NAMED = Promise(
    REQUEST,
    "400 that names no contact, or that can't be understood",
    "sends the request again after five seconds, then halves of it, while others are accepted; rejects a contact that"
    " is refused alone, and twice more, each time after another was accepted",
    "refused_by_sendgrid: SendGrid refused the contact without naming a field.",
    0,
)
EVERYTHING_REFUSED = Promise(
    REQUEST,
    "the same for whatever is sent",
    "sends a contact once more that it has settled before (ten contacts alone, if there is none); when that is refused"
    " too, stops and rejects nobody",
    "the request or the account is at fault",
    1,
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
    "408, any 5xx, 400 or 422 without JSON, a cut connection, a time-out, an answer that is incomplete, not JSON,"
    " without a job id, or with the id of an earlier job",
    "sends the same request again, after waits that grow to half a minute; tries other requests and polls jobs"
    " meanwhile",
    "",
    0,
)
LASTING_FAILURE = Promise(
    REQUEST,
    "the same for five minutes, whatever is sent (20 seconds before the first record)",
    "polls the jobs under way until they end or are ten minutes old, then stops",
    "SendGrid could not be reached",
    1,
)
ONE_REQUEST_FAILS = Promise(
    REQUEST,
    "the same four times for one request, while others are accepted",
    "splits it in halves until the contact at which SendGrid fails is alone; rejects that one",
    "refused_by_sendgrid: SendGrid fails at each request with the contact.",
    0,
)
OTHER_REFUSAL = Promise(
    REQUEST,
    "402, 405 and any other 4xx that says nothing about a contact, also 404 without JSON",
    "sends the same request again for a minute, then stops and names the status; rejects nobody",
    "answered 402",
    1,
)
CONTACT_LIMIT = Promise(
    REQUEST,
    "the plan's contact limit is reached: a 4xx, a job or its errors file says so",
    "stops at once, and rejects nobody",
    "the contact limit of its plan",
    1,
)
TOO_LARGE = Promise(
    REQUEST,
    "413, 414, or a 400 about the size of the request that names no contact",
    "splits the request in halves, and sends smaller requests; tries larger ones again after eight were accepted",
    "",
    0,
)
SMALL_TOO_LARGE = Promise(
    REQUEST,
    "the same for a request of 10 kB or less",
    "sends the same request again for a minute, then stops; rejects nobody",
    "bytes for its size",
    1,
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
EVERYBODY_ERRORED = Promise(
    JOB,
    "it is errored, and its errors file names most contacts of more than ten",
    "suspects the job first: looks them up, sends those again that are not there, and rejects those that are named"
    " again while other jobs succeed",
    "its contacts are looked up",
    0,
)
ERRORS_FILE_USELESS = Promise(
    JOB,
    "it is errored, and the errors file is missing, expired, not a table, or does not account for all errors",
    "rejects nobody but those named; looks the others up, and sends those again that are not there, after 30, 60 and"
    " 120 seconds; then as for a failed job",
    "its contacts are looked up",
    0,
)
JOB_FAILED = Promise(
    JOB,
    "it failed, with or without an errors file",
    "looks its contacts up, and sends those again that are not there, after 30, 60 and 120 seconds; rejects those that"
    " an errors file names again",
    "failed: its contacts are looked up, and those not found are sent again in 30 s",
    0,
)
CONTACT_FAILS_JOBS = Promise(
    JOB,
    "it failed four times",
    "splits it while other jobs succeed, until the contact that makes jobs fail is alone; rejects that one",
    "not_stored: SendGrid's import job fails with the contact",
    0,
)
ALL_JOBS_FAIL = Promise(
    JOB,
    "all jobs fail",
    "sends a contact once more that it has settled before (ten contacts alone, if there is none); when that job fails"
    " too, stops and rejects nobody",
    "and so did others before it. Nobody was rejected for it.",
    1,
)
OTHER_JOB = Promise(
    JOB,
    "it is completed for another number of contacts than were sent",
    "confirms nobody without a look-up; sends those again that are not there",
    "that were sent: its contacts are looked up",
    0,
)
JOB_UNKNOWN = Promise(
    JOB,
    "SendGrid has not known its id for a minute (404)",
    "looks its contacts up, and sends those again that are not there",
    "is unknown to SendGrid: its contacts are looked up",
    0,
)
UNTRACKED_JOB = Promise(
    JOB,
    "there may be one that nobody can poll, because the answer to a request was lost",
    "holds newer values of its people back until it can't be under way any more: twice as long as the longest job took,"
    " from two to ten minutes",
    "SendGrid may still work on older values",
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
    "concludes that SendGrid holds none of them, if the answer is JSON; a proxy's 404 is tried again",
    "",
    0,
)
ADDRESS_REFUSED = Promise(
    LISTS_AND_FIELDS,
    "400 when contacts are looked up",
    "splits the look-up in halves until the address that SendGrid refuses is alone; takes that contact as not found",
    "",
    0,
)

FALSELY_NEW = Promise(
    LISTS_AND_FIELDS,
    "a search does not find people whom SendGrid has, while `account_contact_limit` leaves no room for new ones",
    "looks all who were not found up once more after a minute, before it leaves anybody out",
    "looking them up once more in 60 s",
    0,
)

PROMISES = [value for value in list(globals().values()) if isinstance(value, Promise)]
"""All promises about SendGrid, in the order of the tables."""
