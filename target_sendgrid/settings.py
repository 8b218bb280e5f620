"""Every setting of the target: its kind, its default and its meaning.

The README's table, ``meltano.yml``, the plugin definition and ``.env.example`` are generated from `CONFIG_SCHEMA`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import re
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Any

from singer_sdk import typing as th

from target_sendgrid.errors import ConfigError
from target_sendgrid.settings_checks import (
    NEVER_EMPTY,
    cross_problems,
    is_missing_setting,
    is_sandbox_address,
    main_type,
    schema_problems,
    unread_problem,
)
from target_sendgrid.wording import is_near_miss

MAX_CONTACTS_PER_REQUEST = 30_000
"""Most contacts that SendGrid takes in one request, by its API description."""

MAX_BYTES_PER_REQUEST = 6_000_000
"""Most bytes of one request, as SendGrid documents it. The default is well below, since 4 MiB were seen refused."""

_SMALLEST_REQUEST_BYTES = 10_000

_LIST_SETTINGS = frozenset({"list_id", "list_name", "list_property", "lists"})
"""Settings that say where a stream goes to: an entry of `streams` with one of them replaces all of them."""

_HOSTS = {"global": "https://api.sendgrid.com", "eu": "https://api.eu.sendgrid.com"}

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
    th.Property("list_id", th.StringType, title="List id", description=_LIST_ID),
    th.Property("list_name", th.StringType, title="List name", description=_LIST_NAME),
    th.Property("list_property", th.StringType, title="List property", description=_LIST_PROPERTY),
    th.Property("lists", _LISTS_TYPE, title="Lists", description=_LISTS),
    th.Property(
        "create_list", th.BooleanType, default=True, title="Create list",
        description="Create the named list when it is missing.",
    ),
    th.Property(
        "field_mapping", _FIELD_MAPPING_TYPE, title="Field mapping", description=_FIELD_MAPPING,
    ),
    th.Property(
        "streams",
        th.ObjectType(
            additional_properties=th.ObjectType(
                th.Property("list_id", th.StringType, description=_LIST_ID),
                th.Property("list_name", th.StringType, description=_LIST_NAME),
                th.Property("list_property", th.StringType, description=_LIST_PROPERTY),
                th.Property("lists", _LISTS_TYPE, description=_LISTS),
                th.Property("field_mapping", _FIELD_MAPPING_TYPE, description=_FIELD_MAPPING),
                th.Property("enabled", th.BooleanType, description="False reads the stream and sends nothing of it."),
                additional_properties=False,
            ),
        ),
        title="Streams", examples=[{"people": {"list_name": "Customers"}}],
        description="Settings of single streams, by stream name: `list_id`, `list_name`, `list_property`,"
        " `lists`, `field_mapping`, `enabled`."
        " A `*` in a name matches any characters; an exact name comes before a pattern, a longer pattern before a"
        " shorter one.",
    ),
    th.Property(
        "create_custom_fields", th.BooleanType, default=False, title="Create custom fields",
        description="Create mapped custom fields that do not exist, typed from the stream's schema.",
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


@dataclasses.dataclass(frozen=True)
class Source:
    """The right side of a field mapping, in its short or long form."""

    property: str
    """Name of the property, with dots into objects and numbers into arrays."""
    type: str | None = None
    """Type of the custom field, if it has to be created: `Text`, `Number` or `Date`; ``None`` by the schema."""


@dataclasses.dataclass(frozen=True)
class StreamSettings:
    """The settings of one stream. At most one of `list_id`, `list_name` and `list_property` is set."""

    list_id: str | None
    list_name: str | None
    field_mapping: Mapping[str, Source] | None
    is_enabled: bool
    list_property: str | None = None
    lists: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Name of the list for each value of `list_property`; empty without one."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """The checked settings of a run. See `CONFIG_SCHEMA` for their meaning; names are the same."""

    api_key: str = dataclasses.field(repr=False)
    region: str
    api_url: str | None
    on_behalf_of: str | None
    data_privacy_consent: bool
    list_id: str | None
    list_name: str | None
    list_property: str | None
    lists: Mapping[str, str] | None
    create_list: bool
    field_mapping: Mapping[str, str | Mapping[str, Any]] | None
    streams: Mapping[str, Mapping[str, Any]]
    create_custom_fields: bool
    null_handling: str
    profile_cap: int | None
    on_profile_cap: str
    batch_size_rows: int
    batch_size_bytes: int
    validate_records: bool
    validate_scope: str
    max_rejected_percent: float
    rejected_records_path: str | None
    report_path: str | None
    job_timeout_seconds: int
    request_timeout_seconds: float
    dry_run: bool

    @classmethod
    def from_config(
        cls,
        config: Mapping[str, Any],
        schema: Mapping[str, Any] = CONFIG_SCHEMA,
        *,
        unread_variables: Sequence[str] = (),
    ) -> Settings:
        """Check a config and fill in the defaults.

        Args:
            config: The settings as the user gave them.
            schema: `CONFIG_SCHEMA` with the SDK's own settings added.
            unread_variables: Environment variables that are set, but not read, which are named if a setting is missing.

        Raises:
            ConfigError: With every problem of the config, one sentence each, none quoting a value that was given.
        """
        config = _with_trimmed_lists(without_unset(_coerce_numbers(config)))
        problems = [*schema_problems(config, schema)]
        if not problems:
            problems = [*cross_problems(config)]
            if unread_variables and any(map(is_missing_setting, problems)):
                problems.append(unread_problem(unread_variables))
        if problems:
            raise ConfigError(problems)
        defaults = {name: prop.get("default") for name, prop in CONFIG_SCHEMA["properties"].items()}
        values = {name: config.get(name, default) for name, default in defaults.items()}
        values["api_key"] = (values["api_key"] or "").strip()
        values["on_behalf_of"] = values["on_behalf_of"] and values["on_behalf_of"].strip()
        values["profile_cap"] = values["profile_cap"] or None
        values["streams"] = values["streams"] or {}
        return cls(**values)

    @property
    def is_sandbox(self) -> bool:
        """Whether the embedded sandbox is to be started."""
        return is_sandbox_address(self.api_url)

    @property
    def sandbox_database(self) -> str | None:
        """Path of the sandbox's account, or ``None`` for one that ends with the run."""
        _, _, path = (self.api_url or "").partition(":")
        return path if self.is_sandbox and path else None

    @property
    def base_url(self) -> str:
        """Address of the API, without a slash at the end. That of an embedded sandbox is known only once it runs."""
        return (self.api_url or _HOSTS[self.region]).rstrip("/")

    def all_lists(self) -> tuple[list[str], list[str]]:
        """Return the ids and the names of all lists that the settings mention, for streams that are enabled."""
        places = [self.for_stream(name) for name in self.streams]
        places = [place for place in places if place.is_enabled]
        ids = [self.list_id, *(place.list_id for place in places)]
        names = [self.list_name, *(place.list_name for place in places), *(self.lists or {}).values()]
        names += [name for place in places for name in place.lists.values()]
        return [list_id for list_id in ids if list_id], [name for name in names if name]

    def entry_of(self, stream: str) -> str | None:
        """Return the key of `streams` that applies to a stream, or ``None`` if none does.

        An exact name comes first, then the longest pattern. Of patterns of the same length, the first in alphabetical
        order applies.
        """
        if stream in self.streams:
            return stream
        matching = [entry for entry in self.streams if _matches(entry, stream)]
        return min(matching, key=lambda entry: (-len(entry), entry), default=None)

    def unused_entries(self, streams: Collection[str]) -> list[str]:
        """Return the keys of `streams` that are neither the name of one of these streams nor a pattern for it."""
        return [entry for entry in self.streams if not any(_matches(entry, stream) for stream in streams)]

    def misspelt_entry(self, stream: str, came: Collection[str]) -> str | None:
        """Return the key of `streams` that may be meant for a stream without one, or ``None``.

        Only entries count that say whether the stream is sent, or where to: without them, people would be sent who are
        not to be, or to another list.

        Args:
            stream: Name of the stream.
            came: Streams that have come so far: their entries are not misspelt.
        """
        if self.entry_of(stream) is not None:
            return None
        apart = (entry for entry, own in self.streams.items() if "*" not in entry and _sets_apart(own))
        return next((entry for entry in apart if entry not in came and is_near_miss(entry, stream)), None)

    def for_stream(self, name: str) -> StreamSettings:
        """Return the settings of a stream: those of its entry in `streams`, else those of all streams."""
        entry = self.entry_of(name)
        own = self.streams[entry] if entry is not None else {}
        place = own if not own.keys().isdisjoint(_LIST_SETTINGS) else vars(self)
        return StreamSettings(
            list_id=place.get("list_id"),
            list_name=place.get("list_name"),
            list_property=place.get("list_property"),
            lists=place.get("lists") or {},
            field_mapping=_sources(own.get("field_mapping", self.field_mapping)),
            is_enabled=own.get("enabled", True),
        )


