"""Every switch of the sandbox: behaviour of the live API that varies or is not known, and how long jobs take."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal, get_type_hints

import msgspec


class BadOptionError(Exception):
    """A switch does not exist or does not take this value. The message is one sentence for the user."""


def _switch(default: Any, help_text: str) -> Any:  # noqa: ANN401 - a field has the type of its annotation
    return field(default=default, metadata={"help": help_text})


@dataclass(frozen=True, kw_only=True)
class Options:
    """One field per switch; defaults are the recorded behaviour, or the stricter guess where nothing is recorded."""

    max_body_bytes: int = _switch(6_000_000, "Largest request body; 4194304 is what a production user ran into.")
    body_too_large_html: bool = _switch(
        default=False, help_text="Answer an oversized body with the proxy's HTML page, not JSON."
    )
    rate_limit_enabled: bool = _switch(default=True, help_text="Count requests and answer 429 when a bucket is empty.")
    rate_limit_contacts: int = _switch(200, "Requests a minute for PUT, DELETE and search of contacts.")
    rate_limit_other: int = _switch(600, "Requests a minute for every other route of Marketing Campaigns.")
    rate_limit_erasure: int = _switch(100, "Requests a minute to erase people.")
    rate_limit_window_seconds: int = _switch(60, "Length of the minute, for those who can't wait for one.")
    rate_limit_reset: Literal["seconds", "epoch"] = _switch("seconds", "What x-ratelimit-reset holds.")
    retry_after: bool = _switch(default=False, help_text="Send Retry-After with a 429 (never seen on the live API).")
    job_counts_after_seconds: float = _switch(30.0, "Age at which a pending job shows its counts.")
    job_final_after_seconds: float = _switch(60.0, "Age at which a job is applied, visible and final.")
    counts_preview_max_contacts: int = _switch(
        5_000, "Counts of a pending job are worked out early only while no more contacts than this are waiting."
    )
    count_unchanged_as_updated: bool = _switch(
        default=False, help_text="Count a contact that an upsert did not change as updated."
    )
    field_ready_after_seconds: float = _switch(5.0, "Age at which a new custom field can be written.")
    invalid_email_path: Literal["identifier", "email"] = _switch(
        "identifier", "Last part of the error field that names a contact with an invalid email."
    )
    refusal_names: Literal["index", "email", "nobody"] = _switch(
        "index", "How a refusal names the contacts it is about: by index, only by quoting emails, or not at all."
    )
    unknown_list_status: Literal[404, 400] = _switch(404, "Status of an upsert that names an unknown list.")
    unknown_contact_property: Literal["ignore", "row_error"] = _switch(
        "ignore", "What an unknown property inside a contact does."
    )
    overlong: Literal["row_error", "400", "truncate"] = _switch("row_error", "What an over-long value does.")
    duplicate_in_request: Literal["last_wins", "row_error"] = _switch(
        "last_wins", "What the same contact twice in one request does."
    )
    omitted_identifier: Literal["row_error", "400"] = _switch(
        "row_error", "What leaving out an identifier that the contact already has does."
    )
    null_in_text: Literal["accept", "reject"] = _switch(
        "accept", "What null in a Text custom field does: no change, or 400 as for Number and Date."
    )
    custom_field_names_as_keys: bool = _switch(
        default=False, help_text="Accept names of custom fields where ids are asked for."
    )
    alternate_emails_when_empty: Literal["list", "null"] = _switch("list", "How no alternate emails are shown.")
    contact_quota: int | None = _switch(None, "Most contacts the plan allows; none when left out.")
    contact_limit_in: Literal["errors_file", "refusal", "job_property"] = _switch(
        "errors_file",
        "Where the plan's limit is reported: in the errors file, for the contacts that do not fit (the job is errored, "
        "or failed if none fitted); in a 400, for the whole request; or in an undocumented property of a failed job.",
    )
    max_lists: int = _switch(1_000, "Most lists of an account.")
    max_custom_fields: int = _switch(500, "Most custom fields of an account.")
    errors_file_columns: tuple[str, ...] = _switch(
        ("email", "error"), "Header of the errors file, comma-separated; see the sandbox's coverage page."
    )
    errors_file_gzip: bool = _switch(default=False, help_text="Compress the errors file.")
    errors_file_expires_seconds: float = _switch(3_600.0, "How long an errors file can be fetched.")
    unknown_contact_in_removal: Literal["404", "ignore"] = _switch(
        "404", "What an unknown contact in a removal from a list does: 404 for the whole request, or nothing."
    )
    unknown_contact_in_deletion: Literal["404", "ignore"] = _switch(
        "404", "What an unknown contact in a deletion of contacts does: 404 for the whole request, or nothing."
    )
    unknown_group_answer: Literal["silent", "global"] = _switch(
        "silent",
        "How a suppression in an unknown group is answered, which suppresses globally: without `global`, or with "
        "`global` true.",
    )
    invalid_email_in_suppression: Literal["400", "left_out"] = _switch(
        "400", "What an invalid email in a suppression does: 400 for the whole request, or the answer lacks it."
    )
    suppression_stored_again: bool = _switch(
        default=False, help_text="Store an address that is suppressed again a second time, as was seen in 2016."
    )
    export_ready_after_seconds: float = _switch(30.0, "Age at which the files of an export can be fetched.")
    export_gzip: Literal["always", "never", "mixed"] = _switch(
        "always", "Whether files of exports are compressed: all, none, or every other one. Empty files never are."
    )
    export_file_max_contacts: int | None = _switch(
        None, "Most contacts in a file of an export, besides the max_file_size of the request."
    )
    export_expires_seconds: float = _switch(259_200.0, "How long the files of an export can be fetched.")
    list_count_lag_seconds: float = _switch(
        0.0, "How much later than the members themselves the contact_count of a list changes."
    )
    on_behalf_of_status: Literal[401, 403] = _switch(401, "Status when on-behalf-of names an unknown sub-account.")
    subusers: tuple[str, ...] = _switch((), "Names or ids of the sub-accounts that exist, comma-separated.")
    keep_bodies: bool = _switch(
        default=False, help_text="Keep request bodies in the request log. They hold personal data."
    )

    def changed(self, changes: dict[str, Any]) -> Options:
        """Return a copy with some switches set; text is read as the switch's type.

        Raises:
            BadOptionError: A switch is unknown or a value does not fit.
        """
        kinds = get_type_hints(Options)
        values: dict[str, Any] = {}
        for name, value in changes.items():
            if name not in kinds:
                message = f"The sandbox has no option {name!r}. It has: {', '.join(sorted(kinds))}."
                raise BadOptionError(message)
            values[name] = _converted(name, value, kinds[name])
        return replace(self, **values)

    def quick(self) -> Options:
        """Return a copy in which jobs end after 0.2 seconds and new fields can be used at once."""
        return replace(
            self,
            job_counts_after_seconds=0.1,
            job_final_after_seconds=0.2,
            field_ready_after_seconds=0.0,
            export_ready_after_seconds=0.2,
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the value of every switch, as plain values for JSON."""
        return asdict(self)


def help_texts() -> dict[str, str]:
    """Return the help text of every switch, in the order of the switches."""
    return {switch.name: str(switch.metadata["help"]) for switch in fields(Options)}


def _converted(name: str, value: Any, kind: Any) -> Any:  # noqa: ANN401 - a switch of any type
    if isinstance(value, str) and kind == tuple[str, ...]:
        value = [part.strip() for part in value.split(",") if part.strip()]
    try:
        return msgspec.convert(value, kind, strict=False)
    except msgspec.ValidationError as error:
        message = f"The option {name} does not take {value!r}: {error}."
        raise BadOptionError(message) from error
