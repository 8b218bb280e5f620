"""Every setting of the target: its kind, its default and its meaning.

The README's table, ``meltano.yml``, the plugin definition and ``.env.example`` are generated from `CONFIG_SCHEMA`.
"""

from __future__ import annotations

from typing import Any

from singer_sdk import typing as th

MAX_CONTACTS_PER_REQUEST = 30_000
"""Most contacts that SendGrid takes in one request, by its API description."""

MAX_BYTES_PER_REQUEST = 6_000_000
"""Most bytes of one request, as SendGrid documents it. The default is well below, since 4 MiB were seen refused."""

_SMALLEST_REQUEST_BYTES = 10_000

_LIST_ID = "Id of the list that streams are written to. Give this or `list_name`."
_LIST_NAME = (
    "Name of the list that streams are written to. Give this or `list_id`; a name that two lists share is an error."
)
_LIST_PROPERTY = (
    "Property whose value says which list a record goes to, in place of `list_name`: a text, or an array of texts for"
    " several lists. `lists` has the list of each value; records without one of these values are counted and not sent."
)
_LISTS = "Name of the list for each value of `list_property`: `{value: list name}`."
_LISTS_TYPE = th.CustomType(
    {"type": ["object", "null"], "additionalProperties": {"type": "string"}, "examples": [{"vip": "VIP customers"}]}
)
_SYNC_MODE = (
    "What records do: `upsert` creates and updates contacts and puts them on the list; `update` does so only for people"
    " whom SendGrid has, and creates nobody; `remove` takes people off the list, and creates nobody; `mirror` does as"
    " `upsert`, and at the end of a whole run takes off the list who was not in it, if all guards allow that."
)
_SYNC_MODES = ["upsert", "update", "remove", "mirror"]
_MEMBERSHIP_PROPERTY = (
    "Property that says who is on the list: a record with true adds its person, one with false takes the person off."
    " Records with any other value are rejected."
)
_ON_DELETE = (
    "What a row does that is deleted at the source, with `_sdc_deleted_at` set: `remove_from_list` takes the person off"
    " the stream's list, by any mapped identifier, and the contact stays in SendGrid; `delete_contact` deletes the"
    " contact from the account; `erase` does so and then has SendGrid erase what its mail records say of the person;"
    " `ignore` changes nothing. With `sync_mode: mirror`, `remove_from_list` only makes the person absent."
)
_ON_DELETES = ["ignore", "remove_from_list", "delete_contact", "erase"]
_MAX_REMOVALS = (
    "Most people whom the records of one stream may take off lists in one run; 0 forbids it. At this number nobody"
    " more is taken off, the state stays before the first record that was not done, and the run exits 1. Left out: no"
    " ceiling. For a mirror: most members who may leave the list since they are absent; if there are more, nobody"
    " leaves. Left out: 10, or 10 % of the list if that is more. People who are deleted or erased count, too; left out,"
    " they may be 10, or 10 % of the account's contacts if that is more, and if there are more, nobody is."
)
_SUBSCRIPTION_PROPERTY = (
    "Property that says who has unsubscribed. People with one of `unsubscribed_values` there are put on SendGrid's list"
    " of global unsubscribes, or of `suppression_group_id`, before anything else is done for them. Nobody is ever taken"
    " off such a list."
)
_UNSUBSCRIBED_VALUES = (
    "Values of `subscription_property` that say that somebody has unsubscribed; required with it. `false` means the"
    " opposite in an opt-in and in an opt-out column. Texts are compared without blanks around them and without regard"
    " to ASCII case, numbers and booleans by type and value."
)
_UNSUBSCRIBED_VALUES_TYPE = th.CustomType(
    {
        "type": ["array", "null"],
        "items": {"type": ["string", "number", "boolean"]},
        "minItems": 1,
        "examples": [["unsubscribed"]],
    }
)
_SUPPRESSION_GROUP_ID = (
    "Id of the unsubscribe group that `subscription_property` and `skip_suppressed` are about. Left out: unsubscribes"
    " from everything."
)
_MAX_SUPPRESSIONS = (
    "Most people whom the records of one stream may unsubscribe in one run, those not counted who have unsubscribed in"
    " SendGrid already; 0 forbids it. If there are more, none of them is unsubscribed or sent, the state stays before"
    " the first of them, and the run exits 1. Left out: 10, or half of the people of the run if that is more."
)
_FIELD_MAPPING = (
    "Which property of a record fills which contact field: `{contact field: record property}`. The field is a reserved"
    " field, an identifier or a custom field by name or id; dots in the property reach into objects. Left out:"
    ' properties named like contact fields are taken as they are. Write `{"property": "ltv", "type": "Number"}` for'
    " the property to choose the type of a custom field that is created: `Text`, `Number` or `Date`."
)
_FIELD_MAPPING_TYPE = th.CustomType(
    {
        "type": ["object", "null"],
        "additionalProperties": {
            "type": ["string", "object"],
            "properties": {
                "property": {"type": "string"},
                "type": {"type": ["string", "null"], "enum": ["Text", "Number", "Date", None]},
            },
            "required": ["property"],
            "additionalProperties": False,
        },
        "examples": [{"email": "profile_email"}],
    }
)

