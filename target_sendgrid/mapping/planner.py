"""Planning of a stream's field mapping: the settings, checked against the schema and the account's fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from target_sendgrid.errors import Code, ConfigError, Problem
from target_sendgrid.mapping.all_properties import METADATA_PREFIX, map_all
from target_sendgrid.mapping.contact_fields import (
    find_field,
    new_field,
    type_problem,
    unknown_field_problem,
)
from target_sendgrid.mapping.default_mapping import default_mapping
from target_sendgrid.mapping.nested import is_nested, nested_problem, nested_warning
from target_sendgrid.mapping.plan import MappingPlan, NewField, PlannedField
from target_sendgrid.mapping.schemas import is_listed, property_paths, resolve_path, schema_at
from target_sendgrid.mapping.type_mismatch import mismatch_problem
from target_sendgrid.sendgrid import fields
from target_sendgrid.wording import as_json, as_words, counted, shown

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from target_sendgrid.sendgrid.fields import FieldCatalogue
    from target_sendgrid.settings.settings import Source

_SHOWN_NAMES = 10
"""Number of names that a sentence lists."""


class MappingRules(NamedTuple):
    """What a field mapping is for, and what may be done for it."""

    can_create_fields: bool = False
    """Whether custom fields that do not exist may be created."""
    only_identifies: bool = False
    """Whether records only say who people are, so that nothing matters but identifiers."""
    maps_all: bool = False
    """Whether all other properties fill the contact fields of their names."""
    used: Collection[str] = ()
    """Properties that settings use, which are not among these."""
    guessed: Collection[str] = ()
    """Properties of which the schema only guesses the type."""


def plan_mapping(
    stream: str,
    schema: Mapping[str, Any],
    field_mapping: Mapping[str, Source] | None,
    catalogue: FieldCatalogue,
    rules: MappingRules,
) -> MappingPlan:
    """Check a stream's field mapping against its schema and the account. Nothing is created.

    Args:
        stream: Name of the stream, for error messages.
        schema: JSON schema of its records.
        field_mapping: ``{contact field: record property}``; ``None`` maps properties named like contact fields.
        catalogue: The custom fields of the account.
        rules: What the mapping is for, and what may be done for it.

    Raises:
        ConfigError: The mapping is wrong. The error lists all problems.
    """
    prefix = f"Stream '{shown(stream)}'"
    chosen = _chosen(prefix, schema, field_mapping, catalogue, rules)
    problems = list(chosen.problems)
    planned: list[PlannedField] = []
    mapped = {find_field(field, catalogue) for field in chosen.mapping}
    for field, source in chosen.mapping.items():
        path = resolve_path(source.property, schema)
        if path is None:
            problems.append(f"{prefix} has no property {_missing_property(field, source, schema, catalogue)}")
        inner = None if path is None else schema_at(schema, path)
        is_by_name = field in chosen.by_name
        target = find_field(field, catalogue) or new_field(field, source, inner, mapped, is_property=is_by_name)
        problem = None
        if not isinstance(target, NewField):
            problem = type_problem(field, source, target)
        elif not is_by_name:
            can_create = rules.can_create_fields or rules.only_identifies
            problem = unknown_field_problem(target, source, catalogue, mapped, can_create=can_create)
        problem = problem or nested_problem(field, source.property, schema, path, target)
        if not (problem or rules.only_identifies or (path and path[0] in rules.guessed)):
            problem = mismatch_problem(source.property, inner, target)
        if problem:
            problems.append(f"{prefix}: {problem}")
        has_schema = path is not None and is_listed(schema, path)
        planned.append(PlannedField(field, source.property, path or (), target, is_listed=has_schema))
    problems += [
        f"{prefix} fills one contact field twice: {names}. Leave one of them out." for names in _repeated(planned)
    ]
    if not any(plan.target in fields.IDENTIFIERS for plan in planned):
        from target_sendgrid.mapping.advice import identifier_advice  # noqa: PLC0415 - only errors need it

        why = "no property is named 'email'" if field_mapping is None else "`field_mapping` fills none"
        problems.append(f"{prefix} has no field that identifies a contact: {why}. {identifier_advice(stream, schema)}")
    if not rules.only_identifies:
        problems += _creation_problems(prefix, planned, chosen.by_name, catalogue, rules)
    if problems:
        raise ConfigError(problems, code=Code.WRONG_MAPPING)
    warnings = [*chosen.warnings, *_property_warnings(planned, schema)]
    used = {str(plan.path[0]) for plan in planned}
    unused = tuple(name for name in _names_in(schema) if name not in used and not name.startswith(METADATA_PREFIX))
    new_field_warnings = _new_field_warnings(planned, chosen.mapping)
    return MappingPlan(
        tuple(planned),
        warnings=tuple(f"{prefix}: {warning}" for warning in warnings),
        unused=unused,
        new_field_warnings=tuple(f"{prefix}: {warning}" for warning in new_field_warnings),
    )


class _Chosen(NamedTuple):
    """What fills the contact fields of a stream, before it is checked."""

    mapping: Mapping[str, Source]
    by_name: Collection[str] = ()
    """Those fields in the mapping that are only in it for the name of a property."""
    problems: Sequence[str] = ()
    warnings: Sequence[str] = ()


def _chosen(
    prefix: str,
    schema: Mapping[str, Any],
    field_mapping: Mapping[str, Source] | None,
    catalogue: FieldCatalogue,
    rules: MappingRules,
) -> _Chosen:
    """Return what fills the contact fields of a stream: the mapping of the settings, or by names of properties.

    Raises:
        ConfigError: The mapping is reversed.
    """
    warnings: list[str] = []
    mapping = field_mapping
    if mapping is None:
        mapping, warnings = default_mapping(schema, catalogue)
    turned = _turned_pairs(mapping, schema, catalogue)
    if turned:
        message = f"{prefix}: `field_mapping` looks reversed. Write the contact field first: `{turned}`."
        raise ConfigError(message, code=Code.WRONG_MAPPING)
    if not rules.maps_all or rules.only_identifies:
        return _Chosen(mapping, warnings=warnings)
    if field_mapping is None:  # single values are among all properties, and what is unclear is an error there
        mapping = _nested_part(mapping, schema)
    every = map_all(schema, mapping, catalogue, rules.used)
    problems = [f"{prefix}: {problem}" for problem in every.problems]
    return _Chosen({**mapping, **every.mapping}, every.mapping.keys(), problems, every.warnings)


def _missing_property(field: str, source: Source, schema: Mapping[str, Any], catalogue: FieldCatalogue) -> str:
    """Return the end of a sentence about a property that a schema does not have."""
    from target_sendgrid.mapping.advice import right_name  # noqa: PLC0415 - only errors need it

    known = right_name(find_field(field, catalogue), source.property, schema) or _some_names(_names_in(schema))
    return f"'{shown(source.property)}' to fill '{shown(field)}'.{known}"


def _property_warnings(planned: Sequence[PlannedField], schema: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is not likely to be meant by a mapping."""
    yield from filter(None, (nested_warning(plan, schema) for plan in planned))
    unlisted = [plan for plan in planned if not plan.is_listed]
    if unlisted:
        from target_sendgrid.mapping.advice import unlisted_warning  # noqa: PLC0415 - few mappings need it

        yield from filter(None, (unlisted_warning(plan, schema) for plan in unlisted))


