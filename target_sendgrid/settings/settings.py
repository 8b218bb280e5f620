"""The checked settings of a run, and those of single streams."""

from __future__ import annotations

import contextlib
import dataclasses
import re
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Any

from target_sendgrid.errors import ConfigError
from target_sendgrid.settings.checks import (
    NEVER_EMPTY,
    cross_problems,
    is_missing_setting,
    is_sandbox_address,
    main_type,
    schema_problems,
)
from target_sendgrid.settings.environment import unread_problem
from target_sendgrid.settings.schema import CONFIG_SCHEMA
from target_sendgrid.wording import is_near_miss

_HOSTS = {"global": "https://api.sendgrid.com", "eu": "https://api.eu.sendgrid.com"}

_LIST_SETTINGS = frozenset({"list_id", "list_name", "list_property", "lists"})
"""Settings that say where a stream goes to: an entry of `streams` with one of them replaces all of them."""


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
    on_delete: str
    sync_mode: str = "upsert"
    membership_property: str | None = None
    max_removals: int | None = None
    list_property: str | None = None
    lists: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Name of the list for each value of `list_property`; empty without one."""
    subscription_property: str | None = None
    unsubscribed_values: Sequence[str | float | Decimal | bool] = ()
    suppression_group_id: int | None = None
    max_suppressions: int | None = None
    custom_fields: str = "mapped"


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
    custom_fields: str
    streams: Mapping[str, Mapping[str, Any]]
    sync_mode: str
    membership_property: str | None
    on_delete: str
    max_removals: int | None
    subscription_property: str | None
    unsubscribed_values: Sequence[str | float | Decimal | bool] | None
    suppression_group_id: int | None
    max_suppressions: int | None
    skip_suppressed: bool
    account_contact_limit: int | None
    on_account_limit: str
    snapshot_path: str | None
    snapshot_max_age_days: int
    allow_erased: bool
    create_custom_fields: bool
    default_phone_region: str | None
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
        values["default_phone_region"] = values["default_phone_region"] and values["default_phone_region"].upper()
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
            sync_mode=own.get("sync_mode", self.sync_mode),
            membership_property=own.get("membership_property", self.membership_property),
            max_removals=own.get("max_removals", self.max_removals),
            on_delete=own.get("on_delete", self.on_delete),
            subscription_property=own.get("subscription_property", self.subscription_property),
            unsubscribed_values=own.get("unsubscribed_values", self.unsubscribed_values) or (),
            suppression_group_id=own.get("suppression_group_id", self.suppression_group_id),
            max_suppressions=own.get("max_suppressions", self.max_suppressions),
            custom_fields=own.get("custom_fields", self.custom_fields),
        )

    def enabled_streams(self) -> list[tuple[str, StreamSettings]]:
        """Return the settings of all streams that may come, with what the names of each begin with in sentences.

        Those that hold for all streams come first, unless the pattern `*` replaces them.
        """
        places = [(f"streams.{name}.", self.for_stream(name)) for name in self.streams]
        if "*" not in self.streams:
            places.insert(0, ("", self.for_stream("")))
        return [(prefix, place) for prefix, place in places if place.is_enabled]

    def suppression_groups(self) -> list[int | None]:
        """Return the unsubscribe groups that streams may put people on; ``None`` is that of global unsubscribes."""
        groups = [place.suppression_group_id for _, place in self.enabled_streams() if place.subscription_property]
        return list(dict.fromkeys(groups))


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
    lists = trimmed.get("lists")
    if isinstance(lists, Mapping):
        trimmed["lists"] = {value: name.strip() if isinstance(name, str) else name for value, name in lists.items()}
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
