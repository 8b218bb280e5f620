"""What the sandbox emulates of SendGrid, what it does not, and what it simplifies."""

from __future__ import annotations

from typing import Any

from target_sendgrid.sandbox.account.errors_files import COLUMNS

EMULATED = {
    "PUT /v3/marketing/contacts": "Upsert: limits, refusals, identity and merge rules, custom fields, lists.",
    "GET /v3/marketing/contacts": "Sample of 50.",
    "DELETE /v3/marketing/contacts": "By ids, or all.",
    "GET /v3/marketing/contacts/count": "With identifier counts; deleted contacts stay billed for the month.",
    "GET /v3/marketing/contacts/{id}": "One contact.",
    "POST /v3/marketing/contacts/batch": "Up to 100 ids.",
    "DELETE /v3/marketing/contacts/{contact_id}/identifiers": "One identifier, never the only one.",
    "GET /v3/marketing/contacts/imports/{id}": "Jobs of upserts, deletions and list removals.",
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
}
"""Routes that the sandbox serves, in the vendor's spelling, and notes about them."""

NOT_EMULATED = {
    "PUT /v3/marketing/contacts/imports": "CSV import.",
    "POST /v3/marketing/contacts/exports": "Exports.",
    "GET /v3/marketing/contacts/exports": "Exports.",
    "GET /v3/marketing/contacts/exports/{id}": "Exports.",
    "/v3/asm/*, /v3/suppression/*": "Suppressions and unsubscribe groups.",
    "/v3/marketing/segments/*": "Segments; a contact's segment_ids are always empty.",
    "/v3/mail/send": "Nothing is ever sent.",
}

SIMPLIFIED = (
    "Sub-accounts named in on-behalf-of are checked against the option subusers, but share one account's data.",
    "A contact becomes visible at the moment when its job becomes final.",
    "Counts of a pending job are worked out early only while few contacts wait (option counts_preview_max_contacts).",
    "Where the live API puts the text of a failed job was never recorded; here it is errors[0].message of the job.",
    "Words of errors that were never recorded are the sandbox's own.",
    f"The errors file's columns were never recorded; option errors_file_columns takes any of: {', '.join(COLUMNS)}.",
    "The contact's fields keep their exact text; Unicode normalisation and HTML cleaning are not imitated.",
)


def document() -> dict[str, Any]:
    """Return what is emulated, what is not and what is simplified, as plain values for JSON."""
    return {"emulated": EMULATED, "not_emulated": NOT_EMULATED, "simplified": SIMPLIFIED}


def as_text() -> str:
    """Return what is emulated, what is not and what is simplified, as text for people."""
    parts = ["Emulated:", *(f"  {route}  {note}".rstrip() for route, note in EMULATED.items()), ""]
    parts += ["Not emulated:", *(f"  {route}  {note}" for route, note in NOT_EMULATED.items()), ""]
    return "\n".join((*parts, "Simplified:", *(f"  {note}" for note in SIMPLIFIED)))