def _matches(entry: str, stream: str) -> bool:
    """Return whether a key of `streams` fits a stream. Only ``*`` is special: names may hold other wildcards."""
    return fnmatchcase(stream, re.sub(r"[?[]", r"[\g<0>]", entry))


def _sets_apart(own: Mapping[str, Any]) -> bool:
    return not own.get("enabled", True) or not own.keys().isdisjoint(_LIST_SETTINGS)


def _sources(field_mapping: Mapping[str, str | Mapping[str, Any]] | None) -> Mapping[str, Source] | None:
    if field_mapping is None:
        return None
    return {
        field: Source(source) if isinstance(source, str) else Source(**source)
        for field, source in field_mapping.items()
    }


def without_unset(config: Mapping[str, Any]) -> dict[str, Any]:
    """Drop what counts as not given: nulls, but for the cap, where null means no cap, and texts that are empty.

    Meltano writes an empty environment variable into the config as an empty text. A text that is empty stays where it
    would change which account gets people, or is of the wrong type: then it is an error.
    """
    given = {name: value for name, value in config.items() if not _is_unset(name, value)}
    streams = given.get("streams")
    if isinstance(streams, Mapping):
        given["streams"] = {
            stream: {name: value for name, value in own.items() if value is not None}
            if isinstance(own, Mapping)
            else own
            for stream, own in streams.items()
        }
    return given


