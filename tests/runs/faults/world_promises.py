"""What can go wrong with the tap, the machine and the network, and what the target does then."""

from __future__ import annotations

from tests.runs.faults.promises import Promise

PROCESS, DISK, TAP, NETWORK = "The process", "Files and pipes", "The tap", "The network and the clock"
REJECTED = "Rejected records"
REMOVALS = "Rows that take people off lists"
CONSENT = "People who have unsubscribed"
FORGETTING = "Contacts to be deleted, and people to be erased"

KILLED = Promise(
    PROCESS,
    "`kill -9`, a crash or a power cut, at any moment",
    (
        "has written no state that covers a record that is not settled: the next run sends those records, and none is"
        " lost. If that run starts within minutes, a job of the killed run may still end after its first jobs"
    ),
    "",
    137,
)
TERMINATED = Promise(
    PROCESS,
    "SIGTERM",
    "stops reading, waits up to 30 seconds for contacts that were sent, and writes the newest state that is settled",
    "Stopped by signal 15. The next run resumes from the last state written.",
    143,
)
INTERRUPTED = Promise(PROCESS, "SIGINT (Ctrl-C)", "the same", "Stopped by signal 2.", 130)
SECOND_SIGNAL = Promise(PROCESS, "a second signal", "ends at once", "Stopped without waiting for what was sent.", 143)
OUTPUT_CLOSED = Promise(
    DISK,
    "standard output, which takes the states, was closed by its reader, or its disk is full",
    "stops with one line in the log; the next run resumes from the last state that was written",
    "The state can't be written to standard output",
    1,
)
LOG_CLOSED = Promise(
    DISK,
    "standard error, which takes the log, was closed by its reader, or its disk is full",
    "continues without a log",
    "",
    0,
)
REJECTED_FILE_FULL = Promise(
    DISK,
    "the disk is full under `rejected_records_path`",
    "stops; no state covers a rejected record that is not in the file",
    "Rejected records can't be written to",
    1,
)
REPORT_FULL = Promise(
    DISK,
    "the disk is full under `report_path`",
    "settles all records and writes the last state; an older report is not changed",
    "the report can't be written to",
    1,
    is_all_settled=True,
)
TAP_DIES = Promise(
    TAP,
    "it ends in the middle of a line",
    "sends the records before that line, then stops",
    "is not valid JSON. A tap that ends early leaves half a line",
    1,
)
BATCH_FILE_CUT = Promise(
    TAP,
    "a JSONL file that a BATCH message lists, compressed or not, ends in the middle of a record",
    "sends the records before that place, then stops; no state after that BATCH message is written",
    "of the BATCH message",
    1,
)
TAP_STALLS = Promise(
    TAP,
    "it writes nothing for minutes",
    "continues to settle records and write states; sends batches that have been open for five minutes",
    "",
    0,
)
SCHEMAS_ALTERNATE = Promise(
    TAP,
    "it changes the schema of a stream again and again",
    "reads each record by the last schema before it; memory does not grow",
    "",
    0,
)
PATTERNS_ARE_SLOW = Promise(
    TAP,
    "its schema has a pattern that takes seconds on many records",
    (
        "rejects a record whose validation takes 5 seconds of CPU time; stops once the records that took more than 0.1"
        " seconds took a minute in all"
    ),
    "Validating records takes too long",
    1,
)
TOO_MANY_REJECTED = Promise(
    REJECTED,
    "more than `max_rejected_percent` allows, or all: the tap has changed, or the field mapping is wrong",
    (
        "sends the good ones; writes no state while too many of the records before it are rejected, so that the next"
        " run, with the mapping corrected, brings all of them again"
    ),
    "No state from line",
    1,
)
FEW_REJECTED = Promise(
    REJECTED,
    "ten at most while others are accepted, or a share within `max_rejected_percent`",
    "sends the others",
    "",
    0,
)
NO_IDENTIFIER = Promise(
    REJECTED,
    "people without an address, or without any mapped identifier",
    "rejects and keeps their records; these do not count for `max_rejected_percent` if anybody is accepted",
    "no_identifier",
    0,
)
UNREACHABLE_AT_FIRST = Promise(
    NETWORK,
    "before the first record: the host's name is unknown, there is no route to it, or it refuses the connection",
    "retries for 20 seconds, then stops; nothing was sent",
    "Nothing was sent. Check `api_url` and the network, and run again.",
    1,
)
UNREACHABLE_FOR_A_WHILE = Promise(
    NETWORK,
    "the same during the run, for less than five minutes",
    "sends the same request again, after waits that grow to half a minute",
    "",
    0,
)
UNREACHABLE_FOR_LONG = Promise(
    NETWORK,
    "the same during the run, for five minutes",
    "stops",
    "What SendGrid has confirmed stays; run again to send the rest.",
    1,
)
CLOCK_JUMPS = Promise(
    NETWORK,
    "the machine's clock is wrong, or jumps back or ahead",
    (
        "uses a monotonic clock; when a rate limit names a date for its reset, waits two minutes at most, and longer"
        " after each wait that was too short"
    ),
    "",
    0,
)
SHARED_ACCOUNT = Promise(
    NETWORK,
    "several targets write to one account at the same time",
    "each waits for the next minute when the rate limit of this one is used up: at most one refused request a minute",
    "",
    0,
)