_CUSTOM_FIELDS = (
    "Which properties fill contact fields: `mapped` those of `field_mapping`; `all` every other property that is a"
    " single value, too, by its name. Custom fields that are missing need `create_custom_fields`."
)

_LISTS_OF_STREAMS: list[th.Property[Any]] = [
    th.Property("list_id", th.StringType, title="List id", description=_LIST_ID),
    th.Property("list_name", th.StringType, title="List name", description=_LIST_NAME),
    th.Property("list_property", th.StringType, title="List property", description=_LIST_PROPERTY),
    th.Property("lists", _LISTS_TYPE, title="Lists", description=_LISTS),
]
_FIELDS_OF_STREAMS: list[th.Property[Any]] = [
    th.Property("field_mapping", _FIELD_MAPPING_TYPE, title="Field mapping", description=_FIELD_MAPPING),
    th.Property(
        "custom_fields", th.StringType(allowed_values=["mapped", "all"]), default="mapped", title="Custom fields",
        description=_CUSTOM_FIELDS,
    ),
]  # fmt: skip
_PLACES = [*_LISTS_OF_STREAMS, *_FIELDS_OF_STREAMS]
"""Settings of all streams, and of single ones, that say where records go."""

_AUDIENCES: list[th.Property[Any]] = [
    th.Property(
        "sync_mode", th.StringType(allowed_values=_SYNC_MODES), default="upsert", title="Sync mode",
        description=_SYNC_MODE,
    ),
    th.Property(
        "membership_property", th.StringType, title="Membership property", description=_MEMBERSHIP_PROPERTY,
    ),
    th.Property(
        "on_delete", th.StringType(allowed_values=_ON_DELETES), default="remove_from_list", title="On delete",
        description=_ON_DELETE,
    ),
    th.Property(
        "max_removals", th.IntegerType(minimum=0), title="Most removals", description=_MAX_REMOVALS,
    ),
    th.Property(
        "subscription_property", th.StringType, title="Subscription property", description=_SUBSCRIPTION_PROPERTY,
    ),
    th.Property(
        "unsubscribed_values", _UNSUBSCRIBED_VALUES_TYPE, title="Unsubscribed values",
        description=_UNSUBSCRIBED_VALUES,
    ),
    th.Property(
        "suppression_group_id", th.IntegerType(minimum=1), title="Unsubscribe group",
        description=_SUPPRESSION_GROUP_ID,
    ),
    th.Property(
        "max_suppressions", th.IntegerType(minimum=0), title="Most unsubscribes", description=_MAX_SUPPRESSIONS,
    ),
]  # fmt: skip
"""Settings of all streams, and of single ones, that say what records do."""


