"""Compiled field mappings for tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from target_sendgrid.mapping.compiler import compile_mapping
from target_sendgrid.sendgrid.fields import CustomField, FieldCatalogue, FieldType

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from target_sendgrid.mapping.field_mapping import FieldMapping

CUSTOM_FIELDS = (
    CustomField("e1_T", "Plan", FieldType.TEXT),
    CustomField("e2_N", "visits", FieldType.NUMBER),
    CustomField("e3_D", "born_on", FieldType.DATE),
)


def schema_of(*names: str) -> dict[str, Any]:
    return {"type": "object", "properties": {name: {} for name in names}}


def compiled(
    field_mapping: Mapping[str, str] | None,
    schema: Mapping[str, Any] | None = None,
    *,
    clears_nulls: bool = False,
    custom_fields: tuple[CustomField, ...] = CUSTOM_FIELDS,
    create_field: Callable[[str, FieldType], CustomField] | None = None,
) -> FieldMapping:
    return compile_mapping(
        "people",
        schema if schema is not None else schema_of(*(field_mapping or {}).values()),
        field_mapping,
        FieldCatalogue(custom_fields),
        clears_nulls=clears_nulls,
        create_field=create_field,
    )