def _is_unset(name: str, value: object) -> bool:
    if value is None:
        return name != "profile_cap"
    kind = main_type(CONFIG_SCHEMA["properties"].get(name, {}))
    return isinstance(value, str) and not value.strip() and kind == "string" and name not in NEVER_EMPTY


def _with_trimmed_lists(config: Mapping[str, Any]) -> dict[str, Any]:
    """Trim the names and ids of lists, for all streams and for single ones."""
    trimmed = {
        name: value.strip() if name in {"list_id", "list_name"} and isinstance(value, str) else value
        for name, value in config.items()
    }
    if isinstance(trimmed.get("lists"), Mapping):
        lists = trimmed["lists"].items()
        trimmed["lists"] = {value: name.strip() if isinstance(name, str) else name for value, name in lists}
    streams = trimmed.get("streams")
    if isinstance(streams, Mapping):
        trimmed["streams"] = {
            stream: _with_trimmed_lists(own) if isinstance(own, Mapping) else own for stream, own in streams.items()
        }
    return trimmed


def _coerce_numbers(config: Mapping[str, Any]) -> dict[str, Any]:
    """Turn numbers into floats: the SDK leaves them as text from the environment, as decimals from a file."""
    coerced = dict(config)
    for name, prop in CONFIG_SCHEMA["properties"].items():
        if main_type(prop) == "number" and isinstance(coerced.get(name), (str, Decimal)):
            with contextlib.suppress(ValueError):  # the check against the schema reports it
                coerced[name] = float(coerced[name])
    return coerced
