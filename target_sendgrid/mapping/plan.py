"""The plan of a stream's field mapping: what it needs and what has to be created. It makes the field mapping."""

from __future__ import annotations

import functools
import logging
import sys
from typing import TYPE_CHECKING, Any

import msgspec

from target_sendgrid.mapping import conversions
from target_sendgrid.mapping.field_mapping import NOT_CLEARABLE, FieldMapping, MappedField
from target_sendgrid.sendgrid import fields
from target_sendgrid.sendgrid.fields import CustomField, FieldType
from target_sendgrid.wording import shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_sendgrid.mapping.schemas import Path

log = logging.getLogger("target-sendgrid.mapping")


class NewField(msgspec.Struct, frozen=True):
    """A custom field that has to be created."""

    name: str
    field_type: FieldType
    why: str
    """Why it has this type, as the end of a sentence."""
    near: str | None = None
    """The reserved field or identifier that may be meant; ``None`` for none, and where the mapping gives the type."""


class PlannedField(msgspec.Struct, frozen=True):
    """One contact field and the property that fills it, checked against the schema and the account."""

    field: str
    """Name or id of the field, as the mapping has it."""
    source: str
    """The property, as the mapping has it."""
    path: Path
    """Steps to the property."""
    target: str | CustomField | NewField
    """What is filled: a reserved field, by its name, or a custom field."""
    is_listed: bool = True
    """Whether the schema lists the property. Otherwise records may have it or not."""

    @property
    def label(self) -> str:
        """Name of the property and the field, for sentences and the log."""
        return f"property '{shown(self.source)}' (for {shown(self.field)})"


class MappingPlan(msgspec.Struct, frozen=True):
    """A field mapping that was checked, before anything is created for it."""

    fields: tuple[PlannedField, ...]
    warnings: tuple[str, ...] = ()
    """What the user should know before a field is created."""
    unused: tuple[str, ...] = ()
    """Properties of the schema that fill no field."""
    new_field_warnings: tuple[str, ...] = ()
    """What the user should know when fields are created."""

    @property
    def paths(self) -> list[Path]:
        """Paths of the properties that are needed."""
        return [planned.path for planned in self.fields]

    @property
    def fields_to_create(self) -> list[NewField]:
        """The custom fields that have to be created."""
        return [planned.target for planned in self.fields if isinstance(planned.target, NewField)]

    def of_identifiers(self) -> MappingPlan:
        """Return the plan for the identifiers alone, which needs nothing else and creates nothing."""
        return MappingPlan(tuple(planned for planned in self.fields if planned.target in fields.IDENTIFIERS))

    def compile(
        self,
        *,
        clears_nulls: bool,
        create_field: Callable[[NewField], CustomField],
        phone_region: str | None = None,
    ) -> FieldMapping:
        """Create the custom fields that are missing, and return what makes contacts.

        Args:
            clears_nulls: Whether a null clears a field.
            create_field: Creates a custom field, or returns the one that has been created meanwhile.
            phone_region: Country of phone numbers that do not say it; ``None`` for none.
        """
        for warning in (*self.new_field_warnings, *self.warnings):
            log.warning("%s", warning)
        mapped = []
        for planned in self.fields:
            target = planned.target
            found = create_field(target) if isinstance(target, NewField) else target
            field = _mapped_field(planned, found, phone_region)
            mapped.append(msgspec.structs.replace(field, is_listed=planned.is_listed))
        return FieldMapping(mapped, clears_nulls=clears_nulls)


def _mapped_field(planned: PlannedField, target: str | CustomField, phone_region: str | None) -> MappedField:
    path, label = planned.path, planned.label
    if isinstance(target, str):
        if target == "email":
            return MappedField(target, path, conversions.to_email, "", label)
        if target == "alternate_emails":
            return MappedField(target, path, conversions.to_emails, [], label)
        if target == "phone_number_id":
            from target_sendgrid.mapping import phone_numbers  # noqa: PLC0415 - its library takes a third of a start

            to_phone_number = functools.partial(phone_numbers.to_phone_number, region=phone_region)
            return MappedField(target, path, to_phone_number, "", label)
        longest = fields.MAX_LENGTHS[target]
        convert = functools.partial(conversions.to_text, max_length=longest)
        return MappedField(target, path, convert, "", label, plain_length=longest or sys.maxsize)
    by_type: dict[FieldType, tuple[Callable[..., Any], Any]] = {
        FieldType.TEXT: (functools.partial(conversions.to_text, max_length=fields.MAX_CUSTOM_TEXT), ""),
        FieldType.NUMBER: (conversions.to_number, NOT_CLEARABLE),
        FieldType.DATE: (conversions.to_date, NOT_CLEARABLE),
    }
    converter, empty = by_type[target.field_type]
    plain_length = fields.MAX_CUSTOM_TEXT if target.field_type is FieldType.TEXT else 0
    return MappedField(target.id, path, converter, empty, label, is_custom=True, plain_length=plain_length)
