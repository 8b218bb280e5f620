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
from target_sendgrid.mapping.nested import is_nested, nested_problem, nested_warning
from target_sendgrid.mapping.plan import MappingPlan, NewField, PlannedField
from target_sendgrid.mapping.property_names import CERTAIN, likely_field
from target_sendgrid.mapping.reserved_names import near_field
from target_sendgrid.mapping.schemas import is_listed, property_paths, resolve_path, schema_at
from target_sendgrid.mapping.suggestions import suggestions
from target_sendgrid.sendgrid import fields
from target_sendgrid.wording import as_json, nearest, shown, suggest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from target_sendgrid.sendgrid.fields import CustomField, FieldCatalogue
    from target_sendgrid.settings import Source

_MISSPELT = 0.85
"""How much of the names of two properties must be the same for one to be taken for the other, misspelt."""

_SIMILAR = 0.7
"""How much must be the same where nothing else says which property is right."""

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
            known = _right_name(find_field(field, catalogue), source.property, schema) or _some_names(names)
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
        problems.append(f"{prefix} has no field that identifies a contact: {why}. {_identifier_advice(stream, schema)}")
    if problems:
        raise ConfigError(problems, code=Code.WRONG_MAPPING)
    warnings += filter(None, (nested_warning(plan, schema) for plan in planned))
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


def _right_name(field: str | CustomField | None, source: str, schema: Mapping[str, Any]) -> str:
    """Return a clause that offers the right property in place of one that is missing, or nothing if none is certain.

    Args:
        field: The contact field, if there is one already.
        source: The property that is missing.
        schema: JSON schema of the records.
    """
    reserved = field if isinstance(field, str) else None
    listed = [name for name in property_paths(schema) if reserved is None or _may_fill(reserved, name, schema)]
    right = nearest(source, listed, nearness=_MISSPELT)
    if right is None and reserved is not None and reserved in CERTAIN:
        likely = suggestions(schema).get(reserved)
        right = likely.source if likely else None
    elif right is None:
        right = nearest(source, listed, nearness=_SIMILAR)
    return suggest(right, [right]) if right else ""


def _may_fill(field: str, name: str, schema: Mapping[str, Any]) -> bool:
    """Return whether a property is no object or array, and not named like another field than a reserved one."""
    means_other = likely_field(name.replace(".", " ")) not in {None, field}
    return not means_other and not is_nested(schema_at(schema, name.split(".")))


def _identifier_advice(stream: str, schema: Mapping[str, Any]) -> str:
    likely = suggestions(schema).get("email")
    source = likely.source if likely else "the property that holds the address"
    return (
        f"Write `field_mapping: {as_json({'email': source})}`, or map one of {', '.join(fields.IDENTIFIERS[1:])}. To"
        f" leave the stream out, write `streams: {as_json({stream: {'enabled': False}})}`. The name `*` there means"
        " every stream without an entry of its own; `{}` is an entry, too. `--suggest-mapping` prints a mapping for all"
        " streams of a tap."
    )


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
