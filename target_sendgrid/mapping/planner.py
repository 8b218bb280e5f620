"""Planning of a stream's field mapping: the settings, checked against the schema and the account's fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from target_sendgrid.errors import Code, ConfigError
from target_sendgrid.mapping.contact_fields import (
    find_field,
    new_field,
    type_problem,
    unknown_field_problem,
)
from target_sendgrid.mapping.default_mapping import default_mapping
from target_sendgrid.mapping.nested import nested_problem, nested_warning
from target_sendgrid.mapping.plan import MappingPlan, NewField, PlannedField
from target_sendgrid.mapping.reserved_names import near_field
from target_sendgrid.mapping.schemas import is_listed, property_paths, resolve_path, schema_at
from target_sendgrid.sendgrid import fields
from target_sendgrid.wording import as_json, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from target_sendgrid.sendgrid.fields import FieldCatalogue
    from target_sendgrid.settings.settings import Source

_SHOWN_NAMES = 10
"""Number of names that a sentence lists."""

_METADATA_PREFIX = "_sdc_"
"""What the names of properties begin with that taps add to the rows of a source."""


def plan_mapping(
    stream: str,
    schema: Mapping[str, Any],
    field_mapping: Mapping[str, Source] | None,
    catalogue: FieldCatalogue,
    *,
    can_create_fields: bool,
) -> MappingPlan:
    """Check a stream's field mapping against its schema and the account. Nothing is created.

    Args:
        stream: Name of the stream, for error messages.
        schema: JSON schema of its records.
        field_mapping: ``{contact field: record property}``; ``None`` maps properties named like contact fields.
        catalogue: The custom fields of the account.
        can_create_fields: Whether custom fields that do not exist may be created.

    Raises:
        ConfigError: The mapping is wrong. The error lists all problems.
    """
    prefix = f"Stream '{shown(stream)}'"
    names = list(dict.fromkeys(property_paths(schema, depth=1)))
    warnings: list[str] = []
    why = "`field_mapping` fills none"
    if field_mapping is None:
        field_mapping, warnings = default_mapping(schema, catalogue)
        why = "no property is named 'email'"
    turned = _turned_pairs(field_mapping, schema, catalogue)
    if turned:
        message = f"{prefix}: `field_mapping` looks reversed. Write the contact field first: `{turned}`."
        raise ConfigError(message, code=Code.WRONG_MAPPING)
    problems: list[str] = []
    planned: list[PlannedField] = []
    mapped = {find_field(field, catalogue) for field in field_mapping}
    for field, source in field_mapping.items():
        path = resolve_path(source.property, schema)
        if path is None:
            from target_sendgrid.mapping.advice import right_name  # noqa: PLC0415 - only errors need it

            known = right_name(find_field(field, catalogue), source.property, schema) or _some_names(names)
            problems.append(f"{prefix} has no property '{shown(source.property)}' to fill '{shown(field)}'.{known}")
        inner = None if path is None else schema_at(schema, path)
        found = find_field(field, catalogue)
        target = found or new_field(field, source, inner)
        if isinstance(target, NewField):
            problem = unknown_field_problem(target, source, catalogue, mapped, can_create=can_create_fields)
        else:
            problem = type_problem(field, source, target)
        problem = problem or nested_problem(field, source.property, schema, path, target)
        if problem:
            problems.append(f"{prefix}: {problem}")
        has_schema = path is not None and is_listed(schema, path)
        planned.append(PlannedField(field, source.property, path or (), target, is_listed=has_schema))
    problems += [
        f"{prefix} fills one contact field twice: {names}. Leave one of them out." for names in _repeated(planned)
    ]
    if not any(plan.target in fields.IDENTIFIERS for plan in planned):
        from target_sendgrid.mapping.advice import identifier_advice  # noqa: PLC0415 - only errors need it

        problems.append(f"{prefix} has no field that identifies a contact: {why}. {identifier_advice(stream, schema)}")
    if problems:
        raise ConfigError(problems, code=Code.WRONG_MAPPING)
    warnings += filter(None, (nested_warning(plan, schema) for plan in planned))
    unlisted = [plan for plan in planned if not plan.is_listed]
    if unlisted:
        from target_sendgrid.mapping.advice import unlisted_warning  # noqa: PLC0415 - as above

        warnings += filter(None, (unlisted_warning(plan, schema) for plan in unlisted))
    used = {str(plan.path[0]) for plan in planned}
    unused = tuple(name for name in names if name not in used and not name.startswith(_METADATA_PREFIX))
    return MappingPlan(
        tuple(planned),
        warnings=tuple(f"{prefix}: {warning}" for warning in warnings),
        unused=unused,
        new_field_warnings=tuple(f"{prefix}: {warning}" for warning in _new_field_warnings(planned, field_mapping)),
    )


def _new_field_warnings(planned: Sequence[PlannedField], field_mapping: Mapping[str, Source]) -> Iterator[str]:
    """Yield what to know about fields that are created, unless the mapping gives their type."""
    others = []
    for plan in planned:
        if not isinstance(plan.target, NewField) or field_mapping[plan.field].type is not None:
            continue
        near = near_field(plan.field)
        if near is not None:
            yield f"SendGrid has no contact field '{shown(plan.field)}', so it is created. Did you mean '{near}'?"
        else:
            others.append(f"'{shown(plan.field)}'")
    if len(others) == 1:
        yield f"SendGrid has no contact field {others[0]}, so it is created."
    elif others:
        yield f"SendGrid has no contact fields {', '.join(others[:-1])} and {others[-1]}, so they are created."


def _turned_pairs(field_mapping: Mapping[str, Source], schema: Mapping[str, Any], catalogue: FieldCatalogue) -> str:
    """Return what is reversed in a mapping, the right way round, or nothing if none of it certainly is."""
    turned = {
        source.property: field
        for field, source in field_mapping.items()
        if _lists(schema, field) and not _lists(schema, source.property)
    }
    is_reversed = any(
        find_field(field, catalogue) is not None and find_field(name, catalogue) is None
        for field, name in turned.items()
    )
    return as_json(turned) if is_reversed else ""


def _lists(schema: Mapping[str, Any], source: str) -> bool:
    path = resolve_path(source, schema)
    return path is not None and is_listed(schema, path)


def _some_names(names: Sequence[str]) -> str:
    return f" It has: {some_names(names)}." if names else " Its schema has no properties."


def some_names(names: Sequence[str]) -> str:
    """Return the first of many names, and how many more there are."""
    listed = ", ".join(shown(name) for name in names[:_SHOWN_NAMES])
    return listed + (f" and {len(names) - _SHOWN_NAMES} more" if len(names) > _SHOWN_NAMES else "")


def _repeated(planned: Sequence[PlannedField]) -> Iterator[str]:
    """Yield the names, in words, of each contact field that a mapping names twice."""
    names: dict[str, list[str]] = {}
    for plan in planned:
        target = plan.target
        key = target if isinstance(target, str) else target.name.lower() if isinstance(target, NewField) else target.id
        names.setdefault(key, []).append(f"'{shown(plan.field)}'")
    return (" and ".join(same) for same in names.values() if len(same) > 1)
