"""What the sandbox emulates of SendGrid, what it does not, what it simplifies, and which faults can be ordered."""

from __future__ import annotations

from typing import Any

from target_sendgrid.sandbox.account.errors_files import COLUMNS

EMULATED = {
    "PUT /v3/marketing/contacts": "Upsert: limits, refusals, identity and merge rules, custom fields, lists.",
    "GET /v3/marketing/contacts": "Sample of 50.",
    "DELETE /v3/marketing/contacts": "By ids; deleting all is a violation.",
    "GET /v3/marketing/contacts/count": "With identifier counts; deleted contacts stay billed for the month.",
    "GET /v3/marketing/contacts/{id}": "One contact.",
    "POST /v3/marketing/contacts/batch": "Up to 100 ids.",
    "DELETE /v3/marketing/contacts/{contact_id}/identifiers": "One identifier, never the only one.",
    "GET /v3/marketing/contacts/imports/{id}": "Jobs of upserts, deletions and list removals.",
    "POST /v3/marketing/contacts/exports": "Of lists or of everybody, as JSON lines or CSV; no mail is sent.",
    "GET /v3/marketing/contacts/exports": "All at once.",
    "GET /v3/marketing/contacts/exports/{id}": "",
    "POST /v3/marketing/contacts/search": "Only email = '…', email IN (…), CONTAINS(list_ids, '…').",
    "POST /v3/marketing/contacts/search/emails": "Alternate emails too.",
    "POST /v3/marketing/contacts/search/identifiers/{identifier_type}": "All four kinds.",
    "POST /v3/marketing/lists": "",
    "GET /v3/marketing/lists": "Paged.",
    "GET /v3/marketing/lists/{id}": "With contact_sample.",
    "PATCH /v3/marketing/lists/{id}": "",
    "DELETE /v3/marketing/lists/{id}": "With delete_contacts.",
    "GET /v3/marketing/lists/{id}/contacts/count": "",
    "DELETE /v3/marketing/lists/{id}/contacts": "",
    "POST /v3/marketing/field_definitions": "",
    "GET /v3/marketing/field_definitions": "",
    "PATCH /v3/marketing/field_definitions/{custom_field_id}": "",
    "DELETE /v3/marketing/field_definitions/{custom_field_id}": "At once; the live API takes minutes.",
    "GET /v3/scopes": "",
    "POST /v3/asm/groups": "",
    "GET /v3/asm/groups": "",
    "GET /v3/asm/groups/{group_id}": "",
    "DELETE /v3/asm/groups/{group_id}": "A violation.",
    "POST /v3/asm/groups/{group_id}/suppressions": "Global if the group does not exist, which is a violation.",
    "GET /v3/asm/groups/{group_id}/suppressions": "",
    "POST /v3/asm/groups/{group_id}/suppressions/search": "",
    "DELETE /v3/asm/groups/{group_id}/suppressions/{email}": "A violation.",
    "GET /v3/asm/suppressions": "Those of groups.",
    "POST /v3/asm/suppressions/global": "",
    "GET /v3/asm/suppressions/global/{email}": "",
    "DELETE /v3/asm/suppressions/global/{email}": "A violation.",
    "GET /v3/suppression/unsubscribes": "Paged, newest first.",
    "POST /v3/recipients/erasejob": "Remembers the addresses; contacts and suppressions stay.",
}
"""Routes that the sandbox serves, in the vendor's spelling, and notes about them."""

NOT_EMULATED = {
    "PUT /v3/marketing/contacts/imports": "CSV import.",
    "/v3/suppression/*": "Bounces, blocks, spam reports and invalid emails; only unsubscribes are there.",
    "/v3/marketing/segments/*": "Segments; a contact's segment_ids are always empty.",
    "/v3/mail/send": "Nothing is ever sent.",
}

FAULTS = {
    "status": "any status with any body and headers, in place of the route's answer",
    "html_error": "a proxy's page of HTML with any status",
    "refusal": "400 that names contacts by index or by quoting them, everybody or nobody; addresses are quoted",
    "status_after": "as status, after the request was handled",
    "reset": "the connection is cut before the request is handled",
    "cut_after": "the connection is cut after the request was handled",
    "truncate": "the connection is cut in the middle of the answer",
    "delay": "the answer comes late",
    "rate_limited": "429 with or without the headers that announce a wait",
    "no_job_id": "the job is queued, and the answer lacks its id",
    "job_id_repeated": "the answer holds the id that was answered before",
    "job_failed": "the job ends failed, with its contacts stored or not, with or without an errors file",
    "job_stuck": "the job stays pending, with its contacts stored or not",
    "job_lost": "the job's id is answered with 404, with its contacts stored or not",
    "job_late": "the job is applied later than usual, possibly after newer ones",
    "job_errored_rows": "some contacts are turned down",
    "job_result": "the job ends with any status, counts and errors file",
    "errors_file": "the job's errors file is missing, broken, or names too few or too many",
    "contacts_unseen": "a search does not see some contacts",
    "lists_unseen": "a search does not see which lists some contacts are on",
    "suppressions_left_out": "a request to suppress suppresses only some addresses, and its answer says which",
    "export_failed": "the export ends as failure",
    "export_stuck": "the export stays pending",
    "export_file": "files of the export are missing or broken, or have other rows than its contact_count says",
}
"""Kinds of faults that can be ordered at `/_sandbox/faults`, by the attributes of `http.faults.Fault`."""

SIMPLIFIED = (
    "Sub-accounts named in on-behalf-of are checked against the option subusers, but share one account's data.",
    "Limits and errors of suppressions were never recorded; all mail may be suppressed to contacts that do not exist.",
    "A contact becomes visible at the moment when its job becomes final.",
    "An export shows the account as it was when the export was asked for.",
    "Counts of a pending job are worked out early only while few contacts wait (option counts_preview_max_contacts).",
    "Where the live API reports the plan's contact limit was never recorded; option contact_limit_in selects a place.",
    "Words of errors that were never recorded are the sandbox's own.",
    f"The errors file's columns were never recorded; option errors_file_columns takes any of: {', '.join(COLUMNS)}.",
    "The contact's fields keep their exact text; Unicode normalisation and HTML cleaning are not imitated.",
)


def document() -> dict[str, Any]:
    """Return what is emulated, what is not, what is simplified, and the faults, as plain values for JSON."""
    return {"emulated": EMULATED, "not_emulated": NOT_EMULATED, "simplified": SIMPLIFIED, "faults": FAULTS}


def as_text() -> str:
    """Return what is emulated, what is not, what is simplified, and the faults, as text for people."""
    parts = ["Emulated:", *(f"  {route}  {note}".rstrip() for route, note in EMULATED.items()), ""]
    parts += ["Not emulated:", *(f"  {route}  {note}" for route, note in NOT_EMULATED.items()), ""]
    parts += ["Simplified:", *(f"  {note}" for note in SIMPLIFIED), ""]
    return "\n".join(
        (*parts, "Faults to order at /_sandbox/faults:", *(f"  {kind}: {what}" for kind, what in FAULTS.items()))
    )