def _without_default(prop: th.Property[Any]) -> th.Property[Any]:
    """Return a setting of all streams as one of a single stream, which has that of all streams where it is left out."""
    return th.Property(prop.name, prop.wrapped, description=prop.description)


CONFIG_SCHEMA: dict[str, Any] = th.PropertiesList(
    th.Property(
        "api_key", th.StringType, secret=True, title="API key",
        description="SendGrid API key with access to Marketing. Required unless `api_url` is a sandbox. Without it, the"
        " environment variable `SENDGRID_API_KEY` counts, in Meltano and with `--config=ENV`.",
    ),
    th.Property(
        "region", th.StringType(allowed_values=["global", "eu"]), default="global", title="Region",
        description="Region of the SendGrid account: picks the API host.",
    ),
    th.Property(
        "api_url", th.StringType, title="API URL",
        description="Overrides the API host. `sandbox` or `sandbox:PATH.db` starts the embedded SendGrid sandbox, which"
        " needs no account. Plain http is allowed on loopback only.",
    ),
    th.Property(
        "on_behalf_of", th.StringType, title="On behalf of",
        description="Subuser, or `account-id <id>`, that the parent's key acts for.",
    ),
    th.Property(
        "data_privacy_consent", th.BooleanType, default=False, title="Data privacy consent",
        description="Set to true to confirm that you may move these people's personal data to SendGrid. Not needed for"
        " a sandbox or on loopback.",
    ),
    *_LISTS_OF_STREAMS,
    th.Property(
        "create_list", th.BooleanType, default=True, title="Create list",
        description="Create the named list when it is missing.",
    ),
    *_FIELDS_OF_STREAMS,
    th.Property(
        "streams",
        th.ObjectType(
            additional_properties=th.ObjectType(
                *(_without_default(prop) for prop in (*_PLACES, *_AUDIENCES)),
                th.Property("enabled", th.BooleanType, description="False reads the stream and sends nothing of it."),
                additional_properties=False,
            ),
        ),
        title="Streams", examples=[{"people": {"list_name": "Customers"}}],
        description="Settings of single streams, by stream name: "
        + ", ".join(f"`{prop.name}`" for prop in (*_PLACES, *_AUDIENCES))
        + ", `enabled`. A `*` in a name matches any characters; an exact name comes before a pattern, a longer pattern"
        " before a shorter one.",
    ),
    *_AUDIENCES,
    th.Property(
        "skip_suppressed", th.BooleanType, default=False, title="Skip suppressed",
        description="Do not send people who have unsubscribed from everything, or from `suppression_group_id`, and"
        " count them. All unsubscribes are read before the first record, 500 in a request.",
    ),
    th.Property(
        "account_contact_limit", th.IntegerType(minimum=1), title="Contact limit of the account",
        description="Most contacts that the account may have, such as the number that your plan includes: no contact is"
        " created beyond it, and people whom SendGrid has are still updated.",
    ),
    th.Property(
        "on_account_limit", th.StringType(allowed_values=["fail", "truncate"]), default="fail",
        title="On the account's limit",
        description="What happens to new people beyond `account_contact_limit`: `fail` leaves them out, holds the state"
        " before the first of them and exits 1; `truncate` leaves them out, counts them and exits 0.",
    ),
    th.Property(
        "snapshot_path", th.StringType, title="Snapshot file",
        description="SQLite file that remembers whom SendGrid has as they are, so that unchanged people are not sent"
        " again, and who was erased in the last 90 days, so that they are not sent. It holds keyed hashes, no personal"
        " data. Without it, everybody is sent in each run. Only one run at a time may use it.",
    ),
    th.Property(
        "snapshot_max_age_days", th.IntegerType(minimum=1), default=7, title="Longest age in the snapshot",
        description="After so many days people are sent again although they are unchanged: what others change in"
        " SendGrid is not seen.",
    ),
    th.Property(
        "allow_erased", th.BooleanType, default=False, title="Allow erased people",
        description="Send people again whom the snapshot remembers as erased, and forget that they were.",
    ),
    th.Property(
        "create_custom_fields", th.BooleanType, default=False, title="Create custom fields",
        description="Create mapped custom fields that do not exist, typed from the stream's schema.",
    ),
    th.Property(
        "default_phone_region", th.StringType, title="Region of phone numbers", examples=["US"],
        description="ISO code of the country, such as `US` or `GB`, that phone numbers without a country code are of."
        " Left out: records with such a number for `phone_number_id` are rejected.",
    ),
    th.Property(
        "null_handling", th.StringType(allowed_values=["omit", "clear"]), default="omit", title="Null handling",
        description="What a null does: `omit` leaves the field as it is, `clear` empties a text field. SendGrid has no"
        " way to clear a number or a date.",
    ),
    th.Property(
        "profile_cap", th.CustomType({"type": ["integer", "null"], "minimum": 0}), default=100_000, title="Profile cap",
        description="Most distinct profiles of one run, across all streams. 0 means no cap.",
    ),
    th.Property(
        "on_profile_cap", th.StringType(allowed_values=["fail", "truncate"]), default="fail", title="On profile cap",
        description="`fail` loads up to the cap, holds the state there and exits 1; `truncate` leaves the rest out,"
        " counts it and exits 0.",
    ),
    th.Property(
        "batch_size_rows", th.IntegerType(minimum=1, maximum=MAX_CONTACTS_PER_REQUEST),
        default=MAX_CONTACTS_PER_REQUEST, title="Batch size in contacts", description="Most contacts of one request.",
    ),
    th.Property(
        "batch_size_bytes", th.IntegerType(minimum=_SMALLEST_REQUEST_BYTES, maximum=MAX_BYTES_PER_REQUEST),
        default=3_500_000, title="Batch size in bytes", description="Most bytes of one request's body.",
    ),
    th.Property(
        "validate_records", th.BooleanType, default=True, title="Validate records",
        description="Check each record against the schema that the tap sent.",
    ),
    th.Property(
        "validate_scope", th.StringType(allowed_values=["mapped", "all"]), default="mapped", title="Validation scope",
        description="What `validate_records` checks: `mapped` the mapped properties, the key properties, and the"
        " objects and arrays that they are in, so that a bad value elsewhere harms nobody; `all` the whole record.",
    ),
    th.Property(
        "max_rejected_percent", th.NumberType(minimum=0, maximum=100), default=10, title="Most rejected records",
        description="Share of rejected records, in percent, above which no STATE is written and the run exits 1. Up to"
        " 10 rejected records are allowed if anybody is accepted; records without an identifier do not count then. Good"
        " records are sent all the same. 0 means that a single rejected record is too many, 100 allows everything.",
    ),
    th.Property(
        "rejected_records_path", th.StringType, title="Rejected records file",
        description="File that rejected records are appended to, one JSON line each, readable by its owner only. It"
        " holds personal data; without it rejected records are counted and named, but not kept.",
    ),
    th.Property(
        "report_path", th.StringType, title="Report file",
        description="File for a JSON report of the run. It holds counts, never personal data.",
    ),
    th.Property(
        "job_timeout_seconds", th.IntegerType(minimum=1), default=3600, title="Job time limit",
        description="Longest wait for one import job, in seconds.",
    ),
    th.Property(
        "request_timeout_seconds", th.NumberType(exclusive_minimum=0), default=60, title="Request time limit",
        description="Longest wait for an answer to one request, in seconds.",
    ),
    th.Property(
        "dry_run", th.BooleanType, default=False, title="Dry run",
        description="Do everything but write: say what a run would do, by looking people up. No state is written.",
    ),
    additional_properties=False,
).to_dict()  # fmt: skip
"""JSON schema of the settings, without those that the SDK adds."""