REMOVAL_FAILED = Promise(
    REMOVALS,
    "SendGrid's job that takes people off a list fails, is lost, or does not end",
    "looks the people up, and takes those off again who are still on the list",
    "List-removal job",
    0,
)
REMOVAL_WITHOUT_EFFECT = Promise(
    REMOVALS,
    "SendGrid's job completes, and the people are still on the list",
    "takes them off again; a person counts as removed only when a look-up no longer finds the person on the list",
    "completed without effect on 1 contact: sending its contacts again",
    0,
)
REMOVED_IS_ABSENT = Promise(
    REMOVALS,
    "a person who is to leave a list is not in SendGrid",
    "looks the person up again after a minute, creates nobody, and counts the record as not found",
    "1 not found",
    0,
)
REMOVAL_STOPPED = Promise(
    REMOVALS,
    "a signal stops the run",
    "takes nobody more off a list; the next run does it",
    "Stopped by signal 15",
    143,
)
REMOVAL_OVER_LIMIT = Promise(
    REMOVALS,
    "more records are rejected than `max_rejected_percent` allows",
    "takes nobody off a list; no state covers the rows that ask for it",
    "1 record that would take people off lists: nothing of it was done",
    1,
)
REMOVAL_CEILING = Promise(
    REMOVALS,
    "more people would leave lists than `max_removals` allows",
    "takes off as many as it allows; no state covers the others",
    "1 person was not taken off a list, since `max_removals` allows 1 in one run",
    1,
)
SUPPRESSION_FAILED = Promise(
    CONSENT,
    "SendGrid does not answer when people are to be suppressed",
    "tries again for five minutes; then it ends the run, and nothing is sent of these people",
    "SendGrid could not be reached",
    1,
)
SUPPRESSION_LEFT_OUT = Promise(
    CONSENT,
    "SendGrid's answer names only some of those who were to be suppressed",
    "suppresses the others again, and sends nobody before",
    "",
    0,
)
SUPPRESSION_REFUSED = Promise(
    CONSENT,
    "SendGrid refuses to suppress an address",
    "suppresses all others; the person is rejected, and neither sent nor taken off a list",
    "nothing else is done for this person",
    0,
)
SUPPRESSED_GLOBALLY = Promise(
    CONSENT,
    "SendGrid has put people on the global list instead of the group",
    "stops at once: they get no mail at all any more",
    "[wrong-group]",
    1,
)
SUPPRESSION_STOPPED = Promise(
    CONSENT,
    "a signal stops the run",
    "suppresses nobody more, and sends nothing of these people; the next run does it",
    "Stopped by signal 15",
    143,
)
SUPPRESSION_CEILING = Promise(
    CONSENT,
    "more than 10 people and more than half of the run would be unsubscribed, or more than `max_suppressions` allows",
    "suppresses none of them, sends none of them, and takes none of them off a list; no state covers them",
    "[too-many-suppressions]",
    1,
)
DELETION_FAILED = Promise(
    FORGETTING,
    "SendGrid's deletion job fails, is lost or stays pending",
    "looks up who is still in the account, and deletes these people again",
    "",
    0,
)
DELETION_WITHOUT_EFFECT = Promise(
    FORGETTING,
    "SendGrid's deletion job completes, and contacts are still there",
    "deletes them again; nobody counts as deleted who is found by an identifier or by id",
    "completed without effect",
    0,
)
ERASURE_REFUSED = Promise(
    FORGETTING,
    "SendGrid refuses to erase an address",
    "erases all others, and rejects the row; the contact is deleted",
    "refused_by_sendgrid",
    0,
)
ERASURE_FAILED = Promise(
    FORGETTING,
    "SendGrid does not answer when people are to be erased",
    "tries again for five minutes; then it ends the run, and no state covers them: the next run erases them",
    "SendGrid could not be reached",
    1,
)
ERASURE_CEILING = Promise(
    FORGETTING,
    "more than 10 people and more than 10 % of the account would be deleted, or more than `max_removals` allows",
    "deletes and erases none of them; no state covers them",
    "[too-many-removals]",
    1,
)
WORLD_PROMISES = [value for value in list(globals().values()) if isinstance(value, Promise)]
"""All promises about the tap, the machine and the network, in the order of the tables."""
