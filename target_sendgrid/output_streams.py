"""Output streams of a run: their lists and mappings are checked, then lists and custom fields are created."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import msgspec

from target_sendgrid.audience.list_choice import ListChoice
from target_sendgrid.audience.presence import IDENTITY_FIELDS
from target_sendgrid.audience.subscription import Subscription, unsubscribed_values
from target_sendgrid.delivery.pending import Purpose
from target_sendgrid.errors import BadRequestError, Code, ConfigError, Reason, RecordRejectedError
from target_sendgrid.mapping.field_mapping import value_at
from target_sendgrid.mapping.planner import MappingRules, plan_mapping, some_names
from target_sendgrid.mapping.schemas import property_paths, resolve_path
from target_sendgrid.report.report import Bucket
from target_sendgrid.sendgrid import contact as contacts
from target_sendgrid.sendgrid.dry_run import is_new
from target_sendgrid.wording import counted, misspelt_stream, shown, suggest

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from target_sendgrid.delivery.pending import OperationKind
    from target_sendgrid.mapping.field_mapping import FieldMapping
    from target_sendgrid.mapping.plan import MappingPlan, NewField
    from target_sendgrid.mapping.schemas import Path
    from target_sendgrid.preflight import Connection
    from target_sendgrid.report.report import Report, StreamReport
    from target_sendgrid.sendgrid.fields import CustomField
    from target_sendgrid.sendgrid.lists import ListTracker
    from target_sendgrid.settings.settings import Settings

log = logging.getLogger("target-sendgrid.run")


class Stream(msgspec.Struct, frozen=True):
    """An output stream as the run sees it, for as long as its schema holds."""

    name: str
    counts: StreamReport
    kind: OperationKind
    purpose: Purpose | None
    """What its records ask for; ``None`` where each record chooses its lists."""
    mapping: FieldMapping
    choice: ListChoice | None = None
    """Chooses the lists of records."""
    list_path: Path = ()
    """Steps to the property by which they are chosen."""
    has_email_alone: bool = False
    """Whether the email is all that shows who a person is."""
    list_ids: tuple[str, ...] = ()
    """All lists that records may be for."""
    removes_all: bool = False
    """Whether all records take their people off the list."""
    on_delete: str = "ignore"
    """What a row does that is deleted at the source, as the setting says."""
    membership_path: Path = ()
    """Steps to the property that says who is on the list; none without one."""
    subscription: Subscription | None = None
    """Which of its people have unsubscribed."""
    subscription_path: Path = ()
    """Steps to the property that says it; none without one."""
    suppression_group_id: int | None = None
    """The unsubscribe group of its people; ``None`` where only unsubscribes from everything matter."""

    @property
    def reads_rejected(self) -> bool:
        """Whether a record matters that is wrong, and not deleted at the source.

        It may ask to take its person off the list, or say that the person has unsubscribed.
        """
        return self.removes_all or bool(self.membership_path) or self.subscription is not None

    def identifiers_of(self, identity: str, contact: bytes) -> Mapping[str, Any]:
        """Return the contact fields of a record that show who the person is.

        Args:
            identity: The person (`contact.identity`).
            contact: The encoded contact. It is decoded only where a stream maps more than the email.
        """
        return {"email": identity} if self.has_email_alone else contacts.decode(contact)

    def says_unsubscribed(self, record: Mapping[str, Any]) -> bool:
        """Return whether a record says that its person has unsubscribed."""
        says = self.subscription
        return says is not None and says.is_unsubscribed(value_at(record, self.subscription_path))

    def asks_to_remove(self, record: Mapping[str, Any]) -> bool:
        """Return whether a record asks to take its person off the list."""
        is_off = bool(self.membership_path) and value_at(record, self.membership_path) is False
        return self.removes_all or is_off

    def check_membership(self, record: Mapping[str, Any]) -> None:
        """Check that a record which does not ask for that asks to put its person on the list.

        Raises:
            RecordRejectedError: The property that says it is not true.
        """
        if self.membership_path and value_at(record, self.membership_path) is not True:
            name = shown(".".join(map(str, self.membership_path)))
            sentence = f"The property '{name}' is neither true nor false, so it does not say who is on the list."
            raise RecordRejectedError(Reason.NOT_A_BOOLEAN, sentence)

    def purpose_of(self, value: object) -> Purpose | None:
        """Return what a record asks for; if there is no list for it, count it as ignored and return ``None``.

        Args:
            value: Value of the property by which lists are chosen; anything where they are not.
        """
        if self.choice is None:
            return self.purpose
        list_ids = self.choice.list_ids(value)
        if not list_ids:
            self.counts.buckets[Bucket.IGNORED] += 1
            return None
        return Purpose(self.kind, list_ids)


class StreamPlan(msgspec.Struct, frozen=True):
    """What an output stream needs. It is checked, and nothing is created yet. One of the ways to a list is given."""

    name: str
    list_id: str | None
    list_name: str | None
    mapping: MappingPlan
    list_path: Path = ()
    """Steps to the property by which records choose their lists; none without one."""
    lists: Mapping[str, str] = {}
    """Name of the list for each value of that property."""
    membership_path: Path = ()
    """Steps to the property that says who is on the list; none without one."""
    sync_mode: str = "upsert"
    subscription_path: Path = ()
    """Steps to the property that says who has unsubscribed; none without one."""

    @property
    def paths(self) -> list[Path]:
        """Paths of the properties that are needed."""
        rules = (self.list_path, self.membership_path, self.subscription_path)
        return [*self.mapping.paths, *(path for path in rules if path)]


class OutputStreams:
    """Checks and opens the output streams of a run.

    Args:
        connection: SendGrid and the files.
        settings: The checked settings.
        report: Counts what becomes of records.
        kinds: What records ask for that are sent, by sync mode.
    """

    def __init__(
        self, connection: Connection, settings: Settings, report: Report, kinds: Mapping[str, OperationKind]
    ) -> None:
        self._connection = connection
        self._client, _ = connection.clients
        self._settings = settings
        self._report = report
        self._kinds = kinds
        self.is_opening = False
        """Whether SendGrid is asked about a new stream. A signal may stop the run at once then: it takes no record."""
        self._mappings: dict[str, FieldMapping] = {}
        """The present mapping of each output stream."""
        self._came: dict[str, set[str]] = {}
        """Labels of fields whose properties some record of a stream has had under an earlier schema."""
        self._chosen_lists: dict[str, str] = {}
        """Names of the lists that records choose, by id."""

    def is_enabled(self, name: str) -> bool:
        """Return whether the records of an output stream are sent."""
        return self._settings.for_stream(name).is_enabled

    def has_entry(self, name: str) -> bool:
        """Return whether a key of `streams` is for an output stream: its name or a pattern."""
        return self._settings.entry_of(name) is not None

    def plan(self, name: str, schema: Mapping[str, Any], guessed: Collection[str] = ()) -> StreamPlan:
        """Check the list and the field mapping of an output stream, before anything is created for it.

        Args:
            name: Name of the output stream.
            schema: JSON schema of its records.
            guessed: Properties of which the schema only guesses the type.

        Raises:
            ConfigError: The mapping is wrong, there is no list, or the stream's name in the settings is misspelt.
        """
        misspelt = self._settings.misspelt_entry(name, self._report.streams)
        if misspelt is not None:
            raise ConfigError(misspelt_stream(name, "streams", misspelt))
        settings = self._settings.for_stream(name)
        near = suggest(name, self._settings.streams.keys() - self._report.streams.keys())
        if self._settings.entry_of(name) is None and near:
            log.warning("Stream '%s' has no entry in `streams`.%s", name, near)
        if not settings.list_id and not settings.list_name and not settings.list_property:
            message = (
                f"Stream '{name}' has no list. Set `list_name` for all streams, or `streams.{name}.list_name`; to leave"
                f" the stream out, set `streams.{name}.enabled` to false, or `streams.*.enabled` to leave out every"
                " stream without an entry of its own."
            )
            raise ConfigError(message, code=Code.LIST_MISSING)
        given = (settings.list_property, settings.membership_property, settings.subscription_property)
        used = [name for name in given if name is not None]
        only_identifies = settings.sync_mode == "remove"
        rules = MappingRules(
            can_create_fields=self._settings.create_custom_fields,
            only_identifies=only_identifies,
            maps_all=settings.custom_fields == "all",
            used=used,
            guessed=guessed,
        )
        plan = plan_mapping(name, schema, settings.field_mapping, self._connection.catalogue, rules)
        if only_identifies:
            plan = plan.of_identifiers()
        membership_path = _path_of("membership_property", settings.membership_property, name, schema)
        list_path = _path_of("list_property", settings.list_property, name, schema)
        subscription_path = _path_of("subscription_property", settings.subscription_property, name, schema)
        plan = msgspec.structs.replace(plan, unused=tuple(one for one in plan.unused if one not in used))
        return StreamPlan(
            name,
            settings.list_id,
            settings.list_name,
            plan,
            list_path,
            settings.lists,
            membership_path,
            settings.sync_mode,
            subscription_path,
        )

    def open(self, plan: StreamPlan, key_properties: Sequence[str]) -> Stream:
        """Open an output stream: create its custom fields and its list where they are missing.

        Args:
            plan: What `plan_stream` has returned.
            key_properties: Key properties of the tap's records.

        Raises:
            ConfigError: SendGrid refuses to create a field or the list.
        """
        name, counts = plan.name, self._report.stream(plan.name)
        self._connection.rejections.keep_keys(name, key_properties)
        self.is_opening = True
        try:
            clears_nulls = self._settings.null_handling == "clear"
            mapping = plan.mapping.compile(
                clears_nulls=clears_nulls,
                create_field=self._create_field,
                phone_region=self._settings.default_phone_region,
            )
            resolve = self._connection.lists.resolve
            by_value = {value: resolve(None, list_name) for value, list_name in plan.lists.items()}
            found = None if by_value else resolve(plan.list_id, plan.list_name)
        finally:
            self.is_opening = False
        if name in self._mappings:
            self._came.setdefault(name, set()).update(self._mappings[name].came())
        elif plan.mapping.unused:
            log.info("Stream '%s': not used: %s.", name, some_names(plan.mapping.unused))
        self._mappings[name] = mapping
        field_count = counted(len(plan.mapping.fields), "field")
        removes_all = plan.sync_mode == "remove"
        does = "takes people off" if removes_all else "fills"
        kind = self._kinds["update" if plan.sync_mode == "update" else "upsert"]
        purpose = choice = None
        if found is not None:
            counts.list_id, counts.list_name = found.id, found.name
            purpose = Purpose(kind, (found.id,))
            list_ids = purpose.list_ids
            log.info("Stream '%s' %s list '%s' (%s).", name, does, found.name, field_count)
        else:
            list_ids = tuple(sorted({chosen.id for chosen in by_value.values()}))
            choice = ListChoice(by_value, counts.records_by_list)
            counts.records_by_list.update({chosen.name: 0 for chosen in by_value.values()})
            self._chosen_lists.update({chosen.id: chosen.name for chosen in by_value.values()})
            log.info("Stream '%s' %s %s (%s).", name, does, counted(len(counts.records_by_list), "list"), field_count)
        for planned in plan.mapping.fields:
            log.debug("%s <- %s", planned.field, planned.source)
        settings = self._settings.for_stream(name)
        on_delete = settings.on_delete
        if on_delete == "remove_from_list" and plan.sync_mode == "mirror":
            on_delete = "ignore"  # a mirror takes off who is deleted with all others who are absent, under its guards
        values = unsubscribed_values(settings.unsubscribed_values)
        return Stream(
            name,
            counts,
            kind,
            purpose,
            mapping,
            choice,
            plan.list_path,
            has_email_alone={field.key for field in mapping.fields} & IDENTITY_FIELDS == {"email"},
            list_ids=list_ids,
            removes_all=removes_all,
            on_delete=on_delete,
            membership_path=plan.membership_path,
            subscription=Subscription(values) if plan.subscription_path else None,
            subscription_path=plan.subscription_path,
            suppression_group_id=settings.suppression_group_id,
        )

    def warn_of_absent_properties(self) -> None:
        """Log which mapped properties neither a schema has listed nor any record has had."""
        for name, mapping in self._mappings.items():
            for label in set(mapping.never_came()) - self._came.get(name, set()):
                log.warning("Stream '%s': no record has %s, and its schema does not list it.", shown(name), label)

    def complete_report(self, tracker: ListTracker) -> None:
        """Add the lists to the report that a dry run would create, and the present ids of all others."""
        for list_id, name in self._chosen_lists.items():
            if is_new(list_id):
                self._report.add_new_list(name)
        for counts in self._report.streams.values():
            if counts.list_id and is_new(counts.list_id):
                counts.list_id = None
                self._report.add_new_list(counts.list_name)
            elif counts.list_id:
                (counts.list_id,) = tracker.current((counts.list_id,))

    def _create_field(self, new: NewField) -> CustomField:
        """Create a custom field, and add it to those that are known."""
        known = self._connection.catalogue.find(new.name)
        if known is not None:  # another output stream has needed it, too
            return known
        try:
            field = self._client.create_field(new.name, new.field_type)
        except BadRequestError:
            found = self._client.field_catalogue().find(new.name)  # another program may have created it meanwhile
            if found is None:
                message = (
                    f"SendGrid refuses to create the custom field '{new.name}': an account may have 500 of them. Map"
                    " the property to one that exists, or leave it out."
                )
                raise ConfigError(message, code=Code.FIELD_REFUSED) from None
            field = found
        else:
            self._report.created_fields.append(field.name)
            created = "A run would create the" if self._client.only_reads else "Created"
            log.info("%s custom field '%s' of type %s, %s.", created, field.name, field.field_type.value, new.why)
        self._connection.catalogue.add(field)
        return field


def _path_of(setting: str, name: str | None, stream: str, schema: Mapping[str, Any]) -> Path:
    """Return the steps to a property that a setting names; none where it names none.

    Raises:
        ConfigError: The schema does not have it.
    """
    if name is None:
        return ()
    path = resolve_path(name, schema)
    if path is None:
        message = (
            f"Stream '{shown(stream)}': no property is named '{shown(name)}', as `{setting}` says."
            f"{suggest(name, property_paths(schema))}"
        )
        raise ConfigError(message, code=Code.WRONG_MAPPING)
    return path
