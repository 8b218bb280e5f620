"""`custom_fields: all`: the properties of a stream that fill the contact fields of their own names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from target_sendgrid.mapping.contact_fields import field_key, find_field
from target_sendgrid.mapping.field_types import kinds_of
from target_sendgrid.mapping.schemas import property_paths, resolve_path, schema_at
from target_sendgrid.sendgrid import fields
from target_sendgrid.settings.settings import Source
from target_sendgrid.wording import as_words, shown

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from target_sendgrid.sendgrid.fields import FieldCatalogue

METADATA_PREFIX = "_sdc_"
"""What the names of properties begin with that taps add to the rows of a source."""

_NESTED = frozenset({"array", "object"})

_NOT_CREATED = frozenset({*fields.READ_ONLY_FIELDS, *fields.IDENTIFIERS[1:]})
"""Names of fields that SendGrid has, and that no property fills for its name alone."""


class NamedProperties(NamedTuple):
    """What fills the contact fields of their own names."""

    mapping: dict[str, Source]
    """The mapping, which has nothing that another mapping fills."""
    problems: list[str]
    """Why names are not clear."""
    refused: list[str]
    """Properties that are left out, because SendGrid takes no custom field of that name."""

    @property
    def warnings(self) -> list[str]:
        """What the user should know about properties that are left out: at most one sentence."""
        if not self.refused:
            return []
        refused = as_words(map(_quoted, self.refused))
        return [
            (
                f"`custom_fields: all` leaves out {refused}: SendGrid takes no custom field of such a name. To send"
                " one of them, map it in `field_mapping`: to an identifier, or to a field of another name."
            )
        ]


def map_all(
    schema: Mapping[str, Any], field_mapping: Mapping[str, Source], catalogue: FieldCatalogue, used: Collection[str]
) -> NamedProperties:
    """Map all properties that can only be single values, and that are not mapped yet, to the fields of their names.

    Args:
        schema: JSON schema of the records.
        field_mapping: What is mapped already. A field that it fills is left to it.
        catalogue: The custom fields of the account.
        used: Properties that settings use, which say something else about a person than a field does.
    """
    sources = [*(source.property for source in field_mapping.values()), *used]
    taken = {path for source in sources if (path := resolve_path(source, schema)) is not None}
    filled = {field_key(field, catalogue) for field in field_mapping}
    names: dict[str, list[str]] = {}
    refused = []
    for name in dict.fromkeys(property_paths(schema, depth=1)):
        is_left_out = name.startswith(METADATA_PREFIX) or (name,) in taken
        if is_left_out or not _NESTED.isdisjoint(kinds_of(schema_at(schema, (name,)) or {})):
            continue
        key = field_key(name, catalogue)
        if key in filled:
            continue
        field = find_field(name, catalogue)
        is_new = field is None or field in fields.IDENTIFIERS[1:]
        if is_new and (name.lower() in _NOT_CREATED or not fields.CUSTOM_FIELD_NAME.match(name)):
            refused.append(name)
        else:
            names.setdefault(key, []).append(name)
    problems = [_unclear(same) for same in names.values() if len(same) > 1]
    return NamedProperties({same[0]: Source(same[0]) for same in names.values()}, problems, refused)


def _unclear(names: Iterable[str]) -> str:
    return (
        f"the properties {as_words(map(_quoted, names))} would fill one contact field with `custom_fields: all`, since"
        " SendGrid's names don't differ in capitals only. Map one of them in `field_mapping`, and the others are left"
        " out."
    )


def _quoted(name: str) -> str:
    return f"'{shown(name)}'"
