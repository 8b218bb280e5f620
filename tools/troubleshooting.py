"""What `docs/troubleshooting.md` says about each code of an error, beside the mistakes that lead to it."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from target_sendgrid.errors import Code
from tests.runs.mistakes import MISTAKES
from tests.runs.other_mistakes import OTHER_MISTAKES

if TYPE_CHECKING:
    from collections.abc import Iterator

_WIDTH = 120

ADVICE = {
    Code.CONFIG_FILE: "A file that `--config` names is missing, or is no JSON object in UTF-8. Nothing was sent.",
    Code.WRONG_SETTING: (
        "A setting is unknown, has a wrong type, or contradicts another one: nothing was sent. Or a stream without an"
        " entry in `streams` or `stream_maps` has nearly the name of one: nothing of it was sent. All settings are in"
        " the [README](../README.md#settings); in the environment, objects are JSON."
    ),
    Code.WRONG_LOGGING: (
        "The log level in `TARGET_SENDGRID_LOGLEVEL` or `LOGLEVEL`, or the file that `SINGER_SDK_LOG_CONFIG` names,"
        " can't be used. The levels are DEBUG, INFO, WARNING, ERROR and CRITICAL."
    ),
    Code.KEY_MISSING: "Make a key in SendGrid with Marketing access, or set `api_url` to `sandbox`.",
    Code.CONSENT_MISSING: (
        "Personal data goes to SendGrid only after `data_privacy_consent` was set to true. A sandbox does not need it."
    ),
    Code.LIST_MISSING: "Every stream that is sent needs a list: one for all streams, or one under `streams`.",
    Code.WRONG_LIST: (
        "The settings name a list that SendGrid does not have, or that can't be told from others. Write its name as"
        " SendGrid has it, or give its id in `list_id`."
    ),
    Code.WRONG_MAPPING: (
        "The field mapping does not fit the stream or the account. Nothing of the stream was sent. The contact field is"
        " on the left, the property of the record on the right: `first_name: given`. At debug level, the log has each"
        " pair."
    ),
    Code.WRONG_STREAM_MAP: (
        "`stream_maps` has something that is no expression, or that does not fit the stream. A text needs quotes of its"
        " own: `\"'text'\"`."
    ),
    Code.SANDBOX_FAILED: (
        "The embedded sandbox could not start. A line above the error says why. It needs the extra `sandbox`, and a"
        " folder for its database."
    ),
    Code.KEY_REFUSED: (
        "SendGrid answers 401. Keys of EU accounts need `region: eu`. SendGrid shows a key only once: make a new one."
    ),
    Code.KEY_FORBIDDEN: (
        "SendGrid answers 403, or the key lacks a scope that a setting needs. In SendGrid, under Settings > API Keys,"
        " give the key full access to Marketing, and the [scopes](../README.md#scopes-of-the-api-key) that the log"
        " names."
    ),
    Code.CERTIFICATE: (
        "The certificate of the server can't be trusted, as behind a company's proxy. Let `REQUESTS_CA_BUNDLE` name a"
        " file with the proxy's certificates."
    ),
    Code.UNREACHABLE: (
        "There was no usable answer: for 20 seconds before the first record, or for five minutes during the run. What"
        " SendGrid has confirmed stays, and the next run sends the rest."
    ),
    Code.UNEXPECTED_ANSWER: (
        "No such answer of SendGrid is known. Most often a proxy has answered, or `api_url` leads to another server."
    ),
    Code.REQUEST_REFUSED: (
        "SendGrid refuses the content of requests, and contacts do not seem to be at fault. Nobody was rejected for it."
        " Look for messages about the account in SendGrid."
    ),
    Code.CONTACT_LIMIT: "The plan is full. Nobody was rejected for it: after an upgrade, the next run sends the rest.",
    Code.FIELD_REFUSED: (
        "SendGrid does not create a custom field, or does not know one that it had. Map the property to an existing"
        " field, or delete custom fields that nobody needs."
    ),
    Code.LIST_REFUSED: "SendGrid does not create the list. Delete lists that nobody needs, or name an existing one.",
    Code.LIST_DELETED: (
        "The list was deleted during the run, or SendGrid takes no contacts for it. A list that is given by name is"
        " created again, one that is given by id is not."
    ),
    Code.JOB_FAILED: (
        "SendGrid has accepted contacts, and its import jobs failed or did not end. The next run sends them again."
        " Look at SendGrid's status page, and raise `job_timeout_seconds` if its jobs take hours."
    ),
    Code.WRONG_INPUT: (
        "Standard input is no stream of Singer messages. Look at the tap's own log: most often it has failed, or prints"
        " something. What came before is sent."
    ),
    Code.WRONG_SCHEMA: (
        "A stream's SCHEMA is no valid JSON schema where its records need it. Fix the tap, or set `validate_records` to"
        " false."
    ),
    Code.BATCH_FILE: "A file that a BATCH message lists can't be read. What came before is sent.",
    Code.SLOW_VALIDATION: (
        "The SCHEMA has patterns that take seconds on some records. Simplify them, or set `validate_records` to false."
    ),
    Code.PROFILE_CAP: "The run has more people than `profile_cap` allows. It guards the plan; 0 means no cap.",
    Code.MIRROR_WITHHELD: (
        "A mirrored list keeps members who were not in the run: a guard has not let them be taken off. What was sent is"
        " on the list. [Why was nobody removed?](why-was-nobody-removed.md) has each reason, and what to do."
    ),
    Code.TOO_MANY_SUPPRESSIONS: (
        "More people would be unsubscribed than `max_suppressions` allows: none of them was unsubscribed or sent. A"
        " property that is read the wrong way round is the most likely reason. See"
        " [Who gets no mail](../README.md#who-gets-no-mail)."
    ),
    Code.WRONG_GROUP: (
        "The account has no unsubscribe group with the id in `suppression_group_id`. SendGrid would unsubscribe people"
        " from everything for an unknown group. The ids are in SendGrid under Suppressions > Unsubscribe Groups."
    ),
    Code.ACCOUNT_LIMIT: (
        "The account has as many contacts as `account_contact_limit` allows. People whom SendGrid has were sent; the"
        " next run brings the others again. See"
        " [The contact limit of your plan](../README.md#the-contact-limit-of-your-plan)."
    ),
    Code.TOO_MANY_REMOVALS: (
        "More people would leave a list than `max_removals` allows. See"
        " [Who leaves a list](../README.md#who-leaves-a-list)."
    ),
    Code.TOO_MANY_REJECTED: (
        "More records were rejected than `max_rejected_percent` allows. The others were sent. No state is written while"
        " too many of the records before it are rejected, so the next run brings them again."
    ),
    Code.SNAPSHOT: (
        "The file in `snapshot_path` can't be used: another run uses it, it is another account's, or it is no snapshot."
        " Nothing was sent. It is safe to delete a snapshot: see"
        " [Unchanged people are not sent again](../README.md#unchanged-people-are-not-sent-again)."
    ),
    Code.LOCAL_FILE: (
        "A file, disk or pipe of this machine failed. The sentence names the setting or the path. If standard output"
        " is closed, no state could be written: run again from the last one."
    ),
    Code.STOPPED: (
        "A signal has ended the run, such as Ctrl-C. What was sent is settled for up to 30 seconds, and the next run"
        " resumes from the last state written. The exit code is 128 plus the number of the signal."
    ),
    Code.INTERNAL_ERROR: (
        "This should not happen. Please report the line with the version of the target: it holds nothing of your data."
    ),
}


def entries() -> str:
    """Return the part of the page that has an entry for each code."""
    return "\n\n".join("\n".join(_entry(code)) for code in Code)


def warnings() -> str:
    """Return the table of what does not end a run."""
    return "\n".join(_table(None))


def _entry(code: Code) -> Iterator[str]:
    lines = textwrap.wrap(ADVICE[code], _WIDTH, break_long_words=False, break_on_hyphens=False)
    yield from (f"### {code.value}", "", *lines)
    rows = list(_table(code))
    if rows:
        yield from ("", *rows)


def _table(code: Code | None) -> Iterator[str]:
    found = [mistake for mistake in [*MISTAKES, *OTHER_MISTAKES] if mistake.code is code]
    if found:
        yield from ("| What is wrong | What the log says |", "|---|---|")
    for mistake in found:
        fence = "``" if "`" in mistake.says else "`"
        blank = " " if fence == "``" else ""
        yield f"| {mistake.what} | {fence}{blank}{mistake.says}{blank}{fence} |"