def _names_in(schema: Mapping[str, Any]) -> list[str]:
    return list(dict.fromkeys(property_paths(schema, depth=1)))


def _nested_part(field_mapping: Mapping[str, Source], schema: Mapping[str, Any]) -> dict[str, Source]:
    """Return the part of a default mapping that is about arrays and objects."""
    return {
        field: source for field, source in field_mapping.items() if is_nested(schema_at(schema, (source.property,)))
    }


def _creation_problems(
    prefix: str,
    planned: Iterable[PlannedField],
    by_name: Collection[str],
    catalogue: FieldCatalogue,
    rules: MappingRules,
) -> Iterator[str]:
    """Yield why the custom fields that are missing can't be created."""
    new = {plan.target.name.lower(): plan.field for plan in planned if isinstance(plan.target, NewField)}
    missing = [field for field in new.values() if field in by_name]
    if missing and not rules.can_create_fields:
        yield (
            f"{prefix}: SendGrid has no custom field for {counted(len(missing), 'property', 'properties')} that"
            f" `custom_fields: all` maps: {some_names(missing)}. Set `create_custom_fields` to true to have"
            " them created, after a look with `--check`: SendGrid can't rename a field, and its type is for good."
        )
    count = len(catalogue.names()) + len(new)
    if new and rules.can_create_fields and count > fields.MAX_CUSTOM_FIELDS:
        yield Problem(
            f"{prefix} needs {counted(len(new), 'new custom field')}: the account would have {count}, and it may have"
            f" {fields.MAX_CUSTOM_FIELDS}. Nothing was created. Map fewer properties, remove properties with a stream"
            " map, or delete custom fields in SendGrid.",
            code=Code.FIELD_REFUSED,
        )


def _new_field_warnings(planned: Sequence[PlannedField], field_mapping: Mapping[str, Source]) -> Iterator[str]:
    """Yield what to know about fields that are created, unless the mapping gives their type."""
    others = []
    for plan in planned:
        if not isinstance(plan.target, NewField) or field_mapping[plan.field].type is not None:
            continue
        near = plan.target.near
        if near is not None:
            yield f"SendGrid has no contact field '{shown(plan.field)}', so it is created. Did you mean '{near}'?"
        else:
            others.append(f"'{shown(plan.field)}'")
    if len(others) == 1:
        yield f"SendGrid has no contact field {others[0]}, so it is created."
    elif others:
        yield f"SendGrid has no contact fields {as_words(others)}, so they are created."


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
