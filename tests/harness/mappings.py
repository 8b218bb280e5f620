"""Compiled field mappings for tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from target_sendgrid.mapping.planner import MappingRules, plan_mapping
from target_sendgrid.sendgrid.fields import CustomField, FieldCatalogue, FieldType
from target_sendgrid.settings.settings import Source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from target_sendgrid.mapping.field_mapping import FieldMapping
    from target_sendgrid.mapping.plan import MappingPlan, NewField

CUSTOM_FIELDS = (
    CustomField("e1_T", "Plan", FieldType.TEXT),
    CustomField("e2_N", "visits", FieldType.NUMBER),
    CustomField("e3_D", "born_on", FieldType.DATE),
)


def schema_of(*names: str) -> dict[str, Any]:
    return {"type": "object", "properties": {name: {} for name in names}}


def _source(given: str | Source) -> Source:
    return Source(given) if isinstance(given, str) else given


def planned(
    field_mapping: Mapping[str, str | Source] | None,
    schema: Mapping[str, Any] | None = None,
    *,
    custom_fields: Iterable[CustomField] = CUSTOM_FIELDS,
    can_create_fields: bool = False,
    **rules: Any,
) -> MappingPlan:
    sources = None if field_mapping is None else {field: _source(given) for field, given in field_mapping.items()}
    return plan_mapping(
        "people",
        schema if schema is not None else schema_of(*(source.property for source in (sources or {}).values())),
        sources,
        FieldCatalogue(custom_fields),
        MappingRules(can_create_fields, **rules),
    )


def no_field(new: NewField) -> CustomField:
    raise AssertionError(new)


def compiled(
    field_mapping: Mapping[str, str | Source] | None,
    schema: Mapping[str, Any] | None = None,
    *,
    clears_nulls: bool = False,
    custom_fields: Iterable[CustomField] = CUSTOM_FIELDS,
    create_field: Callable[[NewField], CustomField] | None = None,
) -> FieldMapping:
    plan = planned(field_mapping, schema, custom_fields=custom_fields, can_create_fields=create_field is not None)
    return plan.compile(clears_nulls=clears_nulls, create_field=create_field or no_field)
